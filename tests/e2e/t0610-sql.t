#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2119,SC2120
# Statements on SQLite: applied, tried on a copy, killed, resumed, undone.
. "$(dirname "$0")/../lib/tap.sh"
sqlite_need
tree="python3 $top_srcdir/tests/lib/tree.py"
root=$tmp/data
db=$root/app.db

# plan STEPS
plan()
{
	cat >"$tmp/plan" <<TXT
plan = 1; name = "app"; title = "App"; from = "1"; to = "2";
stores: { db = "sqlite:app.db"; };
steps = ( $1 );
TXT
}

fresh()
{
	rm -rf "$root"
	mkdir -p "$root"
	sqlite3 "$db" <<'TXT'
CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE book (id INTEGER PRIMARY KEY, author INT REFERENCES author, title TEXT);
INSERT INTO author VALUES (1, 'Ada'), (2, 'Bob');
INSERT INTO book VALUES (1, 1, 'One'), (2, 2, 'Two'), (3, 1, 'Three');
TXT
	cp "$db" "$tmp/app.db"
	$tree "$root" .upshift >"$tmp/before"
}

up()
{
	"$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes "$@"
}

back()
{
	"$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
}

as_before()
{
	$tree "$root" .upshift >"$tmp/now"
	cmp -s "$tmp/before" "$tmp/now"
	ok $? "$1"
}

rebuild='{ id = "rebuild"; kind = "sql"; store = "db"; up = [
	"CREATE TABLE author_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL, born INT DEFAULT 0)",
	"INSERT INTO author_new (id, name) SELECT id, name FROM author",
	"DROP TABLE author; ALTER TABLE author_new RENAME TO author",
	"CREATE TRIGGER t AFTER DELETE ON author BEGIN DELETE FROM book WHERE author = OLD.id; END; CREATE INDEX book_author ON book (author)"
]; }'

# --- a run, and back ---
plan "$rebuild"
fresh
run_is 9 'a dry run' up --dry-run
like "$out" 'CREATE TABLE author_new' 'shows the statements'
like "$out" '^ *\+ +name TEXT NOT NULL$' 'shows the schema as it will be'
like "$out" '^ *- +name TEXT$' 'and as it was'
as_before 'a dry run changes nothing'
run_is 0 'a run' up
is "$(sqlite3 "$db" 'SELECT id, name, born FROM author; SELECT count(*) FROM book')" '1|Ada|0
2|Bob|0
3' 'the rows are there'
is "$(sqlite3 "$db" 'PRAGMA foreign_key_list(book)' | cut -d'|' -f3)" author \
	'the foreign key names the new table'
run_is 0 'a rollback' back
as_before 'the file is as it was'

printf 'CREATE TABLE tabbed (\n\ta\n)' >"$tmp/tabbed.sql"
plan '{ id = "tabs"; kind = "sql"; store = "db"; file = "tabbed.sql"; }'
fresh
run_is 9 'a dry run of a file' up --dry-run
like "$out" '^ {12}a$' 'a tab is shown as blanks'

# --- refused by the rows ---
plan '{ id = "orphans"; kind = "sql"; store = "db"; up = [ "CREATE TABLE x (a)", "DELETE FROM author WHERE id = 1" ]; }'
fresh
run_is 9 'a dry run of what breaks a foreign key' up --dry-run
like "$out" '2 rows would point to nothing by a foreign key \(book -> author\)' 'says so'
run_is 1 'a run of it' up
like "$err$out" '2 rows would point to nothing by a foreign key \(book -> author\)' 'fails'
cmp -s "$tmp/app.db" "$db"
ok $? 'nothing of it stays'
sqlite3 "$db" 'INSERT INTO book VALUES (9, 99, NULL)'
plan '{ id = "fine"; kind = "sql"; store = "db"; up = [ "DELETE FROM author WHERE id = 3" ]; }'
rm -rf "$root/.upshift"
run_is 0 'a row that pointed to nothing before does not count' up

plan '{ id = "wrong"; kind = "sql"; store = "db"; up = [ "CREATE TABLE x (a)", "ALTER TABLE y RENAME TO z" ]; }'
fresh
run_is 1 'a statement that fails' up
like "$err$out" 'statement 2 \(line [0-9]+\): sqlite:app.db: no such table: y' 'is named'
cmp -s "$tmp/app.db" "$db"
ok $? 'those before it are undone'

