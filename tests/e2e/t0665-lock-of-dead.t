#!/bin/sh
# SPDX-License-Identifier: MIT
# The lock of a root is held for an instant longer than its holder lives, where
# that was killed while it started a child. Whoever comes then waits for it;
# somebody who lives is not waited for.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
command -v flock >/dev/null || skip_all 'no flock'
root=$tmp/data
plan=$tmp/plan
cat >"$plan" <<-'END'
	plan = 1; name = "a"; from = "1"; to = "2";
	steps = ( { id = "w"; kind = "write"; path = "a"; text = "x"; } );
END

# held PID UNTIL: the lock, as PID's, until the file UNTIL is there
held()
{
	rm -rf "$root" "$tmp/go" "$tmp/held"
	mkdir "$root"
	mkdir -m 700 "$root/.upshift"
	printf '{"pid":%d,"user":"me","host":"%s","since":"now"}\n' "$1" \
		"$(uname -n)" >"$root/.upshift/lock"
	flock "$root" sh -c ': >"$1"; until [ -e "$2" ]; do sleep 0.02; done' \
		sh "$tmp/held" "$tmp/go" &
	holder=$!
	until [ -e "$tmp/held" ]; do
		sleep 0.02
	done
}

sh -c 'exit 0' &
dead=$!
wait "$dead"
held "$dead"
"$UPSHIFT" run "$plan" --root "$root" --batch --yes >"$tmp/out" 2>&1 </dev/null &
run=$!
# without the patience it would have ended by then
sleep 0.3
: >"$tmp/go"
wait "$run"
is "$?" 0 'the lock of a dead process is waited for'
wait "$holder"
is "$(cat "$root/a")" x 'and the plan is carried out'

held "$$"
run "$UPSHIFT" run "$plan" --root "$root" --batch --yes
is "$status" 75 'that of one that lives is not'
like "$err" "E-6010 .*process $$ of me" 'and it is named'
: >"$tmp/go"
wait "$holder"
[ ! -e "$root/a" ]
ok $? 'nothing was done'

done_testing
