#!/usr/bin/env bash
# bench_check.sh - how soon `nodeswarm check --watch` sees it, and what watching costs
#
# $NODES (200) nodesims on loopback, one of which makes blocks; the others follow it through ten that
# are connected to it. Each is named by its URL, which costs the sampler more than slots do: there
# one request a host brings all of them.
#
#	verdict   from a fact to the line that tells it, $RUNS (5) times each:
#	          killed   a node's process is killed
#	          lagging  a node whose only peer was stopped is more than lag-blocks behind
#	          forked   a node makes a second block of its own, beside the chain's: the first is irreversible
#	cpu       of check, in percent of a core, over $SECONDS_EACH (30) s in which nothing happens
#
# "Within a second" is what the worst of the runs has to hold, and 5 % what the CPU has to.
# time-limit: 900
# shellcheck source=tests/it/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tests/it/lib.sh"
# shellcheck source=bench/figures.sh
. "$(dirname "${BASH_SOURCE[0]}")/figures.sh"
need jq curl

NODES=${NODES:-200} RUNS=${RUNS:-5} SECONDS_EACH=${SECONDS_EACH:-30} EVERY=${EVERY:-500ms}
HUBS=10 LAG_BLOCKS=4
ulimit -n 8192 || skip_all 'no 8192 descriptors'
# The ports below lie where outgoing connections get theirs from.
echo 40000 65000 >/proc/sys/net/ipv4/ip_local_port_range

# --- nodes -----------------------------------------------------------------------------------------

PRODUCER=('enable-stale-production = true' 'producer-name = eosio'
	'signature-provider = EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV=KEY:5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3')
declare -A PIDS

# node N [LINE...]: start number N
node()
{
	local n=$1 dir=$IT_DIR/$1
	shift
	mkdir -p "$dir"
	{
		printf 'plugin = eosio::%s_plugin\n' chain chain_api http producer
		printf 'http-server-address = 127.0.0.1:%d\np2p-listen-endpoint = 127.0.0.1:%d\n' $((10000 + n)) $((20000 + n))
		printf 'chain-state-db-size-mb = 256\np2p-max-nodes-per-host = 1000\nmax-clients = 1000\nconnection-cleanup-period = 2\n'
		printf '%s\n' "$@"
	} >"$dir/config.ini"
	nodesim --data-dir "$dir/data" --config-dir "$dir" --genesis-json "$ROOT/genesis.json" 2>"$dir/log" 50>&- &
	PIDS[$n]=$!
}
url()
{
	echo "http://127.0.0.1:$((10000 + $1))"
}
head_of()
{
	curl -sf -m 2 "$(url "$1")/v1/chain/get_info" | jq .head_block_num
}
peer()
{
	echo "p2p-peer-address = 127.0.0.1:$((20000 + $1))"
}

# The last of them are those that something is done to; LAG follows a hub of its own.
LAG=$((NODES - 1)) LAG_HUB=$NODES VICTIM=$((NODES - 2))
nodes_up()
{
	local i
	node 0 "${PRODUCER[@]}"
	for ((i = 1; i <= HUBS; i++)); do
		node "$i" "$(peer 0)"
	done
	for ((i = HUBS + 1; i < NODES; i++)); do
		[ "$i" = "$LAG" ] && continue
		node "$i" "$(peer $((1 + i % HUBS)))"
	done
	node "$LAG_HUB" "$(peer 0)"
	node "$LAG" "$(peer "$LAG_HUB")"
	for ((i = 0; i < NODES; i++)); do
		URLS+=("$(url "$i")")
	done
	wait_for 120 all_follow
}
URLS=()
all_follow()
{
	nodeswarm check "${URLS[@]}" 2>/dev/null | grep -vE ' in sync$' | tee "$IT_DIR/follow" | grep -q "^healthy: $NODES of $NODES " ||
		{ tail -n 12 "$IT_DIR/follow" && return 1; }
}

# --- facts -----------------------------------------------------------------------------------------

