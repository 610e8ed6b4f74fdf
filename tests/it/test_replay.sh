#!/usr/bin/env bash
# test_replay.sh - a history of 60 slices, replayed by 6 workers while something is killed every 10 s
#
# The chain node is nodesim, all else is real. The oracle is the certificate, and beside it what the
# history's own node says of its state. tests/soak/replay is the long form.
#
#	SLICES=N WORKERS=N KILL_EVERY=S SEED=N   others than 60, 6, 10, 5
# time-limit: 400
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/cluster.sh
. "$ROOT/tests/it/cluster.sh"
# shellcheck source=tests/it/replay.sh
. "$ROOT/tests/it/replay.sh"

N=${SLICES:-60} WORKERS=${WORKERS:-6}

check 'engine' engine_up || exit
check 'images' cluster_images || exit
check 'pool' cluster_pool || exit
check "a history of $N slices" history "$N" 200 || exit
manifest 5.0.2 >"$IT_DIR/manifest.json"
check 'the manifest is sound' nodeswarm replay manifest validate --config "$IT_DIR/manifest.json"
check 'nothing is there yet' expect_fail 1 'no replay was started' nodeswarm replay status

# --- what would be done -------------------------------------------------------------------------
dry_run()
{
	expect 'create +service +nodeswarm_replay-worker +'"$WORKERS" replay_run "$IT_DIR/manifest.json" -n "$WORKERS" --dry-run &&
		[ -z "$(docker service ls -q)" ] && [ ! -e "$POOL/replay" ]
}
check 'a dry run does nothing' dry_run

# --- the run ------------------------------------------------------------------------------------
begin=$(now)
killer "${KILL_EVERY:-10}"
check "$WORKERS workers, kills every ${KILL_EVERY:-10} s" replay_run "$IT_DIR/manifest.json" -n "$WORKERS"
run_rc=$?
killer_stop
echo "=== the run took $(since "$begin") s"
it_report '|' "the run took $(since "$begin") s; $(wc -l <"$IT_DIR/kills") kills"
if [ "$run_rc" != 0 ]; then
	nodeswarm --json replay status | jq .
	docker service ps --no-trunc nodeswarm_orchestrator nodeswarm_replay-worker | head -30
	timeout 20 docker service logs --tail 40 nodeswarm_orchestrator 2>&1 | tail -40
	timeout 20 docker service logs --tail 60 nodeswarm_replay-worker 2>&1 | tail -80
fi
check 'each slice exactly once, verified, and the ends meet' certificate_is_right
check 'certificate verify' nodeswarm replay certificate verify "$CERTIFICATE"
check 'something was killed' test -s "$IT_DIR/kills"

check 'status agrees' wait_for 30 status_is ".run.done and .run.totals.verified == $N and (.failed_slices | length) == 0"

# What all tries took beyond those that the slices needed.  A kill costs what its slice had done (5 s), and
# until it is found out (a lease of 10 s).  While the orchestrator is away, results wait.
little_is_lost()
{
	nodeswarm --json replay status | jq -e --argjson kills "$(wc -l <"$IT_DIR/kills")" \
		'.run.totals.busy_seconds - .run.stats.total_seconds | debug | . <= 25 * $kills + 30'
}
check 'at most 25 s of work lost per kill' little_is_lost

ask_orchestrator()
{
	curl -sf -m 10 -H "Authorization: Bearer $(awk '$1 == "control" { print $2 }' "$POOL/replay/nodeswarm/tokens")" \
		"$URL/v1/$1"
}

# Each slice's tries: one that is complete, and none that came to nothing took longer than 60 s.
tries_are_short()
{
	local id n=0 tries
	URL=$(nodeswarm --json replay status | jq -r .orchestrator.url)
	for id in $(ask_orchestrator jobs | jq '.jobs[].job_id'); do
		tries=$(ask_orchestrator "jobs/$id" | jq -c .tries) || return
		jq -e 'def seconds: sub("\\.[0-9]+Z$"; "Z") | fromdate;
			([.[] | select(.end == "complete")] | length) == 1 and
			all(.[] | select(.end != "complete"); (.ended_at | seconds) - (.started_at | seconds) <= 60)' \
			<<<"$tries" >/dev/null || { jq -c '.[] | del(.log)' <<<"$tries" && return 1; }
		n=$((n + 1))
	done
	[ "$n" = "$N" ]
}
check 'no try that came to nothing took longer than 60 s' tries_are_short

# --- the scripts ---------------------------------------------------------------------------------
check 'run-replay-instance.sh, dry' expect 'nodeswarm_replay-worker +3 ' \
	env MANIFEST="$IT_DIR/manifest.json" "$ROOT/scripts/run-replay-instance.sh" 3 DRY-RUN
check 'terminate-replay-instance.sh, dry' expect "would stop $WORKERS workers and 1 orchestrator" \
	"$ROOT/scripts/terminate-replay-instance.sh" ALL DRY-RUN
check 'nothing was changed' status_is ".workers.running == $WORKERS"

# --- again, scaled and stopped ------------------------------------------------------------------
mv "$CERTIFICATE" "$IT_DIR/first.json"
check 'the same command finds it done' replay_run "$IT_DIR/manifest.json" -n "$WORKERS"
same()
{
	diff <(jq -S '.slices' "$IT_DIR/first.json") <(jq -S '.slices' "$CERTIFICATE")
}
check 'and has the same certificate' same
check 'scale' nodeswarm replay scale 2
check 'two workers' wait_for 30 status_is '.workers.running == 2'
check 'stop' nodeswarm replay stop
check 'it is said to be stopped' expect_fail 1 'is stopped' nodeswarm replay status
check 'it comes back with what it knew' replay_run "$IT_DIR/manifest.json" -n 1
check 'still the same' same
check 'tokens are for root alone' test "$(stat -c %a "$POOL/replay/nodeswarm/tokens")" = 600
