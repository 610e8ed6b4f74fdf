# shellcheck shell=bash
# common.sh - what the scripts of swarm/ share; sourced by them

self=$(basename "$0")
dry=''

say()
{
	echo "$*"
}

note()
{
	echo "$self: $*" >&2
}

die()
{
	echo "$self: $*" >&2
	exit 1
}

# The text between the script's first line and the first line without "#".
usage()
{
	awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$0"
}

usage_error()
{
	echo "$self: $*" >&2
	echo "  hint: $self -h" >&2
	exit 2
}

# value OPTION [VALUE]: it must be there.
value()
{
	[ $# -ge 2 ] || usage_error "$1 needs a value"
}

need_root()
{
	[ "$(id -u)" = 0 ] || die 'needs root'
}

need()
{
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null || die "no '$program' here"
	done
}

# run COMMAND...: or, with --dry-run, only say it.
run()
{
	if [ -n "$dry" ]; then
		say "would run: $*"
	else
		"$@"
	fi
}

# put FILE MODE: standard input becomes the file, unless it is that already.
put()
{
	local file=$1 mode=$2 text
	# The dot keeps the newlines at the end.
	text=$(cat && echo .)
	text=${text%.}
	if [ -f "$file" ] && [ "$(cat "$file" && echo .)" = "$text." ] && [ "$(stat -c %a "$file")" = "$mode" ]; then
		return
	fi
	if [ -n "$dry" ]; then
		say "would write $file"
		return
	fi
	mkdir -p "$(dirname "$file")"
	printf '%s' "$text" >"$file.tmp-$$"
	chmod "$mode" "$file.tmp-$$"
	mv -f "$file.tmp-$$" "$file"
	say "wrote $file"
}

# take_away FILE...: those that are there, and directories of ours that are empty then.
take_away()
{
	local file
	for file in "$@"; do
		[ -e "$file" ] || [ -L "$file" ] || continue
		if [ -n "$dry" ]; then
			say "would remove $file"
			continue
		fi
		rm -f "$file"
		say "removed $file"
		case $(dirname "$file") in
		*.d | *.wants | *.requires | */lib/nodeswarm) rmdir "$(dirname "$file")" 2>/dev/null || true ;;
		esac
	done
}

# --- engine ------------------------------------------------------------------------------------

swarm_state()
{
	docker info -f '{{.Swarm.LocalNodeState}}' 2>/dev/null
}

need_engine()
{
	need docker
	docker info -f '{{.ServerVersion}}' >/dev/null 2>&1 || die 'no engine answers: systemctl start docker'
}

# load_images FILE...: archives of "docker save". An archive's FILE.ids, from save-images.sh, says
# which id each name must have: hosts with different images under one name are a trap.
load_images()
{
	local file name id got
	for file in "$@"; do
		[ -r "$file" ] || die "cannot read '$file'"
		run docker load -q -i "$file"
		if [ -n "$dry" ] || [ ! -r "$file.ids" ]; then
			continue
		fi
		while read -r name id; do
			got=$(docker image inspect -f '{{.Id}}' "$name" 2>/dev/null) || got=none
			[ "$got" = "$id" ] || die "image '$name' has the id $got here, and $id where it was saved"
			say "image $name is ${id#sha256:}" | cut -c 1-90
		done <"$file.ids"
	done
}
