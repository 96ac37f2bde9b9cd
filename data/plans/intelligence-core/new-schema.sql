-- SPDX-License-Identifier: MIT
-- What the intelligence core keeps, beside the tables that are there.
-- nullable and without a default: no row is rewritten
ALTER TABLE "Campaign" ADD COLUMN prompt text;
CREATE TABLE "IntelligenceEvent" (
	id text PRIMARY KEY,
	"eventType" text NOT NULL,
	"entityType" text NOT NULL,
	"entityId" text NOT NULL,
	payload jsonb NOT NULL DEFAULT '{}',
	severity text NOT NULL DEFAULT 'info',
	"createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
	"tenantId" text NOT NULL DEFAULT 'default'
);
CREATE TABLE "PromptPerformance" (
	id text PRIMARY KEY,
	"campaignId" text NOT NULL,
	"promptText" text NOT NULL,
	impressions integer NOT NULL DEFAULT 0,
	clicks integer NOT NULL DEFAULT 0,
	conversions integer NOT NULL DEFAULT 0,
	ctr double precision NOT NULL DEFAULT 0,
	cvr double precision NOT NULL DEFAULT 0,
	"rewardScore" double precision NOT NULL DEFAULT 0,
	"createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
	"updatedAt" timestamp(3) NOT NULL
);
CREATE TABLE "KPIHistory" (
	id text PRIMARY KEY,
	"metricName" text NOT NULL,
	"metricValue" double precision NOT NULL,
	period text NOT NULL,
	department text NOT NULL DEFAULT 'executive',
	"createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
	"tenantId" text NOT NULL DEFAULT 'default'
);
CREATE TABLE "AgentFeedback" (
	id text PRIMARY KEY,
	"agentId" text NOT NULL,
	"campaignId" text NOT NULL,
	rating integer NOT NULL,
	comment text,
	"createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
-- figures of one day, as the application computes them
CREATE FUNCTION kpi(metric text, period text, day date)
RETURNS double precision LANGUAGE sql STABLE AS $$
	WITH span AS (
		SELECT CASE period
			WHEN 'qtd' THEN date_trunc('quarter', day)
			WHEN 'ytd' THEN date_trunc('year', day)
			ELSE day - replace(period, 'd', '')::integer
			END AS since
	), seen AS (
		SELECT sum(impressions)::double precision AS shown,
		       sum(clicks)::double precision AS clicked,
		       sum(conversions)::double precision AS bought,
		       count(*)::double precision AS jobs
		FROM "PublishJob", span
		WHERE status = 'done' AND "publishedAt" >= since
		      AND "publishedAt" < day + 1
	)
	SELECT CASE metric
		WHEN 'content_ctr' THEN clicked / nullif(shown, 0)
		WHEN 'win_rate' THEN bought / nullif(clicked, 0)
		WHEN 'pipeline_velocity' THEN jobs
		WHEN 'arr_run_rate' THEN bought * 100
		END
	FROM seen
$$;
