#!/bin/sh
# SPDX-License-Identifier: MIT
# Support bundles: what is in them, and that no secret is, whichever way it
# came; where they may lie; what reads them.
. "$(dirname "$0")/../lib/tap.sh"
root=$tmp/data
plan=$tmp/ledger.plan
here=$tmp/here
canary='canary hush 77'
umask 022

cat >"$plan" <<'TXT'
plan = 1;
name = "ledger"; title = "Ledger"; from = "1"; to = "2";
answers = (
  { id = "dbpw"; prompt = "Password of the database"; secret = true; },
  { id = "mail"; prompt = "Mail"; } );
backup: { include = ["keep"]; };
steps = (
  { id = "dirs"; kind = "mkdir"; paths = ["new"]; },
  { id = "talks"; kind = "run"; env: { DBPW = "${dbpw}"; };
    run = ["sh", "-c", "echo it is $DBPW; echo $DBPW >&2; echo $DBPW | tr -d '\n' | base64; env; echo postgres://acme:$DBPW@db/x; echo API_KEY=also-can''ary; cat ../key; tr '\\\\0' ' ' </proc/$PPID/cmdline >../seen; exit 3"];
    changes = ["keep/a"]; } );
TXT
mkdir -p "$root/keep" "$here"
echo 'user data canary' >"$root/keep/a"
printf 'dbpw = "%s";\nmail = "a@b";\n' "$canary" >"$tmp/answers"
printf -- '-----BEGIN RSA PRIVATE KEY-----\nMIIcanary\n-----END RSA PRIVATE KEY-----\n' >"$tmp/key"
chmod 600 "$tmp/answers"
SERVICE_TOKEN=$canary-2
SSH_CONNECTION='10.1.2.3 5022 10.1.2.4 22'
export SERVICE_TOKEN SSH_CONNECTION

encoded=$(printf %s "$canary" | base64)
# clean DIR... NAME: no secret, in no form, in any file
clean()
{
	for name; do :; done
	hits=$(grep -rlE "canary hush|$encoded|canary%20hush|MIIcanary|also-canary" "$@" 2>/dev/null)
	[ -z "$hits" ]
	ok $? "$name" || diag "$hits"
}

cd "$here" || exit 99
run_is 2 'a run whose step tells secrets and fails' "$UPSHIFT" run "$plan" \
	--root "$root" --batch --yes --answers "$tmp/answers" -v
printf '%s\n%s\n' "$out" "$err" >"$tmp/said"
clean "$tmp/said" 'what it printed has no secret'
like "$out" 'it is \[redacted\]' 'but says that there was one'
clean "$root/.upshift" 'nor has its journal, log, state and report'
is "$(cat "$root/keep/a")" 'user data canary' 'the data is untouched by that'

# what is seen from outside while it runs, and what a crash leaves behind
like "$(cat "$tmp/seen")" 'upshift' 'the command line of the engine was looked at'
clean "$tmp/seen" 'it has no secret'
cp -a "$root" "$tmp/killed"
rm -rf "$tmp/killed/.upshift" "$tmp/killed/new"
sed 's/exit 3"/kill -9 $PPID"/' "$plan" >"$tmp/kill.plan"
run_is 137 'an engine that is killed when the step has said it all' \
	"$UPSHIFT" run "$tmp/kill.plan" --root "$tmp/killed" --batch --yes --answers "$tmp/answers"
clean "$tmp/killed/.upshift" 'what is left has no secret'

# --- the list ---
run_is 0 'the list' "$UPSHIFT" support-bundle --list --root "$root"
like "$out" 'plan/plan.plan .* place' 'names files and what was taken out'
like "$out" 'Nothing was written' 'and says that it wrote nothing'
is "$(ls "$here")" '' 'which is so'

# --- the bundle ---
run_is 0 'the bundle' "$UPSHIFT" support-bundle --root "$root"
bundle=$(echo "$here"/upshift-support-*.tar.zst)
like "$out" 'Written: .*upshift-support-....-[0-9]+-[0-9]+.tar.zst' 'says where it lies'
like "$out" 'Nothing was sent' 'and that it went nowhere'
is "$(stat -c %a "$bundle")" 600 'is for its owner alone'
mkdir "$tmp/out"
if ! tar --zstd -xf "$bundle" -C "$tmp/out" 2>"$tmp/tar"; then
	ok 1 'tar unpacks it' || diag "$(cat "$tmp/tar")"
