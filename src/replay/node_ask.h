#pragma once

/* What a nodeos is and can, asked of the program.  Blocking, some tenths of a second. */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"
#include "replay/job.h"

struct node_kind {
	char version[JOB_VERSION_MAX]; /* "v4.0.6-01dab51...", or what there is of it */
	bool has_start_hash,
	        has_stop_hash; /* --integrity-hash-on-start, --integrity-hash-on-stop */
};

/* ERR_NOT_FOUND: there is no such program; ERR_INTERRUPTED.  cancel may be NULL. */
int node_ask(struct node_kind *ret, const char *program, const volatile int *cancel,
        struct err *e) NODISCARD;
