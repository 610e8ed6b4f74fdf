#!/usr/bin/env bash
# private-swarm.sh - a Docker Swarm of 1 to 9 hosts in namespaces of this machine, and its removal
#
# usage: scripts/private-swarm.sh up DIR N [MANAGERS]
#        scripts/private-swarm.sh VERB DIR [K] [ARG...]
#
#   up N [M]         start nodes 1 to N; the first M are managers (default 1 of two, else 3; 0: engines
#                    without a swarm). Harmless when they run; also after a reboot, with their data
#   down             kill all of it and remove what it made, data too
#   status           what each node does; exit 1 if an engine does not answer
#   start K          the node and its engine, after whatever; a new node is in no swarm
#   join K [ROLE]    the same, and into the swarm as "worker" (default) or "manager"
#   restart K        stop its engine if it runs, and start it with the same data
#   stop K           SIGTERM to its dockerd, and wait: containers are stopped
#   kill K           SIGKILL to its dockerd: containers live on
#   poweroff K       all of the node at once, without a word to others; start or restart ends it
#   partition K      the node hears nobody and nobody hears it, until heal K (or a poweroff)
#   heal K
#   exec K CMD...    run CMD in the node, where DOCKER_HOST is its engine; SIGTERM goes to CMD
#   client CMD...    run CMD in the nodes' network, as 192.168.77.254 or .250 to .253
#   ip K | sock K    the address; the engine's socket as seen from here
#
# Needs root, no systemd. Adds nothing to the machine's own network: the nodes' bridge is in a network
# namespace of its own, the "switch". A node has its network, hostname, processes and mounts: a
# private /run, /etc, /var/lib and pool (NODESWARM_POOL at the time of up, else /var/lib/nodeswarm),
# and no name server but one that knows no name. The rest of the file system is the machine's. What a
# node keeps is in DIR/nK: docker (its data), etc (/etc/docker), pool, dockerd.log, docker.sock.
# Everything hangs on the switch's pid namespace, so that one kill ends all, mounts included.
#
#	NODESWARM_QUICKSTART_CGROUP  beginning of the name of the containers' cgroup
#	NODESWARM_SWARM_KEEP         directories below /run that the nodes see as well
#	NODESWARM_SWARM_DOCKERD      more options for each dockerd
set -euo pipefail

# shellcheck source=scripts/private-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/private-lib.sh"
self=$(realpath "${BASH_SOURCE[0]}")
NET4=192.168.77 NET6=fd77:77:
NODES_MAX=9

ip_of()
{
	echo "$NET4.$1"
}

sock_of()
{
	echo "$dir/n$1/docker.sock"
}

d()
{
	local k=$1
	shift
	docker -H "unix://$(sock_of "$k")" "$@"
}

nodes()
{
	local n
	for n in "$dir"/n[1-9]; do
		[ ! -d "$n" ] || echo "${n##*/n}"
	done
}

# setting NAME: as noted by the first up; everything after it needs no environment.
setting()
{
	sed -n "s|^$1=||p" "$dir/settings"
}

# --- processes ---------------------------------------------------------------------------------

# spawn RECORD LOG CMD...: CMD outlives us, holds no descriptor but 7, and notes itself in RECORD
# before it makes anything.
spawn()
(
	record=$1 log=$2
	shift 2
	for fd in /proc/self/fd/*; do
		fd=${fd##*/}
		[ "$fd" -le 2 ] || [ "$fd" = 7 ] || { exec {fd}>&-; } 2>/dev/null || true
	done
	exec </dev/null >>"$log" 2>&1
	rm -f "$record"
	(
		pid=$BASHPID
		echo "$pid $(start_time "$pid")" >"$record.new"
		mv "$record.new" "$record"
		# A shell without job control lets its background commands ignore signals.
		exec env --default-signal=INT,QUIT,HUP setsid "$@"
	) &
	until [ -e "$record" ]; do
		sleep 0.01
	done
)

