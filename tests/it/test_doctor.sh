#!/usr/bin/env bash
# doctor on one engine: without it, without a swarm, healthy, and with planted problems. The scripts
# of swarm/ make the swarm.
# time-limit: 150
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need jq dockerd docker perl

export NODESWARM_POOL=$IT_DIR/pool
SWARM=$ROOT/swarm

# says LEVEL CHECK PATTERN: doctor has such a line
says()
{
	nodeswarm --json doctor >"$IT_DIR/doctor.json"
	jq -r '.checks[] | "\(.level) \(.check): \(.found)"' "$IT_DIR/doctor.json" | tee "$IT_DIR/lines"
	grep -Eq "^$1 $2: .*$3" "$IT_DIR/lines"
}

# fails_only CHECK...: these checks, and no others, have problems, and doctor exits with 1
fails_only()
{
	local rc=0
	nodeswarm --json doctor >"$IT_DIR/doctor.json" || rc=$?
	jq -r '.checks[] | select(.level == "problem") | "\(.check): \(.found)"' "$IT_DIR/doctor.json"
	[ "$rc" = 1 ] &&
		[ "$(jq -r '[.checks[] | select(.level == "problem").check] | unique | join(" ")' "$IT_DIR/doctor.json")" = "$*" ]
}

check 'without engine and pool' fails_only engine pool
check 'the host is looked at all the same' says ok system-disk 'free'
check 'what to do is said' expect '-> swarm/prepare-host.sh' bash -c 'nodeswarm doctor; true'

check 'engine without swarm' engine_up --no-swarm
check 'no swarm is a problem' fails_only pool swarm
check 'init-swarm, dry-run' expect 'would run: docker swarm init' "$SWARM/init-swarm.sh" --dry-run
check 'nothing was done' test "$(docker info -f '{{.Swarm.LocalNodeState}}')" = inactive
check 'init-swarm' "$SWARM/init-swarm.sh" --advertise-addr 192.168.77.1 -- --pool "$NODESWARM_POOL"
check 'again' expect 'in a swarm already' "$SWARM/init-swarm.sh" --advertise-addr 192.168.77.1
check 'host.json has the address' test "$(jq -r .address "$NODESWARM_POOL/host.json")" = 192.168.77.1
check 'the subnets are not those of hosts' expect '10.201.0.0' docker network inspect ingress

check 'healthy' nodeswarm doctor
check 'one manager is a warning' says warning quorum '1 manager'
check 'no agent is a note here' says note agents 'only this host'
check 'only warnings' expect '^(warning|problem|  |[0-9]+ ok)' nodeswarm doctor --problems

check 'label' expect '^disk=ssd$' "$SWARM/label-node.sh" node1 disk=ssd
check 'label again' expect '^disk=ssd$' "$SWARM/label-node.sh" node1 disk=ssd
check 'label, dry-run' expect 'would run: docker node update --label-rm disk' "$SWARM/label-node.sh" --dry-run node1 -disk
check 'unlabel' test "$("$SWARM/label-node.sh" node1 -disk)" = ''

# --- images ------------------------------------------------------------------------------------

tiny_image it/tiny:1 "$(command -v sleep)" >/dev/null
printf 'services:\n  a:\n    image: it/tiny:1\n  b:\n    image: it/tiny:1\n' >"$IT_DIR/a.yml"
check 'save-images' expect '^it/tiny:1 sha256:' "$SWARM/save-images.sh" -o "$IT_DIR/a.tar" -f "$IT_DIR/a.yml"
check 'the archive loads' docker load -q -i "$IT_DIR/a.tar"
sed -i 's/sha256:..../sha256:0000/' "$IT_DIR/a.tar.ids"
check 'another id is refused' expect_fail 1 'has the id' "$SWARM/init-swarm.sh" --images "$IT_DIR/a.tar" --no-prepare
check 'an image that is not here' expect_fail 1 "image 'it/none' is not here" "$SWARM/save-images.sh" -o "$IT_DIR/b.tar" it/none
check 'no archive is left' test ! -e "$IT_DIR/b.tar"

# --- planted problems --------------------------------------------------------------------------

docker service create -q -d --name nodeswarm_x --label com.docker.stack.namespace=nodeswarm --replicas 0 \
	--no-resolve-image it/none:1 >/dev/null 2>&1
check 'an image that is missing' says warning images 'it/none:1'
check 'a log without limit' says warning logs 'nodeswarm_x'
docker service rm nodeswarm_x >/dev/null

docker network create -d overlay --subnet 192.168.77.0/24 it_bad >/dev/null
check 'an overlay over the host' fails_only subnets
docker network rm it_bad >/dev/null

perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(9876, INADDR_ANY)) and listen(S, 1) and sleep' &
stranger=$!
sleep 0.3
check 'a stranger on a port' fails_only ports
check 'by name' says problem ports "9876/tcp .*'perl', process $stranger"
kill "$stranger"

mv "$NODESWARM_POOL/pool.json" "$NODESWARM_POOL/x"
check 'a pool without pool.json' fails_only pool
mv "$NODESWARM_POOL/x" "$NODESWARM_POOL/pool.json"

echo 0 >/proc/sys/net/ipv4/ip_forward
check 'forwarding is off' fails_only limits
echo 1 >/proc/sys/net/ipv4/ip_forward

docker node update -q --availability drain node1 >/dev/null 2>&1 || docker node update --availability drain node1 >/dev/null
check 'drained' says warning hosts 'drain'
docker node update --availability active node1 >/dev/null

echo '{"live-restore": true}' >/etc/docker/daemon.json
kill -HUP "$(engine_pid)"
check 'live-restore' wait_for 5 fails_only live-restore
check 'leaving needs a demotion' expect_fail 1 'is a manager' "$SWARM/join-swarm.sh" --undo
