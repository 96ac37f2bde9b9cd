#!/bin/sh
# SPDX-License-Identifier: MIT
# A trigger of the destination that throws rows away without an error: such a
# row is a bad one, not one that was copied. One that puts them elsewhere, where
# they can be read, is no fault.
# shellcheck disable=SC2016 # a plan has ${env:NAME}
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
sqlite_need
root=$tmp/data
plan=$tmp/plan

# plan FROM TO [MORE]
plan()
{
	cat >"$plan" <<-END
		plan = 1; name = "a"; from = "1"; to = "2";
		stores: { old = "$1"; new = "$2"; };
		steps = ( { id = "s"; kind = "copy-records"; from = "old:t";
		    to = "new:t"; key = "id"; $3 } );
	END
}

run_plan()
{
	run "$UPSHIFT" run "$plan" --root "$root" --batch --yes
}

# refused NAME
refused()
{
	run_plan
	is "$status" 2 "$1: not done"
	like "$err" "E-4030 row \[[0-9]*0\] of 't': .*did not take a row" \
		"$1: which row"
	like "$err" 'hint: .*trigger' "$1: what may be the cause"
}

# quarantined NAME
quarantined()
{
	run_plan
	is "$status" 3 "$1, put aside: done but for these"
	run "$UPSHIFT" status --root "$root"
	like "$out" '02000' "$1, put aside: under a code of its own"
}

rows='WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s
	WHERE i < 3000) INSERT INTO t SELECT i, i FROM s'
# lite [SQL]: the new database
lite()
{
	rm -rf "$root"
	mkdir "$root"
	sqlite3 "$root/old.db" "CREATE TABLE t (id INTEGER PRIMARY KEY, v); $rows"
	sqlite3 "$root/new.db" "CREATE TABLE t (id INTEGER PRIMARY KEY, v); $1"
}
drop='CREATE TRIGGER x BEFORE INSERT ON t WHEN new.id % 1000 = 0
	BEGIN SELECT raise(ignore); END'

for how in error replace; do
	plan sqlite:old.db sqlite:new.db "on_conflict = \"$how\";"
	lite "$drop"
	refused "SQLite, $how"
	plan sqlite:old.db sqlite:new.db "on_conflict = \"$how\";
		bad_records = \"quarantine\"; max_bad = 3;"
	lite "$drop"
	quarantined "SQLite, $how"
	is "$(sqlite3 "$root/new.db" 'SELECT count(*) FROM t')" 2997 \
		"SQLite, $how: all others"
done

if [ -z "$pg_bin" ] || ! "$UPSHIFT" --version | grep -qw pg; then
	done_testing
	exit
fi
pg_need
pg_start db
PG=$(pg_conn db)
export PG

sql()
{
	pg_sql db -c "SET client_min_messages = error; $1"
}

# tables HOW: what the trigger does with some rows
tables()
{
	lite
	sql "DROP TABLE IF EXISTS t, child, _upshift_run, _upshift_range,
		_upshift_reject CASCADE; DROP FUNCTION IF EXISTS x;
		CREATE TABLE t (id int PRIMARY KEY, v int);
		CREATE TABLE child () INHERITS (t);
		CREATE FUNCTION x() RETURNS trigger LANGUAGE plpgsql AS \$\$
		BEGIN IF NEW.id % 1000 = 0 THEN $1 RETURN NULL; END IF;
		RETURN NEW; END \$\$;
		CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW
		EXECUTE FUNCTION x()"
}

for how in error replace; do
	plan sqlite:old.db 'pg:${env:PG}' "on_conflict = \"$how\";"
	tables ''
	refused "PostgreSQL, $how"
	plan sqlite:old.db 'pg:${env:PG}' "on_conflict = \"$how\";
		bad_records = \"quarantine\"; max_bad = 3;"
	tables ''
	quarantined "PostgreSQL, $how"
	is "$(sql 'SELECT count(*) FROM t')" 2997 \
		"PostgreSQL, $how: all others"
done

plan sqlite:old.db 'pg:${env:PG}'
tables 'INSERT INTO child VALUES (NEW.id, NEW.v);'
run_plan
is "$status" 0 'rows that are put elsewhere'
is "$(sql 'SELECT count(*) FROM t') $(sql 'SELECT count(*) FROM ONLY t')" \
	'3000 2997' 'all are there'

done_testing
