#!/usr/bin/env bash
# time-limit: 200
# The agent as a service beside a dev chain and readers, on one engine.
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/cluster.sh
. "$ROOT/tests/it/cluster.sh"
need docker dockerd jq curl

AGENT_YML=$ROOT/stacks/agent.yml
SOCK=$POOL/agent.sock
URL=http://192.168.77.1:8870

all_up()
{
	nodeswarm up -f "$CHAIN_YML" -f "$READERS_YML" -f "$AGENT_YML" "$@"
}

container_of()
{
	docker ps -q -f "label=com.docker.swarm.service.name=nodeswarm_$1" -f status=running | head -n1
}

# container of slot NAME.N
slot_container()
{
	docker ps -q -f "label=com.docker.swarm.service.name=nodeswarm_${1%.*}" \
		--format '{{.ID}} {{.Names}}' | awk -v n="nodeswarm_$1." 'index($2, n) == 1 { print $1 }'
}

# get PATH, post PATH [BODY]: over agent.sock, by curl
get()
{
	curl -s -m 20 --unix-socket "$SOCK" "http://agent$1"
}

post()
{
	curl -s -m 60 --unix-socket "$SOCK" -X POST --data-binary "${2-}" "http://agent$1"
}

# tcp TOKEN PATH [CURL-ARG...]: the status code
tcp()
{
	local token=$1 path=$2
	shift 2
	curl -s -m 20 -o "$IT_DIR/tcp.out" -w '%{http_code}\n' ${token:+-H "Authorization: Bearer $token"} \
		"$@" "$URL$path"
}

# alive N: that many slots are alive
alive()
{
	[ "$(get /v1/status | jq '[.slots[] | select(.is_alive)] | length')" = "$1" ]
}

