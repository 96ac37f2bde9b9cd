#!/bin/sh
# SPDX-License-Identifier: MIT
# Rows that a step refused: listed, mended in the source or in their file, tried
# again, each once; rolled back with the rest.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
sqlite_need
pg_scene db

dump()
{
	for table in src dst other; do
		echo "-- $table"
		sql "SELECT * FROM $table ORDER BY id"
	done
}

new()
{
	rm -rf "$root"
	mkdir -p "$root"
	pg_sql db <<-EOF
		SET client_min_messages = error;
		DROP SCHEMA public CASCADE;
		CREATE SCHEMA public;
		CREATE TABLE src (id bigint PRIMARY KEY, name text, ok boolean);
		CREATE TABLE dst (id bigint PRIMARY KEY, label text NOT NULL
			CHECK (label <> 'bad'), ok boolean);
		CREATE TABLE other (id bigint PRIMARY KEY, v int CHECK (v < 9));
		INSERT INTO src SELECT i, 'row ' || i, true FROM
			generate_series(1, 2000) i;
		UPDATE src SET name = 'bad' WHERE id IN (1, 999, 1000, 2000);
		INSERT INTO other SELECT i, CASE WHEN i IN (5, 6, 50) THEN 8
			ELSE 1 END FROM generate_series(1, 50) i;
	EOF
	dump >"$tmp/before"
}

plan()
{
	printf 'plan = 1; name = "a"; from = "1"; to = "2";\n
stores = { pg = "pg:${env:PG}"; lite = "sqlite:b.db"; };
steps = (\n%s\n);\n' "$1" >"$plan"
}

go()
{
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes
}

retry()
{
	"$UPSHIFT" retry-rejects "$@" --root "$root"
}

back()
{
	run_is 0 "$1: rolled back" "$UPSHIFT" rollback start --root "$root" \
		--batch --confirm 'roll back to start'
	dump >"$tmp/after"
	file_is "$tmp/after" "$tmp/before" "$1: as before"
}

# the rows that are in the list
listed()
{
	retry copy --list | wc -l
}

copy='{ id = "copy"; kind = "copy-records"; from = "pg:src"; to = "pg:dst"; key = "id";
	columns = { id = "id"; label = "name"; ok = "ok"; };
	bad_records = "quarantine"; workers = 2; }'

# --- mended in the source ---
new
plan "$copy"
run_is 3 'four are refused' go
is "$(listed)" 4 'and listed'
like "$(retry copy --list)" \
	'\{"key":"\[999\]","sqlstate":"23514","message":".*","record":\{"id":999,"label":"bad","ok":true\}\}' \
	'with what was said and the record'
