#!/bin/sh
# SPDX-License-Identifier: MIT
# Steps on a server and each way back from them; killed on the way.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$top_srcdir/tests/lib/pg.sh"
pg_need
pg_start db fsync=on

root=$tmp/root

dumped()
{
	"$pg_bin/pg_dump" -T '_upshift_*' -d "$(pg_conn db)" |
		grep -v '^\\.*restrict '
}

begin()
{
	rm -rf "$root"
	mkdir "$root"
	pg_sql db <<-'END'
	SET client_min_messages = error;
	DROP SCHEMA public CASCADE;
	CREATE SCHEMA public;
	CREATE TABLE old (id serial PRIMARY KEY, body text, n int);
	INSERT INTO old (body, n) SELECT 'text ' || i, i FROM
		generate_series(1, 2000) i;
	CREATE TABLE mixed (id int PRIMARY KEY, body text);
	INSERT INTO mixed SELECT i, 'mine' FROM generate_series(5001, 5010) i;
	END
	dumped >"$tmp/before"
}

# plan ROLLBACK
plan()
{
	cat >"$tmp/p.plan" <<-END
	plan = 1; name = "p"; to = "2";
	stores: { db = "$(pg_url db)"; };
	steps = (
	  { id = "file"; kind = "write"; path = "f"; text = "f"; },
	  { id = "schema"; kind = "sql"; store = "db";
	    up = ["CREATE TABLE fresh (id int PRIMARY KEY, body text)",
	          "ALTER TABLE old ADD COLUMN seen boolean"];
	    down = ["DROP TABLE fresh", "ALTER TABLE old DROP COLUMN seen"]; },
	  { id = "fresh"; kind = "copy-records"; from = "db:old"; to = "db:fresh";
	    key = ["id"]; columns: { id = "id"; body = "body"; }; batch = 300; }
	  $2 );
	rollback: { $1 };
	END
}
more=', { id = "mixed"; kind = "copy-records"; from = "db:old"; to = "db:mixed";
	key = ["id"]; columns: { id = "id"; body = "body"; }; batch = 300; }'

up()
{
	run "$UPSHIFT" run "$tmp/p.plan" --root "$root" --batch --yes
	[ "$status" = 0 ] || diag "$out $err"
}

# back POINT [OPTION]...
back()
{
	back_to=$1
	shift
	run "$UPSHIFT" rollback "$back_to" --root "$root" "$@" --batch \
		--confirm "roll back to $back_to"
	[ "$status" = 0 ] || diag "$out $err"
}

# as WHAT NAME
as()
{
	dumped >"$tmp/now"
	file_is "$tmp/now" "$tmp/$1" "$2"
}

begin
plan "" "$more"
up
is "$status" 0 "a run"
is "$(pg_sql db -c 'SELECT count(*) FROM mixed')" 2010 "with all rows"
dumped >"$tmp/after"

back start
is "$status" 0 "incremental: back to the start"
as before "incremental: as before"
back R1
is "$status" 0 "to the point ahead of it"
as after "as after the run"
back start --strategy backup
is "$status" 0 "backup: back to the start"
as before "backup: as before"
back R3
is "$status" 0 "to the point ahead of that"
as after "as after the run once more"
back start
is "$status" 0 "incremental, behind that"
as before "as before"

done_testing
