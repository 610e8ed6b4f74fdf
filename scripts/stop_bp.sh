#!/usr/bin/env bash
# stop_bp.sh - stop the block producer and its standbys; data stays, start_bp.sh brings them back
#
# usage: scripts/stop_bp.sh [OPTION...]     all goes to "nodeswarm stop"
#
# Nobody signs then. To let the standby go on, 'nodeswarm producer failover' first and stop the
# service 'producer' alone.
set -e
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PWD/build:$PATH
# All at once: whichever is stopped first, the other would take over for a moment.
exec nodeswarm stop "$@" producer-standby producer
