#include "sim/block.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"

#define SLOT_EPOCH_NS (946684800LL * NS_PER_SEC) /* 2000-01-01 */

enum {
	AT_SLOT = 0,
	AT_PRODUCER = 4,
	AT_CONFIRMED = 12,
	AT_PREVIOUS = 14,
	AT_ACTIONS = 78,
	AT_SIGNATURE = 116,
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

void block_unpack(struct block *b, const unsigned char packed[BLOCK_PACKED])
{
	memmove(b->packed, packed, BLOCK_PACKED);
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

bool block_parses(const unsigned char packed[BLOCK_PACKED])
{
	static const unsigned char empty[] = { 114, 115, 116, 182, 183 };

	for (size_t i = 0; i < sizeof(empty); i++)
		if (packed[empty[i]])
			return false;
	return true;
}

void block_make(
        struct block *b, const unsigned char previous[BLOCK_ID], uint32_t slot, uint64_t producer)
{
	static const char action[] = "nodesim action", signature[] = "nodesim signature";
	unsigned char packed[BLOCK_PACKED] = { 0 }, seed[sizeof(action) + 44];

	put_u32(packed + AT_SLOT, slot);
	put_u64(packed + AT_PRODUCER, producer);
	memcpy(packed + AT_PREVIOUS, previous, BLOCK_ID);
	memcpy(seed, action, sizeof(action));
	memcpy(seed + sizeof(action), packed, 12);
	memcpy(seed + sizeof(action) + 12, previous, BLOCK_ID);
	sha256(packed + AT_ACTIONS, seed, sizeof(seed));
	/* Type 0 is K1; then a recovery byte as compact signatures have it. */
	packed[AT_SIGNATURE + 1] = 31;
	sha256(packed + AT_SIGNATURE + 2, packed, BLOCK_HEADER);
	sha256(packed + AT_SIGNATURE + 34, signature, sizeof(signature));
	block_unpack(b, packed);
}

void block_genesis(struct block *b, uint32_t slot, const unsigned char chain_id[BLOCK_ID])
{
	unsigned char packed[BLOCK_PACKED] = { 0 };

	put_u32(packed + AT_SLOT, slot);
	put_u16(packed + AT_CONFIRMED, 1);
	memcpy(packed + AT_ACTIONS, chain_id, BLOCK_ID);
	block_unpack(b, packed);
}

bool block_is_regular(const struct block *b)
{
	struct block want;

	block_make(&want, b->previous, b->slot, b->producer);
	return memcmp(want.packed, b->packed, BLOCK_PACKED) == 0;
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

const char *block_signature(char out[SIGNATURE_SIZE], const struct block *b)
{
	static const char base58[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
	static const char prefix[] = "SIG_K1_";
	unsigned char raw[SIGNATURE_BYTES + 4], digest[SHA256_LEN], digit[100] = { 0 };
	size_t n = 0, at = sizeof(prefix) - 1;

	memcpy(raw, b->packed + AT_SIGNATURE + 1, SIGNATURE_BYTES);
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
