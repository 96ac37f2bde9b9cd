#!/bin/sh
# SPDX-License-Identifier: MIT
# Connections that are cut by what stands between: at COMMIT, so that nobody
# knows whether it happened, in the middle of a COPY, in the middle of rows.
# Every row once all the same, every statement once.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_scene db
PG=$(pg_proxy_conn db)
# who finds other tables by the same names: rows go through the program
PG2="$PG options=-csearch_path=public"
export PG PG2

# dst takes a row twice
new()
{
	rm -rf "$root"
	mkdir -p "$root"
	pg_sql db <<-EOF
		SET client_min_messages = error;
		DROP SCHEMA public CASCADE;
		CREATE SCHEMA public;
		CREATE TABLE src (id bigint PRIMARY KEY, name text, n int);
		CREATE TABLE dst (id bigint, name text, n int);
		CREATE TABLE other (id bigint PRIMARY KEY, v text NOT NULL);
		CREATE TABLE said (v text);
		INSERT INTO src SELECT i, 'row ' || i, i FROM
			generate_series(1, 20000) i;
		INSERT INTO other SELECT i, 'o' FROM generate_series(1, 5000) i;
	EOF
}

plan()
{
	printf 'plan = 1; name = "a"; from = "1"; to = "2";\n
stores = { pg = "pg:${env:PG}"; far = "pg:${env:PG2}"; };
steps = (\n%s\n);\n' "$1" >"$plan"
}

go()
{
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes
}

copy='{ id = "copy"; kind = "copy-records"; from = "pg:src"; to = "pg:dst"; key = "id";
	batch = 100; workers = 2; }'
fill='{ id = "fill"; kind = "backfill"; set = "pg:other"; key = "id"; batch = 50; undo = true;
	up = "UPDATE other SET v = v || id WHERE ($1::bigint IS NULL OR id > $1) AND id <= $2"; }'

copied()
{
	is "$(sql "SELECT count(*), count(DISTINCT id), sum(n),
		count(*) FILTER (WHERE name = 'row ' || id) FROM dst")" \
		'20000|20000|200010000|20000' "$1: every row once"
}

# --- COMMIT: not passed on, cut at once, done without an answer ---
new
plan "$copy"
pg_proxy db commit turns 5 21
run_is 0 'copied' go
is "$(pg_cuts db)" 21 'cut at 21 of the COMMITs'
is "$(pg_cuts db swallow)" 7 'a third of them was done, without an answer'
copied 'COMMIT cut'
like "$out$err" 'connection lost, attempt 2 of 61 in 0.0 s: .*server closed the connection unexpectedly$' \
	'it says so'

new
plan "$fill"
pg_proxy db commit turns 4 15
run_is 0 'filled in' go
is "$(pg_cuts db)" 15 'cut at 15 of the COMMITs'
is "$(sql "SELECT count(*) FROM other WHERE v = 'o' || id")" 5000 'each row once'
pg_proxy db commit turns 1 9
run_is 0 'rolled back' "$UPSHIFT" rollback start --root "$root" --batch \
	--confirm 'roll back to start'
is "$(pg_cuts db)" 9 'cut on the way back'
is "$(sql "SELECT count(*) FROM other WHERE v = 'o'")" 5000 'all as before'
like "$out$err" "'other': 0 rows deleted, 5000 put back, 0 kept" 'and counted right'

# retries = 0: the first loss ends it, and nothing is done twice
for kind in "copy; $copy" "fill; $fill"; do
	new
	plan "$(printf '%s' "${kind#*; }" | sed 's/batch =/retries = 0; batch =/')"
	pg_proxy db commit turns 6 1
	run_is 2 "${kind%%;*}: no retry" go
	is "$(pg_cuts db)" 1 'cut once'
	unlike "$out$err" 'attempt 2 of' 'and not tried again'
	run_is 0 'goes on' "$UPSHIFT" resume --root "$root" --batch --yes
done
is "$(sql "SELECT count(*) FROM other WHERE v = 'o' || id")" 5000 'each row once'
new
plan "$copy"
sed -i 's/^steps/defaults: { retries = 0; };\nsteps/' "$plan"
pg_proxy db commit turns 6 1
run_is 2 'no retry by the defaults of the plan' go
is "$(pg_cuts db)" 1 'cut once'
run_is 0 'goes on' "$UPSHIFT" resume --root "$root" --batch --yes
copied 'without retries'

# an undo without an undo table: what equals the source is deleted
new
plan "$copy"
pg_proxy db commit turns 1000 0
run_is 0 'copied' go
pg_proxy db commit turns 2 6
run_is 0 'rolled back' "$UPSHIFT" rollback start --root "$root" --batch \
	--confirm 'roll back to start'
is "$(pg_cuts db)" 6 'cut on the way back'
is "$(sql "SELECT count(*) FROM dst")" 0 'all as before'
like "$out$err" "'dst': 20000 rows deleted, 0 put back, 0 kept" 'and counted right'

# ANALYZE runs alone, so this has three transactions with marks between
said='{ id = "say"; kind = "sql"; store = "pg"; retries = 9;
	up = [ "INSERT INTO said VALUES ('"'one'"')", "ANALYZE said",
		"INSERT INTO said VALUES ('"'two'"')", "ANALYZE said",
		"INSERT INTO said VALUES ('"'three'"')" ];
	down = [ "DELETE FROM said WHERE v = '"'one'"'", "DELETE FROM said WHERE v = '"'two'"'",
		"ANALYZE said", "DELETE FROM said WHERE v = '"'three'"'" ]; }'
new
plan "$(printf '%s' "$said" | sed 's/retries = 9/retries = 0/')"
pg_proxy db commit before 5 1
run_is 2 'sql: no retry' go
unlike "$out$err" 'say: connection lost, attempt' 'and not tried again'
run_is 0 'goes on' "$UPSHIFT" resume --root "$root" --batch --yes
is "$(sql 'SELECT count(*), count(DISTINCT v) FROM said')" '3|3' 'each once'
for manner in before race swallow; do
	new
	plan "$said"
	pg_proxy db commit $manner 2 5
	run_is 0 "statements, $manner" go
	is "$(pg_cuts db)" 5 'cut five times'
	is "$(sql 'SELECT count(*), count(DISTINCT v) FROM said')" '3|3' \
		'each statement once'
	like "$out$err" 'connection lost, attempt' 'it says so'
done

# --- in the middle of COPY, of rows, where they go through the program ---
new
plan "$(printf '%s' "$copy" | sed 's/pg:dst/far:dst/')"
pg_proxy db copy cut 9 12
run_is 0 'copied, COPY cut' go
is "$(pg_cuts db)" 12 'cut in the middle of 12'
copied 'COPY cut'
new
pg_proxy db row cut 1777 10
run_is 0 'copied, rows cut' go
is "$(pg_cuts db)" 10 'cut in the middle of 10 results'
copied 'rows cut'

done_testing
