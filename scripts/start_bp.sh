#!/usr/bin/env bash
# start_bp.sh - start the block producer, and N standbys for it
#
# usage: scripts/start_bp.sh [N] [OPTION...]     OPTIONs go to "nodeswarm up", such as --plan; --wait
#                                                holds for each: the producer, then the standbys
#
# Without N the number of standbys stays what it is, none at first. The signing key is the swarm's
# secret "producer-key", which is made once and by hand:
#
#   docker secret create producer-key FILE
#
# The first producer of a new chain has nobody to compare heads with and waits for that, unless it is
# started once with NODESWARM_BOOTSTRAP=1; start it again without that when it produces.
set -e
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PWD/build:$PATH
standbys=
if [[ ${1-} =~ ^[0-9]+$ ]]; then
	standbys=$1
	shift
fi
# One command, so that --json is one object.
scale=()
[ -z "$standbys" ] || [[ " $* " == *' --plan '* ]] || scale=(--scale "producer-standby=$standbys")
exec nodeswarm up -f stacks/broker.yml -f stacks/producer.yml "${scale[@]}" "$@"
