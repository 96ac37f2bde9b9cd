#!/bin/sh
# SPDX-License-Identifier: MIT
# What migrations of SQLite files are known to go wrong with: eight runners at
# once; a table built anew under its children; a backup while an application
# commits; a database put back under what is left of it; a backfill that never
# ends while rows come in.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
sqlite_need
command -v python3 >/dev/null || skip_all 'no python3'
root=$tmp/data
db=$root/app.db
plan=$tmp/plan

fresh()
{
	rm -rf "$root" "$tmp/go" "$tmp/done"
	mkdir "$root"
	sqlite3 "$db"
}

sql()
{
	sqlite3 "$db" "PRAGMA busy_timeout = 20000; $1" | tail -n +2
}

plan()
{
	cat >"$plan" <<-END
	plan = 1; name = "a"; to = "2";
	stores = { db = "sqlite:app.db"; };
	steps = ( $1 );
	END
}

up()
{
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes
}

back()
{
	"$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start' "$@"
}

# an application: a row and a commit, until $tmp/done is there; what it has
# committed stands in $tmp/go
cat >"$tmp/app.py" <<'END'
import os, sqlite3, sys
db, go, done = sys.argv[1:]
c = sqlite3.connect(db, timeout=60, isolation_level=None)
c.execute("PRAGMA journal_mode = wal")
c.execute("PRAGMA wal_autocheckpoint = 50")
n = c.execute("SELECT max(id) FROM item").fetchone()[0]
while not os.path.exists(done):
    n += 1
    c.execute("INSERT INTO item (id, v) VALUES (?, 'late')", (n,))
    with open(go + "~", "w") as f:
        f.write(str(n))
    os.rename(go + "~", go)
END

app_start()
{
	python3 "$tmp/app.py" "$db" "$tmp/go" "$tmp/done" &
	app=$!
	until [ -s "$tmp/go" ]; do :; done
}

app_end()
{
	: >"$tmp/done"
	wait "$app"
}

# --- eight at once ---
plan '{ id = "rows"; kind = "copy-records"; from = "db:src"; to = "db:dst"; key = "id"; columns: { id = "id"; }; batch = 100; }'
fresh <<END
CREATE TABLE src (id INTEGER PRIMARY KEY);
CREATE TABLE dst (id INTEGER);
WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 5000) INSERT INTO src SELECT i FROM s;
END
pids=
for i in 1 2 3 4 5 6 7 8; do
	up >"$tmp/said.$i" 2>&1 &
	pids="$pids $!"
done
codes=
for pid in $pids; do
	wait "$pid"
	codes="$codes $?"
done
is "$(echo "$codes" | tr ' ' '\n' | grep . | sort -n | uniq -c | tr -s ' \n' ' ')" ' 1 0 7 75 ' \
	'eight at once: one does it, the others are refused' || diag "$codes"
is "$(sql 'SELECT count(*), count(DISTINCT id) FROM dst')" '5000|5000' 'each row once'

# --- built anew under its children ---
plan '{ id = "anew"; kind = "sql"; store = "db"; up = [
	"CREATE TABLE parent_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL, born INT)",
	"INSERT INTO parent_new SELECT id, name, NULL FROM parent",
	"DROP TABLE parent", "ALTER TABLE parent_new RENAME TO parent" ];
	down = [ "CREATE TABLE parent_new (id INTEGER PRIMARY KEY, name TEXT)",
	"INSERT INTO parent_new SELECT id, name FROM parent",
	"DROP TABLE parent", "ALTER TABLE parent_new RENAME TO parent" ]; }'
family()
{
	fresh <<-END
	CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
	CREATE TABLE a (id INTEGER PRIMARY KEY, p INT REFERENCES parent ON DELETE CASCADE);
	CREATE TABLE b (id INTEGER PRIMARY KEY, p INT REFERENCES parent ON DELETE SET NULL);
	CREATE TABLE c (id INTEGER PRIMARY KEY, p INT REFERENCES parent);
	INSERT INTO parent VALUES (1, 'one'), (2, 'two');
	INSERT INTO a VALUES (1, 1), (2, 2); INSERT INTO b VALUES (1, 1), (2, 2);
	INSERT INTO c VALUES (1, 1), (2, 2);
	END
}
children='SELECT (SELECT count(*) FROM a), (SELECT count(p) FROM b), (SELECT count(*) FROM c), (SELECT count(*) FROM pragma_foreign_key_check)'
family
sqlite3 "$db" .dump >"$tmp/before"
run_is 0 'a table built anew' up
is "$(sql "$children")" '2|2|2|0' 'its children are all there'
is "$(sqlite3 "$db" 'PRAGMA foreign_keys = on; DELETE FROM parent WHERE id = 1' 2>&1 |
	grep -c 'FOREIGN KEY constraint failed')" 1 'and refer to the new one'
