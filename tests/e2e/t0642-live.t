#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2119,SC2120
# Copies of tables that an application goes on writing, up to the fence: both
# sides are the same then, no transaction that was acknowledged is missing, and
# nothing of ours stays in the old database.
#
# UPSHIFT_TEST_KILLS: killed so often at random instants, and nothing else;
# UPSHIFT_TEST_ROWS: with so many rows; UPSHIFT_TEST_PAUSE: ms that a writer
# rests in a transaction.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/pg.sh"
pg_need
stores_need sqlite
pg_start a
pg_sql a -c 'CREATE DATABASE old' -c 'CREATE DATABASE new'
root=$tmp/data
mkdir "$root"
rows=3000

old()
{
	"$pg_bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$(pg_conn a old)" "$@"
}

new()
{
	"$pg_bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$(pg_conn a new)" "$@"
}

# plan [OF ITEMS [OF CUTOVER [LAST STEPS]]]
plan()
{
	cat >"$tmp/plan" <<TXT
plan = 1; name = "live"; title = "Live"; from = "1"; to = "2";
stores: { old = "$(pg_url a old)"; new = "$(pg_url a new)"; };
defaults: { workers = 2; ${batch-batch = 100;} };
steps = (
	{ id = "schema"; kind = "sql"; store = "new";
	  up = [ "CREATE TABLE things (key uuid PRIMARY KEY, number bigint, name text UNIQUE, more jsonb)",
		 "CREATE TABLE pairs (a bigint, b text, note text, PRIMARY KEY (a, b))",
		 "CREATE TABLE said (w int PRIMARY KEY, n bigint)" ];
	  down = [ "DROP TABLE said, pairs, things" ]; },
	{ id = "items"; kind = "copy-records"; needs = ["schema"];
	  from = "old:app.items"; to = "new:things"; key = "key"; live = true;
	  where = "NOT hidden"; ${1-}
	  columns = { key = "('00000000-0000-4000-8000-' || lpad(to_hex(id), 12, '0'))::uuid";
		number = "id"; name = "name"; more = "jsonb_build_object('v', v)"; }; },
	{ id = "links"; kind = "copy-records"; needs = ["items"];
	  from = "old:links"; to = "new:pairs"; key = ["a", "b"]; live = true;
	  columns = { a = "item"; b = "tag"; note = "note"; }; },
	{ id = "tie"; kind = "sql"; store = "new"; needs = ["links"];
	  up = [ "ALTER TABLE things ADD UNIQUE (number)",
		 "ALTER TABLE pairs ADD CONSTRAINT pairs_a_fkey FOREIGN KEY (a) REFERENCES things (number) ON DELETE CASCADE NOT VALID",
		 "ALTER TABLE pairs VALIDATE CONSTRAINT pairs_a_fkey" ];
	  down = [ "ALTER TABLE things DROP CONSTRAINT things_number_key", "ALTER TABLE pairs DROP CONSTRAINT pairs_a_fkey" ]; },
	{ id = "said"; kind = "copy-records"; needs = ["schema"];
	  from = "old:said"; to = "new:said"; live = true; },
	{ id = "cut"; kind = "cutover"; store = "old"; needs = ["tie", "said"];
	  fence = ["app.items", "links", "said"]; copies = ["items", "links", "said"];
	  keep = true; max_stall = "5m"; ${2-} } ${3-} );
TXT
}

# hidden rows have no links, and links go with their items
fresh()
{
	rm -rf "$root/.upshift"
	new <<'TXT'
SET client_min_messages = error;
DROP SCHEMA public CASCADE; CREATE SCHEMA public;
TXT
	old <<TXT
SET client_min_messages = error;
DROP SCHEMA IF EXISTS app CASCADE; DROP SCHEMA public CASCADE;
CREATE SCHEMA public; CREATE SCHEMA app;
CREATE TABLE app.items (id bigint PRIMARY KEY, name text UNIQUE, v int, hidden boolean NOT NULL DEFAULT false);
CREATE TABLE links (item bigint REFERENCES app.items ON DELETE CASCADE ON UPDATE CASCADE, tag text, note text, PRIMARY KEY (item, tag));
CREATE TABLE said (w int PRIMARY KEY, n bigint);
INSERT INTO app.items SELECT i, 'name ' || i, i % 7, i % 13 = 0 FROM generate_series(1, $rows) i;
INSERT INTO links SELECT id, 'tag ' || t, 'x' FROM app.items, generate_series(1, 2) t WHERE NOT hidden;
INSERT INTO said SELECT w, 0 FROM generate_series(1, 3) w;
TXT
	traces >"$tmp/before"
}

