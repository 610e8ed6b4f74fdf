# shellcheck shell=bash
# Variables go from lib.sh to the parts and back; some commands are for eval.
# shellcheck disable=SC2016,SC2034,SC2119,SC2120,SC2154
# How a node ends, and what it leaves.

new_node s "${producer_lines[@]}"
s=$dir s_http=$http s_p2p=$p2p
start "$s" --genesis-json "$data/genesis.json"
within 10 serves "$s_http" 3
is "state is dirty while it runs" "$(dirty_byte "$s")" 01
yes "no fork_db.dat while it runs" test ! -e "$s/data/blocks/reversible/fork_db.dat"
is "magic" "$(head -c 8 "$s/data/state/shared_memory.bin")" EOSIODB2
is "size of the state" "$(stat -c %s "$s/data/state/shared_memory.bin")" 268435456
yes "it is sparse" test "$(stat -c %b "$s/data/state/shared_memory.bin")" -lt 12000
agree() { [ "$(tail -c 8 "$s/data/blocks/blocks.log" | xxd -p)" = "$(tail -c 8 "$s/data/blocks/blocks.index" | xxd -p)" ]; }
yes "log and index agree" within 2 agree # it may be between the two writes of a block

# A second opener
new_node second
timeout 5 "$sim" --data-dir "$s/data" --config-dir "$dir/config" 2>"$dir/log"
is "a second opener" $? 2
same_log same-datadir-second "$dir"
yes "the first is unharmed" within 3 serves "$s_http" $(($(head_of "$s_http") + 1))

# Clean stop, by both signals
kill -INT "$pid"
finish "$pid"
is "SIGINT" "$rc" 0
is "clean" "$(dirty_byte "$s")" 00
yes "fork_db.dat" test -s "$s/data/blocks/reversible/fork_db.dat"
is "last line" "$(tail -n 1 "$s/log" | sed 's/.*] //')" 'nodeos successfully exiting'
is "lines of a shutdown" "$(tail -n 9 "$s/log" | normal_log /dev/stdin)" \
	"$(grep -v _close "$data/log/no-genesis-fresh.log" | tail -n 9 | normal_log /dev/stdin)"

# A flush that takes its time: dirty until it is over, further signals change nothing.
NODESIM_FLUSH=2s start "$s"
within 5 serves "$s_http"
kill -TERM "$pid"
within 3 grep -q 'http_plugin.cpp:368 .* exit shutdown' "$s/log"
sleep 0.2
is "dirty while it flushes" "$(dirty_byte "$s")" 01
is "no HTTP while it flushes" "$(head_of "$s_http")" ''
kill -TERM "$pid"; kill -INT "$pid"; kill -PIPE "$pid"; kill -HUP "$pid"
sleep 0.2
yes "it runs on" kill -0 "$pid"
finish "$pid"
is "and ends well" "$rc" 0
is "clean after the flush" "$(dirty_byte "$s")" 00
NODESIM_FLUSH=5s start "$s"
within 5 serves "$s_http"
kill -TERM "$pid"
within 3 grep -q 'http_plugin.cpp:368 .* exit shutdown' "$s/log"
kill -KILL "$pid"
finish "$pid"
is "killed during the flush: dirty" "$(dirty_byte "$s")" 01
run "$s"
is "and refused" "$rc" 2
head=$(($(stat -c %s "$s/data/blocks/blocks.index") / 8))
start "$s" --replay-blockchain
yes "until it is replayed" within 5 serves "$s_http" "$head"

# SIGPIPE, SIGHUP, SIGKILL
kill -HUP "$pid"
yes "SIGHUP is logged" within 3 grep -q 'Received HUP' "$s/log"
kill -PIPE "$pid"
finish "$pid"
is "SIGPIPE" "$rc" 0
start "$s"
within 5 serves "$s_http"
kill -KILL "$pid"
finish "$pid"
is "SIGKILL" "$rc" 137
is "leaves it dirty" "$(dirty_byte "$s")" 01
yes "and without fork_db.dat" test ! -e "$s/data/blocks/reversible/fork_db.dat"
for _ in 1 2; do run "$s"; is "next start" "$rc" 2; done
rm -r "$s/data/state" "$s/data/blocks/reversible"
start "$s"
yes "without state it replays by itself" within 5 serves "$s_http" $((head - 1))

