#!/bin/sh
# SPDX-License-Identifier: MIT
# A secret key and what kills leave of it: a sample of the points; all of them:
# make check-kill.
. "$(dirname "$0")/../lib/tap.sh"
command -v python3 >/dev/null || skip_all 'no python3'

# sweep PHASE EVERY FIRST NAME
sweep()
{
	python3 "$top_srcdir/tests/fault/canary.py" "$1" "$2" "$3" \
		>"$tmp/sweep" 2>&1
	ok $? "$4: $(sed -n 's/^[a-z ]*1 - //p' "$tmp/sweep")" ||
		sed -n 's/^# /#   /p' "$tmp/sweep"
}

# in memory, where there is such (see kill.t)
if [ -d /dev/shm ] && [ -w /dev/shm ]; then
	TMPDIR=/dev/shm
	export TMPDIR
fi
sweep run 47 38 'killed in a run'
sweep resume 89 7 'killed again in the resume'
sweep rollback 67 11 'killed in a rollback'
done_testing
