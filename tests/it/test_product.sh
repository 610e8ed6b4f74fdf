#!/usr/bin/env bash
# test_product.sh - a stranger's first hour on one engine: quickstart, the lines that it prints, the
# article's scripts, and --down, after which nothing is left
# time-limit: 600
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/product.sh
. "$ROOT/tests/it/product.sh"
export NODESWARM_POOL=/mnt/pool

machine >"$IT_DIR/before"
check 'a shell without a cluster' expect_fail 1 'there is no cluster of quickstart' "$ROOT/scripts/quickstart.sh" --shell true
check 'quickstart: an engine and eight readers' quickstart || exit

# The generation is there, and all slots but the first come from it.
cloned()
{
	local current
	current=$(readlink "$NODESWARM_POOL/generations/current") || return
	jq -r '"\(.slot) \(.generation)"' "$NODESWARM_POOL"/services/nodeswarm_readers/*/run.json | sort -n | tee "$IT_DIR/slots"
	diff "$IT_DIR/slots" <(echo '1 null' && printf "%d $current\n" {2..8})
}
pool_is()
{
	[ "$(user 'nodeswarm --json pool status' | jq -r '.pools[0].method')" = "$1" ]
}
check 'they serve' readers_serve 8
check 'seven are clones of the first one' cloned
check 'it says how long that took' grep -E '7 more serve, cloned from it, in [0-9.]+ s' "$IT_DIR/tips"
check 'and what they take' grep -E 'disk: one copy has [0-9.]+[KMG]iB .* beside it takes [0-9.]+([KMG]i)?B' "$IT_DIR/tips"
if [ -e /dev/loop-control ]; then
	check 'because the pool is an image with reflinks' pool_is reflink
else
	skip 'because the pool is an image with reflinks' 'no loop devices'
fi

journey

# The former producer would make a chain of its own.
devchain_is_off()
{
	user 'nodeswarm --json status' | jq -e '[.slots[] | select(.service == "devchain" and .task_state == "running")] == []'
}
export READERS=3
check "again is harmless, whatever somebody's own environment" expect 'nothing to change' env NODESWARM_STACK=prod "$ROOT/scripts/quickstart.sh"
check 'three serve' readers_serve 3
check "and not the chain's former producer" devchain_is_off
check 'blocks come' wait_for 20 moves
check 'down' "$ROOT/scripts/quickstart.sh" --down
machine >"$IT_DIR/after"
check 'the machine is as before' diff "$IT_DIR/before" "$IT_DIR/after"
