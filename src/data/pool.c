#include "data/pool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"

#define POOL_JSON     "pool.json"
#define POOL_JSON_MAX 4096

const char *pool_method_name(enum pool_method m)
{
	return m == POOL_REFLINK ? "reflink" : "copy";
}

enum pool_method pool_probe_method(int dirfd, char *why, size_t size)
{
	AUTO(close_fd) int from = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	AUTO(close_fd) int to = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char block[4096];

	memset(block, 'n', sizeof(block));
	if (from < 0 || to < 0 || fs_write_all(from, block, sizeof(block)) < 0) {
		snprintf(why, size, "no trial was possible here (%s), so files are copied",
		        strerror(errno));
		return POOL_COPY;
	}
	if (ioctl(to, FICLONE, from) == 0) {
		snprintf(why, size, "a file was cloned here by FICLONE");
		return POOL_REFLINK;
	}
	snprintf(why, size, "this file system cannot clone files (FICLONE: %s), so they are copied",
	        strerror(errno));
	return POOL_COPY;
}

int pool_space_at(struct pool_space *ret, int dirfd, struct err *e)
{
	struct statvfs v;

	if (fstatvfs(dirfd, &v) < 0)
		return err_sys(e, errno, "statvfs of the pool");
	ret->total_bytes = (uint64_t)v.f_blocks * v.f_frsize;
	ret->free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
	ret->used_percent =
	        v.f_blocks ? 100.0 - 100.0 * (double)v.f_bavail / (double)v.f_blocks : 0;
	return 0;
}

int pool_check_room(const struct pool *p, uint64_t bytes, double percent, struct err *e)
{
	char has[NUM_TEXT_MAX], takes[NUM_TEXT_MAX], left[NUM_TEXT_MAX];
	struct pool_space space;
	uint64_t reserve;

	if (pool_space_at(&space, p->fd, e) < 0)
		return -1;
	reserve = (uint64_t)((double)space.total_bytes / 100 * (100 - percent));
	if (space.free_bytes >= reserve && space.free_bytes - reserve >= bytes)
		return 0;
	err_set(e, ERR_UNAVAILABLE,
	        "no space: the pool has %s free, a copy takes %s, and %s must be left",
	        num_size_text(has, space.free_bytes), num_size_text(takes, bytes),
	        num_size_text(left, reserve));
	return err_hint(e, "make room: 'nodeswarm data prune', 'nodeswarm data gc'");
}

void pool_release(struct pool *p)
{
	auto_close_fd(&p->fd);
	free(p->path);
	*p = POOL_INIT;
}

/* Returns 1 when there is no pool.json. */
static int read_json(struct pool *p, struct err *e)
{
	AUTO(buf) struct buf b = BUF_INIT(POOL_JSON_MAX);
	AUTO(json) json_t *j = NULL;
	const char *id;
	int rc = fs_read_at(p->fd, POOL_JSON, &b, e);

	if (rc != 0)
		return rc;
	j = json_parse_object(b.data, b.len, POOL_JSON, e);
	if (!j)
		return -1;
	if (json_int(j, "format", 0) != POOL_FORMAT)
		return err_set(e, ERR_PROTOCOL, POOL_JSON " has format %lld, this program reads %d",
		        (long long)json_int(j, "format", 0), POOL_FORMAT);
	id = json_str(j, "id", "");
	if (strlen(id) != sizeof(p->id) - 1)
		return err_set(e, ERR_PROTOCOL, POOL_JSON " has no id");
	memcpy(p->id, id, sizeof(p->id));
	p->method = strcmp(json_str(j, "method", ""), "reflink") == 0 ? POOL_REFLINK : POOL_COPY;
	return 0;
}

static int open_dir(struct pool *p, const char *path, struct err *e)
{
	*p = POOL_INIT;
	p->path = strdup(path);
	if (!p->path)
		return err_nomem(e);
	/* The pool's own path may be a symbolic link; what is inside is not followed. */
	p->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->fd < 0) {
		bool absent = errno == ENOENT;

		err_sys(e, errno, "open pool '%s'", path);
		if (absent)
			e->kind = ERR_NOT_FOUND;
		return -1;
	}
	return 0;
}

