#!/usr/bin/env bash
# A slot whose data-dir was repaired serves only when its blocks are those of the others.
# time-limit: 240
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/slots.sh
. "$(dirname "$0")/slots.sh"
PEER_WAIT=2s
MAIN=$POOL

lib()
{
	state "$1" .last_irreversible_block_num
}

lib_beyond()
{
	[ "$(lib "$1")" -ge "$2" ]
}

heal()
{
	state "$1" ".heal.$2"
}

stage_of_heal_is()
{
	[ "$(heal "$1" stage)" = "$2" ]
}

# power_cut PID SLOT: the supervisor and its nodeos, at once
power_cut()
{
	local nodeos
	nodeos=$(nodeos_pid "$2")
	kill -KILL "$1" "$nodeos"
	wait "$1" 2>/dev/null
	wait_for 5 gone "$nodeos"
}

producer()
{
	curl -sf -m 5 -X POST "http://127.0.0.1:${1}8888/v1/producer/$2"
}

# Its log since LINE, one event a line.
events()
{
	tail -n "+$(($2 + 1))" "$IT_DIR/log.$1" | grep -E 'event="?(block compared|probation failed|ready|heal|not ready)'
}

lines()
{
	wc -l <"$IT_DIR/log.$1"
}

config 1 "${PRODUCER[@]}"
config 2
config 3
config 4 "${PRODUCER[@]}"
check 'pool init' nodeswarm pool init "$POOL"
check 'a second pool' nodeswarm pool init "$IT_DIR/other"

# Two producers with one genesis that never hear of each other: two chains of one id.
POOL=$IT_DIR/other
supervise 4 && P4=$PID
wait_for 20 ready 4 >/dev/null
sleep 0.7
POOL=$MAIN
supervise 1 && P1=$PID
check 'a producer gets ready' wait_for 20 ready 1 || { tail -20 "$IT_DIR/log.1"; exit; }
PEERS=127.0.0.1:19876
supervise 2 && P2=$PID
supervise 3 && P3=$PID
check 'two readers get ready' wait_for 20 ready 2 || { tail -20 "$IT_DIR/log.2"; exit; }
wait_for 20 ready 3 >/dev/null

