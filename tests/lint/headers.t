#!/bin/sh
# SPDX-License-Identifier: MIT
# Each header compiles alone, and says what it is for.
. "$(dirname "$0")/../lib/tap.sh"
cd "$top_srcdir" || exit 99

flags=$(pkg-config --cflags json-c libconfig libarchive libzstd libpq 2>/dev/null)
for h in $(find src steps ui -name '*.h' | sort); do
	# shellcheck disable=SC2086 # list of words
	problems=$(${CC:-cc} -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror \
		-include "$top_builddir/config.h" -Isrc -Isteps -Iui $flags \
		-fsyntax-only -x c "$h" 2>&1)
	ok $? "$h compiles alone" || diag "$problems"
	sed -n 1p "$h" | grep -q 'SPDX-License-Identifier: MIT'
	ok $? "$h names its licence"
done
done_testing
