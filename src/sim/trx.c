#include "sim/trx.h"

#include <string.h>

#include "base/digest.h"
#include "base/str.h"
#include "sim/block.h"

/* libraries/chain/include/eosio/chain/config.hpp; the last two are base_per_transaction_net_usage
 * and context_free_discount_net_usage_* of every genesis that there is. */
#define NET_OVERHEAD 16
#define NET_WORD     8
#define NET_BASE     12
#define NET_DISCOUNT 20 /* per cent of what can be pruned: the signatures */

/* --- reading ---------------------------------------------------------------------------------- */

struct cursor {
	const unsigned char *p;
	size_t n, at;
	bool bad;
};

static const unsigned char *take(struct cursor *c, size_t n)
{
	const unsigned char *p = c->p + c->at;

	if (c->bad || n > c->n - c->at) {
		c->bad = true;
		return NULL;
	}
	c->at += n;
	return p;
}

static uint32_t take_varuint(struct cursor *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 35; shift += 7) {
		const unsigned char *p = take(c, 1);

		if (!p)
			return 0;
		v |= (uint64_t)(*p & 0x7f) << shift;
		if (!(*p & 0x80)) {
			c->bad |= v > UINT32_MAX;
			return (uint32_t)v;
		}
	}
	c->bad = true;
	return 0;
}

static uint64_t take_u64(struct cursor *c)
{
	const unsigned char *p = take(c, 8);

	return p ? get_u64(p) : 0;
}

static void read_action(struct trx *t, struct cursor *c, bool is_first)
{
	uint64_t account = take_u64(c), name = take_u64(c), actor = 0, permission = 0;
	uint32_t n = take_varuint(c), data;

	for (uint32_t i = 0; i < n && !c->bad; i++) {
		uint64_t a = take_u64(c), p = take_u64(c);

		if (i == 0) {
			actor = a;
			permission = p;
		}
	}
	data = take_varuint(c);
	if (is_first) {
		t->account = account;
		t->name = name;
		t->actor = actor;
		t->permission = permission;
		t->data_at = c->at;
		t->data_n = data;
	}
	(void)take(c, data);
}

static void read_transaction(struct trx *t, struct cursor *c)
{
	const unsigned char *p = take(c, 10);

	if (!p)
		return;
	t->expires_s = get_u32(p);
	t->ref_num = (uint16_t)(p[4] | p[5] << 8);
	t->ref_prefix = get_u32(p + 6);
	(void)take_varuint(c);
	(void)take(c, 1);
	/* A delayed one would be a deferred transaction. */
	if (take_varuint(c) != 0 || take_varuint(c) != 0)
		c->bad = true;
	t->actions = take_varuint(c);
	for (uint32_t i = 0; i < t->actions && !c->bad; i++)
		read_action(t, c, i == 0);
	if (take_varuint(c) != 0)
		c->bad = true;
}

size_t trx_parse(struct trx *t, const unsigned char *p, size_t n)
{
	struct cursor c = { .p = p, .n = n < TRX_MAX ? n : TRX_MAX };
	const unsigned char *byte;

	memset(t, 0, sizeof(*t));
	t->signatures = take_varuint(&c);
	if (t->signatures > TRX_SIGS)
		return 0;
	(void)take(&c, (size_t)t->signatures * SIG_LEN);
	byte = take(&c, 1);
	if (!byte || *byte != 0 || take_varuint(&c) != 0)
		return 0;
	t->trx_n = take_varuint(&c);
	t->trx_at = c.at;
	read_transaction(t, &c);
	if (c.bad || c.at != t->trx_at + t->trx_n)
		return 0;
	t->n = c.at;
	memcpy(t->packed, p, t->n);
	sha256(t->id, t->packed + t->trx_at, t->trx_n);
	return t->n;
}

/* --- making ----------------------------------------------------------------------------------- */

size_t put_varuint(unsigned char *out, uint32_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		out[n++] = (unsigned char)(v | 0x80);
	out[n++] = (unsigned char)v;
	return n;
}

int trx_make(struct trx *t, const unsigned char *signatures, unsigned n_signatures,
        const unsigned char *transaction, size_t n)
{
	unsigned char packed[TRX_MAX];
	size_t at = 0;

	if (n_signatures > TRX_SIGS || n > TRX_MAX - 16 - n_signatures * SIG_LEN)
		return -1;
	at += put_varuint(packed, n_signatures);
	if (n_signatures)
		memcpy(packed + at, signatures, (size_t)n_signatures * SIG_LEN);
	at += (size_t)n_signatures * SIG_LEN;
	packed[at++] = 0; /* compression */
	packed[at++] = 0; /* context-free data */
	at += put_varuint(packed + at, (uint32_t)n);
	memcpy(packed + at, transaction, n);
	at += n;
	return trx_parse(t, packed, at) == at ? 0 : -1;
}

uint32_t trx_net_words(const struct trx *t)
{
	size_t signatures = 1 + (size_t)t->signatures * SIG_LEN;
	size_t bytes = NET_BASE + NET_OVERHEAD + t->trx_n + (signatures * NET_DISCOUNT + 99) / 100;

	return (uint32_t)((bytes + NET_WORD - 1) / NET_WORD);
}

void trx_digest(const struct trx *t, unsigned char ret[TRX_ID])
{
	size_t signatures = 1 + (size_t)t->signatures * SIG_LEN;
	unsigned char prunable[TRX_MAX + 1], all[TRX_MAX + 8 + SHA256_LEN];
	size_t n = 0;

	memcpy(prunable, t->packed, signatures);
	prunable[signatures] = 0; /* no context-free data */
	all[n++] = 0;             /* compression */
	n += put_varuint(all + n, (uint32_t)t->trx_n);
	memcpy(all + n, t->packed + t->trx_at, t->trx_n);
	n += t->trx_n;
	sha256(all + n, prunable, signatures + 1);
	sha256(ret, all, n + SHA256_LEN);
}

int trx_signature_parse(unsigned char ret[SIG_LEN], const char *text)
{
	static const char base58[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
	unsigned char raw[SIG_LEN - 1 + 4] = { 0 };
	const char *s;

	if (!str_starts(text, "SIG_K1_", &s) || !*s)
		return -1;
	for (; *s; s++) {
		const char *at = strchr(base58, *s);
		unsigned carry;

		if (!at)
			return -1;
		carry = (unsigned)(at - base58);
		for (size_t i = sizeof(raw); i-- > 0;) {
			carry += 58u * raw[i];
			raw[i] = (unsigned char)carry;
			carry >>= 8;
		}
		if (carry)
			return -1;
	}
	if (raw[0] < 31 || raw[0] > 34)
		return -1;
	ret[0] = 0;
	memcpy(ret + 1, raw, SIG_LEN - 1);
	return 0;
}
