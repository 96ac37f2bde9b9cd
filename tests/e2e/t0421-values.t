#!/bin/sh
# SPDX-License-Identifier: MIT
# Where values come from, which of them wins, and where they end up: never in a
# shell's or anybody's text, and secrets in no file of ours.
. "$(dirname "$0")/../lib/tap.sh"
root=$tmp/data
cat >"$tmp/plan" <<'TXT'
plan = 1; name = "asks"; title = "Asks"; from = "1"; to = "2";
vars: { days = 30; color = "blue"; };
answers = (
  { id = "mail"; prompt = "Mail"; pattern = ".+@.+"; },
  { id = "name"; prompt = "Name"; default = "nobody"; },
  { id = "pw"; prompt = "Password"; secret = true; } );
steps = (
  { id = "text"; kind = "write"; path = "text"; text = "${mail} ${name} ${days} ${color} ${root} ${run.id} ${run.user} ${env:COLOUR} $${x}\n"; },
  { id = "doc"; kind = "write"; path = "doc.json"; template = "doc.json"; },
  { id = "sh"; kind = "run"; run = ["sh", "-c", "printf '%s|%s|%s\n' \"$UPSHIFT_VAR_name\" \"$1\" \"$PW\" >out", "-", "${name}"]; creates = ["out"]; env: { PW = "${pw}"; }; } );
TXT
printf '{"name": "${name}", "days": ${days}}\n' >"$tmp/doc.json"
cat >"$tmp/answers" <<'TXT'
mail = "file@example";
pw = "canary-7";
TXT
chmod 600 "$tmp/answers"
COLOUR=red
UPSHIFT_TEST_RUN_ID=ASKS
export COLOUR UPSHIFT_TEST_RUN_ID

fresh()
{
	rm -rf "$root"
	mkdir "$root"
}

up()
{
	"$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes "$@"
}

user=$(id -un)
fresh
run_is 8 'answers are missing' up
like "$err" '\(mail = "\.\.\."\)' 'the mail'
like "$err" '\(pw = "\.\.\."\)' 'and the password are told'
[ ! -e "$root/.upshift" ]
ok $? 'nothing was made'
run_is 8 'a dry run without them' "$UPSHIFT" run "$tmp/plan" --root "$root" --dry-run
unlike "$err" '--yes' 'does not ask for more than it needs'
run_is 8 'checks without them' "$UPSHIFT" check "$tmp/plan" --root "$root"
run_is 9 'a dry run with them' "$UPSHIFT" run "$tmp/plan" --root "$root" --dry-run --answers "$tmp/answers"
unlike "$out$err" 'canary' 'does not show the secret'
run_is 0 'a file of answers' up --answers "$tmp/answers"
is "$(cat "$root/text")" "file@example nobody 30 blue $root ASKS $user red \${x}" 'every kind of value is filled in'
is "$(cat "$root/out")" 'nobody|nobody|canary-7' 'commands get them as arguments and environment'
! grep -rq canary-7 "$root/.upshift" "$XDG_STATE_HOME" "$tmp/.out" "$tmp/.err"
ok $? 'the password is in no file of ours and on no screen'
run_is 0 'what a rollback would do is told without it' "$UPSHIFT" rollback --root "$root" --preview
like "$out" 'LOST' 'and what is lost'
run_is 8 'a rollback wants it again' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
fresh
run_is 0 'the file by the environment' env UPSHIFT_ANSWERS="$tmp/answers" "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
fresh
printf 'days = 5;\ncolor = "green";\n' >"$tmp/vars"
run_is 0 'variables by a file, one by an option, an answer by an option' up --answers "$tmp/answers" --vars "$tmp/vars" --set color=black --set name=me
is "$(cat "$root/text")" "file@example me 5 black $root ASKS $user red \${x}" 'options win over files, files over the plan'
like "$(cat "$root/.upshift/runs/ASKS/journal.jsonl")" '"vars":\{[^}]*"days":"?5' 'what was in force is in the journal'
like "$(cat "$root/.upshift/runs/ASKS/journal.jsonl")" '"answers":\{[^}]*"mail":"file@example"' 'answers, too'

# values are bytes, never a program
fresh
evil='"; touch evil; $(touch evil) `touch evil` \n %s'
run_is 0 'a hostile answer' up --answers "$tmp/answers" --set "name=$evil"
is "$(cat "$root/out")" "$evil|$evil|canary-7" 'comes through as it is'
is "$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["name"])' "$root/doc.json")" "$evil" 'in JSON, too'
[ ! -e "$root/evil" ] && [ ! -e evil ]
ok $? 'and was not run'
sed 's/"\$1/"${name}/' "$tmp/plan" | sed 's/printf /echo ${name}; printf /' >"$tmp/sh.plan"
run_is 65 'an answer in the text of a shell' "$UPSHIFT" lint "$tmp/sh.plan"
like "$err" 'UPSHIFT_VAR_' 'is refused, with the way that is safe'
sed 's/"\${mail}/"${mial}/' "$tmp/plan" >"$tmp/typo.plan"
run_is 65 'a name that is none' "$UPSHIFT" lint "$tmp/typo.plan"
like "$err" "mail" 'the nearest is told'

# secrets are asked again
fresh
run_is 6 'a run that is stopped' up --answers "$tmp/answers" --stop-after text
run_is 8 'going on needs the secret again' "$UPSHIFT" resume --root "$root" --batch
like "$err" "'pw' is secret and needed again" 'which is said'
run_is 0 'and has it' "$UPSHIFT" resume --root "$root" --batch --answers "$tmp/answers"
is "$(cat "$root/out")" 'nobody|nobody|canary-7' 'it came through'

# a file to fill in
run_is 0 'a form to fill in' up --write-answers "$tmp/form"
like "$(cat "$tmp/form")" '^mail = "";$' 'with every question'
like "$(cat "$tmp/form")" '^name = "nobody";$' 'and its default'
is "$(stat -c %a "$tmp/form")" 600 'closed to others'
fresh
sed -i 's/^mail = ""/mail = "form@example"/; s/^pw = ""/pw = "canary-7"/' "$tmp/form"
run_is 0 'filled in' up --answers "$tmp/form"
like "$(cat "$root/text")" '^form@example nobody' 'it holds'
done_testing
