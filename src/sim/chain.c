#include "sim/chain.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"

#define CPU_LIMIT    200000ULL
#define NET_LIMIT    1048576ULL
#define LIMIT_GROWTH 1000ULL

/* So many rounds before the LIB tell all that counts of the blocks that came later. */
#define ROUNDS_BACK 4

void chain_init(struct chain *c)
{
	memset(c, 0, sizeof(*c));
	c->log = BLOCKLOG_INIT;
	c->state = STATEDB_INIT;
	c->head = -1;
	schedule_init(&c->schedule);
	c->producer = c->schedule.v[0].name;
}

void chain_set_schedule(struct chain *c, const struct schedule *s)
{
	c->schedule = *s;
	c->producer = s->v[0].name;
}

void chain_release(struct chain *c)
{
	blocklog_close(&c->log);
	statedb_abandon(&c->state);
	free(c->block);
	c->block = NULL;
	c->n = c->size = 0;
	c->head = -1;
}

const char *chain_key(const struct chain *c, unsigned i, char out[KEY_TEXT_SIZE])
{
	if (!c->schedule.v[i].key[0])
		return sim_genesis_key(out, &c->state.genesis);
	memcpy(out, c->schedule.v[i].key, KEY_TEXT_SIZE);
	return out;
}

const struct block *chain_head(const struct chain *c)
{
	return c->head < 0 ? &c->root : &c->block[c->head];
}

/* A replay resets block by block, and then what is known of the root goes on. */
static void move_root(struct chain *c, const struct block *root)
{
	bool follows = c->has_root && c->at_root.num == c->root.num &&
	        block_same_id(root->previous, c->root.id);

	if (!follows || !dpos_step(&c->at_root, &c->schedule, root))
		c->at_root.num = 0;
	c->root = *root;
	c->has_root = true;
}

void chain_reset(struct chain *c, const struct block *root)
{
	move_root(c, root);
	c->n = 0;
	c->head = -1;
	c->head_lib = root->num;
}

/* --- the tree --------------------------------------------------------------------------------- */

/* The index of a block's parent, looked for below n; -1: the root; -2: none. */
static int parent_of(const struct chain *c, const struct block *b, unsigned n)
{
	while (n--)
		if (block_same_id(c->block[n].id, b->previous))
			return (int)n;
	return block_same_id(c->root.id, b->previous) ? -1 : -2;
}

/* What of the root is known without those who know it: from blocks.log, if it has that. */
static void find_root_state(struct chain *c)
{
	uint32_t back = ROUNDS_BACK * SCHEDULE_ROUND * c->schedule.n, num = c->root.num;
	uint32_t from = num > back ? num - back : 1;
	struct err e = ERR_INIT;
	struct block b;

	if (from < c->log.first)
		from = c->log.first;
	dpos_init(&c->at_root, num);
	if (c->schedule.n == 1 || !blocklog_has_blocks(&c->log) || from >= num)
		return;
	dpos_init(&c->at_root, from);
	while (c->at_root.num < num)
		if (blocklog_read(&c->log, c->at_root.num + 1, &b, &e) != 0 ||
		        !dpos_step(&c->at_root, &c->schedule, &b))
			dpos_init(&c->at_root, num);
}

/* What is known after block number i, -1 for the root. */
static int state_at(struct chain *c, int i, struct dpos *ret)
{
	AUTO(free) int *path = malloc((c->n + 1) * sizeof(*path));
	unsigned n = 0;

	if (!path)
		return -1;
	if (c->at_root.num != c->root.num)
		find_root_state(c);
	for (; i >= 0; i = parent_of(c, &c->block[i], (unsigned)i))
		path[n++] = i;
	*ret = c->at_root;
	while (n--)
		(void)dpos_step(ret, &c->schedule, &c->block[path[n]]);
	return 0;
}

