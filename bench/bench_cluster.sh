#!/usr/bin/env bash
# bench_cluster.sh - how fast scale and status are, and what a supervisor costs
#
# On a private engine, beside docker's own commands in the same run. Medians of $RUNS runs (5).
#
#	scale 1 -> 8    from the readiness of the last slot to the end of the command; and the whole
#	                command beside `docker service scale`, which waits for 5 s of calm
#	status          of $TASKS tasks (100), beside `docker service ps`
#	supervisor      private dirty memory and CPU of `nodeswarm supervise` when nothing happens
# time-limit: 1500
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/../tests/it/lib.sh"
# shellcheck source=tests/it/cluster.sh
. "$(dirname "$0")/../tests/it/cluster.sh"
# shellcheck source=bench/figures.sh
. "$ROOT/bench/figures.sh"
need docker jq

RUNS=${RUNS:-5} TASKS=${TASKS:-100}

seconds()
{
	local start=$EPOCHREALTIME
	"$@" >/dev/null 2>&1 || echo "failed: $*" >&2
	awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f\n", b - a }'
}

# When the last slot got ready, by the supervisors' records, in seconds since 1970.
last_ready()
{
	# shellcheck disable=SC2046
	jq -r '.ready_since' $(records readers) | while read -r t; do date -d "$t" +%s.%3N; done | sort -n | tail -n 1
}

bench_scale()
{
	local i end
	for ((i = 0; i < RUNS; i++)); do
		nodeswarm scale readers=1 >/dev/null 2>&1
		seconds nodeswarm scale readers=8 >>"$IT_DIR/ours"
		end=$EPOCHREALTIME
		awk -v a="$(last_ready)" -v b="$end" 'BEGIN { printf "%.3f\n", b - a }' >>"$IT_DIR/after"
		nodeswarm scale readers=1 >/dev/null 2>&1
		seconds docker service scale nodeswarm_readers=8 >>"$IT_DIR/theirs"
	done
	say "scale 1 -> 8: $(median <"$IT_DIR/ours") s; docker service scale: $(median <"$IT_DIR/theirs") s;" \
		"ratio $(awk -v a="$(median <"$IT_DIR/ours")" -v b="$(median <"$IT_DIR/theirs")" 'BEGIN { printf "%.2f", a / b }')"
	say "scale 1 -> 8 ends after the last slot's readiness by: $(median <"$IT_DIR/after") s"
	awk -v t="$(median <"$IT_DIR/after")" 'BEGIN { exit !(t < 1) }'
}

bench_status()
{
	local i
	nodeswarm scale readers="$TASKS" >/dev/null 2>&1 || return
	# Until the machine has calmed down after a hundred starts.
	sleep 45
	for ((i = 0; i < RUNS; i++)); do
		seconds nodeswarm status >>"$IT_DIR/status"
		seconds docker service ps nodeswarm_readers >>"$IT_DIR/ps"
	done
	say "status of $TASKS tasks: $(median <"$IT_DIR/status") s; docker service ps: $(median <"$IT_DIR/ps") s;" \
		"ratio $(awk -v a="$(median <"$IT_DIR/status")" -v b="$(median <"$IT_DIR/ps")" 'BEGIN { printf "%.2f", a / b }')"
	awk -v t="$(median <"$IT_DIR/status")" 'BEGIN { exit !(t < 0.1) }'
}

supervisors()
{
	local d
	for d in /proc/[0-9]*; do
		case $(tr '\0' ' ' 2>/dev/null <"$d/cmdline") in
		/usr/bin/nodeswarm\ supervise*) echo "${d#/proc/}" ;;
		esac
	done
}

ticks()
{
	awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"
}

bench_supervisor()
{
	local pid cpu dirty before=0 after=0 n=0 span=60
	nodeswarm scale readers=8 >/dev/null || return
	sleep 10
	for pid in $(supervisors); do
		awk '/^Private_Dirty:/ { s += $2 } END { print s }' "/proc/$pid/smaps_rollup" >>"$IT_DIR/dirty"
		before=$((before + $(ticks "$pid"))) n=$((n + 1))
	done
	sleep $span
	for pid in $(supervisors); do
		after=$((after + $(ticks "$pid")))
	done
	dirty=$(median <"$IT_DIR/dirty")
	cpu=$(awk -v t=$((after - before)) -v n=$n -v s=$span -v hz="$(getconf CLK_TCK)" \
		'BEGIN { printf "%.3f", 100 * t / hz / n / s }')
	say "supervisor ($n of them, ready, $span s): $dirty kB private dirty, $cpu % of a core"
	awk -v d="$dirty" -v c="$cpu" 'BEGIN { exit !(d < 4096 && c < 0.5) }'
}

check 'engine' engine_up || exit
check 'images' cluster_images || exit
check 'pool' cluster_pool || exit
check 'up' cluster_up 1 || exit
check 'scale ends within 1 s of the last readiness' bench_scale
check 'a supervisor: under 4 MB of private dirty memory, under 0.5 % of a core' bench_supervisor
check "status of $TASKS tasks under 100 ms" bench_status
check 'down' nodeswarm down
report
