#!/usr/bin/env bash
# Archives and restores by the supervisor, without an engine: nodesim under `nodeswarm supervise`,
# started and killed by hand.
# time-limit: 300
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/slots.sh
. "$(dirname "$0")/slots.sh"
PEER_WAIT=2s

# --- the first one ------------------------------------------------------------------------------

begin_chain 4
check 'without a generation a slot starts from genesis' expect null state 1 .generation

archive()
{
	local nodeos g
	nodeos=$(nodeos_pid 2)
	order_ok 2 archive a1 || return
	[ "$(nodeos_pid 2)" != "$nodeos" ] || return
	g=$(current) && whole && no_leftovers || return
	wait_for 20 ready 2 || return
	expect "^$g\$" state 2 .work.generation || return
	expect '^data t_s.2 here archive$' jq -r '"\(.kind) \(.source) \(.host) \(.origin)"' "$GENERATIONS/$g/manifest.json" || return
	expect "^$(state 2 .chain_id)\$" jq -r .chain_id "$GENERATIONS/$g/manifest.json" || return
	expect '^true$' jq -r '.lib_block_num > 0 and .head_block_num >= .lib_block_num' "$GENERATIONS/$g/manifest.json"
}
check 'an archive: nodeos stopped, copied, started, described' archive
check 'the reader is there again and goes on' wait_for 20 ready 2
check 'it syncs' syncs 2
check 'metrics' expect '^nodeswarm_archive_generation\{.*\} 1$' curl -sf http://127.0.0.1:28880/metrics
short_down()
{
	state 2 '.work | "\(.down_seconds) \(.flush_seconds)"'
	state 2 .work | jq -e '.down_seconds > 0 and .down_seconds - .flush_seconds < 1'
}
check 'nodeos was down for its flush and less than a second' short_down
check 'the same order again is not done twice' expect '"done"' order_ok 2 archive a1
check 'and there is one generation' expect '^1$' generations
check 'an order without id' refused 'no id' 2 archive ''
check 'the hash of the state is refused where nodeos does not tell it' refused 'NODESWARM_INTEGRITY_HASH' \
	2 archive a2 '"integrity":true'
check 'a retention that makes no sense' refused 'what to keep' 2 archive a2 '"keep":"nonsense"'

# --- several at once, and a busy slot -------------------------------------------------------------

joined()
{
	local a b
	stop "$P2" 0 || return
	NODESIM_FLUSH=3s supervise 2 && P2=$PID
	wait_for 20 ready 2 || return
	order 2 archive b1 >"$IT_DIR/join.1" &
	a=$!
	catch_stage 2 stopping || return
	refused 'under way' 2 archive b2 || return
	refused 'under way' 2 restore b3 || return
	order 2 archive b1 >"$IT_DIR/join.2" &
	b=$!
	wait $a && wait $b || return
	cat "$IT_DIR/join.1"
	[ "$(jq -r .work.generation "$IT_DIR/join.1")" = "$(jq -r .work.generation "$IT_DIR/join.2")" ] || return
	[ "$(generations)" = 2 ] && whole || return
	state 2 '.work | "\(.down_seconds) \(.flush_seconds)"'
	state 2 .work | jq -e '.flush_seconds > 2 and .down_seconds - .flush_seconds < 1' || return
	wait_for 20 ready 2 && stop "$P2" 0 || return
	supervise 2 && P2=$PID
	wait_for 20 ready 2
}
check 'a second caller with the same id joins, others are refused' joined

kept()
{
	wait_for 20 ready 2 || return
	order_ok 2 archive b9 '"keep":"count=2"' || return
	[ "$(generations)" = 2 ] && whole
}
check 'retention follows an archive' kept

quiesced()
{
	local before
	before=$(current)
	wait_for 20 ready 2 || return
	ask 2 '{"format":1,"request":"quiesce"}' | jq -r .state || return
	order_ok 2 archive c1 || return
	[ "$(current)" != "$before" ] && whole || return
	expect '^quiesced 0$' state 2 '"\(.state) \(.nodeos_pid)"' || return
	expect '^0$' state 2 .work.down_seconds || return
	ask 2 '{"format":1,"request":"resume"}' >/dev/null && wait_for 20 ready 2
}
check 'a quiesced slot is archived where it is and stays quiesced' quiesced

