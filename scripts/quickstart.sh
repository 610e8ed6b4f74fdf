#!/usr/bin/env bash
# quickstart.sh - a development chain, eight readers and a front before them, on this machine
#
# usage: scripts/quickstart.sh               set all of it up; harmless when it is there already
#        scripts/quickstart.sh --nodes N     the same on a swarm of N hosts (1 to 5), which are
#                                            namespaces of this machine
#        scripts/quickstart.sh --shell [COMMAND...]
#                                            a shell, or COMMAND, with all set for that cluster; with
#                                            --nodes it is on the first host
#        scripts/quickstart.sh --down        remove all that it made, and nothing else; a swarm that
#                                            others use stays
#
# For Debian 12 and Ubuntu, as root or with sudo. Installs what is missing, builds, uses the Docker
# Engine that answers here, or starts a private one below NODESWARM_QUICKSTART_DIR (default
# /var/lib/nodeswarm-quickstart), makes it a swarm of one node, and builds the images. Then one reader
# syncs, its data-dir is archived, and the others start from clones of that; it ends when all serve.
# For a private engine the pool is an image with XFS, whose clones share their blocks, where this
# machine can mount one. The chain is SIMULATED and signs with a key that everybody knows; the front
# does not limit its clients, who are all on this machine. With --nodes it touches no engine but
# those that it starts (scripts/private-swarm.sh), and adds nothing to this machine's network.
#
#	NODESWARM_QUICKSTART_DIR    directory of the notes and of the private engine
#	NODESWARM_POOL              directory of the data-dirs (default /var/lib/nodeswarm); not with
#	                            --nodes, where each host has its own
#	NODESWARM_FRONT_PORT        the front's port, on all addresses of a host (8888)
#	NODESWARM_FRONT_P2P_PORT    and that for peers (9876)
#	DOCKER_HOST                 engine to use: a unix:// socket of this machine
#	READERS                     how many (8)
#
# What it made is noted in the file "state" there, before it is made. What was started on that cluster
# by hand goes with --down too: producers, a replay, and a firewall that no other services are behind.
set -euo pipefail

# Settings of somebody's own stack are not for this one.
for name in "${!NODESWARM_@}" "${!DOCKER_@}"; do
	case $name in
	NODESWARM_QUICKSTART_* | NODESWARM_SWARM_* | NODESWARM_POOL | NODESWARM_FRONT_PORT | NODESWARM_FRONT_P2P_PORT | DOCKER_HOST) ;;
	*) unset "$name" ;;
	esac
done

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dir=$(realpath -m "${NODESWARM_QUICKSTART_DIR:-/var/lib/nodeswarm-quickstart}")
state=$dir/state
stack=nodeswarm
image=nodeswarm/nodesim:latest
front_image=nodeswarm/front:latest
token=nodeswarm_agent-token
files=()
for name in agent devchain readers front; do
	files+=(-f "$root/stacks/$name.yml")
done
slots='readers devchain producer producer-standby archivist' # services with data-dirs
label=nodeswarm.quickstart=1 # of the secret that somebody makes as told
lease=quickstart
broker_token=nodeswarm_broker-token
# What the stacks of a replay and of a producer leave in an engine.
leftovers="secret:$broker_token config:nodeswarm-lease-$lease
	volume:${stack}_replay-state volume:${stack}_replay-work volume:${stack}_replay-snapshots volume:${stack}_replay-blocks"
nodes='' # of --nodes
readers=${READERS:-8}
image_size=2G # of the pool; it takes only what is written to it

say()
{
	printf '%3d s  %s\n' "$SECONDS" "$*"
}

die()
{
	echo "quickstart.sh: $*" >&2
	exit 1
}

# quietly COMMAND...: its output only if it fails.
quietly()
{
	local out rc=0
	out=$(mktemp)
	"$@" >"$out" 2>&1 || rc=$?
	[ "$rc" = 0 ] || tail -n 40 "$out" >&2
	rm -f "$out"
	return "$rc"
}

# --- the notes ---------------------------------------------------------------------------------

get()
{
	sed -n "s/^$1=//p" "$state" 2>/dev/null
}

