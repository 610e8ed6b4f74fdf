# shellcheck shell=bash
# Variables go from lib.sh to the parts and back.
# shellcheck disable=SC2154,SC2034
# Replay in slices: chains of real length, from snapshot to snapshot, and a state that goes wrong.

genesis=$work/genesis.json
jq -c '.initial_timestamp = "2024-02-29T00:00:00.000"' "$data/genesis.json" >"$genesis"

# hash FILE WHEN: of the one line that tells it
hash() { sed -n "s/.*chain database $2 with hash: \([0-9a-f]\{64\}\)$/\1/p" "$1"; }
snapshot_of() { echo "$S"/data/snapshots/snapshot-"$(printf %08x "$1")"*.bin; }
# A slice as a worker runs it: slice NAME START END [ARG...]; sets rc, dir, and one, two: its hashes
slice() {
	local name=$1 from=$2 to=$3
	shift 3
	new_node "$name" "p2p-peer-address = $S_p2p"
	if [ "$from" = 0 ]; then set -- --genesis-json "$genesis" "$@"; else set -- --snapshot "$(snapshot_of "$from")" "$@"; fi
	run "$dir" --terminate-at-block "$to" --integrity-hash-on-start --integrity-hash-on-stop "$@"
	one=$(hash "$dir/log" started) two=$(hash "$dir/log" stopped)
}

# --- the history: 2,400 blocks before the node serves, and a snapshot of every 400th
new_node S "p2p-max-nodes-per-host = 50"
S=$dir S_http=$http S_p2p=$p2p
NODESIM_CHAIN_LENGTH=2400 NODESIM_SNAPSHOT_EVERY=400 start "$S" --genesis-json "$genesis"
S_pid=$pid
within 20 serves "$S_http" 2400 || fail "S does not serve" "$(tail -n 5 "$S/log")"
is "its head" "$(head_of "$S_http")" 2400
is "its LIB" "$(info "$S_http" last_irreversible_block_num)" 2399
is "it begins with the genesis" "$(info "$S_http" earliest_available_block_num)" 1
is "a block every half second" "$(get "$S_http" chain/get_block -d '{"block_num_or_id":2400}' | jq -r .timestamp)" 2024-02-29T00:19:59.500
is "its snapshots" "$(find "$S/data/snapshots" -name 'snapshot-*.bin' | wc -l)" 6
yes "which need little room" test "$(du -k "$S/data/snapshots" | cut -f1)" -lt 1000
yes "and are as large as others" test "$(stat -c %s "$(snapshot_of 400)")" -gt 2000000

new_node T
NODESIM_CHAIN_LENGTH=2400 NODESIM_SNAPSHOT_EVERY=400 start "$dir" --genesis-json "$genesis"
within 20 serves "$http" 2400 || fail "T does not serve"
is "another node has the same chain" "$(info "$http" head_block_id)" "$(info "$S_http" head_block_id)"
is "and the same state" "$(get "$http" producer/get_integrity_hash)" "$(get "$S_http" producer/get_integrity_hash)"
yes "and the same files" diff -r "$dir/data/snapshots" "$S/data/snapshots"
stop "$pid"
start "$dir"
within 10 serves "$http" 2400 || fail "T does not go on"
is "it is made once" "$(head_of "$http")" 2400
stop "$pid"
jq -c '.initial_timestamp = "2024-02-29T00:00:00.500"' "$genesis" >"$work/other.json"
new_node T2
NODESIM_CHAIN_LENGTH=2400 start "$dir" --genesis-json "$work/other.json"
within 20 serves "$http" 2400 || fail "T2 does not serve"
yes "another genesis, another chain" test "$(info "$http" head_block_id)" != "$(info "$S_http" head_block_id)"
stop "$pid"
new_node T3
jq -c --arg now "$(date -u +%Y-%m-%dT%H:%M:%S.000)" '.initial_timestamp = $now' "$genesis" >"$work/young.json"
NODESIM_CHAIN_LENGTH=2400 run "$dir" --genesis-json "$work/young.json"
is "no chain into the future" "$rc" 254
yes "and the words" grep -q 'NODESIM_CHAIN_LENGTH: the genesis is not old enough' "$dir/log"
yes "and nothing is left of it" test ! -e "$dir/data/state/shared_memory.bin"

