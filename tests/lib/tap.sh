# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# TAP in shell. Source it, call ok/is/..., end with done_testing.
#
#   ok STATUS NAME          passes if STATUS is 0:  cmd; ok $? "it works"
#   is GOT WANTED NAME
#   like TEXT PATTERN NAME  extended regular expression
#   file_is FILE WANTED-FILE NAME
#   skip REASON NAME        counted as skipped
#   stores_need KIND...     skips the test where upshift has them not;
#   sqlite_need             the same, and where there is no sqlite3
#   run CMD...              stdout in $out, stderr in $err, status in $status
#
# $tmp is a private directory, removed at the end; HOME and XDG_STATE_HOME
# point into it, so that no test touches the user's own.

# Behind nohup or in the background of a script some signals are ignored, and a
# shell cannot change that for what it starts.
if [ -z "${TAP_SIGNALS:-}" ] &&
   env --default-signal=HUP,INT,QUIT true 2>/dev/null; then
	TAP_SIGNALS=default
	export TAP_SIGNALS
	exec env --default-signal=HUP,INT,QUIT sh "$0" "$@"
fi

LC_ALL=C
export LC_ALL
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=$top_srcdir/build}"
: "${UPSHIFT:=$top_builddir/upshift}"
export top_srcdir top_builddir UPSHIFT

tmp=$(mktemp -d "${TMPDIR:-/tmp}/upshift-test.XXXXXX") || exit 99
HOME=$tmp/home
XDG_STATE_HOME=$tmp/home/state
mkdir -p "$HOME"
export HOME XDG_STATE_HOME
unset UPSHIFT_STATE_DIR UPSHIFT_BACKUP_DIR UPSHIFT_TEST_FAULT
unset LANGUAGE LANG

tap_n=0
tap_failed=0

tap_cleanup()
{
	chmod -R u+rwx "$tmp" 2>/dev/null
	rm -rf "$tmp"
}
trap tap_cleanup EXIT
trap 'exit 99' HUP INT TERM

diag()
{
	printf '%s\n' "$*" | sed 's/^/# /'
}

ok()
{
	tap_n=$((tap_n + 1))
	if [ "$1" = 0 ]; then
		printf 'ok %d - %s\n' "$tap_n" "$2"
		return 0
	fi
	printf 'not ok %d - %s\n' "$tap_n" "$2"
	tap_failed=$((tap_failed + 1))
	return 1
}

is()
{
	if [ "$1" = "$2" ]; then
		ok 0 "$3"
	else
		ok 1 "$3"
		diag "got:    $1"
		diag "wanted: $2"
		return 1
	fi
}

like()
{
	if printf '%s\n' "$1" | grep -Eq -- "$2"; then
		ok 0 "$3"
	else
		ok 1 "$3"
		diag "got:     $1"
		diag "pattern: $2"
		return 1
	fi
}

unlike()
{
	if printf '%s\n' "$1" | grep -Eq -- "$2"; then
		ok 1 "$3"
		diag "got:     $1"
		diag "pattern that should not match: $2"
		return 1
	else
		ok 0 "$3"
	fi
}

file_is()
{
	if cmp -s "$1" "$2"; then
		ok 0 "$3"
	else
		ok 1 "$3"
		diff -u "$2" "$1" | head -n 30 | sed 's/^/# /'
		return 1
	fi
}

skip()
{
	tap_n=$((tap_n + 1))
	printf 'ok %d - %s # SKIP %s\n' "$tap_n" "$2" "$1"
}

skip_all()
{
	printf '1..0 # SKIP %s\n' "$1"
	exit 0
}

# skips the whole test where upshift was built without one of these stores
stores_need()
{
	for tap_store; do
		"$UPSHIFT" --version | grep -qw "$tap_store" ||
			skip_all "built without stores in $tap_store"
	done
}

sqlite_need()
{
	stores_need sqlite
	command -v sqlite3 >/dev/null || skip_all 'no sqlite3'
}

# shellcheck disable=SC2034 # for the caller
run()
{
	"$@" >"$tmp/.out" 2>"$tmp/.err" </dev/null
	status=$?
	out=$(cat "$tmp/.out")
	err=$(cat "$tmp/.err")
}

# run_is STATUS NAME CMD...
run_is()
{
	tap_want=$1
	tap_name=$2
	shift 2
	run "$@"
	if [ "$status" = "$tap_want" ]; then
		ok 0 "$tap_name"
	else
		ok 1 "$tap_name"
		diag "exit status $status, wanted $tap_want: $*"
		printf '%s\n' "$out" | tail -n 20 | sed 's/^/# out: /'
		printf '%s\n' "$err" | tail -n 20 | sed 's/^/# err: /'
		return 1
	fi
}

done_testing()
{
	printf '1..%d\n' "$tap_n"
	[ "$tap_failed" = 0 ]
}
