#!/bin/sh
# SPDX-License-Identifier: MIT
# The audit of a forensic comparison: verify --audit finds each way to change
# it, and names the first line that is broken.
# shellcheck source=tests/lib/tap.sh
. "${top_srcdir:-.}/tests/lib/tap.sh"
command -v python3 >/dev/null || skip_all 'no python3'
stores_need sqlite

root=$tmp/root
mkdir -p "$root"
python3 - "$root" <<'TXT'
import sqlite3, sys
for name in ("old", "new"):
    c = sqlite3.connect(f"{sys.argv[1]}/{name}.db")
    c.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    c.executemany("INSERT INTO t VALUES (?, ?)", ((i, f"v{i}") for i in range(50000)))
    c.commit()
TXT
cat >"$tmp/acme.plan" <<'TXT'
plan = 1; name = "acme"; from = "1"; to = "2";
stores: { old = "sqlite:old.db"; new = "sqlite:new.db"; };
steps = ( { id = "done"; kind = "write"; path = "done"; text = "x"; } );
verify = ( { id = "V01"; kind = "records"; from = "old:t"; to = "new:t"; key = "id"; level = "forensic"; pause = 0.01; } );
TXT
run "$UPSHIFT" run "$tmp/acme.plan" --root "$root" --batch --yes
is "$status" 0 'a run with a forensic comparison' || diag "$err$out"
dir=$(echo "$root"/.upshift/runs/*)
file=$dir/V01.audit.jsonl
lines=$(wc -l <"$file")
ok "$([ "$lines" -ge 5 ]; echo $?)" 'begin, parts, end, close'
sum=$(sed -n '$s/.*"sum":"\(.*\)"}/\1/p' "$file")

run "$UPSHIFT" verify --audit "$file"
is "$status" 0 'the audit is as it was written' || diag "$err"
like "$out" "^$lines lines" 'its lines are counted'
like "$out" "$sum" 'the last sum is printed'
like "$out" 'the journal of the run has the same' 'and the journal has it'
like "$(grep '"what":"verify"' "$dir/journal.jsonl")" "\"audit\":\"$sum\"" \
	'in the record of the verification'
like "$("$UPSHIFT" report --root "$root")" "$sum" 'and so has the report'
run "$UPSHIFT" verify --audit "$file" --json
like "$out" '"ok":true.*"rows":50000.*"in_journal":true' 'for programs'

# altered SCRIPT: a copy, edited by sed, elsewhere
altered()
{
	sed "$1" "$file" >"$tmp/copy.audit.jsonl"
	run "$UPSHIFT" verify --audit "$tmp/copy.audit.jsonl"
}
altered ''
is "$status" 0 'a copy elsewhere is whole'
like "$out" 'no journal has its last sum' 'without a journal beside it'
altered '3s/"differences":0/"differences":1/'
is "$status" 7 'a line that was changed'
like "$err" 'line 3 was changed' 'is named'
altered '2s/v/V/;4s/d/D/'
like "$err" 'line 2 was changed' 'the first of two'
altered '3d'
is "$status" 7 'a line that was removed'
like "$err" 'line 3 does not follow' 'is missed where it was'
altered '2p'
like "$err" 'line 3 does not follow' 'a line twice'
altered '3{h;d};4{G}'
like "$err" 'line 3 does not follow' 'two lines in another order'
altered '1d'
like "$err" 'line 1 does not follow' 'the first line removed'
altered '2i {"what":"part"}'
like "$err" 'line 2 was changed' 'a line put in'
altered '$d'
is "$status" 7 'the last line removed'
like "$err" "line $lines is not there" 'is missed'
altered '$p'
like "$err" "line $((lines + 1)) does not follow" 'a line behind the last one'
head -c -20 "$file" >"$tmp/copy.audit.jsonl"
run "$UPSHIFT" verify --audit "$tmp/copy.audit.jsonl"
is "$status" 7 'an end that was cut off'
like "$err" "line $lines is not whole" 'in the middle of a line'
: >"$tmp/copy.audit.jsonl"
run "$UPSHIFT" verify --audit "$tmp/copy.audit.jsonl"
is "$status" 7 'an empty file'
run "$UPSHIFT" verify --audit "$tmp/none.audit.jsonl"
is "$status" 66 'a file that there is not'
run "$UPSHIFT" verify --audit "$tmp/none/none.audit.jsonl"
is "$status" 66 'nor its directory'
run "$UPSHIFT" verify --audit "$tmp" --json
is "$status" 66 'a directory'
like "$out" '"ok":false' 'for programs, too'
run "$UPSHIFT" verify --audit /dev/zero
is "$status" 66 'and one that has no end'
like "$err" "cannot open '/dev/zero'" 'are not read'
head -c 3000000 /dev/zero | tr '\0' a >"$tmp/copy.audit.jsonl"
run "$UPSHIFT" verify --audit "$tmp/copy.audit.jsonl"
is "$status" 7 'a line without an end'
head -c 100 /dev/zero >"$tmp/copy.audit.jsonl"
run "$UPSHIFT" verify --audit "$tmp/copy.audit.jsonl"
is "$status" 7 'zero bytes'

# all of it written anew, with a chain that is right
cp "$file" "$tmp/kept"
python3 - "$file" <<'TXT'
import hashlib, json, sys
prev, out = "", []
for line in open(sys.argv[1]).read().splitlines():
    o = json.loads(line)
    del o["sum"]
    o.pop("prev", None)
    if o["what"] == "part":
        o["differences"] = 7
    if prev:
        o["prev"] = prev
    text = json.dumps(o, separators=(",", ":"))
    prev = "blake2b-512:" + hashlib.blake2b(text.encode()).hexdigest()
    out.append(text[:-1] + ',"sum":"' + prev + '"}')
open(sys.argv[1], "w").write("\n".join(out) + "\n")
TXT
run "$UPSHIFT" verify --audit "$file"
is "$status" 7 'a forged one'
like "$err" 'not the last one that the journal speaks of' 'is none of the journal'
run "$UPSHIFT" verify --audit "$file" --json
like "$out" '"ok":false.*"broken":[0-9]' 'for programs'
cp "$tmp/kept" "$file"

# a later look leaves the audit of the run alone
run "$UPSHIFT" verify --root "$root" --level forensic
is "$status" 0 'a forensic look later'
like "$out" 'last sum of the audit: blake2b' 'prints its own sum'
is "$(cksum <"$file")" "$(cksum <"$tmp/kept")" 'and leaves that of the run'
run "$UPSHIFT" verify --audit "$dir/V01.audit-later.jsonl"
is "$status" 0 'beside which it lies' || diag "$err"
done_testing