# quiesce while it is copied
quiesced_meanwhile()
{
	ballast 2 600M
	order 2 archive c2 >"$IT_DIR/c2" &
	local a=$!
	catch_stage 2 cloning || return
	ask 2 '{"format":1,"request":"quiesce"}' | jq -e '.state == "quiesced" and .verdict == "clean"' || return
	wait $a
	jq -e '.work.stage == "done"' "$IT_DIR/c2" || return
	expect '^quiesced 0$' state 2 '"\(.state) \(.nodeos_pid)"' || return
	ask 2 '{"format":1,"request":"resume"}' >/dev/null && wait_for 20 ready 2
}
check 'a quiesce while it is copied is obeyed at once' quiesced_meanwhile

# --- SIGTERM --------------------------------------------------------------------------------------

term_while()
{
	local before start
	before=$(current)
	wait_for 20 ready 2 || return
	order 2 archive "d${1:0:1}" >"$IT_DIR/d" &
	local a=$!
	catch_stage 2 "$1" || return
	start=$EPOCHREALTIME
	stop "$P2" 0 || return
	since "$start"
	awk -v s="$(since "$start")" 'BEGIN { exit !(s < 3) }' || return
	wait $a
	cat "$IT_DIR/d"
	[ "$(current)" = "$before" ] && whole && no_leftovers || return
	expect '^stopped clean$' record 2 '"\(.state) \(.verdict)"' || return
	supervise 2 && P2=$PID
	wait_for 20 ready 2
}
check 'SIGTERM while the data-dir is copied: at once, nothing is left' term_while cloning
check 'SIGTERM while digests are taken' term_while digesting

# --- kill -9 --------------------------------------------------------------------------------------

# kill9 STAGE DELAY: the supervisor is killed that long after the stage was seen
kill9()
{
	local nodeos
	order 2 archive "e$RANDOM" >/dev/null &
	local a=$!
	catch_stage 2 "$1" || return
	sleep "$2"
	nodeos=$(nodeos_pid 2)
	kill -KILL "$P2" && wait "$P2"
	wait $a
	# What would be left of a container goes with its PID 1.
	if [ "$nodeos" != 0 ]; then
		kill -TERM "$nodeos" 2>/dev/null
		wait_for 10 gone "$nodeos" || return
	fi
	whole || return
	supervise 2 && P2=$PID
	wait_for 20 ready 2 && syncs 2
}
kills()
{
	local stage
	stop "$P2" 0 || return
	export NODESIM_FLUSH=500ms
	supervise 2 && P2=$PID
	wait_for 20 ready 2 || return
	for stage in stopping cloning digesting; do
		kill9 $stage 0 && kill9 $stage "0.$((RANDOM % 4))" || return
	done
	export NODESIM_FLUSH=0s
	wait_for 20 ready 2 && order_ok 2 archive ee && whole && no_leftovers
}
check 'kill -9 of the supervisor at any stage: current is whole, the slot starts, leftovers go' kills
rm -f "$POOL/services/t_s/2/data/ballast"
wait_for 20 ready 2 >/dev/null
check 'an archive without ballast' order_ok 2 archive ef '"keep":"count=2"'
wait_for 20 ready 2 >/dev/null

# --- a slot begins with current -------------------------------------------------------------------

