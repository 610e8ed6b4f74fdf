#!/usr/bin/env bash
# The pool: an image with XFS by pool init --size, what pool status says of slots and generations
# against what other programs say, on XFS, Btrfs and ext4. /etc is this test's own.
# time-limit: 150
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need jq mkfs.xfs mkfs.ext4 mkfs.btrfs losetup filefrag xfs_growfs mountpoint findmnt strace
[ -b "$(losetup -f 2>/dev/null)" ] || skip_all 'no loop device here'

POOL=$IT_DIR/pool
UNITS=/etc/systemd/system
MIB=1048576
mkdir -p "$UNITS"
# The name has a character that systemd escapes.
DIR=$IT_DIR/the-pool
IMAGE=$DIR.img
UNIT=$(printf '%s' "${DIR#/}" | sed 's/-/\\x2d/g; s,/,-,g').mount

init()
{
	nodeswarm pool init "$DIR" "$@"
}

# take_down: unmount the pool and remove all of it
take_down()
{
	! mountpoint -q "$DIR" || umount "$DIR"
	rm -rf "$DIR" "$IMAGE" "$IT_DIR/.the-pool.img.nodeswarm-new" "${UNITS:?}/"*.wants "${UNITS:?}/"*.requires "${UNITS:?}/$UNIT"
}

# what is there, as one text
facts()
{
	find "$DIR" "$UNITS" 2>/dev/null | sort | while read -r f; do
		echo "$f $(stat -c '%a %s %Y' "$f")"
	done
	# The file system in it writes to it.
	stat -c '%n %a %s %b' "$IMAGE" 2>/dev/null || true
	findmnt -no SOURCE,FSTYPE "$DIR" || true
}

same()
{
	local before
	before=$(facts)
	"$@" || return
	diff <(echo "$before") <(facts)
}

# --- an image ----------------------------------------------------------------------------------

check 'dry-run says what it would do' expect 'would make the image .* 400.0 MiB, reserved' same init --size 400M --dry-run
check 'dry-run names the unit' expect "would write the unit $UNITS/.*\\.mount" init --size 400M --dry-run
check 'too small' expect_fail 2 'at least 300M' init --size 100M
check 'too large: says what is free' expect_fail 1 'needs .* and .* has .* free' init --size 1000T
check 'dry-run: too large' expect_fail 1 'needs .* and .* has .* free' init --size 1000T --dry-run
check 'nothing was made' test ! -e "$IMAGE" -a ! -e "$DIR"
check '--image needs --size' expect_fail 2 'need --size' init --image /x
check 'a path with a blank' expect_fail 2 'not an absolute path of letters' nodeswarm pool init "$IT_DIR/a b" --size 400M
check 'an image in the pool' expect_fail 2 'lies in the pool' init --size 400M --image "$DIR/x.img"
mkdir "$DIR" && touch "$DIR/precious"
check 'a directory with content' expect_fail 1 'is not empty' init --size 400M
check 'which changes nothing' test ! -e "$IMAGE" -a -e "$DIR/precious"
rm -r "$DIR"
echo precious >"$IMAGE"
check 'a file that is no image' expect_fail 1 'no XFS with reflink' init --size 400M
check 'is left alone' grep -qx precious "$IMAGE"
rm "$IMAGE"
printf '/dev/sdz1 %s/ ext4 defaults 0 2\n' "$DIR" >/etc/fstab
check 'a line in fstab' expect_fail 1 '/etc/fstab mounts something' init --size 400M
: >/etc/fstab

