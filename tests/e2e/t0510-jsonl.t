#!/bin/sh
# SPDX-License-Identifier: MIT
# JSON and JSONL steps from outside: bad lines, a store behind commands, a plan
# with mistakes, what a changed file behind our back does.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
root=$tmp/data
plan=$tmp/a.plan
command -v python3 >/dev/null || skip_all 'no python3'
tree="python3 $top_srcdir/tests/lib/tree.py"

# new: a fresh root; plan STEPS: the plan
new()
{
	rm -rf "$root"
	mkdir -p "$root"
	printf '{"a": 1}\r\n\n{"b": 2, "n": 12345678901234567890}\n{oops\n{"a": 3}' \
		>"$root/events.jsonl"
	printf '{\n  "users": [\n    {"id": 1, "token": "tok-canary-1"},\n    {"id": 2}\n  ]\n}\n' \
		>"$root/users.json"
	find "$root" -exec touch -h -d '2026-01-02 03:04:05.5Z' {} +
	$tree "$root" .upshift >"$tmp/before"
}

plan()
{
	printf 'plan = 1; name = "a"; from = "1"; to = "2";\nsteps = (\n%s\n);\n' \
		"$1" >"$plan"
}

go()
{
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes
}

back()
{
	run_is 0 "$1: rolled back" "$UPSHIFT" rollback start --root "$root" \
		--batch --confirm 'roll back to start'
	$tree "$root" .upshift >"$tmp/after"
	file_is "$tmp/after" "$tmp/before" "$1: as before"
}

# --- lines ---
new
plan '{ id = "lines"; kind = "jsonl"; path = "events.jsonl"; bad_records = "quarantine"; count = "events";
	edit = ( { op = "default"; path = "/v"; value = 2; } ); }'
run_is 3 'bad lines: done with a warning' go
printf '{"a": 1, "v": 2}\r\n\n{"b": 2, "n": 12345678901234567890, "v": 2}\n{oops\n{"a": 3, "v": 2}' \
	>"$tmp/wanted"
file_is "$root/events.jsonl" "$tmp/wanted" 'the good lines are edited, all else stays'
like "$out" '1 bad record' 'the bad one is told'
kept=$(echo "$root"/.upshift/runs/*/quarantine/lines.jsonl)
like "$(cat "$kept")" '"line":4,.*oops' 'and kept with its number'
is "$(stat -c %a "$kept")" 600 'closed to others'
back 'quarantine'

new
plan '{ id = "lines"; kind = "jsonl"; path = "events.jsonl"; edit = ( { op = "default"; path = "/v"; value = 2; } ); }'
run go
[ "$status" = 1 ]
ok $? 'a bad line stops the step'
like "$err" 'events.jsonl:4: column 2: ' 'with file, line and column'
$tree "$root" .upshift >"$tmp/after"
file_is "$tmp/after" "$tmp/before" 'and nothing was changed'

# --- a store behind commands ---
new
mkdir "$tmp/store"
cat >"$tmp/helper" <<'SH'
#!/bin/sh
# helper DIR put|get|remove NAME: a store of secrets
printf '%s %s\n' "$2" "$3" >>"$1/.calls"
tr '\0' ' ' <"/proc/$$/cmdline" >>"$1/.cmdlines"
# arguments and environment of everybody while the secret is under way; the
# pattern does not find itself
grep -la 'tok-canar[y]' /proc/[0-9]*/cmdline /proc/[0-9]*/environ >>"$1/.seen" 2>/dev/null
f=$1/$(printf %s "$3" | tr / _)
case $2 in
put) cat >"$f" ;;
get) cat "$f" 2>/dev/null ;;
remove) rm "$f" ;;
esac
SH
chmod +x "$tmp/helper"
plan "{ id = \"tokens\"; kind = \"json\"; path = \"users.json\"; select = \"\$.users[*]\";
	edit = ( { op = \"secret\"; path = \"/token\"; where = \"@.token\"; name = \"users/{id}\";
		store = { put = [\"$tmp/helper\", \"$tmp/store\", \"put\", \"{name}\"];
			get = [\"$tmp/helper\", \"$tmp/store\", \"get\", \"{name}\"];
			remove = [\"$tmp/helper\", \"$tmp/store\", \"remove\", \"{name}\"]; }; } ); }"
run_is 0 'secrets to a store behind commands' go
is "$(cat "$tmp/store/users_1")" 'tok-canary-1' 'the store has it'
like "$(cat "$root/users.json")" '"token": "secret:users/1"' 'the document has a reference'
unlike "$out$err$(cat "$tmp/store/.cmdlines")" 'canary' 'no output and no argument has it'
is "$(grep -rl canary "$root" "$HOME" 2>/dev/null)" '' 'nor any file of the run but the packed backup'
[ -e "$tmp/store/.seen" ] && [ ! -s "$tmp/store/.seen" ]
ok $? 'no argument and no environment of any process has it'
run_is 0 'status' "$UPSHIFT" status --root "$root" --json
unlike "$out$err" 'canary' 'not the status'
run_is 0 'report' "$UPSHIFT" report --root "$root"
unlike "$out$err" 'canary' 'not the report'
like "$out" 'holds some' 'which says that the backup holds secrets'
is "$(find "$root/.upshift" -name '*.tar.zst' ! -perm 600)" '' 'which only its owner can read'
run_is 0 'bundle' "$UPSHIFT" support-bundle "$tmp/bundle.tar.zst" --root "$root"
is "$(tar --zstd -xOf "$tmp/bundle.tar.zst" 2>/dev/null | grep -c canary)" 0 'not the support bundle'
back 'store'
[ ! -e "$tmp/store/users_1" ]
ok $? 'the rollback took it out of the store'
run_is 0 'back to where it was' "$UPSHIFT" rollback R1 --root "$root" --batch \
	--confirm 'roll back to R1'
is "$(cat "$tmp/store/users_1")" 'tok-canary-1' 'the store has it again'

# --- a plan with mistakes ---
plan '{ id = "x"; kind = "json"; path = "users.json";
	select = "$.users[?length(@.id) > 1]";
	edit = ( { op = "renam"; from = "/a"; to = "b"; },
		{ op = "remove"; path = "a"; } ); }'
run_is 65 'lint finds mistakes' "$UPSHIFT" lint "$plan"
like "$out$err" "a.plan:4: .*the function 'length' is not supported" 'a function, by name, with its line'
like "$out$err" "a.plan:5: .*did you mean 'rename'" 'an unknown operation'
like "$out$err" "a.plan:6: .*no JSON Pointer" 'what is no pointer'

# --- changed behind our back ---
new
plan '{ id = "users"; kind = "json"; path = "users.json"; select = "$.users[*]"; count = "users";
	edit = ( { op = "default"; path = "/v"; value = 1; } ); },
	{ id = "late"; kind = "run"; run = ["sh", "-c", "echo >>users.json"]; changes = ["users.json"]; needs = ["users"]; }'
run_is 0 'a later step may change it' go
back 'later step'
done_testing
