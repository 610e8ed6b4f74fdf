#pragma once

/*
 * Asking the brokers
 *
 * Any number of brokers, each as good as the other: a request goes to one, and to the next when
 * that one fails or is slow (a third of the limit, at most 700 ms), until one has answered or the
 * limit is over.  A name is looked up beside the loop (loop/resolve.h), again every few seconds;
 * its last known addresses stay good when a look-up fails.  The answers come on the loop.
 */

#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "lease/record.h"
#include "lease/tenant.h"

struct loop;
struct lease_client;

/* stands: what the broker says stands now, for TENANT_DONE and TENANT_CONFLICT (version 0: there is
 * none); else NULL, and why is set. */
typedef void lease_client_fn(void *arg, enum tenant_reply reply, const struct lease_record *stands,
        const struct err *why);

/* brokers: HOST:PORT, blank separated; the token is in the file token_path (a Swarm secret). */
struct lease_client *lease_client_new(
        struct loop *l, const char *brokers, const char *token_path, struct err *e) NODISCARD;
void lease_client_free(struct lease_client *c);
DEFINE_AUTO(struct lease_client, lease_client_free)

/* write NULL: read.  One at a time; another before the answer cancels the one before. */
int lease_client_ask(struct lease_client *c, const char *name, const struct lease_record *write,
        int64_t limit_ns, lease_client_fn *fn, void *arg, struct err *e) NODISCARD;
