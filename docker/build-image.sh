#!/usr/bin/env bash
# build-image.sh - build an image from programs of this machine, without registry or "docker build"
#
# usage: docker/build-image.sh [--engine SOCKET] [--tag NAME] [--sim] [--output FILE] [PROGRAM...]
#        docker/build-image.sh [--engine SOCKET] [--tag NAME] --front [--output FILE]
#
#   --engine SOCKET  engine to load into: a socket path or a DOCKER_HOST value (default $DOCKER_HOST)
#   --tag NAME       name of the image (default nodeswarm/nodeswarm:latest; with --sim
#                    nodeswarm/nodesim:latest, with --front nodeswarm/front:latest)
#   --sim            add nodesim from beside the first PROGRAM, and label the image as simulator
#   --front          haproxy, which scripts/install-deps.sh has unpacked or this machine has, for
#                    stacks/front.yml
#   --output FILE    write the archive for "docker load" to FILE and load nothing
#   --quiet          print nothing but errors
#
# The image holds the PROGRAMs (default build/nodeswarm) in /usr/bin, the shared libraries that ldd
# names, the dynamic loader, the few files of /etc that resolving names and users needs, and this
# machine's certificate authorities, for references by https (not with --front). With nodeswarm come
# the programs of iptables and their extensions, for the agent. The first PROGRAM is the entry point.
# The same input gives the same image id, on every machine.
# Prints the name, id and size.
set -euo pipefail
umask 022

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=docker/common.sh
. "$root/docker/common.sh"

engine='' tag='' sim='' front='' output='' quiet=''
while [ $# -gt 0 ]; do
	case $1 in
	--engine) engine=${2:?--engine needs a socket} && shift 2 ;;
	--tag) tag=${2:?--tag needs a name} && shift 2 ;;
	--output) output=${2:?--output needs a file} && shift 2 ;;
	--sim) sim=1 && shift ;;
	--front) front=1 && shift ;;
	--quiet) quiet=1 && shift ;;
	-h | --help) print_help && exit 0 ;;
	--) shift && break ;;
	-*) usage_error "unknown option '$1'" ;;
	*) break ;;
	esac
