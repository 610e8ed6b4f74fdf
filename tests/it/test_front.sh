#!/usr/bin/env bash
# test_front.sh - the front before readers on a real engine: no request fails while slots come and
# go, it fails open, limits by source, p2p. What haproxy.cfg does by itself is in
# test_front_config.sh. The client is a host of its own, 192.168.77.250 and others.
# time-limit: 600
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/cluster.sh
. "$(dirname "$0")/cluster.sh"
need docker jq iptables
[ -x "$ROOT/build/packages/haproxy/usr/sbin/haproxy" ] || need haproxy

FRONT_YML=$ROOT/stacks/front.yml
url=http://192.168.77.1:8888
I=/v1/chain/get_info
export NODESWARM_FRONT_RATE=100000

# shellcheck disable=SC2317 # by name
front_up()
{
	cluster_up "$1" -f "$FRONT_YML" "${@:2}"
}

# The client: the other end of the host's link, in a namespace.
ip netns add client
ip link set lan0 netns client
for a in 250 251 252; do
	ip -n client addr add 192.168.77.$a/24 dev lan0
done
ip -n client link set lan0 up
ip -n client link set lo up
client()
{
	ip netns exec client "$@"
}

# One line a request: the status, 000 without any. Half of them on connections of their own.
asker_start()
{
	rm -f "$IT_DIR/asker.stop"
	(
		while [ ! -e "$IT_DIR/asker.stop" ]; do
			client curl -s -m 15 -o /dev/null -w '%{http_code}\n' "$url$I?[1-20]"
			sleep 0.05
		done
	) >"$IT_DIR/asked.kept" 50>&- 51<&- 52<&- &
	(
		while [ ! -e "$IT_DIR/asker.stop" ]; do
			client curl -s -m 15 -o /dev/null -w '%{http_code}\n' -d '{}' "$url$I"
			sleep 0.02
		done
	) >"$IT_DIR/asked.fresh" 50>&- 51<&- 52<&- &
}
# asker_stop [MIN]: none may have failed, at least MIN must have been sent
asker_stop()
{
	touch "$IT_DIR/asker.stop"
	sleep 1
	sort "$IT_DIR"/asked.* | uniq -c
	[ "$(cat "$IT_DIR"/asked.* | wc -l)" -ge "${1-100}" ] && ! cat "$IT_DIR"/asked.* | grep -v '^200$'
}

status()
{
	client curl -s -m 15 -o "$IT_DIR/body" -w '%{http_code}' "$@"
}
# The addresses that answer 40 requests, one a line.
answer()
{
	client curl -s -m 15 -D - -o /dev/null "$url$I?[1-40]" | tr -d '\r' | sed -n 's/^x-served-by: \(.*\):8888$/\1/p' | sort -u
}
answers()
{
	answer | tee "$IT_DIR/answer"
	[ "$(wc -l <"$IT_DIR/answer")" = "$1" ]
}

# in_container NAME CMD...: in the network of the one task of that name
in_container()
{
	local pid
	pid=$(docker inspect -f '{{.State.Pid}}' "$(docker ps -q --filter "name=nodeswarm_$1\\.")") || return
	nsenter -t "$pid" -n "${@:2}"
}
metric()
{
	in_container front curl -sf http://127.0.0.1:8404/metrics | awk -v m="$1" 'index($0, m) == 1 { n += $2 } END { print n + 0 }'
}
up()
{
	[ "$(metric 'haproxy_backend_active_servers{proxy="readers"}')" = "$1" ]
}
# What a client would have noticed without the front's retries.
repeats()
{
	echo "$(metric 'haproxy_backend_retry_warnings_total{proxy="readers"}')" \
		"$(metric 'haproxy_backend_redispatch_warnings_total{proxy="readers"}')" \
		"$(metric 'haproxy_backend_connection_errors_total{proxy="readers"}')"
}
front_log()
{
	docker logs "$(docker ps -q --filter name=nodeswarm_front)" 2>&1
}

check 'engine' engine_up || exit
check 'images' cluster_images || exit
check 'the image of the front' expect '^nodeswarm/front:latest sha256:[0-9a-f]{64} ' \
	"$ROOT/docker/build-image.sh" --engine "$DOCKER_HOST" --front || exit
check 'pool' cluster_pool || exit

# --- refused before anything is made -----------------------------------------------------------

sed '1i x-nodeswarm: {front: ingress}' "$FRONT_YML" | sed "s,file: front/,file: $ROOT/stacks/front/,; s,:-front/,:-$ROOT/stacks/front/," >"$IT_DIR/ingress.yml"
if [ -d /sys/module/ip_vs ] || modprobe -n ip_vs 2>/dev/null; then
	skip 'ingress is refused without IPVS' 'this kernel has it'
