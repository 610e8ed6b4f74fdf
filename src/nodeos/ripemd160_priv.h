#pragma once

/*
 * RIPEMD-160 (Dobbertin, Bosselaers, Preneel, 1996), for the checksum of public keys.
 *
 * Not libcrypto's: OpenSSL 3.0.0 to 3.0.6 (Ubuntu 22.04) has it in the legacy provider only,
 * which is not loaded.  Not for anything that has to be secure or fast.
 */

#include <stddef.h>

#define RIPEMD160_LEN 20

void ripemd160(unsigned char out[RIPEMD160_LEN], const void *data, size_t n);
