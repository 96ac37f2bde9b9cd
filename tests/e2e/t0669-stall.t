#!/bin/sh
# SPDX-License-Identifier: MIT
# max_stall bounds whatever waits behind the fence: another session holds the
# destination, and the writers go on before it lets go.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/pg.sh"
pg_need
pg_start a
pg_sql a -c 'CREATE DATABASE old' -c 'CREATE DATABASE new'
root=$tmp/data
mkdir "$root"
mkfifo "$tmp/fenced" "$tmp/go"

old()
{
	"$pg_bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$(pg_conn a old)" "$@"
}

new()
{
	"$pg_bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$(pg_conn a new)" "$@"
}

# behind the fence it waits for the test, if that is there
cat >"$tmp/drain" <<TXT
#!/bin/sh
[ -e "$tmp/wait" ] || exit 0
echo >"$tmp/fenced"
read -r _ <"$tmp/go"
TXT
chmod 755 "$tmp/drain"

cat >"$tmp/plan" <<TXT
plan = 1; name = "stall"; title = "Stall"; from = "1"; to = "2";
stores: { old = "$(pg_url a old)"; new = "$(pg_url a new)"; };
steps = (
	{ id = "items"; kind = "copy-records"; from = "old:items"; to = "new:things"; key = "id"; live = true; },
	{ id = "cut"; kind = "cutover"; store = "old"; needs = ["items"]; fence = ["items"];
	  copies = ["items"]; drain = ["$tmp/drain"]; max_stall = 2; } );
TXT

fresh()
{
	rm -rf "$root/.upshift"
	new <<'TXT'
SET client_min_messages = error;
DROP SCHEMA public CASCADE; CREATE SCHEMA public;
CREATE TABLE things (id int PRIMARY KEY, t text);
TXT
	old <<'TXT'
SET client_min_messages = error;
DROP SCHEMA public CASCADE; CREATE SCHEMA public;
CREATE TABLE items (id int PRIMARY KEY, t text);
INSERT INTO items SELECT i, 'item ' || i FROM generate_series(1, 100) i;
TXT
	: >"$tmp/wait"
}

again()
{
	"$UPSHIFT" resume --root "$root" --batch --yes
}

# $2: SQL behind the fence; then somebody has the destination
stalled()
{
	fresh
	"$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes --stop-after items >/dev/null 2>&1
	is $? 6 "$1: copied"
	again >"$tmp/out" 2>"$tmp/err" &
	run=$!
	read -r _ <"$tmp/fenced"
	old -c "INSERT INTO items VALUES (0, 'late')" 2>/dev/null
	[ $? != 0 ]
	ok $? "$1: the fence stands"
	[ -z "$2" ] || old -c "$2"
	mkfifo "$pg_base/in" "$pg_base/out"
	new <"$pg_base/in" >"$pg_base/out" 2>&1 &
	holder=$!
	exec 8>"$pg_base/in" 7<"$pg_base/out"
	echo "BEGIN; LOCK TABLE things; SELECT 'held';" >&8
	read -r _ <&7
	rm "$tmp/wait"
	echo >"$tmp/go"
	wait "$run"
	[ $? != 0 ]
	ok $? "$1: it ends while the destination is held"
	like "$(cat "$tmp/err")" 'held up for more than 2 seconds' "$1: why is told"
	old -c "UPDATE items SET t = 'after' WHERE id = 3; INSERT INTO items VALUES (1000, 'after')"
	ok $? "$1: writers write"
	echo 'ROLLBACK;' >&8
	exec 8>&- 7<&-
	wait "$holder"
	rm -f "$pg_base/in" "$pg_base/out"
	is "$(old -c "SELECT count(*) FROM pg_trigger WHERE tgname = '_upshift_fence'")" \
		0 "$1: no fence is left"
	again >"$tmp/out" 2>"$tmp/err"
	is $? 0 "$1: resumed" || sed 's/^/# /' "$tmp/err"
	old -c 'SELECT * FROM items ORDER BY id' >"$tmp/a"
	new -c 'SELECT * FROM things ORDER BY id' >"$tmp/b"
	cmp -s "$tmp/a" "$tmp/b"
	ok $? "$1: both sides are the same" || diff "$tmp/a" "$tmp/b" | head | sed 's/^/# /'
}

# an entry of the queue, as if it had come in just before the fence
stalled drain "DO 'DECLARE q text; BEGIN SELECT relname INTO q FROM pg_class WHERE relname LIKE ''\\_upshift\\_delta\\_items%'' AND relkind = ''r''; EXECUTE format(''INSERT INTO %I VALUES (DEFAULT, DEFAULT, 5)'', q); END'"
stalled comparison ''
done_testing
