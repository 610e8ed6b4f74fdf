#!/usr/bin/env bash
# producer: the stack of producer, standby and brokers, and the commands that give it orders; one
# signs, whatever is ordered, and the key is found nowhere
# time-limit: 600
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/cluster.sh
. "$(dirname "$0")/cluster.sh"
need docker jq python3

# Not the one that the whole world knows: nodesim has that in it, as nodeos has.
WIF=5JTzFTSfF27cqHqy1HcqxWGhdso9JCykPEbTiwfraNN74v1yxvk
HEX=559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd
PUBLIC=EOS52K5kMmwiRyNQYAf7ymCMz6hieE8siyrqNt1t57ac9hvBrRdaa
jq --arg key "$PUBLIC" '.initial_key = $key' "$ROOT/genesis.json" >"$IT_DIR/genesis.json"
export NODESWARM_GENESIS=$IT_DIR/genesis.json
# The first node of a chain; readers begin with it.
export NODESWARM_BOOTSTRAP=1 NODESWARM_PEERS='producer:4876 producer-standby:4876'
export NODESWARM_DOCKER_SOCKET=$IT_DIR/docker.sock

# --- looking ---------------------------------------------------------------------------------------

# producers JQ-CONDITION [ARG...]: of what producer status says.
producers()
{
	local condition=$1
	shift
	nodeswarm --json producer status >"$IT_DIR/producers.json" || return
	jq -c '[.lease.holder_name, .lease.epoch, .lease.order, [.candidates[] | [.name, .state, .signed, .why]],
		[.warnings[].rule]]' "$IT_DIR/producers.json"
	jq -e "$@" "$condition" "$IT_DIR/producers.json" >/dev/null
}

epoch()
{
	nodeswarm --json producer status | jq .lease.epoch
}

# One holds the lease and produces, the others are fit to take over.
well()
{
	# shellcheck disable=SC2016 # jq's
	producers '.lease.holder_name == $holder and
		[.candidates[] | select(.state == "producing") | .name] == [$holder] and
		([.candidates[] | select(.could_take_over)] | length == ($n | tonumber) - 1) and
		(.candidates | length == ($n | tonumber))' --arg holder "$1" --arg n "$2"
}

head_of()
{
	nodeswarm --json status | jq --arg s "$1" '[.slots[] | select(.service == $s) | .head_block_num // 0] | max'
}

moves()
{
	local before after
	before=$(head_of readers) && sleep 2 && after=$(head_of readers)
	echo "$before -> $after"
	[ "$after" -gt "$before" ]
}

stands()
{
	local before after
	sleep 1
	before=$(head_of readers) && sleep 3 && after=$(head_of readers)
	echo "$before -> $after"
	[ "$after" = "$before" ]
}

# --- the stack -------------------------------------------------------------------------------------

check 'engine' engine_up || exit
check 'images' cluster_images || exit
check 'pool' cluster_pool || exit
check 'without a key there is no producer' expect_fail 1 'producer-key' "$ROOT/scripts/start_bp.sh"
check 'status of nothing' expect 'the stack has no producer' nodeswarm producer status
check 'the key' bash -c "printf %s $WIF | docker secret create producer-key - >/dev/null" || exit

# Ordered before anybody could begin.
check 'pause' nodeswarm producer pause --reason 'not yet'
check 'brokers and producer' "$ROOT/scripts/start_bp.sh" --wait 90s || exit
check 'it is paused, and nobody has begun' producers '.lease.holder == null and .lease.order == "pause" and
	.lease.order_reason == "not yet" and .lease.epoch == 0 and any(.warnings[]; .rule == "paused") and
	[.candidates[].signed] == [0]'
check 'resume' expect 'producer\.1 holds the lease' nodeswarm producer resume
check 'it produces' wait_for 20 well producer.1 1 || exit
check 'there is no standby, and it is said how to make one' expect \
	"no standby: 'producer-standby' has no replicas; 'nodeswarm scale producer-standby=1'" nodeswarm producer status
