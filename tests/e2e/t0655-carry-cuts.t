#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2119,SC2120
# Rows that are carried back in PostgreSQL while upshift is killed, the connection
# is cut at COMMIT, the server is killed: each of them once, and the old tables as
# a rollback without all that leaves them.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
pg_start a
root=$tmp/data
mkdir "$root"
live=$tmp/live

printf '#!/bin/sh\necho "$1" >"%s"\n' "$live" >"$tmp/switch"
chmod 755 "$tmp/switch"

# plan HOW: the old tables in one database, the new ones in $new
plan()
{
	new=postgres
	case $1 in
	views)
		of='views = (
		  { name = "item"; select = "SELECT iid AS id, name, n FROM u.item";
		    insert = "INSERT INTO u.item VALUES (NEW.id, NEW.name, NEW.n)";
		    update = "UPDATE u.item SET name = NEW.name WHERE iid = OLD.id";
		    delete = "DELETE FROM u.item WHERE iid = OLD.id"; },
		  { name = "part"; select = "SELECT item, no, t FROM u.part"; } );' ;;
	*)
		new=other
		of="switch = [\"$tmp/switch\", \"new\"]; switch_back = [\"$tmp/switch\", \"old\"];" ;;
	esac
	cat >"$tmp/plan" <<END
plan = 1; name = "app"; from = "1"; to = "2";
stores: { old = "pg:\${env:OLD}"; new = "pg:\${env:NEW}"; };
steps = (
  { id = "items"; kind = "copy-records"; from = "old:item"; to = "new:u.item";
    key = "iid"; columns = { iid = "id"; name = "name"; n = "coalesce(n, 0)"; };
    back = { id = "iid"; name = "name"; n = "nullif(n, 0)"; }; },
  { id = "parts"; kind = "copy-records"; from = "old:part"; to = "new:u.part";
    key = ["item", "no"]; },
  { id = "cut"; kind = "cutover"; store = "old"; needs = ["items", "parts"];
    fence = ["item", "part"]; copies = ["items", "parts"]; $of } );
END
	proxied=$(pg_proxy_conn a)
	OLD=$proxied
	NEW="${proxied%postgres}$new"
	export OLD NEW
}

# switched, and written to
fresh()
{
	rm -rf "$root/.upshift"
	echo old >"$live"
	pg_sql a <<-'END'
		SET client_min_messages = error;
		DROP SCHEMA IF EXISTS _upshift, upshift_old_cut, upshift_old_legacy, u CASCADE;
		DROP SCHEMA public CASCADE; CREATE SCHEMA public;
		CREATE TABLE item (id int PRIMARY KEY, name text, n int);
		CREATE TABLE part (item int REFERENCES item, no int, t text,
			PRIMARY KEY (item, no));
		INSERT INTO item SELECT i, 'item ' || i, nullif(i % 3, 0)
			FROM generate_series(1, 1500) i;
		INSERT INTO part SELECT i, 1, 'part' FROM generate_series(1, 50) i;
	END
	[ "$new" != other ] || pg_sql a -c 'SET client_min_messages = error' \
		-c 'DROP DATABASE IF EXISTS other' -c 'CREATE DATABASE other'
	pg_sql "a/$new" <<-'END'
		CREATE SCHEMA u;
		CREATE TABLE u.item (iid int PRIMARY KEY, name text, n int);
		CREATE TABLE u.part (item int, no int, t text,
			PRIMARY KEY (item, no));
	END
	pg_proxy a commit turns 1000 0
	run "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
	[ "$status" = 0 ] || is "$status" 0 'switched' || diag "$out $err"
	pg_sql "a/$new" <<-'END'
		UPDATE u.item SET name = 'theirs' WHERE iid % 2 = 0;
		INSERT INTO u.item VALUES (2000, 'new', 0), (2001, 'new', 2);
		INSERT INTO u.part VALUES (2000, 1, 'new');
		DELETE FROM u.part WHERE item IN (8, 9);
		DELETE FROM u.item WHERE iid IN (8, 60);
		UPDATE u.part SET no = 2 WHERE item = 10;
	END
}

