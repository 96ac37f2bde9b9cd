#!/bin/sh
# SPDX-License-Identifier: MIT
# Values that the other type would make others of: found before anything is
# copied, found where both sides are compared, and left alone where all of them
# are what they were.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_scene db

# tables HAS WANTS VALUE...: one row for each value
tables()
{
	rm -rf "$root"
	mkdir "$root"
	sql "SET client_min_messages = error; DROP TABLE IF EXISTS src, dst, _upshift_run;
		CREATE TABLE src (id serial PRIMARY KEY, v $1);
		CREATE TABLE dst (id int PRIMARY KEY, v $2)"
	shift 2
	for value; do
		sql "INSERT INTO src (v) VALUES ($value)"
	done
}

# plan [COLUMNS]
plan()
{
	cat >"$plan" <<-TXT
		plan = 1; name = "a"; from = "1"; to = "2";
		stores = { pg = "pg:\${env:PG}"; };
		steps = ( { id = "c"; kind = "copy-records"; from = "pg:src"; to = "pg:dst"; key = "id"; ${1-} } );
		verify = ( { id = "v"; kind = "records"; copies = [ "c" ]; level = "rigorous"; } );
	TXT
}

# changed HAS WANTS VALUE...: is told before anything was done
changed()
{
	tables "$@"
	plan
	run_is 1 "$1 to $2" "$UPSHIFT" run "$plan" --root "$root" --batch --yes
	like "$err" "'src' has values that column 'v' of 'dst' \($(echo "$2" | sed 's/[()]/\\&/g')\) would not keep" 'is told'
	is "$(sql 'SELECT count(*) FROM dst')" 0 'and nothing was copied'
	# as it comes about without a copy of ours
	sql "INSERT INTO dst SELECT id, v::text::$2 FROM src"
	cat >"$tmp/compare.plan" <<-TXT
		plan = 1; name = "b"; from = "1"; to = "2";
		stores = { pg = "pg:\${env:PG}"; };
		steps = ( { id = "n"; kind = "mkdir"; paths = [ "n" ]; } );
		verify = ( { id = "v"; kind = "records"; from = "pg:src"; to = "pg:dst"; key = "id"; } );
	TXT
	run_is 7 'compared' "$UPSHIFT" run "$tmp/compare.plan" --root "$root" --batch --yes
	like "$err" '1 different' 'it is another value'
}

# kept HAS WANTS VALUE...: goes, and is the same
kept()
{
	tables "$@"
	plan
	run_is 0 "$1 to $2, kept" "$UPSHIFT" run "$plan" --root "$root" --batch --yes
	is "$(sql 'SELECT count(*) FROM dst')" "$(($# - 2))" 'all rows'
}

changed 'numeric(20,6)' 'numeric(10,2)' 1.10 1.123456
changed 'numeric' 'double precision' 0.5 12345678901234567890.12345
changed 'double precision' 'real' 0.1 0.123456789012
changed 'bigint' 'double precision' 5 9007199254740993
changed 'timestamp without time zone' 'date' "'2026-01-02 00:00:00'" "'2026-01-02 10:00:00'"
changed 'timestamp with time zone' 'timestamp(0) with time zone' "'2026-01-02 10:00:00Z'" "'2026-01-02 10:00:00.5Z'"
changed 'text' 'integer' "'7'" "'007'"

kept 'numeric(20,6)' 'numeric(10,2)' 1.10 NULL 5
kept 'double precision' 'numeric' 0.12345678901234566 1e-300 NULL
kept 'double precision' 'real' 0.1 0.5 "'NaN'" "'-Infinity'"
kept 'timestamp without time zone' 'date' "'2026-01-02 00:00:00'" "'infinity'"
kept 'timestamp without time zone' 'timestamp with time zone' "'2026-01-02 10:00:00.123456'"
kept 'text' 'integer' "'7'" "'-12'"
kept 'integer' 'numeric(12,2)' 7 NULL
kept 'character varying(9)' 'text' "'007'" "''"

tables 'numeric(20,6)' 'numeric(10,2)' 1.10 1.123456
plan 'columns = { id = "id"; v = "round(v, 2)"; };'
run_is 0 'what is meant' "$UPSHIFT" run "$plan" --root "$root" --batch --yes
is "$(sql 'SELECT v FROM dst ORDER BY id')" '1.10
1.12' 'is done'

# a column in quotes is that column, and no expression
for name in 'V x' 'a""b'; do
	tables 'numeric(20,6)' 'numeric(10,2)' 1.10 1.123456
	sql "ALTER TABLE src RENAME v TO \"$name\""
	plan "columns = { id = \"\\\"id\\\"\"; v = \"\\\"$(echo "$name" | sed 's/"/\\"/g')\\\"\"; };"
	run_is 1 "$name" "$UPSHIFT" run "$plan" --root "$root" --batch --yes
	like "$err" "'src' has values that column 'v' of 'dst'" 'is told'
	sql 'UPDATE src SET "'"$name"'" = 1.5 WHERE id = 2'
	run_is 0 'and kept' "$UPSHIFT" run "$plan" --root "$root" --batch --yes
	is "$(sql 'SELECT v FROM dst ORDER BY id')" '1.10
1.50' 'as it is'
done
done_testing
