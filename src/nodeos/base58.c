#include "nodeos/base58_priv.h"

#include <assert.h>
#include <string.h>

#include "nodeos/ripemd160_priv.h"

#define CHECK_LEN 4
#define TYPE_LEN  2

static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

int base58_decode(unsigned char *out, size_t n, const char *text)
{
	size_t zeros = 0, ones = strspn(text, "1");

	memset(out, 0, n);
	for (; *text; text++) {
		const char *at = strchr(alphabet, *text);
		unsigned carry;

		if (!at)
			return -1;
		carry = (unsigned)(at - alphabet);
		for (size_t i = n; i-- > 0;) {
			carry += 58u * out[i];
			out[i] = (unsigned char)carry;
			carry >>= 8;
		}
		if (carry)
			return -1;
	}
	/* Any number of ones would be the same number. */
	while (zeros < n && out[zeros] == 0)
		zeros++;
	return zeros == ones ? 0 : 1;
}

const char *base58_encode(char *out, const unsigned char *data, size_t n)
{
	size_t zeros = 0, len = 0;

	while (zeros < n && data[zeros] == 0)
		zeros++;
	/* Digits first, the lowest in front: the number so far times 256 and the next byte. */
	for (size_t i = zeros; i < n; i++) {
		unsigned carry = data[i];

		for (size_t k = 0; k < len; k++) {
			carry += (unsigned)(unsigned char)out[k] << 8;
			out[k] = (char)(carry % 58);
			carry /= 58;
		}
		for (; carry; carry /= 58)
			out[len++] = (char)(carry % 58);
	}
	while (zeros--)
		out[len++] = 0;
	for (size_t i = 0; i < len / 2; i++) {
		char c = out[i];

		out[i] = out[len - 1 - i];
		out[len - 1 - i] = c;
	}
	for (size_t i = 0; i < len; i++)
		out[i] = alphabet[(unsigned char)out[i]];
	out[len] = '\0';
	return out;
}

/* --- with a checksum -------------------------------------------------------------------------- */

static void checksum(
        unsigned char out[CHECK_LEN], const unsigned char *data, size_t n, const char *type)
{
	unsigned char all[BASE58_BYTES_MAX + TYPE_LEN], sum[RIPEMD160_LEN];
	size_t ntype = strlen(type);

	assert(n <= BASE58_BYTES_MAX && ntype <= TYPE_LEN);
	memcpy(all, data, n);
	memcpy(all + n, type, ntype);
	ripemd160(sum, all, n + ntype);
	memcpy(out, sum, CHECK_LEN);
	explicit_bzero(all, sizeof(all));
}

int base58_check_decode(unsigned char *out, size_t n, const char *text, const char *type)
{
	unsigned char all[BASE58_BYTES_MAX + CHECK_LEN], sum[CHECK_LEN];
	int rc;

	assert(n <= BASE58_BYTES_MAX);
	rc = base58_decode(all, n + CHECK_LEN, text);
	if (rc == 0) {
		checksum(sum, all, n, type);
		rc = memcmp(sum, all + n, CHECK_LEN) != 0;
	}
	if (rc == 0)
		memcpy(out, all, n);
	explicit_bzero(all, sizeof(all));
	return rc;
}

const char *base58_check_encode(char *out, const unsigned char *data, size_t n, const char *type)
{
	unsigned char all[BASE58_BYTES_MAX + CHECK_LEN];

	assert(n <= BASE58_BYTES_MAX);
	memcpy(all, data, n);
	checksum(all + n, data, n, type);
	base58_encode(out, all, n + CHECK_LEN);
	explicit_bzero(all, sizeof(all));
	return out;
}
