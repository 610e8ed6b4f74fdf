#include "load/hist.h"

/*
 * HdrHistogram's V2 encoding, all big endian:
 *
 *	u32 cookie 0x1c849304 | 0x10, u32 length of what follows, zlib stream of
 *		u32 cookie 0x1c849303 | 0x10, u32 length of the counts, u32 index offset 0,
 *		u32 digits, u64 lowest discernible value 1, u64 highest value, f64 ratio 1.0,
 *		the counts up to the last one in use
 *
 * A count is a zigzag number in LEB128 of at most nine bytes, the ninth with eight bits; below
 * zero it is so many counts of 0.  Source: HdrHistogram 2.1.11, AbstractHistogram.java and
 * ZigZagEncoding.java.
 */

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/digest.h"

#define COOKIE            UINT32_C(0x1c849313)
#define COOKIE_COMPRESSED UINT32_C(0x1c849314)
#define HEAD_N            40
#define NUMBER_MAX        9

static size_t put_u32(unsigned char *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
	return sizeof(v);
}

static size_t put_u64(unsigned char *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
	return sizeof(v);
}

/* At most NUMBER_MAX bytes. */
static size_t put_number(unsigned char *p, int64_t v)
{
	uint64_t z = ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
	size_t n = 0;

	while (n < NUMBER_MAX - 1 && z >= 0x80) {
		p[n++] = (unsigned char)(z | 0x80);
		z >>= 7;
	}
	p[n++] = (unsigned char)z;
	return n;
}

/* A lone 0 is a count, two and more are a run. */
static size_t put_counts(unsigned char *p, const struct load_hist *h)
{
	size_t at = 0, zeros;

	for (size_t i = 0; i <= h->last; i++) {
		/* What lies before `first` is known to be 0. */
		zeros = i == 0 && h->total ? h->first : 0;
		while (i + zeros <= h->last && !h->counts[i + zeros])
			zeros++;
		if (zeros > 1) {
			at += put_number(p + at, -(int64_t)zeros);
			i += zeros - 1;
		} else {
			at += put_number(p + at, (int64_t)h->counts[i]);
		}
	}
	return at;
}

/* Into p, which has room for HEAD_N and NUMBER_MAX for each count. */
static size_t put_plain(unsigned char *p, const struct load_hist *h)
{
	static const double ratio = 1.0;
	uint64_t bits;
	size_t n = put_counts(p + HEAD_N, h);

	memcpy(&bits, &ratio, sizeof(bits));
	p += put_u32(p, COOKIE);
	p += put_u32(p, (uint32_t)n);
	p += put_u32(p, 0);
	p += put_u32(p, (uint32_t)h->digits);
	p += put_u64(p, 1);
	p += put_u64(p, (uint64_t)LOAD_HIST_MAX_NS);
	put_u64(p, bits);
	return HEAD_N + n;
}

int load_hist_encode(const struct load_hist *h, struct buf *out, struct err *e)
{
	AUTO(free) unsigned char *plain = malloc(HEAD_N + (h->last + 1) * NUMBER_MAX);
	AUTO(free) unsigned char *packed = NULL;
	AUTO(free) char *text = NULL;
	size_t n;
	uLongf packed_n;

	if (!plain)
		return err_nomem(e);
	n = put_plain(plain, h);
	packed_n = compressBound(n);
	packed = malloc(8 + packed_n);
	/* compress() fails for want of memory only: the room suffices. */
	if (!packed || compress(packed + 8, &packed_n, plain, n) != Z_OK)
		return err_nomem(e);
	put_u32(packed, COOKIE_COMPRESSED);
	put_u32(packed + 4, (uint32_t)packed_n);
	text = base64_encode(packed, 8 + packed_n);
	if (!text)
		return err_nomem(e);
	if (buf_add_str(out, text) < 0)
		return err_set(e, ERR_SYSTEM,
		        "a histogram of %zu bytes does not fit: %zu of %zu are "
		        "used, or memory is short",
		        strlen(text), out->len, out->max);
	return 0;
}
