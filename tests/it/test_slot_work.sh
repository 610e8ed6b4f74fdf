#!/usr/bin/env bash
# What comes between the steps of an archive or a restore: resume, quiesce, SIGTERM, a nodeos that
# dies, one that does not fit its state.
# time-limit: 300
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/slots.sh
. "$(dirname "$0")/slots.sh"
PEER_WAIT=2s

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

begin_chain 3
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
	# It is older than current.
	jq -e '.work.promoted == false and .work.not_promoted != ""' "$IT_DIR/order.b2" || rc=1
	expect '^t_s.2$' jq -r .source "$GENERATIONS/current/manifest.json" || rc=1
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
	LAME=3s supervise 2 && P2=$PID
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

# --- before nodeos is stopped ---------------------------------------------------------------------

no_generation_of_it()
{
	local odd rc=0 nodeos
	odd=$POOL/services/t_s/2/data/$(printf 'b\377')
	wait_for 20 ready 2 || return
	nodeos=$(nodeos_pid 2)
	: >"$odd"
	refused 'cannot become a generation' 2 archive 1a || rc=1
	rm "$odd"
	expect "^$nodeos\$" nodeos_pid 2 || rc=1
	return $rc
}
check 'what no generation can have stops nothing' no_generation_of_it

term_first()
{
	local start unlock rc=0
	hold_list
	order 2 archive 1b >"$IT_DIR/order" &
	ORDER=$!
	catch_stage 2 stopping || rc=1
	(sleep 8 && flock --unlock "$LIST") &
	unlock=$!
	start=$EPOCHREALTIME
	stop "$P2" 0 || rc=1
	since "$start"
	awk -v s="$(since "$start")" 'BEGIN { exit !(s < 5) }' || rc=1
	wait $unlock $ORDER
	release_list
	supervise 2 && P2=$PID
	wait_for 20 ready 2 || rc=1
	return $rc
}
check 'SIGTERM is obeyed while another has the list' term_first

# --- quiesce while a look changes the data-dir ----------------------------------------------------

# What a killed restore has left takes its time to go.
quiesced_look()
{
	local new=$POOL/services/t_s/3/.data-new
	mkdir "$new" && python3 -c 'import os, sys
for i in range(60000):
    os.close(os.open(sys.argv[1] + "/%d" % i, os.O_CREAT | os.O_WRONLY))' "$new" || return
	supervise 3 && P3=$PID
	wait_for 10 test -S "$POOL/services/t_s/3/control.sock" || return
	quiesce 3 | jq -e '.state == "quiesced"' || return
	[ ! -e "$new" ] || { echo "$new is still there" && return 1; }
	resume 3 >/dev/null
	wait_for 20 ready 3 && stop "$P3" 0
}
check 'quiesced is said when nothing changes the data-dir any more' quiesced_look

# --- what the status tells ------------------------------------------------------------------------

last_work()
{
	wait_for 20 ready 2 || return
	order_ok 2 archive e1 >/dev/null && wait_for 20 ready 2 && order_ok 2 archive e2 >/dev/null || return
	expect '^e2 e1 done archive$' state 2 '"\(.work.id) \(.last_work | "\(.id) \(.stage) \(.kind)")"' || return
	wait_for 20 ready 2 || return
	order 2 archive e1 | jq -e '.last_work.id == "e1"' || return
	expect '^e2$' state 2 .work.id
}
check 'the work before the last one is known, and not repeated' last_work

# nodeos does not come back: how long is not the work's doing once it has ended.
down_ends()
{
	local down rc=0
	stop "$P2" 0 || return
	LAME=0s
	supervise 2 && P2=$PID
	wait_for 20 ready 2 || return
	mv "$IT_DIR/config.2.ini" "$IT_DIR/config.away"
	order_ok 2 archive f1 >/dev/null || rc=1
	expect '^held$' state 2 .state || rc=1
	down=$(state 2 .work.down_seconds)
	sleep 1
	mv "$IT_DIR/config.away" "$IT_DIR/config.2.ini"
	resume 2 >/dev/null
	wait_for 30 ready 2 || rc=1
	expect "^$down\$" state 2 .work.down_seconds || rc=1
	return $rc
}
check 'down_seconds does not grow after the end' down_ends

# As a nodeos of another build does with a state that is not its own.
other_build()
{
	local nodeos=$IT_DIR/other.sh rc=0
	rm -rf "$POOL/services/t_s/3"
	printf '#!/bin/sh\necho "Database incompatible with this build"\nexit 254\n' >"$nodeos"
	chmod +x "$nodeos"
	NODEOS=$nodeos supervise 3
	wait_for 20 state_is 3 held || rc=1
	expect "generation $(current), made by nodeos [^ ]+: archive with" state 3 .reason || rc=1
	stop "$PID" 0 || rc=1
	rm -rf "$POOL/services/t_s/3"
	return $rc
}
check 'a state of another build names its generation' other_build

no_current()
{
	local rc=0
	mv "$GENERATIONS/current" "$IT_DIR/current.away"
	PEERS=127.0.0.1:1 supervise 3
	wait_for 20 state_is 3 running || rc=1
	expect "no current generation: it syncs from block 1 \('nodeswarm data pull' or 'data import'\)" \
		state 3 '.warnings[]' || rc=1
	stop "$PID" 0 || rc=1
	rm -rf "$POOL/services/t_s/3"
	PEERS=127.0.0.1:1 supervise 3 --restore never
	wait_for 20 state_is 3 running || rc=1
	expect '^\[\]$' state 3 '.warnings | tostring' || rc=1
	stop "$PID" 0 || rc=1
	rm -rf "$POOL/services/t_s/3"
	mv "$IT_DIR/current.away" "$GENERATIONS/current"
	return $rc
}
check 'who syncs from block 1 says so' no_current

# --- the hash of the state ------------------------------------------------------------------------

integrity()
{
	local rc=0
	supervise 3 --integrity-hash 1
	wait_for 20 ready 3 || rc=1
	order_ok 3 archive a7 '"integrity":true' >/dev/null || rc=1
	expect '^[0-9a-f]{64}$' jq -r .integrity_hash "$GENERATIONS/current/manifest.json" || rc=1
	wait_for 20 ready 3 || rc=1
	quiesce 3 >/dev/null
	# From here on anybody may put another data-dir there.
	refused 'not known' 3 archive a8 '"integrity":true' || rc=1
	order_ok 3 archive a9 >/dev/null || rc=1
	expect '^$' jq -r .integrity_hash "$GENERATIONS/$(state 3 .work.generation)/manifest.json" || rc=1
	stop "$PID" 0 || rc=1
	return $rc
}
check 'a hash is of the data that nodeos has just closed' integrity

check 'the reader ends clean' stop "$P2" 0
check 'the producer ends clean' stop "$P1" 0
