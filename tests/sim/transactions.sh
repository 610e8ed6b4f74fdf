# shellcheck shell=bash
# Variables go from lib.sh to the parts and back; some commands are for eval.
# shellcheck disable=SC2016,SC2034,SC2119,SC2120,SC2154
# Transactions: what nodesim says to them, and that those of one node come into the blocks of all.

recorded=$here/../data/nodeos/push

new_node trx-p "${producer_lines[@]}"
p=$dir p_http=$http p_p2p=$p2p
start "$p" --genesis-json "$data/genesis.json"
p_pid=$pid
within 5 ready "$p" || fail "the producer does not start"
new_node trx-r1 "p2p-peer-address = $p_p2p" "p2p-max-nodes-per-host = 20"
r1=$dir r1_http=$http r1_p2p=$p2p
start "$r1" --genesis-json "$data/genesis.json"
r1_pid=$pid
within 5 ready "$r1" || fail "the first reader does not start"
# It knows the producer through the first one only.
new_node trx-r2 "p2p-peer-address = $r1_p2p"
r2=$dir r2_http=$http
start "$r2" --genesis-json "$data/genesis.json"
r2_pid=$pid
yes "both readers sync" within 10 eval 'serves "$r1_http" 4 && serves "$r2_http" 4'

# little HEX: its bytes turned round
little() { fold -w 2 <<<"$1" | tac | tr -d '\n'; }
# packed MEMO [SECONDS [REFERENCE [CONTRACT ACTOR PERMISSION]]]: a transfer, in hex
eosio=0000000000ea3055 active=00000000a8ed3232
packed() {
	local memo now ref=${3:-} data
	memo=$(printf %s "$1" | xxd -p)
	[ -n "$ref" ] || ref=$(info "$r2_http" last_irreversible_block_id)
	now=$(date -ud "$(info "$r2_http" head_block_time)Z" +%s)
	data=${5:-$eosio}0000000000000e3d010000000000000004454f5300000000$(printf %02x ${#1})$memo
	printf '%s%s%s00000000''01%s000000572d3ccdcd01%s%s%02x%s00' "$(little "$(printf %08x $((now + ${2:-30})))")" \
		"$(little "${ref:4:4}")" "${ref:16:8}" "${4:-$eosio}" "${5:-$eosio}" "${6:-$active}" $((${#data} / 2)) "$data"
}
signature=SIG_K1_K3uiDPBjzknZm7R4pW2LvsBK7e3MD4Uk9Fx5QTTV6uejCNsNv1fkAj9FFM8N2Fp12sc4WqD8SquiiyiT1wbdY5QJWm2mMN
# send CALL HEX [SIGNATURE]: to the second reader; sets status and body
send() {
	local one sig="\"${3-$signature}\""
	[ "$sig" != '""' ] || sig=
	one='{"signatures":['$sig'],"compression":"none","packed_context_free_data":"","packed_trx":"'$2'"}'
	[ "$1" != send_transaction2 ] || one='{"return_failure_trace":false,"retry_trx":false,"transaction":'$one'}'
	status=$(curl -s -m 3 -o "$work/body" -w '%{http_code}' "http://$r2_http/v1/chain/$1" -d "$one")
	body=$(cat "$work/body")
}
# Paths of all leaves in their order, and their types.
shape() { jq -c '[tostream | select(length == 2) | [(.[0] | map(if type == "number" then 0 else . end)), (.[1] | type)]]' "$1"; }
id_of() { xxd -r -p <<<"$1" | sha256sum | cut -d' ' -f1; }

declare -A sent
first=$(head_of "$p_http")
for call in send_transaction2 send_transaction push_transaction; do
	hex=$(packed "by $call")
	sent[$call]=$(id_of "$hex")
	send $call "$hex"
	is "status of $call" "$status" 202
	is "shape of $call" "$(shape "$work/body")" "$(shape "$recorded/$call.json")"
	is "its id" "$(jq -r .transaction_id <<<"$body")" "${sent[$call]}"
done
last=$hex

# What nodeos refuses, with its words but for ids, times and keys.
words() { sed -E "s/\"/'/g; s/\\\\'/'/g; s/[0-9a-f]{64}/ID/; s/[0-9]{4}-[-0-9T:.]+/TIME/g; s/keys \[[^]]*\]/keys []/" "$1"; }
refused() {
	local name=$1
	shift
	send send_transaction2 "$@"
	is "$name" "$(words "$work/body")" "$(words "$recorded/$name.json")"
	is "status of $name" "$status" "$(jq .code "$recorded/$name.json")"
}
refused duplicate "$last"
refused expired "$(packed e -60)"
refused too-far "$(packed f 7200)"
refused ref-block "$(packed g 30 "00000001$(printf 'ab%.0s' {1..28})")"
refused no-contract "$(packed i 30 '' 00a6823403ea3055)"
refused no-actor "$(packed j 30 '' $eosio 0000000000855c34)"
refused no-permission "$(packed k 30 '' $eosio $eosio 00000000f86ba641)"
refused no-signature "$(packed l)" ''
hex=$(packed cut)
refused cut "${hex%??????}"

# In a block of each node, once; and what get_block says of it is what nodeos says.
# block_of HTTP ID: among those that came after it was sent
block_of() {
	local n
	for ((n = first; n <= first + 12; n++)); do
		get "$1" chain/get_block -d "{\"block_num_or_id\":$n}" >"$work/block"
		! grep -q "\"trx\":{\"id\":\"$2\"" "$work/block" || { echo "$n"; return; }
	done
	return 1
}
for call in "${!sent[@]}"; do
	within 5 block_of "$r2_http" "${sent[$call]}" || fail "$call comes into no block"
	n=$(block_of "$r2_http" "${sent[$call]}")
	for h in "$p_http" "$r1_http"; do
		is "the block of $call at $h" "$(id_at "$h" "$n")" "$(id_at "$r2_http" "$n")"
		is "and it is in it" "$(block_of "$h" "${sent[$call]}")" "$n"
	done
done
times() {
	local n
	for ((n = first; n <= first + 12; n++)); do get "$1" chain/get_block -d "{\"block_num_or_id\":$n}"; done | grep -o "\"trx\":{\"id\":\"$2\"" | wc -l
}
is "in one block only" "$(times "$p_http" "${sent[send_transaction]}")" 1
block_of "$p_http" "${sent[send_transaction]}" >/dev/null
is "shape of its block" "$(shape <(jq '.transactions |= .[:1]' "$work/block"))" "$(shape <(jq '.transactions |= .[:1]' "$recorded/get_block-two.json"))"
yes "the producer says so" grep -q 'Produced block .*\[trxs: [1-9]' "$p/log"
yes "and who received it" grep -q 'Received block .*\[trxs: [1-9]' "$r2/log"

# They stay: after a stop, after a kill and a replay, and for who syncs later.
n=$(block_of "$r1_http" "${sent[send_transaction]}")
id=$(id_at "$p_http" "$n")
within 5 serves "$r1_http" $((n + 2)) || fail "no blocks after it"
stop "$r2_pid"
is "stops" "$rc" 0
start "$r2"
yes "starts again" within 5 ready "$r2"
is "the block is still there" "$(block_of "$r2_http" "${sent[send_transaction]}")" "$n"
kill -KILL "$r1_pid"
finish "$r1_pid"
start "$r1" --replay-blockchain
r1_pid=$pid
yes "replays" within 10 ready "$r1"
is "the block after a replay" "$(id_at "$r1_http" "$n")" "$id"
kill -KILL "$r1_pid"
finish "$r1_pid"
start "$r1" --hard-replay-blockchain
yes "replays all" within 10 ready "$r1"
is "the block after a repair" "$(block_of "$r1_http" "${sent[send_transaction]}")" "$n"
new_node trx-r3 "p2p-peer-address = $p_p2p" "api-accept-transactions = false"
start "$dir" --genesis-json "$data/genesis.json"
yes "a new node syncs" within 10 serves "$http" $((n + 1))
is "and has it" "$(block_of "$http" "${sent[send_transaction]}")" "$n"
r2_http=$http
refused not-allowed "$(packed no)"
