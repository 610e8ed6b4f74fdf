#pragma once

/* A book of five slices, and time that stands still until it is moved. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "replay/book.h"

#define S (1000000000LL)

#define HASH(c) (hash_of(c))

static struct err e;
static char dir[64];
static struct slice slice_v[5];
static struct slices manifest;
static struct book_config cfg;
static struct book *book;
static struct book_now now;

/* 64 times the same digit; one of four at a time. */
static inline const char *hash_of(char c)
{
	static char text[4][SLICE_HASH_SIZE];
	static unsigned at;
	char *out = text[at++ % 4];

	memset(out, c, SLICE_HASH_SIZE - 1);
	out[SLICE_HASH_SIZE - 1] = '\0';
	return out;
}

static inline void fill_manifest(void)
{
	static const uint32_t ends[] = { 100, 200, 400, 500, 600 };
	static char path[] = "snap.bin", storage[] = "fs", version[] = "5.0.3";
	uint32_t start = 0;

	memset(slice_v, 0, sizeof(slice_v));
	for (int i = 0; i < 5; i++) {
		slice_v[i] = (struct slice){
			.start = start,
			.end = ends[i],
			.snapshot_path = path,
			.storage_type = storage,
			.version = version,
		};
		start = ends[i];
	}
	manifest = (struct slices){ .v = slice_v, .n = 5 };
}

static inline void open_book(void)
{
	book = book_open(&cfg, &manifest, now.mono_ns, &e);
	if (!book)
		fail_msg("%s", e.msg);
}

static inline void reopen(void)
{
	book_close(book);
	open_book();
}

static inline int fixture_setup(void **state)
{
	(void)state;
	/* Kills, not power losses: nothing here needs a disk, and an fsync can take long. */
	(void)snprintf(dir, sizeof(dir), "%s/test_book.XXXXXX",
	        access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	e = ERR_INIT;
	now = (struct book_now){ .mono_ns = 1000 * S, .real_ns = 1700000000 * S };
	cfg = (struct book_config){ .dir = dir, .real_ns = now.real_ns };
	fill_manifest();
	return mkdtemp(dir) ? 0 : -1;
}

static inline int fixture_teardown(void **state)
{
	(void)state;
	book_close(book);
	book = NULL;
	err_clear(&e);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

static inline void pass(int64_t ns)
{
	now.mono_ns += ns;
	now.real_ns += ns;
}

/* A copy, because what the book lends is valid until the next change only. */
static inline struct job claim(const char *worker)
{
	const struct job *j = NULL;
	const char *why = "";

	if (book_claim(book, worker, now, &j, &why, &e) != 1)
		fail_msg("no job: %s%s", why, e.msg);
	return *j;
}

static inline const char *none(void)
{
	const struct job *j;
	const char *why = "an error";

	if (book_claim(book, "w", now, &j, &why, &e) != 0)
		return "a job";
	return why;
}

static inline struct book_result result(const struct job *j, char start, char end)
{
	return (struct book_result){
		.block = j->end,
		.start_hash = start ? HASH(start) : "",
		.end_hash = HASH(end),
		.nodeos_version = "v5.0.3",
	};
}

static inline int complete(const struct job *j, char start, char end)
{
	struct book_result r = result(j, start, end);

	return book_complete(book, j->id, j->lease, &r, now, &e);
}

static inline const struct job *slice(uint32_t n)
{
	return book_slice(book, n);
}
