#!/bin/sh
# SPDX-License-Identifier: MIT
# The exit status of every situation, each with what is said about it.
. "$(dirname "$0")/../lib/tap.sh"
tree="python3 $top_srcdir/tests/lib/tree.py"
root=$tmp/data

# plan NAME STEPS [MORE]
plan()
{
	printf 'plan = 1; name = "%s"; title = "T"; from = "1"; to = "2";\nbackup: { include = ["keep"]; };\nsteps = ( %s );\n%s\n' \
		"$1" "$2" "${3-}" >"$tmp/$1.plan"
}

fresh()
{
	chmod -R u+rwx "$root" 2>/dev/null
	rm -rf "$root"
	mkdir -p "$root/keep"
	echo a >"$root/keep/a"
	$tree "$root" .upshift >"$tmp/before"
}

same()
{
	$tree "$root" .upshift >"$tmp/after"
	file_is "$tmp/after" "$tmp/before" "$1"
}

# up NAME [OPTION...]
up()
{
	name=$1
	shift
	"$UPSHIFT" run "$tmp/$name.plan" --root "$root" --batch --yes "$@"
}

back()
{
	"$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start' "$@"
}

# status_is STATE NAME
status_is()
{
	is "$("$UPSHIFT" status --root "$root" --json | sed 's/.*"state":"\([a-z-]*\)","steps".*/\1/')" "$1" "$2"
	run_is 0 "$2: status" "$UPSHIFT" status --root "$root"
}

W='{ id = "w"; kind = "write"; path = "new"; text = "new\n"; }'
FAIL='{ id = "bad"; kind = "run"; run = ["sh", "-c", "echo half >half; exit 3"]; creates = ["half"]; }'
plan good "$W"

# --- 0 ---

fresh
run_is 0 'done and verified' up good
status_is complete 'complete'
run_is 0 'the same plan again' up good
like "$out" 'good is 2 already' 'is done already'
unlike "$out" 'changed since' 'and the plan is the same'
run_is 0 'in a script for every start' up good --if-needed
is "$out$err" '' 'nothing is said then'
printf '// a word more\n' >>"$tmp/good.plan"
run_is 0 'the same plan, another digest' up good
like "$out" 'the plan file has changed since' 'is said in one sentence'
run_is 0 'resume of a complete run' "$UPSHIFT" resume --root "$root" --batch
like "$out" 'nothing to resume' 'which is said'
rm -rf "$root/.upshift"
run_is 0 'a dry run where nothing is to be done' "$UPSHIFT" run "$tmp/good.plan" --root "$root" --dry-run
run_is 0 'a run where nothing is to be done' up good
run_is 0 'a rollback that was asked for' back
is "$(cat "$root/new")" new 'what was there before the run stays'
status_is rolled-back 'rolled back'

# --- 1 ---

fresh
plan check "$W" 'checks = ( { kind = "exists"; id = "C01"; paths = ["nowhere"]; hint = "Look again."; } );'
run_is 1 'a check failed' up check
like "$err" "check C01 failed: .*nowhere" 'which is named'
like "$err" 'Look again\.' 'with its hint'
same 'and nothing is changed'
status_is failed 'a check failed'
run_is 66 'there is nothing to resume then' "$UPSHIFT" resume --root "$root" --batch
run_is 0 'the next run may begin' up good
fresh
run_is 1 'check alone' "$UPSHIFT" check "$tmp/check.plan" --root "$root"
[ ! -e "$root/.upshift" ]
ok $? 'makes nothing'
plan there "$W"
echo old >"$root/new"
run_is 1 'the first step cannot be applied' up there
like "$err" 'E-4' 'with its code'
is "$(cat "$root/new")" old 'nothing else was applied'
fresh
plan first "$FAIL"
run_is 1 'a step failed that was put back, nothing else applied' up first
[ ! -e "$root/half" ]
ok $? 'nothing is left of it'

# --- 2 ---

