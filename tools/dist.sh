#!/usr/bin/env bash
# dist.sh - a source tarball of HEAD, the same bytes from every clone
#
# usage: tools/dist.sh      (make dist)
#
# Writes build/nodeswarm-VERSION.tar.gz and prints its name. The tarball has one file that the tree
# has not, VERSION: the Makefile takes the program's version from it, and the tarball needs no git.
# Owners, times and modes come from the commit; nothing comes from the clone's directory or settings.
set -euo pipefail
unset GIT_DIR GIT_WORK_TREE
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die()
{
	echo "dist.sh: $*" >&2
	exit 1
}

# Not a repository that only happens to be above an unpacked tarball.
if ! prefix=$(git rev-parse --show-prefix) || [ -n "$prefix" ] || [ -e VERSION ]; then
	die "'$PWD' is not the top of a git checkout: the tarball that it came from is the source"
fi
# With -h, git exits with 129.
[[ $(git archive -h 2>&1 || :) == *--add-file* ]] || die "git archive --add-file needs git 2.29, this is $(git --version)"
# Without --abbrev the hash is as long as this clone needs it to be.
version=$(git describe --tags --always --abbrev=12 HEAD)
git diff --quiet HEAD -- || echo "dist.sh: what is not committed is not in it" >&2

mkdir -p build
work=$(mktemp -d build/dist-XXXX)
trap 'rm -rf "$work"' EXIT
echo "$version" >"$work/VERSION"
chmod 644 "$work/VERSION"
git -c tar.umask=0022 -c core.autocrlf=false archive --format=tar --prefix="nodeswarm-$version/" \
	--add-file="$work/VERSION" HEAD >"$work/tar"
gzip -n9 <"$work/tar" >"$work/tar.gz"
mv -f "$work/tar.gz" "build/nodeswarm-$version.tar.gz"
echo "build/nodeswarm-$version.tar.gz"