child_of()
{
	local child=''
	read -r child _ 2>/dev/null <"/proc/$1/task/$1/children" || [ -n "$child" ] || return 1
	echo "$child"
}

# Our pids of the switch's and of a node's pid 1.
switch_init()
{
	local pid
	pid=$(recorded "$dir/switch.pid") && child_of "$pid"
}

node_init()
{
	local pid
	pid=$(recorded "$dir/n$1/node.pid") && pid=$(child_of "$pid") && child_of "$pid"
}

need_switch()
{
	switch_init || die "the swarm of '$dir' does not run: see '${0##*/} up'"
}

need_node()
{
	node_init "$1" || die "node $1 of '$dir' is off"
}

# ready RECORD FLAG LOG: wait for the file FLAG, which a new process makes.
ready()
{
	local i
	for ((i = 0; i < 600; i++)); do
		[ ! -e "$2" ] || return 0
		recorded "$1" >/dev/null || break
		sleep 0.05
	done
	tail -n 5 "$3" >&2
	return 1
}

# --- the switch --------------------------------------------------------------------------------

# As pid 1 of the namespaces that all else is in.
switch()
{
	local i
	ip link set lo up
	ip link add br0 type bridge
	ip link set br0 up
	for i in 254 253 252 251 250; do
		ip addr add "$NET4.$i/24" dev br0
	done
	ip -6 addr add "$NET6:fe/64" dev br0 nodad || echo 'no IPv6'
	: >"$dir/switch.ready"
	exec sleep infinity
}

switch_up()
{
	! switch_init >/dev/null || return 0
	rm -f "$dir/switch.ready"
	spawn "$dir/switch.pid" "$dir/switch.log" unshare --pid --net --fork --kill-child "$self" switch "$dir"
	ready "$dir/switch.pid" "$dir/switch.ready" "$dir/switch.log" || die 'the network of the swarm could not be made'
}

in_switch()
{
	local sw
	sw=$(need_switch) || exit
	nsenter --net="/proc/$sw/ns/net" -- "$@"
}

# port K STATE: 3 forwards, 0 drops all. The carrier stays, as when some switch on the way fails.
port()
{
	in_switch bridge link set dev "p$1" state "$2"
}

# --- a node ------------------------------------------------------------------------------------