put()
{
	{
		grep -v "^$1=" "$state" 2>/dev/null || true
		echo "$1=$2"
	} >"$state.new"
	mv "$state.new" "$state"
}

# made_unless COMMAND...: what to note of a thing that COMMAND finds or we are about to make.
made_unless()
{
	if "$@" >/dev/null 2>&1; then
		echo found
	else
		echo made
	fi
}

# --- up ----------------------------------------------------------------------------------------

# The owner of the tree builds, lest a user's build directory becomes root's.
build()
{
	local uid
	uid=$(stat -c %u "$root")
	if [ "$uid" != 0 ] && type -P sudo >/dev/null; then
		sudo -u "#$uid" make -C "$root" "-j$(nproc)"
	else
		make -C "$root" "-j$(nproc)"
	fi
}

answers()
{
	timeout 10 docker -H "$1" version >/dev/null 2>&1
}

# swarm VERB ARG...: of the hosts in namespaces.
swarm()
{
	NODESWARM_POOL=${NODESWARM_POOL:-/var/lib/nodeswarm} "$root/scripts/private-swarm.sh" "$1" "$dir/swarm" "${@:2}" 9>&-
}

is_swarm()
{
	[ "$(get engine)" = swarm ]
}

# nodeswarm ARG...: on the first host.
nodeswarm()
{
	if is_swarm; then
		swarm exec 1 "$root/build/nodeswarm" --stack "$stack" "$@"
	else
		"$root/build/nodeswarm" --stack "$stack" "$@"
	fi
}

# Names in it are written and removed without a look at whose they are. Without notes there is only what a kill
# or --down leaves: a pool's image that others use.
check_dir()
{
	local others
	[ ! -e "$state" ] || return 0
	others=$(find "$dir" -mindepth 1 -maxdepth 1 ! -name lock ! -name state.new ! -name pool.img) || die "cannot look into '$dir'"
	[ -z "$others" ] || die "'$dir' has files that are not quickstart's: name a new directory in NODESWARM_QUICKSTART_DIR"
}

# Before anything is installed or built.
check_hosts()
{
	[ -n "$nodes" ] || is_swarm || return 0
	if [ -n "$(get engine)" ] && ! is_swarm; then
		die "an earlier quickstart uses one engine: run 'scripts/quickstart.sh --down' first"
	fi
	: "${nodes:=$(get nodes)}"
	[ -z "$(get nodes)" ] || [ "$(get nodes)" = "$nodes" ] ||
		die "an earlier quickstart has $(get nodes) hosts: run 'scripts/quickstart.sh --down' first"
}

need_hosts()
{
	local k
	put nodes "$nodes"
	put host "unix://$dir/swarm/n1/docker.sock"
	put engine swarm
	unset NODESWARM_POOL
	swarm up "$nodes"
	DOCKER_HOST=$(get host)
	export DOCKER_HOST
	swarm exec 1 test -x "$root/build/nodeswarm" || die "the hosts do not see '$root', because they have a /run and a /var/lib of their own: put it elsewhere"
	for ((k = 1; k <= nodes; k++)); do
		quietly swarm exec "$k" "$root/build/nodeswarm" pool init
	done
	say "hosts: $(docker node ls --format '{{.Hostname}}' | sort | tr '\n' ' ')in namespaces of this machine, each with engine and pool"
}

# An archive that all hosts load; the same input gives the same image on each.
load_images()
{
	local k file=$dir/image.tar
	for ((k = 1; k <= nodes; k++)); do
		quietly docker -H "unix://$dir/swarm/n$k/docker.sock" load --quiet --input "$file"
	done
	rm -f "$file"
}

