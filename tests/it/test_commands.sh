#!/usr/bin/env bash
# up, status, scale, stop, down, logs on a real engine: what they do, what they say when it cannot be
# done, and that each finishes the job after it was killed. The service is a plain `sleep`.
# time-limit: 600
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need docker jq

stack()
{
	cat >"$IT_DIR/s.yml"
}

# The stack that most cases use; READERS and TEXT vary it.
usual()
{
	echo "${TEXT-text}" >"$IT_DIR/c"
	stack <<-YML
		version: "3.8"
		services:
		  web:
		    image: t:1
		    command: ["100000"]
		    networks: [n]
		    stop_grace_period: 1s
		    configs: [{source: c, target: /c}]
		    deploy: {replicas: ${REPLICAS-2}, endpoint_mode: dnsrr, restart_policy: {condition: any, delay: 1s}}
		networks: {n: {driver: overlay}}
		configs: {c: {file: ./c}}
	YML
}

up()
{
	nodeswarm up -f "$IT_DIR/s.yml" --wait 30s
}

running()
{
	[ "$(docker ps -q --filter label=com.docker.swarm.service.name=nodeswarm_web | wc -l)" = "$1" ]
}

replicas()
{
	docker service inspect -f '{{.Spec.Mode.Replicated.Replicas}}' nodeswarm_web
}

# --- without an engine, without a swarm ------------------------------------------------------------

usual
check 'no engine' expect_fail 1 'hint: .*DOCKER_HOST' nodeswarm --host unix:///nonexistent.sock status
check 'no engine, as JSON' expect_fail 1 '"kind": ?"unavailable"' nodeswarm --json --host unix:///nonexistent.sock status
check 'a host of another kind' expect_fail 2 'hint: .*ssh -NL' nodeswarm --host ssh://me@there status
check 'engine without a swarm' engine_up --no-swarm || exit
check 'swarm inactive' expect_fail 1 'hint: .*swarm init' up
docker swarm init --advertise-addr 192.168.77.1 --listen-addr 192.168.77.1:2377 --default-addr-pool 10.200.0.0/16 >/dev/null

# --- bad input ---------------------------------------------------------------------------------------

check 'image missing' expect_fail 1 "image 't:1' of service 'web'" up
check 'and nothing was made' expect_fail 1 '^$' grep . <(docker network ls -q --filter label=com.docker.stack.namespace)
check 'image' tiny_image t:1 /bin/sleep || exit
check 'a file that is not there' expect_fail 1 'nonexistent.yml' nodeswarm up -f "$IT_DIR/nonexistent.yml"
sed -i 's/stop_grace_period/stop_grace_perod/' "$IT_DIR/s.yml"
check 'an unknown key: file, line, column, and what was meant' expect_fail 2 \
	"s.yml:7:5: unknown key 'stop_grace_perod'.*did you mean 'stop_grace_period'" up
usual
check 'an unknown service' expect_fail 1 "no service 'nope'.*" nodeswarm scale nope=2
check 'a number that is none' expect_fail 2 "'web=x'" nodeswarm scale web=x
check 'an unknown command' expect_fail 2 "did you mean 'status'" nodeswarm statsu

name_taken()
{
	docker service create -d --name nodeswarm_web --network none t:1 100 >/dev/null 2>&1 ||
		docker service create -d --name nodeswarm_web t:1 100 >/dev/null || return
	expect_fail 1 "service 'nodeswarm_web' already that belongs to no stack" up
	local rc=$?
	docker service rm nodeswarm_web >/dev/null
	# Its container would be counted with those of the stack's service of that name.
	wait_for 30 running 0 || return
	return $rc
}
check 'a name that is taken' name_taken

rejected()
{
	stack <<-YML
		services:
		  web:
		    image: t:1
		    command: ["100000"]
		    volumes: ["/nonexistent/dir:/x"]
		    deploy: {replicas: 2, restart_policy: {condition: any, delay: 1s}}
	YML
	expect_fail 1 'bind source path does not exist: /nonexistent/dir' up
	local rc=$?
	nodeswarm down >/dev/null
	return $rc
}
check 'a task that is rejected: its Err, not a wait for ever' rejected

