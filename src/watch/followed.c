#include "watch/followed.h"

#include <stdlib.h>
#include <string.h>

int followed_init(struct followed *f)
{
	*f = (struct followed){ .ring = calloc(WATCH_BLOCKS_WINDOW, sizeof(*f->ring)) };
	return f->ring ? 0 : -1;
}

void followed_release(struct followed *f)
{
	free(f->ring);
	*f = (struct followed){ 0 };
}

void followed_clear(struct followed *f)
{
	f->first = f->last = 0;
	f->changes++;
}

static struct nodeos_block *place(const struct followed *f, uint32_t num)
{
	return &f->ring[num % WATCH_BLOCKS_WINDOW];
}

/* The lowest height that has a place beside num. */
static uint32_t lowest_beside(uint32_t num)
{
	return num > WATCH_BLOCKS_WINDOW ? num - WATCH_BLOCKS_WINDOW + 1 : 1;
}

const struct nodeos_block *followed_at(const struct followed *f, uint32_t num)
{
	return f->first && num >= f->first && num <= f->last ? place(f, num) : NULL;
}

static bool has(const struct followed *f, uint32_t num, const char *id)
{
	const struct nodeos_block *b = followed_at(f, num);

	return b && strcmp(b->id, id) == 0;
}

/*
 * Down from a block until the former chain is met, *ret_is_met, or ends.  Returns the lowest height
 * that the new chain has of its own; 0: a block of the height *ret_missing is not known.
 */
static uint32_t find_begin(const struct followed *f, const struct watch_blocks *b, uint32_t num,
        const char *id, bool *ret_is_met, uint32_t *ret_missing)
{
	for (uint32_t n = num;; n--) {
		const struct nodeos_block *block = watch_blocks_find(b, n, id);

		if (!block && (n == num || (f->first && n >= f->first))) {
			*ret_missing = n;
			return 0;
		}
		if (!block)
			return n + 1;
		*ret_is_met = has(f, n - 1, block->previous);
		if (*ret_is_met || n == lowest_beside(num))
			return n;
		id = block->previous;
	}
}

int followed_move(struct followed *f, const struct watch_blocks *b, uint32_t num, const char *id,
        uint32_t *ret_missing)
{
	bool is_met = false;
	uint32_t begin;

	if (has(f, num, id)) {
		f->changes += f->last != num;
		f->last = num;
		return 0;
	}
	begin = find_begin(f, b, num, id, &is_met, ret_missing);
	if (!begin)
		return 1;
	for (uint32_t n = num; n >= begin; n--) {
		*place(f, n) = *watch_blocks_find(b, n, id);
		id = place(f, n)->previous;
	}
	f->last = num;
	if (!is_met)
		f->first = begin;
	else if (f->first < lowest_beside(num))
		f->first = lowest_beside(num);
	f->changes++;
	return 0;
}

void followed_extend(struct followed *f, const struct watch_blocks *b, uint32_t lowest)
{
	const struct nodeos_block *block;

	if (lowest < lowest_beside(f->last))
		lowest = lowest_beside(f->last);
	while (f->first > lowest) {
		block = watch_blocks_find(b, f->first - 1, place(f, f->first)->previous);
		if (!block)
			return;
		*place(f, --f->first) = *block;
		f->changes++;
	}
}

void followed_forget_below(struct followed *f, uint32_t num)
{
	if (f->first >= num || !f->first)
		return;
	if (num > f->last) {
		followed_clear(f);
		return;
	}
	f->first = num;
	f->changes++;
}
