#!/usr/bin/env bash
# prepare-host.sh - prepare this host for nodeswarm: pool, systemd units, kernel settings
#
# usage: swarm/prepare-host.sh [OPTION...]
#        swarm/prepare-host.sh --undo [--dry-run]
#
#   --pool DIR          the pool (default $NODESWARM_POOL or /var/lib/nodeswarm)
#   --mount SOURCE      a block device, or a file with a file system in it, to be mounted there;
#                       without it the pool is a directory
#   --make-fs TYPE      make that file system first (xfs, ext4), only if SOURCE holds none
#   --size SIZE         the pool is an image of that size with XFS, for hosts on ext4: what
#                       'nodeswarm pool init --size' does, which writes a mount unit and no fstab;
#                       a larger SIZE later makes it grow
#   --image FILE        the image's file (default DIR.img)
#   --sparse            do not reserve the image's space
#   --address ADDRESS   this host's swarm address (default: what docker says, if it
#                       is in a swarm, else the one that POOL/host.json has)
#   --stop-timeout TIME how long a shutdown waits for chain nodes (default 2h, as in the stack files)
#   --dry-run           only say what would be done
#   --undo              take back what it did for the pool, without --pool that which was prepared;
#                       the pool's data stays
#
# Run again it changes nothing. It writes
#
#   POOL/pool.json, POOL/host.json
#   /etc/fstab                                          with --mount: a block of its own
#   /etc/systemd/system/<DIR>.mount                     with --size
#   /etc/systemd/system/docker.service.d/60-nodeswarm.conf    docker needs the pool's mount
#   /etc/systemd/system/nodeswarm-quiesce.service       chain nodes stop before docker does
#   /etc/systemd/system/nodeswarm-firewall.service      before docker: the firewall that was applied
#   /etc/systemd/system/nodeswarm-firewall-follow.service    on managers: follows the nodes with it
#   /etc/systemd/system/TARGET.d/60-nodeswarm.conf      no forced reboot after 30 minutes
#   /usr/local/lib/nodeswarm/nodeswarm                  a copy for those units, if it is not installed
#   /etc/sysctl.d/60-nodeswarm.conf, /etc/modules-load.d/60-nodeswarm.conf
#
# and nothing else. An XFS with reflink makes clones of data-dirs free; ext4 copies.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=swarm/common.sh
. "$here/common.sh"
# The program that units name: not one of a build tree, which make clean takes away.
COPY=/usr/local/lib/nodeswarm/nodeswarm
PATH=$PATH:$here/../build:$(dirname "$COPY")

pool=${NODESWARM_POOL:-/var/lib/nodeswarm} is_given=${NODESWARM_POOL:+1}
source='' make_fs='' size='' image='' sparse='' address='' timeout=2h undo=''
MARK=.nodeswarm-not-mounted # POOL_UNMOUNTED_MARK of src/data/pool.h
UNITS=/etc/systemd/system
# Each is wanted by docker's.
OURS='nodeswarm-quiesce.service nodeswarm-firewall.service nodeswarm-firewall-follow.service'
# Those that have a JobTimeoutSec of 30 minutes and then force it: systemd 240 and later.
TARGETS='reboot poweroff halt kexec ctrl-alt-del'
CONNTRACK=524288

while [ $# -gt 0 ]; do
	case $1 in
	-h | --help) usage && exit 0 ;;
	--pool) value "$@" && pool=$2 is_given=1 && shift ;;
	--mount) value "$@" && source=$2 && shift ;;
	--make-fs) value "$@" && make_fs=$2 && shift ;;
	--size) value "$@" && size=$2 && shift ;;
	--image) value "$@" && image=$2 && shift ;;
	--sparse) sparse=1 ;;
	--address) value "$@" && address=$2 && shift ;;
	--stop-timeout) value "$@" && timeout=$2 && shift ;;
	--dry-run) dry=1 ;;
	--undo) undo=1 ;;
	*) usage_error "unknown option '$1'" ;;
	esac
	shift
