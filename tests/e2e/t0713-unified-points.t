#!/bin/sh
# SPDX-License-Identifier: MIT
# The unified-chunks plan back to its checkpoints by each strategy, and up
# again: what is in the databases is what was there then, or the way back is
# refused and nothing is changed. By default some of the points, in one
# database; all of them with
#
#	UPSHIFT_TEST_POINTS=all    make check-points
#
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/points.sh
. "$(dirname "$0")/../lib/points.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
root=$tmp/data
plan=$top_srcdir/data/plans/unified-chunks/unified-chunks.plan
pg_start db
steps='schema chunks tags chunk_tags embeddings graph_nodes constraints compare
	cutover numbers legacy summaries'
all=${UPSHIFT_TEST_POINTS:-}

# All of both databases but for what is ours: our tables, what captures and
# counts. Rows and objects in an order of their own.
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

# begin one|two: that many databases, up to the end and looked at on the way
begin()
{
	layout=$1
	rm -rf "$root"
	for base in old new; do
		pg_sql db -c "DROP DATABASE IF EXISTS $base"
		pg_sql db -c "CREATE DATABASE $base"
	done
	OLD_DATABASE_URL=$(pg_conn db old)
	NEW_DATABASE_URL=$OLD_DATABASE_URL
	[ "$layout" = one ] || NEW_DATABASE_URL=$(pg_conn db new)
	export OLD_DATABASE_URL NEW_DATABASE_URL
	"$top_srcdir/data/plans/unified-chunks/make-sample" "$root" \
		--rows 300 --database "$OLD_DATABASE_URL"
	dumped >"$tmp/start"
	verb="run $plan"
	n=0
	for step in $steps; do
		n=$((n + 1))
		case $all$step in
		schema|tags|chunk_tags|embeddings|constraints|compare|numbers)
			continue ;;
		esac
		# shellcheck disable=SC2086 # words
		run "$UPSHIFT" $verb --root "$root" --batch --yes \
			--stop-after "$step"
		[ "$status" = 6 ] || is "$status" 6 "$layout: up to $step"
		dumped >"$tmp/CP$n"
		verb=resume
	done
	up
	dumped >"$tmp/top"
}

# up [POINT]: from start it is another run
up()
{
	verb=resume
	if [ "${1:-}" = start ]; then
		verb="run $plan"
	fi
	# shellcheck disable=SC2086 # words
	run "$UPSHIFT" $verb --root "$root" --batch --yes
	is "$status" 3 "$layout: up to the end" || diag "$out $err"
}

# round POINT [STRATEGY]: back to it, up as it was, back again, up once more
round()
{
	to=$1
	how=$to${2:+, $2}
	set -- "$to" ${2:+--strategy "$2"}
	back "$@"
	# rows that a step below it wrote do not go with a schema, and the
	# backup is of the start
	case $how in
	CP[1-5],\ schema|CP[1-9],\ backup)
		is "$status" 66 "$layout: $how: refused" || diag "$out $err"
		like "$err" "E-[0-9]* cannot go back to $to like that: step" \
			"$layout: $how: and why"
		as top "$how: nothing is changed"
		return ;;
	esac
	is "$status" 0 "$layout: $how" || diag "$out $err"
	as "$to" "$how: as it was"
	if [ -n "$all" ]; then
		back "$(before)"
		is "$status" 0 "$layout: $how: up as it was" ||
			diag "$out $err"
		as top "$how: up as it was"
		back "$@"
		is "$status" 0 "$layout: $how: once more" || diag "$out $err"
		as "$to" "$how: once more as it was"
	fi
	up "$to"
	as top "$how: the end is the same"
}

if [ -n "$all" ]; then
	for count in two one; do
		begin $count
		for point in CP12 CP11 CP10 CP9 CP8 CP7 CP6 CP5 CP4 CP3 CP2 \
			CP1 start; do
			for way in '' incremental schema backup; do
				round $point $way
			done
		done
	done
else
	begin one
	round CP11
	round CP6 schema
	round CP5 schema
	round CP9 backup
	round CP2
	round start backup
fi

# --- what an application wrote since, by the views ---
one()
{
	"$pg_bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$OLD_DATABASE_URL" "$@"
}

one <<-'END'
	UPDATE chunks SET content = 'theirs' WHERE id =
		(SELECT min(id::text)::uuid FROM chunks);
	INSERT INTO chunks (content) VALUES ('new');
	UPDATE tags SET name = 'theirs' WHERE id = 1;
	DELETE FROM chunk_tags WHERE chunk_id =
		(SELECT min(chunk_id::text)::uuid FROM chunk_tags);
END
dumped >"$tmp/top"

theirs()
{
	one -c "SELECT count(*) FROM unified.chunks WHERE contents IN
		('theirs', 'new')"
}

told()
{
	run "$UPSHIFT" rollback "$@" --root "$root" --preview
	[ "$status" = 0 ] || diag "$out $err"
	printf '%s\n' "$out" | sed '1d;$d'
}
gone=$(($(one -c 'SELECT count(*) FROM unified.chunks') - 3))
tagged=$(one -c 'SELECT count(*) FROM unified.chunk_tags')
# both URLs are of one database, which goes by its first name
all="RESTORED $((gone + tagged + 75 + 60))
  new:unified.chunk_tags: $tagged rows
  new:unified.chunks: $gone rows
  new:unified.embeddings: 75 rows
  new:unified.graph_nodes: 60 rows"
# by the legacy views: one changed and one new, a name, and one that went
carried='CARRIED 4
  old:chunks: 2 rows
  old:tags: 1 row
  old:chunk_tags: 1 row'
is "$(told CP8)" "RESTORED 0
$carried
LOST 0
KEPT 3
  new:unified.chunks: 3 rows" 'where the rows stay'
is "$(told CP1)" "$all
$carried
LOST 0
KEPT 3
  new:unified.chunks: 3 rows" 'where ours go'
for way in incremental schema; do
	is "$(told start --strategy $way)" "$all
$carried
LOST 0
KEPT 0" "where the tables go, $way"
done
for way in '--strategy backup' --no-carry; do
	# shellcheck disable=SC2086 # words
	is "$(told start $way)" "$all
LOST 3
  new:unified.chunks: 3 rows
KEPT 0" "where nothing is carried, $way"
done
run_is 66 'what is refused' "$UPSHIFT" rollback CP5 --strategy schema \
	--root "$root" --preview
like "$err" "E-5005 cannot go back to CP5 like that" 'is not told as if it were not'

back CP1
is "$status" 0 'back'
like "$out" 'chunks: .*: 1 row was changed since by others and stays' 'is said'
like "$out" 'tags: \["00000000-0000-4000-8000-000000000001"\]' 'with its key'
is "$(theirs)" 3 'and so it is'
is "$(one -c 'SELECT count(*) FROM unified.chunks')" 3 'ours went'
is "$(one -c "SELECT count(*) FROM chunks WHERE content IN ('theirs', 'new')" \
	-c "SELECT name FROM tags WHERE id = 1")" '2
theirs' 'theirs are in the old tables'
"$UPSHIFT" report --root "$root" >"$tmp/report"
like "$(cat "$tmp/report")" "'unified.chunks': 1 row was changed since by others" \
	'the report has it'
point=$(before)
is "$(told "$point")" "$all
LOST 0
KEPT 0" 'the way up again'
back "$point"
is "$status" 0 'up again'
as top 'rows of others as well'
back start --strategy backup
is "$status" 0 'from the backup'
as start 'as it was'
point=$(before)
back "$point"
as top 'and theirs are not lost with that'
done_testing
