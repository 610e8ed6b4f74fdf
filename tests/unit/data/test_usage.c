#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "data/clone.h"
#include "data/pool.h"
#include "data/usage.h"
#include "data/usage_priv.h"

/* --- the map of a file, as the test wants it ------------------------------------------------ */

#define KIB 1024ULL
#define GIB (1024ULL * 1024 * 1024)

static struct fiemap_extent extents[2000];
static size_t n_extents;
static int map_errno;     /* FIEMAP fails with it */
static bool is_endless;   /* one more extent whenever it is asked */
static unsigned map_asks; /* calls */
static uint32_t map_flags;

int __real_ioctl(int, unsigned long, void *);
int __wrap_ioctl(int, unsigned long, void *);

int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	struct fiemap *m = arg;
	size_t i;

	if (request != FS_IOC_FIEMAP)
		return __real_ioctl(fd, request, arg);
	map_asks++;
	map_flags |= m->fm_flags;
	if (map_errno) {
		errno = map_errno;
		return -1;
	}
	m->fm_mapped_extents = 0;
	for (i = 0; i < n_extents && m->fm_mapped_extents < m->fm_extent_count; i++)
		if (extents[i].fe_logical + extents[i].fe_length > m->fm_start)
			m->fm_extents[m->fm_mapped_extents++] = extents[i];
	if (is_endless) {
		m->fm_extents[0] = (struct fiemap_extent){ .fe_logical = m->fm_start };
		m->fm_mapped_extents = 1;
	}
	return 0;
}

static void add_extent(uint64_t at, uint64_t length, uint32_t flags)
{
	extents[n_extents++] = (struct fiemap_extent){
		.fe_logical = at, .fe_physical = 1 << 20, .fe_length = length, .fe_flags = flags
	};
}

/* --- a directory ---------------------------------------------------------------------------- */

static char dir[] = "/tmp/test_usage.XXXXXX";
static int top;