done
# The path goes into fstab and units as it is.
[[ $pool =~ ^/[A-Za-z0-9._/-]+$ ]] || usage_error "the pool '$pool' is not an absolute path of letters, digits and ._-/"
[[ $timeout =~ ^[0-9]+(s|min|h)$ ]] || usage_error "'$timeout' is no time like 90min or 2h"
[[ -z $address || $address =~ ^[0-9a-fA-F.:]+$ ]] || usage_error "'$address' is not an address"
case $make_fs in
'' | xfs | ext4) ;;
*) usage_error "--make-fs knows xfs and ext4" ;;
esac
[ -z "$make_fs" ] || [ -n "$source" ] || usage_error '--make-fs needs --mount'
[ -z "$size" ] || [ -z "$source" ] || usage_error '--size makes an image of its own: it does not go with --mount'
[ -z "$image$sparse" ] || [ -n "$size" ] || usage_error '--image and --sparse need --size'
need_root

is_systemd()
{
	[ -d /run/systemd/system ]
}

is_mounted()
{
	mountpoint -q "$pool"
}

# --- pool --------------------------------------------------------------------------------------

# read_fstab: into $fstab_rest what is not ours of /etc/fstab, into $fstab_pool the directory of our
# block, if there is one. With a mark lost nobody knows which lines are ours.
read_fstab()
{
	fstab_rest='' fstab_pool=''
	[ -e /etc/fstab ] || return 0
	awk '/^# nodeswarm: begin/ { n = n "b" } /^# nodeswarm: end/ { n = n "e" } END { exit n != "" && n != "be" }' /etc/fstab ||
		die "/etc/fstab has not one '# nodeswarm: begin' and one '# nodeswarm: end' after it: correct that by hand; nothing was changed"
	# The dot keeps the newlines at the end.
	fstab_rest=$(awk '/^# nodeswarm: begin/ { skip = 1 } !skip { print } /^# nodeswarm: end/ { skip = 0 }' /etc/fstab && echo .) ||
		die 'cannot read /etc/fstab'
	fstab_rest=${fstab_rest%.}
	fstab_pool=$(awk '/^# nodeswarm: begin/ { ours = 1 } ours && !/^#/ && NF { print $2; exit } /^# nodeswarm: end/ { ours = 0 }' /etc/fstab)
}

