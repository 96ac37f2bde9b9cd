#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2119,SC2120
# A switch behind a fence: writers are turned away, and what fails or is killed
# leaves everything as it was.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/pg.sh"
pg_need
pg_start a
root=$tmp/data
mkdir "$root"

# script NAME: stdin into a command of the plan's
script()
{
	{
		printf '#!/bin/sh\n'
		cat
	} >"$tmp/$1"
	chmod 755 "$tmp/$1"
}

psql="$pg_bin/psql -X -q -A -t -d '$(pg_conn a)'"
script drain <<TXT
echo "drain" >>"$tmp/diary"
$psql -v VERBOSITY=sqlstate -c 'INSERT INTO old VALUES (77)' 2>>"$tmp/diary"
$psql -c 'INSERT INTO new SELECT * FROM old EXCEPT SELECT * FROM new'
[ ! -e "$tmp/die" ] || { rm "$tmp/die"; kill -9 \$PPID; sleep 1; }
TXT
script tell <<TXT
cat >>"$tmp/told"
TXT
script verify <<TXT
[ ! -e "$tmp/wrong" ]
TXT
script switch <<TXT
echo "\$1" >"$tmp/live"
[ "\$1" != new ] || [ ! -e "$tmp/stuck" ] || exit 9
[ "\$1" != new ] || [ ! -e "$tmp/die2" ] || { rm "$tmp/die2"; kill -9 \$PPID; sleep 1; }
TXT

# plan [MORE]
plan()
{
	cat >"$tmp/plan" <<TXT
plan = 1; name = "app"; title = "App"; from = "1"; to = "2";
stores: { db = "$(pg_url a)"; };
${tell-}
steps = ( { id = "cut"; kind = "cutover"; store = "db"; fence = ["old", "side"];
	drain = ["$tmp/drain"]; verify = ["$tmp/verify"];
	equal = ["db:SELECT count(*), 'a' FROM old", "db:SELECT count(*) FROM new"];
	switch = ["$tmp/switch", "new"]; switch_back = ["$tmp/switch", "old"]; ${1-} } );
TXT
}

fresh()
{
	rm -rf "$root/.upshift" "$tmp/diary" "$tmp/die" "$tmp/die2" "$tmp/wrong" "$tmp/stuck"
	echo old >"$tmp/live"
	pg_sql a <<'TXT'
SET client_min_messages = error;
DROP SCHEMA public CASCADE; CREATE SCHEMA public;
CREATE TABLE old (a int); CREATE TABLE new (a int); CREATE TABLE side (a int);
INSERT INTO old SELECT generate_series(1, 100); INSERT INTO new SELECT generate_series(1, 90);
TXT
	dump >"$tmp/before"
}

dump()
{
	pg_dumped "$(pg_conn a)" -s
}

up()
{
	"$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes "$@"
}

again()
{
	"$UPSHIFT" resume --root "$root" --batch --yes "$@"
}

# writers may write again, and no trace is left
open_again()
{
	dump >"$tmp/now"
	cmp -s "$tmp/before" "$tmp/now"
	ok $? "$1: the schema is as it was" ||
		diff "$tmp/before" "$tmp/now" | head -20 | sed 's/^/# /'
	pg_sql a -c 'BEGIN; INSERT INTO old VALUES (0); ROLLBACK' 2>&1
	ok $? "$1: writers write"
}

tell="notify = ( { on = [\"cutover\"]; run = [\"$tmp/tell\"]; } );"
plan
fresh
run_is 9 'a dry run' up --dry-run
[ ! -e "$tmp/diary" ]
ok $? 'runs nothing'
[ ! -e "$tmp/told" ]
ok $? 'and tells nobody'
run_is 0 'a cutover' up
like "$(cat "$tmp/told")" '"event":"cutover".*"step":"cut"' 'those who should know do'
is "$(wc -l <"$tmp/told")" 1 'once'
like "$(cat "$tmp/diary")" '25006' 'writers are turned away meanwhile'
like "$out" 'writers were held up for [0-9.]+ s' 'how long is told'
is "$(cat "$tmp/live")" new 'switched'
open_again 'behind it'
is "$(pg_sql a -c 'SELECT count(*) FROM old; SELECT count(*) FROM new')" '100
100' 'all has arrived, and nothing else'
run_is 0 'a rollback' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
is "$(cat "$tmp/live")" old 'switched back'

fresh
: >"$tmp/wrong"
rm "$tmp/told"
run_is 1 'a verification that fails' up
[ ! -e "$tmp/told" ]
ok $? 'no cutover, no message'
tell=
is "$(cat "$tmp/live")" old 'nothing is switched'
open_again 'then'
rm "$tmp/wrong"
run_is 0 'resumed' again
is "$(cat "$tmp/live")" new 'it is'

fresh
: >"$tmp/stuck"
run_is 1 'a switch that fails' up
like "$err" "switch' ended with status 9" 'is named'
is "$(cat "$tmp/live")" old 'it is taken back'
open_again 'then'

fresh
pg_sql a -c 'INSERT INTO new VALUES (1000)'
run_is 1 'what is not equal' up
like "$err" "gave '100', .* gave '101'" 'is told'
open_again 'then'

plan 'max_stall = 0.01;'
fresh
run_is 1 'what takes too long' up
open_again 'then'

plan 'keep = true;'
fresh
run_is 0 'a fence that stays' up
pg_sql a -c 'INSERT INTO old VALUES (0)' 2>/dev/null
[ $? != 0 ]
ok $? 'nobody writes the old tables'
run_is 0 'a rollback' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
open_again 'then'

plan
fresh
: >"$tmp/die"
up >/dev/null 2>&1
is $? 137 'killed behind the fence'
run "$UPSHIFT" status --root "$root"
like "$out" "nobody can write 'old', 'side' \\(step 1\\)" 'status says who cannot write'
like "$("$UPSHIFT" status --root "$root" --json)" '"fenced":\["old","side"\]' 'as JSON, too'
pg_sql a -c 'INSERT INTO old VALUES (0)' 2>/dev/null
[ $? != 0 ]
ok $? 'and so it is'
run_is 0 'resumed' again
is "$(cat "$tmp/live")" new 'it is switched'
open_again 'then'
run "$UPSHIFT" status --root "$root"
like "$out" 'upgraded, verified [|]' 'status says nothing of writers'
fresh
: >"$tmp/die"
up >/dev/null 2>&1
is $? 137 'killed behind the fence'
run_is 0 'rolled back' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
is "$(cat "$tmp/live")" old 'nothing is switched'
open_again 'then'
fresh
: >"$tmp/die2"
up >/dev/null 2>&1
is $? 137 'killed in the switch'
run_is 0 'rolled back' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
is "$(cat "$tmp/live")" old 'it is as it was'
open_again 'then'
fresh
bad=
n=0
while :; do
	n=$((n + 6))
	fresh
	UPSHIFT_TEST_FAULT=any:$n:kill up >/dev/null 2>&1
	[ $? = 137 ] || break
	again >/dev/null 2>&1
	[ $? != 66 ] || up >/dev/null 2>&1
	[ "$(cat "$tmp/live")" = new ] || bad="$bad $n"
	dump | cmp -s "$tmp/before" - || bad="$bad $n-fence"
done
is "$bad" '' 'killed anywhere and resumed'
done_testing
