#pragma once

/*
 * Generations: immutable, verified copies of a cleanly stopped data-dir
 *
 *	generations/lock                       flock: who changes the list of generations
 *	generations/number                     the highest number there ever was: none comes twice
 *	generations/g000042-0349798134/        number and LIB; immutable
 *	            manifest.json, data/
 *	generations/current -> g000042-...     what slots start from; replaced atomically
 *	generations/.tmp-<random>/             in work, flocked by who makes it
 *	generations/.pull-<name>/              what comes from another host: data/incoming.h
 *
 * Two kinds: DATA is a whole data-dir; SNAPSHOT has one file, data/snapshots/<name>.bin, that
 * nodeos is started with (--snapshot).
 *
 * Every change is whole or has not happened, also after SIGKILL and power loss: a generation has
 * its name only when all of it is synced.  Leftovers of the dead are .tmp- directories that nobody
 * holds; each change of the list begins with removing them.
 *
 * In use is what somebody holds (generation_hold(): who clones, verifies or sends it).  `current`
 * and what is in use are never removed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "data/clone.h"
#include "data/tree.h"

#define GENERATION_FORMAT    1
#define GENERATION_NAME_SIZE 32
#define GENERATIONS_MAX      1000
#define GENERATION_DIR       "generations"
#define GENERATION_CURRENT   "current"           /* also accepted wherever a name is asked for */
#define GENERATION_TEXT_MAX  (32U * 1024 * 1024) /* of manifest.json */

struct pool;

enum generation_kind {
	GENERATION_DATA,
	GENERATION_SNAPSHOT,
};

struct manifest {
	char name[GENERATION_NAME_SIZE];
	uint64_t number;
	enum generation_kind kind;
	char chain_id[65];       /* "": not known (some snapshots) */
	uint32_t head_block_num; /* 0: not known */
	char head_block_id[65];
	uint32_t lib_block_num; /* of the blocks.log, or of the snapshot */
	char lib_block_id[65];
	uint32_t first_block_num; /* in the block logs; 0: none */
	char nodeos_version[64];  /* "v4.0.6"; "": not known */
	char database_format[9];  /* "EOSIODB2"; "" for a snapshot */
	char integrity_hash[65];  /* of the state, when it was asked for; "" */
	char source[192];         /* "nodeswarm_readers.3", or the imported path */
	char host[256];           /* where it was made */
	char origin[16];          /* "archive", "import", "pull" */
	int64_t created_ns;
	struct tree files; /* below data/ */
	json_t *clone;     /* clone_report_json() of its making, or NULL */
	/* Set by generation_commit() and not written: it should have become current, and did not,
	 * because current is of a later block. */
	bool is_behind;
};

#define MANIFEST_INIT ((struct manifest){ 0 })

void manifest_release(struct manifest *m);

static inline void auto_manifest(struct manifest *m)
{
	manifest_release(m);
}

/* with_files: the list of files too; without it only their number and sizes.  A new reference. */
json_t *manifest_json(const struct manifest *m, bool with_files) NODISCARD;
/* ERR_PROTOCOL; tolerates extra keys.  Paths with "..", absolute ones and doubles are refused, and
 * files that do not add up to the sizes, the number and the digest of all that stand beside them.
 * Of one without files, files.n is 0, and only files.size_bytes and data_bytes are set. */
int manifest_from_json(struct manifest *ret, const json_t *j, struct err *e) NODISCARD;

/* Whether it can be the name of a generation; "current" is not.  *ret_number, if not NULL, gets its
 * number. */
bool generation_name_is(const char *name, uint64_t *ret_number);

/* --- what there is --- */

struct generation {
	struct manifest m; /* without files */
	bool is_current, is_in_use;
	struct err err; /* its manifest cannot be read: then only name and number are set */
	uint64_t files;
	uint64_t size_bytes, data_bytes;
};

struct generations {
	struct generation *v; /* oldest first */
	size_t n;
};

/* Nothing there is no error. */
int generations_list(struct generations *ret, const struct pool *p, struct err *e) NODISCARD;
void generations_release(struct generations *g);

/* manifest_json() without files, and "current", "in_use", and where it has one "error":{"kind",
 * "message"}.  A new reference. */
json_t *generation_json(const struct generation *g) NODISCARD;

static inline void auto_generations(struct generations *g)
{
	generations_release(g);
}

/*
 * A generation that is read: it cannot be removed while this is open.  name may be
 * GENERATION_CURRENT.  ERR_NOT_FOUND, ERR_PROTOCOL; ERR_CONFLICT after some seconds of waiting for
 * who has it locked.
 *
 * Here and below: ERR_INTERRUPTED when *cancel, which may be NULL, becomes other than 0.
 */
