#!/bin/sh
# SPDX-License-Identifier: MIT
# Two runners of one plan on two hosts (two state directories, one server), a
# server that is killed and comes back, servers as shards of which one is
# killed: every row once, and the loser is told who won.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
plan=$tmp/a.plan
for db in db s0 s1 s2; do
	pg_start $db
done
PG=$(pg_conn db)
export PG

sql()
{
	pg_sql db -c "$1"
}

# dst takes a row twice
new()
{
	rm -rf "$tmp/one" "$tmp/two"
	mkdir "$tmp/one" "$tmp/two"
	pg_sql db <<-EOF
		SET client_min_messages = error;
		DROP SCHEMA public CASCADE;
		CREATE SCHEMA public;
		CREATE TABLE src (id bigint PRIMARY KEY, name text, n int);
		CREATE TABLE dst (id bigint, name text, n int);
		CREATE TABLE other (id bigint PRIMARY KEY, v text NOT NULL);
		INSERT INTO src SELECT i, 'row ' || i, i FROM
			generate_series(1, 20000) i;
		INSERT INTO other SELECT i, 'o' FROM generate_series(1, 5000) i;
	EOF
}

plan()
{
	printf 'plan = 1; name = "a"; from = "1"; to = "2";\n
stores = { pg = "pg:${env:PG}"; };
steps = (\n%s\n);\n' "$1" >"$plan"
}

go()
{
	at=$1
	shift
	"$UPSHIFT" run "$plan" --root "$tmp/$at" --batch --yes "$@"
}

# for the background, where a signal is to find it
go_exec()
{
	exec "$UPSHIFT" run "$plan" --root "$tmp/$1" --batch --yes
}

# until SQL says t
await()
{
	while [ "$(sql "$1" 2>/dev/null)" != t ]; do
		kill -0 "$pid" 2>/dev/null || return 1
	done
}

copied()
{
	is "$(sql "SELECT count(*), count(DISTINCT id), sum(n) FROM dst")" \
		'20000|20000|200010000' "$1: every row once"
}

copy='{ id = "copy"; kind = "copy-records"; from = "pg:src"; to = "pg:dst"; key = "id";
	batch = 100; workers = 2; pause_file = "wait"; }'
# it can be told to wait in the middle
slow=$(printf '%s\n' "$copy" | sed 's/pause_file/pause = 0.02; &/')
fill='{ id = "fill"; kind = "backfill"; set = "pg:other"; key = "id"; batch = 50; pause = 0.01;
	undo = true;
	up = "UPDATE other SET v = v || id WHERE ($1::bigint IS NULL OR id > $1) AND id <= $2"; }'

# --- two hosts ---
new
plan "$copy"
: >"$tmp/one/wait"
UPSHIFT_TEST_LEASE_S=4 go one >"$tmp/one.log" 2>&1 &
pid=$!
await "SELECT count(*) > 0 FROM _upshift_range"
ok $? 'the first has begun'
run go two
is "$status" 75 'the second is refused'
one=$(head -n 1 "$tmp/one/.upshift/current")
like "$err" "run $one of the plan 'a' is at work here, from $(uname -n), since 2" 'and told why'
run "$UPSHIFT" resume --root "$tmp/two" --batch --yes --take-over "$one"
is "$status" 75 'nobody takes the place of a run that is at work'
is "$(sql "SELECT count(DISTINCT split_part(step, '/', 2)) FROM _upshift_range")" \
	1 'it did nothing'
# held for longer than the lease lasts
was=$(sql "SELECT until FROM _upshift_run")
await "SELECT until > $was + 4 FROM _upshift_run"
ok $? 'the lease of a run that goes on does not run out'
run "$UPSHIFT" resume --root "$tmp/two" --batch --yes
is "$status" 75 'the second is still refused'
rm -f "$tmp/one/wait"
wait "$pid"
is $? 0 'the first goes through'
copied 'two hosts'
is "$(sql "SELECT count(*) FROM _upshift_run")" 0 'the lease is given back'

# --- taken over: who had it stops ---
new
plan "$slow"
UPSHIFT_TEST_LEASE_S=1 go one >"$tmp/one.log" 2>&1 &
pid=$!
await "SELECT count(*) > 0 FROM dst"
: >"$tmp/one/wait"
sql "UPDATE _upshift_run SET owner = 'rival', until = until + 3600"
wait "$pid"
is $? 2 'a run whose lease was taken over stops'
like "$(cat "$tmp/one.log")" "run rival of the plan 'a' is at work here|another run of the plan 'a' has taken over" \
	'and says why'
