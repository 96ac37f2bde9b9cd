#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2119,SC2120
# Old tables that stay and are kept equal to the new ones: clients of the old
# version hear what they heard before, also where no view could say it.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/pg.sh"
pg_need
pg_start a
root=$tmp/data
mkdir "$root"

old()
{
	rm -rf "$root/.upshift"
	pg_sql a <<'TXT'
SET client_min_messages = error;
DROP SCHEMA IF EXISTS u, _upshift, upshift_old_legacy CASCADE;
DROP SCHEMA public CASCADE; CREATE SCHEMA public;
GRANT USAGE ON SCHEMA public TO public;
CREATE TABLE chunks (id int PRIMARY KEY, content text NOT NULL,
	indent int DEFAULT 0, parent int REFERENCES chunks ON DELETE CASCADE,
	changed timestamptz NOT NULL DEFAULT '2026-01-01', meta json);
CREATE TABLE tags (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE chunk_tags (chunk int NOT NULL REFERENCES chunks ON DELETE CASCADE,
	tag int NOT NULL REFERENCES tags ON DELETE CASCADE, PRIMARY KEY (chunk, tag));
CREATE TABLE notes (id serial PRIMARY KEY, chunk int NOT NULL REFERENCES chunks
	ON DELETE CASCADE ON UPDATE CASCADE, note text);
INSERT INTO chunks (id, content, indent, parent, meta)
	SELECT i, 'C' || i, i % 3, nullif(i / 4, 0), '{"a": 1,"b":  2}' FROM generate_series(1, 20) i;
INSERT INTO tags (name) SELECT 'T' || i FROM generate_series(1, 5) i;
INSERT INTO chunk_tags SELECT i, 1 + i % 5 FROM generate_series(1, 20) i;
INSERT INTO notes (chunk, note) SELECT i, 'N' || i FROM generate_series(5, 9) i;
DROP ROLE IF EXISTS old_app; CREATE ROLE old_app LOGIN;
DROP ROLE IF EXISTS new_app; CREATE ROLE new_app LOGIN;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO old_app;
GRANT TRUNCATE ON chunk_tags TO old_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO old_app;
CREATE SCHEMA u;
CREATE TABLE u.chunk (cid int PRIMARY KEY, contents text NOT NULL,
	attrs jsonb NOT NULL, up int REFERENCES u.chunk ON DELETE CASCADE,
	at timestamptz NOT NULL, meta json, is_tag bool NOT NULL DEFAULT false);
CREATE TABLE u.link (a int REFERENCES u.chunk ON DELETE CASCADE,
	b int REFERENCES u.chunk ON DELETE CASCADE, PRIMARY KEY (a, b));
INSERT INTO u.chunk SELECT id, content, jsonb_build_object('indent', indent), parent, changed, meta FROM chunks;
INSERT INTO u.chunk (cid, contents, attrs, at, is_tag) SELECT -id, name, '{}', '2026-01-01', true FROM tags;
INSERT INTO u.link SELECT chunk, -tag FROM chunk_tags;
GRANT USAGE ON SCHEMA u TO new_app;
GRANT ALL ON ALL TABLES IN SCHEMA u TO new_app;
TXT
}

dump()
{
	pg_dumped "$(pg_conn a)"
}

# plan MODE
plan()
{
	cat >"$tmp/plan" <<TXT
plan = 1; name = "app"; title = "App"; from = "1"; to = "2";
stores: { db = "$(pg_url a)"; };
steps = (
  { id = "legacy"; kind = "views"; store = "db"; deprecate = "2026-12-31"; views = (
    { name = "chunks"; mode = "$1"; key = [ "id" ]; defaults = { indent = "0"; changed = "'2026-01-01'"; };
      select = "SELECT c.cid AS id, c.contents AS content, (attrs->>'indent')::int AS indent, up AS parent, c.at AS changed, meta FROM u.chunk c WHERE NOT is_tag";
      insert = "INSERT INTO u.chunk VALUES (NEW.id, NEW.content, jsonb_build_object('indent', NEW.indent), NEW.parent, NEW.changed, NEW.meta)";
      update = "UPDATE u.chunk SET cid = NEW.id, contents = NEW.content, attrs = attrs || jsonb_build_object('indent', NEW.indent), up = NEW.parent, at = NEW.changed, meta = NEW.meta WHERE cid = OLD.id";
      delete = "DELETE FROM u.chunk WHERE cid = OLD.id"; },
    { name = "tags"; mode = "$1"; key = [ "id" ]; defaults = { id = "nextval('tags_id_seq')"; };
      select = "SELECT -cid AS id, contents AS name FROM u.chunk WHERE is_tag";
      insert = "INSERT INTO u.chunk (cid, contents, attrs, at, is_tag) VALUES (-NEW.id, NEW.name, '{}', '2026-01-01', true)";
      update = "UPDATE u.chunk SET cid = -NEW.id, contents = NEW.name WHERE is_tag AND cid = -OLD.id";
      delete = "DELETE FROM u.chunk WHERE is_tag AND cid = -OLD.id";
      sources = ( { table = "u.chunk"; match = { id = "CASE WHEN NEW.is_tag THEN -NEW.cid END"; }; } ); },
    { name = "chunk_tags"; mode = "$1"; key = [ "chunk", "tag" ];
      select = "SELECT l.a AS chunk, -t.cid AS tag FROM u.link l JOIN u.chunk t ON t.cid = l.b AND t.is_tag";
      insert = "INSERT INTO u.link SELECT NEW.chunk, cid FROM u.chunk WHERE is_tag AND cid = -NEW.tag";
      delete = "DELETE FROM u.link WHERE a = OLD.chunk AND b = -OLD.tag";
      sources = ( { table = "u.link"; match = { chunk = "NEW.a"; }; } ); } ); } );
TXT
}

up()
{
	"$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes "$@"
}

back()
{
	"$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
}

# client ROLE [FILE]...: what it says and hears, SQLSTATEs for words
client()
{
	who=$1
	shift
	cat "$@" | PGOPTIONS='-c client_min_messages=warning' "$pg_bin/psql" \
		-X -A -t -v VERBOSITY=sqlstate -f - \
		-d "host=$pg_base/a/sock user=$who dbname=postgres application_name=oldie" 2>&1 |
		sed 's/^psql:<stdin>:[0-9]*: //'
}

cat >"$tmp/both.sql" <<'TXT'
SELECT * FROM chunks WHERE id < 3 ORDER BY id;
SELECT c.content, t.name FROM chunks c JOIN chunk_tags x ON x.chunk = c.id JOIN tags t ON t.id = x.tag WHERE c.id = 4;
SELECT c.id, n.note FROM chunks c LEFT JOIN notes n ON n.chunk = c.id WHERE c.id IN (4, 5) ORDER BY 1;
INSERT INTO chunks (id, content) VALUES (101, 'new') RETURNING *;
INSERT INTO chunks (id, content) VALUES (111, 'one'), (112, 'two'), (113, 'three') RETURNING id, indent;
INSERT INTO chunks (id, content, parent) SELECT 100 + i, 'x' || i, 101 FROM generate_series(2, 4) i;
INSERT INTO chunks (id, content) VALUES (101, 'twice');
INSERT INTO chunks (id) VALUES (105);
INSERT INTO chunks (id, content, parent) VALUES (106, 'orphan', 999);
UPDATE chunks SET content = 'changed' WHERE id IN (102, 103);
UPDATE chunks SET content = NULL WHERE id = 102;
UPDATE chunks SET id = 101 WHERE id = 102;
UPDATE chunks SET parent = 998 WHERE id = 102;
UPDATE chunks SET indent = t.id FROM tags t WHERE t.name = 'T5' AND chunks.id = 103 RETURNING chunks.*;
UPDATE chunks SET content = 'none' WHERE id = 7777;
SELECT * FROM chunks WHERE id > 100 ORDER BY id FOR UPDATE;
INSERT INTO tags (name) VALUES ('T6') RETURNING *;
INSERT INTO chunk_tags VALUES (102, 6), (103, 6);
INSERT INTO chunk_tags VALUES (102, 66);
INSERT INTO chunk_tags VALUES (102, 6);
DELETE FROM chunks WHERE id = 101;
SELECT count(*) FROM chunks;
SELECT count(*) FROM chunk_tags;
DELETE FROM tags WHERE name = 'T2' RETURNING id;
SELECT count(*) FROM chunk_tags;
COPY chunks (id, content, indent) FROM stdin;
201	copied	2
202	copied too	1
\.
COPY chunks (id, content) FROM stdin;
203	fine
201	twice
\.
SELECT content, indent FROM chunks WHERE id > 200 ORDER BY id;
BEGIN; SAVEPOINT s; INSERT INTO tags VALUES (1, 'T1'); ROLLBACK TO s; UPDATE tags SET name = 'kept' WHERE id = 1; COMMIT;
PREPARE p(int) AS SELECT content FROM chunks WHERE id = $1;
EXECUTE p(3);
SELECT * FROM tags ORDER BY id;
SELECT * FROM chunk_tags ORDER BY 1, 2;
SELECT * FROM chunks ORDER BY id;
BEGIN READ ONLY; SELECT count(*) FROM tags; COMMIT;
TXT
cat >"$tmp/more.sql" <<'TXT'
INSERT INTO tags (id, name) VALUES (1, 'upsert') ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING *;
INSERT INTO tags (id, name) VALUES (1, 'x') ON CONFLICT DO NOTHING;
INSERT INTO tags (name) VALUES ('T3') ON CONFLICT (name) DO UPDATE SET name = tags.name || '+' RETURNING name;
INSERT INTO chunk_tags VALUES (5, 3), (6, 3) ON CONFLICT (chunk, tag) DO NOTHING;
UPDATE chunks SET id = 305 WHERE id = 19;
SELECT count(*) FROM chunk_tags WHERE chunk = 305;
UPDATE chunks SET id = 306 WHERE id = 9;
INSERT INTO notes (chunk, note) VALUES (201, 'of a new one');
INSERT INTO notes (chunk, note) VALUES (999, 'of none');
DELETE FROM chunks WHERE id = 5;
SELECT id, chunk FROM notes ORDER BY id;
BEGIN; DELETE FROM chunks; ROLLBACK;
TRUNCATE chunk_tags;
SELECT count(*) FROM chunk_tags;
SELECT * FROM tags ORDER BY id;
SELECT * FROM chunks ORDER BY id;
TXT

# what the new tables say is what the old ones have
same()
{
	is "$(pg_sql a -c "SELECT (SELECT count(*) FROM chunks l FULL JOIN _upshift.legacy_chunks v USING (id) WHERE ROW(l.id, l.content, l.indent, l.parent, l.changed, l.meta)::text IS DISTINCT FROM ROW(v.id, v.content, v.indent, v.parent, v.changed, v.meta)::text),
		(SELECT count(*) FROM tags l FULL JOIN _upshift.legacy_tags v USING (id) WHERE l.name IS DISTINCT FROM v.name),
		(SELECT count(*) FROM chunk_tags l FULL JOIN _upshift.legacy_chunk_tags v USING (chunk, tag) WHERE l.chunk IS NULL OR v.chunk IS NULL)")" \
		'0|0|0' "$1"
}

heard()
{
	cmp -s "$tmp/$1" "$tmp/$2"
	ok $? "$3" || diff "$tmp/$1" "$tmp/$2" | sed 's/^/# /'
}

old
client old_app "$tmp/both.sql" >"$tmp/said"
old
client old_app "$tmp/both.sql" "$tmp/more.sql" >"$tmp/said.more"

# --- views ---
plan view
old
run_is 0 'views in place of the tables' up
client old_app "$tmp/both.sql" >"$tmp/says"
heard said says 'by views old clients hear what they heard before'

# --- mirrors ---
plan mirror
old
dump >"$tmp/before"
run_is 9 'a dry run of mirrors' up --dry-run
like "$out" 'CREATE TRIGGER upshift_write AFTER INSERT OR DELETE ON "chunks"' 'shows the statements'
dump >"$tmp/now"
heard before now 'and changes nothing'
run_is 0 'mirrors' up
is "$(pg_sql a -c "SELECT relkind FROM pg_class WHERE oid = 'chunks'::regclass")" r 'are tables'
same 'equal to begin with'
client old_app "$tmp/both.sql" "$tmp/more.sql" >"$tmp/says"
heard said.more says 'by mirrors too, and upserts, keys of others, TRUNCATE'
same 'and all of it is in the new tables'
client old_app - <<'TXT' >"$tmp/says"
UPDATE chunk_tags SET tag = 1;
INSERT INTO chunk_tags VALUES (6, 1);
UPDATE chunk_tags SET tag = 3;
TXT
is "$(cat "$tmp/says")" 'UPDATE 0
INSERT 0 1
ERROR:  55000' 'what the plan has no statement for is refused'
same 'and done nowhere'

# --- the other way ---
client new_app - <<'TXT' >"$tmp/says"
INSERT INTO u.chunk VALUES (401, 'by the new one', '{"indent": 7, "more": true}', NULL, '2026-02-02', NULL, false), (402, 'below', '{}', 401, '2026-02-02', NULL, false);
INSERT INTO u.chunk VALUES (-44, 'T44', '{}', NULL, '2026-02-02', NULL, true);
INSERT INTO u.link VALUES (401, -44), (402, -44), (401, -1);
UPDATE u.chunk SET contents = contents || '!' WHERE cid IN (401, 3);
UPDATE u.chunk SET cid = -45 WHERE cid = -4;
INSERT INTO u.chunk VALUES (403, 'x', '{}', NULL, '2026-02-02', NULL, false) ON CONFLICT (cid) DO NOTHING;
UPDATE u.chunk SET is_tag = true, cid = -403 WHERE cid = 403;
DELETE FROM u.chunk WHERE cid = -44;
TXT
same 'what the new version writes is in the old tables'
is "$(pg_sql a -c "SELECT content, indent FROM chunks WHERE id = 401; SELECT name FROM tags WHERE id = 403; SELECT count(*) FROM chunk_tags WHERE chunk = 401")" 'by the new one!|7
x
1' 'row by row'
is "$(pg_sql a -c "SELECT attrs FROM u.chunk WHERE cid = 401; UPDATE chunks SET indent = 8 WHERE id = 401; SELECT attrs FROM u.chunk WHERE cid = 401")" '{"more": true, "indent": 7}
{"more": true, "indent": 8}' 'what the old version does not know stays'

# what an old client writes goes through the statements of the plan, which have
# the last word
pg_sql a -c "CREATE FUNCTION u.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.at := ''2027-01-01''; RETURN NEW; END'; CREATE TRIGGER stamp BEFORE UPDATE ON u.chunk FOR EACH ROW EXECUTE FUNCTION u.stamp(); UPDATE chunks SET content = 'stamped' WHERE id = 7"
is "$(pg_sql a -c "SELECT changed::date FROM chunks WHERE id = 7")" 2027-01-01 'a trigger of the new table is seen in the old one'
same 'still equal'

# --- use ---
run_is 0 'who uses them' "$UPSHIFT" report --compat --root "$root"
like "$out" 'chunks +INSERT +old_app +oldie +[0-9-]+ +[1-9]' 'old writers are counted'
unlike "$out" 'new_app' 'new ones are not'
pg_sql a -c 'SELECT pg_stat_force_next_flush()' >/dev/null
reads()
{
	run "$UPSHIFT" report --compat --root "$root"
	printf '%s\n' "$out" | sed -n 's/^'"$1"' *SELECT.* \([0-9-]*\)$/\1/p'
}
a=$(reads chunks)
client new_app - <<'TXT' >/dev/null
UPDATE u.chunk SET contents = contents || '?' WHERE cid > 200;
INSERT INTO u.chunk VALUES (501, 'y', '{}', 401, '2026-02-02', NULL, false);
INSERT INTO u.link VALUES (501, -1);
DELETE FROM u.chunk WHERE cid = 402;
SELECT pg_stat_force_next_flush();
TXT
is "$(reads chunks)" "$a" 'the new version reads nothing of it'
pg_sql a -c 'SELECT 1 FROM chunks WHERE id = 3; SELECT pg_stat_force_next_flush()' >/dev/null
[ "$(reads chunks)" -gt "$a" ]
ok $? 'readers are counted'

# --- back ---
old
dump >"$tmp/before"
run_is 0 'mirrors' up
run_is 0 'a rollback' back
dump >"$tmp/now"
heard before now 'leaves schema and rows as they were'

# --- two that differ ---
old
pg_sql a -c "UPDATE u.chunk SET contents = 'other' WHERE cid = 3; DELETE FROM u.link WHERE a = 4"
dump >"$tmp/before"
run_is 1 'a table that is not what the new ones say' up
like "$err" '1 rows of chunks are not what the new tables say' 'is refused'
dump >"$tmp/now"
heard before now 'and nothing was done'

# --- none there, and a fence ---
old
pg_sql a -c "ALTER TABLE notes DROP CONSTRAINT notes_chunk_fkey; DROP TABLE chunk_tags; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''fenced''; END'; CREATE TRIGGER _upshift_fence BEFORE INSERT OR UPDATE OR DELETE ON tags FOR EACH STATEMENT EXECUTE FUNCTION f()"
dump >"$tmp/before"
run_is 0 'a table that is not there' up
is "$(pg_sql a -c "SELECT count(*) FROM chunk_tags; INSERT INTO chunk_tags VALUES (1, 1) ON CONFLICT (chunk, tag) DO NOTHING; INSERT INTO tags (name) VALUES ('after the fence') RETURNING id")" '20
6' 'is made, and a fence opened'
pg_sql a -c "DELETE FROM tags WHERE id = 6; SELECT setval('tags_id_seq', 5)" >/dev/null
pg_sql a -c "DELETE FROM chunk_tags WHERE chunk = 1 AND tag = 1"
run_is 0 'back' back
dump >"$tmp/now"
heard before now 'all is as it was'

# --- killed ---
n=0
points=0
bad=
while :; do
	n=$((n + 17))
	old
	dump >"$tmp/before"
	UPSHIFT_TEST_FAULT=any:$n:kill up >/dev/null 2>&1
	[ $? = 137 ] || break
	points=$((points + 1))
	"$UPSHIFT" resume --root "$root" --batch --yes >/dev/null 2>&1
	case $? in
	0) ;;
	66) up >/dev/null 2>&1 ;;
	*) bad="$bad $n" ;;
	esac
	[ "$(pg_sql a -c "UPDATE u.chunk SET contents = 'k' WHERE cid = 3; SELECT content FROM chunks WHERE id = 3; UPDATE chunks SET content = 'C3' WHERE id = 3")" = k ] || bad="$bad $n"
	UPSHIFT_TEST_FAULT=any:$n:kill back >/dev/null 2>&1
	back >/dev/null 2>&1
	dump | sort >"$tmp/now"
	sort "$tmp/before" | cmp -s - "$tmp/now" || bad="$bad $n-back"
done
[ "$points" -gt 3 ]
ok $? "killed at many points ($points)"
is "$bad" '' 'made once, and back'
done_testing
