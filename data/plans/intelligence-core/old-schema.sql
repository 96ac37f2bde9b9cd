-- SPDX-License-Identifier: MIT
-- Marketing campaigns before the intelligence core: what agents did is told by
-- "metadata" of a campaign, what people saw by the jobs that published.
CREATE TABLE "Campaign" (
	id text PRIMARY KEY,
	"tenantId" text NOT NULL DEFAULT 'default',
	name text NOT NULL,
	status text NOT NULL DEFAULT 'draft',
	metadata jsonb NOT NULL DEFAULT '{}',
	"createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
	"updatedAt" timestamp(3) NOT NULL
);
CREATE TABLE "Asset" (
	id text PRIMARY KEY,
	"campaignId" text NOT NULL REFERENCES "Campaign" ON DELETE CASCADE,
	kind text NOT NULL,
	"createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE "PublishJob" (
	id text PRIMARY KEY,
	"assetId" text NOT NULL REFERENCES "Asset" ON DELETE CASCADE,
	platform text NOT NULL,
	status text NOT NULL,
	impressions integer NOT NULL DEFAULT 0,
	clicks integer NOT NULL DEFAULT 0,
	conversions integer NOT NULL DEFAULT 0,
	"publishedAt" timestamp(3)
);
CREATE INDEX "Asset_campaignId_idx" ON "Asset" ("campaignId");
CREATE INDEX "PublishJob_assetId_idx" ON "PublishJob" ("assetId");
