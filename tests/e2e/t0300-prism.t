#!/bin/sh
# SPDX-License-Identifier: MIT
# The prism-gateway migration on its sample: through, back, and through again.
. "$(dirname "$0")/../lib/tap.sh"
dir=$top_srcdir/data/plans/prism-gateway
plan=$dir/prism-gateway.plan
root=$tmp/data
tree="python3 $top_srcdir/tests/lib/tree.py"
levels='level-1-hot|level-2-warm|level-3-cold'

"$dir/make-sample" "$root" --files 300
ok $? 'sample data is made'
$tree "$root" .upshift >"$tmp/before"
"$dir/make-sample" "$tmp/again" --files 300
$tree "$tmp/again" >"$tmp/second"
file_is "$tmp/second" "$tmp/before" 'the same seed gives the same tree'

run_is 0 'lint finds nothing' "$UPSHIFT" lint "$plan"
run_is 9 'dry run: changes pending' "$UPSHIFT" run "$plan" --root "$root" --dry-run
like "$out" 'config/default.json' 'the dry run shows the configuration'
$tree "$root" >"$tmp/now"
file_is "$tmp/now" "$tmp/before" 'the dry run wrote nothing at all'
[ ! -e "$root/.upshift" ] && [ ! -e "$XDG_STATE_HOME" ]
ok $? 'no state directory and no register'
run_is 8 'without --yes nothing begins' "$UPSHIFT" run "$plan" --root "$root" --batch
like "$err" '--yes' 'what is missing is named'
[ ! -e "$root/.upshift" ]
ok $? 'and nothing was made'

run_is 0 'the migration goes through' "$UPSHIFT" run "$plan" --root "$root" --batch --yes
$tree "$root" .upshift >"$tmp/after"
grep -E "^($levels)" "$tmp/before" >"$tmp/levels.before"
grep -E "^($levels)" "$tmp/after" >"$tmp/levels.after"
file_is "$tmp/levels.after" "$tmp/levels.before" 'the three levels have not changed by a byte, a mode, a time'
python3 - "$root" <<'PY'
import json, sys
s = json.load(open(sys.argv[1] + "/.migration/state.json"))
assert sorted(s) == sorted(["version", "phase1_version", "phase2_version",
    "migration_started", "migration_completed", "steps",
    "rollback_available", "backup_location"]), sorted(s)
assert [x["name"] for x in s["steps"]] == ["pre_validation", "backup",
    "init_directories", "init_config", "init_analytics",
    "validate_compatibility", "data_integrity_check",
    "write_migration_state"], s["steps"]
assert all(x["status"] == "completed" for x in s["steps"])
c = json.load(open(sys.argv[1] + "/config/default.json"))
assert set(c) == {"version", "gateway", "retrospective", "analytics", "api", "mcp"}
assert c["analytics"]["retention_days"] == 30
PY
ok $? 'state file and configuration have exactly their keys'
is "$(stat -c %a "$root/analytics")" 700 'the new directories are closed to others'
run_is 0 'again: applied already' "$UPSHIFT" run "$plan" --root "$root" --batch --yes
like "$out" 'already' 'and it says so'
run_is 0 'resume of a complete run' "$UPSHIFT" resume --root "$root" --batch
run_is 0 'status' "$UPSHIFT" status --root "$root" --json
like "$out" '"state":"complete"' 'status says complete'
run_is 0 'verify, every digest' "$UPSHIFT" verify --root "$root" --level rigorous
run_is 0 'verify, the archive decompressed' "$UPSHIFT" verify --root "$root" --level forensic
run_is 0 'report' "$UPSHIFT" report --root "$root"
printf '%s\n' "$out" >"$tmp/report"
file_is "$tmp/report" "$(echo "$root"/.upshift/runs/*/report.md)" 'it is the one that was kept'
like "$out" 'tar --zstd' 'the report has the line that needs no upshift'

# that line alone brings the data back
mkdir "$tmp/bare"
archive=$(echo "$root"/.upshift/runs/*/backup/start.tar.zst)
(cd "$root" && tar --zstd --xattrs --xattrs-include='*' --acls -xpf "$archive" -C "$tmp/bare" 2>"$tmp/tar.err")
ok $? 'tar restores the archive'
$tree "$tmp/bare" .upshift-manifest.jsonl | grep -E "^($levels)" >"$tmp/levels.tar"
file_is "$tmp/levels.tar" "$tmp/levels.before" 'content, modes, times, attributes and links are back'

run_is 8 'a rollback needs its words' "$UPSHIFT" rollback --root "$root" --batch
run_is 8 'other words are refused' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to CP1'
run_is 66 'an unknown point' "$UPSHIFT" rollback CP9 --root "$root" --batch --confirm 'roll back to CP9'
echo mine >"$root/config/mine.json"
run_is 0 'preview' "$UPSHIFT" rollback --root "$root" --preview
like "$out" 'LOST 1' 'what others made since is counted'
like "$out" 'config/mine.json' 'and named'
rm "$root/config/mine.json"
run_is 0 'rollback' "$UPSHIFT" rollback --root "$root" --batch --confirm 'Roll  back to START'
$tree "$root" .upshift >"$tmp/after"
file_is "$tmp/after" "$tmp/before" 'the tree is as it was, to the nanosecond'
run_is 66 'nothing to resume' "$UPSHIFT" resume --root "$root" --batch --yes
run_is 0 'and through again' "$UPSHIFT" run "$plan" --root "$root" --batch --yes --json
is "$(printf '%s\n' "$out" | head -n 1 | grep -c '"type":"version"')" 1 'JSON begins with version'
is "$(printf '%s\n' "$out" | tail -n 1 | grep -c '"type":"summary"')" 1 'and ends with summary'
printf '%s\n' "$out" | python3 -c '
import json, sys
last = 0
for line in sys.stdin:
    o = json.loads(line)
    assert o["seq"] > last
    last = o["seq"]
'
ok $? 'every line is an object, seq grows'
done_testing