# read_unit: into $mount_unit the unit that a 'nodeswarm pool init --size' has written for $pool, if
# there is one; those of other pools are left alone.
read_unit()
{
	local file
	mount_unit=''
	for file in "$UNITS"/*.mount; do
		grep -qs "^# Written by 'nodeswarm pool init --size'" "$file" || continue
		[ "$(sed -n 's/^Where=//p' "$file")" = "$(realpath -m "$pool")" ] || continue
		mount_unit=$(basename "$file")
		return 0
	done
}

is_image()
{
	read_unit
	[ -n "$mount_unit" ]
}

# into $type what file system SOURCE holds
read_type()
{
	type=$(blkid -o value -s TYPE "$source") || die "'$source' has no file system: --make-fs xfs"
	case $type in
	xfs | ext4 | btrfs) ;;
	*) die "'$source' holds '$type', and a pool needs xfs, ext4 or btrfs" ;;
	esac
}

write_fstab()
{
	local what options=defaults,nofail check=2
	# Devices by UUID, because their names change; systemd checks the file systems of devices only.
	if [ -b "$source" ]; then
		what=$(blkid -o value -s UUID "$source") || die "the file system of '$source' has no UUID"
		what=UUID=$what
	else
		what=$(realpath "$source") || die "no path to '$source'"
		[[ $what =~ ^[A-Za-z0-9._/-]+$ ]] || die "'$what' is not a path of letters, digits and ._-/"
		options=loop,nofail check=0
	fi
	# nofail: a host whose disk is missing still boots; docker does not start then.
	put /etc/fstab 644 < <(printf '%s# nodeswarm: begin, written by prepare-host.sh\n%s %s %s %s 0 %s\n# nodeswarm: end\n' \
		"$fstab_rest" "$what" "$pool" "$type" "$options" "$check")
}

make_file_system()
{
	[ -n "$make_fs" ] || return 0
	# -p looks for signatures at all places; 2 says that there are none.
	local rc=0
	blkid -p "$source" >/dev/null 2>&1 || rc=$?
	[ "$rc" = 2 ] || { say "'$source' is in use: no file system is made" && return; }
	need "mkfs.$make_fs"
	if [ "$make_fs" = xfs ]; then
		run mkfs.xfs -q -m reflink=1 "$source"
	else
		run mkfs.ext4 -q "$source"
	fi
}

# What is mounted on the pool is SOURCE, and not something else of the host.
need_same_mount()
{
	local found known fs
	read -r fs found < <(findmnt -no FSTYPE,SOURCE -M "$pool" | tail -n 1) || die "cannot tell what is mounted on '$pool'"
	# A subvolume is named in brackets.
	[ "$fs" != btrfs ] || found=${found%%\[*}
	if [ -b "$source" ]; then
		known=$(realpath "$source")
	else
		known=$(losetup -nO NAME -j "$source")
	fi
	# A bind mount has brackets, and is no path then.
	grep -qxF -- "$(realpath -m "$found")" <<<"$known" || die "on '$pool' is mounted '$found' and not '$source': umount it first"
}

prepare_mount()
{
	local other type
	need blkid findmnt losetup mountpoint
	[ -b "$source" ] || [ -f "$source" ] || die "'$source' is neither a block device nor a file"
	# All that can be refused is so before anything is written.
	! is_image || die "'$pool' is an image of 'nodeswarm pool init --size' (unit $mount_unit): --undo first"
	read_fstab
	other=$(awk -v p="$pool" '$2 == p && !/^#/' <<<"$fstab_rest")
	[ -z "$other" ] || die "/etc/fstab has another line for '$pool': $other"
	if is_mounted; then
		need_same_mount
	# Below a mount lies the mark; other things there would be hidden.
	elif [ -d "$pool" ] && [ -n "$(find "$pool" -mindepth 1 ! -name "$MARK" -print -quit)" ]; then
		die "'$pool' is not empty, and a mount would hide what is in it: move it away first"
	fi
	make_file_system
	if [ -n "$dry" ] && [ -n "$make_fs" ] && ! blkid -p "$source" >/dev/null 2>&1; then
		say "would write the block of $pool in /etc/fstab, and mount it"
		return
	fi
	read_type
	write_fstab
	! is_mounted || return 0
	run mkdir -p -m 755 "$pool"
	put "$pool/$MARK" 644 <<<'This directory is seen only while the pool is not mounted on it.'
	! is_systemd || run systemctl daemon-reload
	if [ -b "$source" ]; then
		run mount -t "$type" "$source" "$pool"
	else
		run mount -t "$type" -o loop "$source" "$pool"
	fi
}

prepare_pool()
{
	if [ -n "$size" ]; then
		nodeswarm pool init "$pool" --size "$size" ${image:+--image "$image"} ${sparse:+--sparse} ${dry:+--dry-run}
	elif [ -n "$source" ]; then
		prepare_mount
	elif [ -e "$pool/$MARK" ]; then
		die "'$pool' was prepared as a mount and is not mounted: mount it, or --undo first"
	fi
	if [ -n "$dry" ]; then
		[ -e "$pool/pool.json" ] || say "would make '$pool' a pool"
	else
		[ -e "$pool/pool.json" ] || nodeswarm pool init "$pool"
		# nodeos, which is not root, must get to its data-dir.
		[ "$(stat -c %a "$pool")" = 755 ] || chmod 755 "$pool"
	fi
	write_host_json
}

write_host_json()
{
	local is_mount=false
	if [ -z "$address" ] && command -v docker >/dev/null && [ "$(swarm_state)" = active ]; then
		address=$(docker info -f '{{.Swarm.NodeAddr}}')
	fi
	if [ -z "$address" ] && [ -r "$pool/host.json" ]; then
		address=$(sed -n 's/.*"address":"\([^"]*\)".*/\1/p' "$pool/host.json")
	fi
	if [ -n "$source$size" ] || is_image || grep -qs '^# nodeswarm: begin' /etc/fstab; then
		is_mount=true
	fi
	[ -z "$dry" ] || [ -d "$pool" ] || { say "would write $pool/host.json" && return; }
	printf '{"format":1%s,"is_mount":%s}\n' "${address:+,\"address\":\"$address\"}" "$is_mount" | put "$pool/host.json" 644
}

