#!/usr/bin/env bash
# test_bench_clone.sh - bench/bench_clone.sh at a small size: space and content, and no times
# time-limit: 240
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need mkfs.xfs mkfs.btrfs mkfs.ext4 rsync
[ -e /dev/loop-control ] || skip_all 'no loop devices'
[ -x "$BUILD/bench/datadir" ] || skip_all "no '$BUILD/bench/datadir' was built"

export BENCH_SCALE=4 RUNS=1 CLONES=6
# shellcheck source=bench/bench_clone.sh
. "$ROOT/bench/bench_clone.sh"
