#!/bin/sh
# SPDX-License-Identifier: MIT
# Two hosts have runs with one id on one server: neither reads, nor takes away,
# what is the other's. A run that an older upshift began finds what it left.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
command -v python3 >/dev/null || skip_all 'no python3'
pg_start db
PG=$(pg_conn db)
export PG

sql()
{
	pg_sql db -c "$1"
}

new()
{
	rm -rf "$tmp/one" "$tmp/two"
	mkdir "$tmp/one" "$tmp/two"
	pg_sql db <<-TXT
		SET client_min_messages = error;
		DROP SCHEMA public CASCADE;
		CREATE SCHEMA public;
		CREATE TABLE src (id bigint PRIMARY KEY, n int);
		CREATE TABLE dst (id bigint, n int);
		CREATE TABLE a (id bigint PRIMARY KEY, v text NOT NULL);
		CREATE TABLE b (id bigint PRIMARY KEY, v text NOT NULL);
		INSERT INTO src SELECT i, i FROM generate_series(1, 3000) i;
		INSERT INTO a SELECT i, 'a' FROM generate_series(1, 500) i;
		INSERT INTO b SELECT i, 'b' FROM generate_series(1, 500) i;
	TXT
}

# plan NAME STEPS
plan()
{
	printf 'plan = 1; name = "%s"; from = "1"; to = "2";\n
stores = { pg = "pg:${env:PG}"; };
steps = (\n%s\n);\n' "$1" "$2" >"$tmp/$1.plan"
}

# go PLAN HOST [OPTION]...: always the same id
go()
{
	of=$1 at=$2
	shift 2
	UPSHIFT_TEST_RUN_ID=AB2C "$UPSHIFT" run "$tmp/$of.plan" \
		--root "$tmp/$at" --batch --yes "$@"
}

back()
{
	"$UPSHIFT" rollback start --root "$tmp/$1" --batch \
		--confirm 'roll back to start'
}

# fill TABLE: by a step of one name
fill()
{
	printf '%s' "{ id = \"fill-it\"; kind = \"backfill\"; set = \"pg:$1\"; key = \"id\";
		undo = true; up = \"UPDATE $1 SET v = v || id WHERE (\$1::bigint
		IS NULL OR id > \$1) AND id <= \$2\"; }"
}
copy='{ id = "copy"; kind = "copy-records"; from = "pg:src"; to = "pg:dst"; key = "id"; }'
mark='{ id = "mark"; kind = "sql"; store = "pg"; up = ["CREATE TABLE made (id int)"]; down = ["DROP TABLE made"]; }'

# --- one behind the other ---

new
plan p "$copy"
run_is 0 'the first host' go p one
is "$(cat "$tmp/one/.upshift/current")" AB2C 'its run'
sql 'DELETE FROM dst'
run_is 0 'the second host, with the same plan and id' go p two
is "$(cat "$tmp/two/.upshift/current")" AB2C 'its run has the same id'
is "$(sql 'SELECT count(*), count(DISTINCT id) FROM dst')" '3000|3000' \
	'it does not take the work of the first for its own'
run_is 0 'the second: back' back two
is "$(sql 'SELECT count(*) FROM dst')" 0 'what it brought is gone'
is "$(sql 'SELECT count(*) FROM _upshift_range')" \
	"$(sql "SELECT count(*) FROM _upshift_range WHERE step LIKE 'p/AB2C.%'")" \
	'the marks of the first stay'
[ "$(sql 'SELECT count(*) FROM _upshift_range')" -gt 0 ]
ok $? 'and there are some'

# --- both at a time: each goes back by its own rows ---

new
plan p "$(fill a)"
plan q "$(fill b)"
run_is 0 'the first host' go p one
run_is 0 'the second, another plan' go q two
is "$(sql "SELECT count(*) FROM pg_class WHERE relname LIKE '\\_upshift\\_undo\\_fill\\_it\\_AB2C%' AND relkind = 'r'")" \
	2 'each has a table of its own'
