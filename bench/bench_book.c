/*
 * What the orchestrator's book takes for a call, and in memory: 10,000 slices, 1,000 workers that
 * claim, report progress and complete, all of them to the end of the run.
 *
 * usage: bench_book; makes its book below TMPDIR or /tmp, so the fsync is that disk's.  Exits 1
 * when the 99th of 100 calls takes 10 ms or more, or the process more than 100 MB.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/fs.h"
#include "replay/book.h"

#define SLICES  10000
#define WORKERS 1000
#define LIMIT   (10 * NS_PER_MS)

enum call {
	CLAIM,
	PROGRESS,
	COMPLETE,
	EXPIRE,
	FLUSH,
	CALLS,
};
static const char *const names[CALLS] = { "claim", "progress", "complete", "expire", "flush" };

static struct {
	int64_t *ns;
	size_t n;
} took[CALLS];

static struct err e;
static struct book *book;
static struct job held[WORKERS];
static struct book_now now;

static void check(int rc)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "bench_book: %s\n", e.msg);
	exit(1);
}

static void note(enum call c, int64_t start)
{
	if (took[c].n % 1024 == 0)
		took[c].ns = reallocarray(took[c].ns, took[c].n + 1024, sizeof(int64_t));
	if (!took[c].ns)
		exit(1);
	took[c].ns[took[c].n++] = clock_mono_ns() - start;
}

static int compare(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int report(enum call c)
{
	int64_t *v = took[c].ns, p99;

	qsort(v, took[c].n, sizeof(*v), compare);
	p99 = v[took[c].n * 99 / 100];
	printf("book: %-8s %6zu calls, p50 %6.1f us, p99 %6.1f us, longest %6.1f us\n", names[c],
	        took[c].n, (double)v[took[c].n / 2] / 1e3, (double)p99 / 1e3,
	        (double)v[took[c].n - 1] / 1e3);
	return p99 >= LIMIT;
}

static bool claim(struct job *ret)
{
	const struct job *j;
	const char *why;
	int64_t start = clock_mono_ns();
	int rc = book_claim(book, "worker-0123456789.example", now, &j, &why, &e);

	check(rc);
	note(CLAIM, start);
	if (rc == 1)
		*ret = *j;
	return rc == 1;
}

static void complete(struct job *j)
{
	char hash[SLICE_HASH_SIZE];
	struct book_result r = { .block = j->end, .end_hash = hash, .start_hash = hash };
	int64_t start = clock_mono_ns();

	snprintf(hash, sizeof(hash), "%064x", j->end);
	r.started_ns = now.real_ns - (int64_t)(j->end % 977) * NS_PER_SEC;
	r.nodeos_version = "v5.0.3";
	check(book_complete(book, j->id, j->lease, &r, now, &e));
	note(COMPLETE, start);
	j->id = 0;
}

/* Each worker once: 7 of 8 report, one completes. */
static bool go_round(unsigned number)
{
	bool is_busy = false;

	now.mono_ns += 3 * NS_PER_SEC;
	now.real_ns += 3 * NS_PER_SEC;
	for (unsigned w = 0; w < WORKERS; w++) {
		struct job *j = &held[w];
		int64_t start;

		if (j->id && (w + number) % 8 == 0)
			complete(j);
		if (!j->id && !claim(j))
			continue;
		is_busy = true;
		start = clock_mono_ns();
		check(book_progress(
		        book, j->id, j->lease, JOB_WORKING, j->start + number, "", now, &e));
		note(PROGRESS, start);
	}
	return is_busy;
}

static void serve(void)
{
	int64_t start = clock_mono_ns(), next;
	int rc;

	check(book_expire(book, now, &next, &e));
	note(EXPIRE, start);
	do {
		start = clock_mono_ns();
		rc = book_flush(book, &e);
		check(rc);
		note(FLUSH, start);
	} while (rc > 0);
}

static void open_book(const char *dir)
{
	static char path[] = "chain/snapshots/snapshot-2018-08-01-16-eos-v6-0008918217.bin.zst";
	static char storage[] = "s3", version[] = "5.0.3";
	struct book_config cfg = { .dir = dir };
	struct slices s = { .v = calloc(SLICES, sizeof(struct slice)), .n = SLICES };
	int64_t start = clock_mono_ns();

	if (!s.v)
		exit(1);
	for (uint32_t i = 0; i < SLICES; i++)
		s.v[i] = (struct slice){ .start = i * 5000,
			.end = i * 5000 + 5000,
			.snapshot_path = path,
			.storage_type = storage,
			.version = version };
	book = book_open(&cfg, &s, now.mono_ns, &e);
	check(book ? 0 : -1);
	free(s.v);
	printf("book: %d slices opened in %lld ms\n", SLICES,
	        (long long)((clock_mono_ns() - start) / NS_PER_MS));
}

int main(void)
{
	const char *tmp = getenv("TMPDIR");
	char dir[256];
	struct rusage use;
	int failed = 0;

	snprintf(dir, sizeof(dir), "%s/bench_book.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir))
		return 1;
	now = (struct book_now){ .mono_ns = clock_boot_ns(), .real_ns = clock_real_ns() };
	open_book(dir);
	for (unsigned i = 1; go_round(i); i++)
		serve();
	book_close(book);
	open_book(dir);
	book_close(book);
	check(fs_remove_tree_at(AT_FDCWD, dir, &e));
	for (int c = 0; c < CALLS; c++)
		failed |= report((enum call)c);
	(void)getrusage(RUSAGE_SELF, &use);
	printf("book: %ld MB at most\n", use.ru_maxrss / 1024);
	return failed | (use.ru_maxrss > 100L * 1024);
}
