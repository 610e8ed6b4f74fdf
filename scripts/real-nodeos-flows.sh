# shellcheck shell=bash disable=SC2154,SC2034
# real-nodeos-flows.sh - the flows of real-nodeos.sh, which sources it
#
# flow_NAME does the flow of that name with what the caller has made: a swarm of one host, an image of the
# nodeos, and $dir for all that is written. It calls step for each thing that must hold and sets $what to what
# was seen. It returns 1 when something did not hold; $why is then that. The flows share one cluster ("real")
# up to "producer", which has one of its own ("signed"), and so has "replay" ("replayed").

# --- the cluster of readers ----------------------------------------------------------------------

cluster_up()
{
	READERS=$READERS NODESWARM_IMAGE=$IMAGE NODESWARM_SIM_IMAGE=$IMAGE NODESWARM_FRONT_IMAGE=$FRONT \
		NODESWARM_PEERS=devchain:9876 NODESWARM_GENESIS=$dir/genesis.json NODESWARM_FRONT_RATE=1000000 \
		NODESWARM_DEVCHAIN_CONFIG=$root/stacks/devchain/config.ini \
		nodeswarm up -f "$root/stacks/agent.yml" -f "$dir/devchain.yml" -f "$root/stacks/readers.yml" \
		-f "$root/stacks/front.yml" --wait 240s
}

# slots FILTER: of `status --json`; exit status by what it is.
slots()
{
	nodeswarm --json status >"$dir/status.json" || return
	jq -er "$1" "$dir/status.json"
}

serving()
{
	slots "[.slots[] | select(.service == \"readers\" and .ready)] | length | if . == $1 then . else error(\"\(.) serve\") end"
}

head_of()
{
	slots "[.slots[] | select(.service == \"$1\") | .head_block_num // 0] | max"
}

moves()
{
	local before
	before=$(head_of readers) && wait_for 15 slots "[.slots[] | select(.service == \"readers\") | .head_block_num // 0] | max > $before + 2"
}

# need_cluster: readers that serve, for the flows before "producer", which share them.
need_cluster()
{
	cluster=real
	case $cluster_state in
	serves)
		# What a flow that failed has left.
		serving "$READERS" >/dev/null 2>&1 || step "$READERS readers serve again" nodeswarm scale "readers=$READERS" --wait 180s
		return
		;;
	failed) why='not tried: the cluster of readers does not serve' && return 1 ;;
	esac
	cluster_state=failed
	step "a chain by nodeos, and $READERS readers that serve" first_up || return
	cluster_state=serves
}

first_up()
{
	make_genesis "$dir/genesis.json" "$DEV_PUBLIC" 60 &&
		sed 's/"--", "nodesim"/"--", "nodeos"/' "$root/stacks/devchain.yml" >"$dir/devchain.yml" &&
		grep -q '"--", "nodeos"' "$dir/devchain.yml" && nodeswarm pool init && cluster_up
}

# a_reader: the first one that serves.
a_reader()
{
	slots '[.slots[] | select(.service == "readers" and .ready)][0].name'
}

# container SLOT: of the cluster that is under way.
container()
{
	local id
	id=$(docker ps -q --filter "label=com.docker.swarm.service.name=${cluster}_${1%.*}" --filter "name=${cluster}_$1\\.")
	[ -n "$id" ] && echo "$id"
}

# --- readers, check, load ------------------------------------------------------------------------

front_answers()
{
	swarm client curl -sf -m 5 "http://$HOST:8888/v1/chain/get_info" >"$dir/info.json" || return
	cat "$dir/info.json"
	jq -e --arg v "$version" '.server_version_string == $v and .head_block_num > 1' "$dir/info.json" >/dev/null
}

by_docker()
{
	docker service update --quiet --detach --replicas "$1" "${cluster}_readers" && wait_for 120 serving "$1"
}

flow_readers()
{
	local start=$EPOCHREALTIME more
	need_cluster || return
	step 'the front answers, and it is this nodeos' wait_for 20 front_answers || return
	step 'the head moves' moves || return
	start=$EPOCHREALTIME
	step "$((READERS + 1)) by docker's own CLI" by_docker $((READERS + 1)) || return
	more=$(since "$start")
	step "and $READERS again" by_docker "$READERS" || return
	step 'all have the same blocks' nodeswarm check || return
	what="$READERS readers from block 1; one more by docker serves after $more s; same blocks"
}

