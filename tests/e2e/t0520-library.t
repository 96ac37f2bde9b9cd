#!/bin/sh
# SPDX-License-Identifier: MIT
# libupshift by its example: an application that migrates its data at its first
# start, does nothing at the second, and goes back.
. "$(dirname "$0")/../lib/tap.sh"
dir=$top_srcdir/data/plans/personal-agent
plan=$dir/personal-agent.plan
root=$tmp/data
tree="python3 $top_srcdir/tests/lib/tree.py"
command -v python3 >/dev/null || skip_all 'no python3'
command -v "${CC:-cc}" >/dev/null || skip_all 'no compiler'
[ -e "$top_builddir/libupshift.so" ] || skip_all 'no shared library'
san=
nm "$top_builddir/libupshift.a" >"$tmp/names" 2>/dev/null
grep -q __asan_ "$tmp/names" && san=-fsanitize=address
grep -q __ubsan_ "$tmp/names" && san="$san -fsanitize=undefined"

# --- it compiles against the header alone, both ways ---
# shellcheck disable=SC2086 # words
"${CC:-cc}" -std=c11 -Wall -Wextra -pedantic -Werror $san -I"$top_srcdir/lib" -o "$tmp/shared" \
	"$top_srcdir/data/examples/first-start.c" -L"$top_builddir" -lupshift -Wl,-rpath,"$top_builddir"
ok $? 'linked with the shared library'
# shellcheck disable=SC2086,SC2046
"${CC:-cc}" -Wall -Werror $san -I"$top_srcdir/lib" -o "$tmp/static" \
	"$top_srcdir/data/examples/first-start.c" "$top_builddir/libupshift.a" $(pkg-config --libs json-c 2>/dev/null || echo -ljson-c)
ok $? 'linked with the static one'
printf '#include <upshift.h>\nint main(void) { struct upshift_result r = {}; upshift_result_free(&r); return 0; }\n' >"$tmp/x.cc"
if command -v c++ >/dev/null; then
	# shellcheck disable=SC2086
	c++ $san -I"$top_srcdir/lib" -o "$tmp/x" "$tmp/x.cc" -L"$top_builddir" -lupshift -Wl,-rpath,"$top_builddir" && "$tmp/x"
	ok $? 'and from C++'
else
	skip 'no c++' 'and from C++'
fi
is "$(nm -D --defined-only "$top_builddir/libupshift.so" | grep ' T ' | grep -cv ' upshift_[a-z]')" 0 'it has no names but its own'
is "$(nm -D --defined-only "$top_builddir/libupshift.so" | grep -c internal)" 0 'nor internal ones'

for app in shared static; do
	rm -rf "$root"
	"$dir/make-sample" "$root" --conversations 20
	$tree "$root" .upshift backup_before_migration >"$tmp/before"
	run_is 0 "$app: never run" "$tmp/$app" "$plan" "$root" --check
	like "$out" 'complete: no' 'is not complete'
	like "$out" 'PASS C01' 'the checks are findings'
	run_is 0 'a dry run' "$tmp/$app" "$plan" "$root" --dry
	like "$out" 'would: conversations:' 'says what would happen'
	run_is 0 'the first start' "$tmp/$app" "$plan" "$root"
	like "$out" 'step 2 of 7: conversations' 'events arrive'
	like "$out" 'migration: ok, 7 of 7 steps, 0 failed' 'it migrates'
	like "$out" 'PASS V01' 'verifications are findings'
	like "$out" 'at work with version 2' 'and works with the new version'
	run_is 0 'the second start' "$tmp/$app" "$plan" "$root"
	is "$out" 'at work with version 2' 'does nothing'
	run_is 0 'a look at the data' "$tmp/$app" "$plan" "$root" --check
	like "$out" 'integrity: ok' 'it is intact'
	run_is 0 'back' "$tmp/$app" "$plan" "$root" --back
	$tree "$root" .upshift backup_before_migration >"$tmp/after"
	file_is "$tmp/after" "$tmp/before" 'every byte and time is as before'
	run_is 0 'the next start' "$tmp/$app" "$plan" "$root"
	is "$out" 'at work with version 1' 'does not migrate again'
	like "$err" 'was rolled back' 'and hears why'
done

# --- a file that is broken ---
rm -rf "$root"
"$dir/make-sample" "$root" --conversations 20
echo '{' >"$root/mcp_config.json"
run_is 0 'a broken file' "$tmp/shared" "$plan" "$root"
like "$out" 'ok, 6 of 7 steps, 1 failed \(status 3\)' 'one step is told as failed'
like "$out" '(WARN|FAIL) mcp_servers .*mcp_config.json' 'with its finding'
PERSONAL_AGENT_ROLLBACK=1
export PERSONAL_AGENT_ROLLBACK
run_is 0 'the variable of the plan' "$tmp/shared" "$plan" "$root"
like "$out" 'at work with version 1' 'rolls back through the library, too'
unset PERSONAL_AGENT_ROLLBACK

# --- what cannot work ---
run_is 1 'no such program' env UPSHIFT="$tmp/nothing" "$tmp/shared" "$plan" "$root"
like "$err" 'No such file' 'is an error of the call'
run_is 1 'no such plan' "$tmp/shared" "$tmp/nothing.plan" "$root"
like "$out" 'status 66' 'is a result'
like "$err" 'nothing.plan' 'with the words of upshift'
run_is 1 'a program that is another one' env UPSHIFT=/bin/echo "$tmp/shared" "$plan" "$root"
like "$err" 'Protocol error' 'is told from upshift'
done_testing
