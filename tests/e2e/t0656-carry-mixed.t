#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2119,SC2120
# Rows are carried back between a file of SQLite and a server, also where the file
# comes back as a whole by a step below the copy, whose undo takes the new rows.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
sqlite_need
pg_need
pg_start a
root=$tmp/data
db=$root/app.db

printf '#!/bin/sh\n:\n' >"$tmp/switch"
chmod 755 "$tmp/switch"

in_file() { sqlite3 "$db" "$1"; }
in_server() { pg_sql a -c "$1"; }

rows='SELECT count(*), sum(id), min(name), max(CASE WHEN id = 4 THEN name END), max(id) FROM item'

# plan OLD NEW [STEP THAT WRITES THE OLD STORE [OF THE COPY]]
plan()
{
	old=$1
	new=$2
	case $old in
	file) urls="old = \"sqlite:app.db\"; new = \"$(pg_url a)\";" ;;
	server) urls="old = \"$(pg_url a)\"; new = \"sqlite:app.db\";" ;;
	esac
	older=
	[ -z "${3-}" ] || older='{ id = "older"; kind = "sql"; store = "old";
		up = "CREATE TABLE x (i int)"; down = "DROP TABLE x"; },'
	cat >"$tmp/plan" <<END
plan = 1; name = "app"; from = "1"; to = "2"; stores: { $urls };
steps = ( $older
  { id = "schema"; kind = "sql"; store = "new"; needs = [ ${older:+\"older\"} ];
    up = "CREATE TABLE thing (id integer PRIMARY KEY, t text, CHECK (id <> 17))";
    down = "DROP TABLE thing"; },
  { id = "items"; kind = "copy-records"; from = "old:item"; to = "new:thing";
    columns = { id = "id"; t = "name"; }; needs = ["schema"]; ${4-} },
  { id = "cut"; kind = "cutover"; store = "old"; needs = ["items"];
    fence = ["item"]; copies = ["items"];
    switch = ["$tmp/switch", "new"]; switch_back = ["$tmp/switch", "old"]; } );
END
}

# fresh [ID OF A ROW THAT IS NOT THERE [EXIT]]: switched, and written to
fresh()
{
	rm -rf "$root"
	mkdir "$root"
	in_server "SET client_min_messages = error;
		DROP SCHEMA public CASCADE; CREATE SCHEMA public"
	in_$old "CREATE TABLE item (id integer PRIMARY KEY, name text)"
	in_$old "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
		WHERE i < 50) INSERT INTO item SELECT i, 'item ' || i FROM n
		WHERE i <> ${1-17}"
	run "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
	[ "$status" = "${2-0}" ] || is "$status" "${2-0}" 'switched' || diag "$out $err"
	in_$new "UPDATE thing SET t = 'theirs' WHERE id = 4;
		INSERT INTO thing VALUES (100, 'new'); DELETE FROM thing WHERE id = 5"
}

back()
{
	run "$UPSHIFT" rollback "$@" --root "$root" --batch --confirm "roll back to $1"
}

ours()
{
	in_server "SELECT count(*) FROM pg_class WHERE relname LIKE '\\_upshift\\_q%'"
}

wanted='49|1353|item 1|theirs|100'
for way in 'file server' 'file server older' 'server file' 'server file older'; do
	# shellcheck disable=SC2086 # words
	plan $way
	for to in CP2 start; do
		fresh
		back $to
		is "$status" 0 "$way, to $to" || diag "$out $err"
		like "$out" 'CARRIED 3' "$way, to $to: is told"
		is "$(in_$old "$rows")" "$wanted" "$way, to $to: what was written is there"
		is "$(ours)" 0 "$way, to $to: nothing of ours is left"
	done
	fresh
	back start --no-carry
	is "$(in_$old "$rows")" '49|1258|item 1|item 4|50' "$way: without"
done

# what the copy was refused was in no new table, and stays
plan file server older 'bad_records = "quarantine"; max_bad = 5;'
fresh 0 3
back start
is "$status" 0 'with a row that was refused' || diag "$out $err"
is "$(in_file 'SELECT count(*) FROM item WHERE id = 17')" 1 'it is still there'
is "$(in_file "SELECT name FROM item WHERE id = 4")" theirs 'and what was written, too'

# killed anywhere
plan file server older
bad=
kills=0
n=30
while :; do
	fresh
	UPSHIFT_TEST_FAULT=any:$n:kill "$UPSHIFT" rollback start --root "$root" \
		--batch --confirm 'roll back to start' >/dev/null 2>&1
	[ $? = 137 ] || break
	kills=$((kills + 1))
	"$UPSHIFT" resume --root "$root" --batch >/dev/null 2>"$tmp/err"
	# killed before it began: it is asked for again
	[ "$(in_file "$rows")" = "$wanted" ] || back start
	[ "$(in_file "$rows")" = "$wanted" ] || bad="$bad $n"
	n=$((n + 13))
done
is "$bad" '' "killed $kills times"
[ $kills -gt 10 ]
ok $? 'which is a sweep'
is "$(ours)" 0 'nothing of ours is left'
done_testing
