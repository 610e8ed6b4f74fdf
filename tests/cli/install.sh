#!/bin/bash
# Install what was built into a directory here and take it away again; TOP is the top of the tree.
#
# usage: install.sh PREFIX
set -eu
: "${TOP:?}"
prefix=$1 dest=$PWD/dest build=$(dirname "$(command -v nodeswarm)")
build=${build#"$TOP/"}

# Nothing is built: -o says that the program is as it should be.
run()
{
	env -u MAKEFLAGS -u MFLAGS make -s -C "$TOP" B="$build" DESTDIR="$dest" PREFIX="$prefix" -o "$build/nodeswarm" "$1"
}

run install
cd "$dest$prefix"
for f in bin/nodeswarm share/man/man1/nodeswarm.1 share/man/man5/nodeswarm-stack.5 \
	share/bash-completion/completions/nodeswarm share/zsh/*/_nodeswarm share/nodeswarm/swarm/prepare-host.sh \
	share/nodeswarm/stacks/readers.yml share/doc/nodeswarm/examples/front/haproxy.cfg; do
	[ -e "$f" ] && echo "$f"
done
# The scripts and stack files find each other there.
PATH=$dest$prefix/bin:$PATH
share/nodeswarm/scripts/start.sh --help | head -n1
nodeswarm images -f share/nodeswarm/stacks/readers.yml
share/nodeswarm/swarm/prepare-host.sh --help | head -n1
find . -type f ! -perm -444 -o -type f -perm /022 -o -type d ! -perm -555

# Somebody's own file stays.
echo own >share/nodeswarm/stacks/own.yml
cd - >/dev/null
run uninstall
(cd "$dest" && find . ! -type d -o -name nodeswarm)
