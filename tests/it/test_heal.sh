#!/usr/bin/env bash
# A slot that heals itself, without an engine: nodesim under `nodeswarm supervise`, killed and
# damaged by hand.  That a probation fails is in test_probation.sh.
# time-limit: 420
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/slots.sh
. "$(dirname "$0")/slots.sh"
PEER_WAIT=2s
SLOT2=$POOL/services/t_s/2
BLOCKS=$SLOT2/data/blocks
STATE=$SLOT2/data/state/shared_memory.bin
FORK_DB=$BLOCKS/reversible/fork_db.dat

heal()
{
	state "$1" '.heal | "\(.stage) \(.repair) \(.tries)"'
}

stage_of_heal_is()
{
	[ "$(state "$1" .heal.stage)" = "$2" ]
}

# healed SLOT N: so often in its life, and it serves
healed()
{
	[ "$(state "$1" .heal.healed)" -ge "$2" ] && ready "$1"
}

healed_times()
{
	record "$1" '.heal.healed // 0'
}

why()
{
	tail -n 30 "$IT_DIR/log.$1" | cut -c1-400
	record "$1" .heal
	return 1
}

# power_cut PID SLOT: the supervisor and its nodeos, at once
power_cut()
{
	local nodeos
	nodeos=$(nodeos_pid "$2")
	kill -KILL "$1"
	[ "$nodeos" = 0 ] || kill -KILL "$nodeos" 2>/dev/null
	wait "$1" 2>/dev/null
	[ "$nodeos" = 0 ] || wait_for 5 gone "$nodeos"
}

# The incident is over, and what happened within the hour is forgotten.
calm()
{
	ask "$1" '{"format":1,"request":"quiesce"}' >/dev/null &&
		ask "$1" '{"format":1,"request":"resume"}' >/dev/null && wait_for 20 ready "$1" &&
		expect '^0 0$' state "$1" '.heal | "\(.tries) \(.begins | length)"'
}

lib()
{
	curl -sf -m 2 "http://127.0.0.1:${1}8888/v1/chain/get_info" | jq .last_irreversible_block_num
}

digests()
{
	(cd "$POOL/services/t_s/$1" && find data -type f -print0 | sort -z | xargs -0 sha256sum)
}

in_quarantine()
{
	find "$POOL/quarantine" -mindepth 1 -maxdepth 1 -name "t_s.$1-*" 2>/dev/null | wc -l
}

begin_chain 3
check 'nothing was ever healed' expect '^null$' state 2 .heal

# --- killed ---------------------------------------------------------------------------------------

by_replay()
{
	kill -KILL "$(nodeos_pid 2)"
	wait_for 40 healed 2 1 || why 2 || return
	expect '^healed replay 1$' heal 2 || return
	expect '^dirty ' state 2 '.heal | "\(.verdict) \(.why)"' || return
	state 2 .heal.quarantined | grep '^t_s.2-' || return
	find "$POOL/quarantine/$(state 2 .heal.quarantined)" -name shared_memory.bin | grep . || return
	state 2 .heal.proof | grep . && syncs 2
}
check 'killed, without a generation: it replays, and its state is in quarantine' by_replay
check 'that is calm' calm 2

archived()
{
	wait_for 20 ready 2 && order_ok 2 archive "a$RANDOM" >/dev/null && wait_for 20 ready 2
}
by_generation()
{
	archived || return
	kill -KILL "$(nodeos_pid 2)"
	wait_for 40 healed 2 2 || why 2 || return
	expect '^healed restore-generation 1$' heal 2 || return
	expect "^$(current)\$" state 2 .heal.generation && expect "^$(current)\$" state 2 .generation && syncs 2
}
check 'killed, with a generation: it is restored' by_generation
check 'that is calm' calm 2

# --- damage ---------------------------------------------------------------------------------------

