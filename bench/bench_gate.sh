#!/usr/bin/env bash
# bench_gate.sh - what the signing gate costs a producer, and what it lets through
#
# One producer on loopback, $NODEOS (nodesim) with the gate of bench/gate_tool.c, whose key nodeos
# does not have.
#
#	added     nodeos's own "time:" of a block, with its KEY and with the gate, $BLOCKS (60) each
#	refusing  $SECONDS_EACH (15) s with the gate closed: nodeos's CPU, lines of its log, blocks
#	right     the right ends while nodeos produces, and there is one again
#	frozen    the gate, and nodeos, $RUNS (4) times: blocks that are older than a slot
#	memory    the key in nodeos's memory, environment and arguments
#
# A millisecond is what a block may take longer, 5 % what the CPU may be, 20 lines a second the log.
# time-limit: 600
# shellcheck source=tests/it/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tests/it/lib.sh"
# shellcheck source=bench/figures.sh
. "$(dirname "${BASH_SOURCE[0]}")/figures.sh"
need jq curl python3

NODEOS=${NODEOS:-nodesim} BLOCKS=${BLOCKS:-60} SECONDS_EACH=${SECONDS_EACH:-15} RUNS=${RUNS:-4}
# Nobody's; nodeos has the one of the documentation in itself.
WIF=5JQyDzUNWznTRgF3H9CTwNZT1gCMyu6HWHrP7bbShytkJeiguTy
URL=http://127.0.0.1:18888
PID='' GATE_PID='' GATE_PORT='' KEY=''

# --- the gate --------------------------------------------------------------------------------------

