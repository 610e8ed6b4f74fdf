#!/usr/bin/env bash
# test_data_kill.sh - kill -9 and a failing syscall at every step of what changes a pool
#
# Each command is traced once; of each syscall that it does to the pool there is then a run that is
# killed as it begins it, and runs in which it fails with EIO and ENOSPC. strace counts calls for
# each thread, so the commands run with --threads 1, and the number of a call is that in its thread.
# After each of these runs: `current` names a whole generation, all generations that have a name are
# whole, the slot has its data-dir, a failure was said; and the same command done again succeeds,
# leaves nothing behind, and its effect is there.
#
#	KILL_STEP=N   only every Nth of those runs (default 16; `make soak` takes 1)
# time-limit: 900
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need strace mkfs.xfs jq
[ -e /dev/loop-control ] || skip_all 'no loop devices'

KILL_STEP=${KILL_STEP:-16}
DISK=$IT_DIR/disk
export NODESWARM_POOL=$DISK/pool
POOL=$NODESWARM_POOL
CALLS=openat,mkdirat,renameat,renameat2,linkat,unlinkat,symlinkat,fsync,fdatasync,syncfs,ioctl,copy_file_range,pwrite64,write,ftruncate,fchown,fchownat,fchmod,fchmodat,utimensat,fsetxattr,flock,getdents64

# --- what there is -------------------------------------------------------------------------------

# chain DIR SECONDS: a chain, or some more of it.
chain()
{
	mkdir -p "$IT_DIR/config"
	cat >"$IT_DIR/config/config.ini" <<-'END'
		chain-state-db-size-mb = 8
		chain-state-db-guard-size-mb = 0
		enable-stale-production = true
		producer-name = eosio
		signature-provider = EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV=KEY:5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3
		plugin = eosio::producer_api_plugin
	END
	NODESIM_FLUSH=0s timeout --preserve-status "$2" nodesim --data-dir "$1" --config-dir "$IT_DIR/config" \
		--genesis-json "$ROOT/genesis.json"
}

disk_up()
{
	truncate -s 1G "$IT_DIR/disk.img" && mkfs.xfs -q "$IT_DIR/disk.img" && mkdir "$DISK" &&
		mount -o loop "$IT_DIR/disk.img" "$DISK"
}

# Two generations that may go, and the current one; a slot with data, one without.
pool_up()
{
	local slot=$POOL/services/nodeswarm_t/1
	chain "$DISK/source" 4 || return
	mkdir "$DISK/old" && nodeswarm pool init "$POOL" &&
		nodeswarm data import "$DISK/source" && cp -a "$DISK/source" "$DISK/old/data" || return
	chain "$DISK/source" 3 && nodeswarm data import --promote "$DISK/source" || return
	chain "$DISK/source" 3 && nodeswarm data import --promote "$DISK/source" || return
	mkdir -p "$slot" "$POOL/services/nodeswarm_gone/7" && cp -a "$DISK/old/data" "$slot/data" &&
		cp -a "$DISK/old/data" "$POOL/services/nodeswarm_gone/7/data" || return
	touch "$POOL/services/nodeswarm_gone/7/lock"
	touch -d '1 year ago' "$POOL/services/nodeswarm_gone/7"
	content "$DISK/old/data" >"$IT_DIR/slot"
	cp -a --reflink=always "$POOL" "$DISK/template"
}

fresh()
{
	rm -rf "$POOL" "$DISK/copy" && cp -a --reflink=always "$DISK/template" "$POOL"
}

# --- what must be so -----------------------------------------------------------------------------

content()
{
	(cd "$1" && find . -type f -exec md5sum {} + | sort -k 2)
}

# Of each generation with a name: the files that its manifest says.
whole()
{
	local g=$POOL/generations
	diff <(cd "$g" && jq -r 'input_filename as $m | .files[] | "\($m) \(.path) \(.size_bytes)"' g*/manifest.json |
		sed 's,/manifest.json , ,' | sort) \
		<(cd "$g" && find g* -path '*/data/*' -type f -printf '%H %P %s\n' | sed 's, data/, ,' | sort) ||
		{ echo 'a generation is not whole' && return 1; }
	[ -e "$g/current/manifest.json" ] || { echo 'current names nothing' && return 1; }
}

slot_is_there()
{
	diff "$IT_DIR/slot" <(content "$POOL/services/nodeswarm_t/1/data") || { echo 'the slot has lost its data-dir' && return 1; }
}

leftovers()
{
	find "$POOL" "$DISK" -maxdepth 4 \( -name '.tmp-*' -o -name '.data-*' -o -name '.*.tmp*' -o -name '*.new' \) -print | sort -u | grep .
}

# --- the runs ------------------------------------------------------------------------------------

