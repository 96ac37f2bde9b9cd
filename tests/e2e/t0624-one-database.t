#!/bin/sh
# SPDX-License-Identifier: MIT
# Two URLs of one database are one store: saved once, locked once, undone once.
# A clone of the server is another one, whatever it has in common.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/pg.sh"
pg_need
pg_start a
root=$tmp/data
mkdir "$root"

fresh()
{
	rm -rf "$root/.upshift"
	pg_sql a <<'TXT'
SET client_min_messages = error;
DROP SCHEMA IF EXISTS u, other, _upshift, upshift_old_cut CASCADE;
DROP SCHEMA public CASCADE; CREATE SCHEMA public;
CREATE TABLE item (id bigserial PRIMARY KEY, n int NOT NULL);
INSERT INTO item (n) SELECT i FROM generate_series(1, 500) i;
CREATE SCHEMA u; CREATE SCHEMA other;
CREATE TABLE u.item (iid bigint PRIMARY KEY, n int NOT NULL);
TXT
	pg_dumped "$(pg_conn a)" >"$tmp/before"
}

# plan OLD NEW
plan()
{
	cat >"$tmp/plan" <<TXT
plan = 1; name = "app"; title = "App"; from = "1"; to = "2";
stores: { old = "$1"; new = "$2"; };
backup: { stores = ["old:item", "new:item"]; };
steps = (
  { id = "items"; kind = "copy-records"; from = "old:item"; to = "new:u.item"; key = "iid"; live = true;
    columns = { iid = "id"; n = "n"; }; },
  { id = "note"; kind = "sql"; store = "old"; needs = ["items"];
    up = ["CREATE TABLE made (id int)"]; down = ["DROP TABLE made"]; },
  { id = "cut"; kind = "cutover"; store = "old"; needs = ["note"]; fence = ["item"]; copies = ["items"];
    views = (
    { name = "item"; select = "SELECT iid AS id, n FROM u.item";
      insert = "INSERT INTO u.item VALUES (NEW.id, NEW.n)";
      update = "UPDATE u.item SET n = NEW.n WHERE iid = OLD.id";
      delete = "DELETE FROM u.item WHERE iid = OLD.id"; } ); } );
TXT
}

go()
{
	"$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes "$@"
}

