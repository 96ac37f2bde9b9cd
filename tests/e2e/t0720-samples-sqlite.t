#!/bin/sh
# SPDX-License-Identifier: MIT
# unified-chunks and intelligence-core on SQLite: previewed, run, killed on the
# way and gone on with, rolled back to files as they were.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
sqlite_need
command -v python3 >/dev/null || skip_all 'no python3'
# the maker would fill a server
unset OLD_DATABASE_URL NEW_DATABASE_URL DATABASE_URL
UPSHIFT_TEST_MONITOR_S=0
export UPSHIFT_TEST_MONITOR_S
root=$tmp/data
plans=$top_srcdir/data/plans

# new NAME [OPTION]...: a sample, and what it looks like
new()
{
	name=$1
	shift
	rm -rf "$root"
	"$plans/$name/make-sample" "$root" "$@"
	tree >"$tmp/before"
}

tree()
{
	python3 "$top_srcdir/tests/lib/tree.py" "$root" .upshift
}

go()
{
	"$UPSHIFT" run "$plans/$name/$name-sqlite.plan" --root "$root" --batch \
		--yes "$@"
}

on()
{
	"$UPSHIFT" resume --root "$root" --batch --yes "$@"
}

back()
{
	run_is 0 "$1: rolled back" "$UPSHIFT" rollback start --root "$root" \
		--batch --confirm 'roll back to start'
	tree >"$tmp/after"
	file_is "$tmp/after" "$tmp/before" "$1: as before"
}

dry()
{
	run_is 0 "$name: lint" "$UPSHIFT" lint "$plans/$name/$name-sqlite.plan"
	run_is 9 "$name: a dry run" "$UPSHIFT" run \
		"$plans/$name/$name-sqlite.plan" --root "$root" --dry-run "$@"
	like "$out" 'CREATE TABLE' "$name: shows the statements"
	tree >"$tmp/after"
	file_is "$tmp/after" "$tmp/before" "$name: a dry run changes nothing"
}

one()
{
	sqlite3 -readonly "$root/data/$1" "$2"
}

# --- unified-chunks ---

# of both files, what an old client reads
rows()
{
	for table in texts chunks tags chunk_tags embeddings graph_nodes; do
		one "$1" "SELECT * FROM $table ORDER BY 1, 2"
	done
}

right()
{
	rows new.db >"$tmp/rows"
	file_is "$tmp/rows" "$tmp/rows.before" "$1: old readers read what they read"
	is "$(one new.db 'PRAGMA foreign_key_check')" '' "$1: keys point to rows"
	is "$(one new.db "SELECT count(*) FROM unified_chunks WHERE is_tag = 't'")" \
		"$(one old.db 'SELECT count(*) FROM tags')" "$1: tags are chunks"
	is "$(one new.db 'SELECT sum(chunks) FROM page_chunks')" \
		"$(one old.db 'SELECT count(text_id) FROM chunks')" "$1: pages"
	is "$(one new.db 'SELECT sum(uses) FROM tag_use')" \
		"$(one old.db 'SELECT count(*) FROM chunk_tags')" "$1: uses of tags"
}

new unified-chunks --rows 1200
rows old.db >"$tmp/rows.before"
dry
run_is 0 'unified-chunks' go
right 'a run'
run_is 19 'the old file takes no writes' sqlite3 "$root/data/old.db" \
	"INSERT INTO tags VALUES (9999, 'x', 'y')"
like "$err" 'the data are being moved' 'and says why'
back 'a run'

# orphans are set aside, the rest comes over
new unified-chunks --rows 1000 --orphans 3 --duplicates 2
run_is 3 'orphans' go
like "$out" '3 rows were refused' 'they are told'
is "$(one new.db 'SELECT count(*) FROM _upshift_reject')" 3 'they are kept'
is "$(one new.db 'SELECT count(*) FROM embeddings')" 250 'the others came'
back 'orphans'

# what came in late stops the cutover, and writers go on
new unified-chunks --rows 300
"$UPSHIFT" run "$plans/$name/$name-sqlite.plan" --root "$root" --batch --yes \
	--stop-after summaries >"$tmp/stop" 2>&1
is $? 6 'stopped ahead of the cutover'
sqlite3 "$root/data/old.db" "INSERT INTO tags VALUES (9999, 'late', '2026-01-01')"
run_is 2 'the cutover sees what came late' on
run_is 0 'and writers were let in again' sqlite3 "$root/data/old.db" \
	'DELETE FROM tags WHERE id = 9999'

for n in 150 450 750; do
	new unified-chunks --rows 600
	rows old.db >"$tmp/rows.before"
	UPSHIFT_TEST_FAULT=any:$n:kill go >"$tmp/kill" 2>&1
	is $? 137 "killed at change $n"
	run_is 0 "killed at change $n: goes on" on
	right "killed at change $n"
	back "killed at change $n"
done

# --- intelligence-core ---