else
	check 'ingress is refused without IPVS' expect_fail 1 "the kernel of host 'node1' has no IPVS" \
		nodeswarm up -f "$IT_DIR/ingress.yml"
	check 'in a plan, too' expect_fail 1 'leave out x-nodeswarm.front' nodeswarm up -f "$IT_DIR/ingress.yml" --plan
	check 'and nothing was made' test -z "$(docker network ls -q --filter label=com.docker.stack.namespace)"
fi

check 'up: dev chain, 3 readers, front' front_up 3 || { docker service ps nodeswarm_front --no-trunc; exit; }
check 'up again changes nothing' expect 'nothing to change' front_up 3

# --- what a client sees --------------------------------------------------------------------------

check 'the front answers when up is done' wait_for 2 expect '^200$' status "$url$I"
check 'with what a reader says' jq -e '.head_block_num > 0' "$IT_DIR/body"
check 'all three readers answer, by X-Served-By' wait_for 10 answers 3
own_addresses()
{
	# shellcheck disable=SC2016
	docker ps -q --filter name=nodeswarm_readers | xargs docker inspect -f \
		'{{range $n, $v := .NetworkSettings.Networks}}{{if eq $n "nodeswarm_chain"}}{{$v.IPAddress}}{{end}}{{end}}' |
		sort | diff - "$IT_DIR/answer"
}
check 'which are the addresses of their tasks' own_addresses
# loaded SECONDS: through the front; the slots' requests are all there are
loaded()
{
	client timeout -k 1 30 nodeswarm --json load "$url" -c 12 -d "$1" --warmup 0s >"$IT_DIR/loaded" || {
		jq 'del(.series)' "$IT_DIR/loaded" && return 1
	}
	jq -c '.requests_total, (.slots[] | [.name, .address, .requests_ok, .requests_failed, .max_lag_blocks])' "$IT_DIR/loaded"
	jq -e '.requests_ok > 100 and ([.slots[] | .requests_ok + .requests_failed] | add) == .requests_total' "$IT_DIR/loaded" >/dev/null
}
by_slot()
{
	loaded 2s && jq -e '[.slots[].name] | sort == ["readers.1@node1", "readers.2@node1", "readers.3@node1"]' "$IT_DIR/loaded" &&
		jq -e 'all(.slots[]; .max_lag_blocks != null and .requests_failed == 0)' "$IT_DIR/loaded"
}
check 'a load test names the slots that answered, and their requests add up' by_slot
front_and_slot()
{
	in_container front timeout -k 1 30 nodeswarm --json load --ab http://127.0.0.1:8888 "http://$(head -n1 "$IT_DIR/answer"):8888" \
		-c 4 -d 300ms --warmup 0s --rounds 2 >"$IT_DIR/loaded"
	jq -c '(.a, .b), .figures[]' "$IT_DIR/loaded"
	jq -e '(.runs | length) == 4 and all(.a, .b; .requests_total > 0 and .requests_failed == 0)' "$IT_DIR/loaded"
}
check 'the front and one slot in alternation' front_and_slot
check 'readyz' expect '^200$' status "$url/readyz"
refused()
{
	local path
	for path in producer/pause producer/create_snapshot net/connect net/connections db_size/get chain/../net/connect \
		chain/%2e%2e/net/connections node/get_supported_apis; do
		expect '^403$' status --path-as-is -d '{}' "$url/v1/$path" || { echo "$path" && return 1; }
	done
}
check 'a reader has net_api; nobody reaches it through the front' refused
check 'the metrics are not published' expect_fail any '^000$' status http://192.168.77.1:8404/metrics
check 'the supervisors are not, either' expect_fail any '^000$' status http://192.168.77.1:8880/readyz
unprivileged()
{
	local f pid
	pid=$(docker inspect -f '{{.State.Pid}}' "$(docker ps -q --filter name=nodeswarm_front)")
	for f in "$pid" $(pgrep -P "$pid"); do
		grep -P '^Uid:\t65534\t65534' "/proc/$f/status" && grep -P '^CapEff:\t0+$' "/proc/$f/status" || return
	done
}
check 'haproxy runs as nobody, without capabilities' unprivileged

