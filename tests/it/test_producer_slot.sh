#!/usr/bin/env bash
# Producers with a signing gate, without containers: a broker on a private engine, two supervisors
# with the same key, and a third node that sees their blocks.
# time-limit: 300
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/slots.sh
. "$(dirname "$0")/slots.sh"
need docker

# Not the development key, which is in nodesim itself.
KEY=5JTzFTSfF27cqHqy1HcqxWGhdso9JCykPEbTiwfraNN74v1yxvk
PUBLIC=EOS52K5kMmwiRyNQYAf7ymCMz6hieE8siyrqNt1t57ac9hvBrRdaa
GENESIS=$IT_DIR/genesis.json
jq --arg key "$PUBLIC" '.initial_key = $key' "$ROOT/genesis.json" >"$GENESIS"
TERM_S=4
# A dead producer is replaced within a term and two seconds; this machine may be busy.
TAKEN_S=9

(umask 377 && printf '%s\n' "$KEY" >"$IT_DIR/producer.key")
(umask 377 && head -c 16 /dev/urandom | xxd -p >"$IT_DIR/token")
for slot in 1 2; do
	config $slot 'producer-name = eosio'
done
config 3

# produce SLOT [ARG...]: as supervise, with a gate and a lease
produce()
{
	local slot=$1
	shift
	supervise "$slot" --sign-key "$IT_DIR/producer.key" --broker 127.0.0.1:8871 \
		--broker-token "$IT_DIR/token" --lease-term ${TERM_S}s \
		--compare '127.0.0.1:18880 127.0.0.1:28880 127.0.0.1:38880' "$@"
}

role_is()
{
	[ "$(state "$1" .producer.state)" = "$2" ]
}

# The head of the third node, which is what is judged by.
seen()
{
	state 3 .head_block_num
}

goes_on()
{
	local head
	head=$(seen) && wait_for 10 beyond 3 "$head"
}

# --- refusals -----------------------------------------------------------------------------------

check 'pool init' nodeswarm pool init "$POOL"
check 'a key without a broker is a usage error' expect_fail 2 'needs --broker' \
	nodeswarm --pool "$POOL" supervise --service t_s --slot 1 --sign-key "$IT_DIR/producer.key" -- nodesim
check 'a term that is too short' expect_fail 2 'less than 3.0s' env NODESWARM_LEASE_TERM=2s \
	nodeswarm --pool "$POOL" supervise --service t_s --slot 1 -- nodesim

# held PATTERN SLOT [ARG...]
held()
{
	local pattern=$1 slot=$2
	shift 2
	produce "$slot" "$@"
	wait_for 10 state_is "$slot" held || return
	expect "$pattern" state "$slot" .reason && expect '^true$' state "$slot" .needs_hand
	local rc=$?
	stop "$PID" 0 && return $rc
}
config 4 "${PRODUCER[@]}"
check 'a template with a key of its own is refused' held 'signing gate alone' 4
config 4
check 'and one without a producer' held "no 'producer-name'" 4
config 4 'producer-name = eosio' 'pause-on-startup = false'
check 'and one that does not start paused' held "'pause-on-startup' is 'false'" 4
config 4 'producer-name = eosio'
install -m 644 "$IT_DIR/producer.key" "$IT_DIR/open.key"
check 'and a key that others can read' held 'open.key' 4 --sign-key "$IT_DIR/open.key"
check 'and one that is not there' held 'missing.key' 4 --sign-key "$IT_DIR/missing.key"

# --- two candidates -----------------------------------------------------------------------------

check 'engine' engine_up || exit
nodeswarm broker --port 8871 --token "$IT_DIR/token" >"$IT_DIR/log.broker" 2>&1 3>&- &
check 'a broker' wait_for 10 curl -sf -m 2 -o /dev/null http://127.0.0.1:8871/livez || { cat "$IT_DIR/log.broker" && exit; }

# Not to one another in turn: of two connections nodeos closes one, perhaps the one that counts.
PEERS='127.0.0.1:19876 127.0.0.1:29876'
supervise 3 && P3=$PID
PEERS=''
produce 1 --bootstrap 1 && P1=$PID
check 'the first one produces' wait_for 20 role_is 1 producing || { tail -30 "$IT_DIR/log.1" && exit; }
check 'a third node sees its blocks' wait_for 20 ready 3 || { tail -30 "$IT_DIR/log.3" && exit; }
check 'and goes on seeing them' goes_on
PEERS=127.0.0.1:19876
produce 2 && P2=$PID
check 'the second one is ready' wait_for 20 ready 2 || { tail -30 "$IT_DIR/log.2" && exit; }
stands_by()
{
	wait_for 5 role_is "$1" standby && goes_on &&
		expect '^0 false$' state "$1" '.producer | "\(.signed) \(.holds)"'
}
check 'and stands by' stands_by 2
check 'metrics' expect 'nodeswarm_producer_state\{service="t_s",slot="1",state="producing"\} 1' \
	curl -sf http://127.0.0.1:18880/metrics
