#!/usr/bin/env bash
# test_quickstart_nodes.sh - scripts/quickstart.sh --nodes: three hosts on one machine, and none after
# time-limit: 420
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need jq
[ -d "$ROOT/build/packages/haproxy" ] || need haproxy
expect . nodesim --version >/dev/null || skip_all "this 'nodesim' is a placeholder"

quickstart=$ROOT/scripts/quickstart.sh
unset BUILD DOCKER_HOST
# "The machine" is this file's namespaces.
mount --bind "$IT_HOSTDIR/tmp" /mnt
export NODESWARM_QUICKSTART_DIR=/mnt/quickstart
hosts()
{
	"$ROOT/scripts/private-swarm.sh" "$1" "$NODESWARM_QUICKSTART_DIR/swarm" "${@:2}"
}

machine()
{
	ip -o link | cut -d: -f2
	iptables-save | grep -v '^#'
	awk '{ print $2 }' /proc/mounts | sort
	ps -e -o comm= | awk '/dockerd|containerd|unshare|nsenter|perl|sleep/' | sort
	find /sys/fs/cgroup -path "*$NODESWARM_QUICKSTART_CGROUP*"
	ls -d "$NODESWARM_QUICKSTART_DIR" /var/lib/nodeswarm /var/lib/docker 2>&1
}
machine >"$IT_DIR/before"

check 'six nodes are too many' expect_fail 2 '1 to 5' "$quickstart" --nodes 6
check 'a number is needed' expect_fail 2 '1 to 5' "$quickstart" --nodes x
check 'three hosts and eight readers' expect "private-swarm.sh client $NODESWARM_QUICKSTART_DIR/swarm curl -i http" "$quickstart" --nodes 3
check 'all are managers' expect '^3$' docker -H "unix://$NODESWARM_QUICKSTART_DIR/swarm/n1/docker.sock" info -f '{{.Swarm.Managers}}'

# The script has ended; its hosts have not.
status()
{
	hosts exec 1 "$ROOT/build/nodeswarm" --json status
}
readers_spread()
{
	status | jq -e '[.slots[] | select(.service == "readers" and .ready) | .host] | length == 8 and (unique | length) == 3'
}
get_info()
{
	hosts client curl -sf -m 5 "http://192.168.77.$1:8888/v1/chain/get_info" | jq -e .head_block_num
}
check 'eight readers serve, on all three' readers_spread
for k in 1 2 3; do
	check "the front of host $k answers" get_info $k
done
from_here()
{
	DOCKER_HOST=unix://$NODESWARM_QUICKSTART_DIR/swarm/n1/docker.sock "$ROOT/build/nodeswarm" --json status |
		jq -e '[.slots[] | select(.service == "readers" and .ready)] | length == 8'
}
check 'and nodeswarm on the machine sees them, as the tips say' from_here
check 'its own pool on each' expect '^3$' sh -c "cat $NODESWARM_QUICKSTART_DIR/swarm/n*/pool/pool.json | jq -r .id | sort -u | wc -l"
check 'another number of hosts is refused' expect_fail 1 'has 3 hosts' "$quickstart" --nodes 2
# Not poweroff: that leaves data-dirs dirty, and their slots held.
check 'an engine is stopped' hosts stop 3
check 'again brings it back' "$quickstart" --nodes 3
check 'and again is harmless' expect 'nothing to change' "$quickstart"
check 'it is there' expect 'node3 .* manager ' hosts status

quorum_lost()
{
	hosts poweroff 2 && hosts poweroff 3
}
check 'without a quorum' quorum_lost
check 'down all the same' "$quickstart" --down
machine >"$IT_DIR/after"
check 'the machine is as before' diff "$IT_DIR/before" "$IT_DIR/after"