back()
{
	"$UPSHIFT" rollback start --root "$root" --batch \
		--confirm 'roll back to start' >"$tmp/out" 2>"$tmp/err"
}

# what the old tables have, and what stands in their place
left()
{
	pg_sql a -c "SELECT relname, relkind FROM pg_class WHERE relname IN
			('item', 'part') AND relnamespace = 'public'::regnamespace
			ORDER BY relname" \
		-c 'SELECT * FROM item ORDER BY id' \
		-c 'SELECT * FROM part ORDER BY item, no' 2>&1
}

# back NAME: and all is as wanted
is_carried()
{
	left >"$tmp/left"
	file_is "$tmp/left" "$tmp/wanted" "$1"
}

for how in ${UPSHIFT_TEST_CARRY:-views command}; do
	plan $how
	fresh
	back
	is $? 0 "$how: rolled back" || diag "$(cat "$tmp/err")"
	like "$(cat "$tmp/out")" 'CARRIED 757' "$how: with what was written"
	left >"$tmp/wanted"
	is "$(grep -c 'theirs\|new' "$tmp/wanted")" 751 "$how: all of it"

	# killed anywhere
	bad=
	kills=0
	n=${UPSHIFT_TEST_FROM:-30}
	while :; do
		fresh
		UPSHIFT_TEST_FAULT=any:$n:kill "$UPSHIFT" rollback start --root "$root" \
			--batch --confirm 'roll back to start' >/dev/null 2>&1
		[ $? = 137 ] || break
		kills=$((kills + 1))
		"$UPSHIFT" resume --root "$root" --batch >/dev/null 2>"$tmp/err"
		left >"$tmp/left"
		# killed before it began: it is asked for again
		cmp -s "$tmp/left" "$tmp/wanted" || back
		left >"$tmp/left"
		cmp -s "$tmp/left" "$tmp/wanted" || bad="$bad $n"
		n=$((n + ${UPSHIFT_TEST_STEP:-41}))
	done
	is "$bad" '' "$how: killed $kills times"

	# COMMIT: not passed on, cut at once, done without an answer
	first=0
	for manner in before race swallow; do
		bad=
		cuts=0
		first=$((first + 1))
		n=$first
		while :; do
			fresh
			pg_proxy a commit $manner $n 1
			back
			status=$?
			[ "$(pg_cuts a)" = 1 ] || break
			cuts=$((cuts + 1))
			[ $status = 0 ] || "$UPSHIFT" resume --root "$root" --batch \
				>>"$tmp/out" 2>>"$tmp/err"
			left >"$tmp/left"
			cmp -s "$tmp/left" "$tmp/wanted" || bad="$bad $n"
			n=$((n + ${UPSHIFT_TEST_CUTS:-4}))
		done
		is "$bad" '' "$how: $manner, at each of $cuts COMMITs"
		[ $cuts -gt 1 ]
		ok $? "$how: $manner: there are some"
	done
done

# the server is killed in the transaction that carries
plan views
fresh
pg_hold a upshift_old_cut.part
back &
pid=$!
pg_await_waiter a
pg_stop a KILL
exec 8>&- 7<&-
wait "$pg_holder"
rm -f "$pg_base/in" "$pg_base/out"
pg_start a
wait $pid
status=$?
[ $status = 0 ] || run "$UPSHIFT" resume --root "$root" --batch
is $status 0 'the server was killed: rolled back' || diag "$(cat "$tmp/err") $out $err"
left >"$tmp/left"
is "$(grep -c 'theirs\|new' "$tmp/left")" 751 'and all of it is there'
is "$(grep -c '^item|r$\|^part|r$' "$tmp/left")" 2 'in tables'
done_testing