find_engine()
{
	local host=${DOCKER_HOST:-unix:///var/run/docker.sock}
	case $(get engine) in
	private)
		host=unix://$dir/docker.sock
		need_pool
		"$root/scripts/private-engine.sh" start "$dir" 9>&-
		say "engine: the private one of $dir"
		;;
	found)
		host=$(get host)
		answers "$host" || die "the engine at '$host', which an earlier quickstart used, does not answer: start it, or run 'scripts/quickstart.sh --down' when it does"
		say "engine: $host"
		;;
	*)
		[[ $host == unix://* ]] || die "DOCKER_HOST is '$host': quickstart needs an engine of this machine, so unset it or name a unix:// socket"
		if answers "$host"; then
			put host "$host"
			put firewall "$(made_unless has_firewall)"
			put engine found
			say "engine: $host, which runs already"
		elif [ -n "${DOCKER_HOST-}" ]; then
			die "no engine answers at '$host' of DOCKER_HOST: unset it and quickstart starts a private one"
		else
			host=unix://$dir/docker.sock
			put host "$host"
			put firewall "$(made_unless has_firewall)"
			put engine private
			need_pool
			"$root/scripts/private-engine.sh" start "$dir" 9>&-
			say "engine: none runs here, so a private one of $dir"
		fi
		;;
	esac
	export DOCKER_HOST=$host
}

need_swarm()
{
	local swarm
	swarm=$(docker info -f '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}')
	case $swarm in
	'active true') ;;
	active*) die "the engine is a worker of a swarm: run quickstart on a manager, or without DOCKER_HOST beside it" ;;
	inactive*)
		put gwbridge "$(made_unless docker network inspect docker_gwbridge)"
		put swarm made
		quietly docker swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377
		;;
	*) die "the engine's swarm is '${swarm% *}': unlock or leave it first" ;;
	esac
	say "swarm: $([ "$(get swarm)" = made ] && echo 'of one node, on loopback' || echo 'as it was')"
}

