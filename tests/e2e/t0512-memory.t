#!/bin/sh
# SPDX-License-Identifier: MIT
# Secrets that a step moved are in no memory of ours when it is through: a core
# file or a swapped page of the rest of the run has none of them.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
command -v python3 >/dev/null || skip_all 'no python3'
root=$tmp/data
mkdir "$root" "$tmp/kept"
mkfifo "$tmp/begun" "$tmp/go"
cat >"$tmp/helper" <<TXT
#!/bin/sh
f=\$(printf %s "\$2" | tr / _)
case \$1 in
put) cat >"$tmp/kept/\$f" ;;
get) cat "$tmp/kept/\$f" 2>/dev/null ;;
remove) rm -f "$tmp/kept/\$f" ;;
esac
TXT
chmod +x "$tmp/helper"
# tokens LETTER N: a list of users
tokens()
{
	awk -v c="$1" -v n="$2" 'BEGIN {
		print "{\"users\": ["
		for (i = 0; i < n; i++)
			printf "%s {\"id\": %d, \"token\": \"canary-%s%05d\"}\n",
				i ? "," : "", i, c, i
		print "]}" }'
}
tokens f 3000 >"$root/many.json"
tokens c 3 >"$root/few.json"
awk 'BEGIN { for (i = 0; i < 3000; i++)
	printf "{\"id\": %d, \"token\": \"canary-l%05d\"}\n", i, i }' \
	>"$root/lines.jsonl"
# one that is shown before it is taken, and one with a fault far in
awk 'BEGIN { for (i = 0; i < 500; i++)
	printf "{\"id\": %d, \"token\": \"canary-a%05d\"}\n", i, i }' \
	>"$root/asked.jsonl"
tokens b 1000 | sed '$s/]}/]/' >"$tmp/broken.json"
cat >"$tmp/a.plan" <<TXT
plan = 1; name = "a"; from = "1"; to = "2";
steps = (
  { id = "many"; kind = "json"; path = "many.json"; select = "\$.users[*]";
    edit = ( { op = "secret"; path = "/token"; name = "many/{id}"; store = { file = "secrets/keys.json"; }; } ); },
  { id = "few"; kind = "json"; path = "few.json"; select = "\$.users[*]";
    edit = ( { op = "secret"; path = "/token"; name = "few/{id}";
      store = { put = ["$tmp/helper", "put", "{name}"]; get = ["$tmp/helper", "get", "{name}"];
        remove = ["$tmp/helper", "remove", "{name}"]; }; } ); },
  { id = "lines"; kind = "jsonl"; path = "lines.jsonl";
    edit = ( { op = "secret"; path = "/token"; name = "lines/{id}"; store = { file = "secrets/lines.json"; }; } ); },
  { id = "asked"; kind = "jsonl"; path = "asked.jsonl"; confirm = true;
    edit = ( { op = "secret"; path = "/token"; name = "asked/{id}"; store = { file = "secrets/asked.json"; }; } ); },
  { id = "make"; kind = "run"; creates = ["broken.json"]; run = ["cp", "$tmp/broken.json", "."]; },
  { id = "broken"; kind = "json"; path = "broken.json"; select = "\$.users[*]"; needs = ["make"];
    optional = true; on_error = "continue";
    edit = ( { op = "secret"; path = "/token"; name = "broken/{id}"; store = { file = "secrets/broken.json"; }; } ); },
  { id = "hold"; kind = "run"; creates = ["held"];
    run = ["sh", "-c", "echo >'$tmp/begun'; cat '$tmp/go' >held"]; } );
TXT
"$UPSHIFT" run "$tmp/a.plan" --root "$root" --batch --yes --confirm asked >"$tmp/out" 2>&1 &
pid=$!
head -n 1 "$tmp/begun" >/dev/null
run python3 "$top_srcdir/tests/lib/memory.py" "$tmp/a.plan" 'canary-[fclab][0-9]{5}|many/{id}'
echo >"$tmp/go"
wait "$pid"
is "$?" 3 'the run ends, without the step that met the fault'
case $out in
*'0 read') skip 'it cannot be read' 'memory' ;;
*)
	like "$out" '[1-9][0-9]* many/{id}' 'what is in memory is found'
	is "$(printf '%s\n' "$out" | grep canary-)" '' 'no secret is'
	;;
esac
is "$(cat "$root"/secrets/*.json | grep -o canary- | grep -c .)" 6500 'they are in their store'
is "$(cat "$tmp"/kept/* | grep -o canary- | grep -c .)" 3 'and those of the commands'

done_testing
