#!/bin/sh
# SPDX-License-Identifier: MIT
# Who may include what: ui -> src <- steps, src -> base, base -> libc.
. "$(dirname "$0")/../lib/tap.sh"
cd "$top_srcdir" || exit 99

# none PATTERN NAME FILE...: no #include line of the files matches
none()
{
	pattern=$1
	name=$2
	shift 2
	hits=$(grep -nE "^#[[:space:]]*include[[:space:]]*[<\"]($pattern)" \
		/dev/null "$@")
	[ -z "$hits" ]
	ok $? "$name" || diag "$hits"
}

base=$(find src/base -name '*.[ch]')
src=$(find src -name '*.[ch]')
steps=$(find steps -name '*.[ch]')
ui=$(find ui -name '*.[ch]' ! -name main.c)
src_headers=$(find src -maxdepth 1 -name '*.h' -exec basename {} \; |
	paste -s -d '|')
kinds=$(find steps -name '*.h' ! -name steps.h -exec basename {} \; |
	paste -s -d '|')
only()
{
	find src steps ui -name '*.[ch]' | grep -vE "$1"
}

# shellcheck disable=SC2086 # lists of words
{
	none "$src_headers" 'base knows nothing above it' $base
	none 'steps\.h|ui/|tui/|command\.h|text\.h|frontend\.h' \
		'src knows no step kind and no front end' $src
	none 'engine\.h|engine-internal\.h|journal\.h|run\.h|control\.h|backup\.h|undo\.h' \
		'steps do not see engine, journal, run or backup' $steps
	none 'steps\.h|steps/' 'front ends do not see the kinds' $ui
	[ -z "$kinds" ] || none "$kinds" 'no step kind has a header' $steps
	none 'ncurses|curses\.h|ncursesw|panel\.h' 'curses only in ui/tui' \
		$(only '^ui/tui/')
	none 'libconfig' 'libconfig only in src/plan.c' $(only '^src/plan\.c$')
	none 'archive\.h|archive_entry\.h' \
		'libarchive only in backup*.c and restore*.c' \
		$(only '^src/(backup|restore)[a-z-]*\.[ch]$')
	none 'sqlite3\.h' 'SQLite only in sqlite-copy-api.c and the stores' \
		$(only '^src/(sqlite-copy-api|store-sqlite[a-z-]*)\.c$')
	none 'libpq-fe\.h|libpq/|pg_config' 'libpq only in store-pg' \
		$(only '^src/store-pg[a-z-]*\.[ch]$')
	none 'store-internal\.h' 'only stores look into stores' \
		$(only '^src/store[a-z-]*\.[ch]$')
}

prints=$(grep -nE '\b(printf|puts|putchar|fputs|fprintf|vprintf|perror|dprintf|vdprintf)[[:space:]]*\(' \
	$src $steps | grep -vE '^src/base/xalloc\.c:')
[ -z "$prints" ]
ok $? 'src and steps print nothing' || diag "$prints"

writes=$(grep -nE '[^_a-zA-Z>.](rename|renameat|renameat2|unlink|unlinkat|mkdirat|mkdir|symlinkat|linkat|ftruncate|utimensat|futimens|fchmod|fchmodat|fchown|fchownat|fsync|fdatasync|syncfs|fallocate|pwrite|mknodat|mkfifoat)[[:space:]]*\(' \
	$(find src -maxdepth 1 -name '*.c') $steps |
	grep -vE '^[^:]*:[0-9]*:[[:space:]]*(\*|/\*)')
[ -z "$writes" ]
ok $? 'changes to the disk go through fsutil' || diag "$writes"

done_testing
