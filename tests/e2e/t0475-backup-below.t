#!/bin/sh
# SPDX-License-Identifier: MIT
# The backup in the data itself: left out of everything, by this run and all
# others, kept by a rollback, and gone with forget.
. "$(dirname "$0")/../lib/tap.sh"
command -v python3 >/dev/null || skip_all 'no python3'
tree="python3 $top_srcdir/tests/lib/tree.py"
root=$tmp/data

# patterns that would match what is in a backup, and a comparison of all
steps='steps = (
  { id = "dirs"; kind = "mkdir"; paths = ["new"]; },
  { id = "change"; kind = "write"; path = "keep/b"; text = "changed\n"; replace = true; },
  { id = "gone"; kind = "remove"; paths = ["**/*.jsonl", "*.tmp"]; },
  { id = "copied"; kind = "copy"; from = "keep"; to = "new/keep"; },
  { id = "ran"; kind = "run"; run = ["sh", "-c", "echo out >new/out; echo >held/backups/others"]; creates = ["new/out"]; } );
verify = ( { id = "V"; kind = "absent"; paths = ["**/*.jsonl"]; } );
verify_rollback = ( { id = "B"; kind = "unchanged"; paths = ["."]; } );'

# plan NAME BACKUP...
plan()
{
	name=$1
	shift
	printf 'plan = 1; name = "%s"; title = "T"; from = "1"; to = "2";\n%s\n%s\n' \
		"$name" "$*" "$steps" >"$tmp/$name.plan"
}

fresh()
{
	rm -rf "$root"
	mkdir -p "$root/keep" "$root/held/mine"
	echo a >"$root/keep/a"
	echo b >"$root/keep/b"
	echo '{}' >"$root/keep/c.jsonl"
	echo x >"$root/x.tmp"
	find "$root" -depth -exec touch -h -d '2021-03-04 05:06:07.123456789' {} +
	before
}

before()
{
	$tree "$root" .upshift backups held/backups >"$tmp/before"
}

same()
{
	$tree "$root" .upshift backups held/backups >"$tmp/after"
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
	"$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
}

# saved RUN: what the archive of the run holds, one line
saved()
{
	find "$root" -path "*/$1/*start.tar.zst" -exec tar --zstd -tf {} + |
		grep -v '^.upshift-manifest' | sort | tr '\n' ' '
}

with_id()
{
	UPSHIFT_TEST_RUN_ID=$1
	export UPSHIFT_TEST_RUN_ID
}

plan up 'backup: { include = ["**"]; dir = "backups/${run.started}"; };'
sed -i 's/; echo >held.*others//' "$tmp/up.plan"

# --- through and back, twice ---
fresh
all='./ held/ held/mine/ keep/ keep/a keep/b keep/c.jsonl x.tmp '
run_is 0 'lint' "$UPSHIFT" lint "$tmp/up.plan"
run_is 9 'a dry run' "$UPSHIFT" run "$tmp/up.plan" --root "$root" --dry-run
same 'it makes nothing'
with_id AAAA
run_is 0 'through' up up
dir=$(dirname "$(find "$root/backups" -name start.tar.zst)")
like "$dir" "^$root/backups/20[^/]*Z/AAAA\$" 'the backup stands in the data'
is "$(find "$root/backups" -type d -printf '%m ')" '700 700 700 ' 'closed to others'
is "$(saved AAAA)" "$all" 'it holds all but itself'
[ -e "$dir/start.manifest.jsonl" ]
ok $? 'a step that removes **/*.jsonl leaves it alone'
for level in standard rigorous forensic; do
	run_is 0 "verify: $level" "$UPSHIFT" verify --root "$root" --level "$level"
done
run "$UPSHIFT" status --root "$root" --json
like "$out" "$dir" 'status names the place'
run_is 0 'once more' up up
like "$out" 'already' 'is done already'
run "$UPSHIFT" rollback --root "$root" --preview
unlike "$out" 'backups' 'the preview of a rollback does not count it'
run_is 0 'back' back
same 'every byte and time as before'
[ -e "$dir/start.tar.zst" ]
ok $? 'the backup stays'
with_id BBBB
run_is 0 'a second run' up up
is "$(saved BBBB)" "$all" 'its backup holds no other backup'
run_is 0 'verify: the first is no difference' "$UPSHIFT" verify --root "$root" --level rigorous
run_is 0 'back' back
same 'as it was, again'
run_is 0 'back to where it was' "$UPSHIFT" rollback R1 --root "$root" --batch --confirm 'roll back to R1'
is "$(cat "$root/new/out")" out 'what was displaced is there'
run_is 0 'and back to the start' back
same 'as it was, still'

