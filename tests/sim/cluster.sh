# shellcheck shell=bash
# Variables go from lib.sh to the parts and back; some commands are for eval.
# shellcheck disable=SC2016,SC2034,SC2119,SC2120,SC2154
# p2p: syncing, relaying, who is refused, when a lost peer is tried again.

new_node p "${producer_lines[@]}"
p=$dir p_http=$http p_p2p=$p2p
start "$p" --genesis-json "$data/genesis.json"
p_pid=$pid
# Who finds its peer's port closed waits for the next look at its connections, as nodeos does.
within 5 ready "$p" || fail "the producer does not start"
new_node r1 "p2p-peer-address = $p_p2p" "connection-cleanup-period = 2" "p2p-max-nodes-per-host = 20"
r1=$dir r1_http=$http r1_p2p=$p2p
start "$r1" --genesis-json "$data/genesis.json"
r1_pid=$pid
within 5 ready "$r1" || fail "the first reader does not start"
# The second reader knows only the first.
new_node r2 "p2p-peer-address = $r1_p2p" "connection-cleanup-period = 2"
r2=$dir r2_http=$http
start "$r2" --genesis-json "$data/genesis.json"
r2_pid=$pid

same_ids() {
	local n
	for n in 2 $(($1 / 2)) $(($1 - 1)) "$1"; do
		is "id of block $n at the first reader" "$(id_at "$r1_http" "$n")" "$(id_at "$p_http" "$n")"
		is "id of block $n at the second reader" "$(id_at "$r2_http" "$n")" "$(id_at "$p_http" "$n")"
	done
}
yes "both readers sync" within 10 eval 'serves "$r1_http" 8 && serves "$r2_http" 8'
same_ids 8
is "LIB is the head's parent" "$(info "$r2_http" '|.head_block_num - .last_irreversible_block_num')" 1
yes "produced" grep -q 'produce_block        ] Produced block [0-9a-f]\{16\}\.\.\. #3 @ .* signed by eosio \[trxs: 0, lib: 2, confirmed: 0,' "$p/log"
yes "received" grep -q 'on_incoming_block    ] Received block [0-9a-f]\{16\}\.\.\. #8 @ .* signed by eosio \[trxs: 0, lib: 7, .* latency: -\?[0-9]* ms\]' "$r2/log"

# Refused without a word at the server; the client says what nodeos says and stays at block 1.
new_node r3 "p2p-peer-address = $(sed -n 's/^p2p-listen-endpoint = //p' "$r2/config/config.ini")"
r3=$dir
new_node r4 "p2p-peer-address = $(sed -n 's/^p2p-listen-endpoint = //p' "$r2/config/config.ini")"
r4=$dir r4_http=$http
start "$r3" --genesis-json "$data/genesis.json"
r3_pid=$pid
yes "one client of an address is taken" within 5 grep -q 'Received block' "$r3/log"
before=$(grep -vc 'Received block' "$r2/log")
start "$r4" --genesis-json "$data/genesis.json"
r4_pid=$pid
yes "a second one is not" within 5 grep -q '\] \["[^"]*" - 2 [^]]*\] Closing connection' "$r4/log"
within 5 eval 'test "$(grep -c "] Closing connection" "$r4/log")" -ge 10'
sleep 0.5
is "it backs off after ten attempts" "$(grep -c '] Closing connection' "$r4/log")" 10
is "it has block 1" "$(head_of "$r4_http")" 1
is "nothing in the server's log" "$(grep -vc 'Received block\|connection_monitor' "$r2/log")" \
	"$(grep -v connection_monitor "$r2/log" | grep -vc 'Received block')"
yes "no new line there" test "$(grep -v connection_monitor "$r2/log" | grep -vc 'Received block')" -le "$before"
stop "$r3_pid"
stop "$r4_pid"

# Another chain
jq '.initial_timestamp = "2026-11-21T00:00:00.000"' "$data/genesis.json" >"$work/other.json"
new_node other "p2p-peer-address = $p_p2p"
start "$dir" --genesis-json "$work/other.json"
yes "wrong chain, client" within 5 grep -q 'warn .*\] received go_away_message, reason = wrong chain' "$dir/log"
yes "wrong chain, server" within 5 grep -q 'error .*\] Peer on a different chain. Closing connection' "$p/log"
is "it keeps running" "$(head_of "$http")" 1
stop "$pid"

# Itself
new_node self
echo "p2p-peer-address = $p2p" >>"$dir/config/config.ini"
start "$dir" --genesis-json "$data/genesis.json"
yes "self connection, server" within 5 grep -q 'Self connection detected node_id' "$dir/log"
yes "self connection, client" within 5 grep -q 'reason = self connect' "$dir/log"
stop "$pid"

# A lost peer is tried again at once, and then only at the next regular look.
stop "$p_pid"
yes "the loss is seen" within 3 grep -q 'Peer closed connection' "$r1/log"
yes "the first attempt fails" within 3 grep -q 'connection failed to 0.0.0.0:0 Connection refused' "$r1/log"
start "$p"
p_pid=$pid
yes "the producer goes on" within 5 serves "$p_http" 12
head=$(head_of "$p_http")
yes "the reader comes back" within 8 serves "$r1_http" $((head + 1))
yes "and the one behind it" within 8 serves "$r2_http" $((head + 1))
same_ids "$head"

# The producer dies and is replayed: its reversible block is made anew, the readers switch.
kill -KILL "$p_pid"
finish "$p_pid"
sleep 0.2
r1_head=$(head_of "$r1_http")
run "$p"
is "dirty after SIGKILL" "$rc" 2
start "$p" --replay-blockchain
p_pid=$pid
yes "a reader takes the other branch" within 12 serves "$r1_http" $((r1_head + 2))
is "the block that was made anew" "$(id_at "$r1_http" "$r1_head")" "$(id_at "$p_http" "$r1_head")"
yes "and says so" grep -q "switching forks from .* (block number $r1_head) to .* (block number $((r1_head + 1)))" "$r1/log"

# A rate limit
new_node slow "p2p-peer-address = $r1_p2p"
sed -i '/^p2p-max-nodes/d' "$r1/config/config.ini"
start_ns=$(date +%s%N)
NODESIM_SYNC_RATE=15 start "$dir" --genesis-json "$data/genesis.json"
head=$(head_of "$r1_http")
yes "a slow one syncs too" within 10 serves "$http" "$head"
took=$(($(date +%s%N) - start_ns))
yes "and takes its time ($took ns for $head blocks)" test "$took" -gt $((head * 1000000000 / 15 / 2))
stop "$pid"

# Two producers with one key: each drops the other's blocks.
stop "$r2_pid"
is "a reader stops" "$rc" 0
new_node q "${producer_lines[@]}" "p2p-peer-address = $p_p2p"
cp -a --sparse=always "$r2/data" "$dir/data"
rm -r "$dir/data/state" "$dir/data/blocks/reversible"
start "$dir"
yes "dropped blocks" within 5 eval 'test "$(grep -c "] dropped incoming block #" "$dir/log")" -ge 3'
stop "$pid"

stop "$r1_pid"
stop "$p_pid"
