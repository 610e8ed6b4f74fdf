#!/usr/bin/env bash
# What lint says of a file is what the engine then does: warnings do not stop up, errors do before
# anything is made, and with --allow the trap is there. The service is a plain `sleep`.
# time-limit: 120
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need docker jq

check 'engine' engine_up || exit
check 'image' tiny_image t:1 /bin/sleep || exit

# stack DEPLOY [LINE]: a service on a port of the host, with this below `deploy`
stack()
{
	cat >"$IT_DIR/s.yml" <<-YML
		services:
		  web:
		    image: t:1
		    command: ["100000"]
		    stop_grace_period: 1s
		    ${2-logging: {driver: none\}}
		    ports: [{target: 80, published: 8888, mode: host}]
		    deploy: {$1}
	YML
}

# shellcheck disable=SC2120 # by check
up()
{
	nodeswarm up -f "$IT_DIR/s.yml" --wait "${WAIT-30s}" "$@"
}

nothing_there()
{
	[ -z "$(docker service ls -q; docker network ls -q --filter label=com.docker.stack.namespace)" ]
}

# --- start-first -------------------------------------------------------------------------------------

stack 'endpoint_mode: dnsrr, update_config: {order: start-first}, restart_policy: {condition: any, delay: 1s}'
check 'an error: refused' expect_fail 2 's.yml:8:.*start-first: the new task waits for a port' up
check 'in a plan, too' expect_fail 2 'allow start-first goes on' up --plan
check 'nothing was made' nothing_there
check 'allowed: up' up --allow start-first

# The other command makes a new task.
stuck()
{
	sed -i 's/100000/100001/' "$IT_DIR/s.yml"
	WAIT=6s expect_fail 1 'after 6' up --allow start-first || return
	docker service ps --no-trunc nodeswarm_web --format '{{.CurrentState}} {{.Error}}' | tee "$IT_DIR/ps"
	grep -q '^Running' "$IT_DIR/ps" && grep -q '^Pending.*host-mode port already in use' "$IT_DIR/ps"
}
check 'the new task waits for the port of the old one' stuck
sed -i 's/start-first/stop-first/' "$IT_DIR/s.yml"
check 'with stop-first it does not' up
check 'down' nodeswarm down

# --- warnings ----------------------------------------------------------------------------------------

# Of a name that is a virtual address; and a log, on an engine whose daemon.json limits nothing.
stack 'replicas: 1' 'tty: false'
warns()
{
	# shellcheck disable=SC2119
	up 2>"$IT_DIR/err"
	local rc=$?
	cat "$IT_DIR/err"
	[ $rc = 0 ] && [ "$(grep -o '\[[a-z-]*\]$' "$IT_DIR/err" | sort | tr -d '\n')" = '[log-limit][vip-endpoint]' ]
}
check 'warnings: up warns, and goes on' warns
check 'quietly those of an allowed rule are not told' expect '^nodeswarm: nothing to change$' \
	up --allow log-limit --allow vip-endpoint

# doctor LEVEL PATTERN
doctor()
{
	nodeswarm --json doctor | jq -r '.checks[] | "\(.level) \(.check): \(.found)"' | tee "$IT_DIR/doctor"
	grep -Eq "^$1 $2" "$IT_DIR/doctor"
}
check 'doctor, of the log' doctor warning 'logs: .*nodeswarm_web'
if [ -d /sys/module/ip_vs ] || modprobe -n ip_vs 2>/dev/null; then
	skip 'doctor, of the name' 'this kernel has IPVS'
else
	check 'doctor, of the name' doctor warning "ipvs: .*virtual address that the name of 'nodeswarm_web'"
fi
check 'and with dnsrr' sh -c "sed -i 's/replicas: 1/endpoint_mode: dnsrr/' '$IT_DIR/s.yml'"
check 'up' up --allow log-limit
check 'doctor has nothing to warn of then' doctor '(note|ok)' 'ipvs: '
check 'down at last' nodeswarm down
