#pragma once

/*
 * How the book keeps its entries
 *
 * A change is made on copies, and they take the entries' place only after the commit, so memory and
 * store never differ:
 *
 *	if (book_begin(b, e) < 0)
 *		return -1;
 *	en = book_edit(b, i, e);	(NULL: without memory)
 *	if (!en || try_end(b, en, TRY_FAILED, ...) < 0)
 *		return book_undo(b);	(-1)
 *	en->job.status = ...;
 *	return book_commit(b, e);
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replay/book.h"
#include "replay/order.h"
#include "store/store.h"

#define BOOK_RETRY_MAX_NS (600 * 1000000000LL)
#define BOOK_BATCH        256 /* rows in one transaction, where it may be many */

/* How a try ended. */
enum try_end {
	TRY_NONE, /* there was none */
	TRY_RUNNING,
	TRY_COMPLETE,
	TRY_FAILED,
	TRY_LOST,
	TRY_RELEASED,
	TRY_CANCELLED,
};
const char *try_end_name(enum try_end t);

struct entry {
	struct job job;
	json_t *more;                        /* the manifest's other keys; not ours in a copy */
	char manifest_hash[SLICE_HASH_SIZE]; /* as the manifest had it when we last looked */
	/* Of the last try: its lease, so that an answer which got lost can be given again. */
	char last_lease[JOB_LEASE_SIZE];
	enum try_end last_end;
	unsigned listed;      /* the number of the last try on record */
	unsigned fails, lost; /* since the job was last queued by hand */
};

/* What is looked at for every claim and round, in little memory. */
struct hot {
	int64_t retry_at_ns; /* real */
	int64_t deadline_ns; /* mono; INT64_MAX when nobody has it */
	bool is_waiting;
	bool is_resting; /* an old client's ERROR, which waits again at retry_at_ns */
	bool is_dirty;   /* its entry differs from its row */
};

struct draft {
	size_t at;
	struct entry *copy;
};

struct book {
	struct book_config cfg;
	struct store *store;
	enum book_mode mode;
	int64_t epoch, made_ns;
	struct entry *v;
	struct hot *hot;
	size_t *by_end; /* indices by the slices' ends; of equal ones in the manifest's order */
	size_t n;
	/* What the order goes by; seconds of slices that are finished. */
	struct order_slice *order;
	double *expected;
	uint32_t *rank; /* of equals */
	size_t finished, finished_then;
	bool is_expected;

	struct draft *draft;
	size_t n_draft, cap_draft;
	int64_t busy_ns, draft_busy_ns; /* of tries that have ended */
	size_t n_dirty, flush_at;
};

/* A wait is never longer than that: one that is was noted before the clock was set back. */
static inline bool book_is_due(int64_t retry_at_ns, int64_t real_ns)
{
	return retry_at_ns <= real_ns || retry_at_ns - real_ns > BOOK_RETRY_MAX_NS;
}

/* --- book.c: changes --- */

int book_begin(struct book *b, struct err *e) NODISCARD;
struct entry *book_edit(struct book *b, size_t i, struct err *e) NODISCARD;
int book_commit(struct book *b, struct err *e) NODISCARD;
int book_undo(struct book *b); /* -1 */

/* Of an entry that has changed in memory alone. */
void book_refresh(struct book *b, size_t i);
void book_mark(struct book *b, size_t i);

/* 0 and its index; -1 with ERR_NOT_FOUND. */
int book_index(const struct book *b, int64_t id, size_t *ret, struct err *e) NODISCARD;

/* The first of by_end[] with that end; n if there is none. */
size_t book_first_end(const struct book *b, uint32_t end);

/* --- book_row.c: entries and tries in the store --- */

extern const char *const book_schema[];
extern const size_t book_schema_n;

int row_insert(struct book *b, const struct entry *en, struct err *e) NODISCARD;
int row_update(struct book *b, const struct entry *en, struct err *e) NODISCARD;
/* Only how far its try is. */
int row_progress(struct book *b, const struct entry *en, struct err *e) NODISCARD;
/* All of them, into b->v, which has the manifest's part.  ERR_PROTOCOL if they do not fit. */
int row_load(struct book *b, struct err *e) NODISCARD;

/* A try of this entry begins, or its last one ends.  The job's status is the caller's. */
int try_begin(struct book *b, struct entry *en, const char *worker, const char *lease,
        struct book_now now, struct err *e) NODISCARD;
int try_end(struct book *b, struct entry *en, enum try_end how, struct book_now now,
        const char *error, const char *log, struct err *e) NODISCARD;
/* The last try was taken for lost and is not: it goes on. */
int try_revive(struct book *b, struct entry *en, struct book_now now, struct err *e) NODISCARD;

/* --- book_step.c: steps that several changes have in common --- */

/* The job's step; -1 with ERR_CONFLICT if it may not follow. */
int step_to(struct entry *en, enum job_status to, struct err *e) NODISCARD;
/* COMPLETE or HASH_MISMATCH, by the hashes. */
void step_judge(struct entry *en);
/* Waits again, from the start. */
void step_wait(struct entry *en, int64_t retry_at_ns);
/* The wait before the next try, after so many. */
int64_t step_backoff_ns(const struct book *b, unsigned times);
/* The state of height `height` has this hash: what slices that end there should have. */
int step_learn(struct book *b, uint32_t height, const char *hash, struct err *e) NODISCARD;

/* text is allowed, or cut and cleaned, for what people read; a log keeps its last bytes. */
void text_take(char *out, size_t size, const char *text);
void text_take_log(char out[JOB_LOG_MAX], const char *text);
/* 64 hex digits into out, in lower case; -1 for anything else. */
int hash_take(char out[SLICE_HASH_SIZE], const char *hash) NODISCARD;
