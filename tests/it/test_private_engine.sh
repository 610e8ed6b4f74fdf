#!/usr/bin/env bash
# test_private_engine.sh - scripts/private-engine.sh: what it makes and what it takes back
# time-limit: 120
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"

# "The machine" is this file's namespaces. /mnt is outside of /run, which the engine does not see.
mount --bind "$IT_HOSTDIR/tmp" /mnt
dir=/mnt/nsqs
script=$ROOT/scripts/private-engine.sh
export DOCKER_HOST=unix://$dir/docker.sock

machine()
{
	ip -o link | cut -d: -f2
	iptables-save | grep -v '^#' | sed 's/\[.*//'
	ip6tables-save | grep -v '^#' | sed 's/\[.*//'
	cat /proc/sys/net/ipv4/ip_forward
	awk '{ print $2 }' /proc/mounts | sort
	pgrep -la 'dockerd|containerd|unshare|sleep' | grep -vw pgrep
	find /sys/fs/cgroup -path "*$NODESWARM_QUICKSTART_CGROUP*"
	ls -d /etc/docker 2>&1
	find /var/lib/docker
}

# As on a machine with a packet filter of its own; one chain looks much like docker's.
iptables -N MINE
iptables -A MINE -s 10.9.0.0/16 -m comment --comment 'not DOCKER at all' -j ACCEPT
iptables -A FORWARD -i docker7 -j ACCEPT
iptables -t nat -A POSTROUTING -s 10.9.0.0/16 -j MASQUERADE
ip6tables -A FORWARD -j DROP
rmdir /etc/docker
ip6tables-save >/dev/null && iptables-save >/dev/null
machine >"$IT_DIR/before"

check 'wrong arguments are a usage error' expect_fail 2 '^usage:' "$script" begin "$dir"
check 'no engine, no status' expect_fail any '' "$script" status "$dir"
check 'it starts' "$script" start "$dir"
check 'it answers' "$script" status "$dir"
check 'starting it again changes nothing' "$script" start "$dir"
check 'it has one dockerd' test "$(pgrep -cx dockerd)" = 1
check 'and not the usual socket' expect_fail any '' test -e /var/run/docker.sock

use_it()
{
	docker swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377 &&
		tiny_image it/tools sleep &&
		docker network create mine &&
		docker network create -d overlay --attachable over &&
		docker run -d --network mine -p 8000:80 it/tools 1000 &&
		docker service create --detach -q --name s --network over --endpoint-mode dnsrr \
			--publish mode=host,target=80,published=8001 it/tools 1000 &&
		wait_for 20 two_containers
}
two_containers()
{
	[ "$(docker ps -q | wc -l)" = 2 ]
}
check 'it is used' use_it
check 'a command runs in a container' docker exec "$(docker ps -q | head -n1)" sleep 0
check 'the swarm listens on loopback alone' expect_fail 1 '' sh -c "ss -Hltn | grep -v '127.0.0.1:\|:800[01]' | grep ."
check 'it has changed the machine' expect_fail 1 DOCKER diff "$IT_DIR/before" <(machine)

crash()
{
	pkill -9 -x dockerd
	wait_for 10 no_engine && "$script" start "$dir" && wait_for 20 service_runs
}
no_engine()
{
	! "$script" status "$dir" && ! pgrep -x dockerd
}
service_runs()
{
	[ "$(docker service ps -f desired-state=running --format '{{.CurrentState}}' s | grep -c '^Running')" = 1 ]
}
check 'killed, it starts again with its data' crash

# Not running at the end, so that nothing can be asked from it, and with a port still published.
docker run -d --network mine -p 8002:80 it/tools 1000 >/dev/null
pkill -9 -x dockerd
check 'it stops' "$script" stop "$dir"
machine >"$IT_DIR/after"
check 'and the machine is as before' diff "$IT_DIR/before" "$IT_DIR/after"
check 'and the directory is gone' expect_fail any '' test -e "$dir"
check 'stopping it again changes nothing' "$script" stop "$dir"
