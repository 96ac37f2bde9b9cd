#!/bin/sh
# SPDX-License-Identifier: MIT
# What a tarball would lack: sources, headers, plans and tests that no
# Makemodule.am names; a test that is not named is not run, too. (make distcheck finds them too, a quarter of an hour later.)
. "$(dirname "$0")/../lib/tap.sh"
cd "$top_srcdir" || exit 99

cat Makefile.am ./*/Makemodule.am >"$tmp/make"
find lib src steps ui tests data/plans -type f \
	! -name '.*' ! -name '*.o' ! -path 'tests/fuzz/*' | sed 's,^\./,,' | sort >"$tmp/have"
while read -r file; do
	case $file in
	*.c|*.h|*.t|tests/*.sh|tests/*.py|data/plans/*) ;;
	*) continue ;;
	esac
	# a program of one source need not name it
	grep -qF "$file" "$tmp/make" || grep -qw "${file%.c}" "$tmp/make" ||
		echo "$file"
done <"$tmp/have" >"$tmp/lacks"
: >"$tmp/none"
file_is "$tmp/lacks" "$tmp/none" 'every source, header, plan and test is shipped'
done_testing
