#!/usr/bin/env bash
# time-limit: 120
# What `data verdict` says of slots that run, were stopped, killed and damaged, without an engine.
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/slots.sh
. "$(dirname "$0")/slots.sh"
PEER_WAIT=2s
# It is the verdict that is looked at here, not the cure.
export NODESWARM_HEAL=never

DATA=$POOL/services/t_s/1/data

# verdict TARGET [ARG...]: its JSON is in IT_DIR/v
verdict()
{
	local rc=0
	nodeswarm --pool "$POOL" --stack t --json data verdict "$@" >"$IT_DIR/v" || rc=$?
	jq -c '[.verdict, .why, .repairs, .evidence.opener, .evidence.slot_state]' "$IT_DIR/v"
	return $rc
}

# is VERDICT REPAIR ARG...: of the slot and of its directory; the exit status is by the verdict
is()
{
	local wants=$1 repair=$2 status=1 target
	shift 2
	case $wants in empty | clean | far-behind) status=0 ;; esac
	for target in 's.1 --local' "$DATA"; do
		local rc=0
		# shellcheck disable=SC2086
		verdict $target "$@" || rc=$?
		[ $rc = $status ] || { echo "exit status $rc" && return 1; }
		jq -e --arg v "$wants" --arg r "$repair" '.format == 1 and .verdict == $v and .repair == $r' \
			"$IT_DIR/v" >/dev/null || { jq . "$IT_DIR/v" && return 1; }
	done
}

content()
{
	(cd "$DATA" && find . -type f -exec stat -c '%n %s %Y %Z %i' {} + | sort && find . -type f -size -4M -exec md5sum {} + | sort)
}

# unchanged COMMAND...: it writes nothing into the data-dir
unchanged()
{
	local before
	before=$(content)
	"$@" && [ "$before" = "$(content)" ]
}

config 1 "${PRODUCER[@]}"
check 'pool init' nodeswarm pool init "$POOL"
check 'a slot that never was' expect_fail 1 'no host has a data-dir of s.1' \
	nodeswarm --pool "$POOL" --stack t data verdict s.1 --local
supervise 1 && P1=$PID
check 'a producer gets ready' wait_for 20 ready 1 || { tail -20 "$IT_DIR/log.1"; exit; }
wait_for 20 beyond 1 10

runs()
{
	is in-use none || return
	jq -e --arg pid "$(nodeos_pid 1)" '.evidence.opener | contains("nodesim (process \($pid)") and contains("task task1")' "$IT_DIR/v" &&
		jq -e '.why | contains("nodesim (process")' "$IT_DIR/v" && ready 1
}
check 'a slot that runs is in use, by whom is told' runs

stopped()
{
	stop "$P1" 0 || return
	unchanged is clean none || return
	jq -e '.evidence | .state.format == "EOSIODB2" and .state.dirty == false and .lib_block_num > 8
		and .head_block_num > .lib_block_num and .first_block_num == 1 and .opener == null' "$IT_DIR/v" &&
		expect '^  head +[0-9]+, 0' nodeswarm data verdict "$DATA"
}
check 'stopped it is clean, and nothing is written' stopped
CHAIN=$(jq -r .evidence.chain_id "$IT_DIR/v")
check 'of the chain that is wanted' is clean none --chain-id "$CHAIN" --nodeos v4.0.6
check 'of another chain it is foreign' is foreign none --chain-id "${CHAIN//[0-9]/e}"
check 'and for a nodeos of another format' is foreign none --nodeos v5.0.2

# Verdicts all the time, and somebody who reads the state: the supervisor that starts gets its slot at
# once, and nodeos runs.
undisturbed()
{
	local i
	(exec 7<"$DATA/state/shared_memory.bin" && while [ ! -e "$IT_DIR/enough" ]; do nodeswarm data verdict "$DATA" >/dev/null 2>&1; done) &
	for i in 1 2 3; do
		supervise 1 && P1=$PID
		wait_for 20 ready 1 || return
		stop "$P1" 0 || return
	done
	touch "$IT_DIR/enough"
	wait $!
	! grep -hE 'another container still|is in use' "$IT_DIR/log.1"
}
check 'whoever starts meanwhile does not wait' undisturbed

killed()
{
	supervise 1 && P1=$PID
	wait_for 20 ready 1 || return
	local nodeos
	nodeos=$(nodeos_pid 1)
	kill -KILL "$P1" && kill -KILL "$nodeos"
	wait "$P1"
	wait_for 10 gone "$nodeos"
	unchanged is dirty replay && jq -e '.evidence.state.dirty' "$IT_DIR/v"
}
check 'killed it is dirty' killed

held()
{
	supervise 1 && P1=$PID
	wait_for 20 state_is 1 held || return
	is dirty replay && jq -e '.evidence.slot_state == "held" and (.evidence.opener | contains("task1"))' "$IT_DIR/v"
}
check 'a supervisor that holds it is no use of it' held
stop "$P1" 0

# replayed: its blocks executed again, as a repair does
replayed()
{
	rm -rf "$DATA/state" "$DATA/blocks/reversible"
	is clean none || return
	supervise 1 && P1=$PID
	wait_for 20 ready 1 && stop "$P1" 0 && is clean none
}
check 'without a state it is replayed' replayed

# Each on a copy of what was sound.
damage()
{
	rm -rf "$IT_DIR/sound"
	cp -a "$DATA" "$IT_DIR/sound" && "$@"
	local rc=$?
	rm -rf "$DATA" && cp -a "$IT_DIR/sound" "$DATA"
	return $rc
}
cut_index()
{
	truncate -s -3 "$DATA/blocks/blocks.index" && unchanged is damaged rebuild-index
}
check 'a cut index' damage cut_index
cut_log()
{
	truncate -s -5 "$DATA/blocks/blocks.log" && unchanged is damaged hard-replay
}
check 'a cut log' damage cut_log
no_fork_db()
{
	rm "$DATA/blocks/reversible/fork_db.dat" && unchanged is damaged replay
}
check 'no fork_db.dat' damage no_fork_db
odd()
{
	rm "$DATA/state/shared_memory.bin" && ln -s /etc/shadow "$DATA/state/shared_memory.bin" &&
		unchanged verdict "$DATA"
	[ "$(jq -r .verdict "$IT_DIR/v")" = damaged ] && [ "$(jq -r .evidence.state.seen "$IT_DIR/v")" = odd ]
}
check 'a link that leads elsewhere' damage odd

# A generation of it: the repair that costs least after an index.
with_generation()
{
	nodeswarm --pool "$POOL" data import "$DATA" --promote || return
	rm "$DATA/blocks/reversible/fork_db.dat" && is damaged restore-generation &&
		jq -e --arg g "$(current)" '.evidence.generation == $g' "$IT_DIR/v"
}
check 'with a generation that is taken' damage with_generation
check 'as it was' is clean none
