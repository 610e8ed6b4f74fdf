#pragma once

/*
 * Rounds of questions to the others: does our nodeos have the chain that they have?
 *
 * On the tenure's loop; never blocks.  A round asks /state of the supervisors that the names lead
 * to, sixteen at most, all at once; then our nodeos for its head, and for its blocks at the heights
 * of the others; of those that are ahead of all that ours has, their block at our last irreversible
 * height (/block); and judges (tenure_heads.h).  Who did not answer the round before is not waited
 * for once somebody else has answered: the former holder's host is the one that is dead.
 *
 * Names are looked up every few seconds, whether a round is under way or not, so that no round
 * waits for a name server.  Ourselves, whom our own service's name leads to, we leave out: an
 * address of ours, with our name and our nodeos.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "nodeos/reply.h"
#include "supervise/tenure_heads.h"

struct http_prober;
struct loop;
struct tenure_compare;

struct tenure_compared {
	enum tenure_heads heads; /* UNKNOWN: our nodeos did not answer */
	int64_t began_ns;        /* CLOCK_BOOTTIME; 0: no round has ended yet */
	char why[200];
	struct tenure_votes votes;
	struct nodeos_info info; /* of ours, in that round */
	bool has_heights;        /* a block's digest is its id: the chain has instant finality */
};

/* A round has ended. */
typedef void tenure_compare_fn(void *arg);

/* names: HOST or HOST:PORT, blank separated (8880 without a port); "" or NULL: nobody.  holder:
 * who we are, "SERVICE.SLOT". */
struct tenure_compare *tenure_compare_new(struct loop *l, struct http_prober *p, const char *names,
        const char *holder, tenure_compare_fn *fn, void *arg, struct err *e) NODISCARD;
void tenure_compare_free(struct tenure_compare *c);
DEFINE_AUTO(struct tenure_compare, tenure_compare_free)

/* Another nodeos, or none (host NULL): what was heard is forgotten, a round under way ended. */
int tenure_compare_nodeos(struct tenure_compare *c, pid_t pid, const char *host, uint16_t port,
        struct err *e) NODISCARD;

/* Begin a round, unless one is under way that began at `since` or later. */
void tenure_compare_begin(struct tenure_compare *c, int64_t since);

const struct tenure_compared *tenure_compare_result(const struct tenure_compare *c);