int chain_next(struct chain *c, uint32_t slot, uint64_t *ret_producer, uint16_t *ret_confirmed)
{
	unsigned turn = schedule_turn(&c->schedule, slot);
	struct dpos d;

	*ret_producer = c->schedule.v[turn].name;
	*ret_confirmed = 0;
	if (c->schedule.n == 1)
		return 0;
	if (state_at(c, c->head, &d) < 0)
		return -1;
	*ret_confirmed = dpos_confirms(&d, turn);
	return 0;
}

static int add(struct chain *c, const struct block *b)
{
	if (c->n == c->size) {
		unsigned size = c->size ? 2 * c->size : 4;
		struct block *list = reallocarray(c->block, size, sizeof(*list));

		if (!list)
			return -1;
		c->block = list;
		c->size = size;
	}
	c->block[c->n++] = *b;
	return 0;
}

/* --- push ------------------------------------------------------------------------------------- */

/* The block of this number on the branch of block number i, -1 for none. */
static int on_branch(const struct chain *c, int i, uint32_t num)
{
	while (i >= 0 && c->block[i].num > num)
		i = parent_of(c, &c->block[i], (unsigned)i);
	return i;
}

/* What does not descend from the root any more is given up. */
static void prune(struct chain *c)
{
	unsigned char head[BLOCK_ID];
	unsigned kept = 0;

	memcpy(head, chain_head(c)->id, BLOCK_ID);
	c->head = -1;
	for (unsigned i = 0; i < c->n; i++) {
		if (parent_of(c, &c->block[i], kept) < -1)
			continue;
		if (i != kept)
			c->block[kept] = c->block[i];
		if (block_same_id(c->block[kept].id, head))
			c->head = (int)kept;
		kept++;
	}
	c->n = kept;
}

/* All up to this number on the branch of block number i is irreversible. */
static int advance(struct chain *c, int i, uint32_t lib, struct err *e)
{
	for (uint32_t num = c->root.num + 1; num <= lib; num++) {
		const struct block *b = &c->block[on_branch(c, i, num)];

		if (c->log.last + 1 == num && blocklog_append(&c->log, b, e) < 0)
			return -1;
	}
	while (c->root.num < lib) {
		const struct block b = c->block[on_branch(c, i, c->root.num + 1)];

		move_root(c, &b);
	}
	return 0;
}

static bool is_valid(const struct chain *c, const struct block *b, const struct block *parent)
{
	const struct schedule *s = &c->schedule;

	return b->producer == s->v[schedule_turn(s, b->slot)].name && b->slot > parent->slot &&
	        (s->n > 1 || !block_confirmed(b)) && block_is_regular(b);
}

static int push_below(const struct chain *c, const struct block *b)
{
	struct err e = ERR_INIT;
	struct block mine;

	if (chain_fetch(c, b->num, &mine, &e) == 0 && block_same_id(mine.id, b->id))
		return CHAIN_KNOWN;
	return b->num == c->root.num && block_same_id(c->root.id, b->id) ? CHAIN_KNOWN
	                                                                 : CHAIN_UNLINKABLE;
}

/* b is the last one in the tree and better than the head. */
static int take_as_head(struct chain *c, int parent, uint32_t lib, struct err *e)
{
	bool on_head = parent == c->head;
	int last = (int)c->n - 1;

	if (advance(c, last, lib, e) < 0) {
		c->n--;
		return -1;
	}
	c->head = last;
	c->head_lib = lib;
	prune(c);
	return on_head ? CHAIN_APPLIED : CHAIN_SWITCHED;
}

int chain_push(struct chain *c, const struct block *b, struct err *e)
{
	struct dpos d;
	int parent;

	if (b->num <= c->root.num)
		return push_below(c, b);
	for (unsigned i = 0; i < c->n; i++)
		if (block_same_id(c->block[i].id, b->id))
			return CHAIN_KNOWN;
	parent = parent_of(c, b, c->n);
	if (parent < -1)
		return CHAIN_UNLINKABLE;
	if (!is_valid(c, b, parent < 0 ? &c->root : &c->block[parent]) || c->n == FORKDB_BLOCKS_MAX)
		return CHAIN_INVALID;
	if (state_at(c, parent, &d) < 0)
		return err_nomem(e);
	if (!dpos_step(&d, &c->schedule, b))
		return CHAIN_INVALID;
	if (add(c, b) < 0)
		return err_nomem(e);
	if (d.lib > c->head_lib || (d.lib == c->head_lib && b->num > chain_head(c)->num))
		return take_as_head(c, parent, d.lib, e);
	return CHAIN_STORED;
}

