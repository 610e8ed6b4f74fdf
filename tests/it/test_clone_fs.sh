#!/usr/bin/env bash
# Clones on file systems of their own, in loop images: blocks are shared on XFS and Btrfs, linked
# or copied on ext4, and all of it is on the disk when the clone returns.
# time-limit: 240
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need jq losetup mkfs.xfs mkfs.btrfs mkfs.ext4
[ "$(id -u)" = 0 ] || skip_all 'mounts need root'

# Loop devices free themselves with their mount, and the mounts are of this file's namespace.
unmount_all()
{
	local fs
	for fs in xfs btrfs ext4 small crash; do
		! mountpoint -q "$IT_DIR/$fs" || umount -l "$IT_DIR/$fs"
	done
}
trap unmount_all EXIT

image() # NAME SIZE MKFS...
{
	local name=$1 size=$2
	shift 2
	truncate -s "$size" "$IT_DIR/$name.img" && "$@" "$IT_DIR/$name.img" >"$IT_DIR/mkfs.out" 2>&1 &&
		mkdir -p "$IT_DIR/$name" && mount -o loop "$IT_DIR/$name.img" "$IT_DIR/$name"
}

# Not named as nodeos's are: a data-dir with a link among its blocks, and blocks that are noise, is refused.
source_tree() # DIR
{
	local i
	mkdir -p "$1"/{logs/retained,logs/reversible,memory,finalizers} || return
	truncate -s 100M "$1/memory/shared_memory.bin"
	for i in 0 7 41 60 90; do
		dd if=/dev/urandom of="$1/memory/shared_memory.bin" bs=1M count=4 seek=$i conv=notrunc status=none || return
	done
	truncate -s 100M "$1/memory/shared_memory.bin"
	# Left clean, as nodeos writes it.
	printf 'EOSIODB2\0' | dd of="$1/memory/shared_memory.bin" conv=notrunc status=none
	head -c 20000000 /dev/urandom >"$1/logs/blocks.log"
	head -c 4097 /dev/urandom >"$1/logs/blocks.index"
	printf '\333\017\121\060' >"$1/logs/reversible/fork_db.dat"
	for i in $(seq 1 20); do
		head -c 100000 /dev/urandom >"$1/logs/retained/blocks-$i-$i.log"
		head -c 80 /dev/urandom >"$1/logs/retained/blocks-$i-$i.index"
	done
	: >"$1/empty"
	ln -s blocks.log "$1/logs/link"
	echo secret >"$1/finalizers/safety.dat"
	chmod 600 "$1/logs/blocks.log"
	chown -R 7077:7077 "$1"
	touch -d '2020-02-03 04:05:06.123456789' "$1/memory/shared_memory.bin" "$1/memory" "$1/logs"
}

# All there is to a tree: names, modes, owners, times, links, content.
listing() # DIR
{
	(
		cd "$1" && find . -path ./finalizers -prune -o -printf '%P %y %m %U %G %l %T@ %s\n' |
			sed 's/^\(.* d .*\) [0-9]*$/\1/' | sort &&
			find . -path ./finalizers -prune -o -type f -exec md5sum {} + | sort -k 2
	)
}

same() # DIR DIR
{
	[ ! -e "$2/finalizers" ] && diff <(listing "$1") <(listing "$2")
}

clone() # JQ-CONDITION ARG...
{
	local condition=$1
	shift
	nodeswarm data clone --any --json "$@" >"$IT_DIR/clone.json" || return
	cat "$IT_DIR/clone.json"
	jq -e ".clone | $condition" "$IT_DIR/clone.json"
}

# Not synced: what the clone itself does must be enough.
clones_share_blocks() # FS
{
	local d=$IT_DIR/$1 before after i
	sync -f "$d"
	before=$(df --output=used -k "$d" | tail -n 1)
	for i in 1 2 3 4 5 6 7 8; do
		clone '.reflink.files == .files and .why == "" and .left_private == 1' "$d/a" "$d/c$i" >"$IT_DIR/out" || return
	done
	sync -f "$d"
	after=$(df --output=used -k "$d" | tail -n 1)
	echo "$before KiB used, $after after 8 clones"
	# 42 MB of data; the images have their own ideas about metadata.
	[ $((after - before)) -lt 8192 ] && rm -r "$d"/c[2-8]
}

