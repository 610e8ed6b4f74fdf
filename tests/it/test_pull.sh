#!/usr/bin/env bash
# time-limit: 120
# A generation goes from one host's agent to another's: two agents, two pools, loopback.
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need jq curl tc
# Set by agent().
pid_a='' pid_b='' pid_small='' pid_c=''

export NODESWARM_TOKEN_FILE=$IT_DIR/token
A=$IT_DIR/a B=$IT_DIR/b
head -c 32 /dev/zero | tr '\0' x >"$NODESWARM_TOKEN_FILE"

# agent NAME IP: an agent of pool IT_DIR/NAME on that address; sets pid_NAME
agent()
{
	NODESWARM_AGENT_ADDRESS=$2 NODESWARM_NODE_ID=node$1 NODESWARM_NODE=host$1 \
		nodeswarm --pool "$IT_DIR/$1" agent >>"$IT_DIR/$1.log" 2>&1 50>&- 51<&- 52<&- &
	eval "pid_$1=$!"
	wait_for 10 curl -sf -o /dev/null "http://$2:8870/livez"
}

# post POOL PATH [BODY], get POOL PATH: over its agent.sock; the reply is in IT_DIR/reply
post()
{
	curl -s -m 60 --unix-socket "$1/agent.sock" -X POST --data-binary "${3-}" "http://agent$2" >"$IT_DIR/reply"
	cat "$IT_DIR/reply"
	echo
}

get()
{
	curl -s -m 20 --unix-socket "$1/agent.sock" "http://agent$2"
}

# pull NAME: B pulls from A
pull()
{
	post "$B" /v1/data/pull "{\"name\":\"$1\",\"address\":\"127.0.0.1\"}"
}

reply()
{
	jq -r "$1" "$IT_DIR/reply"
}

sim_produces()
{
	curl -s http://127.0.0.1:18888/v1/chain/get_info | jq -e '.head_block_num > 5'
}

# A data-dir of a chain node that was stopped cleanly, with more in its state: 24 MiB of data in
# 96 MiB, in 96 ranges.
datadir()
{
	local dir=$IT_DIR/data i
	nodesim --data-dir "$dir" --config-dir "$IT_DIR/config" --genesis-json "$ROOT/genesis.json" \
		--enable-stale-production --producer-name eosio --plugin eosio::producer_plugin --plugin eosio::chain_api_plugin \
		--http-server-address 127.0.0.1:18888 --p2p-listen-endpoint 127.0.0.1:19876 >"$IT_DIR/sim.log" 2>&1 &
	local sim=$!
	wait_for 20 sim_produces || { tail -5 "$IT_DIR/sim.log" && return 1; }
	kill "$sim"
	wait "$sim"
	# Less than nodeos takes, and at byte 1112 the file says so itself: its size without 1 KiB.
	truncate -s 96M "$dir/state/shared_memory.bin" || return
	printf '\000\374\377\005\000\000\000\000' |
		dd of="$dir/state/shared_memory.bin" bs=1 seek=1112 conv=notrunc status=none || return
	for ((i = 0; i < 96; i++)); do
		dd if=/dev/urandom of="$dir/state/shared_memory.bin" bs=256K count=1 seek=$((i * 4 + 1)) conv=notrunc status=none || return
	done
}

pools()
{
	nodeswarm pool init "$A" && nodeswarm pool init "$B"
}
check 'pools' pools || exit 1
agents()
{
	agent a 127.0.0.1 && agent b 127.0.0.2
}
check 'agents' agents || exit 1
check 'a data-dir' datadir || exit 1

imported()
{
	post "$A" /v1/data/import "{\"path\":\"$IT_DIR/data\",\"promote\":true}"
	G=$(reply .generation.name)
	[ -e "$A/generations/$G/manifest.json" ]
}
check 'it becomes a generation' imported || exit 1

# --- asking ----------------------------------------------------------------------------------------

# tcp TOKEN PATH: the status code
tcp()
{
	curl -s -m 20 -o "$IT_DIR/tcp.out" -w '%{http_code}\n' ${1:+-H "Authorization: Bearer $1"} "http://127.0.0.1:8870$2"
}

