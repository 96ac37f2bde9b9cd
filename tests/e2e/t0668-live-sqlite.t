#!/bin/sh
# SPDX-License-Identifier: MIT
# Copies of tables in SQLite that an application goes on writing, up to the
# fence, killed at random instants: both sides are the same then, no transaction
# that was acknowledged is missing, and nothing of ours stays in the old file.
#
# UPSHIFT_TEST_ROWS, UPSHIFT_TEST_KILLS: how many; SEED: of the instants.
# in memory, where there is such: writers that never rest leave a disk no time
if [ -z "${TMPDIR-}" ] && [ -d /dev/shm ] && [ -w /dev/shm ]; then
	TMPDIR=/dev/shm
	export TMPDIR
fi
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
command -v python3 >/dev/null || skip_all 'no python3'
sqlite_need
rows=${UPSHIFT_TEST_ROWS:-3000}
kills=${UPSHIFT_TEST_KILLS:-4}
root=$tmp/data
plan=$tmp/a.plan
mkdir "$root"
cat >"$plan" <<'TXT'
plan = 1; name = "live"; title = "Live"; from = "1"; to = "2";
stores: { old = "sqlite:app.db"; new = "sqlite:new.db"; };
steps = (
	{ id = "schema"; kind = "sql"; store = "new";
	  up = [ "CREATE TABLE thing (id INTEGER PRIMARY KEY, t TEXT UNIQUE, n INT)",
		 "CREATE TABLE pair (a INT REFERENCES thing (id) ON DELETE CASCADE, b TEXT, note TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID",
		 "CREATE TABLE said (w INTEGER PRIMARY KEY, n INT)" ];
	  down = [ "DROP TABLE said", "DROP TABLE pair", "DROP TABLE thing" ]; },
	{ id = "items"; kind = "copy-records"; needs = ["schema"]; from = "old:item"; to = "new:thing";
	  key = "id"; live = true; where = "NOT hidden"; columns = { id = "id"; t = "name"; n = "v"; }; },
	{ id = "links"; kind = "copy-records"; needs = ["items"]; from = "old:link"; to = "new:pair";
	  key = ["a", "b"]; live = true; columns = { a = "item"; b = "tag"; note = "note"; }; },
	{ id = "said"; kind = "copy-records"; needs = ["schema"]; from = "old:said"; to = "new:said";
	  key = "w"; live = true; },
	{ id = "cut"; kind = "cutover"; store = "old"; needs = ["links", "said"]; keep = true;
	  fence = ["item", "link", "said"]; copies = ["items", "links", "said"]; max_stall = "5m"; } );
TXT

