#!/bin/sh
# SPDX-License-Identifier: MIT
# A sample of the kill and full-disk sweeps; all of it: make check-kill.
. "$(dirname "$0")/../lib/tap.sh"
command -v python3 >/dev/null || skip_all 'no python3'

# sweep PHASE WHAT EVERY FIRST NAME
sweep()
{
	python3 "$top_srcdir/tests/fault/sweep.py" "$1" "$2" "$3" "$4" \
		>"$tmp/sweep" 2>&1
	ok $? "$5: $(sed -n 's/^[a-z ]*1 - //p' "$tmp/sweep")" ||
		sed -n 's/^# /#   /p' "$tmp/sweep"
}

sweep run kill 29 1 'killed in a run, resumed, rolled back'
sweep run kill-after 97 5 'killed behind a change'
sweep resume kill 61 2 'killed again in the resume'
sweep rollback kill 37 3 'killed in a rollback'
sweep run ENOSPC 61 7 'disk full in a run'
sweep rollback ENOSPC 61 11 'disk full in a rollback'
sweep run EIO 97 13 'an I/O error in a run'
done_testing
