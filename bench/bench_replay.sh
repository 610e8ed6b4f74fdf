#!/usr/bin/env bash
# bench_replay.sh - what an orchestrator takes and gives with many workers
#
# One `replay serve` on loopback with $SLICES (10,000) slices of different lengths, and $WORKERS (1,000)
# simulated workers (bench/replay_workers.c, which says what they do), each with its connection:
#
#	calls        how long each call takes while all of it runs, and pages are looked at
#	memory       the orchestrator's largest resident size
#	makespan     first claim to last completion, to the sum of all times shared by the workers
#	certificate  `replay certificate verify` of all slices
#
# Goals: p99 of each call 10 ms, 100 MB, 1.15, 1 s. With LARGE=1 pages ask for what holds every job as well; STATE is the
# orchestrator's directory (each claim and completion waits for an fsync there).
# time-limit: 900
# shellcheck source=tests/it/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tests/it/lib.sh"
# shellcheck source=bench/figures.sh
. "$(dirname "${BASH_SOURCE[0]}")/figures.sh"
need jq curl

SLICES=${SLICES:-10000} WORKERS=${WORKERS:-1000} US_BLOCK=${US_BLOCK:-240} RAMP=${RAMP:-10} PAGES=${PAGES:-0.25}
LARGE=${LARGE:-} STATE=${STATE:-$IT_DIR/state}
PORT=14000 PID=''

# What replay_workers takes for the hash of a height.
hash_of()
{
	local i text=''
	for i in 0 8 16 24; do text+=$(printf '\\x%02x' $(($1 >> i & 255))); done
	printf '%b' "$text" | sha256sum | cut -d' ' -f1
}

# Slices of 30,000 to 70,000 blocks, the same each time.  No slice behind the last one tells its hash.
manifest()
{
	awk -v n="$1" 'BEGIN {
		srand(9)
		print "["
		for (at = 2; n--; at = end) {
			end = at + 30000 + int(40000 * rand())
			printf "{\"start_block_id\": %d, \"end_block_id\": %d, \"snapshot_path\": \"/s/snapshot-%010d.bin\", ", at, end, at
			printf "\"storage_type\": \"filesystem\", \"expected_integrity_hash\": \"\", \"leap_version\": \"5.0.0\"}%s\n", n ? "," : ""
		}
		print "]"
	}' >"$IT_DIR/slices.json"
	jq --arg hash "$(hash_of "$(jq '.[-1].end_block_id' "$IT_DIR/slices.json")")" \
		'.[-1].expected_integrity_hash = $hash' "$IT_DIR/slices.json"
}

serve()
{
	nodeswarm replay serve --config "$IT_DIR/manifest.json" --host 127.0.0.1 --port $PORT --state "$STATE" \
		--log "$IT_DIR/orchestration.log" --disable-auth >"$IT_DIR/serve.log" 2>&1 50>&- &
	PID=$!
	wait_for 30 curl -sf -o /dev/null "http://127.0.0.1:$PORT/healthcheck" || { tail "$IT_DIR/serve.log" && return 1; }
}

resident()
{
	awk '/^VmHWM/ { print $2 }' "/proc/$PID/status"
}

# Seconds of CPU time.
used()
{
	awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%.1f\n", ($12 + $13) / hz }' "/proc/$PID/stat"
}

workers()
{
	"$BUILD/bench/replay_workers" -w "$WORKERS" -b "$US_BLOCK" -r "$RAMP" -q "$PAGES" ${LARGE:+-Q} $PORT >"$IT_DIR/calls" &&
		cat "$IT_DIR/calls"
}

# The slowest p99 of the calls, and whether any of them failed.
slowest()
{
	awk '/^(GET|POST|\/)/ { v = $(NF - 2); if (v > max) max = v } END { print max + 0 }' "$IT_DIR/calls"
}
mistakes()
{
	awk '/^(GET|POST|\/)/ { n += $NF } END { print n + 0 }' "$IT_DIR/calls"
}

verify()
{
	local began=$EPOCHREALTIME
	nodeswarm replay certificate verify "$IT_DIR/certificate.json" || return
	since3 "$began" >"$IT_DIR/seconds"
}

manifest "$SLICES" >"$IT_DIR/manifest.json"
check 'it serves' serve || exit
say "idle: $(resident) KiB"
check 'all jobs are done' workers || { tail "$IT_DIR/serve.log" && exit; }
while IFS= read -r line; do say "$line"; done <"$IT_DIR/calls"
say "then: $(resident) KiB, $(used) s of CPU time"
check 'no call failed' holds "$(mistakes) == 0"
check 'p99 of each call is below 10 ms' holds "$(slowest) < 10"
check 'it takes less than 100 MB' holds "$(resident) < 100000"
check 'the makespan is at most 1.15 times the ideal' holds "$(awk '/^jobs/ { print $NF }' "$IT_DIR/calls") <= 1.15"
check 'each slice is verified' expect "^$SLICES\$" jq .totals.verified <(curl -sf "http://127.0.0.1:$PORT/v1/run")
check 'the certificate' curl -sf -o "$IT_DIR/certificate.json" "http://127.0.0.1:$PORT/v1/certificate"
check 'it holds together' verify
say "verify of $SLICES slices: $(cat "$IT_DIR/seconds") s"
check 'within a second' holds "$(cat "$IT_DIR/seconds") < 1"
kill -TERM "$PID" && wait "$PID"
report
