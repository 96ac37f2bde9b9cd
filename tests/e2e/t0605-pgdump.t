#!/bin/sh
# SPDX-License-Identifier: MIT
# Whole databases in the backup by pg_dump, and back by pg_restore.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$top_srcdir/tests/lib/pg.sh"
pg_need
pg_start db

root=$tmp/root
bin=$tmp/bin
mkdir "$bin"
for p in pg_dump pg_restore; do
	cat >"$bin/$p" <<-END
	#!/bin/sh
	printf '%s\n' "$p \$*" >>"$tmp/calls"
	[ ! -e "$tmp/$p.fails" ] || { echo "no such luck" >&2; exit 1; }
	[ ! -e "$tmp/$p.hangs" ] || case "\$*" in
	*--version* | *--data-only*) ;;
	*) echo x >"$tmp/hanging"; exec sleep 1000 ;;
	esac
	if [ -e "$tmp/$p.version" ] && [ "\$1" = --version ]; then
		cat "$tmp/$p.version"; exit; fi
	exec "$pg_bin/$p" "\$@"
	END
	chmod +x "$bin/$p"
done
PATH=$bin:$PATH

dumped()
{
	pg_dumped "$(pg_conn db)"
}

begin()
{
	rm -rf "$root" "$tmp"/*.fails "$tmp"/*.hangs "$tmp/hanging"
	mkdir "$root"
	: >"$tmp/calls"
	pg_sql db <<-'END'
	SET client_min_messages = error;
	DROP SCHEMA IF EXISTS app CASCADE;
	DROP SCHEMA public CASCADE;
	CREATE SCHEMA public;
	CREATE SCHEMA app;
	CREATE TYPE app.mood AS ENUM ('fine', 'so so');
	CREATE FUNCTION app.twice(int) RETURNS int LANGUAGE sql IMMUTABLE
		AS 'SELECT $1 * 2';
	CREATE TABLE old (id int PRIMARY KEY, body text, n int);
	INSERT INTO old SELECT i, E'text\t\\' || i || E'\nCOPY public.old (id) '
		'FROM stdin;', i FROM generate_series(1, 3000) i;
	CREATE TABLE app."Odd ""one""" (id bigserial PRIMARY KEY, "select" text,
		m app.mood DEFAULT 'fine', took interval, raw bytea, d float8,
		at timestamptz DEFAULT '2026-01-02 03:04:05+06', t int
		GENERATED ALWAYS AS (app.twice(3)) STORED, old int REFERENCES old);
	INSERT INTO app."Odd ""one""" ("select", took, raw, d, old) SELECT
		NULLIF(i, 3), i * interval '1 day 2 hours', int4send(i),
		random(), i FROM generate_series(1, 500) i;
	CREATE TABLE part (k int, v text) PARTITION BY LIST (k);
	CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
	CREATE TABLE part_2 (v text, k int);
	ALTER TABLE part ATTACH PARTITION part_2 FOR VALUES IN (2);
	INSERT INTO part SELECT 1 + i % 2, i FROM generate_series(1, 100) i;
	CREATE TABLE empty (a int);
	CREATE VIEW app.seen AS SELECT id, app.twice(n) AS n2 FROM old;
	END
}

plan()
{
	cat >"$tmp/p.plan" <<-END
	plan = 1; name = "p"; to = "2";
	stores: { db = "$(pg_url db)"; };
	backup: { with = "pg_dump"; };
	steps = (
	  { id = "file"; kind = "write"; path = "f"; text = "f"; },
	  { id = "schema"; kind = "sql"; store = "db";
	    up = ["CREATE TABLE fresh (id int PRIMARY KEY REFERENCES old, body text)",
	          "DROP VIEW app.seen", "DROP FUNCTION app.twice(int) CASCADE",
	          "CREATE FUNCTION app.twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT \$1 * 3'"];
	    down = ["SELECT 1"]; },
	  { id = "fresh"; kind = "copy-records"; from = "db:old"; to = "db:fresh";
	    key = ["id"]; columns: { id = "id"; body = "body"; }; },
	  { id = "more"; kind = "sql"; store = "db";
	    up = ["UPDATE old SET n = n + 1"]; down = ["SELECT 1"]; } );
	END
}

up()
{
	run "$UPSHIFT" run "$tmp/p.plan" --root "$root" --batch --yes
	[ "$status" = "${1:-0}" ] || diag "$out $err"
}

# back POINT [OPTION]...
back()
{
	back_to=$1
	shift
	run "$UPSHIFT" rollback "$back_to" --root "$root" "$@" --batch \
		--confirm "roll back to $back_to"
}

archive()
{
	ls "$root"/.upshift/runs/*/backup/start.tar.zst
}

