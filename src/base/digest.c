#include "base/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

void sha256(unsigned char out[SHA256_LEN], const void *data, size_t n)
{
	unsigned len = SHA256_LEN;
	int ok = EVP_Digest(data, n, out, &len, EVP_sha256(), NULL);

	/* Fails only when libcrypto has no SHA-256 or no memory; a wrong name is
	 * worse than none. */
	if (ok != 1 || len != SHA256_LEN)
		abort();
}

const char *sha256_hex(char out[SHA256_HEX_SIZE], const void *data, size_t n)
{
	unsigned char raw[SHA256_LEN];

	sha256(raw, data, n);
	hex_encode(out, raw, sizeof(raw));
	return out;
}

struct sha256 {
	EVP_MD_CTX *ctx;
};

struct sha256 *sha256_new(void)
{
	struct sha256 *s = malloc(sizeof(*s));

	if (!s)
		return NULL;
	s->ctx = EVP_MD_CTX_new();
	if (!s->ctx || EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) != 1) {
		sha256_free(s);
		return NULL;
	}
	return s;
}

void sha256_add(struct sha256 *s, const void *data, size_t n)
{
	if (EVP_DigestUpdate(s->ctx, data, n) != 1)
		abort();
}

const char *sha256_end(struct sha256 *s, char out[SHA256_HEX_SIZE])
{
	unsigned char raw[SHA256_LEN];
	unsigned len = SHA256_LEN;

	if (EVP_DigestFinal_ex(s->ctx, raw, &len) != 1 || len != SHA256_LEN)
		abort();
	hex_encode(out, raw, sizeof(raw));
	return out;
}

void sha256_free(struct sha256 *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->ctx);
	free(s);
}

void hex_encode(char *out, const void *data, size_t n)
{
	static const char digit[] = "0123456789abcdef";
	const uint8_t *p = data;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digit[p[i] >> 4];
		out[2 * i + 1] = digit[p[i] & 15];
	}
	out[2 * n] = '\0';
}

bool hex_is(const char *s, size_t digits)
{
	return strspn(s, "0123456789abcdef") == digits && !s[digits];
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hex_decode(void *out, size_t n, const char *hex)
{
	uint8_t *p = out;

	if (strlen(hex) != 2 * n)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int hi = nibble(hex[2 * i]), lo = nibble(hex[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return -1;
		p[i] = (uint8_t)(hi << 4 | lo);
	}
	return 0;
}

char *base64_encode(const void *data, size_t n)
{
	static const char digit[] =
	        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *p = data;
	char *text, *out;

	if (n > SIZE_MAX / 2)
		return NULL;
	out = text = malloc((n + 2) / 3 * 4 + 1);
	if (!text)
		return NULL;
	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16;

		if (i + 1 < n)
			v |= (uint32_t)p[i + 1] << 8;
		if (i + 2 < n)
			v |= p[i + 2];
		*out++ = digit[v >> 18];
		*out++ = digit[v >> 12 & 63];
		*out++ = i + 1 < n ? digit[v >> 6 & 63] : '=';
		*out++ = i + 2 < n ? digit[v & 63] : '=';
	}
	*out = '\0';
	return text;
}

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(struct buf *out, const char *text)
{
	for (; *text; text += 4) {
		uint32_t v = 0;
		size_t digits = 0;
		uint8_t bytes[3];

		while (digits < 4 && base64_digit(text[digits]) >= 0)
			v = v << 6 | (uint32_t)base64_digit(text[digits++]);
		/* Less than four only at the end, filled up with padding. */
		if (digits < 2 || (digits < 4 && strcmp(text + digits, &"=="[digits - 2]) != 0)) {
			errno = EINVAL;
			return -1;
		}
		v <<= 6 * (4 - digits);
		bytes[0] = (uint8_t)(v >> 16);
		bytes[1] = (uint8_t)(v >> 8);
		bytes[2] = (uint8_t)v;
		if (buf_add(out, bytes, digits - 1) < 0)
			return -1;
		if (digits < 4)
			break;
	}
	return 0;
}
