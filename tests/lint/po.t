#!/bin/sh
# SPDX-License-Identifier: MIT
# Every catalogue is complete and its formats match: what the sources say now is
# extracted anew and compared, so that a new sentence cannot be forgotten.
# shellcheck source=tests/lib/tap.sh
. "${top_srcdir:-.}/tests/lib/tap.sh"

for tool in xgettext msgmerge msgattrib msgfmt; do
	if ! command -v $tool >/dev/null 2>&1; then
		skip "$tool is not installed" 'catalogues'
		done_testing
		exit 0
	fi
done

po=$top_srcdir/po
# the options of po/Makevars, its continued lines put together
options=$(sed -n '/^XGETTEXT_OPTIONS/,/[^\\]$/p' "$po/Makevars" |
	tr -d '\\\n' | sed 's/^XGETTEXT_OPTIONS *= *//')
# shellcheck disable=SC2086
xgettext --files-from="$po/POTFILES.in" --directory="$top_srcdir" \
	--from-code=UTF-8 --output="$tmp/upshift.pot" $options 2>"$tmp/err"
ok $? 'the sentences of the sources can be extracted'

for lang in $(sed 's/#.*//' "$po/LINGUAS"); do
	msgfmt -c --check-accelerators='~' -o /dev/null "$po/$lang.po" 2>"$tmp/err"
	status=$?
	grep -v 'header field' "$tmp/err" | sed 's/^/# /'
	ok $status "$lang: formats and plural forms match"
	msgmerge -q --no-fuzzy-matching -o "$tmp/$lang.po" "$po/$lang.po" \
		"$tmp/upshift.pot"
	# no fuzzy and no untranslated ones among its counts
	count=$(LC_ALL=C msgfmt --statistics -o /dev/null "$tmp/$lang.po" 2>&1 |
		sed 's/[0-9]* translated messages\{0,1\}//')
	msgattrib --untranslated --no-obsolete "$tmp/$lang.po" |
		grep '^msgid "[^"]' | head -5 | sed 's/^/# not translated: /'
	is "$count" . "$lang: every sentence is translated, none is a guess"
done
done_testing