# writer.py FILE WHICH SAID: until it is turned away at the fence
cat >"$tmp/writer.py" <<'TXT'
import random
import sqlite3
import sys
name, w, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[4])
c = sqlite3.connect(name, timeout=120, isolation_level=None)
c.execute("PRAGMA foreign_keys = ON")
r = random.Random(w)
said, n = 0, 0
try:
    while True:
        n += 1
        # each has rows of its own
        i = r.randrange(rows // 3) * 3 + w
        what = r.randrange(7)
        c.execute("BEGIN IMMEDIATE")
        if what == 0:
            c.execute("INSERT INTO item VALUES (?, ?, 1, 0) ON CONFLICT (id) DO "
                      "UPDATE SET v = v + 1, hidden = 0",
                      (i + rows, "w%d-%d" % (w, n)))
        elif what == 1:
            c.execute("DELETE FROM item WHERE id = ?", (i,))
        elif what == 2:
            c.execute("UPDATE OR IGNORE item SET id = id + 10000000 WHERE "
                      "id = ?", (i,))
        elif what == 3:
            c.execute("DELETE FROM link WHERE item = ?", (i,))
            c.execute("UPDATE item SET hidden = NOT hidden WHERE id = ?", (i,))
        elif what == 4:
            c.execute("INSERT OR REPLACE INTO link SELECT id, ?, 'new' FROM "
                      "item WHERE id = ? AND NOT hidden", ("t%d" % (n % 9), i))
        elif what == 5:
            c.execute("UPDATE item SET name = name || '~' || id WHERE id = ?",
                      (i,))
            c.execute("UPDATE item SET name = ? WHERE id = ?",
                      ("w%d=%d" % (w, n), i + 3))
        else:
            c.execute("UPDATE item SET v = v + 1 WHERE id BETWEEN ? AND ? AND "
                      "id % 3 = ? % 3", (i, i + 60, w))
        c.execute("UPDATE said SET n = ? WHERE w = ?", (n, w))
        if r.random() < 0.1:
            c.execute("ROLLBACK")
        else:
            c.execute("COMMIT")
            said = n
except sqlite3.Error as e:
    why = str(e)
with open(sys.argv[3], "w") as f:
    print(said, why, file=f)
TXT

old()
{
	sqlite3 -init /dev/null -batch -cmd '.timeout 60000' "$root/app.db" "$1"
}

new()
{
	sqlite3 -init /dev/null -batch "$root/new.db" "$1"
}

# live MODE: the journal mode of the old database
live()
{
	rm -rf "$root" "$tmp"/said.*
	mkdir "$root"
	old "PRAGMA journal_mode = $1;
		CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT UNIQUE, v INT, hidden INT NOT NULL DEFAULT 0);
		CREATE TABLE link (item INT REFERENCES item ON DELETE CASCADE ON UPDATE CASCADE, tag TEXT, note TEXT, PRIMARY KEY (item, tag));
		CREATE TABLE said (w INTEGER PRIMARY KEY, n INT);
		INSERT INTO item WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $rows)
			SELECT i, 'name ' || i, i % 7, i % 13 = 0 FROM n;
		INSERT INTO link SELECT id, 'tag ' || t, 'x' FROM item, (SELECT 1 AS t UNION SELECT 2) WHERE NOT hidden;
		INSERT INTO said VALUES (1, 0), (2, 0)" >/dev/null
	old .schema >"$tmp/before"
	pids=
	for w in 1 2; do
		python3 "$tmp/writer.py" "$root/app.db" $w "$tmp/said.$w" "$rows" &
		pids="$pids $!"
	done
	rm -f "$tmp/killer.state"
	run python3 "$top_srcdir/tests/lib/killer.py" "$kills" "$tmp/killer.state" "$root" "$plan"
	# shellcheck disable=SC2086 # words
	set -- "$1" $out
	is "$2" 0 "$1: killed $3 times, and through" || diag "$out"
	for pid in $pids; do
		# without a fence they would go on
		[ "$2" = 0 ] || kill "$pid"
		wait "$pid"
	done
	[ "$4" -lt 131072 ]
	ok $? "$1: memory" || diag "$4 KiB"
	[ "$kills" -lt 50 ] || diag "$4 KiB at most"
	old 'SELECT id, name, v FROM item WHERE NOT hidden ORDER BY id;
		SELECT * FROM link ORDER BY item, tag; SELECT * FROM said ORDER BY w' >"$tmp/a"
	new 'SELECT id, t, n FROM thing ORDER BY id;
		SELECT * FROM pair ORDER BY a, b; SELECT * FROM said ORDER BY w' >"$tmp/b"
	cmp -s "$tmp/a" "$tmp/b"
	ok $? "$1: both sides are the same" || diff "$tmp/a" "$tmp/b" | head -20 | sed 's/^/# /'
	for w in 1 2; do
		is "$(cat "$tmp/said.$w")" "$(new "SELECT n FROM said WHERE w = $w") the data are being moved, nothing can be written" \
			"$1: nothing acknowledged is missing ($w)"
	done
	run_is 0 "$1: a rollback" "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
	old .schema >"$tmp/now"
	file_is "$tmp/now" "$tmp/before" "$1: nothing of ours is in the old database"
}

live WAL
live DELETE
done_testing
