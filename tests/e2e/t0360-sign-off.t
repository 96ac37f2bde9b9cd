#!/bin/sh
# SPDX-License-Identifier: MIT
# A sign-off in batch: the run waits, for days if need be, until every role has
# signed; who did stands in the journal and the report.
# shellcheck source=tests/lib/tap.sh
. "${top_srcdir:-.}/tests/lib/tap.sh"

root=$tmp/root
mkdir -p "$root/data"
echo one >"$root/data/a"
cat >"$tmp/acme.plan" <<'TXT'
plan = 1; name = "acme"; from = "1"; to = "2";
backup: { include = ["data"]; };
steps = (
  { id = "before"; kind = "write"; path = "before"; text = "x"; },
  { id = "seen"; kind = "confirm"; title = "The numbers are right";
    items = ["totals agree", "no alarms"]; roles = ["dba", "owner"]; },
  { id = "after"; kind = "write"; path = "after"; text = "y"; } );
TXT

run "$UPSHIFT" lint "$tmp/acme.plan"
is "$status" 0 'a plan with a sign-off is right'
run "$UPSHIFT" run "$tmp/acme.plan" --root "$root" --batch --yes
is "$status" 8 'the run waits for the signatures'
like "$err" "waits for the signature of 'dba'" 'and says for whose'
like "$err" 'upshift resume --approve dba:NAME' 'and what to type'
ok "$(test -e "$root/before" && test ! -e "$root/after"; echo $?)" 'between the steps'

run "$UPSHIFT" resume --root "$root" --batch --yes --approve dba:Ann
is "$status" 8 'one of two has signed'
like "$err" "waits for the signature of 'owner'" 'the other one is pending'
run "$UPSHIFT" resume --root "$root" --batch --yes --approve nobody:Eve
is "$status" 64 'a role that the plan does not know is refused'
run "$UPSHIFT" resume --root "$root" --batch --yes --approve owner
is "$status" 64 'a signature needs a name'
run "$UPSHIFT" resume --root "$root" --batch --yes --approve owner:Bob
is "$status" 0 'when all have signed it goes on'
ok "$(test -e "$root/after"; echo $?)" 'behind the sign-off'
run "$UPSHIFT" report --root "$root"
like "$out" 'sign.*seen.*dba:Ann' 'the report names who signed'
like "$out" 'sign.*seen.*owner:Bob' 'each of them'

# behind a rollback it is signed again
run "$UPSHIFT" rollback CP1 --root "$root" --batch --confirm 'roll back to CP1'
is "$status" 0 'back before the sign-off'
run "$UPSHIFT" resume --root "$root" --batch --yes
is "$status" 8 'old signatures are not for the new state'
run "$UPSHIFT" resume --root "$root" --batch --yes --approve dba:Ann --approve owner:Bob
is "$status" 0 'both at once'

sed 's/roles = .*;/roles = ["a b"];/' "$tmp/acme.plan" >"$tmp/bad.plan"
run "$UPSHIFT" lint "$tmp/bad.plan"
is "$status" 65 'a role is one word'
sed 's/^steps/checks = ( { id = "C1"; kind = "confirm"; items = ["x"]; } ); steps/' \
	"$tmp/acme.plan" >"$tmp/bad.plan"
run "$UPSHIFT" lint "$tmp/bad.plan"
is "$status" 65 'a sign-off is no check'
done_testing
