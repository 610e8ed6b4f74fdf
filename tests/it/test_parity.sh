#!/usr/bin/env bash
# What `docker stack deploy` and `nodeswarm up` make of each file of stacks/ is the same, but for what docs/parity.md
# lists, and the commands of each know the stacks of the other. parity.py reads and compares.
# time-limit: 400
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/cluster.sh
. "$ROOT/tests/it/cluster.sh"
need docker jq python3

# Debian's, whatever else there is; and another generation beside it, where there is one.
CLI=/usr/bin/docker OTHER=/usr/local/bin/docker
[ -x "$CLI" ] || skip_all "no '$CLI' installed"
LABEL=com.docker.stack.namespace
TABLE=$ROOT/docs/parity.md
MET=$IT_DIR/met
TOKEN=$IT_DIR/token
SETTINGS=()
: >"$MET"
printf '%064d' 7 >"$TOKEN"
# cluster.sh's are for its own stacks; each file here gets its own.
unset "${!NODESWARM_@}"
export NODESWARM_POOL=$POOL

# parity COMMAND...
parity()
{
	python3 -B "$ROOT/tests/it/parity.py" "$@"
}

# left: what is there with the stack's label
left()
{
	local kind
	for kind in service network config secret; do
		docker "$kind" ls --filter label=$LABEL=nodeswarm --format "$kind {{.Name}}" || return
	done
}

# left_is LINES: within 20 s, for networks go after their services
left_is()
{
	wait_for 20 left_is_now "$1"
}

left_is_now()
{
	local now
	now=$(left | sort) || return
	echo "${now:-nothing}"
	[ "$now" = "$1" ]
}

secret()
{
	docker secret inspect "$1" >/dev/null 2>&1 || docker secret create "$1" "$TOKEN" >/dev/null
}

# settings FILE: the variables that this file has to have in SETTINGS, and the secrets that are made by hand for
# docker in BY_HAND, and for both in KEYS
settings()
{
	SETTINGS=() BY_HAND=() KEYS=()
	case $1 in
	agent) BY_HAND=(nodeswarm_agent-token) ;;
	broker)
		SETTINGS=(NODESWARM_DOCKER_SOCKET="$IT_DIR/docker.sock")
		BY_HAND=(nodeswarm-broker-token)
		;;
	full)
		SETTINGS=(FULL_FROM_US='from us')
		KEYS=(full-outer-secret)
		docker network create -d overlay full-outside >/dev/null
		docker config create full-outer-config "$TOKEN" >/dev/null
		docker tag nodeswarm/nodesim:latest example/program:1.2
		docker tag nodeswarm/nodesim:latest example/program:latest
		;;
	devchain) SETTINGS=(NODESWARM_PEERS=devchain:9876) ;;
	producer)
		KEYS=(producer-key)
		BY_HAND=(nodeswarm-broker-token)
		;;
	readers) SETTINGS=(READERS=3 NODESWARM_PEERS=devchain:9876 NODESWARM_ADVERTISE=auto) ;;
	replay)
		echo '[]' >"$IT_DIR/manifest.json"
		SETTINGS=(NODESWARM_REPLAY_MANIFEST="$IT_DIR/manifest.json" NODESWARM_REPLAY_RUN=parity
			NODESWARM_REPLAY_TOKENS="$TOKEN" NODESWARM_REPLAY_WORKER_TOKEN="$TOKEN"
			NODESWARM_REPLAY_STATE_HOST=node.hostname==node1)
		;;
	esac
}

# by_docker PATH [OPTION]
by_docker()
{
	env "${SETTINGS[@]}" "$CLI" stack deploy --resolve-image never -c "$@" nodeswarm
}

# by_other NAME PATH: and away again
by_other()
{
	env "${SETTINGS[@]}" "$OTHER" stack deploy --detach=true --resolve-image never -c "$2" nodeswarm &&
		snapshot "$IT_DIR/$1.other" && diff "$IT_DIR/$1.theirs" "$IT_DIR/$1.other" && docker stack rm nodeswarm && left_is ''
}

