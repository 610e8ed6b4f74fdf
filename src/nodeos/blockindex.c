/*
 * The positions that are walked along lie in the bytes that may be damaged.  So where one leads,
 * the block must name the block before its own as its previous one: bytes that are a position by
 * chance do not lead to such a place.
 */

#include "nodeos/blockindex.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "nodeos/blocklog_priv.h"
#include "nodeos/datafile_priv.h"

#define NEW_NAME    ".blocks.index-new"
#define NAME        "blocks.index"
#define POSITION    sizeof(uint64_t)
#define PREVIOUS_AT 14  /* in a block: time, producer and confirmed are before it */
#define HEADER_MIN  116 /* a block_header has at least so many bytes */
#define WINDOW      ((size_t)4 << 20)
#define ENTRIES     ((size_t)64 << 10) /* that are written at once */

struct walk {
	const struct block_log *log;
	const volatile int *cancel;
	unsigned char *window; /* bytes of the log from `at` on */
	uint64_t at;
	size_t len;
	int fd;          /* the new index */
	uint64_t *entry; /* the last ENTRIES before those that are written, filled from its end */
	size_t n;
	uint64_t index; /* of the lowest one that is there */
};

static void auto_walk(struct walk *w)
{
	free(w->window);
	free(w->entry);
	auto_close_fd(&w->fd);
}

static int damaged(const struct walk *w, uint64_t at, uint32_t num, const char *what, struct err *e)
{
	err_set(e, ERR_PROTOCOL, "'%s' is damaged: byte %" PRIu64 ", block %" PRIu32 ": %s",
	        w->log->path, at, num, what);
	return err_hint(e, "an index does not mend that: the blocks have to come from elsewhere");
}

/* n bytes, which are few, at an offset; more before them are read along.  NULL with *e. */
static const unsigned char *look_at(
        struct walk *w, uint64_t at, size_t n, uint32_t num, struct err *e)
{
	uint64_t end = at + n;
	ssize_t got;

	if (at >= w->at && end <= w->at + w->len)
		return w->window + (at - w->at);
	if (cancel_is_set(w->cancel)) {
		err_set(e, ERR_INTERRUPTED, "cancelled");
		return NULL;
	}
	w->at = end > WINDOW ? end - WINDOW : 0;
	w->len = 0;
	got = datafile_read(
	        w->log->fd, w->window, (size_t)(end - w->at), (off_t)w->at, w->log->path, e);
	if (got < 0)
		return NULL;
	if ((uint64_t)got != end - w->at) {
		(void)damaged(w, w->at + (uint64_t)got, num, "the file became shorter", e);
		return NULL;
	}
	w->len = (size_t)got;
	return w->window + (at - w->at);
}

static int flush(struct walk *w, struct err *e)
{
	const char *p = (const char *)(w->entry + ENTRIES - w->n);
	size_t left = w->n * POSITION;
	off_t at = (off_t)(w->index * POSITION);

	while (left) {
		ssize_t n = pwrite(w->fd, p, left, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "write '%s'", NEW_NAME);
		p += n;
		at += n;
		left -= (size_t)n;
	}
	w->n = 0;
	return 0;
}

static int put(struct walk *w, uint64_t position, struct err *e)
{
	if (w->n == ENTRIES && flush(w, e) < 0)
		return -1;
	w->entry[ENTRIES - ++w->n] = htole64(position);
	w->index--;
	return 0;
}

/* The block that ends, with its position, before end.  Its begin. */
static int step(struct walk *w, uint64_t end, uint32_t num, uint64_t *ret, struct err *e)
{
	size_t before = w->log->version == 4 ? BLOCKLOG_ENTRY_V4 : 0;
	uint64_t least = before + HEADER_MIN + POSITION, at;
	const unsigned char *p;
	uint32_t previous;

	if (end < w->log->blocks_at + least)
		return damaged(w, end, num, "it would begin before the first one", e);
	p = look_at(w, end - POSITION, POSITION, num, e);
	if (!p)
		return -1;
	memcpy(&at, p, sizeof(at));
	at = le64toh(at);
	if (at < w->log->blocks_at || at > end - least)
		return damaged(w, end - POSITION, num, "where it begins is no place for it", e);
	p = look_at(w, at + before + PREVIOUS_AT, sizeof(previous), num, e);
	if (!p)
		return -1;
	memcpy(&previous, p, sizeof(previous));
	if (be32toh(previous) != num - 1)
		return damaged(w, at, num, "what is there does not follow the block before it", e);
	*ret = at;
	return 0;
}