# --- the plan ---
plan '{ id = "a"; kind = "sql"; store = "db"; up = [ "BEGIN; CREATE TABLE x (a); COMMIT" ]; }'
run_is 65 'transactions of the plan' "$UPSHIFT" lint "$tmp/plan"
like "$err" 'opened and ended by upshift' 'are refused'
plan '{ id = "a"; kind = "sql"; store = "db"; }'
run_is 65 'no statements' "$UPSHIFT" lint "$tmp/plan"
plan '{ id = "a"; kind = "sql"; store = "db"; file = "a.sql"; }'
printf 'CREATE TABLE x (a);\n\n-- a comment\nCREATE TABLE y (a;\n' >"$tmp/a.sql"
fresh
run_is 1 'a file' up
like "$err$out" 'statement 2 \(line 4\)' 'its lines count'
printf 'CREATE TABLE x (a);\nVACUUM; PRAGMA user_version = 7; CREATE TABLE y (b)' >"$tmp/a.sql"
fresh
run_is 0 'a file with what runs alone' up
is "$(sqlite3 "$db" 'PRAGMA user_version; SELECT step, done FROM _upshift_step')" '7
a|4' 'and a row that tells'

# --- there already ---
plan '{ id = "a"; kind = "sql"; store = "db"; up = [ "ALTER TABLE author ADD COLUMN born INT" ];
	probe = "SELECT CASE count(*) WHEN 0 THEN '"'not' ELSE 'fully'"' END FROM pragma_table_info('"'author') WHERE name = 'born'"'"; }'
fresh
run_is 0 'a run with a probe' up
rm -rf "$root/.upshift"
sqlite3 "$db" 'DROP TABLE _upshift_step'
run_is 0 'and once more' up
like "$out" 'nothing to do' 'does nothing'

# --- views ---
plan '{ id = "new"; kind = "sql"; store = "db"; up = [ "CREATE TABLE person (pid INTEGER PRIMARY KEY, full TEXT, seen INT NOT NULL)", "INSERT INTO person SELECT id, name, 7 FROM author" ]; },
	{ id = "old"; kind = "views"; store = "db"; views = ( { name = "author"; mode = "view"; defaults = { name = "'"'nobody'"'"; };
		select = "SELECT pid AS id, full AS name FROM person";
		insert = "INSERT INTO person (pid, full, seen) VALUES (NEW.id, NEW.\"name\", 0)";
		update = "UPDATE person SET full = NEW.name WHERE pid = OLD.id";
		delete = "DELETE FROM person WHERE pid = OLD.id"; } ); }'
fresh
run_is 0 'a view in place of a table' up
is "$(sqlite3 "$db" "INSERT INTO author (id) VALUES (5); INSERT INTO author VALUES (6, 'Eve'); UPDATE author SET name = 'Bobby' WHERE id = 2; DELETE FROM author WHERE id = 6; SELECT * FROM author; SELECT seen FROM person; SELECT b.title, a.name FROM book b JOIN author a ON a.id = b.author WHERE b.id = 2; SELECT count(*) FROM upshift_old_author")" '1|Ada
2|Bobby
5|nobody
7
7
0
Two|Bobby
2' 'is read and written as the table was'
is "$(sqlite3 "$db" 'PRAGMA foreign_key_list(book)' | cut -d'|' -f3)" author \
	'what refers to it names it still'
run_is 0 'back' back
as_before 'as it was'

# --- mirrors: what SQLite has where clients write ---
plan '{ id = "new"; kind = "sql"; store = "db"; up = [ "CREATE TABLE person (pid INTEGER PRIMARY KEY, full TEXT, seen INT NOT NULL)", "INSERT INTO person SELECT id, name, 7 FROM author" ]; },
	{ id = "old"; kind = "views"; store = "db"; views = ( { name = "author"; key = [ "id" ];
		select = "SELECT pid AS id, full AS name FROM person";
		insert = "INSERT INTO person (pid, full, seen) VALUES (NEW.id, trim(NEW.name), 0)";
		update = "UPDATE person SET pid = NEW.id, full = trim(NEW.name) WHERE pid = OLD.id";
		delete = "DELETE FROM person WHERE pid = OLD.id"; } ); }'
equal="SELECT (SELECT group_concat(id || '=' || name) FROM (SELECT * FROM author ORDER BY id)) IS (SELECT group_concat(pid || '=' || full) FROM (SELECT * FROM person ORDER BY pid))"
for recursive in OFF ON; do
	fresh
	run_is 0 "a mirror of a table (recursive_triggers $recursive)" up
	is "$(sqlite3 "$db" "PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = $recursive;
