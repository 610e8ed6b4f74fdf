#!/usr/bin/env bash
# bench_load.sh - what `nodeswarm load` costs and how true its figures are, beside wrk, hey and ab
#
#	rate      requests a second of a static server (nginx, one worker, a recorded get_info), with the
#	          same threads, 1 to 1,000 connections; ours reads and judges every body. Median of the
#	          ratios of $RUNS (5) rounds; in a round each tool has its turn, every second round
#	          backwards. CPU time is that of the whole process, with start and self-test. What
#	          the server could serve at most is reckoned from its own CPU time a request: where
#	          that is less than a goal, no client can reach it
#	plan      at half of that server's limit: how late requests leave, beside bench/bare_schedule.c,
#	          which does the waiting and nothing else
#	latency   of a server that measures how long it lets each request wait (bench/bad_server.c),
#	          beside what wrk says
#	many      memory with 10,000 connections
#
# $SECONDS_EACH (5) is the length of a run, $THREADS (1) those of each tool. The server has the first core
# and the tools, all alike, the others: left to itself the kernel has both on one core in one run and not in the
# next. PIN= pins nothing. PARTS="rate plan" runs only these.
# The programs are those of `scripts/install-deps.sh bench`.
# time-limit: 1800
# shellcheck source=tests/it/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tests/it/lib.sh"
# shellcheck source=bench/figures.sh
. "$(dirname "${BASH_SOURCE[0]}")/figures.sh"
need jq curl

RUNS=${RUNS:-5} SECONDS_EACH=${SECONDS_EACH:-5} THREADS=${THREADS:-1} PIN=${PIN-1}
PARTS=${PARTS:-rate plan latency many}
URL=http://127.0.0.1:18080/v1/chain/get_info
I=$ROOT/tests/data/sim/http/get_info-GET.txt
CHAIN_ID=$(grep -o '"chain_id":"[0-9a-f]*' "$I" | cut -d'"' -f4)
packages=$ROOT/build/packages
for p in "$packages"/{nginx,wrk,hey,apache2-utils}; do
	PATH=$PATH:$p/usr/sbin:$p/usr/bin
	LIBRARIES=${LIBRARIES:+$LIBRARIES:}$p/usr/lib/$(uname -m)-linux-gnu
done
need nginx wrk hey ab
# 10,000 connections have two ends.
ulimit -n 20000 || skip_all 'no 20000 descriptors'
echo 16384 >/proc/sys/net/core/somaxconn
echo 1024 65000 >/proc/sys/net/ipv4/ip_local_port_range

calc()
{
	awk "BEGIN { printf \"%.${2:-3}f\", $1 }"
}

# on_server, used CMD...: each on its core, with PIN
on_server()
{
	exec ${PIN:+taskset -c 0} "$@" 50>&- 51<&- 52<&-
}
used()
{
	${PIN:+taskset -c "1-$(($(nproc) - 1))"} env LD_LIBRARY_PATH="$LIBRARIES" "$BUILD/bench/used" "$@"
}

server_up()
{
	local body
	body=$(sed '1,/^----$/d' "$I" | sed '1,/^\r*$/d')
	mkdir -p "$IT_DIR/nginx"
	cat >"$IT_DIR/nginx.conf" <<-END
		daemon off;
		user root;
		worker_processes 1;
		worker_rlimit_nofile 20000;
		pid $IT_DIR/nginx.pid;
		error_log $IT_DIR/nginx.log crit;
		events { worker_connections 19000; }
		http {
			access_log off;
			keepalive_requests 1000000000;
			keepalive_timeout 1h;
			default_type application/json;
			client_body_temp_path $IT_DIR/nginx;
			proxy_temp_path $IT_DIR/nginx;
			fastcgi_temp_path $IT_DIR/nginx;
			uwsgi_temp_path $IT_DIR/nginx;
			scgi_temp_path $IT_DIR/nginx;
			server {
				listen 127.0.0.1:18080 backlog=16384;
				location / { return 200 '$body'; }
			}
		}
	END
	LD_LIBRARY_PATH=$LIBRARIES on_server nginx -p "$IT_DIR/nginx" -c "$IT_DIR/nginx.conf" &
	wait_for 5 curl -sf "$URL"
}

# --- rate ------------------------------------------------------------------------------------------

