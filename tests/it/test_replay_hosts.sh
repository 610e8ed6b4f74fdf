#!/usr/bin/env bash
# test_replay_hosts.sh - a replay goes on when a whole worker host is lost
#
# Three hosts: the orchestrator on the manager, workers on the other two, of which one is switched off.
# time-limit: 400
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/swarm.sh
. "$ROOT/tests/it/swarm.sh"
HISTORY_ADDRESS=192.168.77.254 HISTORY_RUN=client
# shellcheck source=tests/it/replay.sh
. "$ROOT/tests/it/replay.sh"

export NODESWARM_REPLAY_WORKER_HOSTS=node.role==worker
check '3 nodes, 1 manager' swarm_up 3 1 || exit
check 'images' swarm_images || exit
check 'pools' swarm_pool || exit
check 'a history of 30 slices' history 30 200 || exit
manifest 5.0.2 >"$IT_DIR/manifest.json"

on_hosts()
{
	docker service ps -f desired-state=running --format '{{.Node}}' "nodeswarm_$1" | sort | uniq -c | tr -s ' \n' ' '
}
check 'a replay is begun' replay_begin "$IT_DIR/manifest.json" -n 6
check 'some slices are done, others at work' wait_for 60 status_is '.run.totals.verified + .run.totals.unverified >= 5 and .run.totals.claimed >= 4'
check 'the workers are on two hosts' expect 'node2.*node3' on_hosts replay-worker
check 'the orchestrator is on the manager' expect 'node1' on_hosts orchestrator
check 'a worker host is switched off' node_poweroff 3
check 'the run ends well' replay_run "$IT_DIR/manifest.json" -n 6 || {
	nodeswarm --json replay status | jq .
	timeout 20 docker service ps nodeswarm_orchestrator nodeswarm_replay-worker
	timeout 20 docker service logs --tail 40 nodeswarm_replay-worker 2>&1 | tail -60
}
check 'each slice exactly once, verified, and the ends meet' certificate_is_right
check 'certificate verify' nodeswarm replay certificate verify "$CERTIFICATE"
check 'slices were lost with the host' status_is '.run.totals.losses >= 1'
