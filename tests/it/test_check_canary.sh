#!/usr/bin/env bash
# check --canary: a signed transfer that is sent to one node comes out of all
# time-limit: 180
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need jq curl

WIF=5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3 # nodeos's own default, nobody's secret
PUBLIC=EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV

# bare NAME PORT [LINE...]: a nodesim; its pid is in PID.
bare()
{
	local dir=$IT_DIR/$1 port=$2
	shift 2
	mkdir -p "$dir"
	{
		printf 'plugin = eosio::%s_plugin\n' chain chain_api http net net_api producer producer_api db_size_api
		printf 'http-server-address = 127.0.0.1:%d\np2p-listen-endpoint = 127.0.0.1:%d\n' "$port" $((port + 1000))
		printf 'chain-state-db-size-mb = 256\np2p-max-nodes-per-host = 20\nconnection-cleanup-period = 2\n'
		printf '%s\n' "$@"
	} >"$dir/config.ini"
	nodesim --data-dir "$dir/data" --config-dir "$dir" --genesis-json "$ROOT/genesis.json" 2>"$dir/log" 50>&- &
	PID=$!
	wait_for 10 curl -sf -o /dev/null "http://127.0.0.1:$port/v1/chain/get_info"
}
A=http://127.0.0.1:7101 B=http://127.0.0.1:7102 C=http://127.0.0.1:7103
key=$IT_DIR/canary.key
(umask 077 && printf '%s\n' "$WIF" >"$key")

# canary STATUS JQ-CONDITION [ARG...]: check with a canary exits so, and its object fulfils that.
canary()
{
	local want=$1 condition=$2 rc=0
	shift 2
	nodeswarm --json check --canary "$key" --canary-from eosio --canary-to bob --canary-contract eosio "$@" \
		>"$IT_DIR/check.json" 2>"$IT_DIR/err" || rc=$?
	jq -c '[.verdict, .error.message, .canary.text]' "$IT_DIR/check.json"
	! grep -F "$WIF" "$IT_DIR/check.json" "$IT_DIR/err" || { echo 'the key was told' && return 1; }
	[ "$rc" = "$want" ] || { echo "exit status $rc, not $want" && return 1; }
	jq -e "$condition" "$IT_DIR/check.json" >/dev/null || { jq . "$IT_DIR/check.json" && return 1; }
}
in_block()
{
	curl -sf "$1/v1/chain/get_block" -d "{\"block_num_or_id\":$2}" |
		jq -e --arg id "$3" 'any(.transactions[]; .trx.id == $id)' >/dev/null
}

bare a 7101 'enable-stale-production = true' 'producer-name = eosio' "signature-provider = $PUBLIC=KEY:$WIF"
bare b 7102 'p2p-peer-address = 127.0.0.1:8101'
bare c 7103 'p2p-peer-address = 127.0.0.1:8102'
c_pid=$PID
check 'three nodes in sync' wait_for 20 nodeswarm -q check "$A" "$B" "$C"

check 'a canary on all of them' canary 0 '.healthy and .canary.good and .canary.via == "'$A'" and
	(.canary.nodes | length) == 3 and all(.canary.nodes[]; .seen and .seen_seconds > 0 and .why == null)' "$A" "$B" "$C"
id=$(jq -r .canary.transaction "$IT_DIR/check.json") block=$(jq .canary.block "$IT_DIR/check.json")
for url in "$A" "$B" "$C"; do check "it is in that block of $url" in_block "$url" "$block" "$id"; done

# Not the producer, and not one of those that are judged: what is sent travels.
check 'through another node, until it is irreversible' canary 0 '.canary.good and .canary.via == "'$C'" and
	(.canary.nodes | length) == 2 and all(.canary.nodes[]; .irreversible and .irreversible_seconds > 0)' \
	--canary-via "$C" --canary-irreversible "$A" "$B"

nodeswarm -v check --canary "$key" --canary-from eosio@active --canary-to bob --canary-contract eosio "$A" "$B" \
	>"$IT_DIR/out" 2>"$IT_DIR/err"
cat "$IT_DIR/out"
check 'for people' grep -q '^the canary is in block [0-9]* on all nodes after ' "$IT_DIR/out"
check 'what and where' grep -q "^  transaction [0-9a-f]\{64\} through $A, accepted after " "$IT_DIR/out"
check 'each node' grep -q "^  $B: after " "$IT_DIR/out"
check 'with which key' grep -q "signed with $PUBLIC" "$IT_DIR/err"
check 'but not the key' expect_fail 1 '' grep -F "$WIF" "$IT_DIR/out" "$IT_DIR/err"

check 'an account that is not there' canary 1 '(.healthy | not) and (.canary.good | not) and .findings == [] and
	(.canary.text | test("an account or a permission in it is not there .*alice")) and (.verdict | test("canary"))' \
	--canary-from alice "$A"
check 'a contract that is not there' canary 1 '(.canary.text | test("code account .eosio.token. does not exist"))' \
	--canary-contract eosio.token "$A"
check 'a memo of its own' canary 0 .canary.good --canary-memo 'from a test' "$A"

chmod 640 "$key"
check 'a key that others may read' canary 1 '.error.kind == "denied" and (.canary | not) and
	(.error.message | test("others than its owner may use"))' "$A"
chmod 600 "$key"

kill -STOP $c_pid
check 'a node that stands still' canary 1 '(.canary.good | not) and (.canary.text | test("not on 1 of 3 nodes after .*'"$C"'")) and
	([.canary.nodes[] | select(.seen)] | length) == 2' --canary-timeout 4s "$A" "$B" "$C"
kill -CONT $c_pid

check 'pause' curl -sf -X POST "$A/v1/producer/pause"
sleep 1
check 'a chain that stands still' canary 1 '.canary.block == null and (.canary.text | test("in no block after .*stands at block"))' \
	--canary-timeout 3s "$B"
