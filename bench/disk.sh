# shellcheck shell=bash
# disk.sh - file systems on loop images, for the benchmarks of clones
#
# Sourced after tests/it/lib.sh, whose namespaces end mounts and loop devices with the file. The
# images are in a directory of the disk that has $TMPDIR.
#
#	DATA APPARENT               sizes of a data-dir, in bytes; APPARENT is four times DATA
#	disk_up TYPE DIR COPIES     make DIR a file system of TYPE with room for so many times DATA
#	disk_down DIR               and away
#	used_kib DIR                its space in use, after what is pending
#	data_clone ARG...           nodeswarm data clone

# shellcheck source=bench/figures.sh
. "$ROOT/bench/figures.sh"
need losetup

# bytes SIZE: of "2g".
bytes()
{
	numfmt --from=iec "${1^^}"
}

disk_up()
{
	local type=$1 dir=$2 size=$((DATA * $3 + 1073741824)) image=$2.img
	# What a case that failed has left.
	! mountpoint -q "$dir" || umount "$dir" || return
	rm -f "$image"
	if ((size + 2147483648 > $(df --output=avail -B1 "$IT_DIR" | tail -n 1))); then
		echo "no room for an image of $((size >> 20)) MiB"
		return 1
	fi
	truncate -s "$size" "$image" && mkdir -p "$dir" || return
	case $type in
	xfs) mkfs.xfs -q -m reflink=1 "$image" ;;
	btrfs) mkfs.btrfs -q "$image" ;;
	ext4) mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "$image" ;;
	esac && mount -o loop "$image" "$dir"
}

disk_down()
{
	umount "$1" && rm -f "$1.img"
}

used_kib()
{
	sync -f "$1"
	df --output=used -k "$1" | tail -n 1
}

data_clone()
{
	nodeswarm data clone "$@" >/dev/null
}