# calls_of COMMAND...: "CALL N KIND" of each call on the pool, N in its thread.
calls_of()
{
	strace -f -qq -y -s 256 -e trace="$CALLS" -o "$IT_DIR/trace" "$@" >/dev/null || return
	awk -v disk="$DISK" '
		{
			call = $2
			sub(/\(.*/, "", call)
			if (call !~ /^[a-z0-9_]+$/)
				next
			n[$1, call]++
			if (index($0, disk) && (call != "ioctl" || /FICLONE|FIEMAP/))
				print call, n[$1, call], /O_CREAT/ || call !~ /^(openat|getdents64|flock)$/ ? "changes" : "reads"
		}' "$IT_DIR/trace" | sort -u
}

# injected WHAT COMMAND...: sets STATUS; output in $IT_DIR/said.
injected()
{
	local what=$1
	shift
	STATUS=0
	# The inner shell, because it says "Killed".
	(
		strace -f -qq -o /dev/null --seccomp-bpf -e trace="${what%%:*}" -e inject="$what" "$@" >"$IT_DIR/said" 2>&1
		exit $?
	) 2>/dev/null || STATUS=$?
}

# torture DONE COMMAND...: DONE is a command that says whether the effect is there.
torture()
{
	local done=$1 call n kind what number=0 runs=0 bad=0 failed=0
	shift
	fresh && calls_of "$@" >"$IT_DIR/calls" || return
	while read -r call n kind; do
		for what in signal=SIGKILL error=EIO error=ENOSPC; do
			[ "$what $kind" != 'signal=SIGKILL reads' ] || continue
			number=$((number + 1))
			((number % KILL_STEP == 0)) || continue
			runs=$((runs + 1))
			fresh || return
			injected "$call:$what:when=$n" "$@"
			if ! one_ok "$done" "$call $kind" "$what" "$@" >"$IT_DIR/why" 2>&1; then
				bad=$((bad + 1))
				echo "--- $call $n $what: exit status $STATUS"
				cat "$IT_DIR/said" "$IT_DIR/why"
			fi
			[ "$STATUS" = 0 ] || failed=$((failed + 1))
		done
	done <"$IT_DIR/calls"
	it_report '|' "$(wc -l <"$IT_DIR/calls") calls, $runs of $number runs, $failed of them ended early, $bad with a fault"
	((runs > 0 && failed > 0 && bad == 0))
}

# What cannot be read is left alone by prune and gc, which is no failure of theirs.
one_ok()
{
	local done=$1 call=$2 what=$3
	shift 3
	whole && slot_is_there || return
	if [ "$STATUS" = 0 ]; then
		"$done" || [[ $call == *reads ]] || { echo 'it said done, and it is not' && return 1; }
	elif [ "$what" != signal=SIGKILL ]; then
		[ "$STATUS" -lt 128 ] || { echo 'it crashed' && return 1; }
		# The write that fails can be that of the message.
		grep -q ': .' "$IT_DIR/said" || [[ $call == write* ]] || { echo 'it did not say why' && return 1; }
	fi
	# What was done before the kill is said to be done, or done again.
	"$@" >"$IT_DIR/again" 2>&1 || "$done" || { cat "$IT_DIR/again" && echo 'and again: failed' && return 1; }
	if ! "$done" || ! whole || ! slot_is_there; then
		cat "$IT_DIR/again"
		echo 'and again: it is not done'
		return 1
	fi
	! leftovers || { echo 'and again: leftovers' && return 1; }
	if ((RANDOM % 8 == 0)); then
		nodeswarm data verify current || return
	fi
}

generations()
{
	find "$POOL/generations" -mindepth 1 -maxdepth 1 -name 'g*' -printf '%f\n' | sort
}

current()
{
	readlink "$POOL/generations/current"
}

check 'a file system with reflinks' disk_up || exit
check 'a pool with three generations' pool_up || exit
mapfile -t G < <(generations)

has_copy()
{
	[ -d "$DISK/copy" ] && diff <(content "$DISK/source") <(content "$DISK/copy")
}
check 'data clone' torture has_copy nodeswarm data clone --threads 1 "$DISK/source" "$DISK/copy"
check 'data clone, without reflinks' torture has_copy nodeswarm data clone --threads 1 --no-reflink "$DISK/source" "$DISK/copy"

has_new_current()
{
	[ "$(current)" \> "${G[2]}" ]
}
check 'data import' torture has_new_current nodeswarm data import --promote "$DISK/source"

has_slot_2()
{
	diff <(content "$POOL/generations/current/data") <(content "$POOL/services/nodeswarm_t/2/data")
}
check 'data prepare' torture has_slot_2 nodeswarm data prepare t 2

only_current()
{
	[ "$(generations)" = "${G[2]}" ]
}
check 'data prune' torture only_current nodeswarm data prune --keep count=1

first_gone()
{
	[ "$(generations)" = "$(printf '%s\n' "${G[@]:1}")" ]
}
check 'data rm' torture first_gone nodeswarm data rm "${G[0]}"

first_is_current()
{
	[ "$(current)" = "${G[0]}" ]
}
check 'data promote' torture first_is_current nodeswarm data promote "${G[0]}"

slot_gone()
{
	[ ! -e "$POOL/services/nodeswarm_gone/7" ]
}
check 'engine' engine_up &&
	check 'data gc' torture slot_gone nodeswarm data gc --remove
