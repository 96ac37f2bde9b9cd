#!/bin/sh
# SPDX-License-Identifier: MIT
# A step with a window begins inside of it: in batch the run ends with 8 and
# says when to resume; with a person the engine waits, and can be stopped.
# shellcheck source=tests/lib/tap.sh
. "${top_srcdir:-.}/tests/lib/tap.sh"

root=$tmp/root
mkdir -p "$root/data"
echo one >"$root/data/a"
cat >"$tmp/acme.plan" <<'TXT'
plan = 1; name = "acme"; from = "1"; to = "2";
backup: { include = ["data"]; };
steps = (
  { id = "before"; kind = "write"; path = "before"; text = "x"; },
  { id = "night"; kind = "write"; path = "night"; text = "y";
    window = "23:30-01:00 UTC"; },
  { id = "after"; kind = "write"; path = "after"; text = "z"; } );
TXT
at()
{
	date -u -d "$1" +%s >"$tmp/clock"
}
UPSHIFT_TEST_CLOCK=@$tmp/clock
export UPSHIFT_TEST_CLOCK

for bad in 02:00 02:00-02:00 2:00-3:00 24:01-03:00 '02:00-03:00 CET' \
	'02:00-03:00 +15:00' '02:00-03:00UTC'; do
	sed "s/23:30-01:00 UTC/$bad/" "$tmp/acme.plan" >"$tmp/bad.plan"
	run "$UPSHIFT" lint "$tmp/bad.plan"
	is "$status" 65 "'$bad' is no window"
done
run "$UPSHIFT" lint "$tmp/acme.plan"
is "$status" 0 'a plan with a window is right'

at 2026-03-01T14:00:00Z
run "$UPSHIFT" run "$tmp/acme.plan" --root "$root" --batch --yes
is "$status" 8 'outside of it the run ends'
like "$err" "step 'night' may not begin before 2026-03-01T23:30:00Z" 'and says when'
like "$err" 'upshift resume' 'and what to type'
ok "$(test -e "$root/before" && test ! -e "$root/night"; echo $?)" 'between the steps'
at 2026-03-01T23:29:59Z
run "$UPSHIFT" resume --root "$root" --batch --yes
is "$status" 8 'a second too early'
at 2026-03-02T01:00:00Z
run "$UPSHIFT" resume --root "$root" --batch --yes
is "$status" 8 'the last minute is outside'
like "$err" 'before 2026-03-02T23:30:00Z' 'the next night'
run "$UPSHIFT" status --root "$root"
is "$status" 0 'it is paused'
at 2026-03-02T00:59:59Z
run "$UPSHIFT" resume --root "$root" --batch --yes
is "$status" 0 'inside it goes on to the end'
ok "$(test -e "$root/night" && test -e "$root/after"; echo $?)" 'with all steps'

# a zone of its own
rm -rf "$root/.upshift" "$root/night" "$root/before" "$root/after"
sed 's/23:30-01:00 UTC/02:00-03:00 -05:30/' "$tmp/acme.plan" >"$tmp/zone.plan"
at 2026-03-01T07:29:00Z
run "$UPSHIFT" run "$tmp/zone.plan" --root "$root" --batch --yes
like "$err" 'before 2026-03-01T07:30:00Z' 'hours west of UTC'
rm -rf "$root/.upshift" "$root/before"
sed 's/23:30-01:00 UTC/02:30-04:00 local/' "$tmp/acme.plan" >"$tmp/zone.plan"
# the night in which 02:30 is left out, where the zones are installed
if [ -e /usr/share/zoneinfo/Europe/Berlin ]; then
	at 2026-03-29T00:59:00Z
	run env TZ=Europe/Berlin "$UPSHIFT" run "$tmp/zone.plan" --root "$root" \
		--batch --yes
	like "$err" 'before 2026-03-29T01:00:00Z' 'a local clock that leaves an hour out'
else
	skip 'no time zones' 'a local clock that leaves an hour out'
fi

# a person at the wheel: it waits
rm -rf "$root/.upshift" "$root/before"
start="expect Screen W10
expect Choice>
type 2
expect Choice>
type 2
expect Choice>
type 1
expect Screen C20
expect Choice>
type 1
expect Screen B30
expect Screen S40
expect Choice>
type 2
expect it waits for its window, which opens at 2026-03-03T23:30:00Z"
talk()
{
	out=$(timeout 60 python3 "$top_srcdir/tests/lib/talk.py" "$tmp/script" "$UPSHIFT" \
		run "$tmp/acme.plan" --plain --root "$root" 2>&1)
	is "$?" "$1" "$2" || diag "$out"
}
at 2026-03-03T23:30:00Z
mv "$tmp/clock" "$tmp/open"
at 2026-03-03T10:00:00Z
cat >"$tmp/script" <<TXT
$start
copy $tmp/open $tmp/clock
expect UPGRADE COMPLETE
type 1
TXT
talk 0 'it goes on when the window opens'
ok "$(test -e "$root/night"; echo $?)" 'and does the step'
done_testing
