#!/bin/sh
# SPDX-License-Identifier: MIT
# The wizard as plain lines, with the real engine: to the end and back, stops,
# failures, lost terminals, and places where nothing can be said or typed.
. "$(dirname "$0")/../lib/tap.sh"
tree="python3 $top_srcdir/tests/lib/tree.py"
root=$tmp/data
plan=$tmp/ledger.plan
mkdir "$tmp/here"
cd "$tmp/here" || exit 99

# the step in the middle waits, 60 s at most, until the test lets it go
cat >"$plan" <<TXT
plan = 1;
name = "ledger"; title = "Acme Ledger"; from = "4.2"; to = "5.0";
answers = ( { id = "mail"; prompt = "Admin mail"; pattern = ".+@.+"; } );
backup: { include = ["keep"]; };
checks = ( { id = "C01"; kind = "exists"; paths = ["keep"]; } );
steps = (
  { id = "dirs"; kind = "mkdir"; paths = ["new"]; },
  { id = "waits"; kind = "run"; creates = ["new/x"];
    run = ["sh", "-c", "touch '$tmp/began'; i=0; while [ ! -e '$tmp/go' ] && [ \$i -lt 1200 ]; do sleep 0.05; i=\$((i + 1)); done; [ ! -e '$tmp/bad' ] || exit 3; echo it went; echo x > new/x"]; },
  { id = "change"; kind = "write"; path = "keep/a"; text = "changed\\n"; replace = true; } );
TXT

make()
{
	chmod -R u+rwx "$root" 2>/dev/null
	rm -rf "$root" "$tmp/began" "$tmp/go" "$tmp/bad"
	mkdir -p "$root/keep"
	echo a >"$root/keep/a"
	$tree "$root" .upshift >"$tmp/before"
}

same()
{
	$tree "$root" .upshift >"$tmp/after"
	file_is "$tmp/after" "$tmp/before" "$1"
}

# talk STATUS NAME [--tty] CMD... <SCRIPT: what was said is in $out
talk()
{
	want=$1
	name=$2
	shift 2
	tty=
	[ "$1" = --tty ] && tty=$1 && shift
	cat >"$tmp/script"
	# shellcheck disable=SC2086 # nothing or one word
	out=$(python3 "$top_srcdir/tests/lib/talk.py" $tty "$tmp/script" "$@" 2>&1)
	is "$?" "$want" "$name" || diag "$out"
}

start="expect Screen W10
expect Choice>
type 2
expect Admin mail
type nobody
expect does not match
type a@b
expect Choice>
type 2
expect Choice>
type 1
expect Screen C20
expect Choice>
type 1
expect Screen B30
expect Screen S40
expect dirs
expect Choice>"

# --- to the end, and back ---
make
touch "$tmp/go"
talk 0 'to the end' "$UPSHIFT" run "$plan" --plain --root "$root" <<TXT
$start
type s
expect Data: not changed.
type 1
expect Data: changed by step 1.
expect Screen S40
expect waits
expect Choice>
type 2
expect Screen D90
expect UPGRADE COMPLETE
expect Choice>
type l
expect it went
type 1
TXT
is "$(printf '%s' "$out" | tr -d '[:print:]\n')" '' 'nothing but printable lines'
is "$(printf '%s\n' "$out" | grep -c 'ok: 1 dirs')" 1 'the end of a step is said once'
is "$(cat "$root/keep/a" "$root/new/x")" 'changed
x' 'the data is upgraded'

talk 0 'back to the start' "$UPSHIFT" rollback --plain --root "$root" <<'TXT'
expect Screen K80
expect 3. start
expect Choice>
type 
expect No default here.
expect Choice>
type 3
expect Screen K81
expect RESTORED
expect Choice>
type 1
expect Screen K82
expect Words>
type yes
expect Nothing has been restored.
expect Words>
type roll back to start
expect Screen D90
expect Choice>
type q
TXT
same 'the data is as it was'

# --- stop, leave, resume ---
make
talk 6 'stop behind a step' --tty "$UPSHIFT" run "$plan" --plain --root "$root" <<TXT
$start
type 1
expect waits
expect Choice>
type 1
until $tmp/began
expect running: 2 waits
key c
expect 1. Stop after this step
expect Choice>
type 1
expect after this step
touch $tmp/go
TXT
is "$(cat "$root/new/x")" x 'the step went to its end'
make
talk 6 'quit between two steps' "$UPSHIFT" run "$plan" --plain --root "$root" <<TXT
$start
type 1
expect waits
expect Choice>
type q
expect 1. Quit, resume later
type 1
TXT
touch "$tmp/go"
talk 0 'and go on' "$UPSHIFT" --plain --root "$root" <<'TXT'
expect Screen R70
expect Continue with step 2
expect Choice>
type 1
expect waits
expect Choice>
type 2
expect Screen D90
expect Choice>
type 1
TXT

