#include "sim/block.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "sim/trx.h"

#define RECEIPT_CPU   100 /* us: min_transaction_cpu_usage */
#define RECEIPT_MAX   (1 + 4 + 5 + 1 + TRX_MAX)
#define TRXS_MAX      64 /* more would not fit, and their number is one byte */
#define SLOT_EPOCH_NS (946684800LL * NS_PER_SEC) /* 2000-01-01 */

enum {
	AT_SLOT = 0,
	AT_PRODUCER = 4,
	AT_CONFIRMED = 12,
	AT_PREVIOUS = 14,
	AT_TRANSACTIONS_ROOT = 46,
	AT_ACTIONS = 78,
	AT_SIGNATURE = 116,
	AT_COUNT = 182,
	SIGNATURE_BYTES = 65,
};

uint32_t get_u32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint64_t get_u64(const unsigned char *p)
{
	return get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

void put_u16(unsigned char *p, uint16_t v)
{
	p[0] = (unsigned char)v;
	p[1] = (unsigned char)(v >> 8);
}

void put_u32(unsigned char *p, uint32_t v)
{
	put_u16(p, (uint16_t)v);
	put_u16(p + 2, (uint16_t)(v >> 16));
}

void put_u64(unsigned char *p, uint64_t v)
{
	put_u32(p, (uint32_t)v);
	put_u32(p + 4, (uint32_t)(v >> 32));
}

uint32_t block_num_of(const unsigned char id[BLOCK_ID])
{
	return (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
}

bool block_same_id(const unsigned char a[BLOCK_ID], const unsigned char b[BLOCK_ID])
{
	return memcmp(a, b, BLOCK_ID) == 0;
}

void block_unpack(struct block *b, const unsigned char *packed, size_t n)
{
	memmove(b->packed, packed, n);
	memset(b->packed + n, 0, sizeof(b->packed) - n);
	b->len = n;
	b->slot = get_u32(b->packed + AT_SLOT);
	b->producer = get_u64(b->packed + AT_PRODUCER);
	memcpy(b->previous, b->packed + AT_PREVIOUS, BLOCK_ID);
	b->num = block_num_of(b->previous) + 1;
	sha256(b->id, b->packed, BLOCK_HEADER);
	b->id[0] = (unsigned char)(b->num >> 24);
	b->id[1] = (unsigned char)(b->num >> 16);
	b->id[2] = (unsigned char)(b->num >> 8);
	b->id[3] = (unsigned char)b->num;
}

/* --- transactions ----------------------------------------------------------------------------- */

/* The receipt of a transaction that was executed, and itself.  Returns how many bytes. */
static size_t put_receipt(unsigned char *out, const struct trx *t)
{
	size_t n = 0;

	out[n++] = 0; /* executed */
	put_u32(out + n, RECEIPT_CPU);
	n += 4;
	n += put_varuint(out + n, trx_net_words(t));
	out[n++] = 1; /* not the id of one that was deferred */
	memcpy(out + n, t->packed, t->n);
	return n + t->n;
}

/* Of what put_receipt() writes, whatever it says of what was used. */
static size_t take_receipt(const unsigned char *p, size_t n, struct trx *t)
{
	size_t at = 1 + 4, len;

	while (at < n && p[at] & 0x80)
		at++;
	at += 2;
	if (at > n || p[at - 1] != 1)
		return 0;
	len = trx_parse(t, p + at, n - at);
	return len ? at + len : 0;
}

/* transaction_receipt::digest() */
static void receipt_digest(unsigned char ret[SHA256_LEN], const struct trx *t)
{
	unsigned char p[RECEIPT_MAX];
	size_t n = put_receipt(p, t) - t->n - 1;

	trx_digest(t, p + n);
	sha256(ret, p, n + SHA256_LEN);
}

/* merkle.cpp: pairs of digests, of which the first has its top bit cleared and the second set. */
static void merkle_root(unsigned char (*v)[SHA256_LEN], size_t n)
{
	for (; n > 1; n /= 2) {
		if (n % 2) {
			memcpy(v[n], v[n - 1], SHA256_LEN);
			n++;
		}
		for (size_t i = 0; i < n / 2; i++) {
			unsigned char pair[2 * SHA256_LEN];

			memcpy(pair, v[2 * i], sizeof(pair));
			pair[0] &= 0x7f;
			pair[SHA256_LEN] |= 0x80;
			sha256(v[i], pair, sizeof(pair));
		}
	}
}

uint16_t block_confirmed(const struct block *b)
{
	return (uint16_t)(b->packed[AT_CONFIRMED] | b->packed[AT_CONFIRMED + 1] << 8);
}

unsigned block_trxs(const struct block *b)
{
	return b->packed[AT_COUNT];
}

bool block_trx(const struct block *b, unsigned i, struct trx *ret)
{
	size_t at = AT_COUNT + 1;

	if (i >= b->packed[AT_COUNT])
		return false;
	for (unsigned k = 0; k <= i; k++) {
		size_t n = take_receipt(b->packed + at, b->len - at, ret);

		if (!n)
			return false;
		at += n;
	}
	return true;
}

size_t block_length(const unsigned char *packed, size_t n)
{
	static const unsigned char empty[] = { 114, 115, 116 };
	size_t at = AT_COUNT + 1;
	struct trx t;

	if (n > BLOCK_MAX)
		n = BLOCK_MAX;
	if (n < BLOCK_PACKED || packed[AT_COUNT] > TRXS_MAX)
		return 0;
	for (size_t i = 0; i < sizeof(empty); i++)
		if (packed[empty[i]])
			return 0;
	for (unsigned i = 0; i < packed[AT_COUNT]; i++) {
		size_t len = take_receipt(packed + at, n - at, &t);

		if (!len)
			return 0;
		at += len;
	}
	return at < n && packed[at] == 0 ? at + 1 : 0;
}

void block_strip(unsigned char out[BLOCK_PACKED], const struct block *b)
{
	memcpy(out, b->packed, AT_COUNT);
	memset(out + AT_COUNT, 0, BLOCK_PACKED - AT_COUNT);
}

/* --- making ----------------------------------------------------------------------------------- */

size_t block_make(struct block *b, const unsigned char previous[BLOCK_ID], uint32_t slot,
        uint64_t producer, uint16_t confirmed, const struct trx *const *trxs, size_t n)
{
	static const char action[] = "nodesim action", signature[] = "nodesim signature";
	unsigned char packed[BLOCK_MAX] = { 0 }, seed[sizeof(action) + 44];
	unsigned char roots[TRXS_MAX + 2][SHA256_LEN] = { 0 }, receipt[RECEIPT_MAX];
	size_t at = AT_COUNT + 1, taken = 0;

	put_u32(packed + AT_SLOT, slot);
	put_u64(packed + AT_PRODUCER, producer);
	put_u16(packed + AT_CONFIRMED, confirmed);
	memcpy(packed + AT_PREVIOUS, previous, BLOCK_ID);
	for (; taken < n && taken < TRXS_MAX; taken++) {
		size_t len = put_receipt(receipt, trxs[taken]);

		if (len > BLOCK_MAX - 1 - at)
			break;
		memcpy(packed + at, receipt, len);
		at += len;
		receipt_digest(roots[taken], trxs[taken]);
	}
	packed[AT_COUNT] = (unsigned char)taken;
	merkle_root(roots, taken);
	memcpy(packed + AT_TRANSACTIONS_ROOT, roots[0], SHA256_LEN);
	memcpy(seed, action, sizeof(action));
	memcpy(seed + sizeof(action), packed, 12);
	memcpy(seed + sizeof(action) + 12, previous, BLOCK_ID);
	sha256(packed + AT_ACTIONS, seed, sizeof(seed));
	/* Type 0 is K1; then a recovery byte as compact signatures have it. */
	packed[AT_SIGNATURE + 1] = 31;
	sha256(packed + AT_SIGNATURE + 2, packed, BLOCK_HEADER);
	sha256(packed + AT_SIGNATURE + 34, signature, sizeof(signature));
	block_unpack(b, packed, at + 1);
	return taken;
}

void block_genesis(struct block *b, uint32_t slot, const unsigned char chain_id[BLOCK_ID])
{
	unsigned char packed[BLOCK_PACKED] = { 0 };

	put_u32(packed + AT_SLOT, slot);
	put_u16(packed + AT_CONFIRMED, 1);
	memcpy(packed + AT_ACTIONS, chain_id, BLOCK_ID);
	block_unpack(b, packed, sizeof(packed));
}

void block_remake(struct block *made, const struct block *b)
{
	struct trx trxs[TRXS_MAX];
	const struct trx *list[TRXS_MAX];
	size_t n = 0;

	while (n < ARRAY_LEN(trxs) && block_trx(b, (unsigned)n, &trxs[n])) {
		list[n] = &trxs[n];
		n++;
	}
	(void)block_make(made, b->previous, b->slot, b->producer, block_confirmed(b), list, n);
}

bool block_is_regular(const struct block *b)
{
	struct block want;

	block_remake(&want, b);
	return want.len == b->len && memcmp(want.packed, b->packed, b->len) == 0;
}

int64_t slot_ns(uint32_t slot)
{
	return SLOT_EPOCH_NS + slot * BLOCK_INTERVAL_NS;
}

uint32_t slot_at(int64_t real_ns)
{
	return real_ns <= SLOT_EPOCH_NS ? 0
	                                : (uint32_t)((real_ns - SLOT_EPOCH_NS) / BLOCK_INTERVAL_NS);
}

const char *slot_text(char out[SLOT_TEXT_SIZE], uint32_t slot)
{
	char text[CLOCK_TEXT_MAX];

	snprintf(out, SLOT_TEXT_SIZE, "%.23s", clock_text(text, slot_ns(slot)));
	return out;
}

/* --- names: 12 letters of 5 bits from the top, a 13th of 4 ---------------------------------- */

static const char letters[] = ".12345abcdefghijklmnopqrstuvwxyz";

int name_pack(uint64_t *ret, const char *text)
{
	uint64_t v = 0;
	size_t n = strlen(text);

	if (n == 0 || n > 13)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const char *p = strchr(letters, text[i]);
		uint64_t c;

		if (!p || (i == 12 && p - letters > 15))
			return -1;
		c = (uint64_t)(p - letters);
		v |= i < 12 ? c << (64 - 5 * (i + 1)) : c;
	}
	*ret = v;
	return 0;
}

const char *name_text(char out[NAME_SIZE], uint64_t name)
{
	size_t n = 13;

	for (size_t i = 0; i < 12; i++)
		out[i] = letters[name >> (64 - 5 * (i + 1)) & 31];
	out[12] = letters[name & 15];
	while (n && out[n - 1] == '.')
		n--;
	out[n] = '\0';
	return out;
}

/* --- signature -------------------------------------------------------------------------------- */

const char *signature_text(char out[SIGNATURE_SIZE], const unsigned char *packed)
{
	static const char base58[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
	static const char prefix[] = "SIG_K1_";
	unsigned char raw[SIGNATURE_BYTES + 4], digest[SHA256_LEN], digit[100] = { 0 };
	size_t n = 0, at = sizeof(prefix) - 1;

	memcpy(raw, packed + 1, SIGNATURE_BYTES);
	/* Four bytes where a real one has its checksum. */
	sha256(digest, raw, SIGNATURE_BYTES);
	memcpy(raw + SIGNATURE_BYTES, digest, 4);
	for (size_t i = 0; i < sizeof(raw); i++) {
		unsigned carry = raw[i];

		for (size_t k = 0; k < n; k++) {
			carry += (unsigned)digit[k] << 8;
			digit[k] = (unsigned char)(carry % 58);
			carry /= 58;
		}
		for (; carry; carry /= 58)
			digit[n++] = (unsigned char)(carry % 58);
	}
	memcpy(out, prefix, at);
	for (size_t i = 0; i < sizeof(raw) && raw[i] == 0; i++)
		out[at++] = base58[0];
	while (n)
		out[at++] = base58[digit[--n]];
	out[at] = '\0';
	return out;
}

const char *block_signature(char out[SIGNATURE_SIZE], const struct block *b)
{
	return signature_text(out, b->packed + AT_SIGNATURE);
}