# --- systemd -----------------------------------------------------------------------------------

fill_in()
{
	sed -e "s|@POOL@|$pool|g" -e "s|@NODESWARM@|$1|g" -e "s|@TIMEOUT@|$timeout|g" "$here/systemd/$2"
}

# into $nodeswarm the installed one, or our copy of the one at hand
install_nodeswarm()
{
	local dir from
	for dir in /usr/local/bin /usr/local/sbin /usr/bin /usr/sbin; do
		nodeswarm=$(realpath "$dir/nodeswarm" 2>/dev/null) || continue
		# Not a link into a build tree.
		if [ -x "$nodeswarm" ] && [[ $(dirname "$nodeswarm") =~ ^/usr/(local/)?s?bin$ ]]; then
			return
		fi
	done
	nodeswarm=$COPY
	from=$(command -v nodeswarm) || die "no 'nodeswarm' here: make install"
	if cmp -s "$from" "$COPY" && [ "$(stat -c '%u %a' "$COPY")" = '0 755' ]; then
		return
	fi
	if [ -n "$dry" ]; then
		say "would copy $from to $COPY"
		return
	fi
	install -d -m 755 "$(dirname "$COPY")"
	install -o 0 -g 0 -m 755 "$from" "$COPY.tmp-$$"
	mv -f "$COPY.tmp-$$" "$COPY"
	say "wrote $COPY"
}

prepare_units()
{
	local target nodeswarm unit
	install_nodeswarm
	fill_in "$nodeswarm" docker.service.conf | put "$UNITS/docker.service.d/60-nodeswarm.conf" 644
	for unit in $OURS; do
		fill_in "$nodeswarm" "$unit" | put "$UNITS/$unit" 644
	done
	for target in $TARGETS; do
		fill_in "$nodeswarm" shutdown.target.conf | put "$UNITS/$target.target.d/60-nodeswarm.conf" 644
	done
	# What "systemctl enable" does, which also works where systemd does not run.
	for unit in $OURS; do
		[ ! -L "$UNITS/docker.service.wants/$unit" ] || continue
		run mkdir -p "$UNITS/docker.service.wants"
		run ln -s "../$unit" "$UNITS/docker.service.wants/$unit"
	done
	if ! is_systemd; then
		note 'systemd does not run here: its files are written, and that is all'
	elif [ -n "$dry" ]; then
		say "would run: systemctl daemon-reload; systemctl start $OURS, if docker runs"
	else
		systemctl daemon-reload
		# shellcheck disable=SC2086 # several units
		! systemctl -q is-active docker.service || systemctl start $OURS
	fi
	[ "$nodeswarm" = "$COPY" ] || take_away "$COPY"
}

# --- kernel ------------------------------------------------------------------------------------

