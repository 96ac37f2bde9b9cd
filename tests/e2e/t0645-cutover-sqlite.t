#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2119,SC2120
# The cutover on SQLite: from one file to another by a command, behind a fence;
# and in one file by views, in one transaction. Killed, resumed, failed, undone.
. "$(dirname "$0")/../lib/tap.sh"
sqlite_need
root=$tmp/data
db=$root/app.db

# script NAME: stdin into a command of the plan's
script()
{
	{
		printf '#!/bin/sh\n'
		cat
	} >"$tmp/$1"
	chmod 755 "$tmp/$1"
}

script drain <<TXT
sqlite3 "$db" "INSERT INTO item VALUES (0, 'no')" 2>>"$tmp/diary"
[ ! -e "$tmp/die" ] || { rm "$tmp/die"; kill -9 \$PPID; sleep 1; }
TXT
script switch <<TXT
echo "\$1" >"$tmp/live"
[ "\$1" != new ] || [ ! -e "$tmp/stuck" ] || exit 9
[ "\$1" != new ] || [ ! -e "$tmp/die2" ] || { rm "$tmp/die2"; kill -9 \$PPID; sleep 1; }
TXT

by_command()
{
	cat >"$tmp/plan" <<TXT
plan = 1; name = "app"; title = "App"; from = "1"; to = "2";
stores: { old = "sqlite:app.db"; new = "sqlite:new.db"; };
steps = (
  { id = "schema"; kind = "sql"; store = "new"; up = "CREATE TABLE thing (id INTEGER PRIMARY KEY, t TEXT)"; down = "DROP TABLE thing"; },
  { id = "items"; kind = "copy-records"; needs = ["schema"]; from = "old:item"; to = "new:thing"; key = "id"; live = true;
    columns = { id = "id"; t = "name"; }; },
  { id = "cut"; kind = "cutover"; store = "old"; needs = ["items"]; fence = ["item"]; copies = ["items"];
    drain = ["$tmp/drain"]; switch = ["$tmp/switch", "new"]; switch_back = ["$tmp/switch", "old"]; ${1-} } );
TXT
}

# by_views [OF CUTOVER [OF VIEW]]
by_views()
{
	cat >"$tmp/plan" <<TXT
plan = 1; name = "app"; title = "App"; from = "1"; to = "2";
stores: { db = "sqlite:app.db"; };
steps = (
  { id = "schema"; kind = "sql"; store = "db"; up = "CREATE TABLE thing (id INTEGER PRIMARY KEY, t TEXT)"; down = "DROP TABLE thing"; },
  { id = "items"; kind = "copy-records"; needs = ["schema"]; from = "db:item"; to = "db:thing"; key = "id";
    columns = { id = "id"; t = "name"; }; },
  { id = "cut"; kind = "cutover"; store = "db"; needs = ["items"]; fence = ["item"]; copies = ["items"]; ${1-}
    views = ( { name = "item"; ${2-mode = \"view\";} key = ["id"]; select = "SELECT id, t AS name FROM thing";
      insert = "INSERT INTO thing VALUES (NEW.id, NEW.name)";
      update = "UPDATE thing SET t = NEW.name WHERE id = OLD.id";
      delete = "DELETE FROM thing WHERE id = OLD.id"; } ); } );
TXT
}

fresh()
{
	rm -rf "$root" "$tmp/diary" "$tmp/die" "$tmp/die2" "$tmp/stuck"
	mkdir -p "$root"
	echo old >"$tmp/live"
	sqlite3 "$db" >/dev/null <<'TXT'
PRAGMA journal_mode = wal;
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE part (id INTEGER PRIMARY KEY, item INT REFERENCES item);
CREATE INDEX item_name ON item (name);
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100)
INSERT INTO item SELECT i, 'item ' || i FROM n;
TXT
	sqlite3 "$db" .schema >"$tmp/before"
}

up()
{
	"$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes "$@"
}

again()
{
	"$UPSHIFT" resume --root "$root" --batch --yes "$@"
}

back()
{
	"$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
}

# writers may write again, and no trace is left
open_again()
{
	sqlite3 "$db" .schema >"$tmp/now"
	cmp -s "$tmp/before" "$tmp/now"
	ok $? "$1: the schema is as it was" ||
		diff "$tmp/before" "$tmp/now" | head -20 | sed 's/^/# /'
	sqlite3 "$db" "UPDATE item SET name = 'changed' WHERE id = 7"
	ok $? "$1: writers write"
}

same()
{
	sqlite3 "$db" 'SELECT id, name FROM item ORDER BY id' >"$tmp/a"
	sqlite3 "$root/new.db" 'SELECT id, t FROM thing ORDER BY id' >"$tmp/b"
	cmp -s "$tmp/a" "$tmp/b"
	ok $? "$1: both sides are the same" || diff "$tmp/a" "$tmp/b" | head | sed 's/^/# /'
}

# --- a command ---
by_command
fresh
run_is 0 'stopped behind the copy' sh -c "'$UPSHIFT' run '$tmp/plan' --root '$root' --batch --yes --stop-after items; [ \$? = 6 ]"
sqlite3 "$db" "UPDATE item SET name = 'late' WHERE id = 5; DELETE FROM item WHERE id = 6; INSERT INTO item VALUES (1000, 'new')"
run_is 0 'a cutover' again
like "$out" 'writers were held up for [0-9.]+ s' 'how long is told'
like "$(cat "$tmp/diary")" 'the data are being moved' 'writers are turned away meanwhile'
is "$(cat "$tmp/live")" new 'switched'
same 'then'
open_again 'behind it'
run_is 0 'a rollback' back
is "$(cat "$tmp/live")" old 'switched back'
open_again 'back'