# the schema of the old database but for the lease
traces()
{
	pg_dumped "$(pg_conn a old)" -s
}

# the application: each of three has rows of its own, and says how far it is
writer()
{
	awk -v w="$1" -v rows=$rows -v ms="${UPSHIFT_TEST_PAUSE-0}" 'BEGIN {
		srand(w)
		for (i = 1;; i++) {
			id = int(rand() * int(rows / 3)) * 3 + w
			print "BEGIN;"
			r = int(rand() * 7)
			if (r == 0)
				printf "INSERT INTO app.items VALUES (%d, %cw%d-%d%c, 1) ON CONFLICT (id) DO UPDATE SET v = excluded.v + 1, hidden = false;\n", id + rows, 39, w, i, 39
			else if (r == 1)
				printf "DELETE FROM app.items WHERE id = %d;\n", id
			else if (r == 2)
				printf "UPDATE app.items SET id = id + %d WHERE id = %d AND NOT EXISTS (SELECT FROM app.items x WHERE x.id = %d);\n", 33 * rows, id, id + 33 * rows
			else if (r == 3)
				printf "DELETE FROM links WHERE item = %d; UPDATE app.items SET hidden = NOT hidden WHERE id = %d;\n", id, id
			else if (r == 4)
				printf "INSERT INTO links SELECT id, %ct%d%c, %cnew%c FROM app.items WHERE id = %d AND NOT hidden ON CONFLICT DO NOTHING;\n", 39, i, 39, 39, 39, id
			else if (r == 5)
				printf "UPDATE app.items a SET name = name || %c~%c WHERE id = %d; UPDATE app.items SET name = %cw%d=%d%c WHERE id = %d;\n", 39, 39, id, 39, w, i, 39, id + 3
			else
				printf "UPDATE app.items SET v = v + 1 WHERE id BETWEEN %d AND %d AND id %% 3 = %d %% 3;\n", id, id + 60, w
			if (ms > 0)
				printf "SELECT FROM pg_sleep(%d / 1000.0);\n", ms
			printf "UPDATE said SET n = %d WHERE w = %d;\n", i, w
			print(rand() < 0.1 ? "ROLLBACK;\n" : "COMMIT;\n\\echo " i)
		}
	}' | old -v VERBOSITY=sqlstate >"$tmp/said.$1" 2>"$tmp/told.$1"
}

writers=
start_writers()
{
	writers=
	for w in 1 2 3; do
		writer $w &
		writers="$writers $!"
	done
}

# they end at the fence by themselves
wait_writers()
{
	for pid in $writers; do
		# without a fence they would go on
		[ "${1-0}" = 0 ] || kill "$pid"
		wait "$pid"
	done
	writers=
}

up()
{
	"$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes "$@"
}

again()
{
	"$UPSHIFT" resume --root "$root" --batch --yes "$@"
}

# both sides, and what was said last
same()
{
	old >"$tmp/a" <<'TXT'
SELECT 'item', id, name, v FROM app.items WHERE NOT hidden ORDER BY id;
SELECT * FROM links ORDER BY item, tag;
SELECT * FROM said ORDER BY w;
TXT
	new >"$tmp/b" <<'TXT'
SELECT 'item', number, name, more->>'v' FROM things ORDER BY number;
SELECT * FROM pairs ORDER BY a, b;
SELECT * FROM said ORDER BY w;
TXT
	cmp -s "$tmp/a" "$tmp/b"
	ok $? "$1: both sides are the same" ||
		diff "$tmp/a" "$tmp/b" | head -20 | sed 's/^/# /'
	said=
	for w in 1 2 3; do
		[ "$(tail -n 1 "$tmp/said.$w")" = \
			"$(new -c "SELECT n FROM said WHERE w = $w")" ] ||
			said="$said $w"
		grep -q '25006' "$tmp/told.$w" || said="$said $w-fence"
		[ "$(wc -l <"$tmp/told.$w")" = 1 ] || said="$said $w-failed"
	done
	is "$said" '' "$1: nothing acknowledged is missing, nothing failed but at the fence"
}

# only the fence, and then not even that
no_traces()
{
	traces >"$tmp/now"
	cmp -s "$tmp/before" "$tmp/now"
	ok $? "$1: nothing of ours is in the old database" ||
		diff "$tmp/before" "$tmp/now" | head -20 | sed 's/^/# /'
}

