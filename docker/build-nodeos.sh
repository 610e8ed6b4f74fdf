#!/usr/bin/env bash
# build-nodeos.sh - build the image of a real nodeos from its Debian package
#
# usage: docker/build-nodeos.sh --deb FILE|URL --sha256 HEX [--base IMAGE] [--engine SOCKET]
#                               [--tag NAME] [--program FILE] [--network MODE]
#
#   --deb FILE|URL   the package, such as one of the releases of Leap or Spring
#   --sha256 HEX     its checksum; nothing is built without, or from a package with another
#   --base IMAGE     image to install it in (default debian:12-slim)
#   --engine SOCKET  engine that builds: a socket path or a DOCKER_HOST value (default $DOCKER_HOST)
#   --tag NAME       name of the image (default nodeswarm/nodeos:latest)
#   --program FILE   the nodeswarm to put in (default build/nodeswarm, or the one in PATH)
#   --network MODE   network of the build (default: the engine's); "none" will do when the base
#                    has all that the package depends on
#
# Uses the classic builder. nodeswarm goes to /usr/lib/nodeswarm with its libraries, so the base
# may be older or newer than this machine. Prints the name, id and size.
set -euo pipefail
umask 022

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=docker/common.sh
. "$root/docker/common.sh"

deb='' sum='' base=debian:12-slim engine='' tag=nodeswarm/nodeos program='' network=default
while [ $# -gt 0 ]; do
	case $1 in
	--deb) deb=${2:?--deb needs a file or URL} && shift 2 ;;
	--sha256) sum=${2:?--sha256 needs a checksum} && shift 2 ;;
	--base) base=${2:?--base needs an image} && shift 2 ;;
	--engine) engine=${2:?--engine needs a socket} && shift 2 ;;
	--tag) tag=${2:?--tag needs a name} && shift 2 ;;
	--program) program=${2:?--program needs a file} && shift 2 ;;
	--network) network=${2:?--network needs a mode} && shift 2 ;;
	-h | --help) print_help && exit 0 ;;
	*) usage_error "unknown argument '$1'" ;;
	esac
done
[ -n "$deb" ] || usage_error 'no package named with --deb'
[ -n "$sum" ] || usage_error "no --sha256: the checksum of '$deb' must be given, from a source that you trust"
sum=${sum,,}
[[ $sum =~ ^[0-9a-f]{64}$ ]] || usage_error "'$sum' is no SHA-256: 64 hexadecimal digits"
tag=$(check_tag "$tag")
if [ -z "$program" ]; then
	program=$root/build/nodeswarm
	[ -x "$program" ] || program=$(type -P nodeswarm) || die "no nodeswarm in '$root/build' or in PATH: run make first"
fi
program=$(realpath -e -- "$program") || die "no '$program': run make first"
type -P patchelf >/dev/null || die "no 'patchelf' here: run scripts/install-deps.sh run"
use_engine "$engine"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
context=$work/context
mkdir -p "$context/nodeswarm"
case $deb in
http://* | https://*) curl -fsSL --retry 3 --proto '=http,https' -o "$context/nodeos.deb" "$deb" || die "cannot fetch '$deb'" ;;
*) cp "$deb" "$context/nodeos.deb" || die "cannot read '$deb'" ;;
esac
actual=$(sha256sum "$context/nodeos.deb" | cut -d' ' -f1)
[ "$actual" = "$sum" ] || die "'$deb' has the SHA-256 $actual, not $sum: it is not the package you named"
package=$(dpkg-deb --show "$context/nodeos.deb" 2>/dev/null) || die "'$deb' is no Debian package"
package=${package/$'\t'/ }

# The rpath must reach libraries of libraries, too: only DT_RPATH does, hence --force-rpath.
dir=/usr/lib/nodeswarm
loader=$(interpreter_of "$program")

# add PROGRAM FILE: FILE as PROGRAM of the context, with its libraries and their loader.
add()
{
	install -m 755 "$2" "$context/nodeswarm/$1"
	[ -n "$loader" ] || return 0
	libraries_of "$2" >"$work/libs"
	while read -r lib; do
		install -m 755 "$lib" "$context/nodeswarm/"
	done <"$work/libs"
	patchelf --set-interpreter "$dir/${loader##*/}" --force-rpath --set-rpath "$dir" "$context/nodeswarm/$1"
}
add nodeswarm "$program"
# For the agent, which is to keep a firewall; one program has many names.
mkdir "$context/nodeswarm/xtables" "$context/nodeswarm/sbin"
if extensions=$(iptables_extensions); then
	for name in $IPTABLES_PROGRAMS; do
		add "$name" "$(iptables_program "$name")"
	done
	iptables_names | while read -r name of; do
		ln -s "../$of" "$context/nodeswarm/sbin/$name"
	done
	install -m 755 "$extensions"/*.so "$context/nodeswarm/xtables/"
	libraries_of "$extensions"/*.so | while read -r lib; do
		install -m 755 "$lib" "$context/nodeswarm/"
	done
fi
cp "$root/docker/nodeos/Dockerfile" "$context/"

docker image inspect "$base" >/dev/null 2>&1 || echo "build-nodeos.sh: the engine does not have '$base' and will look for it in a registry" >&2
DOCKER_BUILDKIT=0 docker build --quiet --network "$network" --build-arg "BASE=$base" --tag "$tag" \
	--label org.opencontainers.image.title=nodeos --label "nodeswarm.package=$package" \
	--label "nodeswarm.package.sha256=$sum" "$context" >"$work/log" 2>&1 || {
	cat "$work/log" >&2
	die 'the build failed'
}
read -r id size < <(docker image inspect -f '{{.Id}} {{.Size}}' "$tag")
echo "$tag $id $(megabytes "$size") ($package)"
