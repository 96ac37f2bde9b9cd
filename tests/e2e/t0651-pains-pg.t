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
done_testing
