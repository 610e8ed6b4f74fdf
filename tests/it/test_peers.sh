#!/usr/bin/env bash
# Readers and the dev chain find each other by DNS as tasks come and go, without a restart; and what
# NODESWARM_ADVERTISE makes of the metadata address.
# time-limit: 420
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/cluster.sh
. "$(dirname "$0")/cluster.sh"
need docker jq curl nsenter iptables perl

# --- what the supervisors and nodeos say, from within each container's network -------------------

pids()
{
	docker ps -q --filter "label=com.docker.swarm.service.name=nodeswarm_$1" |
		xargs -r docker inspect -f '{{.State.Pid}}' | sort -n
}

inside()
{
	local pid=$1
	shift
	nsenter -t "$pid" -n "$@"
}

state()
{
	inside "$1" curl -sf -m 2 http://127.0.0.1:8880/state
}

# nodeos's connections of a container that are up.
links()
{
	inside "$1" curl -sf -m 2 -d '' http://127.0.0.1:8888/v1/net/connections |
		jq '[.[] | select(.last_handshake.network_version != 0)] | length'
}

# Those that it was told of and that are down.
dead()
{
	inside "$1" curl -sf -m 2 -d '' http://127.0.0.1:8888/v1/net/connections |
		jq '[.[] | select(.peer != "" and .last_handshake.network_version == 0)] | length'
}

head_of()
{
	state "$1" | jq .head_block_num
}

# each N MIN MAX: there are N readers, and each has MIN to MAX connections and none that is down.
each()
{
	local pid n=0 l d rc=0
	for pid in $(pids readers); do
		l=$(links "$pid") d=$(dead "$pid") || return
		echo "pid $pid: $l up, $d down, $(state "$pid" | jq -c '[.peers_followed, .peers_followed_connected]')"
		[ "$l" -ge "$2" ] && [ "$l" -le "$3" ] && [ "$d" = 0 ] || rc=1
		n=$((n + 1))
	done
	[ "$n" = "$1" ] && return $rc
}

all_move()
{
	local pid before
	for pid in $(pids readers); do
		before=$(head_of "$pid")
		echo "pid $pid: head $before"
		wait_for "$1" head_passes "$pid" "$before" || return
	done
}

head_passes()
{
	[ "$(head_of "$1")" -gt "$2" ]
}

check 'engine' engine_up || exit
check 'images' cluster_images || exit
check 'pool' cluster_pool || exit
check 'up: dev chain and 3 readers serve' cluster_up 3 || exit

# --- readers know each other ---------------------------------------------------------------------

check 'each reader has the dev chain and the two others' wait_for 60 each 3 3 3
# Who was ready first has not looked up the last one's name by then.
follows_all()
{
	[ "$(state "$(pids readers | head -n1)" | jq -c '[.follow[] | [.name, .state, .addresses]]')" = \
		'[["tasks.readers:9876","found",3],["devchain:9876","found",1]]' ]
}
check 'the state says so' wait_for 10 follows_all
check 'and the metrics' expect '^nodeswarm_followed_peers_connected\{service="nodeswarm_readers",slot="[1-3]"\} [1-9]' \
	inside "$(pids readers | head -n1)" curl -sf http://127.0.0.1:8880/metrics
check 'no peer by name in config.ini' expect_fail 1 '^$' \
	grep -r '^p2p-peer-address' "$POOL/services/nodeswarm_readers" --include=config.ini

# --- the dev chain gets another address ------------------------------------------------------------

address_of_chain()
{
	inside "$(pids devchain)" ip -4 -o addr show | grep -o '10\.[0-9.]*/' | sort | tr -d '\n'
}

replace_chain()
{
	local before after
	before=$(address_of_chain)
	docker service update -d --force nodeswarm_devchain >/dev/null || return
	wait_for 60 chain_is_other "$before" || return
	after=$(address_of_chain)
	echo "$before -> $after"
	wait_for 60 serves devchain 1
}

chain_is_other()
{
	[ "$(pids devchain | wc -l)" = 1 ] && [ -n "$(address_of_chain)" ] && [ "$(address_of_chain)" != "$1" ]
}

before=$(pids readers)
nodeos_before=$(pgrep -x nodesim | sort)
check 'the dev chain is replaced and has another address' replace_chain
start=$(now)
check 'the readers go on within seconds' all_move 20
echo "the readers went on after $(since "$start") s"
check 'no reader was restarted' test "$(pids readers)" = "$before"
check 'nor its nodeos' test "$(comm -12 <(echo "$nodeos_before") <(pgrep -x nodesim | sort) | wc -l)" = 3
check 'the old address was let go' wait_for 40 each 3 3 3

