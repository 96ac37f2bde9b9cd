#!/bin/sh
# SPDX-License-Identifier: MIT
# Values of every type on the way to another store and back: they are the same, as
# text and to whoever compares, or they are refused.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
sqlite_need
root=$tmp/data
plan=$tmp/a.plan
mkdir "$root"
pg_start db
PG=$(pg_conn db)
export PG

sql()
{
	pg_sql db -c "SET client_min_messages = error; $1"
}

lite()
{
	sqlite3 -init /dev/null -batch "$root/a.db" "$1"
}

go()
{
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes
}

sql "CREATE TYPE mood AS ENUM ('fine', 'not so'); CREATE TYPE pair AS (a int, b text);
	CREATE DOMAIN short AS varchar(5) CHECK (VALUE <> 'x')"

# --- PostgreSQL, another store, PostgreSQL ---
# a table of each type, with its values and a NULL
n=0
: >"$tmp/make.sql"
type()
{
	n=$((n + 1))
	echo "$1" >>"$tmp/types"
	{
		echo "CREATE TABLE s$n (id serial PRIMARY KEY, v $1);"
		echo "CREATE TABLE d$n (id int PRIMARY KEY, v $1);"
		echo "INSERT INTO s$n (v) VALUES (NULL);"
		shift
		for value; do
			echo "INSERT INTO s$n (v) VALUES ($value);"
		done
	} >>"$tmp/make.sql"
}

type smallint -32768 32767
type integer -2147483648 0
type bigint -9223372036854775808 9223372036854775807
type numeric "'NaN'" "'Infinity'" 0 0.00 -1.50 1e-20 12345678901234567890.123456789012345678901234567890 1e60
type 'numeric(10,2)' 1.50 -0.01 12345678.90
type real 0.1 "'-0'" 1e-45 3.4028235e38 "'NaN'" "'-Infinity'" 16777217
type 'double precision' 0.1 "'-0'" 5e-324 1.7976931348623157e308 "'NaN'" "'Infinity'" 1e15 123456789012345680 0.30000000000000004 3
type boolean true false
type text "''" "' a  b '" "'007'" "E'a\\tb\\nc\\\\d\"e'" "U&'\\00e4\\+01f389'" "'null'" "'\\x41'" "'\\N'" "'t'" "'1e5'" "repeat('x', 100000)"
type 'varchar(5)' "'abc  '" "''"
type 'character(5)' "'abc'" "''" "'abcde'"
type '"char"' "'a'"
type name "'abc'"
type short "'007'"
type mood "'not so'"
type bytea "'\\x'" "'\\x00ff7f5c'" "repeat('x', 100000)::bytea"
type uuid "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"
type date "'2026-01-02'" "'0044-03-15 BC'" "'infinity'" "'10000-01-01'" "'0001-01-01'"
type timestamp "'2026-01-02 10:00:00.123456'" "'-infinity'" "'0044-03-15 10:00 BC'" "'294276-12-31'"
type 'timestamp(0)' "'2026-01-02 10:00:00'"
type timestamptz "'2026-01-02 10:00:00.5+05:30'" "'infinity'" "'0044-03-15 10:00:00+00 BC'" "'1883-11-18 12:00:00+00'"
type time "'24:00:00'" "'10:00:00.000001'"
type timetz "'10:00:00-07:30'"
type interval "'1 year -2 mons 3 days -04:05:06.789'" "'0'" "'-1 month +1 day'"
type json "'{\"b\":  1, \"a\": [1.0, 1e400], \"a\": null}'" "'\"x\"'" "'12345678901234567890.10'" "'\"5\"'" "'5'" "'true'" "'\"\"'"
type jsonb "'{\"b\": 1.0, \"a\": 123456789012345678901234567890.5}'" "'[]'" "'\"\\u00e4\"'" "'\"5\"'" "'5'" "'true'" "'\"{}\"'"
type 'int[]' "'{}'" "'{1,NULL,3}'" "'{{1,2},{3,4}}'" "'[0:1]={1,2}'"
type 'text[]' "ARRAY['a,b', 'c\"d', '', NULL, 'NULL', E'e\\\\f']"
type 'numeric[]' "'{1.50,NaN}'"
type int4range "'[1,5]'" "'empty'" "'(,3)'"
type tstzrange "'[2026-01-01,infinity)'"
type int4multirange "'{[1,3),[5,7)}'"
type inet "'10.0.0.1/8'" "'::1'"
type cidr "'10.0.0.0/8'"
type macaddr "'08:00:2b:01:02:03'"
type 'bit(3)' "'101'"
type varbit "'10101'"
type money "'-1234.56'"
type point "'(1.5,-0.1)'"
type xml "'<a>&lt;</a>'"
type pair "ROW(1, 'a,\"b')"
type tsvector "'a:1 b:2A'"
type pg_lsn "'16/B374D848'"
type oid 4294967295
sql "$(cat "$tmp/make.sql")"

