#!/usr/bin/env bash
# A source tarball builds without git; its Debian packages are installed and removed in a throw-away root.
# time-limit: 400
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need git dpkg-buildpackage dh man

unset MAKEFLAGS MFLAGS MAKELEVEL CC CFLAGS CPPFLAGS LDFLAGS CONFIG B V WERROR # of the make that runs the tests
git config --global safe.directory '*' # HOME is this test's own
git -C "$ROOT" rev-parse -q --verify HEAD >/dev/null || skip_all 'not a git checkout'
[ ! -e /usr/bin/nodeswarm ] || skip_all '/usr/bin has a nodeswarm'
git -C "$ROOT" diff --quiet HEAD -- || echo 'what is not committed is not in the tarball and not tested here'

# --- the tarball -------------------------------------------------------------------------------

# Two clones with other times, modes and settings.
git clone -q "$ROOT" "$IT_DIR/a"
(umask 077 && sleep 1.1 && git clone -q "$ROOT" "$IT_DIR/b" && date >"$IT_DIR/b/stray")
git -C "$IT_DIR/b" config core.autocrlf true
git -C "$IT_DIR/b" config tar.umask 077
check 'make dist' make -s -C "$IT_DIR/a" dist
check 'in another clone' env TZ=Asia/Tokyo make -s -C "$IT_DIR/b" dist
tarball=$(echo "$IT_DIR"/a/build/nodeswarm-*.tar.gz)
check 'both are the same bytes' cmp "$tarball" "$IT_DIR/b/build/${tarball##*/}"
check 'all of HEAD and VERSION are in it' diff \
	<(tar -tf "$tarball" | grep -v '/$' | cut -d/ -f2- | sort) <({ git -C "$ROOT" ls-tree -r --name-only HEAD && echo VERSION; } | sort)

# Unpacked below a checkout of something else, whose version is not ours.
git init -q "$IT_DIR/other"
git -C "$IT_DIR/other" -c user.name=x -c user.email=x@y commit -q --allow-empty -m x
git -C "$IT_DIR/other" tag v99
tar -xzf "$tarball" -C "$IT_DIR/other"
src=$(echo "$IT_DIR"/other/nodeswarm-*)
version=$(cat "$src/VERSION")
check 'VERSION is in the name' test "${src##*/}" = "nodeswarm-$version"
# shellcheck disable=SC2016 # make's
version_of_make()
{
	make -s -C "$src" -f Makefile -f - print <<<'print:;@echo "<$(VERSION)>"'
}
check 'it counts, not the git around it' expect "^<$version>\$" version_of_make
check 'a tarball has no tarball' expect_fail any 'not the top of a git checkout' make -s -C "$src" dist

# --- its version as Debian has it ----------------------------------------------------------------

