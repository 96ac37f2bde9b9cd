#!/bin/sh
# SPDX-License-Identifier: MIT
# What a rollback would do to the rows of a server, and that it does it.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$top_srcdir/tests/lib/pg.sh"
pg_need
pg_start db

root=$tmp/root
mkdir "$root"
pg_sql db <<-'END'
	CREATE TABLE old (id int PRIMARY KEY, body text);
	INSERT INTO old SELECT i, 'text ' || i FROM generate_series(1, 2000) i;
	CREATE TABLE mixed (id int PRIMARY KEY, body text);
	INSERT INTO mixed SELECT i, 'mine' FROM generate_series(5001, 5010) i;
	CREATE TABLE filled (id int PRIMARY KEY, body text, size int);
	INSERT INTO filled SELECT i, repeat('x', i) FROM generate_series(1, 50) i;
END
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
	    key = ["id"]; columns: { id = "id"; body = "body"; }; batch = 300; },
	  { id = "mixed"; kind = "copy-records"; from = "db:old"; to = "db:mixed";
	    key = ["id"]; columns: { id = "id"; body = "body"; }; batch = 300; },
	  { id = "sizes"; kind = "backfill"; set = "db:filled"; key = "id";
	    undo = true; up = "UPDATE filled SET size = length(body) WHERE
		(\$1::int IS NULL OR id > \$1) AND id <= \$2"; } );
END
run_is 0 "a run" "$UPSHIFT" run "$tmp/p.plan" --root "$root" --batch --yes

preview()
{
	run "$UPSHIFT" rollback "$@" --root "$root" --preview
	[ "$status" = 0 ] || diag "$out $err"
}

# nobody but us
preview
is "$(printf '%s\n' "$out" | head -n 8)" "rollback to start undoes 5 steps
RESTORED 4,051
  db:filled: 50 rows
  db:fresh: 2,000 rows
  db:mixed: 2,000 rows
  f
LOST 0
KEPT 0" "what the run brought and changed"

# others: change one of ours and one of theirs, add, delete
pg_sql db <<-'END'
	UPDATE mixed SET body = 'theirs' WHERE id IN (7, 5001);
	INSERT INTO mixed VALUES (9001, 'new');
	DELETE FROM mixed WHERE id = 5002;
	UPDATE fresh SET body = 'theirs' WHERE id = 3;
	INSERT INTO fresh VALUES (9002, 'new');
	UPDATE filled SET size = -1 WHERE id = 5;
END
preview
is "$(printf '%s\n' "$out" | head -n 11)" "rollback to start undoes 5 steps
RESTORED 4,048
  db:filled: 49 rows
  db:fresh: 1,999 rows
  db:mixed: 1,999 rows
  f
LOST 2
  db:fresh: 2 rows
KEPT 4
  db:filled: 1 row
  db:mixed: 3 rows" "step by step: what others wrote stays, but in a table that goes"
preview --strategy backup
is "$(printf '%s\n' "$out" | head -n 11)" "rollback to start undoes 5 steps
RESTORED 4,051
  db:filled: 50 rows
  db:fresh: 1,999 rows
  db:mixed: 2,001 rows
  f
LOST 6
  db:filled: 1 row
  db:fresh: 2 rows
  db:mixed: 3 rows
KEPT 0" "from the backup: nothing of others stays"
preview CP4
is "$(printf '%s\n' "$out" | head -n 5)" "rollback to CP4 undoes 1 step
RESTORED 49
  db:filled: 49 rows
LOST 0
KEPT 1" "to a checkpoint: what is undone behind it"
run_is 0 "the preview as an object" "$UPSHIFT" rollback --root "$root" --preview --json --strategy backup
like "$out" '"tables":\[{"table":"db:filled","restored":50,"lost":1,"kept":0},{"table":"db:fresh","restored":1999,"lost":2,"kept":0},{"table":"db:mixed","restored":2001,"lost":3,"kept":0}' \
	"for programs"

run_is 0 "it is done" "$UPSHIFT" rollback --root "$root" --strategy backup \
	--batch --confirm "roll back to start"
is "$(pg_sql db -c "SELECT (SELECT count(*) FROM mixed WHERE body = 'mine'),
	(SELECT count(*) FROM mixed), (SELECT count(*) FROM filled WHERE size
	IS NULL), to_regclass('fresh')")" "10|10|50|" "as it was told"

# and told afterwards, from the journal alone
told='| db:filled | 50 | 1 | 0 |
| db:fresh | 1999 | 2 | 0 |
| db:mixed | 2001 | 3 | 0 |
| files and directories | 1 | 0 | 0 |'
like "$out" "rolled back to start: RESTORED 4,051, LOST 6, KEPT 0" "as it was told"
run_is 0 "the report" "$UPSHIFT" report --root "$root"
is "$(printf '%s\n' "$out" | sed -n '/^rolled back to start/,/^## /p' |
	grep -E '^\| (db|files)' | tr -d '\\')" "$told" "has the same"