# Docker's answer for 256 tasks has to fit into accepted_payload_size: a record is as long as the next.
dns_size()
{
	# shellcheck disable=SC2016
	in_container front perl -MIO::Socket::INET -e '
		my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.11", PeerPort => 53, Proto => "udp") or die;
		$s->send(pack("n6", 7, 0x100, 1, 0, 0, 1) . "\5tasks\7readers\0" . pack("n2", 1, 1) . "\0" . pack("n2 N n", 41, 8192, 0, 0));
		alarm 5;
		$s->recv(my $r, 8192);
		my (undef, undef, undef, $n) = unpack("n4", $r);
		my $question = 12 + 15 + 4;
		my $all = $question + (length($r) - $question) / $n * 256;
		printf "%d records in %d bytes, 256 in %d\n", $n, length($r), $all;
		exit !($n == 3 && $all <= 8192);'
}
check '256 readers fit into an answer of the name server' dns_size

# --- slots come and go -----------------------------------------------------------------------------

scale()
{
	local before
	asker_start
	nodeswarm scale readers=5 && wait_for 3 up 5 || return
	before=$(repeats)
	nodeswarm scale readers=2 && wait_for 10 up 2 || return
	asker_stop 300 || return
	echo "retries, other servers, connection errors: before '$before', after '$(repeats)'"
	# A clean stop is none of the retries' business: the lame duck is long enough.
	[ "$before" = "$(repeats)" ]
}
check 'scale 3 to 5 to 2: no request fails, and none had to be repeated' scale
rolling()
{
	local before
	before=$(repeats)
	asker_start
	docker service update --force -q nodeswarm_readers >/dev/null || return
	wait_for 30 serves readers 2 || return
	asker_stop 300 || return
	[ "$before" = "$(repeats)" ]
}
check 'rolling restart: the same' rolling
# A chain node that was killed leaves its slot dirty, and the slot heals itself.
healed()
{
	[ "$(nodeswarm --json status | jq '[.slots[].heal.healed // 0] | add')" = "$1" ]
}
all_heal()
{
	local n
	n=$(docker service inspect -f '{{.Spec.Mode.Replicated.Replicas}}' nodeswarm_readers)
	wait_for 60 healed "$1" && wait_for 40 serves readers "$n" && wait_for 20 up "$n"
}
kill9()
{
	local rc=0 pid
	nodeswarm scale readers=3 && wait_for 3 up 3 || return
	asker_start
	sleep 1
	pid=$(docker top "$(docker ps -q --filter name=nodeswarm_readers | head -n1)" -o pid,comm | awk '$2 == "nodesim" { print $1 }')
	kill -KILL "$pid" || rc=1
	all_heal 1 || rc=1
	asker_stop || rc=1
	return $rc
}
check 'kill -9 of a nodeos: no request fails' kill9
kill9_container()
{
	local rc=0
	asker_start
	sleep 1
	docker kill "$(docker ps -q --filter name=nodeswarm_readers | head -n1)" >/dev/null || rc=1
	sleep 5
	all_heal 2 || rc=1
	asker_stop || rc=1
	return $rc
}
check 'docker kill of a container: no request fails' kill9_container
load_and_stop()
{
	(sleep 1 && docker stop "$(docker ps -q --filter name=nodeswarm_readers | head -n1)" >/dev/null) &
	loaded 5s || return
	wait %%
	jq -c '.series[].slots | map(.ok)' "$IT_DIR/loaded"
	jq -e '. as $r | .requests_failed == 0 and any(range(.slots | length);
		$r.slots[.].requests_ok > 0 and $r.slots[.].name[0:8] == "readers." and $r.series[-1].slots[.].ok == 0)' "$IT_DIR/loaded" &&
		wait_for 40 serves readers 3 && wait_for 20 up 3
}
check 'a load test shows the reader that is stopped meanwhile, and none fails' load_and_stop

# --- the chain pauses, and p2p ----------------------------------------------------------------------

