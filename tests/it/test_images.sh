#!/usr/bin/env bash
# test_images.sh - docker/build-image.sh and docker/build-nodeos.sh
# time-limit: 400
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need tar patchelf

build_image=$ROOT/docker/build-image.sh
build_nodeos=$ROOT/docker/build-nodeos.sh
unset DOCKER_BUILDKIT

image_id()
{
	docker image inspect -f '{{.Id}}' "$1"
}

# --- build-image.sh ----------------------------------------------------------------------------

check 'no engine is said so' expect_fail 1 "no engine answers at unix:///nowhere" "$build_image" --engine /nowhere
check 'engine' engine_up
check 'an unknown option is a usage error' expect_fail 2 "unknown option '--nope'" "$build_image" --nope
check 'a bad name is refused' expect_fail 1 "'Bad Name' is no image name" "$build_image" --tag 'Bad Name'
check 'a missing program is said so' expect_fail 1 "no program '/nowhere/x': run make" "$build_image" /nowhere/x

sim='nodeswarm/nodesim:latest sha256:[0-9a-f]{64} [0-9.]+ MB \(simulator\)'
check 'the simulator image' expect "^$sim\$" "$build_image" --sim "$BUILD/nodeswarm"
check 'it is labelled as one' expect '^true$' \
	docker image inspect -f '{{index .Config.Labels "nodeswarm.simulator"}}' nodeswarm/nodesim:latest
check 'its entry point is nodeswarm' expect '^\[/usr/bin/nodeswarm\]$' \
	docker image inspect -f '{{.Config.Entrypoint}}' nodeswarm/nodesim:latest
check 'nodeswarm runs in it' docker run --rm --network none nodeswarm/nodesim:latest version
check 'nodesim runs in it' docker run --rm --network none --entrypoint nodesim nodeswarm/nodesim:latest --version

# The copy has another path, inode and times; the second build another umask and time zone.
same_id()
{
	local first second
	cp "$BUILD/nodeswarm" "$IT_DIR/nodeswarm"
	"$build_image" --quiet --tag it/first "$BUILD/nodeswarm" || return
	first=$(image_id it/first)
	docker image rm it/first || return
	(umask 077 && TZ=Asia/Tokyo "$build_image" --quiet --tag it/second "$IT_DIR/nodeswarm") || return
	second=$(image_id it/second)
	echo "$first $second"
	[ "$first" = "$second" ]
}
check 'the same input gives the same id' same_id

archives()
{
	"$build_image" --tag it/a --output "$IT_DIR/1.tar" sleep && "$build_image" --tag it/a --output "$IT_DIR/2.tar" sleep &&
		cmp "$IT_DIR/1.tar" "$IT_DIR/2.tar" && expect_fail any 'No such image' docker image inspect it/a &&
		docker load -q -i "$IT_DIR/1.tar" && docker image inspect -f ok it/a
}
check 'an archive is the same each time, and loads' archives
tiny_image it/tools getent id cat
check 'the user nodeos is 7077' expect 'uid=7077\(nodeos\) gid=7077\(nodeos\)' \
	docker run --rm --network none --user nodeos --entrypoint id it/tools
check 'names of users resolve' expect '^nodeos:x:7077:7077:' docker run --rm --network none it/tools passwd 7077
check 'names of hosts resolve' expect ' localhost' docker run --rm --network none it/tools hosts localhost

# --- build-nodeos.sh ---------------------------------------------------------------------------

deb=$IT_DIR/nodeos.deb
dummy_package()
{
	local d=$IT_DIR/package
	mkdir -p "$d/DEBIAN" "$d/usr/bin"
	printf '%s\n' 'Package: nodeos' 'Version: 5.0.3-dummy' 'Architecture: all' \
		'Maintainer: nobody <nobody@localhost>' 'Depends: libc6' 'Description: stands for the real one' >"$d/DEBIAN/control"
	printf '%s\n' '#!/bin/sh' 'echo v5.0.3-dummy' >"$d/usr/bin/nodeos"
	chmod 755 "$d/usr/bin/nodeos"
	dpkg-deb --root-owner-group --build "$d" "$deb"
}
check 'a dummy package' dummy_package
sum=$(sha256sum "$deb" | cut -d' ' -f1)
zeros=$(printf '0%.0s' {1..64})

