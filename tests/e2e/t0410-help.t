#!/bin/sh
# SPDX-License-Identifier: MIT
# Help: every command, topic and screen code that is named has a text, and the
# text fits a terminal.
. "$(dirname "$0")/../lib/tap.sh"

run_is 0 'help' "$UPSHIFT" help
general=$out
for command in run check status resume rollback verify retry-rejects attach list report lint \
	explain forget support-bundle help; do
	like "$general" "^  $command " "$command is listed"
	run_is 0 "help $command" "$UPSHIFT" help "$command"
	like "$out" "^upshift $command" 'and says how it is called'
done

for topic in accessibility backup environment exit-codes resume rollback \
	screens support; do
	run_is 0 "help $topic" "$UPSHIFT" help "$topic"
	[ -n "$out" ]
	ok $? 'has a text'
	like "$general" "[ :]$topic( |$|,)" 'and is named by help'
done

run "$UPSHIFT" help screens
screens=$out
for code in W05 W10 A15 C20 C25 B30 S40 S42 S45 P50 F60 R70 K80 K81 K82 D90; do
	like "$screens" "^$code  [A-Z]" "$code is listed"
	run_is 0 "help $code" "$UPSHIFT" help "$code"
	like "$out" "^$code  [A-Z]" 'has its title'
	[ "$(printf '%s\n' "$out" | wc -l)" -ge 5 ]
	ok $? 'says what it shows, the keys, and what is safe'
	[ -z "$(printf '%s\n' "$out" | grep -E '^.{80}')" ]
	ok $? 'is broken into lines'
done
is "$(printf '%s\n' "$screens" | grep -c '^[A-Z][0-9][0-9] ')" 16 'no more than that'

run_is 0 'small letters will do' "$UPSHIFT" help k82
like "$out" '^K82 ' 'K82 is found'
run_is 64 'an unknown topic' "$UPSHIFT" help suport
like "$err" 'upshift help support' 'and the nearest one'
done_testing