# Services that somebody else has started under our names are not ours to change or remove.
need_stack()
{
	local thing
	[ -n "$(get stack)" ] || [ -z "$(docker service ls -q --filter "label=com.docker.stack.namespace=$stack")" ] ||
		die "the engine has services of a stack '$stack' already, not from quickstart: remove them ('nodeswarm down'), or set DOCKER_HOST to another engine"
	# Notes of an earlier quickstart may not have all of them.
	[ -n "$(get token)" ] || put token "$(made_unless docker secret inspect "$token")"
	for thing in $leftovers; do
		[ -n "$(get "$thing")" ] || put "$thing" "$(made_unless docker "${thing%%:*}" inspect "${thing#*:}")"
	done
	put stack made
}

need_image()
{
	if is_swarm; then
		say "image: $("$root/docker/build-image.sh" --sim --output "$dir/image.tar" "$root/build/nodeswarm")"
		load_images
		say "image: $("$root/docker/build-image.sh" --front --output "$dir/image.tar")"
		load_images
		return
	fi
	if [ -z "$(get image)" ]; then
		put image "$(made_unless docker image inspect "$image")"
	fi
	if [ -z "$(get front_image)" ]; then
		put front_image "$(made_unless docker image inspect "$front_image")"
	fi
	say "image: $("$root/docker/build-image.sh" --sim --tag "$image" "$root/build/nodeswarm")"
	say "image: $("$root/docker/build-image.sh" --front --tag "$front_image")"
}

need_pool()
{
	local pool service
	pool=$(realpath -m "${NODESWARM_POOL:-/var/lib/nodeswarm}")
	[ -z "$(get pool_dir)" ] || [ "$(get pool_dir)" = "$pool" ] ||
		die "the pool is '$(get pool_dir)' since an earlier quickstart: run 'scripts/quickstart.sh --down' before using '$pool'"
	[[ $pool/ != /run/* ]] || die "the pool '$pool' is below /run, which does not outlive a boot"
	if [ -z "$(get pool)" ]; then
		put pool_dir "$pool"
		for service in $slots; do
			put "slots_$service" "$(made_unless test -d "$pool/services/${stack}_$service")"
		done
		put pool_parent "$(made_unless test -d "$pool")"
		put pool "$(made_unless test -e "$pool/pool.json")"
	fi
	export NODESWARM_POOL=$pool
	make_pool "$pool"
}

# Whether files of the directory's file system can share blocks.
reflinks()
{
	local made rc=0
	made=$(mktemp -d "$1/.quickstart-XXXXXX") || return
	head -c 65536 /dev/urandom >"$made/a"
	cp --reflink=always "$made/a" "$made/b" 2>/dev/null || rc=1
	rm -r "$made"
	return "$rc"
}

# An engine that somebody else uses gets no mount of ours. The private one is not running yet:
# mounts that are made later it might not see.
make_pool()
{
	local pool=$1 why='because the engine is not ours'
	if [ "$(get pool)" = made ] && [ "$(get engine)" = private ]; then
		mkdir -p "$pool"
		if [ -z "$(get pool_image)" ] && [ -e "$dir/pool.img" ]; then
			why="because '$dir/pool.img' is another pool's"
		elif [ -n "$(get pool_image)" ] || ! reflinks "$pool"; then
			put pool_image "$dir/pool.img"
			if why=$("$root/build/nodeswarm" pool init --size "$image_size" --sparse --image "$dir/pool.img" "$pool" 2>&1 >/dev/null); then
				say "pool: $pool, with XFS in $dir/pool.img: clones share their blocks"
				return
			fi
			remove_image "$pool"
			put pool_image ''
			why="because no image can be mounted: $(sed -n 's/^nodeswarm: //; /warning/d; p' <<<"$why" | tail -n 1)"
		fi
	fi
	quietly "$root/build/nodeswarm" pool init "$pool"
	if reflinks "$pool"; then
		say "pool: $pool, whose clones share their blocks"
	else
		say "pool: $pool, whose clones are copies, $why"
	fi
}

# --- the readers ---------------------------------------------------------------------------------

since()
{
	awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }'
}

# What commands on the cluster need, for --shell and for scripts. Where there are several hosts it is
# true on them: each has the machine's snapshots below its own /run/node.
write_env()
{
	local name socket=${DOCKER_HOST#unix://} snapshots=$dir/snapshots
	local -A v=([READERS]=$readers [DOCKER_HOST]=$DOCKER_HOST [NODESWARM_IMAGE]=$image [NODESWARM_FRONT_IMAGE]=$front_image
		[NODESWARM_NODEOS]=nodesim [NODESWARM_PEERS]=devchain:9876
		[NODESWARM_FRONT_RATE]=1000000 [NODESWARM_FRONT_CONNECTIONS]=2000
		[NODESWARM_LEASE]=$lease [NODESWARM_BROKER_TOKEN_SECRET]=$broker_token
		[NODESWARM_REPLAY_PEERS]=readers:9876 [NODESWARM_REPLAY_DISK]=1M)
	if is_swarm; then
		snapshots=/run/node/snapshots
		# On another host it would begin a second chain.
		v[NODESWARM_DEVCHAIN_CONSTRAINT]=node.hostname==node1
	else
		v[NODESWARM_POOL]=$NODESWARM_POOL
		v[NODESWARM_DOCKER_SOCKET]=$socket
	fi
	v[NODESWARM_REPLAY_SNAPSHOTS]=$snapshots
	for name in NODESWARM_FRONT_PORT NODESWARM_FRONT_P2P_PORT; do
		[ -z "${!name-}" ] || v[$name]=${!name}
	done
	{
		echo "# The quickstart's cluster: '. $dir/env', or 'scripts/quickstart.sh --shell'"
		for name in "${!v[@]}"; do
			printf 'export %s=%q\n' "$name" "${v[$name]}"
		done | sort
		# shellcheck disable=SC2016
		printf 'export PATH=%q:$PATH\n' "$root/build"
	} >"$dir/env.new"
	mv "$dir/env.new" "$dir/env"
	# Of the account eosio on any chain that begins with genesis.json: everybody knows it.
	(umask 077 && echo 5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3 >"$dir/producer-key")
	mkdir -p "$dir/snapshots"
	share_files
}

# To the hosts in namespaces.
share_files()
{
	local n
	for n in "$dir"/swarm/n[1-9]; do
		if [ -d "$n" ]; then
			cp -R "$dir/snapshots" "$dir/producer-key" "$n/"
		fi
	done
}

start()
{
	# shellcheck source=/dev/null
	(. "$dir/env" && nodeswarm up "$@")
}

# Where stacks/producer.yml has taken the chain over, its old producer would go on with a chain of its own.
find_files()
{
	docker service inspect "${stack}_producer" >/dev/null 2>&1 || return 0
	files=()
	for name in agent broker producer readers front; do
		files+=(-f "$root/stacks/$name.yml")
	done
}

# A snapshot of the chain as it is now, for 'nodeswarm replay'. Its node answers in its container only, and the
# file is for workers on every host.
take_snapshot()
{
	local n file id='' host='' pool=''
	for n in "$dir/swarm"/n[1-9] "$dir"; do
		host=unix://$n/docker.sock pool=$n/pool
		if [ "$n" = "$dir" ]; then
			host=$(get host) pool=$(get pool_dir)
		fi
		id=$(docker -H "$host" ps -q --filter "label=com.docker.swarm.service.name=${stack}_devchain" 2>/dev/null) || true
		[ -z "$id" ] || break
	done
	# A producer has taken over.
	[ -n "$id" ] || return 0
	quietly docker -H "$host" exec "$id" nodeswarm load --any --method POST -c 1 -n 1 \
		http://127.0.0.1:8888/v1/producer/create_snapshot || return 0
	for file in "$pool/services/${stack}_devchain/1/data/snapshots"/snapshot-*.bin; do
		[ ! -e "$file" ] || install -m 644 "$file" "$dir/snapshots/"
	done
	share_files
}

# The stack with one reader, which is told nevertheless of how many it will be one: so that nothing
# restarts it later. The paths in the stack file count from its directory.
start_one()
{
	local file=$root/build/first-reader.yml args=("${files[@]}") i
	sed 's/^\( *replicas:\).*/\1 1/' "$root/stacks/readers.yml" >"$file"
	for ((i = 0; i < ${#args[@]}; i++)); do
		[ "${args[i]}" != "$root/stacks/readers.yml" ] || args[i]=$file
	done
	NODESWARM_CONFIG=$root/config.ini NODESWARM_GENESIS=$root/genesis.json NODESWARM_PEERLIST=$root/peerlist.ini \
		start "${args[@]}"
	rm -f "$file"
}

# sum KEY PATTERN: of the rows of `pool status` that match.
sum()
{
	grep "$2" <<<"$rows" | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" |
		awk '{ s += $1 } END { printf "%d\n", s }' | numfmt --to=iec-i --suffix=B
}

disk_use()
{
	local rows
	rows=$(nodeswarm --json pool status | grep -o '{[^{}]*}')
	say "disk: one copy has $(sum allocated_bytes '"current":true') ($(sum apparent_bytes '"current":true') with its holes);" \
		"what the $readers readers have beside it takes $(sum exclusive_bytes "\"${stack}_readers")"
}

# One syncs, is archived, and the others are clones of it.
clone_readers()
{
	local t=$EPOCHREALTIME synced archived
	say 'readers: the first one syncs'
	quietly start_one
	synced=$(since "$t")
	say "readers: the first one serves, after $synced"
	take_snapshot
	t=$EPOCHREALTIME
	quietly nodeswarm data archive readers.1
	archived=$(since "$t")
	say "readers: it is archived, in $archived"
	t=$EPOCHREALTIME
	quietly nodeswarm scale "readers=$readers"
	say "readers: $((readers - 1)) more serve, cloned from it, in $(since "$t")"
	take_snapshot
	put cloned yes
	is_swarm || disk_use
}

is_first_time()
{
	local n
	[ -z "$(get cloned)" ] && [ "$readers" -gt 1 ] || return
	n=$(docker service inspect -f '{{.Spec.Mode.Replicated.Replicas}}' "${stack}_readers" 2>/dev/null) || return 0
	[ "$n" -le 1 ]
}

up()
{
	check_dir
	type -P apt-get dpkg-query >/dev/null || die 'this is neither Debian nor Ubuntu: see README.md for what to install'
	check_hosts
	if ! "$root/scripts/install-deps.sh" -n build run >/dev/null; then
		say "packages: installing $("$root/scripts/install-deps.sh" -n build run | tr '\n' ' ')"
		quietly "$root/scripts/install-deps.sh" build run
	fi
	say 'packages: all there'
	quietly build
	say 'build: done'

	if [ -n "$nodes" ] || is_swarm; then
		need_hosts
		need_stack
		need_image
	else
		find_engine
		need_swarm
		need_stack
		need_image
		[ "$(get engine)" = private ] || need_pool
	fi
	write_env
	find_files
	if is_first_time; then
		clone_readers
	fi
	start "${files[@]}"
	say 'readers: they serve'
	take_snapshot
	say "snapshots: $(find "$dir/snapshots" -name '*.bin' | wc -l) of the chain, for nodeswarm replay"
	echo
	nodeswarm status
	tips
}

tips()
{
	local sudo=${SUDO_USER:+sudo } url=http://127.0.0.1:${NODESWARM_FRONT_PORT:-8888} pool snapshots=$dir/snapshots key=$dir/producer-key slot=2
	pool=$(get pool_dir)
	if is_swarm; then
		pool=${NODESWARM_POOL:-/var/lib/nodeswarm} snapshots=/run/node/snapshots key=/run/node/producer-key
		slot=$(nodeswarm status | awk '$1 ~ /^readers/ && $2 == "node1" && !found++ { sub(/.*[.]/, "", $1); print $1 }')
	fi
	cat <<-END

		The chain is a simulation for development. To try, in the shell of the first line$(is_swarm && echo ', which is on node1'):

		  ${sudo}$root/scripts/quickstart.sh --shell
		  curl -i $url/v1/chain/get_info
		  nodeswarm status
		  docker service update --replicas 10 ${stack}_readers
		  nodeswarm logs readers.1
		  nodeswarm check
		  nodeswarm load $url -d 5s
		A data-dir is destroyed, and heals:
		  rm -r $pool/services/${stack}_readers/${slot:-1}/data/*
		  docker kill \$(docker ps -q --filter 'name=${stack}_readers[.]${slot:-1}[.]')
		  nodeswarm status --watch
		The chain's history, proved:
		  nodeswarm replay manifest generate $snapshots --block-space-between-slices 5 -o manifest.json
		  nodeswarm replay run manifest.json -n 2 -f $root/stacks/replay.yml --certificate certificate.json
		  nodeswarm replay certificate verify certificate.json
		A producer with a standby takes the chain over from 'devchain':
		  docker secret create --label $label producer-key $key
		  nodeswarm producer pause && $root/scripts/start_bp.sh 1
		  nodeswarm stop devchain && nodeswarm producer resume
		  nodeswarm producer failover
	END
	if is_swarm; then
		cat <<-END
			The hosts' ports, closed to strangers:
			  nodeswarm firewall apply --all && nodeswarm firewall verify --all
			A host loses power, and its readers go elsewhere (outside of that shell):
			  ${sudo}$root/scripts/private-swarm.sh poweroff $dir/swarm $nodes
		END
	else
		cat <<-END
			This machine's ports, closed to strangers (it shows first what would change):
			  nodeswarm firewall plan
			  nodeswarm firewall apply && nodeswarm firewall verify
		END
	fi
	cat <<-END
		All of this, removed (outside of that shell):
		  ${sudo}$root/scripts/quickstart.sh --down
	END
}

# --- the shell -----------------------------------------------------------------------------------

# Does not return.
shell()
{
	[ -e "$dir/env" ] || die "there is no cluster of quickstart in '$dir': run scripts/quickstart.sh first"
	# shellcheck source=/dev/null
	. "$dir/env"
	[ $# -gt 0 ] || set -- "${SHELL:-bash}"
	if is_swarm; then
		export NODESWARM_QUICKSTART_HOST=node1
		exec "$root/scripts/private-swarm.sh" exec "$dir/swarm" 1 "$@"
	fi
	exec "$@"
}

# --- down --------------------------------------------------------------------------------------

no_containers()
{
	[ -z "$(docker ps -aq --filter "label=com.docker.stack.namespace=$stack")" ]
}

remove_services()
{
	local end=$((SECONDS + 90)) thing
	[ "$(get stack)" = made ] || return 0
	if [ -x "$root/build/nodeswarm" ]; then
		NODESWARM_POOL=$(get pool_dir) nodeswarm down || true
	fi
	docker stack rm "$stack" >/dev/null 2>&1 || true
	until no_containers; do
		[ "$SECONDS" -lt "$end" ] || die "containers of '$stack' still run: wait for them and try again"
		sleep 0.5
	done
	[ "$(get token)" != made ] || docker secret rm "$token" >/dev/null 2>&1 || true
	for thing in $leftovers; do
		[ "$(get "$thing")" != made ] || docker "${thing%%:*}" rm "${thing#*:}" >/dev/null 2>&1 || true
	done
	remove_producers
	say 'services: gone'
}

# What a producer has beside that has no name of ours: the key, and the lease's claim of it.
remove_producers()
{
	{
		docker secret ls -q --filter "label=$label" | xargs -r docker secret rm
		[ "$(get "config:nodeswarm-lease-$lease")" != made ] ||
			docker config ls -q --filter name=nodeswarm-lease-key- --filter "label=nodeswarm.lease.holder=$lease" | xargs -r docker config rm
	} >/dev/null 2>&1 || true
}

# Its mount, file and unit.
remove_image()
{
	local pool=$1 unit
	if mountpoint -q "$pool"; then
		umount "$pool" || die "'$pool' is in use: end what uses it and try again"
	fi
	rm -f "$dir/pool.img" "$pool/.nodeswarm-not-mounted"
	unit=$(grep -lxF "Where=$pool" /etc/systemd/system/*.mount 2>/dev/null) || return 0
	rm -f "$unit" /etc/systemd/system/*.{wants,requires}/"${unit##*/}"
	rmdir /etc/systemd/system/{local-fs.target.wants,docker.service.requires} 2>/dev/null || true
	[ ! -d /run/systemd/system ] || systemctl daemon-reload
}

# The slots that quickstart made; the pool only if it made that, and nobody else uses it.
remove_pool()
{
	local pool service others
	pool=$(get pool_dir)
	[ -n "$pool" ] && [ -d "$pool" ] || return 0
	for service in $slots; do
		[ "$(get "slots_$service")" != made ] || rm -rf --one-file-system "$pool/services/${stack}_$service"
	done
	[ "$(get pool)" = made ] || return 0
	others=$(find "$pool/services" -mindepth 1 -maxdepth 1 -printf '%f ' 2>/dev/null || true)
	if [ -n "$others" ]; then
		say "pool: $pool stays, because others use it: $others"
		return
	fi
	if [ -n "$(get pool_image)" ]; then
		remove_image "$pool"
	fi
	find "$pool" -mindepth 1 -xdev -delete
	[ "$(get pool_parent)" != made ] || rmdir "$pool"
	say "pool: $pool is gone"
}

# things_left KIND: what the swarm has of that kind. Leaving forgets it all, and a secret comes back from nowhere.
things_left()
{
	case $1 in
	network) docker network ls --filter scope=swarm --format '{{.Name}}' | sed '/^ingress$/d' ;;
	node) docker node ls --format '{{.Hostname}} {{.Self}}' | sed -n 's/ false$//p' ;;
	*) docker "$1" ls --format '{{.Name}}' ;;
	esac
}

leave_swarm()
{
	local kind name names others=''
	[ "$(get swarm)" = made ] && [ "$(docker info -f '{{.Swarm.LocalNodeState}}')" = active ] || return 0
	for kind in service secret config network node; do
		names=$(things_left "$kind") || die "the swarm does not tell what others have in it: try again when it does"
		for name in $names; do
			others+=", $kind $name"
		done
	done
	if [ -n "$others" ]; then
		say "swarm: stays, because others use it: ${others#, } ('docker swarm leave --force' forgets all of it)"
		return
	fi
	quietly docker swarm leave --force
	if [ "$(get gwbridge)" = made ]; then
		quietly docker network rm docker_gwbridge || true
	fi
	say 'swarm: left'
}

# Of an engine that is not ours any more, too: the tables are the machine's.
has_firewall()
{
	{ iptables-save || true; ip6tables-save || true; } 2>/dev/null | grep '^:NODESWARM-' >/dev/null
}

# After the services. With a private engine all goes.
remove_firewall()
{
	local others=''
	[ "$(get firewall)" = made ] && has_firewall || return 0
	[ "$(get engine)" = private ] || others=$(docker service ls --format '{{.Name}}' 2>/dev/null | tr '\n' ' ') || true
	if [ -n "$others" ]; then
		say "firewall: stays, because other services are behind it: $others('nodeswarm firewall remove' removes it)"
		return
	fi
	[ -x "$root/build/nodeswarm" ] || die "this machine has the firewall of 'nodeswarm firewall apply': remove it with 'nodeswarm firewall remove'"
	NODESWARM_POOL=$(get pool_dir) quietly nodeswarm firewall remove
	say 'firewall: removed'
}

remove_files()
{
	rm -rf --one-file-system "$dir/snapshots"
	rm -f "$dir"/{env,env.new,producer-key,image.tar,image.tar.tmp,state.new}
	rm -f "$state"
}

down()
{
	if [ ! -e "$state" ]; then
		say "there is nothing that quickstart made: no '$state'"
		return
	fi
	# All that it made is in there, and a swarm without a quorum could not be asked to end anything.
	if is_swarm; then
		swarm down
		say 'hosts: gone, with their data'
		remove_files
		say 'done'
		return
	fi
	DOCKER_HOST=$(get host)
	export DOCKER_HOST
	if [ -n "$DOCKER_HOST" ] && answers "$DOCKER_HOST"; then
		remove_services
		[ "$(get image)" != made ] || quietly docker image rm "$image" || true
		[ "$(get front_image)" != made ] || quietly docker image rm "$front_image" || true
	elif [ "$(get engine)" = found ]; then
		die "the engine at '$DOCKER_HOST' does not answer, and services of quickstart are in it: start it and try again"
	fi
	remove_firewall
	case $(get engine) in
	found) leave_swarm ;;
	private)
		"$root/scripts/private-engine.sh" stop "$dir"
		say 'engine: stopped, its data is gone'
		;;
	esac
	remove_pool
	remove_files
	say 'done'
}

