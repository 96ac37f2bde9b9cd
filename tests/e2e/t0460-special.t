#!/bin/sh
# SPDX-License-Identifier: MIT
# Data as it is met: any byte in a name, every kind of file, databases that are
# written to, links that lead out. All of it comes back, or is refused by name.
. "$(dirname "$0")/../lib/tap.sh"
command -v python3 >/dev/null || skip_all 'no python3'
tree="python3 $top_srcdir/tests/lib/tree.py"
root=$tmp/data

plan()
{
	cat >"$tmp/plan" <<TXT
plan = 1; name = "special"; title = "Special"; from = "1"; to = "2";
backup: { include = ["keep"]; };
$1
steps = (
  { id = "moved"; kind = "move"; from = "keep"; to = "new/keep"; },
  { id = "gone"; kind = "remove"; paths = ["new/keep/**"]; needs = ["moved"]; } );
TXT
}

up()
{
	"$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes "$@"
}

back()
{
	"$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
}

same()
{
	$tree "$root" .upshift >"$tmp/after"
	file_is "$tmp/after" "$tmp/before" "$1"
}

fresh()
{
	chmod -R u+rwx "$root" 2>/dev/null
	rm -rf "$root" "$tmp/outside"
	mkdir -p "$root/keep" "$tmp/outside"
	echo a >"$root/keep/a"
}

# --- every name and every kind ---

cat >"$tmp/make.py" <<'TXT'
import os
import socket
import sys

os.chdir(sys.argv[1])
names = [b"-rf", b" ", b"new\nline", b"tab\t", b"\x1b[31mred", b"\xff\xfe",
         "e\u0301".encode(), "\u00e9".encode(), b"n" * 255, b"quote'\"",
         b"back\\slash", b"*", b"?", b"[x]", b"$(id)", b"~", b"#", b"%s",
         b".hidden", b"..dots"]
os.mkdir(b"d")
for n in names:
    with open(n, "wb") as f:
        f.write(b"in " + n)
    os.mkdir(b"d/" + n)
    with open(b"d/" + n + b"/" + n, "wb") as f:
        f.write(n)
os.symlink(b"\xffnowhere", b"dangling")
os.symlink(b"/etc/passwd", b"absolute")
os.mkfifo(b"fifo", 0o640)
socket.socket(socket.AF_UNIX).bind(b"socket")
os.link(b"-rf", b"d/linked")
with open(b"sparse", "wb") as f:
    f.truncate((4 << 30) + 5)
    f.seek(3 << 30)
    f.write(b"middle")
os.mkdir(b"empty")
os.mkdir(b"closed")
for name, mode in ((b"closed/in", 0o644), (b"suid", 0o4755), (b"none", 0o400)):
    with open(name, "w") as f:
        f.write("x")
    os.chmod(name, mode)
# nobody but root may remove what is in it
os.chmod(b"closed", 0o700 if os.geteuid() else 0o500)
at = os.open(b".", os.O_RDONLY)
for part in [b"deep"] + [b"x" * 100] * 30:
    os.mkdir(part, dir_fd=at)
    at = os.open(part, os.O_RDONLY, dir_fd=at)
os.close(os.open(b"file", os.O_CREAT | os.O_WRONLY, dir_fd=at))
try:
    os.setxattr(b"a", b"user.note", b"\0\xff")
    os.setxattr(b"empty", b"user.empty", b"")
except OSError:
    pass
for n in os.listdir(b"."):
    os.utime(n, ns=(-5 * 10**9 + 7, -5 * 10**9 + 7), follow_symlinks=False)
TXT

plan ''
fresh
python3 "$tmp/make.py" "$root/keep" || exit 99
$tree "$root" .upshift | grep -v '/socket ' >"$tmp/before"
run up
case $status in
0|3) ok 0 'a tree with everything' ;;
*) ok 1 "a tree with everything: status $status" || diag "$err" ;;
esac
like "$out" 'socket' 'what cannot be kept is named'
[ -z "$(ls -A "$root/new/keep")" ]
ok $? 'all of it was removed'
run_is 0 'rollback' back
$tree "$root" .upshift | grep -v '/socket ' >"$tmp/after"
file_is "$tmp/after" "$tmp/before" 'all of it is back, to the byte and the nanosecond'
[ "$(stat -c %b "$root/keep/sparse")" -lt 100 ]
ok $? 'holes are holes again'