new_slot()
{
	supervise 3 && P3=$PID
	wait_for 20 ready 3 || { tail -20 "$IT_DIR/log.3" && return 1; }
	expect "^$(current)\$" state 3 .generation || return
	expect "^$(current)\$" record 3 .generation || return
	expect '^restore done$' state 3 '.work | "\(.kind) \(.stage)"' || return
	grep 'restored' "$IT_DIR/log.3" || return
	expect '^7077 7077$' stat -c '%u %g' "$POOL/services/t_s/3/data/state/shared_memory.bin" || return
	[ ! -d "$POOL/quarantine" ] || [ -z "$(find "$POOL/quarantine" -name 't_s.3-*')" ] || return
	syncs 3
}
check 'an empty slot starts from current and goes on' new_slot
check 'stop' stop "$P3" 0
started_again()
{
	supervise 3 && P3=$PID
	wait_for 20 ready 3 && expect "^null\$" state 3 .work && expect '^g0' state 3 .generation && stop "$P3" 0
}
check 'with data it starts as it is' started_again

far_behind()
{
	supervise 3 --far-behind 100000 && P3=$PID
	wait_for 20 ready 3 && stop "$P3" 0 || return
	cp -a "$POOL/services/t_s/3/data" "$IT_DIR/old"
	wait_for 30 beyond 2 "$(($(jq .lib_block_num "$GENERATIONS/current/manifest.json") + 20))" || return
	order_ok 2 archive f1 || return
	supervise 3 --far-behind 3 && P3=$PID
	wait_for 20 ready 3 || { tail "$IT_DIR/log.3" && return 1; }
	expect "^$(current)\$" state 3 .generation || return
	find "$POOL/quarantine" -name 't_s.3-*' | grep . || return
	cat "$POOL"/quarantine/t_s.3-*/why.json
	grep 'behind' "$POOL"/quarantine/t_s.3-*/why.json || return
	syncs 3 && stop "$P3" 0
}
check 'one that is far behind is replaced, the old data-dir is kept' far_behind

never()
{
	rm -rf "$POOL/services/t_s/3/data"
	supervise 3 --restore never && P3=$PID
	wait_for 20 ready 3 && expect '^null null$' state 3 '"\(.generation) \(.work)"' && stop "$P3" 0
}
check 'not with restore=never' never

prepared()
{
	rm -rf "$POOL/services/t_s/3/data"
	nodeswarm --pool "$POOL" --stack t data prepare s --slots 3 || return
	supervise 3 --restore never && P3=$PID
	wait_for 20 ready 3 && expect "^$(current) null\$" state 3 '"\(.generation) \(.work)"' && stop "$P3" 0
}
check 'a slot that was prepared says of which generation it is' prepared

# kill -9 while it is restored
killed_restore()
{
	local g=$GENERATIONS/current/data
	rm -rf "$POOL/services/t_s/3/data"
	head -c 600M /dev/urandom >"$g/ballast"
	supervise 3 && P3=$PID
	wait_for 10 state_is 3 restoring || return
	state 3 .reason
	kill -KILL "$P3" && wait "$P3"
	ls -a "$POOL/services/t_s/3"
	supervise 3 && P3=$PID
	wait_for 10 state_is 3 restoring || return
	stop "$P3" 0 || return
	no_leftovers || return
	supervise 3 && P3=$PID
	wait_for 20 ready 3 && rm "$g/ballast" && no_leftovers && stop "$P3" 0
}
check 'a restore that is killed, and one that is stopped, are begun again' killed_restore

# --- by order -------------------------------------------------------------------------------------

by_order()
{
	supervise 3 && P3=$PID
	wait_for 20 ready 3 || return
	order_ok 3 restore 11 '"generation":"current"' || return
	wait_for 20 ready 3 && syncs 3 || return
	refused 'no generation' 3 restore 12 '"generation":"g009999-0000000001"' || return
	refused 'not a generation' 3 restore 13 '"generation":"../x"' || return
	wait_for 20 ready 3 && stop "$P3" 0
}
check 'restore by order' by_order

dirty()
{
	supervise 3 --heal never && P3=$PID
	wait_for 20 ready 3 || return
	kill -SEGV "$(nodeos_pid 3)"
	wait_for 10 state_is 3 held || return
	refused 'dirty' 3 archive 14 || return
	order_ok 3 restore 15 && wait_for 20 ready 3 && stop "$P3" 0 || return
	find "$POOL/quarantine" -maxdepth 1 -name 't_s.3-*'
	[ "$(find "$POOL/quarantine" -maxdepth 1 -name 't_s.3-*' | wc -l)" -le 2 ]
}
check 'restore by order heals a dirty slot; the quarantine is bounded' dirty

