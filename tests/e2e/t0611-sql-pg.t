#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2119,SC2120
# Statements on a PostgreSQL server: pieces, what runs alone, locks, kills of
# either side, the way back.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/pg.sh"
pg_need
pg_start a
root=$tmp/data
mkdir "$root"

# plan STEPS
plan()
{
	cat >"$tmp/plan" <<TXT
plan = 1; name = "app"; title = "App"; from = "1"; to = "2";
stores: { db = "$(pg_url a)"; };
steps = ( $1 );
TXT
}

fresh()
{
	rm -rf "$root/.upshift"
	pg_sql a -q <<'TXT'
SET client_min_messages = error;
DROP SCHEMA public CASCADE; CREATE SCHEMA public;
CREATE TABLE author (id int PRIMARY KEY, name text);
CREATE TABLE book (id int PRIMARY KEY, author int, title text);
INSERT INTO author SELECT i, 'A' || i FROM generate_series(1, 50) i;
INSERT INTO book SELECT i, 1 + i % 50, 'T' || i FROM generate_series(1, 500) i;
TXT
	dump >"$tmp/before"
}

dump()
{
	pg_dumped "$(pg_conn a)" 2>&1
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

as_before()
{
	dump >"$tmp/now"
	cmp -s "$tmp/before" "$tmp/now"
	ok $? "$1" || diff "$tmp/before" "$tmp/now" | head -20 | sed 's/^/# /'
}

full='{ id = "full"; kind = "sql"; store = "db"; up = [
	"ALTER TABLE author ADD COLUMN born int DEFAULT 0",
	"CREATE TABLE tag (id int PRIMARY KEY, book int)",
	"CREATE INDEX CONCURRENTLY book_author ON book (author)",
	"ALTER TABLE book ADD CONSTRAINT book_fk FOREIGN KEY (author) REFERENCES author NOT VALID",
	"ALTER TABLE book VALIDATE CONSTRAINT book_fk",
	"ANALYZE book",
	"INSERT INTO tag SELECT id, id FROM book" ];
	down = [
	"ALTER TABLE author DROP COLUMN born", "DROP TABLE tag",
	"DROP INDEX CONCURRENTLY book_author",
	"ALTER TABLE book DROP CONSTRAINT book_fk" ]; }'

# --- what would hold others up ---
plan '{ id = "risky"; kind = "sql"; store = "db"; up = [ "CREATE TABLE tag (id int)", "CREATE INDEX i ON tag (id)", "CREATE INDEX j ON book (id)" ]; down = [ "DROP TABLE tag" ]; }'
run_is 0 'an index that is not built concurrently' "$UPSHIFT" lint "$tmp/plan"
like "$err" 'plan:[0-9]+: warning: statement 3 .*CREATE INDEX CONCURRENTLY' 'is warned of'
is "$(printf '%s\n' "$err" | grep -c warning)" 1 'but not where the table is new'

plan '{ id = "make"; kind = "sql"; store = "db"; up = [ "CREATE TABLE s.tag (id int)" ]; down = [ "DROP TABLE s.tag" ]; }, { id = "index"; kind = "sql"; store = "db"; up = [ "CREATE INDEX i ON s.tag (id)", "CREATE INDEX j ON tag (id)" ]; down = [ "DROP INDEX i, j" ]; }'
run_is 0 'a table that another step makes' "$UPSHIFT" lint "$tmp/plan"
like "$err" 'warning: statement 2 .*CREATE INDEX CONCURRENTLY' 'is another one in another schema'
is "$(printf '%s\n' "$err" | grep -c warning)" 1 'and new for the steps behind'

