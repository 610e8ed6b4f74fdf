#!/usr/bin/env bash
# test_serving.sh - three hosts: a client that asks the front all the time gets every answer, while
# slots come and go, are restarted and move, and a host loses power
# time-limit: 600
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/swarm.sh
. "$ROOT/tests/it/swarm.sh"
need docker jq perl

export NODESIM_FLUSH=1s
# Health decides when Swarm goes on to the next slot; the product's 10 s only make this longer.
sed -i 's/interval: 5s/interval: 2s/' "$READERS_YML"
# The chain is not what loses power here.
export NODESWARM_DEVCHAIN_CONSTRAINT=node.hostname==node1

check 'a swarm of three managers' swarm_up 3 || exit 1
check 'images' swarm_images || exit 1
check 'the image of the front' swarm_front || exit 1
check 'pools' swarm_pool || exit 1
check 'up: agents, chain, 6 readers, fronts' cluster_up 6 -f "$ROOT/stacks/agent.yml" -f "$ROOT/stacks/front.yml" --wait 180s || exit 1

# --- clients: one keeps its connection, one makes a new one each time ----------------------------

clients_start()
{
	local kind options
	rm -f "$IT_DIR"/began.* "$IT_DIR"/asked.*
	CLIENTS=()
	for kind in kept fresh; do
		options=(--rate 40 --start "$IT_DIR/began.$kind")
		[ $kind = kept ] || options+=(--close)
		client "$ROOT/tests/it/ask_forever" "${options[@]}" 192.168.77.1 8888 \
			>"$IT_DIR/asked.$kind" 50>&- 51<&- 52<&- &
		CLIENTS+=($!)
	done
	wait_for 20 test -e "$IT_DIR/began.kept" -a -e "$IT_DIR/began.fresh"
}

# ask_forever is a child of the shells that brought it there.
clients_stop()
{
	pkill -TERM -f tests/it/ask_forever
	wait "${CLIENTS[@]}"
	cat "$IT_DIR"/asked.*
}

# during COMMAND...: COMMAND works, and no request fails from before it to a while after it.
during()
{
	local rc=0
	clients_start || return
	"$@" || rc=$?
	sleep 3
	clients_stop
	[ "$rc" = 0 ] && jq -se 'length == 2 and all(.[]; .failed == 0 and .requests > 100)' "$IT_DIR"/asked.* >/dev/null
}

answers_by()
{
	jq -s '[.[].backends | keys[]] | unique | length' "$IT_DIR"/asked.*
}
check 'both clients get answers' during sleep 3
check 'of all readers' test "$(answers_by)" = 6

check 'scale up, 6 to 9: 0 failed' during nodeswarm scale readers=9
check 'scale down, 9 to 4: 0 failed' during nodeswarm scale readers=4
check 'docker scales up: 0 failed' during docker service update --replicas 6 nodeswarm_readers
all_serve()
{
	serves readers 6
}
check 'rolling restart: 0 failed' during docker service update --force nodeswarm_readers
check 'all serve' wait_for 30 all_serve

drained()
{
	docker node update --availability drain node2 >/dev/null && wait_for 60 moved
}
moved()
{
	[ -z "$(docker node ps node2 --filter desired-state=running --filter name=nodeswarm_readers -q)" ] &&
		all_serve && [ "$(D 2 ps -q --filter name=nodeswarm_readers | wc -l)" = 0 ]
}
check 'drain of a host: 0 failed' during drained
docker node update --availability active node2 >/dev/null

# Readers on hosts 2 and 3 again: new tasks go where the fewest are.
spread()
{
	nodeswarm scale readers=2 && nodeswarm scale readers=6
}
check 'spread again: 0 failed' during spread
check 'all serve again' wait_for 30 all_serve

# --- quiesce and resume through the agents -------------------------------------------------------

reader_on()
{
	nodeswarm --json status | jq -r --arg h "node$1" 'first(.slots[] | select(.service == "readers" and .host == $h)).name'
}
quiesced()
{
	local name
	name=$(reader_on 2) && nodeswarm quiesce "$name" && sleep 2 && nodeswarm resume "$name" && wait_for 20 all_serve
}
check 'quiesce and resume a slot of another host: 0 failed' during quiesced

# --- power -----------------------------------------------------------------------------------------

# Each client has one request under way, so at most one of each may be lost, and only at that moment.
power()
{
	local at failed
	clients_start || return
	sleep 2
	at=$EPOCHREALTIME
	node_poweroff 3
	sleep 25
	clients_stop
	failed=$(jq -s '[.[].failed] | add' "$IT_DIR"/asked.*)
	echo "requests that were under way on that host and failed: $failed"
	jq -se --argjson at "$at" 'all(.[]; .failed <= 1 and .requests > 400 and all(.failures[]; .at > $at - 1 and .at < $at + 1.5))' \
		"$IT_DIR"/asked.* >/dev/null
}
check 'a host loses power: at most the requests under way there' power
known()
{
	nodeswarm --json status >"$IT_DIR/status"
	jq -c '.hosts' "$IT_DIR/status"
	jq -e '[.hosts[] | select(.host == "node3") | .agent] == ["down"]' "$IT_DIR/status" >/dev/null
}
check 'status names the host that is down' wait_for 30 known
check 'its readers run elsewhere' wait_for 60 all_serve
