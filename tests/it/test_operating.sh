#!/usr/bin/env bash
# test_operating.sh - what docs/operating.md says of hosts, as it stands there: one joins, one leaves for good, the managers'
# majority is lost and the swarm begun anew on what is left, a lost one joins again, one is gone for good
# time-limit: 180
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/swarm.sh
. "$(dirname "$0")/swarm.sh"
need docker jq curl

export NODESWARM_PRODUCER_CONFIG=$ROOT/stacks/producer/config.ini NODESWARM_PEERS='' READERS=3
FILES=(-f "$ROOT/stacks/agent.yml" -f "$ROOT/stacks/broker.yml" -f "$ROOT/stacks/producer.yml" -f "$ROOT/stacks/readers.yml")

up()
{
	nodeswarm up "${FILES[@]}" --wait 90s "$@"
}
cluster()
{
	swarm_up 3 3 && swarm_images && swarm_pool &&
		echo 5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3 | docker secret create producer-key - >/dev/null &&
		NODESWARM_BOOTSTRAP=1 up && up --scale producer-standby=1
}

# On HOST, from a directory that only it has.
there()
{
	on "$1" bash -c "cd /run/node && $2"
}
status()
{
	nodeswarm --json status | jq -e "$1"
}
serve_on()
{
	status "[.slots[] | select(.host == \"$1\" and .ready)] | length >= $2"
}
head_of()
{
	nodeswarm --json status | jq '[.slots[] | select(.service == "readers") | .head_block_num // 0] | max'
}
moves()
{
	local before
	before=$(head_of) && sleep 1 && [ "$(head_of)" -gt "$before" ]
}
# All wanted slots, and nothing else said of them.
all_serve()
{
	status '([.slots[] | select(.service == "readers" and .ready)] | length == 3) and
		([.slots[] | select(.service == "producer" or .service == "producer-standby") | select(.ready)] | length == 2)'
}
nodes()
{
	docker node ls --format '{{.Hostname}}:{{.Status}}:{{.ManagerStatus}}' | sort | tr '\n' ' '
}
doctor()
{
	nodeswarm --json doctor | jq -c '.checks[] | select(.check == "'"$1"'") | [.level, .found, .hint]'
}

check 'three managers: a producer, its standby, three readers' cluster || exit

# --- Adding a host -------------------------------------------------------------------------------

SWARM_DIR=$ROOT/swarm
added()
{
	node_start 4 && there 1 "docker swarm join-token -q worker >token" &&
		there 1 "$SWARM_DIR/save-images.sh -o images.tar -f $ROOT/stacks/agent.yml -f $ROOT/stacks/readers.yml" &&
		cp "$SWARM"/n1/{token,images.tar,images.tar.ids} "$SWARM/n4/"
}
check 'token and images' added || exit
check 'without an engine that is in it, there is nothing to leave' expect 'in no swarm' on 4 "$SWARM_DIR/join-swarm.sh" --undo
check 'join-swarm.sh: images, pool, units' expect 'joined the swarm of 192.168.77.1:2377' \
	there 4 "$SWARM_DIR/join-swarm.sh --token-file token --images images.tar 192.168.77.1:2377"
check 'again changes nothing' expect 'is in a swarm already' \
	there 4 "$SWARM_DIR/join-swarm.sh --token-file token --images images.tar 192.168.77.1:2377"
check 'the token is on no command line' expect_fail any '' grep -rqsaF "$(cat "$SWARM/n1/token")" "$SWARM/n4/dockerd.log"
check 'agent and pool come by themselves' wait_for 30 serve_on node4 1
check 'a generation' nodeswarm data archive readers.1
FROM=$(nodeswarm --json data ls | jq -r '[.generations[] | select(.current)][0].host')
CHAIN=$(nodeswarm --json data ls | jq -r '[.generations[] | select(.current)][0].chain_id')
check 'the new host gets it' nodeswarm data pull current --from "$FROM" --on node4 --chain-id "$CHAIN"
check 'a fourth reader' nodeswarm scale readers=4 --wait 60s
check 'is on the new host' serve_on node4 2
check 'and three again' nodeswarm scale readers=3 --wait 60s

# --- Taking a host out, for good -----------------------------------------------------------------

