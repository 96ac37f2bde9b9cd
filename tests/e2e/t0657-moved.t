#!/bin/sh
# SPDX-License-Identifier: MIT
# Two tables of one database: it takes the rows itself. What comes of them, what
# is refused and what is told is the same as where they go through the program.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
sqlite_need
root=$tmp/data
plan=$tmp/a.plan
has_pg=
if [ -n "$pg_bin" ] && "$UPSHIFT" --version | grep -qw pg; then
	pg_need
	has_pg=1
	pg_start db log_statement=all
	# another user finds other tables by the same names, so to him the rows go
	# through the program
	PG=$(pg_conn db)
	PG2="$PG options=-csearch_path=public"
	export PG PG2
fi

sql()
{
	pg_sql db -c "$1"
}

lite()
{
	sqlite3 -init /dev/null -batch "$root/a.db" "$1"
}

at()
{
	case $1 in
	lite) lite "$2" ;;
	*) sql "$2" ;;
	esac
}

# plan STORE [COLUMNS] [MORE]: from STORE to another of the same URL, or not
plan()
{
	# shellcheck disable=SC2016 # for the plan
	case $1 in
	lite) stores='old = "sqlite:a.db"; new = "sqlite:a.db"' ;;
	pg) stores='old = "pg:${env:PG}"; new = "pg:${env:PG}"' ;;
	far) stores='old = "pg:${env:PG}"; new = "pg:${env:PG2}"' ;;
	esac
	cat >"$plan" <<-TXT
		plan = 1; name = "a"; from = "1"; to = "2";
		stores: { $stores; };
		steps = ( { id = "c"; kind = "copy-records"; from = "old:src"; to = "new:dst";
			key = "id"; workers = 2; ${2:+columns = { $2 \};} ${3-} } );
	TXT
}

go()
{
	run_is "$1" "$2" "$UPSHIFT" run "$plan" --root "$root" --batch --yes
}

# new STORE SQL...: without a run
new()
{
	rm -rf "$root"
	mkdir "$root"
	if [ "$1" = lite ]; then
		lite "PRAGMA journal_mode = WAL; $2" >"$tmp/said"
	else
		sql "SET client_min_messages = error; DROP SCHEMA public CASCADE;
			CREATE SCHEMA public; $2"
		: >"$pg_base/db.log"
	fi
}

# how often the server was asked to take rows
moved()
{
	grep -c 'INSERT INTO "dst" .* SELECT .* FROM "src"' "$pg_base/db.log"
}

# was_moved STORE NAME
was_moved()
{
	case $1 in
	pg)
		[ "$(moved)" -gt 0 ]
		ok $? "$2: the server took them"
		;;
	far) is "$(moved)" 0 "$2: through the program" ;;
	esac
}

back()
{
	run_is 0 "$1: rolled back" "$UPSHIFT" rollback start --root "$root" --batch \
		--confirm 'roll back to start'
}

# --- every value is what it was ---

if [ -n "$has_pg" ]; then
	rows='SELECT i, i * 1.25, CASE WHEN i % 7 > 0 THEN repeat(chr(228), i % 50) END,
		ARRAY[i, NULL], CASE WHEN i % 2 = 0 THEN $$b$$ ELSE $$a$$ END::mood,
		json_build_object($$a$$, i), i / 3.0::float8, $$2020-01-01$$::timestamptz + i * $$1 s$$::interval,
		decode(md5(i::text), $$hex$$), $$[1,3)$$::int4range FROM generate_series(1, 20000) i'
	cols='n numeric(12,2), t text, a int[], m mood, j json, f float8, w timestamptz, b bytea, r int4range'
	for how in pg far; do
		new $how "CREATE TYPE mood AS ENUM ('a', 'b');
			CREATE TABLE src (id int PRIMARY KEY, $cols); INSERT INTO src $rows;
			CREATE TABLE dst (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, $cols,
				up text GENERATED ALWAYS AS (upper(t)) STORED)"
		plan $how
		go 0 "$how: copied"
		was_moved $how 'all kinds of values'
		is "$(sql "SELECT count(*) FROM (SELECT src::text FROM src EXCEPT ALL
			SELECT (id, n, t, a, m, j, f, w, b, r)::text FROM dst) x")" 0 \
			"$how: every value is what it was"
		is "$(sql 'SELECT count(*) FROM dst')" 20000 "$how: all of them"
		is "$(sql 'SELECT sum(nrows) FROM _upshift_range')" 20000 "$how: so many are counted"
		is "$(sql "SELECT last_value >= 20000 FROM dst_id_seq")" t "$how: the sequence is behind them"
		back $how
		is "$(sql 'SELECT count(*) FROM dst')" 0 "$how: none is left"
	done
