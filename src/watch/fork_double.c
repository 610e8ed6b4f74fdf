#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "watch/fork_priv.h"

/*
 * One producer, two blocks for one slot
 *
 * One nodeos never makes them, not even when it switches forks: it remembers the highest block and
 * the latest slot that it has signed, and makes none at or below either of them (leap 4.0,
 * producer_plugin.cpp, start_block(): "signed a block at a higher block number than the current
 * fork's head", "signed a block at the next block time or later").  So two blocks for one slot are
 * two nodeos with one key.  Every block that is seen is compared with those of its slot, the heads
 * of all nodes too: a copy's blocks are often dropped at once, and never seen in a fork.
 *
 * Two blocks of one height are less clear, as that memory ends with the process: a producer that
 * was on a fork, was started again and has found the other side, makes blocks of the same heights
 * again.  All its blocks on the one side are older than all of those on the other then, and it is
 * not accused.  Only who makes blocks on both sides by turns is.
 */

#define SLOTS         4096 /* more than half an hour */
#define PRODUCERS_MAX 64
#define COUNTED       128 /* slots; more than the blocks of a fork that are compared */
#define LINES         6
#define LINE_SIZE     300

struct slot {
	uint32_t slot, num; /* slot 0: none */
	char id[NODEOS_ID_HEX_SIZE], producer[NODEOS_NAME_SIZE];
	char who[64];
};

struct producer {
	char name[NODEOS_NAME_SIZE];
	int64_t seen_ns;
	uint64_t n; /* since it was told last that there are none */
	/* The newest of their slots, so that each is told once: a node may have such a block as its
	 * head for long. */
	uint32_t counted[COUNTED];
	uint64_t n_counted;
	char lines[LINES][LINE_SIZE];
};

struct fork_doubles {
	struct slot slots[SLOTS];
	struct producer producers[PRODUCERS_MAX];
	size_t n_producers;
};

struct fork_doubles *fork_doubles_new(void)
{
	return calloc(1, sizeof(struct fork_doubles));
}

void fork_doubles_free(struct fork_doubles *d)
{
	free(d);
}

/* --- who -------------------------------------------------------------------------------------- */

/* In place of the one that was seen longest ago when there are too many. */
static struct producer *producer_of(struct fork_doubles *d, const char *name)
{
	struct producer *p = &d->producers[0];

	for (size_t i = 0; i < d->n_producers; i++)
		if (strcmp(d->producers[i].name, name) == 0)
			return &d->producers[i];
	if (d->n_producers < PRODUCERS_MAX)
		p = &d->producers[d->n_producers++];
	else
		for (size_t i = 1; i < PRODUCERS_MAX; i++)
			if (d->producers[i].seen_ns < p->seen_ns)
				p = &d->producers[i];
	*p = (struct producer){ .n = 0 };
	snprintf(p->name, sizeof(p->name), "%s", name);
	return p;
}

static bool is_counted(const struct producer *p, uint32_t slot)
{
	for (size_t i = 0; i < COUNTED && i < p->n_counted; i++)
		if (p->counted[i] == slot)
			return true;
	return false;
}

/* a and b are by one producer and not the same; who: "" or " (of readers.1)". */
static void found(struct fork_doubles *d, const struct nodeos_block *a, const char *who_a,
        const struct nodeos_block *b, const char *who_b, int64_t now_ns)
{
	struct producer *p = producer_of(d, b->producer);
	uint32_t slot = nodeos_slot(b->time_ns);
	char at_a[CLOCK_TEXT_MAX], at_b[CLOCK_TEXT_MAX];
	char *line;

	if (is_counted(p, slot))
		return;
	p->counted[p->n_counted++ % COUNTED] = slot;
	line = p->lines[p->n % LINES];
	p->n++;
	p->seen_ns = now_ns;
	clock_text(at_a, a->time_ns);
	clock_text(at_b, b->time_ns);
	if (a->time_ns == b->time_ns)
		snprintf(line, LINE_SIZE, "slot %s: block %u %.20s...%s and block %u %.20s...%s",
		        at_b, a->num, a->id, who_a, b->num, b->id, who_b);
	else
		snprintf(line, LINE_SIZE, "block %u: %.20s...%s for slot %s and %.20s...%s for %s",
		        b->num, a->id, who_a, at_a, b->id, who_b, at_b);
}