# number_is PATTERN [GIT ARG...]: of the clone, after that
number_is()
{
	local pattern=$1
	shift
	if [ $# -gt 0 ]; then
		git -C "$IT_DIR/c" -c user.name=x -c user.email=x@y "$@" || return
	fi
	number=$("$IT_DIR/c/tools/deb.sh" --number)
	expect "^$pattern\$" echo "$number" || return
	# Each later than the one before.
	[ -z "${LAST:-}" ] || dpkg --compare-versions "$number" gt "$LAST" || { echo "not after $LAST" && return 1; }
	LAST=$number
}
one_more()
{
	number_is "$1" commit -q --allow-empty -m x
}
git clone -q --no-tags "$ROOT" "$IT_DIR/c"
check 'without a tag: time and commit' number_is '0~git20[0-9]{6}\.[0-9]{6}\.[0-9a-f]{12}'
check 'v1.2.3-beta1' number_is '1\.2\.3~beta1' tag v1.2.3-beta1
one_more '1\.2\.3~beta1\+1\+g[0-9a-f]{12}' >/dev/null
check 'v1.2.3-rc1' number_is '1\.2\.3~rc1' tag v1.2.3-rc1
check 'one commit after it' one_more '1\.2\.3~rc1\+1\+g[0-9a-f]{12}'
check 'v1.2.3' number_is '1\.2\.3' tag v1.2.3
check 'one commit after it, too' one_more '1\.2\.3\+1\+g[0-9a-f]{12}'
check 'v1.3.0' eval 'one_more "1\.2\.3\+2\+g.*" && number_is "1\.3\.0" tag v1.3.0'
check 'the tarball of a tag has it, too' expect 'nodeswarm-v1\.3\.0\.tar\.gz' make -s -C "$IT_DIR/c" dist

# --- the packages ------------------------------------------------------------------------------

# From here on without git.
mount --bind /bin/false "$(type -P git)"
export DEB_BUILD_OPTIONS='parallel=2 nocheck noautodbgsym'
# Half the time; what the compiler makes of -O2 is tested elsewhere.
export DEB_CFLAGS_APPEND='-O1 -g0'
make_deb()
{
	make -s -C "$src" deb >"$IT_DIR/deb.log" 2>&1 || { tail -n 30 "$IT_DIR/deb.log" && return 1; }
}
check 'make deb in the unpacked tarball' make_deb || exit 0
tree=$src/build/deb/source
debs=("$src"/build/deb/*.deb)
check 'two packages' test "${#debs[@]}" = 2
deb=$(echo "$src"/build/deb/nodeswarm_*.deb)
sim=$(echo "$src"/build/deb/nodeswarm-sim_*.deb)
number=$(dpkg-deb -f "$deb" Version)
check 'the version comes from VERSION' expect "${version##*-g}" echo "$number"
check 'it is later than that of a checkout' dpkg --compare-versions "$number" gt 0~dev

# make_as_deb TARGET...: in the tree that was built, with the flags that debian/rules gave, so that nothing is compiled again.
make_as_deb()
{
	local flags
	eval "flags=($(cd "$tree" && DEB_BUILD_MAINT_OPTIONS=hardening=+all dpkg-buildflags --export=cmdline))"
	env "${flags[@]}" make -C "$tree" B=build/debian WERROR=0 "$@"
}

nothing_is_compiled()
{
	local out
	out=$(make_as_deb build/debian/nodeswarm build/debian/nodesim) || return
	expect_fail 1 '' grep -E ' (CC|LINK) ' <<<"$out"
}
check 'an idle make does nothing' nothing_is_compiled

# files_below DIR: files and links, as paths of an installed system. Compressed manual pages count as the others.
files_below()
{
	(cd "$1" && find . ! -type d) | sed 's|^\.||; s|\(/man/.*\)\.gz$|\1|' | sort
}

# --- make install, make uninstall --------------------------------------------------------------

check 'make install into a DESTDIR' make_as_deb install DESTDIR="$IT_DIR/dest" PREFIX=/usr
files_below "$IT_DIR/dest" >"$IT_DIR/dest.files"
check 'it puts the program there' grep -qx /usr/bin/nodeswarm "$IT_DIR/dest.files"
check 'all of it is under the prefix' test "$(files_below "$IT_DIR/dest" | grep -vc ^/usr/)" = 0
check 'make uninstall' make_as_deb uninstall DESTDIR="$IT_DIR/dest" PREFIX=/usr
check 'no file is left' test -z "$(files_below "$IT_DIR/dest")"
check 'no directory of its own is left' test -z "$(find "$IT_DIR/dest" -name nodeswarm)"

# Here /usr/local is this test's own.
find /usr/local ! -type d | sort >"$IT_DIR/local.before"
check 'make install' make_as_deb install
check 'the installed program runs' expect "^nodeswarm $version\$" /usr/local/bin/nodeswarm version
check 'make uninstall again' make_as_deb uninstall
check 'nothing is left in /usr/local' diff "$IT_DIR/local.before" <(find /usr/local ! -type d | sort)

# --- what the packages are ---------------------------------------------------------------------

dpkg-deb -x "$deb" "$IT_DIR/x" && dpkg-deb -x "$sim" "$IT_DIR/xsim"
dpkg-deb -e "$deb" "$IT_DIR/e"
check 'it holds what make install puts there, and what a package must have' diff \
	<(printf '/usr/share/doc/nodeswarm/%s\n' README.Debian changelog.gz copyright | sort - "$IT_DIR/dest.files") <(files_below "$IT_DIR/x")
check 'manual pages are compressed' test -z "$(find "$IT_DIR"/x/usr/share/man ! -type d ! -name '*.gz')"
check 'no link leads to nowhere' test -z "$(find "$IT_DIR/x" -xtype l)"
check 'files are of root, and nobody else may write' expect_fail 1 '' grep -vE '^([d-]..[x-]r-[x-]r-[x-]|lrwxrwxrwx) root/root ' \
	<(dpkg-deb -c "$deb")
check 'the simulator is by itself' diff - <(files_below "$IT_DIR/xsim" | grep -v ^/usr/share/doc/) <<-END
	/usr/bin/nodesim
	/usr/share/lintian/overrides/nodeswarm-sim
	/usr/share/man/man1/nodesim.1
END
for lib in libc6 libcurl libjansson4 libmicrohttpd libsecp256k1 libsmartcols1 libsqlite3 libssl3 libyaml-0 libzstd1 zlib1g; do
	check "it depends on $lib" expect "(^|, )$lib" dpkg-deb -f "$deb" Depends
done
check 'it does not need docker, only wants it' expect_fail 1 '' grep docker <(dpkg-deb -f "$deb" Depends)
check 'one maintainer script, which does nothing with docker' test "$(cd "$IT_DIR/e" && echo *)" = 'control md5sums prerm'
check 'a script of sh' sh -n "$IT_DIR/e/prerm"

# --- installed in a root of its own ------------------------------------------------------------

# This machine's files, below a directory that takes every change: / stays as it is.
R=$IT_DIR/root rw=$IT_DIR/rw
mkdir -p "$R" "$rw"
mount -t tmpfs tmpfs "$rw"
mkdir "$rw/upper" "$rw/work"
mount -t overlay -o "lowerdir=/,upperdir=$rw/upper,workdir=$rw/work" overlay "$R"
for dir in tmp run usr/local; do
	mount -t tmpfs tmpfs "$R/$dir"
done
mount --bind /dev "$R/dev"
mount -t proc proc "$R/proc"
# A machine made for containers may leave manual pages out. Their index takes seconds, each time.
rm -rf "$R"/etc/dpkg/dpkg.cfg.d/* "$R/var/lib/man-db/auto-update" "$R/etc/systemd/system/docker.service.wants"
cp "$deb" "$sim" "$R/tmp/"
inside()
{
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C MANPAGER=cat MANWIDTH=80 \
		DEBIAN_FRONTEND=noninteractive chroot "$R" "$@"
}
state_of()
{
	# shellcheck disable=SC2016 # dpkg's
	inside dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null
}

# What differs from this machine: files, links, what was deleted (a device 0/0), directories that it has not.
changes()
{
	(cd "$rw/upper" && find . ! -type d -printf '%P %y\n' -o -type d -printf '%P\n' | while read -r path type; do
		if [ -n "$type" ] || [ ! -d "/$path" ]; then
			echo "/$path${type:+ $type}"
		fi
	done) | grep -vE '^/(var/lib/dpkg|var/cache/(man|debconf)|var/log|srv/pool)(/| |$)' | sort
}

before=$(changes)
check 'install' inside dpkg --force-unsafe-io -i "/tmp/${deb##*/}" "/tmp/${sim##*/}"
check 'both are installed' test "$(state_of nodeswarm), $(state_of nodeswarm-sim)" = 'installed, installed'
check 'each file is as in the package' inside dpkg -V nodeswarm nodeswarm-sim
check 'these files came, and nothing else' diff <(cd "$IT_DIR" && find x xsim ! -type d -printf '/%P %y\n' | sort) \
	<(changes | comm -13 <(echo "$before") - | grep ' .$')
check 'nodeswarm version' expect "^nodeswarm $version\$" inside nodeswarm version
check 'nodeswarm help up' expect 'nodeswarm up' inside nodeswarm help up
check 'nodesim' expect 'not a blockchain node' inside nodesim --help
# man finds each page, which may lead to another one.
pages_found()
{
	local page name
	for page in "$IT_DIR"/x/usr/share/man/man?/*.gz "$IT_DIR"/xsim/usr/share/man/man1/*.gz; do
		name=${page##*/} && name=${name%.gz}
		expect ^/usr/share/man/ inside man -w "${name##*.}" "${name%.*}" || return
	done
}
check 'man nodeswarm' expect '^NAME' inside man nodeswarm
check 'each page is found' pages_found
check 'completion for bash' expect ' nodeswarm$' inside bash -c '. /usr/share/bash-completion/completions/nodeswarm && complete -p nodeswarm'
check 'it reads the stack files' expect nodeswarm/ inside nodeswarm images -f /usr/share/nodeswarm/stacks/readers.yml

# --- on a prepared host ------------------------------------------------------------------------

PREPARE=/usr/share/nodeswarm/swarm/prepare-host.sh
check 'prepare-host.sh' inside "$PREPARE" --pool /srv/pool
check 'its units run the packaged program' expect '^ExecStop=/usr/bin/nodeswarm ' cat "$R/etc/systemd/system/nodeswarm-quiesce.service"
check 'and there is no copy of it' test ! -e "$R/usr/local/lib/nodeswarm"
if [ -x "$R/usr/bin/systemd-analyze" ]; then
	check 'systemd-analyze verify' inside systemd-analyze verify --man=no /etc/systemd/system/nodeswarm-quiesce.service \
		/etc/systemd/system/nodeswarm-firewall.service /etc/systemd/system/nodeswarm-firewall-follow.service
else
	skip 'systemd-analyze verify' 'no systemd here'
fi

# --- upgraded ----------------------------------------------------------------------------------

# What a user has by then: a copy of the files with changes, rules of the firewall, and a chain node.
mkdir -p "$R/root/cluster" "$R/etc/nodeswarm" "$R/srv/node"
cp -r "$R/usr/share/nodeswarm/." "$R/root/cluster/"
echo '# mine' | tee -a "$R/root/cluster/config.ini" >"$R/etc/nodeswarm/firewall.conf"
printf 'http-server-address = 127.0.0.1:18881\np2p-listen-endpoint = 127.0.0.1:18871\nchain-state-db-size-mb = 256\n' >"$R/srv/node/config.ini"
theirs()
{
	(cd "$R" && find root/cluster etc/nodeswarm etc/systemd/system etc/sysctl.d etc/modules-load.d srv/pool/pool.json srv/pool/host.json \
		\( -type f -exec cksum {} + \) -o \( -type l -printf '%p %l\n' \) | sort)
}
# node: a reader without peers; its pid is in NODE
node()
{
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin NODESIM_FLUSH=1s chroot "$R" nodeswarm --pool /srv/pool supervise --service s_readers --slot 1 --task t --node here \
		--config /srv/node/config.ini --genesis /usr/share/nodeswarm/genesis.json --peers /nonexistent \
		--address 127.0.0.1 --port 18801 --lame-duck 0s -- nodesim >>"$IT_DIR/node.log" 2>&1 &
	NODE=$!
}
record()
{
	jq -r "$1" "$R/srv/pool/services/s_readers/1/run.json"
}
record_is()
{
	[ "$(record "$1")" = "$2" ]
}
node
check 'a chain node runs' wait_for 20 record_is .state running || tail "$IT_DIR/node.log"
theirs >"$IT_DIR/theirs"
pid=$(record .nodeos_pid)

# The next version: another program, and a file that has changed. Only that is made again.
next=$(dpkg-deb -f "$deb" Version)+next
next_deb()
{
	(cd "$tree" && echo "$version-next" >VERSION && sed -i "1s/(.*)/($next)/" debian/changelog &&
		echo '# the next version' >>stacks/readers.yml && rm -f debian/debhelper-build-stamp &&
		dpkg-buildpackage -us -uc -b -nc >"$IT_DIR/next.log" 2>&1) || { tail -n 30 "$IT_DIR/next.log" && return 1; }
	cp "$src"/build/deb/nodeswarm{,-sim}_"$next"_*.deb "$R/tmp/"
}
check 'the next version is built' next_deb || exit 0
check 'an upgrade' inside dpkg --force-unsafe-io -i "/tmp/nodeswarm_${next}_$(dpkg --print-architecture).deb" \
	"/tmp/nodeswarm-sim_${next}_$(dpkg --print-architecture).deb"
check 'it is the next one' expect "^nodeswarm $version-next\$" inside nodeswarm version
check 'each file is as in that package' inside dpkg -V nodeswarm nodeswarm-sim
check 'with its files' grep -q 'the next version' "$R/usr/share/nodeswarm/stacks/readers.yml"
check "the user's files, units and pool are as they were" diff "$IT_DIR/theirs" <(theirs)
check 'prepare-host.sh has nothing to do' test -z "$(inside "$PREPARE" --pool /srv/pool | grep -v '^this host is prepared')"
check 'the chain node runs on, the same one' eval "kill -0 $NODE && record_is .nodeos_pid $pid && record_is .state running"
# shellcheck disable=SC2016
stop_unit=$(sed -n 's/^ExecStop=-\{0,1\}//p' "$R/etc/systemd/system/nodeswarm-quiesce.service")
check 'the unit stops it cleanly, with the new program' expect 's_readers.1 is quiesced, clean' inside sh -c "$stop_unit"
kill "$NODE" 2>/dev/null
wait "$NODE"
node
check 'the new one goes on with its data' wait_for 20 record_is .state running || tail "$IT_DIR/node.log"
check 'which was left clean' test "$(record '[.ends[].clean] | unique | @csv')" = true
kill "$NODE"
wait "$NODE"
check 'back to the version before' inside dpkg --force-unsafe-io -i "/tmp/${deb##*/}" "/tmp/${sim##*/}"
check "the user's files are still as they were" diff "$IT_DIR/theirs" <(theirs)
rm -r "$R/root/cluster" "$R/srv/node" "$R/etc/nodeswarm"
check 'removing it is refused while units need it' expect_fail 1 "$PREPARE --undo' first" inside dpkg -r nodeswarm
check 'and it is still whole' test "$(state_of nodeswarm) $(inside nodeswarm version | sed -n 1p)" = "installed nodeswarm $version"
check 'prepare-host.sh --undo' inside "$PREPARE" --undo

# --- removed -----------------------------------------------------------------------------------

check 'remove' inside dpkg --force-unsafe-io -r nodeswarm nodeswarm-sim
check 'purge' inside dpkg --force-unsafe-io -P nodeswarm nodeswarm-sim
check 'nothing is known of it' expect_fail 1 '' state_of nodeswarm
check 'nothing is left' diff <(echo "$before") <(changes)
check 'but the pool' test -e "$R/srv/pool/pool.json"