static int walk(struct walk *w, struct blockindex_progress *progress, struct err *e)
{
	const struct block_log *l = w->log;
	uint64_t begin = l->size - (l->is_pruned ? 4 : 0), end = begin;

	if (progress)
		progress->bytes_total = begin - l->blocks_at;
	for (uint32_t num = l->last; num >= l->first; num--) {
		if (step(w, end, num, &end, e) < 0 || put(w, end, e) < 0)
			return -1;
		if (progress)
			progress->bytes_done = begin - end;
	}
	if (!l->is_pruned && end != l->blocks_at)
		return damaged(w, l->blocks_at, l->first, "something is before it", e);
	return flush(w, e);
}

/* How many the index has, of which those that were pruned are holes, in the log too. */
static int count(struct walk *w, uint64_t *ret, struct err *e)
{
	const struct block_log *l = w->log;
	uint64_t n = l->last ? (uint64_t)l->last - l->preamble_first + 1 : 0;

	/* So that a last block with any number does not ask for an index of 32 GiB. */
	if (n > (l->size - l->blocks_at) / (HEADER_MIN + POSITION))
		return damaged(w, l->last_at, l->last, "so many blocks have no room in it", e);
	*ret = n;
	return 0;
}

static int fill(struct walk *w, struct blockindex_progress *progress, uint64_t blocks,
        const struct stat *st, struct err *e)
{
	w->window = malloc(WINDOW);
	w->entry = malloc(ENTRIES * sizeof(*w->entry));
	if (!w->window || !w->entry)
		return err_nomem(e);
	w->index = blocks;
	if (ftruncate(w->fd, (off_t)(blocks * POSITION)) < 0)
		return err_sys(e, errno, "make '%s' as long as needed", NEW_NAME);
	if (blocks && walk(w, progress, e) < 0)
		return -1;
	if (fchown(w->fd, st->st_uid, st->st_gid) < 0 || fchmod(w->fd, st->st_mode & 0777) < 0)
		return err_sys(e, errno, "give '%s' to who has the log", NEW_NAME);
	return fsync(w->fd) < 0 ? err_sys(e, errno, "sync '%s'", NEW_NAME) : 0;
}

/* In the directory of the log. */
static int replace(struct walk *w, int dir, struct blockindex_progress *progress,
        uint64_t *ret_blocks, struct err *e)
{
	struct err ignored = ERR_INIT;
	struct stat st;

	if (fstat(w->log->fd, &st) < 0)
		return err_sys(e, errno, "stat '%s'", w->log->path);
	if (count(w, ret_blocks, e) < 0 || fs_remove_tree_at(dir, NEW_NAME, e) < 0)
		return -1;
	w->fd = openat(dir, NEW_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->fd < 0)
		return err_sys(e, errno, "create '%s'", NEW_NAME);
	if (fill(w, progress, *ret_blocks, &st, e) < 0)
		goto undo;
	if (renameat(dir, NEW_NAME, dir, NAME) < 0) {
		err_sys(e, errno, "rename '%s' to '%s'", NEW_NAME, NAME);
		goto undo;
	}
	return fsync(dir) < 0 ? err_sys(e, errno, "sync 'blocks'") : 0;
undo:
	if (fs_remove_tree_at(dir, NEW_NAME, &ignored) < 0)
		err_clear(&ignored);
	return -1;
}

int nodeos_blockindex_rebuild(int data_dirfd, const volatile int *cancel,
        struct blockindex_progress *progress, uint64_t *ret_blocks, struct err *e)
{
	AUTO(block_log) struct block_log l = { .fd = -1 };
	AUTO(walk) struct walk w = { .log = &l, .cancel = cancel, .fd = -1 };
	AUTO(close_fd) int dir = -1;
	uint64_t blocks = 0;
	int rc = block_log_open(&l, data_dirfd, BLOCKLOG_FILE, e);

	if (rc == 0)
		rc = datafile_open_dir(&dir, data_dirfd, "blocks", strlen("blocks"), e);
	if (rc > 0)
		return err_set(
		        e, ERR_NOT_FOUND, "there is no '%s' to make an index of", BLOCKLOG_FILE);
	if (rc < 0 || replace(&w, dir, progress, &blocks, e) < 0)
		return err_wrap(e, "make '%s' anew", BLOCKLOG_INDEX);
	*ret_blocks = blocks;
	return 0;
}