# --- a plan that does not know of it ---
plan other 'backup: { include = ["**"]; };'
sed -i 's/; echo >held.*others//' "$tmp/other.plan"
with_id CCCC
run_is 0 'another plan, with its backup in .upshift' up other
is "$(saved CCCC)" "$all" 'leaves the backups out'
[ -e "$dir/start.manifest.jsonl" ]
ok $? 'and alone'
run_is 0 'back' back
same 'as it was before'

# --- forget ---
run_is 0 'forget the first' "$UPSHIFT" forget AAAA --root "$root"
[ ! -e "$(dirname "$dir")" ]
ok $? 'its directory is gone'
run_is 0 'forget the second' "$UPSHIFT" forget BBBB --root "$root"
[ ! -e "$root/backups" ]
ok $? 'with the last one the place goes'
same 'and nothing else, not even a time'

# --- kept no longer than the plan says ---
plan short 'backup: { dir = "backups/${run.started}"; keep_days = 0; };'
sed -i 's/; echo >held.*others//' "$tmp/short.plan"
with_id DDDD
run_is 0 'a run' up short
run_is 0 'back' back
with_id EEEE
run_is 0 'a newer one' up short
like "$(find "$root/backups" -name start.tar.zst)" "^$root/backups/[^/]*/EEEE/start.tar.zst\$" \
	'the old backup expired, the new one is there'
is "$(find "$root/backups" -mindepth 1 -maxdepth 1 | wc -l)" 1 'with its directory'
run_is 0 'back' back
same 'as it was'

# --- on the command line; beside the user's own things ---
unset UPSHIFT_TEST_RUN_ID
fresh
run_is 73 'where the backup is to hold all' up other --backup-dir held/backups
like "$err" "would stand in 'held', which it is to hold" 'only the root will do'
plan some ''
sed -i 's/; echo >held.*others//' "$tmp/some.plan"
run_is 0 'a place by option' up some --backup-dir held/backups
[ -n "$(find "$root/held/backups" -name start.tar.zst)" ]
ok $? 'is meant from the root'
run_is 0 'verify' "$UPSHIFT" verify --root "$root" --level rigorous
run_is 0 'back' back
same 'as it was'
fresh
run_is 0 'from another directory' sh -c 'cd / && "$@"' - "$UPSHIFT" run "$tmp/other.plan" --root "$root" --batch --yes --backup-dir backups
run_is 0 'back' back
same 'as it was'
fresh
mkdir -m 755 "$root/backups"
before
run_is 0 'an empty directory of the user' up other --backup-dir "$root/backups"
id=$("$UPSHIFT" list --root "$root" | cut -c1-4)
run_is 0 'back' back
same 'as it was'
run_is 0 'forget' "$UPSHIFT" forget "$id" --root "$root" --confirm "forget $id"
is "$(stat -c %a "$root/backups")" 755 'stays, as he made it'

# a command that writes there: nobody's data
plan noise 'backup: { include = ["keep"]; dir = "held/backups"; };'
fresh
run_is 0 'a command of the plan writes beside the backup' up noise
unlike "$err" 'others' 'which is no change of the data'
run_is 0 'back' back
[ -e "$root/held/backups/others" ]
ok $? 'and is left alone'
run_is 73 'but no backup goes beside it' up noise --again
like "$err" "may hold nothing but backups, and 'held/backups/others' is there" 'which is said'
rm "$root/held/backups/others"
same 'as it was'

# --- refused ---
# refused NAME PATTERN OPTION...
refused()
{
	what=$1 why=$2
	shift 2
	run_is 73 "$what" up "$@"
	like "$err" "$why" 'with the reason'
	same 'nothing is changed'
}