gate_up()
{
	local line
	mkdir -p "$IT_DIR/slot" "$IT_DIR/key"
	(umask 077 && echo "$WIF" >"$IT_DIR/key/key")
	[ -p "$IT_DIR/in" ] || mkfifo "$IT_DIR/in" "$IT_DIR/out"
	"$BUILD/bench/gate_tool" "$IT_DIR/key/key" "$IT_DIR/slot" 0 <"$IT_DIR/in" >"$IT_DIR/out" 2>>"$IT_DIR/gate.log" 50>&- &
	GATE_PID=$!
	exec 7>"$IT_DIR/in" 8<"$IT_DIR/out"
	read -r -t 5 line <&8 || return
	GATE_PORT=${line% *} KEY=${line#* }
}
# gate COMMAND...: tell it, and what it says
gate()
{
	echo "$*" >&7
	read -r -t 5 REPLY <&8 && echo "$REPLY"
}
EPOCH=0
# gate_open [MS]: a new right, of an hour if nothing is said, and the gate is open for it
gate_open()
{
	EPOCH=$((EPOCH + 1))
	gate right "$EPOCH" "${1:-3600000}" >/dev/null && gate open "$EPOCH" >/dev/null
}
counted()
{
	gate counts | jq ".$1"
}

# --- nodeos ----------------------------------------------------------------------------------------

# node_up PROVIDER: a new chain
node_up()
{
	rm -rf "${IT_DIR:?}/data"
	mkdir -p "$IT_DIR/etc"
	jq --arg k "$KEY" '.initial_key = $k | .initial_timestamp = (now - 60 | strftime("%Y-%m-%dT%H:%M:%S.000"))' \
		"$ROOT/genesis.json" >"$IT_DIR/etc/genesis.json"
	{
		printf 'plugin = eosio::%s_plugin\n' chain chain_api http producer producer_api
		printf 'http-server-address = 127.0.0.1:18888\np2p-listen-endpoint = 127.0.0.1:19876\n'
		printf 'chain-state-db-size-mb = 256\nenable-stale-production = true\nproducer-name = eosio\n'
		printf 'signature-provider = %s=%s\nkeosd-provider-timeout = 100\n' "$KEY" "$1"
	} >"$IT_DIR/etc/config.ini"
	node_start
}
node_start()
{
	"$NODEOS" --data-dir "$IT_DIR/data" --config-dir "$IT_DIR/etc" --genesis-json "$IT_DIR/etc/genesis.json" \
		>"$IT_DIR/log" 2>&1 50>&- 7>&- 8<&- &
	PID=$!
	wait_for 20 curl -sf -m 2 -o "$IT_DIR/info" "$URL/v1/chain/get_info"
}
node_down()
{
	kill -TERM "$PID"
	wait "$PID"
}
head_now()
{
	curl -sf -m 5 "$URL/v1/chain/get_info" | jq .head_block_num
}
has_blocks()
{
	[ "$(grep -c 'Produced block' "$IT_DIR/log")" -ge "$1" ]
}
# The first two are made while it warms up.
times()
{
	sed -n 's/.*Produced block .* time: \([0-9]*\).*/\1/p' "$IT_DIR/log" | sed 1,2d | head -n "$BLOCKS"
}
# Seconds from the block's time to the line that tells of it, of each; made early, it is below zero.
ages()
{
	sed -n 's/^[a-z]* *[0-9-]*T\([0-9:.]*\) .*Produced block .* @ [0-9-]*T\([0-9:.]*\) .*/\1 \2/p' "$IT_DIR/log" |
		awk 'function s(t, p) { split(t, p, ":"); return p[1] * 3600 + p[2] * 60 + p[3] }
			{ printf "%.3f\n", s($1) - s($2) }'
}
stale()
{
	ages | awk '$1 > 0.5 { n++ } END { print n + 0 }'
}
ticks()
{
	local stat
	stat=$(<"/proc/$1/stat")
	# shellcheck disable=SC2086
	set -- ${stat##*) }
	echo $((${12} + ${13}))
}

# --- figures ---------------------------------------------------------------------------------------

added()
{
	local with_key with_gate
	node_up "KEY:$WIF" && wait_for $((BLOCKS + 20)) has_blocks $((BLOCKS + 2)) && node_down || return
	times >"$IT_DIR/with_key"
	gate_open && node_up "KEOSD:http://127.0.0.1:$GATE_PORT/v1/wallet/sign_digest" || return
	wait_for $((BLOCKS + 20)) has_blocks $((BLOCKS + 2)) || return
	times >"$IT_DIR/with_gate"
	with_key=$(median <"$IT_DIR/with_key") with_gate=$(median <"$IT_DIR/with_gate")
	say "a block takes $with_key us with a KEY (at most $(sort -g "$IT_DIR/with_key" | tail -n1)), $with_gate us with the gate (at most $(sort -g "$IT_DIR/with_gate" | tail -n1))"
	say "of that in the gate: $(gate counts | jq -r '"\(.mean_us) us, at most \(.worst_us); refused first: \(.first)"')"
	holds "$with_gate - $with_key <= 1000"
}

refusing()
{
	local before head lines bytes cpu start
	gate close >/dev/null
	sleep 1
	head=$(head_now) before=$(ticks "$PID") lines=$(wc -l <"$IT_DIR/log") bytes=$(stat -c %s "$IT_DIR/log") start=$EPOCHREALTIME
	sleep "$SECONDS_EACH"
	cpu=$(awk -v t=$(($(ticks "$PID") - before)) -v hz="$(getconf CLK_TCK)" -v s="$(since3 "$start")" 'BEGIN { printf "%.2f", 100 * t / hz / s }')
	lines=$(($(wc -l <"$IT_DIR/log") - lines)) bytes=$(($(stat -c %s "$IT_DIR/log") - bytes))
	say "refused for $SECONDS_EACH s: $cpu % of a core, $(awk -v n=$lines -v b=$bytes -v s="$SECONDS_EACH" 'BEGIN { printf "%.1f lines and %.1f KiB of log a second", n / s, b / 1024 / s }')"
	[ "$(head_now)" = "$head" ] || { echo "the head has moved" && return 1; }
	holds "$cpu < 5" && holds "$lines / $SECONDS_EACH < 20"
}

# again NAME: the gate opens, and when the next block came
again()
{
	local n start
	n=$(grep -c 'Produced block' "$IT_DIR/log") start=$EPOCHREALTIME
	gate_open && until has_blocks $((n + 1)); do
		sleep 0.01
		holds "$(since3 "$start") < 5" || return
	done
	say "$1: a block $(since3 "$start") s after the gate was opened"
}

right()
{
	local n
	again 'closed and opened' || return
	gate_open 1500
	sleep 3
	n=$(counted signed)
	sleep 2
	[ "$(counted signed)" = "$n" ] || { echo 'signed without a right' && return 1; }
	again 'right over, then another'
}

gate_frozen()
{
	local n
	gate_open 3000
	sleep 1
	n=$(counted signed)
	kill -STOP "$GATE_PID"
	sleep 12
	kill -CONT "$GATE_PID"
	sleep 1
	say "gate frozen for 12 s, its right over: $(($(counted signed) - n)) signed, $(counted no_right) refused without a right so far"
	[ "$(counted signed)" = "$n" ] || return
	again 'after that' || return
	n=$(stale)
	kill -STOP "$GATE_PID"
	sleep 3
	kill -CONT "$GATE_PID"
	sleep 3
	say "gate frozen for 3 s, its right goes on: $(($(stale) - n)) stale blocks"
	[ "$(stale)" = "$n" ]
}

node_frozen()
{
	local i n blocks
	gate_open
	n=$(stale)
	for ((i = 0; i < RUNS; i++)); do
		sleep 2
		kill -STOP "$PID"
		sleep 6
		kill -CONT "$PID"
	done
	blocks=$(grep -c 'Produced block' "$IT_DIR/log")
	wait_for 10 has_blocks $((blocks + 3)) || return
	say "nodeos frozen for 6 s, $RUNS times: $(($(stale) - n)) stale blocks"
	[ "$(stale)" = "$n" ]
}

# seen PID: how often the key stands in a process's memory, environment and arguments, in any form
seen()
{
	python3 - "$1" "$WIF" <<'PY'
import sys
pid, wif = sys.argv[1:]
letters = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
n = 0
for c in wif:
    n = n * 58 + letters.index(c)
key = n.to_bytes(37, 'big')[1:33]
forms = [key, key[::-1], key.hex().encode(), key.hex().upper().encode(), wif.encode()]
found = 0
with open(f'/proc/{pid}/mem', 'rb', 0) as mem, open(f'/proc/{pid}/maps') as maps:
    for line in maps:
        span, perms = line.split()[:2]
        a, b = (int(x, 16) for x in span.split('-'))
        if perms[0] != 'r':
            continue
        tail = b''
        while a < b:
            try:
                mem.seek(a)
                data = mem.read(min(b - a, 1 << 22))
            except (OSError, ValueError, OverflowError):
                break
            if not data:
                break
            found += sum((tail + data).count(f) for f in forms)
            tail = data[-len(wif) + 1:]
            a += len(data)
for name in ('environ', 'cmdline'):
    with open(f'/proc/{pid}/{name}', 'rb') as f:
        data = f.read()
        found += sum(data.count(x) for x in forms)
print(found)
PY
}
memory()
{
	local in_node in_gate with_key
	in_node=$(seen "$PID") in_gate=$(seen "$GATE_PID")
	node_down || return
	node_up "KEY:$WIF" || return
	with_key=$(seen "$PID")
	say "the key in memory: of nodeos with the gate $in_node times, of the gate $in_gate, of a nodeos that has it itself $with_key"
	[ "$in_node" = 0 ] && [ "$in_gate" -ge 1 ] && [ "$with_key" -ge 1 ]
}

say "$("$NODEOS" --version 2>&1 | tail -n1) of $NODEOS"
check 'gate' gate_up || exit
check 'added' added || exit
check 'refusing' refusing
check 'right' right
check 'gate frozen' gate_frozen
check 'nodeos frozen' node_frozen
check 'memory' memory
report
