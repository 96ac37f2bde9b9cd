#!/bin/sh
# SPDX-License-Identifier: MIT
# What migrations on servers are known to go wrong with: an index that is built
# concurrently, by two; a backfill that never ends while rows come in; a row
# that changes on the way; values that the other store has not.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
root=$tmp/data
plan=$tmp/plan
pg_start db

fresh()
{
	rm -rf "$root" "$tmp/other"
	mkdir "$root" "$tmp/other"
	(echo 'SET client_min_messages = error; DROP SCHEMA public CASCADE;
		CREATE SCHEMA public;'; cat) | pg_sql db
}

plan()
{
	cat >"$plan" <<-END
	plan = 1; name = "a"; to = "2";
	stores = { db = "$(pg_url db)"; ${2-} };
	steps = ( $1 );
	END
}

up()
{
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes "$@"
}

again()
{
	"$UPSHIFT" resume --root "$root" --batch --yes "$@"
}

# --- an index built concurrently, by two at once ---
plan '{ id = "ix"; kind = "sql"; store = "db"; up = [ "CREATE INDEX CONCURRENTLY item_v ON item (v)" ]; down = [ "DROP INDEX CONCURRENTLY item_v" ]; }'
fresh <<END
CREATE TABLE item (id bigint PRIMARY KEY, v text);
INSERT INTO item SELECT i, 'v' || i FROM generate_series(1, 20000) i;
END
"$UPSHIFT" run "$plan" --root "$tmp/other" --batch --yes >"$tmp/said" 2>&1 &
pid=$!
up >"$tmp/out" 2>"$tmp/err"
mine=$?
wait $pid
is "$(printf '%s\n' $mine $? | sort -n | tr '\n' ' ')" '0 75 ' 'one builds it, the other is refused' ||
	diag "$(cat "$tmp/said" "$tmp/err")"
is "$(pg_sql db -c "SELECT count(*), bool_and(indisvalid) FROM pg_index WHERE indrelid = 'item'::regclass")" \
	'2|t' 'and no index is invalid'

# --- filled in while rows come in ---
plan '{ id = "fill"; kind = "backfill"; set = "db:item"; key = "id"; batch = 500; undo = true;
	up = "UPDATE item SET n = length(v) WHERE ($1::bigint IS NULL OR id > $1) AND id <= $2"; }'
fresh <<END
CREATE TABLE item (id bigserial PRIMARY KEY, v text, n int);
INSERT INTO item (v) SELECT 'v' || i FROM generate_series(1, 10000) i;
END
rm -f "$tmp/done"
: >"$tmp/go"
(while [ ! -e "$tmp/done" ]; do
	echo "INSERT INTO item (v) VALUES ('late'); SELECT currval('item_id_seq');"
done) | "$pg_bin/psql" -X -A -t -q -d "$(pg_conn db)" >"$tmp/go" 2>&1 &
pid=$!
until [ "$(wc -l <"$tmp/go")" -gt 20 ]; do :; done
run_is 0 'a backfill while rows come in' up
: >"$tmp/done"
wait $pid
is "$(pg_sql db -c 'SELECT count(*) FROM item WHERE id <= 10000 AND n IS NULL')" 0 \
	'ends by itself, with all rows that were there'
is "$(pg_sql db -c 'SELECT count(*) FROM item')" "$(tail -n 1 "$tmp/go")" 'and those that came'

# --- a row that changes on the way ---
plan '{ id = "rows"; kind = "copy-records"; from = "db:src"; to = "db:dst"; key = "id"; columns: { id = "id"; v = "v"; }; batch = 500; },
  { id = "same"; kind = "records"; copies = [ "rows" ]; level = "standard"; },
  { id = "cut"; kind = "cutover"; store = "db"; needs = [ "same" ]; fence = [ "src" ]; copies = [ "rows" ]; switch = [ "/bin/sh", "-c", "echo new >'$tmp/live'" ]; switch_back = [ "/bin/sh", "-c", "echo old >'$tmp/live'" ]; }'
run_is 0 'a plan that compares before it switches' "$UPSHIFT" lint "$plan"
# wrong STATEMENT WHAT
wrong()
{
	fresh <<-END
	CREATE TABLE src (id bigint PRIMARY KEY, v text);
	CREATE TABLE dst (id bigint PRIMARY KEY, v text);
	INSERT INTO src SELECT i, 'v' || i FROM generate_series(1, 3000) i;
	END
	rm -f "$tmp/live"
	up --stop-after rows >/dev/null 2>&1
	pg_sql db -c "$1"
	run_is 2 "$2: the comparison fails" again
	like "$err" "E-5001 .*rows: $2" "$2: table and key are named"
	[ ! -e "$tmp/live" ]
	ok $? "$2: it is not switched"
}

