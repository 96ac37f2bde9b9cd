#!/bin/sh
# SPDX-License-Identifier: MIT
# po/POTFILES.in names exactly the files that hold strings to translate.
. "$(dirname "$0")/../lib/tap.sh"
cd "$top_srcdir" || exit 99

grep -lE '(^|[^A-Za-z0-9_])(_|N_|ngettext|pgettext) ?\(' $(find src steps ui -name '*.c') |
	sort >"$tmp/have"
grep -vE '^#|^$' po/POTFILES.in | sort >"$tmp/listed"
file_is "$tmp/listed" "$tmp/have" 'POTFILES.in is complete and has no more'
done_testing