echo '[Mount]' >"$UNITS/$UNIT"
check "somebody else's unit" expect_fail 1 'is there and not ours' init --size 400M
rm "$UNITS/$UNIT"
check 'only root' expect_fail 1 'by root only' setpriv --reuid 7077 --clear-groups nodeswarm pool init "$DIR" --size 400M
no_mkfs()
{
	# shellcheck disable=SC2016
	unshare --mount sh -c 'mount --bind /dev/null "$(command -v mkfs.xfs)" && "$@"' sh nodeswarm pool init "$DIR" --size 400M
}
check 'no mkfs.xfs' expect_fail 1 'install the package xfsprogs' no_mkfs
check 'nothing was made by all that' test ! -e "$IMAGE" -a ! -e "$DIR"
check 'init' expect 'is a pool now' init --size 400M
check 'it is mounted' test "$(findmnt -no FSTYPE "$DIR")" = xfs
check 'without atime, and without discard' expect '^rw,noatime,' findmnt -no OPTIONS "$DIR"
check 'no discard' expect_fail 1 '' grep -w discard <(findmnt -no OPTIONS "$DIR")
check 'it shares blocks' test "$(nodeswarm pool status "$DIR" --json | jq -r '.pools[0].method')" = reflink
check 'the space is reserved' test "$(stat -c '%s' "$IMAGE")" -eq $((400 * MIB)) -a "$(($(stat -c '%b' "$IMAGE") * 512))" -ge $((400 * MIB))
check 'the unit has the name that systemd wants' test -f "$UNITS/$UNIT"
check 'systemd-escape agrees' test "$(systemd-escape -p --suffix=mount "$DIR" 2>/dev/null || echo "$UNIT")" = "$UNIT"
check 'it is enabled' test -f "$UNITS/local-fs.target.wants/$UNIT" -a -f "$UNITS/docker.service.requires/$UNIT"
verify()
{
	systemd-analyze verify "$UNITS/$UNIT" 2>&1 | tee "$IT_DIR/verify" | grep -F "$UNIT" && return 1
	return 0
}
if command -v systemd-analyze >/dev/null; then
	check 'systemd accepts the unit' verify
else
	skip 'systemd accepts the unit' 'no systemd-analyze here'
fi
check 'again: the same' same init --size 400M
check 'again: says so' expect 'is a pool already' init --size 400M
check 'smaller is refused' expect_fail 2 'cannot shrink' init --size 300M
check 'another image on it is refused' expect_fail 1 'is mounted something else' init --size 400M --image "$IT_DIR/other.img"
id=$(jq -r .id "$DIR/pool.json")
before=$(stat -fc '%b' "$DIR")
check 'it grows, mounted' expect 'make its file system larger' init --size 600M
check 'the file system too' test "$(stat -fc '%b' "$DIR")" -gt $((before * 5 / 4))
check 'again: the same' same init --size 600M
fstrim "$DIR" 2>/dev/null
check 'what fstrim took is reserved again' init --size 600M
check 'all of it' test "$(($(stat -c '%b' "$IMAGE") * 512))" -ge $((600 * MIB))
umount "$DIR"
check 'not mounted: marked' test -e "$DIR/.nodeswarm-not-mounted"
check 'not mounted: no pool is made there' expect_fail 1 'other files' nodeswarm pool init "$DIR"
truncate -s 700M "$IMAGE"
check 'a kill after the file grew: the file system does too' expect 'make its file system larger' init --size 700M
check 'the same pool' test "$(jq -r .id "$DIR/pool.json")" = "$id"
take_down
check 'nothing reserved: warned' expect 'warning: nothing is reserved' init --size 400M --sparse
check 'sparse' test "$(($(stat -c '%b' "$IMAGE") * 512))" -lt $((100 * MIB))
check 'with discard' expect '[,]discard' findmnt -no OPTIONS "$DIR"
dd if=/dev/urandom of="$DIR/some" bs=1M count=64 conv=fsync status=none
grown=$(stat -c '%b' "$IMAGE")
rm "$DIR/some"
# XFS frees the blocks of a file later, and discards them after that.
gives_back()
{
	sync -f "$DIR"
	[ "$(stat -c '%b' "$IMAGE")" -lt "$((grown - 60 * MIB / 512))" ]
}
check 'freed blocks go back' wait_for 20 gives_back
take_down

# Killed at the Nth system call of each kind that changes something, until there is none: the same
# command then does the rest.
killed_at()
{
	strace -o /dev/null -e "trace=$1" -e "inject=$1:signal=KILL:when=$2" \
		nodeswarm pool init "$DIR" --size 300M >"$IT_DIR/kill.out" 2>&1
}

finishes()
{
	# The mkfs or mount of the one that was killed may still run.
	wait_for 20 init --size 300M || return
	[ "$(findmnt -no FSTYPE "$DIR" | wc -l)" = 1 ] && [ -f "$UNITS/docker.service.requires/$UNIT" ] &&
		nodeswarm pool status "$DIR" >/dev/null && [ ! -e "$IT_DIR/.the-pool.img.nodeswarm-new" ] || return
	umount "$DIR" && [ -e "$DIR/.nodeswarm-not-mounted" ] && [ "$(find "$DIR" -mindepth 1 | wc -l)" = 1 ]
}