fresh
: >"$tmp/stuck"
run_is 2 'a switch that fails' up
like "$err" "switch' ended with status 9" 'is named'
is "$(cat "$tmp/live")" old 'it is taken back'
is "$(sqlite3 "$db" "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%upshift_fence%'")" 0 'no fence is left'
sqlite3 "$db" "UPDATE item SET name = 'between' WHERE id = 8"
ok $? 'writers write'
rm "$tmp/stuck"
run_is 0 'resumed' again
same 'resumed'
for die in die die2; do
	fresh
	: >"$tmp/$die"
	up >/dev/null 2>&1
	is $? 137 "$die: killed"
	like "$("$UPSHIFT" status --root "$root")" "nobody can write 'item'" "$die: status says who cannot write"
	sqlite3 "$db" "INSERT INTO item VALUES (0, 'no')" 2>/dev/null
	[ $? != 0 ]
	ok $? "$die: so it is"
	run_is 0 "$die: resumed" again
	is "$(cat "$tmp/live")" new "$die: it is switched"
	same "$die"
	open_again "$die"
done
fresh
: >"$tmp/die"
up >/dev/null 2>&1
run_is 0 'killed, and rolled back' back
open_again 'rolled back'

# what was drained is in the file that a step put back takes along
bad=
kills=0
n=2
printf '#!/bin/sh\n:\n' >"$tmp/drain"
while :; do
	fresh
	up --stop-after items >/dev/null 2>&1
	sqlite3 "$db" "UPDATE item SET name = 'late' WHERE id = 5; DELETE FROM item WHERE id = 6; INSERT INTO item VALUES (1000, 'new')"
	UPSHIFT_TEST_FAULT=any:$n:kill again >/dev/null 2>&1
	[ $? = 137 ] || break
	kills=$((kills + 1))
	# half of them not only go on
	[ $((kills % 2)) = 0 ] ||
		"$UPSHIFT" rollback CP2 --root "$root" --batch --confirm 'roll back to CP2' >/dev/null 2>&1
	again >/dev/null 2>"$tmp/err"
	# 3: rows behind a rollback were not as in the source
	case $? in
	0 | 3) ;;
	*) bad="$bad $n" ;;
	esac
	sqlite3 "$db" 'SELECT id, name FROM item ORDER BY id' >"$tmp/a"
	sqlite3 "$root/new.db" 'SELECT id, t FROM thing ORDER BY id' >"$tmp/b"
	cmp -s "$tmp/a" "$tmp/b" || bad="$bad $n-differ"
	n=$((n + 3))
done
is "$bad" '' "changes drained, killed $kills times and resumed, and rolled back"
[ $kills -gt 9 ]
ok $? 'often enough'

# --- views ---
by_views
fresh
run_is 9 'a dry run' up --dry-run
like "$out" 'writers wait' 'says what becomes of writers'
up --stop-after items >/dev/null 2>&1
sqlite3 "$db" "UPDATE item SET name = 'late' WHERE id = 5; DELETE FROM item WHERE id = 6; INSERT INTO item VALUES (1000, 'new')"
run_is 0 'a cutover by views' again
is "$(sqlite3 "$db" "SELECT type FROM sqlite_schema WHERE name = 'item'")" view 'it is a view'
is "$(sqlite3 "$db" "SELECT count(*), max(id), (SELECT t FROM thing WHERE id = 5) FROM thing")" '100|1000|late' 'all has arrived'
sqlite3 "$db" "UPDATE item SET name = 'through' WHERE id = 7"
is "$(sqlite3 "$db" 'SELECT t FROM thing WHERE id = 7')" through 'writers write'
run_is 0 'a rollback' back
open_again 'back'

by_views '' 'mode = "mirror";'
fresh
run_is 0 'a mirror' up
sqlite3 "$db" "UPDATE item SET name = 'through' WHERE id = 7; INSERT INTO thing VALUES (2000, 'other way')"
is "$(sqlite3 "$db" 'SELECT (SELECT t FROM thing WHERE id = 7), (SELECT name FROM item WHERE id = 2000)')" \
	'through|other way' 'both ways'
run_is 0 'a rollback' back
open_again 'back'

by_views 'equal = [ "db:SELECT 1", "db:SELECT 2" ];'
fresh
run_is 2 'what is not equal' up
is "$(sqlite3 "$db" "SELECT type FROM sqlite_schema WHERE name = 'item'")" table 'nothing is switched'
sqlite3 "$db" "UPDATE item SET name = 'between' WHERE id = 8"
ok $? 'writers write'

by_views 'writers = "refuse";'
fresh
run_is 0 'views behind a fence' up
sqlite3 "$db" "UPDATE item SET name = 'through' WHERE id = 7"
is "$(sqlite3 "$db" 'SELECT t FROM thing WHERE id = 7')" through 'writers write'
run_is 0 'a rollback' back
open_again 'back'

for how in wait refuse; do
	by_views "writers = \"$how\";"
	bad=
	kills=0
	n=3
	while :; do
		fresh
		up --stop-after items >/dev/null 2>&1
		UPSHIFT_TEST_FAULT=any:$n:kill again >/dev/null 2>&1
		[ $? = 137 ] || break
		kills=$((kills + 1))
		again >/dev/null 2>"$tmp/err" || bad="$bad $n"
		[ "$(sqlite3 "$db" "SELECT type, (SELECT count(*) FROM thing), (SELECT count(*) FROM sqlite_schema WHERE name LIKE '%upshift_fence%') FROM sqlite_schema WHERE name = 'item'")" = 'view|100|0' ] ||
			bad="$bad $n-lost"
		n=$((n + 9))
	done
	is "$bad" '' "$how: killed $kills times and resumed"
	[ $kills -gt 2 ]
	ok $? "$how: often enough"
done
done_testing
