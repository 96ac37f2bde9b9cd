# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# PostgreSQL servers of a test's own; source it behind tap.sh.
#
#   pg_need                 skips the whole test where no server is installed
#   pg_start NAME [SET=VAL]...
#                           makes and starts a server, or starts it again; on
#                           a socket alone, as a user without rights
#   pg_scene NAME           what most tests begin with: pg_need, $root and $plan,
#                           a server, pg_conn of it as $PG in the environment,
#                           and sql TEXT, which is a statement there
#   pg_stop NAME [SIGNAL]   INT: at once, in order (default); KILL: a crash
#   pg_url NAME [DBNAME]    "pg:..." for a plan
#   pg_conn NAME [DBNAME]   the same for libpq; here and below NAME may be
#                           NAME/DBNAME
#   pg_sql NAME [OPTION]... psql, unaligned, no headings; reads stdin or -c
#   pg_dumped CONN [OPTION]...
#                           pg_dump but for the row of the run, and for words
#                           that no two dumps share; CONN as of pg_conn
#   pg_proxy NAME TRIGGER MANNER EVERY TIMES
#                           starts anew what cuts connections (pg-proxy.c)
#   pg_pooler NAME transaction|session
#                           a pooler in its place (pg-pooler.py)
#   pg_proxy_conn NAME      pg_conn through either
#   pg_cuts NAME [MANNER]   how often it did so since
#   pg_hold NAME TABLE [MODE]
#                           locks it (ACCESS EXCLUSIVE) until pg_let_go
#   pg_kill_at NAME TABLE ARGUMENT...
#                           upshift, killed where it waits for that table;
#                           pg_mode: as MODE of pg_hold
#
# SET=VAL without blanks, e.g. default_transaction_isolation=serializable.
#
# Servers end with the test, by their process ids.

pg_base=

pg_bin=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null |
	sort -V | tail -n 1)
pg_bin=${pg_bin%/initdb}

pg_need()
{
	[ -n "$pg_bin" ] || skip_all "no PostgreSQL server is installed"
	command -v setpriv >/dev/null || skip_all "no setpriv"
	stores_need pg
	# short: the name of a socket has 107 bytes
	pg_base=$(mktemp -d /tmp/upshift-pg.XXXXXX) || exit 99
	[ "$(id -u)" != 0 ] || chown nobody "$pg_base" || exit 99
	trap 'pg_cleanup; tap_cleanup' EXIT
}

# in the place of this shell: as nobody if we are root; ends with our parent
pg_exec()
{
	cd / || exit 99
	if [ "$(id -u)" = 0 ]; then
		exec setpriv --reuid nobody --regid nogroup --clear-groups \
			--pdeathsig QUIT "$@"
	fi
	exec setpriv --pdeathsig QUIT "$@"
}

pg_make()
{
	(pg_exec mkdir "$1" "$1/sock") &&
		(pg_exec "$pg_bin/initdb" -D "$1/data" -A trust -U upshift \
			-N -E UTF8 --no-locale >/dev/null) || exit 99
}

pg_start()
{
	pg_dir=$pg_base/$1
	shift
	pg_sets=
	for pg_set; do
		pg_sets="$pg_sets -c $pg_set"
	done
	[ -d "$pg_dir" ] || pg_make "$pg_dir"
	# a new one: what a crash left behind still writes to the old one
	rm -f "$pg_dir/fifo"
	(pg_exec mkfifo "$pg_dir/fifo") || exit 99
	# shellcheck disable=SC2086 # words
	(pg_exec "$pg_bin/postgres" -D "$pg_dir/data" -k "$pg_dir/sock" \
		-c listen_addresses= -c log_min_messages=log -c fsync=off \
		-c max_connections=40 -c shared_buffers=16MB $pg_sets \
		>"$pg_dir/fifo" 2>&1) &
	echo $! >"$pg_dir.pid"
	exec 9<"$pg_dir/fifo"
	pg_up=
	while [ -z "$pg_up" ] && IFS= read -r pg_line <&9; do
		printf '%s\n' "$pg_line" >>"$pg_dir.log"
		case $pg_line in
		*"ready to accept connections"*) pg_up=1 ;;
		esac
	done
	# it must not block on a log that nobody reads
	cat <&9 >>"$pg_dir.log" &
	exec 9<&-
	if [ -z "$pg_up" ]; then
		diag "PostgreSQL did not start: $(tail -n 5 "$pg_dir.log")"
		exit 99
	fi
}

pg_scene()
{
	pg_need
	root=$tmp/data
	plan=$tmp/a.plan
	pg_start "$1"
	pg_scene=$1
	PG=$(pg_conn "$1")
	export PG
}

sql()
{
	pg_sql "$pg_scene" -c "SET client_min_messages = error; $1"
}