state_is()
{
	[ "$(get /v1/status | jq -r --arg s "nodeswarm_${1%.*}" --argjson n "${1##*.}" \
		'.slots[] | select(.service == $s and .slot == $n) | .status.state')" = "$2" ]
}

# An agent by itself: a better address is taken when it comes.
moves()
{
	local pool=$IT_DIR/alone rc=0
	ip link add way0 type veth peer name way1 && ip addr add 10.9.9.1/24 dev way0 && ip link set way1 up &&
		ip link set way0 up && ip route add default dev way0 || return
	nodeswarm pool init "$pool" && head -c 32 /dev/zero | tr '\0' x >"$IT_DIR/alone.token" || return
	NODESWARM_TOKEN_FILE=$IT_DIR/alone.token nodeswarm --pool "$pool" agent >"$IT_DIR/alone.log" 2>&1 50>&- 51<&- 52<&- &
	local agent=$!
	wait_for 5 grep 'listening.*address=10.9.9.1 .*source=default-route' "$IT_DIR/alone.log" &&
		echo '{"format":1,"address":"127.0.0.1"}' >"$pool/host.json" &&
		wait_for 15 grep 'listening.*address=127.0.0.1 .*source=host.json' "$IT_DIR/alone.log" &&
		curl -sf -o /dev/null http://127.0.0.1:8870/livez || rc=1
	expect_fail any '' curl -sf http://10.9.9.1:8870/livez || rc=1
	[ $rc = 0 ] || cat "$IT_DIR/alone.log"
	kill "$agent"
	wait "$agent"
	ip link del way0
	return $rc
}
check 'the address of the default route is given up for a better one' moves

check 'engine' engine_up || exit 1
check 'image and pool' eval 'cluster_images && cluster_pool' || exit 1
export READERS=3

# --- the secret and the host's network -------------------------------------------------------------

planned()
{
	all_up --plan >"$IT_DIR/plan" || return
	cat "$IT_DIR/plan"
	grep -q 'create secret *nodeswarm_agent-token .*32 random bytes' "$IT_DIR/plan" &&
		! grep -Eq '[0-9a-f]{64}' "$IT_DIR/plan" && [ -z "$(docker secret ls -q)" ]
}
check 'the plan names the secret' planned

missing()
{
	sed '/^    x-nodeswarm:/,$d' "$AGENT_YML" >"$IT_DIR/plain.yml"
	expect_fail 1 "external secret 'nodeswarm_agent-token' does not exist" \
		nodeswarm up -f "$IT_DIR/plain.yml" --plan
}
check 'without x-nodeswarm a missing secret is an error' missing

check 'up' all_up --wait 90s || exit 1
check 'all serve' wait_for 30 serves readers 3

secret_id()
{
	docker secret inspect nodeswarm_agent-token --format '{{.ID}} {{index .Spec.Labels "com.docker.stack.namespace"}}'
}
ID=$(secret_id)
again()
{
	expect 'keep +service nodeswarm_agent' all_up --plan || return
	! grep -Eq '^(create|update)' <(all_up --plan) && all_up >/dev/null 2>&1 &&
		[ "$(secret_id)" = "$ID" ] && [ "${ID#* }" = nodeswarm ]
}
check 'a second up changes nothing' again

C=$(container_of agent)
confined()
{
	docker inspect "$C" --format '{{.HostConfig.NetworkMode}} {{.HostConfig.CapDrop}} {{.HostConfig.ReadonlyRootfs}}' \
		| tee "$IT_DIR/inspect"
	grep -qx 'host \[ALL\] true' "$IT_DIR/inspect" || return
	local pid
	pid=$(docker inspect "$C" --format '{{.State.Pid}}')
	grep -E '^Cap(Eff|Prm|Bnd|Amb)' "/proc/$pid/status"
	# CHOWN, DAC_OVERRIDE, FOWNER; NET_ADMIN, NET_RAW
	[ "$(grep -cE '^Cap(Eff|Prm|Bnd):[[:space:]]*0+300b$' "/proc/$pid/status")" = 3 ] &&
		grep -qE '^CapAmb:[[:space:]]*0+$' "/proc/$pid/status" &&
		! docker inspect "$C" --format '{{json .Mounts}}' | grep docker.sock
}
check 'it has five capabilities and no docker socket' confined
check 'its socket is only for root' [ "$(stat -c '%a %U' "$SOCK")" = '600 root' ]
check 'it listens on the swarm address and nowhere else' \
	[ "$(ss -Hltn 'sport = :8870' | awk '{ print $4 }')" = 192.168.77.1:8870 ]

# --- what it tells ---------------------------------------------------------------------------------

status_of_all()
{
	get /v1/status >"$IT_DIR/status" || return
	jq -c '.node, (.slots[] | [.service, .slot, .task, .is_alive, .status.state, .status.ready])' "$IT_DIR/status"
	[ "$(jq '.slots | length' "$IT_DIR/status")" = 4 ] &&
		jq -e '[.slots[] | .is_alive and .status.ready and .task == .status.task] | all' "$IT_DIR/status" >/dev/null &&
		[ "$(jq -r .node.address "$IT_DIR/status")" = 192.168.77.1 ] &&
		[ "$(jq -r .node.id "$IT_DIR/status")" = "$(docker node inspect self --format '{{.ID}}')" ]
}
check 'status of all slots' status_of_all
# sampled BODY: its reply is in $IT_DIR/samples
sampled()
{
	post /v1/sample "$1" >"$IT_DIR/samples" || return
	jq -c '.error, (.slots[]? | [.service, .slot, .task, .is_alive, .error, .sample])' "$IT_DIR/samples"
}

sample_of_all()
{
	sampled '{"format":1,"all":{"heights":[2,5]},"slots":[{"service":"nodeswarm_readers","slot":2,"first":5,"last":6}]}' ||
		return
	jq -e '(.slots | length) == 4 and ([.slots[].sample.state == "answers"] | all) and
		([.slots[].sample.slot_state == "running"] | all) and .node.hostname != ""' "$IT_DIR/samples" >/dev/null &&
		# One id at each height, and that of the slot that was asked for blocks.
		[ "$(jq -c '[.slots[].sample.ids[]?] | unique | map(.[0])' "$IT_DIR/samples")" = '[2,5]' ] &&
		[ "$(jq -c '[.slots[].sample.blocks[]?.num]' "$IT_DIR/samples")" = '[5,6]' ] &&
		[ "$(jq '[.slots[].sample | .blocks[]?.id, .ids[]?[1]] | unique | length' "$IT_DIR/samples")" = 3 ]
}
check 'sample of all slots' sample_of_all
check 'slots' [ "$(get /v1/slots | jq -c '[.slots[].is_locked]')" = '[true,true,true,true]' ]
check 'host' eval 'get /v1/host | jq -e ".format == 1 and (.host | type) == \"object\""'
check 'relay in its container' expect '"pool_id"' docker exec "$C" nodeswarm relay GET /v1/status
check 'relay here' expect '"slots":' nodeswarm relay GET /v1/slots
check 'relay of an error' expect_fail 1 '"kind":"not_found"' docker exec "$C" nodeswarm relay GET /v1/nope
check 'log' expect '.' get '/v1/slots/nodeswarm_readers/1/log?tail=5'
check 'log has that many lines' [ "$(get '/v1/slots/nodeswarm_readers/1/log?tail=3' | wc -l)" = 3 ]
is_healthy()
{
	[ "$(docker inspect "$C" --format '{{.State.Health.Status}}')" = healthy ]
}
check 'docker finds it healthy' wait_for 15 is_healthy

# --- who may ask -----------------------------------------------------------------------------------

TOKEN=$(cat "/proc/$(docker inspect "$C" --format '{{.State.Pid}}')/root/run/secrets/agent-token")
check 'the token has 64 hex digits' grep -Eqx '[0-9a-f]{64}' <<<"$TOKEN"
check 'livez without a token' [ "$(tcp '' /livez)" = 200 ]
check 'no token' [ "$(tcp '' /v1/status)" = 401 ]
check 'a wrong token' [ "$(tcp "${TOKEN%?}g" /v1/status)" = 401 ]
check 'the token' [ "$(tcp "$TOKEN" /v1/status)" = 200 ]
check 'a sample without the token' [ "$(tcp '' /v1/sample -X POST -d '{}')" = 401 ]
check 'a sample with the token' [ "$(tcp "$TOKEN" /v1/sample -X POST -d '{}')" = 200 ]
check 'no gather over TCP' [ "$(tcp "$TOKEN" /v1/gather -X POST -d '{}')" = 403 ]
check 'a body that is too large' [ "$(tcp "$TOKEN" /v1/slots/nodeswarm_readers/1/resume -X POST -d "$(head -c 5000 /dev/zero | tr '\0' x)")" = 413 ]
check 'a path that leads elsewhere' [ "$(tcp "$TOKEN" '/v1/slots/..%2f..%2fetc/1/log' --path-as-is)" = 404 ]
not_logged()
{
	docker service logs nodeswarm_agent >"$IT_DIR/agent.log" 2>&1
	cat "$IT_DIR/agent.log"
	grep -q 'request refused' "$IT_DIR/agent.log" && ! grep -q "$TOKEN" "$IT_DIR/agent.log"
}
check 'refusals are logged, the token is not' not_logged

gathered()
{
	local me
	me=$(docker node inspect self --format '{{.ID}}')
	post /v1/gather "{\"method\":\"GET\",\"path\":\"/v1/slots\",\"timeout_ms\":1500,\"targets\":[
		{\"id\":\"$me\",\"address\":\"192.168.77.1\"},{\"id\":\"other\",\"address\":\"192.168.77.1\"},
		{\"id\":\"dead\",\"address\":\"192.168.77.99\"}]}" | jq -c '.replies[] | [.id, .status, (.body.slots | length), .error.kind]' \
		| tee "$IT_DIR/gathered"
	diff - <(sed "s/$me/ME/; s/unavailable\|timeout/no/" "$IT_DIR/gathered") <<-'END'
		["ME",200,4,null]
		["other",200,4,null]
		["dead",null,0,"no"]
	END
}
check 'gather: this host, one over TCP, one that is not there' gathered
gathered_samples()
{
	local me
	me=$(docker node inspect self --format '{{.ID}}')
	post /v1/gather "{\"method\":\"POST\",\"path\":\"/v1/sample\",\"timeout_ms\":2500,
		\"body\":\"{\\\"all\\\":{\\\"heights\\\":[3]}}\",\"targets\":[
		{\"id\":\"$me\",\"address\":\"192.168.77.1\"},{\"id\":\"other\",\"address\":\"192.168.77.1\"}]}" |
		tee "$IT_DIR/gathered" | jq -c '.replies[] | [.id, .status, (.body.slots | length), .error.kind]'
	[ "$(jq -c '[.replies[].body.slots[].sample.ids[][0]]' "$IT_DIR/gathered")" = '[3,3,3,3,3,3,3,3]' ] &&
		[ "$(jq -c '[.replies[].body.slots[].sample.ids[][1]] | unique | length' "$IT_DIR/gathered")" = 1 ]
}
check 'gather of samples' gathered_samples

# --- what it does ----------------------------------------------------------------------------------

quiesced()
{
	post /v1/slots/nodeswarm_readers/2/quiesce | jq -c '[.state, .verdict]' | grep -Fx '["quiesced","clean"]' &&
		state_is readers.2 quiesced && sampled '{}' &&
		[ "$(jq -r '.slots[].sample | select(.state != "answers") | "\(.state) \(.slot_state)"' "$IT_DIR/samples")" = \
			'down quiesced' ]
}
check 'quiesce' quiesced
check 'resume' eval 'post /v1/slots/nodeswarm_readers/2/resume >/dev/null && wait_for 20 serves readers 3'
forgotten()
{
	curl -s -m 0.3 --unix-socket "$SOCK" -X POST http://agent/v1/slots/nodeswarm_readers/3/quiesce
	wait_for 20 state_is readers.3 quiesced && [ "$(get /livez)" = ok ]
}
check 'quiesce goes on when the one who asked has gone' forgotten
check 'resume through relay' expect '"state"' docker exec "$C" nodeswarm relay POST /v1/slots/nodeswarm_readers/3/resume
check 'no such slot' expect_fail 1 '"kind":"not_found"' nodeswarm relay POST /v1/slots/nodeswarm_readers/99/quiesce

crashed()
{
	local supervisor
	supervisor=$(docker inspect "$(slot_container readers.2)" --format '{{.State.Pid}}')
	pkill -SEGV -P "$supervisor" || return
	wait_for 40 recovered
}
recovered()
{
	sampled '{}' && jq -e '.slots[] | select(.service == "nodeswarm_readers" and .slot == 2).sample |
		.state == "answers" and .crashes == 1 and .starts > 1 and (.last_crash | test("SIGSEGV")) and
		(.tail | length) > 0' "$IT_DIR/samples"
}
check 'a crash is told with its last lines' crashed
check 'all serve again' wait_for 30 serves readers 3

# A supervisor that hangs is named, and the others are told all the same.
P=$(docker inspect "$(slot_container readers.1)" --format '{{.State.Pid}}')
hung()
{
	local start=$EPOCHREALTIME
	kill -STOP "$P" || return
	get /v1/status >"$IT_DIR/status"
	since "$start"
	jq -c '.slots[] | [.service, .slot, .is_alive, .error.kind, .record.state]' "$IT_DIR/status"
	awk -v s="$(since "$start")" 'BEGIN { exit !(s < 3) }' &&
		[ "$(jq '[.slots[] | select(.is_alive)] | length' "$IT_DIR/status")" = 3 ] &&
		jq -e '.slots[] | select(.is_alive | not) | .slot == 1 and .error.kind == "timeout" and .record.state == "running"' "$IT_DIR/status"
}
check 'a hung supervisor is named in time' hung
hung_sample()
{
	local start=$EPOCHREALTIME
	sampled '{"limit_ms":500}'
	since "$start"
	awk -v s="$(since "$start")" 'BEGIN { exit !(s < 2) }' &&
		[ "$(jq '[.slots[] | select(.sample.state == "answers")] | length' "$IT_DIR/samples")" = 3 ] &&
		jq -e '.slots[] | select(.is_alive | not) | .slot == 1 and .sample == null and
			.error.kind == "timeout" and .record.state == "running"' "$IT_DIR/samples"
}
check 'also where samples are asked for' hung_sample
kill -CONT "$P"
check 'and answers again' wait_for 10 alive 4

# --- its own end ------------------------------------------------------------------------------------

# another_than CONTAINER: a new agent answers
another_than()
{
	local c
	c=$(container_of agent)
	[ -n "$c" ] && [ "$c" != "$1" ] && alive 4
}

restarted()
{
	docker service update --force --detach nodeswarm_agent >/dev/null || return
	wait_for 40 another_than "$C" &&
		docker ps -a --filter "id=$C" --format '{{.Status}}' | tee "$IT_DIR/ended" && grep -q 'Exited (0)' "$IT_DIR/ended"
}
check 'restarted, it ends cleanly and answers again' restarted
killed()
{
	local c
	c=$(container_of agent)
	docker kill "$c" >/dev/null && wait_for 40 another_than "$c"
}
check 'killed, the next one replaces its socket' killed
check 'the readers did not notice' eval 'serves readers 3 && no_sigkill'

check 'docker stack deploy reads the file' docker stack deploy -c "$AGENT_YML" nodeswarm
check 'down leaves the secret' eval 'nodeswarm down --wait 60s && docker secret inspect nodeswarm_agent-token'
purged()
{
	nodeswarm down --purge --wait 60s && [ -z "$(docker secret ls -q)" ]
}
check 'down --purge removes it' purged
check 'its socket has gone' [ ! -e "$SOCK" ]