fresh
ln -s held "$root/link"
ln -s "$tmp" "$root/away"
echo f >"$root/file"
before
refused 'the root' 'it is the root itself' other --backup-dir "$root"
refused 'the root, by another name' 'it is the root itself' other --backup-dir "$root/keep/.."
refused 'the state directory' 'belongs to upshift' other --backup-dir .upshift/x
refused 'data of the user' "'keep' may hold nothing but backups, and 'keep/.*' is there" other --backup-dir keep
refused 'behind a symlink of the data' 'symbolic link' other --backup-dir link/x
refused 'a symlink that leads out' 'symbolic link' other --backup-dir away
refused 'below what is missing' 'No such file' other --backup-dir none/x
refused 'a file' 'file' other --backup-dir file
steps='steps = ( { id = "m"; kind = "move"; from = "held"; to = "hold"; }, { id = "w"; kind = "write"; path = "put/x"; text = "x"; } );'
plan moves ''
refused 'what a step moves' "stand in 'held', which this step changes" moves --backup-dir held/backups
refused 'what a step makes' "'put/x' is to hold nothing but backups" moves --backup-dir put
run_is 73 'a dry run says it, too' "$UPSHIFT" run "$tmp/moves.plan" --root "$root" --dry-run --backup-dir held/x
run_is 73 'and check' "$UPSHIFT" check "$tmp/moves.plan" --root "$root" --backup-dir held/x
plan inside 'backup: { dir = "held/b"; };'
run_is 65 'lint: where a step is at work' "$UPSHIFT" lint "$tmp/inside.plan"
like "$out$err" "would stand in 'held', which this step changes" 'is no place'
plan inside 'backup: { dir = "put"; };'
run_is 65 'lint: a step in the place' "$UPSHIFT" lint "$tmp/inside.plan"
like "$out$err" "'put/x' belongs to upshift itself" 'is none of its business'
plan inside 'backup: { dir = "b-${run.id}"; };'
run_is 65 'lint: a place that each run would have anew' "$UPSHIFT" lint "$tmp/inside.plan"
same 'nothing is changed'

# --- the directory goes away ---
steps='steps = (
  { id = "look"; kind = "absent"; paths = ["wait"]; },
  { id = "w"; kind = "write"; path = "keep/b"; text = "new\n"; replace = true; },
  { id = "more"; kind = "absent"; paths = ["wait-more"]; } );'
plan held 'backup: { dir = "backups/${run.started}"; };'
fresh
: >"$root/wait"
before
run_is 1 'held up behind the backup' up held
rm -rf "$root/backups"
rm "$root/wait"
: >"$root/wait-more"
before
run_is 2 'without a backup that was there it is made again' "$UPSHIFT" resume --root "$root" --batch
[ -n "$(find "$root/backups" -name start.tar.zst)" ]
ok $? 'in its place'
run_is 0 'back' back
same 'as it was'
run_is 2 'one more' up held
rm -rf "$root/backups"
run "$UPSHIFT" status --root "$root"
is "$status" 0 'behind a change a backup that is gone: status answers'
run back
is "$status" 5 'there is no way back'
like "$err" "the backup in '.*/backups/.*' is not there any more" 'which is said'
is "$(cat "$root/keep/b")" new 'nothing is changed by that'

# --- killed at each directory that is made, and each time put back ---
rm -f "$root/wait-more"
n=0
for point in mkdir:4 mkdir:5 mkdir:6 mkdir:7 mkdir:8 utimes:2 utimes:3; do
	fresh
	UPSHIFT_TEST_FAULT=$point:kill up held >/dev/null 2>&1
	[ $? = 137 ] && n=$((n + 1))
	"$UPSHIFT" status --root "$root" >/dev/null 2>&1
	"$UPSHIFT" resume --root "$root" --batch >/dev/null 2>&1 ||
		up held >/dev/null 2>&1
	is "$(cat "$root/keep/b")" new "killed at $point: through"
	back >/dev/null 2>&1
	same "killed at $point: back"
done
[ "$n" -ge 3 ]
ok $? "$n times it was killed"

# --- the data moved, backup and all ---
fresh
run_is 0 'a run' up held
mv "$root" "$tmp/moved"
run "$UPSHIFT" verify --root "$tmp/moved" --level rigorous
is "$status" 0 'moved, the backup is found where it is'
mv "$tmp/moved" "$root"
run_is 0 'moved back, it goes back' back
same 'as it was'
done_testing