run_is 0 "the status" "$UPSHIFT" status --json --root "$root"
like "$out" '"rollback":{"point":"start","r":"R1","time":"[^"]*","restored":4051,"lost":6,"kept":0,"lost_names":\[\],"tables":\[{"table":"db:filled","restored":50,"lost":1,"kept":0},' \
	"has them, too"

# --- and back again ---
run_is 66 "a point that is none" "$UPSHIFT" rollback R2 --root "$root" --preview
like "$err" "point R2 cannot be gone back to" "is refused, not told"
preview R1
is "$(printf '%s\n' "$out" | head -n 8)" "rollback to R1 takes the last rollback back
RESTORED 4,054
  db:filled: 50 rows
  db:fresh: 2,001 rows
  db:mixed: 2,002 rows
  f
LOST 0
KEPT 0" "the rollback taken back: what it took"
pg_sql db <<-'END'
	UPDATE mixed SET body = 'since' WHERE id = 5003;
	INSERT INTO mixed VALUES (9003, 'since');
END
echo since >"$root/f"
preview R1
is "$(printf '%s\n' "$out" | sed -n '/^LOST/,$p' | head -n 4)" "LOST 2
  db:mixed: 1 row
  f
KEPT 1" "and what others wrote since is told"
run_is 0 "it is done" "$UPSHIFT" rollback R1 --root "$root" --batch \
	--confirm "roll back to R1"
is "$(pg_sql db -c "SELECT (SELECT count(*) FROM mixed WHERE body = 'theirs'),
	(SELECT count(*) FROM mixed WHERE body = 'since'),
	(SELECT count(*) FROM fresh), (SELECT count(size) FROM filled)")" \
	"2|1|2001|50" "as it was told"
like "$out" "'db:mixed': 1 row was written since by others and stays" \
	"what stays is told"
like "$out" "'db:mixed': 1 row was written since by others and is in R2 alone" \
	"what does not, too"
"$UPSHIFT" report --root "$root" >"$tmp/report"
is "$(sed -n '/^rolled back to R1/,/^## /p' "$tmp/report" |
	grep -E '^(\| (db|files)|- )' | tr -d '\\')" \
"| db:filled | 50 | 0 | 0 |
| db:fresh | 2001 | 0 | 0 |
| db:mixed | 2003 | 1 | 1 |
| files and directories | 1 | 1 | 0 |
- LOST: f" "the report has this one"
is "$(sed -n '/^rolled back to start/,/^rolled back/p' "$tmp/report" |
	grep -E '^\| (db|files)' | tr -d '\\')" "$told" "and the one before"

# --- and what room it takes ---
pg_sql db -c "CREATE TABLE big AS SELECT repeat('x', 1000) AS t FROM
	generate_series(1, 8000)"
need()
{
	cat >"$tmp/s.plan" <<-END
	plan = 1; name = "s"; to = "2";
	stores: { db = "$(pg_url db)"; };
	backup: { $1 };
	checks = ( { id = "C01"; kind = "space"; } );
	steps = ( { id = "s"; kind = "mkdir"; paths = ["d"]; } );
	END
	mkdir -p "$tmp/small"
	"$UPSHIFT" check "$tmp/s.plan" --root "$tmp/small" |
		sed -n 's/.*need \([0-9]*\)\..*/\1/p' | head -n 1
}
none=$(need "")
one=$(need 'stores = ["db:big"];')
all=$(need 'stores = ["db"];')
[ "$one" -ge $((none + 16)) ]
ok $? "a table of 8 MB: $none, $one"
[ "$all" -ge "$one" ]
ok $? "all of them: $all"

done_testing
