#!/bin/sh
# SPDX-License-Identifier: MIT
# What a server cannot do, taken away one by one, and a server that is
# SERIALIZABLE for everybody, while others write: the same rows all the same.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
root=$tmp/data
plan=$tmp/a.plan
pg_start db default_transaction_isolation=serializable
PG=$(pg_conn db)
export PG

sql()
{
	pg_sql db -c "$1"
}

new()
{
	rm -rf "$root"
	mkdir -p "$root"
	pg_sql db <<-EOF
		SET client_min_messages = error;
		DROP SCHEMA public CASCADE;
		CREATE SCHEMA public;
		CREATE TABLE src (id bigint PRIMARY KEY, name text, n int);
		CREATE TABLE dst (id bigint PRIMARY KEY, name text, n int);
		CREATE TABLE plain (id bigint, name text, n int);
		CREATE TABLE other (id bigint PRIMARY KEY, v text NOT NULL, hits int DEFAULT 0);
		CREATE TABLE said (v text);
		INSERT INTO src SELECT i, 'row ' || i, i FROM generate_series(1, 3000) i;
		INSERT INTO dst SELECT i, 'old', 0 FROM generate_series(1, 4000, 5) i;
		INSERT INTO other SELECT i, 'o' FROM generate_series(1, 1000) i;
	EOF
}

cat >"$plan" <<'END'
plan = 1; name = "a"; from = "1"; to = "2";
stores = { pg = "pg:${env:PG}"; };
steps = (
	{ id = "say"; kind = "sql"; store = "pg";
		up = [ "CREATE TABLE made (id int)", "INSERT INTO said VALUES ('one')",
			"ANALYZE said", "INSERT INTO said VALUES ('two')" ];
		down = [ "DELETE FROM said WHERE v = 'two'", "ANALYZE said",
			"DELETE FROM said WHERE v = 'one'", "DROP TABLE made" ]; },
	{ id = "over"; kind = "copy-records"; from = "pg:src"; to = "pg:dst"; key = "id";
		on_conflict = "replace"; batch = 200; workers = 2; },
	{ id = "into"; kind = "copy-records"; from = "pg:src"; to = "pg:plain"; key = "id";
		batch = 200; workers = 2; },
	{ id = "fill"; kind = "backfill"; set = "pg:other"; key = "id"; batch = 50; undo = true;
		workers = 2;
		up = "UPDATE other SET v = v || id WHERE ($1::bigint IS NULL OR id > $1) AND id <= $2"; }
);
verify = ( { id = "same"; kind = "records"; copies = [ "into" ]; level = "standard"; } );
END

go()
{
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes
}

through()
{
	run go
	is "$status" 0 "$1: goes through" || diag "$out" "$err"
	is "$(sql "SELECT count(*), count(*) FILTER (WHERE name = 'row ' || id AND n = id),
		count(*) FILTER (WHERE name = 'old') FROM dst")" '3200|3000|200' \
		"$1: replaced"
	is "$(sql "SELECT count(*), count(DISTINCT id), sum(n) FROM plain")" \
		'3000|3000|4501500' "$1: copied"
	is "$(sql "SELECT count(*) FROM other WHERE v = 'o' || id")" 1000 \
		"$1: filled in"
	is "$(sql 'SELECT count(*), count(DISTINCT v) FROM said')" '2|2' \
		"$1: each statement once"
}

back()
{
	run "$UPSHIFT" rollback start --root "$root" --batch --confirm 'roll back to start'
	is "$status" 0 "$1: rolled back" || diag "$out" "$err"
	is "$(sql "SELECT (SELECT count(*) FROM dst WHERE name = 'old'),
		(SELECT count(*) FROM dst), (SELECT count(*) FROM plain),
		(SELECT count(*) FROM other WHERE v = 'o'), (SELECT count(*) FROM said)")" \
		'800|800|0|1000|0' "$1: as before"
}

for cap in copy tx-ddl temp-table digest binary; do
	new
	UPSHIFT_TEST_STORE_CAPS=-$cap
	export UPSHIFT_TEST_STORE_CAPS
	through "without $cap"
	back "without $cap"
done
UPSHIFT_TEST_STORE_CAPS=-copy,-tx-ddl,-temp-table,-trigger,-instead-of,-digest
new
through 'without all of them'
back 'without all of them'
unset UPSHIFT_TEST_STORE_CAPS

# --- others write to the same rows meanwhile ---
new
n=0
while [ $n -lt 300 ]; do
	n=$((n + 1))
	echo 'UPDATE other SET hits = hits + 1 WHERE id % 7 = 3;'
	echo 'UPDATE dst SET n = n WHERE id % 11 = 2;'
	echo "INSERT INTO plain SELECT -1, 'gone', count(*) FROM plain WHERE id < 0; DELETE FROM plain WHERE id = -1;"
done | "$pg_bin/psql" -X -q -d "$PG" >/dev/null 2>&1 &
load=$!
through 'under load'
wait "$load"
is "$(sql 'SELECT count(DISTINCT hits) > 1 FROM other')" t 'others did write'

# --- somebody writes all rows, all the time: a batch has its turn all the same ---
new
while :; do
	echo 'UPDATE other SET hits = hits + 1; UPDATE dst SET n = -1 WHERE id > 3000;'
	echo 'UPDATE dst SET id = id;'
done | "$pg_bin/psql" -X -q -d "$PG" >/dev/null 2>&1 &
load=$!
through 'under one who never stops'
kill "$load"
wait "$load" 2>/dev/null
is "$(sql 'SELECT max(hits) > 0 FROM other')" t 'who did write'
like "$out$err" 'busy, attempt 2 of' 'and was faster'

done_testing