other_chain()
{
	local rc=0
	jq '.initial_timestamp = "2020-01-01T00:00:00.000"' "$ROOT/genesis.json" >"$IT_DIR/genesis.other"
	PEERS='' GENESIS=$IT_DIR/genesis.other supervise 4
	wait_for 20 grep -q 'of another chain' "$IT_DIR/log.4" || rc=1
	wait_for 10 state_is 4 running || rc=1
	expect 'another chain' state 4 .warnings || rc=1
	expect '^null$' state 4 .generation || rc=1
	refused 'of chain' 4 restore 16 || rc=1
	stop "$PID" 0 || rc=1
	rm -rf "$POOL/services/t_s/4"
	return $rc
}
check 'a current of another chain is ignored and said' other_chain

unreadable()
{
	local m rc=0
	m=$GENERATIONS/$(current)/manifest.json
	mv "$m" "$IT_DIR/manifest.kept"
	echo '{}' >"$m"
	supervise 4
	wait_for 10 state_is 4 held || rc=1
	expect 'current' state 4 .reason || rc=1
	mv "$IT_DIR/manifest.kept" "$m"
	wait_for 20 ready 4 || rc=1
	expect '^g0' state 4 .generation || rc=1
	stop "$PID" 0 || rc=1
	return $rc
}
check 'an empty slot does not go without an unreadable current, it waits' unreadable

# --- the archivist --------------------------------------------------------------------------------

newer_than()
{
	[ "$(current)" != "$1" ]
}
made_by()
{
	grep -l "\"source\": *\"$1\"" "$GENERATIONS"/g0*/manifest.json | wc -l
}
archivist()
{
	local before rc=0 others
	others=$(made_by t_s.2)
	before=$(current)
	supervise 4 --archive-every 4s --keep count=2 --integrity-hash 1
	wait_for 30 newer_than "$before" || rc=1
	expect '^t_s.4$' jq -r .source "$GENERATIONS/current/manifest.json" || rc=1
	expect '^[0-9a-f]{64}$' jq -r .integrity_hash "$GENERATIONS/current/manifest.json" || rc=1
	before=$(current)
	wait_for 30 newer_than "$before" || rc=1
	wait_for 30 newer_than "$(current)" || rc=1
	# Of its own two, and what others have made stays.
	expect '^2$' made_by t_s.4 || rc=1
	expect "^$others\$" made_by t_s.2 || rc=1
	whole || rc=1
	stop "$PID" 0 || rc=1
	# A restart does not begin to count anew, and does not archive at once.
	before=$(current)
	: >"$IT_DIR/log.4"
	supervise 4 --archive-every 1h --integrity-hash 1
	wait_for 20 ready 4 || rc=1
	wait_for 5 grep 'next archive' "$IT_DIR/log.4" || rc=1
	[ "$(current)" = "$before" ] || rc=1
	order_ok 4 archive 20 '"integrity":true' || rc=1
	stop "$PID" 0 || rc=1
	return $rc
}
check 'the archivist archives itself, keeps two, and its clock survives a restart' archivist

# --- from a snapshot ------------------------------------------------------------------------------