fresh
plan second "$W, $FAIL"
run_is 2 'a step failed behind a change' up second
like "$err" "E-4004" 'with its code'
like "$err" 'resume' 'and what to type'
status_is failed 'failed'
like "$out" 'Failed: 2 bad \(E-4004\)' 'the step is named'
like "$out" 'rollback start --root' 'and the way back'
run_is 2 'an open run is found by run' up good
like "$err" 'not finished' 'where it stands is said'
run_is 2 'a resume that fails again' "$UPSHIFT" resume --root "$root" --batch
run_is 0 'back' back
same 'all is as it was'
fresh
plan stubborn "$W, { id = \"bad\"; kind = \"run\"; on_error = \"continue\"; run = [\"sh\", \"-c\", \"echo half >half; exit 3\"]; creates = [\"half\"]; undo = [\"false\"]; }"
run_is 2 'a step that may fail cannot be undone' up stubborn
like "$err" "cannot undo step 'bad'" 'which is said'
fresh
plan signal2 "$W, { id = \"s\"; kind = \"run\"; run = [\"sh\", \"-c\", \"kill -TERM \$\$PPID; kill -INT \$\$PPID; exec sleep 60\"]; creates = [\"half\"]; }, { id = \"x\"; kind = \"write\"; path = \"x\"; text = \"x\"; }"
sed -i 's/\$\$PPID/$PPID/g' "$tmp/signal2.plan"
run_is 2 'the second signal stops at once' up signal2
[ ! -e "$root/x" ] && [ -e "$root/new" ]
ok $? 'behind the first step'
status_is paused 'stopped at once'

# --- 3 ---

fresh
plan warn "$W" 'checks = ( { kind = "exists"; id = "C01"; paths = ["nowhere"]; severity = "warn"; } );'
run_is 3 'a warning' up warn
like "$out" 'C01' 'which is told'
run_is 3 'check alone' "$UPSHIFT" check "$tmp/warn.plan" --root "$root"
status_is complete 'done with warnings'
fresh
plan skip "$W, { id = \"o\"; kind = \"write\"; path = \"o\"; text = \"o\"; optional = true; }"
run_is 3 'a step was skipped' up skip --skip o
[ -e "$root/new" ] && [ ! -e "$root/o" ]
ok $? 'and that alone'
run_is 0 'it is made up for' "$UPSHIFT" resume --root "$root" --batch --run-step o
[ -e "$root/o" ]
ok $? 'now it is there'
fresh
plan makeup "$W, { id = \"o\"; kind = \"run\"; optional = true; run = [\"sh\", \"-c\", \"echo o >o; [ ! -e keep/kill ] || kill -KILL PARENT\"]; creates = [\"o\"]; }"
sed -i 's/PARENT/$PPID/g' "$tmp/makeup.plan"
run_is 3 'a step was skipped' up makeup --skip o
: >"$root/keep/kill"
run "$UPSHIFT" resume --root "$root" --batch --run-step o
is "$status" 137 'killed while it is made up for'
status_is paused 'made up for'
run_is 2 'the run is open again' up makeup
rm "$root/keep/kill"
run_is 0 'and goes on with it' "$UPSHIFT" resume --root "$root" --batch
[ -e "$root/o" ]
ok $? 'now it is there'
run_is 0 'a step that was made up for' "$UPSHIFT" resume --root "$root" --batch --run-step o
run_is 64 'a step that is none' "$UPSHIFT" resume --root "$root" --batch --run-step nothing
status_is complete 'made up for'
run_is 0 'all of it goes back' back
[ ! -e "$root/o" ] && [ ! -e "$root/new" ]
ok $? 'that step, too'
fresh
plan goon "$W, { id = \"bad\"; kind = \"run\"; on_error = \"continue\"; run = [\"sh\", \"-c\", \"echo half >half; exit 3\"]; creates = [\"half\"]; }, { id = \"needs\"; kind = \"write\"; path = \"n\"; text = \"n\"; needs = [\"bad\"]; }, { id = \"last\"; kind = \"write\"; path = \"last\"; text = \"l\"; }"
run_is 3 'a step that may fail' up goon
[ ! -e "$root/half" ] && [ ! -e "$root/n" ] && [ -e "$root/last" ]
ok $? 'is undone, what needs it is skipped, the rest is done'

