#!/bin/sh
# SPDX-License-Identifier: MIT
# A provider's snapshot beside the backup: made, put back, dropped; killed, late
# and failing. The provider is a script that copies a database.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$top_srcdir/tests/lib/pg.sh"
pg_need
pg_start db

root=$tmp/root
calls=$tmp/calls
URL="dbname=app host=$pg_base/db/sock user=upshift"

# Each call is written down; a file named after it says how to go wrong.
cat >"$tmp/provider" <<END
#!/bin/sh
# provider VERB ARGUMENT...
verb=\$1
printf '%s [%s] [%s]\n' "\$*" "\$UPSHIFT_SNAPSHOT" "\$UPSHIFT_SNAPSHOT_ID" \
	>>"$calls"
sql() { "$pg_bin/psql" -X -q -v ON_ERROR_STOP=1 \
	-d "host=$pg_base/db/sock user=upshift dbname=postgres" -c "\$1"; }
[ ! -e "$tmp/\$verb.fails" ] || { echo "no credit left" >&2; exit 3; }
[ ! -e "$tmp/\$verb.hangs" ] || { echo x >"$tmp/hanging"; exec sleep 1000; }
name=s_\$(printf %s "\$UPSHIFT_SNAPSHOT" | tr -c 'a-z0-9\n' _)
case \$verb in
create)
	sql "CREATE DATABASE \$name TEMPLATE app" || exit 1
	[ ! -e "$tmp/create.halts" ] || { echo x >"$tmp/hanging"; exec sleep 1000; }
	printf '\n  %s  \nmade in the region of your choice\n' "\$name"
	;;
restore)
	sql "DROP DATABASE app WITH (FORCE)"
	sql "CREATE DATABASE app TEMPLATE \$2"
	[ ! -e "$tmp/restore.halts" ] || { echo x >"$tmp/hanging"; exec sleep 1000; }
	;;
drop)
	case \$2 in
	s_*) sql "DROP DATABASE \$2" ;;
	*) sql "DROP DATABASE \$name" ;;
	esac
	;;
esac
END
chmod +x "$tmp/provider"

begin()
{
	pg_sql db -c 'DROP DATABASE IF EXISTS app WITH (FORCE)' 2>/dev/null
	pg_sql db -t -c "SELECT 'DROP DATABASE ' || datname FROM pg_database
		WHERE datname LIKE 's\\_%'" >"$tmp/old.sql"
	while read -r line; do
		pg_sql db -c "$line"
	done <"$tmp/old.sql"
	pg_sql db -c 'CREATE DATABASE app'
	"$pg_bin/psql" -X -q -d "$URL" -c "CREATE TABLE old (id int PRIMARY KEY,
		body text); INSERT INTO old SELECT i, 'text ' || i FROM
		generate_series(1, 500) i; CREATE TABLE aside (n int);"
	rm -rf "$root" "$tmp/create."* "$tmp/restore."* "$tmp/drop."* \
		"$tmp/hanging"
	mkdir "$root"
	: >"$calls"
}

app()
{
	"$pg_bin/psql" -X -q -A -t -d "$URL" -c "$1"
}

dumped()
{
	pg_dumped "$URL"
}

