#!/bin/sh
# SPDX-License-Identifier: MIT
# The intelligence-core plan back to its checkpoints by each strategy, and up
# again, in PostgreSQL and in SQLite: what is there is what was there then, or
# the way back is refused and nothing is changed. By default some of the points;
# all of them with
#
#	UPSHIFT_TEST_POINTS=all    make check-points
#
# ONLY: pg or lite alone.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/points.sh
. "$(dirname "$0")/../lib/points.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
sqlite_need
root=$tmp/data
plans=$top_srcdir/data/plans/intelligence-core
UPSHIFT_TEST_MONITOR_S=0
export UPSHIFT_TEST_MONITOR_S
steps='schema prompts events events_log performance figures feedback'
all=${UPSHIFT_TEST_POINTS:-}

# all but what is ours; and what the application runs
dumped()
{
	case $kind in
	pg) pg_dumped "$DATABASE_URL" -T '_upshift_*' | sort ;;
	lite) sqlite3 -readonly "$root/data/app.db" .dump |
		awk '/^CREATE TABLE _upshift_|^CREATE TABLE IF NOT EXISTS "_upshift_/ { skip = 1 }
			!skip && !/_upshift_/; /;$/ { skip = 0 }' ;;
	esac
	readlink "$root/app/current"
}

sql()
{
	case $kind in
	pg) pg_sql db -c "$1" ;;
	lite) sqlite3 "$root/data/app.db" "$1" ;;
	esac
}

begin()
{
	kind=$1
	plan=$plans/intelligence-core.plan
	unset DATABASE_URL
	if [ "$kind" = pg ]; then
		pg_start db
		DATABASE_URL=$(pg_conn db)
		export DATABASE_URL
	else
		plan=$plans/intelligence-core-sqlite.plan
	fi
	rm -rf "$root"
	"$plans/make-sample" "$root" --campaigns 30 --events 300 \
		--publishes 100 --feedbacks 20 \
		${DATABASE_URL:+--database "$DATABASE_URL"}
	dumped >"$tmp/start"
	verb="run $plan --set environment=staging"
	n=0 indexes=
	# a file comes back as a whole: there the tables have theirs at once
	[ "$kind" = lite ] || indexes=indexes
	for step in $steps $indexes deploy watch; do
		n=$((n + 1))
		# shellcheck disable=SC2086 # words
		run "$UPSHIFT" $verb --root "$root" --batch --yes \
			--stop-after "$step"
		[ "$status" = 6 ] || is "$status" 6 "$kind: up to $step" ||
			diag "$out $err"
		dumped >"$tmp/CP$n"
		verb=resume
	done
	cp "$tmp/CP$n" "$tmp/top"
}

# round POINT STRATEGY: back to it, and up as it was
round()
{
	to=$1
	how=$to,\ $2
	back "$to" --strategy "$2"
	# rows that a step below it wrote do not go with a schema, nor those of
	# a table that was there before; and the backup is of the start
	case $kind,\ $how in
	pg,\ CP[1-6],\ schema|pg,\ CP[1-6],\ backup|pg,\ start,\ schema)
		is "$status" 66 "$kind: $how: refused" || diag "$out $err"
		like "$err" "E-[0-9]* cannot go back to $to like that: step" \
			"$kind: $how: and why"
		as top "$how: nothing is changed"
		return ;;
	esac
	is "$status" 0 "$kind: $how" || diag "$out $err"
	as "$to" "$how: as it was"
	back "$(before)"
	is "$status" 0 "$kind: $how: up as it was" || diag "$out $err"
	as top "$how: up as it was"
}

told()
{
	run "$UPSHIFT" rollback "$@" --root "$root" --preview
	[ "$status" = 0 ] || diag "$out $err"
	printf '%s\n' "$out" | sed -n '/^LOST/,$p' | sed '$d'
}

theirs()
{
	sql "UPDATE \"KPIHistory\" SET department = 'theirs' WHERE id =
		(SELECT min(id) FROM \"KPIHistory\")"
	sql "DELETE FROM \"AgentFeedback\" WHERE id = (SELECT min(id) FROM
		\"AgentFeedback\")"
	sql "UPDATE \"Campaign\" SET prompt = 'theirs' WHERE id = (SELECT
		min(id) FROM \"Campaign\" WHERE prompt IS NOT NULL)"
}

points='CP8 CP5 CP1 start'
ways=incremental
if [ -n "$all" ]; then
	points='CP8 CP7 CP6 CP5 CP4 CP3 CP2 CP1 start'
	ways='incremental schema backup'
fi

rounds()
{
	begin "$1"
	for point in ${all:+${indexes:+CP9}} $points; do
		for way in $ways; do
			round $point $way
		done
	done
	[ -n "$all" ] || round start backup
	theirs
	dumped >"$tmp/top"
}

in_pg()
{
	rounds pg
	is "$(told CP5)" 'LOST 0
KEPT 1
  db:KPIHistory: 1 row' 'to a checkpoint where the tables stay: kept'
	for way in incremental backup; do
		is "$(told start --strategy $way)" 'LOST 2
  db:Campaign: 1 row
  db:KPIHistory: 1 row
KEPT 0' "to the start, $way: what goes with a table or a column is lost"
	done
	back CP1
	is "$status" 0 'back to where the tables stay' || diag "$out $err"
	like "$out" "figures: 'KPIHistory': 1 row was changed since by others and stays" \
		'is told'
	like "$out" "prompts: 'Campaign': 1 row was changed since by others and stays" \
		'and that'
	is "$(sql "SELECT count(*) FROM \"KPIHistory\"") $(sql "SELECT count(*)
		FROM \"Campaign\" WHERE prompt IS NOT NULL")" '1 1' \
		'theirs are all that is left'
	back "$(before)"
	as top 'and up again with theirs'
	back start --strategy backup
	is "$status" 0 'from the backup' || diag "$out $err"
	like "$out" 'LOST 2, KEPT 0' 'what is lost is told'
	as start 'as it was'
}

in_lite()
{
	rounds lite
	is "$(told CP1)" 'LOST 1
  data/app.db
KEPT 0' 'a file that others wrote to: lost, and told'
	back CP1
	is "$status" 0 'a file that others wrote to: back' || diag "$out $err"
	like "$out" 'LOST 1, KEPT 0' 'a file that others wrote to: is told'
	as CP1 'as it was'
	back "$(before)"
	as top 'and up again with what they wrote'
}

case ${ONLY:-lite} in lite) in_lite ;; esac
if [ "${ONLY:-pg}" = pg ] && [ -n "$pg_bin" ] &&
   "$UPSHIFT" --version | grep -qw pg; then
	pg_need
	in_pg
fi
done_testing
