#!/usr/bin/env bash
# test_leader.sh - the swarm's leader loses its power while commands run on another manager; a quorum is
# lost; the manager that a command talks to dies
# time-limit: 600
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/swarm.sh
. "$ROOT/tests/it/swarm.sh"
need docker jq

# Three managers, and a worker that all tasks are on: only the managers are the matter here.
check 'a swarm of three managers and a worker' swarm_up 4 3 || exit
check 'image' swarm_image t:1 /bin/sleep || exit

SERVICES=8
stack()
{
	local i
	echo 'services:'
	for ((i = 1; i <= SERVICES; i++)); do
		cat <<-YML
			  web$i:
			    image: t:1
			    command: ["100000"]
			    networks: [n]
			    stop_grace_period: 1s
			    configs: [{source: c, target: /c}]
			    deploy:
			      replicas: 1
			      endpoint_mode: dnsrr
			      placement: {constraints: [node.hostname == node4]}
		YML
	done
	printf 'networks: {n: {driver: overlay}}\nconfigs: {c: {file: ./c}}\n'
}
echo text >"$IT_DIR/c"
stack >"$IT_DIR/s.yml"

# Of the managers that run: who leads, and one that does not.
UP='1 2 3'
leader()
{
	local k name
	for k in $UP; do
		name=$(timeout 30 docker -H "unix://$SWARM/n$k/docker.sock" node ls --format '{{.Hostname}} {{.ManagerStatus}}' 2>/dev/null |
			awk '$2 == "Leader" { print $1 }')
		[ -z "$name" ] || { echo "${name#node}" && return; }
	done
	return 1
}
roles()
{
	local k
	LEADER=$(leader) || return
	for k in $UP; do
		[ "$k" = "$LEADER" ] || OTHER=$k
	done
	echo "node$LEADER leads, commands run on node$OTHER"
}
without()
{
	node_poweroff "$1" && UP=${UP/$1/}
}
# All managers are back and one of them leads.
whole()
{
	local k
	for k in 1 2 3; do
		case $UP in *$k*) ;; *) node_restart "$k" && UP+=" $k" || return ;; esac
	done
	wait_for 60 all_reachable && roles
}
all_reachable()
{
	local k
	for k in $UP; do
		[ "$(timeout 30 docker -H "unix://$SWARM/n$k/docker.sock" node ls --format '{{.ManagerStatus}}' | grep -c 'Leader\|Reachable')" = 3 ] || return
	done
}
running()
{
	local found
	found=$(D 4 ps --filter label=com.docker.stack.namespace=nodeswarm --format '{{.Names}} {{.Status}}') || return
	[ "$(grep -c . <<<"$found")" = "$1" ] || { printf 'expected %s containers, found:\n%s\n' "$1" "$found" && return 1; }
}
# State as the managers have it now: name=replicas of each service.  They may elect again while docker asks.
sizes()
{
	wait_for 20 list_sizes && sort "$IT_DIR/sizes" | tr '\n' ' '
}
list_sizes()
{
	D "$OTHER" service ls --filter label=com.docker.stack.namespace=nodeswarm --format '{{.Name}}={{.Replicas}}' >"$IT_DIR/sizes"
}
all_zero()
{
	local found
	found=$(sizes) && echo "$found"
	[ "$(grep -o '=0/0' <<<"$found" | wc -l)" = $SERVICES ]
}

# --- an election in the middle ---------------------------------------------------------------------------

# begin LOG ARG...: nodeswarm on the manager that does not lead, in the background
begin()
{
	local log=$1
	shift
	ns "$OTHER" "$@" >"$log" 2>&1 3>&- &
	COMMAND=$!
}
finish()
{
	local rc=0 start=$EPOCHREALTIME
	wait "$COMMAND" || rc=$?
	cat "$1"
	echo "exit status $rc, $(since "$start") s after the power went off"
	return "$rc"
}

during_up()
{
	roles || return
	begin "$IT_DIR/up.log" up -f "$IT_DIR/s.yml"
	wait_for 20 grep -q 'created service' "$IT_DIR/up.log" && without "$LEADER" || return
	! grep -q "created service nodeswarm_web$SERVICES" "$IT_DIR/up.log" || echo 'it was all made before the power went off'
	finish "$IT_DIR/up.log" && running $SERVICES
}
check 'up, the leader loses its power' during_up
check 'up again has nothing to do' expect 'nothing to change' ns "$OTHER" up -f "$IT_DIR/s.yml"
check 'the manager comes back' whole

# A call that is in flight when the power goes off, and all that follow.
during_scale()
{
	without "$LEADER" || return
	begin "$IT_DIR/scale.log" scale web1=3 web2=2 web3=0
	finish "$IT_DIR/scale.log" && running $((SERVICES + 2)) && sizes | grep 'web1=3/3 nodeswarm_web2=2/2 nodeswarm_web3=0/0'
}
check 'scale, the leader loses its power' during_scale
check 'the manager comes back' whole

during_stop()
{
	begin "$IT_DIR/stop.log" stop
	sleep 0.1
	without "$LEADER" || return
	finish "$IT_DIR/stop.log" && running 0 && all_zero
}
check 'stop, the leader loses its power' during_stop
check 'the manager comes back' whole
check 'up gives each its former size' ns "$OTHER" up -f "$IT_DIR/s.yml"
check 'which it has' running $((SERVICES + 2))

# --- no quorum ---------------------------------------------------------------------------------------------

lost()
{
	roles || return
	local k gone=()
	for k in $UP; do
		[ "$k" = "$OTHER" ] || gone+=("$k")
	done
	for k in "${gone[@]}"; do
		without "$k" || return
	done
	expect_fail 1 'the swarm has .*these managers do not answer: ' \
		ns "$OTHER" scale web1=1 --wait 30s | tr '\n' ' ' >"$IT_DIR/lost.log"
	cat "$IT_DIR/lost.log"
	for k in "${gone[@]}"; do
		grep -q "do not answer: .*$(node_ip "$k")" "$IT_DIR/lost.log" || return
	done
	! grep -q "expected \|do not answer: .*$(node_ip "$OTHER")" "$IT_DIR/lost.log"
}
check 'two of three managers are gone: says which' lost
status_says()
{
	expect_fail 1 'hint: .*more than half of the managers' ns "$OTHER" status
}
check 'and status what to do' status_says
check 'they come back' whole
again()
{
	ns "$OTHER" scale web1=1 --wait 60s && sizes | grep 'web1=1/1'
}
check 'the same command finishes' again

# --- our own manager -----------------------------------------------------------------------------------------

own()
{
	roles || return
	# Half a minute for each task: sleep does not know SIGTERM as pid 1.
	sed 's/stop_grace_period: 1s/stop_grace_period: 30s/' "$IT_DIR/s.yml" >"$IT_DIR/slow.yml"
	ns "$OTHER" up -f "$IT_DIR/slow.yml" || return
	begin "$IT_DIR/own.log" stop --wait 15s
	sleep 2
	node_kill "$OTHER"
	UP=${UP/$OTHER/}
	! finish "$IT_DIR/own.log" && grep -E "the engine '.*' has not answered for" "$IT_DIR/own.log" &&
		grep -E "hint: run the same command on another manager, there or with --host: node$LEADER|hint: .*node$LEADER \(" "$IT_DIR/own.log"
}
check 'the engine that a stop talks to is killed: says where to go on' own
elsewhere()
{
	ns "$LEADER" stop --wait 90s && running 0
}
check 'the same command on another manager finishes' elsewhere
check 'down there' ns "$LEADER" down --wait 60s
