#!/usr/bin/env bash
# bench_producer.sh - for how long a chain stands still when its producer is lost
#
# On a swarm of three managers and two workers in namespaces of this machine (tests/it/producers.sh);
# from the fault to when a reader has the next block, with nodesim, a slot of which is half a second.
#
#	standby        the holder's host is switched off: $RUNS (30); its container is killed: a third of
#	               that. There Swarm restarts it, which may be ready to say that it is dead before its
#	               term ends
#	leader         the swarm's leader is switched off, with the default term of 4 s: $FEW (5)
#	failover       `nodeswarm producer failover`: slots that were lost, of $RUNS / 3
#	no standby     the same two faults with no standby: $FEW
#	plain Swarm    a service of Swarm with the key in nodeos's configuration, killed ($FEW) and switched
#	               off. On another host it has no blocks, and begins a second chain; "none" is that
#	               no reader has got a block within 90 s
# time-limit: 3600
# shellcheck source=tests/it/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tests/it/lib.sh"
# shellcheck source=tests/it/producers.sh
. "$ROOT/tests/it/producers.sh"
# shellcheck source=bench/figures.sh
. "$ROOT/bench/figures.sh"

RUNS=${RUNS:-30} FEW=${FEW:-5}

# measure NAME FIELD CLASSES COUNT [ARG...]: how it was with each; median and most in $MEDIAN and $MOST
measure()
{
	local name=$1 field=$2 classes=$3 count=$4 rc=0
	shift 4
	rm -f "$IT_DIR/evidence"
	trials --trace --only "$classes" --trials "$count" --json "$IT_DIR/times.json" "$@" || rc=$?
	MEDIAN=$(jq -r ".[].$field" "$IT_DIR/times.json" | median)
	MOST=$(jq -r ".[].$field" "$IT_DIR/times.json" | sort -g | tail -n 1)
	say "$name: $field $(printf '%.2f' "$MEDIAN"), at most $(printf '%.2f' "$MOST") ($(jq length "$IT_DIR/times.json") of $count, load $(load))"
	return "$rc"
}

load()
{
	cut -d ' ' -f 1 /proc/loadavg
}

standby()
{
	measure "holder's host is off, hot standby" seconds power-off "$RUNS" && holds "$MOST <= 6" &&
		measure 'holder is killed, hot standby' seconds kill-both $((RUNS / 3)) && holds "$MOST <= 6"
}
failovers()
{
	measure 'failover by command' slots failover $((RUNS / 3)) && holds "$MOST <= 2"
}
no_standby()
{
	nodeswarm scale producer-standby=0 &&
		measure 'holder is killed, no standby' seconds kill-both "$FEW" --alone &&
		measure 'its host is off, no standby' seconds power-off "$FEW" --alone
}

plain()
{
	# A killed one was not left clean, which "down" says.
	nodeswarm down >/dev/null || true
	wait_for 60 no_services || return
	# Their blocks are of another chain.
	each remove_slots
	READERS=3 NODESWARM_DEVCHAIN_CONSTRAINT=node.role==worker NODESWARM_PEERS=devchain:9876 NODESWARM_DEVCHAIN_CONFIG=$ROOT/stacks/devchain/config.ini \
		nodeswarm up -f "$CHAIN_YML" -f "$READERS_YML" --wait 120s || return
	plain_times 'plain Swarm, killed' kill "$FEW" || return
	# Else Swarm has started it on the other host: there is a second chain already.
	grep -q none "$IT_DIR/plain" || plain_times 'plain Swarm, its host is off' power-off 1
}
plain_times()
{
	python3 -B "$ROOT/bench/producer_plain.py" "$SWARM" devchain "$2" "$3" 90 >"$IT_DIR/plain" || { cat "$IT_DIR/plain" && return 1; }
	if grep -q none "$IT_DIR/plain"; then
		say "$1: no block within 90 s"
	else
		say "$1: seconds $(median <"$IT_DIR/plain"), at most $(sort -g "$IT_DIR/plain" | tail -n 1) ($(wc -l <"$IT_DIR/plain"))"
	fi
}
no_services()
{
	[ -z "$(D 1 service ls -q)" ]
}
remove_slots()
{
	rm -rf "$(node_pool "$1")"/services/*
}

check 'a producer and two standbys' producers_up 2 || exit
check "the next block within 6 s of the holder's death" standby
check 'a failover costs at most two slots' failovers
check 'the leader is lost' measure 'the leader is off, term 4 s' seconds leader-loss "$FEW"
check 'no standby' no_standby
check 'plain Swarm' plain
report
