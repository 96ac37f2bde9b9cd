#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual says of defaults and limits what the code has.
. "$(dirname "$0")/../lib/tap.sh"
cd "$top_srcdir" || exit 99

# rows: what it is | the page | what it says, its markup and line ends left
# aside | a file | what that has, for grep -E
tr '\n' ' ' <data/man/upshift-plan.5 | sed 's/ \.[A-Z][a-zA-Z]* / /g' |
	tr -s ' ' >"$tmp/upshift-plan.5"
tr '\n' ' ' <data/man/upshift.1 | sed 's/ \.[A-Z][A-Za-z]* / /g' |
	tr -s ' ' >"$tmp/upshift.1"
while IFS='|' read -r what page says file has; do
	case $what in
	''|'#'*) continue ;;
	esac
	grep -qE -e "$says" "$tmp/$page"
	ok $? "$what: $page" || diag "not there: $says"
	grep -qE -e "$has" "$file"
	ok $? "$what: $file" || diag "not there: $has"
done <<'TXT'
size of a plan|upshift-plan.5|at most 1 MiB, or standard input|src/plan.h|PLAN_SIZE_MAX \(1024 \* 1024\)
length of an id|upshift-plan.5|a letter first, at most 63|src/plan-names.c|ID_MAX 63$
time of a command of the application|upshift-plan.5|that each of them may take \(120\)|src/plan-groups.c|APP_TIMEOUT_S 120$
time of a snapshot|upshift-plan.5|timeout 10 minutes , ends the run|src/plan-snapshot.c|SNAPSHOT_TIMEOUT_S 600$
time of a notice|upshift-plan.5|at most a minute \(10 s\)|src/plan-notify.c|TIMEOUT_S 10$
the most of it|upshift-plan.5|at most a minute \(10 s\)|src/plan-notify.c|TIMEOUT_MAX_S 60$
rows at a time|upshift-plan.5|rows at a time, at most 200000|src/plan.h|PLAN_BATCH_MAX 200000$
rows at a time of all steps|upshift-plan.5|rows, at most 200000|src/plan.h|PLAN_BATCH_MAX 200000$
time of a batch|upshift-plan.5|as many as take about 0\.8 seconds|src/records-pace.c|TARGET_S 0\.8$
workers|upshift-plan.5|a number up to 64|src/plan.h|PLAN_WORKERS_MAX 64$
workers by themselves|upshift-plan.5|processors, from 2 to 4, into SQLite 2|src/step-records-job.c|WORKERS_AUTO 4$
time of a statement|upshift-plan.5|duration of one statement \(600\)|src/store-internal.h|STORE_STATEMENT_MS 600000$
time of a statement of all steps|upshift-plan.5|of one statement; 10 minutes|src/store-internal.h|STORE_STATEMENT_MS 600000$
attempts of a batch|upshift-plan.5|its connection \(60; 0: never\)|src/records-copy-lost.c|RETRIES 60u$
most attempts|upshift-plan.5|retries at most 1000|src/plan-groups.c|"retries", false, 0, 1000,
lost connections|upshift-plan.5|opened again for two minutes|src/records-copy-lost.c|PATIENCE_S 120\.0$
half of the rows|upshift-plan.5|half of its rows after three times|src/records-copy-lost.c|LOSSES_TO_HALVE 3$
the table is locked|upshift-plan.5|after six times, in PostgreSQL|src/records-copy-lost.c|LOSSES_TO_LOCK 6$
bad rows|upshift-plan.5|more bad rows than these \(100\)|src/step-records-parse.c|MAX_BAD 100$
bad lines|upshift-plan.5|more bad lines than these \(100\)|src/step-json-parse.c|MAX_BAD 100$
changes that wait|upshift-plan.5|no more changes than these \(1000000\)|src/step-records-parse.c|MAX_DELTA 1000000$
the answer to max_lag|upshift-plan.5|cannot be had within ten seconds|src/step-records-watch.c|LAG_S 10$
lock of a sql step|upshift-plan.5|a lock may be waited for \(2\)|src/step-sql-parse.c|LOCK_S 2$
attempts of a sql step|upshift-plan.5|connection is lost \(9; 0: never\)|src/step-sql.c|TRIES 10$
views without use|upshift-plan.5|unused_for duration \(30d\)|steps/sql.c|UNUSED_S \(30\.0 \* DAY_S\)
lock of a cutover|upshift-plan.5|lock_timeout is 0\.8 seconds|steps/cutover.c|LOCK_S 0\.8$
stall of a cutover|upshift-plan.5|max_stall duration \(60\)|steps/cutover.c|STALL_S 60\.0$
looks of a monitor|upshift-plan.5|between two looks \(60 s\)|steps/monitor.c|EVERY_S 60\.0$
time of a look|upshift-plan.5|of one look \(30 s\)|steps/monitor.c|TIMEOUT_S 30\.0$
time of a run step|upshift-plan.5|duration \(600\); then it is ended with all|steps/run.c|TIMEOUT_S 600$
time of a command check|upshift-plan.5|timeout duration \(30\)|steps/check-command.c|TIMEOUT_S 30$
time of a version check|upshift-plan.5|that it may take \(30\)|steps/check-version.c|TIMEOUT_S 30$
the second look|upshift-plan.5|before the second look \(5 s\)|steps/verify-records.c|PAUSE_S 5\.0$
slower queries|upshift-plan.5|tolerance \(2\.0\)|steps/verify-records.c|TOLERANCE 2\.0$
what does not count of them|upshift-plan.5|floor \(0\.5 s\)|steps/verify-records.c|FLOOR_S 0\.5$
rows of a sample|upshift-plan.5|also 10,000 records, chosen at random|src/records-verify.c|SAMPLE_ROWS 10000u$
timings|upshift-plan.5|how often it is measured \(5\)|steps/check-timing.c|runs = 5;
slower commands|upshift-plan.5|as a ratio \(1\.10\)|steps/check-timing.c|tolerance = 1\.10;
what does not count of these|upshift-plan.5|that does not count \(0\.5\)|steps/check-timing.c|floor_s = 0\.5;
lines of progress|upshift.1|between lines of progress \(30\)|ui/batch.c|PROGRESS_S 30$
in plain mode|upshift.1|between lines of progress \(30\)|ui/plain-page.c|PROGRESS_S 30\.0$
TXT

# statuses: those that the code ends with, and no others
{
	sed -n 's/^[[:space:]]*X(ERR_[A-Z_]*, [0-9]*, \([0-9]*\)).*/\1/p' \
		src/base/error.h
	sed -n 's/^[[:space:]]*EXIT_[A-Z_]* = \([0-9]*\),$/\1/p' \
		src/engine-internal.h
} | sort -un >"$tmp/code"
sed -n '/^\.SH EXIT STATUS/,/^\.SH FILES/s/^\([0-9][0-9]*\)\t.*/\1/p' \
	data/man/upshift.1 | sort -un >"$tmp/manual"
is "$(cat "$tmp/manual")" "$(cat "$tmp/code")" 'each status is in upshift(1)'
for option in $(sed -n 's/^\t{ "\([a-z-]*\)", [a-z_]*argument, .*/\1/p' \
	ui/options.c); do
	tr -d '\\' <data/man/upshift.1 | grep -q -e "--$option"
	ok $? "--$option is in upshift(1)"
done
done_testing
