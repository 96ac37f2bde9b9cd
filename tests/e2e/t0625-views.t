#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2119,SC2120
# What programs of the old version see: their statements give what they gave
# before, who still uses them is counted, and the tables come back.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/pg.sh"
pg_need
pg_start a
root=$tmp/data
mkdir "$root"

fresh()
{
	rm -rf "$root/.upshift"
	pg_sql a <<'TXT'
SET client_min_messages = error;
DROP SCHEMA IF EXISTS u, _upshift, upshift_old_legacy CASCADE;
DROP SCHEMA public CASCADE; CREATE SCHEMA public;
GRANT USAGE ON SCHEMA public TO public;
CREATE TABLE chunks (id int PRIMARY KEY, content text NOT NULL,
	indent int DEFAULT 0, parent int REFERENCES chunks ON DELETE CASCADE);
CREATE TABLE tags (id serial PRIMARY KEY, name text UNIQUE);
INSERT INTO chunks SELECT i, 'C' || i, i % 3 FROM generate_series(1, 20) i;
INSERT INTO tags (name) SELECT 'T' || i FROM generate_series(1, 5) i;
DROP ROLE IF EXISTS old_app; CREATE ROLE old_app LOGIN;
GRANT SELECT, INSERT, UPDATE, DELETE ON chunks, tags TO old_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO old_app;
CREATE SCHEMA u;
CREATE TABLE u.chunk (cid int PRIMARY KEY, contents text NOT NULL,
	attrs jsonb NOT NULL, parent int REFERENCES u.chunk ON DELETE CASCADE);
CREATE TABLE u.tag (tid int PRIMARY KEY, label text UNIQUE);
INSERT INTO u.chunk SELECT id, content, jsonb_build_object('indent', indent), parent FROM chunks;
INSERT INTO u.tag SELECT id, name FROM tags;
TXT
	dump >"$tmp/before"
}

dump()
{
	pg_dumped "$(pg_conn a)"
}

cat >"$tmp/plan" <<TXT
plan = 1; name = "app"; title = "App"; from = "1"; to = "2";
stores: { db = "$(pg_url a)"; again = "$(pg_url a)"; };
steps = (
  { id = "legacy"; kind = "views"; store = "db"; deprecate = "2026-12-31"; views = (
    { name = "chunks"; defaults = { indent = "0"; };
      select = "SELECT cid AS id, contents AS content, (attrs->>'indent')::int AS indent, parent FROM u.chunk";
      insert = "INSERT INTO u.chunk VALUES (NEW.id, NEW.content, jsonb_build_object('indent', NEW.indent), NEW.parent)";
      update = "UPDATE u.chunk SET cid = NEW.id, contents = NEW.content, attrs = attrs || jsonb_build_object('indent', NEW.indent), parent = NEW.parent WHERE cid = OLD.id";
      delete = "DELETE FROM u.chunk WHERE cid = OLD.id;"; },
    { name = "tags"; defaults = { id = "nextval('tags_id_seq')"; };
      select = "SELECT tid AS id, label AS name FROM u.tag"; } ); } );
TXT

up()
{
	"$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes "$@"
}

back()
{
	"$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
}

# What a client of the old version says and hears.
client()
{
	# shellcheck disable=SC2016
	PGOPTIONS='-c client_min_messages=warning' "$pg_bin/psql" -X -A -t \
		-d "host=$pg_base/a/sock user=old_app dbname=postgres application_name=oldie" 2>&1 <<'TXT'
\set VERBOSITY sqlstate
SELECT * FROM chunks WHERE id < 3 ORDER BY id;
SELECT c.content, t.name FROM chunks c JOIN tags t ON t.id = c.indent + 1 WHERE c.id = 4;
INSERT INTO chunks (id, content) VALUES (101, 'new') RETURNING *;
INSERT INTO chunks (id, content, parent) SELECT 100 + i, 'x' || i, 101 FROM generate_series(2, 4) i;
INSERT INTO chunks (id, content) VALUES (101, 'twice');
INSERT INTO chunks (id) VALUES (105);
INSERT INTO chunks (id, content, parent) VALUES (106, 'orphan', 999);
UPDATE chunks SET content = 'changed' WHERE id IN (102, 103);
UPDATE chunks SET indent = t.id FROM tags t WHERE t.name = 'T5' AND chunks.id = 103 RETURNING chunks.*;
UPDATE chunks SET content = 'none' WHERE id = 7777;
SELECT * FROM chunks WHERE id > 100 ORDER BY id FOR UPDATE;
DELETE FROM chunks WHERE id = 101;
SELECT count(*) FROM chunks;
COPY chunks (id, content, indent) FROM stdin;
201	copied	2
202	copied too	1
\.
SELECT content, indent FROM chunks WHERE id > 200 ORDER BY id;
INSERT INTO tags (name) VALUES ('T6') RETURNING *;
INSERT INTO tags (id, name) VALUES (1, 'upsert') ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING *;
INSERT INTO tags (id, name) VALUES (1, 'x') ON CONFLICT DO NOTHING;
DELETE FROM tags WHERE name = 'T2' RETURNING id;
BEGIN READ ONLY; SELECT count(*) FROM tags; COMMIT;
SELECT pg_stat_force_next_flush();
TXT
}

