#pragma once

/* Between restore.c and aside.c, which move data-dirs and parts of them away, and quarantine.c,
 * which keeps them. */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "data/quarantine.h"

#define QUARANTINE_NAME_SIZE 256
#define QUARANTINE_DATA      "data"
#define QUARANTINE_LOCK      ".lock"

/* What why.json says. */
struct quarantine_note {
	char slot[160];
	const char *why;
	const char *generation; /* what took its place; "" */
	const char *verdict;
	const char *repair; /* data_repair_name(); "" when it is not for one */
	int64_t at_ns;
};

/*
 * An entry that is being made: it has its name for good and its why.json, and nothing in it.  The
 * lock of the quarantine is held until quarantine_work_release(), which also removes an entry that
 * was not kept (is_kept) and has nothing in it.
 */
struct quarantine_work {
	int shelf, lock;
	int fd; /* the entry; -1 */
	char name[QUARANTINE_NAME_SIZE];
	bool is_kept;
};

#define QUARANTINE_WORK_INIT ((struct quarantine_work){ .shelf = -1, .lock = -1, .fd = -1 })

int quarantine_begin(struct quarantine_work *w, const struct pool *p,
        const struct quarantine_note *note, struct err *e) NODISCARD;
void quarantine_work_release(struct quarantine_work *w);

static inline void auto_quarantine_work(struct quarantine_work *w)
{
	quarantine_work_release(w);
}

/* Add the number of what is not a directory below it to *ret.  Nothing there is no error. */
int quarantine_count_files(int dirfd, const char *name, uint64_t *ret, struct err *e) NODISCARD;

/*
 * Move the directory `from` of from_dirfd to quarantine/<name>/data.  After an error it is where it
 * was, unless ret_name is set: then it was moved and what failed was syncing that.
 */
int quarantine_put(char ret_name[QUARANTINE_NAME_SIZE], const struct pool *p, int from_dirfd,
        const char *from, const struct quarantine_note *note, struct err *e) NODISCARD;
