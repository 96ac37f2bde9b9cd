#!/bin/sh
# SPDX-License-Identifier: MIT
# Manuals render without a warning, and say what was meant.
. "$(dirname "$0")/../lib/tap.sh"
cd "$top_srcdir" || exit 99
command -v man >/dev/null || skip_all 'no man'

for page in data/man/*.[1-8]; do
	problems=$(MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" \
		2>&1 >/dev/null)
	[ -z "$problems" ]
	ok $? "$page is clean" || diag "$problems"
	# .Ql a , b quotes all of it; a backslash joins the next line
	problems=$(grep -nE -e '^\.(Pq )?(Dq|Ql|Qq|Sq) [^ ]+.* [,;:] .' \
		-e '(^|[^\])\\$' "$page")
	is "$problems" '' "$page: quotes and lines end where they should"
done
done_testing
