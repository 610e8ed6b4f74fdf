# shellcheck shell=bash
# producers.sh - a producer with standbys, brokers and readers on a swarm of three managers and two workers
#
# Sourced after lib.sh, instead of swarm.sh. A broker and a reader are on each manager, 1 to 3; the
# producer and its standbys on the workers, 4 and 5, or on the managers as well if there are none.
# The chain node is nodesim, its key the one that the whole world knows.
#
#	producers_up STANDBYS [HOSTS]    all of it, until a candidate signs and each reader follows; 5 or
#	                          3 hosts
#	trials ARG...             producer_trials.py on it; evidence in $IT_DIR/evidence
#	key_nowhere               the key is in nothing that an engine keeps or shows, and in no process's
#	                          environment or arguments

# shellcheck source=tests/it/swarm.sh
. "$ROOT/tests/it/swarm.sh"
need docker jq curl python3
PRODUCER_KEY=5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3
BROKER_YML=$ROOT/stacks/broker.yml
PRODUCER_YML=$IT_DIR/producer.yml
export NODESWARM_PRODUCER_CONFIG=$ROOT/stacks/producer/config.ini NODESWARM_PEERS=''
# A reader on each manager.
sed -i 's/^      placement:/&\n        max_replicas_per_node: 1/; /nodeswarm.role!=standby/a\          - node.role==manager' "$READERS_YML"
grep -q 'node.role==manager' "$READERS_YML"

producers_stack()
{
	# Swarm does not bring tasks back to a host that was lost for a while: a standby waits for its host.
	# shellcheck disable=SC2016
	sed -e '/NODESWARM_LEASE_TERM:/a\    NODESIM_FLUSH: "0s"' \
		-e '/replicas: \${PRODUCER_STANDBYS/{n;s/placement:/&\n        max_replicas_per_node: 1/}' \
		"$ROOT/stacks/producer.yml" >"$PRODUCER_YML"
	grep -q max_replicas_per_node "$PRODUCER_YML" || return
	READERS=3 nodeswarm up -f "$ROOT/stacks/agent.yml" -f "$BROKER_YML" -f "$PRODUCER_YML" -f "$READERS_YML" --wait 120s
}

producers_labels()
{
	local k
	for k in 1 2 3; do
		D 1 node update --label-add nodeswarm.role=readers "node$k" >/dev/null || return
	done
}

producers_up()
{
	swarm_up "${2:-5}" 3 && swarm_images && swarm_pool && { [ "${2:-5}" = 3 ] || producers_labels; } &&
		printf '%s\n' "$PRODUCER_KEY" | D 1 secret create producer-key - >/dev/null || return
	# The first node of a chain has nobody to compare with; later it must have.
	NODESWARM_BOOTSTRAP=1 producers_stack || return
	PRODUCER_STANDBYS=$1 producers_stack
}

trials()
{
	python3 -B "$ROOT/tests/it/producer_trials.py" --swarm "$SWARM" --evidence "$IT_DIR/evidence" "$@"
}

key_nowhere()
{
	local k c rc=0
	for k in $(swarm_nodes); do
		for c in $(D "$k" ps -aq); do
			D "$k" inspect "$c"
			D "$k" logs "$c" 2>&1
		done
	done >"$IT_DIR/shown"
	for c in service config secret; do
		docker "$c" ls -q | xargs docker "$c" inspect
	done >>"$IT_DIR/shown"
	[ "$(wc -l <"$IT_DIR/shown")" -gt 1000 ] || rc=1
	! grep -n "$PRODUCER_KEY" "$IT_DIR/shown" || rc=1
	# A file with the pattern, for grep's own arguments are looked at too.
	printf '%s' "$PRODUCER_KEY" >"$IT_DIR/pattern"
	! grep -laF -f "$IT_DIR/pattern" /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | grep . || rc=1
	# Raft's log is encrypted; a container's secrets are in its tmpfs.  The simulator knows the key of
	# its genesis; the image's layers are the same on all hosts.
	! grep -rlaF --exclude-dir=secrets --exclude=nodesim --exclude=shared_memory.bin -f "$IT_DIR/pattern" \
		"$SWARM"/n[1-9]/docker/{containers,swarm} "$SWARM"/n3/docker/overlay2 "$SWARM"/n[1-9]/pool 2>/dev/null || rc=1
	return "$rc"
}
