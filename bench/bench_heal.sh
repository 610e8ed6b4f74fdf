#!/usr/bin/env bash
# bench_heal.sh - how long a verdict takes, and how long a dirty slot until it serves again
#
#	verdict   of a data-dir of 100 GB apparent size with 1,000 split pairs of files: the whole command,
#	          the median of 21 runs, and the first one after the caches were dropped
#	heal      nodeos is killed; until its slot is ready, from a generation on XFS (a loop image), the
#	          median of $RUNS (5). Beside it what people do today, until the same nodeos has caught up:
#	          `cp -a` of a good data-dir in full, as on a file system without reflinks; `cp -a` as it
#	          is here; and `--replay-blockchain`. The latter is nodesim's at $REPLAY_RATE (20) blocks a
#	          second, on a chain of a minute: a real one grows with the chain, so that ratio is no figure
#	          of nodeos's
#
# $BENCH_SCALE (100) is the size of the state in percent of 2 GiB; below 100 times are not judged.
# time-limit: 1800
# shellcheck source=tests/it/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tests/it/lib.sh"
# shellcheck source=bench/disk.sh
. "$(dirname "${BASH_SOURCE[0]}")/disk.sh"
# shellcheck source=tests/it/slots.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tests/it/slots.sh"
need mkfs.xfs python3

RUNS=${RUNS:-5} BENCH_SCALE=${BENCH_SCALE:-100} REPLAY_RATE=${REPLAY_RATE:-20}
DATA=$((21474836 * BENCH_SCALE))
room=$(df --output=avail -B1 "$IT_DIR" | tail -n 1)
((room > DATA * 5 + 4294967296)) || skip_all "the disk has only $((room >> 20)) MiB of room"
((BENCH_SCALE == 100)) || small=" (at $BENCH_SCALE % of the size: without the times)"
PEER_WAIT=1s

in_time()
{
	((BENCH_SCALE < 100)) || awk "$@"
}

ratio()
{
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", a / (b > 0 ? b : 0.001) }'
}

# --- verdict ---------------------------------------------------------------------------------------

some_chain()
{
	mkdir -p "$IT_DIR/config"
	printf '%s\n' 'chain-state-db-size-mb = 8' 'chain-state-db-guard-size-mb = 0' "${PRODUCER[@]}" >"$IT_DIR/config/config.ini"
	NODESIM_FLUSH=0s timeout --preserve-status 5 nodesim --data-dir "$IT_DIR/source" --config-dir "$IT_DIR/config" \
		--genesis-json "$ROOT/genesis.json" && python3 -B "$ROOT/bench/split_dir.py" "$IT_DIR/source" "$IT_DIR/split"
}

verdict()
{
	# Its exit status is 1: nodeos would not start.
	! nodeswarm data verdict --json "$IT_DIR/split" >"$IT_DIR/verdict"
}

verdict_times()
{
	local i t apparent
	apparent=$(du -s --apparent-size -B1 "$IT_DIR/split" | cut -f1)
	verdict || return
	jq -e '.verdict == "dirty"' "$IT_DIR/verdict" || { cat "$IT_DIR/verdict" && return 1; }
	sync
	((BENCH_SCALE < 100)) || echo 3 >/proc/sys/vm/drop_caches
	t=$EPOCHREALTIME && verdict && since3 "$t" >"$IT_DIR/first"
	for ((i = 0; i < 21; i++)); do
		t=$EPOCHREALTIME && verdict && since3 "$t"
	done >"$IT_DIR/times"
	say "verdict of $((apparent / 1000000000)) GB in $(find "$IT_DIR/split" -name 'blocks-*' | wc -l) split files:" \
		"$(median <"$IT_DIR/times") s, with cold caches $(cat "$IT_DIR/first") s"
	((apparent >= 100000000000)) && in_time -v t="$(median <"$IT_DIR/times")" 'BEGIN { exit !(t < 0.05) }'
}

# --- heal ------------------------------------------------------------------------------------------

