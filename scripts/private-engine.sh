#!/usr/bin/env bash
# private-engine.sh - a Docker Engine of its own for a try, and its complete removal
#
# usage: scripts/private-engine.sh start|stop|status DIR
#
#   start    start it, if it does not run; its socket is DIR/docker.sock
#   stop     stop it and remove what it made: data, links, packet filter rules, cgroups
#   status   exit 0 if it answers
#
# Needs root, no systemd. The engine has its data, exec root and socket in DIR and its own
# containerd, and never touches /var/run/docker.sock. It is in a mount namespace with a private
# /run and in a pid namespace: when its pid 1 is killed, every container goes with it and no mount
# stays. It is in the machine's network, so that published ports are where one looks for them;
# what a dockerd changes there is noted in DIR/before at the start and taken back by stop.
# NODESWARM_QUICKSTART_CGROUP names the cgroup of its containers (default: after DIR).
set -euo pipefail

# shellcheck source=scripts/private-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/private-lib.sh"

# --- start -------------------------------------------------------------------------------------

sysctls='net/ipv4/ip_forward net/bridge/bridge-nf-call-iptables net/bridge/bridge-nf-call-ip6tables'

# What a dockerd changes in the network of the machine, as it is now. Once a boot: what stop takes
# back are the changes since the first start.
note_before()
{
	local boot key save
	boot=$(cat /proc/sys/kernel/random/boot_id)
	[ "$(cat "$dir/before/boot_id" 2>/dev/null)" != "$boot" ] || return 0
	rm -rf "$dir/before"
	mkdir -p "$dir/before/sysctl"
	ip -o link | awk -F': ' '{ sub(/@.*/, "", $2); print $2 }' >"$dir/before/links"
	for key in $sysctls; do
		[ ! -r "/proc/sys/$key" ] || cp "/proc/sys/$key" "$dir/before/sysctl/${key//\//.}"
	done
	for save in iptables-save ip6tables-save; do
		"$save" >"$dir/before/$save" 2>/dev/null || rm -f "$dir/before/$save"
	done
	echo "$boot" >"$dir/before/boot_id"
}

# In the new namespaces, as pid 1. The name service of systemd and the lock of iptables stay shared.
inside()
{
	local run=$dir/run dockerd
	mount -t tmpfs -o mode=755 tmpfs "$run"
	if [ -d /run/systemd/resolve ]; then
		mkdir -p "$run/systemd/resolve"
		mount --bind /run/systemd/resolve "$run/systemd/resolve"
	fi
	: >>/run/xtables.lock
	: >"$run/xtables.lock"
	mount --bind /run/xtables.lock "$run/xtables.lock"
	mkdir -p "$run/lock"
	mount -n --move "$run" /run
	# These two dockerd has built in, whatever its data root.
	mount -n --bind "$dir/etc" /etc/docker
	mount -n --bind "$dir/lib" /var/lib/docker
	# runc writes a file there for each exec; the caller's may be below the /run that is hidden now.
	export TMPDIR=$dir/tmp
	# Images are only here, and an engine that asks a registry for them waits for the answer.
	export DOCKER_SERVICE_PREFER_OFFLINE_IMAGE=1
	dockerd --config-file "$dir/daemon.json" --data-root "$dir/docker" --exec-root "$dir/exec" \
		--pidfile "$dir/exec/dockerd.pid" --host "unix://$dir/docker.sock" \
		--exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$cgroup" --shutdown-timeout 15 &
	dockerd=$!
	trap 'kill -TERM "$dockerd"' TERM
	while [ -d "/proc/$dockerd" ]; do
		wait "$dockerd" || true
	done
}

start()
{
	local i pid
	! answers "$dir/docker.sock" || return 0
	need_tools dockerd containerd runc iptables ip unshare curl
	[ "${#dir}" -le 60 ] || die "'$dir' is too long: paths of sockets below it must stay under 108 bytes"
	[[ $dir/ != /run/* ]] || die "'$dir' is below /run, which the engine does not see"
	if pid=$(recorded "$dir/init.pid"); then
		kill -KILL "$pid"
	fi
	# Nothing lives that the exec root could tell of; its pid files would name other processes.
	rm -rf --one-file-system "$dir/exec"
	mkdir -p "$dir"/{docker,exec,run,etc,lib,tmp,before}
	for i in /etc/docker /var/lib/docker; do
		[ -d "$i" ] || echo "$i" >>"$dir/made"
		mkdir -p "$i"
	done
	echo '{}' >"$dir/daemon.json"
	note_before
	rm -f "$dir/docker.sock"
	setsid unshare --mount --pid --fork --kill-child --mount-proc --propagation slave \
		"${BASH_SOURCE[0]}" inside "$dir" </dev/null >>"$dir/dockerd.log" 2>&1 &
	pid=$!
	for ((i = 0; i < 1200; i++)); do
		if answers "$dir/docker.sock"; then
			pid=$(pgrep -P "$pid")
			echo "$pid $(start_time "$pid")" >"$dir/init.pid"
			return
		fi
		[ -d "/proc/$pid" ] || break
		sleep 0.05
	done
	tail -n 12 "$dir/dockerd.log" >&2
	! kill -KILL "$pid" 2>/dev/null || sleep 0.2
	die "the engine did not start, see '$dir/dockerd.log'"
}

# --- stop --------------------------------------------------------------------------------------

end_processes()
{
	local pid i
	pid=$(recorded "$dir/init.pid") || return 0
	kill -TERM "$pid"
	for ((i = 0; i < 300; i++)); do
		recorded "$dir/init.pid" >/dev/null || return 0
		sleep 0.1
	done
	kill -KILL "$pid"
	while recorded "$dir/init.pid" >/dev/null; do
		sleep 0.1
	done
}

# is_new NAME: a link that was not there before us.
is_new()
{
	ip link show "$1" >/dev/null 2>&1 && ! grep -qx -- "$1" "$dir/before/links"
}

# rules_since TABLES SAVE: rules of docker that are in the table now and were not before.
rules_since()
{
	awk -v bridges="$1" -v before="$dir/before/$2" '
		function key(line) { return table SUBSEP line }
		BEGIN {
			while ((getline line < before) > 0) {
				if (line ~ /^\*/) table = substr(line, 2)
				sub(/^\[[0-9:]*\] /, "", line)
				had[table, line] = 1
			}
		}
		/^\*/ { table = substr($0, 2) }
		# A published port has a rule that names no bridge, from the container to itself.
		{ itself = $2 == "POSTROUTING" && $4 == $6 && / -j MASQUERADE$/ }
		/^-A / && !/"/ && (itself || $0 ~ "DOCKER|" bridges) && !((table, $0) in had) { print table, $0 }
	' < <("$2")
}

