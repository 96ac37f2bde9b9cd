#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2119,SC2120
# Back past a cutover in SQLite, an application writes, and back to where the
# rollback began: the files are what they were there, and the switch is made.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
sqlite_need
root=$tmp/data
db=$root/app.db

fresh()
{
	rm -rf "$root"
	mkdir -p "$root"
	echo old >"$tmp/live"
	sqlite3 "$db" >/dev/null <<-'END'
		PRAGMA journal_mode = wal;
		CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT);
		CREATE TABLE kept (id INTEGER PRIMARY KEY, name TEXT);
		WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1
			FROM n WHERE i < 100)
			INSERT INTO item SELECT i, 'item ' || i FROM n;
	END
	run "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
	is "$status" 0 "$1: all steps are done" || diag "$out $err"
	sqlite3 "$db" .dump >"$tmp/top"
}

back()
{
	run "$UPSHIFT" rollback "$1" --root "$root" --batch \
		--confirm "roll back to $1"
}

before()
{
	"$UPSHIFT" status --root "$root" --json |
		sed -n 's/.*"rollback":{[^}]*"r":"\(R[0-9]*\)".*/\1/p'
}

# as LABEL: the database of the old names is what it was
as()
{
	sqlite3 "$db" .dump >"$tmp/now"
	file_is "$tmp/now" "$tmp/top" "$1"
}

# --- one file, by views ---
cat >"$tmp/plan" <<END
plan = 1; name = "app"; from = "1"; to = "2";
stores: { db = "sqlite:app.db"; };
steps = (
  { id = "schema"; kind = "sql"; store = "db";
    up = "CREATE TABLE thing (id INTEGER PRIMARY KEY, t TEXT)";
    down = "DROP TABLE thing"; },
  { id = "items"; kind = "copy-records"; needs = ["schema"];
    from = "db:item"; to = "db:thing"; key = "id";
    columns = { id = "id"; t = "name"; }; },
  { id = "cut"; kind = "cutover"; store = "db"; needs = ["items"];
    fence = ["item"]; copies = ["items"];
    views = ( { name = "item"; mode = "view"; key = ["id"];
      select = "SELECT id, t AS name FROM thing";
      insert = "INSERT INTO thing VALUES (NEW.id, NEW.name)";
      update = "UPDATE thing SET t = NEW.name WHERE id = OLD.id";
      delete = "DELETE FROM thing WHERE id = OLD.id"; } ); } );
END
fresh 'one file'
for to in CP2 CP1 start; do
	back $to
	is "$status" 0 "back to $to" || diag "$out $err"
	run "$UPSHIFT" rollback "$(before)" --root "$root" --preview
	like "$out" 'LOST 0' "$to: nobody wrote since"
	is "$(sqlite3 "$db" "SELECT type FROM sqlite_master WHERE
		name = 'item'")" table "$to: as before"
	sqlite3 "$db" "INSERT INTO item VALUES (1001, 'since')"
	run "$UPSHIFT" rollback "$(before)" --root "$root" --preview
	like "$out" 'LOST [1-9]' "$to: what was written since would be lost"
	back "$(before)"
	is "$status" 0 "up from $to" || diag "$out $err"
	like "$out" 'LOST [1-9]' "up from $to: it says so"
	as "up from $to: as it was"
done

# --- two files, by a command; killed while it is made again ---
cat >"$tmp/switch" <<END
#!/bin/sh
echo "\$1" >"$tmp/live"
[ "\$1" != new ] || [ ! -e "$tmp/die" ] || { rm "$tmp/die"; kill -9 \$PPID; }
END
chmod 755 "$tmp/switch"
cat >"$tmp/plan" <<END
plan = 1; name = "app"; from = "1"; to = "2";
stores: { old = "sqlite:app.db"; new = "sqlite:new.db"; };
steps = (
  { id = "schema"; kind = "sql"; store = "new";
    up = "CREATE TABLE thing (id INTEGER PRIMARY KEY, t TEXT)";
    down = "DROP TABLE thing"; },
  { id = "items"; kind = "copy-records"; needs = ["schema"];
    from = "old:item"; to = "new:thing"; key = "id"; live = true;
    columns = { id = "id"; t = "name"; }; },
  { id = "cut"; kind = "cutover"; store = "old"; needs = ["items"];
    fence = ["item"]; copies = ["items"]; keep = true;
    switch = ["$tmp/switch", "new"]; switch_back = ["$tmp/switch", "old"]; } );
END
fresh 'two files'
for to in CP2 CP1 start; do
	back $to
	is "$status $(cat "$tmp/live")" '0 old' "two files: back to $to" ||
		diag "$out $err"
	sqlite3 "$db" "INSERT INTO item VALUES (NULL, 'since')"
	: >"$tmp/die"
	back "$(before)"
	is "$status" 137 "two files: up from $to, and killed"
	run "$UPSHIFT" resume --root "$root" --batch
	is "$status $(cat "$tmp/live")" '0 new' "two files: goes on" ||
		diag "$out $err"
	is "$(sqlite3 "$root/new.db" "SELECT count(*) FROM thing")" 100 \
		'two files: the new one is as it was'
	is "$(sqlite3 "$db" "SELECT count(*) FROM item WHERE name = 'since'")" \
		$((n = ${n:-0} + 1)) 'two files: the old one keeps what came'
	run sqlite3 "$db" "INSERT INTO item VALUES (NULL, 'no')"
	like "$err" 'nothing can be written' 'two files: and nobody writes to it'
done
done_testing