static int setup(void **state)
{
	(void)state;
	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
	if (!mkdtemp(dir))
		return -1;
	top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	n_extents = map_asks = map_flags = 0;
	map_errno = ENOTTY;
	is_endless = false;
	return top < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	(void)close(top);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

/* A file with so many KiB of bytes in it. */
static void put(const char *path, size_t kib)
{
	static const char bytes[1024] = "x";
	const char *slash = strrchr(path, '/');
	struct err e = ERR_INIT;
	int fd;

	if (slash) {
		char *parent = strndup(path, (size_t)(slash - path));

		fd = fs_open_dir_at(top, parent, true, 0755, &e);
		assert_true(fd >= 0);
		(void)close(fd);
		free(parent);
	}
	fd = openat(top, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	for (size_t i = 0; i < kib; i++)
		assert_int_equal(fs_write_all(fd, bytes, sizeof(bytes)), 0);
	assert_int_equal(fsync(fd), 0);
	(void)close(fd);
}

static uint64_t blocks_of(const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(top, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return (uint64_t)st.st_blocks * 512;
}

static struct usage usage_of(const char *path)
{
	struct usage u = { 0 };
	struct err e = ERR_INIT;

	if (usage_add_tree(&u, top, path, &e) < 0)
		fail_msg("'%s': %s", path, e.msg);
	assert_int_equal(u.shared_bytes + u.exclusive_bytes, u.allocated_bytes);
	return u;
}

static void note_usage(void *arg, const char *path, const struct usage *file)
{
	assert_string_equal(path, "f");
	*(struct usage *)arg = *file;
}

/* Of "f", which is the only file. */
static struct usage file_usage(void)
{
	struct usage all = { 0 }, u = { 0 };
	struct err e = ERR_INIT;

	if (usage_watch_tree(
	            &all, top, ".", &(struct usage_watch){ .fn = note_usage, .arg = &u }, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(u.files, 1);
	assert_int_equal(u.extents, all.extents);
	assert_int_equal(u.shared_bytes, all.shared_bytes);
	return u;
}

/* --- one file --------------------------------------------------------------------------------- */

static void flags(void **state)
{
	static const struct {
		const char *name;
		uint32_t flags;
		uint64_t extents, shared;
	} rows[] = {
		{ "plain", 0, 1, 0 },
		{ "shared", FIEMAP_EXTENT_SHARED, 1, 64 * KIB },
		{ "unwritten", FIEMAP_EXTENT_UNWRITTEN, 1, 0 },
		{ "unwritten, shared", FIEMAP_EXTENT_UNWRITTEN | FIEMAP_EXTENT_SHARED, 1,
		        64 * KIB },
		{ "in the metadata", FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_NOT_ALIGNED, 1, 0 },
		{ "not placed yet", FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_UNKNOWN, 0, 0 },
		{ "compressed, shared", FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_SHARED, 1, 64 * KIB },
	};

	(void)state;
	map_errno = 0;
	put("f", 64);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct usage u;

		n_extents = 0;
		add_extent(0, 64 * KIB, rows[i].flags | FIEMAP_EXTENT_LAST);
		u = file_usage();
		if (u.extents != rows[i].extents || u.shared_bytes != rows[i].shared ||
		        u.exclusive_bytes != blocks_of("f") - rows[i].shared || u.without_extents)
			fail_msg("%s: %llu extents, %llu shared", rows[i].name,
			        (unsigned long long)u.extents, (unsigned long long)u.shared_bytes);
	}
	assert_int_equal(map_flags & FIEMAP_FLAG_SYNC, 0);
}

/* What is shared cannot be more than what is allocated. */
static void compressed(void **state)
{
	struct usage u;

	(void)state;
	map_errno = 0;
	put("f", 64);
	add_extent(0, GIB, FIEMAP_EXTENT_SHARED | FIEMAP_EXTENT_LAST);
	u = file_usage();
	assert_int_equal(u.shared_bytes, blocks_of("f"));
	assert_int_equal(u.exclusive_bytes, 0);
}

static void batches(void **state)
{
	struct usage u;

	(void)state;
	map_errno = 0;
	put("f", 64);
	for (size_t i = 0; i < 1500; i++)
		add_extent(i * 8 * KIB, 4 * KIB, i % 100 ? 0 : FIEMAP_EXTENT_SHARED);
	u = file_usage();
	assert_int_equal(u.extents, 1500);
	assert_int_equal(u.shared_bytes, 15 * 4 * KIB);
	assert_in_range(map_asks, 3, 4); /* no LAST: asked once more */
	map_asks = 0;
	extents[1499].fe_flags |= FIEMAP_EXTENT_LAST;
	u = file_usage();
	assert_int_equal(u.extents, 1500);
	assert_int_equal(map_asks, 3);
}

static void no_end(void **state)
{
	(void)state;
	map_errno = 0;
	is_endless = true;
	put("f", 64);
	assert_int_equal(file_usage().extents, 1);
}

static void no_map(void **state)
{
	static const int reasons[] = { ENOTTY, EOPNOTSUPP, EBADR, EPERM };

	(void)state;
	put("f", 64);
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		struct usage u;

		map_errno = reasons[i];
		u = file_usage();
		assert_int_equal(u.without_extents, 1);
		assert_int_equal(u.allocated_bytes, blocks_of("f"));
		assert_int_equal(u.exclusive_bytes, blocks_of("f"));
	}
}

/* --- trees ------------------------------------------------------------------------------------ */

static void tree(void **state)
{
	struct usage u;
	int fd;

	(void)state;
	put("t/a", 8);
	put("t/deep/er/b", 16);
	put("outside", 32);
	fd = openat(top, "t/sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(ftruncate(fd, GIB), 0);
	(void)close(fd);
	assert_int_equal(symlinkat("../outside", top, "t/link"), 0);
	assert_int_equal(symlinkat("..", top, "t/up"), 0);
	assert_int_equal(mkfifoat(top, "t/pipe", 0644), 0);
	u = usage_of("t");
	assert_int_equal(u.files, 3);
	assert_int_equal(u.apparent_bytes, 24 * KIB + GIB);
	assert_int_equal(u.allocated_bytes,
	        blocks_of("t") + blocks_of("t/a") + blocks_of("t/deep") + blocks_of("t/deep/er") +
	                blocks_of("t/deep/er/b") + blocks_of("t/sparse") + blocks_of("t/link") +
	                blocks_of("t/up"));
	assert_int_equal(usage_of("nothing").files, 0);
	assert_int_equal(usage_of("no/such/path").allocated_bytes, 0);
}

static void link_as_tree(void **state)
{
	struct usage u = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	put("t/a", 8);
	assert_int_equal(symlinkat("t", top, "l"), 0);
	assert_int_equal(usage_add_tree(&u, top, "l", &e), -1);
	assert_int_equal(u.files, 0);
}

static void hard_links(void **state)
{
	struct usage u;

	(void)state;
	put("t/a", 8);
	put("t/b", 16);
	put("t/c", 32);
	assert_int_equal(linkat(top, "t/a", top, "t/a2", 0), 0);    /* all names inside */
	assert_int_equal(linkat(top, "t/b", top, "outside", 0), 0); /* one outside */
	assert_int_equal(linkat(top, "t/b", top, "t/b2", 0), 0);
	u = usage_of("t");
	assert_int_equal(u.files, 3);
	assert_int_equal(u.apparent_bytes, 56 * KIB);
	assert_int_equal(u.shared_bytes, blocks_of("t/b"));
	assert_int_equal(u.exclusive_bytes, blocks_of("t") + blocks_of("t/a") + blocks_of("t/c"));
}

static void too_deep(void **state)
{
	struct usage u = { 0 };
	struct err e = ERR_INIT;
	char path[256] = "t";
	int fd;

	(void)state;
	for (size_t i = 1; i < 70; i++)
		(void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "/d");
	fd = fs_open_dir_at(top, path, true, 0755, &e);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(usage_add_tree(&u, top, "t", &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_int_equal(u.allocated_bytes, 0);
	/* Nor does the removal go that deep at once. */
	err_clear(&e);
	path[strlen("t/d/d/d/d/d/d/d/d/d/d")] = '\0';
	assert_int_equal(fs_remove_tree_at(top, path, &e), 0);
}

static void note(void *arg, const char *path, const struct usage *file)
{
	char *all = arg;

	(void)snprintf(all + strlen(all), 256 - strlen(all), "%s=%llu ", path,
	        (unsigned long long)file->apparent_bytes);
}

static void watched(void **state)
{
	volatile int cancel = 0;
	struct clone_progress progress = { 0 };
	char seen[256] = "";
	struct usage_watch w = { &progress, &cancel, note, seen };
	struct usage u = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	put("t/x/a", 1);
	put("t/b", 2);
	assert_int_equal(usage_watch_tree(&u, top, "t", &w, &e), 0);
	assert_non_null(strstr(seen, "x/a=1024 "));
	assert_non_null(strstr(seen, "b=2048 "));
	assert_int_equal(progress.files_done, 2);
	assert_int_equal(progress.bytes_done, 3 * KIB);
	cancel = 1;
	assert_int_equal(usage_watch_tree(&u, top, "t", &w, &e), -1);
	assert_int_equal(e.kind, ERR_INTERRUPTED);
	assert_int_equal(u.files, 2);
}

/* --- how many fit ----------------------------------------------------------------------------- */

static void fit(void **state)
{
	/* 100 GiB, limit 88 */
	static const struct {
		const char *name;
		enum pool_method method;
		uint64_t free_gib, inodes;
		bool is_current, has_state;
		uint64_t files, extents, copy_gib;
		uint64_t own[3]; /* GiB */
		bool is_known;
		uint64_t more;
		const char *says;
	} rows[] = {
		{ "nothing to clone", POOL_COPY, 50, 0, false, false, 0, 0, 0, { 0 }, false, 0,
		        "no 'current'" },
		{ "no state", POOL_COPY, 50, 0, true, false, 1, 0, 1, { 0 }, false, 0,
		        "no state database" },
		{ "copies", POOL_COPY, 52, 0, true, true, 10, 5, 8, { 0 }, true, 4, "8.0 GiB" },
		{ "copies, just not", POOL_COPY, 51, 0, true, true, 10, 5, 13, { 0 }, true, 2, "" },
		{ "full", POOL_COPY, 12, 0, true, true, 10, 5, 8, { 0 }, true, 0, "" },
		{ "beyond the limit", POOL_COPY, 3, 0, true, true, 10, 5, 8, { 0 }, true, 0, "" },
		{ "copies do not look at slots", POOL_COPY, 52, 0, true, true, 10, 5, 8, { 1, 1 },
		        true, 4, "" },
		{ "clones, as slots here", POOL_REFLINK, 52, 0, true, true, 10, 5, 8, { 9, 2, 1 },
		        true, 20, "median of the 3 slots" },
		{ "clones, none yet", POOL_REFLINK, 52, 0, true, true, 1000, 262144, 8, { 0 }, true,
		        1140, "no slot here is a clone yet" },
		{ "few inodes", POOL_REFLINK, 52, 100, true, true, 9, 1, 8, { 0 }, true, 10, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pool_space space = { 100 * GIB, rows[i].free_gib * GIB, 0 };
		struct clone_cost cost = { rows[i].has_state, rows[i].files, rows[i].extents,
			rows[i].copy_gib * GIB, 0 };
		struct clones_fit f;
		uint64_t own[3];
		size_t n = 0;

		for (; n < 3 && rows[i].own[n]; n++)
			own[n] = rows[i].own[n] * GIB;
		usage_clones_fit(&f, rows[i].method, &space, rows[i].inodes,
		        rows[i].is_current ? &cost : NULL, own, n);
		if (f.is_known != rows[i].is_known || f.more != rows[i].more ||
		        !strstr(f.assumes, rows[i].says))
			fail_msg("%s: %d, %llu, '%s'", rows[i].name, f.is_known,
			        (unsigned long long)f.more, f.assumes);
	}
}

/* --- the whole pool --------------------------------------------------------------------------- */

static void whole_pool(void **state)
{
	struct pool p = POOL_INIT;
	struct err e = ERR_INIT;
	char path[128], bad[32];
	json_t *j;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/pool", dir);
	assert_int_equal(pool_create(&p, path, &e), 0);
	put("pool/services/a_readers/2/data/state/shared_memory.bin", 8);
	put("pool/services/a_readers/10/data/x", 8);
	put("pool/services/a_readers/no-number/x", 8);
	put("pool/generations/g000002-0000000080/data/state/s", 8);
	put("pool/generations/g000001-0000000040/data/state/s", 4);
	put("pool/generations/.tmp-77/data/s", 4);
	put("pool/quarantine/a_readers.1-20261121T081500Z/data/s", 4);
	(void)snprintf(bad, sizeof(bad), "pool/quarantine/%c/s", 0xff);
	put(bad, 4);
	assert_int_equal(symlinkat("g000002-0000000080", p.fd, "generations/current"), 0);
	j = pool_usage_json(&p, NULL, NULL, &e);
	if (!j)
		fail_msg("%s", e.msg);
	assert_int_equal(json_array_size(json_object_get(j, "slots")), 2);
	assert_string_equal(json_str(json_array_get(json_object_get(j, "slots"), 0), "name", ""),
	        "a_readers.2");
	assert_int_equal(json_array_size(json_object_get(j, "generations")), 2);
	assert_false(
	        json_bool(json_array_get(json_object_get(j, "generations"), 0), "current", true));
	assert_true(
	        json_bool(json_array_get(json_object_get(j, "generations"), 1), "current", false));
	assert_int_equal(json_array_size(json_object_get(j, "leftovers")), 1);
	assert_int_equal(json_array_size(json_object_get(j, "quarantine")), 2);
	assert_int_equal(json_int(j, "totals.files", 0), 7);
	assert_int_equal(json_int(j, "format", 0), 1);
	assert_string_equal(json_str(j, "clones.of", ""), "current");
	assert_true(json_is_integer(json_at(j, "clones.more")));
	json_decref(j);
	/* A directory that cannot be walked is a row with an error, and the others are there. */
	assert_int_equal(symlinkat("/etc", p.fd, "services/a_readers/3"), 0);
	j = pool_usage_json(&p, NULL, NULL, &e);
	assert_non_null(j);
	assert_int_equal(json_array_size(json_object_get(j, "slots")), 3);
	assert_true(json_is_string(
	        json_object_get(json_array_get(json_object_get(j, "slots"), 1), "error")));
	json_decref(j);
	pool_release(&p);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(flags),
		T(compressed),
		T(batches),
		T(no_end),
		T(no_map),
		T(tree),
		T(link_as_tree),
		T(hard_links),
		T(too_deep),
		T(watched),
		T(fit),
		T(whole_pool),
	};

	return cmocka_run_group_tests_name("data/usage", tests, NULL, NULL);
}
