#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2119,SC2120
# What an application wrote to the new tables since a cutover is in the old ones
# when that is rolled back; rows that nobody wrote are as they were.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
pg_start a
root=$tmp/data
mkdir "$root"
live=$tmp/live

cat >"$tmp/switch" <<END
#!/bin/sh
echo "\$1" >"$live"
[ "\$1" != old ] || [ ! -e "$tmp/die" ] || { rm "$tmp/die"; kill -9 \$PPID; sleep 1; }
END
chmod 755 "$tmp/switch"

# fresh [DBNAME of the new tables]
fresh()
{
	new=${1:-postgres}
	rm -rf "$root/.upshift" "$tmp/die"
	echo old >"$live"
	[ "$new" = postgres ] || {
		pg_sql a -c "DROP DATABASE IF EXISTS $new" -c "CREATE DATABASE $new"
	}
	pg_sql a <<-'END'
		SET client_min_messages = error;
		DROP SCHEMA IF EXISTS _upshift, upshift_old_cut, upshift_old_legacy, u CASCADE;
		DROP SCHEMA public CASCADE; CREATE SCHEMA public;
		CREATE TABLE item (id int PRIMARY KEY, "Name" text, n int,
			CHECK (n < 1000));
		CREATE TABLE part (item int REFERENCES item, no int, t text,
			PRIMARY KEY (item, no));
		INSERT INTO item SELECT i, 'item ' || i, nullif(i % 3, 0)
			FROM generate_series(1, 100) i;
		INSERT INTO part SELECT i, 1, 'part' FROM generate_series(1, 50) i;
	END
	pg_sql "a/$new" <<-'END'
		CREATE SCHEMA u;
		CREATE TABLE u.item (iid int PRIMARY KEY, name text, n int);
		CREATE TABLE u.part (item int, no int, t text,
			PRIMARY KEY (item, no));
	END
	dumped >"$tmp/start"
}

# the schema, and the rows in order
dumped()
{
	pg_dumped "$(pg_conn a)" -s -n public -T '_upshift_*'
	rows
}

rows()
{
	pg_sql a -c 'SELECT * FROM item ORDER BY id' \
		-c 'SELECT * FROM part ORDER BY item, no'
}

columns='columns = { iid = "id"; name = "\"Name\""; n = "n"; };'
# plan [OF THE CUTOVER [OF THE FIRST COPY]]
plan()
{
	cat >"$tmp/plan" <<END
plan = 1; name = "app"; from = "1"; to = "2";
stores: { old = "$(pg_url a)"; new = "$(pg_url a "$new")"; };
steps = (
  { id = "items"; kind = "copy-records"; from = "old:item"; to = "new:u.item";
    key = "iid"; ${2-$columns} },
  { id = "parts"; kind = "copy-records"; from = "old:part"; to = "new:u.part";
    key = ["item", "no"]; },
  { id = "cut"; kind = "cutover"; store = "old"; needs = ["items", "parts"];
    fence = ["item", "part"]; copies = ["items", "parts"]; ${1-} } );
END
}

up()
{
	run "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes "$@"
	[ "$status" = 0 ] || diag "$out $err"
}

# back POINT [OPTION]...
back()
{
	to=$1
	shift
	run "$UPSHIFT" rollback "$to" --root "$root" --batch "$@" \
		--confirm "roll back to $to"
}

# what the application does then
writes()
{
	pg_sql "a/$new" <<-'END'
		UPDATE u.item SET name = 'theirs' WHERE iid = 7;
		INSERT INTO u.item VALUES (200, 'new', NULL), (201, 'new', 2);
		INSERT INTO u.part VALUES (200, 1, 'new');
		DELETE FROM u.part WHERE item IN (8, 9);
		DELETE FROM u.item WHERE iid IN (8, 60);
		UPDATE u.part SET no = 2 WHERE item = 10;
	END
}

# as the old tables are then
expected()
{
	pg_sql a <<-'END'
		UPDATE item SET "Name" = 'theirs' WHERE id = 7;
		INSERT INTO item VALUES (200, 'new', NULL), (201, 'new', 2);
		INSERT INTO part VALUES (200, 1, 'new');
		DELETE FROM part WHERE item IN (8, 9);
		DELETE FROM item WHERE id IN (8, 60);
		UPDATE part SET no = 2 WHERE item = 10;
	END
	dumped >"$tmp/carried"
}

as()
{
	dumped >"$tmp/now"
	file_is "$tmp/now" "$tmp/$1" "$2"
}

views='views = (
  { name = "item"; select = "SELECT iid AS id, name AS \"Name\", n FROM u.item";
    insert = "INSERT INTO u.item VALUES (NEW.id, NEW.\"Name\", NEW.n)";
    update = "UPDATE u.item SET name = NEW.\"Name\", n = NEW.n WHERE iid = OLD.id";
    delete = "DELETE FROM u.item WHERE iid = OLD.id"; },
  { name = "part"; select = "SELECT item, no, t FROM u.part"; } );'
switch="switch = [\"$tmp/switch\", \"new\"]; switch_back = [\"$tmp/switch\", \"old\"];"

for how in ${UPSHIFT_TEST_CARRY:-views command both keep}; do
	case $how in
	views) of=$views ;;
	command) of=$switch ;;
	both) of="$views $switch" ;;
	keep) of='keep = true;' ;;
	esac
	for base in postgres other; do
		[ "$base" = postgres ] || [ -z "${of##$switch*}" ] || [ $how = keep ] ||
			continue
		for to in CP2 start; do
			label="$how, $base, $to"
			fresh $base
			expected
			fresh $base
			plan "$of"
			up
			is "$status" 0 "$label: switched"
			writes
			back $to
			is "$status" 0 "$label: back" || diag "$out $err"
			as carried "$label: what was written is there"
			is "$(cat "$live")" old "$label: switched back"
		done
		fresh $base
		plan "$of"
		up
		writes
		back start --no-carry
		is "$status" 0 "$how, $base: without" || diag "$out $err"
		as start "$how, $base: the old tables are as they were"
	done
done

# an old table that no row of the new one can be looked for in
fresh
pg_sql a -c 'ALTER TABLE part DROP CONSTRAINT part_pkey, DROP CONSTRAINT part_item_fkey'
plan "$views"
run "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --dry-run
like "$out" "what is written to 'u.part' behind it cannot be carried back into 'part' by a rollback: that has no primary key which is the key of 'parts'" \
	'no key to carry by: a dry run tells it'
unlike "$out" "back into 'item'" 'and of no other'
up
is "$status" 0 'switched'
writes
run "$UPSHIFT" rollback start --root "$root" --preview
like "$out" 'CARRIED 5
  old:item: 5 rows
NOT CARRIED 5
  u.part: 5 rows' 'a preview tells what can be carried, and what not'
run "$UPSHIFT" rollback start --root "$root" --preview --json
like "$out" '"alone": *5, *"alone_names": *\["u.part: 5 rows"\]' 'also in JSON'
back start
is "$status" 0 'back' || diag "$out $err"
like "$out$err" "what was written since the cutover is in the new tables alone" \
	'and told'
done_testing
