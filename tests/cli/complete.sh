#!/bin/bash
# What bash offers when TAB is pressed behind LINE, a line each; TOP is the top of the tree.
#
# usage: complete.sh LINE
set -u
: "${TOP:?}"
# shellcheck source=completion/nodeswarm.bash
. "$TOP/completion/nodeswarm.bash"
# compopt works only while readline completes.
compopt()
{
	echo "compopt $*"
}

# As bash splits it, without quotes: at blanks, and = and : are words of their own.
COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=('') COMP_CWORD=0 COMPREPLY=()
: "$COMP_POINT"
kind=' '
for ((i = 0; i < ${#COMP_LINE}; i++)); do
	c=${COMP_LINE:i:1} old=$kind
	case $c in
	' ') kind=' ' && continue ;;
	[=:]) kind='=' ;;
	*) kind=a ;;
	esac
	[ $i = 0 ] || [ "$kind" = "$old" ] || COMP_WORDS+=('')
	COMP_WORDS[${#COMP_WORDS[@]}-1]+=$c
done
# Behind "=" a new word has begun, though nothing of it is there.
[ "$kind" = a ] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_nodeswarm
printf '%s\n' "${COMPREPLY[@]}"
