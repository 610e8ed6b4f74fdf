#!/usr/bin/env bash
# bench_archive_cycles.sh - what hundreds of archives do to the files of a slot on XFS
#
# A slot's state shares its blocks with the generations that were cloned from it, so each page that
# nodeos changes afterwards gets a block elsewhere: the file falls to pieces, and a clone takes as
# long as it has pieces. Here $CYCLES (500) times $WRITES (2000) random pages of the state are
# written, through a mapping as nodeos does, then the slot is cloned and the oldest generation of
# more than 3 is removed. Every $EVERY (50) cycles a line: the state's extents, per GiB of its data,
# the space that is used, the median and the longest time of the clones since the line before.
# One series for each of $VARIANTS (nothing unshare):
#
#	nothing     as it is
#	cow128k     with a hint that XFS takes 128 KiB at a time when it copies a block (its default)
#	cow1m       with 1 MiB
#	rewrite     when the state has more than $LIMIT (32768) extents, the new generation is copied
#	            in full (--no-reflink), and the slot starts again from a clone of the copy
#	unshare     then the slot's state gets blocks of its own (FALLOC_FL_UNSHARE_RANGE), which a
#	            running nodeos allows, so that the next generation is of few pieces; with the hint
#	            of one block, as the supervisor does it
#
# $DATA is the size of the data-dir (1g), in four times that with its holes.
# time-limit: 14400
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/../tests/it/lib.sh"
# shellcheck source=bench/disk.sh
. "$(dirname "$0")/disk.sh"
need mkfs.xfs xfs_io

CYCLES=${CYCLES:-500} WRITES=${WRITES:-2000} EVERY=${EVERY:-50} LIMIT=${LIMIT:-32768}
DATA=$(bytes "${DATA:-1g}") APPARENT=$((4 * DATA))
VARIANTS=${VARIANTS:-nothing unshare}
KEEP=3

extents()
{
	"$BUILD/bench/datadir" extents "$1/state/shared_memory.bin"
}

is_in_pieces()
{
	extents "$1/slot" | awk -v limit="$LIMIT" '{ exit !($1 > limit) }'
}

# What a generation is made of again, and what the slot goes on with.
rewrite()
{
	local pool=$1 cycle=$2 t=$EPOCHREALTIME
	data_clone --no-reflink "$pool/g$cycle" "$pool/.tmp" || return
	rm -rf "$pool/g$cycle" && mv "$pool/.tmp" "$pool/g$cycle" || return
	since3 "$t" >>"$IT_DIR/rewrites"
	rm -rf "$pool/slot" && data_clone "$pool/g$cycle" "$pool/slot"
}

unshare()
{
	local t=$EPOCHREALTIME
	"$BUILD/bench/datadir" unshare "$1/slot/state/shared_memory.bin" || return
	since3 "$t" >>"$IT_DIR/rewrites"
}

header()
{
	row cycle extents extents/GiB 'newest gen' used/MiB clone/s slowest/s rewrites
}

row()
{
	say "$(printf '%8s %9s %12s %11s %9s %8s %9s %9s' "$@")"
}

line()
{
	local pool=$1 cycle=$2 slot gen density
	slot=$(extents "$pool/slot") gen=$(extents "$pool/g$cycle")
	density=$(awk '{ printf "%d", $1 * 1073741824 / $2 }' <<<"$slot")
	row "$cycle" "${slot%% *}" "$density" "${gen%% *}" "$(($(used_kib "$pool") / 1024))" \
		"$(median <"$IT_DIR/clone")" "$(sort -n "$IT_DIR/clone" | tail -n 1)" "$(wc -l <"$IT_DIR/rewrites")"
	: >"$IT_DIR/clone"
}

series()
{
	local variant=$1 pool=$IT_DIR/pool cycle t
	disk_up xfs "$pool" $((KEEP + 4)) || return
	"$BUILD/bench/datadir" make "$pool/slot" "$DATA" "$APPARENT" 512 || return
	case $variant in
	cow128k) xfs_io -c 'cowextsize 128k' "$pool/slot/state/shared_memory.bin" ;;
	unshare) xfs_io -c 'cowextsize 4k' "$pool/slot/state/shared_memory.bin" ;;
	cow1m) xfs_io -c 'cowextsize 1m' "$pool/slot/state/shared_memory.bin" ;;
	esac
	: >"$IT_DIR/clone"
	: >"$IT_DIR/rewrites"
	say "$variant:"
	header
	for ((cycle = 1; cycle <= CYCLES; cycle++)); do
		"$BUILD/bench/datadir" write "$pool/slot/state/shared_memory.bin" "$WRITES" "$cycle" || return
		sync -f "$pool"
		t=$EPOCHREALTIME
		data_clone "$pool/slot" "$pool/g$cycle" || return
		since3 "$t" >>"$IT_DIR/clone"
		if [ "$variant" = rewrite ] && is_in_pieces "$pool"; then
			rewrite "$pool" "$cycle" || return
		elif [ "$variant" = unshare ] && is_in_pieces "$pool"; then
			unshare "$pool" || return
		fi
		if ((cycle > KEEP)); then
			rm -rf "$pool/g$((cycle - KEEP))"
		fi
		if ((cycle == 1 || cycle % EVERY == 0)); then
			line "$pool" "$cycle"
		fi
	done
	[ ! -s "$IT_DIR/rewrites" ] || say "a rewrite takes $(median <"$IT_DIR/rewrites") s"
	disk_down "$pool"
}

for variant in $VARIANTS; do
	check "$variant: $CYCLES archives" series "$variant"
done
report
