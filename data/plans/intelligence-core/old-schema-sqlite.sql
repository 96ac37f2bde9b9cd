-- SPDX-License-Identifier: MIT
-- The same in SQLite, which has other types.
CREATE TABLE "Campaign" (
	id TEXT PRIMARY KEY NOT NULL,
	"tenantId" TEXT NOT NULL DEFAULT 'default',
	name TEXT NOT NULL,
	status TEXT NOT NULL DEFAULT 'draft',
	metadata TEXT NOT NULL DEFAULT '{}',
	"createdAt" TEXT NOT NULL,
	"updatedAt" TEXT NOT NULL
);
CREATE TABLE "Asset" (
	id TEXT PRIMARY KEY NOT NULL,
	"campaignId" TEXT NOT NULL REFERENCES "Campaign" ON DELETE CASCADE,
	kind TEXT NOT NULL,
	"createdAt" TEXT NOT NULL
);
CREATE TABLE "PublishJob" (
	id TEXT PRIMARY KEY NOT NULL,
	"assetId" TEXT NOT NULL REFERENCES "Asset" ON DELETE CASCADE,
	platform TEXT NOT NULL,
	status TEXT NOT NULL,
	impressions INTEGER NOT NULL DEFAULT 0,
	clicks INTEGER NOT NULL DEFAULT 0,
	conversions INTEGER NOT NULL DEFAULT 0,
	"publishedAt" TEXT
);
CREATE INDEX "Asset_campaignId_idx" ON "Asset" ("campaignId");
CREATE INDEX "PublishJob_assetId_idx" ON "PublishJob" ("assetId");
