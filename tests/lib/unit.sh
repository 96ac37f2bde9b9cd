#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a unit test. cmocka 1.1.5 reports a skipped test as "not ok N # SKIP",
# which readers of TAP count as a failure.
out=$("$@")
status=$?
printf '%s\n' "$out" | sed 's/^not ok \([0-9]* # SKIP\)/ok \1/'
exit "$status"
