#!/usr/bin/env bash
# test_harness.sh - the harness itself: counts, engines, and that nothing is left behind
# time-limit: 180
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"

# Runs within this run: their directories are below T, their processes in our pid namespace.
T=$IT_HOSTDIR/tmp
mkdir -p "$T/samples"
pidns=$(stat -Lc %i /proc/self/ns/pid)
run=$ROOT/tests/it/run
export IT_LOGS=$T/logs

# sample NAME: a test file from standard input.
sample()
{
	{
		echo '#!/usr/bin/env bash'
		echo ". '$ROOT/tests/it/lib.sh'"
		cat
	} >"$T/samples/test_$1.sh"
}

# run_samples OPTIONS NAME...
run_samples()
{
	local options=$1 files
	shift
	files=("${@/#/$T/samples/test_}")
	# shellcheck disable=SC2086
	TMPDIR=$T "$run" $options "${files[@]/%/.sh}"
}

# --- results -----------------------------------------------------------------------------------

sample cases <<'END'
pass one
fail two 'a reason'
skip three 'another reason'
check four true
check five sh -c 'echo some output; exit 7'
check six expect_fail 3 'so+rry' sh -c 'echo soorry >&2; exit 3'
check seven expect_fail 3 sorry sh -c 'echo sorry; exit 4'
check eight expect_fail 3 sorry sh -c 'exit 3'
check nine expect_fail any sorry sh -c 'echo sorry; exit 0'
check ten expect done echo done
check eleven expect done echo none
check twelve wait_for 5 mkdir "$IT_DIR/x"
check thirteen wait_for 1 mkdir "$IT_DIR/x"
END
sample skipped <<'END'
need no-such-program
pass 'never reached'
END
sample dies <<'END'
pass one
echo last words
exit 9
END
sample empty <<'END'
END
sample hangs <<'END'
pass one
sleep 1000
END

cases()
{
	local name want
	run_samples "" cases >"$T/out"
	echo "exit status $?" >>"$T/out"
	cat "$T/out"
	while read -r want name; do
		grep -Eq "^$want +cases: $name( |\$)" "$T/out" || { echo "wanted: $want $name" && return 1; }
	done <<-END
		ok one
		FAIL two
		skip three
		ok four
		FAIL five
		ok six
		FAIL seven
		FAIL eight
		FAIL nine
		ok ten
		FAIL eleven
		ok twelve
		FAIL thirteen
	END
	grep -qx '      | some output' "$T/out" && grep -qx '5 passed, 7 failed, 1 skipped' "$T/out" &&
		grep -qx 'exit status 1' "$T/out"
}
check 'each kind of case is told and counted' cases
check 'the log of a failed file is kept' grep -rq 'some output' "$T/logs"
rm -rf "$T/logs"
check 'a missing program skips the file' expect 'skip  skipped: .*no-such-program' run_samples '' skipped
check 'a file that dies is a failure' expect_fail 1 'FAIL  dies: .*exit status 9' run_samples '' dies
check 'a file without cases is a failure' expect_fail 1 'FAIL  empty: .*ran none' run_samples '' empty
check 'a time limit ends a file' expect_fail 1 'FAIL  hangs: .*time limit of 2 s' run_samples '-t 2' hangs
check 'two files at a time' expect_fail 1 '^2 passed, 2 failed, 1 skipped' \
	run_samples '-j 2 -t 2' dies hangs skipped

# --- an engine ---------------------------------------------------------------------------------

sums()
{
	outside sh -c 'ip link; ip -4 addr; iptables -S; ip6tables -S' 2>&1 | sha256sum
}
outside_before=$(sums)

running()
{
	[ "$(docker service ps -f desired-state=running --format '{{.CurrentState}}' "$1" | grep -c '^Running')" = "$2" ]
}
first_container()
{
	docker ps -q --no-trunc | head -n1
}
containers_now()
{
	docker ps -q --no-trunc | sort
}

check 'an engine starts' engine_up
check 'it is alone in its swarm' expect '^active node1 1$' docker info -f '{{.Swarm.LocalNodeState}} {{.Name}} {{.Swarm.Nodes}}'
check 'an image of local programs' tiny_image it/tools sleep getent cat
docker network create -d overlay net
check 'a service starts' docker service create --detach -q --name s --network net --endpoint-mode dnsrr \
	--replicas 2 --stop-signal KILL --restart-delay 1s it/tools 1000
check 'its tasks run' wait_for 10 running s 2
check 'names of tasks resolve' expect '^10\.200\.' docker exec "$(first_container)" getent hosts tasks.s

unknown_name()
{
	local start=$EPOCHREALTIME
	expect_fail 2 '' docker exec "$(first_container)" getent hosts nosuch
	awk -v s="$(since "$start")" 'BEGIN { exit s > 3 }'
}
check 'an unknown name fails at once' unknown_name

