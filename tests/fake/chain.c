#include "fake/chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static void hex(char *out, uint64_t v, size_t digits)
{
	for (size_t i = 0; i < digits; i++)
		out[i] = "0123456789abcdef"[(v >> (4 * (digits - 1 - i))) & 15];
}

static void *room(void *v, size_t *max, size_t n, size_t size)
{
	if (n < *max)
		return v;
	*max = n * 2 + 1024;
	v = reallocarray(v, *max, size);
	if (!v)
		abort();
	return v;
}

int64_t fake_slot_ns(uint32_t slot)
{
	return NODEOS_SLOT_EPOCH_NS + slot * NODEOS_SLOT_NS;
}

static uint32_t add(struct fake_chain *c, struct fake_block b)
{
	uint32_t index = (uint32_t)c->n;

	c->v = room(c->v, &c->max, c->n, sizeof(*c->v));
	c->v[c->n++] = b;
	if (b.is_main) {
		c->main = room(c->main, &c->max_main, b.num, sizeof(*c->main));
		c->main[b.num] = index;
	}
	return index;
}

void fake_chain_init(struct fake_chain *c, size_t producers, uint32_t slot, uint64_t seed)
{
	*c = (struct fake_chain){ .seed = seed, .schedule = { .version = 1, .n = producers } };
	for (size_t i = 0; i < producers; i++)
		snprintf(c->schedule.producers[i], NODEOS_NAME_SIZE, "prod%c%c",
		        (char)('a' + i / 26), (char)('a' + i % 26));
	for (size_t i = 0; i < 4; i++)
		hex(c->chain_id + 16 * i, mix(seed), 16);
	add(c, (struct fake_block){ 0 });
	add(c, (struct fake_block){ .num = 1, .slot = slot, .is_main = true });
}

void fake_chain_release(struct fake_chain *c)
{
	free(c->v);
	free(c->main);
	*c = (struct fake_chain){ 0 };
}

uint32_t fake_chain_add(
        struct fake_chain *c, uint32_t parent, uint32_t slot, int32_t transactions, bool is_main)
{
	struct fake_block b = {
		.num = c->v[parent].num + 1,
		.slot = slot,
		.parent = parent,
		.transactions = transactions,
		.schedule_version = c->schedule.version,
		.is_main = is_main,
	};

	memcpy(b.producer, nodeos_schedule_at(&c->schedule, slot), NODEOS_NAME_SIZE);
	return add(c, b);
}

uint32_t fake_chain_grow(
        struct fake_chain *c, uint32_t parent, uint32_t slot, fake_chain_skip_fn *skip, void *arg)
{
	bool is_main = c->v[parent].is_main;

	for (uint32_t s = c->v[parent].slot + 1; s <= slot; s++)
		if (!skip || !skip(arg, s))
			parent = fake_chain_add(c, parent, s, 0, is_main);
	return parent;
}

void fake_chain_id(const struct fake_chain *c, uint32_t index, char out[NODEOS_ID_HEX_SIZE])
{
	uint64_t v = mix(c->seed + index);

	hex(out, c->v[index].num, 8);
	hex(out + 8, v, 8);
	for (size_t i = 1; i < 4; i++)
		hex(out + 16 * i, v, 16);
	out[64] = '\0';
}

void fake_chain_block(const struct fake_chain *c, uint32_t index, struct nodeos_block *ret)
{
	const struct fake_block *b = &c->v[index];

	*ret = (struct nodeos_block){
		.num = b->num,
		.time_ns = fake_slot_ns(b->slot),
		.transactions = b->transactions,
		.schedule_version = b->schedule_version,
	};
	fake_chain_id(c, index, ret->id);
	fake_chain_id(c, b->parent, ret->previous);
	memcpy(ret->producer, b->producer, NODEOS_NAME_SIZE);
}

uint32_t fake_chain_at(const struct fake_chain *c, uint32_t head, uint32_t num)
{
	if (!head || num == 0 || num > c->v[head].num)
		return 0;
	while (c->v[head].num > num && !c->v[head].is_main)
		head = c->v[head].parent;
	return c->v[head].num > num ? c->main[num] : head;
}

static bool has(const struct fake_teller *t, const struct fake_chain *c, uint32_t num)
{
	return num && num >= t->earliest && num <= c->v[t->head].num;
}

void fake_chain_sample(const struct fake_chain *c, const struct fake_teller *t,
        const struct sample_request *q, struct sample *s)
{
	const struct fake_block *head = &c->v[t->head];
	size_t max = t->max_blocks ? t->max_blocks : SAMPLE_BLOCKS_MAX;

	*s = SAMPLE_INIT;
	s->state = SAMPLE_ANSWERS;
	s->real_ns = fake_slot_ns(head->slot) + NODEOS_SLOT_NS / 2;
	s->answer_ns = 1000000;
	s->info = (struct nodeos_info){
		.head_block_num = head->num,
		.head_time_ns = fake_slot_ns(head->slot),
		.last_irreversible_block_num = t->lib,
		.earliest_available_block_num = t->hides_earliest ? 0
		        : t->earliest                             ? t->earliest
		                                                  : 1,
		.server_version_string = "v4.0.6",
	};
	memcpy(s->info.chain_id, c->chain_id, sizeof(c->chain_id));
	fake_chain_id(c, t->head, s->info.head_block_id);
	fake_chain_id(c, fake_chain_at(c, t->head, t->lib), s->info.last_irreversible_block_id);
	memcpy(s->info.head_block_producer, head->producer, NODEOS_NAME_SIZE);
	if (q->n_heights)
		s->ids = calloc(q->n_heights, sizeof(*s->ids));
	for (size_t i = 0; s->ids && i < q->n_heights; i++) {
		s->ids[s->n_ids].num = q->heights[i];
		if (has(t, c, q->heights[i]))
			fake_chain_id(
			        c, fake_chain_at(c, t->head, q->heights[i]), s->ids[s->n_ids].id);
		s->n_ids++;
	}
	if (q->first)
		s->blocks = calloc(SAMPLE_BLOCKS_MAX, sizeof(*s->blocks));
	for (uint32_t n = q->first; s->blocks && n <= q->last && has(t, c, n) && s->n_blocks < max;
	        n++)
		fake_chain_block(c, fake_chain_at(c, t->head, n), &s->blocks[s->n_blocks++]);
	s->has_schedule = q->wants_schedule && !t->has_no_schedule && !(t->is_slow && s->n_blocks);
	if (s->has_schedule)
		s->schedule = c->schedule;
}
