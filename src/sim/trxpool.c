#include "sim/trxpool.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

void trxpool_release(struct trxpool *p)
{
	free(p->v);
	free(p->seen);
	*p = (struct trxpool){ 0 };
}

static bool same(const unsigned char a[TRX_ID], const unsigned char b[TRX_ID])
{
	return memcmp(a, b, TRX_ID) == 0;
}

bool trxpool_knows(const struct trxpool *p, const unsigned char id[TRX_ID])
{
	for (size_t i = 0; i < p->n; i++)
		if (same(p->v[i].id, id))
			return true;
	for (size_t i = 0; i < p->n_seen; i++)
		if (same(p->seen[i].id, id))
			return true;
	return false;
}

int trxpool_add(struct trxpool *p, const struct trx *t)
{
	if (!p->v)
		p->v = calloc(TRXPOOL_MAX, sizeof(*p->v));
	if (!p->v || p->n == TRXPOOL_MAX)
		return -1;
	p->v[p->n++] = *t;
	return 0;
}

static void note_seen(struct trxpool *p, const struct trx *t)
{
	if (p->n_seen == p->max_seen) {
		size_t max = p->max_seen ? 2 * p->max_seen : 16;
		struct trxpool_seen *more =
		        max > TRXPOOL_SEEN ? NULL : reallocarray(p->seen, max, sizeof(*more));

		if (!more)
			return;
		p->seen = more;
		p->max_seen = max;
	}
	memcpy(p->seen[p->n_seen].id, t->id, TRX_ID);
	p->seen[p->n_seen++].expires_s = t->expires_s;
}

static void drop(struct trxpool *p, const unsigned char id[TRX_ID])
{
	for (size_t i = 0; i < p->n; i++) {
		if (!same(p->v[i].id, id))
			continue;
		memmove(&p->v[i], &p->v[i + 1], (p->n - i - 1) * sizeof(*p->v));
		p->n--;
		return;
	}
}

/* May it be in a block of that time? */
static bool is_live(uint32_t expires_s, int64_t block_ns)
{
	return expires_s * NS_PER_SEC >= block_ns;
}

static void drop_expired(struct trxpool *p, int64_t now_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->n; i++)
		if (is_live(p->v[i].expires_s, now_ns))
			p->v[kept++] = p->v[i];
	p->n = kept;
	kept = 0;
	for (size_t i = 0; i < p->n_seen; i++)
		if (is_live(p->seen[i].expires_s, now_ns))
			p->seen[kept++] = p->seen[i];
	p->n_seen = kept;
}

void trxpool_irreversible(struct trxpool *p, const struct block *b)
{
	struct trx t;

	for (unsigned i = 0; block_trx(b, i, &t); i++) {
		drop(p, t.id);
		note_seen(p, &t);
	}
	drop_expired(p, slot_ns(b->slot));
}

static bool is_in(const struct block *b, const unsigned char id[TRX_ID])
{
	struct trx t;

	for (unsigned i = 0; block_trx(b, i, &t); i++)
		if (same(t.id, id))
			return true;
	return false;
}

size_t trxpool_pick(
        const struct trxpool *p, const struct block *head, uint32_t slot, const struct trx **list)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		if (is_live(p->v[i].expires_s, slot_ns(slot)) && !is_in(head, p->v[i].id))
			list[n++] = &p->v[i];
	return n;
}
