#!/bin/sh
# SPDX-License-Identifier: MIT
# Rows copied and filled in by a plan, in PostgreSQL and in SQLite: previewed,
# applied, killed and resumed, refused, rolled back as they were.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
sqlite_need
pg_scene db

# what the user has there; our own tables are no part of it
dump()
{
	for table in src dst other; do
		echo "-- $table"
		sql "SELECT * FROM $table ORDER BY id"
	done
	sql "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND
		tablename NOT LIKE '\_upshift%' ORDER BY 1"
}

new()
{
	rm -rf "$root"
	mkdir -p "$root"
	pg_sql db <<-EOF
		SET client_min_messages = error;
		DROP SCHEMA public CASCADE;
		CREATE SCHEMA public;
		CREATE TABLE src (id bigint PRIMARY KEY, name text, n int);
		CREATE TABLE dst (id bigint PRIMARY KEY, label text NOT NULL
			CHECK (label <> 'BAD'), twice int, at serial);
		CREATE TABLE other (id bigint PRIMARY KEY, v text);
		INSERT INTO src SELECT i, 'row ' || i, i FROM
			generate_series(1, ${1:-2000}) i;
		INSERT INTO other SELECT i, 'o' FROM generate_series(1, 900) i;
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

back()
{
	run_is 0 "$1: rolled back" "$UPSHIFT" rollback start --root "$root" \
		--batch --confirm 'roll back to start'
	dump >"$tmp/after"
	file_is "$tmp/after" "$tmp/before" "$1: as before"
	is "$(sql "SELECT tablename FROM pg_tables WHERE tablename LIKE
		'\_upshift%'")" '' "$1: nothing of ours is left"
}

copy='{ id = "copy"; kind = "copy-records"; from = "pg:src"; to = "pg:dst"; key = "id";
	columns = { id = "id"; label = "upper(name)"; twice = "n * 2"; }; workers = 2;'

# --- into an empty table ---
new
plan "$copy }"
run_is 9 'a dry run' "$UPSHIFT" run "$plan" --root "$root" --dry-run
like "$out" "copy 'src' to 'dst' \\(2,000 rows\\)" 'it says what it would copy'
like "$out" 'label = upper\(name\)' 'and how'
dump >"$tmp/after"
file_is "$tmp/after" "$tmp/before" 'and changes nothing'
is "$(sql "SELECT count(*) FROM pg_tables WHERE tablename LIKE '\_upshift%'")" \
	0 'not even our own tables'
run_is 0 'copied' go
is "$(sql "SELECT count(*), count(DISTINCT id), sum(twice) FROM dst")" \
	'2000|2000|4002000' 'every row once'
is "$(sql "SELECT label FROM dst WHERE id = 77")" 'ROW 77' 'as the columns say'
is "$(sql "SELECT nextval('dst_at_seq') > 2000")" t 'the sequence is behind'
back 'empty'

# --- over rows that are there ---
new
sql "INSERT INTO dst SELECT i, 'old', -i FROM generate_series(1, 3000, 7) i"
dump >"$tmp/before"
plan "$copy on_conflict = \"replace\"; }"
run_is 0 'replaced' go
is "$(sql "SELECT count(*) FROM dst WHERE label = 'old'")" 143 'but for what is not in the source'
back 'replaced'
plan "$copy on_conflict = \"skip\"; }"
run_is 0 'skipped' go
is "$(sql "SELECT count(*) FROM dst WHERE label = 'old'")" 429 'what is there stays'
back 'skipped'
plan "$copy }"
run go
is "$status" 2 'a key that is there twice is refused'
like "$err" "row \\[[0-9]+\\] of 'src': .*duplicate key" 'and it names the row'
back 'refused'

# --- bad rows ---
new
sql "UPDATE src SET name = 'bad' WHERE id IN (1, 999, 1000, 2000)"
dump >"$tmp/before"
plan "$copy bad_records = \"quarantine\"; max_bad = 4; }"
run_is 3 'quarantined: done with a warning' go
like "$out" '4 rows were refused' 'and says so'
is "$(sql "SELECT count(*) FROM dst")" 1996 'all others are there'
is "$(sql "SELECT sqlstate, key FROM _upshift_reject ORDER BY length(key), key" | tr '\n' ' ')" \
	'23514|[1] 23514|[999] 23514|[1000] 23514|[2000] ' 'and where they are'
back 'quarantine'

# --- a query ---
new
plan '{ id = "copy"; kind = "copy-records"; to = "pg:dst"; key = "id";
	from = "pg:SELECT n % 50 AS id, string_agg(name, '"','"' ORDER BY id) AS label FROM src GROUP BY 1"; }'
run_is 0 'a query as source' go
is "$(sql "SELECT count(*), max(length(label)) FROM dst")" '50|339' 'its rows are there'
back 'query'

# --- to SQLite, which comes back as a file ---
new
sqlite3 "$root/b.db" 'CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INT); INSERT INTO t VALUES (-1, NULL, 1)'
cp "$root/b.db" "$tmp/b.db"
plan '{ id = "copy"; kind = "copy-records"; from = "pg:src"; to = "lite:t"; }'
run_is 0 'to SQLite' go
is "$(sqlite3 "$root/b.db" 'SELECT count(*), sum(n) FROM t')" '2001|2001001' 'every row'
back 'to SQLite'
cmp -s "$root/b.db" "$tmp/b.db"
ok $? 'the file is as it was, byte by byte'