fi

# --- rows that are refused, by the destination and by their own expression ---

# poison STORE
poison()
{
	new "$1" "CREATE TABLE src (id int PRIMARY KEY, v int, d int);
		CREATE TABLE dst (id int, v int CHECK (v <> 13), d int NOT NULL);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
		INSERT INTO src SELECT i, CASE WHEN i IN (1, 777, 9000, 9001, 15000, 29999)
			THEN 13 ELSE i % 10 END, CASE WHEN i % 6000 = 0 THEN 0 ELSE 1 END FROM n"
	plan "$1" "id = \"id\"; v = \"v\"; d = \"$2\";" \
		'bad_records = "quarantine"; max_bad = 20; batch = 2000;'
	go 3 "$1: some are refused"
	was_moved "$1" 'those that are not'
	is "$(at "$1" "SELECT key FROM _upshift_reject ORDER BY CAST(replace(replace(replace(key,
		'[', ''), ']', ''), '\"', '') AS int)" | tr -d '[]"' | tr '\n' ' ')" \
		'1 777 6000 9000 9001 12000 15000 18000 24000 29999 30000 ' "$1: these eleven"
	is "$(at "$1" 'SELECT count(*), count(DISTINCT id) FROM dst')" '29989|29989' \
		"$1: the others are there, each once"
	like "$out$err" '11 rows were refused' "$1: told"
	back "$1"
	plan "$1" "id = \"id\"; v = \"v\"; d = \"$2\";" 'where = "id > 1000 AND id < 9500"; batch = 500;'
	sed -i 's/"quarantine"/"stop"/' "$plan"
	rm -rf "$root/.upshift"
	go 2 "$1: one is enough"
	like "$out$err" 'row \["?6000"?\] of .src.|row \["?900[01]"?\] of .src.' "$1: its key is told"
}
poison lite 'nullif(d, 0)'
if [ -n "$has_pg" ]; then
	poison pg 'd / d'
	poison far 'd / d'
fi

# --- what a column of SQLite would make another value of is refused ---

new lite "CREATE TABLE src (id INTEGER PRIMARY KEY, t TEXT, x BLOB);
	CREATE TABLE dst (id INTEGER PRIMARY KEY, t INTEGER, x TEXT);
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)
	INSERT INTO src SELECT i, CASE i WHEN 4000 THEN '0012' WHEN 5000 THEN '12' ELSE 'a' || i END,
		CASE i WHEN 6000 THEN 1.5 WHEN 6001 THEN x'00ff' ELSE 'x' END FROM n"
plan lite '' 'bad_records = "quarantine"; max_bad = 5; batch = 1000;'
go 3 'values for other columns'
is "$(lite 'SELECT key FROM _upshift_reject')" '[4000]' 'the one that would not stay is refused'
is "$(lite "SELECT count(*), sum(typeof(t) = 'text'), sum(typeof(x) = 'text') FROM dst")" \
	'8999|8998|8998' 'the others are there as they were'
is "$(lite 'SELECT quote(t) FROM dst WHERE id = 5000')" 12 'a text that is a number'
is "$(lite 'SELECT quote(x) FROM dst WHERE id >= 6000 ORDER BY id LIMIT 2' | tr '\n' ' ')" \
	"'1.5' X'00FF' " 'a number that is a text, and bytes'

# --- a table whose triggers do something ---

twice='id INTEGER PRIMARY KEY, v int'
new lite "CREATE TABLE src ($twice); CREATE TABLE dst ($twice); CREATE TABLE log (n int);
	CREATE TRIGGER a AFTER INSERT ON dst BEGIN INSERT INTO log VALUES (NEW.v); END;
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
	INSERT INTO src SELECT i, i FROM n"
plan lite
go 0 'SQLite: a trigger'
is "$(lite 'SELECT (SELECT count(*) FROM dst), count(*), sum(n) FROM log')" '5000|5000|12502500' \
	'SQLite: for each row, once'
