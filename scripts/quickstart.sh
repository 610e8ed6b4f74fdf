#!/usr/bin/env bash
# quickstart.sh - a development chain and four readers on this machine
#
# usage: scripts/quickstart.sh           set all of it up; harmless when it is there already
#        scripts/quickstart.sh --down    remove all that it made, and nothing else
#
# For Debian 12 and Ubuntu, as root or with sudo. Installs what is missing, builds, uses the Docker
# Engine that answers here, or starts a private one below NODESWARM_QUICKSTART_DIR (default
# /var/lib/nodeswarm-quickstart), makes it a swarm of one node, builds the simulator's image, and
# waits until four readers serve. The chain is SIMULATED and signs with a key that everybody knows.
#
#	NODESWARM_QUICKSTART_DIR    directory of the notes and of the private engine
#	NODESWARM_POOL              directory of the data-dirs (default /var/lib/nodeswarm)
#	DOCKER_HOST                 engine to use: a unix:// socket of this machine
#	READERS                     how many (4)
#
# What it made is noted in the file "state" there, before it is made.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dir=$(realpath -m "${NODESWARM_QUICKSTART_DIR:-/var/lib/nodeswarm-quickstart}")
state=$dir/state
stack=nodeswarm
image=nodeswarm/nodesim:latest
files=(-f "$root/stacks/devchain.yml" -f "$root/stacks/readers.yml")

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

find_engine()
{
	local host=${DOCKER_HOST:-unix:///var/run/docker.sock}
	case $(get engine) in
	private)
		host=unix://$dir/docker.sock
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
			put engine found
			say "engine: $host, which runs already"
		elif [ -n "${DOCKER_HOST-}" ]; then
			die "no engine answers at '$host' of DOCKER_HOST: unset it and quickstart starts a private one"
		else
			host=unix://$dir/docker.sock
			put host "$host"
			put engine private
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
	[ -z "$(get stack)" ] || return 0
	[ -z "$(docker service ls -q --filter "label=com.docker.stack.namespace=$stack")" ] ||
		die "the engine has services of a stack '$stack' already, not from quickstart: remove them ('nodeswarm down'), or set DOCKER_HOST to another engine"
	put stack made
}

need_image()
{
	if [ -z "$(get image)" ]; then
		put image "$(made_unless docker image inspect "$image")"
	fi
	say "image: $("$root/docker/build-image.sh" --sim --tag "$image" "$root/build/nodeswarm")"
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
		for service in readers devchain; do
			put "slots_$service" "$(made_unless test -d "$pool/services/${stack}_$service")"
		done
		put pool_parent "$(made_unless test -d "$pool")"
		put pool "$(made_unless test -e "$pool/pool.json")"
	fi
	export NODESWARM_POOL=$pool
	quietly "$root/build/nodeswarm" pool init "$pool"
	say "pool: $pool"
}

up()
{
	type -P apt-get dpkg-query >/dev/null || die 'this is neither Debian nor Ubuntu: see README.md for what to install'
	if ! "$root/scripts/install-deps.sh" -n build run >/dev/null; then
		say "packages: installing $("$root/scripts/install-deps.sh" -n build run | tr '\n' ' ')"
		quietly "$root/scripts/install-deps.sh" build run
	fi
	say 'packages: all there'
	quietly build
	say 'build: done'

	find_engine
	need_swarm
	need_stack
	need_image
	need_pool
	say "readers: starting, which takes half a minute"
	READERS=${READERS:-4} NODESWARM_PEERS=devchain:9876 NODESWARM_IMAGE=$image NODESWARM_NODEOS=nodesim \
		"$root/build/nodeswarm" up "${files[@]}"
	say 'readers: they serve'
	echo
	"$root/build/nodeswarm" status
	tips
}

tips()
{
	local sudo=${SUDO_USER:+sudo }
	cat <<-END

		The chain is a simulation for development. To try:

		  export DOCKER_HOST=$DOCKER_HOST
		  ${sudo:+${sudo}-E }$root/build/nodeswarm status --watch
		  ${sudo}docker -H $DOCKER_HOST service update --replicas 6 ${stack}_readers
		  ${sudo:+${sudo}-E }$root/build/nodeswarm scale readers=2
		  ${sudo:+${sudo}-E }$root/build/nodeswarm logs readers.1
		  ${sudo}$root/scripts/quickstart.sh --down      # removes all of this
	END
}