# A tool's run: all requests of it must be good. Prints requests and requests a second.
# run TOOL CONNECTIONS
run()
{
	local log=$IT_DIR/log.$1 use=$IT_DIR/use.$1.$2 s=$SECONDS_EACH
	case $1 in
	nodeswarm)
		used "$use" nodeswarm load "$URL" -t "$THREADS" -c "$2" -d "${s}s" --warmup 0s --chain-id "$CHAIN_ID" --json >"$log" &&
			jq -er 'select(.requests_failed == 0) | "\(.requests_total) \(.requests_per_second)"' "$log"
		;;
	wrk)
		used "$use" wrk -t "$THREADS" -c "$2" -d "${s}s" "$URL" >"$log" && ! grep -E 'Socket errors|Non-2xx' "$log" >&2 &&
			awk '$2 == "requests" { n = $1 } /^Requests\/sec/ { print n, $2 }' "$log"
		;;
	hey)
		used "$use" hey -cpus "$THREADS" -c "$2" -z "${s}s" "$URL" >"$log" && ! grep -A3 'Error distribution' "$log" >&2 &&
			awk '/\[200\]/ { n = $2 } /Requests\/sec/ { r = $2 } END { print n, r }' "$log"
		;;
	ab)
		used "$use" ab -q -k -c "$2" -t "$s" -n 5000000 "$URL" >"$log" 2>&1 && ! grep -E 'Non-2xx|^Failed requests: *[1-9]' "$log" >&2 &&
			awk '/^Complete requests/ { n = $3 } /^Requests per second/ { r = $4 } END { print n, r }' "$log"
		;;
	esac
}

# cpu_of FILE REQUESTS: microseconds a request, of the last run
cpu_of()
{
	tail -n 1 "$1" | awk -v n="$2" '{ printf "%.3f", ($2 + $3) * 1e6 / n }'
}

# Of the CPU time of all of nginx, in seconds since it was started.
server_cpu()
{
	cat /proc/[0-9]*/stat 2>/dev/null |
		awk -v hz="$(getconf CLK_TCK)" '$2 == "(nginx)" { sub(/.*\) /, ""); n += $12 + $13 } END { print n / hz }'
}

# round CONNECTIONS TOOL...
round()
{
	local c=$1 tool n rate cpu t
	for tool in "${@:2}"; do
		cpu=$(server_cpu) t=$EPOCHREALTIME
		read -r n rate < <(run "$tool" "$c")
		[ -n "$rate" ] || { echo "$tool failed" && return 1; }
		cpu=$(calc "$(server_cpu) - $cpu") t=$(calc "$EPOCHREALTIME - $t")
		{ calc "$cpu / $t * 100" 0 && echo; } >>"$IT_DIR/busy.$tool.$c"
		{ calc "$cpu / $n * 1e6" && echo; } >>"$IT_DIR/served.$tool.$c"
		echo "$rate" >>"$IT_DIR/rate.$tool.$c"
		cpu_of "$IT_DIR/use.$tool.$c" "$n" >>"$IT_DIR/cpu.$tool.$c"
		echo >>"$IT_DIR/cpu.$tool.$c"
	done
}

# over KIND TOOL CONNECTIONS: the median of ours by theirs, round by round
over()
{
	paste "$IT_DIR/$1.nodeswarm.$3" "$IT_DIR/$1.$2.$3" | awk '{ printf "%.3f\n", $1 / $2 }' | median
}

rates()
{
	local c=$1 i rc=0 tool
	for ((i = 0; i < RUNS; i++)); do
		if ((i % 2)); then
			round "$c" ab hey wrk nodeswarm || return
		else
			round "$c" nodeswarm wrk hey ab || return
		fi
	done
	for tool in nodeswarm wrk hey ab; do
		echo "$tool: $(tr '\n' ' ' <"$IT_DIR/rate.$tool.$c") requests/s, $(tr '\n' ' ' <"$IT_DIR/cpu.$tool.$c") us"
	done
	say "$c connections: $(median <"$IT_DIR/rate.nodeswarm.$c" | cut -d. -f1) requests/s," \
		"$(over rate wrk "$c") times wrk's, $(over rate hey "$c") hey's, $(over rate ab "$c") ab's;" \
		"CPU a request $(median <"$IT_DIR/cpu.nodeswarm.$c") us, $(over cpu wrk "$c") times wrk's;" \
		"the server was busy $(median <"$IT_DIR/busy.nodeswarm.$c") % of the time, with wrk $(median <"$IT_DIR/busy.wrk.$c") %," \
		"with ab $(median <"$IT_DIR/busy.ab.$c") %; of a core to itself it could serve $(server_limit "$c" ab) times what ab got"
	at_least 1 wrk "$c" || rc=1
	holds "$(over cpu wrk "$c") <= 1.2" || rc=1
	at_least 1.3 hey "$c" || rc=1
	at_least 1.3 ab "$c" || rc=1
	return "$rc"
}

