#!/usr/bin/env bash
# test_front_hosts.sh - fronts on three hosts: what a client of one of them notices when another host
# is drained, when slots restart one by one, and when a host loses power
# time-limit: 420
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/swarm.sh
. "$(dirname "$0")/swarm.sh"
need docker jq iptables
[ -x "$ROOT/build/packages/haproxy/usr/sbin/haproxy" ] || need haproxy

export NODESWARM_FRONT_RATE=100000
I=/v1/chain/get_info
# The chain stays where no test touches it.
CHAIN_YML=$IT_DIR/devchain.yml
sed "s,^    deploy:\$,&\n      placement: {constraints: [node.hostname==node1]},
	s,:-\(devchain/\|../\),:-$ROOT/stacks/\1," "$ROOT/stacks/devchain.yml" >"$CHAIN_YML"

# asker_start K: a client asks node K's front, half of it on connections of their own
asker_start()
{
	local url
	url=http://$(node_ip "$1"):8888$I
	rm -f "$IT_DIR/asker.stop"
	(
		while [ ! -e "$IT_DIR/asker.stop" ]; do
			client curl -s -m 15 -o /dev/null -w '%{http_code} %{time_total}\n' "$url?[1-20]"
			sleep 0.05
		done
	) >"$IT_DIR/asked.kept" 50>&- 51<&- 52<&- &
	(
		while [ ! -e "$IT_DIR/asker.stop" ]; do
			client curl -s -m 15 -o /dev/null -w '%{http_code} %{time_total}\n' -d '{}' "$url"
			sleep 0.02
		done
	) >"$IT_DIR/asked.fresh" 50>&- 51<&- 52<&- &
}
asker_stop()
{
	touch "$IT_DIR/asker.stop"
	sleep 2
	cut -d' ' -f1 "$IT_DIR"/asked.* | sort | uniq -c
	echo "the slowest: $(cat "$IT_DIR"/asked.* | sort -k2n | tail -n1)"
	[ "$(cat "$IT_DIR"/asked.* | wc -l)" -ge 100 ] && ! cat "$IT_DIR"/asked.* | grep -v '^200 '
}
# on_node K: how many readers run there
on_node()
{
	docker service ps -f desired-state=running -f "node=node$1" -q nodeswarm_readers | wc -l
}
are_on_node()
{
	[ "$(on_node "$1")" = "$2" ]
}

check 'three nodes, one manager' swarm_up 3 1 || exit
check 'images' swarm_images || exit
front_image()
{
	"$ROOT/docker/build-image.sh" --quiet --front --output "$IT_DIR/front.tar" && swarm_load "$IT_DIR/front.tar"
}
check 'the image of the front' front_image || exit
check 'pools' swarm_pool || exit
check 'up: 6 readers on three hosts, a front on each' cluster_up 6 -f "$ROOT/stacks/agent.yml" -f "$ROOT/stacks/front.yml" || exit
check 'two readers on each host' are_on_node 3 2
each_front()
{
	local k
	for k in 1 2 3; do
		client curl -s -m 5 -D - -o /dev/null "http://$(node_ip $k):8888$I?[1-60]" | tr -d '\r' |
			sed -n 's/^x-served-by: //p' | sort -u >"$IT_DIR/by"
		echo "node$k: $(paste -sd' ' "$IT_DIR/by")"
		[ "$(wc -l <"$IT_DIR/by")" = 6 ] || return
	done
}
check 'each front reaches the readers of all hosts' wait_for 10 each_front

drain()
{
	local rc=0
	asker_start 2
	docker node update --availability drain node3 >/dev/null || rc=1
	wait_for 60 are_on_node 3 0 && wait_for 60 serves readers 6 || rc=1
	asker_stop || rc=1
	docker node update --availability active node3 >/dev/null || rc=1
	return $rc
}
check 'a host is drained: no request fails' drain
update_is()
{
	[ "$(docker service inspect -f '{{.UpdateStatus.State}}' nodeswarm_readers)" = "$1" ]
}
rolling()
{
	local rc=0
	asker_start 2
	docker service update -d --force nodeswarm_readers >/dev/null || rc=1
	sleep 5
	wait_for 180 update_is completed || rc=1
	asker_stop || rc=1
	return $rc
}
check 'a rolling restart: no request fails' rolling
check 'which has spread them again' are_on_node 3 2
poweroff()
{
	local rc=0
	asker_start 2
	sleep 1
	node_poweroff 3 || rc=1
	wait_for 40 node_is 3 down || rc=1
	sleep 5
	asker_stop || rc=1
	return $rc
}
check 'a host loses power: no request fails' poweroff
check 'the slots serve on the other hosts' wait_for 60 serves readers 6
