#!/usr/bin/env bash
# Random operations on a service with flushes of 0 to 120 s; see run.
# time-limit: 90000
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/../it/lib.sh"
# shellcheck source=tests/it/cluster.sh
. "$(dirname "$0")/../it/cluster.sh"
need docker jq
: "${SOAK_OPERATIONS:?}" "${SOAK_SEED:?}" "${SOAK_STATE:?}"
LOG=$SOAK_STATE/log
touch "$LOG"

done_so_far=$(grep -c '^op ' "$LOG")
RANDOM=$((SOAK_SEED % 32768))

scale_ours() { nodeswarm scale readers="$1" --wait 400s; }
scale_docker()
{
	docker service update -d --replicas "$1" nodeswarm_readers >/dev/null && wait_for 400 serves readers "$1"
}
settled() { wait_for 900 update_done && wait_for 400 serves readers "$(wanted)"; }
wanted() { docker service inspect -f '{{.Spec.Mode.Replicated.Replicas}}' nodeswarm_readers; }
update_done() { [ "$(docker service inspect -f '{{.UpdateStatus.State}}' nodeswarm_readers)" != updating ]; }
force()
{
	docker service update -d --force nodeswarm_readers >/dev/null && sleep 2 && settled
}
force_twice()
{
	docker service update -d --force nodeswarm_readers >/dev/null && sleep 0.6 &&
		docker service update -d --force nodeswarm_readers >/dev/null && sleep 2 && settled
}
down_and_up() # within the grace period of those that leave
{
	docker service update -d --replicas 0 nodeswarm_readers >/dev/null && sleep 3 && scale_docker "$1"
}
remove_and_create()
{
	docker service rm nodeswarm_readers >/dev/null && READERS=$1 &&
		nodeswarm up -f "$CHAIN_YML" -f "$READERS_YML" --wait 600s
}
stop_and_up() { nodeswarm stop readers --wait 400s && cluster_up "$(wanted)" --wait 400s; }

operation()
{
	case $1 in
	0 | 1) scale_ours "$2" ;;
	2 | 3) scale_docker "$2" ;;
	4) force ;;
	5) force_twice ;;
	6) down_and_up "$2" ;;
	7) remove_and_create "$2" ;;
	8) stop_and_up ;;
	esac
}
names=(scale scale docker-scale docker-scale force force-twice down-and-up remove-and-create stop-and-up)

check 'engine' engine_up || exit
check 'images' cluster_images || exit
check 'pool' cluster_pool || exit
export NODESIM_FLUSH=0s..120s
check 'up' cluster_up 2 || exit
oracle_start

for ((i = 1; i <= SOAK_OPERATIONS; i++)); do
	kind=$((RANDOM % 9)) n=$((RANDOM % 6 + 1)) start=$EPOCHREALTIME
	# Drawn also for those that were done before, so that the seed means the same.
	[ "$i" -gt "$done_so_far" ] || continue
	if check "$i ${names[kind]} $n" operation $kind $n && records_clean readers && no_sigkill; then
		echo "op $i ${names[kind]} $n ok $(since "$start") s" >>"$LOG"
	else
		echo "op $i ${names[kind]} $n FAILED after $(since "$start") s" >>"$LOG"
	fi
done
check 'stop' nodeswarm stop
check 'every record is clean' records_clean readers
check 'no chain node was killed' no_sigkill
check 'no container was killed' no_container_killed
check 'no data-dir was open twice' oracle_stop
check 'no operation failed' expect_fail 1 '^$' grep FAILED "$LOG"
check 'down' nodeswarm down
