#include "nodeos/ripemd160_priv.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define BLOCK  64
#define ROUNDS 5
#define STEPS  16

/* Two lines of five rounds run over each block; [0] is the left one. */
static const uint8_t word_of[2][ROUNDS][STEPS] = {
	{
	        { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	        { 7, 4, 13, 1, 10, 6, 15, 3, 12, 0, 9, 5, 2, 14, 11, 8 },
	        { 3, 10, 14, 4, 9, 15, 8, 1, 2, 7, 0, 6, 13, 11, 5, 12 },
	        { 1, 9, 11, 10, 0, 8, 12, 4, 13, 3, 7, 15, 14, 5, 6, 2 },
	        { 4, 0, 5, 9, 7, 12, 2, 10, 14, 1, 3, 8, 11, 6, 15, 13 },
	},
	{
	        { 5, 14, 7, 0, 9, 2, 11, 4, 13, 6, 15, 8, 1, 10, 3, 12 },
	        { 6, 11, 3, 7, 0, 13, 5, 10, 14, 15, 8, 12, 4, 9, 1, 2 },
	        { 15, 5, 1, 3, 7, 14, 6, 9, 11, 8, 12, 2, 10, 0, 4, 13 },
	        { 8, 6, 4, 1, 3, 11, 15, 0, 5, 12, 2, 13, 9, 7, 10, 14 },
	        { 12, 15, 10, 4, 1, 5, 8, 7, 6, 2, 13, 14, 0, 3, 9, 11 },
	},
};

static const uint8_t rotate_by[2][ROUNDS][STEPS] = {
	{
	        { 11, 14, 15, 12, 5, 8, 7, 9, 11, 13, 14, 15, 6, 7, 9, 8 },
	        { 7, 6, 8, 13, 11, 9, 7, 15, 7, 12, 15, 9, 11, 7, 13, 12 },
	        { 11, 13, 6, 7, 14, 9, 13, 15, 14, 8, 13, 6, 5, 12, 7, 5 },
	        { 11, 12, 14, 15, 14, 15, 9, 8, 9, 14, 5, 6, 8, 6, 5, 12 },
	        { 9, 15, 5, 11, 6, 8, 13, 12, 5, 12, 13, 14, 11, 8, 5, 6 },
	},
	{
	        { 8, 9, 9, 11, 13, 15, 15, 5, 7, 7, 8, 11, 14, 14, 12, 6 },
	        { 9, 13, 15, 7, 12, 8, 9, 11, 7, 7, 12, 7, 6, 15, 13, 11 },
	        { 9, 7, 15, 11, 8, 6, 6, 14, 12, 13, 5, 14, 13, 13, 7, 5 },
	        { 15, 5, 8, 11, 14, 14, 6, 14, 6, 9, 12, 9, 12, 5, 15, 8 },
	        { 8, 5, 12, 9, 12, 5, 14, 6, 8, 13, 6, 5, 15, 13, 11, 11 },
	},
};

static const uint32_t constant[2][ROUNDS] = {
	{ 0x00000000, 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xa953fd4e },
	{ 0x50a28be6, 0x5c4dd124, 0x6d703ef3, 0x7a6d76e9, 0x00000000 },
};

static uint32_t rotl(uint32_t v, unsigned by)
{
	return v << by | v >> (32 - by);
}

/* The right line takes the five functions in reverse order. */
static uint32_t mix(unsigned f, uint32_t x, uint32_t y, uint32_t z)
{
	switch (f) {
	case 0:
		return x ^ y ^ z;
	case 1:
		return (x & y) | (~x & z);
	case 2:
		return (x | ~y) ^ z;
	case 3:
		return (x & z) | (y & ~z);
	default:
		return x ^ (y | ~z);
	}
}

static void run_line(uint32_t v[5], const uint32_t w[STEPS], unsigned line)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned f = line ? ROUNDS - 1 - round : round;

		for (unsigned i = 0; i < STEPS; i++) {
			uint32_t t = v[0] + mix(f, v[1], v[2], v[3]) + w[word_of[line][round][i]] +
			        constant[line][round];

			t = rotl(t, rotate_by[line][round][i]) + v[4];
			v[0] = v[4];
			v[4] = v[3];
			v[3] = rotl(v[2], 10);
			v[2] = v[1];
			v[1] = t;
		}
	}
}

static void add_block(uint32_t h[5], const unsigned char *block)
{
	uint32_t w[STEPS], l[5], r[5], t;

	memcpy(w, block, sizeof(w));
	for (unsigned i = 0; i < STEPS; i++)
		w[i] = le32toh(w[i]);
	memcpy(l, h, sizeof(l));
	memcpy(r, h, sizeof(r));
	run_line(l, w, 0);
	run_line(r, w, 1);
	t = h[1] + l[2] + r[3];
	h[1] = h[2] + l[3] + r[4];
	h[2] = h[3] + l[4] + r[0];
	h[3] = h[4] + l[0] + r[1];
	h[4] = h[0] + l[1] + r[2];
	h[0] = t;
	explicit_bzero(w, sizeof(w));
}

void ripemd160(unsigned char out[RIPEMD160_LEN], const void *data, size_t n)
{
	uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
	unsigned char tail[2 * BLOCK] = { 0 };
	const unsigned char *p = data;
	size_t left = n, ntail;
	uint64_t bits = htole64((uint64_t)n * 8);

	for (; left >= BLOCK; left -= BLOCK, p += BLOCK)
		add_block(h, p);
	if (left)
		memcpy(tail, p, left);
	tail[left] = 0x80;
	ntail = left + 1 + sizeof(bits) > BLOCK ? 2 * BLOCK : BLOCK;
	memcpy(tail + ntail - sizeof(bits), &bits, sizeof(bits));
	for (size_t i = 0; i < ntail; i += BLOCK)
		add_block(h, tail + i);
	for (unsigned i = 0; i < 5; i++)
		h[i] = htole32(h[i]);
	memcpy(out, h, RIPEMD160_LEN);
	explicit_bzero(tail, sizeof(tail));
}
