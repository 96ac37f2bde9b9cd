#!/bin/sh
# SPDX-License-Identifier: MIT
# upshift new --from: a first plan from a schema, which lint accepts and which
# copies all of it; passwords never get into it.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
sqlite_need
unset OLD_DATABASE_URL NEW_DATABASE_URL DATABASE_URL
samples=$top_srcdir/data/plans
root=$tmp/data

run_is 64 'without a database' "$UPSHIFT" new
like "$err" '--from URL is missing' 'it is asked for'
run_is 64 'a password' "$UPSHIFT" new --from pg:postgresql://me:hush@h/db
unlike "$out$err" 'hush' 'is refused and not said'

# --- SQLite ---

# the rows of a dump, in an order of their own
dump()
{
	sqlite3 -readonly "$1" .dump | grep -v _upshift | sort
}

draft()
{
	(cd "$root" && "$UPSHIFT" new --from "$1") >"$tmp/p.plan"
}

go()
{
	"$UPSHIFT" run "$tmp/p.plan" --root "$root" --batch --yes "$@"
}

through()
{
	run_is 0 "$1: a plan" draft sqlite:data/app.db
	run_is 0 "$1: lint" "$UPSHIFT" lint "$tmp/p.plan"
	is "$out$err" "$tmp/p.plan: no mistake found ($2 steps)" "$1: finds nothing"
	dump "$root/data/app.db" >"$tmp/before"
	run_is 0 "$1: a run" go
	dump "$root/data/app-new.db" >"$tmp/after"
	file_is "$tmp/after" "$tmp/before" "$1: the new file has all of the old"
	dump "$root/data/app.db" >"$tmp/after"
	file_is "$tmp/after" "$tmp/before" "$1: and the old what it had"
}

"$samples/unified-chunks/make-sample" "$root" --rows 300
mv "$root/data/old.db" "$root/data/app.db"
through 'unified-chunks' 8
rm -rf "$root"
"$samples/intelligence-core/make-sample" "$root" --campaigns 20 --events 100 \
	--publishes 50
through 'intelligence-core' 6

rm -rf "$root"
mkdir -p "$root/data"
sqlite3 -bail "$root/data/app.db" <<'EOS'
CREATE TABLE "Child of ${x}" (id INTEGER PRIMARY KEY, "par ent" INT REFERENCES parent, d TEXT CHECK (json_valid(d)));
CREATE TABLE parent (id INTEGER PRIMARY KEY, "order" TEXT DEFAULT 'say "hi" \ ok', best INT REFERENCES "Child of ${x}");
CREATE TABLE nokey (a, b);
CREATE INDEX child_idx ON "Child of ${x}" ("par ent");
CREATE VIEW both AS SELECT c.id, p."order" FROM "Child of ${x}" c JOIN parent p ON p.id = c."par ent";
CREATE TRIGGER log AFTER INSERT ON parent BEGIN INSERT INTO nokey VALUES (NEW.id, 'fired'); END;
INSERT INTO parent VALUES (1, NULL, 7), (2, 'x', NULL);
DELETE FROM nokey;
INSERT INTO "Child of ${x}" VALUES (7, 1, '{"a": 1}'), (8, 2, '{}');
EOS
through 'odd names' 5
like "$(cat "$tmp/p.plan")" "decide: 'nokey' has no primary key" 'a table without a key is named'
is "$(grep -n 'id = "copy_' "$tmp/p.plan" | sed 's/.*id = "\([^"]*\)".*/\1/' | tr '\n' ' ')" \
	'copy_child_of___x_ copy_parent ' 'a circle of keys ends'

# a file's name is no part of the plan's own words
odd='od"d \x'
sqlite3 "$root/data/$odd.db" 'CREATE TABLE t (id INTEGER PRIMARY KEY)' \
	'INSERT INTO t VALUES (7)'
run_is 0 'an odd name: a plan' draft "sqlite:data/$odd.db"
run_is 0 'an odd name: a run' go
is "$(sqlite3 "$root/data/$odd-new.db" 'SELECT * FROM t')" 7 'an odd name: copied'

rm -f "$root/data/app.db"
sqlite3 "$root/data/app.db" 'CREATE TABLE t (a)'
run_is 64 'nothing to begin with' draft sqlite:data/app.db
echo '[]' >"$root/x.json"
run_is 64 'a file without a schema' draft json:x.json

# --- PostgreSQL ---

if [ -z "$pg_bin" ]; then
	skip 'no PostgreSQL server is installed'
	done_testing
	exit
fi
pg_need
pg_start db
pg_sql db -c 'CREATE DATABASE new'
USER_NAME=upshift
NEW_DATABASE_URL=$(pg_conn db new)
export NEW_DATABASE_URL USER_NAME
url="pg:host=$pg_base/db/sock user=\${env:USER_NAME} dbname=postgres"

dumped()
{
	pg_dumped "$(pg_conn db "$1")" --inserts -T '_upshift_*' | grep -v -e '^--' -e '^$' | sort
}

rm -rf "$root"
"$samples/unified-chunks/make-sample" "$root" --rows 300 \
	--database "$(pg_conn db)"
pg_sql db <<'EOS'
CREATE SCHEMA side;
CREATE TABLE side."Odd one" (a int, b text COLLATE "C" DEFAULT E'say "hi" \\ $' || '{x}', g int GENERATED ALWAYS AS (a * 2) STORED, PRIMARY KEY (a, b));
INSERT INTO side."Odd one" (a) VALUES (1), (2);
CREATE TABLE a (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, b int);
CREATE TABLE b (id serial PRIMARY KEY, a int REFERENCES a, UNIQUE (a));
ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b;
INSERT INTO a (b) VALUES (NULL); INSERT INTO b (a) VALUES (1); UPDATE a SET b = 1;
CREATE VIEW v AS SELECT count(*) FROM a; CREATE VIEW w AS SELECT * FROM v;
CREATE MATERIALIZED VIEW m AS SELECT * FROM w;
COMMENT ON TABLE a IS 'it''s "a"';
EOS
run_is 0 'a plan from a server' draft "$url"
# shellcheck disable=SC2016 # not the shell's
like "$(cat "$tmp/p.plan")" 'user=\$\{env:USER_NAME\}' 'takes from the environment what it was given there'
run_is 0 'lint' "$UPSHIFT" lint "$tmp/p.plan"
dumped postgres >"$tmp/before"
run_is 0 'a run' go
dumped new >"$tmp/after"
file_is "$tmp/after" "$tmp/before" 'the new database has all of the old'
run_is 0 'rolled back' "$UPSHIFT" rollback --root "$root" --batch \
	--confirm 'roll back to start'
is "$(pg_sql db -c '\c new' -c '\dt' -c '\dn' | grep -c -v -e _upshift -e public)" 0 \
	'nothing is left of it'
done_testing
