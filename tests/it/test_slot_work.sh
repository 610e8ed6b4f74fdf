#!/usr/bin/env bash
# What comes between the steps of an archive or a restore: resume, quiesce, SIGTERM, a nodeos that
# dies, one that does not fit its state.
# time-limit: 300
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/slots.sh
. "$(dirname "$0")/slots.sh"

# The list of generations is locked by another: the steps that change it wait.
hold_list()
{
	exec {LIST}<"$GENERATIONS/lock" && flock "$LIST"
}

release_list()
{
	flock --unlock "$LIST" && exec {LIST}<&-
}

quiesce()
{
	ask "$1" '{"format":1,"request":"quiesce"}'
}

resume()
{
	ask "$1" '{"format":1,"request":"resume"}'
}

# archive_held SLOT ID: an order whose digests are done and whose commit waits.
archive_held()
{
	order "$1" archive "$2" >"$IT_DIR/order.$2" &
	ORDER=$!
	catch_stage "$1" cloning && hold_list && catch_stage "$1" digesting
}

config 1 "${PRODUCER[@]}"
config 2
config 3
check 'pool init' nodeswarm pool init "$POOL"
supervise 1 && P1=$PID
check 'a producer gets ready' wait_for 20 ready 1 || { tail -20 "$IT_DIR/log.1"; exit; }
PEERS=127.0.0.1:19876
supervise 2 && P2=$PID
check 'a reader gets ready' wait_for 20 ready 2 || { tail -20 "$IT_DIR/log.2"; exit; }
check 'a first generation' order_ok 2 archive a1
wait_for 20 ready 2 >/dev/null

# --- resume while digests are taken ---------------------------------------------------------------

# Slot 3 is quiesced, and far behind current by the time it is archived.
resumed_digesting()
{
	local rc=0
	supervise 3 --far-behind 3 && P3=$PID
	wait_for 20 ready 3 || return
	ballast 3 400M
	quiesce 3 >/dev/null
	wait_for 30 beyond 2 "$(($(state 2 .head_block_num) + 10))" || return
	order_ok 2 archive b1 >/dev/null || return
	archive_held 3 b2 || { release_list; return 1; }
	resume 3 >/dev/null
	wait_for 20 state_is 3 running || rc=1
	release_list
	wait $ORDER
	jq -c '.work // .' "$IT_DIR/order.b2"
	jq -e '.work.kind == "archive" and .work.stage == "done"' "$IT_DIR/order.b2" || rc=1
	grep 'under way' "$IT_DIR/log.3" || rc=1
	stop "$P3" 0 || rc=1
	return $rc
}
check 'resume while digests are taken starts with what there is' resumed_digesting

# --- resume during the first step -----------------------------------------------------------------

# A generation that is locked against reading, as one that is being removed.
hold_generation()
{
	exec {GENERATION}<"$GENERATIONS/$(current)" && flock "$GENERATION"
}

release_generation()
{
	flock --unlock "$GENERATION" && exec {GENERATION}<&-
}

# resumed_first KIND STATE HOLD RELEASE [FAIL]: nodeos stays down until the work has given it back
resumed_first()
{
	local rc=0 m
	m=$GENERATIONS/$(current)/manifest.json
	wait_for 20 ready 2 || return
	quiesce 2 >/dev/null
	"$3"
	order 2 "$1" "c$RANDOM" >"$IT_DIR/order" &
	ORDER=$!
	catch_stage 2 stopping || rc=1
	resume 2 >/dev/null
	sleep 1
	expect "^$2 0\$" state 2 '"\(.state) \(.nodeos_pid)"' || rc=1
	[ -z "${5-}" ] || mv "$m" "$IT_DIR/manifest.away"
	"$4"
	wait $ORDER
	cat "$IT_DIR/order"
	if [ -z "${5-}" ]; then
		jq -e '.work.stage == "done"' "$IT_DIR/order" || rc=1
	else
		jq -e .error "$IT_DIR/order" || rc=1
		mv "$IT_DIR/manifest.away" "$m"
	fi
	wait_for 20 ready 2 || rc=1
	return $rc
}
check 'resume during the first step of an archive waits' resumed_first archive archiving hold_list release_list
check 'and of a restore' resumed_first restore restoring hold_generation release_generation
check 'and starts nodeos when that fails' resumed_first restore restoring hold_generation release_generation fail

# --- the lame duck --------------------------------------------------------------------------------

lame_duck()
{
	local rc=0
	stop "$P2" 0 || return
	LAME=6s supervise 2 && P2=$PID
	wait_for 20 ready 2 || return
	hold_list
	order 2 archive d1 >"$IT_DIR/order" &
	ORDER=$!
	catch_stage 2 stopping || rc=1
	quiesce 2 >/dev/null &
	wait_for 5 state_is 2 lame-duck || rc=1
	release_list
	sleep 1
	expect '^lame-duck$' state 2 .state || rc=1
	wait $! $ORDER
	jq -e '.work.stage == "done"' "$IT_DIR/order" || rc=1
	resume 2 >/dev/null
	wait_for 20 ready 2 || rc=1
	LAME=0s
	return $rc
}
check 'a work that comes to it does not cut the lame duck short' lame_duck

check 'the reader ends clean' stop "$P2" 0
check 'the producer ends clean' stop "$P1" 0
