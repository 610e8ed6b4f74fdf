#!/usr/bin/env bash
# check: the verdict on bare nodes and on a stack, as one thing after the other goes wrong
# time-limit: 420
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/cluster.sh
. "$(dirname "$0")/cluster.sh"
need docker jq curl python3

# --- what check says -------------------------------------------------------------------------------

# judged STATUS JQ-CONDITION [ARG...]: check --json exits with STATUS and its object fulfils it.
judged()
{
	local want=$1 condition=$2 rc=0
	shift 2
	nodeswarm --json check "$@" >"$IT_DIR/check.json" || rc=$?
	jq -c '[.verdict, .error.message, [.findings[]? | [.rule, .subject, .text]]]' "$IT_DIR/check.json"
	[ "$rc" = "$want" ] || { echo "exit status $rc, not $want" && return 1; }
	jq -e "$condition" "$IT_DIR/check.json" >/dev/null || { jq . "$IT_DIR/check.json" && return 1; }
}

# found RULE SUBJECT [ARG...]: within a while check finds that, and exits with 1.
found()
{
	local rule=$1 subject=$2
	shift 2
	wait_for 15 judged 1 "(.healthy | not) and .error.kind == \"unhealthy\" and
		any(.findings[]; .rule == \"$rule\" and .subject == \"$subject\")" "$@"
}

# well [ARG...]: nothing is found.
well()
{
	wait_for 15 judged 0 '.healthy and .findings == [] and (.error | not) and
		all(.nodes[]; .verdict == "in sync" and .answers)' "$@"
}

# --- bare nodes ------------------------------------------------------------------------------------

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
	nodesim --data-dir "$dir/data" --config-dir "$dir" --genesis-json "${GENESIS:-$ROOT/genesis.json}" \
		2>"$dir/log" 50>&- &
	PID=$!
	wait_for 10 curl -sf -o /dev/null "http://127.0.0.1:$port/v1/chain/get_info"
}
PRODUCER=('enable-stale-production = true' 'producer-name = eosio'
	'signature-provider = EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV=KEY:5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3')
A=http://127.0.0.1:7001 B=http://127.0.0.1:7002 C=http://127.0.0.1:7003
bare a 7001 "${PRODUCER[@]}" && A_PID=$PID
bare b 7002 'p2p-peer-address = 127.0.0.1:8001' && B_PID=$PID
bare c 7003 'p2p-peer-address = 127.0.0.1:8001' && C_PID=$PID

check 'two nodes and a reference are in sync' well "$A" "$B" --reference "$C"
counted()
{
	wait_for 20 judged 0 '.summary | .own == 2 and .own_in_sync == 2 and .references_in_sync == 1 and
		.blocks_seen > 4 and .slots_missed == 0 and .compared_block_num > 0' "$A" "$B" --reference "$C" &&
		jq -e '.production == [.production[] | select(.producer == "eosio" and .missed == 0)]' "$IT_DIR/check.json"
}
check 'what was counted' counted
check 'a table for people' expect \
	"NAME +KIND +HEAD +LIB +LAG +AGE +PEERS +VERDICT.*$A +own +[0-9]+ +[0-9]+ +0 +-?[0-9.]+s +[0-9]+ +in sync" \
	bash -c "nodeswarm check $A $B --reference $C | tr '\n' ' '"
check 'the last line is the verdict' expect '^healthy: 2 of 2 nodes in sync at [0-9]+$' \
	bash -c "nodeswarm check $A $B | tail -n1"

