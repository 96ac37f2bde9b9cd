#!/bin/sh
# SPDX-License-Identifier: MIT
# Back to a checkpoint, an application writes, and back to where the rollback
# began: all is as it was there, and what was written since is kept, or told.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
root=$tmp/data
plan=$top_srcdir/data/plans/unified-chunks/unified-chunks.plan
pg_start db

# All of both databases but for what is ours
dumped()
{
	for base in old new; do
		echo "== $base"
		"$pg_bin/pg_dump" -N _upshift -T '_upshift_*' \
			-d "$(pg_conn db $base)" | awk '
			/^-- (Data for )?Name: / { ours = /_upshift/ }
			!ours && !/^$|^--|^SET |^\\(un)?restrict /' | sort
		[ "$OLD_DATABASE_URL" != "$NEW_DATABASE_URL" ] || break
	done
}

as()
{
	dumped >"$tmp/now"
	file_is "$tmp/now" "$tmp/$1" "$2"
}

sql()
{
	base=$1
	shift
	"$pg_bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$(pg_conn db "$base")" \
		"$@"
}

# begin one|two: that many databases, all steps done
begin()
{
	rm -rf "$root"
	for base in old new; do
		pg_sql db -c "DROP DATABASE IF EXISTS $base" 2>/dev/null
		pg_sql db -c "CREATE DATABASE $base"
	done
	OLD_DATABASE_URL=$(pg_conn db old)
	NEW_DATABASE_URL=$OLD_DATABASE_URL
	[ "$1" = one ] || NEW_DATABASE_URL=$(pg_conn db new)
	export OLD_DATABASE_URL NEW_DATABASE_URL
	"$top_srcdir/data/plans/unified-chunks/make-sample" "$root" \
		--rows 300 --database "$OLD_DATABASE_URL"
	pg_sql db/new -c 'CREATE TABLE bystanders AS SELECT 1 AS a'
	run "$UPSHIFT" run "$plan" --root "$root" --batch --yes
	is "$status" 3 "$1: all steps are done" || diag "$out $err"
	dumped >"$tmp/top"
}

back()
{
	back_to=$1
	shift
	run "$UPSHIFT" rollback "$back_to" --root "$root" "$@" --batch \
		--confirm "roll back to $back_to"
	[ "$status" = 0 ] || diag "$out $err"
}

# where the last rollback began
before()
{
	"$UPSHIFT" status --root "$root" --json |
		sed -n 's/.*"rollback":{[^}]*"r":"\(R[0-9]*\)".*/\1/p'
}

told()
{
	run "$UPSHIFT" rollback "$1" --root "$root" --preview
	printf '%s\n' "$out" | sed -n '/^LOST/,$p' | sed '$d'
}

ids='00000000-0000-0000-0000-00000000000'

# a row that refers to a later one; one whose key comes back; one that refers
# to what is in neither; a number of a sequence
written()
{
	sql new <<-END
		INSERT INTO unified.chunks (chunk_id, contents, parent) VALUES
			('${ids}1', 'theirs', '${ids}2');
		INSERT INTO unified.chunks (chunk_id, contents) VALUES
			('${ids}2', 'theirs'), ('$taken', 'another');
		INSERT INTO unified.chunk_tags VALUES ('${ids}1', '${ids}9');
		INSERT INTO unified.chunks
			(chunk_id, contents, is_tag, legacy_tag_id) VALUES
			('${ids}3', 'theirs', true, 999999);
	END
}

theirs()
{
	sql new -c "SELECT count(*) FROM unified.chunks WHERE contents =
		'theirs'"
}

# theirs apart, it is what it was
without()
{
	sql new -c "DELETE FROM unified.chunks WHERE contents = 'theirs'
		AND parent IS NOT NULL"
	sql new -c "DELETE FROM unified.chunks WHERE contents = 'theirs'"
	as top "$1"
}

begin two
taken=$(sql new -c "SELECT chunk_id FROM unified.chunks LIMIT 1")
back CP1
written
point=$(before)
is "$(told "$point")" 'LOST 1
  new:unified.chunks: 1 row
KEPT 4
  new:unified.chunk_tags: 1 row
  new:unified.chunks: 3 rows' 'what would happen to what was written since'
back "$point"
is "$status" 0 'the way back goes on where rows were written since'
like "$out" "'new:unified.chunks': 3 rows were written since by others and stay" \
	'how many are kept'
like "$out" "'new:unified.chunks': 1 row was written since by others and is in R2 alone" \
	'whose key is taken is not'
like "$out" "'new:unified.chunk_tags': 1 row was written since by others and is in R2 alone" \
	'nor one that refers to nothing'
is "$(theirs)" 3 'and so it is'
"$UPSHIFT" report --root "$root" >"$tmp/report"
like "$(cat "$tmp/report")" "3 rows were written since by others and stay" \
	'the report has it'
without 'all else is as it was'

# killed where a step is done again, where tables are emptied, and where the
# rows come in: nobody but the load has to do with the last of these tables
pg_mode=EXCLUSIVE
for table in unified.chunks unified.graph_nodes bystanders; do
	back CP1
	written
	point=$(before)
	pg_kill_at db/new $table rollback "$point" --root "$root" \
		--batch --confirm "roll back to $point"
	run "$UPSHIFT" resume --root "$root" --batch
	is "$status" 0 "killed at $table, it goes on" || diag "$out $err"
	is "$(theirs)" 3 "killed at $table: theirs are there"
	without "killed at $table: and all the rest"
done

# a way back by each strategy; what is written to tables that go stays in the
# old ones
for how in 'CP6 schema' 'start backup'; do
	# shellcheck disable=SC2086 # words
	set -- $how
	back "$1" --strategy "$2"
	is "$status" 0 "$how: back"
	sql old -c "INSERT INTO chunks (content) VALUES ('old ones')"
	back "$(before)"
	is "$status" 0 "$how: up again"
	is "$(sql old -c "SELECT count(*) FROM chunks WHERE content =
		'old ones'")" 1 "$how: what was written to the old stays"
	sql old -c "SET session_replication_role = replica;
		DELETE FROM chunks WHERE content = 'old ones'"
	# a rollback that carried has it come along
	along=0
	[ "$2" = backup ] || along=1
	is "$(sql new -c "SELECT count(*) FROM unified.chunks WHERE contents =
		'old ones'")" "$along" "$how: and comes along"
	sql new -c "SET session_replication_role = replica;
		DELETE FROM unified.chunks WHERE contents = 'old ones'"
	as top "$how: all else is as it was"
done

# in one database the old tables stand aside behind views
begin one
for how in 'CP6 schema' 'CP1 incremental'; do
	# shellcheck disable=SC2086 # words
	set -- $how
	back "$1" --strategy "$2"
	is "$status" 0 "one: $how: back"
	sql old -c "INSERT INTO chunks (content) VALUES ('old ones')"
	point=$(before)
	is "$(told "$point")" 'LOST 0
KEPT 1
  old:upshift_old_legacy.chunks: 1 row' "one: $how: what is foreseen"
	back "$point"
	is "$status" 0 "one: $how: up again"
	like "$out" "'old:upshift_old_legacy.chunks': 1 row was written since by others and stays" \
		"one: $how: is told"
	sql old -c "SET session_replication_role = replica;
		DELETE FROM upshift_old_legacy.chunks WHERE content =
		'old ones'"
	as top "one: $how: all else is as it was"
done
done_testing
