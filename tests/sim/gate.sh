# shellcheck shell=bash
# Variables go from lib.sh to the parts and back; some commands are for eval.
# shellcheck disable=SC2016,SC2034,SC2119,SC2120,SC2154
# A KEOSD signature provider (gate.py): what it is asked, what is taken of what it says, what is
# logged of a refusal and how often, and what a freeze brings out.  Also pause and resume.
# SIM=/path/to/nodeos runs the same against a real one.

key=EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV
mode() { echo "$*" >"$work/mode.new" && mv "$work/mode.new" "$work/mode"; }
requests() { wc -l <"$work/gate.log"; }
connections() { awk '{print $2}' "$work/gate.log" | sort -un | tail -n 1; }
failures() { grep -c "maybe_produce_block  \] $1" "$g/log"; }
# A slot begins; so that what follows falls into its first half.
next_slot() { sleep "$(date +%N | awk '{x = $1 % 500000000; print (500000000 - x + 20000000) / 1e9}')"; }

if ! python3 -c 'import ctypes.util, sys; sys.exit(not ctypes.util.find_library("secp256k1"))' 2>/dev/null; then
	echo "check-sim: no python3 with libsecp256k1"
	skipped=$((skipped + 1))
	return 0
fi

mode ok
: >"$work/gate.log"
free_port; gate_port=$port
python3 "$here/gate.py" "$gate_port" "$work/mode" "$work/gate.log" &
pids+=($!)
gate_url=http://127.0.0.1:$gate_port/v1/wallet/sign_digest
keosd_lines=("enable-stale-production = true" "producer-name = eosio" "p2p-max-nodes-per-host = 20")

new_node g "${keosd_lines[@]}" "keosd-provider-timeout = 100" "signature-provider = $key=KEOSD:$gate_url"
g=$dir g_http=$http g_p2p=$p2p
start "$g" --genesis-json "$data/genesis.json"
g_pid=$pid
within 5 ready "$g" || fail "it does not start with a KEOSD provider"
new_node f "p2p-peer-address = $g_p2p"
f=$dir f_http=$http
start "$f" --genesis-json "$data/genesis.json"
f_pid=$pid

# What it asks
yes "it produces" within 6 serves "$g_http" 8
is "on one connection" "$(connections)" 1
digest=$(awk 'NR == 1 {print $3}' "$work/gate.log")
printf 'POST /v1/wallet/sign_digest HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nUser-Agent: Boost.Beast/300\r\nContent-Type: application/json\r\nContent-Length: 124\r\n\r\n["%s","%s"]' \
	"$gate_port" "$digest" "$key" >"$work/wanted"
yes "the request, byte by byte" cmp "$work/gate.log.first" "$work/wanted"
is "one request a block" "$(awk '{print $3}' "$work/gate.log" | sort | uniq -d | wc -l)" 0
yes "a follower takes the blocks" within 5 eval 'serves "$f_http" "$(head_of "$g_http")"'
# 500 ms a slot, less 100 ms; in the last of a round 200 ms.
early=$(awk '{x = ($1 % 0.5); if (x < 0.29 || x > 0.45) n++} END {print n + 0}' <(tail -n +3 "$work/gate.log"))
yes "asked 100 or 200 ms before the block's time (not so: $early)" test "$early" -le 1

# What it takes
for m in 201 text bye; do
	mode $m
	head=$(head_of "$g_http")
	yes "a signature: $m" within 3 serves "$g_http" $((head + 2))
done
yes "Connection: close is obeyed" test "$(connections)" -gt 1

