# shellcheck shell=bash disable=SC2034
# replay.sh - a history to be replayed on the file's engine, and who kills meanwhile
#
# Sourced after lib.sh and cluster.sh. A nodesim in the file's network has the history and serves its
# blocks; its snapshots are a directory that workers see.
#
#	history SLICES BLOCKS          make it, and serve it: SLICES of BLOCKS each, from the genesis on.
#	                               It listens on $HISTORY_ADDRESS; $HISTORY_RUN before a command runs it there
#	manifest VERSION               print the manifest of it; the last slice's hash is known
#	replay_run MANIFEST ARG...     nodeswarm replay run, with $CERTIFICATE
#	replay_begin MANIFEST ARG...   the same without waiting
#	killer SECONDS                 every SECONDS a worker or the orchestrator is killed -9, until
#	                               killer_stop; notes them in $IT_DIR/kills. SEED says which
#	workers_running N              that many tasks of the workers run
#	status_is FILTER               whether `replay status` in JSON is what jq's FILTER says

need jq curl
REPLAY_YML=$IT_DIR/replay.yml
CERTIFICATE=$IT_DIR/certificate.json
HISTORY=$IT_DIR/history
HISTORY_ADDRESS=${HISTORY_ADDRESS:-192.168.77.1} HISTORY_RUN=${HISTORY_RUN:-}
# The product's file plus the knobs of the simulator that the tests turn.
# shellcheck disable=SC2016
sed '/NODESWARM_REPLAY_URL:/a\      NODESIM_SYNC_RATE: "${NODESIM_SYNC_RATE:-40}"\n      NODESIM_WRONG_FROM: "${NODESIM_WRONG_FROM:-9999999}"' \
	"$ROOT/stacks/replay.yml" >"$REPLAY_YML"

history()
{
	SLICES=$1 BLOCKS=$2
	mkdir -p "$HISTORY/config" "$HISTORY/data"
	jq '.initial_timestamp = "2024-02-29T00:00:00.000"' "$ROOT/genesis.json" >"$HISTORY/genesis.json" || return
	printf '%s\n' "http-server-address = $HISTORY_ADDRESS:28888" 'http-validate-host = false' \
		"p2p-listen-endpoint = $HISTORY_ADDRESS:29876" 'p2p-max-nodes-per-host = 200' 'max-clients = 300' \
		'chain-state-db-size-mb = 256' 'plugin = eosio::chain_api_plugin' 'plugin = eosio::producer_api_plugin' \
		>"$HISTORY/config/config.ini"
	printf '%s\n' 'chain-state-db-size-mb = 256' >"$HISTORY/worker.ini"
	# shellcheck disable=SC2086
	NODESIM_CHAIN_LENGTH=$((SLICES * BLOCKS)) NODESIM_SNAPSHOT_EVERY=$BLOCKS NODESIM_FLUSH=0s \
		$HISTORY_RUN nodesim --config-dir "$HISTORY/config" --data-dir "$HISTORY/data" --genesis-json "$HISTORY/genesis.json" \
		>"$IT_DIR/history.log" 2>&1 50>&- 51<&- 52<&- &
	export NODESWARM_GENESIS=$HISTORY/genesis.json NODESWARM_REPLAY_INI=$HISTORY/worker.ini
	export NODESWARM_REPLAY_SNAPSHOTS=$HISTORY/data/snapshots NODESWARM_REPLAY_PEERS=$HISTORY_ADDRESS:29876
	export NODESWARM_REPLAY_DISK=1M NODESWARM_REPLAY_TERM=${NODESWARM_REPLAY_TERM:-10s}
	wait_for 60 history_serves || { tail "$IT_DIR/history.log" && return 1; }
}

ask_history()
{
	# shellcheck disable=SC2086
	$HISTORY_RUN curl -sf -m 5 "http://$HISTORY_ADDRESS:28888/v1/$1"
}

history_serves()
{
	[ "$(ask_history chain/get_info | jq .head_block_num)" = $((SLICES * BLOCKS)) ]
}

manifest()
{
	local k from file hash sep='['
	hash=$(ask_history producer/get_integrity_hash | jq -r .integrity_hash)
	for ((k = 0; k < SLICES; k++)); do
		from=$((k * BLOCKS)) file=''
		[ "$k" = 0 ] || file=$(basename "$HISTORY/data/snapshots/snapshot-$(printf %08x "$from")"*.bin)
		printf '%s{"start_block_id":%d,"end_block_id":%d,"snapshot_path":"%s","storage_type":"filesystem",' \
			"$sep" "$from" $((from + BLOCKS)) "$file"
		printf '"expected_integrity_hash":"%s","leap_version":"%s"}' \
			"$([ "$k" = $((SLICES - 1)) ] && echo "$hash")" "$1"
		sep=$',\n'
	done
	echo ']'
}

replay_run()
{
	nodeswarm replay run -f "$REPLAY_YML" --certificate "$CERTIFICATE" "$@"
}

replay_begin()
{
	nodeswarm replay run -f "$REPLAY_YML" --wait 0 "$@"
}

status_is()
{
	nodeswarm --json replay status | jq -e "$1"
}

workers_running()
{
	[ "$(nodeswarm --json replay status | jq .workers.running)" = "$1" ]
}

# --- who kills ----------------------------------------------------------------------------------

# kill_one FILTER: SIGKILL to the first process of a running container of that service
kill_one()
{
	local id pid
	id=$(docker ps -q --filter "name=nodeswarm_$1\\." | shuf -n1 --random-source=<(yes "$RANDOM"))
	[ -n "$id" ] || return 0
	pid=$(docker inspect -f '{{.State.Pid}}' "$id" 2>/dev/null)
	[ "${pid:-0}" -gt 1 ] || return 0
	kill -KILL "$pid" 2>/dev/null && echo "$(now) $1 $id" >>"$IT_DIR/kills"
	echo "=== killed $1 $id"
}

killer()
{
	RANDOM=${SEED:-5}
	: >"$IT_DIR/kills"
	while sleep "$1"; do
		# One in three is the orchestrator.
		if [ $((RANDOM % 3)) = 0 ]; then
			kill_one orchestrator
		else
			kill_one replay-worker
		fi
	done 50>&- 51<&- 52<&- &
	KILLER=$!
}

killer_stop()
{
	kill "$KILLER" 2>/dev/null
	wait "$KILLER" 2>/dev/null
	echo "$(grep -c orchestrator "$IT_DIR/kills") orchestrators and $(grep -c worker "$IT_DIR/kills") workers were killed"
}

# --- the oracle ---------------------------------------------------------------------------------

# The certificate has each slice of the history exactly once, verified; its ends meet, and its last hash is
# what the history itself says.
certificate_is_right()
{
	local hash
	hash=$(ask_history producer/get_integrity_hash | jq -r .integrity_hash)
	jq -e --argjson n "$SLICES" --argjson b "$BLOCKS" --arg hash "$hash" '
		.verified and (.gaps | length) == 0 and (.slices | length) == $n and
		([.slices[].start_block] == [range($n) | . * $b]) and
		([.slices[].end_block] == [range($n) | (. + 1) * $b]) and
		all(.slices[]; .verdict == "verified") and
		([.slices[:-1][].end_hash] == [.slices[1:][].start_hash]) and
		.slices[-1].end_hash == $hash' "$CERTIFICATE" >/dev/null || { jq -c '.slices[]' "$CERTIFICATE" | head -80 && return 1; }
}