pool_missing()
{
	NODESWARM_POOL=$IT_DIR/nopool expect_fail 1 'pool init' nodeswarm up -f "$ROOT/stacks/devchain.yml"
}
check 'pool missing' sh -c 'docker tag t:1 nodeswarm/nodesim:latest'
check 'a pool that is not there' pool_missing

# --- what they do --------------------------------------------------------------------------------------

usual
check 'plan first' expect '^create service +nodeswarm_web +2' nodeswarm up -f "$IT_DIR/s.yml" --plan
check 'up' up
check 'two run' wait_for 10 running 2
check 'up again: nothing to change' expect 'nothing to change' up
check 'scale' nodeswarm scale web=4 --wait 30s
check 'four run' wait_for 10 running 4
check 'up keeps the size that was given' expect 'nothing to change' up
REPLICAS=3 usual
check 'a new number in the file counts' up
check 'three' wait_for 10 running 3
TEXT=other usual
check 'a changed config updates the service' expect 'updated service nodeswarm_web' up
check 'its size has changed back with the file' wait_for 10 running 2
# fixed CONTENT LABEL [NETWORK OPTION]: a config with a name of its own, and a network
fixed()
{
	echo "$1" >"$IT_DIR/c"
	stack <<-YML
		services:
		  fix: {image: t:1, command: ["100000"], networks: [n], configs: [c], stop_grace_period: 1s, deploy: {endpoint_mode: dnsrr}}
		networks: {n: {driver: overlay, ${3-attachable: false}}}
		configs: {c: {file: ./c, name: fixed, labels: {l: $2}}}
	YML
	nodeswarm --stack fixed up -f "$IT_DIR/s.yml" --wait 30s
}
fixed_label()
{
	[ "$(docker config inspect -f '{{.Spec.Labels.l}} {{index .Spec.Labels "com.docker.stack.namespace"}}' fixed)" = "$1 fixed" ]
}
check 'a config with a name of its own' fixed one a
check 'again: nothing to change' expect 'nothing to change' fixed one a
check 'another label: put on it' expect 'updated config fixed' fixed one b
check 'it has it' fixed_label b
check 'another content: refused' expect_fail 1 "config 'fixed' is there, but with another content" fixed two b
check 'another network: refused' expect_fail 1 "network 'fixed_n' .*attachable differs" fixed one b 'attachable: true'
check 'and what to do: down' nodeswarm --stack fixed down --wait 30s
check 'and up' fixed two c 'attachable: true'
check 'a subnet' expect 'network .fixed_n. .* ipam differs' sh -c \
	"sed -i 's/attachable: true/attachable: true, ipam: {config: [{subnet: 10.77.0.0\/16}]}/' $IT_DIR/s.yml; nodeswarm --stack fixed up -f $IT_DIR/s.yml 2>&1; [ \$? = 1 ]"
nodeswarm --stack fixed down --wait 30s >/dev/null
check 'one with a subnet' nodeswarm --stack fixed up -f "$IT_DIR/s.yml" --wait 30s
check 'again: nothing' expect 'nothing to change' nodeswarm --stack fixed up -f "$IT_DIR/s.yml" --wait 30s
nodeswarm --stack fixed down --wait 30s >/dev/null
TEXT=other usual
check 'status as JSON' expect '^\["web.1",true\]$' sh -c \
	"nodeswarm --json status | jq -c '.slots[] | [.name, .ready]' | head -n 1"
