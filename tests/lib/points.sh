# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Back to the points of a run and up again; source it behind tap.sh. The test has
# $root, $plan and dumped(), which writes what is to be the same, and says with
# $layout or $kind of which case it speaks.
#
#   back POINT [OPTION]...  rolls back to it; as run
#   before                  the point where the last rollback began
#   as NAME WHAT            what there is is what $tmp/NAME holds

back()
{
	back_to=$1
	shift
	run "$UPSHIFT" rollback "$back_to" --root "$root" "$@" --batch \
		--confirm "roll back to $back_to"
}

# where the last rollback began
before()
{
	"$UPSHIFT" status --root "$root" --json |
		sed -n 's/.*"rollback":{[^}]*"r":"\(R[0-9]*\)".*/\1/p'
}

as()
{
	dumped >"$tmp/now"
	file_is "$tmp/now" "$tmp/$1" "${layout:-$kind}: $2"
}
