#!/usr/bin/env bash
# install-deps.sh - install what building, running and testing needs, from the system's packages
#
# usage: scripts/install-deps.sh [-n] [SET...]
#
#   build   compiler and libraries: enough for "make"
#   run     a Docker Engine and what scripts/ and docker/ use (quickstart.sh, build-image.sh)
#   test    build and run, and all that scripts/test.sh uses
#   bench   test, and the server and the tools that "make bench" compares load tests with
#   -n      only say what is missing; exit 1 if something is
#
# haproxy is only unpacked, below build/packages: its package would start a service on this machine,
# and all that is wanted is the program, for the image of the front (docker/build-image.sh --front).
# So is nginx, and with it the tools that only a benchmark calls.
#
# Default: build run. For Debian 12 and later, Ubuntu 22.04 and later. Uses sudo when it is not
# run by root, asks nothing, and does nothing when all is there.
set -euo pipefail

# One row a package. "a|b": the first that the system has is taken, any of them will do.
# "name=program,...": not needed when these programs are here, from whatever source.
# "name!": unpacked and not installed.
# "name?": wanted only where the system has it; elsewhere another package includes it.
# shellcheck disable=SC2034 # used by name
{
build_set='gcc make pkg-config libc6-dev libcurl4-openssl-dev|libcurl4-gnutls-dev libjansson-dev libyaml-dev
	libmicrohttpd-dev libsecp256k1-dev libsmartcols-dev libsqlite3-dev libssl-dev libxxhash-dev libzstd-dev zlib1g-dev'
run_set='docker.io=dockerd,docker,containerd,runc docker-cli?=docker iproute2=ip iptables=iptables curl=curl
	xfsprogs=mkfs.xfs procps=ps util-linux=unshare,nsenter,setpriv,losetup,mount patchelf=patchelf tar=tar perl-base=perl ca-certificates
	haproxy!=haproxy dpkg=dpkg-deb'
test_set="$build_set $run_set libcmocka-dev clang clang-format llvm libclang-rt-dev?
	shellcheck cppcheck valgrind jq mmdebstrap busybox=busybox btrfs-progs=mkfs.btrfs e2fsprogs=mkfs.ext4
	rsync=rsync strace=strace git dpkg-dev debhelper"
bench_set="$test_set nginx!=nginx wrk!=wrk hey!=hey apache2-utils!=ab"
}

die()
{
	echo "install-deps.sh: $*" >&2
	exit 1
}

installed()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# satisfied ROW: by a package of the row, or by its programs.
satisfied()
{
	local row=$1 package program
	local names=${row%%=*}
	for package in ${names//|/ }; do
		! installed "${package%[?!]}" || return 0
	done
	[[ $names != *! || ! -d $unpacked/${names%!} ]] || return 0
	[[ $row == *=* ]] || return 1
	row=${row#*=}
	for program in ${row//,/ }; do
		type -P "$program" >/dev/null || return 1
	done
}

missing_rows()
{
	local set=$1_set row name
	for row in ${!set}; do
		name=${row%%=*}
		satisfied "$row" || { [[ $name == *\? ]] && ! available "${name%\?}"; } || printf '%s\n' "$name"
	done
}

# available PACKAGE: the system's package lists have it.
available()
{
	[ -n "$(apt-cache show --no-all-versions "$1" 2>/dev/null)" ]
}

# pick ROW: the package to install for it.
pick()
{
	local package
	for package in ${1//|/ }; do
		if available "${package%\?}"; then
			echo "${package%\?}"
			return
		fi
	done
	die "no package '$1' in the package lists: is this Debian 12 or Ubuntu 22.04, with 'main' and 'universe'?"
}

# unpack PACKAGE: it and what it depends on and the system lacks, into $unpacked/PACKAGE. apt checks
# the signatures; the locks are for the system's state, which is not touched.
unpack()
{
	local dir=$unpacked/$1 deb
	rm -rf "$dir.tmp"
	mkdir -p "$dir.tmp/debs/partial"
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Debug::NoLocking=true -o APT::Sandbox::User= \
		-o "Dir::Cache::archives=$dir.tmp/debs" --no-install-recommends --download-only install "$1" </dev/null
	for deb in "$dir.tmp/debs"/*.deb; do
		dpkg-deb -x "$deb" "$dir.tmp"
	done
	rm -rf "$dir.tmp/debs"
	mv "$dir.tmp" "$dir"
	# "make clean" of the tree's owner must be able to remove it.
	chown -R --reference="$tree" "$unpacked"
}

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
unpacked=$tree/build/packages
dry=''
if [ "${1-}" = -n ]; then
	dry=1 && shift
fi
[ $# -gt 0 ] || set -- build run
PATH=$PATH:/usr/sbin:/sbin
for set in "$@"; do
	case $set in
	build | run | test | bench) ;;
	-h | --help) sed -n '2,/^set -/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \{0,1\}//' && exit 0 ;;
	*) echo "install-deps.sh: unknown set '$set', see -h" >&2 && exit 2 ;;
	esac
done
find_missing()
{
	local set
	mapfile -t rows < <(for set in "$@"; do missing_rows "$set"; done | sort -u)
}
find_missing "$@"
[ "${#rows[@]}" -gt 0 ] || exit 0
if [ -n "$dry" ]; then
	printf '%s\n' "${rows[@]%!}"
	exit 1
fi

type -P apt-get >/dev/null || die "no apt-get here; these are missing: ${rows[*]}"
root=()
if [ "$(id -u)" != 0 ]; then
	type -P sudo >/dev/null || die "neither root nor sudo; these are missing: ${rows[*]}"
	root=(sudo)
fi
apt()
{
	"${root[@]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -q -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@" </dev/null
}

# The lists may be absent or too old to fetch from; a source that fails need not be one of ours.
apt update || echo 'install-deps.sh: the package lists were not all updated, going on' >&2
find_missing "$@"
packages=() unpack=()
for row in "${rows[@]}"; do
	package=$(pick "${row%!}")
	[[ $row == *! ]] && unpack+=("$package") || packages+=("$package")
done
[ "${#packages[@]}" = 0 ] || apt install -y --no-install-recommends "${packages[@]}"
for package in "${unpack[@]}"; do
	unpack "$package"
done