check 'node3 is prepared, as init-swarm.sh does it' on 3 "$SWARM_DIR/prepare-host.sh"
check 'leaving with tasks is refused' expect_fail 1 'tasks run here: on a manager, docker node update --availability drain node3' \
	on 3 "$SWARM_DIR/join-swarm.sh" --undo
check 'drain' docker node update --availability drain node3
empty()
{
	[ -z "$(D "$1" ps -q)" ]
}
check 'it is left by all' wait_for 40 empty 3
check 'leaving as a manager is refused' expect_fail 1 'docker node demote node3, first' on 3 "$SWARM_DIR/join-swarm.sh" --undo
check 'even as a lost one, while there is a leader' expect_fail 1 'has a leader: docker node demote node3' \
	on 3 "$SWARM_DIR/join-swarm.sh" --undo --lost
check 'demote' docker node demote node3
is_worker()
{
	[ "$(D "$1" info -f '{{.Swarm.ControlAvailable}}')" = false ]
}
check 'it is a worker' wait_for 20 is_worker 3
check 'it leaves' expect '^left; on a manager: docker node rm node3' on 3 "$SWARM_DIR/join-swarm.sh" --undo
check 'the swarm knows' wait_for 20 node_is 3 down
check 'it is forgotten' docker node rm node3
check 'its units go' on 3 "$SWARM_DIR/prepare-host.sh" --undo
check 'none is left' test -z "$(on 3 find /etc/systemd/system /etc/sysctl.d -name '*nodeswarm*')"
check 'its data stays' test -e "$(node_pool 3)/pool.json"
check 'all serve on the others' wait_for 40 all_serve

# --- Losing a host: most managers ----------------------------------------------------------------

BEFORE=$(head_of)
check 'node2 is lost, one of two managers' node_poweroff 2
no_leader()
{
	! timeout 30 docker node ls
}
check 'there is no leader' wait_for 40 no_leader
check 'doctor says so' expect 'problem.*force-new-cluster' doctor quorum
check 'begun anew on what is left' docker swarm init --force-new-cluster --advertise-addr 192.168.77.1
check 'the worker comes by itself' wait_for 40 expect '^node1:Ready:Leader node2:(Down|Unknown): node4:Ready: $' nodes
check 'doctor tells whom it was begun without' expect 'begun anew without: node2.*--undo --lost' doctor quorum
check 'which is forgotten, being off' docker node rm --force node2
check 'doctor: one manager' expect 'warning.*1 manager: ' doctor quorum
check 'services, secrets, configs and sizes are there' up
check 'all serve, on two hosts' wait_for 60 all_serve
check 'the chain goes on' moves
check 'the same chain' test "$(head_of)" -gt "$BEFORE"
check 'one signs, one could' expect '"producing".*"standby"|"standby".*"producing"' sh -c \
	"echo '$(nodeswarm --json producer status | jq -c '[.candidates[].state]')'"

# --- A lost manager joins again ------------------------------------------------------------------

check 'node2 is back' node_restart 2
there 1 'docker swarm join-token -q manager >token' && cp "$SWARM/n1/token" "$SWARM/n2/"
check 'it waits for a swarm that is no more' expect_fail 1 "'pending'.*--undo --lost, first" \
	there 2 "$SWARM_DIR/join-swarm.sh --token-file token 192.168.77.1:2377"
check 'an ordinary leave is refused' expect_fail 1 'no leader any more: --undo --lost' on 2 "$SWARM_DIR/join-swarm.sh" --undo
check 'it forgets that swarm' expect '^left, ' on 2 "$SWARM_DIR/join-swarm.sh" --undo --lost
check 'and joins as a manager' expect 'joined' there 2 "$SWARM_DIR/join-swarm.sh --token-file token --advertise-addr 192.168.77.2 192.168.77.1:2377"
check 'with its agent and broker' wait_for 40 serve_on node2 2
check 'a third manager' docker node promote node4
check 'doctor is content with them' wait_for 20 expect '"ok","all 3 managers' doctor quorum

# --- A manager is gone for good, and there is a majority -----------------------------------------

check 'node2 is lost again' node_poweroff 2
check 'it is down' wait_for 40 node_is 2 down
check 'demoted' docker node demote node2
check 'and forgotten' docker node rm --force node2
check 'two managers are left' expect '^node1:Ready:(Leader|Reachable) node4:Ready:(Leader|Reachable) $' nodes
check 'all serve' wait_for 40 all_serve
check 'the chain goes on still' moves