pg_stop()
{
	pg_pid=$(cat "$pg_base/$1.pid" 2>/dev/null) || return 0
	rm -f "$pg_base/$1.pid"
	pg_left=$(cat "/proc/$pg_pid/task/$pg_pid/children" 2>/dev/null)
	kill -s "${2:-INT}" "$pg_pid" 2>/dev/null
	wait "$pg_pid" 2>/dev/null
	[ "${2:-INT}" = KILL ] || return 0
	# what a crash leaves; its processes end by themselves, and no other
	# server begins before
	for pg_pid in $pg_left; do
		while kill -0 "$pg_pid" 2>/dev/null; do :; done
	done
	rm -f "$pg_base/$1/data/postmaster.pid"
}

pg_conn()
{
	case $1 in
	*/*) set -- "${1%%/*}" "${1#*/}" ;;
	esac
	printf 'host=%s/%s/sock user=upshift dbname=%s' "$pg_base" "$1" \
		"${2:-postgres}"
}

pg_url()
{
	printf 'pg:%s' "$(pg_conn "$@")"
}

pg_sql()
{
	pg_name=$1
	shift
	"$pg_bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 \
		-d "$(pg_conn "$pg_name")" "$@"
}

pg_dumped()
{
	pg_from=$1
	shift
	"$pg_bin/pg_dump" -T _upshift_run "$@" -d "$pg_from" |
		grep -v '^\\\(un\)\{0,1\}restrict '
}

# pg_before NAME PROGRAM ARGUMENT...: one that stands before the server
pg_before()
{
	pg_dir=$pg_base/$1.px
	pg_proxy_stop "$1"
	mkdir -p "$pg_dir"
	: >"$pg_dir/cuts"
	rm -f "$pg_dir/fifo"
	mkfifo "$pg_dir/fifo" || exit 99
	pg_behind=$pg_base/$1/sock
	pg_program=$2
	shift 2
	"$pg_program" "$pg_dir" "$pg_behind" "$@" >"$pg_dir/fifo" &
	echo $! >"$pg_dir/pid"
	IFS= read -r pg_line <"$pg_dir/fifo"
	[ "$pg_line" = ready ] || exit 99
}

pg_proxy()
{
	pg_name=$1
	shift
	pg_before "$pg_name" "$top_builddir/tests/lib/pg-proxy" "$@"
}

pg_pooler()
{
	pg_before "$1" "$top_srcdir/tests/lib/pg-pooler.py" "$2"
}

pg_proxy_stop()
{
	pg_pid=$(cat "$pg_base/$1.px/pid" 2>/dev/null) || return 0
	rm -f "$pg_base/$1.px/pid"
	kill "$pg_pid" 2>/dev/null
	wait "$pg_pid" 2>/dev/null
	return 0
}

pg_proxy_conn()
{
	printf 'host=%s/%s.px user=upshift dbname=postgres' "$pg_base" "$1"
}

pg_cuts()
{
	grep -c "${2:-.}" "$pg_base/$1.px/cuts"
}

pg_hold()
{
	mkfifo "$pg_base/in" "$pg_base/out"
	pg_sql "$1" <"$pg_base/in" >"$pg_base/out" 2>&1 &
	pg_holder=$!
	exec 8>"$pg_base/in" 7<"$pg_base/out"
	echo "BEGIN; LOCK TABLE $2 IN ${3:-${pg_mode:-ACCESS EXCLUSIVE}} MODE; SELECT 'held';" >&8
	while IFS= read -r pg_said <&7; do
		[ "$pg_said" != held ] || return 0
		diag "of who was to hold $2: $pg_said"
	done
	return 1
}

pg_let_go()
{
	echo "ROLLBACK;" >&8
	exec 8>&- 7<&-
	wait "$pg_holder"
	rm -f "$pg_base/in" "$pg_base/out"
}

# until somebody waits for what is held
pg_await_waiter()
{
	pg_waits=0
	while [ $pg_waits -lt 500 ]; do
		[ "$(pg_sql "$1" -c "SELECT count(*) FROM pg_stat_activity WHERE
			wait_event_type = 'Lock'")" = 0 ] || return 0
		pg_waits=$((pg_waits + 1))
	done
	diag "nobody waits: $(cat "$tmp/said")"
	return 1
}

pg_kill_at()
{
	pg_victim_of=$1
	pg_hold "$1" "$2"
	shift 2
	"$UPSHIFT" "$@" >"$tmp/said" 2>&1 &
	pg_victim=$!
	pg_await_waiter "$pg_victim_of"
	kill -9 "$pg_victim"
	wait "$pg_victim" 2>/dev/null
	pg_let_go
}

pg_cleanup()
{
	[ -n "$pg_base" ] || return 0
	for pg_file in "$pg_base"/*.pid; do
		[ -e "$pg_file" ] || continue
		pg_file=${pg_file##*/}
		pg_stop "${pg_file%.pid}"
	done
	for pg_file in "$pg_base"/*.px; do
		[ -e "$pg_file" ] || continue
		pg_file=${pg_file##*/}
		pg_proxy_stop "${pg_file%.px}"
	done
	rm -rf "$pg_base"
}
