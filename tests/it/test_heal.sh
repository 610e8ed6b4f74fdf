#!/usr/bin/env bash
# A slot that heals itself, without an engine: nodesim under `nodeswarm supervise`, killed and
# damaged by hand.
# time-limit: 420
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/slots.sh
. "$(dirname "$0")/slots.sh"
PEER_WAIT=2s

config 1 "${PRODUCER[@]}"
config 2
config 3
check 'pool init' nodeswarm pool init "$POOL"
supervise 1 && P1=$PID
check 'a producer gets ready' wait_for 20 ready 1 || { tail -20 "$IT_DIR/log.1"; exit; }
PEERS=127.0.0.1:19876
supervise 2 && P2=$PID
check 'a reader gets ready' wait_for 20 ready 2 || { tail -20 "$IT_DIR/log.2"; exit; }

heal()
{
	state "$1" '.heal | "\(.stage) \(.repair) \(.tries) \(.healed)"'
}

healed()
{
	[ "$(state "$1" .heal.healed)" -ge "$2" ] && ready "$1"
}

by_replay()
{
	kill -KILL "$(nodeos_pid 2)"
	wait_for 40 healed 2 1 || { tail -30 "$IT_DIR/log.2"; state 2 .heal; return 1; }
	expect '^healed replay 1 1$' heal 2
}
check 'killed, without a generation: it replays' by_replay

by_generation()
{
	wait_for 20 ready 2 && order_ok 2 archive a1 && wait_for 20 ready 2 || return
	ask 2 '{"format":1,"request":"quiesce"}' >/dev/null && ask 2 '{"format":1,"request":"resume"}' >/dev/null
	wait_for 20 ready 2 || return
	kill -KILL "$(nodeos_pid 2)"
	wait_for 40 healed 2 2 || { tail -30 "$IT_DIR/log.2"; state 2 .heal; return 1; }
	expect '^healed restore-generation 1 2$' heal 2
}
check 'killed, with a generation: it is restored' by_generation
state 2 .heal
stop "$P2" 0
stop "$P1" 0
