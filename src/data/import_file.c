/*
 * Whatever the file is, it goes through a writer that leaves out pages of zeroes, and what it has
 * written is read as a snapshot before it counts.  The first bytes are looked at as soon as they
 * are there: a file that is none costs nothing.
 */

#include "data/import_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/num.h"
#include "base/str.h"
#include "data/pool.h"
#include "nodeos/snapshot.h"

#define PAGE            4096
#define CHUNK           (1024 * 1024)
#define SIZE_LIMIT      (UINT64_C(1) << 40) /* of an unpacked snapshot */
#define LOOK_EVERY      (UINT64_C(64) * 1024 * 1024)
#define MAGIC           "\x50\x05\x51\x30"
#define ZSTD_MAGIC      "\x28\xb5\x2f\xfd"
#define ZSTD_SKIPPABLE  "\x2a\x4d\x18" /* after a byte from 0x50 to 0x5f */
#define ZSTD_WINDOW_LOG 27             /* 128 MiB: what zstd writes without --long=28 and more */

struct writer {
	int fd;
	uint64_t at;       /* of the file */
	uint64_t unlooked; /* written since space was looked at */
};

static int check_space(const struct writer *w, struct err *e)
{
	struct pool_space s;
	uint64_t keep;
	char text[NUM_TEXT_MAX];

	if (pool_space_at(&s, w->fd, e) < 0)
		return -1;
	keep = (uint64_t)((double)s.total_bytes / 100 * (100 - POOL_STOP_PERCENT));
	if (s.free_bytes > keep + LOOK_EVERY || s.free_bytes > s.total_bytes / 2)
		return 0;
	err_set(e, ERR_CONFLICT, "the pool has only %s left", num_size_text(text, s.free_bytes));
	return err_hint(e, "remove generations: nodeswarm data prune, nodeswarm data rm");
}