# What it does not take.  Mode, what is logged, requests a second: at least, at most.
refused() {
	local before bad n digests
	mode "$1"
	sleep 0.3
	before=$(head_of "$g_http")
	: >"$work/gate.log"
	sleep 1
	n=$(requests) digests=$(awk '{print $3}' "$work/gate.log" | sort -u | wc -l)
	is "no block: $1" "$(head_of "$g_http")" "$before"
	is "nor at the follower: $1" "$(head_of "$f_http")" "$before"
	yes "its text: $1" grep -qF "$2" "$g/log"
	yes "requests a second: $1: $n" test "$n" -ge "$3" -a "$n" -le "$4"
	yes "one digest a slot: $1: $digests" test "$digests" -le 3
	is "not paused: $1" "$(get "$g_http" producer/paused)" false
	mode ok
	yes "and again: $1" within 1 serves "$g_http" $((before + 1))
}
refused 403 '] 7 bad_cast_exception: Bad Cast' 5 1500
refused empty '] 10 assert_exception: Assert Exception' 5 1500
refused null 'pivot != std::string::npos: No delimiter in string, cannot determine type: ' 5 1500
refused unquoted 'error parsing signature' 5 1500
refused 500 '] 0 exception: unspecified' 5 1500
refused error '] 3120003 wallet_locked_exception: GATE: no lease' 5 1500
refused 404 "URL not found: $gate_url" 5 1500
refused close '!ec: Failed to read response: end of stream' 5 1500
refused otherkey 'block signed by unexpected key' 5 1500
refused otherdigest '] 3030008 wrong_signing_key: Block is not signed with expected key' 5 1500
refused noncanonical 'is_canonical( c ): signature is not canonical' 5 1500
refused checksum 'checksum' 5 1500
refused 'hang 1' '!ec: Failed to read response: Connection timed out' 1 4

# Pausing: no request any more, also out of the midst of refusals; resuming brings the next slot.
mode error
sleep 0.6
is "pause" "$(get "$g_http" producer/pause -d '')" '{"result":"ok"}'
sleep 0.6
: >"$work/gate.log"
mode ok
sleep 1.2
is "no requests while paused" "$(requests)" 0
is "it is paused" "$(get "$g_http" producer/paused)" true
yes "it says so" grep -q 'producer_plugin.cpp:1984 .*start_block .*\] Not producing block because production is explicitly paused' "$g/log"
before=$(head_of "$g_http")
is "resume" "$(get "$g_http" producer/resume -d '')" '{"result":"ok"}'
yes "blocks again" within 1 serves "$g_http" $((before + 1))
yes "resumed" grep -q '\] Producer resumed. Scheduling production.' "$g/log"

