#!/bin/sh
# SPDX-License-Identifier: MIT
# lint --grants: a role with these rights, and no others, runs the plan; without
# one of them the checks say so before anything is changed.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
pg_start db
root=$tmp/data
mkdir "$root"

pg_sql db <<'EOS'
CREATE ROLE mover LOGIN;
CREATE DATABASE new;
REVOKE ALL ON DATABASE postgres, new FROM PUBLIC;
GRANT CONNECT ON DATABASE postgres, new TO mover;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA app;
CREATE TABLE app.people (id int PRIMARY KEY, name text NOT NULL, home int);
CREATE TABLE homes (id int PRIMARY KEY, street text);
CREATE TABLE "Private" (id int PRIMARY KEY);
INSERT INTO homes SELECT i, 'street ' || i FROM generate_series(1, 50) i;
INSERT INTO app.people SELECT i, 'name ' || i, i % 60 FROM generate_series(1, 200) i;
EOS
pg_sql db <<'EOS'
\c new
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE TABLE homes (id int PRIMARY KEY, street text);
EOS
cat >"$tmp/app.plan" <<TXT
plan = 1; name = "app"; title = "App"; from = "1"; to = "2";
stores: { old = "pg:host=$pg_base/db/sock user=mover dbname=postgres";
  new = "pg:host=$pg_base/db/sock user=mover dbname=new"; };
checks = ( { id = "C01"; kind = "store"; store = "old";
    rights = [ "SELECT app.people", "SELECT homes" ]; },
  { id = "C02"; kind = "store"; store = "new";
    rights = [ "INSERT homes", "DELETE homes", "CREATE" ]; } );
steps = (
  { id = "schema"; kind = "sql"; store = "new";
    up = [ "CREATE SCHEMA app", "CREATE TABLE app.people (id int PRIMARY KEY, name text NOT NULL, street text)" ];
    down = [ "DROP SCHEMA app CASCADE" ]; },
  { id = "homes"; kind = "copy-records"; from = "old:homes"; to = "new:homes"; },
  { id = "people"; kind = "copy-records"; key = "id"; to = "new:app.people"; needs = ["schema"];
    from = "old:WITH h AS (SELECT * FROM homes) SELECT p.id, p.name, h.street FROM app.people p LEFT JOIN h ON h.id = p.home WHERE p.name IS DISTINCT FROM 'x'"; },
  { id = "compare"; kind = "records"; copies = ["homes", "people"]; needs = ["people"];
    rules = ( { id = "lost"; equal = ["old:SELECT count(*) FROM app.people", "new:SELECT count(*) FROM app.people"]; } ); } );
TXT

go()
{
	"$UPSHIFT" run "$tmp/app.plan" --root "$root" --batch --yes
}

run_is 1 'a role without rights' go
like "$out" 'check C01: FAILED, .*SELECT app.people' 'is told which'
run_is 0 'the grants' "$UPSHIFT" lint --grants "$tmp/app.plan"
is "$out" '-- store new: psql -v role=NAME -d DATABASE
GRANT USAGE, CREATE ON SCHEMA "public" TO :"role";
GRANT TEMPORARY ON DATABASE :"DBNAME" TO :"role";
GRANT CREATE ON DATABASE :"DBNAME" TO :"role";
GRANT SELECT, INSERT, DELETE ON "homes" TO :"role";
-- store old: psql -v role=NAME -d DATABASE
GRANT USAGE, CREATE ON SCHEMA "public" TO :"role";
GRANT TEMPORARY ON DATABASE :"DBNAME" TO :"role";
GRANT SELECT ON "homes" TO :"role";
GRANT USAGE ON SCHEMA "app" TO :"role";
GRANT SELECT ON "app"."people" TO :"role";' 'each once, of each store'
echo "$out" | sed '/^-- store old/,$d' >"$tmp/new.sql"
echo "$out" | sed -n '/^-- store old/,$p' >"$tmp/old.sql"

# store FILE: given by the owner
given()
{
	"$pg_bin/psql" -X -q -v ON_ERROR_STOP=1 -v role=mover \
		-d "$(pg_conn db "$1")" -f "$2"
}

