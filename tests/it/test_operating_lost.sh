#!/usr/bin/env bash
# test_operating_lost.sh - docs/operating.md, "Losing a host", where it was a manager: with most of the managers, and with one of three
# time-limit: 300
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/operating.sh
. "$ROOT/tests/it/operating.sh"

check 'two managers and a worker: a producer, its standby, three readers' cluster 3 2 || exit

# --- Losing a host: most managers ----------------------------------------------------------------

BEFORE=$(head_of)
check 'node2 is lost, one of two managers' node_poweroff 2
check 'doctor says that there is no leader' wait_for 60 expect 'problem.*2 of them are known.*force-new-cluster' doctor quorum
check 'begun anew on what is left' docker swarm init --force-new-cluster --advertise-addr 192.168.77.1
check 'the worker comes by itself' wait_for 40 expect '^node1:Ready:Leader node2:(Down|Unknown): node3:Ready: $' nodes
check 'doctor tells whom it was begun without' expect 'begun anew without: node2.*--undo --lost' doctor quorum
check 'which is forgotten, being off' docker node rm --force node2
check 'doctor: one manager' expect 'warning.*1 manager: ' doctor quorum
check 'services, secrets, configs and sizes are there' up
check 'all serve, on two hosts' wait_for 60 all_serve
one_signs()
{
	nodeswarm --json producer status >"$IT_DIR/p" && jq -c '[.lease.holder_name, [.candidates[] | [.name, .host, .state, .why]]]' "$IT_DIR/p" &&
		jq -e '[.candidates[] | select(.state == "producing")] | length == 1' "$IT_DIR/p"
}
check 'one signs' wait_for 60 one_signs
check 'the chain goes on' wait_for 20 moves
check 'the same chain' test "$(head_of)" -gt "$BEFORE"

# --- A lost manager joins again ------------------------------------------------------------------

check 'node2 is back' node_restart 2
there 1 'docker swarm join-token -q manager >token' && cp "$SWARM/n1/token" "$SWARM/n2/"
check 'it waits for a swarm that is no more' expect_fail 1 "'pending'.*--undo --lost, first" \
	there 2 "$JOIN --token-file token 192.168.77.1:2377"
check 'an ordinary leave is refused' expect_fail 1 'no leader any more: --undo --lost' on 2 "$JOIN" --undo
check 'it forgets that swarm' expect '^left, ' on 2 "$JOIN" --undo --lost
check 'and joins as a manager' expect 'joined' there 2 "$JOIN --token-file token --advertise-addr 192.168.77.2 192.168.77.1:2377"
check 'with its agent and broker' wait_for 40 serve_on node2 2
check 'a third manager' docker node promote node3
check 'doctor is content with them' wait_for 20 expect '"ok","all 3 managers' doctor quorum

# --- A manager is gone for good, and there is a majority -----------------------------------------

check 'node2 is lost again' node_poweroff 2
check 'it is down' wait_for 40 node_is 2 down
check 'demoted' docker node demote node2
check 'and forgotten' docker node rm --force node2
check 'two managers are left' expect '^node1:Ready:(Leader|Reachable) node3:Ready:(Leader|Reachable) $' nodes
check 'all serve' wait_for 40 all_serve
check 'the chain goes on still' moves
