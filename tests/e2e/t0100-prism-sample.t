#!/bin/sh
# SPDX-License-Identifier: MIT
# The sample of prism-gateway and its old command, before upshift touches it.
. "$(dirname "$0")/../lib/tap.sh"
dir=$top_srcdir/data/plans/prism-gateway
root=$tmp/data
tree="python3 $top_srcdir/tests/lib/tree.py"

# --- make-sample ---

run_is 0 'a sample is made' "$dir/make-sample" "$root" --files 700 --seed 7
$tree "$root" >"$tmp/one"
"$dir/make-sample" "$tmp/again" --files 700 --seed 7
$tree "$tmp/again" >"$tmp/two"
file_is "$tmp/two" "$tmp/one" 'the same seed gives the same tree'
"$dir/make-sample" "$tmp/other" --files 700 --seed 8
$tree "$tmp/other" >"$tmp/two"
! cmp -s "$tmp/two" "$tmp/one"
ok $? 'another seed gives another tree'
rm -rf "$tmp/again" "$tmp/other"

cd "$root" || exit 99
# count FIND-ARGUMENT...: how many, whatever their names hold
count()
{
	find level-1-hot level-2-warm level-3-cold "$@" -print0 |
		tr -cd '\0' | wc -c
}
has()
{
	[ "$(count "$@")" -gt 0 ]
}
is "$(count -type f)" 717 'as many files as were asked for, and the special ones'
is "$(count -name '*.json' -type f)" 423 'documents'
is "$(count -type l)" 4 'symbolic links'
is "$(count -samefile level-3-cold/one.md)" 3 'a file with three names'
is "$(count -type d -empty)" 1 'an empty directory'
has -name '* *' -type f
ok $? 'spaces in names'
has -name "$(printf 'caf\351.md')"
ok $? 'a name that is not UTF-8'
is "$(count -name 'caf*.md')" 3 'names that differ in composition alone'
has -name '*
*'
ok $? 'a newline in a name'
long=$(cd level-3-cold && echo x*x.md)
is "${#long}" 255 'a name of the greatest length'
has -perm 0444
ok $? 'modes'
is "$(find level-1-hot -type f -printf '%T@\n' | sort -u | wc -l)" 17 'times'
if getfattr -d level-1-hot/empty-list.json >"$tmp/attrs" 2>/dev/null &&
   [ -s "$tmp/attrs" ]; then
	like "$(cat "$tmp/attrs")" 'user.prism.origin="import"' 'an attribute'
else
	skip 'no extended attributes here' 'an attribute'
fi
blocks=$(stat -c %b level-3-cold/sparse.bin)
[ "$blocks" -lt 2048 ]
ok $? 'a sparse file'
python3 - <<'PY'
import json, os
n = 0
for top in ("level-1-hot", "level-2-warm", "level-3-cold"):
    for d, dirs, files in os.walk(os.fsencode(top)):
        for f in files:
            p = os.path.join(d, f)
            if os.path.islink(p):
                continue
            if f.endswith(b".json"):
                json.load(open(p, encoding="utf-8"))
                n += 1
            elif f.endswith(b".jsonl"):
                for line in open(p, encoding="utf-8"):
                    json.loads(line)
                    n += 1
assert n > 400, n
PY
ok $? 'every document is JSON'

run_is 73 'no sample in a directory that holds something' "$dir/make-sample" "$root"
run_is 64 'a number is wanted' "$dir/make-sample" "$tmp/x" --files many
run_is 64 'and a directory' "$dir/make-sample"
[ ! -e "$tmp/x" ]
ok $? 'nothing is made by mistake'
"$dir/make-sample" "$tmp/none" --files 0
ok $? 'no files at all but the special ones'

# --- prism ---

prism=$root/bin/prism
cd / || exit 99
run_is 0 'prism says its version' "$prism" --version
is "$out" 'prism 1.0' 'which is 1.0'
run_is 0 'check' "$prism" check
is "$out" 'ok: 717 documents' 'counts every document'
run_is 0 'check --offline' "$prism" check --offline
run_is 0 'list' "$prism" list
is "$(printf '%s\n' "$out" | wc -l)" 20 'shows twenty'
run_is 0 'list of more' "$prism" list 1000
is "$(printf '%s\n' "$out" | wc -l)" 423 'shows them all'
run_is 0 'search' "$prism" search 'a text alone'
is "$out" 'level-2-warm/.hidden/text.json' 'finds the document'
$tree "$root" >"$tmp/two"
run_is 0 'doctor' "$prism" doctor
$tree "$root" >"$tmp/one"
file_is "$tmp/one" "$tmp/two" 'tries everything and changes nothing'
run_is 0 'add' "$prism" add 'A "new" one'
run_is 0 'search again' "$prism" search 'A \"new\" one'
is "$out" 'level-1-hot/added-A--new--one.json' 'finds what was added'
like "$("$prism" check)" '^ok: 718 ' 'check counts it'
run_is 1 'add writes over nothing' "$prism" add 'A "new" one'
run_is 64 'no word' "$prism"
run_is 64 'a wrong word' "$prism" lost
run_is 64 'search without a word' "$prism" search

# found by PRISM_HOME, and without any other sign in the home directory
cp "$prism" "$tmp/prism"
PRISM_HOME=$tmp/none run_is 0 'PRISM_HOME' "$tmp/prism" check
is "$out" 'ok: 17 documents' 'is looked at'
ln -s "$root" "$HOME/.prism-gateway"
run_is 0 'else ~/.prism-gateway' "$tmp/prism" check
is "$out" 'ok: 718 documents' 'is looked at'
mv "$root/level-3-cold" "$tmp/cold"
run_is 1 'check misses a level' "$prism" check
like "$err" "level-3-cold" 'and names it'
mv "$tmp/cold" "$root/level-3-cold"

# --- prism migrate ---

cat >"$tmp/upshift" <<'SH'
#!/bin/sh
printf '%s\n' "$@"
SH
chmod 755 "$tmp/upshift"
# migrate WORD...: what upshift would be called with, on one line
migrate()
{
	UPSHIFT=$tmp/upshift "$prism" migrate "$@" </dev/null | tr '\n' ' '
}
here=$(cd "$root" && pwd)
is "$(migrate)" "run $here/bin/prism-gateway.plan --root $here --batch --yes " \
	'migrate'
is "$(migrate --dry-run)" \
	"run $here/bin/prism-gateway.plan --root $here --dry-run " 'a dry run'
is "$(migrate --status)" "status --root $here " 'status'
is "$(migrate --rollback)" "rollback start --root $here " 'rollback, which asks'
is "$(migrate --rollback --force)" \
	"rollback start --root $here --batch --confirm roll back to start " \
	'rollback, which does not'
UPSHIFT=$tmp/upshift run_is 64 'nothing else' "$prism" migrate --force
UPSHIFT=$tmp/gone run_is 1 'no upshift' "$prism" migrate
like "$err" 'upshift is needed' 'which is said'

done_testing
