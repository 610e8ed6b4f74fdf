#!/usr/bin/env bash
# The firewall of three hosts, through their agents: applied, proved, followed, mended, removed.
# time-limit: 240
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/swarm.sh
. "$ROOT/tests/it/swarm.sh"
need jq dockerd docker iptables curl

FW=(nodeswarm firewall)
# Answers on each port that it is given, on both families.
cat >"$IT_DIR/echo.yml" <<'END'
END

# reaches WHO ADDRESS PORT, silent WHO ADDRESS PORT: WHO is client or a node's number
ask()
{
	local who=$1
	if [ "$who" = client ]; then who=(client); else who=(on "$who"); fi
	timeout 20 "${who[@]}" curl -s -o /dev/null --max-time "${3:-2}" "http://$2/livez"
}
# curl: 0 and 52, 56: somebody is there; 7: refused, so packets come through; 28: silence
reaches()
{
	local rc=0
	ask "$1" "$2:$3" || rc=$?
	echo "curl: $rc"
	case $rc in 0 | 1 | 7 | 8 | 52 | 56) ;; *) return 1 ;; esac
}
silent()
{
	local rc=0
	ask "$1" "$2:$3" 1 || rc=$?
	echo "curl: $rc"
	[ "$rc" = 28 ]
}
rules()
{
	on "$1" sh -c 'iptables-save -t filter; ip6tables-save -t filter' | grep -c NODESWARM
}
all_have_rules()
{
	local k
	for k in "$@"; do [ "$(rules "$k")" -gt 20 ] || return; done
}
# The hosts' firewall by status: "node1=ok node2=differs".
by_status()
{
	nodeswarm --json status | jq -r '[.hosts | sort_by(.host)[] | "\(.host)=\(.firewall)"] | join(" ")'
}
status_is() { echo "$(by_status)" && [ "$(by_status)" = "$1" ]; }
verify_is() { nodeswarm firewall verify --all >"$IT_DIR/verify" 2>&1; local rc=$?; cat "$IT_DIR/verify"; [ "$rc" = "$1" ] && { [ -z "${2-}" ] || grep -Eq "$2" "$IT_DIR/verify"; }; }
now_all() { "${FW[@]}" --json apply --all | jq -r '[.hosts[] | "\(.host)=\(.firewall)"] | join(" ")'; }

check 'three hosts' swarm_up 3
check 'images' swarm_images
check 'pools' swarm_pool
check 'agents' nodeswarm up -f "$ROOT/stacks/agent.yml" --wait 60s
# Something on the producer's port, published in mode host on node 2; the same from inside the overlay.
check 'a producer on node 2' eval '
	D 1 network create -d overlay --attachable inner >/dev/null &&
	D 1 service create -d --name bp --network inner --constraint node.hostname==node2 --endpoint-mode dnsrr \
		--publish mode=host,target=8888,published=3888 --entrypoint nodesim nodeswarm/nodesim:latest \
		--data-dir /tmp/d --config-dir /tmp/c --http-server-address 0.0.0.0:8888 --p2p-listen-endpoint 0.0.0.0:9876 >/dev/null'
wait_for 30 reaches 1 "$(node_ip 2)" 3888
check 'before: the producer is open to all' reaches client "$(node_ip 2)" 3888
check 'plan names all hosts' expect 'node3 +would change' "${FW[@]}" plan --all

# --- apply ------------------------------------------------------------------------------------------

check 'apply --all' expect 'node3 +changed' "${FW[@]}" apply --all
check 'all have rules' all_have_rules 1 2 3
check 'again: as it was' expect 'node2 +as it was' "${FW[@]}" apply --all
check 'producer: not from outside' silent client "$(node_ip 2)" 3888
check 'producer: not from another host' silent 1 "$(node_ip 2)" 3888
check 'producer: from inside the overlay' expect . \
	D 1 run --rm --network inner --entrypoint nodeswarm nodeswarm/nodesim:latest version
check 'agents: not from outside' silent client "$(node_ip 3)" 8870
check 'agents: between nodes' reaches 2 "$(node_ip 3)" 8870
check 'swarm: not from outside' silent client "$(node_ip 1)" 2377
check 'swarm: between nodes' reaches 3 "$(node_ip 1)" 2377
check 'front: from outside' reaches client "$(node_ip 1)" 8888
check 'status' status_is 'node1=ok node2=ok node3=ok'
check 'verify --all' verify_is 0 'went as they ought to, 0 did not'
