#!/bin/bash
# Replay the transcripts tests/cli/*.golden and compare.
#
# usage: BUILD=build/debug tests/cli/run.sh [NAME...]     UPDATE=1 rewrites them
#
# A transcript is commands and what they print:
#
#	# a comment, or an empty line
#	$ nodeswarm no-such-command        run by bash in an empty directory
#	| a line of its standard output
#	! a line of its standard error
#	? 2                                its exit status, if it is not 0
#
# TOP is the top of the tree.  The program's version is replaced by VERSION.  "needs root", "needs
# PROGRAM" or "needs /FILE" alone on a line skips the rest of the transcript where that is not to be
# had.
set -u
here=$(cd "$(dirname "$0")" && pwd)
: "${BUILD:=$here/../../build}"
BUILD=$(cd "$BUILD" && pwd) || exit 1
PATH=$BUILD:$PATH
unset "${!NODESWARM_@}" DOCKER_HOST
TOP=$(cd "$here/../.." && pwd)
export PATH TOP LC_ALL=C.UTF-8 COLUMNS=80
passed=0 failed=0 skipped=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
version=$(nodeswarm version | awk 'NR == 1 { print $2 }')

have() {
	case $1 in
	root) [ "$(id -u)" -eq 0 ] ;;
	/*) [ -e "$1" ] ;;
	*) command -v "$1" >/dev/null ;;
	esac
}

# Run one command; its transcript goes to $work/actual.
run_case() {
	local status

	mkdir "$work/cwd"
	(cd "$work/cwd" && timeout 30 bash -c "$1") >"$work/out" 2>"$work/err" </dev/null
	status=$?
	{
		sed "s/${version//./\\.}/VERSION/g; s/^/| /; s/ \$//" "$work/out"
		sed "s/${version//./\\.}/VERSION/g; s/^/! /; s/ \$//" "$work/err"
		[ $status -eq 0 ] || echo "? $status"
	} >"$work/actual"
	rm -rf "$work/cwd"
}

# Compare the case that was read with its run.
end_case() {
	[ -n "$cmd" ] || return 0
	if [ -n "$skip" ]; then
		skipped=$((skipped + 1))
		cat "$work/expected" >>"$work/new"
	else
		run_case "$cmd"
		cat "$work/actual" >>"$work/new"
		if cmp -s "$work/expected" "$work/actual"; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
			echo "FAILED $name: $cmd"
			diff -u --label expected --label actual "$work/expected" "$work/actual"
		fi
	fi
	cmd=
}

replay() {
	local line

	cmd='' skip=''
	: >"$work/new"
	while IFS= read -r line; do
		case $line in
		'$ '*)
			end_case
			cmd=${line#'$ '}
			: >"$work/expected"
			;;
		'| '* | '! '* | '? '* | '|' | '!')
			echo "$line" >>"$work/expected"
			continue
			;;
		*)
			end_case
			case $line in
			'needs '*) have "${line#needs }" || skip=1 ;;
			esac
			;;
		esac
		echo "$line" >>"$work/new"
	done <"$1"
	end_case
	[ -z "${UPDATE:-}" ] || cmp -s "$work/new" "$1" || cp "$work/new" "$1"
}

[ $# -gt 0 ] || set -- "$here"/*.golden
for f in "$@"; do
	name=$(basename "$f" .golden)
	replay "$here/$name.golden"
done
echo "cli: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