run_is 0 'the second: back' back two
is "$(sql "SELECT count(*) FROM b WHERE v = 'b'"), $(sql \
	"SELECT count(*) FROM a WHERE v = 'a' || id")" '500, 500' \
	'its rows are back, those of the first as it left them'
run_is 0 'the first: back' back one
is "$(sql "SELECT count(*) FROM a WHERE v = 'a'")" 500 'its rows, too'
is "$(sql "SELECT count(*) FROM pg_class WHERE relname LIKE '\\_upshift\\_%' AND relkind = 'r'")" \
	0 'nothing of ours is left'

# --- the lease is of one host ---

new
plan p "$copy, $mark"
run_is 6 'the first host stops on its way' go p one --stop-after copy
run go p two
is "$status" 75 'the second does not take it for its own'
like "$err" "run AB2C of the plan 'p', from $(uname -n), since .*, is not finished here" \
	'and is told whose it is, by the id that people know'
like "$err" '[-][-]take-over AB2C$' 'and how'
is "$(sql 'SELECT count(*) FROM dst')" 3000 'it did nothing'
run_is 0 'and the first goes on' "$UPSHIFT" resume --root "$tmp/one" --batch --yes
is "$(sql 'SELECT count(*), count(DISTINCT id) FROM dst')" '3000|3000' \
	'every row once'

# --- begun by an upshift that had ids alone ---

new
plan p "$copy, $(fill a), $mark"
run_is 6 'begun' go p one --stop-after fill-it
key=$(sql "SELECT DISTINCT split_part(step, '/', 2) FROM _upshift_range")
like "$key" '^AB2C[.][-0-9a-f]{36}$' 'there is a key'
python3 "$top_srcdir/tests/lib/rehome.py" "$tmp/one/.upshift/runs/AB2C" \
	"$tmp/one" store_key=AB2C
pg_sql db <<TXT
UPDATE _upshift_range SET step = replace(step, '$key', 'AB2C');
UPDATE _upshift_run SET owner = 'AB2C';
DO \$\$ DECLARE t text; BEGIN FOR t IN SELECT relname FROM pg_class WHERE relkind
= 'r' AND relname ~ '^_upshift_undo_' LOOP EXECUTE format('ALTER TABLE %I RENAME
TO %I', t, regexp_replace(t, '_AB2C[0-9a-f]{12}\$', '_AB2C')); END LOOP; END \$\$;
TXT
run_is 0 'and gone on with by this one' "$UPSHIFT" resume --root "$tmp/one" \
	--batch --yes
is "$(sql 'SELECT count(*), count(DISTINCT id) FROM dst')" '3000|3000' \
	'no row is copied again'
is "$(sql "SELECT count(*) FROM a WHERE v = 'a' || id")" 500 'or filled again'
run_is 0 'and it goes back' back one
is "$(sql "SELECT count(*) FROM a WHERE v = 'a'"), $(sql \
	'SELECT count(*) FROM dst')" '500, 0' 'by what was kept under its id'
is "$(sql "SELECT count(*) FROM pg_class WHERE relname LIKE '\\_upshift\\_%' AND relkind = 'r'")" \
	0 'which goes, too'

# --- names stay within what a server takes ---

new
long=a_step_with_a_name_that_is_as_long_as_plans_let_names_be
plan p "$(fill a | sed "s/fill-it/${long}1/"), $(fill b | sed "s/fill-it/${long}2/")"
run_is 0 'two long names that begin alike' go p one
is "$(sql "SELECT count(*) FROM pg_class WHERE relname LIKE '\\_upshift\\_undo\\_%' AND relkind = 'r'")" \
	2 'a table each'
run_is 0 'back' back one
is "$(sql "SELECT count(*) FROM a WHERE v = 'a'"), $(sql \
	"SELECT count(*) FROM b WHERE v = 'b'")" '500, 500' 'each by its own'
done_testing
