#!/bin/sh
# SPDX-License-Identifier: MIT
# One backup for a run, whatever happens: replaced only while nothing was
# changed yet. And what each level of verify finds.
. "$(dirname "$0")/../lib/tap.sh"
root=$tmp/data
cat >"$tmp/plan" <<'TXT'
plan = 1; name = "backup"; title = "Backup"; from = "1"; to = "2";
backup: { include = ["keep"]; };
steps = (
  { id = "look"; kind = "absent"; paths = ["wait"]; },
  { id = "change"; kind = "write"; path = "keep/b"; text = "changed\n"; replace = true; },
  { id = "again"; kind = "absent"; paths = ["wait-more"]; },
  { id = "made"; kind = "write"; path = "made"; text = "made\n"; } );
TXT

fresh()
{
	rm -rf "$root"
	mkdir -p "$root/keep"
	echo a >"$root/keep/a"
	echo b >"$root/keep/b"
}

up()
{
	"$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes "$@"
}

on()
{
	"$UPSHIFT" resume --root "$root" --batch
}

# archive: digests of all that was saved of the start
archives()
{
	find "$root/.upshift" -name 'start.tar.zst*' -exec b2sum {} +
}

fresh
: >"$root/wait"
run_is 1 'held up behind the backup' up
archives >"$tmp/first"
run_is 1 'and once more' on
archives >"$tmp/second"
file_is "$tmp/second" "$tmp/first" 'the backup is the same'
rm "$root/wait"
: >"$root/wait-more"
run_is 2 'a step is applied' on
archives >"$tmp/second"
file_is "$tmp/second" "$tmp/first" 'the backup is the same still'
echo newest >"$root/keep/a"
run_is 2 'meanwhile the data have changed' on
archives >"$tmp/second"
file_is "$tmp/second" "$tmp/first" 'behind a change the backup stays'
rm "$root/wait-more"
run_is 0 'resume' on
archives >"$tmp/second"
file_is "$tmp/second" "$tmp/first" 'to the end'
run_is 0 'rollback' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
is "$(cat "$root/keep/a" "$root/keep/b")" 'newest
b' 'what no step wrote is as others left it'

# --- levels ---

# finds NAME LEVEL...: only these levels find it
finds()
{
	name=$1
	shift
	for level in basic standard rigorous forensic; do
		case " $* " in
		*" $level "*) want=7 ;;
		*) want=0 ;;
		esac
		run_is "$want" "$name: $level" "$UPSHIFT" verify --root "$root" --level "$level"
	done
}

fresh
run_is 0 'a run' up
finds 'all is well'
echo x >>"$root/keep/a"
finds 'a file has grown' standard rigorous forensic
like "$err" "'keep/a'" 'by name'
fresh
run_is 0 'a run' up
touch -r "$root/keep/a" "$tmp/time"
echo z >"$root/keep/a"
touch -r "$tmp/time" "$root/keep/a"
finds 'other bytes of the same size and time' rigorous forensic
fresh
run_is 0 'a run' up
chmod 600 "$root/keep/a"
finds 'a mode' standard rigorous forensic
fresh
run_is 0 'a run' up
rm "$root/made"
finds 'what a step made is gone' standard rigorous forensic
fresh
run_is 0 'a run' up
: >"$root/keep/more"
finds 'a file more' standard rigorous forensic
fresh
run_is 0 'a run' up
manifest=$(echo "$root"/.upshift/runs/*/backup/start.manifest.jsonl)
printf X | dd of="$manifest" bs=1 seek=100 conv=notrunc 2>/dev/null
finds 'a manifest' basic standard rigorous forensic

# --- the report ---

fresh
run_is 0 'a run' up
run_is 0 'report' "$UPSHIFT" report --root "$root"
for want in '^# ' '^# Backup from 1 to 2' 'look.*verified' 'change.*verified' 'blake2b-512:[0-9a-f]{128}' 'tar --zstd --xattrs' 'upshift rollback'; do
	like "$out" "$want" "the report has: $want"
done
file_is "$tmp/.out" "$root"/.upshift/runs/*/report.md 'the file that was left is the same'
(cd "$root"/.upshift/runs/*/backup && b2sum -c --quiet start.b2)
ok $? 'b2sum can compare the backup'
done_testing
