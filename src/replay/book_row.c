/*
 * Rows: a job is one row that is written as a whole, a try is one row that is inserted when it
 * begins and changed when it ends.  Logs are only here, never in memory.  How far a try is stands
 * in a table of its own, whose rows are so short that those of 1,000 workers are a few pages; it
 * counts only for the try that it names, and goes when the whole row is written.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "replay/book_priv.h"

const char *const book_schema[] = {
	"CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL);"
	"CREATE TABLE job(slice INTEGER PRIMARY KEY, manifest_hash TEXT, expected_hash TEXT,"
	" is_learned INTEGER, status TEXT, last_block INTEGER, start_ns INTEGER, end_ns INTEGER,"
	" end_text TEXT, start_hash TEXT, actual_hash TEXT, nodeos_version TEXT, tries INTEGER,"
	" losses INTEGER, retry_at_ns INTEGER, worker TEXT, lease TEXT, is_cancelled INTEGER,"
	" error TEXT, last_lease TEXT, last_end TEXT, listed INTEGER, fails INTEGER, lost INTEGER);"
	"CREATE TABLE try(key INTEGER PRIMARY KEY, worker TEXT, end TEXT, start_ns INTEGER,"
	" end_ns INTEGER, last_block INTEGER, error TEXT, log TEXT);"
	"CREATE TABLE progress(slice INTEGER PRIMARY KEY, listed INTEGER, status TEXT,"
	" last_block INTEGER, start_hash TEXT);",
	/* What we have begun to write into the manifest, until we know that it is in it. */
	"CREATE TABLE written(slice INTEGER, hash TEXT, PRIMARY KEY(slice, hash)) WITHOUT ROWID;",
};
const size_t book_schema_n = ARRAY_LEN(book_schema);

static const char *const end_names[] = {
	[TRY_NONE] = "",
	[TRY_RUNNING] = "running",
	[TRY_COMPLETE] = "complete",
	[TRY_FAILED] = "failed",
	[TRY_LOST] = "lost",
	[TRY_RELEASED] = "released",
	[TRY_CANCELLED] = "cancelled",
};

const char *try_end_name(enum try_end t)
{
	return end_names[t];
}

static enum try_end try_end_parse(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(end_names); i++)
		if (strcmp(word, end_names[i]) == 0)
			return (enum try_end)i;
	return TRY_NONE;
}

/* --- jobs ------------------------------------------------------------------------ */

#define ROW_TYPES "tttitiiittttiiittittiiii"

#define ROW_VALUES(en)                                                                           \
	(en)->manifest_hash, (en)->job.expected_hash, job_status_name((en)->job.status),         \
	        (int64_t)(en)->job.is_expected_learned, (en)->job.end_text,                      \
	        (int64_t)(en)->job.last_block, (en)->job.start_ns, (en)->job.end_ns,             \
	        (en)->job.start_hash, (en)->job.actual_hash, (en)->job.nodeos_version,           \
	        (en)->job.worker, (int64_t)(en)->job.tries, (int64_t)(en)->job.losses,           \
	        (en)->job.retry_at_ns, (en)->job.lease, (en)->job.error,                         \
	        (int64_t)(en)->job.is_cancelled, (en)->last_lease, try_end_name((en)->last_end), \
	        (int64_t)(en)->listed, (int64_t)(en)->fails, (int64_t)(en)->lost,                \
	        (int64_t)(en)->job.slice_id

#define ROW_COLUMNS                                                                             \
	"manifest_hash, expected_hash, status, is_learned, end_text, last_block, start_ns,"     \
	" end_ns, start_hash, actual_hash, nodeos_version, worker, tries, losses, retry_at_ns," \
	" lease, error, is_cancelled, last_lease, last_end, listed, fails, lost"

int row_insert(struct book *b, const struct entry *en, struct err *e)
{
	return store_exec(b->store, e,
	        "INSERT INTO job(" ROW_COLUMNS
	        ", slice) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
	        " ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)",
	        ROW_TYPES, ROW_VALUES(en));
}

int row_update(struct book *b, const struct entry *en, struct err *e)
{
	if (store_exec(b->store, e,
	            "UPDATE job SET (" ROW_COLUMNS ") = (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
	            " ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)"
	            " WHERE slice=?24",
	            ROW_TYPES, ROW_VALUES(en)) < 0)
		return -1;
	if (store_changes(b->store) != 1)
		return err_set(e, ERR_PROTOCOL, "store: slice %u has no row", en->job.slice_id);
	/* It says everything now. */
	return store_exec(
	        b->store, e, "DELETE FROM progress WHERE slice=?1", "i", (int64_t)en->job.slice_id);
}

