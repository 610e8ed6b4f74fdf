# shellcheck shell=bash
# cluster.sh - a dev chain and readers on the file's engine, and oracles that judge from outside
#
# Sourced after lib.sh, or by swarm.sh, whose nodes it then looks at. Everything is real but the chain
# node, which is nodesim.
#
#	cluster_images                  build the images into the engine
#	cluster_pool                    make the pool $POOL
#	cluster_up READERS [ARG...]     nodeswarm up, dev chain and readers
#	flush_time TIME                 flush time of readers that start from now on (needs another up)
#	slots                           name, task state and readiness of each slot, one a line
#	serving SERVICE                 how many slots of a service serve
#	oracle_start, oracle_stop       watch the host's processes: no data-dir may be open twice.
#	                                oracle_stop fails if that was seen
#	records_clean SERVICE           every end in every record of the service is clean
#	no_sigkill                      no chain node was ended by SIGKILL, by the records
#	no_container_killed             no container was killed by the engine

# shellcheck disable=SC2034 # read by the stack files
export NODESWARM_POOL=${NODESWARM_POOL:-$IT_DIR/pool}
export NODESWARM_IMAGE=nodeswarm/nodesim:latest NODESWARM_SIM_IMAGE=nodeswarm/nodesim:latest
export NODESWARM_NODEOS=nodesim NODESWARM_PEERS=devchain:9876
export NODESIM_FLUSH=${NODESIM_FLUSH:-0s}
POOL=$NODESWARM_POOL
# All there are, as seen from here: pools as directories, engines as -H takes them.
POOLS=("$POOL") ENGINES=("$DOCKER_HOST")
CHAIN_YML=$ROOT/stacks/devchain.yml
# The product's file plus the one knob of the simulator that the tests turn.
READERS_YML=$IT_DIR/readers.yml
export NODESWARM_CONFIG=$ROOT/config.ini NODESWARM_GENESIS=$ROOT/genesis.json
export NODESWARM_PEERLIST=$ROOT/peerlist.ini
# shellcheck disable=SC2016
sed '/NODESWARM_PEERS:/a\      NODESIM_FLUSH: "${NODESIM_FLUSH:-0s}"' "$ROOT/stacks/readers.yml" >"$READERS_YML"

cluster_images()
{
	"$ROOT/docker/build-image.sh" --quiet --engine "$DOCKER_HOST" --sim "$BUILD/nodeswarm"
}

cluster_pool()
{
	nodeswarm pool init "$POOL" >/dev/null
}

cluster_up()
{
	READERS=$1 && shift
	export READERS
	nodeswarm up -f "$CHAIN_YML" -f "$READERS_YML" "$@"
}

slots()
{
	nodeswarm --json status | jq -r '.slots[] | "\(.name) \(.task_state) \(.ready)"'
}

serving()
{
	nodeswarm --json status | jq --arg s "$1" '[.slots[] | select(.service == $s and .ready)] | length'
}

serves()
{
	[ "$(serving "$1")" = "$2" ]
}

oracle_start()
{
	: >"$IT_DIR/oracle.twice"
	: >"$IT_DIR/oracle.looks"
	"$ROOT/tests/it/data_dirs" --watch "$IT_DIR" 50>&- 51<&- 52<&- &
	ORACLE=$!
}

oracle_stop()
{
	kill "$ORACLE" 2>/dev/null
	wait "$ORACLE" 2>/dev/null
	echo "looked $(wc -l <"$IT_DIR/oracle.looks") times"
	[ -s "$IT_DIR/oracle.looks" ] || return 1
	! sort "$IT_DIR/oracle.twice" | uniq -c | grep .
}

records()
{
	find "${POOLS[@]/%//services/nodeswarm_$1}" -name run.json 2>/dev/null
}

# Empty output is the good case; a service without any record is not.
records_clean()
{
	local files
	files=$(records "$1")
	[ -n "$files" ] || { echo "no record of $1" && return 1; }
	# shellcheck disable=SC2086
	jq -r 'select(([.ends[] | select(.clean and .asked)] | length) != (.ends | length))
		| "\(.service).\(.slot): \(.state) \(.ends)"' $files >"$IT_DIR/unclean" || return
	cat "$IT_DIR/unclean"
	[ ! -s "$IT_DIR/unclean" ]
}

no_sigkill()
{
	! find "${POOLS[@]/%//services}" -name run.json -exec jq -r '.ends[] | select(.signal == 9)' {} + | grep .
}

# No container was killed by the engine: it notes 137.
no_container_killed()
{
	local host list rc=0
	for host in "${ENGINES[@]}"; do
		list=$(docker -H "$host" ps -a --format '{{.Names}} {{.Status}}') || return
		! grep 'Exited (137)' <<<"$list" || rc=1
	done
	return "$rc"
}
