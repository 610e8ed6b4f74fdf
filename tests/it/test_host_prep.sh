#!/usr/bin/env bash
# swarm/: preparing a host, its undo, and stopping its slots before docker. /etc is this test's own.
# time-limit: 150
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need jq mkfs.ext4 blkid mountpoint

POOL=$IT_DIR/pool
SWARM=$ROOT/swarm
prepare()
{
	"$SWARM/prepare-host.sh" --pool "$POOL" "$@"
}

# Everything that prepare-host.sh may touch, as one text: names, modes, contents. The pool's id is
# random, so it is left out where two different pools are compared.
snapshot()
{
	local f
	find /usr/local/lib/nodeswarm /etc/fstab /etc/sysctl.d /etc/modules-load.d /etc/systemd "$POOL" 2>/dev/null | sort | while read -r f; do
		if [ -L "$f" ]; then
			echo "$f -> $(readlink "$f")"
		elif [ -f "$f" ]; then
			echo "$f $(stat -c '%a %Y' "$f") $(cksum <"$f")"
		else
			echo "$f $(stat -c %a "$f")"
		fi
	done
}

# same NAME COMMAND...: COMMAND changes nothing
same()
{
	local before
	before=$(snapshot)
	"$@" || return
	diff <(echo "$before") <(snapshot)
}

rm -f /usr/local/*bin/nodeswarm
COPY=/usr/local/lib/nodeswarm/nodeswarm
# As systemd would: the commands of the unit that was installed.
exec_of()
{
	sed -n "s/^$1=-\{0,1\}//p" /etc/systemd/system/nodeswarm-quiesce.service
}

# --- options -----------------------------------------------------------------------------------

for script in prepare-host init-swarm join-swarm label-node save-images; do
	check "$script.sh -h" expect 'usage: swarm/' "$SWARM/$script.sh" -h
	check "$script.sh refuses what it does not know" expect_fail 2 "unknown option '--nonsense'" \
		"$SWARM/$script.sh" --nonsense
done
check 'a pool with a blank is refused' expect_fail 2 'not an absolute path' "$SWARM/prepare-host.sh" --pool '/a b'
check 'an address with a quote is refused' expect_fail 2 'not an address' "$SWARM/prepare-host.sh" --address '1"'

# --- a directory as pool -----------------------------------------------------------------------

echo '# a line of the host' >/etc/fstab
clean=$(snapshot)
check 'dry-run changes nothing' same prepare --dry-run
check 'dry-run says what it would do' expect 'would write .*/docker.service.d/60-nodeswarm.conf' prepare --dry-run
check 'prepare' prepare --address 10.9.8.7
check 'there is a pool' expect "$POOL" nodeswarm pool status "$POOL"
check 'host.json' test "$(jq -c . "$POOL/host.json")" = '{"format":1,"address":"10.9.8.7","is_mount":false}'
check 'again: the same' same prepare
check 'the unit runs a copy of nodeswarm' expect "^$COPY " exec_of ExecStop
check 'of root' test "$(stat -c '%u %a' "$COPY")" = '0 755'
echo other >"$COPY"
check 'a copy that differs is made anew' prepare
check 'it is the same then' cmp "$COPY" "$BUILD/nodeswarm"
cp "$BUILD/nodeswarm" /usr/local/bin
check 'an installed one needs no copy' expect "removed $COPY" prepare
check 'the unit runs that' expect '^/usr/local/bin/nodeswarm ' exec_of ExecStop
rm /usr/local/bin/nodeswarm
check 'and not any more' expect "wrote $COPY" prepare

mkdir "$IT_DIR/bin"
cat >"$IT_DIR/bin/docker" <<'END'
#!/bin/sh
case $* in *State*) echo active ;; *Addr*) echo 10.9.8.9 ;; esac
END
chmod 755 "$IT_DIR/bin/docker"
address()
{
	PATH=$IT_DIR/bin:$PATH prepare "$@" >/dev/null && jq -r .address "$POOL/host.json"
}
check "docker's address goes before the known one" expect '^10\.9\.8\.9$' address
check 'and a given one before both' expect '^10\.9\.8\.6$' address --address 10.9.8.6
check 'without docker it is kept' same prepare
check 'again with another address: only that' expect 'wrote .*/host.json' prepare --address 10.9.8.8

verify()
{
	systemd-analyze verify nodeswarm-quiesce.service nodeswarm-firewall.service nodeswarm-firewall-follow.service docker.service reboot.target poweroff.target 2>&1 |
		tee "$IT_DIR/verify" | grep -E 'nodeswarm|JobTimeout' && return 1
	return 0
}
if command -v systemd-analyze >/dev/null; then
	check 'systemd accepts the units' verify
else
	skip 'systemd accepts the units' 'no systemd-analyze here'
fi
check 'the unit is wanted by docker' test "$(readlink -f /etc/systemd/system/docker.service.wants/nodeswarm-quiesce.service)" = \
	/etc/systemd/system/nodeswarm-quiesce.service