fi
is "$(cd "$tmp/out" && find . -type f | LC_ALL=C sort | tr '\n' ' ')" \
	'./README.txt ./b2sums ./backup/start.manifest.jsonl ./facts.json ./files.txt ./journal.jsonl ./log.jsonl ./plan/digests.json ./plan/plan.plan ./redactions.json ./report.md ./state.json ./status-short.txt ./status.json ./status.txt ./terminal.json ' \
	'holds what is said of it, and nothing else'
(cd "$tmp/out" && b2sum --status -c b2sums)
ok $? 'its sums are right'
clean "$tmp/out" 'has no secret'
is "$(grep -rl 'user data' "$tmp/out")" '' 'and no data of the user'
like "$(cat "$tmp/out/facts.json")" '"SSH_CONNECTION":"ip-1 5022 ip-2 22"' 'addresses have other names'
unlike "$(cat "$tmp/out/facts.json")" 'SERVICE_TOKEN' 'other variables are not there'
like "$(cat "$tmp/out/status.txt")" 'Failed: 2 talks' 'it says where the run stands'
like "$(cat "$tmp/out/plan/plan.plan")" 'secret = true' 'the plan can be read'
for f in "$tmp"/out/*.jsonl "$tmp"/out/*.json; do
	python3 -c 'import json, sys
t = open(sys.argv[1]).read()
[json.loads(l) for l in t.splitlines()] if sys.argv[1].endswith("l") else json.loads(t)' "$f"
	ok $? "$(basename "$f") is JSON"
done

names=$(echo "$here"/upshift-support-*.names)
like "$(cat "$names")" '^ip-1	10\.1\.2\.3$' 'the names are beside it'
is "$(stat -c %a "$names")" 600 'for its owner alone'
SSH_CONNECTION='10.9.9.9 1 10.1.2.4 22'
run_is 0 'another one, with a name of its own' "$UPSHIFT" support-bundle "$here/second.tar.zst" --root "$root"
is "$(tar --zstd -xOf second.tar.zst facts.json | grep -o '"ip-.*"')" '"ip-3 1 ip-2 22"' 'the same address has the same name again'

run_is 0 'two in one second' env UPSHIFT_TEST_CLOCK=1800000000 "$UPSHIFT" support-bundle --root "$root"
run_is 0 'are two files' env UPSHIFT_TEST_CLOCK=1800000000 "$UPSHIFT" support-bundle --root "$root"
like "$out" 'Written: .*-2.tar.zst' 'of two names'

# --- places ---
run_is 73 'a file that is there is kept' "$UPSHIFT" support-bundle "$here/second.tar.zst" --root "$root"
run_is 73 'among the data is no place for it' "$UPSHIFT" support-bundle "$root/b.tar.zst" --root "$root"
like "$err" 'would lie in the data' 'and it says so'
cd "$root/keep" || exit 99
run_is 0 'begun in the data it goes home' "$UPSHIFT" support-bundle
ls "$HOME"/upshift-support-*.tar.zst >/dev/null 2>&1
ok $? 'there it is'
is "$(ls "$root/keep")" a 'and not in the data'
cd "$here" || exit 99
run_is 73 'a full disk' env UPSHIFT_TEST_FAULT=sync:1+:ENOSPC "$UPSHIFT" support-bundle "$here/full.tar.zst" --root "$root" --json
is "$(find "$here" -name '*full*')" '' 'leaves nothing behind'
id=$(basename "$names" .names)
id=${id#upshift-support-}
run_is 0 'a run by its id' "$UPSHIFT" support-bundle "$id" --list --root "$root"
run_is 66 'a run that is not there' "$UPSHIFT" support-bundle ZZZZ --list --root "$root"
run_is 0 'as JSON' "$UPSHIFT" support-bundle --json --list --root "$root"
python3 -c 'import json, sys
o = json.loads(sys.argv[1])
assert o["run"] == sys.argv[2] and o["redacted"] > 0 and "bundle" not in o
assert {f["name"] for f in o["files"]} >= {"journal.jsonl", "facts.json"}' "$out" "$id"
ok $? 'the object tells the same'

# --- reading one ---
run_is 0 'status out of a bundle' "$UPSHIFT" status --bundle "$bundle"
like "$out" "^Run $id  Ledger 1 -> 2" 'is that of the run'
run_is 0 'one line of it' "$UPSHIFT" status --bundle "$bundle" --short
like "$out" "^$id R70 FAILED.*1 of 2 steps done, step 2 failed" 'as status --short'
run_is 0 'as an object' "$UPSHIFT" status --bundle "$bundle" --json
python3 -c 'import json, sys; assert json.loads(sys.argv[1])["state"] == "failed"' "$(printf '%s' "$out" | tr -d '\n')"
ok $? 'that is one'
run_is 66 'a bundle that is not there' "$UPSHIFT" status --bundle "$here/none"
run_is 73 'a file that is none' "$UPSHIFT" status --bundle "$plan"
head -c 400 "$bundle" >"$tmp/torn"
run_is 73 'one that was cut off' "$UPSHIFT" status --bundle "$tmp/torn"
mkdir "$tmp/bad"
truncate -s 64M "$tmp/bad/status.txt"
tar --zstd -C "$tmp/bad" -cf "$tmp/bomb.tar.zst" status.txt
run_is 73 'one that would fill the memory' "$UPSHIFT" status --bundle "$tmp/bomb.tar.zst"
printf 'Run \033[2J evil\n' >"$tmp/bad/status.txt"
tar --zstd -C "$tmp/bad" -cf "$tmp/bad.tar.zst" status.txt
run_is 0 'a bundle of somebody else' "$UPSHIFT" status --bundle "$tmp/bad.tar.zst"
is "$out" 'Run \x1b[2J evil' 'cannot drive the terminal'

# --- a run that cannot be opened ---
printf 'X' | dd of="$root/.upshift/runs/$id/journal.jsonl" bs=1 seek=40 conv=notrunc 2>/dev/null
run_is 0 'a damaged journal' "$UPSHIFT" support-bundle "$here/damaged.tar.zst" --root "$root"
like "$err" 'journal' 'is told'
like "$(tar --zstd -xOf damaged.tar.zst status.txt)" 'journal cannot be read' 'in the bundle as well'
mkdir "$tmp/out2"
tar --zstd -xf damaged.tar.zst -C "$tmp/out2"
[ -s "$tmp/out2/journal.jsonl" ] && [ -s "$tmp/out2/log.jsonl" ]
ok $? 'what there is of journal and log is in it'
clean "$tmp/out2" 'without a secret'

# --- sizes, and what is no text ---
cat >"$plan" <<'TXT'
plan = 1;
name = "files"; title = "Files"; from = "1"; to = "2";
vars: { api_key = "canary hush in a variable"; };
steps = ( { id = "w"; kind = "write"; path = "w"; source = "bytes"; } );
TXT
printf 'a\0b' >"$tmp/bytes"
mkdir "$tmp/files"
run_is 0 'a plan with a file that is no text' "$UPSHIFT" run "$plan" --root "$tmp/files" --batch --yes
python3 -c 'import sys
line = "{\"type\":\"log\",\"text\":\"" + "x" * 90 + "\"}\n"
open(sys.argv[1], "a").write(line * 90000 + "{\"type\":\"last\"}\n")' "$tmp"/files/.upshift/runs/*/log.jsonl
run_is 0 'a log that is too long' "$UPSHIFT" support-bundle "$here/long.tar.zst" --root "$tmp/files"
like "$out" 'log.jsonl .*a part of it' 'is told'
mkdir "$tmp/out3"
tar --zstd -xf long.tar.zst -C "$tmp/out3"
is "$(tail -n 1 "$tmp/out3/log.jsonl")" '{"type":"last"}' 'its end is what is kept'
is "$(head -c 14 "$tmp/out3/log.jsonl")" '{"type":"log",' 'in whole lines'
[ ! -e "$tmp/out3/plan/bytes" ]
ok $? 'what is no text is left out'
like "$(cat "$tmp/out3/files.txt")" ' 3 .*run/plan/bytes$' 'and named'
clean "$tmp/out3" 'a key among the variables is none in the bundle'
done_testing
