#!/usr/bin/env bash
# real-nodeos.sh - run the main flows with a real nodeos on this machine, and tell what held
#
# usage: scripts/real-nodeos.sh [OPTION...] NODEOS|PACKAGE.deb
#
#   NODEOS         a nodeos of this machine: Leap or Spring, whose libraries are here too
#   PACKAGE.deb    a Debian package with one; it is only unpacked, and needs this machine's libraries
#
#   --only FLOW,.. only these, in the order of the list below
#   --blocks N     how many blocks the flow "replay" replays (1000): half a second each to make, while
#                  the other flows run; so all of it takes ten minutes, and less with fewer blocks
#   --keep         leave all of it running, and say how to look at it and how to remove it
#   --json         the result as JSON on standard output, all else on standard error
#
# Flows:
#   readers        a chain that nodeos itself makes, readers that follow it, more of them by docker's CLI
#   check          nodeswarm check for 15 s
#   load           nodeswarm load for 5 s through the front, and not one failed request
#   stop           a clean stop, all verdicts clean, and they serve again
#   archive        a generation of a running reader, verified; new readers start from it
#   clone          data clone of a stopped data-dir, and a nodeos without nodeswarm goes on from it
#   dirty          SIGKILL of a nodeos: the slot heals by itself and serves again
#   producer       stacks/producer.yml with a key of its own: blocks are signed through the gate;
#                  failover by order and by a kill
#   replay         a chain in five slices, replayed by two workers; the certificate holds
#
# Needs root; "make" run in this tree; scripts/install-deps.sh run; jq, python3 and openssl; 1 GB of disk below
# $TMPDIR (default /var/tmp). What is missing is told before anything is started.
#
# All of it is on a swarm of one host in namespaces of its own (scripts/private-swarm.sh): no engine of
# this machine is touched, nothing is added to its network, and all is removed at the end, after Ctrl-C too. If
# SIGKILL or a power cut ends it: scripts/private-swarm.sh down DIR/swarm && rm -r DIR, which the first lines name.
#
# Exit status 0 only if each flow held; 1 if one did not, or something is missing. See docs/real-nodeos.md.
set -uo pipefail

for name in "${!NODESWARM_@}" "${!DOCKER_@}"; do
	[[ $name == NODESWARM_SWARM_* || $name == NODESWARM_QUICKSTART_CGROUP ]] || unset "$name"
done

FLOWS='readers check load stop archive clone dirty producer replay'
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=$(realpath -m "${BUILD:-$root/build}/nodeswarm")
HOST=192.168.77.1 # of private-swarm.sh
POOLS=/var/lib/nodeswarm # as its node sees them
IMAGE=nodeswarm/nodeos:latest
FRONT=nodeswarm/front:latest
READERS=3
SLICES=5
# nodeos has this one in itself, as the key of chains for development.
DEV_PUBLIC=EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV
DEV_KEY=5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3

die()
{
	echo "real-nodeos.sh: $*" >&2
	exit 1
}

usage_error()
{
	echo "real-nodeos.sh: $*, see -h" >&2
	exit 2
}

# --- steps ---------------------------------------------------------------------------------------

since()
{
	awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'
}

say()
{
	printf '%7.1f s  %s\n' "$(since "$BEGIN")" "$*" >&3
}

# step WHAT COMMAND...: its output only if it fails; what failed is then in $why. It is in the background,
# because a signal to this shell waits for what is in the foreground.
step()
{
	local what=$1 start=$EPOCHREALTIME rc=0
	shift
	steps=$((steps + 1))
	"$@" >"$dir/step" 2>&1 </dev/null &
	wait $! || rc=$?
	if [ "$rc" = 0 ]; then
		say "$flow: $what ($(since "$start") s)"
		return
	fi
	say "$flow: $what: FAILED after $(since "$start") s: exit status $rc"
	tail -n 25 "$dir/step" | sed 's/^/            | /' >&3
	why="$what: $(grep '^[^ ]' "$dir/step" | tail -n 1 | cut -c 1-160)"
	return 1
}

