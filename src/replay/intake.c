#include "replay/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/cancel.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/str.h"

/* What `zstd --long=30` needs; memory is taken only for what a file asks for. */
#define WINDOW_LOG 30
#define PIECE      (1024 * 1024)

static const unsigned char zstd_magic[4] = { 0x28, 0xb5, 0x2f, 0xfd };

struct intake {
	int dirfd, part, out; /* out: -1 while it is not known to be packed */
	char *name, *part_name, *tmp_name;
	uint64_t have;
	struct sha256 *digest;
	unsigned char head[sizeof(zstd_magic)]; /* the first bytes, until they decide */
	size_t head_n;
	ZSTD_DCtx *zstd;
	bool frame_open; /* in the middle of what zstd packed */
	char *piece;     /* PIECE bytes */
};

void intake_free(struct intake *i)
{
	if (!i)
		return;
	if (i->out >= 0)
		(void)unlinkat(i->dirfd, i->tmp_name, 0);
	auto_close_fd(&i->out);
	auto_close_fd(&i->part);
	sha256_free(i->digest);
	(void)ZSTD_freeDCtx(i->zstd);
	free(i->name);
	free(i->part_name);
	free(i->tmp_name);
	free(i->piece);
	free(i);
}

uint64_t intake_have(const struct intake *i)
{
	return i->have;
}

static int unpack(struct intake *i, const void *data, size_t n, struct err *e)
{
	ZSTD_inBuffer in = { .src = data, .size = n };

	while (in.pos < in.size) {
		ZSTD_outBuffer out = { .dst = i->piece, .size = PIECE };
		size_t rc = ZSTD_decompressStream(i->zstd, &out, &in);

		if (ZSTD_isError(rc))
			return err_set(e, ERR_PROTOCOL, "near byte %" PRIu64 ": zstd: %s", i->have,
			        ZSTD_getErrorName(rc));
		if (out.pos && fs_write_all(i->out, i->piece, out.pos) < 0)
			return err_sys(e, errno, "write '%s'", i->tmp_name);
		i->frame_open = rc != 0;
	}
	return 0;
}

/* What zstd still holds back when all its input was taken. */
static int unpack_rest(struct intake *i, struct err *e)
{
	ZSTD_inBuffer in = { .src = "", .size = 0 };
	size_t got = 1;

	while (i->frame_open && got) {
		ZSTD_outBuffer out = { .dst = i->piece, .size = PIECE };
		size_t rc = ZSTD_decompressStream(i->zstd, &out, &in);

		if (ZSTD_isError(rc))
			return err_set(
			        e, ERR_PROTOCOL, "at its end: zstd: %s", ZSTD_getErrorName(rc));
		got = out.pos;
		if (got && fs_write_all(i->out, i->piece, got) < 0)
			return err_sys(e, errno, "write '%s'", i->tmp_name);
		i->frame_open = rc != 0;
	}
	return 0;
}

