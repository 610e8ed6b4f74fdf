#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "watch/fork_priv.h"

/*
 *	54  000000366f5c1d0b2a4e...  of all
 *	|-- 55  00000037fed987d46119...  prodb 2026-11-20T10:26:48.000Z  1 node: x  (head N ...)
 *	`-- 55  0000003751cf12803eae...  prodc 2026-11-20T10:26:54.000Z  2 nodes: y z  (head N ...)
 *
 * The majority's side is the last branch, from which later forks go off further in.
 */

#define ID_SHOWN 20

static void node_line(struct finding *row, int indent, const char *mark, uint32_t num,
        const struct fork_branch *b)
{
	char at[CLOCK_TEXT_MAX];

	finding_evidence(row,
	        "%*s%s %u  %.*s...  %s%s%s  %zu node%s: %s  (head %u, irreversible %u)", indent, "",
	        mark, num, ID_SHOWN, b->id, b->producer[0] ? b->producer : "by ?",
	        b->time_ns ? " " : "", b->time_ns ? clock_text(at, b->time_ns) : "", b->nodes,
	        b->nodes == 1 ? "" : "s", b->names, b->head, b->lib);
}

static void base_line(struct finding *row, int indent, const struct fork *k)
{
	const char *of = indent ? "of the rest" : "of all";

	if (k->is_exact && k->base[0])
		finding_evidence(
		        row, "%*s%u  %.*s...  %s", indent, "", k->low, ID_SHOWN, k->base, of);
	else if (k->is_exact)
		finding_evidence(row, "%*s0  different from the first block on", indent, "");
	else if (k->low)
		finding_evidence(row, "%*s%u  %.*s...  %s; the blocks from there to %u %s", indent,
		        "", k->low, ID_SHOWN, k->base, of, k->high,
		        "are not compared yet, or not there any more");
	else
		finding_evidence(
		        row, "%*s?  no block of both sides below %u is known", indent, "", k->high);
}

static int by_begin(const void *a, const void *b)
{
	const struct fork *x = *(const struct fork *const *)a, *y = *(const struct fork *const *)b;

	if (x->high != y->high)
		return x->high < y->high ? -1 : 1;
	return x < y ? -1 : x > y;
}

void fork_tree(struct finding *row, const struct fork *const *forks, size_t n)
{
	const struct fork *sorted[FORK_FORKS_MAX];
	int indent = 0;

	if (n > FORK_FORKS_MAX)
		n = FORK_FORKS_MAX;
	for (size_t i = 0; i < n; i++)
		sorted[i] = forks[i];
	if (n)
		qsort(sorted, n, sizeof(sorted[0]), by_begin);
	for (size_t i = 0; i < n; i++) {
		const struct fork *k = sorted[i];
		bool is_group = i && sorted[i - 1]->high == k->high;
		bool is_last = i + 1 == n || sorted[i + 1]->high != k->high;

		if (!is_group)
			base_line(row, indent, k);
		node_line(row, indent, "|--", k->high, &k->branch[1]);
		if (!is_last)
			continue;
		if (i + 1 == n) {
			node_line(row, indent, "`--", k->high, &k->branch[0]);
			break;
		}
		finding_evidence(
		        row, "%*s`-- %u  %.*s...", indent, "", k->high, ID_SHOWN, k->branch[0].id);
		indent += 4;
	}
}