# --- an index that rows are sorted into one by one ---
copied='{ id = "rows"; kind = "copy-records"; from = "db:book"; to = "db:tag"; key = "id"; }'
made='"CREATE TABLE tag (id int PRIMARY KEY, a int)", "CREATE UNIQUE INDEX k ON tag (a)"'
plan '{ id = "make"; kind = "sql"; store = "db"; up = [ '"$made"', "CREATE INDEX i ON tag (a)" ]; down = [ "DROP TABLE tag" ]; },
'"$copied"
run_is 0 'an index before the rows' "$UPSHIFT" lint "$tmp/plan"
like "$err" "plan:[0-9]+: warning: step 'rows': its rows are sorted into index 'i' of step 'make' one by one" 'is warned of'
is "$(printf '%s\n' "$err" | grep -c sorted)" 1 'and not of one that keeps them apart'
plan '{ id = "make"; kind = "sql"; store = "db"; up = [ '"$made"' ]; down = [ "DROP TABLE tag" ]; },
'"$copied"', { id = "index"; kind = "sql"; store = "db"; up = [ "CREATE INDEX i ON tag (a)" ]; down = [ "DROP INDEX i" ]; needs = [ "rows" ]; }'
run_is 0 'an index behind the rows' "$UPSHIFT" lint "$tmp/plan"
unlike "$err" 'sorted' 'is fine'
for sample in "$top_srcdir"/data/plans/*/*.plan; do
	run "$UPSHIFT" lint "$sample"
	unlike "$err" 'warning' "${sample##*/}: nothing to warn of"
done

# --- there and back ---
plan "$full"
fresh
run_is 9 'a dry run' up --dry-run
like "$out" 'CREATE INDEX CONCURRENTLY' 'shows the statements'
as_before 'and changes nothing'
run_is 0 'a run' up
is "$(pg_sql a -c 'SELECT count(*) FROM tag; SELECT step, done FROM _upshift_step')" '500
full|7' 'is there'
run_is 0 'a rollback' back
as_before 'leaves the schema as it was'
run_is 0 'to the point ahead of it' "$UPSHIFT" rollback R1 --root "$root" --batch --confirm 'roll back to R1'
is "$(pg_sql a -c 'SELECT count(*) FROM tag')" 500 'it is there once more'

# --- what fails ---
plan '{ id = "bad"; kind = "sql"; store = "db"; up = [ "CREATE TABLE tag (id int)", "INSERT INTO tag SELECT 1 / 0" ]; down = [ "DROP TABLE tag" ]; }'
fresh
run_is 1 'a statement that fails' up
like "$err$out" 'statement 2 \(line [0-9]+\): pg:.*: division by zero' 'is named'
as_before 'nothing of it stays'

plan '{ id = "late"; kind = "sql"; store = "db"; up = [ "CREATE TABLE tag (id int)", "ANALYZE", "INSERT INTO tag SELECT count(*) / (SELECT count(*) FROM go) FROM author" ]; down = [ "DROP TABLE tag" ]; }'
fresh
pg_sql a -q -c 'CREATE TABLE go (a int)'
run_is 2 'one behind what runs alone' up
is "$(pg_sql a -c 'SELECT done, begun FROM _upshift_step')" '2|0' 'leaves the pieces before it'
pg_sql a -q -c 'INSERT INTO go VALUES (1)'
run_is 0 'resumed' again
is "$(pg_sql a -c 'SELECT * FROM tag')" 50 'from there'
fresh
pg_sql a -q -c 'CREATE TABLE go (a int)'
dump >"$tmp/before"
run_is 2 'again' up
run_is 0 'or back' back
as_before 'from a part of it'

plan '{ id = "none"; kind = "sql"; store = "db"; up = [ "CREATE TABLE tag (id int)" ]; }'
fresh
run_is 9 'no way back' up --dry-run
like "$out" 'nothing can bring back' 'is said'
run_is 0 'applied' up --confirm none
run_is 66 'and true' back

