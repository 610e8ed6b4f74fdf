#!/usr/bin/env bash
# terminate-replay-instance.sh - stop the workers and the orchestrator of the replay
#
# usage: scripts/terminate-replay-instance.sh ALL [DRY-RUN] [OPTION...]
#
# Workers give their slices back first; what was proved stays.  Single workers have no names to be stopped
# by: 'nodeswarm replay scale N' has fewer of them.  OPTIONs go to "nodeswarm replay stop".
if [ "${1-}" != ALL ]; then
	sed -n '2,/^if/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \{0,1\}//' >&2
	exit 2
fi
shift
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
PATH=$root/build:$PATH
if [ "${1-}" = DRY-RUN ]; then
	shift
	set -- --dry-run "$@"
fi
exec nodeswarm replay stop "$@"
