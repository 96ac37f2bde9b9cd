#!/bin/sh
# SPDX-License-Identifier: MIT
# The index of a file of records that does not fit into its memory: on the disk,
# with the same outcome for files that are read, continued and written anew.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
sqlite_need
root=$tmp/data
plan=$tmp/a.plan
mkdir "$root"

lite()
{
	sqlite3 -init /dev/null -batch "$root/b.db" "$1"
}

# 3000 records in no order, each seventh twice, of which the last counts
records()
{
	awk 'BEGIN {
		for (i = 0; i < 3000; i++) {
			n = (i * 1237) % 3000
			if (n % 7 == 0)
				printf "{\"id\": %d, \"v\": \"first\"}\n", n
			else
				printf "{\"id\": %d, \"v\": \"row %d\"}\n", n, n
		}
		for (n = 0; n < 3000; n += 7)
			printf "{\"v\": \"row %d\", \"id\": %d}\n", n, n
	}'
}

new()
{
	rm -rf "$root"
	mkdir -p "$root"
	records >"$root/in.jsonl"
	{
		printf '{"head": 1, "a": {"b": [\n'
		records | grep -v first | sed '$!s/$/,/'
		printf ']}, "tail": 2}\n'
	} >"$root/in.json"
	cp "$root/in.json" "$root/both.json"
	records | sed -n '1,1500s/row/old/p' >"$root/out.jsonl"
	{
		printf '{"a": {"k5": {"v": "old", "more": 5}, "k3001": {"v": 0}},\n'
		printf ' "z": 1}\n'
	} >"$root/map.json"
	lite 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
		CREATE TABLE m ("@key" TEXT PRIMARY KEY, v TEXT)'
}

# plan STEPS
plan()
{
	cat >"$plan" <<-TXT
		plan = 1; name = "a"; from = "1"; to = "2";
		stores = { l = "jsonl:in.jsonl"; j = "json:in.json#a.b"; b = "sqlite:b.db";
			o = "jsonl:out.jsonl"; n = "jsonl:new.jsonl"; both = "json:both.json#a.b";
			d = "json:new.json#x.y"; m = "json:map.json#a"; };
		steps = ( $1 );
	TXT
}

c='kind = "copy-records"; key = "id"; columns = { id = "id"; v = "v"; }; batch = 400;'
steps()
{
	plan "{ id = \"l\"; from = \"l\"; to = \"b:t\"; $c },
	{ id = \"o\"; from = \"b:t\"; to = \"o\"; on_conflict = \"$1\"; $c },
	{ id = \"n\"; from = \"l\"; to = \"n\"; $c },
	{ id = \"d\"; from = \"n\"; to = \"d\"; $c },
	{ id = \"both\"; from = \"l\"; to = \"both\"; on_conflict = \"$1\"; $c },
	{ id = \"k\"; kind = \"copy-records\"; from = \"b:m\"; to = \"m\"; key = \"@key\";
		on_conflict = \"$1\"; batch = 200; }"
}

# all that it leaves
left()
{
	lite 'SELECT * FROM t ORDER BY id' >"$1.t"
	for file in out.jsonl new.jsonl new.json both.json map.json; do
		cp "$root/$file" "$1.$file"
	done
}

for how in skip replace; do
	steps $how
	for room in '' 1 3000 20000; do
		new
		lite "INSERT INTO m SELECT 'k' || id, 'w' || id FROM
			(WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL
			SELECT id + 1 FROM n WHERE id < 900) SELECT id FROM n)"
		if [ -n "$room" ]; then
			export UPSHIFT_TEST_JSON_INDEX=$room
		else
			unset UPSHIFT_TEST_JSON_INDEX
		fi
		run_is 0 "$how, ${room:-as it is}" "$UPSHIFT" run "$plan" \
			--root "$root" --batch --yes
		left "$tmp/${room:-all}"
		[ -n "$room" ] || continue
		for file in t out.jsonl new.jsonl new.json both.json map.json; do
			cmp -s "$tmp/$room.$file" "$tmp/all.$file"
			ok $? "$how, $room bytes: $file is the same" ||
				diff "$tmp/$room.$file" "$tmp/all.$file" | head
		done
	done
	is "$(lite "SELECT count(*), sum(v = 'row ' || id) FROM t")" \
		'3000|3000' "$how: every record, the last of each key"
done
is "$(jq '.x.y | length' "$root/new.json")" 3000 'a new document has all'
is "$(jq '.a | length, .k5.more, .k5.v' "$root/map.json" | tr '\n' ' ')" \
	'901 5 "w5" ' 'one that was there all of both'

# --- the same key twice, in places that are far from each other ---
new
UPSHIFT_TEST_JSON_INDEX=3000
export UPSHIFT_TEST_JSON_INDEX
awk 'NR == 2 { first = $0 } NR == 2400 { $0 = first } { print }' \
	"$root/in.json" >"$tmp/twice"
cat "$tmp/twice" >"$root/in.json"
plan "{ id = \"j\"; from = \"j\"; to = \"b:t\"; $c }"
run "$UPSHIFT" run "$plan" --root "$root" --batch --yes
[ "$status" -ne 0 ]
ok $? 'a document with a key twice is refused' || diag "$status"
like "$err" 'has the same key twice' 'and told why'

# --- how much it takes is known before ---
need()
{
	"$UPSHIFT" check "$plan" --root "$root" --json |
		jq 'select(.type == "check" and .id == "C").need'
}

new
# 3429 lines, 3000 elements; written together once more
for at in "l 384" "j 336"; do
	plan "{ id = \"s\"; from = \"${at% *}\"; to = \"b:t\"; $c }"
	echo 'checks = ( { id = "C"; kind = "space"; } );' >>"$plan"
	with=$(need)
	without=$(UPSHIFT_TEST_JSON_INDEX=8000000 need)
	about=$(((with - without) / 1000 - ${at#* }))
	[ "$about" -ge -40 ] && [ "$about" -le 40 ]
	ok $? "${at% *}: its room is looked for" || diag "$with - $without"
done

# --- no room for it ---
plan "{ id = \"l\"; from = \"l\"; to = \"b:t\"; $c }"
for at in 40 90; do
	new
	run env UPSHIFT_TEST_FAULT="write:$at:ENOSPC" "$UPSHIFT" run "$plan" \
		--root "$root" --batch --yes
	[ "$status" -ne 0 ]
	ok $? "no room at write $at: it fails" || diag "$out"
	like "$err" "cannot write the index of 'in.jsonl': No space left" \
		'and says what for'
	"$UPSHIFT" resume --root "$root" --batch --yes >/dev/null 2>&1
	run_is 0 'with room it goes' "$UPSHIFT" run "$plan" --root "$root" \
		--batch --yes
	is "$(lite "SELECT count(*), sum(v = 'row ' || id) FROM t")" \
		'3000|3000' 'all is there'
done
done_testing
