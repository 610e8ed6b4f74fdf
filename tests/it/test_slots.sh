#!/usr/bin/env bash
# A slot's data-dir is never opened twice, never killed, and always left clean, whatever is done to
# the service: through nodeswarm and through docker's own CLI.
# time-limit: 900
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/cluster.sh
. "$(dirname "$0")/cluster.sh"
need docker jq

check 'engine' engine_up || exit
check 'images' cluster_images || exit
check 'pool' cluster_pool || exit

# Short flushes while the cluster is made; long ones from the next update on.
check 'up: dev chain and 1 reader serve' cluster_up 1 || exit
check 'up again changes nothing' expect 'nothing to change' cluster_up 1
oracle_start

random_scale()
{
	local i n
	# A fixed seed: a failure can be repeated.
	RANDOM=7
	for i in 1 2 3 4 5 6; do
		n=$((RANDOM % 8 + 1))
		echo "--- $i: readers=$n"
		nodeswarm scale readers=$n || return
		serves readers $n || return
	done
}

check 'scale 1 to 8' nodeswarm scale readers=8
check 'all 8 serve' serves readers 8
check 'scale 8 to 1: the seven others end clean' nodeswarm scale readers=1
check 'one serves' serves readers 1
check 'no data-dir was open twice' oracle_stop

export NODESIM_FLUSH=20s
check 'update to a flush of 20 s' cluster_up 1
oracle_start
check 'scaled at random, flush 20 s' random_scale

update_is()
{
	[ "$(docker service inspect -f '{{.UpdateStatus.State}}' nodeswarm_readers)" = "$1" ]
}

raw_update()
{
	local n
	for n in 3 6 2; do
		docker service update -d --replicas $n nodeswarm_readers >/dev/null || return
		wait_for 60 serves readers $n || return
	done
}
check 'docker service update --replicas 3, 6, 2: all serve' raw_update

force_twice()
{
	docker service update -d --force nodeswarm_readers >/dev/null || return
	sleep 0.6
	docker service update -d --force nodeswarm_readers >/dev/null || return
	sleep 8
	# Both updates are under way now; wait until the second one is over and everything serves.
	wait_for 200 update_is completed && wait_for 120 serves readers 2
}
check 'docker service update --force twice in 0.6 s: each slot waits for its predecessor' force_twice

remove_and_create()
{
	docker service rm nodeswarm_readers >/dev/null || return
	# Within the grace period: the old containers still flush.
	nodeswarm up -f "$CHAIN_YML" -f "$READERS_YML" --wait 120s
}
check 'docker service rm and up within the grace period' remove_and_create

# Longer than the 60 s after which Swarm starts the next container of a slot all the same.
export NODESIM_FLUSH=90s
check 'scale to 1' nodeswarm scale readers=1
check 'update to a flush of 90 s' cluster_up 1
two_containers()
{
	[ "$(docker ps -q --filter name=nodeswarm_readers.1 | wc -l)" = 2 ]
}
force_90()
{
	docker service update -d --force nodeswarm_readers >/dev/null
	wait_for 80 two_containers || return
	echo "two containers of one slot run"
	wait_for 60 serves readers 1
}
check 'a flush of 90 s: Swarm starts a second container after 60 s, which waits' force_90

check 'stop waits for every flush' nodeswarm stop
check 'every record is clean' records_clean readers
check 'no chain node was killed' no_sigkill
check 'no container was killed' no_container_killed
check 'no data-dir was open twice' oracle_stop
export NODESIM_FLUSH=0s NODESWARM_HEAL=never
check 'up brings back what was stopped' cluster_up "$READERS"

kill9_pid1()
{
	local pid
	pid=$(docker inspect -f '{{.State.Pid}}' "$(docker ps -q --filter name=nodeswarm_readers.1)") || return
	kill -KILL "$pid"
	wait_for 30 expect '^held$' sh -c "nodeswarm status --json | jq -r '.slots[] | select(.name == \"readers.1\") | .state'"
	nodeswarm status
}
check 'kill -9 of PID 1, without healing: the slot is held, and says that it is dirty' kill9_pid1
check 'up does not wait for what cannot come' expect_fail 1 'readers.1: the data-dir is dirty' cluster_up "$READERS"
check 'stop names the slot that is not clean' expect_fail 1 'not left clean.*readers.1' nodeswarm stop
NODESWARM_HEAL=auto
check 'up with healing: all serve' cluster_up "$READERS"
healed()
{
	nodeswarm --json status | jq -e '.slots[] | select(.name == "readers.1").heal | .stage == "healed" and .verdict == "dirty"'
}
check 'and it says what it was healed of' healed
check 'down' nodeswarm down
check 'nothing of the stack is left in the engine' expect_fail 1 '^$' \
	grep . <(docker service ls -q; docker config ls -q; docker network ls -q --filter label=com.docker.stack.namespace=nodeswarm)
