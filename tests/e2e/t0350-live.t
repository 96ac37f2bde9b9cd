#!/bin/sh
# SPDX-License-Identifier: MIT
# A run that is going on, seen from another terminal: status, attach, the lock,
# and what is left when the engine is killed.
. "$(dirname "$0")/../lib/tap.sh"
root=$tmp/data
cat >"$tmp/plan" <<'TXT'
plan = 1;
name = "live"; title = "Live"; from = "1"; to = "2";
backup: { include = ["keep"]; };
steps = (
  { id = "made"; kind = "mkdir"; paths = ["new"]; },
  { id = "held"; kind = "run"; run = ["sh", "-c", "echo up >\"$UP\"; read go <\"$GO\"; echo out >new/out"]; creates = ["new/out"]; probe = ["test", "-e", "new/out"]; },
  { id = "last"; kind = "write"; path = "new/last"; text = "last\n"; }
);
TXT
UP=$tmp/up
GO=$tmp/go
export UP GO
mkfifo "$UP" "$GO" "$tmp/stream"

# begin: a run in the background, which stands in its second step on return
begin()
{
	rm -rf "$root"
	mkdir -p "$root/keep"
	echo a >"$root/keep/a"
	timeout 60 "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes "$@" >"$tmp/run.out" 2>&1 </dev/null &
	engine=$!
	read -r _ <"$UP"
}

# go_on: lets it go to its end
go_on()
{
	echo go >"$GO"
	wait "$engine"
	ended=$?
}

begin
run_is 0 'status of a live run' "$UPSHIFT" status --root "$root"
like "$out" '^State: running\.$' 'says that it runs'
like "$out" '^Done: 1 made$' 'what is done'
like "$out" '^Under way: 2 held$' 'what is under way'
like "$out" 'changing, step 2' 'that data are being changed'
like "$out" 'upshift attach' 'and how to watch it'
run_is 0 'as JSON' "$UPSHIFT" status --root "$root" --json
like "$out" '"state":"running"' 'it says running, too'
like "$out" '"live":true' 'and live'
run_is 75 'another run is refused' "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
like "$err" 'process [0-9]+ of .* since ' 'and told by whom and since when'
run_is 75 'a resume' "$UPSHIFT" resume --root "$root" --batch
run_is 75 'a rollback' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
run_is 75 'forgetting it' "$UPSHIFT" forget --expired --root "$root"
run_is 0 'list goes' "$UPSHIFT" list --root "$root"
run_is 0 'report goes' "$UPSHIFT" report --root "$root"
run_is 0 'a preview goes' "$UPSHIFT" rollback --root "$root" --preview

timeout 60 "$UPSHIFT" attach --read-only --json --root "$root" >"$tmp/stream" 2>/dev/null </dev/null &
viewer=$!
exec 5<"$tmp/stream"
read -r first <&5
go_on
is "$ended" 0 'the run ends'
cat <&5 >"$tmp/rest"
exec 5<&-
wait "$viewer"
is "$?" 0 'and with it the viewer'
like "$first" '^\{"type":"version"' 'the stream begins with version'
like "$(sed -n 1p "$tmp/rest")" '"type":"plan"' 'then the plan'
like "$(sed -n 2p "$tmp/rest")" '"type":"status"' 'and where it stands'
like "$(cat "$tmp/rest")" '"type":"step","seq":[0-9]+,.*"id":"last",.*"state":"verified"' 'then what happens'
like "$(tail -n 1 "$tmp/rest")" '"type":"summary"' 'to the summary'
run_is 66 'nothing to watch behind it' "$UPSHIFT" attach --read-only --root "$root"
like "$err" 'no engine is running' 'which is said'

# a viewer that is gone does not hold it up; a log of one's own
echo before >"$tmp/log"
mkdir -p "$tmp/fresh/keep"
run_is 9 'a dry run' "$UPSHIFT" run "$tmp/plan" --root "$tmp/fresh" --dry-run --log-file "$tmp/log"
is "$(cat "$tmp/log")" before 'leaves the log alone'
begin --log-file "$tmp/log"
timeout 60 "$UPSHIFT" attach --read-only --root "$root" >"$tmp/stream" 2>/dev/null </dev/null &
viewer=$!
exec 5<"$tmp/stream"
read -r first <&5
kill -KILL "$viewer"
wait "$viewer" 2>/dev/null
exec 5<&-
go_on
is "$ended" 0 'a viewer that was killed does not matter'
like "$(sed -n 1p "$tmp/log")" '^before$' '--log-file appends'
like "$(sed -n 2p "$tmp/log")" '^\{"type":"version"' 'from version'
like "$(tail -n 1 "$tmp/log")" '^\{"type":"summary"' 'to summary'
unlike "$(cat "$tmp/log")" '"type":"progress"' 'without progress'
is "$(stat -c %a "$tmp/log")" 644 'the mode of a file that was there stays'
run_is 73 'a log that cannot be written' "$UPSHIFT" resume --root "$root" --batch --log-file "$tmp/no/log"
like "$err" "cannot write log file '.*/no/log'" 'which is said'

