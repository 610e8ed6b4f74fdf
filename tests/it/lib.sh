# shellcheck shell=bash
# lib.sh - what a test file of tests/it may use
#
# A test file begins with
#
#	#!/usr/bin/env bash
#	# time-limit: 120
#	# shellcheck source=tests/it/lib.sh
#	. "$(dirname "$0")/lib.sh"
#
# and runs through tests/it/run, also when it is started by hand. It is in namespaces of its own:
# it sees only its own processes, mounts and interfaces, /run, /etc and /usr/local are private
# copies, and all of it is gone when the file ends, however it ends. Nothing has to be cleaned up by hand, except
# what the kernel has only once (loop devices, cgroups outside $IT_CGROUP).
#
#	IT_DIR       a fresh directory, short enough for socket paths; IT_HOSTDIR is its path outside
#	IT_CGROUP    the cgroup of the engine's containers, below each hierarchy's root
#	ROOT BUILD   the source tree, the directory of the programs; BUILD is first in PATH
#	DOCKER_HOST  the engine's socket; exists after engine_up
#
# Cases:
#	check NAME COMMAND...               one test case; passes if COMMAND exits 0. Returns its status
#	pass NAME / fail NAME [WHY]         a case with a known end
#	skip NAME REASON                    a case that cannot run here
#	skip_all REASON                     the whole file; does not return
#	need PROGRAM...                     skip_all unless the programs are installed
# Conditions, to be used alone or after check NAME:
#	expect_fail STATUS PATTERN CMD...   CMD exits with STATUS ("any": not 0), its output matches the
#	                                    extended regular expression PATTERN
#	expect PATTERN CMD...               CMD exits 0 and its output matches
#	wait_for SECONDS CMD...             CMD exits 0 within SECONDS; it is run five times a second
# Engine (one for each file; its log is $IT_DIR/dockerd.log):
#	engine_up [--no-swarm] [ARG...]     start dockerd, "swarm init"; ARGs go to dockerd
#	engine_kill9                        SIGKILL to dockerd: its containerd dies, containers live on
#	engine_stop                         SIGTERM, and wait: containers are stopped
#	engine_restart [ARG...]             stop it if it runs, start it with the same data
#	engine_down                         kill all of it, forget the data
#	tiny_image TAG PROGRAM...           an image of programs of this machine; the first is entrypoint
# Else:
#	outside CMD...                      run CMD in the network that tests/it/run was started in, and
#	                                    with a copy of its mounts; its working directory is /
#	now                                 seconds with a fraction
#	since T                             seconds since T, with a fraction

[ -n "${IT_DIR:-}" ] || exec "$(dirname "${BASH_SOURCE[0]}")/run" "$0"
set -u

now()
{
	echo "$EPOCHREALTIME"
}

since()
{
	awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f\n", b - a }'
}

# With -e jq 1.6 is content with no document at all: a curl that failed before it would pass.
jq()
{
	local out
	if [ "${1-}" != -e ]; then
		command jq "$@"
		return
	fi
	out=$(command jq "$@") || return
	printf '%s\n' "$out"
	[ -n "$out" ]
}

# --- cases -------------------------------------------------------------------------------------

it_report()
{
	local IFS=$'\t'
	printf '%s\n' "$*" >&50
}

pass()
{
	echo "=== ok: $1"
	it_report ok "$1"
}

fail()
{
	echo "=== FAIL: $1 ${2-}"
	it_report FAIL "$1" "${2-}"
}

skip()
{
	echo "=== skip: $1: $2"
	it_report skip "$1" "$2"
}

skip_all()
{
	skip 'the whole file' "$1"
	exit 0
}

need()
{
	local program
	for program in "$@"; do
		type -P "$program" >/dev/null || skip_all "no '$program' installed"
	done
}

check()
{
	local name=$1 rc=0 start=$EPOCHREALTIME line
	shift
	echo "=== $name: $*"
	"$@" >"$IT_DIR/check.out" 2>&1 || rc=$?
	cat "$IT_DIR/check.out"
	if [ "$rc" = 0 ]; then
		echo "=== ok: $name"
		it_report ok "$name" "$(since "$start") s"
	else
		echo "=== FAIL: $name: exit status $rc"
		it_report FAIL "$name" "exit status $rc after $(since "$start") s: $*"
		tail -n 12 "$IT_DIR/check.out" | while IFS= read -r line; do it_report '|' "${line//$'\t'/ }"; done
	fi
	return "$rc"
}

expect_fail()
{
	local status=$1 pattern=$2 out rc=0
	shift 2
	out=$("$@" 2>&1) || rc=$?
	printf '%s\n' "$out"
	if [ "$status" = any ] && [ "$rc" = 0 ]; then
		echo "expected a failure, but it exited with 0"
		return 1
	elif [ "$status" != any ] && [ "$rc" != "$status" ]; then
		echo "expected exit status $status, but it exited with $rc"
		return 1
	elif ! grep -Eq -- "$pattern" <<<"$out"; then
		echo "expected output that matches '$pattern'"
		return 1
	fi
}

