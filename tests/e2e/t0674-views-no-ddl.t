#!/bin/sh
# SPDX-License-Identifier: MIT
# Views and mirrors on a server whose rollback does not take DDL back: they come to
# be statement by statement, wherever one of them fails they are gone on with, and
# from everywhere there is a way back.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
pg_start a
root=$tmp/data
mkdir "$root"
UPSHIFT_TEST_STORE_CAPS=-tx-ddl
export UPSHIFT_TEST_STORE_CAPS

# the n-th statement of DDL from now on fails; 0: none, and nothing is left of it
fails_at()
{
	pg_sql a -c "DROP EVENT TRIGGER IF EXISTS nth; DROP SCHEMA IF EXISTS nth CASCADE" >/dev/null 2>&1
	[ "$1" -gt 0 ] || return 0
	pg_sql a <<-TXT
		CREATE SCHEMA nth; CREATE SEQUENCE nth.n;
		CREATE FUNCTION nth.f() RETURNS event_trigger LANGUAGE plpgsql AS \$\$
		BEGIN
			IF current_query() NOT LIKE '%_upshift_step%' AND current_query() NOT LIKE '%\_upshift\_run%' AND
			   nextval('nth.n') = $1 THEN
				RAISE EXCEPTION 'the statement number $1';
			END IF;
		END \$\$;
		CREATE EVENT TRIGGER nth ON ddl_command_start EXECUTE FUNCTION nth.f();
	TXT
}

# how many it has seen
seen()
{
	pg_sql a -c 'SELECT last_value FROM nth.n'
}

fresh()
{
	fails_at 0
	rm -rf "$root/.upshift"
	pg_sql a <<'TXT'
SET client_min_messages = error;
DROP SCHEMA IF EXISTS u, _upshift, upshift_old_legacy CASCADE;
DROP SCHEMA public CASCADE; CREATE SCHEMA public;
CREATE TABLE chunks (id int PRIMARY KEY, content text NOT NULL, indent int DEFAULT 0);
CREATE TABLE tags (id serial PRIMARY KEY, name text UNIQUE);
CREATE TABLE notes (id int PRIMARY KEY, v text);
CREATE INDEX ON chunks (content);
INSERT INTO chunks SELECT i, 'C' || i, i % 3 FROM generate_series(1, 20) i;
INSERT INTO tags (name) SELECT 'T' || i FROM generate_series(1, 5) i;
INSERT INTO notes SELECT i, 'N' || i FROM generate_series(1, 5) i;
CREATE SCHEMA u;
CREATE TABLE u.chunk (cid int PRIMARY KEY, contents text NOT NULL, attrs jsonb NOT NULL);
CREATE TABLE u.tag (tid int PRIMARY KEY, label text UNIQUE);
CREATE TABLE u.note (nid int PRIMARY KEY, text text);
INSERT INTO u.chunk SELECT id, content, jsonb_build_object('indent', indent) FROM chunks;
INSERT INTO u.tag SELECT id, name FROM tags;
INSERT INTO u.note SELECT id, v FROM notes;
TXT
}

dump()
{
	pg_dumped "$(pg_conn a)"
}

cat >"$tmp/plan" <<TXT
plan = 1; name = "app"; from = "1"; to = "2";
stores: { db = "$(pg_url a)"; };
steps = (
  { id = "legacy"; kind = "views"; store = "db"; deprecate = "2026-12-31"; views = (
    { name = "chunks"; defaults = { indent = "0"; };
      select = "SELECT cid AS id, contents AS content, (attrs->>'indent')::int AS indent FROM u.chunk";
      insert = "INSERT INTO u.chunk VALUES (NEW.id, NEW.content, jsonb_build_object('indent', NEW.indent))";
      update = "UPDATE u.chunk SET cid = NEW.id, contents = NEW.content, attrs = attrs || jsonb_build_object('indent', NEW.indent) WHERE cid = OLD.id";
      delete = "DELETE FROM u.chunk WHERE cid = OLD.id;"; },
    { name = "tags"; defaults = { id = "nextval('tags_id_seq')"; };
      select = "SELECT tid AS id, label AS name FROM u.tag"; },
    { name = "notes"; mode = "mirror"; key = [ "id" ];
      select = "SELECT nid AS id, text AS v FROM u.note";
      insert = "INSERT INTO u.note VALUES (NEW.id, NEW.v) ON CONFLICT (nid) DO UPDATE SET text = excluded.text";
      update = "UPDATE u.note SET nid = NEW.id, text = NEW.v WHERE nid = OLD.id";
      delete = "DELETE FROM u.note WHERE nid = OLD.id";
      sources = ( { table = "u.note"; match = { id = "NEW.nid"; }; } ); } ); } );