# --- slices: each ends with the state that the next begins with
last=
for from in 0 400 800 1200 1600 2000; do
	to=$((from + 400))
	slice "slice$from" $from $to
	is "exit status of $from to $to" "$rc" 0
	is "blocks of $from to $to" "$(($(stat -c %s "$dir/data/blocks/blocks.index") / 8))" $((to - 1 - from))
	is "the end of $from to $to is told once" "$(grep -c "Reached configured maximum block $to; terminating" "$dir/log")" 1
	[ -z "$last" ] || is "its start hash is the last one's end hash" "$one" "$last"
	yes "it has changed" test "$one" != "$two" -a ${#two} = 64
	last=$two
done
is "the last end hash is that of the chain's head" "$last" "$(get "$S_http" producer/get_integrity_hash | jq -r .integrity_hash)"
yes "a slice's log" in_order "$work/slice800/log" \
	'Starting initialization from snapshot and no block log' 'Snapshot loaded, lib: 800' \
	"chain database started with hash: $(hash "$work/slice400/log" stopped)" 'Finished initialization from snapshot' \
	'Blockchain started; head block is #800' ' #1000 @ ' \
	'producer_plugin.cpp:1947      start_block          ] Reached configured maximum block 1200; terminating' \
	'producer_plugin.cpp:2704      schedule_production_ ] Failed to start a pending block, will try again later' \
	'net_plugin.cpp:3943           plugin_shutdown      ] exit shutdown' \
	'controller.cpp:768            ~controller_impl     ] chain database stopped with hash: ' 'nodeos successfully exiting'
is "it is clean" "$(dirty_byte "$work/slice800")" 00

# As older versions are asked: once more, on what it left, without peers.
dir=$work/slice800
sed -i '/^p2p-peer-address/d' "$dir/config/config.ini"
http=$(sed -n 's/^http-server-address = //p' "$dir/config/config.ini")
echo 'read-mode = head' >>"$dir/config/config.ini"
start "$dir"
within 10 serves "$http" 1200 || fail "it does not serve what it left"
is "the head that it left" "$(head_of "$http")" 1200
is "its hash over HTTP" "$(get "$http" producer/get_integrity_hash | jq -r .integrity_hash)" "$(hash "$work/slice1200/log" started)"
stop "$pid"

# The same slice with the blocks beside it, and without peers.
new_node L
mkdir -p "$dir/data/blocks"
stop "$S_pid"
cp "$S/data/blocks/blocks.log" "$S/data/blocks/blocks.index" "$dir/data/blocks/"
run "$dir" --snapshot "$(snapshot_of 400)" --terminate-at-block 800 --integrity-hash-on-stop
is "exit status with a block log" "$rc" 0
yes "its log" in_order "$dir/log" 'Starting initialization from snapshot and block log 1-2399' 'Snapshot loaded, lib: 400' \
	'existing block log, attempting to replay from 401 to 2399 blocks' \
	'controller.cpp:2287           replay_push_block    ] Reached configured maximum block 800; terminating'
is "and the same hash" "$(hash "$dir/log" stopped)" "$(hash "$work/slice400/log" stopped)"
start "$S"
S_pid=$pid
within 10 serves "$S_http" 2400 || fail "S does not come back"

# --- stopped and killed on the way
new_node I "p2p-peer-address = $S_p2p"
NODESIM_SYNC_RATE=100 start "$dir" --snapshot "$(snapshot_of 400)" --terminate-at-block 2400 --integrity-hash-on-stop
yes "it is on its way" within 10 serves "$http" 450
stop "$pid"
is "stopped on the way" "$rc" 0
is "the end is not said to be reached" "$(grep -c 'Reached configured' "$dir/log")" 0
yes "though there is a hash" test -n "$(hash "$dir/log" stopped)"
run "$dir" --terminate-at-block 800 --integrity-hash-on-stop
is "it goes on from there" "$(hash "$dir/log" stopped)" "$(hash "$work/slice400/log" stopped)"
new_node J "p2p-peer-address = $S_p2p"
began=$EPOCHREALTIME
NODESIM_SYNC_RATE=200 run "$dir" --snapshot "$(snapshot_of 400)" --terminate-at-block 800
yes "200 blocks a second" awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { exit !(b - a >= 1.9) }'
NODESIM_SYNC_RATE=100 start "$dir" --terminate-at-block 2400
within 10 serves "$http" 850 || fail "J does not go on"
kill -KILL "$pid"
finish "$pid"
run "$dir"
is "dirty when killed" "$rc" 2

# --- a version that executes from block 1000 on wrong
export NODESIM_WRONG_FROM=1000
slice wrong400 400 800
is "before it is right" "$two" "$(hash "$work/slice400/log" stopped)"
slice wrong800 800 1200
is "its start is right" "$one" "$(hash "$work/slice400/log" stopped)"
yes "its end is wrong" test "$two" != "$(hash "$work/slice1200/log" started)" -a ${#two} = 64
is "the blocks are valid" "$rc" 0
wrong=$two
slice wrong800b 800 1200
is "equally wrong each time" "$two" "$wrong"
unset NODESIM_WRONG_FROM
run "$dir" --terminate-at-block 1200 --integrity-hash-on-start
is "the state stays wrong" "$(hash "$dir/log" started)" "$wrong"
NODESIM_WRONG_FROM=1000..1000 slice wrong1200 1200 1600
is "one block wrong, and a slice behind it is right" "$two" "$(hash "$work/slice1200/log" stopped)"
NODESIM_WRONG_FROM=1000 slice wrong1200b 1200 1600
yes "all from there on wrong, and it is not" test "$two" != "$(hash "$work/slice1200/log" stopped)"

new_node W
NODESIM_WRONG_FROM=1000 NODESIM_CHAIN_LENGTH=1200 NODESIM_SNAPSHOT_EVERY=400 start "$dir" --genesis-json "$genesis"
within 20 serves "$http" 1200 || fail "W does not serve"
stop "$pid"
yes "a snapshot before it is the same" cmp "$dir/data/snapshots/$(basename "$(snapshot_of 800)")" "$(snapshot_of 800)"
yes "one behind it is another" test -s "$dir/data/snapshots/$(basename "$(snapshot_of 1200)")"
yes "indeed" eval "! cmp -s '$dir/data/snapshots/$(basename "$(snapshot_of 1200)")' '$(snapshot_of 1200)'"
W=$dir
new_node V
run "$dir" --snapshot "$W/data/snapshots/$(basename "$(snapshot_of 1200)")" --terminate-at-block 1200 --integrity-hash-on-start
is "and who starts from it has that state" "$(hash "$dir/log" started)" "$wrong"

NODESIM_WRONG_FROM=9..3 run "$dir"
yes "an impossible range is refused" grep -q "NODESIM_WRONG_FROM: '9..3' ends before it begins" "$dir/log"
stop "$S_pid"