flow_check()
{
	need_cluster || return
	step 'check --for 15s' nodeswarm check --for 15s || return
	what=$(tail -n 1 "$dir/step")
}

front_load()
{
	swarm client "$program" --json load "http://$HOST:8888" -c 8 -d 5s --warmup 1s --no-live >"$dir/load.json" ||
		{ jq -c '{errors, error, limits_broken}' "$dir/load.json" && return 1; }
}

flow_load()
{
	need_cluster || return
	step 'load for 5 s through the front' front_load || return
	what=$(jq -r '"\(.requests_total) requests, \(.requests_failed) failed; \(.requests_per_second | floor)/s, p99 \(.latency_us.p99 / 100 | floor / 10) ms"' "$dir/load.json")
}

# --- stop, archive, clone, dirty -----------------------------------------------------------------

# Of each slot that ran, by its record and by the bytes of its data-dir.
verdicts()
{
	local record slot n=0
	for record in "$(pool)/services/${cluster}_readers"/*/run.json; do
		slot=readers.$(basename "$(dirname "$record")")
		jq -e '.ends[0].clean and .ends[0].asked and .ends[0].exit_code == 0' "$record" >/dev/null ||
			{ echo "$slot: $(jq -c '.ends[0]' "$record")" && return 1; }
		nodeswarm --json data verdict --local "$slot" | jq -e '.verdict == "clean"' >/dev/null ||
			{ echo "$slot: $(nodeswarm data verdict --local "$slot" | head -n 1)" && return 1; }
		n=$((n + 1))
	done
	[ "$n" -ge "$READERS" ] && echo "$n slots are clean"
}

flow_stop()
{
	local start stopped
	need_cluster || return
	start=$EPOCHREALTIME
	step 'nodeswarm stop readers' nodeswarm stop readers --wait 180s || return
	stopped=$(since "$start")
	step 'each nodeos ended with 0, each verdict is clean' verdicts || return
	what="$(tail -n 1 "$dir/step") after $stopped s"
	start=$EPOCHREALTIME
	step 'they serve again' cluster_up || return
	what+=", serving again $(since "$start") s later"
}

# New slots: numbers that were never there have no data-dir.
from_generation()
{
	local now=$((READERS + 3)) n
	nodeswarm scale "readers=$now" --wait 180s || return
	generation=$(readlink "$(pool)/generations/current") || return
	n=$(grep -l "\"$generation\"" "$(pool)/services/${cluster}_readers"/*/run.json | wc -l)
	echo "$n of $now readers name $generation"
	[ "$n" -ge 2 ]
}

flow_archive()
{
	local reader start archived
	need_cluster || return
	reader=$(a_reader) || { why='no reader serves' && return 1; }
	start=$EPOCHREALTIME
	step "data archive $reader, which runs" nodeswarm data archive "$reader" --wait 180s || return
	archived=$(since "$start")
	step 'data verify current' nodeswarm data verify current || return
	step 'new readers start from it' from_generation || return
	what="archived in $archived s, verified; $(tail -n 1 "$dir/step")"
	step 'all have the same blocks' nodeswarm check || return
	step "$READERS readers again" nodeswarm scale "readers=$READERS" --wait 180s
}

# nodeos on the clone, as the host's plain process; its peer is the front.
start_clone()
{
	mkdir -p "$dir/clone"
	printf '%s\n' 'plugin = eosio::chain_api_plugin' 'http-server-address = 127.0.0.1:28890' \
		'p2p-listen-endpoint = 127.0.0.1:29890' "p2p-peer-address = $HOST:9876" \
		'chain-state-db-size-mb = 2048' 'connection-cleanup-period = 5' >"$dir/clone/config.ini"
	# shellcheck disable=SC2016 # the pid is that in the host's namespace
	on sh -c 'echo $$ >"$1/pid"; exec "$2" --data-dir "$3" --config-dir "$1"' _ "$dir/clone" "$NODEOS" "$POOLS/clone" \
		>"$dir/clone/log" 2>&1 </dev/null &
}

