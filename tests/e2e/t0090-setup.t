#!/bin/sh
# SPDX-License-Identifier: MIT
# ./try and ./check where packages cannot be installed: a list, and status 69.
. "$(dirname "$0")/../lib/tap.sh"

# a system with a shell and little else
bare=$tmp/bin
mkdir "$bare"
for tool in sh dirname pwd id cat mktemp; do
	ln -s "$(command -v "$tool")" "$bare/$tool"
done
# the scripts alone, so that nothing is built beside them
here=$tmp/clone
mkdir -p "$here/build-aux" "$here/data/plans/prism-gateway"
cp "$top_srcdir/try" "$top_srcdir/check" "$here/"
cp "$top_srcdir/build-aux/setup.sh" "$here/build-aux/"

for script in try check; do
	run env -i PATH="$bare" HOME="$HOME" TMPDIR="$tmp" "$here/$script"
	is "$status" 69 "$script: no apt-get: status 69"
	like "$err" 'no apt-get' "$script: says what is missing"
	for package in gcc libconfig-dev libarchive-dev libncurses-dev; do
		like "$err" "$package" "$script: names $package"
	done
	is "$out" '' "$script: nothing on standard output"
done

# a Debian without the rights to install
printf '#!/bin/sh\necho not-installed\n' >"$bare/dpkg-query"
printf '#!/bin/sh\nexit 0\n' >"$bare/apt-get"
printf '#!/bin/sh\necho 1000\n' >"$tmp/id"
rm "$bare/id"
mv "$tmp/id" "$bare/id"
chmod +x "$bare/dpkg-query" "$bare/apt-get" "$bare/id"
for script in try check; do
	run env -i PATH="$bare" HOME="$HOME" TMPDIR="$tmp" "$here/$script"
	is "$status" 69 "$script: no root, no sudo: status 69"
	like "$err" 'apt-get install .*libconfig-dev' "$script: the line to type"
done

# apt-get that fails
printf '#!/bin/sh\nexit 100\n' >"$bare/apt-get"
printf '#!/bin/sh\necho 0\n' >"$bare/id"
ln -s "$(command -v env)" "$bare/env"
for script in try check; do
	run env -i PATH="$bare" HOME="$HOME" TMPDIR="$tmp" "$here/$script"
	is "$status" 69 "$script: apt-get fails: status 69"
	like "$err" 'could not install' "$script: says so"
done
is "$(ls "$here")" "$(printf 'build-aux\ncheck\ndata\ntry')" 'nothing was built'
done_testing