tells_lib()
{
	local num id
	read -r num id < <(state 2 '"\(.last_irreversible_block_num) \(.last_irreversible_block_id)"')
	[ "$num" -gt 0 ] && [ "${id:0:8}" = "$(printf %08x "$num")" ] && [ ${#id} = 64 ] || return
	curl -sf -d "{\"block_num\":$num}" http://127.0.0.1:28888/v1/chain/get_block_info | jq -e ".id == \"$id\""
}
check 'the status has the id of the last irreversible block' tells_lib

bad_references()
{
	expect_fail 2 "references: 'ftp://x' is no URL of a reference" \
		nodeswarm --pool "$POOL" supervise --service t_s --slot 9 --references 'http://a ftp://x' -- nodesim
}
check 'a reference that is no URL ends the supervisor at once' bad_references

# --- it agrees -----------------------------------------------------------------------------------------

agrees()
{
	local before
	power_cut "$P3" 3 || return
	before=$(lines 3)
	supervise 3 && P3=$PID
	wait_for 30 ready 3 || { state 3 .; return 1; }
	state 3 '.heal'
	events 3 "$before"
	stage_of_heal_is 3 healed || return
	expect 'block [0-9]+ is the one that healthy slot t_s.[12] on here has' heal 3 proof || return
	# Not a moment before.
	events 3 "$before" | grep -E 'stage=healed|event="?ready' | head -n 1 | grep stage=healed
}
check 'a killed slot is healed, agrees with the others, and serves' agrees

agrees_paused()
{
	producer 1 pause || return
	sleep 1
	power_cut "$P3" 3 || return
	supervise 3 && P3=$PID
	wait_for 30 ready 3 || { state 3 .; return 1; }
	expect 'block [0-9]+ is the one that healthy slot' heal 3 proof
}
check 'so it does while the chain stands still' agrees_paused

# --- another fork ---------------------------------------------------------------------------------------

# From here on the chain of slot 1 stands still, so that the other one is ahead of it.
other_fork()
{
	local i data=$MAIN/services/t_s/3/data head
	head=$(lib 1)
	wait_for 60 lib_beyond 4 $((head + 3)) || return
	stop "$P4" 0 || return
	stop "$P3" 0 || return
	# With its record: to it the incident would be the former one, with its repairs used up.
	rm -r "$MAIN/services/t_s/3" && mkdir "$MAIN/services/t_s/3" &&
		cp -a "$IT_DIR/other/services/t_s/4/data" "$data" || return
	rm "$data/blocks/reversible/fork_db.dat"
	printf '\1' | dd of="$data/state/shared_memory.bin" bs=1 seek=8 conv=notrunc status=none
	supervise 3 && P3=$PID
	for ((i = 0; i < 300; i++)); do
		! ready 3 || { echo 'it serves' && return 1; }
		! state_is 3 held || break
		sleep 0.1
	done
	state 3 '{state,reason,heal}'
	state_is 3 held || return
	expect 'block [0-9]+ is [0-9a-f]+\.\.\. here, but [0-9a-f]+\.\.\. at healthy slot t_s.[12] on here' \
		grep 'probation failed' "$IT_DIR/log.3" || return
	stage_of_heal_is 3 gave-up || return
	# The blocks that nobody else has may be the only copy.
	[ -e "$data/blocks/blocks.log" ]
}
check 'a slot with the blocks of another fork never serves, and says what differs from whom' other_fork
check "and its data-dir is left as it was closed" stop "$P3" 0
producer 1 resume

# --- the hash of the state --------------------------------------------------------------------------------

archive_with_hash()
{
	stop "$P2" 0 || return
	supervise 2 --integrity-hash 1 && P2=$PID
	wait_for 20 ready 2 || return
	order_ok 2 archive c1 '"integrity":true' || return
	wait_for 20 ready 2 || return
	jq -e '.integrity_hash | length == 64' "$GENERATIONS/current/manifest.json"
}
check 'a generation with the hash of its state' archive_with_hash

healed_by_generation()
{
	rm -r "$MAIN/services/t_s/3"
	supervise 3 --integrity-hash 1 && P3=$PID
	wait_for 30 ready 3 || return
	power_cut "$P3" 3 || return
	supervise 3 --integrity-hash 1 && P3=$PID
	wait_for 30 ready 3 || { state 3 .; return 1; }
	state 3 '.heal'
	[ "$(heal 3 repair)" = restore-generation ]
}
same_hash()
{
	healed_by_generation && expect "the hash of its state is the generation's" heal 3 proof
}
check 'a slot that is healed by it has the same hash' same_hash

# Only the manifest's digest of the files is checked when it is read.
other_hash()
{
	local manifest=$GENERATIONS/current/manifest.json
	power_cut "$P3" 3 || return
	cp "$manifest" "$IT_DIR/manifest"
	jq '.integrity_hash |= "00000000" + .[8:]' "$IT_DIR/manifest" >"$manifest"
	supervise 3 --integrity-hash 1 && P3=$PID
	wait_for 30 grep 'probation failed.*the hash of its state is .* that of generation .* is 00000000' "$IT_DIR/log.3"
	local rc=$?
	state 3 '{state,reason,heal}'
	cp "$IT_DIR/manifest" "$manifest"
	kill -TERM "$P3"
	wait "$P3"
	return $rc
}
check 'another hash fails the probation' other_hash

# --- nobody else --------------------------------------------------------------------------------------------

alone()
{
	local before began
	stop "$P2" 0 || return
	power_cut "$P1" 1 || return
	before=$(lines 1)
	began=$EPOCHREALTIME
	PEERS='' supervise 1 --restore never && P1=$PID
	wait_for 40 ready 1 || { state 1 .; return 1; }
	echo "$(since "$began") s"
	events 1 "$before"
	expect 'caught up; there is no healthy slot, reference or peer to compare with' heal 1 proof
}
check 'with nobody to ask, that it has caught up is enough after ten seconds' alone

# Nobody is ready, so nobody is a healthy slot.
all_at_once()
{
	supervise 2 && P2=$PID
	wait_for 20 ready 2 || return
	power_cut "$P1" 1 && power_cut "$P2" 2 || return
	PEERS='' supervise 1 --restore never && P1=$PID
	supervise 2 --restore never && P2=$PID
	wait_for 60 ready 1 && wait_for 60 ready 2 || return
	heal 1 proof
	heal 2 proof
}
check 'all slots at once: each gets out of its probation' all_at_once
stop "$P2" 0
stop "$P1" 0