# xml FILE XPATH ATTRIBUTE: of the first such element; the file has to be well-formed.
xml()
{
	python3 -c 'import sys, xml.etree.ElementTree as t
e = t.parse(sys.argv[1]).getroot() if sys.argv[2] == "." else t.parse(sys.argv[1]).getroot().find(sys.argv[2])
print(e.get(sys.argv[3]))' "$@"
}
junit()
{
	nodeswarm check "$A" "$B" --junit "$IT_DIR/check.xml" &&
		[ "$(xml "$IT_DIR/check.xml" . failures)" = 0 ] &&
		[ "$(xml "$IT_DIR/check.xml" ".//testcase[@name='lagging $A']" classname)" = nodeswarm.check.lagging ]
}
check 'as JUnit XML' junit
check 'a threshold that nobody can hold' found low-tps '' "$A" "$B" --set min-tps=1000

kill -STOP "$C_PID"
check 'a reference that is silent is a minor thing' wait_for 15 judged 0 \
	'[.findings[] | [.rule, .criticality]] == [["reference-lagging", "minor"]]' "$A" "$B" -r "$C"
check 'and fails who asks for it' judged 1 '.error.kind == "unhealthy"' "$A" "$B" -r "$C" --fail-on minor
check 'a node that is silent is not' found unreachable "$C" "$A" "$B" "$C"
junit_fails()
{
	nodeswarm check "$A" "$B" "$C" --junit - >"$IT_DIR/fails.xml"
	[ $? = 1 ] && [ "$(xml "$IT_DIR/fails.xml" ".//testcase[@name='unreachable $C']/failure" type)" = major ]
}
check 'as JUnit XML on standard output' junit_fails
kill -CONT "$C_PID"
check 'it is back' well "$A" "$B" "$C"

bare d 7004
check 'a node without peers lags' found lagging http://127.0.0.1:7004 "$A" "$B" http://127.0.0.1:7004 --set lag-blocks=3
kill -KILL "$PID"
check 'a node that is gone' found unreachable http://127.0.0.1:7004 "$A" http://127.0.0.1:7004

jq '.initial_timestamp = "2026-11-21T00:00:00.000"' "$ROOT/genesis.json" >"$IT_DIR/other.json"
GENESIS=$IT_DIR/other.json bare e 7005
check 'a node of another chain' found wrong-chain http://127.0.0.1:7005 "$A" "$B" http://127.0.0.1:7005
chain=$(curl -sf http://127.0.0.1:7005/v1/chain/get_info | jq -r .chain_id)
check 'or all the others are' found wrong-chain "$A" "$A" --chain-id "$chain"

# The same genesis, and nobody who connects them: both sides are irreversible from the second block on.
bare f 7006 "${PRODUCER[@]}"
check 'two chains of one genesis' found split '' "$A" "$B" http://127.0.0.1:7006
jq -r '.findings[] | .rule, .evidence[]' "$IT_DIR/check.json"
check 'with the block where it begins' jq -e '.findings[0] | .rule == "split" and (.text | test("at 2\\b")) and
	(.evidence | length == 3)' "$IT_DIR/check.json"
check 'made by one producer' found double-production eosio "$A" "$B" http://127.0.0.1:7006

# What came and went while it looked, and Ctrl-C as the end.
while_it_looked()
{
	local check
	nodeswarm --json check "$A" "$B" "$C" --for 1h --timeout 300ms >"$IT_DIR/for.json" 50>&- &
	check=$!
	sleep 1.5
	kill -STOP "$B_PID"
	sleep 2
	kill -CONT "$B_PID"
	sleep 1
	kill -TERM "$check"
	wait "$check" && jq -e --arg b "$B" '.healthy and [.over[] | [.rule, .subject]] == [["unreachable", $b]] and
		.over[0].lasted_seconds > 0.3' "$IT_DIR/for.json"
}
check 'what came and went' while_it_looked

# --- changes ---------------------------------------------------------------------------------------

nodeswarm check --watch "$A" "$B" "$C" --set stall-seconds=2 --timeout 500ms >"$IT_DIR/watch.log" 2>&1 50>&- &
WATCH=$!
check 'watch tells how it is' wait_for 20 grep -Eq 'Z verdict  healthy: 3 of 3 nodes in sync at' "$IT_DIR/watch.log"
curl -sf -d '' http://127.0.0.1:7001/v1/producer/pause >/dev/null
check 'watch finds that there are no blocks' wait_for 10 grep -Eq 'Z found    critical  head-stalled: ' "$IT_DIR/watch.log"
curl -sf -d '' http://127.0.0.1:7001/v1/producer/resume >/dev/null
check 'and that there are again' wait_for 10 grep -Eq 'Z over     critical  head-stalled: .*; lasted [0-9.]+s' "$IT_DIR/watch.log"
kill -STOP "$B_PID"
check 'and that a node is lost' wait_for 10 grep -Fq "found    major     unreachable  $B: " "$IT_DIR/watch.log"
check 'and that it is no longer well' wait_for 5 grep -q 'Z verdict  unhealthy: ' "$IT_DIR/watch.log"
kill -TERM "$WATCH"
wait "$WATCH"
check 'its exit status is the last verdict' test $? = 1
kill -CONT "$B_PID"
cat "$IT_DIR/watch.log"
lines()
{
	timeout -s INT 3 nodeswarm --json check --watch "$A" "$B" >"$IT_DIR/watch.json"
	jq -es 'length >= 1 and all(.format == 1) and .[0].event == "verdict" and .[0].healthy' "$IT_DIR/watch.json"
}
check 'lines of JSON' lines
kill "$A_PID" "$B_PID" "$C_PID" "$PID"

# --- a stack ----------------------------------------------------------------------------------------

check 'engine' engine_up || exit
check 'without a stack there is nothing to check' expect_fail 1 "stack 'nodeswarm' has no chain node" nodeswarm check
check 'images' cluster_images || exit
check 'pool' cluster_pool || exit
check 'up: dev chain and 3 readers serve' cluster_up 3 || exit

check 'the stack is well, without an agent' well
nodeswarm check
check 'each slot has its host' jq -e '[.nodes[] | .name] == ["devchain.1", "readers.1", "readers.2", "readers.3"] and
	all(.nodes[]; .host != null and .kind == "own" and .state == "running")' "$IT_DIR/check.json"
check 'the agent' nodeswarm up -f "$ROOT/stacks/agent.yml" || exit
check 'the stack is well, through the agent' well
check 'status says so, too' expect '^healthy: 4 of 4 nodes in sync at [0-9]+$' bash -c 'nodeswarm status | tail -n1'

check 'quiesce a slot' nodeswarm quiesce readers.2
check 'it does not serve' found not-serving readers.2
check 'status says so, too' bash -c 'nodeswarm status | tail -n1 | grep -E "^unhealthy: not-serving readers.2: "'
check 'resume it' nodeswarm resume readers.2
check 'it serves again' well

# nodeos_of SLOT: its pid, as seen from here.
nodeos_of()
{
	local container
	container=$(docker ps -q --filter "name=nodeswarm_readers\.$1\.") &&
		docker top "$container" -o pid,comm | awk '$2 == "nodesim" { print $1 }' | grep .
}
# Its supervisor starts it again, each time a little later.
crash()
{
	local i before
	for i in 1 2 3; do
		wait_for 30 nodeos_of 3 || return
		before=$(nodeos_of 3)
		kill -SEGV "$before"
		wait_for 10 gone "$before" || return
	done
}
gone()
{
	! kill -0 "$1"
}
check 'a reader crashes three times' crash
check 'a crash loop' found crash-loop readers.3
check 'with the last lines of its log' jq -e '[.findings[] | select(.rule == "crash-loop").evidence[]] |
	length >= 2 and (.[0] | startswith("the last time: "))' "$IT_DIR/check.json"

grow()
{
	docker service update -d --replicas 5 nodeswarm_readers >/dev/null
	wait_for 30 judged 1 '[.nodes[] | select(.name == "readers.5")] | length == 1'
}
check 'new slots are looked at' grow
shrink()
{
	# One of them was left unclean above, so this exits with 1.
	nodeswarm scale readers=1
	wait_for 20 judged 0 '[.nodes[].name] | length == 2'
}
check 'slots that were taken away are not missed' shrink
