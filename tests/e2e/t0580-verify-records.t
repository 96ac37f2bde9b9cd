#!/bin/sh
# SPDX-License-Identifier: MIT
# The `records` verification: planted differences found and named, at every
# level; rules; reports beside the run.
# shellcheck source=tests/lib/tap.sh
. "${top_srcdir:-.}/tests/lib/tap.sh"
command -v sqlite3 >/dev/null || command -v python3 >/dev/null ||
	skip_all 'neither sqlite3 nor python3'
stores_need sqlite

root=$tmp/root
# sql FILE: statements from standard input
sql()
{
	python3 -c 'import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.executescript(sys.stdin.read())
c.commit()' "$root/$1"
}

mkdir -p "$root"
sql old.db <<'TXT'
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, height REAL, gone INT);
WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < 2000)
INSERT INTO people SELECT i, 'n' || i, i / 2.0, i % 10 = 0 FROM g;
TXT
sql new.db <<'TXT'
CREATE TABLE persons (key INTEGER PRIMARY KEY, full_name TEXT, height NUMERIC,
	robot INT DEFAULT 0);
CREATE TABLE pets (id INTEGER PRIMARY KEY, owner INT REFERENCES persons);
WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < 2000)
INSERT INTO persons SELECT i, 'Mx n' || i, i / 2.0, 0 FROM g WHERE i % 10;
INSERT INTO persons VALUES (9000, 'robot', 1, 1);
INSERT INTO pets VALUES (1, 7);
TXT
cat >"$tmp/acme.plan" <<'TXT'
plan = 1; name = "acme"; from = "1"; to = "2";
stores: { old = "sqlite:old.db"; new = "sqlite:new.db"; };
steps = ( { id = "done"; kind = "write"; path = "done"; text = "x"; } );
verify = (
  { id = "V01"; kind = "records"; from = "old:people"; to = "new:persons";
    key = "key"; columns = { key = "id"; full_name = "'Mx ' || name"; height = "height"; };
    where = "NOT gone"; owns = "NOT robot"; pause = 0.01;
    rules = (
      { id = "no lost pets"; store = "new"; zero = "SELECT count(*) FROM pets WHERE owner NOT IN (SELECT key FROM persons)"; },
      { id = "few giants"; store = "new"; severity = "warn"; zero = "SELECT count(*) FROM persons WHERE height > 5000"; },
      { id = "sums"; equal = ["old:SELECT count(*), max(id) FROM people WHERE NOT gone", "new:SELECT count(*), max(key) FROM persons WHERE NOT robot"]; } );
    queries = ( { id = "all"; old = "old:SELECT sum(height) FROM people"; new = "new:SELECT sum(height) FROM persons"; tolerance = 1000.0; } ); } );
