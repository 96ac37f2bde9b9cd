#!/bin/sh
# SPDX-License-Identifier: MIT
# The three ways back of the intelligence-core plan, each to its end: tables as
# they were; the new tables emptied and filled again; the code alone back.
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

# in how many batches a range was done is another number each time
dumped()
{
	pg_dumped "$DATABASE_URL" | awk -F '\t' -v OFS='\t' \
		'/^intelligence-core\// && NF == 8 { $7 = "" } { print }' | sort
}

signed()
{
	run_is 8 "$1: waits for the signatures" "$UPSHIFT" resume --root "$root" \
		--batch --yes
	run_is 0 "$1: signed" "$UPSHIFT" resume --root "$root" --batch \
		--approve 'product:Ada' --approve operations:Bob
}

# scenario NAME
scenario()
{
	run "$UPSHIFT" rollback --scenario "$1" --root "$root" --batch \
		--confirm "roll back to ${2:-$1}"
	[ "$status" = 0 ] || diag "$out $err"
}

"$top_srcdir/data/plans/intelligence-core/make-sample" "$root" --campaigns 50 \
	--events 1000 --publishes 200 --database "$DATABASE_URL"
dumped >"$tmp/before"
run_is 8 'a run' "$UPSHIFT" run "$plan" --root "$root" --batch --yes \
	--set environment=staging
signed 'the run'
dumped >"$tmp/after"
is "$(readlink "$root/app/current")" releases/5 'the new release is the one in use'

# the code alone
run_is 0 'the code alone: a look' "$UPSHIFT" rollback --scenario \
	production-issues --root "$root" --preview
like "$out" 'RESTORED 1
  app/current
LOST 0
KEPT 0' 'is told'
scenario production-issues
is "$status" 0 'the code goes back'
is "$(readlink "$root/app/current")" releases/4 'to the old release'
dumped >"$tmp/now"
file_is "$tmp/now" "$tmp/after" 'the tables stay'
run_is 0 'status' "$UPSHIFT" status --root "$root"
like "$out" 'rolled back to production-issues' 'says so'
signed 'deployed again'
is "$(readlink "$root/app/current")" releases/5 'with the new release'

# a backfill was wrong: rows that others changed and added go with the rest
one "UPDATE \"KPIHistory\" SET \"metricValue\" = -1 WHERE id IN
	(SELECT id FROM \"KPIHistory\" LIMIT 3)"
one "INSERT INTO \"AgentFeedback\" (id, \"agentId\", \"campaignId\", rating)
	SELECT 'theirs', 'a', id, 1 FROM \"Campaign\" LIMIT 1"
one "UPDATE \"Campaign\" SET prompt = 'theirs' WHERE id = (SELECT min(id) FROM
	\"Campaign\")"
dumped >"$tmp/wrong"
run_is 0 'a reset: a look' "$UPSHIFT" rollback --scenario backfill-errors \
	--root "$root" --preview
like "$out" 'LOST 4
  db:KPIHistory: 3 rows
  db:AgentFeedback: 1 row
KEPT 0' 'tells what goes' || diag "$out"
scenario backfill-errors
is "$status" 0 'a reset'
is "$(one 'SELECT (SELECT count(*) FROM "IntelligenceEvent"), (SELECT count(*)
	FROM "PromptPerformance"), (SELECT count(*) FROM "KPIHistory"),
	(SELECT count(*) FROM "AgentFeedback")')" '0|0|0|0' 'the new tables are empty'
is "$(one "SELECT count(*) FROM \"Campaign\" WHERE prompt = 'theirs'")" 1 \
	'the others are left alone'
is "$(readlink "$root/app/current")" releases/5 'the code stays'
is "$(one "SELECT count(*) FROM pg_class WHERE relname ~
	'^_upshift_(undo|q)_(events|performance|figures|feedback)'")" 0 \
	'nothing of ours is left of them'
run_is 0 'taken back' "$UPSHIFT" rollback R2 --root "$root" --batch \
	--confirm 'roll back to R2'
dumped >"$tmp/now"
file_is "$tmp/now" "$tmp/wrong" 'all is as it was'
# as it saves the rows, and as it empties the tables
pg_kill_at db '"KPIHistory"' rollback --scenario backfill-errors --root "$root" \
	--batch --confirm 'roll back to backfill-errors'
dumped >"$tmp/now"
file_is "$tmp/now" "$tmp/wrong" 'killed as it begins: nothing is changed'
pg_hold db '"KPIHistory"' 'ACCESS SHARE'
"$UPSHIFT" rollback --scenario backfill-errors --root "$root" --batch \
	--confirm 'roll back to backfill-errors' >"$tmp/said" 2>&1 &
victim=$!
pg_await_waiter db
kill -9 "$victim"
wait "$victim" 2>/dev/null
pg_let_go
dumped >"$tmp/now"
file_is "$tmp/now" "$tmp/wrong" 'killed in it: nothing is emptied yet'
run_is 0 'status' "$UPSHIFT" status --root "$root"
like "$out" 'rollback to backfill-errors was interrupted' 'says so'
scenario backfill-errors
is "$status" 0 'it goes on'
is "$(one 'SELECT (SELECT count(*) FROM "IntelligenceEvent"), (SELECT count(*)
	FROM "PromptPerformance"), (SELECT count(*) FROM "KPIHistory"),
	(SELECT count(*) FROM "AgentFeedback")')" '0|0|0|0' 'to the end'
one "UPDATE \"Campaign\" SET prompt = metadata->>'prompt' WHERE prompt = 'theirs'"
signed 'filled again'
dumped >"$tmp/now"
file_is "$tmp/now" "$tmp/after" 'the tables are as they should be'

# from the backup
scenario migration-fails start
is "$status" 0 'all back'
dumped >"$tmp/now"
file_is "$tmp/now" "$tmp/before" 'schema and rows are as they were'
is "$(readlink "$root/app/current")" releases/4 'and the code'

# what others stand on does not go alone
cat >"$tmp/p.plan" <<-'END'
	plan = 1; name = "p"; to = "2";
	steps = (
	  { id = "one"; kind = "write"; path = "f"; text = "1"; },
	  { id = "two"; kind = "write"; path = "g"; text = "2"; needs = ["one"]; },
	  { id = "three"; kind = "write"; path = "h"; text = "3"; needs = ["two"]; } );
	rollback: { scenarios = (
	  { name = "one"; undo = ["one"]; },
	  { name = "Both"; undo = ["two", "one", "three"]; },
	  { name = "last"; undo_to = "two"; } ); };
END
root=$tmp/other
mkdir "$root"
run_is 0 'a plan of files' "$UPSHIFT" run "$tmp/p.plan" --root "$root" --batch --yes
scenario one
is "$status" 66 'one alone'
like "$err" "cannot undo step 'one' alone: step 'two' builds on it" 'is refused'
run "$UPSHIFT" rollback --scenario both --strategy backup --root "$root" --batch
is "$status" 64 'a strategy is none of its business'
scenario last CP2
is "$status" 0 'to the step that is named'
is "$(cat "$root/f" "$root/g") $(ls "$root")" '12 f
g' 'what is behind it went'
scenario both Both
is "$status" 0 'all of them'
is "$(ls "$root")" '' 'whatever the order they are named in'

done_testing
