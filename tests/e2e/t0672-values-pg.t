#!/bin/sh
# SPDX-License-Identifier: MIT
# Values of files and of SQLite that a column of PostgreSQL would make others of:
# found before the backup, refused by the copy whatever was looked at before; and
# the same value written in another way goes, and is the same.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
sqlite_need
pg_scene db

lite()
{
	sqlite3 -init /dev/null -batch "$root/a.db" "$1"
}

# new TYPE: an empty table with a column of it, and no files
new()
{
	rm -rf "$root"
	mkdir "$root"
	sql "DROP TABLE IF EXISTS t, _upshift_range, _upshift_reject, _upshift_run;
		CREATE TABLE t (id int PRIMARY KEY, v $1)"
}

# plan STORE SET [KEYS] [STEPS] [CHECKS]
plan()
{
	cat >"$plan" <<-TXT
		plan = 1; name = "a"; from = "1"; to = "2";
		stores = { pg = "pg:\${env:PG}"; a = "$1"; };
		checks = ( $5 );
		steps = ( $4 { id = "c"; kind = "copy-records"; from = "a:$2"; to = "pg:t"; key = "id";
			columns = { id = "id"; v = "v"; }; $3 } );
		verify = ( { id = "same"; kind = "records"; copies = [ "c" ]; pause = 0.01; level = "rigorous"; } );
	TXT
}

go()
{
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes
}

told()
{
	run_is 1 "$1" go
	like "$err" "has values that column 'v' of 't' \($2\) would not keep" 'is told'
	is "$(sql 'SELECT count(*) FROM t')" 0 'and nothing was copied'
	is "$(find "$root" -name '*.tar*')" '' 'nor backed up'
}

# --- before the backup ---
# changes TYPE PATTERN JSON...: the last one would not be kept
changes()
{
	new "$1"
	pattern=$2
	shift 2
	i=0
	for value; do
		i=$((i + 1))
		echo "{\"id\": $i, \"v\": $value}"
	done >"$root/a.jsonl"
	plan jsonl:a.jsonl ''
	told "$value, of JSON lines" "$pattern"
	{
		echo '['
		sed '$!s/$/,/' "$root/a.jsonl"
		echo ']'
	} >"$root/a.json"
	rm -rf "$root/a.jsonl" "$root/.upshift"
	plan json:a.json ''
	told "$value, of a document" "$pattern"
}

changes 'numeric(10,2)' 'numeric\(10,2\)' 1.50 null 1.505
changes 'double precision' 'double precision' 0.1 '1234567890123456789012345'
changes 'real' 'real' 0.5 0.123456789
changes 'timestamp' 'timestamp without time zone' '"2026-01-02T10:00:00Z"' '"2026-01-02T10:00:00+05:00"'
changes 'timestamptz(3)' 'timestamp\(3\) with time zone' '"2026-01-02T10:00:00.123Z"' '"2026-01-02T10:00:00.1234Z"'
changes 'date' 'date' '"2026-01-02"' '"2026-01-02T10:00:00Z"'
changes 'int' 'integer' 7 '"7"' '"007"'
changes 'boolean' 'boolean' true 0 '"False"' '"no"'
changes 'varchar(3)' 'character varying\(3\)' '"abc"' '"abc  "'
changes 'jsonb' 'jsonb' '{"a": [1.0]}' '{"a": 1, "a": 2}'

# of SQLite, whose columns have values of any type
changes_lite()
{
	new "$1"
	lite "CREATE TABLE s (id INTEGER PRIMARY KEY, v); INSERT INTO s (v) VALUES $3"
	plan sqlite:a.db s
	told "$3, of SQLite" "$2"
}

changes_lite 'numeric(10,2)' 'numeric\(10,2\)' '(1.5), (NULL), (1.005)'
changes_lite 'real' 'real' '(0.5), (1.0 / 3)'
changes_lite 'double precision' 'double precision' '(1), (9007199254740993)'
changes_lite 'timestamp' 'timestamp without time zone' "('2026-01-02 10:00:00'), ('2026-01-02 10:00:00.1234567')"
changes_lite 'integer' 'integer' "(7), ('0007')"
changes_lite 'character(5)' 'character\(5\)' "('abc'), ('abc ')"