# Ports in use
new_node ports
set_line p2p-listen-endpoint "$s_p2p"
run "$dir" --genesis-json "$data/genesis.json"
is "p2p port in use" "$rc" 0
yes "says so" grep -q "net_plugin::plugin_startup failed to bind to port ${s_p2p#*:}, bind: Address already in use" "$dir/log"
new_node ports2
set_line http-server-address "$s_http"
start "$dir" --genesis-json "$data/genesis.json"
yes "HTTP port in use" within 5 grep -q 'error .* bind: Address already in use' "$dir/log"
yes "closing port" within 1 grep -q 'error .* closing port' "$dir/log"
yes "it runs on" kill -0 "$pid"
stop "$pid"
is "and stops" "$rc" 0
kill -TERM "${pids[-2]}" 2>/dev/null
finish "${pids[-2]}"

# The reader of its log goes away: it runs on, and dies of SIGPIPE at the end, clean.
sed -i 's/^enable-stale-production.*//' "$s/config/config.ini"
mkfifo "$work/pipe"
head -n 12 "$work/pipe" >/dev/null &
"$sim" --data-dir "$s/data" --config-dir "$s/config" 2>"$work/pipe" &
pid=$!
pids+=("$pid")
yes "it serves without a log" within 5 serves "$s_http"
stop "$pid" 2>/dev/null
is "log reader gone" "$rc" 141
is "clean all the same" "$(dirty_byte "$s")" 00

# A producer without enable-stale-production waits for a block of now, and nothing says so.
start "$s"
within 5 serves "$s_http"
head=$(head_of "$s_http")
sleep 1.2
is "no production" "$(head_of "$s_http")" "$head"
is "paused is false" "$(get "$s_http" producer/paused)" false
yes "launched" grep -q 'Launching block production for 1 producers' "$s/log"
stop "$pid"
for change in 's/=KEY:.*/=KEY:5Kxx/' 's/^signature-provider = .*/signature-provider = EOS6xx=KEY:5Kxx/'; do
	new_node nokey "${producer_lines[@]}"
	sed -i "$change" "$dir/config/config.ini"
	start "$dir" --genesis-json "$data/genesis.json"
	within 5 serves "$http"
	yes "malformed key" grep -q 'error .* Malformed signature provider: .*, ignoring!' "$dir/log"
	is "no key in the log" "$(grep -c 5Kxx "$dir/log")" 0
	sleep 0.8
	is "runs and makes nothing" "$(head_of "$http")" 1
	stop "$pid"
	rm -r "$dir"
done

# A disk that fills up: exit 0, an empty fork_db.dat, and only a hard replay helps.
new_node disk "${producer_lines[@]}"
start "$dir" --genesis-json "$data/genesis.json"
within 10 serves "$http" 4
stop "$pid"
sed -i '/^signature-provider/d; /^producer-name/d; /^enable-stale/d' "$dir/config/config.ini"
NODESIM_DISK_USED=100 run "$dir"
is "disk full" "$rc" 0
yes "threshold" grep -q "Space usage warning: .*'s file system exceeded threshold 90%, available: 0 GiB" "$dir/log"
yes "graceful" grep -q 'Gracefully shutting down, exceeded file system configured threshold.' "$dir/log"
is "empty fork_db.dat" "$(stat -c %s "$dir/data/blocks/reversible/fork_db.dat")" 0
run "$dir"
is "next start" "$rc" 254
same_log_tail() {
	is "log of $1" "$(normal_log "$2/log" | sed '/APPBASE/,/removing these/d')" \
		"$(normal_log "$data/log/$1.log" | sed '/APPBASE/,/removing these/d')"
}
same_log_tail diskfull-after-free-start "$dir"
run "$dir" --replay-blockchain
is "replay" "$rc" 254
same_log_tail diskfull-after-free-replay "$dir"
start "$dir" --hard-replay-blockchain
yes "hard replay" within 5 serves "$http" 3
stop "$pid"
is "a copy of the blocks is left" "$(find "$dir/data" -maxdepth 1 -name 'blocks-20*' | wc -l)" 1
NODESIM_DISK_USED=95 run "$dir" --resource-monitor-space-threshold=96 --terminate-at-block 2
is "below the threshold" "$(grep -c 'exceeded threshold' "$dir/log")" 0

# SIGTERM while it starts
NODESIM_START=3s start "$dir" --replay-blockchain
within 3 grep -q 'attempting to replay' "$dir/log"
is "no HTTP during a replay" "$(head_of "$http")" ''
stop "$pid"
is "SIGTERM during a replay" "$rc" 0
start "$dir"
yes "it goes on from there" within 5 serves "$http" 3
yes "with a replay of the rest" grep -q 'attempting to replay from 2 to' "$dir/log"
stop "$pid"
