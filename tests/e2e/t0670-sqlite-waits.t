#!/bin/sh
# SPDX-License-Identifier: MIT
# SQLite destinations in bad company: a database that somebody else holds for
# longer than we wait, a statement that does not end, a disk that is full, one
# that was left in the middle of a transaction. It ends in time, says why, and
# goes on from there.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
sqlite_need
command -v python3 >/dev/null || skip_all 'no python3'
root=$tmp/data
plan=$tmp/a.plan

db()
{
	sqlite3 -init /dev/null -batch "$root/b.db" "$1"
}

# new [MODE]: the journal mode of the destination
new()
{
	rm -rf "$root"
	mkdir "$root"
	sqlite3 -init /dev/null -batch "$root/a.db" "
		CREATE TABLE src (id INTEGER PRIMARY KEY, name text, v text);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
			WHERE i < 2000)
		INSERT INTO src SELECT i, 'name ' || i, hex(zeroblob(500)) FROM n"
	db "PRAGMA journal_mode = ${1-WAL};
		CREATE TABLE dst (id INTEGER, name text, v text)" >/dev/null
}

plan()
{
	printf 'plan = 1; name = "a"; from = "1"; to = "2";
stores = { a = "sqlite:a.db"; b = "sqlite:b.db"; };
steps = ( %s );\n' "$1" >"$plan"
}

go()
{
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes
}

on()
{
	run_is 0 "$1: goes on" "$UPSHIFT" resume --root "$root" --batch --yes
	is "$(db "SELECT count(*), count(DISTINCT id), sum(name = 'name ' || id) FROM dst")" \
		'2000|2000|2000' "$1: every row once"
	is "$(db 'PRAGMA integrity_check')" ok "$1: the database is whole"
}

copy='{ id = "c"; kind = "copy-records"; from = "a:src"; to = "b:dst"; key = "id";
	batch = 50; pause = 0.05; retries = 1; pause_file = "wait"; }'
plan "$copy"

# --- somebody takes the lock in the middle, and keeps it ---
cat >"$tmp/hold.py" <<'TXT'
import os
import sqlite3
import sys
c = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
n = 0
while not n:
    try:
        n = c.execute("SELECT sum(nrows) FROM _upshift_range").fetchone()[0]
    except sqlite3.OperationalError:
        pass
open(sys.argv[2], "w").close()
c.execute("BEGIN EXCLUSIVE")
os.unlink(sys.argv[2])
sys.stdin.read()
TXT
mkfifo "$tmp/hold"
new DELETE
python3 "$tmp/hold.py" "$root/b.db" "$root/wait" <"$tmp/hold" &
exec 5>"$tmp/hold"
run go
is "$status" 2 'locked: gives up, with rows that are there'
like "$err" 'sqlite:b.db: database is locked' 'says why'
exec 5>&-
wait
on locked

# --- a statement that does not end is ended ---
forever='(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
	WHERE i < 1000000000000) SELECT max(i) FROM n)'
# two signals, when what is running has come to the statement
cut()
{
	python3 - "$UPSHIFT" "$plan" "$root" >"$tmp/cut" 2>&1 <<-'TXT'
		import signal, subprocess, sys
		up, plan, root = sys.argv[1:]
		p = subprocess.Popen([up, "run", plan, "--root", root, "--batch",
		                      "--yes"], stdout=subprocess.PIPE,
		                     stderr=subprocess.STDOUT, text=True)
		for line in p.stdout:
		    print(line, end="")
		    if "step 1/1" in line:
		        break
		p.send_signal(signal.SIGINT)
		p.send_signal(signal.SIGTERM)
		try:
		    print(p.communicate(timeout=60)[0])
		except subprocess.TimeoutExpired:
		    p.kill()
		    print("it did not end")
		sys.exit(p.returncode)
	TXT
	status=$?
}
for kind in "{ id = \"f\"; kind = \"backfill\"; set = \"b:dst\"; key = \"id\";
	up = \"UPDATE dst SET v = $forever WHERE (\$1 IS NULL OR id > \$1) AND id <= \$2\"; }" \
	"{ id = \"f\"; kind = \"sql\"; store = \"b\"; down = [ \"SELECT 1\" ];
	up = [ \"UPDATE dst SET v = $forever\" ]; }"; do
	plan "$kind"
	new
	db "INSERT INTO dst VALUES (1, 'a', 'b')"
	cut
	like "$status" '^[26]$' 'a statement without an end is cut short' ||
		sed 's/^/# /' "$tmp/cut"
	run_is 0 'and taken back' "$UPSHIFT" rollback start --root "$root" --batch \
		--confirm 'roll back to start'
	is "$(db 'SELECT * FROM dst')" '1|a|b' 'as it was'
done

# --- no room in the destination: at most so much of a file ---
plan "$copy"
for mode in WAL DELETE; do
	new $mode
	# 512 KiB: its 2 MB do not fit, journals and backups do
	(ulimit -f 1024 && go) >"$tmp/full" 2>&1
	is "$?" 2 "$mode: full" || sed 's/^/# /' "$tmp/full"
	like "$(cat "$tmp/full")" 'sqlite:b.db: .*File too large' "$mode: says so"
	on "$mode, full"
done

# --- killed in the middle of a transaction: a journal that must come back ---
plan '{ id = "c"; kind = "copy-records"; from = "a:src"; to = "b:dst"; key = "id"; }'
# half FILE TABLE: some of its pages are changed, for nobody
half()
{
	# shellcheck disable=SC2016 # for the shell of that one
	sqlite3 -init /dev/null -batch "$root/$1" "PRAGMA cache_size = 5" "BEGIN" \
		"UPDATE $2 SET name = name || '!'" '.shell kill -9 $PPID' >/dev/null 2>&1
	[ -s "$root/$1-journal" ]
	ok $? "$1 is left in the middle"
}
more='INSERT INTO dst SELECT -i, i, hex(zeroblob(500)) FROM (WITH RECURSIVE n(i)
	AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT i FROM n)'
new DELETE
db "$more"
half a.db src
half b.db dst
cat "$root"/* | cksum >"$tmp/before"
run_is 9 'a dry run' "$UPSHIFT" run "$plan" --root "$root" --batch --dry-run
like "$out$err" "a.db: whoever wrote to it last was stopped in the middle" 'says so'
is "$(cat "$root"/* | cksum)" "$(cat "$tmp/before")" 'and leaves it at that'
run_is 0 'it is copied all the same' go
is "$(db "SELECT count(*), sum(name = 'name ' || id), sum(name = -id) FROM dst")" \
	'2500|2000|500' 'with what was there before'
half b.db dst
run_is 0 'and taken back' "$UPSHIFT" rollback start --root "$root" --batch \
	--confirm 'roll back to start'
is "$(db 'SELECT count(*), sum(name = -id) FROM dst')" '500|500' 'as it was'

done_testing
