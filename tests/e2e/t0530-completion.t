#!/bin/sh
# SPDX-License-Identifier: MIT
# report --completion: what was counted, lost, saved, tried and verified.
. "$(dirname "$0")/../lib/tap.sh"
dir=$top_srcdir/data/plans/personal-agent
plan=$dir/personal-agent.plan
root=$tmp/data
command -v python3 >/dev/null || skip_all 'no python3'

"$dir/make-sample" "$root" --conversations 12
run_is 66 'no run' "$UPSHIFT" report --root "$root" --completion "$tmp/x"
run_is 0 'a run' "$UPSHIFT" run "$plan" --root "$root" --batch --yes
run_is 0 'the record as text' "$UPSHIFT" report --root "$root" --completion "$tmp/done.md"
is "$out$err" '' 'is in the file alone'
text=$(cat "$tmp/done.md")
is "$(stat -c %a "$tmp/done.md")" 600 'closed to others'
like "$text" 'result: complete' 'result'
like "$text" 'applied: 7 of 7' 'steps'
like "$text" 'conversations: 12 before, 12 after' 'counts'
like "$text" 'servers: 3 before, 3 after' 'all of them'
like "$(sed -n '/Data loss/,/Backup/p' "$tmp/done.md")" '^- none$' 'no data loss'
like "$text" 'place: .*/data/backup_before_migration/.*/start.tar.zst' 'place of the backup'
like "$text" 'integrity: PASS' 'its integrity'
like "$text" 'not tested' 'nobody ever went back'
like "$text" 'PASS V01' 'verifications'
unlike "$text" 'canary' 'no secret'

archive=$(find "$root"/backup_before_migration -name start.tar.zst)
cp -p "$archive" "$tmp/archive"
printf x | dd of="$archive" bs=1 seek=100 conv=notrunc 2>/dev/null
run_is 0 'a damaged archive' "$UPSHIFT" report --root "$root" --completion "$tmp/done.md"
like "$(cat "$tmp/done.md")" 'integrity: FAIL' 'is seen'
cp -p "$tmp/archive" "$archive"

run_is 0 'back' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
run_is 0 'and through again' "$UPSHIFT" run "$plan" --root "$root" --batch --yes
run_is 0 'the record as JSON' "$UPSHIFT" report --root "$root" --completion "$tmp/done.json"
python3 - "$tmp/done.json" <<'PY'
import json, sys
o = json.load(open(sys.argv[1]))
assert o["result"] == "complete" and o["data_loss"] == []
assert [(c["what"], c["before"], c["after"]) for c in o["counts"]] == \
    [("conversations", 12, 12), ("profiles", 3, 3), ("servers", 3, 3)]
assert o["backup"]["integrity"] == "PASS"
assert o["rollback"]["tested"] is True and o["rollback"]["run"] != o["run"]
assert {v["id"]: v["result"] for v in o["verification"]}["V01"] == "PASS"
PY
ok $? 'has the same, and the rollback is tested'

# --- a step that failed, a run that was rolled back ---
rm -rf "$root"
"$dir/make-sample" "$root" --conversations 12
echo '{' >"$root/mcp_config.json"
run_is 3 'a broken file' "$UPSHIFT" run "$plan" --root "$root" --batch --yes
run_is 0 'its record' "$UPSHIFT" report --root "$root" --completion "$tmp/done.md"
text=$(cat "$tmp/done.md")
like "$text" '^- mcp_servers: (failed|undone)' 'names the step'
like "$text" 'applied: 6 of 7' 'and how many are applied'
unlike "$text" 'servers: 3 before' 'it counts nothing for it'
run_is 0 'back' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
run_is 0 'the record of a run that is undone' "$UPSHIFT" report --root "$root" --completion "$tmp/done.md"
like "$(cat "$tmp/done.md")" 'result: rolled-back' 'says so'
like "$(cat "$tmp/done.md")" 'applied: 0 of 7' 'and claims no step'
mkfifo "$tmp/pipe"
cat "$tmp/pipe" >"$tmp/through" &
run_is 0 'into a pipe' "$UPSHIFT" report --root "$root" --completion "$tmp/pipe"
wait
[ -p "$tmp/pipe" ]
ok $? 'which stays one'
cmp -s "$tmp/through" "$tmp/done.md"
ok $? 'the record went through it'
run_is 73 'a file that cannot be written' "$UPSHIFT" report --root "$root" --completion "$tmp/none/x"
like "$err" "cannot write '" 'is named'
done_testing
