#!/bin/sh
# SPDX-License-Identifier: MIT
# Staging before production: the check `completed` wants the record of a run of
# the very same plan, complete there and not taken back.
. "$(dirname "$0")/../lib/tap.sh"
mkdir "$tmp/staging" "$tmp/live" "$tmp/other"

# plan [MORE]
plan()
{
	cat >"$tmp/app.plan" <<TXT
plan = 1; name = "app"; title = "App"; from = "1"; to = "2";
vars: { environment = ""; record = ""; };
checks = ( { id = "C01"; kind = "completed"; environment = "\${environment}";
	environments = [ "staging", "production" ]; record = "\${record}";
	hint = "Carry it through on staging first."; } );
steps = ( { id = "two"; kind = "write"; path = "two"; text = "2"; }${1-} );
TXT
}

# up ROOT ENVIRONMENT [OPTION]...
up()
{
	root=$1
	name=$2
	shift 2
	"$UPSHIFT" run "$tmp/app.plan" --root "$tmp/$root" --batch --yes \
		--set "environment=$name" "$@"
}

back()
{
	"$UPSHIFT" rollback --root "$tmp/$1" --batch --confirm 'roll back to start'
}

record()
{
	"$UPSHIFT" report --root "$tmp/staging" --completion "$1"
}

# refused NAME MESSAGE [OPTION]...: production does not begin
refused()
{
	what=$1
	message=$2
	shift 2
	run_is 1 "$what: refused" up live production "$@"
	like "$out$err" "$message" "$what: and why"
	[ ! -e "$tmp/live/two" ]
	ok $? "$what: nothing was changed"
}

given="--set record=$tmp/staging.json"
plan
run_is 0 'lint' "$UPSHIFT" lint "$tmp/app.plan"
run_is 1 'no environment' "$UPSHIFT" run "$tmp/app.plan" --root "$tmp/live" \
	--batch --yes
like "$err" 'nobody said which environment this is: staging, production' 'is asked for'
run_is 1 'one that is none' up live prod
like "$err" "'prod' is none of staging, production" 'is named'
refused 'before staging' "there is no completion record of 'staging'"
like "$err" 'Carry it through on staging first' 'the hint'
# shellcheck disable=SC2086 # words
refused 'a record that is not there' "cannot read '.*staging.json'" $given

run_is 0 'staging' up staging staging
run_is 0 'its record' record "$tmp/staging.json"
like "$(cat "$tmp/staging.json")" '"environment":"staging"' 'says where it was'
record "$tmp/staging.md"
refused 'a record as text' 'is no completion record' \
	--set "record=$tmp/staging.md"
sed 's/"exit":0/"exit":3/' "$tmp/staging.json" >"$tmp/forged.json"
refused 'a record that was changed' 'or was changed since it was made' \
	--set "record=$tmp/forged.json"
plan ', { id = "three"; kind = "write"; path = "three"; text = "3"; }'
# shellcheck disable=SC2086 # words
refused 'a plan that was changed' 'the plan was changed since' $given
plan
run_is 9 'a dry run of production' "$UPSHIFT" run "$tmp/app.plan" \
	--root "$tmp/live" --dry-run --set environment=production \
	--set "record=$tmp/staging.json"
# shellcheck disable=SC2086 # words
run_is 0 'production' up live production $given
like "$out" "check C01: ok, run .... in 'staging' is complete" 'says what it stands on'
run_is 0 'the record of production' "$UPSHIFT" report --root "$tmp/live" \
	--completion "$tmp/live.json"
run_is 0 'production is rolled back' back live
refused 'the record of another environment' \
	"is of environment 'production', not 'staging'" \
	--set "record=$tmp/live.json"

# a rollback there counts for a record that was made before it, too
run_is 0 'staging is rolled back' back staging
# shellcheck disable=SC2086 # words
refused 'staging was rolled back' "the run in 'staging' is not complete \(rolled-back\)" $given
record "$tmp/again.json"
refused 'a record of a rollback' 'is not complete' --set "record=$tmp/again.json"

# what staging passed over is told
sed -i 's/^checks = (/& { id = "C02"; kind = "exists"; paths = ["nothing"]; severity = "warn"; },/' \
	"$tmp/app.plan"
run_is 3 'a warning on staging' up staging staging
record "$tmp/staging.json"
# shellcheck disable=SC2086 # words
run_is 3 'production goes on' up live production $given
like "$out" 'check C01: [a-z]*, .*with warnings or steps that were passed over' 'with a warning'
done_testing