# wait_for SECONDS COMMAND...: until it exits 0; else what it said last.
wait_for()
{
	local end out
	end=$((SECONDS + $1))
	shift
	until out=$("$@" 2>&1); do
		[ "$SECONDS" -lt "$end" ] || { printf '%s\nnot in time: %s\n' "$out" "$*" && return 1; }
		sleep 0.3
	done
	printf '%s\n' "$out"
}

# --- the host ------------------------------------------------------------------------------------

swarm()
{
	"$root/scripts/private-swarm.sh" "$1" "$dir/swarm" "${@:2}" 3>&-
}

# on CMD...: on the host, with the pool of the cluster that is under way.
on()
{
	swarm exec 1 env NODESWARM_POOL="$POOLS/$cluster" "$@"
}

nodeswarm()
{
	on "$program" --stack "$cluster" "$@"
}

# Where the host's pools are from here.
pool()
{
	echo "$dir/swarm/n1/pool/$cluster"
}

make_genesis()
{
	jq --arg k "$2" --argjson age "$3" '.initial_key = $k |
		.initial_timestamp = (now - $age | strftime("%Y-%m-%dT%H:%M:%S.000"))' "$root/genesis.json" >"$1"
}

# need_tools: whatever is missing, all at once, and how to get it.
need_tools()
{
	local tool lacks='' how=''
	[ "$(id -u)" = 0 ] || die 'needs root, for namespaces and an engine of its own: run it with sudo'
	[ -x "$program" ] || die "there is no '$program': run make first (and before that scripts/install-deps.sh)"
	PATH=$PATH:/usr/sbin:/sbin
	for tool in docker dockerd containerd ip curl haproxy dpkg-deb pgrep; do
		type -P "$tool" >/dev/null || [ -x "$root/build/packages/$tool/usr/sbin/$tool" ] || lacks+=" $tool"
	done
	[ -z "$lacks" ] || how="run '$root/scripts/install-deps.sh run'"
	for tool in jq python3 openssl; do
		type -P "$tool" >/dev/null || { lacks+=" $tool" && how+="${how:+, and }install '$tool'"; }
	done
	[ -z "$lacks" ] || die "these are missing here:$lacks; $how"
}

# nodeos_says OPTION: what it prints; in $dir/step why it does not.
nodeos_says()
{
	timeout -k 5 20 "$NODEOS" "$1" 2>"$dir/step"
}

# find_nodeos INPUT: $dir/bin/nodeos is it, by a link or unpacked.
find_nodeos()
{
	local input found help lacks rc
	input=$(realpath -e "$1" 2>/dev/null) || die "there is no '$1'"
	[ -f "$input" ] || die "'$1' is no file: name the program nodeos itself, or a package with it"
	mkdir "$dir/bin"
	NODEOS=$dir/bin/nodeos
	if dpkg-deb --show "$input" >"$dir/package" 2>/dev/null; then
		package=$(tr '\t' ' ' <"$dir/package")
		dpkg-deb --fsys-tarfile "$input" | tar -C "$dir/bin" -x || die "cannot unpack '$input'"
		found=$(find "$dir/bin" -type f -name nodeos -perm -u+x | head -n 1)
		[ -n "$found" ] || die "there is no nodeos in '$input'"
		ln -s "$found" "$NODEOS"
	else
		[ -x "$input" ] || die "'$1' is neither a Debian package nor a program that can be run"
		ln -s "$input" "$NODEOS"
	fi
	help=$(nodeos_says --help)
	rc=$?
	if [ "$rc" = 127 ]; then
		lacks=$(ldd "$NODEOS" 2>/dev/null | awk '/not found/ { printf " %s", $1 }')
		die "'$1' needs libraries that are not here:${lacks:- $(tail -n 1 "$dir/step")}
  hint: install their packages, or use a machine of the Debian or Ubuntu that this nodeos was built for"
	fi
	[ "$rc" = 0 ] || die "'$1' does not run here: exit status $rc: $(tail -n 1 "$dir/step")"
	[[ $help == *--genesis-json* && $help == *--data-dir* ]] || die "'$1' is no nodeos: its --help names no --genesis-json"
	version=$(nodeos_says --version) || die "'$1' does not tell its version: exit status $?: $(tail -n 1 "$dir/step")"
	full_version=$(nodeos_says --full-version) || full_version=$version
	is_spring=''
	[[ $help != *--vote-threads* ]] || is_spring=1
	[[ $is_spring || $version != v[12].* ]] || die "nodeos $version is EOSIO's; nodeswarm needs Leap 3 or later, or Spring"
}

