# List the functions that programs could call and none does: tests alone are no reason to keep one.
#
# usage: awk -f tools/unused.awk tools/unused.allow src/*/*.[ch]
#
# A function is what is defined or declared at the top of a file, and not static.  It is used where
# its name stands anywhere else, be it in another function, a table or a macro; not in a comment or
# a string, nor as the tag or the member of a struct.  What only calls itself, or is called only by
# what nothing calls, is seen when that has gone.  tools/unused.allow has "name reason" on a line.

# The line without comments, strings and characters.
function strip(s,    out, c)
{
	out = ""
	for (;;) {
		if (in_comment) {
			if (!match(s, /\*\//))
				return out
			s = substr(s, RSTART + 2)
			in_comment = 0
			out = out " "
		}
		if (!match(s, /["'\/]/))
			return out s
		c = substr(s, RSTART, 1)
		out = out substr(s, 1, RSTART - 1)
		s = substr(s, RSTART)
		if (substr(s, 1, 2) == "/*") {
			s = substr(s, 3)
			in_comment = 1
		} else if (substr(s, 1, 2) == "//") {
			return out
		} else if (c == "/") {
			out = out c
			s = substr(s, 2)
		} else if (c == "\"" && match(s, /^"([^"\\]|\\.)*"/) || match(s, /^'([^'\\]|\\.)*'/)) {
			s = substr(s, RLENGTH + 1)
		} else {
			return out
		}
	}
}

# A name that is a struct's is none of a function.
function is_name(t)
{
	return t ~ /^[A-Za-z_]/ && last != "struct" && last != "enum" && last != "union" && last != "." && last != "->"
}

# What has come together at the top of a file: a declaration, the head of a function, or neither.
function end_of_statement(is_head,    i, name, is_function)
{
	is_function = n_word && first_call && !has["="] && !has["static"] && !has["typedef"]
	if (is_function) {
		name = first_call
		if (is_head && !(name in defined))
			defined[name] = FILENAME ":" at
		else if (!is_head && !(name in declared))
			declared[name] = FILENAME ":" at
	}
	# DEFINE_X(name, ...) makes that name, but DEFINE_AUTO(T, fn) uses fn.
	for (i = 1; i <= n_word; i++)
		if (!(is_function && word[i] == first_call) &&
		    !(i == 2 && word[1] ~ /^DEFINE_/ && word[1] != "DEFINE_AUTO"))
			used[word[i]] = 1
	n_word = 0
	first_call = ""
	parens = 0
	split("", has)
}

function top_token(t)
{
	if (t == "{" || t == ";") {
		if (parens == 0) {
			if (t == "{" && has["="])
				in_value = 1
			end_of_statement(t == "{")
		}
	} else if (t == "(") {
		if (parens++ == 0 && n_word && !first_call && last == word[n_word])
			first_call = last
	} else if (t == ")") {
		# AUTO-like macros have no semicolon.
		if (--parens == 0 && n_word && word[1] == first_call && first_call ~ /^[A-Z_]+$/) {
			first_call = ""
			end_of_statement(0)
		}
	} else if (t == "=") {
		has["="] = 1
	} else if (is_name(t)) {
		if (n_word == 0)
			at = FNR
		word[++n_word] = t
		has[t] = 1
	}
}

FILENAME ~ /\.allow$/ {
	if ($0 ~ /^[[:space:]]*(#|$)/)
		next
	if (NF < 2) {
		printf "%s:%d: '%s' needs a reason\n", FILENAME, FNR, $1
		errors++
	}
	allowed[$1] = FILENAME ":" FNR
	next
}

FNR == 1 {
	depth = in_comment = in_macro = 0
	end_of_statement(0)
}

{
	s = strip($0)
	is_macro = in_macro || s ~ /^[[:space:]]*#/
	in_macro = is_macro && s ~ /\\$/
	if (s ~ /^[[:space:]]*#[[:space:]]*include/)
		next
	while (match(s, /[A-Za-z_][A-Za-z_0-9]*|[0-9][A-Za-z_0-9.]*|->|[^[:space:]]/)) {
		t = substr(s, RSTART, RLENGTH)
		s = substr(s, RSTART + RLENGTH)
		if (depth == 0 && !is_macro)
			top_token(t)
		else if (is_name(t))
			used[t] = 1
		if (!is_macro && t == "{")
			depth++
		else if (!is_macro && t == "}")
			depth--
		last = t
	}
}

END {
	for (name in declared)
		if (!(name in defined))
			defined[name] = declared[name]
	for (name in defined)
		if (!(name in used) && !(name in allowed) && name != "main") {
			printf "%s: nothing but tests calls %s(): remove it, make it static, or say why in tools/unused.allow\n", defined[name], name | "sort"
			errors++
		}
	for (name in allowed)
		if ((name in used) || !(name in defined)) {
			printf "%s: %s() is %s: take it out\n", allowed[name], name, name in used ? "called" : "no function"
			errors++
		}
	close("sort")
	exit errors > 0
}
