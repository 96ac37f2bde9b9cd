#!/bin/sh
# SPDX-License-Identifier: MIT
# A copy and a backfill that wait while they should: for a file that is there,
# for a figure that is too great or that nobody can tell; stopped meanwhile.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
sqlite_need
root=$tmp/data
plan=$tmp/a.plan

new()
{
	rm -rf "$root"
	mkdir -p "$root"
	sqlite3 "$root/a.db" 'CREATE TABLE src (id INTEGER PRIMARY KEY, v INT);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
		WHERE i < 2000) INSERT INTO src SELECT i, 0 FROM n'
	sqlite3 "$root/b.db" 'CREATE TABLE dst (id INTEGER PRIMARY KEY, v INT)'
	sqlite3 "$root/lag.db" 'PRAGMA journal_mode = wal; CREATE TABLE lag (s REAL);
		INSERT INTO lag VALUES (5)' >/dev/null
}

# plan STEP
plan()
{
	printf 'plan = 1; name = "a"; from = "1"; to = "2";
stores = { a = "sqlite:a.db"; b = "sqlite:b.db"; lag = "sqlite:lag.db"; };
steps = ( %s );\n' "$1" >"$plan"
}

# in the background; $pid
start()
{
	"$UPSHIFT" "$@" --root "$root" --batch --yes >"$tmp/log" 2>&1 &
	pid=$!
}

# until the log has the words, or the run is over
await()
{
	until grep -qs "$1" "$root"/.upshift/runs/*/log.jsonl; do
		kill -0 "$pid" 2>/dev/null || break
	done
	grep -qs "$1" "$root"/.upshift/runs/*/log.jsonl
	ok $? "$2"
}

ends()
{
	wait "$pid"
	is $? "$1" "$2"
}

rows()
{
	sqlite3 "$root/b.db" 'SELECT count(*) FROM dst'
}

copy='{ id = "copy"; kind = "copy-records"; from = "a:src"; to = "b:dst"; batch = 5;'

# --- a file ---
new
plan "$copy pause_file = \"wait\"; }"
touch "$root/wait"
start run "$plan"
await 'waiting: wait' 'it waits for the file, and says so'
run_is 0 'status' "$UPSHIFT" status --root "$root"
# the log has it a moment before those who watch
while case $out in *'waiting: wait'*) false ;; *'Now:'*) ;; *) false ;; esac; do
	run "$UPSHIFT" status --root "$root"
done
like "$out" 'Now: [0-9:]+ copy: [0-9]+ %.*waiting: wait' 'says so as well'
kill -TERM "$pid"
ends 6 'a stop is heard meanwhile'
[ "$(rows)" -lt 2000 ]
ok $? 'and not all rows went'
start resume
rm "$root/wait"
ends 0 'it goes on when the file is gone'
is "$(rows)" 2000 'with every row'

# --- a figure ---
new
plan "$copy max_lag = { store = \"lag\"; query = \"SELECT s FROM lag\"; max = 3; }; }"
start run "$plan"
await 'waiting: max_lag' 'it waits while the figure is too great'
sqlite3 "$root/lag.db" 'DELETE FROM lag'
sqlite3 "$root/lag.db" 'INSERT INTO lag VALUES (2.5)'
ends 0 'and goes on when it is not'
like "$(cat "$root"/.upshift/runs/*/log.jsonl)" 'going on' 'and says so'
is "$(rows)" 2000 'with every row'

# --- one that nobody can tell ---
new
plan "$copy max_lag = { store = \"lag\"; query = \"SELECT s FROM gone\"; max = 3; }; }"
start run "$plan"
await 'waiting: max_lag' 'what cannot be had is too much'
kill -TERM "$pid"
ends 6 'a stop is heard meanwhile'
sqlite3 "$root/lag.db" 'CREATE TABLE gone (s INT); INSERT INTO gone VALUES (1)'
run_is 0 'it goes on when it is there' "$UPSHIFT" resume --root "$root" --batch --yes
is "$(rows)" 2000 'with every row'

# --- a pause, of a backfill ---
new
plan '{ id = "fill"; kind = "backfill"; set = "a:src"; key = "id"; batch = 100; pause = 3600; workers = 1;
	up = "UPDATE src SET v = v + 1 WHERE id > coalesce($1, 0) AND id <= $2"; }'
start run "$plan"
await '"id":"fill"' 'it has begun'
kill -TERM "$pid"
ends 6 'a stop is heard in a pause of an hour'
sed 's/pause = 3600/pause_file = "wait"/' "$plan" >"$tmp/b.plan"
[ "$(sqlite3 "$root/a.db" 'SELECT sum(v) FROM src')" -lt 2000 ]
ok $? 'and not all rows went'
done_testing
