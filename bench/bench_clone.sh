#!/usr/bin/env bash
# bench_clone.sh - what a clone of a data-dir costs, beside cp and rsync
#
# Of a data-dir with 2 GiB of data in 8 GiB apparent, its state in $PIECES (512) pieces, on file
# systems on loop images; medians of $RUNS runs (5), in each of which everything has its turn, the
# first one another time each run. Before each: all is synced and the caches of the machine are
# dropped. Within the time: what was written is synced, by nodeswarm itself, by `sync -f` after
# the others.
#
#	xfs, btrfs    $CLONES clones (24) by `nodeswarm data clone`, by `cp -R --reflink=always`, and
#	              by `cp -R`, which reflinks where it can since coreutils 9; of that data-dir and
#	              of one four times as large; the space they take; one copy in full to compare
#	ext4          a copy by nodeswarm, `cp -a` and `rsync -aS`, their space; the same where 90 and where
#	              $SPLIT percent (95: blocks outgrow a state) of the data are in split block logs
#
# $BENCH_SCALE (100) is the size in percent. Below 100, which is also taken when the disk has too
# little room, only space and content are judged, not times.
# time-limit: 3600
# shellcheck source=tests/it/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tests/it/lib.sh"
# shellcheck source=bench/disk.sh
. "$(dirname "${BASH_SOURCE[0]}")/disk.sh"
need mkfs.xfs mkfs.btrfs mkfs.ext4 rsync

RUNS=${RUNS:-5} CLONES=${CLONES:-24} BENCH_SCALE=${BENCH_SCALE:-100} PIECES=${PIECES:-512} SPLIT=${SPLIT:-95}
PERCENT=21474836 # of 2 GiB
room=$(df --output=avail -B1 "$IT_DIR" | tail -n 1)
# The largest image has room for three times four times that much, and this file system is to keep some.
fits=$((room / (PERCENT * 14)))
if ((fits < BENCH_SCALE)); then
	((fits > 0)) || skip_all "the disk has only $((room >> 20)) MiB of room"
	say "NOTE: the disk has only $((room >> 20)) MiB of room: $fits % of the size, times are not judged"
	BENCH_SCALE=$fits
fi
DATA=$((PERCENT * BENCH_SCALE))
PIECES=$((PIECES * BENCH_SCALE / 100 + 1))
pool=$IT_DIR/pool
((BENCH_SCALE == 100)) || small=" (at $BENCH_SCALE % of the size: without the times)"

# in_time CONDITION...: of awk, over the variables that go before it.
in_time()
{
	((BENCH_SCALE < 100)) || awk "$@"
}

calm()
{
	sync
	((BENCH_SCALE < 100)) || echo 3 >/proc/sys/vm/drop_caches
}

# timed WHO COMMAND...: the time goes to the file of WHO.
timed()
{
	local who=$1 t
	shift
	calm
	t=$EPOCHREALTIME
	"$@" || return
	since3 "$t" >>"$IT_DIR/times.$who"
}

took()
{
	median <"$IT_DIR/times.$1"
}

ratio()
{
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / (b > 0 ? b : 0.001) }'
}

# run_ratio WHO: ours over theirs, the median of the runs' own ratios: a disk is slower in one run than in the next.
run_ratio()
{
	paste "$IT_DIR/times.nodeswarm" "$IT_DIR/times.$1" | awk '{ printf "%.3f\n", $1 / ($2 > 0 ? $2 : 0.001) }' | median
}

mib()
{
	awk -v k="$1" 'BEGIN { printf "%.1f MiB", k / 1024 }'
}

# --- who copies: FROM TO ----------------------------------------------------------------------

copy_nodeswarm()
{
	data_clone "$1" "$2"
}

copy_reflink()
{
	cp -R --reflink=always "$1" "$2"
}

copy_plain()
{
	cp -R "$1" "$2"
}

copy_full()
{
	cp -R --reflink=never "$1" "$2" && sync -f "$2"
}

copy_archive()
{
	cp -a "$1" "$2" && sync -f "$2"
}

copy_rsync()
{
	rsync -aS "$1/" "$2" && sync -f "$2"
}

# many WHO: all clones, and only one sync for those that have none.
many()
{
	local i
	for ((i = 1; i <= CLONES; i++)); do
		"copy_$1" "$pool/source" "$pool/clone.$i" || return
	done
	[ "$1" = nodeswarm ] || sync -f "$pool"
}

