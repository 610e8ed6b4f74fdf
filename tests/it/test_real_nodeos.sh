#!/usr/bin/env bash
# scripts/real-nodeos.sh itself: that it tells what holds from what does not, and leaves nothing. The nodeos
# that it is given here is nodesim, and once a program that is none.
# time-limit: 400
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need docker jq python3 openssl
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
check 'nothing is left' nothing_left

held()
{
	real_nodeos --json --only readers,stop,replay --blocks 60 "$BUILD/nodesim" >"$IT_DIR/result" || { cat "$IT_DIR/result" && return 1; }
	jq -e '.passed and ([.flows[] | "\(.flow) \(.result)"] == ["readers ok", "stop ok", "replay ok"]) and
		all(.flows[]; .what != "")' "$IT_DIR/result"
}
check 'readers, stop and replay hold' held
check 'nothing is left' nothing_left

# A package with a nodeos that tells its version and then ends.
broken_package()
{
	mkdir -p "$IT_DIR/p/DEBIAN" "$IT_DIR/p/usr/bin"
	printf 'Package: broken\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\nDescription: none\n' >"$IT_DIR/p/DEBIAN/control"
	cp /bin/echo "$IT_DIR/p/usr/bin/nodeos"
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