kills()
{
	local call n all=0
	for call in fallocate ftruncate fsync renameat renameat2 mkdirat symlinkat unlinkat fchmod flock ioctl write wait4; do
		for ((n = 1; n < 30; n++)); do
			take_down
			! killed_at $call "$n" || break
			finishes || { echo "killed at $call $n" && return 1; }
			all=$((all + 1))
		done
	done
	echo "$all kills"
	[ "$all" -gt 20 ]
}
check 'kill -9 at each change, and again' kills
take_down

# --- status, on XFS ----------------------------------------------------------------------------

row()
{
	nodeswarm pool status "$POOL" --json | jq -e "$1"
}

# has FILTER: it is true of the status, which is shown if not
has()
{
	nodeswarm pool status "$POOL" --json >"$IT_DIR/status.json" || return
	jq -e "$1" "$IT_DIR/status.json" >/dev/null && return
	jq . "$IT_DIR/status.json"
	return 1
}

# fs TYPE SIZE: a file system of that type on the pool's directory
fs()
{
	! mountpoint -q "$POOL" || umount "$POOL"
	rm -rf "$POOL" "$IT_DIR/fs.img"
	truncate -s "$2" "$IT_DIR/fs.img"
	"mkfs.$1" -q "$IT_DIR/fs.img" && mkdir -p "$POOL" && mount -o loop "$IT_DIR/fs.img" "$POOL" && nodeswarm pool init "$POOL"
}

G=generations/g000001-0000000080
# a generation with a state of 64 MiB in 256, a log of 16 MiB and two files of a split log of 8 MiB each
generation()
{
	local data=$POOL/$G/data
	mkdir -p "$data/state" "$data/blocks/retained" &&
		dd if=/dev/urandom of="$data/state/shared_memory.bin" bs=1M count=64 status=none && truncate -s 256M "$data/state/shared_memory.bin" &&
		dd if=/dev/urandom of="$data/blocks/blocks.log" bs=1M count=16 status=none &&
		dd if=/dev/urandom of="$data/blocks/retained/blocks-1-10.log" bs=1M count=8 status=none &&
		dd if=/dev/urandom of="$data/blocks/retained/blocks-11-20.log" bs=1M count=8 status=none && sync -f "$POOL"
}

# clone HOW SLOT
clone()
{
	mkdir -p "$POOL/services/it_readers/$2" && cp -R "$1" "$POOL/$G/data" "$POOL/services/it_readers/$2/data" && sync -f "$POOL"
}

# extents DIR: as filefrag lists them
extents()
{
	find "$1" -type f -exec filefrag -v {} + | grep -cE '^ +[0-9]+:'
}

du_of()
{
	du -s --block-size=1 "$@" | cut -f 1
}

