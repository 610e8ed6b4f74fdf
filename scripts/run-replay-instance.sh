#!/usr/bin/env bash
# run-replay-instance.sh - start a replay with N workers, or give the one that runs N workers
#
# usage: [MANIFEST=FILE] scripts/run-replay-instance.sh N [DRY-RUN] [OPTION...]
#
# MANIFEST is manifest.json if it is not set.  Returns when the services are made; 'nodeswarm replay status'
# shows how far they are.  OPTIONs go to "nodeswarm replay run", such as --wait 1h.
if ! [[ ${1-} =~ ^[0-9]+$ ]]; then
	sed -n '2,/^if/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \{0,1\}//' >&2
	exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
PATH=$root/build:$PATH
workers=$1
shift
if [ "${1-}" = DRY-RUN ]; then
	shift
	set -- --dry-run "$@"
fi
exec nodeswarm replay run "${MANIFEST:-manifest.json}" -n "$workers" -f "$root/stacks/replay.yml" --wait 0 "$@"
