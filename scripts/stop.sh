#!/usr/bin/env bash
# stop.sh - stop the readers, each with its state written; data stays, start.sh brings them back
#
# usage: scripts/stop.sh [OPTION...] [SERVICE...]     all goes to "nodeswarm stop"
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
PATH=$PWD/build:$PATH
[ $# -gt 0 ] || set -- readers
exec nodeswarm stop "$@"
