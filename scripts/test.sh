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
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
exec </dev/null
unset CC CFLAGS CPPFLAGS LDFLAGS MAKEFLAGS CONFIG B V BUILD WERROR

logs=build/test-logs
passed=0 failed=0 skipped=0 number=0
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
		grep -nE '^\[  (ERROR|FAILED) |^FAIL|^(\[   LINE|.*(error|Error|ERROR|SUMMARY):)' "$log" | head -n 40
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

# unit_counts CONFIG: "passed failed skipped" of the last step. cmocka's from each test's own log,
# where a test program that died before its summary counts as a failure; then lines of the form
# "NAME: N passed, N failed, N skipped" (or without NAME) that the step printed.
unit_counts()
{
	local file
	{
		find "build/$1/tests/unit" -name 'test_*.log' 2>/dev/null | while read -r file; do
			awk '
				$1 $3 == "[]" && $5 ~ /^test\(s\)/ { n[$2] += $4; end = 1 }
				END { print n["PASSED"] + 0, n["FAILED"] + !end, n["SKIPPED"] + 0 }
			' "$file"
		done
		sed -En 's/^([a-z-]+: )?([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\2 \3 \4/p' "$log"
	} | awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }'
}

# unit_step NAME CONFIG WHAT-COUNTS COMMAND...
unit_step()
{
	local name=$1 config=$2 counts=$3 rc=0 p f s
	shift 3
	find "build/$config/tests/unit" -name 'test_*.log' -delete 2>/dev/null
	step "$name" "$@" || rc=$?
	read -r p f s < <(unit_counts "$config")
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
	grep -E '^(skip|slowest)' "$log"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# They mostly wait, for flushes and for Swarm's own timers: three at a time on two cores.
export IT_JOBS=${IT_JOBS:-3}

# The engine tests need root; the build must not be root's in a user's tree.
run_it()
{
	if [ "$(id -u)" = 0 ] || ! sudo -n true; then
		make "$j" check-it
	else
		make "$j" all bench-tools && sudo -n env IT_JOBS="$IT_JOBS" BUILD="$PWD/build/release" tests/it/run tests/it/test_*.sh
	fi
}

plain_step 'install-deps test' scripts/install-deps.sh test
plain_step 'make' make "$j"
plain_step 'make lint' make "$j" lint
unit_step 'make check CONFIG=debug' debug all make "$j" check CONFIG=debug
plain_step 'make CC=clang' make "$j" CC=clang B=build/clang
unit_step 'make check-asan CC=clang' asan failures make "$j" check-asan CC=clang
it_step 'make check-it' run_it
echo "$SECONDS s in all"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
