#include "sim/base58.h"

#include <string.h>

#include "base/str.h"

int sim_base58_decode(unsigned char *out, size_t n, const char *text)
{
	static const char digits[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

	memset(out, 0, n);
	for (; *text; text++) {
		const char *p = strchr(digits, *text);
		unsigned carry;

		if (!p)
			return -1;
		carry = (unsigned)(p - digits);
		for (size_t i = n; i--;) {
			carry += out[i] * 58U;
			out[i] = (unsigned char)carry;
			carry >>= 8;
		}
		if (carry)
			return -1;
	}
	return 0;
}

int sim_key_point(unsigned char out[KEY_POINT], const char *text)
{
	unsigned char raw[KEY_POINT + 4];
	const char *rest;

	if ((!str_starts(text, "EOS", &rest) && !str_starts(text, "PUB_K1_", &rest)) ||
	        sim_base58_decode(raw, sizeof(raw), rest) < 0 || (raw[0] != 2 && raw[0] != 3))
		return -1;
	memcpy(out, raw, KEY_POINT);
	return 0;
}
