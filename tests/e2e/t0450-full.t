#!/bin/sh
# SPDX-License-Identifier: MIT
# No room: a data directory, a state directory or a backup on a file system that
# is full, in blocks or in inodes. Nothing is lost, and it goes on with room.
. "$(dirname "$0")/../lib/tap.sh"

# mounting needs root, or a user namespace of one's own
if [ -z "${UPSHIFT_TEST_INSIDE-}" ]; then
	if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
		how='unshare -m'
	elif unshare -Urm true 2>/dev/null; then
		how='unshare -Urm'
	else
		skip_all 'no namespace to mount in'
	fi
	UPSHIFT_TEST_INSIDE=1
	export UPSHIFT_TEST_INSIDE
	$how sh "$0"
	exit
fi
tree="python3 $top_srcdir/tests/lib/tree.py"
root=$tmp/disk/data
mkdir "$tmp/disk"
cat >"$tmp/plan" <<'TXT'
plan = 1; name = "full"; title = "Full"; from = "1"; to = "2";
backup: { include = ["keep"]; };
steps = (
  { id = "dirs"; kind = "mkdir"; paths = ["new"]; },
  { id = "change"; kind = "write"; path = "keep/b"; text = "changed\n"; replace = true; },
  { id = "copied"; kind = "copy"; from = "keep/noise"; to = "new/noise"; },
  { id = "moved"; kind = "move"; from = "keep/a"; to = "new/a"; } );
TXT

# disk OPTIONS: a new file system with the data on it
disk()
{
	umount "$tmp/disk" 2>/dev/null
	mount -t tmpfs -o "$1" tmpfs "$tmp/disk" || skip_all 'no tmpfs'
	mkdir -p "$root/keep"
	echo a >"$root/keep/a"
	echo b >"$root/keep/b"
	head -c 200000 /dev/urandom >"$root/keep/noise"
	$tree "$root" .upshift >"$tmp/before"
}

same()
{
	$tree "$root" .upshift >"$tmp/after"
	file_is "$tmp/after" "$tmp/before" "$1"
}

# fill BYTES: only so much room is left
fill()
{
	rm -f "$tmp/disk/filler"
	free=$(($(stat -f -c '%a * %S' "$tmp/disk")))
	[ "$free" -le "$1" ] || head -c $((free - $1)) /dev/zero >"$tmp/disk/filler"
}

up()
{
	"$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes "$@"
}

finish()
{
	rm -f "$tmp/disk/filler"
	run "$UPSHIFT" resume --root "$root" --batch --yes
	[ "$status" != 66 ] || run up
	is "$status" 0 "$1: goes on when there is room"
	run_is 0 "$1: and back" "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
	same "$1: as it was"
}

reached=0
for room in 0 4096 16384 65536 131072 262144 300000 350000 400000 450000 500000 600000 800000 1000000 1400000 2000000; do
	disk size=3m
	fill "$room"
	run up
	case $status in
	0)
		ok 0 "$room bytes are enough"
		reached=1
		break ;;
	1|2|73|74) ok 0 "$room bytes: status $status" ;;
	*) ok 1 "$room bytes: status $status"; diag "$err" ;;
	esac
	like "$err" 'no space left|No space left|too little|needs? |not enough' "$room bytes: it is said"
	case $status in
	1|73) same "$room bytes: nothing is changed" ;;
	esac
	finish "$room bytes"
done
is "$reached" 1 'with room enough it goes through'

# the check tells need and have before anything begins
disk size=3m
{
	sed '$d' "$tmp/plan"
	printf ');\nchecks = ( { id = "C"; kind = "space"; extra = "50M"; } );\n'
} | sed 's/ );$/ )/' >"$tmp/space.plan"
sed 's/^  { id = "moved".*/  { id = "moved"; kind = "move"; from = "keep\/a"; to = "new\/a"; } );/' "$tmp/plan" >"$tmp/space.plan"
printf 'checks = ( { id = "C"; kind = "space"; extra = "50M"; } );\n' >>"$tmp/space.plan"
run_is 1 'too little room' "$UPSHIFT" run "$tmp/space.plan" --root "$root" --batch --yes --json
like "$out" '"type":"check".*"state":"fail".*"need":[0-9]+,"have":[0-9]+' 'need and have are numbers'
like "$out" '"type":"error".*E-2041' 'and it has its code'
same 'nothing is changed'

# a rollback with too little room says so and can be tried again
disk size=3m
run_is 0 'a run' up
echo theirs >>"$root/keep/b"
fill 0
run "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
case $status in
0|2) ok 0 "a rollback on a full disk: status $status" ;;
*) ok 1 "a rollback on a full disk: status $status"; diag "$err" ;;
esac
rm -f "$tmp/disk/filler"
run "$UPSHIFT" resume --root "$root" --batch
run "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
same 'with room it is as it was'

# inodes
for inodes in 8 12 16 20 24 28 32 36 40 48 56 64; do
	disk size=3m,nr_inodes=200
	n=0
	while [ "$(stat -f -c %d "$tmp/disk")" -gt "$inodes" ] && [ "$n" -lt 200 ]; do
		: >"$tmp/disk/filler$n"
		n=$((n + 1))
	done
	run up
	case $status in
	0|1|2|73|74) ok 0 "$inodes inodes: status $status" ;;
	*) ok 1 "$inodes inodes: status $status"; diag "$err" ;;
	esac
	[ "$status" != 0 ] || break
	rm -f "$tmp/disk/filler"*
	finish "$inodes inodes"
done
is "$status" 0 'with inodes enough it goes through'

# the backup elsewhere is full
disk size=3m
mkdir "$tmp/small"
mount -t tmpfs -o size=64k tmpfs "$tmp/small"
run_is 1 'the backup does not fit' up --backup-dir "$tmp/small/backup"
like "$err" 'No space left|too little|needs? ' 'which is said'
same 'nothing is changed'
run_is 0 'the attempt is given up' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
# a file system of its own in the data, for backups
mkdir "$root/backups"
mount -t tmpfs -o size=64k tmpfs "$root/backups"
run_is 1 'nor there, in the data' up --backup-dir "$root/backups"
like "$err" 'No space left|too little|needs? ' 'its room is what counts'
run_is 0 'the attempt is given up' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
umount "$root/backups"
rmdir "$root/backups"
run_is 0 'elsewhere it does' up --backup-dir "$tmp/backup"
umount "$tmp/small"
umount "$tmp/disk"
done_testing
