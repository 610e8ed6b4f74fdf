# shellcheck shell=bash disable=SC2034
# slots.sh - slots of one pool without an engine: nodesim under `nodeswarm supervise`, started and
# killed by hand.  To be sourced after lib.sh.
need jq curl python3
# What a test sets: PEERS, GENESIS, LAME, NODEOS, PEER_WAIT.

POOL=$IT_DIR/pool
GENERATIONS=$POOL/generations
export NODESIM_FLUSH=0s
# The ports below lie where outgoing connections get theirs from.
echo 61000 65000 >/proc/sys/net/ipv4/ip_local_port_range

# --- a slot: its ports are 10000 * slot + something ---------------------------------------------

config()
{
	local slot=$1
	shift
	{
		printf 'http-server-address = 127.0.0.1:%d\np2p-listen-endpoint = 127.0.0.1:%d\n' \
			"${slot}8888" "${slot}9876"
		printf 'chain-state-db-size-mb = 256\np2p-max-nodes-per-host = 20\nmax-clients = 50\n'
		printf '%s\n' "$@"
	} >"$IT_DIR/config.$slot.ini"
}

PRODUCER=('enable-stale-production = true' 'producer-name = eosio'
	'signature-provider = EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV=KEY:5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3'
	'plugin = eosio::producer_api_plugin')

# supervise SLOT [ARG...]: in the background; its pid is in PID
supervise()
{
	local slot=$1
	shift
	nodeswarm --pool "$POOL" supervise --service t_s --slot "$slot" --task "task$slot" --node here \
		--config "$IT_DIR/config.$slot.ini" --genesis "${GENESIS-$ROOT/genesis.json}" \
		--peers /nonexistent ${PEERS:+--extra-peers "$PEERS"} --address 127.0.0.1 --port "${slot}8880" \
		--lame-duck "${LAME-0s}" ${PEER_WAIT:+--peer-wait "$PEER_WAIT"} "$@" -- "${NODEOS:-nodesim}" >>"$IT_DIR/log.$slot" 2>&1 3>&- &
	PID=$!
}

record()
{
	jq -r "$2" "$POOL/services/t_s/$1/run.json"
}

state()
{
	curl -sf -m 2 "http://127.0.0.1:${1}8880/state" | jq -r "$2"
}

state_is()
{
	[ "$(state "$1" .state)" = "$2" ]
}

stage_is()
{
	[ "$(state "$1" .work.stage)" = "$2" ]
}

# Many times a second, because a stage may be short.
catch_stage()
{
	local i
	for ((i = 0; i < 400; i++)); do
		! stage_is "$1" "$2" || return 0
	done
	state "$1" .work
	return 1
}

ready()
{
	curl -sf -m 2 -o /dev/null "http://127.0.0.1:${1}8880/readyz"
}

# stop PID STATUS: SIGTERM, and the exit status must be that
stop()
{
	kill -TERM "$1" 2>/dev/null
	wait "$1"
	local rc=$?
	[ "$rc" = "$2" ] || { echo "exit status $rc, not $2" && return 1; }
}

nodeos_pid()
{
	record "$1" .nodeos_pid
}

gone()
{
	! kill -0 "$1" 2>/dev/null
}

# ask SLOT REQUEST: one line to its control socket, the answer's line
ask()
{
	python3 - "$POOL/services/t_s/$1/control.sock" "$2" <<'PY'
import socket
import sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(60)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode() + b"\n")
print(s.makefile().readline(), end="")
PY
}

# order SLOT KIND ID [MEMBERS]
order()
{
	ask "$1" "{\"format\":1,\"request\":\"$2\",\"id\":\"$3\"${4:+,$4}}"
}

# order_ok SLOT KIND ID [MEMBERS]: it must be done; prints the work
order_ok()
{
	local reply
	reply=$(order "$@")
	jq -e '.work.stage == "done"' <<<"$reply" >/dev/null || { echo "$reply" && return 1; }
	jq -c .work <<<"$reply"
}

# refused PATTERN SLOT KIND ID [MEMBERS]
refused()
{
	local reply pattern=$1
	shift
	reply=$(order "$@")
	echo "$reply"
	jq -e .error <<<"$reply" >/dev/null && grep -Eq "$pattern" <<<"$reply"
}

current()
{
	readlink "$GENERATIONS/current"
}

generations()
{
	find "$GENERATIONS" -maxdepth 1 -name 'g0*' | wc -l
}

no_leftovers()
{
	local left
	left=$(find "$GENERATIONS" "$POOL/services" -maxdepth 3 \( -name '.tmp-*' -o -name '.data-*' \))
	[ -z "$left" ] || { echo "$left" && return 1; }
}

# The manifest of `current` is there, and its files have the sizes that it says.
whole()
{
	local path size
	jq -r '.files[] | "\(.size_bytes)\t\(.path)"' "$GENERATIONS/current/manifest.json" >"$IT_DIR/files" || return
	[ -s "$IT_DIR/files" ] || return
	while IFS=$'\t' read -r size path; do
		[ "$(stat -c %s "$GENERATIONS/current/data/$path")" = "$size" ] || {
			echo "$path is not $size bytes" && return 1
		}
	done <"$IT_DIR/files"
}

# So that copying and digesting take a moment.
ballast()
{
	head -c "$2" /dev/urandom >"$POOL/services/t_s/$1/data/ballast"
}

syncs()
{
	local head
	head=$(state "$1" .head_block_num)
	[ "$head" -gt 0 ] && wait_for 10 beyond "$1" "$head"
}

beyond()
{
	[ "$(state "$1" .head_block_num)" -gt "$2" ]
}

# begin_chain SLOTS: a pool, a producer in slot 1 (P1) and a reader of it in slot 2 (P2), both ready;
# the other slots up to SLOTS have their config.ini
begin_chain()
{
	local slot
	config 1 "${PRODUCER[@]}"
	for ((slot = 2; slot <= $1; slot++)); do
		config "$slot"
	done
	check 'pool init' nodeswarm pool init "$POOL"
	supervise 1 && P1=$PID
	check 'a producer gets ready' wait_for 20 ready 1 || { tail -20 "$IT_DIR/log.1" && exit; }
	PEERS=127.0.0.1:19876
	supervise 2 && P2=$PID
	check 'a reader gets ready' wait_for 20 ready 2 || { tail -20 "$IT_DIR/log.2" && exit; }
}
