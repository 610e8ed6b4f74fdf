#pragma once

/*
 * Asks one nodeos over HTTP for a sample, without blocking
 *
 *	a = sample_asker_new(prober, "http://127.0.0.1:8888", &e);
 *	sample_asker_start(a, &request, limit_ns, on_sample, arg, &e);   again and again
 *	sample_asker_free(a);                                            cancels
 *
 * get_info comes first and alone decides whether the node answers.  Ids, blocks and the schedule
 * follow one after the other on the same connection, so that a nodeos never has more than one
 * question of ours; when the time is over, what has come by then is the sample.  What get_info has
 * said is not asked again: ids of the head and the last irreversible block, and that there is
 * nothing above the head.  Peers and the database are asked for at most every ten seconds, and
 *where those plugins are not reached that is no fault: their values are unknown (public nodes do
 *not have them).
 *
 * The transactions of a block are counted by get_block, which a busy nodeos answers slowly for
 * big blocks or not at all (http-max-response-time-ms): a block whose reply is above the limit, or
 * an error, is known without its count.
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "sample/sample.h"

struct http_prober;
struct sample_asker;

/* s is the callee's to change but not to keep: what it wants of it, it takes (and clears). */
typedef void sample_fn(void *arg, struct sample *s);

/* base_url: http:// or https://, without a path; copied, with the name and password that it may
 * have, which are in nothing that a sample says.  ERR_USAGE for another URL.  The prober must
 * outlive it. */
struct sample_asker *sample_asker_new(
        struct http_prober *p, const char *base_url, struct err *e) NODISCARD;
void sample_asker_free(struct sample_asker *a);
DEFINE_AUTO(struct sample_asker, sample_asker_free)

/* fn runs once, from the loop, limit_ns (above 0) from now at the latest, unless a is freed; it may
 * start or free a.  ERR_CONFLICT while an earlier one runs. */
int sample_asker_start(struct sample_asker *a, const struct sample_request *q, int64_t limit_ns,
        sample_fn *fn, void *arg, struct err *e) NODISCARD;
bool sample_asker_is_running(const struct sample_asker *a);

/* Only what the request asks for, no peers and no database: a supervisor knows these. */
void sample_asker_only_chain(struct sample_asker *a);