# In the node's new namespaces. 7 is the switch's network.
make_mounts()
{
	local run=$dir/n$k/run keep pool i
	pool=$(setting pool)
	mount -t tmpfs -o mode=755 tmpfs "$run"
	mkdir -p "$run"/{node,lock,tmp,upper}
	chmod 1777 "$run/tmp"
	mount --bind "$dir/n$k" "$run/node"
	for keep in "$dir" $(setting keep); do
		[[ $keep == /run/* ]] || continue
		mkdir -p "$run/${keep#/run/}"
		mount --bind "$keep" "$run/${keep#/run/}"
	done
	# The last look at what is below the old /run; later, the directory is /run/node.
	mount -n --move "$run" /run
	# What dockerd has built in, whatever its options, and what a node changes in these two.
	for i in etc var/lib; do
		mkdir -p "/run/upper/$i" "/run/upper/work/$i"
		mount -n -t overlay -o "lowerdir=/$i,upperdir=/run/upper/$i,workdir=/run/upper/work/$i" overlay "/$i"
	done
	rm -rf /etc/docker /etc/resolv.conf
	echo "nameserver $(ip_of "$k")" >/etc/resolv.conf
	mkdir -p /etc/docker /var/lib/docker "$pool"
	mount -n --bind /run/node/etc /etc/docker
	mount -n --bind /run/node/docker /var/lib/docker
	mount -n --bind /run/node/pool "$pool"
}

make_network()
{
	local switch=(nsenter --net=/proc/self/fd/7 -- ip link)
	# That of before a poweroff, if the kernel has not got to it yet.
	"${switch[@]}" del "p$k" 2>/dev/null || true
	"${switch[@]}" add "p$k" type veth peer name eth0 netns 1
	"${switch[@]}" set "p$k" master br0 up
	ip link set lo up
	# Always the same, so that no neighbour has to forget the one of before a poweroff.
	ip link set eth0 address "02:00:c0:a8:4d:0$k" up
	ip addr add "$(ip_of "$k")/24" dev eth0
	ip -6 addr add "$NET6:$k/64" dev eth0 nodad || echo 'no IPv6'
	ip route add default via "$NET4.254"
	# Off, in order that dockerd turns it on, and sets FORWARD to DROP, as it does on a real host.
	echo 0 >/proc/sys/net/ipv4/ip_forward
}

node()
{
	hostname "node$k"
	make_network
	exec 7<&-
	make_mounts
	"${self%/*}/no-names.pl" "$(ip_of "$k")" &
	: >/run/node/ready
	# As pid 1 it has the node's orphans to reap, which bash does while it waits.
	while :; do
		sleep 1000 &
		wait $! || true
	done
}

node_up()
{
	local k=$1 n=$dir/n$1 sw
	! node_init "$k" >/dev/null || return 0
	sw=$(need_switch) || exit
	mkdir -p "$n"/{docker,etc,pool,run}
	rm -f "$n/ready" "$n/docker.sock"
	# nsenter stays as the parent outside; the node dies with it.
	spawn "$n/node.pid" "$n/node.log" nsenter --pid="/proc/$sw/ns/pid" -- setpriv --pdeathsig KILL \
		unshare --mount --uts --net --pid --fork --kill-child --mount-proc --propagation slave \
		"$self" node "$dir" "$k" 7<"/proc/$sw/ns/net"
	ready "$n/node.pid" "$n/ready" "$n/node.log" || die "node $k could not be made, see '$n/node.log'"
}

# node_command K CMD...: what runs CMD in the node, in the array "command".
node_command()
{
	local init
	init=$(need_node "$1") || exit
	shift
	# shellcheck disable=SC2016
	command=(nsenter -t "$init" -m -u -n -p -- setpriv --pdeathsig TERM -- env
		DOCKER_HOST=unix:///var/run/docker.sock NODESWARM_POOL="$(setting pool)" TMPDIR=/run/tmp
		bash -c 'cd -- "$1" 2>/dev/null || cd /; shift; exec "$@"' _ "$PWD" "$@")
}

in_node()
{
	local command
	node_command "$@"
	"${command[@]}"
}

# --- its engine --------------------------------------------------------------------------------

# These run in the node. dockerd's pid file names it there.
engine_pid()
{
	local pid
	pid=$(cat /run/docker.pid 2>/dev/null) && start_time "$pid" >/dev/null &&
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] && echo "$pid"
}

engine_start()
{
	local i var
	! engine_pid >/dev/null || return 0
	rm -f /run/docker.pid
	for var in "${!DOCKER_@}"; do
		unset "$var"
	done
	# Images are only here, and an engine that asks a registry for them waits for the answer.
	export DOCKER_SERVICE_PREFER_OFFLINE_IMAGE=1
	# shellcheck disable=SC2046
	spawn /run/engine.pid /run/node/dockerd.log dockerd --host unix:///var/run/docker.sock --host unix:///run/node/docker.sock \
		--exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$(setting cgroup)/n$k" \
		--shutdown-timeout 15 $(setting dockerd)
	for ((i = 0; i < 1200; i++)); do
		! answers /run/node/docker.sock || return 0
		recorded /run/engine.pid >/dev/null || break
		sleep 0.05
	done
	tail -n 12 /run/node/dockerd.log >&2
	die "the engine of node $k did not start"
}

# engine_end SIGNAL: its containerd goes with it, soon after.
engine_end()
{
	local pid child i
	pid=$(engine_pid) || return 0
	child=$(cat /run/docker/containerd/containerd.pid 2>/dev/null) || true
	kill "-$1" "$pid"
	for ((i = 0; i < 1200; i++)); do
		if ! engine_pid >/dev/null && ! { [ -n "$child" ] && start_time "$child" >/dev/null; }; then
			return 0
		fi
		sleep 0.05
	done
	die "the engine of node $k does not end"
}

# --- verbs -------------------------------------------------------------------------------------

start()
{
	switch_up
	node_up "$1"
	in_node "$1" "$self" engine_start "$dir" "$1"
}

restart()
{
	! node_init "$1" >/dev/null || in_node "$1" "$self" engine_end "$dir" "$1" TERM
	start "$1"
}

swarm_state()
{
	d "$1" info -f '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}' 2>/dev/null
}

# manager: the number of one that answers.
manager()
{
	local k
	for k in $(nodes); do
		[ "$(swarm_state "$k")" != 'active true' ] || { echo "$k" && return; }
	done
	return 1
}

join()
{
	local k=$1 role=$2 via
	start "$k"
	[ "$(swarm_state "$k")" = 'inactive false' ] || return 0
	via=$(manager) || die 'no manager answers: there is no swarm to join'
	d "$k" swarm join --advertise-addr "$(ip_of "$k")" --listen-addr "$(ip_of "$k"):2377" \
		--token "$(d "$via" swarm join-token -q "$role")" "$(ip_of "$via"):2377" >/dev/null
}

note_settings()
{
	local name
	[ ! -e "$dir/settings" ] || return 0
	name=${NODESWARM_QUICKSTART_CGROUP:-}
	name=${name#/}
	cat >"$dir/settings.new" <<-END
		cgroup=$([ -z "$name" ] || echo "$name-")$(unique_name)
		pool=$pool
		keep=${NODESWARM_SWARM_KEEP:-}
		dockerd=${NODESWARM_SWARM_DOCKERD:-}
	END
	mv "$dir/settings.new" "$dir/settings"
}

up()
{
	local n=$1 managers=${2:-$(($1 > 2 ? 3 : 1))} pool have k i failed='' pids=()
	pool=$(realpath -m "${NODESWARM_POOL:-/var/lib/nodeswarm}")
	[[ $n =~ ^[1-$NODES_MAX]$ && $managers =~ ^[0-9]$ && $managers -le $n ]] ||
		die "cannot make $n nodes of which $managers are managers: N is 1 to $NODES_MAX, MANAGERS at most N"
	need_tools dockerd containerd runc docker iptables ip bridge unshare nsenter setpriv curl perl
	[ "${#dir}" -le 80 ] || die "'$dir' is too long: paths of sockets below it must stay under 108 bytes"
	# The machine's own directories are not changed for the sake of a mount in a node.
	[[ $pool/ == /run/* || $pool/ == /var/lib/* || -d $pool ]] || die "there is no directory '$pool' for the nodes' pools: make it"
	mkdir -p "$dir"
	have=$(nodes | wc -l)
	[ "$have" -le "$n" ] || die "the swarm of '$dir' has $have nodes: run '${0##*/} down' first"
	note_settings
	switch_up
	for ((k = 1; k <= n; k++)); do
		start "$k" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || failed=1
	done
	[ -z "$failed" ] || die 'not all nodes run'
	[ "$managers" != 0 ] || return 0
	manager >/dev/null ||
		d 1 swarm init --advertise-addr "$(ip_of 1)" --listen-addr "$(ip_of 1):2377" \
			--default-addr-pool 10.200.0.0/16 >/dev/null
	for ((k = 2; k <= n; k++)); do
		join "$k" "$([ "$k" -le "$managers" ] && echo manager || echo worker)"
	done
}

# end RECORD: kill what hangs on its innermost process, a pid 1. Its parents follow only when all of
# its namespace are gone.
end()
{
	local record=$1 pid child i
	pid=$(recorded "$record") || return 0
	while child=$(child_of "$pid"); do
		pid=$child
		[ "$(awk '/^NSpid:/ { print $NF }' "/proc/$pid/status" 2>/dev/null)" != 1 ] || break
	done
	kill -KILL "$pid" 2>/dev/null || true
	for ((i = 0; i < 600; i++)); do
		recorded "$record" >/dev/null || return 0
		sleep 0.05
	done
	die "the processes of '$record' do not end"
}

poweroff()
{
	recorded "$dir/n$1/node.pid" >/dev/null || return 0
	# First the cable: a kernel that ends processes says goodbye to their connections.
	port "$1" 0
	end "$dir/n$1/node.pid"
	rm -f "$dir/n$1/docker.sock"
	remove_cgroups "$(setting cgroup)/n$1"
}

# Clients that still run would keep the network.
end_clients()
{
	local sw net
	sw=$(switch_init) || return 0
	net=$(stat -Lc %i "/proc/$sw/ns/net")
	stat -Lc '%i %n' /proc/[0-9]*/ns/net 2>/dev/null | awk -v n="$net" -v sw="$sw" -F'[ /]' '$1 == n && $4 != sw { print $4 }' |
		xargs -r kill -KILL 2>/dev/null || true
}

down()
{
	local k
	if [ -e "$dir/settings" ]; then
		end_clients
		end "$dir/switch.pid"
		for k in $(nodes); do
			end "$dir/n$k/node.pid"
		done
		remove_cgroups "$(setting cgroup)"
		rm -rf --one-file-system "${dir:?}"/n[1-9] "${dir:?}"/switch.*
	fi
	rm -f "$dir"/settings{,.new}
	rmdir "$dir" 2>/dev/null || true
}

status()
{
	local k state rc=0
	[ -n "$(nodes)" ] || die "there is no swarm in '$dir'"
	for k in $(nodes); do
		if ! node_init "$k" >/dev/null; then
			state=off
		elif ! answers "$(sock_of "$k")"; then
			state='no engine'
		else
			case $(swarm_state "$k") in
			'active true') state=manager ;;
			'active false') state=worker ;;
			inactive*) state='no swarm' ;;
			*) state='no answer from the swarm' ;;
			esac
		fi
		[[ $state != off && $state != no\ [ea]* ]] || rc=1
		printf 'node%s  %s  %s  unix://%s\n' "$k" "$(ip_of "$k")" "$state" "$(sock_of "$k")"
	done
	return "$rc"
}

