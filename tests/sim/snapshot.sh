# shellcheck shell=bash
# Variables go from lib.sh to the parts and back.
# shellcheck disable=SC2154
# Snapshots: made over HTTP, started from, and refused in the recorded words.

genesis=$work/genesis.json
cp "$data/genesis.json" "$genesis"
snapshot() { get "$1" producer/create_snapshot -m 20; }

# --- a producer A and a follower B; snapshots of one block are the same file
new_node A "${producer_lines[@]}"
A=$dir A_http=$http A_p2p=$p2p
start "$A" --genesis-json "$genesis"
A_pid=$pid
within 10 serves "$A_http" 4 || fail "A makes no blocks"
new_node B "p2p-peer-address = $A_p2p"
B=$dir B_http=$http
start "$B" --genesis-json "$genesis" --integrity-hash-on-stop
B_pid=$pid
within 10 serves "$B_http" 4 || fail "B does not follow"

tries=0
until [ $((tries += 1)) -gt 10 ]; do
	snapshot "$A_http" >"$work/a.json" & one=$!
	snapshot "$B_http" >"$work/b.json" & two=$!
	wait $one $two
	[ "$(jq .head_block_num "$work/a.json")" = "$(jq .head_block_num "$work/b.json")" ] && break
done
is "the keys of the reply" "$(jq -c keys_unsorted "$work/a.json")" \
	'["head_block_id","head_block_num","head_block_time","version","snapshot_name"]'
is "its version" "$(jq .version "$work/a.json")" 6
a=$(jq -r .snapshot_name "$work/a.json") b=$(jq -r .snapshot_name "$work/b.json")
is "its name" "$a" "$A/data/snapshots/snapshot-$(jq -r .head_block_id "$work/a.json").bin"
yes "two nodes write the same bytes at one block" cmp "$a" "$b"
is "it begins as nodeos's does" "$(xxd -l 8 -p "$a")" 5005513001000000
yes "it is as large as that of an empty chain" test "$(stat -c %s "$a")" -gt 2000000
is "nothing pending is left" "$(find "$A/data/snapshots" -name '.*')" ''
num=$(jq .head_block_num "$work/a.json")

# No block comes: the file is pending, and nobody is answered.
get "$A_http" producer/pause >/dev/null
sleep 1.2
head=$(head_of "$A_http")
get "$A_http" producer/create_snapshot -m 1 >"$work/none"
is "no reply while no block arrives" "$(cat "$work/none")" ''
yes "but a pending file" test -s "$A/data/snapshots/.pending-snapshot-$(id_at "$A_http" "$head").bin"
get "$A_http" producer/resume >/dev/null
yes "it is finished without the one who asked" within 5 test -s "$A/data/snapshots/snapshot-$(id_at "$A_http" "$head").bin"

# --- a node C that starts from it
new_node C "p2p-peer-address = $A_p2p" "p2p-max-nodes-per-host = 20"
C=$dir C_http=$http C_p2p=$p2p
start "$C" --snapshot "$a" --integrity-hash-on-start --integrity-hash-on-stop
C_pid=$pid
within 10 serves "$C_http" $((num + 4)) || fail "C does not follow" "$(cat "$C/log")"
yes "C says what it does" in_order "$C/log" \
	'Starting initialization from snapshot and no block log, this may take a significant amount of time' \
	"Snapshot loaded, lib: $num" 'chain database started with hash: ' 'Finished initialization from snapshot' \
	'starting chain in read/write mode' "Blockchain started; head block is #$num"
is "C says nothing of a replay" "$(grep -c replay "$C/log")" 0
is "its first block" "$(info "$C_http" earliest_available_block_num)" $((num + 1))
is "its chain" "$(info "$C_http" chain_id)" "$(info "$A_http" chain_id)"
is "it has no earlier block" "$(get "$C_http" chain/get_block -d "{\"block_num_or_id\":$num}" | jq .code)" 400
is "it has the next one" "$(id_at "$C_http" $((num + 1)))" "$(id_at "$A_http" $((num + 1)))"