check 'readers' nodeswarm up -f "$ROOT/stacks/readers.yml" --wait 90s || exit
check 'blocks come' moves
check 'failover without a standby is refused' expect_fail 1 'there is no standby' nodeswarm producer failover
# one_object N JQ: all that start_bp.sh N --json prints
one_object()
{
	"$ROOT/scripts/start_bp.sh" "$1" --json --wait 90s | jq -es "length == 1 and (.[0] | $2)"
}
check 'a standby, and --json is one object' one_object 1 '.changes == 0 and .stopped == []' || exit
check 'none' one_object 0 '.stopped | length == 1 and .[0].name == "producer-standby.1"'
check 'a standby again' "$ROOT/scripts/start_bp.sh" 1 --wait 90s || exit
check 'it is ready' wait_for 20 well producer.1 2 || exit
check 'up again changes nothing' expect 'nothing to change' "$ROOT/scripts/start_bp.sh"
check 'the term is told' producers '.lease.term_seconds == 4'
nodeswarm producer status

# --- orders ----------------------------------------------------------------------------------------

# failover ARG...: at most two slots are lost, and the epoch rises by one.
failover()
{
	local before
	before=$(epoch)
	nodeswarm --json producer failover "$@" >"$IT_DIR/failover.json" || { cat "$IT_DIR/failover.json" && return 1; }
	jq -c .order "$IT_DIR/failover.json"
	jq -e --argjson before "$before" '.order | .epoch == $before + 1 and .slots_lost <= 2 and .slots_lost >= 0' \
		"$IT_DIR/failover.json"
}
check 'failover: at most two slots are lost' failover --reason 'a test'
check 'the standby produces, and the producer is one' wait_for 20 well producer-standby.1 2
check 'the change stands in the history' producers '.changes[0].holder == "producer-standby.1" and
	(.changes | length >= 3) and all(.changes[]; .reason != "" and (.time | test("^20"))) and
	any(.changes[]; .reason | test("failover by order [0-9]+: a test"))'
check 'blocks come' moves
check 'failover to who has it is refused' expect_fail 1 'produces already' \
	nodeswarm producer failover producer-standby.1
check 'failover back, by name' failover producer.1
check 'the producer produces' wait_for 20 well producer.1 2
check 'status for people' expect 'producer-standby\.1 .*standby' nodeswarm status
check 'pause' expect 'production is paused' nodeswarm producer pause
check 'no blocks come' stands
check 'a failover is refused then' expect_fail 1 'production is paused' nodeswarm producer failover
check 'resume' nodeswarm producer resume
check 'blocks come' wait_for 20 moves
check 'standby or producer has it' producers '.lease.order == "none" and (.lease.holder | test("nodeswarm_producer"))'

# --- replicas --------------------------------------------------------------------------------------

check 'docker service update --replicas 2' docker service update -d --replicas 2 nodeswarm_producer
three()
{
	producers '(.candidates | length == 3) and ([.candidates[] | select(.state == "producing")] | length == 1) and
		([.candidates[] | select(.could_take_over)] | length == 2)'
}
check 'the second is just a standby' wait_for 40 three
check 'failover to it' failover producer.2
check 'it produces' wait_for 20 well producer.2 3
before=$(epoch)
check 'it is taken away' docker service update -d --replicas 1 nodeswarm_producer
one_of_two()
{
	producers '(.candidates | map(select(.state == "producing")) | length == 1) and (.candidates | length == 2)'
}
check 'another has taken over' wait_for 40 one_of_two
check 'blocks come' wait_for 10 moves

# --- the key ---------------------------------------------------------------------------------------

