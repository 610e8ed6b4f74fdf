#pragma once

/*
 * Signatures of Antelope chains: a digest in, a signature out
 *
 * A K1 key signs 32 bytes as they are, whatever they are a digest of: a transaction, a block.
 * Everything here is of secp256k1 ("K1"); keys of other curves are refused.
 *
 * The key material lives in memory of its own (base/secret.h) from the first byte that is read to
 * the end, is wiped there, and is in no message.  Threads may share a key to sign with.
 *
 *	AUTO(sign_key_free) struct sign_key *k = sign_key_read_at(AT_FDCWD, "canary.key", &e);
 *	unsigned char digest[SIGN_DIGEST_LEN], sig[SIGN_LEN];
 *	char text[SIGN_TEXT_SIZE];
 *
 *	if (sign_digest(k, sig, digest, &e) < 0)
 *		return -1;
 *	puts(sign_text(text, sig));                       SIG_K1_...
 *
 * Signatures are those of nodeos, keosd and cleos, bit by bit: nonces by RFC 6979, and of the
 * possible signatures the first that nodeos calls canonical.  The same key and digest always give
 * the same signature.
 * Source: AntelopeIO/leap v4.0.6, libraries/libfc/src/crypto/{elliptic_impl_priv,elliptic_common,
 * private_key}.cpp
 */

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"

#define SIGN_DIGEST_LEN 32
#define SIGN_LEN        65  /* 31 + recovery id, r, s */
#define SIGN_TEXT_SIZE  110 /* "SIG_K1_..." */
#define SIGN_KEY_SIZE   64  /* a public key's text */

struct sign_key;

/*
 * A private key's text: "5..." (WIF) or "PVT_K1_...", nothing else around it.  The caller wipes it.
 * NULL with ERR_USAGE that says what is wrong and never quotes any of it.
 */
struct sign_key *sign_key_parse(const char *text, struct err *e) NODISCARD;

/*
 * The key in a file that holds one, with white space around it at most.  ERR_DENIED when group or
 * others have any right to the file, or it belongs neither to root nor to whom we run as;
 * ERR_NOT_FOUND, ERR_USAGE.  A symbolic link is followed: what it leads to is judged.
 */
struct sign_key *sign_key_read_at(int dirfd, const char *path, struct err *e) NODISCARD;

void sign_key_free(struct sign_key *k);
DEFINE_AUTO(struct sign_key, sign_key_free)

/* Whether its secret cannot get into swap. */
bool sign_key_is_locked(const struct sign_key *k);

/* Its public key as nodeos's APIs write it, "EOS...", and in the newer form, "PUB_K1_...".  Valid
 * as long as k. */
const char *sign_key_public(const struct sign_key *k);
const char *sign_key_public_k1(const struct sign_key *k);

/* -1 with ERR_SYSTEM only when what was signed does not verify: then the memory or the processor
 * is not to be trusted, and ret is not written. */
int sign_digest(const struct sign_key *k, unsigned char ret[SIGN_LEN],
        const unsigned char digest[SIGN_DIGEST_LEN], struct err *e) NODISCARD;

/* Whether nodeos takes its r and s. */
bool sign_is_canonical(const unsigned char sig[SIGN_LEN]);

/* "SIG_K1_...".  Returns out. */
const char *sign_text(char out[SIGN_TEXT_SIZE], const unsigned char sig[SIGN_LEN]);

/* A public key of either form as "EOS..."; 0, or -1 for what is none. */
int sign_public_text(char ret[SIGN_KEY_SIZE], const char *text) NODISCARD;

/* The signer's public key, "EOS..."; 0, or -1 for what is no signature of anybody.  Public values
 * only. */
int sign_recover(char ret[SIGN_KEY_SIZE], const unsigned char sig[SIGN_LEN],
        const unsigned char digest[SIGN_DIGEST_LEN]) NODISCARD;
