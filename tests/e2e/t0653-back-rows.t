#!/bin/sh
# SPDX-License-Identifier: MIT
# The way back of many rows in a server: all at once where nobody else wrote,
# by an index where somebody did, and by parts of the undo table that know where
# they end in the set. What others wrote stays, whichever way it is.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
pg_start db log_statement=all
root=$tmp/data
mkdir "$root"
log=$pg_base/db.log
pg_sql db <<-'END'
	CREATE TABLE src (id text PRIMARY KEY, name text, v int);
	INSERT INTO src SELECT chr(97 + i % 26) || chr(65 + i % 7) || i,
		'name ' || i, i FROM generate_series(1, 3000) i;
END

# run_with TABLE [MORE]: the rows go into dst, which was just made
run_with()
{
	rm -rf "$root/.upshift"
	pg_sql db -c 'DROP TABLE IF EXISTS dst CASCADE' -c "$1" 2>/dev/null
	cat >"$tmp/plan" <<-END
		plan = 1; name = "a"; from = "1"; to = "2";
		stores = { db = "$(pg_url db)"; };
		steps = ( { id = "c"; kind = "copy-records"; from = "db:src";
			to = "db:dst"; key = "id"; columns = { id = "id";
			name = "name"; v = "v"; }; ${2-} } );
	END
	run "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
	[ "$status" = 0 ] || is "$status" 0 "there: $1" || diag "$out $err"
	marked=$(wc -l <"$log")
}

back()
{
	run "$UPSHIFT" rollback start --root "$root" --batch \
		--confirm 'roll back to start'
	is "$status" 0 "$1: back" || diag "$out $err"
}

# what was said to the server since
said()
{
	tail -n +"$((marked + 1))" "$log" | grep -c "$1"
}

left()
{
	pg_sql db -c "SELECT coalesce(string_agg(name, ',' ORDER BY name), '')
		FROM dst"
}

ours()
{
	is "$(pg_sql db -c "SELECT string_agg(relname, ' ') FROM pg_class
		WHERE relname LIKE '\\_upshift\\_%' AND relname NOT IN
		('_upshift_range', '_upshift_range_pkey', '_upshift_run',
		'_upshift_run_pkey')")" '' "$1: nothing of ours is left"
}

new='CREATE TABLE dst (id text, name text, v int)'

# --- all of them are ours ---
run_with "$new"
back 'no others'
like "$out" "'dst': 3000 rows deleted, 0 put back, 0 kept" 'no others: is told'
is "$(left)" '' 'no others: no rows'
is "$(said 'TRUNCATE TABLE "dst"') $(said 'DELETE FROM "dst"')" '1 0' \
	'no others: emptied as a whole'
ours 'no others'

# --- a trigger hears of each, and so it does now ---
run_with "$new; CREATE TABLE IF NOT EXISTS heard (id text);
	CREATE OR REPLACE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN INSERT INTO heard VALUES (OLD.id); RETURN OLD; END';
	CREATE TRIGGER hear BEFORE DELETE ON dst FOR EACH ROW
	EXECUTE FUNCTION hear()"
back 'a trigger'
is "$(left) $(pg_sql db -c 'SELECT count(*) FROM heard')" ' 3000' \
	'a trigger: hears of each row'
is "$(said 'TRUNCATE TABLE "dst"')" 0 'a trigger: not emptied as a whole'

# --- others refer to them; one that is referred to stays ---
run_with 'CREATE TABLE dst (id text PRIMARY KEY, name text, v int);
	DROP TABLE IF EXISTS refs; CREATE TABLE refs (id text REFERENCES dst)'
back 'referred to'
is "$(left)" '' 'referred to, but not in fact: no rows'
run_with 'CREATE TABLE dst (id text PRIMARY KEY, name text, v int);
	DROP TABLE IF EXISTS refs; CREATE TABLE refs (id text REFERENCES dst)'
pg_sql db -c "INSERT INTO refs SELECT id FROM dst WHERE v = 77"
back 'one is referred to'
is "$(left)" 'name 77' 'one is referred to: and stays'
like "$out" "'dst': 1 row was changed since by others and stays" \
	'one is referred to: is told'

# --- others wrote: theirs stay ---
run_with "$new"
pg_sql db -c "UPDATE dst SET name = 'theirs' WHERE v = 5" \
	-c "INSERT INTO dst VALUES ('new', 'another', 1)"
back 'others'
is "$(left)" 'another,theirs' 'others: theirs stay'
like "$out" "'dst': 2999 rows deleted, 0 put back, 2 kept" 'others: is told'
is "$(said 'CREATE INDEX IF NOT EXISTS "_upshift_key_')" 1 \
	'others: rows are found by an index'
ours 'others'

# --- in a table that goes they are counted before it does ---
rm -rf "$root/.upshift"
pg_sql db -c 'DROP TABLE dst'
sed -i 's/steps = (/&{ id = "s"; kind = "sql"; store = "db";\
	up = "CREATE TABLE dst (id text, name text, v int)";\
	down = "DROP TABLE dst"; },/' "$tmp/plan"
run_is 0 'a table of its own' "$UPSHIFT" run "$tmp/plan" --root "$root" \
	--batch --yes
pg_sql db -c "UPDATE dst SET name = 'theirs' WHERE v = 5"
back 'goes'
like "$out" 'rolled back to start: RESTORED 2,999, LOST 1, KEPT 0' \
	'goes: theirs are told'
is "$(pg_sql db -c "SELECT to_regclass('dst')")" '' 'goes: it went'
ls "$root"/.upshift/runs/*/backup/R1.stores.tar.zst >/dev/null
ok $? 'goes: what it had is in the archive'

# --- by the undo table: keys of the set may be sorted in another way ---
pg_sql db -c "INSERT INTO src SELECT chr(97 + i % 26) || chr(65 + i % 7) || i,
	'name ' || i, i FROM generate_series(3001, 45000) i"
collation=$(pg_sql db -c "SELECT collname FROM pg_collation WHERE collname IN
	('und-x-icu', 'unicode') ORDER BY collname LIMIT 1")
for sort in '' ${collation:+"$collation"}; do
	run_with "CREATE TABLE dst (id text ${sort:+COLLATE \"$sort\"}
		PRIMARY KEY, name text, v int);
		INSERT INTO dst VALUES ('mine', 'mine', 0);
		INSERT INTO dst SELECT id, 'before', 0 FROM src
		WHERE v % 9000 = 0" 'on_conflict = "replace";'
	pg_sql db -c "UPDATE dst SET name = 'theirs' WHERE v IN (5, 9000,
		20001)" -c "DELETE FROM dst WHERE v = 30000"
	back "undo table${sort:+, $sort}"
	is "$(left)" 'before,before,before,before,mine,theirs,theirs,theirs' \
		"undo table${sort:+, $sort}: what was there, and theirs"
	like "$out" "'dst': 44992 rows deleted, 4 put back, 3 kept" \
		"undo table${sort:+, $sort}: is told"
	found=$(said 'DELETE FROM "dst" t .* AND (t."id") >= (')
	is "$found" "$([ -n "$sort" ] && echo 0 || echo 3)" \
		"undo table${sort:+, $sort}: parts end in the set, where they can"
	ours "undo table${sort:+, $sort}"
done
done_testing