fresh
client >"$tmp/said"
fresh
run_is 9 'a dry run' up --dry-run
dump | cmp -s "$tmp/before" -
ok $? 'changes nothing'
run_is 0 'views in place of the tables' up
client >"$tmp/says"
cmp -s "$tmp/said" "$tmp/says"
ok $? 'old clients hear what they heard before' ||
	diff "$tmp/said" "$tmp/says" | sed 's/^/# /'
is "$(pg_sql a -c "SELECT contents, attrs FROM u.chunk WHERE cid = 201")" \
	'copied|{"indent": 2}' 'what they write is in the new tables'
is "$(pg_sql a -c "SELECT view, op, usr, app, sum(n) FROM _upshift.usage GROUP BY 1, 2, 3, 4 ORDER BY 1, 2")" \
	'chunks|DELETE|old_app|oldie|1
chunks|INSERT|old_app|oldie|3
chunks|UPDATE|old_app|oldie|3' 'writers are counted'
is "$(pg_sql a -c "SELECT obj_description('chunks'::regclass)")" \
	'deprecated, until 2026-12-31' 'the date stands at the view'

# --- nobody may drop what is used ---
cat >"$tmp/plan2" <<TXT
plan = 1; name = "contract"; title = "Contract"; from = "2"; to = "3";
stores: { db = "$(pg_url a)"; };
vars: { quiet = "30d"; };
steps = ( { id = "contract"; kind = "sql"; store = "db"; unused = "legacy"; unused_for = "\${quiet}"; up = [ "DROP VIEW chunks, tags" ]; } );
TXT
contract()
{
	"$UPSHIFT" run "$tmp/plan2" --root "$tmp/data2" --batch --yes --confirm contract "$@"
}
mkdir "$tmp/data2"
run_is 1 'a contract while they are used' contract
like "$err" "the views of step 'legacy' are still in use" 'is refused'
run_is 0 'who uses them' "$UPSHIFT" report --compat --root "$root"
like "$out" 'chunks +INSERT +old_app +oldie +[0-9-]+ +3' 'is told: writers'
like "$out" 'tags +SELECT +- +- +- +[1-9]' 'and readers'
is "$(printf '%s\n' "$out" | grep -c 'tags *SELECT')" 1 'once, though the database has two names'
run_is 0 'the same as JSON' "$UPSHIFT" report --compat --json --root "$root"
is "$(printf '%s\n' "$out" | python3 -c 'import json, sys
for r in json.load(sys.stdin):
    print(r["view"], r["operation"], r.get("role"), r["count"] > 0)' | grep -e INSERT -e tags | sort -u | tr '\n' ,)" \
	'chunks INSERT old_app True,tags SELECT None True,' 'says it, too'
run_is 1 'then' contract
like "$err" 'were not used for 0.0 days, and 30.0 are asked for' 'it is watched from now on'
pg_sql a -c "UPDATE _upshift.watch SET since = since - interval '40 days'; UPDATE _upshift.usage SET day = day - 40"
pg_sql a -c 'SELECT 1 FROM tags LIMIT 1; SELECT pg_stat_force_next_flush()' >/dev/null
run_is 1 'one reader' contract
like "$err" 'still in use' 'is seen'
run_is 0 'watched again' "$UPSHIFT" report --compat --root "$root"
pg_sql a -c "UPDATE _upshift.watch SET since = since - interval '31 days'"
run_is 0 'unused for 30 days' contract

# --- in the plan of the views: the run is complete without it ---
sed 's/^steps = (/steps = (/; s/) *; *} ); } );$/&/' "$tmp/plan" |
	sed '$ s/ } );$/ },/' >"$tmp/plan3"
cat >>"$tmp/plan3" <<'TXT'
  { id = "contract"; kind = "sql"; store = "db"; needs = [ "legacy" ]; optional = true; unused = "legacy"; up = [ "DROP VIEW chunks, tags" ]; } );
