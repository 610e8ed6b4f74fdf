#!/usr/bin/env bash
# test_quickstart.sh - scripts/quickstart.sh: what it sets up, and that --down takes back just that
# time-limit: 420
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need jq
expect . nodesim --version >/dev/null || skip_all "this 'nodesim' is a placeholder"

quickstart=$ROOT/scripts/quickstart.sh
unset BUILD
# "The machine" is this file's namespaces. /mnt is outside of /run, as quickstart demands.
mount --bind "$IT_HOSTDIR/tmp" /mnt
export NODESWARM_QUICKSTART_DIR=/mnt/quickstart NODESWARM_POOL=/mnt/pool

serving()
{
	local n
	n=$(nodeswarm --json status | jq "[.slots[] | select(.service == \"readers\" and .ready)] | length")
	echo "$n readers serve"
	[ "$n" = "$1" ]
}

# --- no engine here ----------------------------------------------------------------------------

machine()
{
	ip -o link | cut -d: -f2
	iptables-save | grep -v -e '^[#*]' -e ' ACCEPT ' -e COMMIT
	ip6tables-save | grep -v -e '^[#*]' -e ' ACCEPT ' -e COMMIT
	awk '{ print $2 }' /proc/mounts | sort
	docker secret ls 2>/dev/null
	ps -e -o comm= | awk '/dockerd|containerd|unshare|node|haproxy/' | sort
	ls -d "$NODESWARM_QUICKSTART_DIR" "$NODESWARM_POOL" 2>&1
}
socket=unix://$NODESWARM_QUICKSTART_DIR/docker.sock
machine >"$IT_DIR/before"

check 'unknown arguments are a usage error' expect_fail 2 "unknown arguments '--up'" "$quickstart" --up
check 'an engine that does not answer is said so' expect_fail 1 "no engine answers at 'unix:///nowhere'" \
	env DOCKER_HOST=unix:///nowhere "$quickstart"
check 'an engine elsewhere is refused' expect_fail 1 'needs an engine of this machine' \
	env DOCKER_HOST=tcp://192.0.2.1:2375 "$quickstart"
unset DOCKER_HOST
check 'down with nothing up' expect 'nothing that quickstart made' "$quickstart" --down

first_time()
{
	"$quickstart" >"$IT_DIR/first" || return
	cat "$IT_DIR/first"
	grep -F "docker -H $socket service update --replicas 10 nodeswarm_readers" "$IT_DIR/first"
}
# The generation is there, and all slots but the first come from it.
cloned()
{
	local current
	current=$(readlink "$NODESWARM_POOL/generations/current") || return
	jq -r '"\(.slot) \(.generation)"' "$NODESWARM_POOL"/services/nodeswarm_readers/*/run.json | sort -n | tee "$IT_DIR/slots"
	diff "$IT_DIR/slots" <(echo '1 null' && printf "%d $current\n" {2..8})
}
pool_is()
{
	[ "$(nodeswarm --json --pool "$NODESWARM_POOL" pool status | jq -r '.pools[0].method')" = "$1" ]
}
check 'a private engine and eight readers' first_time
export DOCKER_HOST=$socket
check 'they serve' serving 8
check 'seven are clones of the first one' cloned
check 'it says how long that took' grep -E '7 more serve, cloned from it, in [0-9.]+ s' "$IT_DIR/first"
check 'and what they take' grep -E 'disk: one copy has [0-9.]+[KMG]iB .* beside it takes [0-9.]+([KMG]i)?B' "$IT_DIR/first"
if [ -e /dev/loop-control ]; then
	check 'because the pool is an image with reflinks' pool_is reflink
else
	skip 'because the pool is an image with reflinks' 'no loop devices'
fi
check 'the front answers' expect '"chain_id"' curl -sS http://127.0.0.1:8888/v1/chain/get_info
check 'with the reader that did' expect 'x-served-by: 10\.' curl -sSi http://127.0.0.1:8888/v1/chain/get_info
check 'the line it prints scales' docker -H "$socket" service update --detach --replicas 10 nodeswarm_readers
check 'to ten' wait_for 60 serving 10
check 'stop.sh stops the readers' "$ROOT/scripts/stop.sh"
check 'none is left' serving 0
check 'start.sh N would start them' expect 'readers' "$ROOT/scripts/start.sh" 4 --plan
unset DOCKER_HOST
check 'again brings them back' "$quickstart"
check 'again is harmless' expect 'nothing to change' "$quickstart"
check "somebody's own stack in the environment is not touched" expect 'nothing to change' env NODESWARM_STACK=prod "$quickstart"
check 'down' "$quickstart" --down
machine >"$IT_DIR/after"
check 'the machine is as before' diff "$IT_DIR/before" "$IT_DIR/after"

# --- an engine that is ours to use -------------------------------------------------------------

things()
{
	docker network ls --format '{{.Name}}' | sort
	docker image ls --format '{{.Repository}} {{.ID}}'
	docker ps -a --format '{{.ID}}'
	docker info -f '{{.Swarm.LocalNodeState}}'
	docker service ls
	docker config ls
	docker secret ls
	ls -d "$NODESWARM_QUICKSTART_DIR" "$NODESWARM_POOL" 2>&1
}
export READERS=1 DOCKER_HOST=unix://$IT_DIR/docker.sock
engine_up --no-swarm
tiny_image it/tools sleep
things >"$IT_DIR/before" 2>&1
check 'an engine that runs is used' expect "engine: $DOCKER_HOST, which runs already" "$quickstart"
mkdir -p "$NODESWARM_POOL/services/other_readers/1"
check 'down, with a data-dir of another in the pool' expect 'stays, because others use it: other_readers' "$quickstart" --down
check 'which is still there' test -d "$NODESWARM_POOL/services/other_readers/1"
check 'with nothing else' test "$(ls "$NODESWARM_POOL/services")" = other_readers
rm -rf "$NODESWARM_POOL"
things >"$IT_DIR/after" 2>&1
check 'the engine is as before' diff "$IT_DIR/before" "$IT_DIR/after"

docker swarm init --advertise-addr 127.0.0.1 >/dev/null
docker service create --detach -q --name nodeswarm_readers --label com.docker.stack.namespace=nodeswarm it/tools 1000
check "somebody's stack of that name is refused" expect_fail 1 'not from quickstart' "$quickstart"
check 'and down does not remove it' "$quickstart" --down
check 'it is there' docker service inspect nodeswarm_readers
docker service rm nodeswarm_readers >/dev/null
no_container()
{
	[ -z "$(docker ps -aq)" ]
}
check 'its task ends' wait_for 20 no_container
nodeswarm pool init "$NODESWARM_POOL"
things >"$IT_DIR/before" 2>&1
check 'a swarm and a pool that are there' expect 'swarm: as it was' "$quickstart"
check 'down again' "$quickstart" --down
things >"$IT_DIR/after" 2>&1
check 'the engine, the swarm and the pool are as before' diff "$IT_DIR/before" "$IT_DIR/after"
check 'the pool has no slot left' test -z "$(ls "$NODESWARM_POOL/services" 2>/dev/null)"