/* --- look up ---------------------------------------------------------------------------------- */

int chain_fetch(const struct chain *c, uint32_t num, struct block *ret, struct err *e)
{
	int i = num > c->root.num && num <= chain_head(c)->num ? on_branch(c, c->head, num) : -1;

	if (i >= 0) {
		*ret = c->block[i];
		return 0;
	}
	return blocklog_read(&c->log, num, ret, e);
}

uint32_t chain_earliest(const struct chain *c)
{
	return c->log.first;
}

void chain_limits(struct chain *c, uint64_t *cpu, uint64_t *net)
{
	uint32_t num = chain_head(c)->num;

	if (!c->limits_num || c->limits_num > num) {
		c->limits_num = 1;
		c->cpu_limit = CPU_LIMIT;
		c->net_limit = NET_LIMIT;
	}
	for (; c->limits_num < num; c->limits_num++) {
		/* At the top there is nothing left to count. */
		if (c->cpu_limit >= CPU_LIMIT * LIMIT_GROWTH) {
			c->limits_num = num;
			break;
		}
		c->cpu_limit = c->cpu_limit * 1000 / 999;
		c->net_limit = c->net_limit * 1000 / 999;
		if (c->cpu_limit > CPU_LIMIT * LIMIT_GROWTH)
			c->cpu_limit = CPU_LIMIT * LIMIT_GROWTH;
		if (c->net_limit > NET_LIMIT * LIMIT_GROWTH)
			c->net_limit = NET_LIMIT * LIMIT_GROWTH;
	}
	*cpu = c->cpu_limit;
	*net = c->net_limit;
}

uint32_t chain_wrong(const struct chain *c)
{
	uint32_t first = c->wrong_from > c->base ? c->wrong_from : c->base + 1;

	if (c->state.wrong)
		return c->state.wrong;
	return c->wrong_from && first <= c->wrong_to && first <= chain_head(c)->num ? first : 0;
}

void chain_integrity_hash(const struct chain *c, unsigned char out[BLOCK_ID])
{
	static const char salt[] = "nodesim integrity";
	unsigned char seed[sizeof(salt) + BLOCK_ID + 4];
	uint32_t wrong = chain_wrong(c);

	memcpy(seed, salt, sizeof(salt));
	memcpy(seed + sizeof(salt), chain_head(c)->id, BLOCK_ID);
	put_u32(seed + sizeof(salt) + BLOCK_ID, wrong);
	sha256(out, seed, sizeof(seed) - (wrong ? 0 : 4));
}

/* --- fork_db.dat ------------------------------------------------------------------------------ */

void chain_to_forkdb(const struct chain *c, struct forkdb *db)
{
	memset(db, 0, sizeof(*db));
	db->has_root = c->has_root;
	db->root = c->root;
	db->n = c->n;
	db->block = c->block;
	memcpy(db->head_id, chain_head(c)->id, BLOCK_ID);
}

void chain_from_forkdb(struct chain *c, const struct forkdb *db)
{
	struct dpos d;

	if (!db->has_root)
		return;
	chain_reset(c, &db->root);
	for (unsigned i = 0; i < db->n; i++) {
		if (parent_of(c, &db->block[i], c->n) < -1 || add(c, &db->block[i]) < 0)
			continue;
		if (block_same_id(db->block[i].id, db->head_id))
			c->head = (int)c->n - 1;
	}
	if (state_at(c, c->head, &d) == 0)
		c->head_lib = d.lib;
}
