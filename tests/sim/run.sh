#!/usr/bin/env bash
# Real nodesim processes against the recordings of a real nodeos.
#
# usage: tests/sim/run.sh [PART...]
# parts: start http cluster stop snapshot damage transactions gate producers replay
#
# BUILD names the directory that holds nodesim; what each part printed is left in its tests/sim/PART.log
# when all are run.  Needs bash, curl, jq, perl, xxd.  Loopback
# only; leaves nothing behind.  The last line is "N passed, N failed, N skipped".

set -u
export LC_ALL=C NODESIM_START=0 NODESIM_FLUSH=0

for tool in curl jq perl xxd; do
	command -v $tool >/dev/null && continue
	echo "check-sim: no $tool"
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
done

here=$(cd "$(dirname "$0")" && pwd)
parts='start http cluster stop snapshot damage transactions gate producers replay'

# All of them: side by side, because most of the time goes into waiting for blocks.
if [ $# -eq 0 ]; then
	out=${BUILD:-$here/../../build}/tests/sim
	mkdir -p "$out"
	rm -f "$out"/*.log
	trap 'kill $(jobs -p) 2>/dev/null; exit 1' INT TERM
	for part in $parts; do
		"$0" "$part" >"$out/$part.log" 2>&1 &
	done
	wait
	grep -hvE 'passed, .* failed, .* skipped$|: +[0-9]+ Killed ' "$out"/*.log
	# A part without its count did not come to its end. After it the shell may still tell of what it killed.
	for p in $parts; do
		grep ' passed, .* failed, .* skipped$' "$out/$p.log" | grep . || echo '0 passed, 1 failed, 0 skipped'
	done | awk '{p += $1; f += $3; s += $5}
		END {print p + 0 " passed, " f + 0 " failed, " s + 0 " skipped"; exit f > 0}'
	exit
fi

# shellcheck source=tests/sim/lib.sh
. "$here/lib.sh"
for part; do
	# shellcheck source=/dev/null
	. "$here/$part.sh"
done

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
