#!/usr/bin/env bash
# test_product_nodes.sh - a stranger's first hour on three hosts, which are namespaces of one machine
# time-limit: 600
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/product.sh
. "$ROOT/tests/it/product.sh"
export READERS=6

hosts()
{
	"$ROOT/scripts/private-swarm.sh" "$1" "$NODESWARM_QUICKSTART_DIR/swarm" "${@:2}"
}

machine >"$IT_DIR/before"
check 'six nodes are too many' expect_fail 2 '1 to 5' "$ROOT/scripts/quickstart.sh" --nodes 6
check 'a number is needed' expect_fail 2 '1 to 5' "$ROOT/scripts/quickstart.sh" --nodes x
check 'three hosts and six readers' quickstart --nodes 3 || exit

# The script has ended; its hosts have not.
readers_spread()
{
	user 'nodeswarm --json status' |
		jq -e '[.slots[] | select(.service == "readers" and .ready) | .host] | length == 6 and (unique | length) == 3'
}
front_of()
{
	hosts client curl -sf -m 5 "http://192.168.77.$1:8888/v1/chain/get_info" | jq -e .head_block_num
}
# With the file that is there for it.
from_here()
(
	# shellcheck source=/dev/null
	. "$NODESWARM_QUICKSTART_DIR/env"
	nodeswarm --json status | jq -e '[.slots[] | select(.service == "readers" and .ready)] | length == 6'
)
check 'all are managers' expect '^3$' user 'docker info -f "{{.Swarm.Managers}}"'
check 'six readers serve, on all three' readers_spread
check 'the chain is pinned to where its data is' expect 'node\.hostname==node1' user \
	'docker service inspect -f "{{.Spec.TaskTemplate.Placement.Constraints}}" nodeswarm_devchain'
for k in 1 2 3; do
	check "the front of host $k answers" front_of $k
done
check 'nodeswarm on the machine sees them, too' from_here
check 'its own pool on each' expect '^3$' sh -c "cat $NODESWARM_QUICKSTART_DIR/swarm/n*/pool/pool.json | jq -r .id | sort -u | wc -l"
check 'another number of hosts is refused' expect_fail 1 'has 3 hosts' "$ROOT/scripts/quickstart.sh" --nodes 2

check 'there is no quickstart within its host' expect_fail 1 'the shell of node1' user "$ROOT/scripts/quickstart.sh --down"

journey

# Not poweroff: that leaves data-dirs dirty, and their slots held.
check 'an engine is stopped' hosts stop 3
export READERS=3
check 'again brings it back' quickstart --nodes 3
check 'it is there' expect 'node3 .* manager ' hosts status

quorum_lost()
{
	hosts poweroff 2 && hosts poweroff 3
}
check 'without a quorum' quorum_lost
check 'down all the same' "$ROOT/scripts/quickstart.sh" --down
machine >"$IT_DIR/after"
check 'the machine is as before' diff "$IT_DIR/before" "$IT_DIR/after"