# A freeze while it waits for its slot: the first request is for the old one, and is obeyed.
age_of_last() {
	local line said at
	line=$(grep 'Produced block' "$g/log" | sed -n "${1}p")
	said=$(date -ud "$(awk '{print $2}' <<<"$line")" +%s%3N)
	line=${line#*@ }
	at=$(date -ud "${line%% *}" +%s%3N)
	echo $((said - at))
}
count=$(grep -c 'Produced block' "$g/log")
next_slot
kill -STOP "$g_pid"
sleep 3
n=$(grep -c 'Produced block' "$g/log")
kill -CONT "$g_pid"
within 2 eval 'test "$(grep -c "Produced block" "$g/log")" -gt "$n"'
yes "a stale block after a freeze: $(age_of_last $((n + 1))) ms" test "$(age_of_last $((n + 1)))" -gt 1500

# Frozen when the answer is in its socket: taken after the thaw, whatever the time is.
n=$(grep -c 'Produced block' "$g/log")
mode "freeze $g_pid"
sleep 3
is "nothing while it is frozen" "$(grep -c 'Produced block' "$g/log")" "$n"
kill -CONT "$g_pid"
within 2 eval 'test "$(grep -c "Produced block" "$g/log")" -gt "$n"'
yes "the answer is taken after the thaw: $(age_of_last $((n + 1))) ms" test "$(age_of_last $((n + 1)))" -gt 1500
sleep 0.7
is "and that is all" "$(grep -c 'Produced block' "$g/log")" $((n + 1))
mode ok
stop "$g_pid"
is "it stops" "$rc" 0

# pause-on-startup; a shorter timeout makes more attempts.
echo "pause-on-startup = true" >>"$g/config/config.ini"
dir=$g set_line keosd-provider-timeout 5
: >"$work/gate.log"
start "$g"
g_pid=$pid
yes "it starts paused" within 5 eval 'test "$(get "$g_http" producer/paused)" = true'
sleep 1.2
is "and asks for nothing" "$(requests)" 0
mode hang 1
get "$g_http" producer/resume -d '' >/dev/null
sleep 3
yes "timeout 5 ms: $(requests) requests in 3 s" test "$(requests)" -ge 20 -a "$(requests)" -le 170
mode ok
before=$(head_of "$g_http")
yes "and produces" within 2 serves "$g_http" $((before + 2))
stop "$g_pid"

# Over a unix socket, and providers that cannot be.
sed -i '/^signature-provider/d; /^pause-on-startup/d; /^keosd-provider/d' "$g/config/config.ini"
python3 "$here/gate.py" "$work/g.sock" "$work/mode" "$work/gate.log" &
pids+=($!)
within 2 test -S "$work/g.sock"
start "$g" "--signature-provider=$key=KEOSD:unix://$work/g.sock/v1/wallet/sign_digest"
before=$(tail -n 1 "$g/log" >/dev/null; head_of "$f_http")
yes "over a unix socket" within 5 eval 'grep -q "Produced block" "$g/log"'
stop "$pid"
spec() {
	start "$g" "--signature-provider=$key=KEOSD:$1" ${3:+"$3"}
	yes "provider $1" within 5 grep -qF "$2" "$g/log"
	stop "$pid"
	is "it stops: $1" "$rc" 0
}
spec https://127.0.0.1:1/x 'Unknown protocol https'
spec unix:/some/where 'socket url cannot be relative (where)'
spec "unix://$work/none.sock/v1" "couldn't discover socket path"
spec http://127.0.0.1:1/x '!ec: Failed to connect: Connection refused'
spec "$gate_url" 'exceeded by ' --keosd-provider-timeout=0

# Another node has the right.  Refused and not paused, this one throws away what that one makes;
# paused then, it catches up.
sed -i '/^signature-provider/d' "$g/config/config.ini"
new_node h "${producer_lines[@]}" "pause-on-startup = true"
h=$dir h_http=$http h_p2p=$p2p
start "$h" --genesis-json "$data/genesis.json"
h_pid=$pid
printf '%s\n' "p2p-peer-address = $h_p2p" "p2p-keepalive-interval-ms = 5000" \
	"keosd-provider-timeout = 100" >>"$g/config/config.ini"
within 5 ready "$h"
mode ok
start "$g" "--signature-provider=$key=KEOSD:$gate_url"
g_pid=$pid
within 5 serves "$g_http" "$(head_of "$f_http")"
follows() { test "$(head_of "$2")" -ge "$(head_of "$1")"; }
yes "the paused one follows" within 10 follows "$g_http" "$h_http"
yes "and says why it makes nothing" grep -q '\] Not producing block because production is explicitly paused' "$h/log"
is "and drops nothing" "$(grep -c 'dropped incoming' "$h/log")" 0
dropped() { grep -c '\] dropped incoming block #' "$g/log"; }
mode error
sleep 1.1
get "$h_http" producer/resume -d '' >/dev/null
sleep 2.5
yes "dropped: $(dropped)" test "$(dropped)" -ge 3
get "$g_http" producer/pause -d '' >/dev/null
yes "it catches up when it is paused" within 5 follows "$h_http" "$g_http"

# But not when it was frozen meanwhile: it asks for what it missed before it is paused, throws it
# away, and waits for it until it is connected anew.
get "$h_http" producer/pause -d '' >/dev/null
sleep 1.1
mode ok
get "$g_http" producer/resume -d '' >/dev/null
sleep 1.5
kill -STOP "$g_pid"
mode error
sleep 1.1
get "$h_http" producer/resume -d '' >/dev/null
sleep 4.6
kill -CONT "$g_pid"
sleep 1.5
get "$g_http" producer/pause -d '' >/dev/null
before=$(head_of "$g_http")
sleep 4
is "frozen, refused and then paused it does not catch up" "$(head_of "$g_http")" "$before"
yes "and says why not" grep -q 'request_next_chunk .*\] ignoring request, head is' "$g/log"
get "$g_http" net/disconnect -d "\"$h_p2p\"" >/dev/null
get "$g_http" net/connect -d "\"$h_p2p\"" >/dev/null
yes "until it is connected anew" within 5 follows "$h_http" "$g_http"
[ -z "${KEEP:-}" ] || cp "$g/log" "$KEEP"
stop "$g_pid"
stop "$h_pid"
stop "$f_pid"
