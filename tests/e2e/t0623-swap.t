#!/bin/sh
# SPDX-License-Identifier: MIT
# Tables become views, and mirrors, under the hands of four clients that write
# by prepared statements: no transaction of theirs fails, no row is lost.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/pg.sh"
. "$(dirname "$0")/../lib/writers.sh"
pg_need
pg_start a
root=$tmp/data
mkdir "$root"

old()
{
	rm -rf "$root/.upshift" "$tmp"/go.*
	pg_sql a <<'TXT'
SET client_min_messages = error;
DROP SCHEMA IF EXISTS u, _upshift, upshift_old_legacy CASCADE;
DROP SCHEMA public CASCADE; CREATE SCHEMA public;
CREATE TABLE item (id bigserial PRIMARY KEY, who int NOT NULL, n int NOT NULL);
INSERT INTO item (who, n) SELECT i, 0 FROM generate_series(1, 4) i;
CREATE SCHEMA u;
CREATE TABLE u.item (iid bigint PRIMARY KEY, owner int NOT NULL, n int NOT NULL);
INSERT INTO u.item SELECT * FROM item;
TXT
}

plan()
{
	cat >"$tmp/plan" <<TXT
plan = 1; name = "app"; title = "App"; from = "1"; to = "2";
stores: { db = "$(pg_url a)"; };
steps = (
  { id = "legacy"; kind = "views"; store = "db"; views = (
    { name = "item"; mode = "$1"; key = [ "id" ]; defaults = { id = "nextval('item_id_seq')"; };
      select = "SELECT iid AS id, owner AS who, n FROM u.item";
      insert = "INSERT INTO u.item VALUES (NEW.id, NEW.who, NEW.n)";
      update = "UPDATE u.item SET owner = NEW.who, n = NEW.n WHERE iid = OLD.id";
      delete = "DELETE FROM u.item WHERE iid = OLD.id"; } ); } );
TXT
}

# under load: $2 is how many rows there are in the end, by the number of inserts
under_load()
{
	writers_start
	run_is 0 "$1: under load" "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
	writers_end "$1"
	is "$(pg_sql a -c "$2")" "$written" "$1: no row was lost"
	is "$(pg_sql a -c "$3")" "$written" "$1: nor a change of one"
}

plan view
old
under_load views \
	"SELECT (SELECT count(*) FROM upshift_old_legacy.item) + (SELECT count(*) FROM u.item) - 8" \
	"SELECT (SELECT sum(n) FROM upshift_old_legacy.item WHERE id <= 4) + (SELECT sum(n) FROM u.item WHERE iid <= 4)"

# a mirror has to be equal to begin with: what the clients have done comes along
# in the transaction that makes it
plan mirror
old
pg_sql a <<'TXT'
CREATE FUNCTION u.along() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
INSERT INTO u.item VALUES (NEW.id, NEW.who, NEW.n) ON CONFLICT (iid) DO UPDATE SET n = excluded.n;
RETURN NULL;
END $$;
CREATE TRIGGER along AFTER INSERT OR UPDATE ON item FOR EACH ROW
	WHEN (to_regclass('_upshift.legacy_item') IS NULL) EXECUTE FUNCTION u.along();
TXT
under_load mirrors 'SELECT count(*) - 4 FROM u.item' \
	'SELECT sum(n) FROM u.item WHERE iid <= 4'
is "$(pg_sql a -c 'SELECT count(*) FROM item i FULL JOIN u.item u ON u.iid = i.id WHERE ROW(i.id, i.who, i.n) IS DISTINCT FROM ROW(u.iid, u.owner, u.n)')" \
	0 'mirrors: both sides are equal'
done_testing