expect()
{
	local pattern=$1 out rc=0
	shift
	out=$("$@" 2>&1) || rc=$?
	printf '%s\n' "$out"
	if [ "$rc" != 0 ]; then
		echo "expected success, but it exited with $rc"
		return 1
	elif ! grep -Eq -- "$pattern" <<<"$out"; then
		echo "expected output that matches '$pattern'"
		return 1
	fi
}

wait_for()
{
	local seconds=$1 end
	shift
	end=$((${EPOCHREALTIME/./} + seconds * 1000000))
	until "$@" >"$IT_DIR/wait.out" 2>&1; do
		if [ "${EPOCHREALTIME/./}" -ge "$end" ]; then
			cat "$IT_DIR/wait.out"
			echo "not within $seconds s: $*"
			return 1
		fi
		sleep 0.2
	done
	cat "$IT_DIR/wait.out"
}

outside()
{
	TMPDIR=$IT_HOSTDIR/tmp HOME=$IT_HOSTDIR/home nsenter --mount=/proc/self/fd/51 --net=/proc/self/fd/52 -- \
		unshare --mount --propagation slave -- "$@"
}

# --- engine ------------------------------------------------------------------------------------

engine_answers()
{
	curl -sf -m 2 -o /dev/null --unix-socket "$IT_DIR/docker.sock" http://d/_ping
}

engine_pid()
{
	cat /run/dockerd.pid 2>/dev/null
}

# it_gone PID: a zombie counts as gone.
it_gone()
{
	! grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status"
}

it_wait_gone()
{
	local pid=$1 i
	for ((i = 0; i < 600; i++)); do
		! it_gone "$pid" || return 0
		sleep 0.05
	done
	echo "process $pid does not end" >&2
	return 1
}

# Cgroups by cgroupfs, because there is no systemd in here.
it_dockerd()
{
	local i pid
	rm -f /run/dockerd.pid "$IT_DIR/docker.sock"
	(
		export DOCKER_SERVICE_PREFER_OFFLINE_IMAGE=1
		setsid dockerd --data-root "$IT_DIR/docker" --exec-root /run/docker --pidfile /run/dockerd.pid \
			--host "$DOCKER_HOST" --cgroup-parent "$IT_CGROUP" --exec-opt native.cgroupdriver=cgroupfs "$@" \
			50>&- 51<&- 52<&- </dev/null >>"$IT_DIR/dockerd.log" 2>&1 &
		echo $! >"$IT_DIR/dockerd.shell.pid"
	)
	pid=$(cat "$IT_DIR/dockerd.shell.pid")
	for ((i = 0; i < 1200; i++)); do
		! engine_answers || return 0
		if it_gone "$pid"; then
			break
		fi
		sleep 0.05
	done
	tail -n 12 "$IT_DIR/dockerd.log"
	echo 'the engine does not start'
	return 1
}

engine_up()
{
	local swarm=1
	if [ "${1-}" = --no-swarm ]; then
		swarm='' && shift
	fi
	it_dockerd "$@" || return
	[ -z "$swarm" ] || docker swarm init --advertise-addr 192.168.77.1 --listen-addr 192.168.77.1:2377 \
		--default-addr-pool 10.200.0.0/16 >/dev/null
}

engine_kill9()
{
	local pid child
	pid=$(engine_pid) || return
	child=$(cat /run/docker/containerd/containerd.pid 2>/dev/null)
	kill -KILL "$pid" && it_wait_gone "$pid" || return
	[ -z "$child" ] || it_wait_gone "$child"
}

engine_stop()
{
	local pid
	pid=$(engine_pid) || return
	kill -TERM "$pid" && it_wait_gone "$pid"
}

engine_restart()
{
	local pid
	if pid=$(engine_pid) && ! it_gone "$pid"; then
		engine_stop || return
	fi
	it_dockerd "$@"
}

# Namespaces make "all processes of that name" mean ours.
engine_down()
{
	local pid d mount
	pid=$(engine_pid) && ! it_gone "$pid" && engine_kill9
	for pid in /proc/[0-9]*; do
		case $(cat "$pid/comm" 2>/dev/null) in
		containerd*) kill -KILL "${pid#/proc/}" 2>/dev/null ;;
		esac
	done
	for d in "/sys/fs/cgroup$IT_CGROUP" /sys/fs/cgroup/*"$IT_CGROUP"; do
		[ -d "$d" ] || continue
		find "$d" -name cgroup.procs -exec cat {} + | sort -u | xargs -r kill -KILL 2>/dev/null
	done
	wait_for 10 it_no_cgroups >/dev/null || return
	awk '$2 ~ "^/run/(it/docker|docker)(/|$)" { print $2 }' /proc/mounts | sort -r | while read -r mount; do
		umount -l "$mount"
	done
	rm -rf "$IT_DIR/docker" /run/docker /run/dockerd.pid "$IT_DIR/docker.sock"
}

it_no_cgroups()
{
	local d
	for d in "/sys/fs/cgroup$IT_CGROUP" /sys/fs/cgroup/*"$IT_CGROUP"; do
		[ -d "$d" ] || continue
		find "$d" -depth -mindepth 1 -type d -exec rmdir {} + || return
	done
}

tiny_image()
{
	local tag=$1
	shift
	"$ROOT/docker/build-image.sh" --quiet --tag "$tag" "$@"
}
