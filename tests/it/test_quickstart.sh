#!/usr/bin/env bash
# test_quickstart.sh - scripts/quickstart.sh: what it refuses, and an engine that is somebody's, which it
# uses and leaves as it was. test_product.sh has it with an engine of its own.
# time-limit: 300
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need jq
expect . nodesim --version >/dev/null || skip_all "this 'nodesim' is a placeholder"

quickstart=$ROOT/scripts/quickstart.sh
unset BUILD
# "The machine" is this file's namespaces. /mnt is outside of /run, as quickstart demands.
mount --bind "$IT_HOSTDIR/tmp" /mnt
export NODESWARM_QUICKSTART_DIR=/mnt/quickstart NODESWARM_POOL=/mnt/pool

# --- nothing here ------------------------------------------------------------------------------

check 'unknown arguments are a usage error' expect_fail 2 "unknown arguments '--up'" "$quickstart" --up
check 'an engine that does not answer is said so' expect_fail 1 "no engine answers at 'unix:///nowhere'" \
	env DOCKER_HOST=unix:///nowhere "$quickstart"
check 'an engine elsewhere is refused' expect_fail 1 'needs an engine of this machine' \
	env DOCKER_HOST=tcp://192.0.2.1:2375 "$quickstart"
unset DOCKER_HOST
check 'down with nothing up' expect 'nothing that quickstart made' "$quickstart" --down

mkdir -p "$NODESWARM_QUICKSTART_DIR/snapshots"
echo 'not yours' | tee "$NODESWARM_QUICKSTART_DIR/snapshots/mine" >"$NODESWARM_QUICKSTART_DIR/producer-key"
check "somebody's directory is refused" expect_fail 1 "has files that are not quickstart's" "$quickstart"
check 'also for hosts' expect_fail 1 "has files that are not quickstart's" "$quickstart" --nodes 1
check 'nor emptied by down' expect 'nothing that quickstart made' "$quickstart" --down
check 'all is still there' cmp "$NODESWARM_QUICKSTART_DIR/snapshots/mine" "$NODESWARM_QUICKSTART_DIR/producer-key"
check 'and nothing else' test "$(ls "$NODESWARM_QUICKSTART_DIR")" = $'producer-key\nsnapshots'
rm -r "$NODESWARM_QUICKSTART_DIR"

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
	docker volume ls
	iptables-save -t filter | grep NODESWARM
	ls -d "$NODESWARM_QUICKSTART_DIR" "$NODESWARM_POOL" 2>&1
}
export READERS=1 DOCKER_HOST=unix://$IT_DIR/docker.sock
engine_up --no-swarm
tiny_image it/tools sleep
things >"$IT_DIR/before" 2>&1
check 'an engine that runs is used' expect "engine: $DOCKER_HOST, which runs already" "$quickstart"
check 'again is harmless' expect 'nothing to change' "$quickstart"

# What the lines that it prints leave there, and the pool of somebody else.
user()
{
	"$quickstart" --shell bash -c "$1"
}
check 'a shell is on that engine' expect 'nodeswarm_readers ' user 'docker service ls'
check "a producer's key" user "docker secret create --label nodeswarm.quickstart=1 producer-key $NODESWARM_QUICKSTART_DIR/producer-key"
check "a replay's volume" user 'docker volume create nodeswarm_replay-state'
check 'a firewall' user 'nodeswarm firewall apply'
mkdir -p "$NODESWARM_POOL/services/nodeswarm_producer/1"
mkdir -p "$NODESWARM_POOL/services/other_readers/1"
# Of others, in the swarm that quickstart made. With its notes put back it is as if that had been said before.
cp "$NODESWARM_QUICKSTART_DIR/state" "$IT_DIR/state"
echo x | docker secret create theirs - >/dev/null
echo x | docker config create theirs-too - >/dev/null
docker network create -d overlay their-net >/dev/null
check 'down, with things of others in the swarm' expect \
	"swarm: stays, because others use it: secret theirs, config theirs-too, network their-net \\('docker swarm leave --force' forgets" \
	"$quickstart" --down
check 'they are there' eval 'docker secret inspect theirs && docker config inspect theirs-too && docker network inspect their-net'
docker secret rm theirs >/dev/null
docker config rm theirs-too >/dev/null
docker network rm their-net >/dev/null
mkdir -p "$NODESWARM_QUICKSTART_DIR" && cp "$IT_DIR/state" "$NODESWARM_QUICKSTART_DIR/state"
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

# A firewall that others are behind, and what goes by names of everybody.
config()
{
	echo x | docker config create --label "nodeswarm.lease.holder=$2" "nodeswarm-lease-$1" - >/dev/null
}
secret()
{
	echo x | docker secret create "$@" - >/dev/null
}
left()
{
	docker config ls --format '{{.Name}}' | sort
	docker secret ls --format '{{.Name}}' | sort
}
config key-11111111111111111111111111111111 producer
config producer producer.1
secret nodeswarm-broker-token
secret producer-key
left | grep -v -e '^nodeswarm_' >"$IT_DIR/theirs"
config key-22222222222222222222222222222222 quickstart
config quickstart producer.1
secret nodeswarm_broker-token
secret --label nodeswarm.quickstart=1 producer-key-2
docker service create --detach -q --name other it/tools 1000
check 'a firewall, again' user 'nodeswarm firewall apply'
check 'down again, with a service of another' expect 'firewall: stays, because other services are behind it: other ' "$quickstart" --down
left >"$IT_DIR/left"
check "somebody's leases and secrets are there, and no others" diff "$IT_DIR/theirs" "$IT_DIR/left"
docker config rm nodeswarm-lease-{producer,key-11111111111111111111111111111111} >/dev/null
docker secret rm nodeswarm-broker-token producer-key >/dev/null
docker service rm other >/dev/null
check 'the firewall, removed by hand' nodeswarm firewall remove
check "the other's task ends" wait_for 20 no_container
things >"$IT_DIR/after" 2>&1
check 'the engine, the swarm and the pool are as before' diff "$IT_DIR/before" "$IT_DIR/after"
check 'the pool has no slot left' test -z "$(ls "$NODESWARM_POOL/services" 2>/dev/null)"
