#!/usr/bin/env bash
# start.sh - start the readers, N of them
#
# usage: scripts/start.sh [N] [OPTION...]     OPTIONs go to "nodeswarm up", such as --plan
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
PATH=$PWD/build:$PATH
if [[ ${1-} =~ ^[0-9]+$ ]]; then
	export READERS=$1
	shift
fi
exec nodeswarm up -f stacks/readers.yml "$@"