# --- what leads out is refused by name, unless the plan says otherwise ---

fresh
ln "$root/keep/a" "$tmp/outside/hard"
$tree "$root" .upshift >"$tmp/before"
run_is 1 'a hard link from outside' up
like "$err" 'keep/a' 'is named'
same 'nothing is changed'
plan 'hard_links = "break";'
run up
case $status in
0|3) ok 0 'the plan may break it' ;;
*) ok 1 'the plan may break it' || diag "$err" ;;
esac
run_is 0 'rollback' back
is "$(cat "$root/keep/a" "$tmp/outside/hard")" 'a
a' 'both hold what they held'
plan ''
fresh
echo out >"$tmp/outside/file"
ln -s "$tmp/outside" "$root/keep/linked"
$tree "$root" .upshift >"$tmp/before"
run_is 1 'a directory that is a link' up
like "$err" 'keep/linked' 'is named'
same 'nothing is changed'
is "$(cat "$tmp/outside/file")" out 'nor outside'

# --- our own directory is ours ---

plan ''
fresh
ln -s "$tmp/outside" "$root/.upshift"
run up
case $status in
73|74|77) ok 0 "a state directory that is a link: status $status" ;;
*) ok 1 "a state directory that is a link: status $status" || diag "$err" ;;
esac
is "$(ls -A "$tmp/outside")" '' 'is not followed'
fresh
run_is 0 'a run' up
cp -a "$root" "$tmp/copy"
run_is 74 'a copied directory has no run of its own' "$UPSHIFT" rollback --root "$tmp/copy" --batch --confirm 'roll back to start'
like "$err" 'not this directory' 'which is said'
mv "$root" "$tmp/moved"
run_is 0 'one that was moved can be looked at' "$UPSHIFT" status --root "$tmp/moved"
run_is 74 'but not gone on with' "$UPSHIFT" rollback --root "$tmp/moved" --batch --confirm 'roll back to start'
like "$err" 'move it back' 'and how'
mv "$tmp/moved" "$root"
run_is 0 'moved back' back

# --- a database that is written to ---

cat >"$tmp/writer.py" <<'TXT'
import sqlite3
import sys

db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("pragma journal_mode = wal")
db.execute("create table t (n integer)")
db.execute("insert into t values (1)")
print("ready", flush=True)
n = 1
for line in sys.stdin:
    n += 1
    db.execute("insert into t values (?)", (n,))
    print(n, flush=True)
TXT
cat >"$tmp/look.py" <<'TXT'
import sqlite3
import sys

db = sqlite3.connect(sys.argv[1])
print(db.execute("pragma integrity_check").fetchone()[0],
      db.execute("select count(*) from t").fetchone()[0])
TXT

if python3 -c 'import sqlite3' 2>/dev/null; then
	cat >"$tmp/plan" <<'TXT'
plan = 1; name = "db"; title = "DB"; from = "1"; to = "2";
backup: { include = ["app.db", "keep"]; };
steps = ( { id = "w"; kind = "write"; path = "keep/w"; text = "w"; } );
TXT
	fresh
	mkfifo "$tmp/in" "$tmp/out"
	timeout 100 python3 "$tmp/writer.py" "$root/app.db" <"$tmp/in" >"$tmp/out" &
	exec 5>"$tmp/in" 6<"$tmp/out"
	read -r _ <&6
	if ! "$UPSHIFT" --version | grep -qw sqlite; then
		run_is 69 'without SQLite: a database in use' up
		exec 5>&- 6<&-
		wait
		done_testing
		exit
	fi
	run_is 0 'a run beside a database in use' up
	[ -e "$root/app.db-wal" ]
	ok $? 'what its writer has not written back is there still'
	echo more >&5
	read -r n <&6
	is "$n" 2 'who goes on writing'
	exec 5>&- 6<&-
	wait
	mkdir "$tmp/bare"
	tar --zstd -xpf "$root"/.upshift/runs/*/backup/start.tar.zst -C "$tmp/bare" 2>/dev/null
	is "$(python3 "$tmp/look.py" "$tmp/bare/app.db")" 'ok 1' 'what was saved is whole and opens'
else
	skip 'no sqlite3 in python' 'a database in use'
fi
done_testing