N=$(jq '[.files[].path] | index("state/shared_memory.bin")' "$A/generations/$G/manifest.json")
asked()
{
	local t p=/v1/generations/$G/files
	t=$(cat "$NODESWARM_TOKEN_FILE")
	[ "$(tcp '' "$p/$N")" = 401 ] && [ "$(tcp '' "$p/$N/map")" = 401 ] && [ "$(tcp '' /v1/data/pull)" = 401 ] &&
		[ "$(tcp "$t" "$p/9999")" = 404 ] && [ "$(tcp "$t" "$p/$N?length=4194305")" = 400 ] &&
		[ "$(tcp "$t" "$p/$N?offset=9999999999")" = 400 ] && [ "$(tcp "$t" "$p/../manifest.json")" = 404 ] &&
		[ "$(tcp "$t" "/v1/generations/g000099-0000000001/files/0")" = 404 ] &&
		[ "$(tcp "$t" "$p/$N?offset=262144&length=262144")" = 200 ] &&
		cmp "$IT_DIR/tcp.out" <(dd if="$A/generations/$G/data/state/shared_memory.bin" bs=256K skip=1 count=1 status=none) &&
		[ "$(tcp "$t" "$p/$N/map")" = 200 ] && jq -c . "$IT_DIR/tcp.out" | cut -c1-200 &&
		jq -e '.size == 100663296 and (.ranges | length) >= 96 and .next == null' "$IT_DIR/tcp.out"
}
check 'pieces and maps, with the token only' asked

# A slot of A's pool whose container is not to be seen by the agent, over TCP.
verdict()
{
	local slot=$A/services/s_readers/3
	mkdir -p "$slot" && cp -a "$IT_DIR/data" "$slot/data" || return
	curl -s -m 20 -H "Authorization: Bearer $(cat "$NODESWARM_TOKEN_FILE")" -X POST \
		--data-binary '{"service":"s_readers","slot":3}' http://127.0.0.1:8870/v1/data/verdict >"$IT_DIR/v"
	jq -c . "$IT_DIR/v"
	jq -e --arg g "$G" '.verdict == "clean" and .repair == "none" and .slot == 3 and .evidence.generation == $g
		and .evidence.lib_block_num > 0' "$IT_DIR/v" || return
	post "$A" /v1/data/verdict '{"service":"s_readers","slot":4}'
	[ "$(reply .error.kind)" = not_found ] && rm -rf "$slot"
}
check 'the verdict of a slot, from another host' verdict

# --- pulling ---------------------------------------------------------------------------------------

# fetched BYTES: the first operation of B has brought more than that
fetched()
{
	get "$B" /v1/data | jq -e ".operations[0] | .bytes_done > $1 and .id > 0 and .verb == \"pull\" and .name != \"\""
}

# same NAME-IN-B: the same files
same()
{
	(cd "$A/generations/$G/data" && find . -type f -exec sha256sum {} + | sort -k2) >"$IT_DIR/sums" &&
		(cd "$B/generations/$1/data" && find . -type f -exec sha256sum {} + | sort -k2) | cmp - "$IT_DIR/sums"
}

broken()
{
	local i there
	# 40 Mbit/s: the data takes 5 s.
	tc qdisc add dev lo root tbf rate 40mbit burst 256kb latency 50ms || return
	pull current >"$IT_DIR/pull1" &
	wait_for 20 fetched 4000000 || return
	kill -KILL "$pid_a"
	wait %% # the pull gives up after its tries
	tc qdisc del dev lo root
	cat "$IT_DIR/pull1"
	[ "$(reply .error.kind)" = unavailable ] && [ ! -e "$B/generations/current" ] &&
		[ -d "$B/generations/.pull-$G" ] && there=$(du -k "$B/generations/.pull-$G" | tail -n1 | cut -f1) &&
		[ "$there" -gt 3000 ] && agent a 127.0.0.1
}
check 'the sender dies in the middle' broken

# B's agent is stopped in the middle, and quickly.
stopped()
{
	tc qdisc add dev lo root tbf rate 40mbit burst 256kb latency 50ms || return
	pull "$G" >/dev/null &
	wait_for 20 fetched 6000000 || return
	local t=$EPOCHREALTIME
	kill "$pid_b"
	wait "$pid_b"
	t=$(since "$t")
	tc qdisc del dev lo root
	echo "stopped in $t s"
	awk "BEGIN { exit !($t < 4) }" && [ -d "$B/generations/.pull-$G" ] && agent b 127.0.0.2
}
check 'the receiver is stopped in the middle' stopped

