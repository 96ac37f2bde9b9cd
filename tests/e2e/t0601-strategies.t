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
	pg_dumped "$(pg_conn db)" -T '_upshift_*'
}

begin()
{
	rm -rf "$root"
	mkdir "$root"
	pg_sql db <<-'END'
	SET client_min_messages = error;
	DROP SCHEMA public CASCADE;
	CREATE SCHEMA public;
	CREATE TABLE old (id int PRIMARY KEY, body text, n int);
	INSERT INTO old SELECT i, 'text ' || i, i FROM
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

# rows alone, in whatever order the workers brought them
same_rows()
{
	dumped | sort >"$tmp/now"
	sort "$tmp/after" >"$tmp/want"
	file_is "$tmp/now" "$tmp/want" "$1"
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

# a row that somebody changed since: kept, or put back
begin
up
pg_sql db -c "UPDATE mixed SET body = 'theirs' WHERE id IN (7, 5001)"
back start
is "$status" 0 "back, with rows that others changed"
is "$(pg_sql db -c 'SELECT id, body FROM mixed WHERE id IN (7, 5001)
	ORDER BY id' | tr '\n' ' ')" "7|theirs 5001|theirs " "they are kept"
like "$out$err" "'db:mixed' is not as in the backup: 10 rows then, 11 now" \
	"and told"
back R1
back start --strategy backup
as before "from the backup all is as before"

# the schema alone
run "$UPSHIFT" rollback R3 --root "$root" --batch --confirm "roll back to R3"
run "$UPSHIFT" rollback --root "$root" --strategy schema --batch \
	--confirm "roll back to start"
is "$status" 66 "rows in a table that was there before do not go with a schema"
like "$err" "step 'mixed' changed 'db:mixed', which was there before" \
	"which is said"
begin
plan 'strategy = "schema";' ""
up
back start
is "$status" 0 "rows go with their table"
as before "as before"

# to a checkpoint, and on from there
begin
plan 'strategy = "backup";' "$more"
up
back CP3
is "$status" 0 "from the backup to a checkpoint"
is "$(pg_sql db -c 'SELECT (SELECT count(*) FROM fresh), (SELECT count(*)
	FROM mixed)')" "2000|10" "what was done before that stays"
run "$UPSHIFT" resume --root "$root" --batch --yes
is "$status" 0 "on from there"
[ "$status" = 0 ] || diag "$out $err"
same_rows "to where it was"
back CP2
is "$status" 66 "not where a step before that changed the same"
like "$err" "step 'schema' changed 'db:fresh', too" "which is said"

# --- killed ---

# kill_at COMMAND...: killed where it waits for a table
kill_at()
{
	pg_kill_at db mixed "$@" --root "$root" --batch
}

begin
plan "" "$more"
kill_at run "$tmp/p.plan" --yes
as before "killed in the backup: nothing is changed"
run "$UPSHIFT" resume --root "$root" --batch --yes
is "$status" 0 "it goes on"
[ "$status" = 0 ] || diag "$out $err"
same_rows "to the end"
is "$(find "$root/.upshift/runs" -name '*.part')" "" "nothing is left of it"

kill_at rollback --strategy backup --confirm "roll back to start"
back start --strategy backup
is "$status" 0 "killed as it goes back, it goes on"
as before "and all is as before"

# --- views and keys that hang on a table of another make ---

begin
pg_sql db <<-'END'
	CREATE VIEW sizes AS SELECT id, n, length(body) AS size FROM old;
	GRANT SELECT ON sizes TO PUBLIC;
	CREATE MATERIALIZED VIEW total AS SELECT sum(size) AS all_of_it FROM sizes;
	CREATE UNIQUE INDEX total_key ON total (all_of_it);
	CREATE VIEW shown AS SELECT all_of_it * 2 AS twice FROM total;
	COMMENT ON VIEW shown IS 'for people';
	CREATE TABLE refers (id int REFERENCES old);
	INSERT INTO refers SELECT generate_series(1, 10);
END
dumped >"$tmp/before"
cat >"$tmp/p.plan" <<-END
	plan = 1; name = "p"; to = "2";
	stores: { db = "$(pg_url db)"; };
	steps = ( { id = "wider"; kind = "sql"; store = "db";
	    up = ["DROP VIEW shown", "DROP MATERIALIZED VIEW total",
	      "DROP VIEW sizes", "ALTER TABLE old ALTER COLUMN n TYPE bigint",
	      "ALTER TABLE old ADD COLUMN seen boolean DEFAULT true",
	      "CREATE VIEW sizes AS SELECT id, n, length(body) + 1 AS size FROM old",
	      "CREATE VIEW seen AS SELECT id, seen FROM old",
	      "CREATE MATERIALIZED VIEW seldom AS SELECT count(*) FROM seen"];
	    down = ["SELECT 1"]; } );
END
up
is "$status" 0 "a run with views"
pg_sql db -c "CREATE VIEW theirs AS SELECT id, body FROM old WHERE id < 10"
dumped >"$tmp/after"
back start --strategy backup
is "$status" 0 "back, whatever hangs on the table"
like "$out$err" "view 'db:public.seen' reads what is no longer there" \
	"what cannot stay is named"
is "$(pg_sql db -c "SELECT count(*) FROM theirs")" 9 "what came later stays"
pg_sql db -c "DROP VIEW theirs"
as before "all else is as before"
pg_sql db -c "CREATE VIEW theirs AS SELECT id, body FROM old WHERE id < 10"
back R1
is "$status" 0 "to the point ahead of that"
as after "as after the run"

done_testing
