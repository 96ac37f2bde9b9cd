#!/bin/sh
# SPDX-License-Identifier: MIT
# Journals of format 1, one for each state that a run can be left in, recorded
# once under another boot: they are read, told and gone on with for ever.
. "$(dirname "$0")/../lib/tap.sh"
command -v python3 >/dev/null || skip_all 'no python3'
TZ=UTC
export TZ
journals=$top_srcdir/tests/data/journals
tree="python3 $top_srcdir/tests/lib/tree.py"
root=$tmp/data

# place NAME: the run of that name, where this machine has it
place()
{
	rm -rf "$root"
	tar -xzf "$journals/$1.tar.gz" -C "$tmp" || exit 99
	for run in "$root"/.upshift/runs/*; do
		python3 "$top_srcdir/tests/lib/rehome.py" "$run" "$root" || exit 99
	done
}

# told NAME: what status says of it, to the letter
told()
{
	"$UPSHIFT" status --root "$root" >"$tmp/status" 2>&1
	{
		echo "exit $?"
		cat "$tmp/status"
		"$UPSHIFT" list --root "$root" 2>&1
	} | sed "s|$tmp|TMP|g" >"$tmp/told"
	[ -z "${RECORD-}" ] || cp "$tmp/told" "$journals/$1.status"
	file_is "$tmp/told" "$journals/$1.status" "$1: where it stands"
}

# is_through NAME: the data is as the plan leaves it
is_through()
{
	is "$(cat "$root/keep/a" "$root/keep/b" "$root/new/old/deep/c" "$root/new/out" 2>&1)" 'a
changed
c
out' "$1"
}

is_back()
{
	$tree "$root" .upshift stop-check stop-verify stop-rollback warn-check | grep -v '^\. ' >"$tmp/after"
	file_is "$tmp/after" "$tmp/start" "$1"
}

# what the recorded runs began with
place begun
$tree "$root" .upshift | grep -v '^\. ' >"$tmp/start"

# golden NAME RESUME ROLLBACK: exits of resume, and of a rollback behind it
golden()
{
	place "$1"
	told "$1"
	if [ "$(id -u)" != 0 ]; then
		skip 'the recorded data is root'"'s" "$1: gone on with"
		return
	fi
	rm -f "$root/stop-check" "$root/stop-verify" "$root/stop-rollback"
	run_is "$2" "$1: resume" "$UPSHIFT" resume --root "$root" --batch --yes
	case $2 in
	[0-3])
		[ "$4" = back ] || is_through "$1: as the plan leaves it" ;;
	esac
	[ "$3" = - ] && return
	run_is "$3" "$1: rollback" "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
	is_back "$1: as at the start"
}

golden begun 0 0 through
golden backed-up 0 0 through
golden killed 0 0 through
golden torn 0 0 through
golden failed 0 0 through
golden paused 0 0 through
golden unverified 0 0 through
golden complete 0 0 through
golden warned 0 0 through
golden returned 0 0 through
golden rolled-back-cp2 0 0 through
golden rolling-back 0 - back
golden rolled-back 66 - back
golden rollback-failed 0 - back
golden closed 66 - back
golden pruned 0 - back
for name in rolling-back rolled-back rollback-failed closed; do
	place "$name"
	[ "$(id -u)" = 0 ] || continue
	rm -f "$root/stop-check" "$root/stop-rollback"
	case $name in
	roll*ing*|*failed) "$UPSHIFT" resume --root "$root" --batch >/dev/null 2>&1 ;;
	esac
	is_back "$name: is back at the start"
	run_is 0 "$name: the next run goes through" "$UPSHIFT" run "$root"/.upshift/runs/GLDN/plan/*.plan --root "$root" --batch --yes
done

# until the first step the backup follows the data
place backed-up
echo newer >"$root/keep/a"
if [ "$(id -u)" = 0 ]; then
	run_is 0 'backed-up, and the data have changed since' "$UPSHIFT" resume --root "$root" --batch --yes
	is "$(tar --zstd -xOf "$root/.upshift/runs/GLDN/backup/start.tar.zst" keep/a)" newer 'the backup is a new one'
	is "$(find "$root/.upshift" -name 'start.tar*' | wc -l)" 1 'and the only one'
	run_is 0 'rollback' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
	is "$(cat "$root/keep/a")" newer 'nothing of it is lost'
fi

# a format to come
place paused
python3 "$top_srcdir/tests/lib/rehome.py" "$root/.upshift/runs/GLDN" "$root" journal= || exit 99
sed -i '1s/"journal":[^,]*,/"journal":2,/' "$root/.upshift/runs/GLDN/journal.jsonl"
run "$UPSHIFT" status --root "$root"
is "$status" 74 'a journal of a newer format is refused'
done_testing