# --- a backfill ---
new
plan '{ id = "fill"; kind = "backfill"; set = "pg:other"; key = "id"; batch = 50; undo = true;
	up = "UPDATE other SET v = v || id WHERE ($1::bigint IS NULL OR id > $1) AND id <= $2"; }'
run_is 0 'filled in' go
is "$(sql "SELECT count(*) FROM other WHERE v = 'o' || id")" 900 'each row once'
back 'backfill'
plan '{ id = "fill"; kind = "backfill"; set = "pg:other"; key = "id";
	up = [ "UPDATE other SET v = v || id WHERE ($1::bigint IS NULL OR id > $1) AND id <= $2" ];
	down = [ "UPDATE other SET v = '"'o'"' WHERE ($1::bigint IS NULL OR id > $1) AND id <= $2" ]; }'
run_is 0 'filled in again' go
back 'backfill with statements to go back'

# --- a run that is forgotten takes its tables along ---
new
sql "INSERT INTO dst SELECT i, 'old', -i FROM generate_series(1, 3000, 7) i"
plan "$copy on_conflict = \"replace\"; },
	{ id = \"q\"; kind = \"copy-records\"; to = \"lite:t\"; key = \"id\";
	from = \"pg:SELECT id, name FROM src\"; },
	{ id = \"s\"; kind = \"copy-records\"; from = \"lite:SELECT id, name AS v FROM t WHERE id > 900\"; to = \"pg:other\"; key = \"id\"; }"
sqlite3 "$root/b.db" 'CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)'
run_is 0 'a run to be forgotten' go
is "$(sql "SELECT count(*) FROM pg_tables WHERE tablename LIKE '\_upshift\_undo%' OR tablename LIKE '\_upshift\_q%'")" 3 \
	'it may be undone until then'
sql "INSERT INTO _upshift_range (step, part, pos) VALUES ('b/XXXX/s', 0, '')"
"$UPSHIFT" status --root "$root" --json >"$tmp/status"
id=$(sed 's/.*"run":"\([A-Z0-9]*\)".*/\1/' "$tmp/status")
run_is 0 'forgotten' "$UPSHIFT" forget "$id" --root "$root" --confirm "forget $id"
is "$(sql "SELECT tablename FROM pg_tables WHERE tablename LIKE '\_upshift%'")" \
	'_upshift_range' 'what is of another plan stays'
is "$(sql 'SELECT step FROM _upshift_range')" 'b/XXXX/s' 'with its rows alone'
is "$(sqlite3 "$root/b.db" "SELECT count(*) FROM sqlite_master WHERE name LIKE '%upshift%'")" 0 \
	'nothing is left in the file'

# --- killed at any time, and resumed ---
new 20000
plan "$copy batch = 100; pause = 0.002; }"
n=0
set -- run "$plan"
while [ "$n" -lt 6 ]; do
	n=$((n + 1))
	"$UPSHIFT" "$@" --root "$root" --batch --yes >"$tmp/log" 2>&1 &
	pid=$!
	had=$(sql "SELECT count(*) FROM dst")
	while [ "$(sql "SELECT count(*) > $had FROM dst")" = f ] &&
		kill -0 "$pid" 2>/dev/null; do :; done
	kill -9 "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	set -- resume
done
is "$(sql "SELECT count(*) BETWEEN 1 AND 19999 FROM dst")" t 'killed in the middle'
run_is 0 'resumed' "$UPSHIFT" resume --root "$root" --batch --yes
is "$(sql "SELECT count(*), sum(twice) FROM dst")" '20000|400020000' 'every row once'
back 'killed'

# --- what is not there, and which no step before it makes ---
# missing FROM TO WORDS
missing()
{
	new 10
	plan "{ id = \"c\"; kind = \"copy-records\"; from = \"$1\"; to = \"$2\"; key = \"id\"; }"
	run_is 1 "$1 to $2" "$UPSHIFT" run "$plan" --root "$root" --batch --yes
	like "$err" "$3" 'is told'
	unlike "$out" 'backup: started' 'before the backup is made'
	run_is 1 'and in a dry run' "$UPSHIFT" run "$plan" --root "$root" --dry-run
	like "$err" "$3" 'that tells it'
}
missing pg:srx pg:other "there is no 'srx'"
missing 'pg:\"other\"' pg:dst 'without the quotes of SQL'
missing pg:other pg:otherx "there is no 'otherx'"
missing pg:src pg:other "has no column 'name'"

plan '{ id = "make"; kind = "sql"; store = "pg"; up = [ "CREATE TABLE late (id bigint PRIMARY KEY, v text)" ];
	down = [ "DROP TABLE late" ]; },
	{ id = "c"; kind = "copy-records"; from = "pg:other"; to = "pg:late"; key = "id"; },
	{ id = "d"; kind = "copy-records"; from = "pg:late"; to = "pg:dst"; key = "id"; columns = { id = "id"; label = "v"; }; }'
new 10
run_is 9 'what a step before it makes: dry' "$UPSHIFT" run "$plan" --root "$root" --dry-run
run_is 0 'and made' "$UPSHIFT" run "$plan" --root "$root" --batch --yes
is "$(sql 'SELECT count(*) FROM dst')" 900 'the rows go through it'
back 'both'
done_testing