NOTE=$POOL/services/t_s/5/from-snapshot.json
from_snapshot()
{
	local file
	config 5
	file=$(curl -sf -X POST http://127.0.0.1:18888/v1/producer/create_snapshot | jq -r .snapshot_name) || return
	nodeswarm --pool "$POOL" data import --promote --chain-id "$(state 1 .chain_id)" "$file" || return
	expect '^snapshot$' jq -r .kind "$GENERATIONS/current/manifest.json" || return
	supervise 5 --heal never && P5=$PID
	wait_for 20 ready 5 || { tail -20 "$IT_DIR/log.5" && return 1; }
	grep 'came up from its snapshot' "$IT_DIR/log.5" && [ ! -e "$NOTE" ] || return
	expect "^$(current)\$" state 5 .generation || return
	# Not from block 1: its log begins after the snapshot.
	expect '^true$' sh -c "curl -sf http://127.0.0.1:58888/v1/chain/get_info | jq '.earliest_available_block_num > 1'" || return
	syncs 5
}
check 'a slot starts from a snapshot' from_snapshot

cut_off()
{
	local file
	file=$(basename "$POOL"/services/t_s/5/data/snapshots/*.bin)
	kill -SEGV "$(nodeos_pid 5)"
	wait_for 10 state_is 5 held && stop "$P5" 1 || return
	# As if nodeos had been killed while it loaded.
	echo "{\"format\":1,\"generation\":\"$(current)\",\"file\":\"$file\",\"tries\":0}" >"$NOTE"
	: >"$IT_DIR/log.5"
	supervise 5 && P5=$PID
	# No start of ours made this: not a byte goes.
	wait_for 20 state_is 5 held || return
	expect 'no start from snapshot' state 5 .reason || return
	[ -s "$POOL/services/t_s/5/data/state/shared_memory.bin" ] && stop "$P5" 1 || return
	echo "{\"format\":1,\"generation\":\"$(current)\",\"file\":\"$file\",\"tries\":1}" >"$NOTE"
	supervise 5 && P5=$PID
	wait_for 20 ready 5 || { tail -20 "$IT_DIR/log.5" && return 1; }
	grep 'cut off' "$IT_DIR/log.5" && [ ! -e "$NOTE" ] && syncs 5 || return
	stop "$P5" 0 || return
	# Stopped before it could answer: what is there is good.
	echo "{\"format\":1,\"generation\":\"$(current)\",\"file\":\"$file\",\"tries\":1}" >"$NOTE"
	supervise 5 && P5=$PID
	wait_for 20 ready 5 && [ ! -e "$NOTE" ] && stop "$P5" 0
}
check 'a start from it that was cut off begins again, one that was not goes on' cut_off

too_often()
{
	local file rc=0
	file=$(basename "$POOL"/services/t_s/5/data/snapshots/*.bin)
	rm -r "$POOL/services/t_s/5/data/state" "$POOL/services/t_s/5/data/blocks"
	echo "{\"format\":1,\"generation\":\"$(current)\",\"file\":\"$file\",\"tries\":5}" >"$NOTE"
	supervise 5
	wait_for 10 state_is 5 held || rc=1
	expect 'in 5 tries' state 5 .reason || rc=1
	# The way out.
	order_ok 5 restore 50 || rc=1
	wait_for 20 ready 5 || rc=1
	stop "$PID" 0 || rc=1
	return $rc
}
check 'not for ever; a restore begins anew' too_often

# --- a state in pieces ----------------------------------------------------------------------------

extents()
{
	filefrag "$1" | sed -n 's/.*: \([0-9]*\) extents\? found$/\1/p'
}

unshared()
{
	[ "$(state 5 .work.unsharing)" = false ] && grep 'a file was unshared' "$IT_DIR/log.5"
}

# Pages that change while their blocks are shared cut a file into pieces; here, beyond what nodesim
# uses of it.
fragmented()
{
	local POOL=$IT_DIR/xfs rc=0 state before after
	local GENERATIONS=$POOL/generations
	: >"$IT_DIR/log.5"
	state=$POOL/services/t_s/5/data/state/shared_memory.bin
	supervise 5 --unshare-extents 500 && wait_for 20 ready 5 || rc=1
	order_ok 5 archive 60 | jq -e '.clone.reflink.files > 0' || rc=1
	# It also tells XFS to set nothing aside beside pages that change from now on.
	wait_for 10 expect false state 5 .work.unsharing || rc=1
	stop "$PID" 0 || rc=1
	python3 -c 'import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY)
os.pwrite(fd, os.urandom(16 << 20), 64 << 20)
os.fsync(fd)' "$state" || rc=1
	cp --reflink=always "$state" "$POOL/shared" || rc=1
	python3 -c 'import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY)
for i in range(0, 2000, 2):
    os.pwrite(fd, bytes([i % 256]) * 4096, (64 << 20) + i * 4096)
os.fsync(fd)' "$state" || rc=1
	supervise 5 --unshare-extents 500 && wait_for 20 ready 5 || rc=1
	before=$(extents "$state")
	! unshared || rc=1
	order_ok 5 archive 61 || rc=1
	wait_for 20 unshared || { tail -20 "$IT_DIR/log.5" && rc=1; }
	after=$(extents "$state")
	echo "$before extents, then $after"
	[ "$before" -gt 1000 ] && [ "$after" -lt 500 ] || rc=1
	[ "$(extents "$GENERATIONS/current/data/state/shared_memory.bin")" -gt 1000 ] || rc=1
	nodeswarm --pool "$POOL" data verify "$(current)" || rc=1
	whole && no_leftovers || rc=1
	cmp -i $((64 << 20)) -n $((16 << 20)) "$state" "$GENERATIONS/current/data/state/shared_memory.bin" || rc=1
	stop "$PID" 0 || rc=1
	return $rc
}
mount_xfs()
{
	local device rc=0
	device=$(losetup --find --show "$IT_DIR/xfs.img") || return
	# Detached when it is not mounted any more, also when this file is killed.
	mount "$device" "$IT_DIR/xfs" || rc=1
	losetup --detach "$device"
	return $rc
}
with_xfs()
{
	local rc=0
	truncate -s 600M "$IT_DIR/xfs.img" && mkfs.xfs -q "$IT_DIR/xfs.img" && mkdir "$IT_DIR/xfs" || return
	mount_xfs || return
	config 5
	nodeswarm pool init "$IT_DIR/xfs" && fragmented || rc=1
	umount "$IT_DIR/xfs"
	return $rc
}
if command -v mkfs.xfs >/dev/null && losetup --find >/dev/null 2>&1; then
	check 'a state in pieces is unshared while nodeos runs' with_xfs
else
	skip 'a state in pieces is unshared while nodeos runs' 'no mkfs.xfs or no loop device'
fi

# --- a full disk ----------------------------------------------------------------------------------

full_disk()
{
	local POOL=$IT_DIR/small rc=0
	local GENERATIONS=$POOL/generations
	mkdir "$POOL" && mount -t tmpfs -o size=200m,mode=755 none "$POOL" && nodeswarm pool init "$POOL" || return
	# It may have been moved here from a file system that could.
	sed -i 's/"copy"/"reflink"/' "$POOL/pool.json" && grep -q reflink "$POOL/pool.json" || rc=1
	supervise 4 || return
	wait_for 20 ready 4 || rc=1
	head -c 100m /dev/zero >"$POOL/services/t_s/4/data/ballast"
	refused 'free' 4 archive 30 || rc=1
	# Nothing was stopped for it.
	expect '^1$' state 4 .starts || rc=1
	no_leftovers || rc=1
	rm "$POOL/services/t_s/4/data/ballast"
	order_ok 4 archive 31 || rc=1
	wait_for 20 ready 4 || rc=1
	stop "$PID" 0 || rc=1
	# A slot that cannot be restored for want of room waits for it.
	rm -rf "$POOL/services/t_s/4/data"
	head -c 60m /dev/urandom >"$GENERATIONS/current/data/ballast"
	head -c 90m /dev/zero >"$POOL/other"
	supervise 4
	wait_for 10 state_is 4 held || rc=1
	expect 'space' state 4 .reason || rc=1
	rm "$POOL/other"
	wait_for 30 ready 4 || rc=1
	expect '^g0' state 4 .generation || rc=1
	no_leftovers || rc=1
	stop "$PID" 0 || rc=1
	return $rc
}
check 'a full disk: an archive stops nothing, a restore waits for room' full_disk

check 'the reader ends clean' stop "$P2" 0
check 'the producer ends clean' stop "$P1" 0