# --- killed at random instants, when somebody asks for it ---
if [ -n "${UPSHIFT_TEST_KILLS-}" ]; then
	command -v python3 >/dev/null || skip_all 'no python3'
	rows=${UPSHIFT_TEST_ROWS:-3000}
	batch=
	plan
	fresh
	start_writers
	run python3 "$top_srcdir/tests/lib/killer.py" "$UPSHIFT_TEST_KILLS" \
		"$tmp/killer" "$root" "$tmp/plan"
	# shellcheck disable=SC2086 # words
	set -- $out
	is "$1" 0 "killed $2 times, and through" || diag "$out"
	wait_writers "$1"
	[ "$2" -ge $((UPSHIFT_TEST_KILLS * 3 / 4)) ]
	ok $? 'often enough'
	[ "$3" -lt 131072 ]
	ok $? "memory"
	diag "$3 KiB at most; $(new -c 'SELECT count(*) FROM things') things, $(cat "$tmp"/said.? | wc -l) transactions; $(grep -o 'held up for .*' "$tmp/killer.said")"
	same 'then'
	run_is 0 'a rollback' "$UPSHIFT" rollback --root "$root" --batch \
		--confirm 'roll back to start'
	no_traces 'then'
	done_testing
	exit
fi

# --- what a plan cannot say ---
plan 'on_conflict = "skip";'
run_is 65 'live and skip' "$UPSHIFT" lint "$tmp/plan"
like "$out$err" "'live' and 'on_conflict" 'is told'
plan
sed -i 's/copies = \["items", /copies = [/' "$tmp/plan"
run_is 65 'a capture that nobody ends' "$UPSHIFT" lint "$tmp/plan"
like "$out$err" "step 'items': 'live', but no cutover" 'is told'
plan
sed -i 's/fence = \["app.items", /fence = [/' "$tmp/plan"
run_is 65 'a table that is written behind the fence' "$UPSHIFT" lint "$tmp/plan"
like "$out$err" "'app.items' is copied by 'items' and not in the fence" 'is told'
cat >"$tmp/plan" <<TXT
plan = 1; name = "live"; to = "2"; root = "$root";
stores: { old = "jsonl:old.jsonl"; new = "sqlite:new.db"; };
steps = ( { id = "items"; kind = "copy-records"; from = "old"; to = "new:t"; key = "id"; live = true; } );
TXT
run_is 65 'a file of records' "$UPSHIFT" lint "$tmp/plan"
like "$out$err" 'from a database to a database' 'is told'

# --- under an application that writes ---
plan
fresh
run_is 9 'a dry run' up --dry-run
no_traces 'it'
start_writers
run_is 0 'a copy and a cutover' up
wait_writers
like "$out" 'changes drained' 'how much came in is told'
like "$out" 'writers were held up for [0-9.]+ s' 'how long is told'
same 'then'
is "$(old -c "SELECT count(*) FROM pg_trigger WHERE tgname ~ '^_upshift_delta'")" \
	0 'nothing is captured any more'
run_is 0 'a rollback' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
no_traces 'then'
is "$(new -c "SELECT count(*) FROM pg_class WHERE relname ~ '^_upshift_(delta|undo)'")" \
	0 'nor in the new one'

# --- stopped on the way, and back however it is done ---
for strategy in schema backup incremental; do
	plan
	fresh
	up --stop-after items >/dev/null 2>&1
	is $? 6 "$strategy: stopped behind a copy"
	like "$("$UPSHIFT" doctor --store "$(pg_url a old)")" \
		'trigger "?_upshift_delta_items_[^ ]* on app.items' 'doctor shows the capture'
	old -c "UPDATE app.items SET v = 9 WHERE id = 1; DELETE FROM app.items WHERE id = 2"
	run_is 0 "$strategy: a rollback" "$UPSHIFT" rollback --root "$root" --batch \
		--strategy $strategy --confirm 'roll back to start'
	no_traces "$strategy"
done

# --- taken back, and gone on with: what others wrote meanwhile is told ---
plan
fresh
run_is 0 'all of it' up
new -c "UPDATE things SET name = 'theirs' WHERE number = 5;
	INSERT INTO things VALUES ('00000000-0000-4000-8000-0000000dbba1', 900001, 'of others', '{}')"
run_is 0 'the cutover is taken back' "$UPSHIFT" rollback CP5 --root "$root" \
	--batch --confirm 'roll back to CP5'