check 'logs of a service' nodeswarm logs web
check 'logs of an unknown service' expect_fail 1 "no service 'x'" nodeswarm logs x
check 'docker stack ls sees it' expect 'nodeswarm +1' docker stack ls
check 'stop' nodeswarm stop --wait 30s
check 'stop again' nodeswarm stop --wait 30s
check 'status says stopped' expect 'web is stopped' nodeswarm status
check 'up brings it back' up
check 'in its former size' wait_for 10 running 2
check 'docker stack rm removes it' docker stack rm nodeswarm
check 'up at once after it: waits for the network that still goes' up
check 'docker stack rm again' docker stack rm nodeswarm
check 'all of it' wait_for 20 running 0

# --- two at once ---------------------------------------------------------------------------------------

concurrent()
{
	local n pids=() rc=0
	for n in 1 2 3 4 5 6 7 8; do
		nodeswarm scale web=$n --wait 0 &
		pids+=($!)
	done
	for n in "${pids[@]}"; do
		wait "$n" || rc=1
	done
	n=$(replicas)
	[ "$n" -ge 1 ] && [ "$n" -le 8 ] && return $rc
}
usual
check 'up' up
check 'eight scales at once: all succeed' concurrent
two_ups()
{
	nodeswarm down --wait 30s >/dev/null 2>&1
	up & local a=$!
	up & local b=$!
	wait $a && wait $b && running 2
}
check 'two ups at once: both succeed' two_ups

# --- killed at any point -----------------------------------------------------------------------------------

# killed MS COMMAND...: SIGKILL after that long
killed()
{
	local ms=$1
	shift
	"$@" >/dev/null 2>&1 3>&- &
	sleep "0.$(printf '%03d' "$ms")"
	kill -KILL $! 2>/dev/null
	wait $! 2>/dev/null
	return 0
}
interrupted_up()
{
	local ms
	for ms in 5 15 30 50 80 120 300; do
		docker service rm nodeswarm_web >/dev/null 2>&1
		wait_for 10 running 0 && nodeswarm down >/dev/null 2>&1
		killed $ms up
		up || { echo "after $ms ms" && return 1; }
		running 2 || return
		expect 'nothing to change' up >/dev/null || return
	done
}
check 'up, killed at any point, finishes when it is run again' interrupted_up
interrupted_scale()
{
	local ms n=2
	for ms in 5 10 15 20 30 50 100 300; do
		n=$((n == 2 ? 5 : 2))
		killed $ms nodeswarm scale web=$n
		{ nodeswarm scale web=$n --wait 30s && running $n; } || { echo "after $ms ms" && return 1; }
	done
}
check 'scale, killed at any point' interrupted_scale
interrupted_stop()
{
	local ms
	for ms in 5 10 20 40 100 500; do
		nodeswarm scale web=3 --wait 30s || return
		killed $ms nodeswarm stop
		{ nodeswarm stop --wait 30s && running 0; } || { echo "after $ms ms" && return 1; }
		{ up && running 3; } || { echo "size forgotten after $ms ms" && return 1; }
	done
}
check 'stop, killed at any point, remembers the size' interrupted_stop

waiting()
{
	# Never ready: there is nothing that could be.
	stack <<-YML
		services:
		  web:
		    image: t:1
		    command: ["100000"]
		    healthcheck: {test: ["CMD", "/bin/false"], interval: 1s, start_period: 100h}
	YML
	expect_fail 1 'after 2.0s: web.1.*' nodeswarm up -f "$IT_DIR/s.yml" --wait 2s || return
	timeout --foreground -s INT 2 nodeswarm up -f "$IT_DIR/s.yml" >"$IT_DIR/int" 2>&1
	local rc=$?
	cat "$IT_DIR/int"
	[ $rc = 124 ] && grep -q 'the cluster goes on' "$IT_DIR/int"
}
nodeswarm down >/dev/null 2>&1
check 'a wait that is over, by time or by Ctrl-C, says that the cluster goes on' waiting
check 'down' nodeswarm down --wait 30s
check 'nothing is left' expect_fail 1 '^$' \
	grep . <(docker service ls -q; docker config ls -q; docker network ls -q --filter label=com.docker.stack.namespace=nodeswarm)