# server_limit CONNECTIONS TOOL: how many times the tool's rate the server could serve at most, if it were busy all
# the time and each request cost it what it cost with the tool that it was cheapest with
server_limit()
{
	local tool cheapest
	cheapest=$(for tool in nodeswarm wrk hey ab; do median <"$IT_DIR/served.$tool.$1" && echo; done | sort -g | sed '/^$/d' | head -n 1)
	calc "1e6 / $cheapest / $(median <"$IT_DIR/rate.$2.$1")" 2
}

# at_least RATIO TOOL CONNECTIONS: where the server could not serve as much as that, it sets the rate for all: then
# ten percent less than the other tool, which is what rounds differ by, passes, and a line says so.
at_least()
{
	local ratio limit
	ratio=$(over rate "$2" "$3") limit=$(server_limit "$3" "$2")
	holds "$ratio >= $1" && return
	holds "$limit < 1.05 * $1 && $ratio >= 0.9" || return
	say "$3 connections, $2: not $1 times but $ratio, of $limit that the server has in it"
}

# --- plan ------------------------------------------------------------------------------------------

on_time()
{
	local i limit rate late control seconds=$((SECONDS_EACH * 2))
	limit=$(run nodeswarm 64) && limit=$(calc "${limit#* }" 0) && rate=$((limit / 2)) || return
	for ((i = 0; i < RUNS; i++)); do
		used "$IT_DIR/use.plan" nodeswarm load "$URL" -t "$THREADS" -c 64 -r "$rate" -d "${seconds}s" \
			--chain-id "$CHAIN_ID" --json >"$IT_DIR/log.plan"
		jq -c '[.requests_total, .requests_failed, .schedule_lag_us]' "$IT_DIR/log.plan"
		jq -er 'select(.requests_failed == 0) | .schedule_lag_us.within_100us_percent' "$IT_DIR/log.plan" >>"$IT_DIR/late" || return
		used "$IT_DIR/use.bare" "$BUILD/bench/bare_schedule" "$rate" "$seconds" "$THREADS" | tee "$IT_DIR/log.bare"
		awk '{ print $2 }' "$IT_DIR/log.bare" >>"$IT_DIR/control"
	done
	late=$(median <"$IT_DIR/late") control=$(median <"$IT_DIR/control")
	say "$rate requests/s planned, half of the server's limit: $late % leave within 100 us;" \
		"the bare schedule: $control %"
	holds "$late >= 99.9 || $late >= $control - 0.01"
}

# --- latency ---------------------------------------------------------------------------------------

# A planned rate, so low that what waited through a stall is served within its tolerance.
RATE=500 LATENCY_SECONDS=5
# Of a server without delay, median at that rate: the way there and back, with all that has to wake up.
WAY=

# Ours is judged by how long the server really let its replies wait (its own clock; a timer that is late is
# part of it) and the way; wrk by the law that the server follows, as those who come late change what it did.
# delayed KEY NAME DELAY LAW WRK-CONNECTIONS: LAW: "p50=5000 p90=8200", in microseconds
delayed()
{
	local key=$1 name=$2 delay=$3 law=$4 c=$5 p q i rc=0 line='' ours theirs truth
	for ((i = 0; i < RUNS; i++)); do
		one_of_each "$delay" "$c" || return
		for p in $law; do
			q=${p%=*}
			jq -r ".latency_us.$q" "$IT_DIR/log.latency" >>"$IT_DIR/ours.$key.$q"
			awk -v p="$q" -v way="$WAY" '$1 == p { print $2 + way }' "$IT_DIR/log.server" >>"$IT_DIR/truth.$key.$q"
			awk -v p="$q" '$1 == p { print $2 }' "$IT_DIR/log.wrk" >>"$IT_DIR/wrk.$key.$q"
		done
	done
	for p in $law; do
		q=${p%=*}
		ours=$(median <"$IT_DIR/ours.$key.$q") theirs=$(median <"$IT_DIR/wrk.$key.$q") truth=$(median <"$IT_DIR/truth.$key.$q")
		line+="; $q $(calc "$truth" 0): $(calc "$ours" 0), wrk $theirs"
		near "$ours" "$truth" || { echo "$q is $ours, not $truth" && rc=1; }
		near "$theirs" "${p#*=}" || echo "$key" >>"$IT_DIR/wrk_differs"
	done
	say "$name, us$line"
	return "$rc"
}

# the_way: sets WAY
the_way()
{
	local url i
	for ((i = 0; i < RUNS; i++)); do
		serve fixed:0ms && used "$IT_DIR/use.way" nodeswarm load "$url" -t 1 -c 600 -r "$RATE" -d 2s --any --json >"$IT_DIR/log.way"
		serve_end
		jq -er 'select(.requests_failed == 0) | .latency_us.p50' "$IT_DIR/log.way" >>"$IT_DIR/way" || return
	done
	WAY=$(median <"$IT_DIR/way")
	say "a server without delay at $RATE requests/s: p50 $(calc "$WAY" 0) us"
}

