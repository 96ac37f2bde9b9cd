#!/bin/sh
# SPDX-License-Identifier: MIT
# upshift verify at any time: while a run goes on, after it was stopped by a
# verification, after it was completed, after it was rolled back.
# shellcheck source=tests/lib/tap.sh
. "${top_srcdir:-.}/tests/lib/tap.sh"
command -v python3 >/dev/null || skip_all 'no python3'
stores_need sqlite

root=$tmp/root
# sql: statements from standard input
sql()
{
	python3 -c 'import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.executescript(sys.stdin.read())
c.commit()' "$root/data.db"
}

# begin V: a root whose row 13 has this value
begin()
{
	rm -rf "$root"
	mkdir -p "$root"
	sql <<TXT
CREATE TABLE old (id INTEGER PRIMARY KEY, v TEXT);
WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < 500)
INSERT INTO old SELECT i, 'v' || i FROM g;
UPDATE old SET v = '$1' WHERE id = 13;
CREATE TABLE new (id INTEGER PRIMARY KEY, v TEXT);
TXT
}
mkfifo "$tmp/fifo"
cat >"$tmp/acme.plan" <<TXT
plan = 1; name = "acme"; from = "1"; to = "2";
stores: { db = "sqlite:data.db"; };
steps = (
  { id = "rows"; kind = "copy-records"; from = "db:old"; to = "db:new"; key = "id"; },
  { id = "wait"; kind = "run"; run = ["sh", "-c", "cat $tmp/fifo >out"]; creates = ["out"]; } );
verify = ( { id = "V01"; kind = "records"; copies = ["rows"]; pause = 0.01;
  rules = ( { id = "none is x"; store = "db"; zero = "SELECT count(*) FROM new WHERE v = 'x'"; } ); } );
TXT
levels='basic standard rigorous forensic'
# each STATUS PATTERN WHEN
each()
{
	for level in $levels; do
		run "$UPSHIFT" verify --root "$root" --level "$level"
		is "$status" "$1" "$3, $level: $1" || diag "$out$err"
		like "$out$err" "$2" "$3, $level: what was compared"
	done
}

# the step waits for the fifo; the records are copied
begin y
"$UPSHIFT" run "$tmp/acme.plan" --root "$root" --batch --yes --json \
	>"$tmp/log" 2>&1 &
pid=$!
exec 9>"$tmp/fifo"
each 0 'verifications were not made: not all steps are done' 'while it runs'
exec 9>&-
wait "$pid"
is $? 0 'the run is complete' || diag "$(tail -5 "$tmp/log")"
each 0 '500 rows are the same on both sides' 'complete'
sql <<'TXT'
INSERT INTO new VALUES (900, 'x');
TXT
levels='standard rigorous forensic'
each 7 '0 missing, 0 different, 1 extra' 'changed since'
sql <<'TXT'
DELETE FROM new WHERE id = 900;
TXT
levels='basic standard rigorous forensic'
run "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
is "$status" 0 'rolled back' || diag "$out$err"
each 0 verified 'rolled back'

begin x
run_in_turn()
{
	exec 9<>"$tmp/fifo"
	echo go >&9
	run "$UPSHIFT" "$@" --root "$root" --batch --yes
	exec 9>&-
}
sed -i "s/cat .*fifo/head -n 1 <$(echo "$tmp" | sed 's,/,\\/,g')\/fifo/" "$tmp/acme.plan"
run_in_turn run "$tmp/acme.plan"
is "$status" 7 'a rule stops the run' || diag "$out$err"
levels='standard rigorous forensic'
each 7 'none is x: found 1, not 0' 'stopped by it'
levels=basic
each 0 '500 rows are the same on both sides' 'stopped by it'
done_testing