# damage REPAIR COMMAND...: done to the stopped slot, which then heals by that
damage()
{
	local repair=$1 before n
	shift
	before=$(lib 2)
	n=$(healed_times 2)
	stop "$P2" 0 || true
	: >"$IT_DIR/log.2"
	"$@" || return
	supervise 2 ${ARGS:+"${ARGS[@]}"} && P2=$PID
	wait_for 40 healed 2 $((n + 1)) || why 2 || return
	expect "^healed $repair 1\$" heal 2 || return
	[ "$(in_quarantine 2)" -ge 1 ] && [ "$(in_quarantine 2)" -le 4 ] || return
	[ -n "${GOES_BACK-}" ] || [ "$(lib 2)" -ge "$before" ] || return
	syncs 2 && calm 2
}
shorten()
{
	truncate -s -"$2" "$1"
}
garbage()
{
	printf 'this is no file of nodeos %0500d' 0 | dd of="$1" conv=notrunc status=none
}
ARGS=(--restore never)
check 'fork_db.dat missing' damage replay rm "$FORK_DB"
check 'fork_db.dat empty' damage replay truncate -s 0 "$FORK_DB"
check 'fork_db.dat garbage' damage replay garbage "$FORK_DB"
check 'blocks.index cut' damage rebuild-index shorten "$BLOCKS/blocks.index" 3
check 'blocks.index missing' damage rebuild-index rm "$BLOCKS/blocks.index"
check 'state garbage' damage replay garbage "$STATE"
check 'state empty' damage replay truncate -s 0 "$STATE"
# The last block goes with it; it comes again from the peer.
no_second_copy()
{
	[ -z "$(find "$SLOT2/data" -maxdepth 1 -name 'blocks-*')" ]
}
check 'the end of blocks.log cut: a hard replay' damage hard-replay shorten "$BLOCKS/blocks.log" 5
check 'and its second copy is removed' wait_for 10 no_second_copy
ARGS=()
check 'with a generation' damage restore-generation rm "$FORK_DB"

# What is wrong shows only after the first repair: the generation has a bad index itself.
one_after_the_other()
{
	local index=$GENERATIONS/current/data/blocks/blocks.index n rc=0
	n=$(healed_times 2)
	cp "$index" "$IT_DIR/index"
	printf 'nothing!' | dd of="$index" bs=1 seek=$(($(stat -c %s "$index") - 8)) conv=notrunc status=none
	kill -KILL "$(nodeos_pid 2)"
	wait_for 40 healed 2 $((n + 1)) || rc=1
	cp "$IT_DIR/index" "$index"
	[ $rc = 0 ] || why 2 || return
	expect '^healed rebuild-index 2$' heal 2 && syncs 2 && calm 2
}
check 'a repair after which there is another thing to mend' one_after_the_other

# A hard replay that was killed: nodeos had moved the log and begun to write it again.
cut_hard_replay()
{
	local n before copy=$SLOT2/data/blocks-2026-11-20T10:22:41.668
	n=$(healed_times 2)
	before=$(lib 2)
	stop "$P2" 0 || true
	shorten "$BLOCKS/blocks.log" 5
	mkdir -p "$copy" && mv "$BLOCKS/blocks.log" "$BLOCKS/blocks.index" "$copy" && mv "$BLOCKS/reversible" "$copy" &&
		rm "$copy/reversible/fork_db.dat" || return
	head -c 4000 "$copy/blocks.log" >"$BLOCKS/blocks.log"
	rm -r "$SLOT2/data/state"
	[ "$1" = with-log ] || rm "$BLOCKS/blocks.log"
	jq '.state = "repairing" | .heal = {"stage":"repairing","repair":"hard-replay","tried":["hard-replay"],"tries":1,
		"verdict":"damaged","why":"w","second_copy":true,"healed":'"$n"',"begun":"2026-11-20T10:22:41.000Z",
		"last":"2026-11-20T10:22:41.000Z"}' "$SLOT2/run.json" >"$IT_DIR/run" && cp "$IT_DIR/run" "$SLOT2/run.json"
	: >"$IT_DIR/log.2"
	supervise 2 --restore never && P2=$PID
	wait_for 40 healed 2 $((n + 1)) || why 2 || return
	grep 'the blocks from before it are back' "$IT_DIR/log.2" || return
	# Twice: the first did not end, and is no proof against it.
	expect '^healed hard-replay 2$' heal 2 || return
	[ "$(curl -sf http://127.0.0.1:28888/v1/chain/get_info | jq .earliest_available_block_num)" = 1 ] || return
	[ "$(lib 2)" -ge "$before" ] || return
	wait_for 10 no_second_copy && calm 2
}
check 'a hard replay that was killed: the blocks of before come back' cut_hard_replay with-log
check 'and when nodeos had not begun to write them' cut_hard_replay without

# --- the supervisor is killed ---------------------------------------------------------------------