static int write_at(struct writer *w, const char *p, size_t n, struct err *e)
{
	uint64_t at = w->at;

	while (n) {
		ssize_t done = pwrite(w->fd, p, n, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_sys(e, errno, "write the snapshot");
		p += done;
		n -= (size_t)done;
		at += (uint64_t)done;
	}
	return 0;
}

/* What comes first has to begin as a snapshot does. */
static int check_begin(const struct writer *w, const char *p, size_t n, struct err *e)
{
	size_t magic = sizeof(MAGIC) - 1;

	if (w->at >= magic || n == 0)
		return 0;
	if (w->at == 0 && n < magic)
		magic = n;
	if (w->at == 0 && memcmp(p, MAGIC, magic) != 0)
		return err_set(e, ERR_PROTOCOL,
		        "it is not a snapshot of nodeos: it begins with %02x%02x%02x%02x",
		        (unsigned char)p[0], n > 1 ? (unsigned char)p[1] : 0,
		        n > 2 ? (unsigned char)p[2] : 0, n > 3 ? (unsigned char)p[3] : 0);
	return 0;
}

static int writer_add(struct writer *w, const char *p, size_t n, struct err *e)
{
	if (check_begin(w, p, n, e) < 0)
		return -1;
	if (n > SIZE_LIMIT - w->at)
		return err_set(e, ERR_PROTOCOL, "it has more than 1 TiB");
	if (w->unlooked >= LOOK_EVERY) {
		w->unlooked = 0;
		if (check_space(w, e) < 0)
			return -1;
	}
	while (n) {
		size_t piece = PAGE - (size_t)(w->at % PAGE);

		if (piece > n)
			piece = n;
		if (!mem_is_zero(p, piece)) {
			if (write_at(w, p, piece, e) < 0)
				return -1;
			w->unlooked += piece;
		}
		w->at += piece;
		p += piece;
		n -= piece;
	}
	return 0;
}

static int canceled(const struct clone_options *o, struct err *e)
{
	return cancel_is_set(o->cancel) ? err_set(e, ERR_INTERRUPTED, "the import was interrupted")
	                                : 0;
}

static void advance(const struct clone_options *o, size_t n)
{
	if (o->progress)
		o->progress->bytes_done += n;
}

static ssize_t read_chunk(int fd, char *buf, size_t n, struct err *e)
{
	ssize_t got;

	do
		got = read(fd, buf, n);
	while (got < 0 && errno == EINTR);
	return got < 0 ? err_sys(e, errno, "read the file") : got;
}

/* --- as it is --- */

static int copy_plain(struct writer *w, int from_fd, const struct clone_options *o, struct err *e)
{
	AUTO(free) char *buf = NULL;
	ssize_t n;

	if (!o->no_reflink && ioctl(w->fd, FICLONE, from_fd) == 0) {
		struct stat st;

		if (fstat(w->fd, &st) < 0)
			return err_sys(e, errno, "stat the snapshot");
		w->at = (uint64_t)st.st_size;
		advance(o, (size_t)st.st_size);
		return 0;
	}
	buf = malloc(CHUNK);
	if (!buf)
		return err_nomem(e);
	while ((n = read_chunk(from_fd, buf, CHUNK, e)) > 0) {
		if (canceled(o, e) < 0 || writer_add(w, buf, (size_t)n, e) < 0)
			return -1;
		advance(o, (size_t)n);
	}
	return n < 0 ? -1 : 0;
}

/* --- zstd --- */

struct unpack {
	ZSTD_DCtx *ctx;
	char *in, *out;
	bool is_open; /* within a frame */
	uint64_t frames, read;
};

static void auto_unpack(struct unpack *u)
{
	(void)ZSTD_freeDCtx(u->ctx);
	free(u->in);
	free(u->out);
}

static bool is_frame(const char *p, size_t n)
{
	return n < 4 || memcmp(p, ZSTD_MAGIC, 4) == 0 ||
	        ((p[0] & 0xf0) == 0x50 && memcmp(p + 1, ZSTD_SKIPPABLE, 3) == 0);
}

/* Everything in one piece of input.  Several frames follow each other, as pzstd writes them. */
static int unpack_piece(
        struct unpack *u, struct writer *w, size_t n, const struct clone_options *o, struct err *e)
{
	ZSTD_inBuffer in = { u->in, n, 0 };
	bool is_full = false;

	while (in.pos < in.size || is_full) {
		ZSTD_outBuffer out = { u->out, CHUNK, 0 };
		size_t rc;

		if (!u->is_open && !is_frame(u->in + in.pos, in.size - in.pos))
			return u->frames ? err_set(e, ERR_PROTOCOL,
			                           "byte %" PRIu64
			                           ": something that is not zstd follows its end",
			                           u->read + in.pos)
			                 : err_set(e, ERR_PROTOCOL, "it is not compressed by zstd");
		u->is_open = true;
		rc = ZSTD_decompressStream(u->ctx, &out, &in);
		if (ZSTD_isError(rc))
			return err_set(e, ERR_PROTOCOL, "near byte %" PRIu64 ": zstd: %s",
			        u->read + in.pos, ZSTD_getErrorName(rc));
		if (canceled(o, e) < 0 || writer_add(w, u->out, out.pos, e) < 0)
			return -1;
		is_full = out.pos == out.size && rc != 0;
		if (rc == 0) {
			u->is_open = false;
			u->frames++;
		}
	}
	u->read += n;
	advance(o, n);
	return 0;
}

static int copy_zstd(struct writer *w, int from_fd, const struct clone_options *o, struct err *e)
{
	AUTO(unpack) struct unpack u = { .ctx = ZSTD_createDCtx() };
	ssize_t n;

	u.in = malloc(CHUNK);
	u.out = malloc(CHUNK);
	if (!u.ctx || !u.in || !u.out)
		return err_nomem(e);
	(void)ZSTD_DCtx_setParameter(u.ctx, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	while ((n = read_chunk(from_fd, u.in, CHUNK, e)) > 0)
		if (unpack_piece(&u, w, (size_t)n, o, e) < 0)
			return -1;
	if (n < 0)
		return -1;
	if (u.is_open)
		return err_set(e, ERR_PROTOCOL,
		        "it is cut off: it ends at byte %" PRIu64 ", within what zstd compressed",
		        u.read);
	return 0;
}

/* --- both --- */

static int copy(struct writer *w, int from_fd, const struct clone_options *o, struct err *e)
{
	char magic[4];
	struct stat st;
	ssize_t n = pread(from_fd, magic, sizeof(magic), 0);

	if (n < 0 || fstat(from_fd, &st) < 0)
		return err_sys(e, errno, "read the file");
	if (n < (ssize_t)sizeof(magic))
		return err_set(e, ERR_PROTOCOL, "it has only %zd bytes", n);
	if (lseek(from_fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "seek in the file");
	if (o->progress) {
		o->progress->files_total += 1;
		o->progress->bytes_total += (uint64_t)st.st_size;
	}
	w->unlooked = LOOK_EVERY; /* look at once */
	return memcmp(magic, MAGIC, sizeof(magic)) != 0 && is_frame(magic, sizeof(magic))
	        ? copy_zstd(w, from_fd, o, e)
	        : copy_plain(w, from_fd, o, e);
}

static int describe(struct manifest *m, int fd, struct err *e)
{
	struct snapshot_facts f;

	if (nodeos_snapshot_read(&f, fd, e) < 0)
		return -1;
	m->kind = GENERATION_SNAPSHOT;
	memcpy(m->chain_id, f.chain_id, sizeof(m->chain_id));
	/* What is in a snapshot was irreversible when it was finished. */
	m->head_block_num = m->lib_block_num = f.head_block_num;
	memcpy(m->head_block_id, f.head_block_id, sizeof(m->head_block_id));
	memcpy(m->lib_block_id, f.head_block_id, sizeof(m->lib_block_id));
	return 0;
}

int import_file(int to_dirfd, const char *name, int from_fd, struct manifest *m,
        const struct clone_options *o, struct err *e)
{
	AUTO(close_fd)
	int fd = openat(to_dirfd, name,
	        O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0644);
	struct writer w = { .fd = fd };

	if (fd < 0)
		return err_sys(e, errno, "make '%s'", name);
	if (copy(&w, from_fd, o, e) < 0)
		return -1;
	/* The end may be a hole. */
	if (ftruncate(fd, (off_t)w.at) < 0)
		return err_sys(e, errno, "set the size of '%s'", name);
	if (describe(m, fd, e) < 0)
		return -1;
	if (fchmod(fd, 0644) < 0 || fsync(fd) < 0)
		return err_sys(e, errno, "sync '%s'", name);
	if (o->progress)
		o->progress->files_done += 1;
	return 0;
}