check 'no checksum, no build' expect_fail 2 'no --sha256' "$build_nodeos" --deb "$deb"
check 'half a checksum, no build' expect_fail 2 "'abc' is no SHA-256" "$build_nodeos" --deb "$deb" --sha256 abc
check 'another checksum, no build' expect_fail 1 "has the SHA-256 $sum, not $zeros" \
	"$build_nodeos" --deb "$deb" --sha256 "$zeros"
check 'no package, no build' expect_fail 1 "'/etc/passwd' is no Debian package" \
	"$build_nodeos" --deb /etc/passwd --sha256 "$(sha256sum /etc/passwd | cut -d' ' -f1)"

# The base is Debian as apt is configured here, from the real network, kept for a week.
cache=$ROOT/build/it-cache
sources()
{
	local codename
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
		awk -v c="$codename" '$2 == c { r[$1] = r[$1] " " $3 } END { for (u in r) print "deb " u " " c r[u] }'
}
make_base()
{
	local list codename
	mkdir -p "$cache" && find "$cache" -name '*.tar' -mtime +7 -delete
	[ ! -e "$cache/base.tar" ] || return 0
	list=$(sources)
	[ -n "$list" ] || { echo 'apt has no package lists of the system' && return 1; }
	codename=$(awk 'NR == 1 { print $3 }' <<<"$list")
	outside mmdebstrap --quiet --variant=essential --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' "$codename" - - \
		<<<"$list" >"$cache/base.tmp.$$" && mv "$cache/base.tmp.$$" "$cache/base.tar"
}
if ! type -P mmdebstrap >/dev/null; then
	skip 'an image of a nodeos package' "no 'mmdebstrap' installed"
	exit 0
elif ! make_base 2>"$IT_DIR/base.log"; then
	rm -f "$cache/base.tmp.$$"
	skip 'an image of a nodeos package' "no base: $(tail -c 300 "$IT_DIR/base.log" | tr '\n' ' ')"
	exit 0
fi
check 'a base image' docker import "$cache/base.tar" it/base:1
check 'an image of a nodeos package, without network' expect '^it/nodeos:1 sha256:.* \(nodeos 5\.0\.3-dummy\)$' \
	"$build_nodeos" --deb "$deb" --sha256 "$sum" --base it/base:1 --tag it/nodeos:1 --network none --program "$BUILD/nodeswarm"
check 'nodeos runs in it' expect '^v5\.0\.3-dummy$' docker run --rm --network none --entrypoint nodeos it/nodeos:1 --version
check 'nodeswarm runs in it' docker run --rm --network none it/nodeos:1 version
check 'the user nodeos is 7077 there' expect '^7077$' \
	docker run --rm --network none --entrypoint id it/nodeos:1 -u nodeos
check 'the package is told by a label' expect '^nodeos 5\.0\.3-dummy$' \
	docker image inspect -f '{{index .Config.Labels "nodeswarm.package"}}' it/nodeos:1

served()
{
	local port=8099 server rc=0
	(cd "$IT_DIR" && exec perl -MSocket -e '
		socket(S, PF_INET, SOCK_STREAM, 0) && setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1) &&
			bind(S, sockaddr_in(8099, INADDR_LOOPBACK)) && listen(S, 5) or die "$!";
		while (accept(C, S)) {
			open(F, "nodeos.deb"); local $/; my $d = <F>; my $r; sysread(C, $r, 4096);
			syswrite(C, "HTTP/1.0 200 OK\r\nContent-Length: " . length($d) . "\r\n\r\n$d"); close(C);
		}') &
	server=$!
	wait_for 5 curl -sf -o /dev/null "http://127.0.0.1:$port/" || rc=1
	"$build_nodeos" --deb "http://127.0.0.1:$port/nodeos.deb" --sha256 "${sum^^}" --base it/base:1 --tag it/nodeos:2 \
		--network none --program "$BUILD/nodeswarm" || rc=1
	kill "$server"
	return "$rc"
}
check 'a package by its address' served
