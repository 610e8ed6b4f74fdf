#!/usr/bin/env bash
# time-limit: 240
# Generations of readers on one engine with an agent: archive, list, verify, use, restore, remove.
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/cluster.sh
. "$ROOT/tests/it/cluster.sh"
need docker dockerd jq

AGENT_YML=$ROOT/stacks/agent.yml

check 'engine' engine_up || exit 1
check 'image and pool' eval 'cluster_images && cluster_pool' || exit 1
export READERS=2
check 'up' nodeswarm up -f "$CHAIN_YML" -f "$READERS_YML" -f "$AGENT_YML" --wait 90s || exit 1
check 'all serve' wait_for 30 serves readers 2
oracle_start

data()
{
	nodeswarm data "$@"
}

# A head that is worth a copy.
has_blocks()
{
	[ "$(nodeswarm --json status | jq '[.slots[] | select(.service == "readers") | .head_block_num] | min')" -gt "$1" ]
}
check 'some blocks' wait_for 30 has_blocks 20

nothing()
{
	expect 'no generations' data ls && [ "$(data ls --json | jq -c '.generations, [.hosts[].agent]')" = $'[]\n["ok"]' ]
}
check 'there is no generation yet' nothing

# --- archive ----------------------------------------------------------------------------------------

archive()
{
	data archive readers.1 --wait 60s | tee "$IT_DIR/archive" &&
		grep -q 'readers.1 on host .* is archived as g000001-' "$IT_DIR/archive" &&
		grep -Eq '(reflinked|copied|hard-linked) ' "$IT_DIR/archive" &&
		grep -q 'nodeos was down for' "$IT_DIR/archive"
}
check 'archive readers.1' archive
check 'it serves again' wait_for 30 serves readers 2

first=$(data ls --json | jq -r '.generations[0].name')
listed()
{
	data ls && data ls --json | jq -c '.generations[0]' &&
		data ls --json | jq -e '.generations | length == 1 and (.[0] | .current and .lib_block_num > 0 and
			.kind == "data" and .source == "nodeswarm_readers.1" and (.chain_id | length) == 64)'
}
check 'it is listed, and current' listed
check 'show' expect 'chain +[0-9a-f]{64}' data show "$first"
check 'verify by the agent' expect 'is whole' data verify current --on "$(hostname)"
check 'verify here' expect 'is whole' data verify current

joins()
{
	local one two
	data archive readers.2 --json >"$IT_DIR/one" 2>/dev/null & one=$!
	data archive readers.2 --json >"$IT_DIR/two" 2>/dev/null & two=$!
	wait $one || return
	wait $two || return
	jq -c '[.joined, .work.id, .work.generation, .generation.lib_block_num]' "$IT_DIR/one" "$IT_DIR/two"
	[ "$(jq -r .work.id "$IT_DIR/one")" = "$(jq -r .work.id "$IT_DIR/two")" ] &&
		[ "$(jq -s '[.[] | select(.joined)] | length' "$IT_DIR/one" "$IT_DIR/two")" = 1 ] &&
		[ "$(data ls --json | jq '.generations | length')" = 2 ]
}
check 'two orders at once are one archive' joins
check 'no slot but a supervised one' expect_fail 2 'devchain.7|no such slot' eval 'data archive devchain.7 || [ $? != 1 ] || exit 2'

# --- use --------------------------------------------------------------------------------------------

check 'prepare leaves what runs alone' expect 'readers.1 +in use' data prepare readers 1
prepared()
{
	data prepare readers --slots 3 | tee "$IT_DIR/prepare" && grep -q 'readers.3 *restored' "$IT_DIR/prepare" &&
		[ "$(stat -c %u "$POOL/services/nodeswarm_readers/3/data")" = 7077 ]
}
check 'prepare readers.3' prepared
prepared_there()
{
	data prepare readers --slots 9 --on "$(hostname)" | tee "$IT_DIR/prepare" &&
		grep -q 'readers.9 *restored' "$IT_DIR/prepare" &&
		[ "$(stat -c %u "$POOL/services/nodeswarm_readers/9/data/state/shared_memory.bin")" = 7077 ]
}
check 'prepare readers.9 by the agent, without root capabilities' prepared_there

# Slot 3 finds what was prepared, slot 4 takes a clone by itself.
check 'scale up' nodeswarm scale readers=4 --wait 60s
from_clone()
{
	local slot
	for slot in 3 4; do
		grep -h 'initialized .*blockchain\|shared_memory\|Blockchain started' "$POOL/services/nodeswarm_readers/$slot/nodeos.log" | head -n 3
	done
	nodeswarm --json status | jq -e '[.slots[] | select(.service == "readers" and .ready)] | length == 4' &&
		! grep -h 'genesis' "$POOL/services/nodeswarm_readers/4/nodeos.log" | grep -i 'starting fresh'
}
check 'both serve from clones' from_clone