struct generation_hold {
	int fd;      /* the generation's directory; -1 when not open */
	int data_fd; /* its data/ */
	struct manifest m;
};

#define GENERATION_HOLD_INIT ((struct generation_hold){ .fd = -1, .data_fd = -1 })

int generation_hold(struct generation_hold *ret, const struct pool *p, const char *name,
        const volatile int *cancel, struct err *e) NODISCARD;
void generation_hold_release(struct generation_hold *h);

static inline void auto_generation_hold(struct generation_hold *h)
{
	generation_hold_release(h);
}

/* --- making one --- */

struct generation_work {
	int fd; /* of the .tmp- directory, flocked; -1 when not open */
	int list_fd;
	char tmp[64];
};

#define GENERATION_WORK_INIT ((struct generation_work){ .fd = -1, .list_fd = -1 })

/* Make the .tmp- directory; the caller then makes "data" in it (clone_tree(..., w.fd, "data")), and
 * syncs it if he does it himself.  It may have to delete what others have left, which takes its
 * time: call it before nodeos is stopped. */
int generation_begin(struct generation_work *w, const struct pool *p, const volatile int *cancel,
        struct err *e) NODISCARD;

/*
 * Give it number and name, write the manifest, sync, rename; with promote switch `current` to it.
 * m->files must have digests; name, number and is_behind of m are set.  ERR_CONFLICT with promote:
 * current is of another chain (force_chain says that this is meant); or there are GENERATIONS_MAX.
 *
 * `current` never goes backwards by this: of the same chain and with a higher LIB it stays, and
 * m->is_behind says so.  generation_promote() is for those who mean it.
 *
 * After an error there is no new generation, with one exception: when the very last fsync fails,
 * that of `current`, both are there and the message says so.
 */
int generation_commit(struct generation_work *w, const struct pool *p, struct manifest *m,
        bool promote, bool force_chain, struct err *e) NODISCARD;

/* Remove what was made; nothing after generation_commit(). */
void generation_work_release(struct generation_work *w);

static inline void auto_generation_work(struct generation_work *w)
{
	generation_work_release(w);
}

/* --- changing the list --- */

/* Its manifest must be readable; it may be of an earlier block than current.  ERR_NOT_FOUND,
 * ERR_PROTOCOL; ERR_CONFLICT: current is of another chain, and force_chain is not set. */
int generation_promote(
        const struct pool *p, const char *name, bool force_chain, struct err *e) NODISCARD;

/* ERR_CONFLICT: it is current or in use; ERR_NOT_FOUND.  What is left of it when this is
 * interrupted is off the list, and deleted by whoever changes the list next. */
int generation_remove(const struct pool *p, const char *name, const volatile int *cancel,
        struct err *e) NODISCARD;

/*
 * What to keep: what is within each limit; 0 means no limit of that kind.  The newest `min` are
 * kept whatever the limits say, at least one.  `current`, what is in use and what has no readable
 * manifest is never removed; the last does not count towards the limits either.
 */
struct retention {
	uint64_t count;
	int64_t age_ns;
	uint64_t bytes; /* of data, added up newest first; sharing is not taken into account */
	uint64_t min;
	/* Not NULL: only generations that were archived (origin "archive") of this source are
	 * removed, and only they count.  Borrowed; not set by retention_parse(). */
	const char *source;
};

/* "count=3,age=7d,bytes=500G,min=2", in any order; "" is no limit at all.  ERR_USAGE. */
int retention_parse(struct retention *ret, const char *text, struct err *e) NODISCARD;

/* Pure: sets remove[i] for each of g->v[i] that has to go. */
void retention_plan(
        bool *remove, const struct generations *g, const struct retention *r, int64_t now_ns);

/* Remove what the plan says; fn (may be NULL) is told of each that went or, with why, that could
 * not, which is no error of the whole.  It is told so too of each that cannot be read (g->err),
 * which no rule ever removes. */
typedef void generation_gone_fn(void *arg, const struct generation *g, const struct err *why);
int generations_prune(const struct pool *p, const struct retention *r, bool dry_run,
        const volatile int *cancel, generation_gone_fn *fn, void *arg, struct err *e) NODISCARD;

/* Read all of it again and compare with the manifest.  0; ERR_UNHEALTHY with the number of files
 * that differ and the first one's name; fn (may be NULL) hears of each. */
int generation_verify(const struct pool *p, const char *name, struct clone_progress *progress,
        const volatile int *cancel, tree_differs_fn *fn, void *arg, struct err *e) NODISCARD;
