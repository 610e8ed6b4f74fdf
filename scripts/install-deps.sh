#!/usr/bin/env bash
# install-deps.sh - install what building, running and testing needs, from the system's packages
#
# usage: scripts/install-deps.sh [-n] [SET...]
#
#   build   compiler and libraries: enough for "make"
#   run     a Docker Engine and what scripts/ and docker/ use (quickstart.sh, build-image.sh)
#   test    build and run, and all that scripts/test.sh uses
#   -n      only say what is missing; exit 1 if something is
#
# Default: build run. For Debian 12 and later, Ubuntu 22.04 and later. Uses sudo when it is not
# run by root, asks nothing, and does nothing when all is there.
set -euo pipefail

# One row a package. "a|b": the first that the system has is taken, any of them will do.
# "name=program,...": not needed when these programs are here, from whatever source.
# "name?": wanted only where the system has it; elsewhere another package includes it.
# shellcheck disable=SC2034 # used by name
{
build_set='gcc make pkg-config libc6-dev libcurl4-openssl-dev|libcurl4-gnutls-dev libjansson-dev libyaml-dev
	libmicrohttpd-dev libsmartcols-dev libssl-dev'
run_set='docker.io=dockerd,docker,containerd,runc docker-cli?=docker iproute2=ip iptables=iptables curl=curl
	procps=ps util-linux=unshare,nsenter,setpriv,losetup,mount patchelf=patchelf tar=tar perl-base=perl ca-certificates'
test_set="$build_set $run_set libcmocka-dev clang clang-format llvm libclang-rt-dev?
	shellcheck cppcheck valgrind jq mmdebstrap xfsprogs=mkfs.xfs e2fsprogs=mkfs.ext4 git dpkg=dpkg-deb"
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
		! installed "${package%\?}" || return 0
	done
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

dry=''
if [ "${1-}" = -n ]; then
	dry=1 && shift
fi
[ $# -gt 0 ] || set -- build run
PATH=$PATH:/usr/sbin:/sbin
for set in "$@"; do
	case $set in
	build | run | test) ;;
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
	printf '%s\n' "${rows[@]}"
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
packages=()
for row in "${rows[@]}"; do
	package=$(pick "$row")
	packages+=("$package")
done
apt install -y --no-install-recommends "${packages[@]}"
