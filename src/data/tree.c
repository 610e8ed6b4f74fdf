#include "data/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/str.h"
#include "data/clone.h"
#include "data/parallel_priv.h"
#include "data/scan_priv.h"
#include "data/tree_priv.h"

/* --- the list --------------------------------------------------------------------------- */

int tree_of_scan(struct tree *ret, const struct scan *s, struct err *e)
{
	struct tree t = TREE_INIT;

	t.v = calloc(s->files.n + 1, sizeof(t.v[0]));
	if (!t.v)
		return err_nomem(e);
	for (size_t i = 0; i < s->files.n; i++) {
		const struct scan_entry *f = &s->files.v[i];

		t.v[i] = (struct tree_file){
			.path = strdup(f->path),
			.size = (uint64_t)f->st.st_size,
			.data_bytes = scan_data_bytes(&f->st),
			.mode = f->st.st_mode & 07777,
		};
		t.n++;
		if (!t.v[i].path) {
			tree_release(&t);
			return err_nomem(e);
		}
		t.size_bytes += t.v[i].size;
		t.data_bytes += t.v[i].data_bytes;
	}
	*ret = t;
	return 0;
}

int tree_read(struct tree *ret, int dirfd, struct err *e)
{
	AUTO(scan) struct scan s = SCAN_INIT;

	if (scan_read(&s, dirfd, false, e) < 0)
		return -1;
	return tree_of_scan(ret, &s, e);
}

void tree_release(struct tree *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i].path);
	free(t->v);
	*t = TREE_INIT;
}

/* --- digests ---------------------------------------------------------------------------- */

#define READ_SIZE ((size_t)16 * TREE_PIECE)

static void put_le64(unsigned char out[8], uint64_t v)
{
	for (unsigned i = 0; i < 8; i++)
		out[i] = (unsigned char)(v >> (8 * i));
}

static void add_number(XXH3_state_t *x, uint64_t v)
{
	unsigned char le[8];

	put_le64(le, v);
	(void)XXH3_128bits_update(x, le, sizeof(le));
}

static void hex(char out[TREE_DIGEST_SIZE], XXH128_hash_t h)
{
	XXH128_canonical_t c;

	XXH128_canonicalFromHash(&c, h);
	_Static_assert(TREE_DIGEST_SIZE == 2 * sizeof(c.digest) + 1, "of 16 bytes");
	hex_encode(out, c.digest, sizeof(c.digest));
}

/* A file of at least this much is read once and by nobody else soon: its pages must not push out
 * those of the nodes that run. */
#define LARGE     ((uint64_t)1 << 30)
#define DROP_SIZE ((off_t)64 << 20)

struct digest_hand {
	struct scan_at at;
	XXH3_state_t *state;
	char *buffer;
};

struct digests {
	struct tree *tree;
	size_t *order;
	struct clone_progress *progress;
	const volatile int *cancel;
	struct digest_hand hands[PARALLEL_MAX];
};

/* One file. */
struct digest {
	const struct digests *all;
	const struct digest_hand *hand;
	const struct tree_file *file;
	int fd;
	uint64_t done;
	off_t dropped; /* what was read before this is dropped from the page cache */
};

static bool is_cancelled(const struct digests *all)
{
	return cancel_is_set(all->cancel);
}

static void did(struct digest *d, off_t at, size_t n)
{
	d->done += n;
	if (d->all->progress)
		atomic_fetch_add(&d->all->progress->bytes_done, n);
	if (d->file->data_bytes >= LARGE && at - d->dropped >= DROP_SIZE) {
		(void)posix_fadvise(d->fd, d->dropped, at - d->dropped, POSIX_FADV_DONTNEED);
		d->dropped = at;
	}
}

