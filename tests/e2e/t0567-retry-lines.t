#!/bin/sh
# SPDX-License-Identifier: MIT
# Lines of a file that are no records: put aside with their bytes, mended in the
# file or in the source, and each goes once.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
sqlite_need
root=$tmp/data
plan=$tmp/a.plan

lite()
{
	sqlite3 -init /dev/null -batch -cmd '.timeout 10000' "$root/b.db" "$1"
}

# lines 3, 5, 8, 9, 11 and 12 are bad; 6 is blank
new()
{
	rm -rf "$root"
	mkdir -p "$root"
	{
		printf '{"id": 1, "v": "one"}\n{"id": 2, "v": "two"}\n'
		printf '{"id": 3, "v": "three"\n{"id": 4, "v": "four"}\n'
		printf '{"v": "no key"}\n\n{"id": 7, "v": "seven"}\n'
		printf '{"id": 8, "v": "\377\000e"}\n42\n{"id": 10, "v": "ten"}\n'
		printf '%02000d\n' 0 | tr 0 '['
		printf '{"id": 12, "v": "bad'
	} >"$root/a.jsonl"
	lite "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT NOT NULL CHECK (v <> 'bad'))"
	cp "$root/a.jsonl" "$tmp/a.jsonl"
	cp "$root/b.db" "$tmp/b.db"
}

plan()
{
	cat >"$plan" <<-TXT
		plan = 1; name = "a"; from = "1"; to = "2";
		stores = { a = "jsonl:a.jsonl"; b = "sqlite:b.db"; };
		steps = ( { id = "copy"; kind = "copy-records"; from = "a"; to = "b:t";
			key = "id"; columns = { id = "id"; v = "v"; }; $1 } );
		verify = ( { id = "same"; kind = "records"; copies = ["copy"]; } );
	TXT
}

go()
{
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes
}

retry()
{
	"$UPSHIFT" retry-rejects copy "$@" --root "$root"
}

rows()
{
	lite 'SELECT group_concat(id || v) FROM (SELECT * FROM t ORDER BY id)'
}

back()
{
	run_is 0 "$1: rolled back" "$UPSHIFT" rollback start --root "$root" \
		--batch --confirm 'roll back to start'
	cmp -s "$root/b.db" "$tmp/b.db"
	ok $? "$1: as it was, byte by byte"
}

# --- refused ---
new
plan ''
run go
[ "$status" -ne 0 ]
ok $? 'without a quarantine it fails' || diag "$status"
like "$err" 'a\.jsonl' 'and names the file'
new
plan 'bad_records = "quarantine"; max_bad = 5;'
run go
[ "$status" -ne 0 ]
ok $? 'six are more than five' || diag "$status"
like "$err" 'more than 5 rows are bad' 'it says so'
new
plan 'bad_records = "quarantine";'
run_is 3 'six lines are put aside' go
is "$(rows)" '1one,2two,4four,7seven,10ten' 'all else is there'
retry --list >"$tmp/list"
is "$(wc -l <"$tmp/list")" 6 'they are listed'
is "$(jq -r '"\(.line) \(.sqlstate) \(.record)"' "$tmp/list")" '3 22032 null
5 23502 null
8 22032 null
9 23502 null
11 22032 null
12 22032 null' 'by number, with what is wrong'
is "$(jq -r 'select(.line == 3).text' "$tmp/list")" '{"id": 3, "v": "three"' \
	'with their bytes'
is "$(jq -r 'select(.line == 8).base64' "$tmp/list" | base64 -d | od -An -c | tr -d ' \n')" \
	'{"id":8,"v":"377\0e"}' 'in base64 where they are no text'
like "$(jq -r 'select(.line == 11).message' "$tmp/list")" 'line 11: ' \
	'the message names it'
