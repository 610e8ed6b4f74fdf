#!/usr/bin/env bash
# save-images.sh - save the images that stack files name, for hosts without a registry
#
# usage: swarm/save-images.sh -o ARCHIVE -f STACK [-f STACK...] [IMAGE...]
#
#   -o ARCHIVE   where to write them; ARCHIVE.ids gets a line "NAME ID" for each
#   -f STACK     a stack file, read with the same environment as "nodeswarm up" is
#   --dry-run    only print the names and ids
#
# On the other hosts: swarm/join-swarm.sh --images ARCHIVE, or docker load -i ARCHIVE.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=swarm/common.sh
. "$here/common.sh"
PATH=$PATH:$here/../build

archive='' files=() names=()
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help) usage && exit 0 ;;
	-o) value "$@" && archive=$2 && shift ;;
	-f) value "$@" && files+=(-f "$2") && shift ;;
	--dry-run) dry=1 ;;
	-*) usage_error "unknown option '$1'" ;;
	*) names+=("$1") ;;
	esac
	shift
done
[ -n "$archive" ] || [ -n "$dry" ] || usage_error '-o ARCHIVE is missing'
need nodeswarm
need_engine
if [ "${#files[@]}" -gt 0 ]; then
	list=$(nodeswarm images "${files[@]}")
	mapfile -t -O "${#names[@]}" names <<<"$list"
fi
[ "${#names[@]}" -gt 0 ] || usage_error 'no image: give -f STACK or names'

ids=$(for name in "${names[@]}"; do
	id=$(docker image inspect -f '{{.Id}}' "$name" 2>/dev/null) || die "image '$name' is not here: build or pull it first"
	echo "$name $id"
done)
if [ -z "$dry" ]; then
	# A half-written archive must not be taken for one.
	docker save -o "$archive.tmp" "${names[@]}"
	echo "$ids" >"$archive.ids"
	mv -f "$archive.tmp" "$archive"
fi
echo "$ids"
