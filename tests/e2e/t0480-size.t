#!/bin/sh
# SPDX-License-Identifier: MIT
# Many files: memory and descriptors stay within bounds that do not grow.
. "$(dirname "$0")/../lib/tap.sh"
command -v python3 >/dev/null || skip_all 'no python3'
root=$tmp/data
files=10000
mebibytes=64

cat >"$tmp/make.py" <<'TXT'
import os
import sys

for i in range(int(sys.argv[2])):
    d = "%s/keep/%03d" % (sys.argv[1], i // 500)
    if i % 500 == 0:
        os.makedirs(d)
    with open("%s/%05d.json" % (d, i), "w") as f:
        f.write('{"n": %d, "text": "%s"}\n' % (i, "x" * (i % 200)))
TXT

# status and the most memory that was used, in MiB
cat >"$tmp/within.py" <<'TXT'
import os
import subprocess
import sys

p = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL,
                     stdout=subprocess.DEVNULL)
_, status, used = os.wait4(p.pid, 0)
print(os.waitstatus_to_exitcode(status), used.ru_maxrss // 1024)
TXT

cat >"$tmp/plan" <<'TXT'
plan = 1; name = "size"; title = "Size"; from = "1"; to = "2";
backup: { include = ["keep"]; };
checks = ( { id = "C"; kind = "json"; paths = ["keep/**/*.json"]; } );
steps = ( { id = "d"; kind = "mkdir"; paths = ["new"]; },
  { id = "m"; kind = "move"; from = "keep"; to = "new/keep"; },
  { id = "r"; kind = "remove"; paths = ["new/keep/**/*.json"]; needs = ["m"]; } );
TXT
python3 "$tmp/make.py" "$root" "$files" || exit 99

# within NAME COMMAND...: with 64 descriptors, and how much memory
within()
{
	name=$1
	shift
	# shellcheck disable=SC3045 # dash and bash both have it
	found=$(ulimit -n 64 && python3 "$tmp/within.py" "$@" 2>"$tmp/err")
	is "${found% *}" 0 "$name: 64 descriptors are enough" || diag "$(tail -n 5 "$tmp/err")"
	if grep -q __asan "$UPSHIFT" 2>/dev/null; then
		skip 'built with a sanitizer, which needs its own' "$name: memory"
		return
	fi
	[ "${found#* }" -lt "$mebibytes" ]
	ok $? "$name: $files files in ${found#* } MiB"
}

within 'run' "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
within 'verify' "$UPSHIFT" verify --root "$root" --level forensic
within 'preview' "$UPSHIFT" rollback --root "$root" --preview
within 'rollback' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
is "$(find "$root/keep" -type f | wc -l)" "$files" 'all of it is there'
done_testing
