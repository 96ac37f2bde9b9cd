#!/bin/sh
# SPDX-License-Identifier: MIT
# Every language, on a machine where no locale is installed: the messages come
# all the same, plurals as the language has them, and plans bring their own.
# shellcheck source=tests/lib/tap.sh
. "${top_srcdir:-.}/tests/lib/tap.sh"

if ! command -v msgfmt >/dev/null 2>&1; then
	skip 'msgfmt is not installed' 'languages'
	done_testing
	exit 0
fi
UPSHIFT_LOCALE_DIR=$tmp/locale
export UPSHIFT_LOCALE_DIR
unset LC_ALL LANG LANGUAGE LC_MESSAGES
for lang in de es fr ja pl zh_CN; do
	mkdir -p "$tmp/locale/$lang/LC_MESSAGES"
	msgfmt -o "$tmp/locale/$lang/LC_MESSAGES/upshift.mo" \
		"$top_srcdir/po/$lang.po"
done

root=$tmp/root
mkdir -p "$root/data"
echo one >"$root/data/a"
cat >"$tmp/acme.plan" <<'TXT'
plan = 1; name = "acme"; title = "Acme"; title_de = "Akme"; title_ja = "アクメ";
from = "1"; to = "2"; root = "~/nowhere";
backup: { include = ["data"]; };
checks = ( { id = "C01"; kind = "exists"; paths = ["data"]; },
           { id = "C02"; kind = "absent"; paths = ["new"]; } );
steps = ( { id = "s1"; kind = "mkdir"; paths = ["new"]; } );
TXT
run "$UPSHIFT" status --root "$root"
english=$err
for lang in de_DE es_ES fr_FR ja_JP pl_PL zh_CN; do
	run env "LANG=$lang.UTF-8" "$UPSHIFT" status --root "$root"
	is "$status" 66 "$lang: the same status"
	[ "$err" != "$english" ]
	ok $? "$lang: another language"
	like "$err" "$root" "$lang: the path is in it"
	run "$UPSHIFT" --lang "${lang%_??}" help exit-codes
	[ -n "$out" ]
	ok $? "$lang: help by --lang in the C locale"
done
run env LANG=de_DE.UTF-8 "$UPSHIFT" check "$tmp/acme.plan" --root "$root"
like "$out" 'Pfad ist' 'German: one path'
run env LANG=pl_PL.UTF-8 "$UPSHIFT" check "$tmp/acme.plan" --root "$root"
is "$status" 0 'Polish: the check is made'
run env LANG=xx_XX.UTF-8 "$UPSHIFT" status --root "$root"
is "$err" "$english" 'a language that nobody translated stays English'
# a screen in German, as lines; the plan's own words too
run sh -c "printf '1\\n1\\n2\\n1\\n' | LANG=de_DE.UTF-8 '$UPSHIFT' run '$tmp/acme.plan' --root '$root' --plain"
like "$out" 'Akme' 'the plan speaks German where it can'
like "$out" 'W10' 'the code of a screen is the same in all languages'
done_testing