resumed()
{
	pull "$G"
	local g
	g=$(reply .generation.name)
	[ "$(reply .is_new)" = true ] && [ "$(reply .bytes_resumed)" -gt 4000000 ] && [ "$(reply .bytes_fetched)" -lt 24000000 ] &&
		[ "$(reply .generation.origin)" = pull ] && [ "$(readlink "$B/generations/current")" = "$g" ] && same "$g" &&
		[ -z "$(find "$B/generations" -name '.*' ! -name . -print)" ] &&
		[ "$(du -k "$B/generations/$g/data/state/shared_memory.bin" | cut -f1)" -lt 30000 ]
}
check 'it goes on from there' resumed
verified()
{
	post "$B" /v1/data/verify '{"name":"current"}' && [ "$(reply .different)" = 0 ]
}
check 'what came is what its manifest says' verified

again()
{
	pull current
	[ "$(reply .is_new)" = false ] && [ "$(reply .bytes_fetched)" = 0 ]
}
check 'a second pull has nothing to do' again

# --- what goes wrong ---------------------------------------------------------------------------------

# Another generation on A: the same with one more file.
echo more >"$IT_DIR/data/more"
check 'one more generation' imported

flipped()
{
	local f=$A/generations/$G/data/state/shared_memory.bin
	printf '\377' | dd of="$f" bs=1 seek=300000 conv=notrunc status=none || return
	pull "$G"
	[ "$(reply .error.kind)" = unhealthy ] && grep -q state/shared_memory.bin "$IT_DIR/reply" &&
		[ "$(readlink "$B/generations/current")" != "$G" ] || return
	post "$A" /v1/data/verify "{\"name\":\"$G\"}"
	[ "$(reply '.differences[0].path')" = state/shared_memory.bin ] || return
	# Mended, only that file is fetched again.
	dd if="$IT_DIR/data/state/shared_memory.bin" of="$f" bs=64K skip=4 seek=4 count=1 conv=notrunc status=none
	pull "$G"
	[ "$(reply .is_new)" = true ] && same "$(reply .generation.name)"
}
check 'a flipped byte on the sender' flipped

full()
{
	mkdir "$IT_DIR/small" && mount -t tmpfs -o size=16M tmpfs "$IT_DIR/small" || return
	nodeswarm pool init "$IT_DIR/small" >/dev/null && agent small 127.0.0.3 || return
	post "$IT_DIR/small" /v1/data/pull '{"name":"current","address":"127.0.0.1"}'
	[ "$(reply .error.kind)" = conflict ] && grep -Eq '[0-9.]+ MiB are missing' "$IT_DIR/reply" &&
		kill "$pid_small" && wait "$pid_small"
}
check 'a disk that is too small' full

token()
{
	printf 'another-token-another-token-another' >"$IT_DIR/other" &&
		mkdir "$IT_DIR/c" && nodeswarm pool init "$IT_DIR/c" >/dev/null || return
	NODESWARM_TOKEN_FILE=$IT_DIR/other agent c 127.0.0.4 || return
	post "$IT_DIR/c" /v1/data/pull '{"name":"current","address":"127.0.0.1"}'
	[ "$(reply .error.kind)" = denied ] && kill "$pid_c" && wait "$pid_c" || return
	NODESWARM_TOKEN_FILE=$IT_DIR/none NODESWARM_AGENT_ADDRESS=127.0.0.4 nodeswarm --pool "$IT_DIR/c" agent >/dev/null 2>&1 50>&- 51<&- 52<&- &
	local pid=$!
	wait_for 5 curl -sf -o /dev/null --unix-socket "$IT_DIR/c/agent.sock" http://agent/livez || return
	post "$IT_DIR/c" /v1/data/pull '{"name":"current","address":"127.0.0.1"}'
	kill "$pid" && wait "$pid"
	[ "$(reply .error.kind)" = denied ] && [ ! -e "$IT_DIR/c/generations" ]
}
check 'another token, and none' token

gathered()
{
	post "$A" /v1/gather '{"method":"POST","path":"/v1/data/pull","timeout_ms":0,"body":"{\"name\":\"current\",\"address\":\"127.0.0.1\"}",
		"targets":[{"id":"nodeb","address":"127.0.0.2"},{"id":"nodea","address":"127.0.0.1"}]}'
	[ "$(reply '[.replies[].body.is_new] | tostring')" = '[false,false]' ]
}
check 'pull over a gather' gathered
