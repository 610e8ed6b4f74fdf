#pragma once

/*
 * RIPEMD-160 (Dobbertin, Bosselaers, Preneel, 1996), for the checksums of keys.
 *
 * Not libcrypto's: OpenSSL 3.0.0 to 3.0.6 (Ubuntu 22.04) has it in the legacy provider only,
 * which is not loaded.  Not for anything that has to be secure or fast.  The key may be a private
 * one: no copy of the data is left behind.
 */

#include <stddef.h>

#define RIPEMD160_LEN 20

void ripemd160(unsigned char out[RIPEMD160_LEN], const void *data, size_t n);