kill9()
{
	local before
	before=$(containers_now)
	[ -n "$before" ] && engine_kill9 || return
	expect_fail any 'Cannot connect' docker version || return
	[ "$(pgrep -cx sleep)" -ge 2 ] || { echo 'the containers died as well' && return 1; }
}
check 'SIGKILL to the engine leaves containers' kill9
check 'it starts again' engine_restart
check 'the service comes back' wait_for 30 running s 2
check 'the engine was added to nothing outside' test "$(sums)" = "$outside_before"
check 'the engine goes away' engine_down
check 'its containers, too' expect_fail 1 '^0$' pgrep -cx 'sleep|containerd.*|dockerd'
check 'a fresh one starts' engine_up --no-swarm
check 'without a swarm or images' expect '^inactive 0$' docker info -f '{{.Swarm.LocalNodeState}} {{.Images}}'
engine_down

# --- what is left ------------------------------------------------------------------------------

sample short <<'END'
check 'engine' engine_up
check 'image' tiny_image it/tools sleep
docker service create --detach -q --name s --replicas 2 it/tools 1000
two() { [ "$(docker ps -q | wc -l)" = 2 ]; }
check 'tasks' wait_for 20 two
sleep 4
check 'still there' two
END
sample long <<'END'
engine_up && tiny_image it/tools sleep
docker run -d it/tools 1000
disk=$IT_DIR/disk-$(cat "${BASH_SOURCE[0]%/*}/id")
truncate -s 20M "$disk"
dev=$(losetup -f --show "$disk")
mkfs.ext4 -q "$dev"
mkdir "$IT_DIR/mnt"
mount "$dev" "$IT_DIR/mnt"
setsid sleep 2000 &
touch "$IT_DIR/ready"
sleep 1000
END
sample swarm <<'END'
. "$ROOT/tests/it/swarm.sh"
swarm_up 2 && swarm_image it/tools sleep
D 2 run -d it/tools 1000
touch "$IT_DIR/ready"
sleep 1000
END

echo "$pidns" >"$T/samples/id"

need mkfs.ext4 losetup
# All but this shell, which may just be starting another program, and ps.
processes()
{
	local list
	list=$(ps -e -o args=)
	grep -v -e '^ps -e' -e 'test_harness.sh$' <<<"$list" | cut -c1-150 | sort
}
links()
{
	ip -o link | cut -d: -f2
}
links_before=$(links)
processes_before=$(processes)

things_of_runs()
{
	ls -d "$T"/nsit-* /sys/fs/cgroup/nsit-"$pidns"-* /sys/fs/cgroup/*/nsit-"$pidns"-* 2>/dev/null
	losetup -nlO BACK-FILE | grep -F "disk-$pidns"
	grep -F "$T/nsit-" /proc/mounts
	ip netns list
}
nothing_left()
{
	local rc=0
	expect '^$' things_of_runs || rc=1
	same_processes || rc=1
	[ "$(links)" = "$links_before" ] || rc=1
	return "$rc"
}
same_processes()
{
	local now
	now=$(processes)
	[ "$now" = "$processes_before" ] || { echo "$now" && return 1; }
}
check 'nothing is left of the runs so far' nothing_left

# start NAME: a run in a process group of its own, as a terminal would start it.
start()
{
	TMPDIR=$T env --default-signal=INT setsid "$run" "$T/samples/test_$1.sh" >"$T/$1.out" 2>&1 &
	started=$!
}
ready()
{
	wait_for 20 is_ready "$1"
}
is_ready()
{
	ls "$T"/nsit-*-"$1"-*/test_*/ready
}

ctrl_c()
{
	local long short rc=0
	start long && long=$started
	start short && short=$started
	ready "$long" || return
	kill -INT -- "-$long"
	wait "$long" || rc=$?
	[ "$rc" = 130 ] || { echo "exit status $rc" && return 1; }
	wait "$short" || { cat "$T/short.out" && return 1; }
	grep -x '4 passed, 0 failed, 0 skipped' "$T/short.out" || { cat "$T/short.out" && return 1; }
}
check 'Ctrl-C ends a run and leaves its neighbour alone' ctrl_c
check 'and leaves nothing' nothing_left

kill_main()
{
	start "$1"
	ready "$started" || return
	kill -KILL "$started"
	wait "$started" 2>/dev/null
	wait_for 5 nothing_left
}
check 'SIGKILL to a run leaves nothing' kill_main long
check 'nor of a swarm of several nodes' kill_main swarm

kill_all_shells()
{
	start long
	ready "$started" || return
	kill -KILL -- "-$started"
	wait "$started" 2>/dev/null
	wait_for 5 same_processes || return
	[ -n "$(things_of_runs)" ] || { echo 'nothing left to sweep: this tests nothing' && return 1; }
	TMPDIR=$T "$run" --sweep
}
check 'SIGKILL to all its shells ends its processes' kill_all_shells
check 'and the next run sweeps the rest' nothing_left