check 'undo, dry-run: nothing' same prepare --undo --dry-run
check 'undo' prepare --undo
rm -rf "$POOL"
check 'all but the pool is as before' diff <(echo "$clean") <(snapshot)

# --- a mount as pool ---------------------------------------------------------------------------

IMAGE=$IT_DIR/pool.img
truncate -s 64M "$IMAGE"
check 'a file without file system is refused' expect_fail 1 'has no file system' prepare --mount "$IMAGE"
check 'dry-run of a mount changes nothing' same prepare --dry-run --mount "$IMAGE" --make-fs ext4
mkdir -p "$POOL" && touch "$POOL/precious"
check 'a mount does not hide files' expect_fail 1 'not empty' prepare --mount "$IMAGE" --make-fs ext4
check 'and then no file system was made' expect_fail 2 '' blkid -p "$IMAGE"
rm "$POOL/precious"

# fstab_is TEXT COMMAND...: with TEXT as /etc/fstab the COMMAND is refused, and fstab stays
fstab_is()
{
	local rc=0
	printf '%b' "$1" | tee "$IT_DIR/fstab" >/etc/fstab
	expect_fail 1 "not one '# nodeswarm: begin'" "${@:2}" || rc=1
	diff "$IT_DIR/fstab" /etc/fstab || rc=1
	return "$rc"
}
for text in 'begin\n/a /b ext4\n/host /x ext4' 'end\n/a /b ext4\n# nodeswarm: begin' 'end' \
	'begin\n# nodeswarm: begin\n# nodeswarm: end' 'begin\n# nodeswarm: end\n# nodeswarm: end'; do
	check "marks lost, mount: $text" fstab_is "# one\n# nodeswarm: $text\n" prepare --mount "$IMAGE" --make-fs ext4
	check "marks lost, undo: $text" fstab_is "# one\n# nodeswarm: $text\n" prepare --undo
done
echo '# a line of the host' >/etc/fstab
truncate -s 64M "$IT_DIR/swap.img"
/sbin/mkswap "$IT_DIR/swap.img" >/dev/null
check 'what holds no file system is refused' expect_fail 1 "holds 'swap'" prepare --mount "$IT_DIR/swap.img" --make-fs ext4
check 'fstab is untouched by all that' test "$(cat /etc/fstab)" = '# a line of the host'
check 'prepare a mount' prepare --mount "$IMAGE" --make-fs ext4
check 'it is mounted' mountpoint -q "$POOL"
check 'fstab has it' expect "^$IMAGE $POOL ext4 loop,nofail 0 0" cat /etc/fstab
check 'fstab keeps the line of the host' grep -qx '# a line of the host' /etc/fstab
check 'findmnt accepts fstab' findmnt --verify --tab-file /etc/fstab
check 'host.json says mount' test "$(jq .is_mount "$POOL/host.json")" = true
check 'again: the same' same prepare --mount "$IMAGE" --make-fs ext4
check 'a directory later: still a mount' same prepare
check 'another source on a mounted pool is refused' expect_fail 1 'is mounted .* and not' \
	prepare --mount "$IT_DIR/swap.img"
check 'which changes nothing' same prepare --mount "$IMAGE"
exec 8<"$POOL/pool.json"
check 'undo while it is in use is refused' expect_fail 1 'is in use' prepare --undo
exec 8<&-
check 'and changes nothing' same prepare --mount "$IMAGE"
id=$(jq -r .id "$POOL/pool.json")
doctor_line()
{
	nodeswarm --pool "$POOL" --json doctor | jq -r --arg c "$1" '.checks[] | select(.check == $c) | "\(.level) \(.found)"'
}
check 'doctor: the pool is fine' expect '^ok ' doctor_line pool
umount "$POOL"
check 'doctor: not mounted' expect '^problem .*not mounted' doctor_line pool
check 'not mounted: no pool is made there' expect_fail 1 'not mounted' prepare
check 'not mounted: nodeswarm makes none either' expect_fail 1 'other files' nodeswarm pool init "$POOL"
check 'prepare mounts it again' prepare --mount "$IMAGE"
check 'the same pool' test "$(jq -r .id "$POOL/pool.json")" = "$id"
check 'undo of the mount, which fstab names' "$SWARM/prepare-host.sh" --undo
check 'it is not mounted any more' expect_fail any '' mountpoint -q "$POOL"
check 'fstab is as before' test "$(cat /etc/fstab)" = '# a line of the host'
rmdir "$POOL"

# --- an image as pool --------------------------------------------------------------------------

