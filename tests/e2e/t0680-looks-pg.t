#!/bin/sh
# SPDX-License-Identifier: MIT
# What a copy has looked at before the backup, where that takes long: it is told,
# it ends when the user says so, and it is no failure that it is slow.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_scene db

# new KEY NAP ROWS: as long as nobody says `fast` each row that is looked at
# takes NAP seconds
new()
{
	rm -rf "$root"
	mkdir "$root"
	sql "DROP TABLE IF EXISTS s, t, fast, _upshift_range, _upshift_run;
		CREATE TABLE s (id int $1, v numeric);
		CREATE TABLE t (id int, v numeric(10, 2));
		CREATE TABLE fast ();
		CREATE OR REPLACE FUNCTION nap() RETURNS bool LANGUAGE plpgsql AS \$\$
		BEGIN
			IF NOT EXISTS (SELECT FROM fast) THEN
				PERFORM pg_sleep($2);
			END IF;
			RETURN true;
		END \$\$;
		INSERT INTO s VALUES $3"
	cat >"$plan" <<-'TXT'
		plan = 1; name = "a"; from = "1"; to = "2";
		defaults: { timeout = "2s"; };
		stores = { pg = "pg:${env:PG}"; };
		steps = ( { id = "go"; kind = "sql"; store = "pg";
		    up = ["INSERT INTO fast DEFAULT VALUES"];
		    down = ["DELETE FROM fast"]; },
		  { id = "copy"; kind = "copy-records"; from = "pg:s";
		    to = "pg:t"; key = "id"; where = "nap()";
		    columns = { id = "id"; v = "v"; }; } );
		verify = ( { id = "same"; kind = "records"; copies = ["copy"]; } );
	TXT
}

go()
{
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes
}

# stops WORDS: one that would take forever
stops()
{
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes --json \
		>"$tmp/out" 2>"$tmp/err" &
	pid=$!
	while kill -0 "$pid" 2>/dev/null && ! grep -q "$1" "$tmp/out"; do :; done
	like "$(jq -r 'select(.type == "progress") | .id + " " + .wait' "$tmp/out")" \
		"copy $1" 'what it does is told'
	kill -TERM "$pid"
	wait "$pid"
	is "$?" 6 'a stop ends it, and is no failure'
	unlike "$(cat "$tmp/out" "$tmp/err")" 'failed|E-2001' 'nor told as one'
	is "$(find "$root" -name '*.tar*')" '' 'nothing was backed up'
}

# --- keys ---
new '' 1.5 '(1, 1), (1, 2)'
run_is 1 'keys that take longer than a statement may' go
like "$err" "'s' has more than one row with the key \[1\]" 'are looked at'
new '' 1000 '(1, 1), (1, 2)'
stops "the keys of 's' are looked at"

# --- values ---
new 'PRIMARY KEY' 1000 '(1, 1), (2, 2.345)'
stops "the values of 's' are looked at"
new 'PRIMARY KEY' 1000 '(1, 1), (2, 2.345)'
run "$UPSHIFT" check "$plan" --root "$root"
is "$status" 3 'values that take longer than a statement may: a warning' ||
	diag "$err"
like "$out" "would keep all values of 's' could not be looked at in time" \
	'it says so'
run go
like "$out" 'backup: done' 'it goes on'
is "$(sql 'SELECT count(*) FROM t WHERE id = 2')" 0 'the value is not copied'
like "$err" "column 'v' of 't'.* would not keep" 'but refused'
done_testing
