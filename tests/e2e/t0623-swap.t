#!/bin/sh
# SPDX-License-Identifier: MIT
# Tables become views, and mirrors, under the hands of four clients that write
# by prepared statements: no transaction of theirs fails, no row is lost.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/pg.sh"
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

# transactions until the swap is through, and some more
client()
{
	echo 'PREPARE ins(int) AS INSERT INTO item (who, n) VALUES ($1, 1) RETURNING id;'
	echo 'PREPARE upd(int) AS UPDATE item SET n = n + 1 WHERE id = $1;'
	echo 'PREPARE sel(int) AS SELECT count(*) >= 4 FROM item WHERE id <= $1;'
	left=100
	n=0
	while [ $left -gt 0 ] && [ $n -lt 20000 ]; do
		n=$((n + 1))
		echo "BEGIN; EXECUTE ins($1); EXECUTE upd($1); EXECUTE sel(4); COMMIT;"
		[ ! -e "$tmp/go.done" ] || left=$((left - 1))
	done
}

# under load: $2 is how many rows there are in the end, by the number of inserts
under_load()
{
	pids=
	for i in 1 2 3 4; do
		client $i | "$pg_bin/psql" -X -A -t -q -d "$(pg_conn a)" \
			>"$tmp/go.$i" 2>&1 &
		pids="$pids $!"
	done
	until [ "$(cat "$tmp"/go.[1-4] 2>/dev/null | wc -l)" -gt 40 ]; do :; done
	run_is 0 "$1: under load" "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
	: >"$tmp/go.done"
	for pid in $pids; do
		wait "$pid"
	done
	is "$(cat "$tmp"/go.[1-4] | grep -c 'ERROR\|FATAL\|rror:')" 0 \
		"$1: no transaction failed" || grep -h ERROR "$tmp"/go.[1-4] | sort | uniq -c | head
	done=$(cat "$tmp"/go.[1-4] | grep -c '^t$')
	[ "$done" -ge 440 ]
	ok $? "$1: there were some, also behind it ($done)"
	is "$(pg_sql a -c "$2")" "$done" "$1: no row was lost"
	is "$(pg_sql a -c "$3")" "$done" "$1: nor a change of one"
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
