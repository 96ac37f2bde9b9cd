#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2119,SC2120
# A database of SQLite is its file and what lies beside it. What a rollback puts
# aside stays together, so that the rows which are carried back are read out of the
# file and the log that it had, not out of a log which came back from a backup.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
sqlite_need
root=$tmp/data
db=$root/app.db

# leaves its log, with the pages that the rows are on, as who is killed does
cat >"$tmp/leaves" <<-'END'
	#!/bin/sh
	sqlite3 app.db >/dev/null 2>&1 <<-'EOF'
		UPDATE thing SET t = t || '.';
		UPDATE thing SET t = rtrim(t, '.');
		.shell kill -9 $PPID
	EOF
	test -s app.db-wal
END
chmod 755 "$tmp/leaves"

# plan [STEP BEHIND THE COPY]: with its id, and how it goes on
plan()
{
	left=${1:+"{ id = \"$1\"; kind = \"run\"; needs = [\"items\"]; $2 },"}
	cat >"$tmp/plan" <<-END
	plan = 1; name = "app"; from = "1"; to = "2";
	stores: { db = "sqlite:app.db"; };
	steps = (
	  { id = "schema"; kind = "sql"; store = "db";
	    up = "CREATE TABLE thing (id INTEGER PRIMARY KEY, t TEXT, n INT)";
	    down = "DROP TABLE thing"; },
	  { id = "items"; kind = "copy-records"; needs = ["schema"];
	    from = "db:item"; to = "db:thing"; key = "id";
	    columns = { id = "id"; t = "name"; n = "n"; }; }, $left
	  { id = "cut"; kind = "cutover"; store = "db"; needs = ["${1:-items}"];
	    fence = ["item"]; copies = ["items"];
	    views = ( { name = "item"; mode = "view"; key = ["id"];
	      select = "SELECT id, t AS name, n FROM thing";
	      insert = "INSERT INTO thing VALUES (NEW.id, NEW.name, NEW.n)";
	      update = "UPDATE thing SET t = NEW.name WHERE id = OLD.id";
	      delete = "DELETE FROM thing WHERE id = OLD.id"; } ); } );
	END
}

fresh()
{
	rm -rf "$root"
	mkdir -p "$root"
	sqlite3 "$db" >/dev/null <<-'END'
		PRAGMA journal_mode = wal;
		CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, n INT);
		WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1
			FROM n WHERE i < 50)
			INSERT INTO item SELECT i, 'item ' || i, i % 2 FROM n;
	END
}

# an application that has the database open until let_go
hold()
{
	mkfifo "$tmp/hold"
	sqlite3 "$db" <"$tmp/hold" >"$tmp/held" &
	holder=$!
	exec 9>"$tmp/hold"
	echo "SELECT 'open', count(*) FROM item;" >&9
	until grep -q open "$tmp/held"; do sleep 0.05; done
}

let_go()
{
	exec 9>&-
	wait "$holder"
	rm -f "$tmp/hold" "$tmp/held"
}

writes()
{
	sqlite3 "$db" "UPDATE thing SET t = 'theirs' WHERE id = 4;
		INSERT INTO thing VALUES (100, 'new', 7); DELETE FROM thing WHERE id = 5"
}

rows()
{
	sqlite3 "$db" "SELECT (SELECT type FROM sqlite_schema WHERE name = 'item'), count(*),
		sum(id), group_concat(CASE WHEN name NOT LIKE 'item %' THEN id || name || n END) FROM item"
}

switched()
{
	run "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
	is "$status" 0 "$1: switched" || diag "$out $err"
}

# rolled NAME: back to start
rolled()
{
	run "$UPSHIFT" rollback start --root "$root" --batch --confirm 'roll back to start'
	is "$status" 0 "$1: rolled back" || diag "$out $err"
	like "$out" 'CARRIED 3' "$1: it says so"
	is "$(rows)" 'table|50|1370|4theirs0,100new7' "$1: what was written is there"
}

# a log that a backup has, and the file that it is put beside has not
plan left "run = [\"$tmp/leaves\"];
	changes = [\"app.db\", \"app.db-wal\", \"app.db-shm\"];"
fresh
switched 'a log in the backup'
writes
is "$(ls "$root")" app.db 'nothing lies beside the file'
rolled 'a log in the backup'
r1=$(dirname "$root"/.upshift/runs/*/backup/R1/app.db)
is "$(sqlite3 "$r1/app.db" 'SELECT t FROM thing WHERE id IN (4, 100)')" 'theirs
new' 'what is aside is what was there'

# what was seen when it began is not there any more: it does not pass that over
plan
n=60
rm -rf "$root"
while [ $n -lt 400 ] && ! [ -e "$(echo "$root"/.upshift/runs/*/backup/R1/app.db)" ]; do
	fresh
	"$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes >/dev/null 2>&1
	cp "$db" "$tmp/before.db"
	writes
	UPSHIFT_TEST_FAULT=any:$n:kill "$UPSHIFT" rollback start --root "$root" --batch \
		--confirm 'roll back to start' >/dev/null 2>&1
	n=$((n + 10))
done
cp "$tmp/before.db" "$(echo "$root"/.upshift/runs/*/backup/R1/app.db)"
run "$UPSHIFT" resume --root "$root" --batch
is "$status" 5 'rows that are not found any more end it'
like "$err" 'E-5008 3 rows were to be carried back' 'and are told'
run "$UPSHIFT" explain E-5008
like "$out" 'no-carry' 'with what can be done'
run "$UPSHIFT" rollback start --no-carry --root "$root" --batch \
	--confirm 'roll back to start'
is "$status" 0 'which is done' || diag "$out $err"
is "$(rows)" 'table|50|1275|' 'the old table is as it was'

# an application that has it open all the time: all that is new is in the log
plan
fresh
hold
switched 'held open'
writes
is "$([ -s "$db-wal" ] && echo yes)" yes 'the rows are in the log'
rolled 'held open'
let_go
is "$(rows)" 'table|50|1370|4theirs0,100new7' 'and when it is closed'
done_testing
