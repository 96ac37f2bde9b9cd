#!/bin/sh
# SPDX-License-Identifier: MIT
# The prism-gateway migration where something is wrong: data that cannot be
# read, and an old version that does not go on working.
. "$(dirname "$0")/../lib/tap.sh"
dir=$top_srcdir/data/plans/prism-gateway
plan=$dir/prism-gateway.plan
tree="python3 $top_srcdir/tests/lib/tree.py"

# --- a check fails ---

root=$tmp/bad
"$dir/make-sample" "$root" --files 100 || exit 99
printf '{"a": [1, 2,\n "b": 3}\n' >"$root/level-1-hot/broken.json"
printf '{}\n{"t": 01}\n\n{"t": "\377"}\n' >"$root/level-2-warm/events.jsonl"
$tree "$root" .upshift >"$tmp/before"
run_is 1 'a check fails' "$UPSHIFT" run "$plan" --root "$root" --batch --yes
like "$out$err" 'level-1-hot/broken\.json:2:5: ' 'the document is named, with line and column'
like "$out$err" 'level-2-warm/events\.jsonl:2:8: ' 'a line, too'
like "$out$err" 'level-2-warm/events\.jsonl:4:8: ' 'and every other'
$tree "$root" .upshift >"$tmp/after"
file_is "$tmp/after" "$tmp/before" 'nothing was changed'
run_is 1 'check alone says the same' "$UPSHIFT" check "$plan" --root "$root"
rm "$root/level-1-hot/broken.json" "$root/level-2-warm/events.jsonl"
sed 's/^--version) .*/--version) echo "prism 2.0" ;;/' "$dir/prism" \
	>"$root/bin/prism"
run_is 1 'another version is refused' "$UPSHIFT" run "$plan" --root "$root" --batch --yes
like "$out$err" 'version 2\.0 is above 1\.9' 'which is said'
cp "$dir/prism" "$root/bin/prism"
mv "$root/level-3-cold" "$tmp/cold"
run_is 1 'a level is missing' "$UPSHIFT" check "$plan" --root "$root"
like "$out$err" "'level-3-cold' is not there" 'and named'
mv "$tmp/cold" "$root/level-3-cold"
run_is 0 'all is well again' "$UPSHIFT" run "$plan" --root "$root" --batch --yes

# --- the old version answers otherwise afterwards ---

# breaks LINE: a sample whose prism does LINE once config/ is there
breaks()
{
	rm -rf "$tmp/data"
	"$dir/make-sample" "$tmp/data" --files 100 || exit 99
	{
		sed -n '1,/^set -u/p' "$dir/prism"
		printf 'if [ -d "$(dirname "$0")/../config" ]; then %s; fi\n' "$1"
		sed '1,/^set -u/d' "$dir/prism"
	} >"$tmp/data/bin/prism"
	chmod 755 "$tmp/data/bin/prism"
	$tree "$tmp/data" .upshift >"$tmp/before"
}
root=$tmp/data

breaks '[ "$1" != list ] || { echo only one; exit 0; }'
run_is 7 'another answer fails the verification' \
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes --on-failure stop
like "$out$err" "prism list' does not answer as before: 1 lines, before 20" \
	'which is said'
run_is 0 'rollback' "$UPSHIFT" rollback --root "$root" --batch \
	--confirm 'roll back to start'
$tree "$root" .upshift >"$tmp/after"
file_is "$tmp/after" "$tmp/before" 'all is as it was'

breaks '[ "$1" != doctor ] || exit 9'
run_is 4 'a failure goes back by policy' \
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes --on-failure rollback
like "$out$err" 'ended with status 9, expected 0' 'and is told'
$tree "$root" .upshift >"$tmp/after"
file_is "$tmp/after" "$tmp/before" 'all is as it was, again'

breaks '[ "$1" != search ] || printf x >>"$(dirname "$0")/../level-3-cold/one.md"'
run_is 7 'a command that changes old data is found out' \
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes --on-failure stop
like "$out$err" "level-3-cold/one.md': its content changed" 'with the file'
like "$out$err" "level-2-warm/links/three.md': its content changed" \
	'by each of its names'

done_testing