TXT
fresh
cp "$tmp/plan" "$tmp/plan1"
cp "$tmp/plan3" "$tmp/plan"
later()
{
	"$UPSHIFT" resume --root "$root" --batch --yes --run-step contract "$@"
}
run_is 9 'a dry run' up --dry-run
like "$out" "not before the views of step 'legacy' were not used for 30.0 days" 'says when'
run_is 3 'a run' up
like "$out" "step 'contract' may not begin before [0-9-]{10}T[0-9:]{8}Z: the views of step 'legacy' were not used for 0.0 days" 'is complete without it'
run_is 0 'status' "$UPSHIFT" status --root "$root"
like "$out" 'complete' 'says so'
run_is 0 'a report' "$UPSHIFT" report --root "$root"
like "$out" 'contract.*skipped.*may not begin before' 'says until when it rests'
run_is 8 'too early' later --confirm contract
like "$err" 'may not begin before.* and 30.0 are asked for' 'is told'
run_is 0 'status' "$UPSHIFT" status --root "$root"
like "$out" 'complete' 'and the run is complete still'
pg_sql a -c "UPDATE _upshift.watch SET since = since - interval '31 days'"
run_is 8 'in time, but for the words' later
like "$err" "step 'contract' needs a confirmation" 'is asked'
run_is 0 'in time' later --confirm contract
is "$(pg_sql a -c "SELECT to_regclass('tags') IS NULL")" t 'the views are gone'
run_is 66 'no way back from there' back
fresh
UPSHIFT_TEST_UNUSED_S=0
export UPSHIFT_TEST_UNUSED_S
run_is 8 'one whose time is there at once' up
like "$err" "step 'contract' needs a confirmation" 'is asked for in its turn'
run_is 0 'and done' "$UPSHIFT" resume --root "$root" --batch --yes --confirm contract
unset UPSHIFT_TEST_UNUSED_S
cp "$tmp/plan1" "$tmp/plan"

# --- one that nothing does without ---
sed 's/optional = true; //' "$tmp/plan3" >"$tmp/plan"
fresh
run_is 8 'a contract that is not optional' up --confirm contract
like "$err" "may not begin before $(date -u -d '+30 days' +%Y-%m)-[0-9]+T[0-9:]+Z: the views" 'is waited for'
like "$err" 'upshift resume' 'by whoever resumes'
run_is 8 'too early' "$UPSHIFT" resume --root "$root" --batch --yes
pg_sql a -c "SELECT * FROM chunks" >/dev/null
pg_sql a -c "SELECT pg_stat_force_next_flush(); UPDATE _upshift.watch SET since = since - interval '31 days'"  >/dev/null
run_is 8 'used meanwhile' "$UPSHIFT" resume --root "$root" --batch --yes
like "$err" 'still in use' 'it begins anew'
pg_sql a -c "UPDATE _upshift.watch SET since = since - interval '31 days'"
run_is 0 'in time' "$UPSHIFT" resume --root "$root" --batch --yes
cp "$tmp/plan1" "$tmp/plan"

# --- back ---
fresh
run_is 0 'views' up
run_is 0 'a rollback' back
dump >"$tmp/now"
cmp -s "$tmp/before" "$tmp/now"
ok $? 'the tables are back, and nothing else' ||
	diff "$tmp/before" "$tmp/now" | head -30 | sed 's/^/# /'

# --- another plan with a step of that id, in the same database ---
fresh
cp "$tmp/before" "$tmp/before1"
pg_sql a -c 'CREATE TABLE u.other (id int PRIMARY KEY)'
other=$tmp/other
mkdir -p "$other"
cat >"$tmp/plan2" <<TXT
plan = 1; name = "second"; title = "Second"; from = "1"; to = "2";
stores: { db = "$(pg_url a)"; };
steps = ( { id = "legacy"; kind = "views"; store = "db"; views = (
    { name = "others"; select = "SELECT id FROM u.other"; insert = "INSERT INTO u.other VALUES (NEW.id)"; } ); },
  { id = "contract"; kind = "sql"; store = "db"; optional = true; confirm = true; unused = "legacy"; unused_for = "1s"; up = [ "DROP VIEW others" ]; } );
TXT
run_is 0 'the first' up
run "$UPSHIFT" run "$tmp/plan2" --root "$other" --batch --yes
is "$(pg_sql a -c 'SELECT count(*) FROM _upshift.watch')" 3 'both are watched'
run_is 0 'the first goes back' back
is "$(pg_sql a -c 'SELECT view FROM _upshift.watch')" others \
	'the other is watched still'
pg_sql a -c 'INSERT INTO others VALUES (1)'
is "$(pg_sql a -c "SELECT op FROM _upshift.usage WHERE view = 'others'")" \
	INSERT 'and counted'
run_is 0 'goes back' "$UPSHIFT" rollback start --root "$other" --batch \
	--confirm 'roll back to start'
is "$(pg_sql a -c "SELECT to_regclass('_upshift.watch') IS NULL")" t \
	'the last one takes all away'
done_testing
