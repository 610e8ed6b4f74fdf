#pragma once

/*
 * How nodeos asks another process for a signature: the KEOSD signature provider
 *
 * As recorded of nodeos v4.0.6 and read from its libfc (http_client.cpp post_sync) and
 * signature_provider_plugin.cpp:
 *
 *   - a POST with the digest and the public key, on one connection that is kept until it is
 *     closed, fails or times out; from the main thread, which does nothing else meanwhile;
 *   - one deadline on the wall clock for sending and reading (keosd-provider-timeout).  Making the
 *     connection has none: it can block for minutes, that to a unix socket for ever.  What is there
 *     to read is read also when the deadline has passed, so an answer that came while the process
 *     was frozen is taken;
 *   - of the statuses only 500 and 404 are errors.  With any other the body is the signature, a
 *     JSON text.
 *
 *	http://HOST[:PORT]/PATH      unix:///SOCKET/PATH, the socket is found by stat()
 *
 * Whether the signature is one of the key is not looked at here.
 */

#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "sim/fail.h"

#define KEOSD_DIGEST 32
#define KEOSD_TEXT   256 /* of what comes back, cut at this */

struct keosd;

/* timeout_ms: below 0 none. */
struct keosd *keosd_new(const char *url, const char *public_key, int64_t timeout_ms) NODISCARD;
void keosd_free(struct keosd *k);
DEFINE_AUTO(struct keosd, keosd_free)

/* The text of a signature, or what came in its place.  -1 with the exception that nodeos logs. */
int keosd_ask(struct keosd *k, char ret[KEOSD_TEXT], const unsigned char digest[KEOSD_DIGEST],
        struct fail *f) NODISCARD;
