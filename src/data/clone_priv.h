#pragma once

/* What the parts of the clone engine share: clone.c the tree, clone_file.c a file's content,
 * clone_attr.c whose it is and when it was made, clone_sync.c the way to the disk. */

#include <pthread.h>
#include <stdatomic.h>

#include "data/clone.h"
#include "data/scan_priv.h"

struct clone_item {
	uint64_t size; /* bytes of data that the source has */
	enum clone_how how;
	uint64_t bytes; /* of data that was shared or copied */
};

/* One call of clone_tree(). */
struct clone_run {
	const struct clone_options *o;
	int from, to; /* the two top directories */
	struct scan scan;
	struct clone_item *items; /* one for each of scan.files */
	size_t *order;            /* of scan.files: in which they are begun */
	uint64_t data_bytes;      /* of all files */
	uint64_t must_copy;       /* of those that cannot be links either */
	_Atomic bool is_off[CLONE_HOW_COUNT];
	_Atomic bool is_room_checked[2]; /* without links, with links */
	_Atomic uint64_t done, linked;   /* bytes that are shared or copied; of them by links */
	pthread_mutex_t lock;
	int64_t synced_ns;
	char why[160]; /* under the lock while threads run */
};

/* What one thread works with. */
struct clone_hand {
	struct clone_run *run;
	struct scan_at from, to;
	char *buffer; /* or NULL */
};

/* Make file number i of the scan in the target, with all but its fsync. */
int clone_file(struct clone_hand *h, size_t i, struct err *e) NODISCARD;

/* Whether it may become a hard link, as far as names and owners tell. */
bool clone_may_link(const struct clone_run *run, const struct scan_entry *f);

/* ERR_CONFLICT if the source of it is not as it was read. */
int clone_check_source(struct clone_hand *h, size_t i, struct err *e) NODISCARD;

/* Give the directories their attributes and bring all of it to the disk. */
int clone_sync(struct clone_hand *hands, unsigned n, int64_t *took_ns, struct err *e) NODISCARD;

/* ERR_INTERRUPTED when the caller wants no more. */
int clone_cancelled(const struct clone_run *run, struct err *e) NODISCARD;

/*
 * Give the open file or directory `to` what `from` has: extended attributes, owner, mode and, last,
 * the times.  No set-user-ID, set-group-ID or sticky bit: a data-dir needs none.
 */
int clone_attributes(
        int from, int to, const struct stat *st, const char *path, struct err *e) NODISCARD;

/* The same for the symbolic link `name` of the directory `dirfd`. */
int clone_link_attributes(int dirfd, const char *name, const struct stat *st, const char *path,
        struct err *e) NODISCARD;
