#!/bin/sh
# SPDX-License-Identifier: MIT
# monitor: figures are watched for a time, which is counted over processes; a
# limit that breaks stops the run or takes it back, and somebody is told.
# shellcheck source=tests/lib/tap.sh
. "${top_srcdir:-.}/tests/lib/tap.sh"
stores_need sqlite

root=$tmp/root
cat >"$tmp/acme.plan" <<TXT
plan = 1; name = "acme"; from = "1"; to = "2";
backup: { include = ["data"]; };
notify = ( { on = ["breach"]; run = ["sh", "-c", "cat >>'$tmp/told'"]; } );
steps = (
  { id = "change"; kind = "write"; path = "data/a"; text = "new"; replace = true; },
  { id = "watch"; kind = "monitor"; run = ["cat", "$tmp/figures"]; every = 0.02; for = "24h";
    limits = { error_rate = "< 0.1%"; p95_ms = "<= 500"; cache = "> 85%"; }; } );
TXT
fresh()
{
	rm -rf "$root" "$tmp/told"
	mkdir -p "$root/data"
	echo one >"$root/data/a"
	printf 'error_rate 0.0005\np95_ms: 500\ncache=0.9\n' >"$tmp/figures"
}
UPSHIFT_TEST_MONITOR_S=0.1
export UPSHIFT_TEST_MONITOR_S

fresh
run "$UPSHIFT" lint "$tmp/acme.plan"
is "$status" 0 'a plan that watches is right' || diag "$err"
run "$UPSHIFT" run "$tmp/acme.plan" --root "$root" --dry-run
like "$out" "watch 'error_rate' < 0.1% for 24 h" 'a dry run says what is watched'
run "$UPSHIFT" run "$tmp/acme.plan" --root "$root" --batch --yes
is "$status" 0 'limits that hold' || diag "$out$err"
ok "$(test ! -e "$tmp/told"; echo $?)" 'nobody is told'


# what is watched, while all is well: for people and programs
fresh
run env UPSHIFT_TEST_MONITOR_S=1 "$UPSHIFT" run "$tmp/acme.plan" --root "$root" --batch --yes --progress-interval 0
is "$status" 0 'watched for a while' || diag "$out$err"
like "$out$err" 'watch: .*error_rate 0.0005 \(limit < 0.1%\), p95_ms 500 \(limit <= 500\), cache 0.9 \(limit > 85%\)' \
	'figures and their limits are told' || diag "$out$err"
fresh
run env UPSHIFT_TEST_MONITOR_S=3 "$UPSHIFT" run "$tmp/acme.plan" --root "$root" --batch --yes --json --progress-interval 0
like "$out" '"type":"progress".*"eta_s":[0-9].*"figures":\[\{"name":"error_rate","value":"0.0005","limit":"< 0.1%","holds":true\}' \
	'and what is left of the time' || diag "$(echo "$out" | grep progress | tail -n 3)"

fresh
echo '{"error_rate": "0.05%", "p95_ms": 12, "cache": 0.86, "other": null}' >"$tmp/figures"
run "$UPSHIFT" run "$tmp/acme.plan" --root "$root" --batch --yes
is "$status" 0 'figures as JSON'

fresh
printf 'error_rate 0.001\np95_ms 501\n' >"$tmp/figures"
run "$UPSHIFT" run "$tmp/acme.plan" --root "$root" --batch --yes
is "$status" 2 'a limit that breaks stops the run'
like "$err" "'error_rate' is 0.001, not < 0.1%, 'p95_ms' is 501, not <= 500, 'cache' gave no number" 'each is named'
like "$(cat "$tmp/told")" '"event":"breach".*"step":"watch".*p95_ms' 'and told'
is "$(cat "$root/data/a")" new 'the data stays'
printf 'error_rate 0\np95_ms 1\ncache 1\n' >"$tmp/figures"
run "$UPSHIFT" resume --root "$root" --batch --yes
is "$status" 0 'it can be watched again' || diag "$out$err"

fresh
rm "$tmp/figures"
sed 's/every = 0.02/on_breach = "rollback"; every = 0.02/' "$tmp/acme.plan" >"$tmp/back.plan"
run "$UPSHIFT" run "$tmp/back.plan" --root "$root" --batch --yes
is "$status" 4 'or takes it back'
like "$err" "'cat' ended with status 1" 'figures that nobody gives break a limit'
is "$(cat "$root/data/a")" one 'the data is as it was'

# how long it was watched outlives the process: a stop in the middle, and the
# end without one more look at the clock of the plan
fresh
(
	i=0
	while [ $i -lt 1200 ] && ! grep -qs '"watched"' "$root"/.upshift/runs/*/journal.jsonl; do
		sleep 0.05
		i=$((i + 1))
	done
	kill -INT "$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$root/.upshift/lock")"
) &
run env UPSHIFT_TEST_MONITOR_S=600 "$UPSHIFT" run "$tmp/acme.plan" --root "$root" --batch --yes
wait
is "$status" 6 'a stop does not wait for the end of the watch' || diag "$out$err"
seen=$(sed -n 's/.*"watched","value":\([0-9.]*\).*/\1/p' "$root"/.upshift/runs/*/journal.jsonl | tail -n 1)
like "$seen" '^[0-9]' 'the time is in the journal' || diag "$(grep watched "$root"/.upshift/runs/*/journal.jsonl)"
run env UPSHIFT_TEST_MONITOR_S="$seen" "$UPSHIFT" resume --root "$root" --batch --yes
is "$status" 0 'and counts for who resumes'

# several looks in a row
fresh
echo 0 >"$tmp/n"
cat >"$tmp/flaky" <<TXT
n=\$(cat "$tmp/n"); echo \$((n + 1)) >"$tmp/n"
[ \$n = 1 ] && e=1 || e=0
echo "error_rate \$e"; echo "p95_ms 1"; echo "cache 1"
TXT
sed "s|\"cat\", \"$tmp/figures\"|\"sh\", \"$tmp/flaky\"|; s/every = 0.02/samples = 2; every = 0.02/" \
	"$tmp/acme.plan" >"$tmp/flaky.plan"
run "$UPSHIFT" run "$tmp/flaky.plan" --root "$root" --batch --yes
is "$status" 0 'one look alone is no breach where two are wanted' || diag "$out$err"

# a query
fresh
python3 -c 'import sqlite3
c = sqlite3.connect("'"$root"'/f.db")
c.executescript("CREATE TABLE f (n, v); INSERT INTO f VALUES (\"error_rate\", 0), (\"p95_ms\", 3), (\"cache\", 1)")
c.commit()'
sed "s|run = \[\"cat\"[^]]*\]|store = \"f\"; query = \"SELECT n, v FROM f\"|; s/^steps/stores: { f = \"sqlite:f.db\"; }; steps/" \
	"$tmp/acme.plan" >"$tmp/query.plan"
run "$UPSHIFT" run "$tmp/query.plan" --root "$root" --batch --yes
is "$status" 0 'figures from a database' || diag "$out$err"

for bad in 's/< 0.1%/about 3/' 's/for = "24h";//' 's/run = \["cat"[^]]*\];//' 's/limits = {[^}]*};//'; do
	sed "$bad" "$tmp/acme.plan" >"$tmp/bad.plan"
	run "$UPSHIFT" lint "$tmp/bad.plan"
	is "$status" 65 "refused: $bad"
done
done_testing
