# shellcheck shell=bash
# product.sh - what a new user does with the quickstart's cluster: the lines that it prints, and the article's scripts
#
# Sourced after lib.sh. "The machine" is the file's namespaces; /mnt is outside of /run, as quickstart demands.
#
#	quickstart ARG...     scripts/quickstart.sh; what it prints is in $IT_DIR/tips
#	user LINE             LINE, typed into the shell of "quickstart.sh --shell"
#	tip WORDS             the same with the one line that quickstart has printed with these words
#	machine               what the machine has that --down must leave as it was
#	journey               all of it, as cases, between quickstart and --down

need jq curl
[ -d "$ROOT/build/packages/haproxy" ] || need haproxy
expect . nodesim --version >/dev/null || skip_all "this 'nodesim' is a placeholder"
unset BUILD DOCKER_HOST
mount --bind "$IT_HOSTDIR/tmp" /mnt
# A name of its own, for loop devices of all files are seen in all.
own=${0##*/test_}
export NODESWARM_QUICKSTART_DIR=/mnt/${own%.sh}
WORK=/mnt/work
mkdir -p "$WORK"

quickstart()
{
	"$ROOT/scripts/quickstart.sh" "$@" >"$IT_DIR/tips" || { cat "$IT_DIR/tips" && return 1; }
	cat "$IT_DIR/tips"
}

user()
{
	(cd "$WORK" && "$ROOT/scripts/quickstart.sh" --shell bash -c "$1")
}

tip()
{
	local line
	line=$(grep -F -- "  $1" "$IT_DIR/tips" | sed 's/^ *//')
	if [ -z "$line" ] || [ "$(wc -l <<<"$line")" != 1 ]; then
		echo "not one line with '$1': $line"
		return 1
	fi
	echo "$ $line"
	user "$line"
}

machine()
{
	ip -o link | cut -d: -f2
	ip netns list
	iptables-save | grep -v -e '^[#*]' -e ' ACCEPT ' -e COMMIT
	ip6tables-save | grep -v -e '^[#*]' -e ' ACCEPT ' -e COMMIT
	awk '{ print $2 }' /proc/mounts | sort
	losetup -nlO BACK-FILE | grep -F "$NODESWARM_QUICKSTART_DIR/"
	ps -e -o comm= | awk '/dockerd|containerd|unshare|nsenter|perl|sleep|node|haproxy/' | sort
	find /sys/fs/cgroup -path "*$NODESWARM_QUICKSTART_CGROUP*"
	find /mnt /etc/systemd /etc/nodeswarm -path "$WORK" -prune -o -print 2>/dev/null | sort
	ls -d /var/lib/nodeswarm* /var/lib/docker /etc/docker /var/run/docker.sock 2>&1
}

# --- looking -------------------------------------------------------------------------------------

readers_serve()
{
	local n
	n=$(user 'nodeswarm --json status' | jq '[.slots[] | select(.service == "readers" and .ready)] | length')
	echo "$n readers serve"
	[ "$n" = "$1" ]
}

# head: of the readers
head_of()
{
	user 'nodeswarm --json status' | jq '[.slots[] | select(.service == "readers") | .head_block_num // 0] | max'
}

moves()
{
	local before after
	before=$(head_of) && sleep 2 && after=$(head_of)
	echo "$before -> $after"
	[ "$after" -gt "$before" ]
}

# slot_is SLOT JQ: what status says of a reader
slot_is()
{
	user 'nodeswarm --json status' | jq -c --arg n "$1" ".slots[] | select(.name == \$n)" | tail -n1 | tee "$IT_DIR/slot" &&
		jq -e "$2" "$IT_DIR/slot" >/dev/null
}

# One holds the lease and produces, another could.
producer_well()
{
	user 'nodeswarm --json producer status' | jq -c '[.lease.holder_name, ([.candidates[] | [.name, .state, .why]])]' &&
		user 'nodeswarm --json producer status' | jq -e '([.candidates[] | select(.state == "producing")] | length == 1) and
			([.candidates[] | select(.could_take_over)] | length >= 1)' >/dev/null
}

# The archive is on the host of the slot that was archived.
archive_is_here()
{
	local host
	host=$(user 'nodeswarm --json data ls' | jq -r '[.generations[] | select(.current)][0].host')
	user hostname
	[ "$host" = "$(user hostname)" ] || user "nodeswarm data pull current --from $host"
}

# --- the steps -----------------------------------------------------------------------------------

destroyed()
{
	SLOT=$(grep -o 'nodeswarm_readers/[0-9]*/data' "$IT_DIR/tips" | cut -d/ -f2)
	slot_is "readers.$SLOT" .ready && TASK=$(jq -r .task_id "$IT_DIR/slot") || return
	tip 'rm -r' && tip 'docker kill'
}

all_verified()
{
	jq -e '(.gaps | length) == 0 and (.slices | length) >= 2 and all(.slices[:-1][]; .verdict == "verified") and .slices[0].start_block == 0' \
		"$WORK/certificate.json"
}

step_serving()
{
	check 'the front answers' expect '"chain_id"' tip 'curl -i'
	check 'with the reader that did' expect 'x-served-by: 10\.' tip 'curl -i'
	check 'check: healthy' expect '^healthy: ' tip 'nodeswarm check'
	check "docker's own CLI scales to ten" tip 'docker service update'
	check 'ten serve' wait_for 60 readers_serve 10
	check "a slot's data-dir is destroyed" destroyed
	check 'it is healed' wait_for 60 slot_is "readers.$SLOT" ".ready and .task_id != \"$TASK\""
	check 'check: healthy again' wait_for 20 expect '^healthy: ' tip 'nodeswarm check'
	check 'load: a report, and no failure' expect 'Failed Requests: 0' tip 'nodeswarm load'
}

step_article()
{
	check 'test_request.sh: as many as were asked for' expect 'OK Requests: 1000' user "$ROOT/scripts/test_request.sh 127.0.0.1 8888 20 50"
	check 'stop.sh' user "$ROOT/scripts/stop.sh"
	check 'no reader is left' readers_serve 0
	check 'the archive is here, too' archive_is_here
	check 'cpbasedir.sh: slots from the archive' expect . user "$ROOT/scripts/cpbasedir.sh 12"
	check 'start.sh 3' user "$ROOT/scripts/start.sh 3"
	check 'three serve' readers_serve 3
}

step_replay()
{
	check 'a manifest of the snapshots' tip 'nodeswarm replay manifest'
	check 'replay run' tip 'nodeswarm replay run'
	check 'certificate verify' expect 'it holds' tip 'nodeswarm replay certificate'
	check 'each slice but the last is verified' all_verified
	check 'run-replay-instance.sh goes on with it' user "MANIFEST=manifest.json $ROOT/scripts/run-replay-instance.sh 1"
	check 'terminate-replay-instance.sh' user "$ROOT/scripts/terminate-replay-instance.sh ALL"
}

step_producer()
{
	check 'the key' tip 'docker secret create'
	check 'start_bp.sh 1: a producer and a standby, paused' tip 'nodeswarm producer pause'
	check 'they take the chain over' tip 'nodeswarm stop devchain'
	check 'one produces, one could' wait_for 30 producer_well
	check 'blocks come' wait_for 20 moves
	check 'the key is claimed for a lease that --down knows' expect . user \
		'docker config ls -q --filter name=nodeswarm-lease-key- --filter label=nodeswarm.lease.holder=quickstart'
	check 'failover' expect 'slots? (were |was )?lost|lost' tip 'nodeswarm producer failover'
	check 'one produces, one could, again' wait_for 30 producer_well
	check 'blocks come after it' wait_for 20 moves
	check 'stop_bp.sh' user "$ROOT/scripts/stop_bp.sh"
	check 'start_bp.sh brings both back' user "$ROOT/scripts/start_bp.sh"
	check 'they produce' wait_for 30 producer_well
	check 'check: healthy with a producer' wait_for 40 expect '^healthy: ' tip 'nodeswarm check'
}

step_firewall()
{
	check 'firewall.sh plan: what apply would do' expect 'would change' user "$ROOT/scripts/firewall.sh plan"
	check 'firewall apply, verify' tip 'nodeswarm firewall apply'
	check 'firewall.sh: as it was' expect 'as it was' user "$ROOT/scripts/firewall.sh"
	check 'firewall.sh verify' user "$ROOT/scripts/firewall.sh verify"
	check 'the front answers still' expect '"chain_id"' tip 'curl -i'
}

journey()
{
	step_serving
	step_replay
	step_article
	step_producer
	step_firewall
	check 'doctor: no problem' user 'nodeswarm doctor'
}