run_is 0 'a rollback' back
sqlite3 "$db" .dump >"$tmp/after"
file_is "$tmp/after" "$tmp/before" 'as it was'
# one that leaves children without a parent
plan '{ id = "anew"; kind = "sql"; store = "db"; up = [
	"CREATE TABLE parent_new (id INTEGER PRIMARY KEY, name TEXT)",
	"INSERT INTO parent_new SELECT * FROM parent WHERE id > 1",
	"DROP TABLE parent", "ALTER TABLE parent_new RENAME TO parent" ];
	down = [ "SELECT 1" ]; }'
family
run_is 1 'one that loses a parent' up
like "$err" '1 row would point to nothing by a foreign key .a -> parent' 'is told'
is "$(sql "$children; SELECT count(*) FROM parent")" '2|2|2|0
2' 'and leaves all as it was'

# --- a backup while an application commits ---
plan '{ id = "more"; kind = "sql"; store = "db"; up = [ "CREATE TABLE more (id INT)" ]; down = [ "DROP TABLE more" ]; }'
items()
{
	fresh <<-END
	PRAGMA journal_mode = wal;
	CREATE TABLE item (id INTEGER PRIMARY KEY, v TEXT, n INT);
	WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 3000)
		INSERT INTO item SELECT i, printf('%.1000c', 'x'), NULL FROM s;
	END
}
items >/dev/null
app_start
mark=$(cat "$tmp/go")
run_is 0 'while an application commits' up
app_end
last=$(cat "$tmp/go")
[ "$last" -gt "$mark" ]
ok $? "it did so meanwhile ($mark to $last)"
is "$(sql "SELECT count(*) = $last FROM item; PRAGMA integrity_check")" '1
ok' 'nothing of it is lost'
run_is 0 'back from the backup' back --strategy backup
is "$(sql "SELECT count(*) >= $mark, count(*) = max(id), count(*) <= $last FROM item; PRAGMA integrity_check")" \
	'1|1|1
ok' 'it has all that was committed before it, and is whole'

# --- put back under what is left of it ---
items >/dev/null
sqlite3 "$db" .dump >"$tmp/before"
up >/dev/null 2>&1
# killed: its -wal stays, and a second one has it open and reads
python3 - "$db" <<'END'
import os, sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("PRAGMA wal_autocheckpoint = 0")
c.execute("UPDATE item SET v = 'stale'")
os._exit(0)
END
[ -s "$db-wal" ]
ok $? 'a -wal is left'
mkfifo "$tmp/fifo"
python3 - "$db" "$tmp/fifo" <<'END' &
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("BEGIN")
c.execute("SELECT count(*) FROM item").fetchone()
open(sys.argv[2], "w").close()
open(sys.argv[2]).read()
END
opener=$!
: <"$tmp/fifo"
run_is 0 'back, while another one has it open' back --strategy backup
: >"$tmp/fifo"
wait "$opener"
sqlite3 "$db" .dump >"$tmp/after"
file_is "$tmp/after" "$tmp/before" 'it is what the backup has, and nothing of the -wal'

# --- filled in while rows come in ---
plan '{ id = "fill"; kind = "backfill"; set = "db:item"; key = "id"; batch = 100; undo = true;
	up = "UPDATE item SET n = length(v) WHERE ($1 IS NULL OR id > $1) AND id <= $2"; }'
items >/dev/null
app_start
run_is 0 'a backfill while rows come in' up
[ ! -e "$tmp/done" ]
ok $? 'ends by itself'
app_end
is "$(sql 'SELECT count(*) FROM item WHERE id <= 3000 AND n IS NULL')" 0 \
	'with all rows that were there'
last=$(cat "$tmp/go")
is "$(sql 'SELECT count(*), max(id) FROM item')" "$last|$last" 'and those that came'
done_testing