# --- down --------------------------------------------------------------------------------------

no_containers()
{
	[ -z "$(docker ps -aq --filter "label=com.docker.stack.namespace=$stack")" ]
}

remove_services()
{
	local end=$((SECONDS + 90))
	[ "$(get stack)" = made ] || return 0
	if [ -x "$root/build/nodeswarm" ]; then
		NODESWARM_POOL=$(get pool_dir) "$root/build/nodeswarm" down || true
	fi
	docker stack rm "$stack" >/dev/null 2>&1 || true
	until no_containers; do
		[ "$SECONDS" -lt "$end" ] || die "containers of '$stack' still run: wait for them and try again"
		sleep 0.5
	done
	say 'services: gone'
}

# The slots that quickstart made; the pool only if it made that, and nobody else uses it.
remove_pool()
{
	local pool service others
	pool=$(get pool_dir)
	[ -n "$pool" ] && [ -d "$pool" ] || return 0
	for service in readers devchain; do
		[ "$(get "slots_$service")" != made ] || rm -rf --one-file-system "$pool/services/${stack}_$service"
	done
	[ "$(get pool)" = made ] || return 0
	others=$(find "$pool/services" -mindepth 1 -maxdepth 1 -printf '%f ' 2>/dev/null || true)
	if [ -n "$others" ]; then
		say "pool: $pool stays, because others use it: $others"
		return
	fi
	find "$pool" -mindepth 1 -xdev -delete
	[ "$(get pool_parent)" != made ] || rmdir "$pool"
	say "pool: $pool is gone"
}

leave_swarm()
{
	[ "$(get swarm)" = made ] && [ "$(docker info -f '{{.Swarm.LocalNodeState}}')" = active ] || return 0
	if [ -n "$(docker service ls -q)" ]; then
		say 'swarm: stays, because other services use it'
		return
	fi
	quietly docker swarm leave --force
	if [ "$(get gwbridge)" = made ]; then
		quietly docker network rm docker_gwbridge || true
	fi
	say 'swarm: left'
}

down()
{
	if [ ! -e "$state" ]; then
		say "there is nothing that quickstart made: no '$state'"
		return
	fi
	DOCKER_HOST=$(get host)
	export DOCKER_HOST
	if [ -n "$DOCKER_HOST" ] && answers "$DOCKER_HOST"; then
		remove_services
		[ "$(get image)" != made ] || quietly docker image rm "$image" || true
		[ "$(get engine)" = private ] || leave_swarm
	elif [ "$(get engine)" = found ]; then
		die "the engine at '$DOCKER_HOST' does not answer, and services of quickstart are in it: start it and try again"
	fi
	if [ "$(get engine)" = private ]; then
		"$root/scripts/private-engine.sh" stop "$dir"
		say 'engine: stopped, its data is gone'
	fi
	remove_pool
	rm -f "$state"
	say 'done'
}

case "${1-} $#" in
' 0') action=up ;;
'--down 1') action=down ;;
'-h 1' | '--help 1') sed -n '2,/^set -/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \{0,1\}//' && exit 0 ;;
*) echo "quickstart.sh: unknown arguments '$*', see -h" >&2 && exit 2 ;;
esac
if [ "$(id -u)" != 0 ]; then
	type -P sudo >/dev/null || die 'needs root, and there is no sudo'
	exec sudo --preserve-env=NODESWARM_QUICKSTART_DIR,NODESWARM_QUICKSTART_CGROUP,NODESWARM_POOL,DOCKER_HOST,READERS "$root/scripts/quickstart.sh" "$@"
fi
PATH=$PATH:/usr/sbin:/sbin
if [ "$action" = up ]; then
	mkdir -p "$dir"
fi
if [ -d "$dir" ]; then
	exec 9>"$dir/lock"
	flock -n 9 || die "another quickstart is at work in '$dir'"
fi
# A directory without notes is of no use.
trap '[ -e "$state" ] || { rm -f "$dir/lock" && rmdir "$dir"; } 2>/dev/null || true' EXIT
"$action"
