#!/usr/bin/env bash
# scripts/real-nodeos.sh itself: that it tells what holds from what does not, and leaves nothing. The nodeos
# that it is given here is nodesim, and once a program that is none.
# time-limit: 400
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need docker jq python3 openssl gcc
export TMPDIR=$IT_DIR/t
mkdir -p "$TMPDIR"

real_nodeos()
{
	timeout -k 60 300 "$ROOT/scripts/real-nodeos.sh" "$@"
}
# Nothing of it in files, processes and cgroups.
nothing_left()
{
	[ -z "$(ls -A "$TMPDIR")" ] && ! pgrep -f "$TMPDIR/real-nodeos" && ! pgrep -x dockerd &&
		! find /sys/fs/cgroup -maxdepth 3 -name '*real-nodeos*' | grep .
}

check 'no flow of that name' expect_fail 2 'there is no flow' real_nodeos --only other "$BUILD/nodesim"
check 'no nodeos' expect_fail 1 "there is no '/nonexistent'" real_nodeos /nonexistent
check 'one that does not run' expect_fail 1 'does not run here' real_nodeos /bin/false
check 'one that is no nodeos' expect_fail 1 'is no nodeos' real_nodeos /bin/ls
check 'a file that is no program' expect_fail 1 'neither a Debian package nor a program' real_nodeos "$ROOT/README.md"
check 'an option without its value' expect_fail 2 '--only needs a value' real_nodeos --only
without_library()
{
	gcc -shared -o "$IT_DIR/libgone.so" -x c /dev/null &&
		echo 'int main(void) { return 0; }' | gcc -o "$IT_DIR/poor" -x c - -x none -Wl,--no-as-needed -L"$IT_DIR" -lgone
}
check 'a program whose library is not here' without_library
check 'is told with that name' expect_fail 1 'not here: libgone.so' real_nodeos "$IT_DIR/poor"
check 'nothing is left' nothing_left

held()
{
	real_nodeos --json --only readers,stop,replay --blocks 60 "$BUILD/nodesim" >"$IT_DIR/result" || { cat "$IT_DIR/result" && return 1; }
	jq -e '.passed and ([.flows[] | "\(.flow) \(.result)"] == ["readers ok", "stop ok", "replay ok"]) and
		all(.flows[]; .what != "")' "$IT_DIR/result"
}
check 'readers, stop and replay hold' held
check 'nothing is left' nothing_left

# A package with a nodeos that tells what it is and else ends at once.
broken_package()
{
	mkdir -p "$IT_DIR/p/DEBIAN" "$IT_DIR/p/usr/bin"
	printf 'Package: broken\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\nDescription: none\n' >"$IT_DIR/p/DEBIAN/control"
	gcc -o "$IT_DIR/p/usr/bin/nodeos" -x c - <<-'END' || return
		#include <stdio.h>
		#include <string.h>
		int main(int argc, char **argv)
		{
			if (argc == 2)
				puts(strcmp(argv[1], "--help") ? "v9.0.0" : "--genesis-json --data-dir");
			return 0;
		}
	END
	dpkg-deb --root-owner-group --build "$IT_DIR/p" "$IT_DIR/p.deb" >/dev/null
}
check 'a package' broken_package
interrupted()
{
	local pid rc=0
	"$ROOT/scripts/real-nodeos.sh" --only readers,stop "$IT_DIR/p.deb" >"$IT_DIR/out" 2>&1 &
	pid=$!
	wait_for 60 grep -q 'readers: begins' "$IT_DIR/out" || return
	sleep 8
	kill -TERM "$pid"
	wait "$pid" || rc=$?
	cat "$IT_DIR/out"
	[ "$rc" = 143 ] && grep -q 'of broken 1' "$IT_DIR/out"
}
check 'SIGTERM while it waits for a nodeos that never serves' interrupted
check 'nothing is left' nothing_left
