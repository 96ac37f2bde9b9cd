-- SPDX-License-Identifier: MIT
-- The same in SQLite. Times are as in JSON (2026-01-31T12:00:00.000Z).
ALTER TABLE "Campaign" ADD COLUMN prompt TEXT;
CREATE TABLE "IntelligenceEvent" (
	id TEXT PRIMARY KEY NOT NULL,
	"eventType" TEXT NOT NULL,
	"entityType" TEXT NOT NULL,
	"entityId" TEXT NOT NULL,
	payload TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(payload)),
	severity TEXT NOT NULL DEFAULT 'info',
	"createdAt" TEXT NOT NULL
		DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
	"tenantId" TEXT NOT NULL DEFAULT 'default'
);
CREATE TABLE "PromptPerformance" (
	id TEXT PRIMARY KEY NOT NULL,
	"campaignId" TEXT NOT NULL,
	"promptText" TEXT NOT NULL,
	impressions INTEGER NOT NULL DEFAULT 0,
	clicks INTEGER NOT NULL DEFAULT 0,
	conversions INTEGER NOT NULL DEFAULT 0,
	ctr REAL NOT NULL DEFAULT 0,
	cvr REAL NOT NULL DEFAULT 0,
	"rewardScore" REAL NOT NULL DEFAULT 0,
	"createdAt" TEXT NOT NULL
		DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
	"updatedAt" TEXT NOT NULL
);
CREATE TABLE "KPIHistory" (
	id TEXT PRIMARY KEY NOT NULL,
	"metricName" TEXT NOT NULL,
	"metricValue" REAL NOT NULL,
	period TEXT NOT NULL,
	department TEXT NOT NULL DEFAULT 'executive',
	"createdAt" TEXT NOT NULL
		DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
	"tenantId" TEXT NOT NULL DEFAULT 'default'
);
CREATE TABLE "AgentFeedback" (
	id TEXT PRIMARY KEY NOT NULL,
	"agentId" TEXT NOT NULL,
	"campaignId" TEXT NOT NULL,
	rating INTEGER NOT NULL,
	comment TEXT,
	"createdAt" TEXT NOT NULL
		DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE INDEX "IntelligenceEvent_createdAt_idx" ON "IntelligenceEvent" ("createdAt");
CREATE INDEX "IntelligenceEvent_entity_idx" ON "IntelligenceEvent" ("entityType", "entityId");
CREATE INDEX "IntelligenceEvent_severity_idx" ON "IntelligenceEvent" (severity);
CREATE INDEX "PromptPerformance_campaignId_idx" ON "PromptPerformance" ("campaignId");
CREATE INDEX "PromptPerformance_rewardScore_idx" ON "PromptPerformance" ("rewardScore");
CREATE INDEX "KPIHistory_metric_idx" ON "KPIHistory" ("metricName", period, "createdAt");
CREATE INDEX "AgentFeedback_agentId_idx" ON "AgentFeedback" ("agentId");