int pool_open(struct pool *p, const char *path, struct err *e)
{
	int rc = open_dir(p, path, e);

	if (rc == 0) {
		rc = read_json(p, e);
		if (rc > 0)
			rc = err_set(e, ERR_NOT_FOUND, "'%s' has no pool.json", path);
		else if (rc < 0)
			err_wrap(e, "pool '%s'", path);
	}
	if (rc < 0) {
		if (e->kind == ERR_NOT_FOUND)
			err_hint(e,
			        "mount the pool there, or make one with 'nodeswarm pool init %s'",
			        path);
		pool_release(p);
		return -1;
	}
	return 0;
}

static int make_uuid(char out[37], struct err *e)
{
	unsigned char r[16];

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return err_sys(e, errno, "getrandom");
	r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
	r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
	snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
	        r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
	        r[13], r[14], r[15]);
	return 0;
}

static int write_json(struct pool *p, struct err *e)
{
	char now[CLOCK_TEXT_MAX], why[160];
	AUTO(json) json_t *j = NULL;
	AUTO(free) char *text = NULL;

	if (make_uuid(p->id, e) < 0)
		return -1;
	p->method = pool_probe_method(p->fd, why, sizeof(why));
	j = json_pack("{s:i, s:s, s:s, s:s}", "format", POOL_FORMAT, "id", p->id, "method",
	        pool_method_name(p->method), "created", clock_text(now, clock_real_ns()));
	text = j ? json_text(j, true) : NULL;
	if (!text)
		return err_nomem(e);
	return fs_write_at(p->fd, POOL_JSON, text, strlen(text), 0644, e);
}

/* Also leftovers of writing our own files do not count as content. */
static bool is_content(const char *name, bool with_mark)
{
	static const char *const not [] = { ".", "..", "lost+found", NULL };

	for (size_t i = 0; not [i]; i++)
		if (strcmp(name, not [i]) == 0)
			return false;
	if (with_mark &&
	        (strcmp(name, POOL_UNMOUNTED_MARK) == 0 ||
	                str_starts(name, "." POOL_UNMOUNTED_MARK ".tmp-", NULL)))
		return false;
	return !str_starts(name, "." POOL_JSON ".tmp-", NULL);
}

int pool_dir_is_empty(int fd, bool with_mark, struct err *e)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *ent;
	int empty = 1;

	if (!d) {
		err_sys(e, errno, "open directory");
		auto_close_fd(&copy);
		return -1;
	}
	while (empty && (ent = readdir(d)))
		empty = !is_content(ent->d_name, with_mark);
	(void)closedir(d);
	return empty;
}

int pool_create(struct pool *p, const char *path, struct err *e)
{
	AUTO(close_fd) int made = -1;
	int rc;

	if (path[0] != '/')
		return err_set(e, ERR_USAGE, "the pool '%s' is not an absolute path", path);
	if (access(path, F_OK) < 0 && errno == ENOENT) {
		made = fs_open_dir_at(AT_FDCWD, path, true, 0755, e);
		if (made < 0)
			return err_wrap(e, "make pool '%s'", path);
		/* Whatever the umask: nodeos must be able to get to its data-dir. */
		if (fchmod(made, 0755) < 0)
			return err_sys(e, errno, "chmod pool '%s'", path);
	}
	if (open_dir(p, path, e) < 0)
		goto fail;
	rc = read_json(p, e);
	if (rc == 0)
		return 1;
	if (rc < 0)
		goto fail;
	rc = pool_dir_is_empty(p->fd, false, e);
	if (rc < 0)
		goto fail;
	if (rc == 0) {
		err_set(e, ERR_CONFLICT, "'%s' has other files in it and no pool.json", path);
		err_hint(e, "give a new or empty directory");
		goto fail;
	}
	if (write_json(p, e) < 0) {
		err_wrap(e, "make pool '%s'", path);
		goto fail;
	}
	return 0;
fail:
	pool_release(p);
	return -1;
}