# Nothing of it in what others can see. The secret's tmpfs is what has it; the searched text is on
# standard input.
no_key()
{
	! grep -aqE "$WIF|$HEX|${HEX^^}"
}
inspected()
{
	{
		docker service ls -q | xargs docker service inspect
		docker ps -aq | xargs docker inspect
		docker config ls -q | xargs docker config inspect
		docker secret ls -q | xargs docker secret inspect
	} >"$IT_DIR/inspected" && [ -s "$IT_DIR/inspected" ] && no_key <"$IT_DIR/inspected"
}
logs()
{
	local c
	for c in $(docker ps -aq); do docker logs "$c" 2>&1; done >"$IT_DIR/logs"
	grep -q . "$IT_DIR/logs" && no_key <"$IT_DIR/logs"
}
processes()
{
	cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null >"$IT_DIR/processes"
	grep -aq nodesim "$IT_DIR/processes" && no_key <"$IT_DIR/processes"
}
files()
{
	# The state database is sparse and large, and nodeos's alone.
	! grep -raqE --exclude=shared_memory.bin "$WIF|$HEX" "$POOL" && [ -n "$(find "$POOL" -name config.ini)" ]
}
images()
{
	docker save nodeswarm/nodesim:latest | no_key
}
# nodeos's memory, for the key as text, as hex and as bytes.
memory()
{
	python3 - "$WIF" "$HEX" <<-'END'
		import glob, re, sys
		wanted = [sys.argv[1].encode(), sys.argv[2].encode(), bytes.fromhex(sys.argv[2])]
		looked = 0
		for d in glob.glob("/proc/[0-9]*"):
		    try:
		        if open(d + "/comm").read().strip() != "nodesim":
		            continue
		        with open(d + "/maps") as maps, open(d + "/mem", "rb", 0) as mem:
		            for line in maps:
		                m = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
		                if not m or "[v" in line:
		                    continue
		                a, b = int(m[1], 16), int(m[2], 16)
		                # The state database is sparse and shared; its pages are files' in the pool.
		                if b - a > 1 << 28:
		                    continue
		                try:
		                    mem.seek(a)
		                    text = mem.read(b - a)
		                except (OSError, ValueError):
		                    continue
		                looked += len(text)
		                for w in wanted:
		                    if w in text:
		                        sys.exit("%s: %s has the key" % (d, line))
		    except FileNotFoundError:
		        continue
		print(looked, "bytes")
		sys.exit(looked == 0)
	END
}
check 'no key in what inspect shows' inspected
check 'nor in logs' logs
check 'nor in command lines and environments' processes
check 'nor in the pool' files
check 'nor in the image' images
check "nor in nodeos's memory" memory

# --- the end ---------------------------------------------------------------------------------------

check 'stop_bp' "$ROOT/scripts/stop_bp.sh" --wait 60s
check 'nobody holds the lease' producers '.lease.holder == null and .candidates == []'
check 'no blocks come' stands
check 'start_bp brings both back' "$ROOT/scripts/start_bp.sh" --wait 90s
check 'one produces' wait_for 20 one_of_two
check 'blocks come' wait_for 20 moves

# --- docker's own way ------------------------------------------------------------------------------

# deploys DOCKER: that docker takes the files; beside ours, with a lease of its own, which nobody begins.
deploys()
{
	NODESWARM_LEASE=deployed NODESWARM_BOOTSTRAP=0 NODESWARM_POOL=$POOL PRODUCER_STANDBYS=1 "$1" stack deploy \
		--resolve-image never -c "$ROOT/stacks/broker.yml" -c "$ROOT/stacks/producer.yml" dep >"$IT_DIR/deploy.log" 2>&1
	local rc=$?
	cat "$IT_DIR/deploy.log"
	[ "$(docker service inspect -f '{{.Spec.Mode.Replicated.Replicas}}' dep_producer-standby)" = 1 ] || rc=1
	docker stack rm dep >/dev/null 2>&1
	wait_for 30 no_dep || rc=1
	return "$rc"
}
no_dep()
{
	[ -z "$(docker ps -q --filter name=dep_)$(docker network ls -q --filter name=dep_)" ]
}
docker --version
check 'the docker command takes the files' deploys docker

check 'down' nodeswarm down
check 'the lease stays, so that epochs go on rising' docker config inspect nodeswarm-lease-producer