# It cannot feed a node that begins with the genesis.
new_node D "p2p-peer-address = $C_p2p"
start "$dir" --genesis-json "$genesis"
yes "it cannot feed a fresh node" within 10 grep -q "received go_away_message, reason = some other non-fatal condition" "$dir/log"
is "which stays at block 1" "$(head_of "$http")" 1
stop "$pid"

# A snapshot of a snapshot-started node is the same too.
snapshot "$C_http" >"$work/c.json"
yes "C makes snapshots" test -s "$(jq -r .snapshot_name "$work/c.json")"
stop "$C_pid"
is "C stops" "$rc" 0
yes "C says the hash of its state" grep -qE 'chain database stopped with hash: [0-9a-f]{64}$' "$C/log"
is "the log's preamble begins after the snapshot" "$(xxd -s 4 -l 4 -p "$C/data/blocks/blocks.log")" "$(printf '%02x000000' $((num + 1)))"

# --- refused
dir=$C
cp -a --sparse=always "$C/data" "$work/C.clean"
like snapshot-on-existing --snapshot "$a"
run "$C" --snapshot "$a" --genesis-json "$genesis"
is "exit status with a genesis too" "$rc" 254
yes "and the words" in_order "$C/log" 'plugin_config_exception' \
	'--snapshot is incompatible with --genesis-json as the snapshot contains genesis information' 'chain_plugin.cpp:749 plugin_initialize'
start "$C"
yes "without the option it goes on" within 10 serves "$C_http" $((num + 2))
stop "$pid"
like snapshot-node-replay --replay-blockchain
is "and its state is gone" "$(ls "$C/data/state")" ''
rm -rf "$C/data"
cp -a --sparse=always "$work/C.clean" "$C/data"
run "$C" --hard-replay-blockchain
is "--hard-replay fails alike" "$rc" 254
rm -rf "$C/data"
cp -a --sparse=always "$work/C.clean" "$C/data"

new_node E; like config-snapshot-missing --snapshot /nonexistent.bin
head -c 5000 "$a" >"$work/snap.bin"
new_node F; like snapshot-truncated --snapshot "$work/snap.bin"
head -c 5000 /dev/urandom >"$work/snap.bin"
new_node G; like snapshot-garbage --snapshot "$work/snap.bin"
: >"$work/snap.bin"
new_node H; like snapshot-truncated --snapshot "$work/snap.bin"
yes "a refused start leaves no state" test ! -e "$dir/data/state/shared_memory.bin"

# --- killed, and started from the snapshot again
new_node I "p2p-peer-address = $A_p2p"
start "$dir" --snapshot "$a"
within 10 serves "$http" $((num + 2)) || fail "I does not follow"
kill -KILL "$pid"
finish "$pid"
run "$dir"
is "dirty after SIGKILL" "$rc" 2
run "$dir" --snapshot "$a"
is "not empty yet" "$rc" 254
rm -r "$dir/data/state" "$dir/data/blocks/reversible"
start "$dir" --snapshot "$a"
yes "with its blocks it replays them" within 10 serves "$http" $((num + 3))
yes "and says so" in_order "$dir/log" "Starting initialization from snapshot and block log $((num + 1))-" \
	'existing block log, attempting to replay from ' 'Finished initialization from snapshot'
stop "$pid"

# --- read-mode irreversible answers at once, and not twice for one block
new_node J "read-mode = irreversible"
start "$dir" --snapshot "$a"
within 10 serves "$http" "$num" || fail "J does not serve"
is "at once" "$(snapshot "$http" | jq .head_block_num)" "$num"
is "not twice" "$(snapshot "$http" | jq -c '[.code,.error.code,.error.name]')" '[500,3170008,"snapshot_exists_exception"]'
stop "$pid"

# --- a producer that goes on from a snapshot
stop "$B_pid"
stop "$A_pid"
new_node K "${producer_lines[@]}"
start "$dir" --snapshot "$b"
yes "a producer goes on" within 10 serves "$http" $((num + 3))
stop "$pid"