# the sets in the backup, a line each
saved()
{
	zstd -dcq "$root"/.upshift/runs/*/backup/start.tar.zst | tar -tf - |
		sed -n 's/.*upshift-stores.\([^%]*\)[.]copy$/\1/p' | sort | tr '\n' ' '
}

back()
{
	run_is 0 "$1: rolled back" "$UPSHIFT" rollback start --root "$root" \
		--batch --confirm 'roll back to start'
	pg_dumped "$(pg_conn a)" >"$tmp/after"
	file_is "$tmp/after" "$tmp/before" "$1: as before"
}

sock=$(pg_conn a | sed 's/^host=\([^ ]*\).*/\1/')
uri="pg://upshift@/postgres?host=$(printf %s "$sock" | sed 's,/,%2F,g')"
cat >"$tmp/service" <<TXT
[acme]
host=$sock
user=upshift
dbname=postgres
TXT
PGSERVICEFILE=$tmp/service
export PGSERVICEFILE

for new in "$uri" 'pg:service=acme'; do
	fresh
	plan "$(pg_url a)" "$new"
	run_is 0 "$new: a cutover sees what it has locked" go
	is "$(pg_sql a -c 'SELECT count(*) FROM item')" 500 "$new: through the view"
	case $(saved) in
	*new/*) ok 1 "$new: saved once" ; diag "$(saved)" ;;
	*old/item*) ok 0 "$new: saved once" ;;
	*) ok 1 "$new: saved" ; diag "$(saved)" ;;
	esac
	run "$UPSHIFT" rollback start --root "$root" --preview
	like "$out" '^  new:u\.item: [0-9]+ rows' \
		"$new: a table is called what the plan calls it"
	run_is 0 "$new: verified" "$UPSHIFT" verify --root "$root"
	back "$new"
done

# begun, killed, gone on with and back: by what was settled at first
fresh
plan "$(pg_url a)" "$uri"
run_is 6 'stopped behind the copy' go --stop-after items
cp "$tmp/service" "$tmp/kept"
: >"$tmp/service"
run_is 0 'and on' "$UPSHIFT" resume --root "$root" --batch --yes
back 'stopped and on'
cp "$tmp/kept" "$tmp/service"

# a run of an upshift that took them for two: it goes back as it was saved
fresh
plan "$(pg_url a)" "$uri&options=-csearch_path%3Dpublic"
go --stop-after note >"$tmp/log" 2>&1
is $? 6 'another search path: two stores' || diag "$(tail -3 "$tmp/log")"
is "$(saved)" 'new/item new/u.item old/item ' 'another search path: saved as two'
back 'another search path'

# --- a clone: the same identifier, the same oid ---

fresh
pg_stop a
(pg_exec cp -R "$pg_base/a" "$pg_base/b") || exit 99
pg_start a
pg_start b
is "$(pg_sql a -c 'SELECT system_identifier FROM pg_control_system()')" \
	"$(pg_sql b -c 'SELECT system_identifier FROM pg_control_system()')" \
	'a clone has the identifier of its origin'
pg_sql b -c 'DROP TABLE item'
cat >"$tmp/plan" <<TXT
plan = 1; name = "app"; title = "App"; from = "1"; to = "2";
stores: { old = "$(pg_url a)"; new = "$(pg_url b)"; };
steps = (
  { id = "items"; kind = "copy-records"; from = "old:item"; to = "new:u.item"; key = "iid";
    columns = { iid = "id"; n = "n"; }; } );
TXT
run_is 0 'from a server to its clone' go
is "$(pg_sql a -c 'SELECT count(*) FROM u.item')" 0 'nothing came to the origin'
is "$(pg_sql b -c 'SELECT count(*) FROM u.item')" 500 'all came to the clone'

# --- two URLs of one file ---

if "$UPSHIFT" --version | grep -qw sqlite && command -v sqlite3 >/dev/null; then
	rm -rf "$root"
	mkdir "$root"
	sqlite3 "$root/a.db" 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
		CREATE TABLE u (id INTEGER PRIMARY KEY, v TEXT);
		INSERT INTO t SELECT value, value FROM json_each(
		"[1,2,3,4,5,6,7,8,9]")'
	cp "$root/a.db" "$tmp/a.db"
	cat >"$tmp/plan" <<TXT
plan = 1; name = "app"; title = "App"; from = "1"; to = "2"; root = "$root";
stores: { old = "sqlite:$root/a.db"; new = "sqlite:a.db"; };
steps = (
  { id = "rows"; kind = "copy-records"; from = "old:t"; to = "new:u"; key = "id"; },
  { id = "more"; kind = "sql"; store = "new"; needs = ["rows"]; up = ["CREATE INDEX i ON u (v)"]; } );
TXT
	run_is 0 'two URLs of a file' go
	is "$(sqlite3 "$root/a.db" 'SELECT count(*) FROM u')" 9 'rows are in it'
	run_is 0 'two URLs: rolled back' "$UPSHIFT" rollback start --root "$root" \
		--batch --confirm 'roll back to start'
	cmp -s "$root/a.db" "$tmp/a.db"
	ok $? 'two URLs: as before'
	# a second name is none that SQLite could tell apart
	rm -rf "$root/.upshift"
	ln "$root/a.db" "$root/b.db"
	sed 's/"sqlite:a.db"/"sqlite:b.db"/' "$tmp/plan" >"$tmp/names.plan"
	run_is 1 'two names of a file' "$UPSHIFT" run "$tmp/names.plan" --batch --yes
	like "$err" 'E-2080 .* has other names' 'are refused'
	cmp -s "$root/a.db" "$tmp/a.db"
	ok $? 'two names: untouched'
fi
done_testing
