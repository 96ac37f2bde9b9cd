#!/bin/sh
# SPDX-License-Identifier: MIT
# Others went on working behind the run: a rollback leaves the start, and what
# it displaced comes back by going back to R1, to the byte and the nanosecond.
. "$(dirname "$0")/../lib/tap.sh"
tree="python3 $top_srcdir/tests/lib/tree.py"
root=$tmp/data

cat >"$tmp/plan" <<'TXT'
plan = 1;
name = "moves"; title = "Moves"; from = "1"; to = "2";
backup: { include = ["keep"]; };
steps = (
  { id = "dirs"; kind = "mkdir"; paths = ["new"]; },
  { id = "moved"; kind = "move"; from = "old/tree"; to = "new/tree"; },
  { id = "change"; kind = "write"; path = "keep/b.txt"; text = "changed\n"; replace = true; },
  { id = "conf"; kind = "write"; path = "etc/app/conf"; text = "conf\n"; }
);
TXT

# there_and_back LOST COMMAND [kept]: after the run others do COMMAND
there_and_back()
{
	rm -rf "$root"
	mkdir -p "$root/keep" "$root/old/tree/deep"
	echo f >"$root/old/tree/f"
	echo g >"$root/old/tree/deep/g"
	echo b >"$root/keep/b.txt"
	$tree "$root" .upshift >"$tmp/before"
	run_is 0 "$2: run" "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
	(cd "$root" && eval "$2")
	$tree "$root" .upshift >"$tmp/changed"
	run "$UPSHIFT" rollback --root "$root" --preview
	like "$out" "^LOST $1\$" "$2: so many are told to be lost"
	run_is 0 "$2: rollback" "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
	$tree "$root" .upshift >"$tmp/after"
	if [ "${3-}" = kept ]; then
		[ -e "$root/old/tree/theirs" ] && [ -e "$root/old/tree/deep/g" ]
		ok $? "$2: what is not the run's stays"
	else
		file_is "$tmp/after" "$tmp/before" "$2: as at the start"
	fi
	run_is 0 "$2: to R1" "$UPSHIFT" rollback R1 --root "$root" --batch --confirm 'roll back to R1'
	$tree "$root" .upshift >"$tmp/after"
	file_is "$tmp/after" "$tmp/changed" "$2: as they had left it"
	run_is 0 "$2: and back once more" "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
	$tree "$root" .upshift >"$tmp/after"
	[ "${3-}" = kept ] || file_is "$tmp/after" "$tmp/before" "$2: as at the start again"
}

there_and_back 0 ':'
there_and_back 1 'echo more >>new/tree/f'
there_and_back 1 'echo mine >new/tree/mine'
there_and_back 1 'echo mine >new/mine'
there_and_back 1 'echo mine >etc/app/mine'
there_and_back 2 'mkdir etc/mine; echo mine >etc/mine/mine'
there_and_back 0 'rm new/tree/deep/g'
there_and_back 1 'mv new/tree/f new/tree/f9'
there_and_back 0 'mv new/tree old/tree'
there_and_back 0 'rm -r new/tree'
there_and_back 0 'mkdir old/tree; echo z >old/tree/theirs' kept
there_and_back 1 'rm -r new/tree; echo file >new/tree'
there_and_back 1 'chmod 700 new/tree'
there_and_back 1 'ln -s /etc new/tree/link'
there_and_back 1 'ln new/tree/f new/tree/hard'
there_and_back 1 'rm -r new; mkdir new; echo 1 >new/x'
there_and_back 0 'rm -r old'
there_and_back 0 'rm -r old etc'
there_and_back 1 'echo theirs >keep/b.txt'
done_testing