quarantine=$(echo "$root"/.upshift/runs/*/quarantine/copy.jsonl)
is "$(cat "$quarantine")" "$(cat "$tmp/list")" 'their file says the same'
run_is 0 'verified' "$UPSHIFT" verify --root "$root"
run_is 0 'verified again, each row' "$UPSHIFT" verify --root "$root" --level forensic
run_is 0 'the report' "$UPSHIFT" report --root "$root"
like "$out" '\| copy \| bad-row \| 22032 \| t \| .* \| 4 \|' 'counts them'

# --- mended in their file ---
run_is 3 'as they are they are refused again' retry --file "$quarantine"
like "$out" '0 passed, 0 are not there any more, 6 are left' 'all of them'
jq -c 'if .line == 3 then .text += "}" elif .line == 5 then
	.text = "{\"id\": 5, \"v\": \"bad\"}" elif .line == 8 then
	.base64 = ("{\"id\": 8, \"v\": \"eight\"}" | @base64) elif .line == 9
	then .record = {id: 9, v: "nine"} elif .line == 11 then
	.text = "" else . end' "$quarantine" >"$tmp/mended"
run_is 3 'four are mended, one is bad, one is left out' retry --file "$tmp/mended"
like "$out" '3 passed, 1 are not there any more, 2 are left' 'it says so'
like "$out" 'line 11: it is not in the source any more' 'and which'
is "$(rows)" '1one,2two,3three,4four,7seven,8eight,9nine,10ten' 'they are there'
retry --list >"$tmp/list"
is "$(jq -c '[.line, .sqlstate, .record, .text]' "$tmp/list")" \
	'[5,"23514",{"id":5,"v":"bad"},null]
[12,"22032",null,"{\"id\": 12, \"v\": \"bad"]' \
	'what the database refuses is a row by now' || cat "$tmp/list"
run_is 3 'again: nothing goes twice' retry --file "$tmp/mended"
like "$out" 'line 3: it was not refused, or went since' 'it says which'
is "$(rows)" '1one,2two,3three,4four,7seven,8eight,9nine,10ten' 'as before'
sed 's/\\"bad"/\\"twelve\\"}"/; s/:"bad"/:"five"/' "$tmp/list" >"$tmp/mended"
run_is 0 'the last two' retry --file "$tmp/mended"
is "$(rows)" '1one,2two,3three,4four,5five,7seven,8eight,9nine,10ten,12twelve' 'are there'
is "$(wc -c <"$quarantine")" 0 'the file is empty'
cmp -s "$root/a.jsonl" "$tmp/a.jsonl"
ok $? 'the source is as it was'
back 'mended in their file'

# --- mended in the source ---
new
run_is 3 'refused' go
run_is 3 'nothing is mended' retry
like "$out" '0 passed, 0 are not there any more, 6 are left' 'all are left'
sed '3s/$/}/; 5s/no key/five", "id": "5/; 9s/.*/{"id": 4, "v": "other"}/; 11d; 12s/$/"}/' \
	"$tmp/a.jsonl" >"$root/a.jsonl"
run_is 3 'mended, a line removed ahead of another' retry
is "$(rows)" '1one,2two,3three,4four,5five,7seven,10ten' 'two are there'
retry --list >"$tmp/list"
is "$(jq -c '[.line, .sqlstate]' "$tmp/list")" '[8,"22032"]
[9,"23505"]
[11,"23514"]' 'what another line has is not put over it' || cat "$tmp/list"
like "$out" 'line 12: it is not in the source any more' 'a line behind the end'
printf '%s\n' '{"id": 9, "v": "nine"}' >"$tmp/9"
sed '8s/.*/{"id": 8, "v": "eight"}/; 9s/.*/{"id": 9, "v": "nine"}/; 11s/bad/12/' \
	"$root/a.jsonl" >"$tmp/b"
cat "$tmp/b" >"$root/a.jsonl"
run_is 0 'the rest' retry
is "$(rows)" '1one,2two,3three,4four,5five,7seven,8eight,9nine,10ten,1212' 'all are there'
run_is 0 'and the same as the source' "$UPSHIFT" verify --root "$root" --level forensic
run_is 0 'again: nothing to do' retry
back 'mended in the source'

# --- the key alone: a line's is not the row's ---
new
lite 'DROP TABLE t; CREATE TABLE t (id)'
plan 'bad_records = "quarantine";'
sed 's/ v = "v";//; s/verify = .*//' "$plan" >"$plan.2"
run_is 3 'nothing but keys' "$UPSHIFT" run "$plan.2" --root "$root" --batch --yes
is "$(lite "SELECT group_concat(id) FROM (SELECT * FROM t ORDER BY id)")" \
	'1,2,4,7,10' 'and none of lines'
is "$(retry --list | jq -r '"\(.line) \(.sqlstate)"' | tr '\n' ' ')" \
	'3 22032 5 23502 8 22032 9 23502 11 22032 12 22032 ' 'which are listed'

# --- many, mended in their file, by one that is killed ---
new
n=0
while [ $n -lt 400 ]; do
	n=$((n + 1))
	echo "{\"id\": $n, \"v\": \"x\""
	echo "{\"id\": $((n + 1000)), \"v\": \"x\"}"
done >"$root/a.jsonl"
plan 'bad_records = "quarantine"; max_bad = 400; workers = 2;'
run_is 3 'every other line of 800' go
retry --list | sed 's/"text":"\(.*\)"}$/"text":"\1}"}/' >"$tmp/mended"
had=400
while [ "$had" -lt 700 ]; do
	"$UPSHIFT" retry-rejects copy --file "$tmp/mended" --root "$root" \
		>/dev/null 2>&1 &
	pid=$!
	while kill -0 $pid 2>/dev/null &&
	      [ "$(lite 'SELECT count(*) FROM t')" -le $((had + 40)) ]; do
		:
	done
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	had=$(lite 'SELECT count(*) FROM t')
	is "$(lite 'SELECT count(*) FROM _upshift_reject')" $((800 - had)) \
		'killed: a line is in the list or in the table'
done
run_is 0 'not killed' retry --file "$tmp/mended"
is "$(lite "SELECT count(*), count(DISTINCT id), min(v) || max(v) FROM t")" \
	'800|800|xx' 'each is there once'
done_testing
