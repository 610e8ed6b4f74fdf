#!/usr/bin/env bash
# The supervisor by itself, without an engine: nodesim under `nodeswarm supervise`, started and
# killed by hand.
# time-limit: 240
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/slots.sh
. "$(dirname "$0")/slots.sh"

# --- one run ----------------------------------------------------------------------------------

config 1 "${PRODUCER[@]}"
config 2
check 'pool init' nodeswarm pool init "$POOL"
supervise 1 && P1=$PID
check 'a producer gets ready' wait_for 20 ready 1 || { tail -20 "$IT_DIR/log.1"; exit; }
PEERS=127.0.0.1:19876
supervise 2 && P2=$PID
check 'a reader gets ready' wait_for 20 ready 2 || { tail -20 "$IT_DIR/log.2"; exit; }

same_chain()
{
	local a b
	a=$(state 1 .chain_id) b=$(state 2 .chain_id)
	[ "$a" = "$b" ] && [ "$(state 2 .head_block_num)" -gt 1 ]
}
check 'both are on one chain' same_chain
check 'livez' expect '^ok$' curl -sf http://127.0.0.1:28880/livez
check 'metrics' expect 'nodeswarm_ready\{service="t_s",slot="2"\} 1' curl -sf http://127.0.0.1:28880/metrics
check 'an unknown path is 404' expect '404' curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:28880/x
check 'POST is refused' expect '405' curl -s -o /dev/null -w '%{http_code}' -X POST http://127.0.0.1:28880/state
check 'health' nodeswarm --pool "$POOL" health --service t_s --slot 2 --task task2
check 'health of another task of the slot is not ours' expect_fail 1 'earlier container' \
	nodeswarm --pool "$POOL" health --service t_s --slot 2 --task other

privileges()
{
	local status
	status=$(cat "/proc/$(nodeos_pid 2)/status")
	grep -P '^Uid:\t7077\t7077\t7077\t7077' <<<"$status" || return
	grep -P '^Gid:\t7077\t7077\t7077\t7077' <<<"$status" || return
	grep -P '^CapEff:\t0+$' <<<"$status" && grep -P '^CapPrm:\t0+$' <<<"$status" || return
	grep -P '^CapBnd:\t0+$' <<<"$status" && grep -P '^NoNewPrivs:\t1$' <<<"$status"
}
check 'nodeos has uid 7077, no capability and no way to get one' privileges
check 'the data is its own, lock and record are root'"'"'s' expect \
	'^7077 0 0 $' sh -c "cd $POOL/services/t_s/2 && stat -c %u data lock run.json | tr '\n' ' '"
check 'nodeos holds the slot'"'"'s lock too' expect 'services/t_s/2/lock' ls -l "/proc/$(nodeos_pid 2)/fd"

# --- what nodeos says of the chain ---------------------------------------------------------------

# sample SLOT [MEMBERS]: the sample of its supervisor
sample()
{
	ask "$1" "{\"format\":1,\"request\":\"sample\"${2:+,$2}}" | jq -c .sample
}

# block_id SLOT HEIGHT: as nodeos itself says
block_id()
{
	curl -sf -m 2 -d "{\"block_num\":$2}" "http://127.0.0.1:${1}8888/v1/chain/get_block_info" | jq -r .id
}

same_ids()
{
	local slot height
	wait_for 20 beyond 2 12 || return
	for slot in 1 2; do
		sample "$slot" '"heights":[2,5,11,1000000]' | tee "$IT_DIR/sample.$slot"
		[ "$(jq -r '"\(.state) \(.slot_state) \(.info.chain_id)"' "$IT_DIR/sample.$slot")" = \
			"answers running $(state "$slot" .chain_id)" ] || return
		for height in 2 5 11; do
			[ "$(jq -r --argjson h "$height" '.ids[] | select(.[0] == $h)[1]' "$IT_DIR/sample.$slot")" = \
				"$(block_id "$slot" "$height")" ] || return
		done
	done
	[ "$(jq -c .ids "$IT_DIR/sample.1")" = "$(jq -c .ids "$IT_DIR/sample.2")" ]
}
check 'sample: the ids that get_block_info tells, the same on both nodes' same_ids
check 'a height that is not there has none' expect '^null$' \
	jq -r '.ids[] | select(.[0] == 1000000)[1]' "$IT_DIR/sample.2"