# --- saved, read back, and restored ---
begin
plan
dumped >"$tmp/before"
up
is "$status" 0 "a run"
tar --zstd -tf "$(archive)" >"$tmp/list"
like "$(cat "$tmp/list")" "^.upshift-stores/db/database.dump\$" \
	"the dump is in the archive"
unlike "$(cat "$tmp/list")" "\.copy\$" "in the place of the copies"
mkdir -p "$tmp/x"
tar --zstd -xf "$(archive)" -C "$tmp/x"
"$pg_bin/pg_restore" -l "$tmp/x/.upshift-stores/db/database.dump" \
	>"$tmp/toc" 2>&1
like "$(cat "$tmp/toc")" "TABLE DATA app Odd \"one\"" \
	"pg_restore can read it without us"
like "$(cat "$tmp/toc")" "FUNCTION app twice" "functions are in it"
unlike "$(cat "$tmp/toc")" "_upshift_" "what is ours is not"
like "$(cat "$tmp/x/.upshift-stores/db/index.jsonl")" \
	'"full":"public.old".*"rows":3000' "the index has the rows of each table"
like "$(cat "$tmp/calls")" "pg_dump .*--snapshot=" "of the same snapshot"
like "$(cat "$tmp/calls")" "pg_restore --data-only --file=-" "it was read back"
dumped >"$tmp/after"

run "$UPSHIFT" rollback start --strategy backup --preview --root "$root"
is "$status" 0 "a preview"
like "$out" "old: 3,000 rows" "counts rows by the dump"
unlike "$out" "Odd" "and none where nothing changed"
back start --strategy backup
is "$status" 0 "back by pg_restore"
[ "$status" = 0 ] || diag "$out $err"
like "$(cat "$tmp/calls")" "pg_restore .*--single-transaction" \
	"in one transaction"
unlike "$out$err" "one by one" "as a whole"
dumped >"$tmp/now"
file_is "$tmp/now" "$tmp/before" "all is as before, functions and types too"
back R1
is "$status" 0 "to the point ahead of it"
is "$(pg_sql db -c 'SELECT count(*), (SELECT sum(n) FROM old) FROM fresh')" \
	"3000|4504500" "the rows are those of after the run"
back CP2 --strategy backup
is "$status" 66 "what stays applied is told"
back start --strategy backup
dumped >"$tmp/now"
file_is "$tmp/now" "$tmp/before" "and back once more"

# --- what others made stands in the way ---
begin
plan
dumped >"$tmp/before"
up
pg_sql db -c 'CREATE SCHEMA theirs; CREATE VIEW theirs.v AS SELECT o.id,
	app.twice(o.n) FROM old o; CREATE FUNCTION theirs.f(app.mood) RETURNS int
	LANGUAGE sql AS $$ SELECT 1 $$;'
back start --strategy backup
is "$status" 0 "a function of others stands in the way"
[ "$status" = 0 ] || diag "$out $err"
like "$out$err" "its tables go back one by one" "is told"
is "$(pg_sql db -c 'SELECT count(*), sum(n) FROM old')" "3000|4501500" \
	"the rows are those of the dump"
is "$(pg_sql db -c "SELECT to_regclass('fresh') IS NULL")" t "what was new is gone"
pg_sql db -c 'DROP SCHEMA IF EXISTS theirs CASCADE'

