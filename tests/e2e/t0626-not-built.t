#!/bin/sh
# SPDX-License-Identifier: MIT
# A kind of store that was left out when upshift was built: whatever needs it
# ends with 69 and says so, before anything is written; the rest goes on.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
root=$tmp/data
mkdir "$root"
echo '{"id": 1}' >"$root/in.jsonl"

# plan URL: into that store
plan()
{
	cat >"$tmp/plan" <<TXT
plan = 1; name = "a"; from = "1"; to = "2";
stores = { in = "jsonl:in.jsonl"; out = "$1"; };
steps = (
	{ id = "c"; kind = "copy-records"; from = "in"; to = "out$2"; key = "id";
	  columns = { id = "id"; }; } );
TXT
}

left=
for url in sqlite:new.db 'pg:host=/nowhere dbname=a'; do
	kind=${url%%:*}
	! "$UPSHIFT" --version | grep -qw "$kind" || continue
	left="$left $kind"
	what="built without stores of the kind '$kind'"
	plan "$url" :t
	run_is 0 "$kind: a plan can be looked at" "$UPSHIFT" lint "$tmp/plan"
	run_is 69 "$kind: a dry run" "$UPSHIFT" run "$tmp/plan" --root "$root" \
		--dry-run
	like "$out$err" "$what" 'says why'
	run_is 69 "$kind: a run" "$UPSHIFT" run "$tmp/plan" --root "$root" \
		--batch --yes
	like "$out$err" "$what" 'says why'
	is "$(ls "$root")" in.jsonl 'nothing was made'
	run_is 69 "$kind: doctor" "$UPSHIFT" doctor --store "$url"
	like "$out$err" "$what" 'says why'
	run_is 69 "$kind: a plan from a schema" "$UPSHIFT" new --from "$url"
	like "$out$err" "$what" 'says why'
done
[ -n "$left" ] || skip_all 'built with all stores'
plan jsonl:out.jsonl ''
run_is 0 'a copy between files' "$UPSHIFT" run "$tmp/plan" --root "$root" \
	--batch --yes
is "$(cat "$root/out.jsonl")" '{"id": 1}' 'is there'
done_testing
