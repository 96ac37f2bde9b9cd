#!/bin/sh
# SPDX-License-Identifier: MIT
# What only looks leaves nothing behind: dry run, check, lint, status. And where
# no lock is to be had, nothing begins.
. "$(dirname "$0")/../lib/tap.sh"
tree="python3 $top_srcdir/tests/lib/tree.py"
root=$tmp/data
mkdir -p "$root/keep" "$root/old/tree" "$root/logs"
echo a >"$root/keep/a"
printf 'one\ntwo\n' >"$root/keep/b"
printf '{"n": 1}\n' >"$root/keep/c.json"
echo l >"$root/logs/1.log"
cat >"$tmp/plan" <<PLAN
plan = 1; name = "look"; title = "Look"; from = "1"; to = "2";
backup: { include = ["keep"]; };
checks = ( { id = "C1"; kind = "json"; paths = ["keep/*.json"]; },
  { id = "C2"; kind = "command"; run = ["touch", "$tmp/ran"]; } );
steps = (
  { id = "dirs"; kind = "mkdir"; paths = ["new"]; },
  { id = "there"; kind = "mkdir"; paths = ["keep"]; },
  { id = "change"; kind = "write"; path = "keep/b"; text = "one\nthree\n"; replace = true; },
  { id = "moved"; kind = "move"; from = "old/tree"; to = "new/tree"; },
  { id = "ran"; kind = "run"; run = ["sh", "-c", "echo ran >$tmp/ran"]; creates = ["out"]; },
  { id = "after"; kind = "write"; path = "after"; text = "x"; needs = ["ran"]; },
  { id = "packed"; kind = "archive"; paths = ["logs"]; to = "logs.tar.zst"; }
);
verify = ( { kind = "command"; run = ["touch", "$tmp/ran"]; } );
PLAN

# looks NAME STATUS COMMAND...: nothing changes, not even an access time
names=$(find "$root")
looks()
{
	name=$1
	want=$2
	shift 2
	# shellcheck disable=SC2086 # a list of names
	touch -a -d 2020-01-02 $names
	$tree "$tmp" .out >"$tmp.before"
	# shellcheck disable=SC2086
	stat -c '%n %X %Y %Z' $names >"$tmp.times"
	run_is "$want" "$name" "$@"
	# shellcheck disable=SC2086
	stat -c '%n %X %Y %Z' $names >"$tmp.times2"
	file_is "$tmp.times2" "$tmp.times" "$name: no time has changed, not of access either"
	$tree "$tmp" .out >"$tmp.after"
	grep -v ' \.\(out\|err\)\|^\.\(out\|err\) \|^\. ' "$tmp.before" >"$tmp.b"
	grep -v ' \.\(out\|err\)\|^\.\(out\|err\) \|^\. ' "$tmp.after" >"$tmp.a"
	file_is "$tmp.a" "$tmp.b" "$name: nothing was written anywhere"
	rm -f "$tmp.before" "$tmp.after" "$tmp.a" "$tmp.b" "$tmp.times" "$tmp.times2"
}

looks 'a dry run' 9 "$UPSHIFT" run "$tmp/plan" --root "$root" --dry-run
like "$out" "step 1/7 dirs: would be applied" 'a step that would be applied'
like "$out" "step 2/7 there: nothing to do" 'one that has nothing to do'
like "$out" '^ +-two$' 'the difference that a step makes'
like "$out" '^ +\+three$' 'line by line'
like "$out" "step 4/7 moved: depends on step 'dirs'" "one that builds on another's result"
like "$out" "would run: sh -c echo ran" 'a command that would run'
like "$out" "step 6/7 after: depends on step 'ran'" 'one that needs another'
[ ! -e "$tmp/ran" ]
ok $? 'no command was started'
looks 'a dry run as JSON' 9 "$UPSHIFT" run "$tmp/plan" --root "$root" --dry-run --json
like "$(printf '%s\n' "$out" | tail -n 1)" '"type":"summary".*"exit":9' 'ends with its summary'
looks 'lint' 0 "$UPSHIFT" lint "$tmp/plan"
looks 'status without a run' 66 "$UPSHIFT" status --root "$root"
looks 'a rollback without a run' 66 "$UPSHIFT" rollback --root "$root" --preview
looks 'a run that lacks --yes' 8 "$UPSHIFT" run "$tmp/plan" --root "$root" --batch

# --- no locks ---

if strace -qq -o /dev/null true 2>/dev/null; then
	rm "$tmp/plan"
	printf 'plan = 1; name = "l"; from = "1"; to = "2"; steps = ( { id = "w"; kind = "write"; path = "w"; text = "w"; } );\n' >"$tmp/plan"
	for errno in ENOLCK EOPNOTSUPP; do
		looks "flock: $errno" 73 strace -qq -o /dev/null -e trace=flock -e inject=flock:error=$errno "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
		like "$err" 'cannot lock' 'is told'
		like "$err" '--state-dir' 'with a way out'
	done
	run_is 0 'that way: only the data is where no locks are' \
		strace -qq -o /dev/null -e trace=flock -e inject=flock:error=ENOLCK:when=1 \
		"$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes --state-dir "$tmp/state"
	run_is 73 'no locks there either' \
		strace -qq -o /dev/null -e trace=flock -e inject=flock:error=ENOLCK \
		"$UPSHIFT" resume --root "$root" --batch
else
	skip 'strace cannot trace here' 'file systems without locks'
fi
done_testing