as_usual()
{
	stop "$P2" 0
	supervise 2 && P2=$PID
	wait_for 20 ready 2
}
killed_while_restoring()
{
	local g=$GENERATIONS/current/data n
	n=$(healed_times 2)
	as_usual || return
	head -c 600M /dev/urandom >"$g/ballast"
	kill -KILL "$(nodeos_pid 2)"
	wait_for 10 state_is 2 repairing || return
	state 2 .reason
	power_cut "$P2" 2
	expect '^repairing restore-generation$' record 2 '.heal | "\(.stage) \(.repair)"' || return
	supervise 2 && P2=$PID
	wait_for 60 healed 2 $((n + 1)) || why 2 || return
	# It was not its fault.
	expect '^healed restore-generation 2$' heal 2 || return
	rm "$g/ballast" && no_leftovers && calm 2
}
check 'while it restores' killed_while_restoring

killed_while_replaying()
{
	local n
	n=$(healed_times 2)
	stop "$P2" 0 || true
	NODESIM_SYNC_RATE=10 supervise 2 --restore never && P2=$PID
	wait_for 20 ready 2 || return
	kill -KILL "$(nodeos_pid 2)"
	wait_for 10 expect 'replays' state 2 .reason || return
	expect '503' curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:28880/readyz || return
	expect '^repairing replay 1$' heal 2 || return
	sleep 1
	power_cut "$P2" 2
	supervise 2 --restore never && P2=$PID
	wait_for 60 healed 2 $((n + 1)) || why 2 || return
	expect '^healed replay 2$' heal 2 && syncs 2 && calm 2 && as_usual
}
check 'while nodeos replays' killed_while_replaying

killed_on_probation()
{
	local n
	n=$(healed_times 2)
	kill -STOP "$(nodeos_pid 1)"
	kill -KILL "$(nodeos_pid 2)"
	wait_for 20 stage_of_heal_is 2 probation || why 2 || return
	! ready 2 || return
	power_cut "$P2" 2
	expect '^probation$' record 2 .heal.stage || return
	supervise 2 && P2=$PID
	wait_for 20 stage_of_heal_is 2 probation || why 2 || return
	kill -CONT "$(nodeos_pid 1)"
	wait_for 60 healed 2 $((n + 1)) || why 2 || return
	expect '^healed restore-generation 2$' heal 2 && syncs 2 && calm 2
}
check 'on probation' killed_on_probation

stopped_on_probation()
{
	local n
	n=$(healed_times 2)
	kill -STOP "$(nodeos_pid 1)"
	kill -KILL "$(nodeos_pid 2)"
	wait_for 20 stage_of_heal_is 2 probation || why 2 || return
	stop "$P2" 0 || true
	supervise 2 && P2=$PID
	wait_for 20 stage_of_heal_is 2 probation || why 2 || return
	kill -CONT "$(nodeos_pid 1)"
	wait_for 60 healed 2 $((n + 1)) || why 2 || return
	# A clean data-dir, and not proven yet.
	expect '^healed restore-generation 1$' heal 2 && calm 2
}
check 'stopped on probation it is on probation again' stopped_on_probation

# --- what does not help ---------------------------------------------------------------------------

# It says what a real one has said of a block that is damaged, until somebody mends it.
cat >"$IT_DIR/bad" <<SH
#!/bin/sh
if [ "\$1" = --version ] || [ -e "$IT_DIR/mended" ]; then exec nodesim "\$@"; fi
cat >&2 <<'TEXT'
error 2026-11-20T10:24:55.112 nodeos    main.cpp:163                  main                 ] 3030001 unlinkable_block_exception: Unlinkable block
previous mismatch
TEXT
exit 254
SH
chmod 755 "$IT_DIR/bad"
gives_up()
{
	local rc=0
	rm -f "$IT_DIR/mended"
	stop "$P2" 0 || true
	: >"$IT_DIR/log.2"
	NODEOS=$IT_DIR/bad supervise 2 && P2=$PID
	wait_for 60 stage_of_heal_is 2 gave-up || why 2 || return
	expect '^held true$' state 2 '"\(.state) \(.needs_hand)"' || return
	state 2 .reason | grep 'tried without success: restore-generation' || return
	state 2 .reason | grep -E 'mismatch|damaged' || return
	# Once each, and it waited between two.
	[ "$(grep -c 'event="work begun" kind=restore' "$IT_DIR/log.2")" = 1 ] || rc=1
	[ "$(state 2 .heal.tries)" -le 4 ] || rc=1
	sleep 3
	expect '^gave-up$' state 2 .heal.stage && expect '^0$' state 2 .nodeos_pid || rc=1
	# Another task finds it so and does not begin again.
	stop "$P2" "$(record 2 .verdict | grep -qx clean && echo 0 || echo 1)" || rc=1
	return $rc
}
check 'what nodeos goes on complaining of: not for ever' gives_up
resumed()
{
	local n
	n=$(healed_times 2)
	NODEOS=$IT_DIR/bad supervise 2 && P2=$PID
	wait_for 30 stage_of_heal_is 2 gave-up || why 2 || return
	touch "$IT_DIR/mended"
	ask 2 '{"format":1,"request":"resume"}' >/dev/null
	wait_for 40 healed 2 $((n + 1)) || why 2 || return
	syncs 2 && stop "$P2" 0 || return
	supervise 2 && P2=$PID
	wait_for 20 ready 2 && calm 2
}
check 'resume begins anew' resumed