# --- 4 ---

fresh
run_is 4 'failed and rolled back by policy' up second --on-failure rollback
same 'all is as it was'
like "$err" 'E-4004' 'what failed is told'
status_is rolled-back 'rolled back by policy'
plan verify "$W" 'verify = ( { kind = "exists"; id = "V1"; paths = ["nowhere"]; } );'
run_is 4 'a verification that fails, too' up verify --on-failure rollback
same 'as it was'
plan policy "$W, $FAIL" 'on_failure = "rollback";'
run_is 4 "by the plan's policy" up policy
same 'as it was, too'
run_is 2 'an option wins over it' up policy --on-failure stop
run_is 0 'back by hand' back

# --- 5 ---

fresh
run_is 0 'a run' up good
archive=$(echo "$root"/.upshift/runs/*/backup/start.tar.zst)
printf '\377' | dd of="$archive" bs=1 seek=40 conv=notrunc 2>/dev/null
$tree "$root" .upshift >"$tmp/was"
run_is 5 'a damaged backup is refused' back
like "$err" 'nothing was changed by this rollback' 'before anything is changed'
$tree "$root" .upshift >"$tmp/after"
file_is "$tmp/after" "$tmp/was" 'not a byte'
run_is 7 'verify finds the damage' "$UPSHIFT" verify --root "$root"
fresh
plan rverify "$W" 'verify_rollback = ( { kind = "exists"; id = "R1V"; paths = ["keep/b"]; } );'
run_is 0 'a run' up rverify
run_is 5 'verification of a rollback failed' back
like "$err" 'R1V failed' 'by name'
status_is rollback-failed 'a rollback failed'
like "$out" 'upshift rollback start' 'it can be tried again'
echo b >"$root/keep/b"
run_is 0 'and then goes through' back
status_is rolled-back 'at last'
fresh
plan baseline "$W" 'verify_rollback = ( { kind = "command"; id = "B1"; run = ["ls", "keep"]; as_before = true; }, { kind = "timing"; id = "B2"; run = ["true"]; } );'
run_is 0 'a run that notes how a command answers before it' up baseline
run_is 0 'a rollback behind which it answers so' back
unlike "$out" 'was not measured' 'and was measured before'
run_is 0 'once more' up baseline
: >"$root/keep/other"
run_is 5 'behind another it answers otherwise' back
like "$err" 'does not answer as before' 'which is told'

# --- 6 ---

fresh
plan stop "$W, { id = \"x\"; kind = \"write\"; path = \"x\"; text = \"x\"; }"
run_is 6 '--stop-after' up stop --stop-after w
status_is paused 'stopped'
like "$out" 'Done: 1 w' 'what is done'
like "$out" 'Next: 2 x' 'and what is next'
run_is 0 'and on' "$UPSHIFT" resume --root "$root" --batch
fresh
plan signal1 "{ id = \"s\"; kind = \"run\"; run = [\"sh\", \"-c\", \"kill -TERM PARENT; echo s >s\"]; creates = [\"s\"]; }, $W"
sed -i 's/PARENT/$PPID/g' "$tmp/signal1.plan"
run_is 6 'the first signal stops behind the step' up signal1
[ -e "$root/s" ] && [ ! -e "$root/new" ]
ok $? 'which was finished'
run_is 64 'a mistake in the command' "$UPSHIFT" resume --root "$root" --batch --skip nothing
status_is paused 'is no failure of the run'
fresh
sed -i 's/-TERM/-HUP/' "$tmp/signal1.plan"
run_is 6 'so does a line that hangs up' up signal1
run_is 0 'and on' "$UPSHIFT" resume --root "$root" --batch
fresh
run_is 64 '--stop-after with a step that is none' up stop --stop-after nothing
[ ! -e "$root/.upshift" ]
ok $? 'is told before anything begins'

# --- 7 ---

fresh
run_is 7 'a verification failed and the result is kept' up verify
like "$err" 'verification V1 failed' 'by name'
[ -e "$root/new" ]
ok $? 'what was done is there'
status_is failed 'kept'
mkdir "$root/nowhere"
run_is 0 'it goes on when it is well' "$UPSHIFT" resume --root "$root" --batch
rm "$root/new"
run_is 7 'verify finds what is missing' "$UPSHIFT" verify --root "$root" --level standard

# --- 8 ---

fresh
run_is 8 '--yes is missing' "$UPSHIFT" run "$tmp/good.plan" --root "$root" --batch
like "$err" '--yes' 'which is told'
plan asks "$W, { id = \"drop-old_tables\"; kind = \"run\"; run = [\"true\"]; }" 'answers = ( { id = "mail"; prompt = "Mail"; }, { id = "name"; prompt = "Name"; default = "n"; } );'
run_is 8 'all that is missing' "$UPSHIFT" run "$tmp/asks.plan" --root "$root" --batch
like "$err" '--yes  --confirm "drop old tables"  --answers FILE \(mail' 'is told at once'
unlike "$err" 'name =' 'but not what has a default'
same 'and nothing is changed'
[ ! -e "$root/.upshift" ]
ok $? 'nothing is made either'
run_is 8 'wrong words' up asks --set mail=m --confirm 'drop all'
run_is 0 'the right ones' up asks --set mail=m --confirm ' DROP  old tables '
run_is 8 'a rollback without words' "$UPSHIFT" rollback --root "$root" --batch
fresh
plan unknown "$W, { id = \"u\"; kind = \"run\"; run = [\"sh\", \"-c\", \"kill -KILL PARENT; sleep 60\"]; }"
sed -i 's/PARENT/$PPID/g' "$tmp/unknown.plan"
run up unknown --confirm u
is "$status" 137 'killed in a command that nobody can ask about'
UPSHIFT_TEST_CHILD_WAIT_MS=100
export UPSHIFT_TEST_CHILD_WAIT_MS
run_is 8 'in batch nobody can tell' "$UPSHIFT" resume --root "$root" --batch
like "$err" "step 'u' was cut short and it is unknown" 'which is said'

# --- 9 ---

fresh
run_is 9 'a dry run with changes pending' "$UPSHIFT" run "$tmp/good.plan" --root "$root" --dry-run
run_is 1 'a dry run where a check fails' "$UPSHIFT" run "$tmp/check.plan" --root "$root" --dry-run
[ ! -e "$root/.upshift" ]
ok $? 'make nothing'

# --- 66 ---

run_is 1 'a run where a check fails' "$UPSHIFT" run "$tmp/check.plan" --root "$root" --batch --yes
run_is 66 'has nothing to roll back' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
like "$err" 'E-5005 run .* changed nothing' 'and says so'
fresh

# --- 64 ---

run_is 64 'no terminal and no --batch' "$UPSHIFT" run "$tmp/good.plan" --root "$root"
like "$err" '--batch' 'names it'
run_is 64 'an unknown option' "$UPSHIFT" run --rot "$root"
like "$err" "did you mean '--root'" 'with the nearest'
run_is 64 'an unknown command' "$UPSHIFT" rolback
like "$err" "did you mean 'rollback'" 'with the nearest'
run_is 64 'an argument too many' "$UPSHIFT" status here
run_is 64 'an option without its value' "$UPSHIFT" status --root
run_is 64 'a policy that is none' up good --on-failure panic
run_is 64 'a variable that is none' up good --set nothing=1
run_is 64 'a level that is none' "$UPSHIFT" verify --root "$root" --level deep
run_is 64 'no number' up good --progress-interval soon
run_is 64 'a step that may not be skipped' up good --skip w
run_is 64 'a step that is not there' up good --skip nothing
[ ! -e "$root/.upshift" ]
ok $? 'all of them make nothing'
plan secret "$W" 'answers = ( { id = "password"; prompt = "Password"; secret = true; } );'
run_is 64 'a password in an argument' up secret --set password=canary
unlike "$err" canary 'is not repeated'

# several open runs
for d in one two; do
	mkdir -p "$tmp/$d/keep"
	run "$UPSHIFT" run "$tmp/stop.plan" --root "$tmp/$d" --batch --yes --stop-after w
done
run_is 64 'several open runs and none named' "$UPSHIFT" status
like "$err" "--root $tmp/one" 'are listed'
like "$err" "--root $tmp/two" 'all of them'
run_is 0 'the one above the current directory' sh -c 'cd "$1/two/keep" && "$UPSHIFT" status' - "$tmp"
for d in one two; do
	run_is 0 "finish $d" "$UPSHIFT" resume --root "$tmp/$d" --batch
	rm -rf "${tmp:?}/$d"
done

# --- 65 ---

printf 'plan = 1\nname = "x" stps = ();\n' >"$tmp/broken.plan"
run_is 65 'a plan with mistakes' up broken
run_is 65 'lint' "$UPSHIFT" lint "$tmp/broken.plan"
like "$err" 'broken\.plan:[0-9]+: ' 'with its line'
run_is 0 'lint of a good one' "$UPSHIFT" lint "$tmp/good.plan"
like "$out" 'no mistake found' 'says so'

# --- 66 ---

fresh
run_is 66 'no such plan' up nothing
run_is 66 'status without a run' "$UPSHIFT" status --root "$root"
run_is 66 'the same as JSON' "$UPSHIFT" status --root "$root" --json
is "$out" '{"state":"none"}' 'says none'
run_is 66 'resume without a run' "$UPSHIFT" resume --root "$root" --batch
run_is 66 'rollback without a run' back
run_is 66 'report without a run' "$UPSHIFT" report --root "$root"
run_is 66 'list without a run' "$UPSHIFT" list --root "$root"
run_is 0 'a run' up good
run_is 66 'an unknown point' "$UPSHIFT" rollback CP7 --root "$root" --batch --confirm 'roll back to CP7'
like "$err" "has no point 'CP7'" 'is named'
run_is 66 'an R point that is none' "$UPSHIFT" rollback R1 --root "$root" --batch --confirm 'roll back to R1'
run_is 66 'an unknown run' "$UPSHIFT" status --root "$root" --run ZZZZ
fresh
plan oneway "$W, { id = \"gone\"; kind = \"run\"; run = [\"true\"]; }, { id = \"x\"; kind = \"write\"; path = \"x\"; text = \"x\"; }"
run_is 0 'a run with a step that has no way back' up oneway --confirm gone
run_is 0 'list' "$UPSHIFT" list --root "$root"
like "$out" 'points CP3 CP2$' 'tells the points that can be gone back to'
run_is 0 'status' "$UPSHIFT" status --root "$root" --json
like "$out" '"point":"CP1",[^}]*"available":false,"why":"gone"' 'tells why not to the others'
run_is 66 'a point before it' back
like "$err" "step 'gone' has no way back" 'and why'
run_is 0 'a point behind it' "$UPSHIFT" rollback CP2 --root "$root" --batch --confirm 'roll back to CP2'

# --- 69 ---

fresh
plan tool "{ id = \"t\"; kind = \"run\"; run = [\"upshift-no-such-tool\"]; creates = [\"x\"]; }"
run_is 69 'a tool is missing' up tool
like "$err" 'upshift-no-such-tool' 'and named'
unlike "$out" 'backup' 'before anything is saved'
same 'nothing is changed'
status_is failed 'over'
run_is 69 'a dry run says it, too' "$UPSHIFT" run "$tmp/tool.plan" --root "$root" --dry-run
run_is 69 'and check' "$UPSHIFT" check "$tmp/tool.plan" --root "$root"
plan later '{ id = "b"; kind = "write"; path = "bin/tool"; text = "#!/bin/sh\necho t >t\n"; mode = "0755"; }, { id = "t"; kind = "run"; run = ["bin/tool"]; creates = ["t"]; }'
run_is 9 'a tool that an earlier step brings' "$UPSHIFT" run "$tmp/later.plan" --root "$root" --dry-run
like "$out" "step 2/2 t: depends on step 'b'" 'is waited for'
run_is 0 'and is there in time' up later

# --- 73 ---

fresh
run_is 73 'a backup in a directory' up good --backup-dir "$root/keep/backups"
like "$err" "would stand in 'keep'" 'that it is to hold is refused'
run_is 73 'the data itself as the place of the backup' up good --backup-dir "$root"
echo file >"$tmp/file"
run_is 73 'a backup directory that cannot be made' up good --backup-dir "$tmp/file/backups"
run_is 73 'a state directory that cannot be made' up good --state-dir "$tmp/file/state"
same 'nothing is changed'

# --- 74 ---

fresh
run_is 6 'a run that is stopped' up stop --stop-after w
journal=$(echo "$root"/.upshift/runs/*/journal.jsonl)
cp "$journal" "$tmp/journal"
sed -i '3s/"time":"2/"time":"3/' "$journal"
run_is 74 'a damaged journal' "$UPSHIFT" resume --root "$root" --batch
like "$err" 'record 3' 'the record is named'
run_is 74 'status' "$UPSHIFT" status --root "$root"
run_is 74 'rollback' back
run_is 74 'a new run' up good
sed '$d' "$tmp/journal" >"$journal"
run_is 74 'a journal that was cut' "$UPSHIFT" resume --root "$root" --batch
cp "$tmp/journal" "$journal"
printf '{"seq":99,"what":"to' >>"$journal"
run_is 0 'a torn last line is no damage' "$UPSHIFT" resume --root "$root" --batch

