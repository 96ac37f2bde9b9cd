#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2119,SC2120
# A cutover is rolled back, the application goes on in the old tables, and the
# rollback is taken back: what was written meanwhile is in the new tables then,
# and no later rollback puts an older row in its place.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
pg_start a
root=$tmp/data
printf '#!/bin/sh\n:\n' >"$tmp/switch"
chmod 755 "$tmp/switch"
switch="switch = [\"$tmp/switch\", \"new\"]; switch_back = [\"$tmp/switch\", \"old\"];"

old()
{
	pg_sql a -c "$1"
}

new()
{
	case $kind in
	two) pg_sql a/other -c "$1" ;;
	*) pg_sql a -c "$1" ;;
	esac
}

# fresh KIND [OF THE CUTOVER [OF THE COPY]]: switched
fresh()
{
	kind=$1
	rm -rf "$root"
	mkdir "$root"
	base=postgres
	[ $kind = one ] || base=other
	stores="old = \"$(pg_url a)\"; new = \"$(pg_url a $base)\";"
	pg_sql a -c 'SET client_min_messages = error' \
		-c 'DROP TABLE IF EXISTS thing, item, _upshift_run CASCADE' \
		-c 'DROP DATABASE IF EXISTS other' -c 'CREATE DATABASE other'
	old 'CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, n INT)'
	new 'CREATE TABLE thing (id INTEGER PRIMARY KEY, t TEXT, n INT,
		CHECK (n < 1000))'
	old "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s
		WHERE i < 20) INSERT INTO item SELECT i, 'item ' || i,
		nullif(i % 2, 0) FROM s"
	cat >"$tmp/plan" <<-END
	plan = 1; name = "app"; from = "1"; to = "2";
	stores: { $stores };
	steps = (
	  { id = "items"; kind = "copy-records"; from = "old:item";
	    to = "new:thing"; key = "id";
	    columns = { id = "id"; t = "name"; n = "coalesce(n, 0)"; };
	    back = { id = "id"; name = "t"; n = "nullif(n, 0)"; }; ${3-} },
	  { id = "cut"; kind = "cutover"; store = "old"; needs = ["items"];
	    fence = ["item"]; copies = ["items"]; ${2-$switch} } );
	END
	run "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
	[ "$status" = 0 ] || is "$status" 0 "$label: switched" || diag "$out $err"
}

# the new application, and the old one, with a row that both have written
new_writes()
{
	new "UPDATE thing SET t = 'new' WHERE id IN (6, 7);
		INSERT INTO thing VALUES (100, 'new', 7);
		DELETE FROM thing WHERE id IN (8, 9)"
}

old_writes()
{
	old "UPDATE item SET name = 'old' WHERE id IN (1, 7);
		DELETE FROM item WHERE id IN (2, 6);
		INSERT INTO item VALUES (9, 'again', 5), (200, 'old', NULL)"
}

# both as the old table shows it
old_rows()
{
	old "SELECT id, name, n FROM item ORDER BY id"
}

new_rows()
{
	new "SELECT id, t, nullif(n, 0) FROM thing ORDER BY id"
}

back()
{
	run "$UPSHIFT" rollback "$@" --root "$root" --batch --confirm "roll back to $1"
}

same()
{
	old_rows >"$tmp/old"
	new_rows >"$tmp/new"
	file_is "$tmp/old" "$1" "$label: the old table: $2"
	file_is "$tmp/new" "$1" "$label: the new table: $2"
}

for label in 'two' 'one' 'two, fence stays' 'two, live'; do
	case $label in
	*stays) fresh two 'keep = true;' ;;
	*live) fresh two "$switch" 'live = true;' ;;
	*) fresh "$label" ;;
	esac
	new_writes
	back start
	is "$status" 0 "$label: back" || diag "$out $err"
	old_writes
	old_rows >"$tmp/wanted"
	is "$(cut -d'|' -f1,2 "$tmp/wanted" | grep -v item | paste -sd' ')" \
		'1|old 7|old 9|again 100|new 200|old' "$label: written"
	back R1
	is "$status" 0 "$label: R1" || diag "$out $err"
	like "$out" "'thing': 4 rows that were written to 'item' meanwhile carried along, 2 deleted" \
		"$label: R1: is told"
	same "$tmp/wanted" 'R1'
	run "$UPSHIFT" rollback start --root "$root" --preview
	unlike "$out" 'CARRIED' "$label: there is nothing to carry"
	back start
	is "$status" 0 "$label: back once more" || diag "$out $err"
	unlike "$out" 'carried back' "$label: and nothing is"
	old_rows >"$tmp/now"
	file_is "$tmp/now" "$tmp/wanted" "$label: nothing is older again"
	# and round again, with what the new application does then
	old "UPDATE item SET name = 'old 2' WHERE id = 3"
	back R3
	new "UPDATE thing SET t = 'new 2' WHERE id IN (1, 4);
		DELETE FROM thing WHERE id IN (5, 200)"
	new_rows >"$tmp/wanted"
	like "$(cat "$tmp/wanted")" '^3.old 2' "$label: along once more"
	back start
	is "$status" 0 "$label: round again" || diag "$out $err"
	like "$out" 'CARRIED 4' "$label: so many are carried"
	old_rows >"$tmp/now"
	file_is "$tmp/now" "$tmp/wanted" "$label: with those that went"
done

# what the new table does not take ends it, with nothing switched
label=two
fresh $label
new_writes
back start
old "INSERT INTO item VALUES (300, 'bad', 2000)"
back R1
is "$status" 5 "$label: a row that does not fit ends it" || diag "$out $err"
like "$err" "row \\[300\\] of 'thing' cannot be carried" "$label: is named"
old "DELETE FROM item WHERE id = 300"
old_writes
old_rows >"$tmp/wanted"
run "$UPSHIFT" resume --root "$root" --batch
is "$status" 0 "$label: mended, it goes on" || diag "$out $err"
same "$tmp/wanted" 'mended'

# killed anywhere
label=two
bad=
kills=0
n=5
while :; do
	fresh $label
	new_writes
	back start
	old_writes
	old_rows >"$tmp/wanted"
	UPSHIFT_TEST_FAULT=any:$n:kill "$UPSHIFT" rollback R1 --root "$root" \
		--batch --confirm 'roll back to R1' >/dev/null 2>&1
	[ $? = 137 ] || break
	kills=$((kills + 1))
	"$UPSHIFT" resume --root "$root" --batch >/dev/null 2>"$tmp/err"
	# killed before it began: it is asked for again
	[ "$(new_rows)" = "$(cat "$tmp/wanted")" ] || back R1
	[ "$(new_rows)" = "$(cat "$tmp/wanted")" ] || bad="$bad $n"
	n=$((n + 31))
done
is "$bad" '' "$label: killed $kills times"
done_testing