# --- DNS is out --------------------------------------------------------------------------------------

dns()
{
	local pid
	for pid in $(pids readers); do
		inside "$pid" iptables "$1" OUTPUT -d 127.0.0.11 -j DROP || return
	done
}

names_are()
{
	local pid
	for pid in $(pids readers); do
		[ "$(state "$pid" | jq -c '[.follow[].state] | unique')" = "[\"$1\"]" ] || return
	done
}

# The supervisor answers at once, whatever its look-ups do.
answers_at_once()
{
	local i pid
	for i in {1..20}; do
		for pid in $(pids readers); do
			inside "$pid" curl -sf -m 1 -o /dev/null http://127.0.0.1:8880/readyz || return
		done
		sleep 0.5
	done
}

check 'DNS is blocked' dns -I
check 'the supervisors notice' wait_for 60 names_are failing
check 'and answer all the same' answers_at_once
check 'nothing is disconnected' each 3 3 3
check 'the readers go on' all_move 10
check 'DNS is back' dns -D
check 'the names are found again' wait_for 60 names_are found
check 'with the same connections' each 3 3 3

# --- many readers ---------------------------------------------------------------------------------------

# Eight of the readers, and the dev chain.
check 'scale to 12' nodeswarm scale readers=12
check 'each is connected to several, none to all' wait_for 90 each 12 4 9
check 'they go on' all_move 10
check 'scale to 2' nodeswarm scale readers=2
check 'those that went are let go' wait_for 60 each 2 2 2
check 'the slots were left clean' records_clean readers
check 'down' nodeswarm down

# --- advertise --------------------------------------------------------------------------------------------

# A metadata service of Google's kind; it listens where the real one would.
metadata()
{
	ip addr add 169.254.169.254/32 dev lo || return
	perl -MIO::Socket::INET -e '
		my $s = IO::Socket::INET->new(LocalAddr => "169.254.169.254:80", Listen => 9, ReuseAddr => 1) or die $!;
		while (my $c = $s->accept) {
			my ($path, $flavor) = ("", 0);
			while (defined(my $line = <$c>) ) {
				$path = $1 if $line =~ m{^GET (\S+) };
				$flavor = 1 if $line =~ m{^Metadata-Flavor: Google\r};
				last if $line eq "\r\n";
			}
			my $ok = $flavor && $path =~ m{/access-configs/0/external-ip$};
			my $body = $ok ? "8.8.4.4" : "no";
			printf $c "HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
				$ok ? "200 OK" : "404 Not Found", length $body, $body;
			close $c;
		}' 3>&- &
	METADATA=$!
	wait_for 10 curl -s -m 2 -o /dev/null http://169.254.169.254/
}

# advertised SETTING [ENV...]: what a slot with this setting has in its config.ini.
advertised()
{
	local setting=$1 pid
	shift
	printf 'http-server-address = 127.0.0.1:18888\np2p-listen-endpoint = 127.0.0.1:19876\nchain-state-db-size-mb = 256\n' \
		>"$IT_DIR/a.ini"
	rm -rf "$POOL/services/t_a"
	env -u NODESWARM_PEERS "$@" NODESWARM_ADVERTISE="$setting" nodeswarm supervise --service t_a --slot 1 --config "$IT_DIR/a.ini" \
		--genesis "$ROOT/genesis.json" --peers /nonexistent --lame-duck 0s --port 18880 -- nodesim \
		>"$IT_DIR/a.log" 2>&1 3>&- &
	pid=$!
	wait_for 20 curl -sf -m 2 -o /dev/null http://127.0.0.1:18880/readyz
	grep advertise "$IT_DIR/a.log"
	curl -sf -m 2 http://127.0.0.1:18880/state | jq -r '"state \(.advertise)"'
	sed -n 's/^p2p-server-address/config/p' "$POOL/services/t_a/1/config/config.ini"
	kill -TERM "$pid" && wait "$pid"
}

check 'advertise nothing' expect 'state null$' advertised ''
check 'advertise an address' expect 'config = p2p.example.com:9876$' advertised p2p.example.com
printf '{"format":1,"address":"192.0.2.7"}' >"$POOL/host.json"
check "advertise the host's address" expect 'config = 192.0.2.7:9876$' advertised host
rm "$POOL/host.json"
check "or else its name" expect 'config = node7:9876$' advertised host NODESWARM_NODE=node7
check 'auto without a cloud: the slot starts without' expect 'no address to advertise' advertised auto
check 'a metadata service' metadata
check 'auto in a cloud' expect 'config = 8.8.4.4:9876$' advertised auto
kill "$METADATA"