wrong "UPDATE dst SET v = 'other' WHERE id = 1717" 'different .1717.: v'
wrong 'DELETE FROM dst WHERE id = 1717' 'missing .1717.'
wrong "INSERT INTO dst VALUES (0, 'more')" 'extra .0.'
# --- what the other store has not ---
if ! command -v sqlite3 >/dev/null || ! "$UPSHIFT" --version | grep -qw sqlite; then
	done_testing
	exit
fi
traps()
{
	fresh <<-END
	CREATE SEQUENCE numbers;
	CREATE TABLE traps (id bigserial PRIMARY KEY, t text, flag boolean, d date,
		n int CHECK (n < 100), v varchar(5) NOT NULL,
		made timestamptz NOT NULL DEFAULT now(), extra int NOT NULL DEFAULT nextval('numbers'));
	END
	sqlite3 "$root/old.db" <<-'END'
	CREATE TABLE src (id INTEGER PRIMARY KEY, t TEXT, flag, d TEXT, n, v TEXT);
	INSERT INTO src VALUES (1, 'ok', 0, '1969-12-31', 1, 'abc'),
		(2, 'nul' || char(0) || 'x', 1, '0001-01-01', 2, 'a'),
		(3, CAST(x'ff41' AS TEXT), 't', '2020-02-29', 3, 'a'),
		(4, 'x', 2, '2020-01-01', 4, 'a'), (5, 'y', 1, '', 5, 'a'),
		(6, 'y', 1, NULL, 9223372036854775807, 'a'), (7, 'y', 0, NULL, 7, 'toolong'),
		(8, 'y', 0, NULL, 8, NULL), (9, 'y', 1, NULL, 900, 'a'), (10, 'é☃', 'f', '1901-01-01', 10, 'é☃é☃é');
	WITH RECURSIVE s (i) AS (SELECT 11 UNION ALL SELECT i + 1 FROM s WHERE i < 12000)
		INSERT INTO src SELECT i, 'good', 1, '2026-01-01', 1, 'v' FROM s;
	END
}
more='old = "sqlite:old.db";'
rows='{ id = "rows"; kind = "copy-records"; from = "old:src"; to = "db:traps"; key = "id";
	columns: { id = "id"; t = "t"; flag = "flag"; d = "d"; n = "n"; v = "v"; }; }'
printf '%s\n' "checks = ( { id = \"fits\"; kind = \"records\"; fits = [ \"rows\" ]; } );" >"$tmp/checks"
plan "$rows" "$more"
cat "$tmp/checks" >>"$plan"
traps
run_is 0 'lint' "$UPSHIFT" lint "$plan"
run_is 9 'a dry run' up --dry-run
like "$out" 'not run in a dry run' 'writes nothing'
pg_dumped "$(pg_conn db)" >"$tmp/before"
run_is 1 'rows that do not fit' up
like "$err" "check fits failed: rows: 8 records do not fit into 'traps'; the first: .2.: .*zero byte" 'are counted and named'
for what in '2.: .*zero byte' '3.: .*UTF8' '4.: .*boolean' '5.: .*date' '6.: .*range' \
	'7.: .*varying' '8.: .*null' '9.: .*check constraint'; do
	like "$out" "rows: .$what" "row ${what%%.*}"
done
unlike "$out" 'rows: .(1|10|11).:|backup' 'no other, and before the backup'
pg_dumped "$(pg_conn db)" >"$tmp/after"
file_is "$tmp/after" "$tmp/before" 'nothing is written, no number is taken'
sqlite3 "$root/old.db" 'DELETE FROM src WHERE id BETWEEN 2 AND 9'
run_is 0 'rows that fit' up
like "$out" '11992 records fit' 'so it says'
is "$(pg_sql db -c "SELECT count(*), max(d) FILTER (WHERE id = 1) FROM traps; SELECT nextval('traps_id_seq')")" \
	'11992|1969-12-31
12001' 'and are there, the sequence behind them'

sed 's/kind = "records"; fits = \[ "rows"/kind = "records"; fits = [ "row"/' "$plan" >"$tmp/bad.plan"
run_is 65 'a step that is not there' "$UPSHIFT" lint "$tmp/bad.plan"
like "$err" "'fits': unknown step 'row'" 'is named'

# as a step, behind the one that makes the table
plan '{ id = "made"; kind = "sql"; store = "db"; up = [ "CREATE TABLE two (id int PRIMARY KEY, t varchar(3))" ]; down = [ "DROP TABLE two" ]; },
  { id = "fits"; kind = "records"; fits = [ "copy" ]; needs = [ "made" ]; },
  { id = "copy"; kind = "copy-records"; needs = [ "fits" ]; from = "old:src"; to = "db:two"; key = "id"; columns: { id = "id"; t = "v"; }; }' "$more"
traps
run_is 2 'as a step' up
like "$err" "copy: 2 records do not fit into 'two'" 'they are found before the copy'
is "$(pg_sql db -c 'SELECT count(*) FROM two')" 0 'nothing was copied'
done_testing