# turns RUN WHO...: in another order each run.
turns()
{
	local n=$1 i
	shift
	local who=("$@")
	for ((i = 0; i < ${#who[@]}; i++)); do
		echo "${who[(i + n) % ${#who[@]}]}"
	done
}

# --- file systems that reflink ------------------------------------------------------------------

clones_of()
{
	local fs=$1 size=$2 run who before after extra
	rm -f "$IT_DIR"/times.* "$IT_DIR/clones.$fs.$size"
	DATA=$((DATA * size)) make_source "$fs" || return
	for ((run = 0; run < RUNS; run++)); do
		for who in $(turns "$run" nodeswarm reflink plain); do
			before=$(used_kib "$pool")
			timed "$who" many "$who" || return
			after=$(used_kib "$pool")
			echo $((after - before)) >>"$IT_DIR/times.$who.kib"
			if ((run == RUNS - 1)) && [ "$who" = nodeswarm ]; then
				same "$pool/source" "$pool/clone.$CLONES" || return
			fi
			rm -rf "$pool"/clone.*
		done
	done
	timed full copy_full "$pool/source" "$pool/clone.1" || return
	extra=$(took nodeswarm.kib)
	say "$fs, $(mib $((DATA * size / 1024))): $CLONES clones by nodeswarm $(took nodeswarm) s;" \
		"cp -R --reflink=always $(took reflink) s, ratio $(ratio "$(took nodeswarm)" "$(took reflink)");" \
		"cp -R $(took plain) s, ratio $(ratio "$(took nodeswarm)" "$(took plain)"); one copy in full $(took full) s"
	say "$fs, $(mib $((DATA * size / 1024))): the clones take $(mib "$extra") in all," \
		"$(ratio $((100 * extra)) $((DATA * size / 1024))) % of one copy; cp's $(mib "$(took reflink.kib)")"
	took nodeswarm >"$IT_DIR/clones.$fs.$size"
	disk_down "$pool"
	((extra * 100 < DATA * size / 1024)) &&
		in_time -v t="$(cat "$IT_DIR/clones.$fs.$size")" 'BEGIN { exit !(t < 2) }'
}

# In proportion it would be 4; the entries of the larger files' extents are of the same number.
independent()
{
	local fs=$1 one four
	one=$(cat "$IT_DIR/clones.$fs.1") && four=$(cat "$IT_DIR/clones.$fs.4") || return
	say "$fs: four times the size takes $(ratio "$four" "$one") times as long"
	in_time -v a="$one" -v b="$four" 'BEGIN { exit !(b < 2 * a) }'
}

make_source()
{
	disk_up "$1" "$pool" 3 && "$BUILD/bench/datadir" make "$pool/source" "$DATA" $((DATA * 4)) "$PIECES" "${2-0}"
}

# Content, modes, times and links.
same()
{
	local out
	out=$(rsync -ani --checksum --delete "$1/" "$2") || return
	echo "$out"
	[ -z "$out" ]
}

# --- ext4 ---------------------------------------------------------------------------------------

# allocated DIR: KiB, without what has more than one name.
allocated()
{
	find "$1" -links 1 -type f -printf '%k\n' | awk '{ s += $1 } END { print s + 0 }'
}

copy_on_ext4()
{
	local what=$1 split=$2 limit=$3 run who kib bigger=
	rm -f "$IT_DIR"/times.*
	make_source ext4 "$split" || return
	for ((run = 0; run < RUNS; run++)); do
		for who in $(turns "$run" nodeswarm archive rsync); do
			timed "$who" "copy_$who" "$pool/source" "$pool/copy" || return
			allocated "$pool/copy" >>"$IT_DIR/times.$who.kib"
			if ((run == RUNS - 1)) && [ "$who" = nodeswarm ]; then
				same "$pool/source" "$pool/copy" || return
			fi
			rm -rf "$pool/copy"
		done
	done
	kib=$(took nodeswarm.kib)
	say "ext4, $(mib $((DATA / 1024))), $what: a copy by nodeswarm $(took nodeswarm) s;" \
		"cp -a $(took archive) s, ratio $(run_ratio archive); rsync -aS $(took rsync) s, ratio $(run_ratio rsync)"
	say "ext4, $(mib $((DATA / 1024))), $what: it takes $(mib "$kib"), cp's $(mib "$(took archive.kib)")," \
		"rsync's $(mib "$(took rsync.kib)")"
	disk_down "$pool"
	for who in archive rsync; do
		((kib <= $(took $who.kib))) || bigger=1
		in_time -v r="$(run_ratio $who)" -v l="$limit" 'BEGIN { exit !(r <= l) }' || bigger=1
	done
	[ -z "$bigger" ]
}

for fs in xfs btrfs; do
	check "$fs: $CLONES clones under 2 s and 1 % of space${small-}" clones_of $fs 1
	check "$fs: and of four times the size${small-}" clones_of $fs 4
	check "$fs: the time does not depend on the size${small-}" independent $fs
done
# 1.05: what two runs of the same copy differ by.
check "ext4: not slower or larger than cp -a and rsync -aS${small-}" copy_on_ext4 'one log' 0 1.05
check "ext4: with 90 % of the data in split logs under a quarter of them${small-}" copy_on_ext4 '90 % in split logs' 90 0.25
check "ext4: with $SPLIT % of the data in split logs under a fifth of them${small-}" copy_on_ext4 "$SPLIT % in split logs" "$SPLIT" 0.2
report