too_often()
{
	local i n
	n=$(healed_times 2)
	for i in 1 2 3 4 5; do
		wait_for 30 ready 2 && kill -KILL "$(nodeos_pid 2)" || return
		wait_for 90 healed 2 $((n + i)) || why 2 || return
	done
	kill -KILL "$(nodeos_pid 2)"
	wait_for 20 stage_of_heal_is 2 gave-up || why 2 || return
	expect 'within the hour' state 2 .reason || return
	ask 2 '{"format":1,"request":"resume"}' >/dev/null
	wait_for 40 healed 2 $((n + 6)) && calm 2
}
check 'five times within the hour, and not a sixth' too_often

# --- what is not damage ---------------------------------------------------------------------------

# untouched WAIT PATTERN: slot 2 with the present settings is held or tries again, and says PATTERN
untouched()
{
	local rc=0 entries
	entries=$(in_quarantine 2)
	supervise 2 ${ARGS:+"${ARGS[@]}"}
	wait_for 20 says 2 "$1" || rc=1
	stop "$PID" "${2-0}" || rc=1
	digests 2 | cmp - "$IT_DIR/digests" || rc=1
	[ "$(in_quarantine 2)" = "$entries" ] || rc=1
	return $rc
}
says()
{
	state "$1" '"\(.state) \(.reason)"' | grep -E "$2"
}
check 'the reader ends clean' stop "$P2" 0
digests 2 >"$IT_DIR/digests"
config 2 'no-such-option = 1'
check 'not damage: an unknown option' untouched '^held .*no-such-option'
config 2 'replay-blockchain = true'
check 'not damage: a refused option' untouched '^held .*replay-blockchain'
config 2
echo '{}' >"$IT_DIR/genesis.bad"
GENESIS=$IT_DIR/genesis.bad check 'not damage: a bad genesis' untouched '^held .*genesis'
jq '.initial_timestamp = "2020-01-01T00:00:00.000"' "$ROOT/genesis.json" >"$IT_DIR/genesis.other"
GENESIS=$IT_DIR/genesis.other check 'not damage: another chain' untouched '^held .*foreign' 1
words()
{
	# shellcheck disable=SC2016
	printf '#!/bin/sh\n[ "$1" != --version ] || exec nodesim "$@"\necho "%s" >&2\nexit %d\n' "$1" "$2" >"$IT_DIR/words"
	chmod 755 "$IT_DIR/words"
}
words 'bad alloc' 1
NODEOS=$IT_DIR/words check 'not damage: a full state database' untouched '^held .*chain-state-db-size-mb'
words 'error nodeos net_plugin.cpp:3884 plugin_startup ] net_plugin::plugin_startup failed to bind to port 29876, bind: Address already in use' 0
NODEOS=$IT_DIR/words check 'not damage: a busy port' untouched '^backoff .*in use'
words 'error nodeos main.cpp:163 main ] No space left on device' 254
NODEOS=$IT_DIR/words check 'not damage: a full disk' untouched '^held .*No space'
words 'database dirty flag set' 2
NODEOS=$IT_DIR/words check 'not damage: another nodeos had it open' untouched '^backoff .*another nodeos'
# shellcheck disable=SC2016
printf '#!/bin/sh\n[ "$1" != --version ] || exec nodesim "$@"\nkill -SEGV $$\n' >"$IT_DIR/words"
NODEOS=$IT_DIR/words check 'not damage: a nodeos that crashes' untouched '^backoff .*SIGSEGV'
# shellcheck disable=SC2016
printf '#!/bin/sh\n[ "$1" != --version ] || { echo v5.0.3; exit 0; }\nexec nodesim "$@"\n' >"$IT_DIR/other"
chmod 755 "$IT_DIR/other"
NODEOS=$IT_DIR/other check 'not damage: a nodeos with another database format' untouched '^held .*foreign' 1