/* --- what is seen ----------------------------------------------------------------------------- */

void fork_doubles_see(
        struct fork_doubles *d, const struct nodeos_block *b, const char *who, int64_t now_ns)
{
	uint32_t at = nodeos_slot(b->time_ns);
	struct slot *s = &d->slots[at % SLOTS];
	struct nodeos_block before = { .num = s->num, .time_ns = b->time_ns };
	char who_before[80], who_now[80];

	if (at == 0 || !b->producer[0] || !b->id[0])
		return;
	if (s->slot == at && strcmp(s->producer, b->producer) == 0) {
		if (strcmp(s->id, b->id) == 0)
			return;
		snprintf(before.id, sizeof(before.id), "%s", s->id);
		snprintf(who_before, sizeof(who_before), " of %s", s->who);
		snprintf(who_now, sizeof(who_now), " of %.63s", who);
		found(d, &before, who_before, b, who_now, now_ns);
		return;
	}
	s->slot = at;
	s->num = b->num;
	snprintf(s->id, sizeof(s->id), "%s", b->id);
	snprintf(s->producer, sizeof(s->producer), "%s", b->producer);
	snprintf(s->who, sizeof(s->who), "%s", who);
}

/* The first and the last block of a producer; false: there is none. */
static bool span(const struct fork_branch *b, const char *producer, int64_t *first, int64_t *last)
{
	bool has_any = false;

	for (size_t i = 0; i < b->n_blocks; i++) {
		if (strcmp(b->blocks[i].producer, producer) != 0)
			continue;
		if (!has_any)
			*first = b->blocks[i].time_ns;
		*last = b->blocks[i].time_ns;
		has_any = true;
	}
	return has_any;
}

static bool are_by_turns(const struct fork *k, const char *producer)
{
	int64_t first_a = 0, last_a = 0, first_b = 0, last_b = 0;

	return span(&k->branch[0], producer, &first_a, &last_a) &&
	        span(&k->branch[1], producer, &first_b, &last_b) && last_a >= first_b &&
	        last_b >= first_a;
}

void fork_doubles_compare(struct fork_doubles *d, const struct fork *k, int64_t now_ns)
{
	const struct fork_branch *a = &k->branch[0], *b = &k->branch[1];

	for (size_t i = 0; i < a->n_blocks; i++)
		for (size_t j = 0; j < b->n_blocks; j++) {
			const struct nodeos_block *x = &a->blocks[i], *y = &b->blocks[j];

			if (!x->producer[0] || strcmp(x->producer, y->producer) != 0)
				continue;
			if (x->time_ns == y->time_ns ||
			        (x->num == y->num && are_by_turns(k, x->producer)))
				found(d, x, " of the majority's side", y, " of the other", now_ns);
		}
}

/* --- what is told ----------------------------------------------------------------------------- */

static void tell(struct watch *w, const struct producer *p)
{
	uint64_t n = p->n < LINES ? p->n : LINES;
	const char *newest = p->lines[(p->n - 1) % LINES];
	struct finding *row;

	row = findings_add(&w->findings, WATCH_DOUBLE_PRODUCTION, p->name, (double)p->n,
	        (double)NAN, "two different blocks, %llu time%s; last %s", (unsigned long long)p->n,
	        p->n == 1 ? "" : "s", newest);
	for (uint64_t i = p->n - n; i < p->n; i++)
		finding_evidence(row, "%s", p->lines[i % LINES]);
}

void fork_doubles_tell(struct watch *w, struct fork_doubles *d)
{
	double limit = watch_limit(w, WATCH_T_DOUBLE_SECONDS) * (double)NS_PER_SEC;

	for (size_t i = 0; i < d->n_producers; i++) {
		struct producer *p = &d->producers[i];

		if (p->n && (double)(w->now_ns - p->seen_ns) <= limit)
			tell(w, p);
		else
			p->n = 0;
	}
}