sql "DELETE FROM _upshift_run"
rm -f "$tmp/one/wait"
run_is 0 'it goes on when it has it again' "$UPSHIFT" resume --root "$tmp/one" --batch --yes
copied 'taken over'

# --- killed: its place is kept, however long it is away ---
new
plan "$slow"
# kills the run of $1 in the middle of the copy; another host would think it dead
killed()
{
	UPSHIFT_TEST_LEASE_S=1 go_exec "$1" >"$tmp/$1.log" 2>&1 &
	pid=$!
	await "SELECT count(*) > 0 FROM dst"
	ok $? "$1 has begun"
	: >"$tmp/$1/wait"
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	rm -f "$tmp/$1/wait"
	pid=$$
	await "SELECT until + 1 < extract(epoch FROM clock_timestamp()) FROM _upshift_run"
	ok $? "$1 has not said anything for as long as it may"
}
killed one
one=$(head -n 1 "$tmp/one/.upshift/current")
had=$(sql "SELECT count(*) FROM dst")
run go two
is "$status" 75 'another host does not begin beside it'
like "$err" "E-1014 .*run $one of the plan 'a', from $(uname -n), since 2.* is not finished here" \
	'it says which run'
like "$err" "upshift resume; .*--take-over $one" 'and what to do'
run_is 0 'the code is explained' "$UPSHIFT" explain E-1014
like "$out" 'exit status 75' 'with its exit status'
is "$(sql "SELECT count(*) FROM dst")" "$had" 'it did nothing'
run_is 0 'the run itself goes on at once' "$UPSHIFT" resume --root "$tmp/one" --batch --yes
copied 'killed'
is "$(sql "SELECT count(*) FROM _upshift_run")" 0 'killed: the row goes with the run'
sql "TRUNCATE dst"
run "$UPSHIFT" resume --root "$tmp/two" --batch --yes
is "$status" 0 'then the other may'
copied 'the other'

# --- stopped in order: the same ---
new
: >"$tmp/one/wait"
go_exec one >"$tmp/one.log" 2>&1 &
pid=$!
await "SELECT count(*) > 0 FROM _upshift_range"
kill -TERM "$pid"
wait "$pid"
is $? 6 'stopped'
rm -f "$tmp/one/wait"
run go two
is "$status" 75 'stopped: another host does not begin beside it'
run_is 0 'it is undone' "$UPSHIFT" rollback --root "$tmp/one" --batch --confirm 'roll back to start'
is "$(sql "SELECT to_regclass('_upshift_run') IS NULL")" t 'nothing of it is left'
run_is 0 'then the other may' "$UPSHIFT" resume --root "$tmp/two" --batch --yes
copied 'after it was undone'

# --- its place is taken ---
new
killed one
one=$(head -n 1 "$tmp/one/.upshift/current")
run go two --take-over XXXX
is "$status" 75 'the place of another run than that is not taken'
sql 'TRUNCATE dst'
run_is 0 'the other takes its place' "$UPSHIFT" resume --root "$tmp/two" --batch --yes \
	--take-over "$one"
copied 'taken'
two=$(head -n 1 "$tmp/two/.upshift/current")
like "$(cat "$tmp/two/.upshift/runs/$two/journal.jsonl")" "\"kind\":\"take-over\",\"subject\":\"$one\"" \
	'it is in the journal'
run "$UPSHIFT" resume --root "$tmp/one" --batch --yes
is "$status" 75 'who lost it does not go on, though the other is done'
like "$err" "run $two of the plan 'a', from $(uname -n), has taken the place of this one" 'it says so'
run "$UPSHIFT" rollback --root "$tmp/one" --batch --confirm 'roll back to start'
is "$status" 75 'nor back, over what the other did'
copied 'still'
run_is 0 'the other goes back' "$UPSHIFT" rollback --root "$tmp/two" --batch --confirm 'roll back to start'
is "$(sql 'SELECT count(*) FROM dst')" 0 'as it found it'
run_is 0 'then the first may go back too' "$UPSHIFT" rollback --root "$tmp/one" --batch \
	--confirm 'roll back to start'