# --- locks ---
plan '{ id = "lock"; kind = "sql"; store = "db"; lock_timeout = 0.4; up = [ "ALTER TABLE author ADD COLUMN born int" ]; down = [ "ALTER TABLE author DROP COLUMN born" ]; }'
fresh
mkfifo "$tmp/hold"
pg_sql a <"$tmp/hold" >"$tmp/held" 2>&1 &
holder=$!
exec 8>"$tmp/hold"
echo 'BEGIN; SELECT count(*) FROM author;' >&8
until grep -q 50 "$tmp/held" 2>/dev/null; do :; done
up >"$tmp/out" 2>&1 &
runner=$!
until grep -q 'busy, attempt 3' "$tmp/out" || ! kill -0 $runner 2>/dev/null; do :; done
echo 'COMMIT;' >&8
exec 8>&-
wait "$runner"
is $? 0 'a lock that is held is tried for again'
wait "$holder"
like "$(cat "$tmp/out")" 'busy, attempt 2 of 10 in [0-9.]+ s: .*lock timeout, waiting for the lock of upshift \(psql, process [0-9]+\) on author' 'which is told, and whose lock it is'

# --- in plain mode: what it waits for is a line, and not one for each attempt ---
plan '{ id = "lock"; kind = "sql"; store = "db"; lock_timeout = 0.5; up = [ "ALTER TABLE author ADD COLUMN born int" ]; down = [ "ALTER TABLE author DROP COLUMN born" ]; }'
fresh
pg_hold a author
printf '1\n1\n1\n1\n1\n' >"$tmp/keys"
"$UPSHIFT" run "$tmp/plan" --root "$root" --plain <"$tmp/keys" >"$tmp/out" 2>&1 &
runner=$!
until grep -q 'attempt 4' "$root"/.upshift/runs/*/log.jsonl 2>/dev/null || ! kill -0 $runner 2>/dev/null; do :; done
pg_let_go
wait "$runner"
is $? 0 'a lock that is held, in plain mode'
is "$(grep -c '^waiting: the lock of upshift (.*process [0-9]*) on author$' "$tmp/out")" 1 'whose it is, is said once'
is "$(grep -c '^waiting: busy, attempt [0-9]* of 10 in ' "$tmp/out")" 1 'and that it is tried again'

# --- a copy that finds its table locked at once ---
plan '{ id = "copy"; kind = "copy-records"; from = "db:author"; to = "db:other"; key = "id"; }'
fresh
pg_sql a -q -c 'CREATE TABLE other (id int PRIMARY KEY, name text)'
pg_hold a other
up >"$tmp/out" 2>&1 &
runner=$!
until grep -q 'busy, attempt 2 of' "$tmp/out" || ! kill -0 $runner 2>/dev/null; do :; done
pg_let_go
wait "$runner"
is $? 0 'a copy whose table is locked when it begins tries again'
like "$(cat "$tmp/out")" 'busy, attempt 2 of [0-9]+ in .*waiting for the lock of upshift \(.*\) on other' 'and says whom it waits for'
is "$(pg_sql a -c 'SELECT count(*) FROM other')" 50 'then the rows are there'

# --- an index that is invalid ---
plan '{ id = "ix"; kind = "sql"; store = "db"; up = [ "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS one ON book (author)" ]; down = [ "DROP INDEX CONCURRENTLY one" ]; }'
fresh
run_is 2 'an index that cannot be built' up
is "$(pg_sql a -c "SELECT indisvalid FROM pg_index WHERE indexrelid = 'one'::regclass")" f 'is left invalid'
pg_sql a -q -c 'DELETE FROM book WHERE id > 50'
run_is 0 'resumed' again
like "$out$err" "index 'one' is invalid and is built again" 'it is built again'
is "$(pg_sql a -c "SELECT indisvalid FROM pg_index WHERE indexrelid = 'one'::regclass")" t 'and good'

# --- what REINDEX leaves ---
plan '{ id = "re"; kind = "sql"; store = "db"; up = [ "REINDEX INDEX CONCURRENTLY one" ]; down = [ "SELECT 1" ]; }'
fresh
run_is 2 'a REINDEX that is cut short' up
pg_sql a -q -c 'CREATE INDEX one ON book (author)'
pg_sql a -q -c 'CREATE UNIQUE INDEX CONCURRENTLY one_ccnew ON book (author)' 2>/dev/null
pg_sql a -q -c 'CREATE UNIQUE INDEX CONCURRENTLY mine ON book (author)' 2>/dev/null
run_is 0 'resumed' again
is "$(pg_sql a -c "SELECT relname, indisvalid FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = 'book'::regclass AND NOT indisprimary ORDER BY 1")" 'mine|f
one|t' 'what it left is gone, and nothing else'

# --- no DDL in transactions ---
plan "$full"
UPSHIFT_TEST_STORE_CAPS=-tx-ddl
export UPSHIFT_TEST_STORE_CAPS
n=0
points=0
bad=
while :; do
	n=$((n + 23))
	fresh
	UPSHIFT_TEST_FAULT=any:$n:kill up >/dev/null 2>&1
	[ $? = 137 ] || break
	points=$((points + 1))
	again >/dev/null 2>&1
	case $? in
	0) ;;
	66) up >/dev/null 2>&1 ;;
	*) bad="$bad $n" ;;
	esac
	[ "$(pg_sql a -c 'SELECT count(*) FROM tag')" = 500 ] || bad="$bad $n"
	back >/dev/null 2>&1
	dump | cmp -s "$tmp/before" - || bad="$bad $n-back"
done
[ "$points" -gt 3 ]
ok $? "no DDL in transactions: killed at many points ($points)"
is "$bad" '' 'done once each, and back'
plan '{ id = "half"; kind = "sql"; store = "db"; up = [ "CREATE TABLE tag (id int)", "INSERT INTO tag VALUES (1)", "INSERT INTO tag SELECT count(*) / (SELECT count(*) FROM go) FROM author" ]; down = [ "DROP TABLE tag" ]; }'
fresh
pg_sql a -q -c 'CREATE TABLE go (a int)'
run_is 2 'one that fails' up
is "$(pg_sql a -c 'SELECT done, begun FROM _upshift_step')" '2|0' 'leaves those before it, each with its mark'
pg_sql a -q -c 'INSERT INTO go VALUES (1)'
run_is 0 'resumed' again
is "$(pg_sql a -c 'SELECT * FROM tag')" '1
50' 'from there'
unset UPSHIFT_TEST_STORE_CAPS

# --- killed ---
plan "$full"
n=0
points=0
bad=
while :; do
	n=$((n + 9))
	fresh
	UPSHIFT_TEST_FAULT=any:$n:kill up >/dev/null 2>&1
	[ $? = 137 ] || break
	points=$((points + 1))
	again >/dev/null 2>&1
	case $? in
	0) ;;
	66) up >/dev/null 2>&1 ;;
	*) bad="$bad $n" ;;
	esac
	[ "$(pg_sql a -c 'SELECT count(*) FROM tag')" = 500 ] || bad="$bad $n"
	UPSHIFT_TEST_FAULT=any:$n:kill back >/dev/null 2>&1
	back >/dev/null 2>&1
	dump | cmp -s "$tmp/before" - || bad="$bad $n-back"
done
[ "$points" -gt 5 ]
ok $? "killed at many points ($points)"
is "$bad" '' 'done once each, and back'

# --- the server goes ---
plan '{ id = "slow"; kind = "sql"; store = "db"; retries = 7; up = [ "CREATE TABLE tag (id int)", "ANALYZE", "INSERT INTO tag SELECT id FROM author; SELECT pg_sleep(CASE WHEN (SELECT count(*) FROM pg_stat_activity WHERE application_name = '"'go'"') = 0 THEN 30 ELSE 0 END)" ]; down = [ "DROP TABLE tag" ]; }'
fresh
up >"$tmp/out" 2>&1 &
runner=$!
until [ "$(pg_sql a -c "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(CASE%' AND state = 'active'")" = 1 ]; do :; done
pg_stop a QUIT
pg_start a
PGAPPNAME=go pg_sql a -q -c 'SELECT pg_sleep(60)' >/dev/null 2>&1 &
sleeper=$!
wait "$runner"
is $? 0 'a server that is killed and started again'
like "$(cat "$tmp/out")" 'connection lost, attempt 2 of 8' 'is told'
is "$(pg_sql a -c 'SELECT count(*) FROM tag')" 50 'and all is done once'
kill "$sleeper"
pg_stop a
run_is 2 'no server' back
pg_start a
run_is 0 'there again' back
as_before 'back'
done_testing