static int read_full(struct digest *d, size_t want, off_t at, struct err *e)
{
	for (size_t have = 0; have < want;) {
		ssize_t n = pread(d->fd, d->hand->buffer + have, want - have, at + (off_t)have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read '%s'", d->file->path);
		if (n == 0)
			return scan_changed(d->file->path, e);
		have += (size_t)n;
	}
	return 0;
}

static int digest_range(struct digest *d, off_t at, off_t end, struct err *e)
{
	XXH3_state_t *x = d->hand->state;

	while (at < end) {
		size_t have = (uint64_t)(end - at) < READ_SIZE ? (size_t)(end - at) : READ_SIZE;

		if (is_cancelled(d->all))
			return err_set(e, ERR_INTERRUPTED, "the digests were cancelled");
		if (read_full(d, have, at, e) < 0)
			return -1;
		for (size_t p = 0; p < have; p += TREE_PIECE) {
			size_t n = have - p < TREE_PIECE ? have - p : TREE_PIECE;

			if (mem_is_zero(d->hand->buffer + p, n))
				continue;
			add_number(x, ((uint64_t)at + p) / TREE_PIECE);
			(void)XXH3_128bits_update(x, d->hand->buffer + p, n);
		}
		at += (off_t)have;
		did(d, at, have);
	}
	return 0;
}

static int digest_data(struct digest *d, off_t size, struct err *e)
{
	const char *path = d->file->path;
	off_t at = 0;

	while (at < size) {
		off_t data = lseek(d->fd, at, SEEK_DATA), hole = size;

		if (data < 0 && errno == ENXIO)
			return 0; /* a hole to the end */
		if (data < 0 && errno != EINVAL)
			return err_sys(e, errno, "find the data of '%s'", path);
		if (data >= 0)
			hole = lseek(d->fd, data, SEEK_HOLE);
		else
			data = at; /* a file system that does not know */
		if (hole < 0)
			return errno == ENXIO ? scan_changed(path, e)
			                      : err_sys(e, errno, "find the holes of '%s'", path);
		/* Whole pieces: where the holes lie must not matter. */
		data -= data % TREE_PIECE;
		if (hole % TREE_PIECE)
			hole += TREE_PIECE - hole % TREE_PIECE;
		if (data < at)
			data = at;
		if (hole > size)
			hole = size;
		if (data < size && digest_range(d, data, hole, e) < 0)
			return -1;
		at = hole;
	}
	return 0;
}

static int open_file(struct digest_hand *h, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	int dir = scan_at_dir(&h->at, path, slash ? (size_t)(slash - path) : 0, e);
	int fd;

	if (dir < 0)
		return -1;
	fd = openat(dir, slash ? slash + 1 : path,
	        O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? err_sys(e, errno, "open '%s'", path) : fd;
}

static int digest_file(void *arg, unsigned hand, size_t i, struct err *e)
{
	struct digests *all = arg;
	struct digest_hand *h = &all->hands[hand];
	struct tree_file *f = &all->tree->v[all->order[i]];
	AUTO(close_fd) int fd = open_file(h, f->path, e);
	struct digest d = { .all = all, .hand = h, .file = f, .fd = fd };
	struct stat st;

	if (fd < 0)
		return -1;
	if (is_cancelled(all))
		return err_set(e, ERR_INTERRUPTED, "the digests were cancelled");
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat '%s'", f->path);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != f->size)
		return scan_changed(f->path, e);
	if (!h->state && !(h->state = XXH3_createState()))
		return err_nomem(e);
	if (!h->buffer && !(h->buffer = aligned_alloc(TREE_PIECE, READ_SIZE)))
		return err_nomem(e);
	(void)XXH3_128bits_reset(h->state);
	add_number(h->state, f->size);
	if (digest_data(&d, st.st_size, e) < 0)
		return -1;
	hex(f->digest, XXH3_128bits_digest(h->state));
	if (all->progress) {
		/* Pieces are whole and may reach into holes. */
		atomic_fetch_add(&all->progress->bytes_done, f->data_bytes - d.done);
		atomic_fetch_add(&all->progress->files_done, 1);
	}
	return 0;
}

static int by_size(const void *a, const void *b, void *arg)
{
	const struct tree *t = arg;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	uint64_t sx = t->v[x].data_bytes, sy = t->v[y].data_bytes;

	return sx != sy ? (sx < sy) - (sx > sy) : (x > y) - (x < y);
}

int tree_digest(struct tree *t, int dirfd, unsigned threads, struct clone_progress *p,
        const volatile int *cancel, struct err *e)
{
	struct digests all = { .tree = t, .progress = p, .cancel = cancel };
	AUTO(free) size_t *order = calloc(t->n + 1, sizeof(*order));
	int rc;

	if (!order)
		return err_nomem(e);
	if (p) {
		atomic_fetch_add(&p->files_total, t->n);
		atomic_fetch_add(&p->bytes_total, t->data_bytes);
	}
	/* The largest first: one that is begun last would keep one thread busy alone. */
	for (size_t i = 0; i < t->n; i++)
		order[i] = i;
	qsort_r(order, t->n, sizeof(*order), by_size, t);
	all.order = order;
	for (unsigned i = 0; i < PARALLEL_MAX; i++)
		all.hands[i].at = SCAN_AT(dirfd);
	rc = parallel_run(t->n, parallel_threads(threads), digest_file, &all, e);
	for (unsigned i = 0; i < PARALLEL_MAX; i++) {
		scan_at_release(&all.hands[i].at);
		(void)XXH3_freeState(all.hands[i].state);
		free(all.hands[i].buffer);
	}
	return rc;
}

const char *tree_sum(char out[TREE_DIGEST_SIZE], const struct tree *t)
{
	XXH3_state_t *x = XXH3_createState();

	out[0] = '\0';
	if (!x)
		return out;
	(void)XXH3_128bits_reset(x);
	for (size_t i = 0; i < t->n; i++) {
		(void)XXH3_128bits_update(x, t->v[i].path, strlen(t->v[i].path) + 1);
		add_number(x, t->v[i].size);
		(void)XXH3_128bits_update(x, t->v[i].digest, strlen(t->v[i].digest) + 1);
	}
	hex(out, XXH3_128bits_digest(x));
	(void)XXH3_freeState(x);
	return out;
}

/* --- comparison ------------------------------------------------------------------------- */

static const char *differ(const struct tree_file *a, const struct tree_file *b)
{
	if (a->size != b->size)
		return "size";
	return a->digest[0] && b->digest[0] && strcmp(a->digest, b->digest) != 0 ? "digest" : NULL;
}

size_t tree_compare(
        const struct tree *wanted, const struct tree *there, tree_differs_fn *fn, void *arg)
{
	size_t count = 0;

	for (size_t i = 0, j = 0; i < wanted->n || j < there->n;) {
		const struct tree_file *a = i < wanted->n ? &wanted->v[i] : NULL;
		const struct tree_file *b = j < there->n ? &there->v[j] : NULL;
		int order = !a ? 1 : !b ? -1 : strcmp(a->path, b->path);
		const char *what = order < 0 ? "missing" : order > 0 ? "unexpected" : differ(a, b);

		i += order <= 0;
		j += order >= 0;
		if (!what)
			continue;
		count++;
		if (fn)
			fn(arg, order > 0 ? b->path : a->path, what);
	}
	return count;
}