whole_blocks()
{
	sample 2 '"first":3,"last":8,"schedule":true' | tee "$IT_DIR/blocks"
	[ "$(jq -c '[.blocks[].num]' "$IT_DIR/blocks")" = '[3,4,5,6,7,8]' ] &&
		[ "$(jq -r '.blocks[3].previous' "$IT_DIR/blocks")" = "$(block_id 1 5)" ] &&
		[ "$(jq -r '.blocks[3].id' "$IT_DIR/blocks")" = "$(block_id 1 6)" ] &&
		[ "$(jq -c .schedule.producers "$IT_DIR/blocks")" = '["eosio"]' ]
}
check 'blocks and schedule' whole_blocks
check 'peers and starts are what the supervisor knows' expect '^1 1 0 0 null$' \
	jq -r '"\(.peers.connected) \(.starts) \(.restarts) \(.crashes // 0) \(.tail)"' "$IT_DIR/blocks"
check 'more heights than it takes' expect '"protocol"' ask 2 \
	"{\"format\":1,\"request\":\"sample\",\"heights\":[$(seq -s, 17)]}"
hangs()
{
	local nodeos start i rc=0 pids=()
	nodeos=$(nodeos_pid 2)
	kill -STOP "$nodeos"
	start=$EPOCHREALTIME
	# Three callers, each with a question of its own.
	for i in 1 2 3; do
		sample 2 "\"limit_ms\":400,\"heights\":[$i]" >"$IT_DIR/silent.$i" &
		pids+=($!)
	done
	wait "${pids[@]}" || rc=1
	kill -CONT "$nodeos"
	cat "$IT_DIR"/silent.*
	# Who waited for the others' turns until his own limit hears of that instead, with an error.
	[ "$(jq -r '.state // "waited"' "$IT_DIR"/silent.* | sort -u | xargs)" = silent ] ||
		[ "$(jq -r '.state // "waited"' "$IT_DIR"/silent.* | sort -u | xargs)" = 'silent waited' ] || rc=1
	awk -v s="$(since "$start")" 'BEGIN { exit !(s < 2) }' && return $rc
}
check 'a nodeos that hangs is silent, within the limit' hangs

# --- two supervisors of one slot -----------------------------------------------------------------

second()
{
	nodeswarm --pool "$POOL" supervise --service t_s --slot 2 --task second --node here \
		--config "$IT_DIR/config.2.ini" --genesis "$ROOT/genesis.json" --peers /nonexistent \
		--address 127.0.0.1 --port 38880 -- nodesim >>"$IT_DIR/log.second" 2>&1 3>&- &
	SECOND=$!
}
second
check 'a second supervisor of a slot waits' wait_for 5 state_is 3 waiting
check 'and says for whom' expect 'task2' state 3 .reason
term_at_once()
{
	local start=$EPOCHREALTIME
	stop "$SECOND" 0 && awk -v s="$(since "$start")" 'BEGIN { exit !(s < 1) }'
}
check 'a waiting supervisor obeys SIGTERM at once' term_at_once
check 'and has written no record' expect '^task2$' record 2 .task

# --- stopping ------------------------------------------------------------------------------------

check 'SIGTERM: clean, exit 0' stop "$P2" 0
check 'the record says so' expect '^stopped true true 0$' record 2 \
	'"\(.state) \(.ends[0].clean) \(.ends[0].asked) \(.ends[0].exit_code)"'
check 'its socket is gone' test ! -e "$POOL/services/t_s/2/control.sock"

lame_duck()
{
	LAME=2s supervise 2 && P2=$PID
	wait_for 20 ready 2 || return
	kill -TERM "$P2"
	wait_for 1 state_is 2 lame-duck || return
	! ready 2 || return
	# Not ready any more, and still answering whoever asks.
	curl -sf -m 1 -o /dev/null http://127.0.0.1:28888/v1/chain/get_info || return
	wait "$P2"
}
check 'lame duck: not ready but still serving for a while' lame_duck