# The disk as it would be after a power cut: what was written to the image when the clone returned.
# One at a time, because both have one UUID.
survives_power_cut() # FS
{
	local d=$IT_DIR/$1 rc
	source_tree "$d/fresh" && clone '.files == 45' "$d/fresh" "$d/copied" || return
	cp --sparse=always "$IT_DIR/$1.img" "$IT_DIR/crash.img" && listing "$d/fresh" >"$IT_DIR/wanted" &&
		umount "$d" && mkdir -p "$IT_DIR/crash" && mount -o loop "$IT_DIR/crash.img" "$IT_DIR/crash" || return
	listing "$IT_DIR/crash/copied" | diff "$IT_DIR/wanted" -
	rc=$?
	umount "$IT_DIR/crash"
	rm "$IT_DIR/crash.img"
	mount -o loop "$IT_DIR/$1.img" "$d" && rm -r "$d/fresh" "$d/copied" && return $rc
}

for fs in xfs btrfs; do
	if ! check "$fs: image" image $fs 1G mkfs.$fs; then
		skip "$fs" 'this kernel cannot mount it'
		continue
	fi
	d=$IT_DIR/$fs
	check "$fs: source" source_tree "$d/a"
	check "$fs: clones share their blocks" clones_share_blocks $fs
	check "$fs: the clone is the same" same "$d/a" "$d/c1"
	check "$fs: verified" clone '.is_verified and .reflink.files == .files' --verify "$d/a" "$d/verified"
	check "$fs: an independent copy" clone '.write.files == .files' --no-reflink --no-link "$d/a" "$d/own"
	check "$fs: the copy is the same" same "$d/a" "$d/own"
	check "$fs: the copy keeps its holes" test "$(du -k "$d/own" | tail -n 1 | cut -f 1)" -lt 60000
	rm -r "$d/verified" "$d/own"
	check "$fs: all is on the disk" survives_power_cut $fs
done

# Without checksums (as databases are set up on Btrfs) blocks are shared only with such a file.
nocow()
{
	local d=$IT_DIR/btrfs
	mkdir "$d/n" && touch "$d/n/shared_memory.bin" && chattr +C "$d/n/shared_memory.bin" &&
		head -c 1000000 /dev/urandom >>"$d/n/shared_memory.bin" && echo text >"$d/n/other" &&
		clone '.reflink.files == 2' "$d/n" "$d/n2" && cmp "$d/n/shared_memory.bin" "$d/n2/shared_memory.bin" &&
		btrfs subvolume create "$d/n/volume" &&
		expect_fail 1 "'volume' is another file system" nodeswarm data clone --any "$d/n" "$d/n3" && [ ! -e "$d/n3" ]
}
if mountpoint -q "$IT_DIR/btrfs"; then
	check 'btrfs: files without checksums, subvolumes' nocow
fi
if mountpoint -q "$IT_DIR/btrfs" && mountpoint -q "$IT_DIR/xfs"; then
	check 'from one file system to another' clone '.write.files == .files and (.why | contains("different mounts"))' \
		"$IT_DIR/xfs/a" "$IT_DIR/btrfs/from-xfs"
	check 'it is the same' same "$IT_DIR/xfs/a" "$IT_DIR/btrfs/from-xfs"
fi

check 'ext4: image' image ext4 300M mkfs.ext4 -q || exit
d=$IT_DIR/ext4
check 'ext4: source' source_tree "$d/a"
check 'ext4: split logs are links, the rest is copied' \
	clone '.link.files == 40 and .range.files == 5 and (.why | contains("cannot share"))' "$d/a" "$d/c1"
check 'ext4: the clone is the same' same "$d/a" "$d/c1"
check 'ext4: all is on the disk' survives_power_cut ext4
less_than_cp()
{
	cp -a "$d/a" "$d/cp" && clone '.range.files == .files' --no-link "$d/a" "$d/c2" && sync -f "$d" &&
		[ "$(du -sk "$d/c2" | cut -f 1)" -le "$(du -sk "$d/cp" | cut -f 1)" ]
}
check 'ext4: no more space than cp -a' less_than_cp

too_small()
{
	expect_fail 1 'a copy needs .* are free' nodeswarm data clone --any "$d/a" "$IT_DIR/small/copy" || return
	[ "$(ls -A "$IT_DIR/small")" = 'lost+found' ]
}
check 'small: image' image small 30M mkfs.ext4 -q
check 'a copy that does not fit is not begun' too_small
