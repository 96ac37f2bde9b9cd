# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# shellcheck disable=SC2034 # the lists are for those who source this
# Sourced by ./try and ./check: packages and the build in build/.
# Everything it says goes to standard error.

# What it takes to build and run.
PACKAGES_BUILD='autoconf automake autopoint gettext gcc libc6-dev make
pkg-config libconfig-dev libjson-c-dev libarchive-dev libzstd-dev
libxxhash-dev libssl-dev libsqlite3-dev libjq-dev libncurses-dev
libpq-dev'
# What the tests need besides.
PACKAGES_TEST='libcmocka-dev libvterm-dev perl strace shellcheck codespell acl attr zstd
libarchive-tools sqlite3 postgresql-15 man-db groff-base util-linux procps diffutils python3'
# What the sample data and a run use.
PACKAGES_RUN='attr sqlite3'

say()
{
	printf '%s\n' "$*" >&2
}

package_missing()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" \
		!= installed ]
}

# install_packages NAME...: only what is missing, so a second run asks nothing
install_packages()
{
	if ! command -v dpkg-query >/dev/null 2>&1 ||
	   ! command -v apt-get >/dev/null 2>&1; then
		say "This system has no apt-get. Install these by hand (names as"
		say "in Debian 12), then build with ./autogen.sh, configure, make:"
		for p in "$@"; do
			say "  $p"
		done
		exit 69
	fi
	missing=
	for p in "$@"; do
		if package_missing "$p"; then
			missing="$missing $p"
		fi
	done
	if [ -z "$missing" ]; then
		return 0
	fi
	say "Installing:$missing"
	as_root=
	if [ "$(id -u)" != 0 ]; then
		if ! command -v sudo >/dev/null 2>&1; then
			say "Become root, or install sudo, and run:"
			say "  apt-get install$missing"
			exit 69
		fi
		as_root=sudo
	fi
	# shellcheck disable=SC2086 # lists of words
	{
		$as_root env DEBIAN_FRONTEND=noninteractive \
			apt-get update -qq >&2 &&
		$as_root env DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends \
			$missing >&2
	} || {
		say "apt-get could not install:$missing"
		exit 69
	}
}

# build TOP [CONFIGURE-OPTION...]: out of tree, in TOP/build
build()
{
	top=$1
	shift
	if [ ! -x "$top/configure" ]; then
		(cd "$top" && ./autogen.sh >/dev/null 2>&1) || {
			say "autoreconf failed:"
			(cd "$top" && ./autogen.sh >&2)
			exit 70
		}
	fi
	mkdir -p "$top/build"
	if [ ! -f "$top/build/config.status" ] ||
	   [ "$(cat "$top/build/.options" 2>/dev/null)" != "$*" ]; then
		(cd "$top/build" && ../configure -q "$@" >&2) || exit 70
		printf '%s\n' "$*" >"$top/build/.options"
	fi
	make -s -C "$top/build" -j"$(nproc 2>/dev/null || echo 2)" >&2 ||
		exit 70
}
