#!/bin/sh
# SPDX-License-Identifier: MIT
# Messages to people who do not look on: sent in time, bounded, and never a
# reason to stop.
# shellcheck source=tests/lib/tap.sh
. "${top_srcdir:-.}/tests/lib/tap.sh"

root=$tmp/root
cat >"$tmp/tell" <<TXT
#!/bin/sh
cat >>"$tmp/told"
echo "\$UPSHIFT_EVENT|\$UPSHIFT_STEP|\$UPSHIFT_VAR_room" >>"$tmp/env"
TXT
chmod +x "$tmp/tell"
cat >"$tmp/acme.plan" <<TXT
plan = 1; name = "acme"; from = "1"; to = "2";
vars: { room = "ops"; };
backup: { include = ["data"]; };
notify = ( { on = ["failure", "sign-off", "rollback", "done"]; run = ["$tmp/tell"]; } );
steps = (
  { id = "before"; kind = "write"; path = "before"; text = "x"; },
  { id = "seen"; kind = "confirm"; items = ["totals"]; roles = ["dba"]; },
  { id = "after"; kind = "run"; creates = ["after"];
    run = ["sh", "-c", "[ ! -e '$tmp/bad' ] && echo z >after"]; } );
TXT
fresh()
{
	rm -rf "$root" "$tmp/told" "$tmp/env"
	mkdir -p "$root/data"
	echo one >"$root/data/a"
	: >"$tmp/told"
}
events()
{
	sed 's/.*"event":"\([a-z-]*\)".*/\1/' "$tmp/told" | paste -sd' ' -
}

run "$UPSHIFT" lint "$tmp/acme.plan"
is "$status" 0 'a plan with messages is right'
sed 's/"failure"/"failures"/' "$tmp/acme.plan" >"$tmp/bad.plan"
run "$UPSHIFT" lint "$tmp/bad.plan"
is "$status" 65 'an event that there is not'
like "$err" "did you mean 'failure'" 'and the nearest one'

fresh
run "$UPSHIFT" check "$tmp/acme.plan" --root "$root"
run "$UPSHIFT" run "$tmp/acme.plan" --root "$root" --dry-run
is "$(cat "$tmp/told")" '' 'checks and a dry run send nothing'
run "$UPSHIFT" run "$tmp/acme.plan" --root "$root" --batch --yes
is "$status" 8 'it waits for a signature'
is "$(events)" 'sign-off' 'and says so'
like "$(cat "$tmp/told")" '"step":"seen".*"message":"dba"' 'of which step and role'
is "$(cat "$tmp/env")" 'sign-off|seen|ops' 'also in the environment, with the variables'
touch "$tmp/bad"
run "$UPSHIFT" resume --root "$root" --batch --yes --approve dba:Ann
is "$status" 2 'a step fails'
is "$(events)" 'sign-off failure' 'and that is told'
like "$(tail -n 1 "$tmp/told")" '"step":"after"' 'with the step'
rm "$tmp/bad"
run "$UPSHIFT" resume --root "$root" --batch --yes
is "$status" 0 'to the end'
is "$(events)" 'sign-off failure done' 'which is told'
run "$UPSHIFT" resume --root "$root" --batch --yes
is "$(events)" 'sign-off failure done' 'once'
run "$UPSHIFT" rollback start --root "$root" --batch --confirm 'roll back to start'
is "$(events)" 'sign-off failure done rollback' 'the way back, too'

# one that fails, one that is not there, one that hangs
hang=$tmp/hang
mkfifo "$hang"
sed "s|^notify.*|notify = ( { on = [\"done\"]; run = [\"false\"]; }, { on = [\"done\"]; run = [\"$tmp/none\"]; },\
 { on = [\"done\"]; run = [\"sh\", \"-c\", \"cat '$hang'\"]; timeout = 0.2; }, { on = [\"done\"]; run = [\"$tmp/tell\"]; } );|" \
	"$tmp/acme.plan" >"$tmp/bad.plan"
fresh
run "$UPSHIFT" run "$tmp/bad.plan" --root "$root" --batch --yes --approve dba:Ann
is "$status" 0 'messages that fail are no failure'
is "$(events)" 'done' 'the others are sent'
log=$(cat "$root"/.upshift/runs/*/log.jsonl)
like "$log" "message 'done' was not sent: 'false' ended with status 1" 'a failure is in the log'
like "$log" "message 'done' was not sent: .*none" 'a command that is not there'
like "$log" "message 'done' was not sent: 'sh' took longer" 'one that hangs is ended'
run pgrep -f "$hang"
is "$out" '' 'with all that it started'
# more at once than anybody reads
many=$(i=0; while [ $i -lt 18 ]; do
	printf '%s{ on = ["done"]; run = ["true"]; }' "${sep:-}"; sep=', '; i=$((i + 1))
done)
sed "s|^notify.*|notify = ( $many );|" "$tmp/acme.plan" >"$tmp/many.plan"
fresh
run "$UPSHIFT" run "$tmp/many.plan" --root "$root" --batch --yes --approve dba:Ann
is "$status" 0 'so many messages are no failure either'
is "$(cat "$root"/.upshift/runs/*/log.jsonl | grep -c '16 others are still on their way')" 2 \
	'those that are too many are in the log'

done_testing
