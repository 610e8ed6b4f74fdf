#!/usr/bin/env bash
# test.sh - everything that CI runs, from a clean checkout to the tests with a real engine
#
# usage: scripts/test.sh
#
# One line a step with its time; the log of a step only when it fails (all are kept in
# build/test-logs). The last line counts test cases, "N passed, N failed, N skipped": unit tests
# as run with CONFIG=debug (make check), and cases of tests/it. The same unit tests under ASan add only their
# failures. A step that fails without a failed test counts as one failure. Exit status 1 if
# anything failed.
#
# Tests run beside each other, and on a slow machine one of them may miss a time. So a test program, part of
# tests/sim or file of tests/it that failed is run once more, alone, and that run counts; the line "again"
# says so and what failed at first. What a sanitizer found counts at once.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
exec </dev/null
unset CC CFLAGS CPPFLAGS LDFLAGS MAKEFLAGS CONFIG B V BUILD WERROR

logs=build/test-logs
passed=0 failed=0 skipped=0 number=0
AGAIN_MAX=6 # more than that, and the program is at fault
j=-j$(nproc)
mkdir -p "$logs"
rm -f "$logs"/*

# step NAME COMMAND...: returns COMMAND's status; its log is $log.
step()
{
	local name=$1 start=$SECONDS rc=0
	shift
	number=$((number + 1))
	log=$logs/$number-${name// /-}.log
	"$@" >"$log" 2>&1 || rc=$?
	if [ "$rc" = 0 ]; then
		printf 'ok    %-32s %4d s' "$name" $((SECONDS - start))
	else
		printf 'FAIL  %-32s %4d s  exit status %s, log: %s\n' "$name" $((SECONDS - start)) "$rc" "$log"
	fi
	return "$rc"
}

# What went wrong, in few lines: what names an error first, then the end without what went well.
details()
{
	{
		grep -nE '^\[  (ERROR|FAILED) |^FAIL|^again |^(\[   LINE|.*(error|Error|ERROR|SUMMARY):)' "$log" | head -n 40
		echo ...
		grep -vE '^  (CC|LINK|AR) |^\[( RUN  |       OK|  PASSED)|^corpus .* ok$' "$log" | tail -n 30
	} | sed 's/^/      | /'
}

# A step without test cases.
plain_step()
{
	if step "$@"; then
		echo
	else
		details
		failed=$((failed + 1))
		return 1
	fi
}

# unit_count FILE: "passed failed skipped" of a test program's log. One that died before its summary counts as a failure.
unit_count()
{
	awk '
		$1 $3 == "[]" && $5 ~ /^test\(s\)/ { n[$2] += $4; end = 1 }
		END { print n["PASSED"] + 0, n["FAILED"] + !end, n["SKIPPED"] + 0 }
	' "$1"
}

# line_counts [FILE]: the same from lines "NAME: N passed, N failed, N skipped", or without NAME.
line_counts()
{
	sed -En 's/^([a-z-]+: )?([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\2 \3 \4/p' "$@"
}

# unit_counts CONFIG: the same of all of "make check": test programs, parts of tests/sim, and what it printed itself.
unit_counts()
{
	local file
	{
		find "build/$1/tests/unit" -name 'test_*.log' | while read -r file; do
			unit_count "$file"
		done
		for file in "build/$1/tests/sim"/*.log; do
			line_counts "$file" | grep . || echo 0 1 0
		done
		grep '^cli: ' "$log" | line_counts
	} | awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }'
}

# again NAME LOG COMMAND...: the second run of something that failed.
again()
{
	local name=$1 file=$2 first
	shift 2
	first=$(grep -m1 -E 'error: |^FAILED' "$file" || tail -n 1 "$file")
	cp "$file" "$logs/first-${name//\//-}.log"
	if timeout 300 "$@" >"$file" 2>&1; then
		echo "again $name: passed alone; at first: $first"
	else
		echo "again $name: failed alone, too; at first: $first"
	fi
}

# again_alone CONFIG: each failed test program and part of tests/sim once more. 0 if nothing else had failed.
again_alone()
{
	local file bad=() parts=() sanitizer='(Address|Leak|Thread)Sanitizer|runtime error:'
	while read -r file; do
		[[ $(unit_count "$file") = *" 0 "* ]] || bad+=("$file")
	done < <(find "build/$1/tests/unit" -name 'test_*.log')
	for file in "build/$1/tests/sim"/*.log; do
		[[ $(line_counts "$file") = *" 0 "* ]] || parts+=("$file")
	done
	[ $((${#bad[@]} + ${#parts[@]})) -le "$AGAIN_MAX" ] || return 1
	for file in "${bad[@]}" "${parts[@]}"; do
		! grep -qE "$sanitizer" "$file" || return 1
	done
	for file in "${bad[@]}"; do
		again "${file#build/"$1"/tests/}" "$file" "${file%.log}"
	done
	for file in "${parts[@]}"; do
		again "${file#build/"$1"/tests/}" "$file" env BUILD="$PWD/build/$1" tests/sim/run.sh "$(basename "$file" .log)"
	done
	! grep -E '^make(\[[0-9]+\])?: \*\*\* ' "$log" | grep -vE ': check-(unit|sim|asan)\]|Waiting for|not remade' | grep -q .
}

# unit_step NAME CONFIG WHAT-COUNTS COMMAND...
unit_step()
{
	local name=$1 config=$2 counts=$3 rc=0 p f s
	shift 3
	find "build/$config/tests/unit" -name 'test_*.log' -delete 2>/dev/null
	rm -f "build/$config/tests/sim"/*.log
	if ! step "$name" "$@"; then
		again_alone "$config" | tee "$logs/again"
		rc=${PIPESTATUS[0]}
	fi
	read -r p f s < <(unit_counts "$config")
	[ "$f" = 0 ] || rc=1
	if [ "$rc" = 0 ]; then
		echo "  $p passed, $f failed, $s skipped"
	else
		details
	fi
	[ "$rc" = 0 ] || [ "$f" != 0 ] || f=1
	failed=$((failed + f))
	if [ "$counts" = all ]; then
		passed=$((passed + p)) skipped=$((skipped + s))
	fi
}

it_step()
{
	local rc=0 p f s
	step "$@" || rc=$?
	read -r p f s < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$log" | tail -n1)
	p=${p:-0} f=${f:-0} s=${s:-0}
	if [ "$rc" = 0 ]; then
		echo "  $p passed, $f failed, $s skipped"
	else
		[ "$f" != 0 ] || f=1
		grep -E '^(FAIL|      \|)' "$log" || details
	fi
	grep -E '^(skip|again|slowest)' "$log"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# They mostly wait, for flushes and for Swarm's own timers: four at a time on two cores.
export IT_JOBS=${IT_JOBS:-4}

# The engine tests need root; the build must not be root's in a user's tree.
run_it()
{
	if [ "$(id -u)" = 0 ] || ! sudo -n true; then
		make "$j" check-it IT_FLAGS=-a
	else
		make "$j" all bench-tools && sudo -n env IT_JOBS="$IT_JOBS" BUILD="$PWD/build/release" tests/it/run -a tests/it/test_*.sh
	fi
}

plain_step 'install-deps test' scripts/install-deps.sh test
plain_step 'make' make "$j"
plain_step 'make lint' make "$j" lint
unit_step 'make check CONFIG=debug' debug all make -k "$j" check CONFIG=debug
plain_step 'make CC=clang' make "$j" CC=clang B=build/clang
unit_step 'make check-asan CC=clang' asan failures make -k "$j" check-asan CC=clang
it_step 'make check-it' run_it
echo "$SECONDS s in all"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
