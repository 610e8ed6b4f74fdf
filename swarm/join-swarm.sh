#!/usr/bin/env bash
# join-swarm.sh - let this host join a swarm, as worker or manager
#
# usage: swarm/join-swarm.sh --token-file FILE [OPTION...] MANAGER:2377 [-- PREPARE-OPTION...]
#        swarm/join-swarm.sh --undo [--lost]
#
#   --token-file FILE          the join token, "-" for standard input; of a worker or a manager, which
#                              decides what this host becomes. It never stands on a command line.
#   --advertise-addr ADDRESS   the address or interface that the others reach this host by
#   --images FILE              an archive from save-images.sh to load, before joining; may be given
#                              several times. Image ids are compared with FILE.ids.
#   --no-prepare               do not run prepare-host.sh
#   --dry-run                  only say what would be done
#   --undo                     leave the swarm; refused while tasks of it run here
#   --lost                     with --undo, on a manager whose swarm has no leader any more, or was begun
#                              anew without it: stop the chain nodes here cleanly, and forget that swarm.
#                              Whether there is a leader is asked for 16 s
#
# The token: "docker swarm join-token -q worker" on a manager. Run again it changes nothing.
# With a firewall ('nodeswarm firewall apply --all') the managers' 2377 is open to nodes only, and this
# host is none yet: first put "node ADDRESS" of this host into the file of additions and apply it, on a
# manager. Once it has joined, nodeswarm-firewall-follow.service takes it over.
# Labels of a host are set on a manager: label-node.sh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=swarm/common.sh
. "$here/common.sh"

token_file='' manager='' advertise='' prepare=1 undo='' lost='' images=()
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help) usage && exit 0 ;;
	--token-file) value "$@" && token_file=$2 && shift ;;
	--advertise-addr) value "$@" && advertise=$2 && shift ;;
	--images) value "$@" && images+=("$2") && shift ;;
	--no-prepare) prepare='' ;;
	--dry-run) dry=1 ;;
	--undo) undo=1 ;;
	--lost) lost=1 ;;
	--) shift && break ;;
	-*) usage_error "unknown option '$1'" ;;
	*) [ -z "$manager" ] || usage_error "one manager, not '$1' as well" && manager=$1 ;;
	esac
	shift
done
[ -z "$lost" ] || [ -n "$undo" ] || usage_error '--lost goes with --undo'
need_root
need_engine
PATH=$PATH:$here/../build:/usr/local/lib/nodeswarm

leave()
{
	local tasks
	[ "$(swarm_state)" != inactive ] || { say 'this host is in no swarm' && return; }
	tasks=$(docker ps -q --filter label=com.docker.swarm.task.id | wc -l)
	if [ -n "$lost" ]; then
		leave_lost "$tasks"
		return
	fi
	[ "$tasks" = 0 ] || die "$tasks tasks run here: on a manager, docker node update --availability drain $(hostname)"
	[ "$(docker info -f '{{.Swarm.ControlAvailable}}')" = false ] ||
		die "this host is a manager: docker node demote $(hostname), first (if the swarm has no leader any more: --undo --lost)"
	run docker swarm leave
	[ -n "$dry" ] || say "left; on a manager: docker node rm $(hostname)"
}

# leave_lost TASKS: managers that answer can be asked to demote this one.
leave_lost()
{
	local pool i
	[ "$(swarm_state)" != locked ] || die 'the swarm is locked, which is not lost: docker swarm unlock'
	[ "$(swarm_state)" != active ] || [ "$(docker info -f '{{.Swarm.ControlAvailable}}')" = true ] ||
		die 'this host is a worker, which finds its swarm by itself: --undo without --lost'
	# Managers that elect have none for seconds.
	for ((i = 0; i < 5; i++)); do
		((i == 0)) || sleep 4
		! docker node ls >/dev/null 2>&1 || die "the swarm has a leader: docker node demote $(hostname), then --undo without --lost"
	done
	# Leaving ends containers without waiting for a flush.
	if [ "$1" != 0 ]; then
		need nodeswarm
		pool=${NODESWARM_POOL:-$(sed -n 's/^RequiresMountsFor=//p' /etc/systemd/system/docker.service.d/60-nodeswarm.conf 2>/dev/null || true)}
		run nodeswarm ${pool:+--pool "$pool"} quiesce --local --all
	fi
	run docker swarm leave --force
	[ -n "$dry" ] || say 'left, and what this host knew of that swarm is gone'
}

socket()
{
	local host=${DOCKER_HOST:-unix:///var/run/docker.sock}
	case $host in
	unix://*) echo "${host#unix://}" ;;
	*) die "DOCKER_HOST must be this host's own engine, through its unix socket" ;;
	esac
}

read_token()
{
	local token
	if [ "$token_file" = - ]; then
		IFS= read -r token || true
	else
		IFS= read -r token <"$token_file" || true
	fi
	[[ $token =~ ^SWMTKN-1-[a-z0-9-]+$ ]] || die 'that is no join token (SWMTKN-1-...)'
	printf '%s' "$token"
}

# By the API and not "docker swarm join", which takes the token as an argument for all to see.
join()
{
	local token answer status
	token=$(read_token)
	if [ -n "$dry" ]; then
		say "would join the swarm of $manager"
		return
	fi
	answer=$(printf '{"ListenAddr":"0.0.0.0:2377","AdvertiseAddr":"%s","RemoteAddrs":["%s"],"JoinToken":"%s"}' \
		"$advertise" "$manager" "$token" |
		curl -s -m 120 --unix-socket "$(socket)" -H 'Content-Type: application/json' -d @- \
			-w '\n%{http_code}' http://engine/swarm/join) || die "the engine did not answer"
	status=${answer##*$'\n'}
	[ "$status" = 200 ] || die "not joined: ${answer%$'\n'*}"
	say "joined the swarm of $manager"
}

if [ -n "$undo" ]; then
	leave
	exit 0
fi
[[ $manager =~ ^[][A-Za-z0-9.:-]+:[0-9]+$ ]] || usage_error 'name a manager: HOST:2377'
[[ $advertise =~ ^[A-Za-z0-9.:-]*$ ]] || usage_error "'$advertise' is neither an address nor an interface"
load_images "${images[@]}"
case $(swarm_state) in
active) say 'this host is in a swarm already' ;;
inactive)
	[ -n "$token_file" ] || usage_error '--token-file is missing'
	need curl
	# A member without a pool gets tasks that need one.
	[ -z "$prepare" ] || need nodeswarm
	join
	;;
*) die "the swarm is '$(swarm_state)': see docker info; if it is lost, or was begun anew without this host: --undo --lost, first" ;;
esac
[ -z "$prepare" ] || "$here/prepare-host.sh" ${dry:+--dry-run} "$@"
