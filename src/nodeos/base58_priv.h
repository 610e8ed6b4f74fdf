#pragma once

/*
 * Base58, as the texts of keys and signatures have it
 *
 * The alphabet of Bitcoin, big-endian; each zero byte at the begin is a '1'.  The texts of Antelope
 * end with a checksum: the first four bytes of the RIPEMD-160 of the bytes and of the two letters
 * of their type ("K1"; none in the older forms).
 * Source: AntelopeIO/leap v4.0.6, libraries/libfc/include/fc/crypto/common.hpp
 *
 * The bytes may be a private key: no copy of them is left behind.
 */

#include <stddef.h>

#include "base/compiler.h"

#define BASE58_BYTES_MAX 65 /* of what has a checksum: a signature */

/* A text's size for n bytes, with its NUL: log(256)/log(58) is 1.3658. */
#define BASE58_SIZE(n)       ((n)*138 / 100 + 2)
#define BASE58_CHECK_SIZE(n) BASE58_SIZE((n) + 4)

/* The whole text into exactly n bytes, n > 0.  1: it is of less, so that a letter is missing, or
 * has more ones in front than there are zeros; -1: it is of more, or no base58. */
int base58_decode(unsigned char *out, size_t n, const char *text) NODISCARD;

/* out: BASE58_SIZE(n) bytes.  Returns out. */
const char *base58_encode(char *out, const unsigned char *data, size_t n);

/* The same with a checksum behind the n bytes, at most BASE58_BYTES_MAX.  1: that is wrong, or as
 * above. */
int base58_check_decode(unsigned char *out, size_t n, const char *text, const char *type) NODISCARD;
const char *base58_check_encode(char *out, const unsigned char *data, size_t n, const char *type);