/* A text that does not fit was never written by us. */
static int text_of(const struct store_rows *q, int column, char *out, size_t size)
{
	const char *text = store_text(q, column);

	if (!text || strlen(text) >= size)
		return -1;
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

static int load_one(struct entry *en, const struct store_rows *q)
{
	struct job *j = &en->job;
	char status[32], end[16];

	if (text_of(q, 0, en->manifest_hash, sizeof(en->manifest_hash)) < 0 ||
	        text_of(q, 1, j->expected_hash, sizeof(j->expected_hash)) < 0 ||
	        text_of(q, 2, status, sizeof(status)) < 0 || job_status_parse(status, &j->status) ||
	        text_of(q, 4, j->end_text, sizeof(j->end_text)) < 0 ||
	        text_of(q, 8, j->start_hash, sizeof(j->start_hash)) < 0 ||
	        text_of(q, 9, j->actual_hash, sizeof(j->actual_hash)) < 0 ||
	        text_of(q, 10, j->nodeos_version, sizeof(j->nodeos_version)) < 0 ||
	        text_of(q, 11, j->worker, sizeof(j->worker)) < 0 ||
	        text_of(q, 15, j->lease, sizeof(j->lease)) < 0 ||
	        text_of(q, 16, j->error, sizeof(j->error)) < 0 ||
	        text_of(q, 18, en->last_lease, sizeof(en->last_lease)) < 0 ||
	        text_of(q, 19, end, sizeof(end)) < 0)
		return -1;
	j->is_expected_learned = store_int(q, 3) != 0;
	j->last_block = (uint32_t)store_int(q, 5);
	j->start_ns = store_int(q, 6);
	j->end_ns = store_int(q, 7);
	j->tries = (unsigned)store_int(q, 12);
	j->losses = (unsigned)store_int(q, 13);
	j->retry_at_ns = store_int(q, 14);
	j->is_cancelled = store_int(q, 17) != 0;
	en->last_end = try_end_parse(end);
	en->listed = (unsigned)store_int(q, 20);
	en->fails = (unsigned)store_int(q, 21);
	en->lost = (unsigned)store_int(q, 22);
	return 0;
}

static int load_jobs(struct book *b, struct err *e)
{
	struct store_rows q = { 0 };
	size_t n = 0;
	int rc;

	for (rc = store_ask(
	             b->store, &q, e, "SELECT " ROW_COLUMNS ", slice FROM job ORDER BY slice", "");
	        rc > 0; rc = store_next(&q, e)) {
		if (n >= b->n || store_int(&q, 23) != (int64_t)n + 1 ||
		        load_one(&b->v[n], &q) < 0) {
			store_end(&q);
			return err_set(
			        e, ERR_PROTOCOL, "store: the row of slice %zu is damaged", n + 1);
		}
		n++;
	}
	if (rc < 0)
		return -1;
	if (n != b->n)
		return err_set(e, ERR_PROTOCOL, "store has %zu of %zu jobs", n, b->n);
	return 0;
}

static void load_progress_one(struct entry *en, const struct store_rows *q)
{
	struct job *j = &en->job;
	int64_t block = store_int(q, 3);
	const char *word = store_text(q, 2);
	enum job_status status;

	if (!job_is_claimed(j) || store_int(q, 1) != (int64_t)en->listed || !word ||
	        job_status_parse(word, &status) != 0)
		return;
	if ((status == JOB_LOADING || status == JOB_WORKING) && job_may_become(j->status, status))
		j->status = status;
	if (block >= j->start && block <= UINT32_MAX)
		j->last_block = (uint32_t)block;
	(void)text_of(q, 4, j->start_hash, sizeof(j->start_hash));
}

static int load_progress(struct book *b, struct err *e)
{
	struct store_rows q = { 0 };
	int rc;

	for (rc = store_ask(b->store, &q, e,
	             "SELECT slice, listed, status, last_block, start_hash FROM progress", "");
	        rc > 0; rc = store_next(&q, e)) {
		int64_t slice = store_int(&q, 0);

		if (slice > 0 && (uint64_t)slice <= b->n)
			load_progress_one(&b->v[slice - 1], &q);
	}
	return rc;
}

int row_progress(struct book *b, const struct entry *en, struct err *e)
{
	return store_exec(b->store, e,
	        "INSERT OR REPLACE INTO progress(slice, listed, status, last_block, start_hash)"
	        " VALUES(?1, ?2, ?3, ?4, ?5)",
	        "iitit", (int64_t)en->job.slice_id, (int64_t)en->listed,
	        job_status_name(en->job.status), (int64_t)en->job.last_block, en->job.start_hash);
}

int row_load(struct book *b, struct err *e)
{
	struct store_rows q = { 0 };
	int rc;

	if (load_jobs(b, e) < 0 || load_progress(b, e) < 0)
		return -1;
	rc = store_ask(b->store, &q, e,
	        "SELECT coalesce(sum(max(end_ns - start_ns, 0)), 0) FROM try WHERE end_ns > 0", "");
	if (rc > 0)
		b->busy_ns = store_int(&q, 0);
	store_end(&q);
	return rc < 0 ? -1 : 0;
}

/* --- tries ----------------------------------------------------------------------- */

#define TRY_BITS 20

static int64_t try_key(const struct entry *en)
{
	return (int64_t)en->job.slice_id << TRY_BITS | en->listed;
}

int try_begin(struct book *b, struct entry *en, const char *worker, const char *lease,
        struct book_now now, struct err *e)
{
	struct job *j = &en->job;

	if (en->listed >= (1U << TRY_BITS) - 1)
		return err_set(e, ERR_CONFLICT, "job %lld was tried too often", (long long)j->id);
	en->listed++;
	en->last_end = TRY_RUNNING;
	j->tries++;
	j->start_ns = now.real_ns;
	j->end_ns = 0;
	j->end_text[0] = j->start_hash[0] = j->actual_hash[0] = j->nodeos_version[0] = '\0';
	j->last_block = j->start;
	j->retry_at_ns = 0;
	j->heard_mono_ns = now.mono_ns;
	j->is_cancelled = false;
	(void)snprintf(j->worker, sizeof(j->worker), "%s", worker);
	(void)snprintf(j->lease, sizeof(j->lease), "%s", lease);
	return store_exec(b->store, e,
	        "INSERT INTO try(key, worker, end, start_ns, end_ns, last_block, error, log)"
	        " VALUES(?1, ?2, 'running', ?3, 0, ?4, '', '')",
	        "itii", try_key(en), j->worker, now.real_ns, (int64_t)j->last_block);
}

int try_end(struct book *b, struct entry *en, enum try_end how, struct book_now now,
        const char *error, const char *log, struct err *e)
{
	struct job *j = &en->job;

	memcpy(en->last_lease, j->lease, sizeof(en->last_lease));
	en->last_end = how;
	j->lease[0] = '\0';
	if (now.real_ns > j->start_ns)
		b->draft_busy_ns += now.real_ns - j->start_ns;
	if (store_exec(b->store, e,
	            "UPDATE try SET end=?2, end_ns=?3, last_block=?4, error=?5, log=?6,"
	            " start_ns=?7 WHERE key=?1",
	            "itiitti", try_key(en), try_end_name(how), now.real_ns, (int64_t)j->last_block,
	            error, log, j->start_ns) < 0)
		return -1;
	if (store_changes(b->store) != 1)
		return err_set(e, ERR_PROTOCOL, "store: try %u of slice %u has no row", en->listed,
		        j->slice_id);
	return 0;
}

int try_revive(struct book *b, struct entry *en, struct book_now now, struct err *e)
{
	struct store_rows q = { 0 };
	struct job *j = &en->job;
	int rc = store_ask(b->store, &q, e,
	        "SELECT worker, start_ns, end_ns, last_block FROM try WHERE key=?1", "i",
	        try_key(en));

	if (rc > 0) {
		text_take(j->worker, sizeof(j->worker), store_text(&q, 0));
		j->start_ns = store_int(&q, 1);
		if (store_int(&q, 2) > j->start_ns)
			b->draft_busy_ns -= store_int(&q, 2) - j->start_ns;
		j->last_block = (uint32_t)store_int(&q, 3);
	}
	store_end(&q);
	if (rc <= 0)
		return rc < 0 ? -1
		              : err_set(e, ERR_PROTOCOL, "store: try %u of slice %u has no row",
		                        en->listed, j->slice_id);
	memcpy(j->lease, en->last_lease, sizeof(j->lease));
	en->last_lease[0] = '\0';
	en->last_end = TRY_RUNNING;
	en->lost -= en->lost > 0;
	j->losses -= j->losses > 0;
	j->error[0] = '\0';
	j->retry_at_ns = 0;
	j->heard_mono_ns = now.mono_ns;
	return store_exec(b->store, e,
	        "UPDATE try SET end='running', end_ns=0, error='' WHERE key=?1", "i", try_key(en));
}

int book_tries(struct book *b, int64_t id, book_try_fn *fn, void *arg, struct err *e)
{
	struct store_rows q = { 0 };
	struct book_try t;
	size_t i;
	int rc;

	if (book_index(b, id, &i, e) < 0)
		return -1;
	for (rc = store_ask(b->store, &q, e,
	             "SELECT key, worker, end, start_ns, end_ns, last_block, error, log FROM try"
	             " WHERE key BETWEEN ?1 AND ?2 ORDER BY key",
	             "ii", (int64_t)(i + 1) << TRY_BITS, ((int64_t)(i + 2) << TRY_BITS) - 1);
	        rc > 0; rc = store_next(&q, e)) {
		t = (struct book_try){
			.number = (unsigned)(store_int(&q, 0) & ((1 << TRY_BITS) - 1)),
			.start_ns = store_int(&q, 3),
			.end_ns = store_int(&q, 4),
			.last_block = (uint32_t)store_int(&q, 5),
		};
		(void)text_of(&q, 1, t.worker, sizeof(t.worker));
		(void)text_of(&q, 2, t.end, sizeof(t.end));
		(void)text_of(&q, 6, t.error, sizeof(t.error));
		(void)text_of(&q, 7, t.log, sizeof(t.log));
		/* Its row has what it began with. */
		if (t.end_ns == 0 && job_is_claimed(&b->v[i].job))
			t.last_block = b->v[i].job.last_block;
		fn(arg, &t);
	}
	store_end(&q);
	return rc;
}
