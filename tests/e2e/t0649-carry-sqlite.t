#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2119,SC2120
# What an application wrote to new tables of SQLite since a cutover is in the old
# ones when that is rolled back: in one file, which comes back as a whole or not,
# and in two; killed anywhere on the way.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
sqlite_need
root=$tmp/data
db=$root/app.db

printf '#!/bin/sh\n:\n' >"$tmp/switch"
chmod 755 "$tmp/switch"

one_file()
{
	new=$db
	cat >"$tmp/plan" <<-END
	plan = 1; name = "app"; from = "1"; to = "2";
	stores: { db = "sqlite:app.db"; };
	steps = (
	  { id = "schema"; kind = "sql"; store = "db";
	    up = "CREATE TABLE thing (id INTEGER PRIMARY KEY, t TEXT, n INT)";
	    down = "DROP TABLE thing"; },
	  { id = "items"; kind = "copy-records"; needs = ["schema"];
	    from = "db:item"; to = "db:thing"; key = "id";
	    columns = { id = "id"; t = "name"; n = "coalesce(n, 0)"; }; ${1-} },
	  { id = "cut"; kind = "cutover"; store = "db"; needs = ["items"];
	    fence = ["item"]; copies = ["items"];
	    views = ( { name = "item"; mode = "view"; key = ["id"];
	      select = "SELECT id, t AS name, n FROM thing";
	      insert = "INSERT INTO thing VALUES (NEW.id, NEW.name, NEW.n)";
	      update = "UPDATE thing SET t = NEW.name WHERE id = OLD.id";
	      delete = "DELETE FROM thing WHERE id = OLD.id"; } ); } );
	END
}

two_files()
{
	new=$root/new.db
	cat >"$tmp/plan" <<-END
	plan = 1; name = "app"; from = "1"; to = "2";
	stores: { old = "sqlite:app.db"; new = "sqlite:new.db"; };
	steps = (
	  { id = "schema"; kind = "sql"; store = "new";
	    up = "CREATE TABLE thing (id INTEGER PRIMARY KEY, t TEXT, n INT)";
	    down = "DROP TABLE thing"; },
	  { id = "items"; kind = "copy-records"; needs = ["schema"];
	    from = "old:item"; to = "new:thing"; key = "id";
	    columns = { id = "id"; t = "name"; n = "coalesce(n, 0)"; };
	    back = { id = "id"; name = "t"; n = "nullif(n, 0)"; }; },
	  { id = "cut"; kind = "cutover"; store = "old"; needs = ["items"];
	    fence = ["item"]; copies = ["items"];
	    switch = ["$tmp/switch", "new"]; switch_back = ["$tmp/switch", "old"]; } );
	END
}

# fresh [KEY OF THE OLD TABLE]
fresh()
{
	rm -rf "$root"
	mkdir -p "$root"
	sqlite3 "$db" >/dev/null <<-END
		PRAGMA journal_mode = wal;
		CREATE TABLE item (id ${1-INTEGER PRIMARY KEY}, name TEXT, n INT,
			CHECK (id < 1000));
		WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1
			FROM n WHERE i < 50)
			INSERT INTO item SELECT i, 'item ' || i, nullif(i % 2, 0) FROM n;
	END
	run "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
	[ "$status" = 0 ] || is "$status" 0 "switched" || diag "$out $err"
}

writes()
{
	sqlite3 "$new" "UPDATE thing SET t = 'theirs' WHERE id = 4;
		INSERT INTO thing VALUES (100, 'new', 7); DELETE FROM thing WHERE id = 5"
}

rows()
{
	sqlite3 "$db" "SELECT (SELECT type FROM sqlite_schema WHERE name = 'item'), count(*), count(n),
		sum(id), group_concat(CASE WHEN name NOT LIKE 'item %' THEN id || name || n END) FROM item"
}

back()
{
	run "$UPSHIFT" rollback "$@" --root "$root" --batch --confirm "roll back to $1"
}

for how in one_file two_files; do
	$how
	# a NULL that nobody wrote stays one, though the new table has 0; by the
	# view the one that was written is 0, by 'back' it is NULL
	wanted='table|50|26|1370|4theirs0,100new7'
	[ $how = one_file ] || wanted='table|50|25|1370|100new7'
	for to in CP2 CP1 start; do
		fresh
		writes
		[ $to != start ] || {
			run "$UPSHIFT" rollback start --root "$root" --preview
			like "$out" "CARRIED 3" "$how: a preview counts the rows"
		}
		back $to
		is "$status" 0 "$how: back to $to" || diag "$out $err"
		like "$out" 'CARRIED 3' "$how: $to: is told"
		is "$(rows)" "$wanted" "$how: $to: what was written is there"
	done
	fresh
	writes
	back start --no-carry
	is "$(rows)" 'table|50|25|1275|' "$how: as they were, if that is wanted"
done

# a row that the old table does not take
two_files
fresh
writes
sqlite3 "$new" "INSERT INTO thing VALUES (2000, 'bad', 1)"
back CP2
is "$status" 5 'a row that does not fit ends it'
like "$err" "row \\[2000\\] of 'item' cannot be carried back" 'and is named'
like "$err" 'no-carry' 'with the way out'
is "$(sqlite3 "$new" 'SELECT count(*) FROM thing')" 51 'nothing is changed'
sqlite3 "$new" "DELETE FROM thing WHERE id = 2000"
run "$UPSHIFT" resume --root "$root" --batch
is "$status" 0 'mended, it goes on' || diag "$out $err"
is "$(rows | cut -d'|' -f1,2,4)" 'table|50|1370' 'and all is there'
fresh
writes
sqlite3 "$new" "INSERT INTO thing VALUES (2000, 'bad', 1)"
back CP2
is "$status" 5 'once more'
back CP2 --no-carry
is "$status" 0 'without it' || diag "$out $err"
is "$(rows)" 'table|50|25|1275|' 'as they were'

# no key to carry by
one_file
fresh 'INT NOT NULL UNIQUE'
writes
run "$UPSHIFT" rollback start --root "$root" --preview
like "$out" 'NOT CARRIED 3' 'without a key: a preview tells it'
back start
is "$status" 0 'and it is undone' || diag "$out $err"
like "$out$err" "3 rows that were written to 'thing' since the cutover cannot be carried back into 'item'; R1 has them" \
	'and told where they are'
is "$(rows)" 'table|50|25|1275|' 'the old table is as it was'

# killed anywhere
for how in one_file two_files; do
	$how
	to=start
	[ $how = one_file ] || to=CP2
	for to in $to; do
		fresh
		writes
		back $to
		rows >"$tmp/wanted"
		bad=
		kills=0
		n=5
		while :; do
			fresh
			writes
			UPSHIFT_TEST_FAULT=any:$n:kill "$UPSHIFT" rollback $to --root "$root" \
				--batch --confirm "roll back to $to" >/dev/null 2>&1
			[ $? = 137 ] || break
			kills=$((kills + 1))
			"$UPSHIFT" resume --root "$root" --batch >/dev/null 2>"$tmp/err"
			# killed before it began: it is asked for again
			[ "$(rows)" = "$(cat "$tmp/wanted")" ] || back $to
			[ "$(rows)" = "$(cat "$tmp/wanted")" ] || bad="$bad $n"
			n=$((n + 19))
		done
		is "$bad" '' "$how: to $to, killed $kills times"
	done
done
done_testing
