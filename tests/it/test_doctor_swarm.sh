#!/usr/bin/env bash
# Three hosts: the scripts of swarm/ make the swarm, doctor looks at all of it through the agents.
# time-limit: 240
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/swarm.sh
. "$ROOT/tests/it/swarm.sh"
need jq dockerd docker

HERE=$ROOT/swarm

# says LEVEL CHECK HOST PATTERN
says()
{
	nodeswarm --json doctor >"$IT_DIR/doctor.json"
	jq -r '.checks[] | "\(.level) \(.check) \(.host // "-"): \(.found)"' "$IT_DIR/doctor.json" | tee "$IT_DIR/lines"
	grep -Eq "^$1 $2 $3: .*$4" "$IT_DIR/lines"
}

# problems CHECK...: these checks, and no others, have problems
problems()
{
	nodeswarm --json doctor >"$IT_DIR/doctor.json"
	jq -r '.checks[] | select(.level == "problem") | "\(.check) \(.host // "-"): \(.found)"' "$IT_DIR/doctor.json"
	[ "$(jq -r '[.checks[] | select(.level == "problem").check] | unique | join(" ")' "$IT_DIR/doctor.json")" = "$*" ]
}

# --- init, join ----------------------------------------------------------------------------------

check 'three engines' swarm_up 3 0
use_node 1
"$ROOT/docker/build-image.sh" --quiet --sim "$BUILD/nodeswarm" >/dev/null
check 'the image is saved' "$HERE/save-images.sh" -o "$IT_DIR/images.tar" nodeswarm/nodesim:latest
check 'init' on 1 "$HERE/init-swarm.sh" --advertise-addr "$(node_ip 1)"
D 1 swarm join-token -q manager >"$IT_DIR/token"
join()
{
	on "$1" "$HERE/join-swarm.sh" --token-file "$IT_DIR/token" --images "$IT_DIR/images.tar" \
		--advertise-addr "$(node_ip "$1")" "$(node_ip 1):2377"
}
check 'a wrong token is refused' expect_fail 1 'no join token' on 2 "$HERE/join-swarm.sh" --token-file /etc/hostname "$(node_ip 1):2377"
check 'join, dry-run' expect 'would join' on 2 "$HERE/join-swarm.sh" --dry-run --no-prepare --token-file "$IT_DIR/token" "$(node_ip 1):2377"
check 'node 2 joins' join 2
check 'node 3 joins' join 3
check 'again' expect 'in a swarm already' join 3
check 'all are there' wait_for 20 eval 'node_is 1 ready && node_is 2 ready && node_is 3 ready'
check 'doctor says that it sees one host only' says warning agents - 'only this host'
check 'no problem' problems

# --- agents --------------------------------------------------------------------------------------

check 'the agents come' nodeswarm up -f "$ROOT/stacks/agent.yml" --wait 60s
check 'all answer' wait_for 30 says ok agents - '3 answered'
check 'quorum' says ok quorum - 'all 3 managers'
check 'three pools' says ok pool-ids - '3 pools'
check 'the same image on all' says ok image-content - "nodeswarm' is the same on 3 hosts"
check 'clocks agree' says ok clock node3 'as ours, within'
check 'pool of node 2' says ok pool node2 '/var/lib/nodeswarm'
check 'no problem with agents' problems
check 'exit 0' nodeswarm doctor

cp -p "$(node_pool 3)/pool.json" "$IT_DIR/pool3.json"
cp "$(node_pool 2)/pool.json" "$(node_pool 3)/pool.json"
check 'a copied pool' says problem pool-ids - 'node2 and node3 have the same pool'
rm "$(node_pool 3)/pool.json"
check 'a pool that is not there' says problem pool node3 'no pool.json'
cp -p "$IT_DIR/pool3.json" "$(node_pool 3)/pool.json"

# Another program under the same name on node 3.
cp "$BUILD/nodeswarm" "$IT_DIR/nodeswarm" && printf x >>"$IT_DIR/nodeswarm"
cp "$BUILD/nodesim" "$IT_DIR/nodesim"
"$ROOT/docker/build-image.sh" --quiet --sim --output "$IT_DIR/other.tar" "$IT_DIR/nodeswarm" >/dev/null
D 3 load -q -i "$IT_DIR/other.tar" >/dev/null
D 3 ps -q --filter name=nodeswarm_agent | xargs docker -H "unix://$SWARM/n3/docker.sock" rm -f >/dev/null
check 'another image on node 3' wait_for 30 problems image-content

# --- hosts that go ---------------------------------------------------------------------------------

check 'drain' D 1 node update --availability drain node2
check 'drained is a warning' says warning hosts node2 'drain'
D 1 node update --availability active node2 >/dev/null
node_poweroff 3
check 'power-off: a host is down' wait_for 60 says problem hosts node3 'down'
check 'and a manager is missing' says problem quorum - '2 of 3 managers are reachable; not: node3'
node_poweroff 2
check 'two managers lost: said, and in time' wait_for 60 says problem quorum - '(managers do not answer|1 of 3)'
check 'this host is still looked at' says ok pool node1 '/var/lib/nodeswarm'