no_metrics()
{
	[ "$(state 3 .producer)" = null ] && ! curl -sf http://127.0.0.1:38880/metrics | grep nodeswarm_producer
}
check 'none of a slot without a gate' no_metrics
check 'what has the lease is not archived' refused 'right to sign' 1 archive aa1

# --- the key ------------------------------------------------------------------------------------

no_key()
{
	KEY=$KEY python3 - "$1" "$IT_DIR" "$POOL" <<'PY'
import os
import pathlib
import re
import subprocess
import sys

supervisor, top, pool = sys.argv[1:]
wif = os.environ["KEY"]
alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
n = 0
for c in wif:
    n = n * 58 + alphabet.index(c)
raw = n.to_bytes(37, "big")[1:33]
forms = [raw, raw[::-1], raw.hex().encode(), raw.hex().upper().encode(), wif.encode()]
found = 0

def look(where, data):
    global found
    for form in forms:
        if form in data:
            print("the key is in", where)
            found += 1

def memory(pid):
    total = 0
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if not m:
                continue
            at, end = int(m[1], 16), int(m[2], 16)
            if end - at > 1 << 28:  # the chain's database is looked at as a file
                continue
            try:
                mem.seek(at)
                data = mem.read(end - at)
            except (OSError, ValueError, OverflowError):
                continue
            total += len(data)
            look(f"memory of {pid}: {line.strip()}", data)
    return total

children = pathlib.Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
nodeos = [c for c in children if b"--data-dir" in pathlib.Path(f"/proc/{c}/cmdline").read_bytes()]
assert len(nodeos) == 1, children
for pid in nodeos + [supervisor]:
    for name in "cmdline", "environ":
        look(f"/proc/{pid}/{name}", pathlib.Path(f"/proc/{pid}/{name}").read_bytes())
size = memory(nodeos[0])
assert size > 1 << 20, size
print(size, "bytes of nodeos's memory")
for d in top, pool:
    for path in pathlib.Path(d).rglob("*"):
        if path.is_file() and path.suffix != ".key" and path.name[:7] != "config.":
            look(path, path.read_bytes())
for slot in "1", "2":
    look("config.ini", (pathlib.Path(pool) / f"services/t_s/{slot}/config/config.ini").read_bytes())
look("ps", subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, check=True).stdout)
for port in 18880, 28880:
    for what in "state", "metrics":
        look(what, subprocess.run(["curl", "-s", f"http://127.0.0.1:{port}/{what}"],
                                  capture_output=True, check=True).stdout)
sys.exit(found != 0)
PY
}
rm -f "$IT_DIR/config.4.ini"
check 'the key is not in nodeos, nor in files, logs, arguments, environments and answers' no_key "$P1"

# --- the lease changes hands --------------------------------------------------------------------

# taken SLOT SECONDS: it produces, and the third node sees it
taken()
{
	local start=$EPOCHREALTIME
	wait_for "$2" role_is "$1" producing && goes_on && echo "after $(since "$start") s"
}

handed_over()
{
	local start=$EPOCHREALTIME
	kill -TERM "$P1"
	# A release is seen at the next poll: nobody waits for a term.
	wait_for 3 role_is 2 producing || return
	echo "produces after $(since "$start") s"
	wait "$P1" || return
	goes_on
}
check 'SIGTERM: released, and taken at once' handed_over
check 'and the record is clean' expect '^stopped true$' record 1 '"\(.state) \(.ends[0].clean)"'
PEERS=''
produce 1 && P1=$PID
check 'it comes back as a standby' wait_for 20 role_is 1 standby || tail -30 "$IT_DIR/log.1"
check 'and gets ready' wait_for 20 ready 1

# Without a container its nodeos lives on, and has nobody who signs for it.
killed()
{
	local nodeos
	nodeos=$(nodeos_pid 2)
	kill -KILL "$P2" && { wait "$P2" || true; }
	kill -0 "$nodeos" || { echo 'nodeos died too, so this proves nothing' && return 1; }
	taken 1 $TAKEN_S
	local rc=$?
	kill -KILL "$nodeos"
	return $rc
}
check 'SIGKILL of the supervisor: the other one takes it after a term' killed || tail -20 "$IT_DIR/log.1"
PEERS=127.0.0.1:19876
produce 2 && P2=$PID
check 'its slot is healed and stands by' wait_for 40 role_is 2 standby || tail -30 "$IT_DIR/log.2"
check 'and is ready' wait_for 40 ready 2 || tail -30 "$IT_DIR/log.2"