TXT

up()
{
	"$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes "$@"
}

back()
{
	"$UPSHIFT" rollback start --root "$root" --batch --confirm 'roll back to start'
}

# what programs of the old version find
works()
{
	is "$(pg_sql a <<-'TXT'
		INSERT INTO chunks (id, content) VALUES (101, 'new') RETURNING *;
		UPDATE chunks SET content = 'changed', indent = 2 WHERE id = 101;
		INSERT INTO notes VALUES (1, 'upsert') ON CONFLICT (id) DO UPDATE SET v = excluded.v;
		INSERT INTO u.note VALUES (9, 'from the new one');
		SELECT c.contents, c.attrs, n.text FROM u.chunk c, u.note n WHERE c.cid = 101 AND n.nid = 1;
		SELECT v FROM notes WHERE id = 9;
		DELETE FROM chunks WHERE id = 101;
		SELECT count(*) FROM chunks;
		INSERT INTO tags (name) VALUES ('T6') RETURNING name;
		SELECT obj_description('chunks'::regclass);
	TXT
	)" '101|new|0
changed|{"indent": 2}|upsert
from the new one
20
T6
deprecated, until 2026-12-31' "$1"
}

fresh
dump >"$tmp/before"
run_is 0 'views and a mirror' up
works 'they do what they do elsewhere'
fresh
run_is 0 'again' up
run_is 0 'and back' back
dump >"$tmp/after"
cmp -s "$tmp/before" "$tmp/after"
ok $? 'all is as it was' || diff "$tmp/before" "$tmp/after" | sed 's/^/# /'

fresh
fails_at 100000
run_is 0 'how many statements' up
most=$(seen)
fails_at 0
[ "$most" -gt 5 ]
ok $? "there are some ($most)"
n=0
while [ "$n" -lt "$most" ]; do
	n=$((n + 1))
	fresh
	fails_at $n
	run up
	fails_at 0
	# one by which it finds out what the server can do
	[ "$status" -ne 0 ] || continue
	case $status in 1|2) not=0 ;; *) not=1 ;; esac
	ok $not "statement $n fails" || diag "$status" "$out$err"
	if [ -d "$root/.upshift" ] && [ "$status" -eq 2 ]; then
		run_is 0 'and is gone on with' "$UPSHIFT" resume --root "$root" --batch --yes
	else
		run_is 0 'and is done again' up
	fi
	works 'all of it is there'
	fresh
	fails_at $n
	run up
	fails_at 0
	if [ "$status" -eq 2 ]; then
		run_is 0 'or there is a way back' back
	fi
	dump >"$tmp/after"
	cmp -s "$tmp/before" "$tmp/after"
	ok $? 'to what was' || diff "$tmp/before" "$tmp/after" | head -20 | sed 's/^/# /'
done

# --- the way back is cut, too ---
fresh
run_is 0 'there' up
fails_at 100000
run_is 0 'how many lead back' back
most=$(seen)
n=0
while [ "$n" -lt "$most" ]; do
	n=$((n + 1))
	fresh
	run up
	fails_at $n
	run back
	fails_at 0
	if [ "$status" -ne 0 ]; then
		run_is 0 "statement $n of the way back fails, and is gone on with" back
	fi
	dump >"$tmp/after"
	cmp -s "$tmp/before" "$tmp/after"
	ok $? 'to what was' || diff "$tmp/before" "$tmp/after" | head -20 | sed 's/^/# /'
done
done_testing