usage_error()
{
	usage >&2
	exit 2
}

verb=${1-} arguments=$#
case $verb in
-h | --help) usage && exit 0 ;;
esac
[ "$arguments" -ge 2 ] || usage_error
dir=$(realpath -m "$2") k=${3-}
shift 2
case $verb in
up | down | status | client | switch) ;;
start | join | restart | stop | kill | poweroff | partition | heal | exec | ip | sock | node | engine_start | engine_end)
	[[ $k =~ ^[1-$NODES_MAX]$ ]] || usage_error
	shift
	;;
*) usage_error ;;
esac
[ "$(id -u)" = 0 ] || die 'needs root'
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
[ "$verb" = node ] || exec 7<&-
case "$verb $#" in
'up 1' | 'up 2' | 'down 0' | 'status 0' | 'switch 0' | 'engine_end 1') "$verb" "$@" ;;
'start 0' | 'restart 0' | 'poweroff 0' | 'engine_start 0') "$verb" "$k" ;;
'node 0') node ;;
'join 0' | 'join 1') join "$k" "${1-worker}" ;;
'stop 0') in_node "$k" "$self" engine_end "$dir" "$k" TERM ;;
'kill 0') in_node "$k" "$self" engine_end "$dir" "$k" KILL ;;
'partition 0') port "$k" 0 ;;
'heal 0') port "$k" 3 ;;
'exec '[1-9]*) node_command "$k" "$@" && exec "${command[@]}" ;;
'client '[1-9]*)
	init=$(need_switch)
	exec nsenter --net="/proc/$init/ns/net" -- "$@"
	;;
'ip 0') ip_of "$k" ;;
'sock 0') sock_of "$k" ;;
*) usage_error ;;
esac
