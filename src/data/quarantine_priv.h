#pragma once

/* Between restore.c, which moves data-dirs away, and quarantine.c, which keeps them. */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "data/restore.h"

#define QUARANTINE_NAME_SIZE 256
#define QUARANTINE_DATA      "data"
#define QUARANTINE_LOCK      ".lock"

/* What why.json says. */
struct quarantine_note {
	char slot[160];
	const char *why;
	const char *generation; /* what took its place; "" */
	const char *verdict;
	int64_t at_ns;
};

/*
 * Move the directory `from` of from_dirfd to quarantine/<name>/data.  After an error it is where it
 * was, unless ret_name is set: then it was moved and what failed was syncing that.
 */
int quarantine_put(char ret_name[QUARANTINE_NAME_SIZE], const struct pool *p, int from_dirfd,
        const char *from, const struct quarantine_note *note, struct err *e) NODISCARD;