# --- killed ---
kill_there()
{
	while [ ! -e "$tmp/hanging" ]; do
		kill -0 $! 2>/dev/null || { diag "it ended before"; return; }
	done
	kill -KILL $!
	wait $! 2>/dev/null
	rm "$tmp/hanging"
}
UPSHIFT_TEST_CHILD_WAIT_MS=10
export UPSHIFT_TEST_CHILD_WAIT_MS
begin
plan
dumped >"$tmp/before"
: >"$tmp/pg_dump.hangs"
"$UPSHIFT" run "$tmp/p.plan" --root "$root" --batch --yes >/dev/null 2>&1 &
kill_there
rm "$tmp/pg_dump.hangs"
run "$UPSHIFT" resume --root "$root" --batch --yes
is "$status" 0 "killed while it dumps: goes on"
[ "$status" = 0 ] || diag "$out $err"
: >"$tmp/pg_restore.hangs"
"$UPSHIFT" rollback start --strategy backup --root "$root" --batch \
	--confirm "roll back to start" >/dev/null 2>&1 &
kill_there
rm "$tmp/pg_restore.hangs"
run "$UPSHIFT" resume --root "$root" --batch --yes
is "$status" 0 "killed while it restores: goes on"
[ "$status" = 0 ] || diag "$out $err"
dumped >"$tmp/now"
file_is "$tmp/now" "$tmp/before" "and all is as before"

# --- programs that are missing, old, or fail ---
begin
plan
echo "pg_dump (PostgreSQL) 9.6.1" >"$tmp/pg_dump.version"
up 69
is "$status" 69 "a program that is older than the server"
like "$err" "'pg_dump' is of version 9, the server of store 'db' of" "is refused"
is "$(ls "$root"/.upshift/runs/*/backup 2>/dev/null)" "" "ahead of the backup"
rm "$tmp/pg_dump.version"
: >"$tmp/pg_dump.fails"
up 69
is "$status" 69 "one that says nothing of its version, too"
rm "$tmp/pg_dump.fails"
mv "$bin/pg_restore" "$tmp/kept"
run env PATH="$bin" "$UPSHIFT" run "$tmp/p.plan" --root "$root" --batch --yes
is "$status" 69 "one that is missing"
like "$err" "cannot run 'pg_restore'" "is named"
mv "$tmp/kept" "$bin/pg_restore"

# a dump that lacks rows is no backup
cat >"$bin/pg_dump" <<END
#!/bin/sh
[ "\$1" = --version ] || set -- --exclude-table-data=old "\$@"
exec "$pg_bin/pg_dump" "\$@"
END
up 1
is "$status" 1 "a dump without the rows of a table"
like "$err" "'old' has 3000 rows, 0 in the dump" "is found out"
is "$(pg_sql db -c "SELECT to_regclass('fresh') IS NULL")" t \
	"and nothing was changed"

# --- passwords ---
begin
cat >"$bin/pg_dump" <<END
#!/bin/sh
printf '%s\n' "\$*" >>"$tmp/calls"
printf '%s\n' "\$PGPASSWORD" >"$tmp/password"
exec "$pg_bin/pg_dump" "\$@"
END
SECRET=hushhushhush
export SECRET
plan
sed "s/user=upshift/user=upshift password='\${env:SECRET}'/" "$tmp/p.plan" \
	>"$tmp/q.plan"
run "$UPSHIFT" run "$tmp/q.plan" --root "$root" --batch --yes
is "$status" 0 "with a password"
[ "$status" = 0 ] || diag "$out $err"
is "$(cat "$tmp/password")" "$SECRET" "the programs have it in the environment"
unlike "$(cat "$tmp/calls")" "$SECRET" "not in their arguments"
is "$(grep -rl "$SECRET" "$root")" "" "and nowhere else"

echo 'plan = 1; name = "p"; to = "2"; backup: { with = "tar"; };
	steps = ( { id = "g"; kind = "write"; path = "g"; text = "g"; } );' \
	>"$tmp/p.plan"
run "$UPSHIFT" lint "$tmp/p.plan"
is "$status" 65 "another word"
like "$out$err" "pg_dump" "is told the right ones"

done_testing
