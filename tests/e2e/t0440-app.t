#!/bin/sh
# SPDX-License-Identifier: MIT
# An application that runs: stopped and started around the change, and what it
# appends to its own logs is no alarm.
. "$(dirname "$0")/../lib/tap.sh"
tree="python3 $top_srcdir/tests/lib/tree.py"
root=$tmp/data

# The application: it runs while the file is there; what is asked of it, and
# what the data looked like then, goes to its diary.
cat >"$tmp/app" <<'TXT'
#!/bin/sh
dir=$(dirname "$0")
[ "$1" = status ] || echo "$1 $(ls "$dir/data" | tr '\n' ' ')" >>"$dir/diary"
case $1 in
stop) [ ! -e "$dir/stubborn" ] && rm -f "$dir/runs" ;;
start) [ ! -e "$dir/broken" ] && : >"$dir/runs" ;;
status) [ -e "$dir/runs" ] ;;
esac
TXT
chmod 755 "$tmp/app"

# plan STEPS [MORE]
plan()
{
	cat >"$tmp/plan" <<TXT
plan = 1; name = "app"; title = "App"; from = "1"; to = "2";
backup: { include = ["keep", "logs"]; };
live = ["logs/*.log"];
app: { stop = ["$tmp/app", "stop"]; start = ["$tmp/app", "start"]; running = ["$tmp/app", "status"]; downtime = "1 min"; };
steps = ( { id = "w"; kind = "write"; path = "new"; text = "new\n"; } ${1:+, $1} );
${2-}
TXT
}

fresh()
{
	rm -rf "$root" "$tmp/diary" "$tmp/stubborn" "$tmp/broken"
	mkdir -p "$root/keep" "$root/logs"
	echo a >"$root/keep/a"
	echo one >"$root/logs/app.log"
	: >"$tmp/runs"
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

plan ''
fresh
run_is 0 'a run' up
is "$(cat "$tmp/diary")" 'stop keep logs 
start keep logs new ' 'stopped before the change, started behind it'
like "$out" 'application: stopped' 'which is told'
run_is 0 'status' "$UPSHIFT" status --root "$root"
like "$out" 'app running' 'knows'
run_is 0 'a rollback' back
is "$(tail -n 2 "$tmp/diary")" 'stop keep logs new 
start keep logs ' 'stopped and started around it, too'
fresh
rm "$tmp/runs"
run_is 0 'a run while it is not running' up
[ ! -e "$tmp/diary" ] && [ ! -e "$tmp/runs" ]
ok $? 'neither stops nor starts it'

plan '' 'checks = ( { id = "C"; kind = "exists"; paths = ["nowhere"]; } );'
fresh
run_is 1 'a check failed' up
[ ! -e "$tmp/diary" ] && [ -e "$tmp/runs" ]
ok $? 'it was not stopped for that'
plan ''
fresh
: >"$tmp/stubborn"
run_is 1 'it cannot be stopped' up
like "$err" 'E-2090 .*could not be stopped' 'which is told'
[ ! -e "$root/new" ] && [ -e "$tmp/runs" ]
ok $? 'nothing is changed, it runs'
fresh
run up --backup-dir "$root/keep/x"
is "$status" 73 'no place for the backup'
[ -e "$tmp/runs" ]
ok $? 'it runs'

plan '{ id = "bad"; kind = "run"; run = ["sh", "-c", "[ -e keep/well ]"]; creates = ["x"]; }'
fresh
run_is 2 'a step failed' up
[ ! -e "$tmp/runs" ]
ok $? 'it stays stopped'
run "$UPSHIFT" status --root "$root"
like "$out" 'app stopped' 'which status tells'
run_is 2 'resume does not stop it again' "$UPSHIFT" resume --root "$root" --batch
run_is 0 'rollback' back
[ -e "$tmp/runs" ]
ok $? 'starts it again'
is "$(grep -c stop "$tmp/diary")" 1 'it was stopped once'
fresh
run_is 4 'rolled back by policy' up --on-failure rollback
[ -e "$tmp/runs" ]
ok $? 'it runs'
$tree "$root" .upshift >"$tmp/after"
file_is "$tmp/after" "$tmp/before" 'as before'

plan "{ id = \"killed\"; kind = \"run\"; run = [\"sh\", \"-c\", \"echo x >x; [ -e $tmp/second ] || { : >$tmp/second; kill -KILL PARENT; }\"]; creates = [\"x\"]; }"
sed -i 's/PARENT/$PPID/' "$tmp/plan"
fresh
run up
is "$status" 137 'killed in a step'
run_is 0 'resume' "$UPSHIFT" resume --root "$root" --batch
[ -e "$tmp/runs" ]
ok $? 'it runs again'
plan ''
fresh
: >"$tmp/broken"
run_is 2 'it does not start' up
like "$err" 'could not be started' 'which is told'
rm "$tmp/broken"
run_is 0 'resume starts it' "$UPSHIFT" resume --root "$root" --batch
[ -e "$tmp/runs" ]
ok $? 'it runs'

# it goes on writing to its logs
plan '{ id = "logs"; kind = "run"; run = ["sh", "-c", "echo two >>logs/app.log; echo x >x"]; creates = ["x"]; }' 'verify = ( { id = "V"; kind = "unchanged"; paths = ["keep", "logs"]; } );'
fresh
run_is 0 'a log that grew is no alarm' up
run_is 0 'nor for verify' "$UPSHIFT" verify --root "$root" --level rigorous
echo three >>"$root/logs/app.log"
run_is 0 'nor later' "$UPSHIFT" verify --root "$root" --level rigorous
run_is 0 'a rollback' back
is "$(cat "$root/logs/app.log")" 'one
two
three' 'leaves the log alone'
fresh
run_is 0 'again' up
echo other >"$root/logs/app.log"
run_is 7 'a log whose beginning changed is one' "$UPSHIFT" verify --root "$root" --level rigorous
sed -i 's/^live.*//' "$tmp/plan"
fresh
run_is 2 'a file that is not said to be live' up
like "$err" 'E-4006' 'may not be changed by a command'
done_testing
