#!/bin/sh
# SPDX-License-Identifier: MIT
# The intelligence-core plan back to each of its checkpoints, step by step and
# from the backup: schema and rows are as they were there, or it is refused.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
root=$tmp/data
plan=$top_srcdir/data/plans/intelligence-core/intelligence-core.plan
pg_start db
DATABASE_URL=$(pg_conn db)
UPSHIFT_TEST_MONITOR_S=0
export DATABASE_URL UPSHIFT_TEST_MONITOR_S

dumped()
{
	pg_dumped "$DATABASE_URL" -T '_upshift_*' | sort
}

back()
{
	back_to=$1
	shift
	run "$UPSHIFT" rollback "$back_to" --root "$root" "$@" --batch \
		--confirm "roll back to $back_to"
	[ "$status" = 0 ] || [ "$status" = 66 ] || diag "$out $err"
}

as()
{
	dumped >"$tmp/now"
	file_is "$tmp/now" "$tmp/$1" "$2"
}

"$top_srcdir/data/plans/intelligence-core/make-sample" "$root" --campaigns 30 \
	--events 300 --publishes 100 --feedbacks 20 --database "$DATABASE_URL"
dumped >"$tmp/start"
verb="run $plan --set environment=staging"
n=0
for step in schema prompts events events_log performance figures feedback; do
	n=$((n + 1))
	# shellcheck disable=SC2086 # words
	run_is 6 "up to $step" "$UPSHIFT" $verb --root "$root" --batch --yes \
		--stop-after "$step"
	dumped >"$tmp/CP$n"
	verb=resume
done

# from the top to each, where that can be, and up again
dumped >"$tmp/top"
r=0
for to in CP6 CP4 CP2 start; do
	for how in incremental backup schema; do
		back $to --strategy $how
		case $to.$how.$status in
		*.0)
			r=$((r + 1))
			as $to "$how: back to $to"
			back R$r
			r=$((r + 1))
			is "$status" 0 "and up to where it was"
			as top "as it was there"
			;;
		CP*.backup.66|*.schema.66)
			like "$err" 'cannot go back to' "$how: $to is refused"
			as top "nothing is changed" ;;
		*) is "$status" 0 "$how: back to $to"; diag "$out $err" ;;
		esac
	done
done

# step by step, from one checkpoint to the next below it
for n in 6 5 4 3 2 1; do
	back CP$n
	is "$status" 0 "back to CP$n"
	as CP$n "CP$n: as it was"
done
back start
is "$status" 0 'back to the start'
as start 'start: as it was'

done_testing
