#pragma once

/*
 * A lease in Swarm's Raft store: a Config object's labels
 *
 * Blocking; one engine, one thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "lease/object.h"
#include "lease/record.h"

struct engine;

struct store_request {
	char name[LEASE_NAME_SIZE];
	bool is_write;
	struct lease_record write; /* its version: the one that is to be replaced */
	int64_t end_ns;            /* CLOCK_MONOTONIC: no call to the engine begins after it */
};

/*
 * 0 and the record that stands now.  Else -1, and *has_stands tells whether the record that stands
 * is known:
 *   ERR_CONFLICT  another version stands
 *   ERR_USAGE     what is to be written may not follow what stands
 *   ERR_PROTOCOL  the labels of the object are none of a lease
 *   others        of the engine: a write may or may not have been done
 */
int lease_store_run(struct engine *eng, const struct store_request *q, struct lease_record *stands,
        bool *has_stands, struct err *e) NODISCARD;

/* Pure.  Whether a ceiling is what a clock near ours would ask for: 0, or ERR_USAGE.  It keeps out
 * a producer whose clock is far ahead, after which nobody could sign for as long. */
int store_check_ceiling(const struct lease_record *from, const struct lease_record *to,
        int64_t real_now, struct err *e) NODISCARD;
