#pragma once

/* A pool in a directory of its own, and things to put into it. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "data/generation.h"
#include "data/pool.h"

#define CHAIN_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define CHAIN_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static char fixture_dir[32];
static struct pool pool = { .fd = -1 };

/* Not by the code under test. */
static inline int fixture_rm(const char *path)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("rm", "rm", "-rf", path, (char *)NULL);
		_exit(127);
	}
	return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

static inline int fixture_setup(void **state)
{
	char path[64];
	struct err e = ERR_INIT;

	(void)state;
	/* Memory, if there is such: thousands of syncs, and what they are good for is not seen. */
	snprintf(fixture_dir, sizeof(fixture_dir), "%s/nodeswarm-unit-XXXXXX",
	        access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(fixture_dir))
		return -1;
	snprintf(path, sizeof(path), "%s/pool", fixture_dir);
	if (pool_create(&pool, path, &e) != 0) {
		fprintf(stderr, "%s\n", e.msg);
		return -1;
	}
	return 0;
}

static inline int fixture_teardown(void **state)
{
	(void)state;
	pool_release(&pool);
	return fixture_rm(fixture_dir);
}

/* An error where there should be none. */
#define ok(call)                                          \
	do {                                              \
		e = ERR_INIT;                             \
		if ((call) < 0)                           \
			fail_msg("%s: %s", #call, e.msg); \
	} while (0)

#define fails(call, want_kind)                                                            \
	do {                                                                              \
		e = ERR_INIT;                                                             \
		if ((call) >= 0)                                                          \
			fail_msg("%s did not fail", #call);                               \
		if (e.kind != (want_kind))                                                \
			fail_msg("%s: kind %s: %s", #call, err_kind_name(e.kind), e.msg); \
	} while (0)

/* Below the pool; directories on the way are made. */
static inline void put(int dirfd, const char *path, const char *text)
{
	struct err e = ERR_INIT;
	AUTO(free) char *dir = strdup(path);
	char *slash = strrchr(dir, '/');
	int fd;

	if (slash) {
		*slash = '\0';
		fd = fs_open_dir_at(dirfd, dir, true, 0755, &e);
		if (fd < 0)
			fail_msg("%s", e.msg);
		close(fd);
	}
	fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		fail_msg("cannot write %s", path);
	close(fd);
}

/* The text of a small file; "(none)" when it is not there. */
static inline const char *text_of(int dirfd, const char *path)
{
	static char text[4096];
	int fd = openat(dirfd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd < 0)
		return "(none)";
	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static inline bool is_path(int dirfd, const char *path)
{
	struct stat st;

	return fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline int name_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a directory of the pool, sorted, each followed by a blank. */
static inline const char *names_in(int dirfd, const char *path)
{
	static char out[8192];
	char *names[256];
	size_t n = 0, at = 0;
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *ent;

	if (!d)
		return "(none)";
	while (n < 256 && (ent = readdir(d)))
		if (strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0)
			names[n++] = strdup(ent->d_name);
	closedir(d);
	qsort(names, n, sizeof(*names), name_order);
	out[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%s ", names[i]);
		free(names[i]);
	}
	return out;
}

/* What is in a data-dir of block number n. */
static inline void put_data(int dirfd, const char *path, unsigned n)
{
	static const char *const files[] = { "blocks/blocks.log", "blocks/blocks-1-100.log",
		"state/shared_memory.bin", "finalizers/safety.dat" };

	for (size_t i = 0; i < 4; i++) {
		char name[256], text[128];

		snprintf(name, sizeof(name), "%s/%s", path, files[i]);
		snprintf(text, sizeof(text), "%s at %u", files[i], n);
		put(dirfd, name, text);
	}
}

static inline void fill_manifest(struct manifest *m, unsigned lib)
{
	m->lib_block_num = lib;
	m->head_block_num = lib + 10;
	snprintf(m->chain_id, sizeof(m->chain_id), "%s", CHAIN_A);
	snprintf(m->source, sizeof(m->source), "nodeswarm_readers.3");
	snprintf(m->origin, sizeof(m->origin), "archive");
	m->created_ns = 1700000000000000000LL;
}

/* Note syncs and renames from here; see trip.h. */
static inline void log_calls(void)
{
	snprintf(trip_log_base, sizeof(trip_log_base), "%s", pool.path);
	trip_log[0] = '\0';
	trip_log_on = true;
}

static inline void expect_calls(const char *want)
{
	trip_log_on = false;
	assert_string_equal(trip_log, want);
}

/* As `data archive` makes one, of the directory `from` of the pool. */
static inline int archive(char ret_name[GENERATION_NAME_SIZE], const char *from, unsigned lib,
        bool promote, struct err *e)
{
	AUTO(generation_work) struct generation_work w = GENERATION_WORK_INIT;
	AUTO(manifest) struct manifest m = MANIFEST_INIT;
	struct clone_options o = { .threads = 1, .protect_links = geteuid() == 0 };
	struct clone_report r;
	AUTO(close_fd) int data = -1;

	if (generation_begin(&w, &pool, NULL, e) < 0 ||
	        clone_tree(pool.fd, from, w.fd, "data", &o, &r, e) < 0)
		return -1;
	data = openat(w.fd, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fill_manifest(&m, lib);
	if (tree_read(&m.files, data, e) < 0 || tree_digest(&m.files, data, 1, NULL, NULL, e) < 0 ||
	        generation_commit(&w, &pool, &m, promote, false, e) < 0)
		return -1;
	if (ret_name)
		memcpy(ret_name, m.name, sizeof(m.name));
	return 0;
}
