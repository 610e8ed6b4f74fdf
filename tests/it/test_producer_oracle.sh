#!/usr/bin/env bash
# test_producer_oracle.sh - what judges the producers: evidence with each violation; and real gates whose
# lease is broken, which it has to find, beside those whose lease is not
# time-limit: 180
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/slots.sh
. "$(dirname "$0")/slots.sh"
need docker

check 'evidence in order, and with each violation' python3 -B "$ROOT/tests/it/producer_oracle_cases.py"

# --- real gates ------------------------------------------------------------------------------------------

# Slots 1 and 2 have the key and a gate, 3 and 4 are third nodes; one broker, on the file's engine.
KEY=$IT_DIR/key TOKEN=$IT_DIR/token
umask 077
echo 5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3 >"$KEY"
head -c 16 /dev/urandom | xxd -p >"$TOKEN"
umask 022
PEER_WAIT=1s

configs()
{
	local n
	for n in 1 2; do
		config $n 'producer-name = eosio'
	done
	config 3 && config 4
}
# candidate SLOT LEASE
candidate()
{
	PEERS="127.0.0.1:$((3 - $1))9876 127.0.0.1:39876 127.0.0.1:49876"
	supervise "$1" --sign-key "$KEY" --broker 127.0.0.1:8871 --broker-token "$TOKEN" --lease "$2" --bootstrap 1 \
		--compare '127.0.0.1:18880 127.0.0.1:28880 127.0.0.1:38880'
}
producing()
{
	state "$1" .producer.state | grep -qx producing
}
watch()
{
	rm -f "$IT_DIR/evidence"
	python3 -B "$ROOT/tests/it/producer_watch.py" --pool here="$POOL" --engine "$IT_DIR/docker.sock" --lease one --lease other \
		--log here/t_s/1="$IT_DIR/log.1" --log here/t_s/2="$IT_DIR/log.2" --log here/t_s/3="$IT_DIR/log.3" \
		--log here/t_s/4="$IT_DIR/log.4" --seconds "$1" "$IT_DIR/evidence" &
	WATCH=$!
}
finds()
{
	"$ROOT/tests/it/producer_oracle.py" "$IT_DIR/evidence" >"$IT_DIR/findings"
	local rc=$?
	cut -c1-200 "$IT_DIR/findings" | head -n 40
	return "$rc"
}

broker_up()
{
	nodeswarm broker --listen 127.0.0.1 --port 8871 --token "$TOKEN" >"$IT_DIR/broker.log" 2>&1 &
	wait_for 10 curl -sf http://127.0.0.1:8871/livez
}
sound()
{
	candidate 1 one && P1=$PID && wait_for 30 producing 1 || return
	PEERS='127.0.0.1:19876 127.0.0.1:29876'
	supervise 3 && supervise 4 && candidate 2 one && wait_for 30 ready 3 && wait_for 30 ready 4 && wait_for 30 ready 2 || return
	watch 14
	sleep 3
	kill -KILL "$P1" "$(nodeos_pid 1)"
	wait_for 10 producing 2 && wait "$WATCH" && finds && grep -q '2 epochs' "$IT_DIR/findings"
}
# The other lease is as free as the first one, so both have a right and neither knows.  Both make the
# same empty blocks, until one of them has missed some.
broken()
{
	# That the key has one lease is claimed; without the claim nothing but the oracle would see it.
	docker config rm "$(docker config ls -q --filter name=nodeswarm-lease-key-)" || return
	candidate 1 other && wait_for 30 ready 1 && watch 12 && wait_for 20 producing 1 || return
	kill -STOP "$(nodeos_pid 2)" && sleep 1.7 && kill -CONT "$(nodeos_pid 2)" && wait "$WATCH"
	! finds && grep '^right-overlap' "$IT_DIR/findings" && grep -c '^slot-twice: slot' "$IT_DIR/findings" &&
		grep -c '^slot-twice: there are' "$IT_DIR/findings"
}

check 'an engine' engine_up || exit
check 'a pool' nodeswarm pool init "$POOL" || exit
configs
check 'a broker' broker_up || exit
check 'one lease: the holder dies, the other takes over, nothing is found' sound
check 'two leases for one key: found' broken