clone_head()
{
	on curl -sf -m 2 http://127.0.0.1:28890/v1/chain/get_info >"$dir/clone/info" || { tail -n 3 "$dir/clone/log" && return 1; }
	jq -e ".head_block_num > $1" "$dir/clone/info"
}

stop_clone()
{
	on kill -TERM "$(cat "$dir/clone/pid")" && wait_for 60 ended
	tail -n 1 "$dir/clone/log" | grep 'successfully exiting'
}

ended()
{
	! on kill -0 "$(cat "$dir/clone/pid")"
}

# stopped: the directory of a slot that is there no more, and was left clean.
stopped()
{
	local record
	record=$(grep -l '"state": *"stopped"' "$(pool)/services/${cluster}_readers"/*/run.json | head -n 1)
	[ -n "$record" ] && jq -e '.ends[0].clean' "$record" >&2 && basename "$(dirname "$record")"
}

flow_clone()
{
	local slot head end start cloned
	need_cluster || return
	step 'one reader less' nodeswarm scale "readers=$((READERS - 1))" --wait 120s || return
	slot=$(stopped 2>/dev/null) || { why='no slot was left clean' && return 1; }
	start=$EPOCHREALTIME
	step "data clone --verify of the data-dir of readers.$slot, which is stopped" on "$program" data clone --verify \
		"$POOLS/$cluster/services/${cluster}_readers/$slot/data" "$POOLS/clone" || return
	cloned=$(since "$start")
	start_clone
	step 'nodeos starts from the clone' wait_for 60 clone_head 0 || return
	head=$(jq .head_block_num "$dir/clone/info")
	step 'and gets new blocks' wait_for 60 clone_head $((head + 3)) || return
	end=$(jq .head_block_num "$dir/clone/info")
	step 'it ends well after SIGTERM' stop_clone || return
	step 'and its data-dir is clean' on "$program" data verdict "$POOLS/clone" || return
	what="cloned and compared in $cloned s; a plain nodeos began at block $head, went on to $end"
	step "$READERS readers again" nodeswarm scale "readers=$READERS" --wait 120s
}

kill_nodeos()
{
	local id pid
	id=$(container "$1") && pid=$(docker inspect -f '{{.State.Pid}}' "$id") || return
	pid=$(on pgrep -P "$pid" -x nodeos) || { echo "no nodeos in container $id" && return 1; }
	on kill -KILL "$pid"
	echo "SIGKILL to $pid"
}

# healed SLOT HEAD: it was dirty, and serves from beyond that head on.
healed()
{
	local number=${1#*.}
	slots ".slots[] | select(.name == \"$1\") | .ready and .head_block_num > $2" >/dev/null || { slots ".slots[] | select(.name == \"$1\")" && return 1; }
	jq -e '[.ends[] | select(.signal == 9)] | length > 0' "$(pool)/services/${cluster}_readers/$number/run.json"
}

flow_dirty()
{
	local reader start head record
	need_cluster || return
	reader=$(a_reader) || { why='no reader serves' && return 1; }
	head=$(head_of readers)
	record=$(pool)/services/${cluster}_readers/${reader#*.}/run.json
	start=$EPOCHREALTIME
	step "SIGKILL to the nodeos of $reader" kill_nodeos "$reader" || return
	step 'it heals by itself and serves' wait_for 180 healed "$reader" $((head + 2)) || return
	what="serves again after $(since "$start") s; $(jq -r '.heal | "repair: \(.repair)"' "$record")"
	step 'all have the same blocks' nodeswarm check
}

# --- producer ------------------------------------------------------------------------------------

# make_key: "WIF PUBLIC" of a new key. The multiplication is by hand, because no program here is sure to
# know the curve's points.
make_key()
{
	python3 - <<-'END'
		import hashlib, os, subprocess
		P = 2**256 - 2**32 - 977
		N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
		G = (0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
		     0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8)
		def add(a, b):
		    if a is None or b is None:
		        return a or b
		    if a[0] == b[0] and a != b:
		        return None
		    s = (3 * a[0] * a[0] * pow(2 * a[1], -1, P) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, P)) % P
		    x = (s * s - a[0] - b[0]) % P
		    return x, (s * (a[0] - x) - a[1]) % P
		def base58(data):
		    n, out = int.from_bytes(data, "big"), ""
		    while n:
		        n, r = divmod(n, 58)
		        out = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"[r] + out
		    return out
		def sha(data):
		    return hashlib.sha256(data).digest()
		key = 0
		while not 0 < key < N:
		    key = int.from_bytes(os.urandom(32), "big")
		point, power, k = None, G, key
		while k:
		    if k & 1:
		        point = add(point, power)
		    power, k = add(power, power), k >> 1
		public = bytes([2 + (point[1] & 1)]) + point[0].to_bytes(32, "big")
		check = subprocess.run(["openssl", "dgst", "-provider", "default", "-provider", "legacy", "-rmd160", "-binary"],
		                       input=public, capture_output=True, check=True).stdout[:4]
		wif = b"\x80" + key.to_bytes(32, "big")
		print(base58(wif + sha(sha(wif))[:4]), "EOS" + base58(public + check))
	END
}

make_producer_key()
{
	local wif
	(umask 077 && make_key >"$dir/key") && read -r wif public <"$dir/key" && printf '%s' "$wif" >"$dir/pattern" || return
	printf '%s\n' "$wif" | docker secret create producer-key - >/dev/null &&
		make_genesis "$dir/producer-genesis.json" "$public" 60 && echo "$public"
}

# producer_up STANDBYS: a chain that has no readers yet is begun with NODESWARM_BOOTSTRAP=1.
producer_up()
{
	READERS=2 PRODUCER_STANDBYS=$1 NODESWARM_IMAGE=$IMAGE NODESWARM_GENESIS=$dir/producer-genesis.json NODESWARM_PEERS='' \
		nodeswarm up -f "$root/stacks/agent.yml" -f "$root/stacks/broker.yml" -f "$root/stacks/producer.yml" \
		-f "$root/stacks/readers.yml" --wait 240s
}

first_producer()
{
	nodeswarm pool init && NODESWARM_BOOTSTRAP=1 producer_up 0
}

# producers CONDITION: of `producer status --json`
producers()
{
	nodeswarm --json producer status >"$dir/producers.json" || return
	jq -e "$1" "$dir/producers.json" >/dev/null || { jq -c '.lease, (.candidates[] | [.name, .state, .signed, .why])' "$dir/producers.json" && return 1; }
}

well()
{
	producers "(.candidates | length == $1) and ([.candidates[] | select(.state == \"producing\")] | length == 1) and
		([.candidates[] | select(.could_take_over)] | length == $1 - 1)"
}

holder()
{
	nodeswarm --json producer status | jq -er .lease.holder_name
}

# The configuration that nodeos has names the gate, and the holder has signed.
through_gate()
{
	local n=0 ini
	for ini in "$(pool)/services/${cluster}"_producer*/*/config/config.ini; do
		grep '^signature-provider' "$ini" | grep -v '=KEOSD:http://127.0.0.1:' && return 1
		n=$((n + 1))
	done
	[ "$n" -ge 1 ] && producers '[.candidates[] | select(.state == "producing")][0].signed > 3' || return
	echo "signed by the gate: $(jq '[.candidates[].signed] | max' "$dir/producers.json")"
}

# The key is a secret of the swarm; nothing else of its engine and no process shows it.
key_nowhere()
{
	local c found shown=$dir/shown
	mkdir -p "$shown" && grep -qF -f "$dir/pattern" "$dir/key" && [ -e "$(pool)/pool.json" ] || return
	docker service ls -q | xargs docker service inspect >"$shown/services"
	docker config ls -q | xargs docker config inspect >"$shown/configs"
	# The JSON has it in base64.
	jq -r '.[].Spec.Data // "" | select(. != "") | @base64d' "$shown/configs" >"$shown/data" || return
	docker ps -aq | xargs docker inspect >"$shown/containers"
	for c in $(docker ps -aq); do
		docker logs "$c"
	done >"$shown/logs" 2>&1
	wc -l "$shown"/*
	if [ -n "$(find "$shown" -size 0)" ] || [ "$(cat "$shown"/* | wc -l)" -le 500 ]; then
		echo 'too little to look through' && return 1
	fi
	# By what is found, because grep fails as well when a process has ended meanwhile.
	found=$({
		grep -laF -f "$dir/pattern" "$shown"/*
		grep -rlaF --exclude=shared_memory.bin -f "$dir/pattern" "$(pool)"
		grep -laF -f "$dir/pattern" /proc/[0-9]*/environ /proc/[0-9]*/cmdline
	} 2>/dev/null)
	[ -z "$found" ] || { printf 'the key is in %s\n' "$found" && return 1; }
}

