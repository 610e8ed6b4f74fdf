#!/usr/bin/env bash
# check --connect-external: a fresh chain node joins a stack from outside, or the verdict says why it
# cannot; whatever becomes of the check, nothing of it is left
# time-limit: 420
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/cluster.sh
. "$(dirname "$0")/cluster.sh"
need docker jq curl

# --- the two halves, by hand -------------------------------------------------------------------------

PRODUCER='enable-stale-production = true
producer-name = eosio
signature-provider = EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV=KEY:5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3'
PLUGINS=$(printf 'plugin = eosio::%s_plugin\n' chain chain_api http net net_api producer)

# fresh NAME [OPTION...]: `fresh run` in the background, on port 7001; its pid is in FRESH
fresh()
{
	local dir=$IT_DIR/$1
	shift
	# nodeos becomes another user, who has to get there.
	mkdir -p "$dir" && chmod 755 "$IT_DIR" "$dir"
	NODESWARM_FRESH_GENESIS=$(cat "$ROOT/genesis.json") NODESWARM_FRESH_CONFIG="$PLUGINS
$PRODUCER
http-server-address = 127.0.0.1:7001
p2p-listen-endpoint = 127.0.0.1:7002
chain-state-db-size-mb = 256" \
		nodeswarm fresh run --dir "$dir" "$@" -- nodesim >"$dir.log" 2>&1 50>&- &
	FRESH=$!
}
# look NAME CONDITION [REQUEST]
look()
{
	nodeswarm fresh ask --dir "$IT_DIR/$1" --url http://127.0.0.1:7001 ${3:+"$3"} | tee "$IT_DIR/look" | jq -e "$2"
}
child_of()
{
	tr -d ' ' <"/proc/$1/task/$1/children" | grep .
}
gone()
{
	! kill -0 "$1" 2>/dev/null
}
owner_of_data()
{
	[ "$(stat -c %u "$IT_DIR/hand/data/blocks")" = 7077 ] && [ "$(stat -c %u "$IT_DIR/hand/asked")" = 0 ]
}

fresh hand
check 'a fresh node answers' wait_for 20 look hand '.state == "answers" and .info.head_block_num > 3' \
	'{"heights":[2,1000000]}'
check 'with the ids that it was asked for' jq -e '.ids | length == 2 and .[0][0] == 2 and
	(.[0][1] | startswith("00000002")) and .[1] == [1000000, null]' "$IT_DIR/look"
check 'and its peers' jq -e '.peers == {"connected": 0, "configured": 0}' "$IT_DIR/look"
check 'as an unprivileged user' owner_of_data
check 'its directory is for one node only' expect_fail 1 'begins in an empty directory' env \
	NODESWARM_FRESH_GENESIS={} NODESWARM_FRESH_CONFIG=a=b nodeswarm fresh run --dir "$IT_DIR/hand" -- nodesim
check 'a request that is none' expect_fail 1 '^nodeswarm: the request: line 1' nodeswarm fresh ask --dir "$IT_DIR/hand" '{'
NODESIM=$(child_of "$FRESH")
kill -SEGV "$NODESIM"
check 'its end is told' wait_for 10 look hand '.state == "down" and .wait_status == 11'
check 'by who stays' kill -0 "$FRESH"
kill -TERM "$FRESH"
check 'until it is told to go' wait_for 5 gone "$FRESH"

fresh idle --idle 3s
check 'another one answers' wait_for 20 look idle '.state == "answers"'
NODESIM=$(child_of "$FRESH")
for _ in 1 2 3 4 5 6; do
	sleep 0.8
	look idle .state >/dev/null
done
check 'it lives while it is asked' kill -0 "$NODESIM"
check 'and ends when nobody asks any more' wait_for 10 gone "$FRESH"
check 'with its nodeos' gone "$NODESIM"
check 'and says so' grep -q 'nobody asks any more' "$IT_DIR/idle.log"
fresh limit --limit 3s
while look limit .state >/dev/null 2>&1 || ! gone "$FRESH"; do
	sleep 0.3
	! gone "$FRESH" || break
