/*
 * A book belongs to one manifest, whose ranges, snapshots and versions it has a digest of.  Hashes
 * may change: what the manifest says is taken when it differs from what it said the last time, so
 * that neither a hash from a POST /config, which is in the book before the manifest is rewritten,
 * nor an edit of the manifest is lost.  What we write into it ourselves is on record before that:
 * after a kill the manifest may have it or not, and neither is an edit.
 *
 * A job's id is the book's epoch, which comes from the digest, and the slice's number in the lower
 * half: the same after each start, and another in another manifest's book.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/num.h"
#include "base/str.h"
#include "replay/book_priv.h"

#define EPOCH_BITS 20 /* an id fits into 53 bits, for readers that have doubles only */

static int make_digest(char out[SHA256_HEX_SIZE], const struct slices *s, struct err *e)
{
	struct sha256 *sum = sha256_new();

	if (!sum)
		return err_nomem(e);
	for (size_t i = 0; i < s->n; i++) {
		const struct slice *v = &s->v[i];
		AUTO(free)
		char *line = str_fmt("%u %u %d %s\n%s\n%s\n", v->start, v->end, v->is_spring,
		        v->version, v->storage_type, v->snapshot_path);

		if (!line) {
			sha256_free(sum);
			return err_nomem(e);
		}
		sha256_add(sum, line, strlen(line));
	}
	(void)sha256_end(sum, out);
	sha256_free(sum);
	return 0;
}

/* --- the manifest's part ----------------------------------------------------------- */

static int fill_entry(struct entry *en, const struct slice *s, size_t i)
{
	struct job *j = &en->job;

	j->slice_id = (uint32_t)i + 1;
	j->start = j->last_block = s->start;
	j->end = s->end;
	j->is_spring = s->is_spring;
	memcpy(j->expected_hash, s->expected_hash, sizeof(j->expected_hash));
	memcpy(en->manifest_hash, s->expected_hash, sizeof(en->manifest_hash));
	j->snapshot_path = strdup(s->snapshot_path ? s->snapshot_path : "");
	j->storage_type = strdup(s->storage_type ? s->storage_type : "");
	j->version = strdup(s->version ? s->version : "");
	en->more = json_incref(s->more);
	return j->snapshot_path && j->storage_type && j->version ? 0 : -1;
}

static int by_end(const void *a, const void *b, void *arg)
{
	const struct book *book = arg;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	uint32_t ex = book->v[x].job.end, ey = book->v[y].job.end;

	if (ex != ey)
		return ex < ey ? -1 : 1;
	return (x > y) - (x < y);
}

static int fill(struct book *b, const struct slices *s, struct err *e)
{
	b->v = calloc(s->n, sizeof(*b->v));
	b->hot = calloc(s->n, sizeof(*b->hot));
	b->by_end = calloc(s->n, sizeof(*b->by_end));
	b->order = calloc(s->n, sizeof(*b->order));
	b->expected = calloc(s->n, sizeof(*b->expected));
	b->rank = calloc(s->n, sizeof(*b->rank));
	if (!b->v || !b->hot || !b->by_end || !b->order || !b->expected || !b->rank)
		return err_nomem(e);
	b->n = s->n;
	for (size_t i = 0; i < b->n; i++) {
		if (fill_entry(&b->v[i], &s->v[i], i) < 0)
			return err_nomem(e);
		b->order[i] = (struct order_slice){ .start = s->v[i].start, .end = s->v[i].end };
		b->by_end[i] = i;
	}
	order_spread(b->rank, b->order, b->n);
	qsort_r(b->by_end, b->n, sizeof(*b->by_end), by_end, b);
	return 0;
}

/* --- the store --------------------------------------------------------------------- */

/* 1 and the value; 0: there is none; -1. */
static int get_meta(struct book *b, const char *name, char *out, size_t size, struct err *e)
{
	struct store_rows q = { 0 };
	int rc = store_ask(b->store, &q, e, "SELECT value FROM meta WHERE name=?1", "t", name);

	if (rc > 0)
		text_take(out, size, store_text(&q, 0));
	store_end(&q);
	return rc;
}

static int put_meta(struct book *b, const char *name, const char *value, struct err *e)
{
	return store_exec(
	        b->store, e, "INSERT INTO meta(name, value) VALUES(?1, ?2)", "tt", name, value);
}

