#!/bin/sh
# SPDX-License-Identifier: MIT
# The tables of a server in the backup, and back from there.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$top_srcdir/tests/lib/pg.sh"
pg_need
pg_start db fsync=on

root=$tmp/root
export PSQL="$pg_bin/psql" CONN
CONN=$(pg_conn db)

sql()
{
	pg_sql db "$@"
}

dumped()
{
	pg_dumped "$CONN"
}

begin()
{
	rm -rf "$root"
	mkdir "$root"
	echo one >"$root/one"
	sql <<-'END'
	SET client_min_messages = error;
	DROP SCHEMA public CASCADE;
	CREATE SCHEMA public;
	CREATE TABLE texts (id serial PRIMARY KEY, title text);
	CREATE TABLE chunks (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		text_id int REFERENCES texts ON DELETE CASCADE, body text,
		raw bytea);
	CREATE TABLE "Odd one" ("a/b" text);
	INSERT INTO texts (title) SELECT 'title ' || i
		FROM generate_series(1, 50) i;
	INSERT INTO chunks (text_id, body, raw) SELECT i % 50 + 1,
		CASE i % 3 WHEN 0 THEN E'tab\tline\nback\\' WHEN 1 THEN NULL
		ELSE U&'\00e4\+01F600' END, decode(md5(i::text), 'hex')
		FROM generate_series(1, 3000) i;
	INSERT INTO "Odd one" VALUES (''), (NULL), ('x');
	END
	dumped >"$tmp/before"
}

cat >"$tmp/change.sql" <<'EOF'
ALTER TABLE chunks ADD COLUMN tagged boolean DEFAULT false;
UPDATE chunks SET body = 'new' WHERE id > 100;
DELETE FROM texts WHERE id = 7;
INSERT INTO texts (title) VALUES ('late');
CREATE TABLE late (id serial PRIMARY KEY, text_id int REFERENCES texts);
INSERT INTO late (text_id) VALUES (1);
TRUNCATE "Odd one";
EOF

cat >"$tmp/p.plan" <<'EOF'
plan = 1; name = "p"; to = "2";
stores: { db = "pg:${env:CONN}"; };
backup: { stores = ["db:texts", "db:chunks", "db:Odd one", "db:late"]; };
steps = (
  { id = "files"; kind = "write"; path = "two"; text = "two"; },
  { id = "change"; kind = "run"; undo = ["true"];
    run = ["sh", "-c", "exec \"$PSQL\" -X -q -v ON_ERROR_STOP=1 -d \"$CONN\" -f \"$CHANGE\""];
    env: { PSQL = "${env:PSQL}"; CONN = "${env:CONN}"; CHANGE = "${env:CHANGE}"; }; } );
rollback: { scenarios = (
  { name = "Migration fails"; strategy = "backup"; },
  { name = "Later"; to = "CP1"; } ); };
EOF
export CHANGE="$tmp/change.sql"

begin
run "$UPSHIFT" run "$tmp/p.plan" --root "$root" --batch --yes
is "$status" 0 "the plan is done"
[ "$status" = 0 ] || diag "$out $err"
is "$(sql -c "SELECT count(*) FROM late")" 1 "and changed the database"
dumped >"$tmp/after"

run_dir=$(find "$root/.upshift/runs" -mindepth 1 -maxdepth 1)
archive=$run_dir/backup/start.tar.zst
is "$(tar --zstd -tf "$archive" | grep '^.upshift-stores/' | sort | tr '\n' ' ')" \
   ".upshift-stores/db/Odd%20one.copy .upshift-stores/db/chunks.copy .upshift-stores/db/index.jsonl .upshift-stores/db/schema.sql .upshift-stores/db/texts.copy " \
   "the archive has a member for each set, and the schema"
mkdir "$tmp/out"
tar --zstd -xf "$archive" -C "$tmp/out"
like "$(grep '"path":".upshift-stores/db/chunks.copy"' "$run_dir/backup/start.manifest.jsonl")" \
   '"rows":3000,"digest":"xxh3-128:[0-9a-f]+".*"flags":\["store"\]' \
   "the manifest has digest and rows"
is "$(find "$run_dir/backup" -name '*.part')" "" "nothing is left of the dump"

# without this program: the script, and the rows by \copy
pg_start other fsync=off
pg_sql other -f "$tmp/out/.upshift-stores/db/schema.sql" >/dev/null
pg_sql other -c "\\copy texts from '$tmp/out/.upshift-stores/db/texts.copy'"
is "$(pg_sql other -c 'SELECT count(*), max(id) FROM texts')" "50|50" \
   "psql brings rows and schema back"
pg_stop other

run "$UPSHIFT" verify --root "$root" --level forensic
is "$status" 0 "verify reads the archive to its end"

run "$UPSHIFT" rollback --root "$root" --scenario nothing --batch \
	--confirm "roll back to start"
is "$status" 66 "a scenario that is not there"
like "$err" "Migration fails" "those that are there are named"
run "$UPSHIFT" rollback --root "$root" --strategy fast --batch
is "$status" 64 "a strategy that is none"

run "$UPSHIFT" rollback --root "$root" --scenario "migration fails" --batch \
	--confirm "roll back to start"
is "$status" 0 "the scenario rolls back"
[ "$status" = 0 ] || diag "$out $err"
dumped >"$tmp/now"
file_is "$tmp/now" "$tmp/before" "the database is as it was, to the byte"
[ ! -e "$root/two" ]; ok $? "and so are the files"

run "$UPSHIFT" rollback R1 --root "$root" --batch --confirm "roll back to R1"
is "$status" 0 "back to where that began"
[ "$status" = 0 ] || diag "$out $err"
dumped >"$tmp/now"
file_is "$tmp/now" "$tmp/after" "the database, too"
is "$(cat "$root/two")" two "and the files"

# the server is gone in the middle, and comes back
pg_stop db
run "$UPSHIFT" rollback --root "$root" --strategy backup --batch \
	--confirm "roll back to start"
[ "$status" != 0 ]; ok $? "no rollback without the server"
is "$(cat "$root/two")" two "nothing was changed"
pg_start db fsync=on
run "$UPSHIFT" rollback --root "$root" --strategy backup --batch \
	--confirm "roll back to start"
is "$status" 0 "with it there is"
[ "$status" = 0 ] || diag "$out $err"
dumped >"$tmp/now"
file_is "$tmp/now" "$tmp/before" "and all is as it was"

# a damaged member is found before anything is changed
begin
run "$UPSHIFT" run "$tmp/p.plan" --root "$root" --batch --yes
archive=$(find "$root/.upshift/runs" -name start.tar.zst)
printf 'x' | dd of="$archive" bs=1 seek=2000 conv=notrunc 2>/dev/null
dumped >"$tmp/after"
run "$UPSHIFT" rollback --root "$root" --strategy backup --batch \
	--confirm "roll back to start"
is "$status" 5 "a damaged backup is refused"
dumped >"$tmp/now"
file_is "$tmp/now" "$tmp/after" "and the database left alone"

# what is in the way of a name of ours
begin
mkdir "$root/.upshift-stores"
echo x >"$root/.upshift-stores/x"
sed 's/backup: {/& include = ["**"];/' "$tmp/p.plan" >"$tmp/q.plan"
run "$UPSHIFT" run "$tmp/q.plan" --root "$root" --batch --yes
is "$status" 1 "a file with our name is not mixed up with a table"
like "$err" "upshift-stores" "and named"

done_testing
