#!/bin/sh
# SPDX-License-Identifier: MIT
# Every kind of step, in the places and ways a run can be had: state and backup
# elsewhere, another user, failures and their policies, stops and signals.
. "$(dirname "$0")/../lib/tap.sh"
tree="python3 $top_srcdir/tests/lib/tree.py"
root=$tmp/data
plan=$tmp/all.plan

cat >"$plan" <<'TXT'
plan = 1;
name = "all"; title = "All kinds"; from = "1"; to = "2";
backup: { include = ["keep"]; };
steps = (
  { id = "dirs"; kind = "mkdir"; paths = ["new", "new/sub"]; mode = "0750"; },
  { id = "change"; kind = "write"; path = "keep/b.txt"; text = "changed\n"; replace = true; },
  { id = "moved"; kind = "move"; from = "old/tree"; to = "new/tree"; },
  { id = "copied"; kind = "copy"; from = "keep/a.txt"; to = "new/a.txt"; },
  { id = "gone"; kind = "remove"; paths = ["old/*.tmp"]; },
  { id = "current"; kind = "link"; path = "current"; target = "new"; },
  { id = "packed"; kind = "archive"; paths = ["logs"]; to = "new/logs.tar.zst"; },
  { id = "ran"; kind = "run"; run = ["sh", "-c", "echo out > new/out"]; creates = ["new/out"]; }
);
TXT

make()
{
	chmod -R u+rwx "$root" 2>/dev/null
	rm -rf "$root" "$tmp/elsewhere"
	mkdir -p "$root/keep" "$root/old/tree/deep" "$root/logs" "$root/empty"
	echo a >"$root/keep/a.txt"
	echo b >"$root/keep/b.txt"
	echo x >"$root/old/x.tmp"
	echo f >"$root/old/tree/f"
	ln "$root/old/tree/f" "$root/old/tree/f2"
	ln -s keep "$root/current"
	echo 1 >"$root/logs/1.log"
	mkfifo "$root/keep/fifo"
	truncate -s 3M "$root/keep/sparse"
	echo tail >>"$root/keep/sparse"
	$tree "$root" .upshift >"$tmp/before"
}

same()
{
	$tree "$root" .upshift >"$tmp/after"
	file_is "$tmp/after" "$tmp/before" "$1"
}

# through_and_back NAME [OPTION...]
through_and_back()
{
	name=$1
	shift
	run_is 0 "$name: through" "$UPSHIFT" run "$plan" --root "$root" --batch --yes "$@"
	run_is 0 "$name: as the run left it, every digest" "$UPSHIFT" verify --root "$root" --level rigorous
	run_is 0 "$name: back" "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
	same "$name: as it was"
	run_is 0 "$name: the rollback undone" "$UPSHIFT" rollback R1 --root "$root" --batch --confirm 'roll back to R1'
	is "$(cat "$root/new/out" "$root/new/tree/f2" "$root/keep/b.txt")" 'out
f
changed' "$name: what the steps made is there again"
	run_is 0 "$name: back to CP3" "$UPSHIFT" rollback CP3 --root "$root" --batch --confirm 'roll back to CP3'
	[ -e "$root/new/tree/f" ] && [ ! -e "$root/new/a.txt" ]
	ok $? "$name: steps 1 to 3 stay, the others are gone"
	run_is 0 "$name: on from there" "$UPSHIFT" resume --root "$root" --batch
	run_is 0 "$name: back to start" "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
	same "$name: as it was, again"
}

make
through_and_back 'plain'
make
through_and_back 'backup elsewhere' --backup-dir "$tmp/elsewhere/backup"
make
through_and_back 'state elsewhere' --state-dir "$tmp/elsewhere/state"
is "$(stat -c %a "$root/.upshift")" 600 'a pointer stands in its place'

# another user's data
make
if [ "$(id -u)" = 0 ] && chown -R 65534 "$root" 2>/dev/null; then
	run_is 77 "somebody else's data" "$UPSHIFT" run "$plan" --root "$root" --batch --yes
	like "$err" 'sudo -u' 'the line to type is said'
	[ ! -e "$root/.upshift" ]
	ok $? 'nothing was made'
else
	skip 'not root' "somebody else's data"
fi

# stops
make
run_is 6 'stop after a step' "$UPSHIFT" run "$plan" --root "$root" --batch --yes --stop-after change
run_is 2 'an open run is not begun anew' "$UPSHIFT" run "$plan" --root "$root" --batch --yes
like "$err" 'resume' 'what to type is said'
like "$("$UPSHIFT" status --root "$root")" 'Done: 1 dirs, 2 change' 'status tells how far it came'
run_is 0 'on' "$UPSHIFT" resume --root "$root" --batch

# failures
sed 's|echo out > new/out|echo half > new/out; exit 3|' "$plan" >"$tmp/fails.plan"
make
run_is 2 'a command fails' "$UPSHIFT" run "$tmp/fails.plan" --root "$root" --batch --yes
like "$err" 'E-4004' 'with its code'
[ ! -e "$root/new/out" ]
ok $? 'what it left half done is put back'
run_is 0 'and all of it goes back' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
same 'as it was'
make
run_is 4 'rolled back by policy' "$UPSHIFT" run "$tmp/fails.plan" --root "$root" --batch --yes --on-failure rollback
same 'as it was'
sed -i 's|id = "ran";|id = "ran"; on_error = "continue";|' "$tmp/fails.plan"
make
run_is 3 'a step that may fail' "$UPSHIFT" run "$tmp/fails.plan" --root "$root" --batch --yes
[ ! -e "$root/new/out" ] && [ -e "$root/new/logs.tar.zst" ]
ok $? 'is undone, the rest stays'
make
cat >"$tmp/sneaky.plan" <<'TXT'
plan = 1; name = "sneaky"; title = "Sneaky"; from = "1"; to = "2";
backup: { include = ["keep"]; };
steps = ( { id = "ran"; kind = "run"; run = ["sh", "-c", "echo no > keep/a.txt; echo yes > made"]; creates = ["made"]; } );
TXT
run "$UPSHIFT" run "$tmp/sneaky.plan" --root "$root" --batch --yes
like "$err" 'E-4006' 'a change that was not declared fails the step'
run "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
is "$(cat "$root/keep/a.txt")" a 'and what it changed is back'

# output that cannot be written, descriptors that are closed
make
"$UPSHIFT" run "$plan" --root "$root" --batch --yes </dev/null >/dev/full 2>"$tmp/err"
[ $? != 0 ] && grep -q 'standard output' "$tmp/err"
ok $? 'a full standard output is said'
like "$("$UPSHIFT" status --root "$root" --short)" 'complete' 'the run went through all the same'
make
"$UPSHIFT" run "$plan" --root "$root" --batch --yes 0<&- 1>&- 2>&-
ok $? 'closed descriptors'
like "$("$UPSHIFT" status --root "$root" --short)" 'complete' 'the run went through'
done_testing