# Only rules and chains of docker, and only those that are new; then the policy that dockerd sets.
take_back_rules()
{
	local bridges=$1 tool save table rule chain
	for tool in iptables ip6tables; do
		save=$tool-save
		[ -e "$dir/before/$save" ] || continue
		rules_since "$bridges" "$save" | while read -r table _ rule; do
			# shellcheck disable=SC2086 # the words of a rule
			"$tool" -w 10 -t "$table" -D $rule 2>/dev/null || true
		done
		"$save" | awk '/^\*/ { t = substr($0, 2) } /^:DOCKER/ { print t, substr($1, 2) }' | while read -r table chain; do
			awk -v t="*$table" -v c=":$chain" '/^\*/ { in_t = ($0 == t) } in_t && $1 == c { found = 1 } END { exit !found }' \
				"$dir/before/$save" || echo "$table $chain"
		done >"$dir/chains"
		while read -r table chain; do
			"$tool" -w 10 -t "$table" -F "$chain"
		done <"$dir/chains"
		while read -r table chain; do
			"$tool" -w 10 -t "$table" -X "$chain"
		done <"$dir/chains"
		if [ "$(policy <"$dir/before/$save")" != DROP ] && [ "$("$save" | policy)" = DROP ]; then
			"$tool" -w 10 -P FORWARD ACCEPT
		fi
	done
}

policy()
{
	awk '/^\*/ { t = $0 } t == "*filter" && $1 == ":FORWARD" { print $2 }'
}

take_back_network()
{
	local link bridges='docker0|docker_gwbridge' key value
	# The engine's own record of its networks, which is there when it does not run, too.
	while read -r link; do
		bridges+="|$link"
	done < <(grep -aoE 'br-[0-9a-f]{12}' "$dir/docker/network/files/local-kv.db" | sort -u)
	take_back_rules "$bridges"
	for link in ${bridges//|/ }; do
		! is_new "$link" || ip link del "$link"
	done
	for key in $sysctls; do
		value=$(cat "$dir/before/sysctl/${key//\//.}" 2>/dev/null) || continue
		[ "$(cat "/proc/sys/$key" 2>/dev/null)" = "$value" ] || echo "$value" >"/proc/sys/$key"
	done
}

stop()
{
	[ -d "$dir/before" ] || return 0
	end_processes
	if [ "$(cat "$dir/before/boot_id")" = "$(cat /proc/sys/kernel/random/boot_id)" ]; then
		if curl -sf -m 5 -o /dev/null --unix-socket /var/run/docker.sock http://d/_ping; then
			echo "private-engine.sh: another engine runs by now and shares bridges and packet filter rules: these stay" >&2
		else
			take_back_network
		fi
	fi
	remove_cgroups "$cgroup"
	[ ! -e "$dir/made" ] || xargs -r rmdir <"$dir/made" 2>/dev/null || true
	rm -rf --one-file-system "${dir:?}"/{docker,exec,run,etc,lib,tmp,before,daemon.json,docker.sock,init.pid,chains,made,dockerd.log}
	rmdir "$dir" 2>/dev/null || true
}

case "${1-} $#" in
'-h 1' | '--help 1') usage && exit 0 ;;
'start 2' | 'stop 2' | 'status 2' | 'inside 2') ;;
*) usage >&2 && exit 2 ;;
esac
dir=$(realpath -m "$2")
[ "$(id -u)" = 0 ] || die 'needs root'
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
mkdir -p "$(dirname "$dir")"
cgroup=${NODESWARM_QUICKSTART_CGROUP:-}
cgroup=${cgroup#/}
[ -n "$cgroup" ] || cgroup=$(unique_name)
case $1 in
start) start ;;
inside) inside ;;
stop) stop ;;
status) answers "$dir/docker.sock" ;;
esac