# A generation with a state of DATA bytes that have data, and a reader that begins with it.
cluster()
{
	disk_up xfs "$POOL" 4 && nodeswarm pool init "$POOL" || return
	config 1 "${PRODUCER[@]}" && config 2 && config 3
	supervise 1 && wait_for 30 ready 1 || return
	PEERS=127.0.0.1:19876
	supervise 2 && P2=$PID && wait_for 30 ready 2 && stop "$P2" 0 || return
	dd if=/dev/urandom of="$POOL/services/t_s/2/data/state/shared_memory.bin" bs=1M seek=1 \
		count=$((DATA >> 20)) conv=notrunc status=none || return
	supervise 2 && P2=$PID && wait_for 30 ready 2 && order_ok 2 archive a1 && wait_for 30 ready 2 || return
	supervise 3 && P3=$PID && wait_for 30 ready 3
}

# Time passes: it was not healed too often within the hour.
forget()
{
	local record=$POOL/services/t_s/3/run.json
	stop "$P3" 0 && jq 'del(.heal)' "$record" >"$IT_DIR/run.json" && cp "$IT_DIR/run.json" "$record" &&
		rm -rf "$POOL"/quarantine/* && sync && supervise 3 && P3=$PID && wait_for 30 ready 3
}

healed()
{
	ready 3 && [ "$(record 3 .heal.stage)" = healed ]
}

heal_times()
{
	local i t nodeos
	for ((i = 0; i < RUNS; i++)); do
		forget || return
		nodeos=$(nodeos_pid 3) && t=$EPOCHREALTIME && kill -KILL "$nodeos" || return
		wait_for 60 healed || return
		since3 "$t" >>"$IT_DIR/times.heal"
		record 3 .heal
		[ "$(record 3 .heal.repair)" = restore-generation ] || return
	done
	say "a dirty slot of $((DATA >> 20)) MiB: ready again after $(median <"$IT_DIR/times.heal") s, at most" \
		"$(sort -n "$IT_DIR/times.heal" | tail -n 1) s"
	in_time -v t="$(sort -n "$IT_DIR/times.heal" | tail -n 1)" 'BEGIN { exit !(t < 5) }'
}

head_at()
{
	curl -sf -m 2 "http://127.0.0.1:$1/v1/chain/get_info" | jq -e .head_block_num
}

# As near to the chain's head as a slot must be.
has_caught_up()
{
	local head ours
	head=$(head_at 18888) && ours=$(head_at 48888) && ((ours + 3 >= head))
}

# by_hand NAME COMMAND...: what makes $IT_DIR/hand/data good again, then nodeos until it has caught up
by_hand()
{
	local name=$1 t i
	shift
	for ((i = 0; i < RUNS; i++)); do
		rm -rf "$POOL/hand" && mkdir "$POOL/hand" && sync || return
		[ "$name" != replay ] || cp -a "$GENERATIONS/current/data" "$POOL/hand/data" || return
		t=$EPOCHREALTIME
		"$@" || return
		# shellcheck disable=SC2086
		NODESIM_SYNC_RATE=$REPLAY_RATE nodesim --data-dir "$POOL/hand/data" --config-dir "$IT_DIR/hand" \
			$OPTIONS >"$IT_DIR/hand.log" 2>&1 &
		PID=$!
		wait_for 120 has_caught_up || return
		since3 "$t" >>"$IT_DIR/times.$name"
		kill "$PID" && wait "$PID"
	done
	rm -rf "$POOL/hand"
	say "$name: $(median <"$IT_DIR/times.$name") s, $(ratio "$(median <"$IT_DIR/times.$name")" "$(median <"$IT_DIR/times.heal")") times as long"
}

others()
{
	mkdir -p "$IT_DIR/hand" && config 4 'plugin = eosio::chain_api_plugin' 'p2p-peer-address = 127.0.0.1:19876' &&
		mv "$IT_DIR/config.4.ini" "$IT_DIR/hand/config.ini" || return
	OPTIONS='' by_hand 'cp -a, in full' cp -a --reflink=never "$GENERATIONS/current/data" "$POOL/hand/data" &&
		OPTIONS='' by_hand 'cp -a' cp -a "$GENERATIONS/current/data" "$POOL/hand/data" &&
		OPTIONS=--replay-blockchain by_hand replay true
}

check 'a data-dir of 100 GB apparent size' some_chain &&
	check "its verdict under 50 ms${small-}" verdict_times
check 'a generation and a reader' cluster &&
	check "a dirty slot serves within 5 s${small-}" heal_times &&
	check 'what people do today' others
report