# A slot that is dirty as well: first the cause, then the repair.
supervise 2 && P2=$PID
wait_for 20 ready 2 >/dev/null && power_cut "$P2" 2
digests 2 >"$IT_DIR/digests"
config 2 'replay-blockchain = true'
check 'a dirty slot with a refused option is not touched' untouched '^held .*replay-blockchain' 1
config 2
ARGS=(--heal never)
check 'nor one that may not heal' untouched '^held .*dirty' 1
told_before()
{
	jq '.heal += {"stage":"repairing","repair":"hard-replay","second_copy":true}' "$SLOT2/run.json" >"$IT_DIR/run" &&
		cp "$IT_DIR/run" "$SLOT2/run.json" && untouched '^held .*dirty' 1
}
check 'nor one whose hard replay was about to begin' told_before
cut_and_may_not()
{
	local rc=0 copy=$SLOT2/data/blocks-2026-11-20T10:22:41.668
	mkdir "$copy" && mv "$BLOCKS"/* "$copy" && mv "$SLOT2/data/state" "$IT_DIR/state" || return
	digests 2 >"$IT_DIR/digests"
	untouched '^held .*(dirty|damaged)' 1 || rc=1
	mv "$copy"/* "$BLOCKS" && rmdir "$copy" && rm -rf "$SLOT2/data/state" && mv "$IT_DIR/state" "$SLOT2/data/state" || rc=1
	digests 2 >"$IT_DIR/digests"
	return $rc
}
check 'nor one whose hard replay was cut off' cut_and_may_not
ARGS=()
in_use()
{
	local rc=0 n reader
	n=$(healed_times 2)
	python3 -c 'import sys, time
f = open(sys.argv[1], "r+b")
time.sleep(60)' "$STATE" &
	reader=$!
	sleep 0.5
	supervise 2 && P2=$PID
	wait_for 20 says 2 '^held .*in use' || rc=1
	digests 2 | cmp - "$IT_DIR/digests" || rc=1
	kill $reader
	wait_for 40 healed 2 $((n + 1)) || rc=1
	calm 2 || rc=1
	return $rc
}
check 'one that somebody else has open waits for him' in_use

# --- a producer -----------------------------------------------------------------------------------

producer()
{
	local before
	order_ok 1 archive aa1 >/dev/null || return
	before=$(lib 1)
	wait_for 20 beyond 1 $((before + 6)) || return
	before=$(lib 1)
	kill -KILL "$(nodeos_pid 1)"
	wait_for 60 healed 1 1 || why 1 || return
	expect '^healed replay 1$' heal 1 || return
	[ "$(lib 1)" -ge "$before" ] && wait_for 20 beyond 1 $((before + 2))
}
check 'a producer is not rolled back to an older generation' producer
check 'the reader follows it' syncs 2

producer_gives_up()
{
	local rc=0
	stop "$P1" 0 || return
	cp -a "$POOL/services/t_s/1/data" "$IT_DIR/kept"
	rm -r "$POOL/services/t_s/1/data/blocks"
	digests 1 >"$IT_DIR/digests"
	PEERS='' supervise 1 && P1=$PID
	wait_for 20 says 1 '^held .*it produces' || why 1 || rc=1
	digests 1 | cmp - "$IT_DIR/digests" || rc=1
	stop "$P1" 1 || rc=1
	rm -r "$POOL/services/t_s/1/data" && cp -a "$IT_DIR/kept" "$POOL/services/t_s/1/data"
	PEERS='' supervise 1 && P1=$PID
	wait_for 20 ready 1 || rc=1
	return $rc
}
check 'one whose blocks are gone gives up rather than make others' producer_gives_up

# --- a full disk ----------------------------------------------------------------------------------

full_disk()
{
	local POOL=$IT_DIR/small rc=0
	mkdir "$POOL" && mount -t tmpfs -o size=200m,mode=755 none "$POOL" && nodeswarm pool init "$POOL" || return
	supervise 3 || return
	wait_for 20 ready 3 || rc=1
	power_cut "$PID" 3
	head -c 178m /dev/zero >"$POOL/ballast"
	supervise 3 || rc=1
	wait_for 20 says 3 '^held .*dirty.*full' || rc=1
	sleep 2
	expect '^null$' state 3 .heal || rc=1
	rm "$POOL/ballast"
	wait_for 40 healed 3 1 || why 3 || rc=1
	stop "$PID" 0 || rc=1
	return $rc
}
check 'a dirty slot on a full disk: first the room, then the repair' full_disk

check 'the reader ends clean' stop "$P2" 0
check 'the producer ends clean' stop "$P1" 0
