#!/bin/sh
# SPDX-License-Identifier: MIT
# A document of 110 MB, the elements of an array or the members of an object:
# what is shown of it, and the memory that takes; and that nothing is shown of a
# file out of which another step takes secrets.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
command -v python3 >/dev/null || skip_all 'no python3'
root=$tmp/data
plan=$tmp/a.plan
mebibytes=48

cat >"$tmp/make.py" <<'TXT'
import sys

with open(sys.argv[1], "w") as f:
    if sys.argv[3:]:
        f.write('{\n "version": 1,\n "items": {\n')
        for i in range(int(sys.argv[2])):
            f.write('%s  "s%d": {"id": %d, "name": "n%d", "text": "%s"}'
                    % (",\n" if i else "", i, i, i, "x\u00e9 " * 15))
        f.write(',\n  "s7": {"name": "again"}\n }\n}\n')
        sys.exit()
    f.write('{\n "version": 1,\n "items": [\n')
    for i in range(int(sys.argv[2])):
        f.write('%s  {"id": %d, "name": "n%d", "key": "tok-canary-%d", "text": "%s"}'
                % (",\n" if i else "", i, i, i, "x\\u00e9 " * 110))
    f.write('\n ]\n}\n')
TXT
# status, lines and bytes of output, and the most memory that was used, in MiB
cat >"$tmp/within.py" <<'TXT'
import os
import subprocess
import sys

p = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL,
                     stdout=open(sys.argv[1], "w"), stderr=subprocess.STDOUT)
_, status, used = os.wait4(p.pid, 0)
print(os.waitstatus_to_exitcode(status), used.ru_maxrss // 1024)
TXT

# plan STEPS
plan()
{
	printf 'plan = 1; name = "a"; from = "1"; to = "2";\nsteps = (\n%s\n);\n' \
		"$1" >"$plan"
}

# within NAME STATUS COMMAND...: into $tmp/shown
within()
{
	name=$1
	wanted=$2
	shift 2
	found=$(python3 "$tmp/within.py" "$tmp/shown" "$@")
	is "${found% *}" "$wanted" "$name" || diag "$(tail -n 5 "$tmp/shown")"
	if grep -q __asan "$UPSHIFT" 2>/dev/null; then
		skip 'built with a sanitizer, which needs its own' "$name: memory"
		return
	fi
	[ "${found#* }" -lt "$mebibytes" ]
	ok $? "$name: ${found#* } MiB of memory"
}

dry()
{
	"$UPSHIFT" run "$plan" --root "$root" --dry-run
}

mkdir -p "$root"
python3 "$tmp/make.py" "$root/big.json" 140000 || exit 99
size=$(stat -c %s "$root/big.json")
[ "$size" -gt 110000000 ]
ok $? "a document of $size bytes"

plan '{ id = "big"; kind = "json"; path = "big.json"; select = "$.items[*]"; count = "items";
	edit = ( { op = "rename"; from = "/name"; to = "title"; }, { op = "default"; path = "/text2"; json = "{\"a\": 1}"; } ); }'
within 'preview' 9 "$UPSHIFT" run "$plan" --root "$root" --dry-run
like "$(cat "$tmp/shown")" "edit 'big.json': 140,000 of 140,000 values change" 'the count'
is "$(grep -c 'big.json:[0-9]*: .* -> ' "$tmp/shown")" 5 'the first five changes'
like "$(cat "$tmp/shown")" 'big.json:4: .*"name" -> "title"' 'with their lines'
[ "$(wc -c <"$tmp/shown")" -lt 4096 ]
ok $? 'and no more than a screen of it'
is "$(stat -c %s "$root/big.json") $(ls -A "$root")" "$size big.json" 'nothing was written'

within 'apply' 0 "$UPSHIFT" run "$plan" --root "$root" --batch --yes --json
is "$(grep -c '"title": "n' "$root/big.json")" 140000 'every element is edited'
grep '"type":"progress"' "$tmp/shown" | grep '"phase":"steps"' >"$tmp/progress"
like "$(tail -n 1 "$tmp/progress")" '"unit":"bytes".*"records":140000' 'progress in bytes and records'

# --- the same of a million members of one object; one has a name twice ---
rm -rf "$root"
mkdir -p "$root"
python3 "$tmp/make.py" "$root/big.json" 1000000 members || exit 99
size=$(stat -c %s "$root/big.json")
[ "$size" -gt 110000000 ]
ok $? "an object of $size bytes"
printf '%s\n' 'plan = 1; name = "a"; from = "1"; to = "2";
checks = ( { id = "C1"; kind = "json"; paths = ["big.json"]; severity = "warn"; } );
steps = ( { id = "big"; kind = "json"; path = "big.json"; select = "$.items.*"; count = "items";
	edit = ( { op = "rename"; from = "/name"; to = "title"; }, { op = "default"; path = "/on"; json = "true"; } );
	expect = ( { path = "/title"; type = "string"; required = true; } ); } );' >"$plan"
within 'members, preview' 9 "$UPSHIFT" run "$plan" --root "$root" --dry-run
like "$(cat "$tmp/shown")" "edit 'big.json': 1,000,001 of 1,000,001 values change" 'each member is counted'
like "$(cat "$tmp/shown")" 'a name that its object has already' 'the name that is there twice is told'
within 'members, apply' 0 "$UPSHIFT" run "$plan" --root "$root" --batch --yes --json
is "$(grep -c '"title": "[a-z0-9]*", .*"on": true}' "$root/big.json")" 1000001 'every member is edited'
is "$(tail -n 3 "$root/big.json" | head -n 1)" '  "s7": {"title": "again", "on": true}' 'and so is the one that has a name twice'

# --- what a later step takes out is a secret now, under any name ---
for n in 20 4000; do
	rm -rf "$root"
	mkdir -p "$root"
	python3 "$tmp/make.py" "$root/big.json" "$n"
	plan '{ id = "names"; kind = "json"; path = "big.json"; select = "$.items[*]";
		edit = ( { op = "rename"; from = "/key"; to = "token"; },
			{ op = "move"; from = "/token"; path = "/auth"; } ); },
	{ id = "secrets"; kind = "json"; path = "big.json"; select = "$.items[*]"; needs = ["names"];
		edit = ( { op = "secret"; path = "/auth"; where = "@.auth"; name = "i/{id}";
			store = { file = "secrets/keys.json"; }; } ); }'
	run_is 9 "$n elements, keys to be taken out later" dry
	like "$out" "edit 'big.json': $(printf '%s' "$n" | sed 's/\(.*\)\(...\)$/\1,\2/;s/^,//') of" 'they are counted'
	like "$out" 'not shown: another step takes secrets out' 'and it says why no more is shown'
	unlike "$out$err" 'canary' 'no key is shown'
done
done_testing
