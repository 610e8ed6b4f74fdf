#pragma once

/* SHA-256, from libcrypto; hex and base64. */

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

struct buf;

#define SHA256_LEN      32
#define SHA256_HEX_SIZE 65

void sha256(unsigned char out[SHA256_LEN], const void *data, size_t n);

/* Lower-case hex with a final NUL.  Returns out. */
const char *sha256_hex(char out[SHA256_HEX_SIZE], const void *data, size_t n);

/* The same in pieces, for what is larger than memory should hold. */
struct sha256;

/* NULL when memory is short. */
struct sha256 *sha256_new(void) NODISCARD;
void sha256_add(struct sha256 *s, const void *data, size_t n);
/* Ends the digest; s can only be freed then.  Returns out. */
const char *sha256_end(struct sha256 *s, char out[SHA256_HEX_SIZE]);
void sha256_free(struct sha256 *s);

/* 2n hex digits and a NUL go into out. */
void hex_encode(char *out, const void *data, size_t n);

/* Whether s is exactly so many digits of 0-9 and a-f, as ids and digests are written. */
bool hex_is(const char *s, size_t digits);

/* Exactly 2n hex digits and then the string's end; 0, or -1. */
int hex_decode(void *out, size_t n, const char *hex) NODISCARD;

/* Base64 (RFC 4648, padded, one line) as an allocated string that the caller frees; NULL when
 * memory is short. */
char *base64_encode(const void *data, size_t n) NODISCARD;

/* Append the bytes of such a text to out.  0; -1 with errno: EINVAL for what is none (out then has
 * the bytes before the fault), E2BIG and ENOMEM as of buf_add(). */
int base64_decode(struct buf *out, const char *text) NODISCARD;
