#!/bin/sh
# SPDX-License-Identifier: MIT
# Plans with mistakes: every one of them is told at once, with its line, before
# anything is touched; by lint and by run alike.
. "$(dirname "$0")/../lib/tap.sh"
root=$tmp/data
mkdir -p "$root/keep"

# bad NAME PATTERN: bad.plan is refused with that
bad()
{
	run_is 65 "$1" timeout 10 "$UPSHIFT" lint "$tmp/bad.plan"
	like "$err" "$2" "$1: is told"
	run "$UPSHIFT" run "$tmp/bad.plan" --root "$root" --batch --yes
	is "$status" 65 "$1: run refuses it, too"
	[ -e "$root/.upshift" ] && ok 1 "$1: nothing is made"
}

# one LINE PATTERN NAME: a good plan with this line in it
one()
{
	printf 'plan = 1;\nname = "n";\nfrom = "1"; to = "2";\n%s\n' "$1" >"$tmp/bad.plan"
	bad "$3" "$2"
}
S='steps = ( { id = "a"; kind = "mkdir"; paths = ["d"]; } );'

cat >"$tmp/many.plan" <<'TXT'
plan = 1;
nmae = "typo";
from = "1"; to = "2";
steps = (
  { id = "one"; kind = "mkdri"; paths = ["a"]; },
  { id = "Two"; kind = "mkdir"; paths = ["../b"]; },
  { id = "one"; kind = "write"; path = "c"; tetx = "x"; },
  { id = "four"; kind = "mkdir"; paths = ["d"]; mode = 0700; },
  { id = "five"; kind = "copy"; from = "e"; needs = ["six"]; }
);
verify = ( { kind = "timing"; run = ["true"]; tolerance = 0.5; } );
TXT
run_is 65 'a plan with many mistakes' "$UPSHIFT" lint "$tmp/many.plan"
for want in "many\\.plan:2: .*'name'" "many\\.plan:5: .*'mkdir'" 'many\.plan:6: .*Two' 'many\.plan:6: .*\.\.' 'many\.plan:7: .*one' "many\\.plan:7: .*'text'" 'many\.plan:8: .*0700' 'many\.plan:9: .*six' 'many\.plan:9: .*to' 'many\.plan:11: .*tolerance'; do
	like "$err" "$want" "all are told: $want"
done

one "$S x = " ':[456]: ' 'a syntax error'
one 'steps = ( { id = "a"; kind = "mkdir"; paths = ["d",]; } );' ':4: .*remove the comma' 'a comma too many'
one '@include "/etc/shadow"' ':4: .*include' 'an include'
unlike "$err" 'root:' 'of which nothing is shown'
one "$S vars: { n = 2147483648; };" ':4: .*2147483648' 'a number that would turn negative'
one "$S vars: { n = 18446744073709551616L; };" ':4: ' 'a number of twenty digits'
one "$S vars: { n = 1e400; };" ':4: ' 'a number without end'
one "$S vars: { n = 0x1FFFFFFFF; };" ':4: ' 'a hexadecimal number that is cut'
one 'steps = ( { id = "a"; kind = "mkdir"; paths = ["d"]; mode = 0700; } );' ':4: .*mode' 'a mode that is no string'
one "$S root = \"/\";" ':4: .*/' 'the whole system as root'
one "$S root = \"/etc\";" ':4: .*/etc' 'a directory of the system as root'
one 'steps = ( { id = "a"; kind = "mkdir"; paths = [".upshift/x"]; } );' ':4: .*\.upshift' 'our own state directory'
one 'steps = ( { id = "a"; kind = "mkdir"; paths = ["/opt/x"]; } );' ':4: .*allow_paths' 'a path outside'
one 'steps = ( { id = "a"; kind = "write"; path = "f"; text = "1"; }, { id = "b"; kind = "write"; path = "f"; text = "2"; replace = true; } );' ":4: .*'f'.*needs" 'two steps that write one file without an order'
one 'steps = ( { id = "start"; kind = "mkdir"; paths = ["d"]; } );' ':4: .*start' 'an id that is a point'
one 'steps = ( { id = "cp1"; kind = "mkdir"; paths = ["d"]; } );' ':4: .*cp1' 'another'
one 'steps = ( { id = "a"; kind = "mkdir"; paths = ["d"]; needs = ["b"]; }, { id = "b"; kind = "mkdir"; paths = ["e"]; } );' ':4: .*needs' 'a need of what comes later'
one "$S answers = ( { id = \"x\"; prompt = \"X\"; pattern = \"(\"; } );" ':4: .*pattern' 'a pattern that is none'
one 'steps = ( { id = "a"; kind = "write"; path = "f"; text = "${nothing}"; } );' ':4: .*nothing' 'a value that is none'
one 'steps = ( { id = "a"; kind = "write"; path = "f"; source = "../../etc/shadow"; } );' ':4: ' 'a source that is not beside the plan'
one 'steps = ( { id = "a"; kind = "write"; path = "f"; source = "missing.txt"; } );' ':4: .*missing\.txt' 'a source that is not there'
one 'steps = ( { id = "a"; kind = "write"; path = "f.json"; text = "{"; } );' ':4: ' 'JSON that is none'
one 'steps = ( { id = "a"; kind = "run"; run = "rm -rf /"; } );' ':4: .*run' 'a command that is no list'
printf 'plan = 1;\nname = "n\0x";\n' >"$tmp/bad.plan"
bad 'a NUL' ':2: '
printf 'plan = 2;\nname = "n"; steps = ();\n' >"$tmp/bad.plan"
bad 'a format to come' ':1: .*2'
: >"$tmp/bad.plan"
bad 'an empty file' 'plan'
{
	printf 'plan = 1;\nname = "n"; x = '
	seq 3000 | sed 's|.*|(|'
} >"$tmp/bad.plan"
bad 'lists in lists without end' 'bad\.plan'
head -c 1100000 /dev/zero | tr '\0' ' ' >"$tmp/bad.plan"
bad 'more than a mebibyte' '1 ?MiB|larger|1048576'
mkfifo "$tmp/fifo.plan"
run timeout 10 "$UPSHIFT" lint "$tmp/fifo.plan"
is "$status" 65 'a FIFO is no plan, and nobody waits for it'
ln -s "$tmp" "$tmp/dir.plan"
run_is 65 'nor is a directory' "$UPSHIFT" lint "$tmp/dir.plan"
printf 'plan = 1; name = "n"; from = "1"; to = "2"; %s\n' "$S" | "$UPSHIFT" lint - >"$tmp/out" 2>&1
is "$?" 0 'a plan on standard input'
done_testing