# need_plugins: nodeos of the releases has them all; one that somebody built for himself may not.
need_plugins()
{
	local plugin lacks=''
	for plugin in chain chain_api db_size_api http net net_api producer producer_api; do
		# It looks for plugins before it looks for its genesis.
		timeout -k 5 20 "$NODEOS" --data-dir "$dir/probe/data" --config-dir "$dir/probe/config" \
			--plugin "eosio::${plugin}_plugin" --genesis-json "$dir/nonexistent" >"$dir/step" 2>&1 </dev/null
		rm -rf "$dir/probe"
		! grep -q 'unable to find plugin' "$dir/step" || lacks+=" ${plugin}_plugin"
	done
	[ -z "$lacks" ] || die "this nodeos was built without$lacks, which nodeswarm needs: build it with all its plugins, or use a release"
}

make_host()
{
	swarm up 1 && swarm exec 1 test -x "$program" -a -r "$dir/bin/nodeos"
}

make_images()
{
	"$root/docker/build-image.sh" --engine "$dir/swarm/n1/docker.sock" --tag "$IMAGE" "$program" "$NODEOS" &&
		"$root/docker/build-image.sh" --engine "$dir/swarm/n1/docker.sock" --front
}

# shellcheck source=scripts/real-nodeos-flows.sh
. "$root/scripts/real-nodeos-flows.sh"

# --- all of it -----------------------------------------------------------------------------------

# leave_cluster: the next flow has the machine for itself.
leave_cluster()
{
	[ -n "$cluster" ] || return 0
	[ -z "$(docker service ls -q --filter "label=com.docker.stack.namespace=$cluster")" ] ||
		step 'what ran before is taken down' nodeswarm down --wait 180s || true
	cluster='' cluster_state=''
}

# What a person would look at first.
evidence()
{
	{
		echo "--- nodeswarm status"
		nodeswarm status
		slots '[.slots[] | select(.ready | not) | .name | select(test("[.][0-9]+$"))] | unique | .[:3][]' | while read -r slot; do
			echo "--- nodeswarm logs $slot"
			nodeswarm logs "$slot" --tail 10 | tail -n 10 | cut -c 1-200
		done
		echo "--- docker service ps"
		docker service ls -q | xargs -r docker service ps --no-trunc --format '{{.Name}} {{.CurrentState}} {{.Error}}' | head -n 30
	} 2>&1 </dev/null | sed 's/^/            | /' >&3
}

run_flow()
{
	local start=$EPOCHREALTIME result=ok
	flow=$1 what='' why='' steps=0
	say "$flow: begins"
	if ! "flow_$flow"; then
		result=FAIL
		[ "$steps" = 0 ] || evidence
	fi
	[ "$result" = ok ] || failed+="${failed:+,}$flow"
	jq -nc --arg f "$flow" --arg r "$result" --argjson s "$(since "$start")" --arg w "$([ "$result" = ok ] && echo "$what" || echo "$why")" \
		'{flow: $f, result: $r, seconds: $s, what: $w}' >>"$dir/results"
}

how_long()
{
	[[ " ${chosen[*]} " != *' replay '* ]] || echo "; its $blocks blocks take $((blocks / 120 + 1)) minutes to make"
}

table()
{
	{
		echo "FLOW|RESULT|SECONDS|WHAT"
		jq -r '"\(.flow)|\(.result)|\(.seconds)|\(.what)"' "$dir/results"
	} | awk -F'|' '{ printf "%-9s %-6s %7s  %s\n", $1, $2, $3, $4 }'
}

