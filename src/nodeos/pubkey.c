#include "nodeos/pubkey_priv.h"

#include <stdint.h>
#include <string.h>

#include "base/str.h"
#include "nodeos/ripemd160_priv.h"

#define POINT_LEN 33
#define CHECK_LEN 4
#define TEXT_MAX  63

/* Base58 with the alphabet of Bitcoin into exactly n bytes, big-endian.  0, or -1. */
static int base58_decode(unsigned char *out, size_t n, const char *text)
{
	static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
	                               "abcdefghijkmnopqrstuvwxyz";

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
	return 0;
}

int pubkey_pack(unsigned char out[PUBKEY_PACKED_LEN], const char *text, struct err *e)
{
	static const struct {
		const char *prefix, *suffix; /* the suffix goes into the checksum */
		unsigned char type;
	} forms[] = {
		{ "EOS", "", 0 },
		{ "PUB_K1_", "K1", 0 },
		{ "PUB_R1_", "R1", 1 },
	};
	unsigned char bin[POINT_LEN + CHECK_LEN], sum[RIPEMD160_LEN], checked[POINT_LEN + 2];
	const char *data = NULL;
	size_t f;

	for (f = 0; f < ARRAY_LEN(forms); f++)
		if (str_starts(text, forms[f].prefix, &data))
			break;
	if (f == ARRAY_LEN(forms))
		return err_set(
		        e, ERR_USAGE, "'%.64s' does not begin with EOS, PUB_K1_ or PUB_R1_", text);
	/* A leading '1' is a zero byte, with which no point begins; and any number of them would
	 * decode to the same. */
	if (strlen(text) > TEXT_MAX || *data == '1' || base58_decode(bin, sizeof(bin), data) < 0)
		return err_set(e, ERR_USAGE, "'%.64s' is not base58 of a public key", text);

	memcpy(checked, bin, POINT_LEN);
	memcpy(checked + POINT_LEN, forms[f].suffix, strlen(forms[f].suffix));
	ripemd160(sum, checked, POINT_LEN + strlen(forms[f].suffix));
	if (memcmp(sum, bin + POINT_LEN, CHECK_LEN) != 0)
		return err_set(
		        e, ERR_USAGE, "'%.64s' has a wrong checksum, so a letter is wrong", text);
	if (bin[0] != 2 && bin[0] != 3)
		return err_set(e, ERR_USAGE, "'%.64s' is not a public key", text);
	out[0] = forms[f].type;
	memcpy(out + 1, bin, POINT_LEN);
	return 0;
}
