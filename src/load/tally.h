#pragma once

/*
 * What was counted: by one thread in an interval, or by all of them in a whole run
 *
 * Tallies add up; that is all they do.  One writer each, no locks.
 *
 * Which requests are in a latency histogram: those that were answered well, and those that got no
 * answer in time (timeout, unsent) with the time that was waited for them, which is a lower bound.
 * Without the latter a server that stalls would look fast.  Quick failures (a 503, a refused
 * connection) are in none.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "load/failure.h"
#include "load/hist.h"

#define LOAD_BACKENDS_MAX 256 /* of one thread; further ones are counted as "(others)" */

/* Who answered, by X-Served-By; "" for replies that do not say. */
struct load_backend {
	char name[64];       /* as in the header, printable; cut to fit */
	uint64_t ok;         /* requests */
	uint64_t failed;     /* those that it answered wrongly; who did not answer is not known */
	uint32_t head;       /* the highest head_block_num in the interval, 0: none */
	int64_t head_age_ns; /* of the newest head_block_time when it was read, by our clock;
	                        INT64_MIN: none */
	struct load_hist *latency; /* of the ok ones, two digits; from sending */
};

struct load_tally {
	uint64_t classes[LOAD_CLASSES];
	uint64_t statuses[600]; /* of LOAD_STATUS, by status */
	uint64_t bytes_in, bytes_out;
	uint64_t connects;         /* connections that were opened */
	struct load_hist *planned; /* from when it was to leave; with a schedule only */
	struct load_hist *sent;    /* from when it left (its first byte was given to the kernel), or
	                              from the connect() that it had to wait for: always so in the
	                              closed loop and without keep-alive */
	struct load_hist *late; /* with a schedule: how late those left that had a free connection,
	                           or were due while the thread did not run: our own fault */
	struct load_backend *backends;
	unsigned n_backends;
	uint32_t head; /* the highest seen */
	/* private */
	unsigned cap;
	uint16_t index[LOAD_BACKENDS_MAX * 2]; /* of backends by hash of the name, plus 1 */
};

struct load_tally *load_tally_new(bool scheduled);
void load_tally_free(struct load_tally *t);
DEFINE_AUTO(struct load_tally, load_tally_free)

/*
 * 0, or -1 without memory (for a further backend): the counts of into are then as they were, but it
 * may have backends more that counted nothing.  Both with a schedule or both without.  Of a
 * backend's two heads the higher one has its age kept; of equal ones the greater age.
 */
int load_tally_add(struct load_tally *into, const struct load_tally *from) NODISCARD;
/* Keeps the backends, with zero counts: their indexes stay. */
void load_tally_clear(struct load_tally *t);

uint64_t load_tally_total(const struct load_tally *t); /* all classes */
uint64_t load_tally_failed(const struct load_tally *t);

/* The index of the backend of that name, a new one if need be (the last one is "(others)", of all
 * beyond the limit); -1 without memory.  Indexes stay; pointers into backends do not. */
int load_tally_backend(struct load_tally *t, const char *name, size_t n);