done
check 'its time is over however often it is asked' grep -q 'its time is over' "$IT_DIR/limit.log"

# --- a stack ------------------------------------------------------------------------------------------

check 'engine' engine_up || exit
check 'without a stack it is told so' expect_fail 1 "has no chain node" nodeswarm check --connect-external
check 'images' cluster_images || exit
check 'pool' cluster_pool || exit
check 'up: dev chain and 2 readers serve' cluster_up 2 -f "$ROOT/stacks/agent.yml" || exit

check 'the stack is well' wait_for 30 nodeswarm check || exit

nothing_left()
{
	local left
	left=$(docker ps -aq --filter label=nodeswarm.external; docker volume ls -q)
	[ -z "$left" ] || { docker ps -a && echo "left: $left" && return 1; }
}
# external STATUS CONDITION [ARG...]: check --connect-external exits so, .external fulfils that, and
# nothing is left
external()
{
	local want=$1 condition=$2 rc=0
	shift 2
	nodeswarm --json check --connect-external "$@" >"$IT_DIR/check.json" || rc=$?
	jq -c '[.verdict, .error, .external]' "$IT_DIR/check.json"
	[ "$rc" = "$want" ] || { echo "exit status $rc, not $want" && return 1; }
	jq -e ".external | $condition" "$IT_DIR/check.json" >/dev/null && nothing_left
}
INSIDE=(--external-network nodeswarm_chain --external-peer devchain:9876)

check 'without a front nobody knows where to connect to' expect_fail 2 'has no front that publishes p2p' \
	nodeswarm check --connect-external
check 'and nothing was made' nothing_left
check 'it joins through the network of the stack' external 0 '.joined and .state == "joined" and .lag_blocks <= 20 and
	.first_block_seconds > 0 and .blocks_per_second > 0 and .same == 3 and .other == 0 and
	.compared_block_num > 1 and (.block_id | test("^[0-9a-f]{64}$")) and .log == []' "${INSIDE[@]}"
check 'in words' expect '^a fresh node joined in [0-9.]+m?s: [0-9]+ blocks at [0-9.]+ blocks/s, the first after .*; block [0-9]+ is the same on 3 of 3 nodes' \
	nodeswarm check --connect-external "${INSIDE[@]}"

if [ -x "$ROOT/build/packages/haproxy/usr/sbin/haproxy" ] || type -P haproxy >/dev/null; then
	check 'the image of the front' "$ROOT/docker/build-image.sh" --quiet --engine "$DOCKER_HOST" --front
	check 'up: the front' cluster_up 2 -f "$ROOT/stacks/agent.yml" -f "$ROOT/stacks/front.yml" || exit
	check 'it joins through the front, from outside' external 0 '.joined and .network == "bridge" and
		.peers == ["192.168.77.1:9876"] and .same == 3'
else
	skip 'it joins through the front, from outside' 'no haproxy'
fi

# --- who does not get it -------------------------------------------------------------------------------

# bare NAME PORT GENESIS [LINE...]: a nodesim of the host that listens for peers
bare()
{
	mkdir -p "$IT_DIR/$1"
	printf '%s\n' "$PLUGINS" "http-server-address = 127.0.0.1:$2" "p2p-listen-endpoint = 0.0.0.0:$(($2 + 1000))" \
		'chain-state-db-size-mb = 256' "${@:4}" >"$IT_DIR/$1/config.ini"
	nodesim --data-dir "$IT_DIR/$1/data" --config-dir "$IT_DIR/$1" --genesis-json "$3" 2>"$IT_DIR/$1/log" 50>&- &
}
iptables -I INPUT -p tcp --dport 8003:8004 -j ACCEPT
jq '.initial_timestamp = "2026-11-21T00:00:00.000"' "$ROOT/genesis.json" >"$IT_DIR/other.json"
bare other 7003 "$IT_DIR/other.json" "$PRODUCER"
check 'a peer of another chain' external 1 '(.joined | not) and .state == "wrong_chain" and .head_block_num == 1 and
	(.text | test("its peer is of another chain")) and (.log[0] | test("reason = wrong chain|on a different chain"))' --external-peer 192.168.77.1:8003
