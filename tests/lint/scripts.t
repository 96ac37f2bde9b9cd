#!/bin/sh
# SPDX-License-Identifier: MIT
# Shell scripts are clean and can be run; no unfinished words; spelling.
. "$(dirname "$0")/../lib/tap.sh"
cd "$top_srcdir" || exit 99

scripts=$(find . -path ./build -prune -o -path './build-*' ! -path ./build-aux \
	! -path './build-aux/*' -prune -o -path ./.git -prune -o -type f \
	-print | grep -vE '/(configure|config\.|libtool|ltmain|tap-driver|compile|depcomp|install-sh|missing|test-driver|ar-lib|autom4te)' |
	while read -r f; do
		case $(sed -n '1{p;q;}' "$f" | tr -d '\0') in
		'#!/bin/sh'*|'#!/usr/bin/env bash'*) echo "$f" ;;
		esac
	done)
if command -v shellcheck >/dev/null; then
	for f in $scripts; do
		problems=$(shellcheck -x -P SCRIPTDIR -e SC1091,SC2154,SC2046,SC2086 \
			-S warning "$f" 2>&1)
		ok $? "shellcheck $f" || diag "$problems"
	done
else
	skip 'no shellcheck' 'shellcheck'
fi

bad=
for f in $scripts; do
	[ -x "$f" ] || case $f in */lib/*.sh) ;; *) bad="$bad $f" ;; esac
done
is "$bad" '' 'scripts can be run'

hits=$(grep -rnE 'TO''DO|FIX''ME|\bX''XX\b|not impl''emented' src steps ui tests data po \
	--include='*.[ch]' --include='*.sh' --include='*.t' --include='*.am' |
	grep -v '^tests/lint/scripts.t:')
[ -z "$hits" ]
ok $? 'no unfinished words' || diag "$hits"

if command -v codespell >/dev/null; then
	problems=$(codespell -q 3 -L 'alse,ot,te,fo,nd,ths,inout,ro,parms,upto,doub' src steps ui README.md NEWS \
		data/man 2>&1)
	[ -z "$problems" ]
	ok $? 'spelling' || diag "$problems"
else
	skip 'no codespell' 'spelling'
fi
done_testing