# --- the same value ---
new 'text'
sql 'DROP TABLE t; CREATE TABLE t (id uuid PRIMARY KEY, v timestamptz, b boolean, c char(5), j jsonb, n numeric(8,3), x bytea, f real)'
cat >"$root/a.jsonl" <<'TXT'
{"id": "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "v": "2026-01-02T10:00:00Z", "b": "TRUE", "c": "abc", "j": {"b": 1, "a": 2.0}, "n": 1.5, "x": "\\xAB", "f": 0.1}
{"id": "b0eebc999c0b4ef8bb6d6bb9bd380a11", "v": "2026-01-02 10:00+01:00", "b": 0, "c": null, "j": [], "n": 1e2, "x": null, "f": 1}
{"id": "00eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "v": null, "b": false, "c": "", "j": {}, "n": -0, "x": "\\x", "f": 16777216}
TXT
cat >"$plan" <<'TXT'
plan = 1; name = "a"; from = "1"; to = "2";
stores = { pg = "pg:${env:PG}"; a = "jsonl:a.jsonl"; };
steps = ( { id = "c"; kind = "copy-records"; from = "a"; to = "pg:t"; key = "id";
	columns = { id = "id"; v = "v"; b = "b"; c = "c"; j = "j"; n = "n"; x = "x"; f = "f"; }; } );
verify = ( { id = "same"; kind = "records"; copies = [ "c" ]; pause = 0.01; } );
TXT
run_is 0 'other ways to write a value' go
like "$out" '3 rows are the same on both sides' 'are no other values'
for level in rigorous forensic; do
	run_is 0 "$level" "$UPSHIFT" verify --root "$root" --level $level
done
sql "UPDATE t SET v = v + interval '1 s' WHERE id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"
run_is 7 'one that was changed' "$UPSHIFT" verify --root "$root" --level rigorous
like "$out$err" '0 missing, 1 different, 0 extra' 'is found'

# --- at the row itself ---
# it comes in when all was looked at
new 'numeric(10,2)'
lite 'CREATE TABLE s (id INTEGER PRIMARY KEY, v); INSERT INTO s (v) VALUES (1.5), (2)'
late='{ id = "late"; kind = "sql"; store = "a"; up = [ "INSERT INTO s (v) VALUES (1.005)" ]; down = [ "DELETE FROM s WHERE id = 3" ]; },'
plan sqlite:a.db s '' "$late"
run go
is "$status" 2 'a row that came later' || diag "$out$err"
like "$err" "row \[3\] of 's': .*column 'v' would not keep a value as it is" 'ends the copy'
is "$(sql 'SELECT count(*) FROM t WHERE v <> 1.5 AND v <> 2')" 0 'and is not there'

new 'numeric(10,2)'
lite 'CREATE TABLE s (id INTEGER PRIMARY KEY, v); INSERT INTO s (v) VALUES (1.5), (2)'
plan sqlite:a.db s 'bad_records = "quarantine"; max_bad = 5;' "$late"
run_is 3 'or is put aside' go
is "$(sql 'SELECT id, v FROM t ORDER BY id')" '1|1.50
2|2.00' 'the others are there'
like "$(sql 'SELECT key, sqlstate, message FROM _upshift_reject')" "\[3\]\|22018\|.*column 'v' would not keep" 'with why'

run_is 0 'and there is a way back' "$UPSHIFT" rollback start --root "$root" --batch --confirm 'roll back to start'
is "$(sql 'SELECT count(*) FROM t')" 0 'with no row left'

# one that is there from the beginning is told as well, and put aside
new 'int'
printf '{"id": 1, "v": "007"}\n{"id": 2, "v": "7"}\nno record\n' >"$root/a.jsonl"
plan jsonl:a.jsonl '' 'bad_records = "quarantine"; max_bad = 5;'
run_is 3 'what a plan puts aside' go
like "$out$err" "has values that column 'v' of 't' \(integer\) would not keep" 'is told'
is "$(sql 'SELECT id, v FROM t')" '2|7' 'and does not go'

# between servers, too
new 'numeric(10,2)'
sql 'DROP TABLE IF EXISTS s; CREATE TABLE s (id int PRIMARY KEY, v numeric); INSERT INTO s VALUES (1, 1.5)'
late='{ id = "late"; kind = "sql"; store = "a"; up = [ "INSERT INTO s VALUES (2, 1.005)" ]; down = [ "DELETE FROM s WHERE id = 2" ]; },'
plan "pg:\${env:PG}" s 'bad_records = "quarantine"; max_bad = 5;' "$late"
run_is 3 'a row of a server that came later' go
is "$(sql 'SELECT id, v FROM t')" '1|1.50' 'is put aside'
like "$(sql 'SELECT key, message FROM _upshift_reject')" "\[2\]\|.*column 'v' would not keep" 'as another value'
new 'numeric(10,2)'
sql 'ALTER TABLE s ALTER v TYPE numeric(12,3)'
plan "pg:\${env:PG}" s '' ''
run_is 1 'of the same type with more digits' go
like "$err" "would not keep" 'is told'

# --- fits ---
new 'numeric(10,2)'
printf '{"id": 1, "v": 1.5}\n{"id": 2, "v": 1.505}\n{"id": 3, "v": 1234567890123}\n' >"$root/a.jsonl"
plan jsonl:a.jsonl '' 'bad_records = "quarantine";' '' '{ id = "fits"; kind = "records"; fits = [ "c" ]; }'
run_is 1 'records that are tried' go
like "$out$err" '2 records do not fit' 'are those that are refused and those that are changed'
like "$out$err" "\[2\]: .*column 'v' would not keep" 'which says so'
done_testing
