# shellcheck shell=bash
# cluster.sh - a dev chain and readers on the file's engine, and oracles that judge from outside
#
# Sourced after lib.sh. Everything is real but the chain node, which is nodesim.
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
#	data_dirs                       data-dirs that are open now, one line for each process

# shellcheck disable=SC2034 # read by the stack files
export NODESWARM_POOL=$IT_DIR/pool
export NODESWARM_IMAGE=nodeswarm/nodesim:latest NODESWARM_SIM_IMAGE=nodeswarm/nodesim:latest
export NODESWARM_NODEOS=nodesim NODESWARM_PEERS=devchain:9876
export NODESIM_FLUSH=${NODESIM_FLUSH:-0s}
POOL=$NODESWARM_POOL
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

data_dirs()
{
	local f args
	for f in /proc/[0-9]*/cmdline; do
		{ args=$(tr '\0' ' ' <"$f"); } 2>/dev/null
		case $args in
		nodesim\ *--data-dir=* | */nodesim\ *--data-dir=*)
			args=${args##*--data-dir=}
			echo "${args%% *}"
			;;
		esac
	done
}

# A process that is a zombie has closed its files, and its cmdline is empty.
oracle_start()
{
	: >"$IT_DIR/oracle.twice"
	: >"$IT_DIR/oracle.looks"
	(
		while :; do
			data_dirs | sort | uniq -d >>"$IT_DIR/oracle.twice"
			echo >>"$IT_DIR/oracle.looks"
			sleep 0.1
		done
	) 3>&- 8<&- 9<&- &
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
	find "$POOL/services/nodeswarm_$1" -name run.json 2>/dev/null
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
	! find "$POOL/services" -name run.json -exec jq -r '.ends[] | select(.signal == 9)' {} + | grep .
}

# No container of the service was killed by the engine: it notes 137.
no_container_killed()
{
	! docker ps -a --format '{{.Names}} {{.Status}}' | grep 'Exited (137)'
}
