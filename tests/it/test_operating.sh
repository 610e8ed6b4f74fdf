#!/usr/bin/env bash
# test_operating.sh - docs/operating.md, as it stands there: a host joins, another leaves for good
# time-limit: 240
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
check 'as the list of all hosts says' expect ' node4 ' nodeswarm data ls --wide
check 'a fourth reader' nodeswarm scale readers=4 --wait 60s
check 'is on the new host' serve_on node4 2
watched()
{
	timeout -s INT 3 nodeswarm status --watch >"$IT_DIR/watched"
	grep -c '^NAME .*REASON' "$IT_DIR/watched"
	[ "$(grep -c '^readers[.]1 ' "$IT_DIR/watched")" -ge 2 ]
}
check 'status --watch shows them again and again' watched
check 'logs -f goes on until it is told' expect_fail any 'readers\.1' timeout -s INT 3 nodeswarm logs readers.1 --tail 50 -f
check 'and three again' nodeswarm scale readers=3 --wait 60s

# --- Moving the producer, from a host that is then taken out ----------------------------------------

producer()
{
	nodeswarm --json producer status | jq -e "$1"
}
label()
{
	"$ROOT/swarm/label-node.sh" "$1" "nodeswarm.role=$2"
}
roles()
{
	label node1 readers && label node2 standby && label node3 producer && label node4 readers
}
check 'each host has a role' roles
check 'which moves what is elsewhere' wait_for 40 producer '([.candidates[] | [.name, .host]] | sort) ==
	[["producer-standby.1", "node2"], ["producer.1", "node3"]] and any(.candidates[]; .state == "producing")'
# Whoever was moved last has left the right to sign to the other.
signs()
{
	producer ".lease.holder_name == \"$1\"" || nodeswarm producer failover "$1"
}
check 'producer.1 signs' wait_for 20 signs producer.1
check 'the new host shall have the producer' "$ROOT/swarm/label-node.sh" node4 nodeswarm.role=producer
check 'the standby could take over' wait_for 20 producer 'any(.candidates[]; .name == "producer-standby.1" and .could_take_over)'
check 'and does' nodeswarm producer failover producer-standby.1 --reason 'node3 retires'
check 'a host with tasks does not leave' expect_fail 1 'tasks run here: on a manager, docker node update --availability drain node3' \
	on 3 "$JOIN" --undo
check 'drain' docker node update --availability drain node3
check 'producer.1 goes to the new host' wait_for 40 producer 'any(.candidates[]; .name == "producer.1" and .host == "node4" and .could_take_over)'
check 'and signs there' nodeswarm producer failover producer.1
check 'no turn was missed for long' moves

# --- Taking a host out, for good -----------------------------------------------------------------

check 'node3 is prepared, as init-swarm.sh does it' on 3 "$ROOT/swarm/prepare-host.sh"
check 'with a firewall' on 3 nodeswarm firewall apply
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