# plan URL-PREFIX SUFFIX SET-PREFIX: all of them there and back
plan()
{
	{
		echo 'plan = 1; name = "a"; from = "1"; to = "2";'
		# shellcheck disable=SC2016 # for upshift
		echo 'stores = { pg = "pg:${env:PG}";'
		i=0
		while [ $i -lt $n ]; do
			i=$((i + 1))
			echo "m$i = \"$1${2:+$i$2}\";"
		done
		echo '}; steps = ('
		i=0
		while [ $i -lt $n ]; do
			i=$((i + 1))
			[ $i -eq 1 ] || echo ,
			echo "{ id = \"a$i\"; kind = \"copy-records\"; from = \"pg:s$i\"; to = \"m$i:$3${3:+$i}\"; key = \"id\"; columns = { id = \"id\"; v = \"v\"; }; },"
			echo "{ id = \"b$i\"; kind = \"copy-records\"; from = \"m$i:$3${3:+$i}\"; to = \"pg:d$i\"; key = \"id\"; columns = { id = \"id\"; v = \"v\"; }; needs = [ \"a$i\" ]; }"
		done
		echo '); verify = ( { id = "same"; kind = "records"; pause = 0.01; copies = ['
		i=0
		while [ $i -lt $n ]; do
			i=$((i + 1))
			[ $i -eq 1 ] || echo ,
			echo "\"a$i\", \"b$i\""
		done
		echo ']; } );'
	} >"$plan"
}

# all of it came back
returned()
{
	i=0
	while read -r type; do
		i=$((i + 1))
		is "$(sql "SELECT count(*), count(*) FILTER (WHERE s.v::text IS DISTINCT FROM d.v::text) FROM s$i s FULL JOIN d$i d USING (id)")" \
			"$(sql "SELECT count(*), 0 FROM s$i")" "$1: $type"
	done <"$tmp/types"
}

again()
{
	rm -rf "$root"
	mkdir "$root"
	i=0
	while [ $i -lt $n ]; do
		i=$((i + 1))
		echo "TRUNCATE d$i;"
	done >"$tmp/again.sql"
	sql "$(cat "$tmp/again.sql")"
}

plan jsonl:m .jsonl ''
run_is 0 'there and back by JSON lines' go
unlike "$out" 'different' 'nothing is another value'
returned 'JSON lines'

again
plan json:m .json ''
run_is 0 'there and back by a document' go
returned 'a document'

# columns without a type, of TEXT, and STRICT ANY
for as in '' TEXT ANY; do
	again
	strict=
	[ "$as" != ANY ] || strict=STRICT
	i=0
	while [ $i -lt $n ]; do
		i=$((i + 1))
		echo "CREATE TABLE m$i (id INTEGER PRIMARY KEY, v $as) $strict;"
	done >"$tmp/lite.sql"
	lite "$(cat "$tmp/lite.sql")"
	plan sqlite:a.db '' m
	run_is 0 "there and back by SQLite ($as)" go
	returned "SQLite ($as)"
done

# what a column of SQLite makes another value of is told before anything is done
refused()
{
	rm -rf "$root"
	mkdir "$root"
	sql "DROP TABLE IF EXISTS t, _upshift_range, _upshift_run; CREATE TABLE t (id int PRIMARY KEY, v $1); INSERT INTO t VALUES (1, $2)"
	lite "CREATE TABLE t (id INTEGER PRIMARY KEY, v $3)"
	cat >"$plan" <<-'TXT'
		plan = 1; name = "a"; from = "1"; to = "2";
		stores = { pg = "pg:${env:PG}"; a = "sqlite:a.db"; };
		steps = ( { id = "c"; kind = "copy-records"; from = "pg:t"; to = "a:t"; key = "id"; } );
		verify = ( { id = "v"; kind = "records"; copies = [ "c" ]; } );
	TXT
	run_is 1 "$1 $2 into $3" go
	like "$err" "column 'v' of 't' \($3\) would not keep" 'is told'
	is "$(lite 'SELECT count(*) FROM t')" 0 'and nothing was done'
}

