#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2119,SC2120
# Tables are copied, drained and swapped for views in one transaction, under the
# hands of clients that write by prepared statements and try nothing again:
# none of them fails, and no row is lost.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/pg.sh"
. "$(dirname "$0")/../lib/writers.sh"
pg_need
pg_start a
root=$tmp/data
mkdir "$root"

fresh()
{
	rm -rf "$root/.upshift" "$tmp"/go.*
	pg_sql a <<'TXT'
SET client_min_messages = error;
DROP SCHEMA IF EXISTS u, _upshift, upshift_old_cut CASCADE;
DROP SCHEMA public CASCADE; CREATE SCHEMA public;
CREATE TABLE item (id bigserial PRIMARY KEY, who int NOT NULL, n int NOT NULL);
INSERT INTO item (who, n) SELECT i, 0 FROM generate_series(1, 1000) i;
CREATE SCHEMA u;
CREATE TABLE u.item (iid bigint PRIMARY KEY, owner int NOT NULL, n int NOT NULL);
TXT
	dump >"$tmp/before"
}

dump()
{
	pg_dumped "$(pg_conn a)" -s
}

# plan [OF CUTOVER [SELECT]]
plan()
{
	cat >"$tmp/plan" <<TXT
plan = 1; name = "app"; title = "App"; from = "1"; to = "2";
stores: { db = "$(pg_url a)"; };
steps = (
  { id = "items"; kind = "copy-records"; from = "db:item"; to = "db:u.item"; key = "iid"; live = true;
    columns = { iid = "id"; owner = "who"; n = "n"; }; },
  { id = "cut"; kind = "cutover"; store = "db"; needs = ["items"]; fence = ["item"]; copies = ["items"]; ${1-}
    views = (
    { name = "item"; defaults = { id = "nextval('item_id_seq')"; };
      select = "${2-SELECT iid AS id, owner AS who, n FROM u.item}";
      insert = "INSERT INTO u.item VALUES (NEW.id, NEW.who, NEW.n)";
      update = "UPDATE u.item SET owner = NEW.who, n = NEW.n WHERE iid = OLD.id";
      delete = "DELETE FROM u.item WHERE iid = OLD.id"; } ); } );
TXT
}

up()
{
	"$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes "$@"
}

again()
{
	"$UPSHIFT" resume --root "$root" --batch --yes "$@"
}

# all that they did is in the new table
moved()
{
	writers_end "$1"
	is "$(pg_sql a -c 'SELECT count(*) - 1000, sum(n) FILTER (WHERE iid <= 4) FROM u.item')" \
		"$written|$written" "$1: no row and no change is lost"
}

plan
fresh
run_is 9 'a dry run' up --dry-run
like "$out" 'writers wait' 'says what becomes of writers'
writers_start
run_is 0 'a copy and a swap under load' up
moved 'swap'
like "$out" 'writers were held up for [0-9.]+ s' 'how long is told'
is "$(pg_sql a -c "SELECT relkind FROM pg_class WHERE oid = 'item'::regclass")" v 'it is a view'
is "$(pg_sql a -c "SELECT count(*) FROM pg_trigger WHERE tgname ~ '^_upshift'")" 0 \
	'nothing is captured any more'
run_is 0 'who uses the views' "$UPSHIFT" report --compat --root "$root"
like "$out" 'item +SELECT +- +- +- +[1-9]' 'readers are counted'
like "$out" 'item +INSERT +upshift +psql +[0-9-]+ +[1-9]' 'writers, too'

# back, however it is done
back()
{
	run_is 0 "$1: a rollback" "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
	told=$out$err
	# with what is kept of carried rows for the way back
	id=$(ls "$root/.upshift/runs")
	run_is 0 "$1: forgotten" "$UPSHIFT" forget "$id" --root "$root" --confirm "forget $id"
	dump >"$tmp/now"
	cmp -s "$tmp/before" "$tmp/now"
	ok $? "$1: the schema is as it was" ||
		diff "$tmp/before" "$tmp/now" | head -20 | sed 's/^/# /'
}
back 'swap'
like "$told" "cut: 'item': [1-9][0-9]* rows carried back" 'swap: what came since is carried back, and told'

