#!/usr/bin/env bash
# test_heal_campaign.sh - a seeded campaign of faults: each slot heals, nothing sound is touched
#
# The short form of tests/soak/heal; faults.py says what happens and what must be so.
#
#	SEED=N    others than the usual faults (default 5)
#	FAULTS=N  how many (default 40)
#	FROM=N    from that one on: FROM=17 FAULTS=1 repeats the 17th
#	ONLY=A,B  of these classes only
# time-limit: 240
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need python3 mkfs.xfs
[ -e /dev/loop-control ] || skip_all 'no loop devices'

DISK=$IT_DIR/disk
# The ports of slots lie where outgoing connections get theirs from.
echo 61000 65000 >/proc/sys/net/ipv4/ip_local_port_range

disk_up()
{
	truncate -s 2G "$IT_DIR/disk.img" && mkfs.xfs -q -m reflink=1 "$IT_DIR/disk.img" && mkdir "$DISK" &&
		mount -o loop "$IT_DIR/disk.img" "$DISK"
}
campaign()
{
	python3 -B "$ROOT/tests/it/faults.py" --pool "$DISK/pool" --work "$IT_DIR" --trace \
		--seed "${SEED:-5}" --first "${FROM:-1}" --faults "${FAULTS:-40}" ${ONLY:+--only "$ONLY"} | tee "$IT_DIR/campaign"
	return "${PIPESTATUS[0]}"
}
disagreements()
{
	grep -v '^fault ' "$IT_DIR/campaign" | while IFS= read -r line; do it_report '|' "$line"; done
}

check 'a file system with reflinks' disk_up || exit
check 'pool init' nodeswarm pool init "$DISK/pool" || exit
check "seed ${SEED:-5}, ${FAULTS:-40} faults" campaign
disagreements
[ -z "${CAMPAIGN_REPORT:-}" ] || cp "$IT_DIR/campaign" "$CAMPAIGN_REPORT"
[ -z "${CAMPAIGN_LOGS:-}" ] || cp "$IT_DIR"/log.* "$CAMPAIGN_LOGS"