/* All of a new book in one transaction. */
static int create(struct book *b, const char *digest, struct err *e)
{
	char epoch[32], made[32];
	uint64_t bits = strtoull(
	        (char[]){ digest[0], digest[1], digest[2], digest[3], digest[4], 0 }, NULL, 16);

	b->epoch = (int64_t)(bits % ((1U << EPOCH_BITS) - 1) + 1);
	b->made_ns = b->cfg.real_ns;
	(void)snprintf(epoch, sizeof(epoch), "%" PRId64, b->epoch);
	(void)snprintf(made, sizeof(made), "%" PRId64, b->made_ns);
	if (store_begin(b->store, e) < 0 || put_meta(b, "manifest", digest, e) < 0 ||
	        put_meta(b, "epoch", epoch, e) < 0 || put_meta(b, "made_ns", made, e) < 0 ||
	        put_meta(b, "mode", book_mode_name(BOOK_RUNNING), e) < 0)
		return book_undo(b);
	for (size_t i = 0; i < b->n; i++)
		if (row_insert(b, &b->v[i], e) < 0)
			return book_undo(b);
	return store_commit(b->store, e) < 0 ? book_undo(b) : 0;
}

static int get_number(struct book *b, const char *name, int64_t max, int64_t *ret, struct err *e)
{
	char text[32] = "";

	if (get_meta(b, name, text, sizeof(text), e) < 0)
		return -1;
	if (num_int(ret, text, 0, max, e) < 0) {
		err_clear(e);
		return err_set(e, ERR_PROTOCOL, "store: '%s' is damaged", name);
	}
	return 0;
}

/* 1: we have written it into the manifest ourselves, or may have; 0; -1. */
static int is_ours(struct book *b, size_t i, const char *hash, struct err *e)
{
	struct store_rows q = { 0 };
	int rc = store_ask(b->store, &q, e,
	        "SELECT 1 FROM written WHERE slice=?1 AND hash=?2 COLLATE NOCASE", "it",
	        (int64_t)i + 1, hash);

	store_end(&q);
	return rc;
}

static int meet_hash(struct book *b, size_t i, const char *hash, struct err *e)
{
	struct entry *en = book_edit(b, i, e);
	int ours = en ? is_ours(b, i, hash, e) : -1;

	if (ours < 0)
		return -1;
	(void)snprintf(en->manifest_hash, sizeof(en->manifest_hash), "%s", hash);
	/* That we have written a learned one into the manifest changes nothing. */
	if (!ours && strcasecmp(hash, en->job.expected_hash) != 0) {
		(void)snprintf(en->job.expected_hash, sizeof(en->job.expected_hash), "%s", hash);
		en->job.is_expected_learned = false;
	}
	step_judge(en);
	return 0;
}

/* What the manifest says of hashes now, against what it said before. */
static int meet_manifest(struct book *b, const struct slices *s, struct err *e)
{
	if (book_begin(b, e) < 0)
		return -1;
	for (size_t i = 0; i < b->n; i++)
		if (strcasecmp(s->v[i].expected_hash, b->v[i].manifest_hash) != 0 &&
		        meet_hash(b, i, s->v[i].expected_hash, e) < 0)
			return book_undo(b);
	if (store_exec(b->store, e, "DELETE FROM written", "") < 0)
		return book_undo(b);
	return book_commit(b, e);
}

int book_writing(struct book *b, struct err *e)
{
	if (store_begin(b->store, e) < 0)
		return -1;
	if (store_exec(b->store, e,
	            "INSERT OR IGNORE INTO written(slice, hash) SELECT slice, expected_hash"
	            " FROM job WHERE expected_hash IS NOT manifest_hash",
	            "") < 0 ||
	        store_commit(b->store, e) < 0) {
		store_rollback(b->store);
		return -1;
	}
	return 0;
}

/* The row alone: the entry may have progress that is not written yet. */
static int put_manifest_hash(struct book *b, size_t i, const char *hash, struct err *e)
{
	return store_exec(b->store, e, "UPDATE job SET manifest_hash=?2 WHERE slice=?1", "it",
	        (int64_t)i + 1, hash);
}

int book_written(struct book *b, const struct slices *s, struct err *e)
{
	int rc = store_begin(b->store, e);

	if (rc < 0)
		return -1;
	for (size_t i = 0; rc == 0 && i < b->n && i < s->n; i++)
		if (strcmp(s->v[i].expected_hash, b->v[i].manifest_hash) != 0)
			rc = put_manifest_hash(b, i, s->v[i].expected_hash, e);
	if (rc < 0 || store_exec(b->store, e, "DELETE FROM written", "") < 0 ||
	        store_commit(b->store, e) < 0) {
		store_rollback(b->store);
		return -1;
	}
	for (size_t i = 0; i < b->n && i < s->n; i++)
		memcpy(b->v[i].manifest_hash, s->v[i].expected_hash, SLICE_HASH_SIZE);
	return 0;
}

static int load(struct book *b, const char *digest, const char *theirs, struct err *e)
{
	char mode[16] = "";

	if (strcmp(digest, theirs) != 0) {
		err_set(e, ERR_CONFLICT,
		        "the book in '%s' is of another manifest (ranges, snapshots or versions)",
		        b->cfg.dir);
		return err_hint(e, "Use that manifest, or another --state directory for this one.");
	}
	if (get_number(b, "epoch", 1 << EPOCH_BITS, &b->epoch, e) < 0 ||
	        get_number(b, "made_ns", INT64_MAX, &b->made_ns, e) < 0 ||
	        get_meta(b, "mode", mode, sizeof(mode), e) < 0 || row_load(b, e) < 0)
		return -1;
	b->mode = strcmp(mode, "paused") == 0   ? BOOK_PAUSED
	        : strcmp(mode, "draining") == 0 ? BOOK_DRAINING
	                                        : BOOK_RUNNING;
	return 0;
}

