#!/bin/sh
# SPDX-License-Identifier: MIT
# What is kept of runs that are over: their backups go by keep_days, and whole
# runs only where somebody asks for it; never the last, never the only backup.
. "$(dirname "$0")/../lib/tap.sh"
root=$tmp/data
mkdir -p "$root/keep"
echo a >"$root/keep/a"

# day N: as if it were that day
day()
{
	UPSHIFT_TEST_CLOCK=$((1800000000 + $1 * 86400))
	export UPSHIFT_TEST_CLOCK
}

# upgrade ID TO [KEEP_DAYS [NAME]]
upgrade()
{
	{
		printf 'plan = 1; name = "%s"; from = "1"; to = "%s";\n' "${4-app}" "$2"
		[ "${3-}" ] && printf 'backup: { include = ["keep"]; keep_days = %s; };\n' "$3"
		printf 'steps = ( { id = "w"; kind = "write"; path = "version"; text = "%s\\n"; replace = true; } );\n' "$2"
	} >"$tmp/plan"
	UPSHIFT_TEST_RUN_ID=$1 "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes </dev/null >"$tmp/out" 2>&1
	upgraded=$?
	[ "$upgraded" = 0 ] || diag "$(cat "$tmp/out")"
	return "$upgraded"
}

has()
{
	[ -e "$root/.upshift/runs/$1/backup/start.tar.zst" ]
}

day 0
upgrade AAAA 2 7
ok $? 'the first upgrade'
day 3
upgrade BBBB 3 7
ok $? 'the second, three days later'
has AAAA && has BBBB
ok $? 'both backups are there'
day 4
upgrade CCCC 1 7 other
ok $? 'another plan, on the day after'
day 8
upgrade DDDD 2 7 other
ok $? 'a second run of the other plan, past the first one of this'
has AAAA && has CCCC
ok $? "another plan's backups stay"
day 9
upgrade EEEE 4 7
ok $? 'the third upgrade'
like "$(cat "$tmp/out")" 'backup of run AAAA removed' 'what goes is said'
! has AAAA && has BBBB && has CCCC && has EEEE
ok $? 'the backup that was kept long enough is gone, younger ones stay'
[ -e "$root/.upshift/runs/AAAA/journal.jsonl" ] && [ -e "$root/.upshift/runs/AAAA/report.md" ]
ok $? 'its journal and report stay'
run_is 0 'its status' "$UPSHIFT" status --root "$root" --run AAAA
like "$out" 'backup removed, it was kept long enough' 'says so'
run_is 66 'it cannot be gone back in' "$UPSHIFT" rollback --root "$root" --run AAAA --batch --confirm 'roll back to start'
like "$err" 'the backup was removed' 'with the reason'
day 2
upgrade FFFF 5 0
ok $? 'a run while the clock stands too early'
has BBBB && has EEEE
ok $? 'removes nothing'

# a run that is rolled back prunes nothing
day 20
sed -i 's/"version"; text/"nowhere\/..\/x"; text/' "$tmp/plan"
UPSHIFT_TEST_RUN_ID=GGGG "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes >/dev/null 2>&1 </dev/null
is "$?" 65 'a plan that is refused'
has BBBB && has EEEE
ok $? 'removes nothing either'

# forget
run_is 64 'forget needs a run' "$UPSHIFT" forget --root "$root"
run_is 66 'one that is there' "$UPSHIFT" forget ZZZZ --root "$root"
run_is 0 'forget a run' "$UPSHIFT" forget AAAA --root "$root"
[ ! -e "$root/.upshift/runs/AAAA" ]
ok $? 'all of it is gone'
run "$UPSHIFT" list --root "$root"
unlike "$out" AAAA 'list does not know it any more'
run_is 0 'forget what is expired' "$UPSHIFT" forget --expired --root "$root"
is "$out" 'run BBBB forgotten
run CCCC forgotten
run DDDD forgotten
run EEEE forgotten' 'which is said'
has FFFF
ok $? 'the last run stays'
run_is 0 'again: nothing is left to forget' "$UPSHIFT" forget --expired --root "$root"
is "$out" '' 'and nothing is said'
run_is 8 'the only backup wants its words' "$UPSHIFT" forget FFFF --root "$root"
like "$err" 'confirm "forget FFFF"' 'which are told'
has FFFF
ok $? 'it is there still'
run_is 0 'with its words' "$UPSHIFT" forget FFFF --root "$root" --confirm 'forget ffff'
run_is 66 'no run is left' "$UPSHIFT" status --root "$root"
is "$(cat "$root/version")" 5 'the data is what it was'

# an open run
day 30
upgrade HHHH 6 0
sed 's/"6"/"7"/' "$tmp/plan" >"$tmp/stop.plan"
run_is 6 'a run that is stopped' env UPSHIFT_TEST_RUN_ID=JJJJ "$UPSHIFT" run "$tmp/stop.plan" --root "$root" --batch --yes --stop-after w
run_is 2 'an open run is not forgotten' "$UPSHIFT" forget JJJJ --root "$root" --confirm 'forget JJJJ'
like "$err" 'not finished' 'and why'
day 90
run_is 0 'nor by --expired' "$UPSHIFT" forget --expired --root "$root"
[ -e "$root/.upshift/runs/JJJJ" ]
ok $? 'it is there'
done_testing