static int begin_unpacking(struct intake *i, struct err *e)
{
	i->zstd = ZSTD_createDCtx();
	i->piece = malloc(PIECE);
	if (!i->zstd || !i->piece)
		return err_nomem(e);
	if (ZSTD_isError(ZSTD_DCtx_setParameter(i->zstd, ZSTD_d_windowLogMax, WINDOW_LOG)))
		return err_set(e, ERR_SYSTEM, "set the window of zstd");
	i->out = openat(
	        i->dirfd, i->tmp_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (i->out < 0)
		return err_sys(e, errno, "create '%s'", i->tmp_name);
	return unpack(i, i->head, i->head_n, e);
}

/* For the digest and for zstd; the part has it already. */
static int take(struct intake *i, const void *data, size_t n, struct err *e)
{
	const unsigned char *p = data;

	sha256_add(i->digest, data, n);
	if (i->head_n < sizeof(i->head)) {
		size_t room = sizeof(i->head) - i->head_n, part = n < room ? n : room;

		memcpy(i->head + i->head_n, p, part);
		i->head_n += part;
		p += part;
		n -= part;
		if (i->head_n == sizeof(i->head) &&
		        memcmp(i->head, zstd_magic, sizeof(zstd_magic)) == 0 &&
		        begin_unpacking(i, e) < 0)
			return -1;
	}
	return i->zstd && n ? unpack(i, p, n, e) : 0;
}

static int read_again(struct intake *i, const volatile int *cancel, struct err *e)
{
	AUTO(free) char *buf = malloc(PIECE);
	ssize_t n;

	if (!buf)
		return err_nomem(e);
	while ((n = read(i->part, buf, PIECE)) != 0) {
		if (cancel_is_set(cancel))
			return err_set(e, ERR_INTERRUPTED, "read '%s': interrupted", i->part_name);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read '%s'", i->part_name);
		i->have += (uint64_t)n;
		if (take(i, buf, (size_t)n, e) < 0)
			return -1;
	}
	return 0;
}

int intake_restart(struct intake *i, struct err *e)
{
	sha256_free(i->digest);
	i->digest = sha256_new();
	if (!i->digest)
		return err_nomem(e);
	(void)ZSTD_freeDCtx(i->zstd);
	i->zstd = NULL;
	free(TAKE(i->piece));
	auto_close_fd(&i->out);
	i->out = -1;
	i->have = i->head_n = 0;
	i->frame_open = false;
	(void)unlinkat(i->dirfd, i->tmp_name, 0);
	if (ftruncate(i->part, 0) < 0 || lseek(i->part, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "empty '%s'", i->part_name);
	return 0;
}

struct intake *intake_open(int dirfd, const char *name, const volatile int *cancel, struct err *e)
{
	AUTO(intake_free) struct intake *i = calloc(1, sizeof(*i));

	if (!i) {
		err_nomem(e);
		return NULL;
	}
	i->dirfd = dirfd;
	i->part = i->out = -1;
	i->name = strdup(name);
	i->part_name = str_fmt("%s.part", name);
	i->tmp_name = str_fmt("%s.tmp", name);
	i->digest = sha256_new();
	if (!i->name || !i->part_name || !i->tmp_name || !i->digest) {
		err_nomem(e);
		return NULL;
	}
	i->part = openat(dirfd, i->part_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (i->part < 0) {
		err_sys(e, errno, "create '%s'", i->part_name);
		return NULL;
	}
	if (read_again(i, cancel, e) < 0) {
		if (e->kind != ERR_PROTOCOL)
			return NULL;
		/* What is wrong in it now would be wrong each time. */
		err_clear(e);
		if (intake_restart(i, e) < 0)
			return NULL;
	}
	return TAKE(i);
}

void intake_drop(struct intake *i)
{
	(void)unlinkat(i->dirfd, i->part_name, 0);
}

int intake_add(struct intake *i, const void *data, size_t n, struct err *e)
{
	if (fs_write_all(i->part, data, n) < 0)
		return err_sys(e, errno, "write '%s'", i->part_name);
	i->have += n;
	return take(i, data, n, e);
}

static int publish(struct intake *i, struct err *e)
{
	int fd = i->zstd ? i->out : i->part;
	const char *from = i->zstd ? i->tmp_name : i->part_name;

	if (fsync(fd) < 0)
		return err_sys(e, errno, "write '%s' to the disk", from);
	if (renameat(i->dirfd, from, i->dirfd, i->name) < 0)
		return err_sys(e, errno, "rename '%s'", from);
	/* The name is another's now: intake_free() must not remove it. */
	auto_close_fd(&i->out);
	i->out = -1;
	if (i->zstd)
		(void)unlinkat(i->dirfd, i->part_name, 0);
	return fsync(i->dirfd) < 0 ? err_sys(e, errno, "write a directory to the disk") : 0;
}

int intake_finish(struct intake *i, const char *sha256, struct err *e)
{
	char hex[SHA256_HEX_SIZE];

	if (!i->have)
		return err_set(e, ERR_UNAVAILABLE, "there is nothing in it");
	if (i->zstd && unpack_rest(i, e) < 0)
		return -1;
	if (i->frame_open)
		return err_set(e, ERR_UNAVAILABLE,
		        "it is cut off: it ends at byte %" PRIu64 ", within what zstd packed",
		        i->have);
	sha256_end(i->digest, hex);
	if (*sha256 && strcasecmp(hex, sha256) != 0) {
		intake_drop(i);
		return err_set(e, ERR_PROTOCOL, "its SHA-256 is %s and should be %s", hex, sha256);
	}
	return publish(i, e);
}