# --- killed between its last record and the row ---
new
plan "$copy"
go one >"$tmp/one.log" 2>&1
is $? 0 'a run is complete'
one=$(head -n 1 "$tmp/one/.upshift/current")
# as it would stand there
since=$(sed -n '1s/.*"started":"\([^"]*\)".*/\1/p' "$tmp/one/.upshift/runs/$one/journal.jsonl")
key=$(sed -n '1s/.*"store_key":"\([^"]*\)".*/\1/p' "$tmp/one/.upshift/runs/$one/journal.jsonl")
left()
{
	sql "INSERT INTO _upshift_run VALUES ('a', '$key', 'h', '$since', 1, 1, '')"
}
left
sql 'TRUNCATE dst'
run go two
is "$status" 75 'others cannot know that it is over'
run_is 0 'its own host can' "$UPSHIFT" resume --root "$tmp/one" --batch --yes
is "$(sql "SELECT count(*) FROM _upshift_run")" 0 'the row is gone'
left
sed 's/to = "2"/to = "3"/' "$plan" >"$tmp/b" && mv "$tmp/b" "$plan"
run_is 0 'nor does it keep the next run of its host' go one

# --- the server is killed, and comes back ---
new
plan "$(printf '%s\n' "$copy" | sed 's/pause_file = "wait"/pause = 0.01/'),
	$fill"
go one >"$tmp/one.log" 2>&1 &
pid=$!
for sig in QUIT INT KILL; do
	had=$(sql "SELECT count(*) FROM dst")
	await "SELECT count(*) > $had FROM dst"
	ok $? "the copy goes on ($sig)"
	pg_stop db $sig
	pg_start db
done
for sig in QUIT INT KILL; do
	had=$(sql "SELECT count(*) FROM other WHERE v <> 'o'")
	await "SELECT count(*) > $had FROM other WHERE v <> 'o'"
	ok $? "the backfill goes on ($sig)"
	pg_stop db $sig
	pg_start db
done
wait "$pid"
is $? 0 'both go through'
like "$(cat "$tmp/one.log")" 'copy: connection lost, attempt' 'it says so'
copied 'server killed'
is "$(sql "SELECT count(*) FROM other WHERE v = 'o' || id")" 5000 \
	'server killed: each row of the backfill once'

# --- three servers, each with its share; one of them is killed ---
new
for i in 0 1 2; do
	pg_sql s$i -c 'CREATE TABLE dst (id bigint, name text, n int)'
done
S0=$(pg_conn s0) S1=$(pg_conn s1) S2=$(pg_conn s2)
export S0 S1 S2
{
	# shellcheck disable=SC2016 # for the plan
	printf 'plan = 1; name = "a"; from = "1"; to = "2";
stores = { pg = "pg:${env:PG}"; s0 = "pg:${env:S0}"; s1 = "pg:${env:S1}"; s2 = "pg:${env:S2}"; };
steps = (\n'
	for i in 0 1 2; do
		printf '{ id = "copy%s"; kind = "copy-records"; from = "pg:src"; to = "s%s:dst";
	key = "id"; where = "id %% 3 = %s"; batch = 100; pause = 0.01; }%s\n' $i $i $i "$(test $i = 2 || echo ,)"
	done
	printf ');\nverify = ( { id = "same"; kind = "records"; copies = [ "copy0", "copy1", "copy2" ]; level = "standard"; } );\n'
} >"$plan"
go one >"$tmp/one.log" 2>&1 &
pid=$!
while [ "$(pg_sql s1 -c 'SELECT count(*) > 500 FROM dst')" != t ] &&
	kill -0 "$pid" 2>/dev/null; do :; done
pg_stop s1 QUIT
pg_start s1
wait "$pid"
is $? 0 'shards: all go through' || diag "$(tail -n 5 "$tmp/one.log")"
for i in 0 1 2; do
	is "$(pg_sql s$i -c "SELECT count(*), count(DISTINCT id), sum(id % 3) FROM dst")" \
		"$(sql "SELECT count(*), count(*), sum($i) FROM src WHERE id % 3 = $i")" \
		"shard $i: its rows, each once"
done
like "$(cat "$tmp/one.log")" 'copy1: connection lost' 'the second lost its connection'

done_testing