run_is 0 'given in the new database' given new "$tmp/new.sql"
# one of them is forgotten
grep -v -e '"people"' "$tmp/old.sql" >"$tmp/most.sql"
run_is 0 'most of them in the old one' given postgres "$tmp/most.sql"
run_is 1 'one is missing' go
like "$out" 'check C01: FAILED, .*SELECT app.people' 'the check names it'
unlike "$out" 'SELECT homes' 'and it alone'
is "$(pg_sql db -c '\c new' -c "SELECT count(*) FROM pg_tables WHERE schemaname = 'app'")" \
	0 'nothing was changed'
run_is 0 'all of them' given postgres "$tmp/old.sql"
run_is 0 'are enough for a run' go
is "$(pg_sql db -c '\c new' -c 'SELECT count(*), count(street) FROM app.people')" \
	'200|170' 'the rows are there'
run_is 0 'and for a rollback' "$UPSHIFT" rollback --root "$root" --batch \
	--confirm 'roll back to start'
is "$(pg_sql db -c '\c new' -c 'SELECT count(*) FROM homes')" 0 'they are gone again'

# --- a whole database by pg_dump ---
mkdir "$tmp/dumped"
pg_sql db <<'EOS'
CREATE ROLE dumper LOGIN;
CREATE DATABASE third;
REVOKE ALL ON DATABASE third FROM PUBLIC;
GRANT CONNECT ON DATABASE third TO dumper;
\c third
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA "Other";
CREATE TABLE "Other".aside (id serial PRIMARY KEY);
CREATE TABLE homes (id serial PRIMARY KEY, street text);
INSERT INTO homes (street) SELECT 'street ' || i FROM generate_series(1, 50) i;
CREATE VIEW streets AS SELECT street FROM homes;
EOS
cat >"$tmp/third.plan" <<TXT
plan = 1; name = "third"; title = "T"; from = "1"; to = "2";
stores: { db = "pg:host=$pg_base/db/sock user=dumper dbname=third"; };
backup: { with = "pg_dump"; };
steps = (
  { id = "schema"; kind = "sql"; store = "db";
    up = [ "CREATE SCHEMA app", "CREATE TABLE app.people (id int PRIMARY KEY, street text)" ];
    down = [ "DROP SCHEMA app CASCADE" ]; },
  { id = "people"; kind = "copy-records"; from = "db:homes";
    to = "db:app.people"; key = "id"; needs = ["schema"]; } );
TXT
third()
{
	"$UPSHIFT" run "$tmp/third.plan" --root "$tmp/dumped" --batch --yes
}
run_is 0 'the grants' "$UPSHIFT" lint --grants "$tmp/third.plan"
like "$out" 'pg_dump reads all tables and sequences' 'name what pg_dump reads'
unlike "$out" pg_read_all_data 'and no more'
echo "$out" >"$tmp/third.sql"
sed '/^-- pg_dump/,/gexec$/d' "$tmp/third.sql" >"$tmp/most.sql"
run_is 0 'all but those' "$pg_bin/psql" -X -q -v ON_ERROR_STOP=1 \
	-v role=dumper -d "$(pg_conn db third)" -f "$tmp/most.sql"
run_is 1 'are not enough' third
like "$out$err" 'permission denied' 'for pg_dump'
run_is 0 'those, too' "$pg_bin/psql" -X -q -v ON_ERROR_STOP=1 \
	-v role=dumper -d "$(pg_conn db third)" -f "$tmp/third.sql"
run_is 0 'are enough for a run' "$UPSHIFT" resume --root "$tmp/dumped" \
	--batch --yes
is "$(pg_sql db -c '\c third' -c 'SELECT count(*) FROM app.people')" 50 \
	'the rows are there'
run_is 0 'and for a rollback' "$UPSHIFT" rollback --root "$tmp/dumped" --batch \
	--confirm 'roll back to start'

cat >"$tmp/files.plan" <<'TXT'
plan = 1; name = "files"; title = "F"; from = "1"; to = "2";
steps = ( { id = "two"; kind = "write"; path = "two"; text = "2"; } );
TXT
run_is 0 'a plan without servers' "$UPSHIFT" lint --grants "$tmp/files.plan"
is "$out" '' 'needs none'
done_testing