failover()
{
	nodeswarm --json producer failover --reason 'real-nodeos.sh' >"$dir/failover.json" || { cat "$dir/failover.json" && return 1; }
	jq -e '.order.slots_lost >= 0 and .order.slots_lost <= 2' "$dir/failover.json"
}

# taken_from NAME: somebody else produces, and readers get the blocks.
taken_from()
{
	producers "[.candidates[] | select(.state == \"producing\" and .name != \"$1\")] | length == 1"
}

beyond()
{
	slots "[.slots[] | select(.service == \"readers\") | .head_block_num // 0] | max > $1"
}

kill_container()
{
	local id pid
	id=$(container "$1") && pid=$(docker inspect -f '{{.State.Pid}}' "$id") && on kill -KILL "$pid"
}

flow_producer()
{
	local who head start lost
	leave_cluster || return
	cluster=signed
	step 'a key, which only a secret of the swarm has' make_producer_key || return
	step 'the first producer of its chain, and two readers' first_producer || return
	step 'it produces' wait_for 60 beyond 1 || return
	step 'again without NODESWARM_BOOTSTRAP, with a standby' producer_up 1 || return
	step 'one produces, the other could take over' wait_for 90 well 2 || return
	step 'blocks are signed through the gate' wait_for 20 through_gate || return
	step 'the key is shown nowhere' key_nowhere || return
	step 'failover by order: at most two slots are lost' wait_for 60 failover || return
	lost=$(jq .order.slots_lost "$dir/failover.json")
	step 'and back to one that produces and one that could' wait_for 90 well 2 || return
	who=$(holder) || { why='nobody holds the lease' && return 1; }
	head=$(head_of readers)
	start=$EPOCHREALTIME
	step "SIGKILL to the container of $who, which produces" kill_container "$who" || return
	step 'the other one has taken over' wait_for 30 taken_from "$who" || return
	step 'readers get its blocks' wait_for 30 beyond $((head + 3)) || return
	what="signed through the gate; failover by order lost $lost slots; after a kill blocks came within $(since "$start") s"
	step "$who is there again and could take over" wait_for 180 well 2 || return
	step 'one chain, no slot twice' nodeswarm check --for 5s
}

