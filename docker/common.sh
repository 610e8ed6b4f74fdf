# shellcheck shell=bash
# common.sh - what the scripts of this directory share; sourced by them

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

usage_error()
{
	echo "${0##*/}: $*, see -h" >&2
	exit 2
}

# print_help: the comment at the top of the script.
print_help()
{
	sed -n '2,/^set -/p' "$0" | sed '$d; s/^# \{0,1\}//'
}

# use_engine SOCKET: a path, a DOCKER_HOST value, or empty for what the environment says.
use_engine()
{
	case $1 in
	'') ;;
	/*) export DOCKER_HOST=unix://$1 ;;
	*) export DOCKER_HOST=$1 ;;
	esac
	type -P docker >/dev/null || die "no 'docker' command here: run scripts/install-deps.sh run"
	docker version >/dev/null 2>&1 || die "no engine answers at ${DOCKER_HOST:-the default socket}"
}

# check_tag TAG: print it with a version, if it is an image name.
check_tag()
{
	[[ $1 =~ ^[a-z0-9][a-z0-9._/-]*(:[A-Za-z0-9_.-]+)?$ ]] || die "'$1' is no image name"
	[[ $1 == *:* ]] && echo "$1" || echo "$1:latest"
}

# libraries_of FILE...: the paths that the loader maps for them, the loader itself included.
libraries_of()
{
	local out
	if ! out=$(LC_ALL=C ldd "$@" 2>&1); then
		[[ $out == *'not a dynamic executable'* ]] || die "ldd $1: $out"
		return 0
	fi
	[[ $out != *'not found'* ]] || die "a library of '$1' is missing: $(grep -m1 'not found' <<<"$out")"
	# With several files each has a line of its own, with a colon.
	awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// && $1 !~ /:$/ { print $1 }' <<<"$out" | sort -u
}

# interpreter_of FILE: the path of its loader, which is the line of ldd without an arrow.
interpreter_of()
{
	LC_ALL=C ldd "$1" 2>/dev/null | awk '$1 ~ /^\// { print $1; exit }'
}

IPTABLES_PROGRAMS='xtables-nft-multi xtables-legacy-multi'

iptables_program()
{
	PATH=$PATH:/usr/sbin:/sbin type -P "$1"
}

# iptables_extensions: the directory of iptables' extensions; fails, and says so, where there is no
# iptables.
iptables_extensions()
{
	local program dir
	for program in $IPTABLES_PROGRAMS; do
		iptables_program "$program" >/dev/null || {
			echo "${0##*/}: no '$program' here: agents of this image cannot keep a firewall" >&2
			return 1
		}
	done
	for dir in /usr/lib/*/xtables /usr/lib64/xtables /usr/lib/xtables; do
		[ ! -e "$dir/libxt_standard.so" ] || { echo "$dir" && return; }
	done
	echo "${0##*/}: no extensions of iptables here: agents of this image cannot keep a firewall" >&2
	return 1
}

# iptables_names: "NAME PROGRAM" for each name that the programs have. The plain ones are nft's, as in
# Debian.
iptables_names()
{
	local family suffix
	for family in iptables ip6tables; do
		for suffix in '' -save -restore; do
			echo "$family$suffix xtables-nft-multi"
			echo "$family-nft$suffix xtables-nft-multi"
			echo "$family-legacy$suffix xtables-legacy-multi"
		done
	done
}

megabytes()
{
	echo "$(($1 / 1000000)).$(($1 / 100000 % 10)) MB"
}
