#!/usr/bin/env bash
# cpbasedir.sh - give readers 1 to N a clone of the current generation, before they start
#
# usage: scripts/cpbasedir.sh N [OPTION...]     OPTIONs go to "nodeswarm data prepare", such as --from
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
PATH=$PWD/build:$PATH
exec nodeswarm data prepare readers "$@"