quarantine=$(echo "$root"/.upshift/runs/*/quarantine/copy.jsonl)
is "$(retry copy --list | sort)" "$(sort "$quarantine")" \
	'their file says the same'
run_is 0 'its errors are in the report' "$UPSHIFT" report --root "$root"
like "$out" '\| copy \| bad-row \| 23514 \| dst \| 20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2} \| 4 \|' \
	'by class, SQLSTATE, table and hour'
run_is 0 'the status' "$UPSHIFT" status --root "$root"
like "$out" '^Errors: bad-row 23514 dst 4$' 'has them in short'
is "$("$UPSHIFT" status --root "$root" --json | tr -d ' \n' |
	sed -n 's/.*\("errors":\[[^]]*\]\).*/\1/p')" \
	'"errors":[{"class":"bad-row","sqlstate":"23514","table":"dst","count":4}]' \
	'as JSON, too'
run_is 0 'the record has them, too' "$UPSHIFT" report --root "$root" --completion "$tmp/c.json"
like "$(tr -d ' \n' <"$tmp/c.json")" '"errors":\[\{"step":"copy","class":"bad-row","sqlstate":"23514","table":"dst","hour":"[^"]*","count":4\}\]' \
	'as JSON'
run_is 3 'nothing is mended: all are left' retry copy
is "$(listed)" 4 'and listed still'
sql "UPDATE src SET name = 'good' WHERE id IN (1, 1000)"
run_is 3 'two are mended: two are left' retry copy
like "$out" '2 passed, 0 are not there any more, 2 are left' 'it says so'
is "$(sql "SELECT count(*), sum((label = 'good')::int) FROM dst")" '1998|2' \
	'they are there'
is "$(listed)" 2 'and not in the list'
sql "UPDATE src SET name = 'good' WHERE id = 999; DELETE FROM src WHERE id = 2000"
run_is 0 'one is mended, one deleted: nothing is left' retry copy
like "$out" '1 passed, 1 are not there any more, 0 are left' 'it says so'
like "$out" '\[2000\]: it is not in the source any more' 'and which'
is "$(listed)" 0 'the list is empty'
is "$(wc -c <"$quarantine")" 0 'the file too'
run_is 0 'again: nothing to do' retry copy
run_is 0 'the report' "$UPSHIFT" report --root "$root"
like "$out" '1,999 dst' 'it counts them'
unlike "$out" 'bad-row' 'none is an error any more'
like "$out" '1 passed, 1 are not there any more, 0 are left' 'and tells of it'
run_is 0 'the run is complete as it was' "$UPSHIFT" status --root "$root"
unlike "$out" 'Errors' 'none of them is left'
like "$out" 'complete' 'and says so'
sql "UPDATE src SET name = 'bad' WHERE id IN (1, 999, 1000);
	INSERT INTO src VALUES (2000, 'bad', true)"
back 'mended in the source'

# --- mended in a file ---
new
plan "$copy"
run_is 3 'refused' go
quarantine=$(echo "$root"/.upshift/runs/*/quarantine/copy.jsonl)
sed 's/"label":"bad"/"label":"it is \\"mended\\" \\u00e9"/; /\[2000\]/d' \
	"$quarantine" >"$tmp/mended"
run_is 3 'three of four' retry copy --file "$tmp/mended"
is "$(sql 'SELECT label, count(*) FROM dst WHERE id IN (1, 999, 1000) GROUP BY 1')" \
	'it is "mended" é|3' 'as the file says'
run_is 3 'the same file again' retry copy --file "$tmp/mended"
like "$out" '\[999\]: it was not refused, or went since' 'they went already'
is "$(sql 'SELECT count(*) FROM dst')" 1999 'none went twice'
echo '{"key": "[2000]", "record": {"id": 2000, "label": "bad"}}' >"$tmp/mended"
run_is 64 'a column is missing' retry copy --file "$tmp/mended"
like "$err" "line 1: 'ok' is missing" 'and named'
echo '{"key": "[2000]", "record": {"id": 2000, "label": null, "ok": false}}' >"$tmp/mended"
run_is 3 'refused again' retry copy --file "$tmp/mended"
like "$(retry copy --list)" '"sqlstate":"23502".*"label":null,"ok":false' \
	'the list has the last try'
sed 's/null/"x"/' "$tmp/mended" >"$tmp/mended2"
run_is 0 'mended' retry copy --file "$tmp/mended2" --json
like "$out" '"verb":"retry-rejects","result":"done","exit":0' 'as JSON'
is "$(sql 'SELECT id, label, ok FROM dst WHERE id = 2000')" '2000|x|f' 'as mended'
back 'mended in a file'

# --- over rows that were there, and changed since ---
new
sql "INSERT INTO dst SELECT i, 'old', NULL FROM generate_series(999, 3000, 7) i"
dump >"$tmp/before"
plan "$(echo "$copy" | sed 's/workers/on_conflict = "replace"; workers/')"
run_is 3 'refused over old rows' go
sql "UPDATE src SET name = 'good' WHERE name = 'bad'"
run_is 0 'mended' retry copy
is "$(sql "SELECT count(*) FROM dst WHERE label = 'good'")" 4 'replaced, too'
sql "UPDATE src SET name = 'bad' WHERE name = 'good'"
back 'over old rows'

# --- a backfill ---
new
plan '{ id = "fill"; kind = "backfill"; set = "pg:other"; key = "id"; undo = true;
	bad_records = "quarantine"; batch = 7;
	up = "UPDATE other SET v = v + 1 WHERE ($1::bigint IS NULL OR id > $1) AND id <= $2"; }'
run_is 3 'three rows of a backfill are refused' go
sql "UPDATE other SET v = 3 WHERE id IN (5, 50)"
run_is 64 'they have no file' retry fill --file "$tmp/mended"
run_is 3 'two are mended' retry fill
is "$(sql 'SELECT v, count(*) FROM other GROUP BY 1 ORDER BY 1')" "2|47
4|2
8|1" 'they alone went through it'
sql "UPDATE other SET v = 3 WHERE id = 6"
run_is 0 'the last one' retry fill
is "$(sql 'SELECT sum(v) FROM other')" 106 'once'
run_is 0 'rolled back' "$UPSHIFT" rollback start --root "$root" --batch \
	--confirm 'roll back to start'
is "$(sql 'SELECT v, count(*) FROM other GROUP BY 1 ORDER BY 1')" "1|47
3|3" 'as they were before it'

# --- of a run that is not finished ---
new
plan "$copy, { id = \"check\"; kind = \"sql\"; store = \"pg\";
	up = [ \"ALTER TABLE dst ADD CHECK (length(label) > 4)\",
		\"ALTER TABLE dst ADD COLUMN n int CHECK (n = 1) DEFAULT 1\" ];
	down = [ \"ALTER TABLE dst DROP COLUMN n\",
		\"ALTER TABLE dst DROP CONSTRAINT dst_label_check1\" ]; }"
sql "INSERT INTO dst VALUES (0, 'four', NULL)"
dump >"$tmp/before"
run_is 2 'a step behind it fails' go
sql "UPDATE src SET name = 'mended' WHERE name = 'bad'"
run_is 0 'mended meanwhile' retry copy
run_is 0 'the run waits as before' "$UPSHIFT" status --root "$root"
like "$out" 'State: FAILED' 'and says so'
sql "DELETE FROM dst WHERE id = 0"
run_is 3 'it goes on' "$UPSHIFT" resume --root "$root" --batch --yes
is "$(sql "SELECT count(*), sum((label = 'mended')::int) FROM dst")" '2000|4' \
	'with every row'
sql "UPDATE src SET name = 'bad' WHERE name = 'mended'"
sql "INSERT INTO dst VALUES (0, 'fours', NULL)"
run_is 0 'rolled back' "$UPSHIFT" rollback start --root "$root" --batch \
	--confirm 'roll back to start'
is "$(sql "SELECT id FROM dst")" 0 'but for what others put there'

# --- to SQLite, which comes back as a file ---
new
sqlite3 "$root/b.db" "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT CHECK (name <> 'bad'), ok INT)"
cp "$root/b.db" "$tmp/b.db"
plan '{ id = "copy"; kind = "copy-records"; from = "pg:src"; to = "lite:t"; bad_records = "quarantine"; }'
run_is 3 'to SQLite' go
retry copy --list | sed 's/"bad"/"good"/' >"$tmp/mended"
run_is 0 'mended' retry copy --file "$tmp/mended"
is "$(sqlite3 "$root/b.db" "SELECT count(*), sum(name = 'good'), sum(ok) FROM t")" '2000|4|2000' 'every row'
run_is 0 'rolled back' "$UPSHIFT" rollback start --root "$root" --batch \
	--confirm 'roll back to start'
unlike "$out" 'LOST [1-9]' 'nothing is lost by it'
cmp -s "$root/b.db" "$tmp/b.db"
ok $? 'the file is as it was, byte by byte'
run_is 64 'a step that is not applied' retry copy
like "$err" "step 'copy' is not applied" 'and it says so'

# --- mistakes ---
plan '{ id = "w"; kind = "write"; path = "x"; text = "y"; }'
run_is 0 'a step without records' go
run_is 64 'it keeps none' retry w
run_is 64 'no such step' retry nope
run_is 64 'no step' "$UPSHIFT" retry-rejects --root "$root"
run_is 64 'no file' retry w --file "$tmp/none"
done_testing