# each once, and right
filled()
{
	is "$(one app.db 'SELECT count(*) FROM IntelligenceEvent')" \
		"$(one app.db "SELECT count(*) + 100 FROM Campaign c, json_each(
			c.metadata, '\$.agentTasks') t WHERE t.value->>'id' >=
			'task0000800' OR t.value->>'completedAt' >=
			strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-90 days')")" \
		"$1: each event once"
	is "$(one app.db 'SELECT count(*), count(DISTINCT createdAt), count(DISTINCT
		metricName || period) FROM KPIHistory')" '1800|90|20' \
		"$1: 90 days x 4 metrics x 5 periods"
	is "$(one app.db "SELECT count(*) FROM KPIHistory k WHERE period = '14d'
		AND metricName = 'arr_run_rate' AND metricValue <> (SELECT
		100 * sum(conversions) FROM PublishJob WHERE status = 'done' AND
		publishedAt >= date(substr(k.createdAt, 1, 10), '-14 days') AND
		publishedAt < date(substr(k.createdAt, 1, 10), '+1 day'))")" 0 \
		"$1: of the days they are said to be of"
	is "$(one app.db 'SELECT count(*) FROM AgentFeedback')" 100 "$1: feedback"
	is "$(one app.db "SELECT count(*) FROM Campaign WHERE prompt IS NOT
		metadata->>'prompt'")" 0 "$1: prompts"
	is "$(one app.db 'SELECT count(*) FROM PromptPerformance WHERE
		abs(ctr - 1.0 * clicks / impressions) > 1e-12')" 0 "$1: rates"
}

small="--campaigns 50 --events 1000 --publishes 200"
# shellcheck disable=SC2086 # words
new intelligence-core $small
dry --set environment=staging
run_is 8 'intelligence-core' go --set environment=staging
like "$out$err" "waits for the signature of 'product'" 'waits for people'
run_is 8 'one of two' on --approve product:Ada
run_is 0 'and the other' on --approve operations:Bob
filled 'a run'
run_is 0 'the record of staging' "$UPSHIFT" report --root "$root" \
	--completion "$tmp/staging.json"
sqlite3 "$root/data/app.db" "INSERT INTO IntelligenceEvent (id, eventType,
	entityType, entityId, createdAt) VALUES ('late', 'x', 'x', 'x',
	strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+3 days'))"
run_is 7 'an event of the future' "$UPSHIFT" verify --root "$root"
like "$out$err" 'future_events' 'is named'
sqlite3 "$root/data/app.db" "DELETE FROM IntelligenceEvent WHERE id = 'late'"
back 'a run'

# production: the record of a run that was rolled back is none
run_is 1 'production' go --set environment=production
like "$out" "there is no completion record of 'staging'" 'comes after staging'
run_is 1 'production' go --set environment=production \
	--set "record=$tmp/staging.json"
like "$out" 'is not complete .rolled-back.' 'not after a rollback'
mv "$root" "$tmp/staging"
# shellcheck disable=SC2086 # words
new intelligence-core $small
run_is 8 'production' go --set environment=production \
	--set "record=$tmp/staging.json"
like "$out" "check C00: ok, run .... in 'staging' is complete" \
	'with a record of data that are not here'

# its three ways back
scenario()
{
	run_is 0 "scenario $1" "$UPSHIFT" rollback --scenario "$1" \
		--root "$root" --batch --confirm "roll back to ${2:-$1}"
}

# again, after a way back
again()
{
	run_is 8 "$1: again" on
	run_is 0 "$1: signed" on --approve product:Ada --approve operations:Bob
	filled "$1: again"
	is "$(readlink "$root/app/current")" releases/5 "$1: the code, too"
}

rm -rf "$tmp/staging"
# shellcheck disable=SC2086 # words
new intelligence-core $small
is "$(readlink "$root/app/current")" releases/4 'the old release'
run_is 8 'a run' go --set environment=staging
on --approve product:Ada --approve operations:Bob >/dev/null 2>&1
is "$(readlink "$root/app/current")" releases/5 'the new release'
scenario production-issues
is "$(readlink "$root/app/current")" releases/4 'the code goes back'
filled 'the tables stay'
again production-issues
scenario backfill-errors
is "$(one app.db 'SELECT (SELECT count(*) FROM IntelligenceEvent), (SELECT
	count(*) FROM PromptPerformance), (SELECT count(*) FROM KPIHistory),
	(SELECT count(*) FROM AgentFeedback)')" '0|0|0|0' 'the new tables are empty'
is "$(one app.db "SELECT count(*) FROM Campaign WHERE prompt IS NOT
	metadata->>'prompt'")" 0 'with their prompts'
is "$(readlink "$root/app/current")" releases/5 'the code stays'
again backfill-errors
scenario migration-fails start
tree >"$tmp/after"
file_is "$tmp/after" "$tmp/before" 'migration-fails: as before'

for n in 150 450; do
	# shellcheck disable=SC2086 # words
	new intelligence-core $small
	UPSHIFT_TEST_FAULT=any:$n:kill go --set environment=staging >"$tmp/kill" 2>&1
	is $? 137 "core killed at change $n"
	run_is 8 "core killed at change $n: goes on" on
	run_is 0 "core killed at change $n: signed" on --approve product:Ada \
		--approve operations:Bob
	filled "core killed at change $n"
	back "core killed at change $n"
done
done_testing