by_us()
{
	env "${SETTINGS[@]}" nodeswarm up -f "$1" --wait 0 --allow start-first
}

snapshot()
{
	parity read "$IT_DIR/docker.sock" nodeswarm >"$1" && jq -e '.made.service | length > 0' "$1" >/dev/null
}

# listing: the stack as the CLI shows it, without how many run and the ports that the engine chose
listing()
{
	docker stack ls --format '{{.Name}} {{.Services}}' &&
		docker stack services --format '{{.Name}} {{.Mode}} {{.Replicas}} {{.Image}} {{.Ports}}' nodeswarm |
		sed 's, [0-9]*/, -/,; s/\*:3000[0-9]->/*:?->/' | sort
}

same_listing()
{
	listing >"$IT_DIR/listing.ours" && cat "$IT_DIR/listing.ours" && [ -s "$IT_DIR/listing.ours" ] &&
		diff "$IT_DIR/listing.theirs" "$IT_DIR/listing.ours"
}

# Name, size and image of each service are what docker says; and the text has an end.
status_knows()
{
	docker service ls -q --filter label=$LABEL=nodeswarm | xargs docker service inspect |
		jq -c '[.[].Spec | [.Name, .Mode.Replicated.Replicas, .TaskTemplate.ContainerSpec.Image]] | sort' >"$IT_DIR/known.theirs"
	nodeswarm --json status | jq -c '[.services[] | [.full_name, .replicas, .image]] | sort' >"$IT_DIR/known.ours"
	cat "$IT_DIR/known.ours" && grep -q nodeswarm_ "$IT_DIR/known.ours" &&
		diff "$IT_DIR/known.theirs" "$IT_DIR/known.ours" && nodeswarm status
}

remove_secrets()
{
	local name
	for name in "$@"; do
		docker secret rm "$name" >/dev/null || return
	done
}

# --- one file by both ------------------------------------------------------------------------------