# Only what a default of the kernel is known to be too small for. Not here, on purpose:
#   ip_forward         dockerd turns it on, and only if it was off sets the policy of FORWARD to DROP
#   vm.swappiness      less of it costs page cache, which is where nodeos has its state
#   vm.max_map_count   nodeos needs some thousand; the default is 65530
#   somaxconn, rmem    defaults since Linux 5.4 are enough; containers have their own somaxconn
prepare_kernel()
{
	local current file=/etc/sysctl.d/60-nodeswarm.conf
	current=$(cat /proc/sys/net/netfilter/nf_conntrack_max 2>/dev/null || echo 0)
	if [ ! -e $file ] && [ "$current" -ge $CONNTRACK ]; then
		return
	fi
	put $file 644 <<-END
		# Written by nodeswarm's prepare-host.sh.
		#
		# Each connection of a client to the front's published port is tracked, and stays so for
		# 120 s after its end. The default, at most 262144, is full at 2200 new ones a second, and
		# then new clients are dropped. An entry takes 320 bytes, when it is used.
		# (Documentation/networking/nf_conntrack-sysctl.rst of the kernel)
		net.netfilter.nf_conntrack_max = $CONNTRACK
	END
	# The setting exists only once the module is loaded, see sysctl.d(5).
	put /etc/modules-load.d/60-nodeswarm.conf 644 <<<'nf_conntrack'
	if [ -z "$dry" ] && [ "$current" -lt $CONNTRACK ] && ! sysctl -q -p $file 2>/dev/null; then
		note "net.netfilter.nf_conntrack_max could not be set now; it will be at the next boot"
	fi
}

# --- undo --------------------------------------------------------------------------------------

undo_mount()
{
	local text=''
	[ ! -r "$pool/host.json" ] || text=$(cat "$pool/host.json")
	take_away "$pool/host.json"
	[ -n "$fstab_pool$mount_unit" ] || return 0
	if is_mounted && ! run umount "$pool"; then
		[ -z "$text" ] || put "$pool/host.json" 644 <<<"$text"
		die "'$pool' is in use and stays mounted: stop docker, run this again"
	fi
	[ -z "$fstab_pool" ] || put /etc/fstab 644 < <(printf '%s' "$fstab_rest")
	take_away "$pool/$MARK"
	[ -z "$mount_unit" ] || take_away "$UNITS/local-fs.target.wants/$mount_unit" "$UNITS/docker.service.requires/$mount_unit" \
		"$UNITS/$mount_unit"
}

undo_all()
{
	local prepared target unit files=("$UNITS/docker.service.d/60-nodeswarm.conf" /etc/sysctl.d/60-nodeswarm.conf
		/etc/modules-load.d/60-nodeswarm.conf "$COPY")
	for unit in $OURS; do
		files+=("$UNITS/docker.service.wants/$unit" "$UNITS/$unit")
	done
	for target in $TARGETS; do
		files+=("$UNITS/$target.target.d/60-nodeswarm.conf")
	done
	prepared=$(sed -n 's/^RequiresMountsFor=//p' "$UNITS/docker.service.d/60-nodeswarm.conf" 2>/dev/null) || prepared=''
	read_fstab
	[ -n "$is_given" ] || pool=${fstab_pool:-${prepared:-$pool}}
	read_unit
	[ "$fstab_pool" = "$pool" ] || fstab_pool=''
	# umount is what can fail: first, so that a second run finds all the rest, and the host works until then.
	undo_mount
	if [ -n "$prepared" ] && [ "$prepared" != "$pool" ]; then
		say "this host is prepared for the pool '$prepared': its units stay"
		return 0
	fi
	! is_systemd || run systemctl stop nodeswarm-firewall-follow.service
	take_away "${files[@]}"
	# The ExecStop of nodeswarm-quiesce would stop the chain nodes, so the unit is forgotten while it counts as started.
	! is_systemd || run systemctl daemon-reload
	say "the data in '$pool' stays; kernel settings stay until the next boot, and a firewall until 'nodeswarm firewall remove'"
}

if [ -n "$undo" ]; then
	undo_all
	exit 0
fi
prepare_pool
prepare_units
prepare_kernel
[ -n "$dry" ] || say "this host is prepared; the pool is '$pool'"
