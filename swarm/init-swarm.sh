#!/usr/bin/env bash
# init-swarm.sh - make the first host of a swarm
#
# usage: swarm/init-swarm.sh [OPTION...] [-- PREPARE-OPTION...]
#
#   --advertise-addr ADDRESS   the address or interface that the other hosts reach this one by
#   --address-pool CIDR        where overlay networks get their subnets; must hold no host's address
#                              (default 10.201.0.0/16, or 10.202.0.0/16 if this host is in that)
#   --images FILE              an archive from save-images.sh to load; may be given several times
#   --no-prepare               do not run prepare-host.sh
#   --dry-run                  only say what would be done
#
# What follows -- goes to prepare-host.sh. Run again it changes nothing. How the others join:
#
#   docker swarm join-token -q worker >token        (or manager)
#   ssh root@HOST swarm/join-swarm.sh --token-file - ADDRESS:2377 <token
#
# There is no --undo: leaving the swarm on its last manager forgets all services. That is
# "docker swarm leave --force".
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=swarm/common.sh
. "$here/common.sh"

advertise='' address_pool='' prepare=1 images=()
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help) usage && exit 0 ;;
	--advertise-addr) value "$@" && advertise=$2 && shift ;;
	--address-pool) value "$@" && address_pool=$2 && shift ;;
	--images) value "$@" && images+=("$2") && shift ;;
	--no-prepare) prepare='' ;;
	--dry-run) dry=1 ;;
	--) shift && break ;;
	*) usage_error "unknown option '$1'" ;;
	esac
	shift
done
need_root
need_engine

init()
{
	local args=()
	if [ -z "$address_pool" ]; then
		address_pool=10.201.0.0/16
		case "$advertise $(hostname -I 2>/dev/null)" in
		*10.201.*) address_pool=10.202.0.0/16 ;;
		esac
	fi
	[ -z "$advertise" ] || args+=(--advertise-addr "$advertise")
	# Its output has the token that lets anybody join.
	if [ -n "$dry" ]; then
		say "would run: docker swarm init ${args[*]} --default-addr-pool $address_pool"
	else
		docker swarm init "${args[@]}" --default-addr-pool "$address_pool" >/dev/null
		say "a swarm of one manager, $(docker info -f '{{.Swarm.NodeAddr}}')"
	fi
}

case $(swarm_state) in
active) say 'this host is in a swarm already' ;;
inactive) init ;;
*) die "the swarm is '$(swarm_state)': see docker info" ;;
esac
load_images "${images[@]}"
[ -z "$prepare" ] || "$here/prepare-host.sh" ${dry:+--dry-run} "$@"
