#include "replay/packed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "replay/slices.h"

#define LEVEL      19 /* of packing: it is done once, and takes a second for 5 MB */
#define CHUNK      (64U * 1024)
#define WINDOW_LOG 27 /* of unpacking: 128 MiB, more than SLICES_TEXT_MAX */

static void auto_dctx(ZSTD_DCtx **ctx)
{
	(void)ZSTD_freeDCtx(*ctx);
}

static bool is_packed(const struct buf *b)
{
	static const unsigned char magic[] = { 0x28, 0xb5, 0x2f, 0xfd };

	return b->len >= sizeof(magic) && memcmp(b->data, magic, sizeof(magic)) == 0;
}

static int add(struct buf *ret, const void *p, size_t n, const char *path, struct err *e)
{
	if (!n || buf_add(ret, p, n) == 0)
		return 0;
	return errno == ENOMEM
	        ? err_nomem(e)
	        : err_set(e, ERR_PROTOCOL, "'%s' is more than %zu bytes", path, ret->max);
}

static int unpack(struct buf *ret, const struct buf *b, const char *path, struct err *e)
{
	AUTO(dctx) ZSTD_DCtx *ctx = ZSTD_createDCtx();
	AUTO(free) char *chunk = malloc(CHUNK);
	ZSTD_inBuffer in = { b->data, b->len, 0 };
	ZSTD_outBuffer out = { chunk, CHUNK, 0 };
	size_t rc = 1;

	if (!ctx || !chunk ||
	        ZSTD_isError(ZSTD_DCtx_setParameter(ctx, ZSTD_d_windowLogMax, WINDOW_LOG)))
		return err_nomem(e);
	/* A full chunk may have more behind it, also when all input is taken. */
	while (in.pos < in.size || out.pos == out.size) {
		out.pos = 0;
		rc = ZSTD_decompressStream(ctx, &out, &in);
		if (ZSTD_isError(rc))
			return err_set(e, ERR_PROTOCOL, "'%s' is damaged: zstd: %s", path,
			        ZSTD_getErrorName(rc));
		if (add(ret, chunk, out.pos, path, e) < 0)
			return -1;
	}
	if (rc != 0)
		return err_set(e, ERR_PROTOCOL, "'%s' is damaged: it ends within its data", path);
	return 0;
}

int packed_read(struct buf *ret, const char *path, struct err *e)
{
	AUTO(buf) struct buf b = BUF_INIT(ret->max);
	int rc = fs_read_at(AT_FDCWD, path, &b, e);

	if (rc > 0)
		return err_set(e, ERR_NOT_FOUND, "there is no file '%s'", path);
	if (rc < 0)
		return -1;
	return is_packed(&b) ? unpack(ret, &b, path, e) : add(ret, b.data, b.len, path, e);
}

int packed_add(struct buf *ret, const void *text, size_t n, struct err *e)
{
	size_t bound = ZSTD_compressBound(n), rc;
	AUTO(free) char *out = malloc(bound);

	if (!out)
		return err_nomem(e);
	rc = ZSTD_compress(out, bound, text, n, LEVEL);
	if (ZSTD_isError(rc))
		return err_set(e, ERR_SYSTEM, "pack a manifest: zstd: %s", ZSTD_getErrorName(rc));
	return add(ret, out, rc, "the packed manifest", e);
}

/* The directory that path is in, open, and *name what follows it. */
static int open_parent(const char *path, const char **name, struct err *e)
{
	const char *slash = strrchr(path, '/');
	AUTO(free)
	char *dir = slash ? strndup(path, slash > path ? (size_t)(slash - path) : 1) : strdup(".");

	if (!dir)
		return err_nomem(e);
	*name = slash ? slash + 1 : path;
	return fs_open_dir_at(AT_FDCWD, dir, true, 0700, e);
}

int packed_seed(const char *path, const char *from, struct err *e)
{
	AUTO(buf) struct buf text = BUF_INIT(SLICES_TEXT_MAX);
	const char *name = path;
	AUTO(close_fd) int dir = open_parent(path, &name, e);

	if (dir < 0)
		return err_wrap(e, "make '%s'", path);
	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	if (errno != ENOENT)
		return err_sys(e, errno, "look for '%s'", path);
	if (packed_read(&text, from, e) < 0 ||
	        fs_write_at(dir, name, text.data ? text.data : "", text.len, 0600, e) < 0)
		return err_wrap(e, "make '%s' from '%s'", path, from);
	return 0;
}