# --- 77 ---

fresh
run_is 0 'a run' up good
chmod 755 "$root/.upshift"
run_is 77 'a state directory that is open to others' "$UPSHIFT" status --root "$root"
like "$err" 'chmod' 'with the line to type'
chmod 700 "$root/.upshift"
run_is 0 'closed again' "$UPSHIFT" status --root "$root"
if [ "$(id -u)" = 0 ] && setpriv --reuid 65534 --clear-groups true 2>/dev/null; then
	fresh
	chmod 755 "$tmp"
	run_is 77 "another user's data" setpriv --reuid 65534 --clear-groups "$UPSHIFT" run "$tmp/good.plan" --root "$root" --batch --yes
	like "$err" 'sudo -u root .*upshift run ' 'with the line to type'
else
	skip 'not root' "another user's data"
fi

# --- 78 ---

fresh
plan answers "$W" 'answers = ( { id = "mail"; prompt = "Mail"; pattern = ".+@.+"; }, { id = "pw"; prompt = "PW"; secret = true; required = false; } );'
printf 'mail = "nobody";\n' >"$tmp/answers"
run_is 78 'an answer that does not fit' up answers --answers "$tmp/answers"
printf 'mial = "a@b";\n' >"$tmp/answers"
run_is 78 'an answer to no question' up answers --answers "$tmp/answers"
printf 'mail = "a@b"\npw = ;\n' >"$tmp/answers"
run_is 78 'a file that is none' up answers --answers "$tmp/answers"
printf 'mail = "a@b";\npw = "canary";\n' >"$tmp/answers"
chmod 644 "$tmp/answers"
run_is 78 'a secret that others may read' up answers --answers "$tmp/answers"
like "$err" 'chmod 600' 'with the line to type'
run_is 78 'no such file' up answers --answers "$tmp/no-answers"
same 'nothing is changed by any of them'
chmod 600 "$tmp/answers"
run_is 0 'answers that fit' up answers --answers "$tmp/answers"
! grep -rq canary "$root/.upshift"
ok $? 'the secret is in no file of ours'
done_testing
