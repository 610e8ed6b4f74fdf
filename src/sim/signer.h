#pragma once

/*
 * The signature providers of producer_plugin: which keys this node signs with, and how
 *
 *	signature-provider = EOS...=KEY:5...              the node has the key
 *	signature-provider = EOS...=KEOSD:http://...      it asks another process, see keosd.h
 *
 * Of a private key only the shape is looked at: what a node signs itself is not signed at all
 * (block.h).  What a KEOSD provider answers is verified as nodeos does: a canonical signature, with
 * its checksum, of this digest, by this key.
 */

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "sim/block.h"
#include "sim/fail.h"

struct options;
struct signers;

/* Those that are malformed are logged and ignored, as nodeos does.  NULL without memory. */
struct signers *signers_new(const struct options *opt) NODISCARD;
void signers_free(struct signers *s);
DEFINE_AUTO(struct signers, signers_free)

bool signers_have(const struct signers *s, const char *public_key);

/* Whether signing with this key is asked of another process: it may take time, and fail. */
bool signers_ask(const struct signers *s, const char *public_key);

/* Have the block signed.  -1 with the exception that nodeos logs. */
int signers_sign(
        struct signers *s, const char *public_key, const struct block *b, struct fail *f) NODISCARD;
