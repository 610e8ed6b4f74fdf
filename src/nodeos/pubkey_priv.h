#pragma once

/*
 * Public keys of Antelope chains, as text and packed
 *
 * Two forms of text: "EOS" and base58 of the 33 bytes of a compressed secp256k1 point with the
 * first four bytes of their RIPEMD-160; or "PUB_K1_" or "PUB_R1_" and the same, where the
 * checksum also covers the two letters of the type.  Packed: one byte of type (K1 0, R1 1) and
 * the 33 bytes.  Source: AntelopeIO/leap v4.0.6, libraries/libfc/{src,include/fc}/crypto/.
 *
 * WebAuthn keys (PUB_WA_) have a variable length and no place in a genesis; not known here.
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"

#define PUBKEY_POINT_LEN  33
#define PUBKEY_PACKED_LEN (1 + PUBKEY_POINT_LEN)
#define PUBKEY_TEXT_SIZE  64

/* Returns 0, or -1 with ERR_USAGE that says what is wrong with the key. */
int pubkey_pack(unsigned char out[PUBKEY_PACKED_LEN], const char *text, struct err *e) NODISCARD;

/* Of a K1 key, in the older form ("EOS...") or the newer one ("PUB_K1_...").  Returns out. */
const char *pubkey_text(
        char out[PUBKEY_TEXT_SIZE], const unsigned char point[PUBKEY_POINT_LEN], bool is_legacy);
