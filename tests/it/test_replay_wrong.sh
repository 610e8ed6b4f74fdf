#!/usr/bin/env bash
# test_replay_wrong.sh - a version that computes a wrong state at one block is caught in its slice
# time-limit: 300
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/cluster.sh
. "$ROOT/tests/it/cluster.sh"
# shellcheck source=tests/it/replay.sh
. "$ROOT/tests/it/replay.sh"

export NODESIM_SYNC_RATE=1000
check 'engine' engine_up || exit
check 'images' cluster_images || exit
check 'pool' cluster_pool || exit
check 'a history of 12 slices' history 12 200 || exit
manifest 5.0.2 >"$IT_DIR/right.json"
manifest 5.0.3 >"$IT_DIR/wrong.json"

check 'the right version' replay_run "$IT_DIR/right.json" -n 4 || {
	timeout 20 docker service logs --tail 60 nodeswarm_replay-worker 2>&1 | tail -80
	timeout 20 docker service logs --tail 40 nodeswarm_orchestrator 2>&1 | tail -40
}
check 'its certificate' certificate_is_right
mv "$CERTIFICATE" "$IT_DIR/right.cert"

# Block 1500 is in the 8th slice, 1400 to 1600.
export NODESIM_WRONG_FROM=1500..1500
check 'the wrong version fails' expect_fail 1 '8 .*HASH_MISMATCH' replay_run "$IT_DIR/wrong.json" -n 4
mv "$CERTIFICATE" "$IT_DIR/wrong.cert"
caught()
{
	jq -e '[.slices[] | select(.verdict == "mismatch") | .slice_id] == [8] and (.verified | not)' "$IT_DIR/wrong.cert"
}
check 'it is caught in the right slice, and only there' caught
check 'certificate verify says no' expect_fail 1 'slice 8' nodeswarm replay certificate verify "$IT_DIR/wrong.cert"
check 'certificate diff names it' expect_fail 1 'slice 8: blocks 1400 to 1600 start alike' nodeswarm replay certificate diff "$IT_DIR/right.cert" "$IT_DIR/wrong.cert"
check 'status says so' expect_fail 1 'HASH_MISMATCH' nodeswarm replay status

# A run that is not done is not replaced by mistake.
export NODESIM_SYNC_RATE=20 NODESIM_WRONG_FROM=9999999
manifest 5.0.4 >"$IT_DIR/slow.json"
check 'a slow run is begun, and not waited for' replay_begin "$IT_DIR/slow.json" -n 1
check 'it is at work' wait_for 60 status_is '(.run.done | not) and .run.totals.claimed == 1'
check 'nobody waits longer than they say' expect_fail 1 'after 1.0s' replay_run "$IT_DIR/slow.json" -n 1 --wait 1s
check 'and not replaced by another' expect_fail 1 'not done' replay_run "$IT_DIR/right.json" -n 1
check 'of which a dry run warns' expect 'not done.*without --dry-run this is refused' replay_run "$IT_DIR/right.json" -n 1 --dry-run
check 'until it was stopped' nodeswarm replay stop
export NODESIM_SYNC_RATE=1000
check 'the other one goes on' replay_run "$IT_DIR/right.json" -n 2
