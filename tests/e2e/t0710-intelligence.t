#!/bin/sh
# SPDX-License-Identifier: MIT
# The intelligence-core plan on PostgreSQL: filled from tables and a log,
# watched, signed off by two people, rolled back.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
root=$tmp/data
plan=$top_srcdir/data/plans/intelligence-core/intelligence-core.plan
pg_start db
DATABASE_URL=$(pg_conn db)
UPSHIFT_TEST_MONITOR_S=0
export DATABASE_URL UPSHIFT_TEST_MONITOR_S

one()
{
	pg_sql db -c "$1"
}

dump()
{
	one "SELECT table_name, column_name, data_type, column_default, is_nullable
		FROM information_schema.columns WHERE table_schema = 'public' AND
		table_name NOT LIKE '\_upshift%' ORDER BY 1, ordinal_position"
	for table in Campaign Asset PublishJob; do
		one "SELECT * FROM \"$table\" ORDER BY id"
	done
	one "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
	cat "$root/data/agent-events.jsonl"
}

"$top_srcdir/data/plans/intelligence-core/make-sample" "$root" --campaigns 50 \
	--events 1000 --publishes 200 --database "$DATABASE_URL"
dump >"$tmp/before"
run_is 0 'lint' "$UPSHIFT" lint "$plan"
run_is 9 'a dry run' "$UPSHIFT" run "$plan" --root "$root" --dry-run \
	--set environment=staging
dump >"$tmp/after"
file_is "$tmp/after" "$tmp/before" 'changes nothing'

# up to the signatures, which may take days
run_is 8 'a run' "$UPSHIFT" run "$plan" --root "$root" --batch --yes \
	--set environment=staging
like "$out$err" "waits for the signature of 'product'" 'waits for people'
run_is 8 'one of two' "$UPSHIFT" resume --root "$root" --batch \
	--approve 'product:Ada Lovelace'
run_is 0 'and the other' "$UPSHIFT" resume --root "$root" --batch \
	--approve operations:Bob
run_is 0 'the report' "$UPSHIFT" report --root "$root"
like "$out" 'Ada Lovelace' 'names who signed'

# 900 events are told by the campaigns, 200 by the log, 100 by both; those of
# the campaigns that are older than 90 days stay behind, the log's do not
new="(t->>'completedAt')::timestamptz >= now() - interval '90 days'"
is "$(one "SELECT count(*) FROM \"IntelligenceEvent\"")" \
	"$(one "SELECT count(*) FROM \"Campaign\" c, jsonb_array_elements(
		c.metadata->'agentTasks') t WHERE $new OR
		(t->>'id') >= 'task0000800'" | awk '{ print $1 + 100 }')" \
	'each event once'
is "$(one 'SELECT count(*), count(DISTINCT id) FROM "KPIHistory"')" '1800|1800' \
	'90 days x 4 metrics x 5 periods'
is "$(one 'SELECT count(*) FROM "AgentFeedback"')" 100 'feedback'
is "$(one "SELECT count(*) FROM \"Campaign\" WHERE prompt IS DISTINCT FROM
	metadata->>'prompt'")" 0 'prompts'
is "$(one "SELECT count(*) FROM \"PromptPerformance\" WHERE
	abs(ctr - clicks::float8 / impressions) > 1e-12")" 0 'rates'

# rules without rows to compare
run_is 0 'a look later' "$UPSHIFT" verify --root "$root"
like "$out" 'V01: ok, 4 rules and queries are fine' 'says what it looked at'

# a figure that breaks its limit is seen later too
one "INSERT INTO \"IntelligenceEvent\" (id, \"eventType\", \"entityType\",
	\"entityId\", \"createdAt\") VALUES ('late', 'x', 'x', 'x',
	now() + interval '3 days')"
run_is 7 'an event of the future' "$UPSHIFT" verify --root "$root"
like "$out$err" 'future_events' 'is named'
one "DELETE FROM \"IntelligenceEvent\" WHERE id = 'late'"

run_is 0 'rolled back' "$UPSHIFT" rollback start --root "$root" --batch \
	--confirm 'roll back to start'
dump >"$tmp/after"
file_is "$tmp/after" "$tmp/before" 'as before'
done_testing