# --- replay --------------------------------------------------------------------------------------

# The history: one plain nodeos that makes blocks from the beginning of this script on.
start_history()
{
	local h=$dir/history
	mkdir -p "$h/config" "$h/data"
	make_genesis "$h/genesis.json" "$DEV_PUBLIC" 61 || return
	{
		printf 'plugin = eosio::%s_plugin\n' chain chain_api http net producer producer_api
		printf '%s\n' "http-server-address = $HOST:28888" 'http-validate-host = false' \
			"p2p-listen-endpoint = $HOST:29876" 'p2p-max-nodes-per-host = 50' \
			'http-max-response-time-ms = 5000' 'chain-state-db-size-mb = 512' 'enable-stale-production = true' 'producer-name = eosio' \
			"signature-provider = $DEV_PUBLIC=KEY:$DEV_KEY"
	} >"$h/config/config.ini"
	echo 'chain-state-db-size-mb = 512' >"$h/worker.ini"
	swarm exec 1 "$NODEOS" --config-dir "$h/config" --data-dir "$h/data" --genesis-json "$h/genesis.json" \
		>"$h/log" 2>&1 </dev/null &
}

ask_history()
{
	swarm exec 1 curl -sf -m "${2:-5}" "http://$HOST:28888/v1/$1"
}

