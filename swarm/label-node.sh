#!/usr/bin/env bash
# label-node.sh - set and remove labels of a host, for "placement: constraints"
#
# usage: swarm/label-node.sh [--dry-run] HOST [KEY=VALUE | -KEY]...
#
#   KEY=VALUE   set it        -KEY   remove it
#
# Without labels it prints those of the host. Run it where a manager's engine is. Example:
#
#   swarm/label-node.sh host2 nodeswarm.replay=state
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=swarm/common.sh
. "$here/common.sh"

args=()
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help) usage && exit 0 ;;
	--dry-run) dry=1 ;;
	--*) usage_error "unknown option '$1'" ;;
	*) args+=("$1") ;;
	esac
	shift
done
[ "${#args[@]}" -gt 0 ] || usage_error 'name a host'
host=${args[0]}
need_engine

labels()
{
	docker node inspect -f '{{range $k, $v := .Spec.Labels}}{{$k}}={{$v}}{{"\n"}}{{end}}' "$host" | sed '/^$/d'
}

now=$(labels)
change=()
for label in "${args[@]:1}"; do
	case $label in
	-?*) ! grep -q "^${label#-}=" <<<"$now" || change+=(--label-rm "${label#-}") ;;
	?*=*) grep -qxF -- "$label" <<<"$now" || change+=(--label-add "$label") ;;
	*) usage_error "'$label' is neither KEY=VALUE nor -KEY" ;;
	esac
done
[ "${#change[@]}" = 0 ] || run docker node update "${change[@]}" "$host" >/dev/null
if [ -n "$dry" ] && [ "${#change[@]}" -gt 0 ]; then
	say "would run: docker node update ${change[*]} $host"
fi
labels