# compare_file NAME PATH
compare_file()
{
	local name=$1 path=$2 rest
	settings "$name"
	for rest in "${KEYS[@]}" "${BY_HAND[@]}"; do secret "$rest"; done

	check "$name: docker deploys it" by_docker "$path" || return
	snapshot "$IT_DIR/$name.theirs" || fail "$name: what docker made is read"
	listing >"$IT_DIR/listing.theirs"
	check "$name: status knows docker's" status_knows
	check "$name: down removes docker's" nodeswarm down --wait 30s
	# Secrets stay, as they do when we have made them.
	rest=$(jq -r --arg l $LABEL '[.made.secret[] | select(.Labels[$l]) | "secret " + .Name] | sort[]' "$IT_DIR/$name.theirs")
	check "$name: but for the secrets" left_is "$rest"
	# shellcheck disable=SC2086
	remove_secrets ${rest//secret /}

	[ ! -x "$OTHER" ] || check "$name: the docker CLI of another generation makes the same" by_other "$name" "$path"
	remove_secrets "${BY_HAND[@]}"

	check "$name: up" by_us "$path" || return
	snapshot "$IT_DIR/$name.ours" || fail "$name: what we made is read"
	check "$name: the same, but for what docs/parity.md lists" \
		parity compare "$IT_DIR/$name.theirs" "$IT_DIR/$name.ours" "$TABLE" "$MET"
	check "$name: the docker CLI lists the same" same_listing
	check "$name: docker stack rm" docker stack rm nodeswarm
	check "$name: removes all of it" left_is ''
	[ ${#KEYS[@]} = 0 ] || remove_secrets "${KEYS[@]}"
}

check 'engine' engine_up || exit
check 'images' cluster_images || exit
for name in nodeos front; do docker tag nodeswarm/nodesim:latest nodeswarm/$name:latest; done
check 'pool' cluster_pool || exit
# Nothing is to run yet: specs are the same without it.
docker node update --availability drain node1 >/dev/null

settings agent
check 'agent: without a token docker cannot' expect_fail 1 'secret not found: nodeswarm_agent-token' by_docker "$ROOT/stacks/agent.yml"
for file in "$ROOT"/stacks/*.yml; do
	compare_file "$(basename "$file" .yml)" "$file"
done

# Every key that nodeswarm takes, and what no file of stacks/ has but others may.
compare_file full "$ROOT/tests/data/stack/full.yml"
docker network rm full-outside >/dev/null
docker config rm full-outer-config >/dev/null
cat >"$IT_DIR/odd.yml" <<-YML
	version: "3.8"
	services:
	  odd:
	    image: nodeswarm/nodesim:latest
	    environment: {MODE: 0644, VERSION: 1.10}
YML
compare_file odd "$IT_DIR/odd.yml"
check 'each row of docs/parity.md is needed' parity unmet "$TABLE" "$MET"

# --- what is read otherwise ------------------------------------------------------------------------

# refused_by_docker PATTERN TEXT...: a file of these lines, which we take
refused_by_docker()
{
	local pattern=$1
	shift
	printf '%s\n' "$@" >"$IT_DIR/odd.yml"
	expect_fail 1 "$pattern" by_docker "$IT_DIR/odd.yml" && nodeswarm up -f "$IT_DIR/odd.yml" --plan
}
SETTINGS=()
check 'docker wants a version' refused_by_docker 'unsupported Compose file version' \
	'services: {odd: {image: i}}'
check 'docker takes a network n for a boolean' refused_by_docker 'Non-string key in networks: false' \
	'version: "3.8"' 'services: {odd: {image: i, networks: [n]}}' 'networks: {n: {driver: overlay}}'
ignored()
{
	printf '%s\n' 'version: "3.8"' 'services: {odd: {image: nodeswarm/nodesim:latest, restart: always, privileged: true}}' >"$IT_DIR/odd.yml"
	expect 'Ignoring unsupported options: privileged, restart' by_docker "$IT_DIR/odd.yml" &&
		expect_fail 2 "key 'restart' in service 'odd' cannot be used" nodeswarm up -f "$IT_DIR/odd.yml" &&
		docker stack rm nodeswarm && left_is ''
}
check 'docker ignores what we refuse' ignored
unites()
{
	mkdir -p "$IT_DIR/two" && echo text >"$IT_DIR/two/text"
	printf '%s\n' 'version: "3.8"' 'services: {odd: {image: nodeswarm/nodesim:latest, environment: [A=1]}}' >"$IT_DIR/odd.yml"
	printf '%s\n' 'version: "3.8"' 'services: {odd: {environment: [B=2]}}' >"$IT_DIR/two/two.yml"
	by_docker "$IT_DIR/odd.yml" -c "$IT_DIR/two/two.yml" &&
		expect '\[A=1 B=2\]' docker service inspect -f '{{.Spec.TaskTemplate.ContainerSpec.Env}}' nodeswarm_odd &&
		expect_fail 2 "service 'odd'" nodeswarm up -f "$IT_DIR/odd.yml" -f "$IT_DIR/two/two.yml" &&
		docker stack rm nodeswarm && left_is ''
}
check 'docker unites two files about one service' unites
paths()
{
	printf '%s\n' 'version: "3.8"' 'services: {two: {image: nodeswarm/nodesim:latest, configs: [c]}}' \
		'configs: {c: {file: ./text}}' >"$IT_DIR/two/two.yml"
	expect_fail 1 "open $IT_DIR/text: no such file" by_docker "$IT_DIR/odd.yml" -c "$IT_DIR/two/two.yml" &&
		nodeswarm up -f "$IT_DIR/odd.yml" -f "$IT_DIR/two/two.yml" --wait 0 && docker stack rm nodeswarm && left_is ''
}
check 'whose directory relative paths count from' paths
skips()
{
	sed "s,^version,x-nodeswarm: {front: ingress}\n&,; s,:-front/,:-$ROOT/stacks/front/,; s,file: front/,file: $ROOT/stacks/front/," \
		"$ROOT/stacks/front.yml" >"$IT_DIR/odd.yml"
	grep -q '^x-nodeswarm' "$IT_DIR/odd.yml" && by_docker "$IT_DIR/odd.yml" && snapshot "$IT_DIR/now" &&
		diff "$IT_DIR/front.theirs" "$IT_DIR/now" && docker stack rm nodeswarm && left_is ''
}
check 'docker skips x-nodeswarm' skips

# --- the comparison itself -------------------------------------------------------------------------

# changed FILTER: what we made of the readers, changed by a filter of jq
changed()
{
	jq "$1" "$IT_DIR/readers.ours" >"$IT_DIR/changed" && ! cmp -s "$IT_DIR/readers.ours" "$IT_DIR/changed" || return
	parity compare "$IT_DIR/readers.theirs" "$IT_DIR/changed" "$TABLE" /dev/null
}
at_reader='.made.service.nodeswarm_readers'
check 'noticed: another value' expect_fail 1 'StopGracePeriod: docker has 7200' \
	changed "$at_reader.TaskTemplate.ContainerSpec.StopGracePeriod = 1"
check 'noticed: one constraint less' expect_fail 1 'Placement.Constraints\[\]' \
	changed "del($at_reader.TaskTemplate.Placement.Constraints[1])"
check 'noticed: a variable more' expect_fail 1 'Env.X: docker has "-"' \
	changed "$at_reader.TaskTemplate.ContainerSpec.Env.X = \"y\""
check 'noticed: a label that is no digest' expect_fail 1 'nodeswarm.spec' \
	changed "$at_reader.Labels[\"nodeswarm.spec\"] = \"x\""
check 'noticed: a service too few' expect_fail 1 'service nodeswarm_readers: all of it' changed "del($at_reader)"
check 'noticed: a config with another content' expect_fail 1 'its content has' \
	changed '.made.config |= map_values(.Data = "eA==")'
check 'noticed: a network that is closed' expect_fail 1 'nodeswarm_chain: Attachable' \
	changed '.made.network[].Attachable = false'
row_gone()
{
	grep -v 'nodeswarm.replicas' "$TABLE" >"$IT_DIR/table"
	parity compare "$IT_DIR/readers.theirs" "$IT_DIR/readers.ours" "$IT_DIR/table" /dev/null
}
check 'noticed: a row that is gone' expect_fail 1 'nodeswarm.replicas' row_gone
row_more()
{
	# shellcheck disable=SC2016
	sed '/nodeswarm.replicas/{p;s/nodeswarm.replicas/x/}' "$TABLE" >"$IT_DIR/table"
	parity unmet "$IT_DIR/table" "$MET"
}
check 'noticed: a row that nothing needs' expect_fail 1 'no file needs this row' row_more

# --- one takes over from the other -----------------------------------------------------------------

# The services are now as FILE has them.
services_are()
{
	snapshot "$IT_DIR/now" && diff <(jq -S .made.service "$1") <(jq -S .made.service "$IT_DIR/now")
}

settings readers
cp "$ROOT/config.ini" "$IT_DIR/config.ini"
READERS_FILE=$ROOT/stacks/readers.yml
check 'docker deploys the readers' by_docker "$READERS_FILE"
check 'up on docker'"'"'s stack' expect 'updated service nodeswarm_readers \(not made by nodeswarm so far\)' by_us "$READERS_FILE"
check 'makes of it what it makes of nothing' services_are "$IT_DIR/readers.ours"
check 'and then has nothing to change' expect 'nothing to change' by_us "$READERS_FILE"
check 'docker deploys over ours' by_docker "$READERS_FILE"
check 'and makes of it what it makes of nothing' services_are "$IT_DIR/readers.theirs"
SETTINGS+=(NODESWARM_CONFIG="$IT_DIR/config.ini")
echo '# another' >>"$IT_DIR/config.ini"
check 'another content: docker cannot' expect_fail 1 'only updates to Labels are allowed' by_docker "$READERS_FILE"
check 'another content: up' expect 'updated service nodeswarm_readers' by_us "$READERS_FILE"
check 'scaled by docker' expect 'converged|scaled' docker service scale -d nodeswarm_readers=5
check 'up leaves it' expect 'nothing to change' by_us "$READERS_FILE"
# size N: what the service is asked to have
size()
{
	[ "$(docker service inspect -f '{{.Spec.Mode.Replicated.Replicas}}' nodeswarm_readers)" = "$1" ]
}
check 'five' size 5
settings readers
check 'docker deploys over it' by_docker "$READERS_FILE"
check 'in the size of the file' size 3
check 'docker deploys another service' by_docker "$ROOT/stacks/devchain.yml"
check 'the plan tells what is not in its file' expect 'extra +service +nodeswarm_devchain' \
	env "${SETTINGS[@]}" nodeswarm up -f "$READERS_FILE" --plan
check 'docker --prune removes that' by_docker "$READERS_FILE" --prune
check 'it is gone' expect_fail 1 '' docker service inspect nodeswarm_devchain
check 'down removes what both have made' nodeswarm down --wait 30s
check 'all of it' left_is ''

# --- stacks that run -------------------------------------------------------------------------------

# stack_of TOOL: agent, dev chain and two readers. The dev chain apart: by docker it would be its own peer.
stack_of()
{
	local name
	export NODESWARM_IMAGE=nodeswarm/nodesim:latest NODESWARM_NODEOS=nodesim READERS=2
	secret nodeswarm_agent-token
	for name in agent devchain readers; do
		SETTINGS=(NODESWARM_PEERS=devchain:9876)
		[ $name != devchain ] || SETTINGS=(NODESWARM_CHECK_INTERVAL=1s)
		"$1" "$ROOT/stacks/$name.yml" || return
	done
}

# Also for Swarm, whose health comes after readiness.
all_serve()
{
	[ "$(nodeswarm --json status | jq '[.slots[] | select(.ready and .task_state == "running")] | length')" = 4 ]
}

# The CLI's columns: NAME REPLICAS, and NAME DESIRED-STATE CURRENT-STATE NODE
services_shown()
{
	diff - <(docker stack services --format '{{.Name}} {{.Mode}} {{.Replicas}}' nodeswarm | sort) <<-END
		nodeswarm_agent global 1/1
		nodeswarm_devchain replicated 1/1
		nodeswarm_readers replicated 2/2
	END
}

tasks_shown()
{
	diff - <(docker stack ps --filter desired-state=running --format '{{.Name}} {{.DesiredState}} {{.CurrentState}} {{.Node}}' nodeswarm |
		sed 's/^nodeswarm_agent\.[a-z0-9]*/nodeswarm_agent.NODE/; s/Running Running .* /Running Running /' | sort) <<-END
		nodeswarm_agent.NODE Running Running node1
		nodeswarm_devchain.1 Running Running node1
		nodeswarm_readers.1 Running Running node1
		nodeswarm_readers.2 Running Running node1
	END
}

none_runs()
{
	[ -z "$(docker ps -q)" ]
}

docker node update --availability active node1 >/dev/null
check 'docker deploys agent, chain and readers' stack_of by_docker || exit
check 'by nodeswarm status they serve' wait_for 90 all_serve
check 'the table of status' expect '^readers.2 +node1 +running +running +yes' nodeswarm status
check 'scale docker'"'"'s' nodeswarm scale readers=3 --wait 60s
check 'stop docker'"'"'s' nodeswarm stop --wait 60s
check 'down removes docker'"'"'s' nodeswarm down --wait 60s
check 'nothing runs' none_runs
check 'nothing is left' left_is ''
check 'all ends were clean' records_clean readers
check 'up' stack_of by_us || exit
check 'ours serve' wait_for 90 all_serve
check 'docker stack ls' expect '^nodeswarm +3 ' docker stack ls
check 'docker stack services' services_shown
check 'docker stack ps' tasks_shown
check 'docker stack rm' docker stack rm nodeswarm
check 'nothing is left of it' left_is ''
check 'nothing runs then' wait_for 60 none_runs
check 'all ends were clean then' records_clean readers
check 'no SIGKILL' no_sigkill