if [ -n "$has_pg" ]; then
	for how in pg far; do
		new $how "CREATE TABLE src ($twice); CREATE TABLE dst ($twice);
			CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
				'BEGIN IF NEW.v % 1000 = 0 THEN RETURN NULL; END IF; RETURN NEW; END';
			CREATE TRIGGER a BEFORE INSERT ON dst FOR EACH ROW EXECUTE FUNCTION f();
			INSERT INTO src SELECT i, i FROM generate_series(1, 20000) i"
		plan $how '' 'batch = 1500; bad_records = "quarantine"; max_bad = 20;'
		go 3 "$how: a trigger that leaves rows out"
		is "$(sql 'SELECT count(*), count(DISTINCT id) FROM dst')" '19980|19980' "$how: the others"
		is "$(sql 'SELECT count(*) FROM _upshift_reject')" 20 "$how: these are refused"
	done

	# --- what makes it not the same: rules, a key that no index holds ---
	new pg "CREATE TABLE src ($twice); CREATE TABLE dst ($twice);
		CREATE RULE r AS ON INSERT TO dst DO INSTEAD NOTHING;
		INSERT INTO src SELECT i, i FROM generate_series(1, 5000) i"
	plan pg
	go 0 'a rule'
	is "$(moved)" 0 'a rule: through the program'
	is "$(sql 'SELECT count(*) FROM dst')" 5000 'a rule: which knows none'

	new pg "CREATE TABLE src (id int, v int); CREATE TABLE dst (id int, v int);
		CREATE INDEX ON src (id);
		INSERT INTO src SELECT i, i FROM generate_series(1, 5000) i"
	plan pg
	go 0 'a key without an index'
	is "$(moved)" 0 'a key without an index: through the program'

	new pg "CREATE TABLE src ($twice, n numeric); CREATE TABLE dst ($twice, n numeric(9,1));
		INSERT INTO src SELECT i, i, i FROM generate_series(1, 5000) i"
	plan pg
	go 0 'other digits'
	is "$(moved)" 0 'other digits: through the program'

	# --- a table that has rows: what it takes to go back ---

	# others HOW CONFLICT LEFT TOLD: every third row is there, and every other
	# one of those is as it will be; afterwards somebody changes and deletes
	others()
	{
		new "$1" "CREATE TABLE src (id $5, v int, t text);
			CREATE TABLE dst (id int PRIMARY KEY, v int, t text);
			INSERT INTO src SELECT i, i, 'x' FROM generate_series(1, 9000) i;
			CREATE UNIQUE INDEX ON src (id);
			INSERT INTO dst SELECT i, CASE WHEN i % 2 = 0 THEN i ELSE -1 END, 'x'
				FROM generate_series(3, 12000, 3) i"
		[ "$2" != error ] || sql 'DELETE FROM dst WHERE id <= 9000'
		sql 'CREATE TABLE before AS SELECT * FROM dst'
		plan "$1" '' "on_conflict = \"$2\"; batch = 700;"
		go 0 "$1, $2: copied"
		is "$(sql 'SELECT count(*), count(*) FILTER (WHERE v = -1 AND id <= 9000) FROM dst')" \
			"$3" "$1, $2: what is there"
		is "$(sql "SELECT count(*) FROM (SELECT * FROM before WHERE id > 9000 EXCEPT
			SELECT * FROM dst) x")" 0 "$1, $2: rows of others are left alone"
		sql "UPDATE dst SET t = 'y' WHERE id IN (301, 600, 603, 12000);
			DELETE FROM dst WHERE id IN (1, 900)"
		back "$1, $2"
		like "$out$err" "$4" "$1, $2: so many are told"
		# what others did since stays, with what it was done to
		is "$(sql "SELECT count(*) FROM (SELECT id, v, t FROM before EXCEPT SELECT * FROM dst) x")" \
			"$6" "$1, $2: the others are as before"
		is "$(sql "SELECT string_agg(id::text || t, ' ' ORDER BY id) FROM dst WHERE id NOT IN
			(SELECT id FROM before) OR t = 'y'")" "$7" "$1, $2: but for what was changed since"
	}
	for how in pg far; do
		others $how error '10000|0' '8995 rows deleted, 0 put back, 3 kept' int 1 '301y 600y 603y 12000y'
		others $how skip '10000|1500' '5998 rows deleted, 0 put back, 1 kept' int 4 '301y 600y 603y 12000y'
		others $how replace '10000|0' '5998 rows deleted, 1499 put back, 2 kept' int 4 '301y 600y 603y 12000y'
	done
	is "$(moved)" 0 'replaced: through the program'

	# keys that have another order in the source
	others pg replace '10000|0' '5998 rows deleted, 1499 put back, 2 kept' text 4 '301y 600y 603y 12000y'
	others pg error '10000|0' '8995 rows deleted, 0 put back, 3 kept' text 1 '301y 600y 603y 12000y'
fi
done_testing
