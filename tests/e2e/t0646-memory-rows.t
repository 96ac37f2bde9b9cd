#!/bin/sh
# SPDX-License-Identifier: MIT
# What a copy takes in memory: rows that weigh 100 KB each, and more of them
# than fit into it; one value that does not fit into it is copied all the same.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
sqlite_need
command -v python3 >/dev/null || skip_all 'no python3'
root=$tmp/data
plan=$tmp/a.plan
mkdir "$root"
python3 - "$root/a.db" <<'TXT'
import sqlite3
import sys
c = sqlite3.connect(sys.argv[1])
c.execute("CREATE TABLE heavy (id INTEGER PRIMARY KEY, v text)")
c.executemany("INSERT INTO heavy VALUES (?, ?)",
              ((i, "%06d" % i + "x" * 100000) for i in range(1400)))
c.execute("CREATE TABLE one (id INTEGER PRIMARY KEY, v text)")
c.execute("INSERT INTO one VALUES (1, ?)", ("y" * 60000000,))
c.commit()
TXT

# took FROM TO: $status and $peak
took()
{
	rm -rf "$root/.upshift" "$root"/b.db* "$root"/out*
	sqlite3 -init /dev/null -batch "$root/b.db" 'CREATE TABLE dst (id, v)'
	cat >"$plan" <<-TXT
		plan = 1; name = "a"; from = "1"; to = "2";
		stores = { a = "sqlite:a.db"; b = "sqlite:b.db"; outl = "jsonl:out.jsonl"; inl = "jsonl:in.jsonl"; };
		steps = ( { id = "c"; kind = "copy-records"; from = "$1"; to = "$2"; key = "id";
			columns = { id = "id"; v = "v"; }; } );
	TXT
	run python3 "$top_srcdir/tests/lib/killer.py" 0 "$tmp/state" "$root" "$plan"
	# shellcheck disable=SC2086 # words
	set -- $out
	status=$1 peak=$3
}

for to in b:dst outl; do
	took a:heavy $to
	is "$status" 0 "$to: 140 MB in rows of 100 KB" || diag "$out"
	[ "$peak" -lt 131072 ]
	ok $? "$to: in less than 128 MiB" || diag "$peak KiB"
done
took a:one b:dst
is "$status" 0 'one value of 60 MB'
is "$(sqlite3 -init /dev/null -batch "$root/b.db" "SELECT length(v), v = (replace(hex(zeroblob(30000000)), '0', 'y')) FROM dst")" \
	'60000000|1' 'is there'
[ "$peak" -lt $((131072 + 2 * 60000)) ]
ok $? 'in twice as much more' || diag "$peak KiB"
took a:one outl
is "$status" 0 'one value of 60 MB, into a file of records'
is "$(python3 -c 'import json, sys
print(json.load(open(sys.argv[1])) == {"id": 1, "v": "y" * 60000000})' "$root/out.jsonl")" \
	True 'is there'
[ "$peak" -lt $((131072 + 2 * 60000)) ]
ok $? 'in as much' || diag "$peak KiB"
mv "$root/out.jsonl" "$root/in.jsonl"
took inl b:dst
is "$status" 0 'and out of it'
is "$(sqlite3 -init /dev/null -batch "$root/b.db" 'SELECT length(v) FROM dst')" \
	60000000 'is there'
[ "$peak" -lt $((131072 + 3 * 60000)) ]
ok $? 'in three times as much more' || diag "$peak KiB"
done_testing
