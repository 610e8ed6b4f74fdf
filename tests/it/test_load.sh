#!/usr/bin/env bash
# test_load.sh - nodeswarm load against servers that fail, each in its way, and that count exactly:
# bench/bad_server.c and a nodesim. Figures are bench/bench_load.sh's business.
# time-limit: 120
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need jq curl iptables
BAD_SERVER=$BUILD/bench/bad_server
[ -x "$BAD_SERVER" ] || skip_all "no '$BAD_SERVER' was built"

INFO=/v1/chain/get_info
json=$IT_DIR/result

# load STATUS ARG...: runs it with --json, which must end with STATUS (a pattern), soon
load()
{
	local status=$1 rc=0
	shift
	timeout -k 1 20 nodeswarm --json load --warmup 0s "$@" >"$json" 2>"$IT_DIR/err" || rc=$?
	jq -c 'del(.series, .config, .statuses, .latency_us, .slots) | .errors |= with_entries(select(.value > 0))' "$json"
	cat "$IT_DIR/err"
	# shellcheck disable=SC2053
	[[ $rc == $status ]] || { echo "exit status $rc, not $status" && return 1; }
	sums
}

# What belongs together agrees.
sums()
{
	jq -e '
		.requests_total == .requests_ok + .requests_failed and
		.requests_failed == ([.errors[]] | add) and
		.requests_total == ([.series[] | select(.is_warmup | not) | .ok + .failed] | add // 0) and
		(.requests_ok == 0 or (.latency_us | .min <= .p50 and .p50 <= .p90 and .p90 <= .p99 and .p99 <= .p99_9 and .p99_9 <= .max))
	' "$json" >/dev/null || { echo 'the sums do not agree' && jq . "$json" && return 1; }
}

# result FILTER: true of the last result
result()
{
	jq -e "$1" "$json" >/dev/null || { echo "not so: $1" && return 1; }
}

# all_in CLASS N: N requests, and all failed in that way
all_in()
{
	result ".requests_total == $2 and .errors[\"$1\"] == $2"
}

# serve [ARG...]: a bad server, its URL in $url
serve()
{
	# What the one before has said must not be taken for this one's.
	: >"$IT_DIR/served"
	"$BAD_SERVER" "$@" >"$IT_DIR/served" 2>&1 50>&- 51<&- 52<&- &
	SERVER=$!
	wait_for 5 grep -q '^http' "$IT_DIR/served" >/dev/null && url=$(head -n 1 "$IT_DIR/served")
}

# served REQUESTS BAD: what it says that it did, at its end
served()
{
	kill "$SERVER" && wait "$SERVER"
	grep -qx "$1 $2" "$IT_DIR/served" || { echo "the server says: $(grep -x '[0-9]* [0-9]*' "$IT_DIR/served"), not $1 $2" && return 1; }
}

# sim NAME PORT: a chain of one's own; its pid in $SIM
sim()
{
	mkdir -p "$IT_DIR/$1/config"
	printf '%s\n' "http-server-address = 127.0.0.1:$2" "p2p-listen-endpoint = 127.0.0.1:1$2" 'plugin = eosio::chain_api_plugin' \
		'enable-stale-production = true' 'producer-name = eosio' 'http-validate-host = false' \
		'signature-provider = EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV=KEY:5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3' \
		>"$IT_DIR/$1/config/config.ini"
	nodesim --data-dir "$IT_DIR/$1/data" --config-dir "$IT_DIR/$1/config" --genesis-json "$ROOT/genesis.json" \
		>"$IT_DIR/$1/log" 2>&1 50>&- 51<&- 52<&- &
	SIM=$!
	wait_for 10 curl -sf "http://127.0.0.1:$2$INFO" >"$IT_DIR/info"
}

five_lines()
{
	tail -n 5 "$1" | tr '\n' '/' | grep -E "^Workers: $2/Failed Requests: $3/OK Requests: $4/Total Requests: $5/Finished\. Time: [0-9.]+ s/$"
}

# A run that need not ask for it first leaves exact counts at the server.
serve
CHAIN_ID=$(curl -sf "$url" | jq -r .chain_id)
kill "$SERVER"

# --- nobody, or nobody who answers ---------------------------------------------------------------

closed_port()
{
	load 1 http://127.0.0.1:1 -n 40 -c 4 && all_in connect 40 && result '.requests_per_second == 0 and .latency_us.p50 == null' || return
	timeout 20 nodeswarm load http://127.0.0.1:1 -n 40 -c 4 >"$IT_DIR/out"
	[ $? = 1 ] && five_lines "$IT_DIR/out" 4 40 0 40
}
check 'a closed port: all failed, exactly as many as were asked for' closed_port

silent()
{
	local start=$EPOCHREALTIME
	serve --mode silent && load 1 "$url" -n 16 -c 8 --timeout 300ms --chain-id "$CHAIN_ID" && all_in timeout 16 && served 16 16 &&
		awk -v s="$(since "$start")" 'BEGIN { exit !(s < 4) }'
}
check 'who never answers: all timeouts, in bounded time' silent
# Nobody answers ARP there.
check 'nor connects: the same' eval 'load 1 http://192.168.77.99 -n 4 -c 4 --timeout 300ms && all_in timeout 4'

check 'a public address is refused' expect_fail 1 'i-own-this' timeout 5 nodeswarm load http://203.0.113.7 -n 1
no_packet()
{
	iptables -w -I OUTPUT -d 203.0.113.0/24 || return
	expect_fail 1 'i-own-this' timeout 5 nodeswarm load http://203.0.113.7 -n 1 || return
	iptables -w -xvnL OUTPUT | awk '$NF == "203.0.113.0/24" { print; n = $1 } END { exit n != 0 }'
}
check 'without a packet to it' no_packet

# --- every hundredth is wrong ------------------------------------------------------------------------

# hundredth MODE CLASS [ARG...]
hundredth()
{
	local mode=$1 class=$2
	shift 2
	serve --mode "$mode" --every 100 "$@" && load 1 "$url" -n 1000 -c 4 --timeout 200ms --chain-id "$CHAIN_ID" &&
		result ".requests_total == 1000 and .requests_failed == 10 and .errors[\"$class\"] == 10" && served 1000 10
}
while read -r mode class options; do
	# shellcheck disable=SC2086
	check "every hundredth: $mode, counted exactly" hundredth "$mode" "$class" $options
done <<-END
	reset reset
	close reset
	silent timeout
	slow-body timeout
	short short
	short-chunk short --chunked
	status status
	not-http not-http
	extra not-http
	too-large too-large
	not-json not-json --dribble
	not-info not-info
	wrong-chain wrong-chain
	head-back head-back
END

# --- ways to ask ----------------------------------------------------------------------------------------

# good N SERVER-ARGS... -- ARGS...: N requests, all good
good()
{
	local n=$1 args=()
	shift
	while [ "$1" != -- ]; do
		args+=("$1") && shift
	done
	shift
	serve "${args[@]}" && load 0 "$url" -n "$n" -c 4 --chain-id "$CHAIN_ID" "$@" &&
		result ".requests_ok == $n and .requests_failed == 0" && served "$n" 0
}
check 'IPv6' good 500 --listen ::1 --
check 'a unix socket' good 500 --listen "$IT_DIR/bad.sock" -- --unix-socket "$IT_DIR/bad.sock"
check 'eight in a pipeline' good 500 -- --pipeline 8
check 'and each by bytes, in chunks' good 500 --chunked --dribble -- --pipeline 8
check 'a connection for each' good 500 -- --no-keep-alive
check 'which the server closes' good 500 --no-keep-alive --
# Whether it was late by its own fault is up to this machine.
planned()
{
	serve --delay fixed:1ms && load '[01]' "$url" -d 1s -c 8 -r 500 --chain-id "$CHAIN_ID" &&
		result '.requests_ok == 500 and .requests_planned == 500 and .latency_us.p50 >= 1000' && served 500 0
}
check 'by a plan' planned
a_and_b()
{
	local a b
	serve --delay fixed:1ms && a=$SERVER b=$url && serve --delay fixed:4ms || return
	timeout -k 1 20 nodeswarm --json load --ab "$b" "$url" -c 4 -d 200ms --warmup 0s >"$json" || return
	jq -c '.figures[]' "$json"
	kill "$a" "$SERVER"
	result '.rounds == 6 and ([.runs[].side] | join("")) == "ABBAABBAABBA" and
		(.figures[] | select(.figure == "p50_us") | .is_different and .low > 1 and .ratio > 2 and .ratio < 5)'
}
check '--ab tells a slow one from a quick one' a_and_b
one_is_down()
{
	serve --delay fixed:1ms || return
	timeout -k 1 20 nodeswarm --json load --ab "$url" http://127.0.0.1:1 --rounds 2 -c 4 -d 200ms --warmup 0s >"$json"
	[ $? = 1 ] && jq -c '.figures[]' "$json" && kill "$SERVER" &&
		result '[.figures[] | .ratio] == [null, null, null] and
			[.figures[] | .a > 0] == [true, true, true] and [.figures[] | .b] == [0, null, null]'
}
check 'of which one is down: the figures of the other, no ratio' one_is_down
cut_by_time()
{
	serve --delay fixed:10ms && load 1 "$url" -n 1000 -c 2 -d 300ms --chain-id "$CHAIN_ID" && kill "$SERVER" &&
		result '.requests_failed == 0 and .requests_ok > 10 and .requests_ok < 80 and
			(.limits_broken[0] | test("^[0-9]+ of 1000 requests: the time was over$")) and .limits == [{"fail_if":"errors>0","actual":0,"holds":true}]'
}
check 'fewer requests than were asked for are no success' cut_by_time

# --- a chain ----------------------------------------------------------------------------------------------

check 'a chain' sim sim 18888 || exit
chain=http://127.0.0.1:18888
ID=$(jq -r .chain_id "$IT_DIR/info")
ok_run()
{
	timeout 20 nodeswarm load "$chain" -d 1s -c 8 --warmup 200ms >"$IT_DIR/out" 2>&1 || { cat "$IT_DIR/out" && return 1; }
	cat "$IT_DIR/out"
	five_lines "$IT_DIR/out" 8 0 '[1-9][0-9]*' '[1-9][0-9]*'
}
check 'is loaded, and five lines say how that went' ok_run
ok_json()
{
	load 0 $chain -d 1s -c 8 &&
		result ".requests_ok > 100 and .requests_failed == 0 and .chain_id == \"$ID\" and .max_head_age_us != null"
}
check 'in JSON' ok_json
wrong_chain()
{
	load 1 $chain -n 100 -c 8 --chain-id "$(tr 0-9a-f 1-9a-f0 <<<"$ID")" && all_in wrong-chain 100
}
check 'another chain than expected: all wrong' wrong_chain
block()
{
	load 0 "$chain/v1/chain/get_block" -n 100 -c 4 --method POST --body '{"block_num_or_id":1}' --any && result '.requests_ok == 100' || return
	echo '{"block_num_or_id":999999}' >"$IT_DIR/body"
	load 1 "$chain/v1/chain/get_block" -n 100 -c 4 --method POST --body "@$IT_DIR/body" --any && all_in status 100 &&
		result '.statuses["400"] == 100' || return
	load 1 "$chain/v1/chain/get_block" -n 100 -c 4 --method POST --body '{"block_num_or_id":1}' && all_in not-info 100
}
check 'another call, by POST' block
limits()
{
	load 0 $chain -n 100 -c 4 --fail-if 'p99>10s' --fail-if 'rate < 1' &&
		load 1 $chain -n 100 -c 4 --fail-if 'p99 > 1us' && result '.limits[-1].holds == false' || return
	# How far two backends are apart is not known of one: so it is not shown to hold.
	load 1 $chain -n 100 -c 4 --fail-if 'lag>5' &&
		load 0 http://127.0.0.1:1 -n 4 -c 4 --fail-if 'errors>4' && all_in connect 4
}
check 'limits' limits

ctrl_c()
{
	local pid rc=0
	# A background command of a shell ignores it otherwise.
	env --default-signal=INT nodeswarm load $chain -d 60s -c 4 --warmup 0s >"$IT_DIR/out" 2>"$IT_DIR/err" 50>&- 51<&- 52<&- &
	pid=$!
	sleep 1
	kill -INT "$pid" && timeout 3 tail --pid="$pid" -f /dev/null || return
	wait "$pid" || rc=$?
	cat "$IT_DIR/out" "$IT_DIR/err"
	[ "$rc" = 1 ] && grep -q interrupted "$IT_DIR/err" && five_lines "$IT_DIR/out" 4 0 '[1-9][0-9]*' '[1-9][0-9]*'
}
check 'Ctrl-C ends in a report' ctrl_c

# interrupted SECONDS ARG...: Ctrl-C after that time ends it soon, with 1
interrupted()
{
	local after=$1 pid rc=0
	shift
	env --default-signal=INT nodeswarm load "$@" >"$IT_DIR/out" 2>"$IT_DIR/err" 50>&- 51<&- 52<&- &
	pid=$!
	sleep "$after"
	kill -INT "$pid" && timeout 2.5 tail --pid="$pid" -f /dev/null || return
	wait "$pid" || rc=$?
	cat "$IT_DIR/out" "$IT_DIR/err"
	[ "$rc" = 1 ] && grep -q interrupted "$IT_DIR/err"
}
ctrl_c_self_test()
{
	interrupted 1 --self-test && grep -q '^ok' "$IT_DIR/out" && grep -Eq '^[1-9][0-9]* cases, 0 counted wrongly' "$IT_DIR/out"
}
check 'so does it in the self-test' ctrl_c_self_test
ctrl_c_probe()
{
	serve --mode silent && interrupted 1 "$url" || return
	kill "$SERVER"
}
check 'and while the first answer is waited for' ctrl_c_probe

script()
{
	expect '^OK Requests: 200$' "$ROOT/scripts/test_request.sh" 127.0.0.1 18888 10 20 || return
	expect_fail 1 '^Failed Requests: 40$' "$ROOT/scripts/test_request.sh" 127.0.0.1 1 4 10
}
check 'the way the article asks' script

files()
{
	local d=$IT_DIR/files
	mkdir "$d" && load 0 $chain -d 2s -c 4 --csv "$d/a.csv" --hdr "$d/a.hdr" --html "$d/a.html" || return
	ls -l "$d"
	[ "$(find "$d" -mindepth 1 | wc -l)" = 3 ] || return
	[ "$(wc -l <"$d/a.csv")" -ge 3 ] && ! awk -F, 'NR == 1 { n = NF } NF != n' "$d/a.csv" | grep . || return
	grep -q '^#\[Histogram log format version 1\.[23]\]' "$d/a.hdr" && [ "$(grep -c HIST "$d/a.hdr")" -ge 2 ] || return
	tail -n 1 "$d/a.html" | grep -q '</html>' && ! grep -Eo '(src|href)="?https?://[^" ]*' "$d/a.html"
}
check 'CSV, a log of histograms and a page are whole' files
no_dir()
{
	expect_fail any '/nonexistent' timeout 3 nodeswarm load $chain -d 10s --html /nonexistent/a.html
}
check 'a file that cannot be made is known before the run' no_dir
full()
{
	local d=$IT_DIR/full kind
	mkdir -p "$d" && mount -t tmpfs -o size=4k,mode=755 tmpfs "$d" || return
	for kind in html hdr csv; do
		head -c 4096 /dev/zero >"$d/ballast"
		expect_fail 1 'No space left' timeout 10 nodeswarm load $chain -n 100 --"$kind" "$d/a" || return
		rm "$d/ballast"
		[ -z "$(ls -A "$d")" ] || { ls -lA "$d" && return 1; }
	done
}
check 'a full disk: said, and nothing is left' full

killed()
{
	sim second 28888 || return
	(sleep 0.7 && exec kill -KILL "$SIM") &
	load 1 http://127.0.0.1:28888 -d 1500ms -c 8 &&
		result '.requests_ok > 0 and .errors.connect > 0 and .errors.connect + .errors.reset + .errors.short == .requests_failed'
}
check 'the server is killed in the middle' killed
