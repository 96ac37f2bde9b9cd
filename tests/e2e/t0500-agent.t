#!/bin/sh
# SPDX-License-Identifier: MIT
# The personal-agent migration on its sample: through and back, with a broken
# file, with data that is refused, killed on the way; and its secrets, which
# are to be found in the store and the backup alone.
. "$(dirname "$0")/../lib/tap.sh"
dir=$top_srcdir/data/plans/personal-agent
plan=$dir/personal-agent.plan
root=$tmp/data
tree="python3 $top_srcdir/tests/lib/tree.py"
command -v python3 >/dev/null || skip_all 'no python3'

# new [CONVERSATIONS]: a fresh sample
new()
{
	rm -rf "$root"
	"$dir/make-sample" "$root" --conversations "${1:-60}" &&
		$tree "$root" .upshift backup_before_migration >"$tmp/before"
}

agent_run()
{
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes
}

rolled_back()
{
	run_is 0 "$1: rolled back" "$UPSHIFT" rollback start --root "$root" \
		--batch --confirm 'roll back to start'
	$tree "$root" .upshift backup_before_migration >"$tmp/after"
	file_is "$tmp/after" "$tmp/before" "$1: every byte and time is as before"
}

# --- through and back ---
new
ok $? 'sample data is made'
"$dir/make-sample" "$tmp/again" --conversations 60
$tree "$tmp/again" >"$tmp/second"
file_is "$tmp/second" "$tmp/before" 'the same seed gives the same tree'
run_is 0 'lint finds nothing' "$UPSHIFT" lint "$plan"
run_is 9 'dry run' "$UPSHIFT" run "$plan" --root "$root" --dry-run
printf '%s%s' "$out" "$err" >"$tmp/dry"
like "$out" "archived" 'it shows what changes'
unlike "$(cat "$tmp/dry")" 'canary' 'and no secret'
$tree "$root" >"$tmp/now"
file_is "$tmp/now" "$tmp/before" 'it wrote nothing'

run_is 0 'through' agent_run
like "$out" 'migrated 60 conversations' 'conversations are counted'
like "$out" 'migrated 3 profiles' 'profiles are counted'
like "$out" 'migrated 3 servers' 'servers are counted'
python3 - "$root" "$tmp/again" <<'PY'
import json, sys
new, old = sys.argv[1], sys.argv[2]
def load(d, n):
    return json.load(open("%s/%s" % (d, n), encoding="utf-8"))
a, b = load(old, "storage/conversations.json"), load(new, "storage/conversations.json")
assert b.pop("schema_version") == 2
assert all(c.pop("archived") is False for c in b["conversations"])
assert a == b
i = load(new, "cache/conversations-index.json")
assert len(i["conversations"]) == 60 and all("messages" not in c for c in i["conversations"])
a, b = load(old, "models.json"), load(new, "models.json")
s = load(new, "secrets/api-keys.json")
for p, q in zip(a["profiles"], b["profiles"]):
    name = "profiles/%s/api_key" % p["id"]
    assert q["api_key"] == ("secret:" + name if p["api_key"] else "")
    assert not p["api_key"] or s[name] == p["api_key"]
    q["api_key"] = p["api_key"]
assert a == b and len(s) == 2
a, b = load(old, "mcp_config.json"), load(new, "mcp_config.json")
assert all(x.pop("enabled") is True for x in b["mcpServers"].values())
assert a == b
PY
ok $? 'every value is there, and nothing else'
# what is not named keeps its bytes: without the lines that were added to, the
# rest is the same
sed 's/, "archived": false}/}/' "$root/storage/conversations.json" |
	sed 's/,$//; s/"schema_version": 2//' >"$tmp/stripped"
sed 's/,$//' "$tmp/again/storage/conversations.json" >"$tmp/plain"
is "$(diff "$tmp/stripped" "$tmp/plain" | grep -c '^[<>]')" "$(diff "$tmp/stripped" "$tmp/plain" | grep -c '^<')" \
	'nothing of the old text is gone'
is "$(stat -c '%a' "$root/secrets") $(stat -c '%a' "$root/secrets/api-keys.json") $(stat -c '%a' "$root/models.json")" \
	'700 600 600' 'modes of store and document'
run_is 0 'again: applied already' agent_run
like "$out" 'already' 'and it says so'
run_is 0 'report' "$UPSHIFT" report --root "$root"
like "$out" '60 conversations' 'the counts are in the report'
unlike "$out" 'canary' 'no secret in the report'

