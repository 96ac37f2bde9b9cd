#!/bin/sh
# SPDX-License-Identifier: MIT
# Tables on their way back from the backup: killed, cut off, without room. All
# is as it was, or as it is to be, and going on ends it.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$top_srcdir/tests/lib/pg.sh"
pg_need
pg_start db

root=$tmp/root

dumped()
{
	pg_dumped "$(pg_conn db)"
}

begin()
{
	rm -rf "$root"
	mkdir "$root"
	pg_sql db <<-'END'
	SET client_min_messages = error;
	DROP SCHEMA public CASCADE;
	CREATE SCHEMA public;
	CREATE TABLE old (id int PRIMARY KEY, body text);
	INSERT INTO old SELECT i, repeat(md5(i::text), 16) FROM
		generate_series(1, 4000) i;
	CREATE TABLE mixed (id int PRIMARY KEY, body text);
	INSERT INTO mixed SELECT i, repeat(md5(i::text), 16) FROM
		generate_series(5001, 9000) i;
	END
	dumped >"$tmp/before"
	"$UPSHIFT" run "$tmp/p.plan" --root "$root" --batch --yes >"$tmp/said" 2>&1
	is $? 0 "$1: a run"
	pg_sql db -c "UPDATE mixed SET body = 'theirs' WHERE id % 7 = 0"
	dumped >"$tmp/after"
}

cat >"$tmp/p.plan" <<-'END'
	plan = 1; name = "p"; to = "2";
	stores: { db = "pg:${env:DATABASE_URL}"; };
	steps = (
	  { id = "schema"; kind = "sql"; store = "db";
	    up = ["CREATE TABLE fresh (id int PRIMARY KEY, body text)"];
	    down = ["DROP TABLE fresh"]; },
	  { id = "mixed"; kind = "copy-records"; from = "db:old"; to = "db:mixed";
	    key = ["id"]; } );
	rollback: { strategy = "backup"; };
END
DATABASE_URL=$(pg_proxy_conn db)
export DATABASE_URL
pg_proxy db copy cut 1 0

back()
{
	run timeout 60 "$UPSHIFT" rollback start --root "$root" --batch \
		--confirm "roll back to start"
	[ "$status" = 0 ] || diag "$out $err"
}

as()
{
	dumped >"$tmp/now"
	file_is "$tmp/now" "$tmp/$1" "$2"
}

# --- killed where it waits for the lock, ahead of all ---
begin "ahead of the load"
pg_hold db mixed SHARE
"$UPSHIFT" rollback --root "$root" --batch --confirm "roll back to start" \
	>"$tmp/said" 2>&1 &
victim=$!
pg_await_waiter db
kill -9 "$victim"
wait "$victim" 2>/dev/null
pg_let_go
is "$(pg_sql db -c "SELECT count(*) FROM mixed WHERE body = 'theirs'")" 1142 \
	"ahead of the load: the rows are there"
run timeout 60 "$UPSHIFT" resume --root "$root" --batch
is "$status" 0 "ahead of the load: it goes on"
as before "ahead of the load: as before"

# --- killed in the middle of the rows ---
# until the proxy has stopped what goes on
await_stall()
{
	waits=0
	until [ -s "$pg_base/db.px/cuts" ] || [ $waits -ge 3000 ]; do
		waits=$((waits + 1))
		ls / >/dev/null
	done
}

for n in 1 2; do
	begin "killed at piece $n"
	pg_proxy db copy stall $n 1
	"$UPSHIFT" rollback --root "$root" --batch \
		--confirm "roll back to start" >"$tmp/said" 2>&1 &
	victim=$!
	await_stall
	is "$(pg_cuts db)" 1 "killed at piece $n: it is at the rows"
	kill -9 "$victim"
	wait "$victim" 2>/dev/null
	pg_proxy db copy cut 1 0
	is "$(pg_sql db -c "SELECT count(*) FROM mixed WHERE body = 'theirs'")" \
		1142 "killed at piece $n: nothing is changed in it"
	if [ $n = 2 ]; then
		back
	else
		run timeout 60 "$UPSHIFT" resume --root "$root" --batch
	fi
	is "$status" 0 "killed at piece $n: it goes on"
	as before "killed at piece $n: as before"
done

# --- no room on the server ---
begin "no room"
pg_sql db <<-'END'
	CREATE FUNCTION public.full_disk() RETURNS event_trigger LANGUAGE plpgsql
	AS $$ BEGIN IF to_regclass('public.fresh') IS NULL THEN RAISE 'No space left'
	USING ERRCODE = 'disk_full'; END IF; END $$;
	CREATE EVENT TRIGGER full_disk ON ddl_command_start
	EXECUTE FUNCTION public.full_disk();
END
run timeout 60 "$UPSHIFT" rollback start --root "$root" --batch \
	--confirm "roll back to start"
is "$status" 5 "no room: it stops"
like "$err" "No space left" "no room: with the reason"
like "$err" "the backup is complete" "no room: and what is safe"
pg_sql db -c "DROP EVENT TRIGGER full_disk" -c "DROP FUNCTION full_disk"
is "$(pg_sql db -c "SELECT count(*) FROM mixed WHERE body = 'theirs'")" 1142 \
	"no room: nothing is changed"
run timeout 60 "$UPSHIFT" resume --root "$root" --batch
is "$status" 0 "no room: it goes on when there is some"
as before "no room: as before"

# --- the server goes away ---
begin "no server"
pg_hold db mixed SHARE
timeout 100 "$UPSHIFT" rollback --root "$root" --batch \
	--confirm "roll back to start" >"$tmp/said" 2>&1 &
victim=$!
pg_await_waiter db
pg_stop db KILL
wait "$victim" 2>/dev/null
is $? 5 "no server: it ends" || diag "$(cat "$tmp/said")"
exec 8>&- 7<&-
rm -f "$pg_base/in" "$pg_base/out"
pg_start db
is "$(pg_sql db -c "SELECT count(*) FROM mixed WHERE body = 'theirs'")" 1142 \
	"no server: nothing is changed"
run timeout 60 "$UPSHIFT" resume --root "$root" --batch
is "$status" 0 "no server: it goes on when there is one"
[ "$status" = 0 ] || diag "$out $err"
as before "no server: as before"

done_testing