# plan SNAPSHOT [REST]
plan()
{
	cat >"$tmp/p.plan" <<-END
	plan = 1; name = "p"; to = "2";
	stores: { db = "pg:$URL"; };
	backup: { keep_days = 0; snapshot: { $1 }; };
	steps = (
	  { id = "file"; kind = "write"; path = "f"; text = "f"; },
	  { id = "schema"; kind = "sql"; store = "db";
	    up = ["CREATE TABLE fresh (id int PRIMARY KEY, body text)"];
	    down = ["DROP TABLE fresh"]; },
	  { id = "fresh"; kind = "copy-records"; from = "db:old"; to = "db:fresh";
	    key = ["id"]; columns: { id = "id"; body = "body"; }; },
	  { id = "old"; kind = "sql"; store = "db";
	    up = ["UPDATE old SET body = 'changed'"]; down = ["SELECT 1"]; } );
	$2
	END
}
all="create = [\"$tmp/provider\", \"create\"];
	restore = [\"$tmp/provider\", \"restore\", \"\${snapshot.id}\"];
	drop = [\"$tmp/provider\", \"drop\", \"\${snapshot.id}\"];"

up()
{
	run "$UPSHIFT" run "$tmp/p.plan" --root "$root" --batch --yes
	[ "$status" = "${1:-0}" ] || diag "$out $err"
}

back()
{
	run "$UPSHIFT" rollback start --root "$root" "$@" --batch \
		--confirm "roll back to start"
}

# called VERB: how often
called()
{
	grep -c "^$1 " "$calls"
}

snapshots()
{
	pg_sql db -c "SELECT count(*) FROM pg_database WHERE datname LIKE 's\\_%'"
}

# --- made, and put back when asked to ---
begin
plan "$all"
run "$UPSHIFT" run "$tmp/p.plan" --root "$root" --dry-run
like "$out$err" "would run: $tmp/provider create" "a dry run tells"
is "$(called create)" 0 "and makes none"
dumped >"$tmp/before"
up
is "$status" 0 "a run"
is "$(called create)" 1 "the snapshot is made once"
like "$(cat "$calls")" "create \[upshift-....-........\] \[\]" \
	"with the name of the run"
is "$(app "SELECT count(*) FROM fresh")" 500 "all is done"
id=$(pg_sql db -c "SELECT datname FROM pg_database WHERE datname LIKE 's\\_%'")
run "$UPSHIFT" status --root "$root"
like "$out" "| snapshot $id" "status names it as the provider does"
run "$UPSHIFT" status --root "$root" --json
like "$out" "\"snapshot\":{\"state\":\"created\",.*\"id\":\"$id\"" \
	"and so does its JSON"
run "$UPSHIFT" report --root "$root"
like "$out" "Snapshot of the provider: '$id', made 20" "and the report"
is "$(sed -n 's/.*"what":"snapshot","state":"\([^"]*\)".*/\1/p' \
	"$root"/.upshift/runs/*/journal.jsonl | tr '\n' ' ')" "creating created " \
	"the journal has it, ahead and behind"

run "$UPSHIFT" doctor "$tmp/p.plan" --root "$root"
is "$status" 0 "doctor looks at the plan's databases"
like "$out" "create  *yes  $tmp/provider" "and at the provider's commands"
like "$out" "'$id', made 20" "and says which snapshots there are"
run "$UPSHIFT" doctor "$tmp/p.plan" --root "$root" --json
like "$out" "\"snapshot\":{\"create\":true,\"restore\":true,\"drop\":true,\"there\":\[{\"run\":\"....\",\"state\":\"created\",\"id\":\"$id\"}" \
	"for programs, too"
chmod -x "$tmp/provider"
run "$UPSHIFT" doctor "$tmp/p.plan" --root "$root"
is "$status" 69 "a command that cannot be run"
like "$out" "restore  *no  *$tmp/provider" "is named"
chmod +x "$tmp/provider"

back
is "$status" 0 "a rollback without a word of it"
is "$(called restore)" 0 "does not put it back"
run "$UPSHIFT" rollback R1 --root "$root" --batch --confirm "roll back to R1"
is "$status" 0 "and from there on again"
app "INSERT INTO aside VALUES (1)"
run "$UPSHIFT" rollback start --strategy snapshot --preview --root "$root"
like "$out" "snapshot '$id'" "the preview names the snapshot"
run "$UPSHIFT" rollback CP2 --strategy snapshot --root "$root" --batch \
	--confirm "roll back to CP2"
is "$status" 66 "it holds the start alone"
like "$err" "a snapshot holds the start alone" "which is said"
is "$(called restore)" 0 "nothing was called"
back --strategy snapshot
is "$status" 0 "back by the snapshot"
[ "$status" = 0 ] || diag "$out $err"
like "$(cat "$calls")" "restore $id \[upshift-....-........\] \[$id\]" \
	"its command has the id, in its arguments and in the environment"
dumped >"$tmp/now"
file_is "$tmp/now" "$tmp/before" "all is as before, other tables too"
test ! -e "$root/f"
ok $? "files are"
run "$UPSHIFT" rollback R3 --root "$root" --batch --confirm "roll back to R3"
is "$status" 0 "undone once more"
is "$(app "SELECT (SELECT count(*) FROM fresh), (SELECT count(*) FROM aside),
	(SELECT max(body) FROM old)")" "500|0|changed" \
	"the tables of the steps are back from the point"
back --strategy snapshot
is "$status" 0 "and the snapshot can be put back again"
is "$(called restore)" 2 "by its command"
id2=$(ls "$root/.upshift/runs")
is "$(snapshots)" 1 "it is still there"
run "$UPSHIFT" forget "$id2" --root "$root" --batch --confirm "forget $id2"
is "$status" 0 "forget"
is "$(snapshots)" 0 "drops it"

# --- what else drops it ---
begin
plan "$all"
up
echo 'plan = 1; name = "p"; to = "3"; backup: { keep_days = 0; };
	steps = ( { id = "g"; kind = "write"; path = "g"; text = "g"; } );' \
	>"$tmp/q.plan"
: >"$tmp/drop.fails"
run "$UPSHIFT" run "$tmp/q.plan" --root "$root" --batch --yes
is "$status" 0 "a newer run"
is "$(called drop)" 1 "prunes"
like "$(cat "$root"/.upshift/runs/*/log.jsonl)" "cannot drop snapshot 's_.*ended with status 3" \
	"a drop that fails is told"
first=$("$UPSHIFT" list --root "$root" --json | tr '{' '\n' |
	sed -n 's/.*"run":"\([^"]*\)".*"to":"2".*/\1/p')
test -e "$root/.upshift/runs/$first/backup/start.tar.zst"
ok $? "and the backup stays with it"
run "$UPSHIFT" forget "$first" --root "$root" --batch
is "$status" 73 "forget fails on it"
like "$err" "--keep-snapshot" "with the way out"
rm "$tmp/drop.fails"
sed 's/"3"/"4"/' "$tmp/q.plan" >"$tmp/q4.plan"
run "$UPSHIFT" run "$tmp/q4.plan" --root "$root" --batch --yes
is "$(snapshots)" 0 "the next run drops it"
test ! -e "$root/.upshift/runs/$first/backup/start.tar.zst"
ok $? "and the backup"
begin
plan "$all"
up
id2=$(ls "$root/.upshift/runs")
: >"$tmp/drop.fails"
run "$UPSHIFT" forget "$id2" --root "$root" --batch --keep-snapshot \
	--confirm "forget $id2"
is "$status" 0 "forgotten, but the snapshot"
is "$(called drop) $(snapshots)" "0 1" "which stays"

# --- it cannot be made ---
begin
plan "$all"
: >"$tmp/create.fails"
up 1
is "$status" 1 "no snapshot, no run"
like "$err" "the snapshot could not be made: '$tmp/provider' ended with status 3" \
	"which is said"
like "$err" "no credit left" "with what the provider said"
test ! -e "$root/f"
ok $? "nothing was changed"
rm "$tmp/create.fails"
run "$UPSHIFT" resume --root "$root" --batch --yes
is "$status" 0 "it goes on when it can"
is "$(snapshots)" 1 "with a snapshot"

begin
plan "$all timeout = \"500ms\";"
: >"$tmp/create.hangs"
up 1
is "$status" 1 "one that does not end"
like "$err" "took longer than 0.5 s" "is ended"
test ! -e "$root/f"
ok $? "and nothing was changed"

begin
plan "$(printf %s "$all" | sed 's,/provider,/no-such-program,')"
up 69
is "$status" 69 "no such program"
like "$err" "snapshot: cannot run '$tmp/no-such-program'" "is told"
is "$(ls "$root"/.upshift/runs/*/backup 2>/dev/null)" "" "ahead of the backup"

# --- killed ---
# waits until the provider hangs, and kills upshift alone; its pid is $!
kill_there()
{
	while [ ! -e "$tmp/hanging" ]; do
		kill -0 $! 2>/dev/null || { diag "it ended before"; return; }
	done
	kill -KILL $!
	wait $! 2>/dev/null
}
UPSHIFT_TEST_CHILD_WAIT_MS=10
export UPSHIFT_TEST_CHILD_WAIT_MS

begin
plan "$all"
: >"$tmp/create.halts"
"$UPSHIFT" run "$tmp/p.plan" --root "$root" --batch --yes >/dev/null 2>&1 &
kill_there
is "$(snapshots)" 1 "killed when the snapshot was made, and not known"
rm "$tmp/create.halts" "$tmp/hanging"
run "$UPSHIFT" status --root "$root" --json
like "$out" '"snapshot":{"state":"creating",.*"available":false' \
	"it is not taken for one"
run "$UPSHIFT" resume --root "$root" --batch --yes
is "$status" 0 "goes on"
[ "$status" = 0 ] || diag "$out $err"
is "$(called create) $(called drop) $(snapshots)" "2 1 1" \
	"what was there is dropped, and made again under the same name"
is "$(sed -n 's/^create \[\(.*\)\] .*/\1/p' "$calls" | sort -u | wc -l | tr -d ' ')" 1 \
	"the name is the same"

: >"$tmp/restore.halts"
"$UPSHIFT" rollback start --strategy snapshot --root "$root" --batch \
	--confirm "roll back to start" >/dev/null 2>&1 &
kill_there
rm "$tmp/restore.halts" "$tmp/hanging"
run "$UPSHIFT" resume --root "$root" --batch --yes
is "$status" 0 "killed while it is put back: goes on"
[ "$status" = 0 ] || diag "$out $err"
is "$(called restore)" 2 "with the command again"
dumped >"$tmp/now"
file_is "$tmp/now" "$tmp/before" "and all is as before"

# --- it cannot be put back: the tarball still can ---
begin
plan "$all"
up
: >"$tmp/restore.fails"
back --strategy snapshot
is "$status" 5 "a provider that fails"
like "$err" "could not be put back: '$tmp/provider' ended with status 3" "told"
back --strategy backup
is "$status" 0 "the tables of the backup instead"
[ "$status" = 0 ] || diag "$out $err"
dumped >"$tmp/now"
file_is "$tmp/now" "$tmp/before" "all is as before"

# --- a scenario, and what others changed between backup and snapshot ---
begin
plan "$all" 'rollback: { scenarios = ( { name = "provider";
	strategy = "snapshot"; } ); };'
cat >"$tmp/late" <<END
#!/bin/sh
"$pg_bin/psql" -X -q -d "$URL" -c "INSERT INTO old VALUES (501, 'late')"
exec "$tmp/provider" "\$@"
END
chmod +x "$tmp/late"
sed "s,create = .\"$tmp/provider,create = [\"$tmp/late," "$tmp/p.plan" \
	>"$tmp/p2.plan"
run "$UPSHIFT" run "$tmp/p2.plan" --root "$root" --batch --yes
is "$status" 0 "a run whose snapshot is later than the backup"
run "$UPSHIFT" rollback --scenario provider --root "$root" --batch \
	--confirm "roll back to start"
is "$status" 0 "the scenario"
is "$(called restore)" 1 "puts the snapshot back"
like "$out$err" "'db:old' is not as in the backup: 500 rows there, 501 now" \
	"what differs from the backup is told"

# --- plans that are wrong ---
begin
# refused TEXT WHY NAME
refused()
{
	run "$UPSHIFT" lint "$tmp/p.plan"
	is "$status" 65 "$2"
	like "$out$err" "$1" "says why"
}
plan 'create = ["a"];'
refused "'restore' is missing" "a snapshot that nobody can put back"
plan 'create = "a"; restore = ["b"]; drop = ["c"];'
refused "'create' must be a list of arguments" "no list of arguments"
# shellcheck disable=SC2016 # for the plan
plan 'create = ["a", "${snapshot.id}"]; restore = ["b"]; drop = ["c"];'
refused 'snapshot.id}. has no value here' "an id before there is one"
# shellcheck disable=SC2016 # for the plan
plan 'create = ["a"]; restore = ["sh", "-c", "x ${snapshot.id}"]; drop = ["c"];'
refused "must not stand inside a script" "words of others in a script"
plan "$all" 'rollback: { strategy = "snapshot"; };'
refused "'snapshot' is only for a scenario" "never by itself"
plan "$all" 'rollback: { scenarios = ( { name = "x"; strategy = "snapshot";
	to = "CP1"; } ); };'
refused "a snapshot holds the start alone" "no other point"
echo 'plan = 1; name = "p"; to = "2"; steps = ( { id = "g"; kind = "write";
	path = "g"; text = "g"; } ); rollback: { scenarios = ( { name = "x";
	strategy = "snapshot"; } ); };' >"$tmp/p.plan"
refused "the plan makes no snapshot" "no snapshot to put back"
plan 'create = ["true"]; restore = ["true"];'
run "$UPSHIFT" lint "$tmp/p.plan"
like "$out$err" "without 'drop' nothing removes it" "nothing that drops it"

# a plan without one is asked for it
echo 'plan = 1; name = "p"; to = "2"; steps = ( { id = "g"; kind = "write";
	path = "g"; text = "g"; } );' >"$tmp/p.plan"
up
back --strategy snapshot
is "$status" 66 "no snapshot"
like "$err" "there is no snapshot" "is said"
test -e "$root/g"
ok $? "nothing was undone"

done_testing
