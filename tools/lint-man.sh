#!/bin/bash
# lint-man.sh - what the man pages say of variables and of stack files, against source and stacks/
#
# usage: tools/lint-man.sh     at the top of the tree; exit 1 and a line for each fault
#
# Commands and options are compared by tests/unit/cli/test_man.c, from the tables themselves.
set -u
rc=0

fault()
{
	echo "lint-man: $*" >&2
	rc=1
}

# A page as text, one paragraph with its tag a line.
paragraphs()
{
	sed -E 's/\\f[BIRP]//g; s/\\-/-/g; s/\\\(aq/'\''/g; s/\\\(dq/"/g; s/\\\(ti/~/g; s/\\e/\\/g' "$1" |
		awk '/^\.(TP|PP|SH|SS)/ { printf "\n"; next } { printf "%s ", $0 }'
}

# Nobody can set what nothing reads.
while read -r name; do
	grep -rqw -- "$name" src stacks scripts swarm docker || fault "a page names $name, which nothing reads"
done < <(cat man/*.[15] | sed 's/\\-/-/g' | grep -oE 'NODESWARM_[A-Z0-9_]*[A-Z0-9]' | sort -u)

page=man/nodeswarm-stack.5
text=$(paragraphs $page)

# ${NAME:-default} of the stack files: a tag with the name, and the default behind it.
while IFS=$'\t' read -r name default; do
	awk -v n="$name" -v d="$default" '
		index($0, n) == 1 || index($0, " " n) || index($0, "," n) {
			at = match($0, "(^|[ ,])" n "([ ,]|$)")
			if (at && (d == "" || index($0, d))) found = 1
		}
		END { exit !found }' <<<"$text" || fault "$page: no paragraph with $name${default:+ and its default }$default"
done < <(grep -ohE '\$\{[A-Z0-9_]+(:?-[^}]*|:?\?[^}]*)\}' stacks/*.yml | sort -u |
	sed -E 's/^\$\{([A-Z0-9_]+):?-(.*)\}$/\1\t\2/; s/^\$\{([A-Z0-9_]+):?\?.*\}$/\1\t/')

# Keys of compose that are read, from the tables of src/stack.
while read -r key; do
	grep -qwF -- "$key" <<<"$text" || fault "$page: the key '$key' is read and not named"
done < <(cat src/stack/*.c | tr '\n' ' ' |
	grep -oE '(FIELD\([a-z ]*struct [a-z_]+, [a-z_]+, read_|SVC\([a-z_]+, read_|\{ "[a-z_-]+", read_|WHOLE\("[a-z_]+")' |
	sed -E 's/FIELD\([a-z ]*struct [a-z_]+, ([a-z_]+),.*/\1/; s/SVC\(([a-z_]+),.*/\1/; s/\{ "([a-z_-]+)".*/\1/; s/WHOLE\("([a-z_]+)"/\1/' |
	sort -u)

# What formats them has nothing to say.
if command -v groff >/dev/null; then
	for f in man/*.[15]; do
		grep -q '^\.so ' "$f" && continue
		out=$(groff -man -Tutf8 -Kutf8 -ww -rLL=100n -z "$f" 2>&1)
		[ -z "$out" ] || fault "$f: $out"
	done
else
	echo 'lint-man: no groff, skipped'
fi
exit $rc