unready()
{
	! ready "$1"
}
# It was ready, so somebody may still ask it.
lame_duck_unready()
{
	local nodeos rc=0
	LAME=2s supervise 2 && P2=$PID
	wait_for 20 ready 2 || return
	nodeos=$(nodeos_pid 2)
	kill -STOP "$nodeos"
	wait_for 10 unready 2 || rc=1
	kill -TERM "$P2"
	wait_for 1 state_is 2 lame-duck || rc=1
	kill -CONT "$nodeos"
	wait "$P2" && return $rc
}
check 'and also when it is unready just then' lame_duck_unready

quiesce_and_resume()
{
	supervise 2 && P2=$PID
	wait_for 20 ready 2 || return
	# Not those of this host if the engine that is named may be another's.
	! nodeswarm --pool "$POOL" --stack t quiesce s.2 || return
	env -u DOCKER_HOST nodeswarm --pool "$POOL" --stack t quiesce s.2 || return
	expect '^quiesced true$' record 2 '"\(.state) \(.ends[0].clean)"' || return
	expect '^down quiesced$' eval "sample 2 | jq -r '\"\(.state) \(.slot_state)\"'" || return
	kill -0 "$P2" || return
	env -u DOCKER_HOST nodeswarm --pool "$POOL" --stack t resume s.2 || return
	wait_for 20 ready 2
}
check 'quiesce stops nodeos and keeps the supervisor; resume starts it again' quiesce_and_resume

# --- kill -9 -------------------------------------------------------------------------------------

kill9()
{
	local nodeos
	nodeos=$(nodeos_pid 2)
	kill -KILL "$P2" && wait "$P2"
	kill -0 "$nodeos" || { echo 'nodeos died too, so this proves nothing' && return 1; }
	NODESWARM_HEAL=never second
	sleep 1
	expect '^waiting$' state 3 .state || return
	kill -KILL "$nodeos"
	wait_for 5 state_is 3 held || return
	state 3 .reason
	state 3 .reason | grep dirty
}
check 'kill -9 of a supervisor: the next one waits until nodeos is dead, then holds the dirty slot if it may not heal' kill9
check 'the end that nobody recorded is in the record' expect 'killed in state running' record 2 '.ends[0].why'
check 'a held slot is live, not ready' expect '503' curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:38880/readyz
check 'a dirty slot is not started' expect '^0$' state 3 .nodeos_pid
check 'stopping it exits 1' stop "$SECOND" 1

# --- what cannot start does not loop ---------------------------------------------------------------

# held NAME PATTERN: slot 4 with the present configuration must be held, saying PATTERN
held()
{
	local rc=0
	supervise 4
	wait_for 10 state_is 4 held && state 4 .reason && state 4 .reason | grep -E "$1" &&
		expect '^0 true$' state 4 '"\(.starts) \(.needs_hand)"' || rc=1
	stop "$PID" 0 || rc=1
	return $rc
}
config 4 'replay-blockchain = true'
check 'a refused option' held 'replay-blockchain'
config 4 'http-server-address = 127.0.0.1'
check 'an option that nodeos would not survive' held 'http-server-address'
config 4
GENESIS=/nonexistent check 'an empty data-dir without genesis' held 'no genesis'
echo '{}' >"$IT_DIR/genesis.bad"
GENESIS=$IT_DIR/genesis.bad check 'an incomplete genesis' held 'genesis'
PEERS=nonsense check 'a peer that is none' held 'nonsense'
rm -rf "$POOL/services/t_s/4"
NODEOS=/nonexistent/nodeos
not_found()
{
	supervise 4
	wait_for 10 state_is 4 held && state 4 .reason | grep 'No such file' && stop "$PID" 0
}
check 'a nodeos that is not there' not_found
unset NODEOS

no_pool()
{
	local POOL=$IT_DIR/unmounted
	mkdir "$POOL"
	supervise 4
	wait_for 10 state_is 4 held && state 4 .reason | grep 'pool.json' || return
	[ -z "$(ls -A "$POOL")" ] || return
	# As if it were mounted now.
	nodeswarm pool init "$POOL" && wait_for 15 ready 4 && stop "$PID" 0
}
config 4
PEERS=127.0.0.1:19876
check 'an unmounted pool is refused, nothing is written; it starts when the pool is there' no_pool