# --- a canary key is in the store and in the backup, and nowhere else ---
grep -rl -e canary "$root" "$HOME" 2>/dev/null |
	sed "s|$tmp/||" | sort >"$tmp/found"
echo 'data/secrets/api-keys.json' >"$tmp/wanted"
file_is "$tmp/found" "$tmp/wanted" 'no plain text but in the store'
is "$(find "$root" -name '*.tar.zst' ! -perm 600)" '' \
	'archives, which hold it, are closed to others'
rolled_back 'through'
[ ! -e "$root/secrets" ]
ok $? 'the store is gone with the rollback'

# --- a broken file is reported, the rest goes through ---
new
printf '{ "mcpServers": {\n  "files": { "command": }\n' >"$root/mcp_config.json"
touch -d 2026-01-01 "$root/mcp_config.json" "$root"
$tree "$root" .upshift backup_before_migration >"$tmp/before"
run_is 3 'a broken mcp_config.json: status 3' agent_run
like "$out$err" 'mcp_config.json:2:25' 'the place is named'
like "$out" 'migrated 60 conversations' 'the conversations went through'
like "$(cat "$root/models.json")" 'secret:profiles/main' 'so did the profiles'
rolled_back 'broken file'

# --- what is refused is refused before a byte of it is changed ---
new
sed -i '0,/"profile_id": "main"/s//"profile_id": "gone"/' "$root/storage/conversations.json"
$tree "$root" .upshift backup_before_migration >"$tmp/before"
run_is 1 'a conversation without a profile stops the run' agent_run
like "$out$err" "storage/conversations.json:[0-9]+: '/profile_id' names something that is not in 'models.json'" 'file, line and reason'
like "$out$err" 'Give the conversation that is named a profile' 'and what to do'
# before the backup even: nothing is stopped, nothing is saved
unlike "$out" 'stop_services' 'the services were not stopped'
[ ! -e "$root/backup_before_migration" ]
ok $? 'no backup was made'
$tree "$root" .upshift backup_before_migration >"$tmp/after"
file_is "$tmp/after" "$tmp/before" 'refused: nothing was changed'
run_is 1 'a dry run says the same' "$UPSHIFT" run "$plan" --root "$root" --dry-run
run_is 1 'and so does upshift check' "$UPSHIFT" check "$plan" --root "$root"
sed -i 's/"gone"/"main"/' "$root/storage/conversations.json"
run_is 0 'mended, it goes through' agent_run

# what an earlier step still changes is looked at when its turn comes
new
sed -i 's/"is_default": false}$/"is_default": true}/' "$root/models.json"
run agent_run
[ "$status" != 0 ]
ok $? 'two default profiles stop the run'
like "$out$err" 'is there 2 times, not 1' 'and it says so'
like "$out" 'stop_services' 'in its turn: the step waits for another one'

# --- a source that is not there counts nothing ---
new
rm "$root/mcp_config.json"
mv "$root/storage/conversations.json" "$root/conversations.json"
$tree "$root" .upshift backup_before_migration >"$tmp/before"
run_is 0 'no servers, conversations elsewhere' agent_run
like "$out" 'migrated 0 servers' 'zero servers'
like "$out" 'migrated 60 conversations' 'the other place is found'
rolled_back 'elsewhere'

# --- killed anywhere ---
new 20
agent_run >/dev/null 2>&1
cat "$root/storage/conversations.json" "$root/models.json" "$root/mcp_config.json" \
	"$root/secrets/api-keys.json" "$root/cache/conversations-index.json" >"$tmp/end"
n=0
bad=0
for at in 150 170 190 210 230 250 270 290 310 330 350 370 390; do
	new 20
	UPSHIFT_TEST_FAULT="any:$at:kill" agent_run >/dev/null 2>&1
	[ $? = 137 ] || break
	n=$((n + 1))
	if ! "$UPSHIFT" resume --root "$root" --batch --yes >"$tmp/resume" 2>&1 &&
	   ! agent_run >"$tmp/resume" 2>&1; then
		bad=1
		diag "killed at $at: $(tail -n 3 "$tmp/resume")"
	fi
	cat "$root/storage/conversations.json" "$root/models.json" "$root/mcp_config.json" \
		"$root/secrets/api-keys.json" "$root/cache/conversations-index.json" >"$tmp/now"
	cmp -s "$tmp/now" "$tmp/end" || { bad=1; diag "killed at $at: another end"; }
done
ok $bad "killed $n times, resumed, the same bytes"
[ "$n" -gt 3 ]
ok $? 'it was killed at all'
rolled_back 'killed'
done_testing