# Its gate is closed and it is not confirmed as paused: it must be dead before the term is over.
frozen()
{
	local nodeos
	nodeos=$(nodeos_pid 1)
	kill -STOP "$nodeos"
	taken 2 $((TAKEN_S + 6)) || { kill -CONT "$nodeos" && return 1; }
	gone "$nodeos" || { kill -CONT "$nodeos" && echo 'it is still there' && return 1; }
}
check 'SIGSTOP of nodeos: it is killed, and the other one takes the lease' frozen || tail -20 "$IT_DIR/log.1"
no_crash()
{
	[ "$(record 1 '.ends[0] | "\(.signal) \(.asked)"') $(state 1 .crashes)" = '9 true 0' ]
}
check 'that is no crash' wait_for 5 no_crash
check 'and says why' expect "for the lease's sake" record 1 '.ends[0].why'
check 'its slot is healed and stands by' wait_for 40 role_is 1 standby || tail -30 "$IT_DIR/log.1"
check 'and is ready' wait_for 40 ready 1 || tail -30 "$IT_DIR/log.1"
check 'which counts for no limit' expect '^0$' record 1 '.heal.tries'

check 'quiesce gives the lease up too' env -u DOCKER_HOST nodeswarm --pool "$POOL" --stack t quiesce s.2
check 'the other one has it' taken 1 3
check 'resume' env -u DOCKER_HOST nodeswarm --pool "$POOL" --stack t resume s.2
check 'a standby again' wait_for 20 role_is 2 standby

# --- from outside -------------------------------------------------------------------------------

# No slot is in both records, and none twice with different digests in one of them.
signed_once()
{
	python3 - "$POOL/services/t_s/1/signed" "$POOL/services/t_s/2/signed" <<'PY'
import json
import sys

seen = {}
for path in sys.argv[1:]:
    n = 0
    for line in open(path, "rb").read().split(b"\n"):
        line = line.strip(b" \0")
        if not line:
            continue
        e = json.loads(line)
        if "slot" not in e:
            continue
        n += 1
        was = seen.setdefault(e["slot"], (e["digest"], path))
        assert was == (e["digest"], path), (e, was)
    print(path, n)
    assert n > 5, (path, n)
PY
}
check 'no slot was signed twice' signed_once
check 'the third node has never switched forks' expect '^0$' eval "grep -c 'switching forks' '$IT_DIR/log.3'; true"
same_head()
{
	local height id
	height=$(seen)
	id=$(curl -sf -m 2 -d "{\"block_num\":$height}" http://127.0.0.1:38888/v1/chain/get_block_info | jq -r .id)
	[ -n "$id" ] || return
	for slot in 1 2; do
		[ "$(curl -sf -m 2 -d "{\"block_num\":$height}" "http://127.0.0.1:${slot}8888/v1/chain/get_block_info" | jq -r .id)" = "$id" ] || return
	done
}
check 'all have the same block' wait_for 10 same_head

# --- another chain for good ---------------------------------------------------------------------

# As a holder that is cut off with its lease: it goes on alone from the common head, and each block
# is irreversible at once.  A key is of one lease, which is claimed; without the claim it may have two.
forget_claim()
{
	docker config rm "$(docker config ls -q --filter name=nodeswarm-lease-key-)"
}
leave_the_chain()
{
	stop "$P1" 0 && forget_claim || return
	config 1 'producer-name = eosio' 'p2p-listen-endpoint = 127.0.0.1:10977'
	sed -i '/:19876$/d' "$IT_DIR/config.1.ini"
	PEERS=''
	produce 1 --bootstrap 1 --lease elsewhere --compare 127.0.0.1:1 && P1=$PID
	wait_for 20 role_is 1 producing || { tail -30 "$IT_DIR/log.1" && return 1; }
	sleep 4
	PEERS=127.0.0.1:29876
	config 1 'producer-name = eosio'
	stop "$P1" 0 && forget_claim && goes_on
}
check 'one leaves the chain' leave_the_chain
forked()
{
	state "$1" .producer.forked | grep -E '^other irreversible blocks than t_s\.[23] on here: block'
}
held_forked()
{
	wait_for 15 forked 1 && wait_for 15 state_is 1 held &&
		expect 'other irreversible blocks than .*NODESWARM_HEAL=never' state 1 .reason && stop "$PID" 0
}
NODESWARM_HEAL=never produce 1
check 'NODESWARM_HEAL=never: it says so, and is held' held_forked || { state 1 . && tail -30 "$IT_DIR/log.1"; }
produce 1 && P1=$PID
check 'it does not take the lease, and says why' wait_for 15 forked 1 || state 1 .producer
began_again()
{
	[ "$(record 1 .heal.repair)" = begin-again ]
}
check 'it begins again' wait_for 30 began_again || tail -30 "$IT_DIR/log.1"
check 'and says why' expect 'other irreversible blocks than' record 1 .heal.why
check 'the old blocks are in quarantine' eval "ls '$POOL'/quarantine/t_s.1-*/data/blocks/blocks.log"
check 'it is a standby again' wait_for 40 role_is 1 standby || tail -30 "$IT_DIR/log.1"
check 'and ready' wait_for 60 ready 1 || { state 1 . && tail -30 "$IT_DIR/log.1"; }
check 'of the chain of the others' wait_for 10 same_head
check 'which the holder has gone on with' eval 'role_is 2 producing && goes_on'
check 'nothing is forked any more' expect '^null$' state 1 .producer.forked
for pid in $P1 $P2 $P3; do
	check 'SIGTERM: clean' stop "$pid" 0
done