# --- exits that nobody asked for ---------------------------------------------------------------------

port_in_use()
{
	# Anything that listens there will do.
	nodeswarm --pool /nonexistent supervise --service x --slot 1 --address 127.0.0.1 --port 49876 \
		-- nodesim >/dev/null 2>&1 3>&- &
	local holder=$!
	supervise 4 --heal never
	wait_for 10 state_is 4 backoff || return
	expect 'port' state 4 .reason || return
	expect '^0 false$' record 4 '"\(.ends[0].exit_code) \(.ends[0].asked)"' || return
	stop $holder 0 || return
	wait_for 30 ready 4
}
check 'exit 0 that nobody asked for is a failure; tried again with back-off' port_in_use
check 'and counted' expect '^[1-9]' state 4 .restarts

crash()
{
	kill -SEGV "$(nodeos_pid 4)"
	wait_for 5 state_is 4 held && state 4 .reason
	expect 'dirty' state 4 .verdict
}
check 'without healing a crash leaves the slot held, not restarted on a dirty data-dir' crash

crash_is_told()
{
	sample 4 | tee "$IT_DIR/crashed"
	# The exit before it was not asked for either.
	[ "$(jq -r '"\(.state) \(.slot_state) \(.crashes)"' "$IT_DIR/crashed")" = 'down held 2' ] &&
		jq -r .last_crash "$IT_DIR/crashed" | grep 'SIGSEGV' &&
		diff <(tail -n 5 "$POOL/services/t_s/4/nodeos.log" | cut -c 1-239) <(jq -r '.tail[]' "$IT_DIR/crashed")
}
check 'it counts as a crash, with its last lines' crash_is_told
check 'stop' stop "$PID" 1
crash_is_remembered()
{
	local rc=0
	supervise 4 --heal never
	wait_for 10 state_is 4 held && crash_is_told || rc=1
	stop "$PID" 1 || rc=1
	return $rc
}
check 'also by the next supervisor' crash_is_remembered

# --- disk ----------------------------------------------------------------------------------------

disk()
{
	local POOL=$IT_DIR/small
	mkdir "$POOL" && mount -t tmpfs -o size=200m,mode=755 none "$POOL" && nodeswarm pool init "$POOL" || return
	supervise 4
	wait_for 20 ready 4 || return
	# Over 88 %, below the 90 % at which nodeos would stop itself.
	head -c 177m /dev/zero >"$POOL/ballast"
	wait_for 10 state_is 4 held || return
	state 4 .reason | grep 'full' || return
	expect '^true true$' record 4 '"\(.ends[0].clean) \(.ends[0].asked)"' || return
	[ -s "$POOL/services/t_s/4/data/blocks/reversible/fork_db.dat" ] || return
	rm "$POOL/ballast"
	wait_for 20 ready 4 && stop "$PID" 0
}
check 'a filling disk: stopped cleanly before nodeos stops itself, started again when there is room' disk

# --- output ------------------------------------------------------------------------------------------

cat >"$IT_DIR/chatty" <<'SH'
#!/bin/sh
echo "the key is 5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3 indeed" >&2
i=0
while [ $i -lt 20000 ]; do echo "flood line $i" >&2; i=$((i + 1)); done
trap 'exit 0' TERM
while :; do sleep 0.1; done
SH
chmod 755 "$IT_DIR/chatty" && chmod 711 "$IT_DIR"
flood()
{
	rm -rf "$POOL/services/t_s/4"
	: >"$IT_DIR/log.4"
	NODEOS=$IT_DIR/chatty supervise 4
	wait_for 20 grep -q 'output suppressed' "$IT_DIR/log.4" || return
	stop "$PID" 0 || return
	[ "$(grep -c 'flood line' "$IT_DIR/log.4")" -lt 15000 ]
}
check 'a flood is cut and counted' flood
check 'a private key does not reach the log' expect_fail 1 '^$' \
	grep -rh 5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3 "$IT_DIR/log.4" "$POOL/services/t_s/4/nodeos.log"

check 'the producer ends clean' stop "$P1" 0
