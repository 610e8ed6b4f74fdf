#!/usr/bin/env bash
# The firewall of three hosts, through their agents: applied, proved, followed, mended, removed.
# time-limit: 240
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/swarm.sh
. "$ROOT/tests/it/swarm.sh"
need jq dockerd docker iptables curl

# --- asking -----------------------------------------------------------------------------------------

# ask WHO ADDRESS PORT: what curl says, in curl's exit status; WHO is "client" or a node's number
ask()
{
	local who=(on "$1")
	[ "$1" != client ] || who=(client)
	"${who[@]}" timeout 10 curl -s -o /dev/null --max-time "${4:-3}" "http://$2:$3/livez"
}

# An answer or a refusal: packets come through.
reaches()
{
	local rc=0
	ask "$@" || rc=$?
	echo "curl: $rc"
	case $rc in 0 | 1 | 7 | 52 | 56) ;; *) return 1 ;; esac
}

silent()
{
	local rc=0
	ask "$@" 1 || rc=$?
	echo "curl: $rc"
	[ "$rc" = 28 ]
}

rules()
{
	on "$1" sh -c 'iptables-save -t filter; ip6tables-save -t filter' | grep -E 'NODESWARM' | sed 's/\[.*//'
}

have_rules()
{
	local k
	for k in "$@"; do
		[ "$(rules "$k" | wc -l)" -gt 20 ] || { echo "node $k has $(rules "$k" | wc -l)" && return 1; }
	done
}

# lets_in K ADDRESS: node K takes the address for one of a node
lets_in() { rules "$1" | grep -q -- "-s $2/32 "; }
lets_out() { ! lets_in "$@"; }

nothing_left()
{
	! rules "$1" | grep . && ! ls "$(node_pool "$1")"/firewall* 2>/dev/null
}

same_rules() { [ "$(rules "$1")" = "$(cat "$IT_DIR/rules.$1")" ]; }

# Like "node1=ok node2=differs", by status.
status_is()
{
	local is
	is=$(nodeswarm --json status | jq -r '[.hosts | sort_by(.host)[] | "\(.host)=\(.firewall)"] | join(" ")')
	echo "$is"
	[ "$is" = "$*" ]
}

doctor_says()
{
	nodeswarm --json doctor >"$IT_DIR/doctor.json"
	jq -r '.checks[] | select(.check == "firewall") | "\(.level) \(.host // "-"): \(.found)"' "$IT_DIR/doctor.json" | tee "$IT_DIR/lines"
	grep -Eq "$1" "$IT_DIR/lines"
}

# shellcheck disable=SC2016 # the node's shell
# follow K: in the background; its process in $IT_DIR/follow.K, its log beside it
follow()
{
	on "$1" sh -c 'echo $$ >"$1"; exec nodeswarm firewall follow' sh "$IT_DIR/follow.$1" >>"$IT_DIR/follow.log" 2>&1 50>&- 51<&- 52<&- &
	wait_for 10 test -s "$IT_DIR/follow.$1"
}

unfollow()
{
	on "$1" kill -9 "$(cat "$IT_DIR/follow.$1")"
	rm "$IT_DIR/follow.$1"
}

reachable()
{
	[ "$(docker node inspect -f '{{.ManagerStatus.Reachability}}' "node$1")" = reachable ]
}

# From the overlay, on host K: two hosts' containers speak to each other.
inside()
{
	D "$1" run --rm --network inner curl:latest -s --max-time 5 http://bp:8888/livez
}

# --- before -----------------------------------------------------------------------------------------

check 'three hosts' swarm_up 3
check 'images' swarm_images
swarm_image curl:latest curl
check 'pools' swarm_pool
check 'agents' nodeswarm up -f "$ROOT/stacks/agent.yml" --wait 60s
P=$(node_ip 2) P6="[fd77:77::2]"
# What a producer is to its hosts: a port that is published on one of them, and one inside the overlay.
D 1 network create -d overlay --attachable inner >/dev/null
check 'a producer on node 2' D 1 service create --quiet --detach --no-resolve-image --name bp --network inner --endpoint-mode dnsrr \
	--constraint node.hostname==node2 --publish mode=host,target=8888,published=3888 \
	nodeswarm/nodesim:latest agent --address 0.0.0.0 --port 8888
check 'open to all' wait_for 30 reaches client "$P" 3888
check 'also by IPv6' reaches client "$P6" 3888
check 'doctor: a note that there is none' doctor_says '^note -: none was applied'
check 'plan' expect 'node3 +would change' nodeswarm firewall plan --all

# --- apply ------------------------------------------------------------------------------------------