watch_up()
{
	nodeswarm check --watch --every "$EVERY" --set "lag-blocks=$LAG_BLOCKS" "${URLS[@]}" >>"$IT_DIR/watch.log" \
		2>"$IT_DIR/watch.err" 50>&- &
	WATCH=$!
	wait_for 30 grep -q 'verdict  healthy' "$IT_DIR/watch.log"
}
# When a line was told, in seconds since 1970.
told()
{
	local line
	line=$(grep -m1 -E "$1" "$IT_DIR/watch.log") && date -d "${line%% *}" +%s.%3N
}
is_told()
{
	told "$1" >/dev/null
}
# delay FILE FACT PATTERN: note how long after FACT the line came
delay()
{
	wait_for 30 is_told "$3" >/dev/null || { tail -5 "$IT_DIR/watch.log" && return 1; }
	awk -v a="$2" -v b="$(told "$3")" 'BEGIN { printf "%.3f\n", b - a }' >>"$1"
}
# Everybody is as before, and nothing of this run is in the log of the next one.
calm()
{
	wait_for 60 all_follow >/dev/null && sleep 1 && : >"$IT_DIR/watch.log"
}

killed()
{
	local at
	at=$EPOCHREALTIME
	kill -KILL "${PIDS[$VICTIM]}"
	delay "$IT_DIR/killed" "$at" "found .* unreachable  $(url "$VICTIM"):" || return
	wait "${PIDS[$VICTIM]}" 2>/dev/null
	rm -rf "${IT_DIR:?}/$VICTIM"
	node "$VICTIM" "$(peer $((1 + VICTIM % HUBS)))"
	calm
}

# Its head stands when its hub does. The chain makes two blocks a second.
lagging()
{
	local at
	kill -STOP "${PIDS[$LAG_HUB]}"
	at=$(behind)
	delay "$IT_DIR/lagging" "$at" "found .* lagging  $(url "$LAG"):" || return
	kill -CONT "${PIDS[$LAG_HUB]}"
	calm
}
# When the chain is more than LAG_BLOCKS ahead of LAG.
behind()
{
	local stands
	sleep 0.2
	stands=$(head_of "$LAG")
	until [ "$(head_of 0)" -gt $((stands + LAG_BLOCKS)) ]; do :; done
	echo "$EPOCHREALTIME"
}

# It goes on alone, from the chain's last block that it has.
forked()
{
	local at
	kill -TERM "${PIDS[$VICTIM]}"
	wait "${PIDS[$VICTIM]}" 2>/dev/null
	sleep 2
	: >"$IT_DIR/watch.log"
	node "$VICTIM" "${PRODUCER[@]}"
	wait_for 10 own_blocks >/dev/null || return
	at=$(grep 'Produced block' "$IT_DIR/$VICTIM/log" | sed -n '2s/^[a-z]* *\([^ ]*\) .*/\1/p')
	delay "$IT_DIR/forked" "$(date -u -d "$at" +%s.%3N)" 'found .* (forked|split|long-fork)' || return
	kill -KILL "${PIDS[$VICTIM]}"
	wait "${PIDS[$VICTIM]}" 2>/dev/null
	rm -rf "${IT_DIR:?}/$VICTIM"
	node "$VICTIM" "$(peer $((1 + VICTIM % HUBS)))"
	wait_for 60 all_follow >/dev/null
	# What was seen of two blocks for one slot is told for ten minutes.
	kill -TERM "$WATCH"
	wait "$WATCH"
	watch_up
}
own_blocks()
{
	[ "$(grep -c 'Produced block' "$IT_DIR/$VICTIM/log")" -ge 2 ]
}

each()
{
	local i
	for ((i = 0; i < RUNS; i++)); do
		"$1" || return
	done
	say "$1: told after $(median <"$IT_DIR/$1") s, at most $(sort -g "$IT_DIR/$1" | tail -n1) s"
	awk '$1 > 1 { exit 1 }' "$IT_DIR/$1"
}

# --- cost ------------------------------------------------------------------------------------------

ticks()
{
	local stat
	stat=$(<"/proc/$1/stat")
	# shellcheck disable=SC2086
	set -- ${stat##*) }
	echo $((${12} + ${13}))
}
cpu()
{
	local before start=$EPOCHREALTIME
	before=$(ticks "$WATCH")
	sleep "$SECONDS_EACH"
	CPU=$(awk -v t=$(($(ticks "$WATCH") - before)) -v hz="$(getconf CLK_TCK)" -v a="$start" -v b="$EPOCHREALTIME" \
		'BEGIN { printf "%.2f", 100 * t / hz / (b - a) }')
	say "watching $NODES nodes every $EVERY: $CPU % of a core, $(awk '/^VmHWM/ { print $2 }' "/proc/$WATCH/status") KiB at most"
	holds "$CPU < 5"
}

check 'nodes' nodes_up || exit
check 'watch' watch_up || exit
check 'CPU' cpu
check 'killed' each killed
check 'lagging' each lagging
check 'forked' each forked
kill -TERM "$WATCH"
report