check 'is the verdict, too' jq -e '(.healthy | not) and (.verdict | test("^unhealthy: .*of another chain")) and
	.error.kind == "unhealthy"' "$IT_DIR/check.json"

# The same genesis, but blocks of its own.
bare copy 7004 "$ROOT/genesis.json" "$PRODUCER"
check 'a peer whose chain has other blocks' external 1 '.state == "forked" and .other > .same and
	(.text | test("its block [0-9]+ is [0-9a-f]{16}\\.\\.\\., that of .*irreversible on both sides"))' \
	--external-peer 192.168.77.1:8004

check 'a peer that is not there' external 1 '.state == "late" and .head_block_num == 1 and
	(.text | test("gets no block within 6.0s: no peer answers it$"))' --external-peer 192.168.77.1:9 --external-timeout 6s
check 'an image that is not there' expect_fail 1 'No such image' nodeswarm check --connect-external \
	"${INSIDE[@]}" --external-image no/such:image
check 'a network that is not there' expect_fail 1 'no-such-network' nodeswarm check --connect-external \
	--external-network no-such-network --external-peer devchain:9876
check 'of these nothing is left' nothing_left

# --- checks that end early -----------------------------------------------------------------------------

# begin: a check whose fresh node waits for ever; its pid is in CHECK, the container's id in CONTAINER
begin()
{
	env --default-signal=INT nodeswarm check --connect-external --external-peer 192.168.77.1:9 >"$IT_DIR/begun.log" 2>&1 50>&- &
	CHECK=$!
	wait_for 20 runs >/dev/null && CONTAINER=$(docker ps -q --filter label=nodeswarm.external)
}
# The nodesim of the one fresh node that runs.
runs()
{
	local pid
	pid=$(docker inspect -f '{{.State.Pid}}' "$(docker ps -q --filter label=nodeswarm.external)") && child_of "$pid"
}
unseen()
{
	docker ps --format '{{.Names}}' | grep '^nodeswarm-fresh-' &&
		nodeswarm --json status | jq -e '[.. | strings | select(test("fresh"))] == []' &&
		! docker stack ps nodeswarm | grep fresh
}
began()
{
	begin && [ "$(docker inspect -f '{{.HostConfig.AutoRemove}} {{len .NetworkSettings.Ports}}' "$CONTAINER")" = 'true 0' ]
}
check 'a check begins' began
check 'status and docker stack do not see its node' unseen
interrupted()
{
	local start rc
	start=$(now)
	kill -INT "$CHECK"
	wait "$CHECK"
	rc=$?
	cat "$IT_DIR/begun.log"
	[ "$rc" = 1 ] && awk -v t="$(since "$start")" 'BEGIN { exit t > 5 }' && grep -q interrupted "$IT_DIR/begun.log"
}
check 'Ctrl-C ends it' interrupted
check 'and leaves nothing' nothing_left

check 'another one begins' begin
kill -KILL "$CHECK"
check 'killed, it leaves its node behind' test "$(docker ps -q --filter label=nodeswarm.external)" = "$CONTAINER"
check 'the next check takes that away' external 0 '.joined' "${INSIDE[@]}"

two()
{
	begin || return
	nodeswarm check --connect-external "${INSIDE[@]}" || return
	[ "$(docker ps -q --filter label=nodeswarm.external)" = "$CONTAINER" ] || { echo 'the other one is gone' && return 1; }
	kill -INT "$CHECK"
	! wait "$CHECK"
}
check 'two checks at a time do not disturb each other' two
check 'and both leave nothing' nothing_left

ended()
{
	local pid rc=0
	begin || return
	pid=$(runs) && kill -ABRT "$pid" || return
	wait "$CHECK" || rc=$?
	cat "$IT_DIR/begun.log"
	[ "$rc" = 1 ] && grep -Eq 'a fresh node does not run: its nodeos has ended: .*' "$IT_DIR/begun.log"
}
check 'its nodeos crashes' ended
check 'and nothing of it is left' nothing_left
check 'down' nodeswarm down
