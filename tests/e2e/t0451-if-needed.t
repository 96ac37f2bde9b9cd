#!/bin/sh
# SPDX-License-Identifier: MIT
# run --if-needed as an application calls it at every start: once, then never
# again; the variables that ask for a rollback; no loop of upgrade and rollback.
. "$(dirname "$0")/../lib/tap.sh"
root=$tmp/data
plan=$tmp/demo.plan

write_plan()
{
	cat >"$plan" <<PLAN
plan = 1; name = "demo"; from = "1"; to = "2";
rollback: { env = "DEMO_ROLLBACK"; };
steps = ( { id = "w"; kind = "write"; path = "config"; text = "$1\n"; replace = true; } );
PLAN
}

fresh()
{
	rm -rf "$root"
	mkdir "$root"
	echo old >"$root/config"
	write_plan new
}

start()
{
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes --if-needed "$@"
}

# --- once, then at once ---
fresh
run_is 0 'first start' start
is "$(cat "$root/config")" new 'it upgrades'
run_is 0 'second start' start
is "$out$err" '' 'it is silent'
run_is 0 'without --batch, too' "$UPSHIFT" run "$plan" --root "$root" --if-needed
is "$out$err" '' 'and as silent'
if strace -f -o "$tmp/trace" true 2>/dev/null; then
	strace -f -o "$tmp/trace" "$UPSHIFT" run "$plan" --root "$root" --batch --yes --if-needed
	is "$(grep -c "$root/config\"\|\"config\"\|start.tar\|start.manifest" "$tmp/trace")" 0 'it looks at neither data nor backup'
	is "$(grep -c 'fsync\|fdatasync\|O_CREAT\|rename' "$tmp/trace")" 0 'and writes nothing'
else
	skip 'no strace' 'it looks at neither data nor backup'
	skip 'no strace' 'and writes nothing'
fi

# records that the answer does not need are looked at all the same
journal=$(echo "$root"/.upshift/runs/*/journal.jsonl)
cp "$journal" "$tmp/journal"
for what in step decision process run; do
	sed "/\"what\":\"$what\"/s/\"time\":\"2/\"time\":\"3/" "$tmp/journal" >"$journal"
	run start
	is "$status" 74 "a record ($what) that was changed is told"
done
sed '$d' "$tmp/journal" >"$journal"
run start
is "$status" 74 'one that is missing, too'
sed 5d "$tmp/journal" >"$journal"
run start
is "$status" 74 'also in the middle'
cp "$tmp/journal" "$journal"
run_is 0 'as it was' start

# --- back by a variable, and no loop ---
run_is 9 'a dry run' env UPSHIFT_ROLLBACK=1 "$UPSHIFT" run "$plan" --root "$root" --if-needed --dry-run
like "$out" 'would be rolled back' 'says what would happen'
is "$(cat "$root/config")" new 'and does not do it'
run_is 0 'UPSHIFT_ROLLBACK=1' env UPSHIFT_ROLLBACK=1 "$UPSHIFT" run "$plan" --root "$root" --batch --if-needed
is "$(cat "$root/config")" old 'the old data is back'
like "$("$UPSHIFT" report --root "$root")" 'variable.*UPSHIFT.*ROLLBACK.*rollback' 'the report has the decision'
run_is 0 'the variable is still set' env UPSHIFT_ROLLBACK=1 "$UPSHIFT" run "$plan" --root "$root" --batch --yes --if-needed
like "$out" 'UPSHIFT_ROLLBACK is set.*rolled back already' 'nothing is done, and why'
run_is 0 'the variable is gone' start
like "$out" 'was rolled back.*--again' 'nothing is done, and why'
is "$(cat "$root/config")" old 'the data stays old'
run_is 0 'as JSON' start --json
is "$out" '' 'nothing but objects on standard output'
like "$err" 'was rolled back.*--again' 'the reason on standard error'
run_is 0 '--again' start --again
is "$(cat "$root/config")" new 'upgrades'
run_is 0 'the variable of the plan' env DEMO_ROLLBACK=yes "$UPSHIFT" run "$plan" --root "$root" --batch --if-needed --json
is "$(cat "$root/config")" old 'the old data is back'
like "$out" '"verb":"rollback"' 'the events are on standard output'
write_plan newer
run_is 0 'the plan has changed' start
is "$(cat "$root/config")" newer 'it upgrades again'

# --- what the variable may be ---
run_is 0 'a variable that is 0' env UPSHIFT_ROLLBACK=0 DEMO_ROLLBACK= "$UPSHIFT" run "$plan" --root "$root" --batch --if-needed
is "$(cat "$root/config")" newer 'asks for nothing'
run_is 64 'one that may mean anything' env UPSHIFT_ROLLBACK=maybe "$UPSHIFT" run "$plan" --root "$root" --batch --if-needed
like "$err" 'UPSHIFT_ROLLBACK' 'is refused by name'
run_is 0 'without --if-needed' env UPSHIFT_ROLLBACK=1 "$UPSHIFT" run "$plan" --root "$root" --batch --yes
is "$(cat "$root/config")" newer 'it counts nothing'

# --- nothing there, something open ---
fresh
run_is 0 'nothing was ever upgraded' env UPSHIFT_ROLLBACK=1 "$UPSHIFT" run "$plan" --root "$root" --batch --yes --if-needed
like "$out" 'nothing to roll back' 'and it says so'
is "$(cat "$root/config")" old 'nothing is upgraded either'
[ ! -e "$root/.upshift" ]
ok $? 'nothing is made'
run_is 6 'a run that is stopped behind its step' start --stop-after w
run_is 2 'is open' start
run_is 0 'and is rolled back by the variable' env DEMO_ROLLBACK=1 "$UPSHIFT" run "$plan" --root "$root" --batch --if-needed
is "$(cat "$root/config")" old 'the old data is back'

# --- another plan came later ---
fresh
run_is 0 'the plan' start
sed 's/"demo"/"later"/; s/"config"/"more"/' "$plan" >"$tmp/later.plan"
run_is 0 'another one' "$UPSHIFT" run "$tmp/later.plan" --root "$root" --batch --yes
run_is 0 'the first once more' start
is "$out" '' 'is applied still'
is "$("$UPSHIFT" list --root "$root" | wc -l)" 2 'no run was added'
# --- a start loads nothing that it does not need ---
if command -v readelf >/dev/null; then
	unlike "$(readelf -d "$UPSHIFT" | grep NEEDED)" 'libpq|libarchive' \
		'libpq and libarchive are loaded when they are called'
else
	skip 'no readelf' 'libraries of a start'
fi
done_testing
