#!/usr/bin/env bash
# test_power_loss.sh - all hosts of a swarm lose power at once and come back: every slot serves again
# without a hand, first without a generation, then with one
#
# What a power loss takes from files that were not synced is not shown: the kernel lives on.
# time-limit: 500
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/swarm.sh
. "$ROOT/tests/it/swarm.sh"
need docker jq

# Swarm goes on to the next slot when Docker's health check says so.
sed -i 's/interval: 5s/interval: 2s/' "$READERS_YML"
# Anywhere else it would make another chain.
export NODESWARM_DEVCHAIN_CONSTRAINT=node.hostname==node1

check 'a swarm of three managers' swarm_up 3 || exit 1
check 'images' swarm_images || exit 1
check 'pools' swarm_pool || exit 1
check 'up: agents, chain, 4 readers' cluster_up 4 -f "$ROOT/stacks/agent.yml" --wait 180s || exit 1

# --- what there is ---------------------------------------------------------------------------------

slots_json()
{
	nodeswarm --json status | jq -c '[.slots[] | select(.service != "agent")]'
}
all_serve()
{
	slots_json >"$IT_DIR/slots" || return
	jq -c '.[] | [.name, .host, .state, .ready, .reason]' "$IT_DIR/slots"
	jq -e 'length == 5 and all(.[]; .ready)' "$IT_DIR/slots" >/dev/null
}
head_of()
{
	slots_json | jq -r --arg n "$1" '.[] | select(.name == $n) | .head_block_num'
}
chain_goes_on()
{
	local head
	head=$(head_of devchain.1) && [ "$head" -gt 0 ] && wait_for 60 beyond "$head"
}
beyond()
{
	local name
	for name in devchain.1 readers.1 readers.2 readers.3 readers.4; do
		[ "$(head_of $name)" -gt "$1" ] || { echo "$name is not beyond $1" && return 1; }
	done
}

# block NUMBER: its id, by the chain's own nodeos
block()
{
	local box
	box=$(D 1 ps -q --filter name=nodeswarm_devchain) || return
	on 1 nsenter -t "$(D 1 inspect -f '{{.State.Pid}}' "$box")" -n \
		curl -sf -m 5 -d "{\"block_num\":$1}" http://127.0.0.1:8888/v1/chain/get_block_info | jq -r .id
}

# The records of all slots that are on a host of the status: SERVICE.SLOT HEAL
heals()
{
	local k name
	slots_json | jq -r '.[] | "\(.host) \(.name)"' | while read -r k name; do
		jq -r '"\(.service | sub("nodeswarm_"; "")).\(.slot) \(.heal.stage) \(.heal.verdict) \(.heal.repair) \(.heal.proof)"' \
			"$(node_pool "${k#node}")/services/nodeswarm_${name%.*}/${name##*.}/run.json"
	done
}

lose_power()
{
	each node_poweroff || return
	# Not one process of the slots is left.
	! "$ROOT/tests/it/data_dirs" | grep . || return
	each node_restart
}

# --- without a generation --------------------------------------------------------------------------

check 'all serve' wait_for 60 all_serve || exit 1
check 'and follow the chain' chain_goes_on
OLD=$(($(head_of devchain.1) - 3)) && OLD_ID=$(block "$OLD")
oracle_start
check 'all hosts lose power and come back' lose_power
check 'every slot serves again without a hand' wait_for 150 all_serve
check 'and follows the chain' chain_goes_on
same_block()
{
	[ -n "$OLD_ID" ] && expect "^$OLD_ID\$" block "$OLD"
}
check 'which is the one of before' same_block

# A slot that came to another host had nothing there, and began afresh.
healed_by()
{
	heals | tee "$IT_DIR/heals"
	grep -Eq "^devchain.1 healed dirty $1 " "$IT_DIR/heals" || return
	! grep '^readers' "$IT_DIR/heals" | grep -Ev " healed dirty $2 .| null null null null$"
}
check 'blocks that were there were replayed' healed_by replay replay
nothing_lost()
{
	local k
	for k in $(swarm_nodes); do
		find "$(node_pool "$k")"/quarantine -mindepth 1 -maxdepth 1 -name 'nodeswarm_*' -printf "n$k %f\n" 2>/dev/null
	done | tee "$IT_DIR/aside"
	grep -q nodeswarm_devchain "$IT_DIR/aside" && ! cut -d' ' -f2 "$IT_DIR/aside" | cut -d- -f1 | sort | uniq -c | awk '$1 > 2' | grep .
}
check 'what was in the way is in quarantine, and not more than two of a slot' nothing_lost

# --- with one ----------------------------------------------------------------------------------------

reader_on()
{
	slots_json | jq -r --arg h "node$1" 'first(.[] | select(.service == "readers" and .host == $h)).name'
}
archives()
{
	local k from='' name
	for k in 1 2 3; do
		name=$(reader_on "$k")
		if [ "$name" = null ]; then
			continue
		elif [ -z "$from" ]; then
			nodeswarm data archive "$name" --wait 60s && from=$k || return
		fi
	done
	for k in 1 2 3; do
		[ "$k" = "$from" ] || nodeswarm data pull current --from "node$from" --on "node$k" \
			--chain-id "$(jq -r .chain_id "$(node_pool "$from")/generations/current/manifest.json")" || return
	done
}
check 'a generation on each host' archives
check 'all serve' wait_for 60 all_serve
wait_for 30 beyond "$(head_of devchain.1)" >/dev/null
OLD=$(($(head_of devchain.1) - 3)) && OLD_ID=$(block "$OLD")
check 'all hosts lose power again' lose_power
check 'every slot serves again without a hand, with a generation' wait_for 150 all_serve
check 'and follows the chain' chain_goes_on
check 'which is the one of before the second time, too' same_block
check 'readers come from the generation, the chain from its own blocks' healed_by replay restore-generation
check 'no data-dir was open twice' oracle_stop