case "${1-} $#" in
' 0') action=up ;;
'--nodes 2')
	action=up nodes=$2
	[[ $nodes =~ ^[1-5]$ ]] || { echo "quickstart.sh: --nodes takes 1 to 5, not '$nodes'" >&2 && exit 2; }
	;;
'--down 1') action=down ;;
'--shell '*) action=shell ;;
'-h 1' | '--help 1') sed -n '2,/^set -/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \{0,1\}//' && exit 0 ;;
*) echo "quickstart.sh: unknown arguments '$*', see -h" >&2 && exit 2 ;;
esac
if [ "$(id -u)" != 0 ]; then
	type -P sudo >/dev/null || die 'needs root, and there is no sudo'
	exec sudo --preserve-env=NODESWARM_QUICKSTART_DIR,NODESWARM_QUICKSTART_CGROUP,NODESWARM_POOL,NODESWARM_FRONT_PORT,NODESWARM_FRONT_P2P_PORT,DOCKER_HOST,READERS "$root/scripts/quickstart.sh" "$@"
fi
PATH=$PATH:/usr/sbin:/sbin
if [ -n "${NODESWARM_QUICKSTART_HOST-}" ]; then
	die "this is the shell of $NODESWARM_QUICKSTART_HOST, a host that quickstart made: leave it first"
fi
if [ "$action" = shell ]; then
	shift
	shell "$@"
fi
if [ "$action" = up ]; then
	mkdir -p "$dir"
fi
if [ -d "$dir" ]; then
	exec 9>>"$dir/lock"
	flock -n 9 || die "another quickstart is at work in '$dir'"
fi
# A directory without notes is of no use.
trap '[ -e "$state" ] || [ -s "$dir/lock" ] || { rm -f "$dir/lock" && rmdir "$dir"; } 2>/dev/null || true' EXIT
"$action"