INSERT INTO author (name) VALUES ('  Cy ') RETURNING id;
SELECT last_insert_rowid(), changes();
INSERT INTO author VALUES (1, 'Up') ON CONFLICT (id) DO UPDATE SET name = excluded.name;
INSERT OR IGNORE INTO author VALUES (2, 'Ignored'), (7, 'Gil');
INSERT OR REPLACE INTO author VALUES (7, 'Gilda');
INSERT INTO book VALUES (9, 7, 'Nine');
UPDATE author SET id = 8 WHERE id = 3;
SELECT * FROM author ORDER BY id; $equal;
UPDATE person SET full = 'Bert' WHERE pid = 2;
INSERT INTO person VALUES (20, 'Tess', 1), (21, 'Uwe', 1);
DELETE FROM person WHERE pid = 20;
SELECT * FROM author ORDER BY id; $equal;
BEGIN; DELETE FROM author WHERE id = 21; ROLLBACK;
DELETE FROM author WHERE id = 8; $equal" 2>&1)" '3
3|1
1|Up
2|Bob
7|Gilda
8|Cy
1
1|Up
2|Bert
7|Gilda
8|Cy
21|Uwe
1
1' 'is read and written, from either side'
	is "$(sqlite3 "$db" "PRAGMA foreign_keys = ON; INSERT INTO author VALUES (2, 'again')" 2>&1 | grep -c 'UNIQUE constraint failed: author.id')" 1 'and refuses what it refused'
	is "$(sqlite3 "$db" "INSERT OR FAIL INTO author VALUES (30, 'f'), (2, 'again')" 2>/dev/null; sqlite3 "$db" "UPDATE person SET full = 'F' WHERE pid = 30; SELECT name FROM author WHERE id = 30; $equal")" 'F
1' 'what was done ahead of a failure is done on both sides'
	run_is 0 'back' back
	as_before 'as it was'
done
fresh
sqlite3 "$db" "UPDATE author SET name = ' Ada' WHERE id = 1"
plan '{ id = "new"; kind = "sql"; store = "db"; up = [ "CREATE TABLE person (pid INTEGER PRIMARY KEY, full TEXT)", "INSERT INTO person SELECT id, trim(name) FROM author" ]; },
	{ id = "old"; kind = "views"; store = "db"; views = ( { name = "author"; mode = "mirror"; key = [ "id" ]; select = "SELECT pid AS id, full AS name FROM person"; insert = "INSERT INTO person VALUES (NEW.id, NEW.name)"; } ); }'
run_is 2 'a table that is not what the new one says' up
like "$err$out" 'CHECK constraint failed: the rows of author are not what the new tables say' 'is refused'
plan '{ id = "old"; kind = "views"; store = "db"; views = ( { name = "author"; mode = "mirror"; key = [ "id", "x" ]; select = "SELECT pid AS id, trim(full) FROM person"; }, { name = "b"; key = [ "id" ]; select = "SELECT p.pid AS id FROM person p, q"; insert = "INSERT INTO person VALUES (NEW.id)"; }, { name = "c"; key = [ "id", "x" ]; select = "SELECT pid AS id FROM person"; insert = "INSERT INTO person VALUES (NEW.id)"; } ); }'
run_is 65 'mirrors with mistakes' "$UPSHIFT" lint "$tmp/plan"
like "$err" "each of its columns needs a name" 'a column without a name'
like "$err" "'sources' is missing" 'more tables than one'
like "$err" "'x' is no column of 'select'" 'a key that is none'

# --- killed ---
plan '{ id = "a"; kind = "sql"; store = "db"; up = [ "CREATE TABLE x (a)", "INSERT INTO x VALUES (1)", "VACUUM", "INSERT INTO x VALUES (2)" ]; },
	{ id = "b"; kind = "sql"; store = "db"; up = [ "INSERT INTO x VALUES (3)", "UPDATE x SET a = a * 10" ]; }'
n=0
points=0
bad=
while :; do
	n=$((n + 7))
	fresh
	UPSHIFT_TEST_FAULT=any:$n:kill up >/dev/null 2>&1
	[ $? = 137 ] || break
	points=$((points + 1))
	"$UPSHIFT" resume --root "$root" --batch --yes >/dev/null 2>&1
	case $? in
	0) ;;
	66) up >/dev/null 2>&1 ;;
	*) bad="$bad $n" ;;
	esac
	[ "$(sqlite3 "$db" 'SELECT group_concat(a) FROM x')" = 10,20,30 ] || bad="$bad $n"
	back >/dev/null 2>&1
	$tree "$root" .upshift | cmp -s "$tmp/before" - || bad="$bad $n-back"
done
[ "$points" -gt 10 ]
ok $? "killed at many points ($points)"
is "$bad" '' 'done once each, and back'
# --- a database with two names ---
for where in "$root/second.db" "$tmp/outside.db"; do
	rm -rf "$root"
	mkdir "$root"
	db=$root/app.db
	sqlite3 "$db" 'CREATE TABLE t (a); INSERT INTO t VALUES (1)'
	ln "$db" "$where"
	for links in keep break; do
		cat >"$tmp/plan" <<-END
		plan = 1; name = "a"; to = "2"; hard_links = "$links";
		stores = { db = "sqlite:app.db"; };
		steps = ( { id = "s"; kind = "sql"; store = "db"; up = [ "INSERT INTO t VALUES (2)" ]; down = [ "DELETE FROM t WHERE a = 2" ]; } );
		END
		run_is 1 "a database with two names, $links" "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
		like "$err" "E-2080 database 'app.db' has other names" 'is refused'
		is "$(sqlite3 "$where" 'SELECT * FROM t')" 1 'and left alone'
	done
done
done_testing
