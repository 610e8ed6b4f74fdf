#include "watch/blocks.h"

#include <stdlib.h>
#include <string.h>

/*
 * A height's place in the ring is its remainder, so moving the window on means to empty the places
 * of the heights that fall out.  Nearly all heights have one block, hence a place has just the
 * memory for what it holds.
 */

struct place {
	uint32_t n;
	struct nodeos_block *v;
};

struct watch_blocks {
	uint32_t first, last; /* heights that have one; 0: there are none */
	struct place places[WATCH_BLOCKS_WINDOW];
};

struct watch_blocks *watch_blocks_new(void)
{
	return calloc(1, sizeof(struct watch_blocks));
}

void watch_blocks_free(struct watch_blocks *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < WATCH_BLOCKS_WINDOW; i++)
		free(b->places[i].v);
	free(b);
}

static struct place *place_of(struct watch_blocks *b, uint32_t num)
{
	return &b->places[num % WATCH_BLOCKS_WINDOW];
}

static void empty(struct place *p)
{
	free(p->v);
	*p = (struct place){ 0 };
}

static bool is_below(const struct watch_blocks *b, uint32_t num)
{
	return num < b->last && b->last - num >= WATCH_BLOCKS_WINDOW;
}

/* The window ends with num, which is above all that there is. */
static void move_to(struct watch_blocks *b, uint32_t num)
{
	while (b->first && num - b->first >= WATCH_BLOCKS_WINDOW) {
		empty(place_of(b, b->first));
		if (b->first == b->last) {
			b->first = 0;
			break;
		}
		/* There is one up to last. */
		do
			b->first++;
		while (!place_of(b, b->first)->n);
	}
	b->last = num;
	if (!b->first)
		b->first = num;
}

int watch_blocks_add(struct watch_blocks *b, const struct nodeos_block *block)
{
	struct nodeos_block *v;
	struct place *p;

	if (block->num == 0 || !block->id[0] || is_below(b, block->num))
		return -1;
	p = place_of(b, block->num);
	if (block->num <= b->last) {
		for (uint32_t i = 0; i < p->n; i++)
			if (strcmp(p->v[i].id, block->id) == 0) {
				if (p->v[i].transactions < 0)
					p->v[i].transactions = block->transactions;
				return 1;
			}
		if (p->n == WATCH_BLOCKS_BRANCHES)
			return -1;
		v = reallocarray(p->v, p->n + 1, sizeof(*v));
	} else {
		/* Before anything is forgotten for it. */
		v = malloc(sizeof(*v));
	}
	if (!v)
		return -1;
	if (block->num > b->last)
		move_to(b, block->num);
	else if (block->num < b->first)
		b->first = block->num;
	p->v = v;
	p->v[p->n++] = *block;
	return 0;
}

const struct nodeos_block *watch_blocks_at(const struct watch_blocks *b, uint32_t num, size_t i)
{
	const struct place *p = &b->places[num % WATCH_BLOCKS_WINDOW];

	if (num == 0 || num < b->first || num > b->last || i >= p->n)
		return NULL;
	return &p->v[i];
}

const struct nodeos_block *watch_blocks_find(
        const struct watch_blocks *b, uint32_t num, const char *id)
{
	const struct nodeos_block *block;

	for (size_t i = 0; (block = watch_blocks_at(b, num, i)); i++)
		if (strcmp(block->id, id) == 0)
			return block;
	return NULL;
}