refused numeric 12345678901234567890.5 NUMERIC
refused numeric 0.1234567890123456789 REAL
refused text "'007'" INTEGER
refused bigint 9007199254740993 REAL

# JSON has one null, and in a line there is none of its ends
rm -rf "$root"
mkdir "$root"
sql "DROP TABLE t; DROP TABLE IF EXISTS _upshift_range, u; CREATE TABLE t (id int PRIMARY KEY, v json); CREATE TABLE u (LIKE t INCLUDING ALL); INSERT INTO t VALUES (1, NULL), (2, E'{\\n  \"a\": 1\\n}')"
cat >"$plan" <<'TXT'
plan = 1; name = "a"; from = "1"; to = "2";
stores = { pg = "pg:${env:PG}"; a = "jsonl:a.jsonl"; };
steps = (
  { id = "there"; kind = "copy-records"; from = "pg:t"; to = "a"; key = "id"; },
  { id = "back"; kind = "copy-records"; from = "a"; to = "pg:u"; key = "id"; columns = { id = "id"; v = "v"; }; needs = [ "there" ]; } );
verify = ( { id = "v"; kind = "records"; copies = [ "there", "back" ]; pause = 0.01; } );
TXT
run_is 0 'JSON that was laid out' go
is "$(sql 'SELECT count(*) FROM t FULL JOIN u USING (id) WHERE t.v::jsonb IS DISTINCT FROM u.v::jsonb')" 0 'is the same value'
rm -rf "$root"
mkdir "$root"
sql "DROP TABLE IF EXISTS _upshift_range; TRUNCATE u; UPDATE t SET v = 'null' WHERE id = 2"
run_is 2 'a null of JSON where there are others' go
like "$err" "row \[2\] of 't': .*column 'v' would not keep" 'is told'

# --- SQLite, PostgreSQL, SQLite ---
rm -rf "$root"
mkdir "$root"
lite "CREATE TABLE s (id INTEGER PRIMARY KEY, i, r, t, b, n);
	INSERT INTO s (i, r, t, b, n) VALUES
	(-9223372036854775808, 0.1, '', x'', 1),
	(9223372036854775807, -0.0, '007', x'00ff', 0.5),
	(0, 1e300, ' a ', x'5c78', 12345678901),
	(7, 5e-324, 'ä' || char(10) || '\\', x'616263', -0.001),
	(NULL, NULL, NULL, NULL, NULL),
	(1, 3.0, '1e5', x'27', 1e-7),
	(2, 9007199254740993.0, 'null', zeroblob(70000), 123456.789);
	CREATE TABLE d (id INTEGER PRIMARY KEY, i, r, t, b, n)"
sql 'DROP TABLE IF EXISTS _upshift_run, _upshift_range; CREATE TABLE m (id int PRIMARY KEY, i bigint, r float8, t text, b bytea, n numeric)'
cat >"$plan" <<'TXT'
plan = 1; name = "a"; from = "1"; to = "2";
stores = { pg = "pg:${env:PG}"; a = "sqlite:a.db"; };
steps = (
  { id = "there"; kind = "copy-records"; from = "a:s"; to = "pg:m"; key = "id"; },
  { id = "back"; kind = "copy-records"; from = "pg:m"; to = "a:d"; key = "id"; needs = [ "there" ]; } );
verify = ( { id = "v"; kind = "records"; copies = [ "there", "back" ]; level = "rigorous"; pause = 0.01; } );
TXT
run_is 0 'SQLite, there and back' go
text="id, typeof(i), i, printf('%!.17g', r), typeof(t), quote(t), quote(b), printf('%!.17g', n)"
is "$(lite "SELECT $text FROM d ORDER BY id")" "$(lite "SELECT $text FROM s ORDER BY id")" 'is the same'

# a column has any values: what is no bytes, or bytes among texts, is refused
for value in "x'616263'" "'abc'"; do
	rm -rf "$root"
	mkdir "$root"
	sql 'TRUNCATE m; DROP TABLE IF EXISTS _upshift_range, _upshift_run'
	lite "CREATE TABLE s (id INTEGER PRIMARY KEY, t, b); INSERT INTO s (t, b) VALUES ($value, $value);
		CREATE TABLE d (id INTEGER PRIMARY KEY, i, r, t, b, n)"
	run go
	[ "$status" -ne 0 ] && not=0 || not=1
	ok "$not" "$value in both columns does not go"
	like "$err" 'would not keep' 'and is told'
done
done_testing