make
touch "$tmp/go"
run_is 6 'a batch run that was told yes stops' "$UPSHIFT" run "$plan" --root "$root" \
	--batch --yes --set mail=a@b --stop-after dirs
talk 6 'who goes on is asked before each step' "$UPSHIFT" --plain --root "$root" <<'TXT'
expect asks you again before it starts
expect Choice>
type 1
expect Screen S40
expect waits
expect Choice>
type 4
TXT

# --- secrets are asked again, for the way back too ---
make
touch "$tmp/go"
sed 's/id = "mail";.*; } );/id = "pw"; prompt = "Password"; secret = true; } );/' \
	"$plan" >"$tmp/secret.plan"
printf 'pw = "hush";\n' >"$tmp/answers"
chmod 600 "$tmp/answers"
run_is 0 'a plan with a secret' "$UPSHIFT" run "$tmp/secret.plan" --root "$root" \
	--batch --yes --answers "$tmp/answers"
talk 0 'it is asked before the preview' "$UPSHIFT" rollback --plain --root "$root" <<'TXT'
expect Screen K80
expect Choice>
type 3
expect Screen A15
expect Answer>
type hush
expect Choice>
type 2
expect Screen K80
expect Choice>
type 3
expect Screen K81
expect RESTORED
expect Choice>
type 1
expect Words>
type roll back to start
expect Screen D90
expect Choice>
type q
TXT
same 'the data is as it was'
unlike "$out" 'hush' 'and the secret was not seen'

# --- a failure ---
make
touch "$tmp/go" "$tmp/bad"
talk 2 'a step fails, is tried again and fails again' "$UPSHIFT" run "$plan" --plain --root "$root" <<TXT
$start
type 2
expect Screen F60
expect What happened
expect 1. Retry
expect Choice>
type help
expect F60
expect Choice>
type 1
expect Screen F60
expect Choice>
type support
expect Written:
expect Choice>
type q
TXT
rm -f "$tmp/bad"
talk 0 'is mended, and the run goes on' "$UPSHIFT" --plain --root "$root" <<'TXT'
expect Screen R70
expect Choice>
type 1
expect waits
expect Choice>
type 2
expect Screen D90
expect Choice>
type 1
TXT

# --- the terminal is lost in a step ---
make
talk 2 'the terminal is lost' --tty "$UPSHIFT" run "$plan" --plain --root "$root" <<TXT
$start
type 1
expect waits
expect Choice>
type 1
until $tmp/began
expect running: 2 waits
end
TXT
touch "$tmp/go"
talk 0 'the engine has gone on and is found again' "$UPSHIFT" --plain --root "$root" <<'TXT'
expect Screen S40
expect change
expect Choice>
type 1
expect Screen D90
expect Choice>
type 1
TXT

# --- ^Z while a secret is typed ---
if command -v bash >/dev/null; then
	mkdir "$tmp/job"
	sed 's/id = "mail";.*; } );/id = "pw"; prompt = "Password"; secret = true; } );/' \
		"$plan" >"$tmp/job.plan"
	talk 0 'a stop while echo is off gives the shell its echo' --tty bash --norc -i <<TXT
expect bash-
type "$UPSHIFT" run '$tmp/job.plan' --plain --root '$tmp/job'
expect Screen W10
expect Choice>
type 2
expect It is not shown
expect Answer>
key z
expect Stopped
type echo count=\$(stty -a | grep -c ' -echo ')
expect count=0
type fg
expect Answer>
type hush-hush
expect given
expect Choice>
type q
expect bash-
type exit 0
TXT
	unlike "$out" 'hush' 'what is typed behind it is not seen either'
else
	skip 'no bash' 'a stop while echo is off'
fi

# --- nobody there ---
make
run_is 6 'no input at all changes nothing' "$UPSHIFT" run "$plan" --plain --root "$root"
same 'nothing was made'
"$UPSHIFT" run "$plan" --plain --root "$root" </dev/null >/dev/full 2>"$tmp/err"
is $? 6 'an output that is full: left before anything begins'
same 'nothing was made'
run_is 64 'neither a terminal nor --plain' "$UPSHIFT" run "$plan" --root "$root"
talk 6 'ACCESSIBLE chooses lines on a terminal' --tty env ACCESSIBLE=1 TERM=xterm "$UPSHIFT" run "$plan" --root "$root" <<'TXT'
expect Screen W10
expect Choice>
type q
TXT
talk 6 'so does a terminal that can do no more' --tty env TERM=dumb "$UPSHIFT" run "$plan" --root "$root" <<'TXT'
expect plain mode
expect Screen W10
expect Choice>
type q
TXT
done_testing
