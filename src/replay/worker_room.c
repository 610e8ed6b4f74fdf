/*
 * Snapshots are kept, because a slice that failed is tried again, perhaps here; those that were not
 * used for the longest go first, also parts of transfers that nobody went on with.
 */

#include "replay/worker_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "replay/fetch.h"

#define GIB            (UINT64_C(1) << 30)
#define DISK_MIN       (40 * GIB)
#define CACHE_MAX      (20 * GIB)
#define CACHE_FILES    10000
#define STATISTICS_MAX 65536

struct kept {
	char name[FETCH_NAME_SIZE + 8];
	uint64_t size;
	int64_t used_s;
};

static int by_use(const void *a, const void *b)
{
	int64_t x = ((const struct kept *)a)->used_s, y = ((const struct kept *)b)->used_s;

	return (x > y) - (x < y);
}

/* Into v[CACHE_FILES]; returns how many. */
static size_t list_cache(struct worker *w, struct kept *v, uint64_t *total)
{
	int fd = openat(w->cachefd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *x;
	size_t n = 0;

	*total = 0;
	while (d && n < CACHE_FILES && (x = readdir(d))) {
		struct stat st;

		if (x->d_name[0] == '.' || strlen(x->d_name) >= sizeof(v[n].name) ||
		        fstatat(fd, x->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		        !S_ISREG(st.st_mode))
			continue;
		/* No transfer is under way now. */
		if (str_ends(x->d_name, ".tmp")) {
			(void)unlinkat(fd, x->d_name, 0);
			continue;
		}
		memcpy(v[n].name, x->d_name, strlen(x->d_name) + 1);
		v[n].size = (uint64_t)st.st_blocks * 512;
		v[n].used_s = st.st_mtim.tv_sec;
		*total += v[n++].size;
	}
	if (d)
		(void)closedir(d);
	else
		auto_close_fd(&fd);
	return n;
}

static uint64_t disk_free(const struct worker *w)
{
	struct statvfs st;

	return fstatvfs(w->dirfd, &st) < 0 ? 0 : (uint64_t)st.f_bavail * st.f_frsize;
}

static int make_room(struct worker *w, const char *keep, struct err *e)
{
	AUTO(free) struct kept *v = calloc(CACHE_FILES, sizeof(*v));
	uint64_t max = w->cfg->cache_max ? w->cfg->cache_max : CACHE_MAX, total;
	uint64_t least = w->cfg->disk_min ? w->cfg->disk_min : DISK_MIN;
	size_t n;

	if (!v)
		return err_nomem(e);
	n = list_cache(w, v, &total);
	qsort(v, n, sizeof(*v), by_use);
	for (size_t i = 0; i < n && (total > max || disk_free(w) < least); i++) {
		if (keep && str_starts(v[i].name, keep, NULL))
			continue;
		if (unlinkat(w->cachefd, v[i].name, 0) < 0)
			continue;
		total -= v[i].size;
		log_info("snapshot dropped", "file=%s bytes=%" PRIu64, v[i].name, v[i].size);
	}
	return 0;
}

/* The number behind key in such a file, or `otherwise`. */
static uint64_t number_in(const char *path, const char *key, uint64_t otherwise)
{
	AUTO(buf) struct buf text = BUF_INIT(STATISTICS_MAX);
	struct err ignored = ERR_INIT;
	const char *at;
	char *end;
	uint64_t n;

	if (fs_read_at(AT_FDCWD, path, &text, &ignored) != 0 || !text.data)
		return otherwise;
	at = strstr(text.data, key);
	if (!at)
		return otherwise;
	at += strlen(key);
	at += strspn(at, " \t");
	errno = 0;
	n = strtoull(at, &end, 10); /* "max" is none */
	return errno || end == at ? otherwise : n;
}

/* Of the machine, and of the container if it has a limit: what is not in use but as a cache. */
static uint64_t memory_free(void)
{
	uint64_t kib = number_in("/proc/meminfo", "MemAvailable:", UINT64_MAX / 1024);
	uint64_t limit = number_in("/sys/fs/cgroup/memory.max", "", UINT64_MAX);
	uint64_t used = number_in("/sys/fs/cgroup/memory.stat", "anon ", 0);
	uint64_t left = limit > used ? limit - used : 0;

	return kib * 1024 < left ? kib * 1024 : left;
}

int worker_room(struct worker *w, const char *keep, char why[160], struct err *e)
{
	uint64_t disk_min = w->cfg->disk_min ? w->cfg->disk_min : DISK_MIN, disk, memory;
	char is[NUM_TEXT_MAX], wanted[NUM_TEXT_MAX];

	if (make_room(w, keep, e) < 0)
		return -1;
	disk = disk_free(w);
	if (disk < disk_min) {
		snprintf(why, 160, "%s are free on the disk, and a job needs %s",
		        num_size_text(is, disk), num_size_text(wanted, disk_min));
		return 1;
	}
	memory = w->cfg->memory_min ? memory_free() : 0;
	if (memory < w->cfg->memory_min) {
		snprintf(why, 160, "%s of memory are available, and a job needs %s",
		        num_size_text(is, memory), num_size_text(wanted, w->cfg->memory_min));
		return 1;
	}
	return 0;
}