report()
{
	echo >&3
	table >&3
	echo >&3
	if [ -n "$failed" ]; then
		echo "These did not hold: ${failed//,/, }. The lines above say what was seen. To look at it while it runs:" >&3
		echo "  $root/scripts/real-nodeos.sh --only $failed --keep $input" >&3
	else
		echo "All held: ${#chosen[@]} of ${#chosen[@]} flows, with nodeos $full_version." >&3
	fi
	if [ -n "$json" ]; then
		jq -s --arg v "$version" --arg f "$full_version" --arg p "$package" \
			--arg e "$engine" --arg o "$("$program" version | head -n 1)" --argjson ok "$([ -z "$failed" ] && echo true || echo false)" \
			'{version: $v, full_version: $f, package: $p, nodeswarm: $o, engine: $e, passed: $ok, flows: .}' "$dir/results"
	fi
}

clean_up()
{
	local pid
	trap '' INT TERM HUP
	for pid in $(jobs -pr); do
		kill -TERM "$pid" 2>/dev/null
	done
	if [ -n "$keep" ]; then
		cat >&3 <<-END

			It runs on. To look at it, and to remove it:
			  export DOCKER_HOST=unix://$dir/swarm/n1/docker.sock
			  $root/scripts/private-swarm.sh exec $dir/swarm 1 env NODESWARM_POOL=$POOLS/${cluster:-real} $program --stack ${cluster:-real} status
			  $root/scripts/private-swarm.sh down $dir/swarm && rm -r $dir
		END
		return
	fi
	swarm down >&3 2>&1
	rm -rf --one-file-system "$dir"
}

input='' only='' keep='' json='' blocks=1000
while [ $# -gt 0 ]; do
	case $1 in
	--only=* | --blocks=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
	--only | --blocks)
		[ -n "${2-}" ] || usage_error "$1 needs a value"
		[ "$1" = --only ] && only=$2 || blocks=$2
		shift 2
		;;
	--keep) keep=1 && shift ;;
	--json) json=1 && shift ;;
	-h | --help) sed -n '2,/^set -/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \{0,1\}//' && exit 0 ;;
	-*) usage_error "unknown option '$1'" ;;
	*)
		[ -z "$input" ] || usage_error "one nodeos, not '$input' and '$1'"
		input=$1 && shift
		;;
	esac
done
[ -n "$input" ] || usage_error 'no nodeos or package named'
[[ $blocks =~ ^[0-9]+$ && $blocks -ge 50 && $blocks -le 100000 ]] || usage_error "--blocks takes 50 to 100000, not '$blocks'"
[ -n "$only" ] || only=${FLOWS// /,}
chosen=()
for flow in ${only//,/ }; do
	[[ " $FLOWS " == *" $flow "* ]] || usage_error "there is no flow '$flow': $FLOWS"
done
for flow in $FLOWS; do
	[[ ,$only, != *",$flow,"* ]] || chosen+=("$flow")
done
[ "${#chosen[@]}" -gt 0 ] || usage_error "--only names no flow: $FLOWS"
need_tools

# Standard output is for the result when that is JSON.
if [ -n "$json" ]; then
	exec 3>&2
else
	exec 3>&1
fi
BEGIN=$EPOCHREALTIME
dir=$(mktemp -d "${TMPDIR:-/var/tmp}/real-nodeos.XXXXXX") || exit 1
snapshots_pid='' cluster='' cluster_state='' failed='' package='' engine='' steps=0
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
: >"$dir/results"
export DOCKER_HOST=unix://$dir/swarm/n1/docker.sock NODESWARM_SWARM_KEEP="$dir ${NODESWARM_SWARM_KEEP-}"
flow=host what='' why=''
find_nodeos "$input"
say "nodeos: $full_version${package:+, of $package}"
need_plugins
say "flows: ${chosen[*]}$(how_long)"
say "host: a swarm of one in namespaces, in $dir/swarm"
step 'engine' make_host || exit 1
engine=$(docker version -f '{{.Server.Version}}')
step "image of it" make_images || exit 1
if [[ " ${chosen[*]} " == *' replay '* ]]; then
	start_history
	need_history
fi
for flow in "${chosen[@]}"; do
	run_flow "$flow"
done
report
[ -z "$failed" ]
