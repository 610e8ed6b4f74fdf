# shellcheck shell=bash disable=SC2154
# private-lib.sh - what private-engine.sh and private-swarm.sh have in common
#
# Sourced by them, after $dir is set. A process that shall outlive the script is noted in a file as
# "PID START-TIME", because a pid alone may by then be another's.

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

usage()
{
	sed -n '2,/^set -/p' "$0" | sed '$d; s/^# \{0,1\}//'
}

start_time()
{
	local stat=''
	# Not $(<...): where that fails, bash 5.2 obeys -e whatever is around it.
	{ read -rd '' stat <"/proc/$1/stat"; } 2>/dev/null || [ -n "$stat" ] || return 1
	# shellcheck disable=SC2086
	set -- ${stat##*) }
	# A zombie has ended.
	[ "$1" != Z ] && echo "${20}"
}

# recorded FILE: the pid of the process that was noted there, if it lives.
recorded()
{
	local pid start
	{ read -r pid start <"$1"; } 2>/dev/null || return 1
	[ "$(start_time "$pid")" = "$start" ] || return 1
	echo "$pid"
}

answers()
{
	curl -sf -m 5 -o /dev/null --unix-socket "$1" http://d/_ping
}

need_tools()
{
	local tool
	for tool in "$@"; do
		type -P "$tool" >/dev/null || die "no '$tool' here: run scripts/install-deps.sh run"
	done
	[ -n "$(ls /sys/fs/cgroup 2>/dev/null)" ] || die 'no cgroups are mounted below /sys/fs/cgroup: install and run cgroupfs-mount'
}

# Named for the directory, so that two of them keep apart.
unique_name()
{
	echo "nodeswarm-$(basename "$dir" | tr -cd 'A-Za-z0-9_-')-$(cksum <<<"$dir" | cut -d' ' -f1)"
}

# remove_cgroups NAME: with all below it, once their processes have ended.
remove_cgroups()
{
	local d left end=$((SECONDS + 5))
	while [ "$SECONDS" -lt "$end" ]; do
		left=''
		for d in "/sys/fs/cgroup/$1" /sys/fs/cgroup/*/"$1"; do
			[ -d "$d" ] || continue
			find "$d" -depth -type d -exec rmdir {} + 2>/dev/null || left=$d
		done
		[ -n "$left" ] || return 0
		sleep 0.1
	done
	echo "${0##*/}: cgroup '$left' cannot be removed" >&2
}
