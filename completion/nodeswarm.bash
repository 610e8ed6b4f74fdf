# Completion of nodeswarm for bash; to be found as .../bash-completion/completions/nodeswarm
#
# What can be typed is asked of the program itself, so there is no list here that could be stale.
# Works with and without the package bash-completion.

_nodeswarm()
{
	local words=() word='' cur='' line i c rest=${COMP_LINE:0:COMP_POINT} base=''

	# COMP_WORDS is split at = and : too, where COMP_WORDBREAKS says so: what stands together in the
	# line is one word.
	for ((i = 0; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if ((i > 0)) && [[ $rest != [[:blank:]]* ]]; then
			words[${#words[@]}-1]+=$word
		else
			words+=("$word")
		fi
		rest=${rest#"${rest%%[![:blank:]]*}"}
		rest=${rest#"$word"}
	done
	cur=${words[${#words[@]}-1]}
	# Of such a word readline replaces only what is behind its last break.
	for ((i = 0; i < ${#cur}; i++)); do
		c=${cur:i:1}
		[[ $c == [=:] && ${COMP_WORDBREAKS-} == *"$c"* ]] && base=${cur:0:i+1}
	done
	COMPREPLY=()
	while IFS= read -r line; do
		case $line in
		:files | :directories)
			rest=-f
			[ "$line" = :files ] || rest=-d
			c=${cur#--*=}
			compopt -o filenames 2>/dev/null
			while IFS= read -r line; do
				line=${cur%"$c"}$line
				COMPREPLY+=("${line#"$base"}")
			done < <(compgen "$rest" -- "$c")
			;;
		*)
			line=${line%%$'\t'*}
			[[ $line != *= ]] || compopt -o nospace 2>/dev/null
			COMPREPLY+=("${line#"$base"}")
			;;
		esac
	done < <("${COMP_WORDS[0]/#\~/$HOME}" complete -- "${words[@]:1}" 2>/dev/null)
}
complete -F _nodeswarm nodeswarm