history_head()
{
	ask_history chain/get_info | jq -er ".head_block_num | select(. >= $1)"
}

# In the background: a snapshot at the end of each slice. A call returns when it is irreversible.
make_snapshots()
{
	local k
	for ((k = 1; k <= SLICES; k++)); do
		until history_head $((k * blocks / SLICES)) >/dev/null; do
			sleep 1
		done
		ask_history producer/create_snapshot 60 | jq -c '{head_block_num, snapshot_name}'
	done
}

need_history()
{
	step 'a chain for the flow replay begins' wait_for 60 history_head 3 || return
	make_snapshots >"$dir/snapshots" 2>&1 </dev/null 3>&- &
	snapshots_pid=$!
}

has_snapshots()
{
	local have
	have=$(find "$dir/history/data/snapshots" -name 'snapshot-*.bin' | wc -l)
	echo "$have of $SLICES snapshots, head $(history_head 1)"
	[ "$have" -ge "$SLICES" ]
}

# The list of snapshots knows no hash of the last slice's end. This node knows that of its head, whose number
# is in its id.
make_manifest()
{
	local kind=leap
	[ -z "$is_spring" ] || kind=spring
	nodeswarm replay manifest generate "$dir/history/data/snapshots" "--$kind-version" "${version#v}" \
		--block-space-between-slices 5 -o "$dir/generated.json" || return
	wait_for 20 ask_history producer/get_integrity_hash >"$dir/head.json" || { cat "$dir/head.json" && return 1; }
	jq --argjson h "$((16#$(jq -r '.head_block_id[:8]' "$dir/head.json")))" --arg hash "$(jq -r .integrity_hash "$dir/head.json")" \
		'.[-1].end_block_id = (if (.[-1].end_block_id | type) == "string" then ($h | tostring) else $h end) |
		.[-1].expected_integrity_hash = $hash' "$dir/generated.json" >"$dir/manifest.json" &&
		nodeswarm replay manifest validate --config "$dir/manifest.json" && cat "$dir/manifest.json"
}

replay_run()
{
	[ -e "$(pool)/pool.json" ] || nodeswarm pool init || return
	NODESWARM_IMAGE=$IMAGE NODESWARM_GENESIS=$dir/history/genesis.json NODESWARM_REPLAY_INI=$dir/history/worker.ini \
		NODESWARM_REPLAY_SNAPSHOTS=$dir/history/data/snapshots NODESWARM_REPLAY_PEERS=$HOST:29876 \
		NODESWARM_REPLAY_DISK=100M NODESWARM_REPLAY_STALL=2m \
		nodeswarm replay run "$dir/manifest.json" -f "$root/stacks/replay.yml" -n 2 --certificate "$dir/certificate.json" --wait 900s ||
		{ nodeswarm replay status; docker service logs --tail 20 "${cluster}_replay-worker" 2>&1 | tail -n 20; return 1; }
}

certificate()
{
	nodeswarm replay certificate verify "$dir/certificate.json" &&
		jq -e --argjson n "$(jq length "$dir/manifest.json")" \
			'.verified and (.slices | length) == $n and all(.slices[]; .verdict == "verified")' "$dir/certificate.json"
}

flow_replay()
{
	local start
	leave_cluster || return
	cluster=replayed
	[ -n "$snapshots_pid" ] || { why='the chain for it did not begin' && return 1; }
	say "replay: $(has_snapshots); it makes two blocks a second"
	step "a chain of $blocks blocks with $SLICES snapshots" wait_for $((blocks * 6 / 10 + 120)) has_snapshots || return
	step 'manifest generate, and its last hash from the node' make_manifest || return
	start=$EPOCHREALTIME
	step 'replay run with two workers' replay_run || return
	what="$(jq -r '"\(length) slices to block \(.[-1].end_block_id)"' "$dir/manifest.json") in $(since "$start") s"
	step 'certificate verify: each slice is verified' certificate || return
	what+=', all verified'
	step 'replay stop' nodeswarm replay stop --wait 60s
}
