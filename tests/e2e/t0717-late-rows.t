#!/bin/sh
# SPDX-License-Identifier: MIT
# Rows that come in between the dump of a rollback's own point and the load
# behind it: none goes without a word, and without a copy.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
# the strictest: what others commit while a lock is waited for is to be seen
pg_start db default_transaction_isolation=serializable
root=$tmp/data
mkdir "$root"
cat >"$tmp/plan" <<TXT
plan = 1; name = "app"; from = "1"; to = "2";
stores: { db = "$(pg_url db)"; };
steps = (
  { id = "column"; kind = "sql"; store = "db"; up = ["ALTER TABLE t ADD COLUMN more int"];
    down = ["ALTER TABLE t DROP COLUMN more"]; },
  { id = "fill"; kind = "backfill"; set = "db:t"; key = "id"; undo = true;
    up = "UPDATE t SET more = 1 WHERE id > \$1 AND id <= \$2"; } );
TXT

fresh()
{
	rm -rf "$root/.upshift"
	pg_sql db <<-'END'
		SET client_min_messages = error;
		DROP TABLE IF EXISTS t;
		CREATE TABLE t (id int PRIMARY KEY, "a	b" text);
		INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 20) i;
	END
	run "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
	is "$status" 0 'up' || diag "$out $err"
}

# late SQL ARGUMENT...: that happens when upshift waits to write
late()
{
	sql=$1
	shift
	pg_hold db t EXCLUSIVE
	"$UPSHIFT" "$@" --root "$root" --batch >"$tmp/said" 2>&1 &
	pg_victim=$!
	while kill -0 "$pg_victim" 2>/dev/null &&
	      [ "$(pg_sql db -c "SELECT count(*) FROM pg_stat_activity WHERE
			wait_event_type = 'Lock'")" = 0 ]; do
		:
	done
	echo "$sql; COMMIT;" >&8
	wait "$pg_victim"
	status=$?
	pg_let_go
	out=$(cat "$tmp/said")
}

rows()
{
	pg_sql db -c "SELECT string_agg(id || ' ' || \"a	b\", ', ' ORDER BY id) FROM t
		WHERE \"a	b\" !~ '^row'"
}

late_file="$root/.upshift/runs/*/backup"

fresh
late "INSERT INTO t VALUES (30, 'late'); UPDATE t SET \"a	b\" = 'too' WHERE id = 3" \
	rollback start --strategy backup --confirm 'roll back to start'
is "$status" 0 'to the start, from the backup' || diag "$out"
is "$(rows)" '' 'all is as it was then'
like "$out" "'db:t': 2 rows were written after R1 was saved .*; they are in backup/R1[.]late[.]db[.]t[.]copy" \
	'what came in late is told'
# shellcheck disable=SC2086 # a pattern
is "$(cat $late_file/R1.late.db.t.copy | sort)" '3	too
30	late
id	a\tb' 'and it is there'
like "$("$UPSHIFT" report --root "$root" | tr -d '\\')" "2 rows were written after R1 was saved" \
	'the report has it'

pg_sql db -c "INSERT INTO t VALUES (40, 'since')"
late "INSERT INTO t VALUES (50, 'late'), (51, 'late'); UPDATE t SET \"a	b\" = 'too' WHERE id = 4" \
	rollback R1 --confirm 'roll back to R1'
is "$status" 0 'and back to where that began' || diag "$out"
is "$(rows)" '40 since, 50 late, 51 late' 'what can stay does'
like "$out" "'db:t': 3 rows were written after R2 was saved .*; they are in backup/R2[.]late[.]db[.]t[.]copy" \
	'is told'
like "$out" "'db:t': 2 rows were written since by others and stay" 'and that'
# shellcheck disable=SC2086 # a pattern
is "$(cat $late_file/R2.late.db.t.copy | sort)" '4	too	\N
50	late	\N
51	late	\N
id	a\tb	more' 'a copy of all of them'

# killed on the way, and gone on with: it is in the table or in a file
n=5
bad=
while :; do
	fresh
	late "INSERT INTO t VALUES (30, 'theirs')" rollback start \
		--strategy backup --confirm 'roll back to start'
	UPSHIFT_TEST_FAULT=any:$n:kill late "INSERT INTO t VALUES (31, 'theirs'),
		(41, 'theirs'); UPDATE t SET \"a	b\" = 'theirs' WHERE id = 1" \
		rollback R1 --confirm 'roll back to R1'
	[ "$status" = 137 ] || break
	"$UPSHIFT" resume --root "$root" --batch >"$tmp/said" 2>&1 ||
		"$UPSHIFT" rollback R1 --root "$root" --batch \
			--confirm 'roll back to R1' >"$tmp/said" 2>&1
	for id in 1 31 41; do
		# shellcheck disable=SC2086 # a pattern
		{
			pg_sql db -F "	" -c "SELECT id, \"a	b\" FROM t"
			cat $late_file/R2.late.* 2>/dev/null
			# it came in before that was saved
			sed -n "s/.*'db:t': 1 row .* in R2 alone/1	theirs/p" \
				"$tmp/said"
		} | grep -q "^$id	theirs" || bad="$bad $n:$id"
	done
	n=$((n + 30))
done
is "$bad" '' 'killed anywhere: nothing is lost'
[ "$n" -gt 65 ]
ok $? 'more than once'
done_testing