done
# An unpacked package: its files are where they would be installed, below $unpacked.
unpacked=$root/build/packages/haproxy
if [ -n "$front" ]; then
	if [ $# -gt 0 ] || [ -n "$sim" ]; then
		usage_error '--front takes no programs and no --sim'
	fi
	PATH=$unpacked/usr/sbin:$PATH:/usr/sbin:/sbin
	type -P haproxy >/dev/null || die "no 'haproxy' here: run scripts/install-deps.sh run"
	set -- haproxy
fi
if [ $# = 0 ]; then
	# Installed, and not in a source tree, there is no build/.
	set -- "$root/build/nodeswarm"
	[ -x "$1" ] || set -- "$(type -P nodeswarm || echo "$1")"
fi
[ -z "$sim" ] || set -- "$@" "$(dirname "$1")/nodesim"
if [ -z "$tag" ]; then
	tag=nodeswarm/nodeswarm
	[ -z "$sim" ] || tag=nodeswarm/nodesim
	[ -z "$front" ] || tag=nodeswarm/front
fi
tag=$(check_tag "$tag")
[ -n "$output" ] || use_engine "$engine"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fs=$work/fs
mkdir -p "$fs"/{etc/nodeswarm,usr/bin,usr/lib,tmp,var/lib/nodeswarm,dev,proc,sys,run}
chmod 1777 "$fs/tmp"

# /bin, /lib ... are links into /usr where they are here, so that both spellings of a path work.
for d in bin sbin lib lib64; do
	if [ -L "/$d" ]; then
		ln -s "usr/$d" "$fs/$d"
		mkdir -p "$fs/usr/$d"
	fi
done

# put FILE PATH: FILE, links followed, at PATH of the image. PATH's directory may be a link.
put()
{
	local dir
	dir=$(realpath -m "$(dirname "$2")")
	mkdir -p "$fs$dir"
	install -m 755 "$1" "$fs$dir/$(basename "$2")"
}

# put_libraries FILE...: what the loader maps for them.
put_libraries()
{
	local lib nss
	libraries_of "$@" >"$work/libs"
	while read -r lib; do
		[ ! -e "$fs$(realpath -m "${lib#"$unpacked"}")" ] || continue
		put "$lib" "${lib#"$unpacked"}"
		# glibc loads these by name, for DNS and user names; ldd cannot know.
		if [[ $lib == */libc.so.* ]]; then
			for nss in libnss_files.so.2 libnss_dns.so.2 libresolv.so.2; do
				[ ! -e "${lib%/*}/$nss" ] || put "${lib%/*}/$nss" "${lib%/*}/$nss"
			done
		fi
	done <"$work/libs"
}

# put_iptables: its programs where this machine has them, with all extensions: those of rules that are
# somebody else's have to be read, too.
put_iptables()
{
	local program name extensions
	extensions=$(iptables_extensions) || return 0
	for program in $IPTABLES_PROGRAMS; do
		put "$(iptables_program "$program")" "/usr/sbin/$program"
		put_libraries "$(iptables_program "$program")"
	done
	iptables_names | while read -r name program; do
		ln -s "$program" "$fs/usr/sbin/$name"
	done
	mkdir -p "$fs$extensions"
	install -m 755 "$extensions"/*.so "$fs$extensions/"
	put_libraries "$extensions"/*.so
}

for program in "$@"; do
	file=$program
	[[ $file == */* ]] || file=$(type -P "$program") || die "no program '$program'"
	file=$(realpath -e "$file") || die "no program '$program': run make first"
	put "$file" "/usr/bin/$(basename "$program")"
	libraries=''
	[[ $file != "$unpacked"/* ]] || libraries=$(find "$unpacked/usr/lib" -name '*.so.*' -printf '%h\n' | sort -u | paste -sd:)
	LD_LIBRARY_PATH=$libraries put_libraries "$file"
	# The agent is to keep a firewall.
	[ "$(basename "$program")" != nodeswarm ] || put_iptables
done
case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) arch=$(uname -m) ;;
esac

cat >"$fs/etc/passwd" <<'END'
root:x:0:0:root:/:/sbin/nologin
nodeos:x:7077:7077:nodeos:/var/lib/nodeswarm:/sbin/nologin
nobody:x:65534:65534:nobody:/:/sbin/nologin
END
cat >"$fs/etc/group" <<'END'
root:x:0:
nodeos:x:7077:
nogroup:x:65534:
END
cat >"$fs/etc/nsswitch.conf" <<'END'
passwd: files
group: files
hosts: files dns
END
# Where libcurl of Debian and Ubuntu looks for them.
authorities=/etc/ssl/certs/ca-certificates.crt
if [ -z "$front" ] && [ -r "$authorities" ]; then
	install -D -m 0644 "$authorities" "$fs$authorities"
fi

# Everything that would differ between two runs is fixed: order, times, owners, the tar format.
pack()
{
	tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=gnu -C "$1" -cf "$2" "${@:3}"
}
sha256()
{
	sha256sum "$1" | cut -d' ' -f1
}

archive=$work/archive
mkdir "$archive"
pack "$fs" "$archive/layer.tar" .
labels='"org.opencontainers.image.title":"'"$(basename "$1")"'"'
[ -z "$sim" ] || labels+=',"nodeswarm.simulator":"true"'
printf '%s' '{"architecture":"'"$arch"'","os":"linux","created":"1970-01-01T00:00:00Z",' \
	'"config":{"Env":["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/",' \
	'"Entrypoint":["/usr/bin/'"$(basename "$1")"'"],"Labels":{'"$labels"'}},' \
	'"rootfs":{"type":"layers","diff_ids":["sha256:'"$(sha256 "$archive/layer.tar")"'"]},' \
	'"history":[{"created":"1970-01-01T00:00:00Z","created_by":"docker/build-image.sh"}]}' \
	>"$work/config"
id=$(sha256 "$work/config")
mv "$work/config" "$archive/$id.json"
printf '[{"Config":"%s.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$id" "$tag" >"$archive/manifest.json"
size=$(stat -c %s "$archive/layer.tar")

if [ -n "$output" ]; then
	pack "$archive" "$output.tmp" manifest.json "$id.json" layer.tar
	mv "$output.tmp" "$output"
else
	if [ "$(docker image inspect -f '{{.Id}}' "sha256:$id" 2>/dev/null)" = "sha256:$id" ]; then
		docker tag "sha256:$id" "$tag"
	else
		pack "$archive" "$work/image.tar" manifest.json "$id.json" layer.tar
		docker load --quiet --input "$work/image.tar" >/dev/null || die "the engine did not take the image"
	fi
	# An engine with containerd's image store has ids of its own.
	id=$(docker image inspect -f '{{.Id}}' "$tag") || die "the engine took the image but has no '$tag'"
	id=${id#sha256:}
fi
[ -n "$quiet" ] || echo "$tag sha256:$id $(megabytes "$size")${sim:+ (simulator)}"
