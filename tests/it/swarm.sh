# shellcheck shell=bash
# swarm.sh - a swarm of several nodes for a test file, each node with its own engine and pool
#
# Sourced after lib.sh, instead of cluster.sh, whose functions it brings: the oracles look at all
# nodes. The nodes are those of scripts/private-swarm.sh in $SWARM, nested in the file's namespaces; a
# node sees $IT_DIR at the same place, and $SWARM/nK has its pool, docker, dockerd.log. The pool's path
# in a node is /var/lib/nodeswarm.
#
#	swarm_up N [MANAGERS]     default: 1 manager of two nodes, else 3; 0: engines without a swarm
#	swarm_down                kill and remove all of it
#	swarm_images              build the simulator's image once, load it on each node
#	swarm_front               the same with the image of the front
#	swarm_image TAG PROGRAM...    the same with an image of programs of this machine
#	swarm_load FILE...        load archives of images on each node
#	swarm_pool                make the pool on each node
#	swarm_nodes               the numbers of the nodes
# A node, by its number:
#	on K CMD...               run CMD in node K, where the engine is at its usual socket
#	ns K ARG...               nodeswarm in node K
#	D K ARG...                docker's CLI on node K's engine
#	use_node K                from now on "nodeswarm" and "docker" are those of node K (swarm_up: of 1)
#	node_start K              a further node with an engine, or one that is off; in no swarm if new
#	node_join K [ROLE]        the same, and into the swarm, as "worker" or "manager"
#	node_poweroff K           all of it at once, silently
#	node_kill K               SIGKILL to dockerd, containers live on
#	node_stop K               SIGTERM to dockerd, and wait
#	node_restart K            start its engine, or the whole node, with the same data
#	node_partition K, node_heal K    cut it from the network; plug it in again
#	node_ip K                 its address
#	node_is K ready|down      what the managers think of it
#	node_pool K               its pool's directory as seen from here
# Outside:
#	client CMD...             run CMD on a host of the same network, with the address 192.168.77.254;
#	                          others to ask from: 192.168.77.250 to 253

export NODESWARM_POOL=/var/lib/nodeswarm
# shellcheck source=tests/it/cluster.sh
. "$ROOT/tests/it/cluster.sh"

SWARM=$IT_DIR/swarm

private_swarm()
{
	"$ROOT/scripts/private-swarm.sh" "$1" "$SWARM" "${@:2}"
}

swarm_nodes()
{
	local n
	for n in "$SWARM"/n[1-9]; do
		[ ! -d "$n" ] || echo "${n##*/n}"
	done
}

# The oracles of cluster.sh look at what these two name.
swarm_look()
{
	local k
	POOLS=() ENGINES=()
	for k in $(swarm_nodes); do
		POOLS+=("$(node_pool "$k")")
		ENGINES+=("unix://$SWARM/n$k/docker.sock")
	done
}

swarm_up()
{
	NODESWARM_SWARM_KEEP=$IT_DIR private_swarm up "$@" || return
	swarm_look
	use_node 1
}

swarm_down()
{
	private_swarm down
}

# each FUNCTION ARG...: FUNCTION K ARG... for all nodes at once.
each()
{
	local k pids=() rc=0
	for k in $(swarm_nodes); do
		"$1" "$k" "${@:2}" &
		pids+=($!)
	done
	for k in "${pids[@]}"; do
		wait "$k" || rc=1
	done
	return "$rc"
}

swarm_load()
{
	local file
	for file in "$@"; do
		each D load --quiet --input "$file" || return
	done
}

swarm_images()
{
	"$ROOT/docker/build-image.sh" --quiet --sim --output "$IT_DIR/nodesim.tar" "$BUILD/nodeswarm" &&
		swarm_load "$IT_DIR/nodesim.tar"
}

swarm_front()
{
	"$ROOT/docker/build-image.sh" --quiet --front --output "$IT_DIR/front.tar" && swarm_load "$IT_DIR/front.tar"
}

swarm_image()
{
	"$ROOT/docker/build-image.sh" --quiet --tag "$1" --output "$IT_DIR/image.tar" "${@:2}" &&
		swarm_load "$IT_DIR/image.tar"
}

swarm_pool()
{
	each ns pool init "$POOL" >/dev/null
}

on()
{
	private_swarm exec "$@"
}

ns()
{
	on "$1" nodeswarm "${@:2}"
}

D()
{
	docker -H "unix://$SWARM/n$1/docker.sock" "${@:2}"
}

use_node()
{
	NODE=$1
	export DOCKER_HOST=unix://$SWARM/n$1/docker.sock
}

# For cluster.sh and for tests that do not care where they are.
nodeswarm()
{
	ns "${NODE:?no swarm_up yet}" "$@"
}

node_start() { private_swarm start "$1" && swarm_look; }
node_join() { private_swarm join "$@" && swarm_look; }
node_poweroff() { private_swarm poweroff "$1"; }
node_kill() { private_swarm kill "$1"; }
node_stop() { private_swarm stop "$1"; }
node_restart() { private_swarm restart "$1"; }
node_partition() { private_swarm partition "$1"; }
node_heal() { private_swarm heal "$1"; }
node_ip() { private_swarm ip "$1"; }
node_pool() { echo "$SWARM/n$1/pool"; }
client() { private_swarm client "$@"; }

node_is()
{
	[ "$(docker node inspect -f '{{.Status.State}}' "node$1")" = "$2" ]
}
