#!/bin/sh
# SPDX-License-Identifier: MIT
# An application that was killed leaves a log beside its SQLite database, which
# whoever opens it next folds in, or takes back. Back from such a state, and to
# it again: what was in the log is there.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
sqlite_need
command -v python3 >/dev/null || skip_all 'no python3'
root=$tmp/data
plan=$tmp/plan
cat >"$plan" <<-'END'
	plan = 1; name = "a"; from = "1"; to = "2";
	stores: { db = "sqlite:app.db"; };
	steps = ( { id = "copy"; kind = "copy-records"; from = "db:old";
	    to = "db:new"; key = "id"; },
	  { id = "turn"; kind = "cutover"; store = "db"; fence = ["old"];
	    copies = ["copy"]; keep = true; } );
END

# killed MODE SQL: commits, or is in the middle of it, and is gone
killed()
{
	python3 - "$root/app.db" "$@" <<-'END'
		import os, sqlite3, sys
		db = sqlite3.connect(sys.argv[1], isolation_level=None)
		db.execute("PRAGMA cache_size = 1")
		db.execute("PRAGMA wal_autocheckpoint = 0")
		db.execute("BEGIN")
		for sql in sys.argv[3].split(";"):
		    db.execute(sql)
		if sys.argv[2] == "wal":
		    db.execute("COMMIT")
		os.kill(os.getpid(), 9)
	END
}

tables()
{
	sqlite3 "$root/app.db" 'SELECT * FROM old ORDER BY 1' \
		'SELECT * FROM new ORDER BY 1'
}

for mode in wal delete; do
	rm -rf "$root"
	mkdir "$root"
	sqlite3 "$root/app.db" "PRAGMA journal_mode = $mode; CREATE TABLE
		old (id INTEGER PRIMARY KEY, v); CREATE TABLE new (id INTEGER
		PRIMARY KEY, v); WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL
		SELECT i + 1 FROM s WHERE i < 500) INSERT INTO old SELECT i,
		'v' || i || hex(zeroblob(200)) FROM s" >"$tmp/mode"
	run_is 0 "$mode: run" \
		"$UPSHIFT" run "$plan" --root "$root" --batch --yes
	killed "$mode" "INSERT INTO new SELECT 1000 + id, 'n' FROM new LIMIT
		50; UPDATE new SET v = 'u' WHERE id = 3;
		DELETE FROM new WHERE id > 100 AND id < 400" 2>"$tmp/kill"
	end=-journal
	[ "$mode" = delete ] || end=-wal
	[ -s "$root/app.db$end" ]
	ok $? "$mode: there is a log"
	mkdir "$tmp/look.$mode"
	cp "$root"/app.db* "$tmp/look.$mode"
	sqlite3 "$tmp/look.$mode/app.db" 'SELECT * FROM old ORDER BY 1' \
		'SELECT * FROM new ORDER BY 1' >"$tmp/before"
	run_is 0 "$mode: back" "$UPSHIFT" rollback --root "$root" --batch \
		--confirm 'roll back to start'
	is "$(sqlite3 "$root/app.db" 'SELECT count(*) FROM new')" 0 \
		"$mode: the new table is as it was at the start"
	run_is 0 "$mode: to the state before" "$UPSHIFT" rollback R1 \
		--root "$root" --batch --confirm 'roll back to R1'
	tables >"$tmp/after"
	file_is "$tmp/after" "$tmp/before" "$mode: with what was in the log"
done

done_testing
