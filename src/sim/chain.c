#include "sim/chain.h"

#include <assert.h>
#include <string.h>

#include "base/digest.h"

#define CPU_LIMIT    200000ULL
#define NET_LIMIT    1048576ULL
#define LIMIT_GROWTH 1000ULL

void chain_init(struct chain *c)
{
	int rc;

	memset(c, 0, sizeof(*c));
	c->log = BLOCKLOG_INIT;
	c->state = STATEDB_INIT;
	c->head = -1;
	rc = name_pack(&c->producer, "eosio");
	assert(rc == 0);
	(void)rc;
}

void chain_release(struct chain *c)
{
	blocklog_close(&c->log);
	statedb_abandon(&c->state);
}

const struct block *chain_head(const struct chain *c)
{
	return c->head < 0 ? &c->root : &c->child[c->head];
}

void chain_reset(struct chain *c, const struct block *root)
{
	c->root = *root;
	c->has_root = true;
	c->n = 0;
	c->head = -1;
}

/* --- push ------------------------------------------------------------------------------------- */

static int add_child(struct chain *c, const struct block *b)
{
	if (c->n == FORKDB_BLOCKS_MAX)
		return CHAIN_INVALID;
	c->child[c->n++] = *b;
	return CHAIN_STORED;
}

/* b builds on child i, which becomes irreversible. */
static int advance(struct chain *c, unsigned i, const struct block *b, struct err *e)
{
	const struct block lib = c->child[i];

	if (c->log.last + 1 == lib.num && blocklog_append(&c->log, &lib, e) < 0)
		return -1;
	chain_reset(c, &lib);
	c->child[c->n++] = *b;
	c->head = 0;
	return 0;
}

static bool is_valid(const struct chain *c, const struct block *b, const struct block *parent)
{
	return b->producer == c->producer && b->slot > parent->slot && block_is_regular(b);
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

int chain_push(struct chain *c, const struct block *b, struct err *e)
{
	if (b->num <= c->root.num)
		return push_below(c, b);
	for (unsigned i = 0; i < c->n; i++)
		if (block_same_id(c->child[i].id, b->id))
			return CHAIN_KNOWN;
	if (block_same_id(b->previous, c->root.id)) {
		if (!is_valid(c, b, &c->root))
			return CHAIN_INVALID;
		if (add_child(c, b) == CHAIN_INVALID)
			return CHAIN_INVALID;
		if (c->head >= 0)
			return CHAIN_STORED;
		c->head = (int)c->n - 1;
		return CHAIN_APPLIED;
	}
	for (unsigned i = 0; i < c->n; i++) {
		bool on_head = (int)i == c->head;

		if (!block_same_id(b->previous, c->child[i].id))
			continue;
		if (!is_valid(c, b, &c->child[i]))
			return CHAIN_INVALID;
		if (advance(c, i, b, e) < 0)
			return -1;
		return on_head ? CHAIN_APPLIED : CHAIN_SWITCHED;
	}
	return CHAIN_UNLINKABLE;
}

/* --- look up ------------------------------------------------------------------------------------
 */

int chain_fetch(const struct chain *c, uint32_t num, struct block *ret, struct err *e)
{
	if (c->head >= 0 && num == c->child[c->head].num) {
		*ret = c->child[c->head];
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

void chain_integrity_hash(const struct chain *c, unsigned char out[BLOCK_ID])
{
	static const char salt[] = "nodesim integrity";
	unsigned char seed[sizeof(salt) + BLOCK_ID];

	memcpy(seed, salt, sizeof(salt));
	memcpy(seed + sizeof(salt), chain_head(c)->id, BLOCK_ID);
	sha256(out, seed, sizeof(seed));
}

/* --- fork_db.dat --------------------------------------------------------------------------------
 */

void chain_to_forkdb(const struct chain *c, struct forkdb *db)
{
	memset(db, 0, sizeof(*db));
	db->has_root = c->has_root;
	db->root = c->root;
	db->n = c->n;
	memcpy(db->block, c->child, c->n * sizeof(c->child[0]));
	memcpy(db->head_id, chain_head(c)->id, BLOCK_ID);
}

void chain_from_forkdb(struct chain *c, const struct forkdb *db)
{
	if (!db->has_root)
		return;
	chain_reset(c, &db->root);
	c->n = db->n;
	memcpy(c->child, db->block, db->n * sizeof(db->block[0]));
	for (unsigned i = 0; i < c->n; i++)
		if (block_same_id(c->child[i].id, db->head_id))
			c->head = (int)i;
}
