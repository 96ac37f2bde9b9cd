#!/bin/sh
# SPDX-License-Identifier: MIT
# From a server the next rows are read while others are written; each once, and
# what comes of the written ones is not told by those that were read ahead.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
root=$tmp/data
plan=$tmp/a.plan
pg_start db log_statement=all
PG=$(pg_conn db)
# another search path: the rows go through the program
PG2="$PG options=-csearch_path=public"
export PG PG2

sql()
{
	pg_sql db -c "$1"
}

# new [MORE]: ten batches, and a plan to copy them
new()
{
	rm -rf "$root"
	mkdir "$root"
	sql "SET client_min_messages = error; DROP SCHEMA public CASCADE; CREATE SCHEMA public;
		CREATE TABLE src (id int PRIMARY KEY, v int);
		CREATE TABLE dst (id int, v int CHECK (v <> 13));
		INSERT INTO src SELECT i, 0 FROM generate_series(1, 10000) i"
	: >"$pg_base/db.log"
	cat >"$plan" <<-TXT
		plan = 1; name = "a"; from = "1"; to = "2";
		stores: { old = "pg:\${env:PG}"; new = "pg:\${env:PG2}"; };
		steps = ( { id = "c"; kind = "copy-records"; from = "old:src"; to = "new:dst"; key = "id";
			workers = 1; batch = 1000; ${1-} } );
	TXT
}

# how often rows were asked for behind a batch, or put
reads()
{
	grep -c "COPY (SELECT .* FROM \"src\" WHERE .*> (E'[0-9]*000').* TO STDOUT" "$pg_base/db.log"
}

writes()
{
	grep -c 'COPY "dst" .* FROM STDIN' "$pg_base/db.log"
}

# until rows were asked for as often; what a server logs comes a bit later
await_reads()
{
	tries=0
	while [ "$(reads)" -lt "$1" ] && [ $tries -lt 2000 ]; do
		tries=$((tries + 1))
	done
	[ $tries -lt 2000 ] || diag "$(reads) reads"
}

copied()
{
	is "$(sql 'SELECT count(*), count(DISTINCT id) FROM dst')" "$1|$1" "$2: every row once"
}

# --- who cannot write has the next ones already ---

new
pg_hold db dst SHARE
"$UPSHIFT" run "$plan" --root "$root" --batch --yes >"$tmp/said" 2>&1 &
upshift=$!
pg_await_waiter db
await_reads 1
is "$(sql 'SELECT count(*) FROM dst')" 0 'a lock: nothing is written'
is "$(reads)" 1 'but the next rows are read'
pg_let_go
wait "$upshift"
is $? 0 'and on' || diag "$(cat "$tmp/said")"
copied 10000 'a lock'
is "$(reads) $(writes)" '9 10' 'no page is read twice'

# --- a page that is refused: the one behind it is read again, and nothing lost ---

new 'bad_records = "quarantine"; max_bad = 3;'
sql 'UPDATE src SET v = 13 WHERE id IN (1, 2500, 9999)'
run_is 3 'rows that are refused' "$UPSHIFT" run "$plan" --root "$root" --batch --yes
copied 9997 'refused'
is "$(sql 'SELECT string_agg(key, $$ $$ ORDER BY length(key)) FROM _upshift_reject')" \
	'[1] [2500] [9999]' 'these three'

# --- rows ahead that cannot be read fail when it is their turn ---

new 'columns = { id = "id"; v = "v / CASE WHEN id = 1500 THEN 0 ELSE 1 END"; };'
run_is 2 'a row that cannot be read' "$UPSHIFT" run "$plan" --root "$root" --batch --yes
like "$out$err" 'row \[1500\] of .src.: .*division by zero' 'is told'
is "$(sql 'SELECT count(*) >= 1000, max(id) < 1500 FROM dst')" 't|t' 'behind what was before it'
sql 'DELETE FROM src WHERE id = 1500'
run_is 0 'without it it goes on' "$UPSHIFT" resume --root "$root" --batch --yes
copied 9999 'gone on'
done_testing
