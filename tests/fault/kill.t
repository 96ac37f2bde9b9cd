#!/bin/sh
# SPDX-License-Identifier: MIT
# A sample of the kill and full-disk sweeps; all of it: make check-kill.
. "$(dirname "$0")/../lib/tap.sh"
command -v python3 >/dev/null || skip_all 'no python3'

# in memory, where there is such: a kill does not lose what was written, so
# the disk would only make it slower
if [ -d /dev/shm ] && [ -w /dev/shm ]; then
	TMPDIR=/dev/shm
	export TMPDIR
fi

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
sweep return kill 41 4 'killed on the way back to R1'
sweep run ENOSPC 61 7 'disk full in a run'
sweep rollback ENOSPC 61 11 'disk full in a rollback'
sweep run EIO 97 13 'an I/O error in a run'
SWEEP_BACKUP=backups
export SWEEP_BACKUP
sweep run kill 43 2 'backup in the data: killed in a run'
sweep rollback kill 61 4 'backup in the data: killed in a rollback'
sweep return kill 97 6 'backup in the data: killed on the way back to R1'
sweep run ENOSPC 97 3 'backup in the data: disk full'
unset SWEEP_BACKUP
if strace -qq -o /dev/null true 2>/dev/null; then
	sweep run strace:write 61 7 'strace: killed at write'
	sweep run strace:pwrite64 19 2 'strace: killed at journal records'
	sweep run strace:renameat 13 1 'strace: killed at renames'
	sweep run strace:openat2 211 3 'strace: killed at opens'
	sweep rollback strace:renameat2 7 1 'strace: killed at renames of a rollback'
	sweep rollback strace:utimensat 5 1 'strace: killed at times'
	sweep run strace:write:ENOSPC 61 5 'strace: no room at write'
	sweep rollback strace:write:ENOSPC 1 -4 'strace: no room for the last words'
	sweep run strace:fsync:EIO 31 3 'strace: fsync fails'
else
	skip 'strace cannot trace here' 'strace sweeps'
fi
done_testing