if command -v mkfs.xfs xfs_growfs >/dev/null; then
	rm -f "$IMAGE"
	before=$(snapshot)
	check '--size and --mount are two ways' expect_fail 2 'does not go with' prepare --size 300M --mount "$IMAGE"
	check 'dry-run of an image changes nothing' same prepare --dry-run --size 300M
	check 'prepare an image' prepare --size 300M
	check 'XFS is mounted' test "$(findmnt -no FSTYPE "$POOL")" = xfs
	check 'not by fstab' test "$(cat /etc/fstab)" = '# a line of the host'
	check 'host.json says mount, too' test "$(jq .is_mount "$POOL/host.json")" = true
	check 'again: an image' same prepare --size 300M
	check 'without the option: still an image' same prepare
	check 'doctor: clones' expect '^ok clones share blocks' doctor_line pool-clones
	check 'doctor: the image' expect '^ok .*has its space reserved' doctor_line pool-image
	check 'a source for it is refused' expect_fail 1 'is an image of' prepare --mount "$IT_DIR/swap.img"
	exec 8<"$POOL/pool.json"
	check 'undo of an image in use is refused' expect_fail 1 'is in use' prepare --undo
	exec 8<&-
	other_unit=/etc/systemd/system/$(systemd-escape -p --suffix=mount "$IT_DIR/zother" 2>/dev/null || echo zother.mount)
	printf "# Written by 'nodeswarm pool init --size'\n[Mount]\nWhere=%s\n" "$IT_DIR/zother" >"$other_unit"
	check 'undo of another pool' expect "prepared for the pool '$POOL'" "$SWARM/prepare-host.sh" --pool "$IT_DIR/elsewhere" --undo
	check 'leaves this one and its units' same prepare
	check 'undo of the image' "$SWARM/prepare-host.sh" --undo
	check 'the unit of another pool stays' test -e "$other_unit"
	rm -f "$other_unit"
	check 'its data stays' test -s "$POOL.img"
	rm "$POOL.img" && rmdir "$POOL"
	check 'all is as before' diff <(echo "$before") <(snapshot)
else
	skip 'an image as pool' 'no xfsprogs here'
fi

# --- what the unit runs ------------------------------------------------------------------------

state()
{
	jq -r .state "$POOL/services/$1/run.json"
}

state_is()
{
	[ "$(state "$1")" = "$2" ]
}

# supervise SERVICE SLOT: a reader without peers, in the background
supervise()
{
	printf 'http-server-address = 127.0.0.1:1888%d\np2p-listen-endpoint = 127.0.0.1:1887%d\nchain-state-db-size-mb = 256\n' \
		"$2" "$2" >"$IT_DIR/config.$2.ini"
	nodeswarm --pool "$POOL" supervise --service "$1" --slot "$2" --task "task$2" --node here \
		--config "$IT_DIR/config.$2.ini" --genesis "$ROOT/genesis.json" --peers /nonexistent \
		--address 127.0.0.1 --port "1880$2" --lame-duck 0s -- nodesim >>"$IT_DIR/log.$2" 2>&1 &
}

export NODESIM_FLUSH=2s
check 'prepare once more' prepare
check 'ExecStop with no slot: done' bash -c "$(exec_of ExecStop)"
supervise a_readers 1
supervise b_other 2
check 'two slots of two stacks run' wait_for 20 eval 'state_is a_readers/1 running && state_is b_other/2 running'
sleep 1
check 'ExecStop stops them, as root of no engine' expect 'a_readers.1 is quiesced, clean' bash -c "$(exec_of ExecStop)"
check 'both are quiesced' eval 'state_is a_readers/1 quiesced && state_is b_other/2 quiesced'
check 'ExecStop again: nothing to do' bash -c "$(exec_of ExecStop)"
check 'ExecStart resumes them' expect 'b_other.2 is' bash -c "$(exec_of ExecStart)"
check 'both run' wait_for 20 eval 'state_is a_readers/1 running && state_is b_other/2 running'
sleep 1
check 'a limit: says who still stops' expect_fail 1 'a_readers.1' nodeswarm --pool "$POOL" quiesce --local --all --wait 300ms
check 'and once more, without: waits' nodeswarm --pool "$POOL" quiesce --local --all
check 'json' expect '"slots": *\[' nodeswarm --pool "$POOL" --json resume --local --all
check 'both run again' wait_for 20 eval 'state_is a_readers/1 running && state_is b_other/2 running'
sleep 1
check 'one by name' expect 'a_readers.1 is quiesced, clean' nodeswarm --pool "$POOL" --stack a quiesce --local readers.1
check 'only that one' state_is b_other/2 running
check 'again: says that it is' expect 'a_readers.1 is quiesced' nodeswarm --pool "$POOL" quiesce --local a_readers.1
check 'one that is not there' expect_fail 1 "no slot 'a_readers.9'" nodeswarm --pool "$POOL" quiesce --local a_readers.9
check 'resumed by name' nodeswarm --pool "$POOL" resume --local a_readers.1
check 'it runs' wait_for 20 state_is a_readers/1 running
sleep 1
# shellcheck disable=SC2046
kill -TERM $(jobs -p)
sleep 0.3
check 'a slot that docker stops meanwhile is waited for' expect 'a_readers.1 is stopped, clean' nodeswarm --pool "$POOL" quiesce --local --all
check 'it had ended by then' eval 'state_is a_readers/1 stopped && state_is b_other/2 stopped'
check 'by name: its record tells the end' expect 'a_readers.1 is stopped, clean' nodeswarm --pool "$POOL" quiesce --local a_readers.1
check 'clean' test "$(jq -r '.ends[0].clean' "$POOL/services/a_readers/1/run.json")" = true
wait
