#!/usr/bin/env bash
# deb.sh - Debian packages of HEAD, or of an unpacked tarball, into build/deb
#
# usage: tools/deb.sh             (make deb)
#        tools/deb.sh --number    only prints the version that the packages would have
#
# Builds in a copy, build/deb/source, with an entry in debian/changelog for the version that the tree
# has: 1.2 for the tag v1.2, 1.2~rc1 for v1.2-rc1 (alpha, beta and pre as well), which sorts before it,
# 1.2+3+gHASH three commits later, 0~gitTIME.HASH without a tag, which sorts by the commits' times and
# before every version with a number. DEB_BUILD_OPTIONS as everywhere; default
# parallel=NUMBER-OF-PROCESSORS. Prints the names of the packages.
set -euo pipefail
umask 022
export LC_ALL=C
# The outer make's variables are not for the package's.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die()
{
	echo "deb.sh: $*" >&2
	exit 1
}

# number VERSION TIME: a version of Debian's for that of "git describe" at a commit of that time.
number()
{
	local it
	if [[ $1 =~ ^v?([0-9]+(\.[0-9]+)+.*)$ ]]; then
		it=$(sed -E 's/-(alpha|beta|pre|rc)/~\1/' <<<"${BASH_REMATCH[1]}")
		echo "${it//[^A-Za-z0-9.~]/+}"
	else
		echo "0~git$(date -u -d "@$2" +%Y%m%d.%H%M%S).${1//[^A-Za-z0-9]/.}"
	fi
}

case "$#${1-}" in
0) ;;
1--number)
	if [ -e VERSION ]; then
		number "$(cat VERSION)" "$(stat -c %Y VERSION)"
	else
		# As tools/dist.sh has it.
		version=$(git describe --tags --always --abbrev=12 HEAD)
		number "$version" "$(git log -1 --format=%ct HEAD)"
	fi
	exit
	;;
*) die "unknown arguments '$*', see its first lines" ;;
esac

for program in dpkg-buildpackage dh; do
	type -P $program >/dev/null || die "no '$program' here: install the packages dpkg-dev and debhelper"
done
missing=$(dpkg-checkbuilddeps 2>&1) ||
	die "cannot build here: ${missing#dpkg-checkbuilddeps: error: } (scripts/install-deps.sh build, or apt-get build-dep .)"

rm -rf build/deb
mkdir -p build/deb/source
if [ -e VERSION ]; then
	tar -c --exclude=./build --exclude=./.git . | tar -x -C build/deb/source
else
	tarball=$(tools/dist.sh)
	tar -xz -C build/deb/source --strip-components=1 -f "$tarball"
fi
cd build/deb/source

version=$(cat VERSION)
# The commit's: git archive gives it to every file.
time=$(stat -c %Y VERSION)
{
	printf 'nodeswarm (%s) unstable; urgency=medium\n\n  * Built from %s. What has changed stands in CHANGELOG.md.\n\n' "$(number "$version" "$time")" "$version"
	printf ' -- %s  %s\n\n' "$(sed -n 's/^Maintainer: //p' debian/control)" "$(date -u -R -d "@$time")"
	cat debian/changelog
} >debian/changelog.new
mv debian/changelog.new debian/changelog

export DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS-parallel=$(nproc)}
dpkg-buildpackage -us -uc -b
cd ..
printf 'build/deb/%s\n' *.deb
