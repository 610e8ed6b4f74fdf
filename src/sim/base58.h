#pragma once

/* Base58 as keys and signatures have it; what is checked of the checksum behind it is up to the
 * caller. */

#include <stddef.h>

#include "base/compiler.h"

/* The n bytes that the whole text stands for, big-endian.  0, or -1 for other text, also for one
 * that stands for more. */
int sim_base58_decode(unsigned char *out, size_t n, const char *text) NODISCARD;

#define KEY_POINT 33

/* The point of a K1 key, "EOS..." or "PUB_K1_...": two texts of one key have the same.  Its
 * checksum is not looked at. */
int sim_key_point(unsigned char out[KEY_POINT], const char *text) NODISCARD;