producer()
{
	in_container devchain curl -sf -X POST "http://127.0.0.1:8888/v1/producer/$1"
}
head_of()
{
	client curl -sf -m 5 "$url$I" | jq .head_block_num
}
p2p()
{
	local dir=$IT_DIR/peer
	mkdir -p "$dir/config"
	printf '%s\n' 'plugin = eosio::chain_api_plugin' 'http-server-address = 127.0.0.1:18888' \
		'p2p-listen-endpoint =' 'p2p-peer-address = 192.168.77.1:9876' 'http-validate-host = false' \
		>"$dir/config/config.ini"
	client nodesim --data-dir "$dir/data" --config-dir "$dir/config" --genesis-json "$ROOT/genesis.json" \
		>"$dir/log" 2>&1 50>&- 51<&- 52<&- &
	PEER=$!
	wait_for 30 peer_is_at "$(head_of)"
}
peer_is_at()
{
	[ "$(client curl -sf http://127.0.0.1:18888/v1/chain/get_info | jq .head_block_num)" -ge "$1" ]
}
paused()
{
	local rc=0 start=$SECONDS head
	producer pause || return
	sleep 1
	head=$(head_of)
	asker_start
	p2p || { tail -n 5 "$IT_DIR/peer/log" && rc=1; }
	sleep $((62 - (SECONDS - start)))
	[ "$(head_of)" = "$head" ] || { echo "the chain was not paused" && rc=1; }
	up "$1" || rc=1
	asker_stop 1000 || rc=1
	producer resume
	return $rc
}
check 'the chain pauses for 60 s: it keeps answering; a peer outside syncs through it meanwhile' paused 3
check 'and follows the chain when it goes on' wait_for 40 peer_is_at "$(($(head_of) + 4))"
kill -TERM "$PEER"

# --- no reader is ready ----------------------------------------------------------------------------

# The supervisors cannot ask their nodeos any more; everybody else can.
deafen()
{
	local id pid
	for id in $(docker ps -q --filter name=nodeswarm_readers); do
		pid=$(docker inspect -f '{{.State.Pid}}' "$id")
		nsenter -t "$pid" -n iptables -w "$1" INPUT -i lo -p tcp --dport 8888 -j DROP || return
	done
}
fails_open()
{
	local rc=0
	asker_start
	deafen -A || return
	wait_for 20 up 0 || rc=1
	nodeswarm status
	sleep 2
	expect '^503$' status "$url/readyz" || rc=1
	asker_stop || rc=1
	deafen -D
	wait_for 20 up "$1" || rc=1
	return $rc
}
check 'no reader is ready: it fails open' fails_open 3

# --- limits, and updates of the front -----------------------------------------------------------------

export NODESWARM_FRONT_RATE=50
check 'another rate: the front alone is updated' expect 'updated service nodeswarm_front' front_up 3 --wait 120s
check 'it answers' wait_for 20 expect '^200$' status "$url$I"
too_fast()
{
	local rc=0 i
	client curl -s -m 20 --interface 192.168.77.251 -o /dev/null -w '%{http_code}\n' "$url$I?[1-2000]" >"$IT_DIR/fast" &
	for i in {1..20}; do
		status --interface 192.168.77.252 -w '%{http_code} %{time_total}\n' "$url$I"
		sleep 0.05
	done >"$IT_DIR/slow"
	wait %%
	sort "$IT_DIR/fast" | uniq -c
	sort "$IT_DIR/slow" | uniq -c | sort -rn | head -n 3
	grep -q '^429$' "$IT_DIR/fast" || rc=1
	[ "$(grep -c '^200' "$IT_DIR/slow")" = 20 ] || rc=1
	return $rc
}
check 'one client over its rate gets 429, another one is served' too_fast
soft_stop()
{
	docker service update --force -q nodeswarm_front >/dev/null
	docker ps -a --filter name=nodeswarm_front --format '{{.Status}}'
	! docker ps -a --filter name=nodeswarm_front --format '{{.Status}}' | grep -v -e '^Up' -e 'Exited (0)'
}
check 'the front stops by itself when it is asked to, not by SIGKILL' soft_stop
check 'its log has no flood' sh -c "docker logs $(docker ps -q --filter name=nodeswarm_front) 2>&1 | wc -l | tee /dev/stderr | grep -Eqx '[0-9]{1,3}'"

# --- the limit of 256 ----------------------------------------------------------------------------------

# Tasks that no host may run.
cat >"$IT_DIR/many.yml" <<-'END'
	services:
	  many:
	    image: nodeswarm/front:latest
	    deploy: {replicas: 1, endpoint_mode: dnsrr, placement: {constraints: ["node.labels.none==1"]}}
END
export NODESWARM_FRONT_SERVICE=many
many_up()
{
	nodeswarm up -f "$IT_DIR/many.yml" -f "$FRONT_YML" --wait 0
}
check 'a front of another service' many_up
check 'scale to 150: nothing to say' expect '^$' nodeswarm -q scale many=150 --wait 0
check 'scale to 210: near' expect "warning: 'many' has 210 slots, which is near the 256" nodeswarm scale many=210 --wait 0
check 'up says it, too' expect "warning: 'many' has 210 slots" many_up
check 'scale to 300: beyond' expect 'WARNING: .* 44 of them get no request' nodeswarm scale many=300 --wait 0
check 'down' nodeswarm down
