#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/host_priv.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"

/*
 * The agent has no docker socket and cannot see the id of its image, so the programs in it are
 * compared by content.  A nodeos has hundreds of megabytes; its digest is taken in bites and kept
 * until inode, size or time of the file change.
 */

#define BITE (1024 * 1024)

struct program {
	const char *path;
	int fd; /* while it is being read, else -1 */
	struct sha256 *ctx;
	struct stat of; /* what the digest is of */
	char digest[SHA256_HEX_SIZE];
};

static struct program programs[] = {
	{ .path = "/usr/bin/nodeswarm", .fd = -1 },
	{ .path = "/usr/bin/nodeos", .fd = -1 },
	{ .path = "/usr/bin/nodesim", .fd = -1 },
};

static void forget(struct program *p)
{
	auto_close_fd(&p->fd);
	sha256_free(p->ctx);
	p->fd = -1;
	p->ctx = NULL;
	p->digest[0] = '\0';
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	        a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Returns false when there is no such program, or it cannot be read. */
static bool open_program(struct program *p)
{
	struct stat now;

	if (stat(p->path, &now) < 0 || !S_ISREG(now.st_mode)) {
		forget(p);
		return false;
	}
	if (is_same(&now, &p->of) && (p->fd >= 0 || *p->digest))
		return true;
	forget(p);
	p->fd = open(p->path, O_RDONLY | O_CLOEXEC);
	p->ctx = p->fd < 0 ? NULL : sha256_new();
	if (!p->ctx) {
		forget(p);
		return false;
	}
	p->of = now;
	return true;
}

/* Read on until the deadline. */
static void read_on(struct program *p, int64_t deadline_ns)
{
	static char bite[BITE];

	while (p->fd >= 0 && clock_mono_ns() < deadline_ns) {
		ssize_t n = read(p->fd, bite, sizeof(bite));

		if (n > 0) {
			sha256_add(p->ctx, bite, (size_t)n);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			forget(p);
			return;
		}
		sha256_end(p->ctx, p->digest);
		auto_close_fd(&p->fd);
		p->fd = -1;
		sha256_free(TAKE(p->ctx));
	}
}

json_t *host_programs(int64_t deadline_ns, bool *ret_is_complete)
{
	AUTO(json) json_t *list = json_array();

	*ret_is_complete = true;
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		struct program *p = &programs[i];

		if (!open_program(p))
			continue;
		read_on(p, deadline_ns);
		if (p->fd >= 0)
			*ret_is_complete = false;
		if (json_array_append_new(list,
		            json_pack("{s:s, s:I, s:s?}", "path", p->path, "size_bytes",
		                    (json_int_t)p->of.st_size, "sha256",
		                    *p->digest ? p->digest : NULL)) < 0)
			return NULL;
	}
	return TAKE(list);
}
