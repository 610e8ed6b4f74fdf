#pragma once

/*
 * The pool: one directory per host that holds everything of ours on disk
 *
 * A directory is a pool only if it has a pool.json that we can read.  That is not a
 * formality: the mount point of a pool that is not mounted looks like an empty directory, and
 * a chain node that started there would fill the root disk with a second copy of its chain.
 *
 *	pool.json                          {"format":1,"id":"...","method":"copy","created":"..."}
 *	host.json                          {"format":1,"address":"10.0.0.2","is_mount":true}
 *	services/<service>/<slot>/         see data/slot.h
 *
 * host.json is about the host and no part of the pool: swarm/prepare-host.sh writes it.  If the
 * pool is a mount, the directory below has POOL_UNMOUNTED_MARK, which is seen only when it is not
 * mounted, and keeps that directory from being made a pool.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

#define POOL_PATH_DEFAULT   "/var/lib/nodeswarm"
#define POOL_FORMAT         1
#define POOL_HOST_JSON      "host.json"
#define POOL_UNMOUNTED_MARK ".nodeswarm-not-mounted"
/* Of the disk: there a supervisor stops its chain node, unless config.ini has another
 * resource-monitor-space-threshold than nodeos's own 90. */
#define POOL_STOP_PERCENT 88.0

enum pool_method {
	POOL_COPY,
	POOL_REFLINK,
};

struct pool {
	int fd; /* the directory; -1 when not open */
	char *path;
	char id[37]; /* a UUID, made once */
	enum pool_method method;
};

#define POOL_INIT ((struct pool){ .fd = -1 })

/*
 * Open an existing pool.  ERR_NOT_FOUND when the directory or its pool.json is not there;
 * ERR_PROTOCOL when pool.json is not ours or of an unknown format.
 */
int pool_open(struct pool *p, const char *path, struct err *e) NODISCARD;

/*
 * Make a directory a pool, creating it if needed, and open it.  Returns 0, 1 when it was one
 * already (nothing is changed then), -1.  A directory with other things in it is refused
 * (ERR_CONFLICT).
 */
int pool_create(struct pool *p, const char *path, struct err *e) NODISCARD;

/*
 * Whether a directory has nothing in it but what a fresh file system has and, with_mark, the mark
 * of a directory to be mounted on.  1, 0, -1.
 */
int pool_dir_is_empty(int dirfd, bool with_mark, struct err *e) NODISCARD;

void pool_release(struct pool *p);

static inline void auto_pool(struct pool *p)
{
	pool_release(p);
}

const char *pool_method_name(enum pool_method m);

/*
 * Find out by trying whether files in dirfd can share blocks (FICLONE).  why gets one sentence.
 */
enum pool_method pool_probe_method(int dirfd, char *why, size_t size);

/* Bytes of the pool's file system, and its usage as nodeos's resource monitor counts it: the
 * share that is not available to an unprivileged process. */
struct pool_space {
	uint64_t total_bytes, free_bytes;
	double used_percent;
};

int pool_space_at(struct pool_space *ret, int dirfd, struct err *e) NODISCARD;

/*
 * Whether `bytes` more fit the pool and its disk stays below `percent` full: POOL_STOP_PERCENT, or
 * what a slot has of its own; beyond that the nodes of all slots stop.  ERR_UNAVAILABLE.
 */
int pool_check_room(const struct pool *p, uint64_t bytes, double percent, struct err *e) NODISCARD;
