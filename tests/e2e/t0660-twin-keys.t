#!/bin/sh
# SPDX-License-Identifier: MIT
# A key that is there twice, or is one and the same to the database: rows would
# be passed over, so the check says it, before there is a backup. Where the
# other side alone takes them apart, all rows come over.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
sqlite_need
root=$tmp/data
plan=$tmp/plan

# tables OLD NEW
tables()
{
	rm -rf "$root"
	mkdir "$root"
	sqlite3 "$root/old.db" "$1"
	sqlite3 "$root/new.db" "$2"
}

# plan KEY [MORE]
plan()
{
	cat >"$plan" <<-END
		plan = 1; name = "a"; from = "1"; to = "2";
		stores: { old = "sqlite:old.db"; new = "sqlite:new.db"; };
		steps = ( { id = "s"; kind = "copy-records"; from = "old:t";
		    to = "new:t"; key = $1; batch = 1; $2 } );
		verify = ( { id = "V1"; kind = "records"; copies = ["s"];
		    level = "rigorous"; } );
	END
}

run_plan()
{
	run "$UPSHIFT" run "$plan" --root "$root" --batch --yes
}

# refused WHAT KEY
refused()
{
	run_plan
	is "$status" 1 "$1: refused"
	like "$err" E-2001 "$1: the check says so"
	like "$err" "'t' has more than one row with the key $2" "$1: which key"
	unlike "$out" 'backup: started' "$1: no backup"
	is "$(sqlite3 "$root/new.db" 'SELECT count(*) FROM t')" 0 \
		"$1: nothing was copied"
}

rows="INSERT INTO t VALUES ('a', 1), ('A', 2), ('b', 3), ('B', 4)"
tables "CREATE TABLE t (k TEXT COLLATE NOCASE, v); $rows" \
	'CREATE TABLE t (k TEXT PRIMARY KEY, v)'
plan '"k"'
refused 'texts that differ in case alone' '\["a"\]'

tables "CREATE TABLE t (k TEXT, v); $rows; INSERT INTO t VALUES ('a', 5)" \
	'CREATE TABLE t (k TEXT, v)'
refused 'one that is there twice' '\["a"\]'
plan '["k", "v"]'
run_plan
is "$(sqlite3 "$root/new.db" "SELECT group_concat(k || v, ' ') FROM
	(SELECT * FROM t ORDER BY k, v)")" 'A2 B4 a1 a5 b3' \
	'with another column they are told apart'

tables "CREATE TABLE t (k TEXT, v); $rows; INSERT INTO t VALUES ('a', 5)" \
	'CREATE TABLE t (k TEXT PRIMARY KEY, v)'
plan '"k"' "where = \"v < 5\";"
run_plan
is "$(sqlite3 "$root/new.db" 'SELECT count(*) FROM t')" 4 \
	'the second one is none that the plan wants'

# the same, compared in the order of one side and of the other
many="WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s
	WHERE i < 2000) INSERT INTO t SELECT char(65 + i * 7 % 26 + 32 * (i % 2))
	|| i || char(65 + i * 11 % 26 + 32 * (i % 3 = 0)), i FROM s"
for way in 'TEXT|TEXT COLLATE NOCASE' 'TEXT COLLATE NOCASE|TEXT'; do
	tables "CREATE TABLE t (k ${way%|*} PRIMARY KEY, v); $many" \
		"CREATE TABLE t (k ${way#*|} PRIMARY KEY, v)"
	plan '"k"'
	run_plan
	like "$out" '2000 rows are the same on both sides' "$way: all rows"
	sqlite3 "$root/new.db" 'UPDATE t SET v = 0 WHERE v = 77;
		DELETE FROM t WHERE v = 99'
	run "$UPSHIFT" verify --root "$root"
	like "$out" '1 missing, 1 different, 0 extra' \
		"$way: what differs is found, and that alone"
	like "$err" 'next: .*upshift report, or upshift rollback' \
		"$way: what to do next"
done

done_testing