# quarantined N: so many data-dirs of readers.2
quarantined()
{
	[ "$(find "$POOL/quarantine" -name 'nodeswarm_readers.2-*' | wc -l)" = "$1" ]
}

restored()
{
	local before after
	before=$(stat -c %i "$POOL/services/nodeswarm_readers/2/data") || return
	data restore readers.2 --generation "$first" --wait 60s | tee "$IT_DIR/restore" || return
	after=$(stat -c %i "$POOL/services/nodeswarm_readers/2/data") || return
	[ "$before" != "$after" ] && grep -q 'quarantine/nodeswarm_readers.2-' "$IT_DIR/restore" && quarantined 1
}
check 'restore readers.2 from the first one' restored
check 'it serves again' wait_for 30 serves readers 4

# there_are N: generations
there_are()
{
	[ "$(data ls --json | jq '.generations | length')" = "$1" ]
}

# It may be faster than the signal.
interrupted()
{
	timeout -s INT 0.3 nodeswarm data archive readers.3 >"$IT_DIR/int" 2>&1
	cat "$IT_DIR/int"
	grep -Eq "it goes on; 'nodeswarm data archive readers.3' watches it again|is archived" "$IT_DIR/int" &&
		wait_for 30 there_are 3
}
check 'Ctrl-C leaves it running and says so' interrupted

# --- remove -----------------------------------------------------------------------------------------

pruned()
{
	expect 'would remove g000001-' data prune --keep count=1 --dry-run &&
		there_are 3 &&
		expect 'removed g000001-' data prune --keep count=2 &&
		there_are 2
}
check 'prune' pruned
check 'current is not removed' expect_fail 1 'never removed|current' data rm current
removed()
{
	local name
	name=$(data ls --json | jq -r '[.generations[] | select(.current | not)][0].name')
	expect "removed generation $name" data rm "$name" && [ ! -e "$POOL/generations/$name" ]
}
check 'rm' removed

damaged()
{
	printf x >>"$POOL/generations/current/data/blocks/blocks.log"
	expect_fail 1 'is not what it was: 1 of ' data verify current
}
check 'verify finds a file that was changed' damaged

# Slots 1 to 4 run; 9 was prepared and has never had a task; of 2 there is a quarantined data-dir.
swept()
{
	data gc --older 0s | tee "$IT_DIR/gc" && grep -q 'slot *nodeswarm_readers.9' "$IT_DIR/gc" &&
		grep -q 'quarantine *nodeswarm_readers.2-' "$IT_DIR/gc" &&
		! grep -E 'slot *nodeswarm_(readers.[1-4]|devchain)' "$IT_DIR/gc" || return
	[ -d "$POOL/services/nodeswarm_readers/9" ] && expect 'removed 2 of 2' data gc --older 0s --remove &&
		[ ! -d "$POOL/services/nodeswarm_readers/9" ] && quarantined 0 &&
		expect 'nothing is to be removed' data gc --older 0s
}
check 'gc lists and removes what has no task' swept
check 'stop' nodeswarm stop readers --wait 60s
kept()
{
	expect 'kept, because their services are stopped: 4' data gc --older 0s --remove || return
	find "$POOL/services/nodeswarm_readers" -mindepth 1 -maxdepth 1
	[ "$(find "$POOL/services/nodeswarm_readers" -mindepth 1 -maxdepth 1 -name '[0-9]*' | wc -l)" = 4 ]
}
check 'gc keeps what is stopped' kept

# --- clones by path, the wrapper ----------------------------------------------------------------------

by_path()
{
	data clone "$POOL/services/nodeswarm_readers/1/data" "$IT_DIR/copy" --verify | tee "$IT_DIR/clone" &&
		grep -q 'verified' "$IT_DIR/clone" &&
		diff -r "$POOL/services/nodeswarm_readers/1/data/blocks" "$IT_DIR/copy/blocks"
}
check 'clone by path' by_path
check 'of a node that runs it is refused' expect_fail 1 'is in use' \
	nodeswarm data clone "$POOL/services/nodeswarm_devchain/1/data" "$IT_DIR/copy2"
check 'cpbasedir.sh' expect 'readers.2 +has data' "$ROOT/scripts/cpbasedir.sh" 2

check 'no data-dir was open twice' oracle_stop
check 'down' nodeswarm down
check 'no chain node was killed' no_sigkill