TXT
run "$UPSHIFT" lint "$tmp/acme.plan" --root "$root"
is "$status" 0 'a plan with a comparison is right' || diag "$err"
run "$UPSHIFT" run "$tmp/acme.plan" --root "$root" --batch --yes
is "$status" 0 'the same records' || diag "$err$out"
like "$out" '1800 rows are the same on both sides \(standard\)' 'are counted'
id=$(basename "$root"/.upshift/runs/*)
dir=$root/.upshift/runs/$id
for level in basic standard rigorous forensic; do
	run "$UPSHIFT" verify --root "$root" --level $level
	is "$status" 0 "$level: the same" || diag "$err$out"
	like "$out" "1800 rows are the same.*$level" 'at that level'
done
like "$out" 'all: [0-9]+ ms before, [0-9]+ ms now' 'queries are timed'
python3 - "$dir/V01.audit.jsonl" <<'TXT'
import hashlib, json, sys
prev = ""
rows = 0
for line in open(sys.argv[1]).read().splitlines():
    cut = line.rindex(',"sum":"')
    digest = "blake2b-512:" + hashlib.blake2b((line[:cut] + "}").encode()).hexdigest()
    o = json.loads(line)
    assert o["sum"] == digest, line
    assert o.get("prev", "") == prev, line
    prev = digest
    rows += o["rows"][0] if o["what"] == "part" else 0
assert o["what"] == "close" and rows == o["rows"] == 1800, (o, rows)
TXT
ok $? 'the audit is a chain over all rows'

# planted: changed, missing, extra, and a value written in another way
sql new.db <<'TXT'
UPDATE persons SET full_name = 'Mx x', height = 0 WHERE key = 77;
DELETE FROM persons WHERE key IN (1, 1234);
INSERT INTO persons VALUES (1000, 'Mx n1000', 500, 0);
UPDATE persons SET full_name = full_name WHERE key = 78;
TXT
for level in standard rigorous forensic; do
	run "$UPSHIFT" verify --root "$root" --level $level
	is "$status" 7 "$level: not the same"
	like "$out$err" '2 missing, 1 different, 1 extra' 'counted'
	is "$(sort "$dir/V01.differences.jsonl")" \
'{"kind":"different","key":[77],"columns":["full_name","height"]}
{"kind":"extra","key":[1000]}
{"kind":"missing","key":[1234]}
{"kind":"missing","key":[1]}' 'named in the report'
done
run "$UPSHIFT" verify --root "$root" --level basic
is "$status" 7 'basic: the counts are not the same'
like "$out$err" '1800 rows and 1799 rows' 'and are told'
like "$("$UPSHIFT" verify --root "$root" --level standard --json)" \
	'missing \[1\]' 'the first are on the screen'

# rules alone
sql new.db <<'TXT'
UPDATE persons SET full_name = 'Mx n77', height = 38.5 WHERE key = 77;
DELETE FROM persons WHERE key = 1000;
INSERT INTO persons VALUES (1, 'Mx n1', 0.5, 0), (1234, 'Mx n1234', 617, 0);
INSERT INTO pets VALUES (2, 5555);
TXT
run "$UPSHIFT" verify --root "$root" --level standard
is "$status" 7 'a rule does not hold'
like "$out$err" 'no lost pets: found 1, not 0' 'which one, and how many'
sql new.db <<'TXT'
DELETE FROM pets WHERE id = 2;
INSERT INTO persons VALUES (9001, 'robot', 6000, 1);
TXT
run "$UPSHIFT" verify --root "$root" --level standard
is "$status" 3 'a rule that warns'
sql new.db <<'TXT'
DELETE FROM persons WHERE key = 9001;
UPDATE persons SET key = 2001 WHERE key = 1999;
TXT
sql old.db <<'TXT'
UPDATE people SET id = 2002 WHERE id = 1999;
TXT
run "$UPSHIFT" verify --root "$root" --level standard
like "$out$err" '1 missing, 0 different, 1 extra' 'an answer that is another'

# a row that refers to none
sql new.db <<'TXT'
INSERT INTO pets VALUES (3, 5555);
CREATE TABLE toys (id INTEGER PRIMARY KEY, pet INT REFERENCES pets);
INSERT INTO toys VALUES (1, 99);
TXT
sed 's/from = "old:people"; to = "new:persons"/from = "new:toys"; to = "new:toys"/; s/key = "key"; columns.*/key = "id";/; s/where = .*pause/pause/' \
	"$tmp/acme.plan" >"$tmp/toys.plan"
rm -rf "$root/.upshift" "$root/done"
run "$UPSHIFT" run "$tmp/toys.plan" --root "$root" --batch --yes
like "$out$err" "'toys': 'FOREIGN KEY to pets' is not valid" 'a row that refers to none'

# mistakes of a plan
bad()
{
	sed "$1" "$tmp/acme.plan" >"$tmp/bad.plan"
	run "$UPSHIFT" lint "$tmp/bad.plan" --root "$root"
	is "$status" 65 "$2"
}
bad 's/key = "key"; columns/key = "id"; columns/' 'a key that is no column'
bad 's/from = "old:people"/from = "older:people"/' 'a store that there is not'
bad 's/zero = "SELECT count(\*) FROM pets[^"]*";//' 'a rule without a query'
bad 's/equal = \["old/equal = ["new:SELECT 1", "old/' 'three answers'
sed 's/full_name/nick_name/' "$tmp/acme.plan" >"$tmp/bad.plan"
rm -rf "$root/.upshift" "$root/done"
run "$UPSHIFT" run "$tmp/bad.plan" --root "$root" --batch --yes
is "$status" 7 'a column that there is not'
like "$out$err" "'persons' has no column 'nick_name'" 'is named'
done_testing