is "$(new -c "SELECT count(*) FROM things WHERE name IN ('theirs', 'of others')")" \
	2 'what others wrote is there'
old -c "INSERT INTO app.items VALUES (5000, 'late', 1)"
run_is 3 'going on is done, and a warning' again
like "$out$err" "2 rows of 'things' were not as in the source" 'rows of others are told'
is "$(new -c "SELECT string_agg(name, '|' ORDER BY number) FROM things WHERE number IN (5, 5000, 900001)")" \
	'name 5|late' 'both sides are the same'
tar --zstd -xOf "$root"/.upshift/runs/*/backup/R1.stores.tar.zst >"$tmp/point" 2>/dev/null
is "$(grep -c -e 'theirs' -e 'of others' "$tmp/point")" 2 \
	'the point of the rollback has what they wrote'
run_is 0 'a rollback' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'

# --- rows that have what was another's are not looked for one by one ---
plan
fresh
up --stop-after items >/dev/null 2>&1
is $? 6 'stopped behind a copy'
new -c "CREATE SEQUENCE tries;
	CREATE FUNCTION try() RETURNS trigger LANGUAGE plpgsql AS
		'BEGIN PERFORM nextval(''tries''); RETURN new; END';
	CREATE TRIGGER try BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION try()"
old -c "UPDATE app.items SET id = id + 100000 WHERE id > 1000"
run_is 0 'rows under new keys' again
is "$(new -c "SELECT count(*) FROM things WHERE number > 100000")" 1846 'are there'
tries=$(new -c "SELECT last_value FROM tries")
[ "$tries" -lt 2500 ]
ok $? "after $tries tries"
run_is 0 'a rollback' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'

# --- copies without triggers: both sides are made the same behind the fence ---
cat >"$tmp/plan" <<TXT
plan = 1; name = "repair"; title = "Repair"; from = "1"; to = "2";
stores: { old = "$(pg_url a old)"; new = "$(pg_url a new)"; };
steps = (
	{ id = "schema"; kind = "sql"; store = "new";
	  up = [ "CREATE TABLE notes (id serial PRIMARY KEY, t text)" ]; down = [ "DROP TABLE notes" ]; },
	{ id = "notes"; kind = "copy-records"; needs = ["schema"]; from = "old:notes"; to = "new:notes"; key = "id"; },
	{ id = "cut"; kind = "cutover"; store = "old"; needs = ["notes"]; fence = ["notes"];
	  copies = ["notes"]; level = "forensic"; } );
TXT
fresh
old -c "CREATE TABLE notes (id serial PRIMARY KEY, t text); INSERT INTO notes (t) SELECT 'n' || i FROM generate_series(1, 500) i"
traces >"$tmp/before"
up --stop-after notes >/dev/null 2>&1
is $? 6 'stopped behind a copy that is not live'
old -c "DELETE FROM notes WHERE id = 7; UPDATE notes SET t = 'changed' WHERE id = 8; INSERT INTO notes (t) VALUES ('late')"
run_is 0 'the cutover' again
is "$(new -c 'SELECT count(*), max(id), max(t) FILTER (WHERE id = 8) FROM notes')" \
	'500|501|changed' 'has made both sides the same'
is "$(new -c "INSERT INTO notes (t) VALUES ('new') RETURNING id")" 502 \
	'numbers go on behind the last row'
no_traces 'then'
run_is 0 'a rollback' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
is "$(old -c 'SELECT t FROM notes WHERE id = 502')" new 'what was written since is carried back'
id=$(ls "$root/.upshift/runs")
run_is 0 'forgotten' "$UPSHIFT" forget "$id" --root "$root" --confirm "forget $id"
old -c 'DELETE FROM notes WHERE id = 502'
no_traces 'and then'

# --- killed, again and again ---
plan
fresh
start_writers
n=2
kills=0
st=137
while [ $st = 137 ]; do
	UPSHIFT_TEST_FAULT=any:$n:kill again >/dev/null 2>"$tmp/err"
	st=$?
	if [ $st = 66 ]; then
		UPSHIFT_TEST_FAULT=any:$n:kill up >/dev/null 2>"$tmp/err"
		st=$?
	fi
	[ $st != 137 ] || kills=$((kills + 1))
	n=$((n + 16))
done
is "$st" 0 "killed $kills times and resumed" || sed 's/^/# /' "$tmp/err"
[ $kills -gt 2 ]
ok $? 'often enough'
wait_writers "$st"
same 'then'
done_testing
