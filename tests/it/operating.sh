# shellcheck shell=bash
# operating.sh - a producer with a standby, and readers, on a few hosts, for what docs/operating.md says of hosts
#
# Sourced after lib.sh, instead of swarm.sh. The chain node is nodesim, its key the one that everybody knows.
#
#	cluster N MANAGERS        all of it serves on N hosts
#	up ARG...                 nodeswarm up with its files
#	there K LINE              LINE on host K, in a directory that only it has: $SWARM/nK
#	serve_on HOST N           so many slots, agents and all, are ready there
#	all_serve                 three readers, the producer and its standby are ready
#	moves                     the chain goes on
#	nodes                     HOST:STATE:ROLE of all, in one line
#	doctor CHECK              what it says of that: level, finding, advice

# shellcheck source=tests/it/swarm.sh
. "$ROOT/tests/it/swarm.sh"
need docker jq curl
# shellcheck disable=SC2034 # for the files
JOIN=$ROOT/swarm/join-swarm.sh

export NODESWARM_PRODUCER_CONFIG=$ROOT/stacks/producer/config.ini NODESWARM_PEERS='' READERS=3
FILES=(-f "$ROOT/stacks/agent.yml" -f "$ROOT/stacks/broker.yml" -f "$ROOT/stacks/producer.yml" -f "$ROOT/stacks/readers.yml")

up()
{
	nodeswarm up "${FILES[@]}" --wait 90s "$@"
}
cluster()
{
	swarm_up "$1" "$2" && swarm_images && swarm_pool &&
		echo 5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3 | docker secret create producer-key - >/dev/null &&
		NODESWARM_BOOTSTRAP=1 up && up --scale producer-standby=1
}

there()
{
	on "$1" bash -c "cd /run/node && $2"
}
status()
{
	nodeswarm --json status | jq -e "$1"
}
serve_on()
{
	status "[.slots[] | select(.host == \"$1\" and .ready)] | length >= $2"
}
head_of()
{
	nodeswarm --json status | jq '[.slots[] | select(.service == "readers") | .head_block_num // 0] | max'
}
moves()
{
	local before
	before=$(head_of) && sleep 1 && [ "$(head_of)" -gt "$before" ]
}
all_serve()
{
	status '([.slots[] | select(.service == "readers" and .ready)] | length == 3) and
		([.slots[] | select(.service == "producer" or .service == "producer-standby") | select(.ready)] | length == 2)'
}
nodes()
{
	docker node ls --format '{{.Hostname}}:{{.Status}}:{{.ManagerStatus}}' | sort | tr '\n' ' '
}
doctor()
{
	nodeswarm --json doctor | jq -c '.checks[] | select(.check == "'"$1"'") | [.level, .found, .advice]'
}