one_of_each()
{
	local url
	serve "$1" || return
	used "$IT_DIR/use.latency" nodeswarm load "$url" -t 1 -c 600 -r "$RATE" -d "${LATENCY_SECONDS}s" --warmup 0s --any --json >"$IT_DIR/log.latency"
	serve_end
	cp "$IT_DIR/bad.out" "$IT_DIR/log.server"
	jq -c '[.requests_total, .requests_failed, .latency_us, .schedule_lag_us]' "$IT_DIR/log.latency"
	jq -e '.requests_failed == 0' "$IT_DIR/log.latency" >/dev/null || return
	serve "$1" || return
	used "$IT_DIR/use.latency" wrk -t 1 -c "$2" -d "${LATENCY_SECONDS}s" -s "$IT_DIR/percentiles.lua" "$url" | tee "$IT_DIR/log.wrk"
	serve_end
}

# near FIGURE TRUTH: within 2 % or 200 us
near()
{
	awk -v a="$1" -v t="$2" 'BEGIN { d = a > t ? a - t : t - a; exit !(d <= 200 || d <= t * 0.02) }'
}

serve()
{
	rm -f "$IT_DIR/bad.out"
	(on_server "$BUILD/bench/bad_server" --delay "$1" >"$IT_DIR/bad.out") &
	BAD=$!
	wait_for 5 grep -q http "$IT_DIR/bad.out" && url=$(head -n 1 "$IT_DIR/bad.out")
}

serve_end()
{
	kill "$BAD"
	wait "$BAD"
}

latencies()
{
	local rc=0 key
	cat >"$IT_DIR/percentiles.lua" <<-'END'
		done = function(summary, latency)
			for _, p in ipairs({50, 75, 90, 95, 99, 99.9}) do
				local name = string.gsub(tostring(p), "%.", "_")
				print(string.format("p%s %d", name, latency:percentile(p)))
			end
		end
	END
	the_way || return
	# Not its 99.9th: the first requests wait until 600 connections are open, which the server does not count.
	delayed uniform 'uniform 1 to 9 ms' uniform:1ms:9ms 'p50=5000 p75=7000 p90=8200 p95=8600 p99=8920' 3 || rc=1
	delayed bimodal '1 ms, 50 ms once in 100' bimodal:1ms:50ms:100 'p50=1000 p75=1000 p90=1000 p99_9=50000' 1 || rc=1
	# What comes in the last fifth of the run waits for that second's end: half of it on average.
	echo 'delay = function() return 20 end' >>"$IT_DIR/percentiles.lua"
	delayed stall 'a stall of 1 s' stall:3s:1s 'p50=0 p75=0 p90=500000 p95=750000 p99=950000 p99_9=995000' 10 || rc=1
	for key in bimodal stall; do
		grep -qx $key "$IT_DIR/wrk_differs" || { echo "$key: wrk says the same" && rc=1; }
	done
	return "$rc"
}

# --- many ------------------------------------------------------------------------------------------

many()
{
	local kib
	used "$IT_DIR/use.many" nodeswarm load "$URL" -t "$(nproc)" -c 10000 -d "${SECONDS_EACH}s" --chain-id "$CHAIN_ID" --json >"$IT_DIR/log.many"
	jq -c '[.requests_total, .requests_failed, .errors, .requests_per_second]' "$IT_DIR/log.many"
	kib=$(awk '{ print $4 }' "$IT_DIR/use.many")
	say "10,000 connections: $((kib >> 10)) MiB, $(jq '.requests_per_second | floor' "$IT_DIR/log.many") requests/s," \
		"$(jq .requests_failed "$IT_DIR/log.many") failed"
	jq -e '.requests_failed == 0 and .requests_ok > 10000' "$IT_DIR/log.many" && holds "$kib < 200000"
}

say "$RUNS rounds of $SECONDS_EACH s, $THREADS thread(s) each, $(nproc) cores, $([ -n "$PIN" ] && echo 'server and tools on cores of their own' || echo 'nothing pinned')"
check 'a static server' server_up || { cat "$IT_DIR/nginx.log" && exit; }
for part in $PARTS; do
	case $part in
	rate)
		for c in 1 10 100 1000; do
			check "$c connections: as fast as wrk, 1.3 times hey and ab, for 1.2 times wrk's CPU" rates "$c"
		done
		;;
	plan) check '99.9 % of a plan leave within 100 us, or as many as of the bare schedule' on_time ;;
	latency) check 'percentiles of a server whose latency is known, which are not what wrk says' latencies ;;
	many) check '10,000 connections under 200 MB, all good' many ;;
	*) fail "no part '$part'" ;;
	esac
done
report