# --- what fails takes everything back ---
# nothing of it is left but the copy, and writers write
as_before()
{
	is "$(pg_sql a -c "SELECT relkind FROM pg_class WHERE oid = 'item'::regclass")" r "$1: it is a table"
	pg_sql a -c "UPDATE item SET n = n + 1 WHERE id = 9"
	ok $? "$1: writers write"
}

plan '' 'SELECT iid AS id, owner AS who, nothing FROM u.item'
fresh
run_is 2 'views that cannot be' up
like "$err" 'nothing' 'is told'
as_before 'views that cannot be'
plan 'equal = [ "db:SELECT 1", "db:SELECT 2" ];'
fresh
run_is 2 'what is not equal' up
like "$err" "gave '1', .* gave '2'" 'is told'
as_before 'what is not equal'
plan 'max_stall = 1; equal = [ "db:SELECT pg_sleep(60)", "db:SELECT pg_sleep(0)" ];'
fresh
run_is 2 'what takes too long' up
like "$err" 'held up for more than 1 second' 'is told'
as_before 'what takes too long'

# somebody reads for long: others do not queue up behind us for long
plan 'lock_timeout = 0.2; retries = 2;'
fresh
up --stop-after items >/dev/null 2>&1
pg_hold a item 'ACCESS SHARE'
run_is 2 'a reader that does not end' again
as_before 'a reader'
pg_let_go
run_is 0 'the reader is gone' again
is "$(pg_sql a -c 'SELECT n FROM u.item WHERE iid = 9')" 1 'and all is there'
back 'a reader'

# --- plans that cannot wait ---
plan 'writers = "wait"; verify = [ "true" ];'
run_is 65 'a command under a lock' "$UPSHIFT" lint "$tmp/plan"
like "$out$err" 'writers cannot wait: a command' 'is told'
plan 'verify = [ "true" ];'
fresh
run_is 9 'a dry run' up --dry-run
like "$out" 'writers get an error.*a command would wait' 'says what becomes of writers'
run_is 0 'views behind a fence' up
is "$(pg_sql a -c "SELECT relkind FROM pg_class WHERE oid = 'item'::regclass")" v 'fence: it is a view'
pg_sql a -c "UPDATE item SET n = n + 1 WHERE id = 9"
ok $? 'fence: writers write'
is "$(pg_sql a -c 'SELECT n FROM u.item WHERE iid = 9')" 1 'fence: the new table'
back 'fence'

# --- the answer to one COMMIT after the other is lost ---
plan
sed -i "s|pg:[^\"]*|pg:$(pg_proxy_conn a)|" "$tmp/plan"
bad=
n=1
while :; do
	fresh
	pg_proxy a commit swallow 999 1
	up --stop-after items >/dev/null 2>&1
	pg_proxy a commit swallow $n 1
	again >"$tmp/out" 2>&1 || bad="$bad $n"
	[ "$(pg_cuts a)" -gt 0 ] || break
	[ "$(pg_sql a -c "SELECT relkind, (SELECT count(*) FROM u.item) FROM pg_class WHERE oid = 'item'::regclass")" = 'v|1000' ] ||
		bad="$bad $n-lost"
	n=$((n + 1))
done
pg_proxy_stop a
is "$bad" '' "each of $n answers to COMMIT was lost"
[ $n -gt 2 ]
ok $? 'there were some'

# --- killed anywhere ---
plan
bad=
kills=0
n=3
while :; do
	fresh
	up --stop-after items >/dev/null 2>&1
	UPSHIFT_TEST_FAULT=any:$n:kill again >/dev/null 2>&1
	[ $? = 137 ] || break
	kills=$((kills + 1))
	# it happened, or it did not: writers write in any case
	pg_sql a -c "UPDATE item SET n = n + 1 WHERE id = 9" || bad="$bad $n-write"
	again >/dev/null 2>"$tmp/err" || bad="$bad $n"
	[ "$(pg_sql a -c "SELECT relkind, (SELECT n FROM u.item WHERE iid = 9) FROM pg_class WHERE oid = 'item'::regclass")" = 'v|1' ] || bad="$bad $n-lost"
	[ "$(pg_sql a -c "SELECT count(*) FROM pg_trigger WHERE tgname ~ '^_upshift'")" = 0 ] || bad="$bad $n-trigger"
	n=$((n + 9))
done
is "$bad" '' "killed $kills times and resumed"
[ $kills -gt 2 ]
ok $? 'often enough'
done_testing
