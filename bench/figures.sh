# shellcheck shell=bash
# figures.sh - what a benchmark says, and what its figures are judged with
#
# Sourced after tests/it/lib.sh.
#
#	say TEXT, report            a line of the results; into the harness's report
#	median                      of lines
#	since3 T                    seconds since T in ms
#	holds CONDITION             of numbers, as awk has them; says which one does not

say()
{
	printf '%s\n' "$*" | tee -a "$IT_DIR/report"
}

report()
{
	while IFS= read -r line; do it_report '|' "$line"; done <"$IT_DIR/report"
}

median()
{
	sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

since3()
{
	awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f\n", b - a }'
}

holds()
{
	awk "BEGIN { exit !($1) }" || { echo "not so: $1" && return 1; }
}