static int make_dir(const char *dir, struct err *e)
{
	AUTO(close_fd) int parent = -1;
	AUTO(close_fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return 0;
	if (errno != ENOENT)
		return err_sys(e, errno, "open the state directory '%s'", dir);
	fd = fs_open_dir_at(AT_FDCWD, dir, true, 0700, e);
	if (fd < 0)
		return err_wrap(e, "make the state directory '%s'", dir);
	parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0 || fsync(parent) < 0)
		return err_sys(e, errno, "sync above the state directory '%s'", dir);
	return 0;
}

static int open_store(struct book *b, struct err *e)
{
	AUTO(free) char *path = str_fmt("%s/replay.db", b->cfg.dir);

	if (!path)
		return err_nomem(e);
	if (make_dir(b->cfg.dir, e) < 0)
		return -1;
	b->store = store_open(path, book_schema, book_schema_n, e);
	return b->store ? 0 : -1;
}

static void set_defaults(struct book_config *cfg)
{
	if (cfg->term_ns <= 0)
		cfg->term_ns = 30 * NS_PER_SEC;
	if (cfg->silence_ns <= 0)
		cfg->silence_ns = 3600 * NS_PER_SEC;
	if (cfg->tries_max == 0)
		cfg->tries_max = 5;
	if (cfg->losses_max == 0)
		cfg->losses_max = 20;
	if (cfg->retry_ns <= 0)
		cfg->retry_ns = 10 * NS_PER_SEC;
	if (cfg->real_ns <= 0)
		cfg->real_ns = clock_real_ns();
}

/*
 * What is not in the store.  When a worker was last heard of is not: it gets half a term to be
 * heard again, in which a heartbeat comes.  With a whole one an orchestrator that is killed again
 * and again would hardly ever give up the job of a worker that is gone.
 */
static void settle(struct book *b, int64_t mono_ns)
{
	for (size_t i = 0; i < b->n; i++) {
		struct job *j = &b->v[i].job;

		j->id = b->epoch << 32 | j->slice_id;
		j->since_ns = b->made_ns;
		j->heard_mono_ns = mono_ns;
		book_refresh(b, i);
		if (job_is_claimed(j) && j->lease[0])
			b->hot[i].deadline_ns = mono_ns + b->cfg.term_ns / 2;
	}
}

static int prepare(struct book *b, const struct slices *s, int64_t mono_ns, struct err *e)
{
	char digest[SHA256_HEX_SIZE], theirs[SHA256_HEX_SIZE] = "";
	int rc;

	if (s->n == 0)
		return err_set(e, ERR_USAGE, "the manifest has no slices");
	if (s->n > SLICES_MAX)
		return err_set(e, ERR_USAGE, "the manifest has more than %d slices", SLICES_MAX);
	if (fill(b, s, e) < 0 || make_digest(digest, s, e) < 0 || open_store(b, e) < 0)
		return -1;
	rc = get_meta(b, "manifest", theirs, sizeof(theirs), e);
	if (rc < 0)
		return -1;
	if (rc == 0) {
		if (create(b, digest, e) < 0)
			return -1;
	} else if (load(b, digest, theirs, e) < 0) {
		return -1;
	}
	settle(b, mono_ns);
	return meet_manifest(b, s, e);
}

struct book *book_open(
        const struct book_config *cfg, const struct slices *s, int64_t mono_ns, struct err *e)
{
	struct book *b = calloc(1, sizeof(*b));

	if (!b) {
		err_nomem(e);
		return NULL;
	}
	b->cfg = *cfg;
	set_defaults(&b->cfg);
	if (prepare(b, s, mono_ns, e) < 0) {
		err_wrap(e, "open the book");
		book_close(b);
		return NULL;
	}
	b->cfg.dir = NULL; /* the caller's */
	return b;
}

void book_close(struct book *b)
{
	struct err e = ERR_INIT;

	if (!b)
		return;
	/* What cannot be written now is progress, which is not promised. */
	while (b->store && book_flush(b, &e) > 0)
		;
	store_close(b->store);
	for (size_t i = 0; i < b->n; i++) {
		free(b->v[i].job.snapshot_path);
		free(b->v[i].job.storage_type);
		free(b->v[i].job.version);
		json_decref(b->v[i].more);
	}
	free(b->v);
	free(b->hot);
	free(b->by_end);
	free(b->order);
	free(b->expected);
	free(b->rank);
	free(b->draft);
	free(b);
}
