#!/usr/bin/env bash
# test_operating.sh - docs/operating.md, as it stands there: a host joins, another leaves for good
# time-limit: 150
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/operating.sh
. "$ROOT/tests/it/operating.sh"

check 'three managers: a producer, its standby, three readers' cluster 3 3 || exit

# --- Adding a host -------------------------------------------------------------------------------

added()
{
	node_start 4 && there 1 "docker swarm join-token -q worker >token" &&
		there 1 "$ROOT/swarm/save-images.sh -o images.tar -f $ROOT/stacks/agent.yml -f $ROOT/stacks/readers.yml" &&
		cp "$SWARM"/n1/{token,images.tar,images.tar.ids} "$SWARM/n4/"
}
check 'token and images' added || exit
check 'without an engine that is in it, there is nothing to leave' expect 'in no swarm' on 4 "$JOIN" --undo
check 'join-swarm.sh: images, pool, units' expect 'joined the swarm of 192.168.77.1:2377' \
	there 4 "$JOIN --token-file token --images images.tar 192.168.77.1:2377"
check 'again changes nothing' expect 'is in a swarm already' \
	there 4 "$JOIN --token-file token --images images.tar 192.168.77.1:2377"
check 'agent and pool come by themselves' wait_for 30 serve_on node4 1
check 'a generation' nodeswarm data archive readers.1
FROM=$(nodeswarm --json data ls | jq -r '[.generations[] | select(.current)][0].host')
CHAIN=$(nodeswarm --json data ls | jq -r '[.generations[] | select(.current)][0].chain_id')
check 'the new host gets it' nodeswarm data pull current --from "$FROM" --on node4 --chain-id "$CHAIN"
check 'a fourth reader' nodeswarm scale readers=4 --wait 60s
check 'is on the new host' serve_on node4 2
check 'and three again' nodeswarm scale readers=3 --wait 60s

# --- Taking a host out, for good -----------------------------------------------------------------

check 'node3 is prepared, as init-swarm.sh does it' on 3 "$ROOT/swarm/prepare-host.sh"
check 'with a firewall' on 3 nodeswarm firewall apply
check 'leaving with tasks is refused' expect_fail 1 'tasks run here: on a manager, docker node update --availability drain node3' \
	on 3 "$JOIN" --undo
check 'drain' docker node update --availability drain node3
empty()
{
	[ -z "$(D "$1" ps -q)" ]
}
check 'it is left by all' wait_for 40 empty 3
check 'leaving as a manager is refused' expect_fail 1 'docker node demote node3, first' on 3 "$JOIN" --undo
check 'even as a lost one, while there is a leader' expect_fail 1 'has a leader: docker node demote node3' \
	on 3 "$JOIN" --undo --lost
check 'demote' docker node demote node3
is_worker()
{
	[ "$(D "$1" info -f '{{.Swarm.ControlAvailable}}')" = false ]
}
check 'it is a worker' wait_for 20 is_worker 3
check 'it leaves' expect '^left; on a manager: docker node rm node3' on 3 "$JOIN" --undo
check 'the swarm knows' wait_for 20 node_is 3 down
check 'it is forgotten' docker node rm node3
check 'its units go' on 3 "$ROOT/swarm/prepare-host.sh" --undo
check 'none is left' test -z "$(on 3 find /etc/systemd/system /etc/sysctl.d -name '*nodeswarm*')"
check 'the firewall stays until it is removed' eval "on 3 iptables-save | grep -q NODESWARM && on 3 nodeswarm firewall remove"
check 'and then is gone' expect_fail any '' on 3 sh -c 'iptables-save | grep NODESWARM'
check 'its data stays' test -e "$(node_pool 3)/pool.json"
check 'all serve on the others' wait_for 40 all_serve

# --- Changing a finalizer's key (docs/security.md) ------------------------------------------------
# nodesim has no Savanna: it starts with such keys and does not vote.

# with KEY...: the producer has these
with()
{
	local key
	cp "$ROOT/stacks/producer/config.ini" "$IT_DIR/producer.ini"
	for key in "$@"; do
		echo "signature-provider = $key=KEY:PVT_BLS_$key" >>"$IT_DIR/producer.ini"
	done
	NODESWARM_PRODUCER_CONFIG=$IT_DIR/producer.ini up --scale producer-standby=0
}
# The holders of all claims but that of the signing key; a claim is named by a digest.
claims()
{
	nodeswarm --json producer finalizer | jq -c '[.claims[] | select(.claim | startswith("key-") | not) | .holder]'
}
check 'a key in the configuration of the one producer' with PUB_BLS_old
check 'its slot has it' expect '^\["nodeswarm_producer.1"\]$' claims
check 'the new one beside it' with PUB_BLS_old PUB_BLS_new
check 'the slot has both' expect '^\["nodeswarm_producer.1","nodeswarm_producer.1"\]$' claims
check 'the new one alone' with PUB_BLS_new
check 'the old claim stays, and is not given back by itself' expect_fail 1 'it may run and vote' \
	nodeswarm producer finalizer release PUB_BLS_old
check 'but by who knows that it is in no configuration' nodeswarm producer finalizer release --force PUB_BLS_old
check 'it is free, the new one is not' expect '^\["nodeswarm_producer.1"(,null)?\]$|^\[null,"nodeswarm_producer.1"\]$' claims
check 'the chain goes on' moves