check 'apply --all' expect 'node3 +changed' nodeswarm firewall apply --all
check 'all have rules' have_rules 1 2 3
check 'again: as it was' expect 'node2 +as it was' nodeswarm firewall apply --all
check 'producer: not from outside' silent client "$P" 3888
check 'nor by IPv6' silent client "$P6" 3888
check 'producer: not from another host' silent 1 "$P" 3888
check 'producer: from inside the overlay, of another host' expect ok inside 3
check 'agents: not from outside' silent client "$(node_ip 3)" 8870
check 'swarm: not from outside' silent client "$(node_ip 1)" 2377
check 'swarm: between nodes' reaches 3 "$(node_ip 1)" 2377
check 'front: from outside' reaches client "$(node_ip 1)" 8888
check 'status' status_is node1=ok node2=ok node3=ok
check 'doctor' doctor_says '^ok node3: as applied'
check 'verify --all' expect '[1-9][0-9]* connections between hosts went as they ought to, 0 did not, 0 could' nodeswarm firewall verify --all
echo 'closed tcp 8870' >"$IT_DIR/closed"
check 'a file that closes the agents' expect_fail 1 'refused .*port 8870, the agents' nodeswarm firewall apply --all --file "$IT_DIR/closed"
# shellcheck disable=SC2016 # perl's
on 3 perl -MIO::Socket -e 'alarm 20; my $s = IO::Socket::INET->new(LocalPort => 2222, Listen => 9, ReuseAddr => 1) or die;
	while (my $c = $s->accept) { print $c "SSH-2.0-test\r\n"; close $c }' 50>&- 51<&- 52<&- &
echo 'closed tcp 2222' >"$IT_DIR/closed"
check 'a file that closes ssh on one host' expect_fail 1 'node1 +untouched' nodeswarm firewall apply --all --file "$IT_DIR/closed"
check 'neither changed anything' status_is node1=ok node2=ok node3=ok

# --- by hand ----------------------------------------------------------------------------------------

rule=$(on 2 iptables -S NODESWARM-INPUT | grep -n 8870 | head -1 | cut -d: -f1)
on 2 iptables -D NODESWARM-INPUT "$((rule - 1))" # the first line is -N
check 'a rule removed: verify names the host' expect_fail 1 'node2: .*missing' nodeswarm firewall verify --all
check 'status' status_is node1=ok node2=differs node3=ok
check 'status says what to do' expect 'firewall: differs on node2; .*verify --all' nodeswarm status
check 'doctor' doctor_says '^problem node2: 1 difference'
check 'apply mends that host alone' expect 'node1 +as it was' nodeswarm firewall apply --all
check 'mended' status_is node1=ok node2=ok node3=ok
rules 3 >"$IT_DIR/rules.3"
D 3 ps -q --filter name=nodeswarm_agent | xargs docker -H "unix://$SWARM/n3/docker.sock" rm -f >/dev/null
check 'the agent restarts' wait_for 30 status_is node1=ok node2=ok node3=ok
check 'the rules are the same' same_rules 3

# --- join, be away, leave ---------------------------------------------------------------------------

node_start 4
ns 4 pool init "$POOL" >/dev/null
check 'one that is about to join is nobody yet' silent 4 "$(node_ip 1)" 2377
echo "node $(node_ip 4)" >"$IT_DIR/additions"
check 'a node line' expect 'node1 +changed' nodeswarm firewall apply --all --file "$IT_DIR/additions"
check 'follow' follow 1
check 'it joins' node_join 4
D 4 load --quiet --input "$IT_DIR/nodesim.tar" >/dev/null
check 'the new host gets the rules' wait_for 40 have_rules 4
check 'all agree' wait_for 10 status_is node1=ok node2=ok node3=ok node4=ok
check 'also by traffic' nodeswarm firewall verify --all
unfollow 1
rules 4 >"$IT_DIR/rules.4"
node_poweroff 4
wait_for 20 node_is 4 down
check 'down is a node still' lets_in 1 "$(node_ip 4)"
echo 'open tcp 8080' >"$IT_DIR/additions"
check 'a host that is down is named, the others are done' \
	expect_fail 1 'node4 +down' nodeswarm firewall apply --all --file "$IT_DIR/additions"
check 'they are' expect 'dport 8080' rules 2
node_start 4
check 'it comes back with its rules' wait_for 40 same_rules 4
check 'status' wait_for 30 status_is node1=ok node2=ok node3=ok node4=differs
check 'follow brings the newer ones' nodeswarm firewall follow --once
check 'all agree' status_is node1=ok node2=ok node3=ok node4=ok
D 4 swarm leave >/dev/null
D 1 node rm --force node4 >/dev/null
check 'nobody follows' lets_in 2 "$(node_ip 4)"
check 'doctor or verify sees it' expect_fail 1 "node2: .*$(node_ip 4).* is no node" nodeswarm firewall verify --all
check 'follow, after a kill -9' follow 1
check 'a node that was removed is let in no more' wait_for 20 lets_out 2 "$(node_ip 4)"
unfollow 1
node_poweroff 4

# --- the leader goes ----------------------------------------------------------------------------------

node_stop 1
use_node 2
# A container is attached to the network by a leader, so this waits for the election.
check 'the overlay works under another leader' wait_for 60 expect ok inside 3
check 'another leads: services are updated' wait_for 30 D 2 service update --quiet --detach --env-add A=1 bp
node_restart 1
check 'the engine restarts: the same rules' wait_for 20 status_is node1=ok node2=ok node3=ok
wait_for 20 reachable 1
check 'the new task is in the overlay' wait_for 40 expect ok inside 3
check 'producer: not from outside' silent client "$P" 3888

# --- remove -----------------------------------------------------------------------------------------

check 'remove --all' expect 'node3 +removed' nodeswarm firewall remove --all
for k in 1 2 3; do
	check "nothing is left on node $k" nothing_left "$k"
done
check 'open again' reaches client "$P" 3888