check 'XFS' fs xfs 1G
check 'an empty pool: how many fit is not known' has '.clones.more == null and (.clones.assumes | test("no .current."))'
check 'for people too' expect 'more clones that fit: not known' nodeswarm pool status "$POOL"
check 'a generation' generation
ln -s "${G#*/}" "$POOL/generations/current"
check 'alone: all is its own' has '.generations[0] | .shared_bytes == 0 and .current and .files == 4'
check 'allocated as du says' has ".generations[0].allocated_bytes == $(du_of "$POOL/$G/data")"
check 'apparent' has ".generations[0].apparent_bytes == $(((256 + 16 + 8 + 8) * MIB))"
check 'extents as filefrag says' has ".generations[0].extents == $(extents "$POOL/$G/data")"
check 'what is assumed of a first clone is said' has '.clones.more > 1000 and (.clones.assumes | test("no slot here is a clone yet"))'
check 'a clone' clone --reflink=always 1
check 'both share' has ".generations[0].shared_bytes == $((96 * MIB)) and .slots[0].shared_bytes == $((96 * MIB)) and .slots[0].exclusive_bytes < 65536"
check 'its name' has '.slots[0].name == "it_readers.1" and .slots[0].kind == "slot"'
dd if=/dev/urandom of="$POOL/services/it_readers/1/data/state/shared_memory.bin" bs=1M count=8 seek=4 conv=notrunc,fsync status=none
check 'what the slot has written is its own' has ".slots[0] | .shared_bytes == $((88 * MIB)) and .exclusive_bytes >= $((8 * MIB)) and .exclusive_bytes < $((9 * MIB))"
check 'and the other half the generation'\''s' has ".generations[0].shared_bytes == $((88 * MIB))"
free_of()
{
	sync -f "$POOL" && echo $(($(stat -fc '%f * %S' "$POOL")))
}
check 'the next one is like that' has '.clones.each_bytes == .slots[0].exclusive_bytes and .clones.more == (.clones.room_bytes / .clones.each_bytes | floor) and (.clones.assumes | test("median of the 1 slots"))'
own=$(row '.slots[0].exclusive_bytes')
free=$(free_of)
mkdir -p "$POOL/quarantine" && mv "$POOL/services/it_readers/1" "$POOL/quarantine/it_readers.1-20261121T081500Z"
mkdir "$POOL/generations/.tmp-1234"
check 'quarantine and leftovers' has '(.slots | length) == 0 and .quarantine[0].name == "it_readers.1-20261121T081500Z" and .leftovers[0].name == ".tmp-1234"'
check 'for people' expect 'quarantine: 1, and removing all gives back 8\.' nodeswarm pool status "$POOL"
rm -r "$POOL/quarantine/it_readers.1-20261121T081500Z"
gave_back()
{
	local back=$(($(free_of) - free))
	echo "$back of $own" && [ $((back - own)) -lt 262144 ] && [ $((own - back)) -lt 262144 ]
}
# XFS does it a little later.
check 'removing gave back what was said' wait_for 10 gave_back
ln -s /etc "$POOL/generations/g000009-0000000090" && ln -s /etc "$POOL/services/it_readers/7" && mkfifo "$POOL/$G/data/pipe"
mkdir -p "$POOL/services/it_readers/8" && ln -s /usr "$POOL/services/it_readers/8/data"
check 'links and pipes lead nowhere' has '(.generations | length) == 1 and .generations[0].files == 4 and all(.slots[]; .apparent_bytes == 0)'
sed -i 's/"reflink"/"copy"/' "$POOL/pool.json"
check 'what pool.json says is tried' expect "warning: pool.json says 'copy', and a trial just now says 'reflink'" nodeswarm pool status "$POOL"

# --- Btrfs, ext4, tmpfs ------------------------------------------------------------------------

check 'Btrfs' fs btrfs 1G
check 'a generation there' generation
ln -s "${G#*/}" "$POOL/generations/current"
echo small >"$POOL/$G/data/inline" && sync -f "$POOL"
check 'a file in the metadata' has '.generations[0] | .files == 5 and .shared_bytes == 0'
check 'a clone there' clone --reflink=always 1
check 'both share there' has ".generations[0].shared_bytes == $((96 * MIB)) and .slots[0].shared_bytes == $((96 * MIB))"
check 'allocated as du says there' has ".slots[0].allocated_bytes == $(du_of "$POOL/services/it_readers/1")"

check 'ext4' fs ext4 1G
check 'it copies' has '.pools[0].method == "copy"'
check 'a generation that links' generation
ln -s "${G#*/}" "$POOL/generations/current"
size=$((80 * MIB))
check 'how many copies fit: linked files are not counted' has ".clones.each_bytes >= $size and .clones.each_bytes < $((size + MIB)) and .clones.more == (.clones.room_bytes / .clones.each_bytes | floor)"
check 'room is up to 88 %' has '.clones.room_bytes == ((.pools[0].size_bytes * 0.88 | floor) - .pools[0].used_bytes)'
check 'a copy' clone --reflink=never 1
for f in blocks-1-10.log blocks-11-20.log; do
	ln -f "$POOL/$G/data/blocks/retained/$f" "$POOL/services/it_readers/1/data/blocks/retained/$f"
done
check 'links are shared' has ".slots[0].shared_bytes == $((16 * MIB)) and .generations[0].shared_bytes == $((16 * MIB))"
ln "$POOL/services/it_readers/1/data/state/shared_memory.bin" "$POOL/services/it_readers/1/data/state/again"
check 'two names in one tree are one file, and its own' has ".slots[0].shared_bytes == $((16 * MIB)) and .slots[0].files == 4 and .slots[0].allocated_bytes == $(du_of "$POOL/services/it_readers/1")"
umount "$POOL"
mount -t tmpfs -o size=200m tmpfs "$POOL"
check 'tmpfs' expect 'they are copied|whole copies' nodeswarm pool init "$POOL"
check 'a generation in memory' generation
check 'without extents' has '.generations[0] | .exclusive_bytes == .allocated_bytes and .files_without_extents == 4'
umount "$POOL"