# the engine is killed; its command outlives it
begin
pid=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$root/.upshift/lock")
kill -KILL "$pid"
wait "$engine" 2>/dev/null
run_is 0 'status behind a kill' "$UPSHIFT" status --root "$root"
like "$out" '^State: interrupted, resumable\. Nothing is running\.$' 'it was interrupted'
run "$UPSHIFT" status --root "$root" --json
like "$out" '"state":"paused".*"live":false' 'paused for programs'
like "$out" 'step 2 was interrupted' 'in its second step'
like "$out" 'upshift resume' 'and goes on by resume'
run_is 2 'another run is refused' "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
like "$err" 'step 2 was interrupted' 'with where it stands'
like "$err" 'upshift resume' 'and what to type'
# the lock is held by nobody; what stands in its file is not believed
echo go >"$GO"
run_is 0 'resume waits for the command, then asks what is true' "$UPSHIFT" resume --root "$root" --batch
like "$out" 'fully applied' 'it was applied'
is "$(cat "$root/new/out" "$root/new/last")" 'out
last' 'and the rest was done'
# the machine is asked not to sleep in the middle, and let go at the end
mkdir "$tmp/bin"
cat >"$tmp/bin/systemd-inhibit" <<'TXT'
#!/bin/sh
printf '%s\n' "$@" >"$INHIBIT_LOG"
cat >/dev/null
echo over >>"$INHIBIT_LOG"
TXT
chmod +x "$tmp/bin/systemd-inhibit"
mkdir -p "$tmp/awake/data"
cat >"$tmp/awake.plan" <<'TXT'
plan = 1; name = "awake"; from = "1"; to = "2";
steps = ( { id = "held"; kind = "run"; timeout = 60;
  run = ["sh", "-c", "until [ -s \"$INHIBIT_LOG\" ]; do sleep 0.05; done"]; } );
TXT
INHIBIT_LOG=$tmp/inhibit.log PATH=$tmp/bin:$PATH \
	run "$UPSHIFT" run "$tmp/awake.plan" --root "$tmp/awake" --batch --yes \
	--confirm held
is "$status" 0 'the inhibitor is there while a step runs'
like "$(cat "$tmp/inhibit.log")" 'what=.*sleep.*shutdown' 'for sleep and shutdown'
n=0
while ! grep -q over "$tmp/inhibit.log" && [ $n -lt 600 ]; do
	n=$((n + 1))
	sleep 0.05
done
like "$(cat "$tmp/inhibit.log")" 'over' 'and it is let go when the run ends'


# whom it asks to keep the machine awake shares its lock for an instant; the run
# waits for that to be over, so that the next one never meets it
if strace -qq -o /dev/null true 2>/dev/null; then
	mkdir "$tmp/tools"
	printf '#!/bin/sh\nexec cat\n' >"$tmp/tools/systemd-inhibit"
	chmod 755 "$tmp/tools/systemd-inhibit"
	printf 'plan = 1; name = "s"; from = "1"; to = "2"; steps = ( { id = "w"; kind = "write"; path = "w"; text = "w"; } );\n' >"$tmp/short.plan"
	rm -rf "$root"
	mkdir "$root"
	# shellcheck disable=SC2016 # for the shell below
	run_is 66 'the lock is free as soon as a run is over' \
		env PATH="$tmp/tools:$PATH" strace -f -qq -o /dev/null \
		-e trace=close_range -e inject=close_range:delay_enter=900000 \
		sh -c '"$UPSHIFT" run "$1" --root "$2" --batch --yes && "$UPSHIFT" rollback CP7 --root "$2" --batch --confirm "roll back to CP7"' \
		- "$tmp/short.plan" "$root"
else
	skip 'strace cannot trace here' 'the lock behind a run'
fi
done_testing
