/*
 * The cache's name of a snapshot is the digest of all that says which one it is: where from, and
 * what it should be.  The directory outlives runs, and another run's "a.bin" is another file.  What
 * neither says, an old file behind the same name on the same server, is seen by its height alone.
 */

#include "replay/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/str.h"
#include "http/client.h"
#include "nodeos/snapshot.h"
#include "replay/intake.h"
#include "replay/s3.h"

#define TRIES_MAX  6 /* in a row, without a byte */
#define IDLE_NS    (60 * NS_PER_SEC)
#define DIGEST_MAX 4096
#define PIECE      (1024 * 1024)

const char *fetch_name(char out[FETCH_NAME_SIZE], const struct fetch *f)
{
	const char *const text[] = { f->base,
		f->endpoint ? f->endpoint : getenv("AWS_ENDPOINT_URL"), f->storage_type,
		f->snapshot_path, f->sha256 };
	char all[ARRAY_LEN(text) * (SHA256_HEX_SIZE - 1) + 1];

	for (size_t i = 0; i < ARRAY_LEN(text); i++) {
		const char *s = text[i] ? text[i] : "";

		sha256_hex(all + i * (SHA256_HEX_SIZE - 1), s, strlen(s));
	}
	sha256_hex(out, all, sizeof(all) - 1);
	memcpy(out + SHA256_HEX_SIZE - 1, ".bin", 5);
	return out;
}

void fetch_release(struct fetch *f)
{
	free(TAKE(f->file));
}

/* The digest at the begin of such a file; "" if there is none. */
static void digest_of(char out[SHA256_HEX_SIZE], const char *text)
{
	unsigned char bytes[SHA256_LEN];

	snprintf(out, SHA256_HEX_SIZE, "%.64s", text);
	if (hex_decode(bytes, sizeof(bytes), out) < 0)
		out[0] = '\0';
}

static int sleep_ns(int64_t ns, const volatile int *cancel, struct err *e)
{
	const struct timespec step = { .tv_nsec = 100 * NS_PER_MS };

	for (int64_t end = clock_mono_ns() + ns; clock_mono_ns() < end;) {
		if (cancel_is_set(cancel))
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		(void)nanosleep(&step, NULL);
	}
	return 0;
}

/* --- a file of this host --- */

static void file_digest(char out[SHA256_HEX_SIZE], const char *path)
{
	AUTO(free) char *name = str_fmt("%s.sha256", path);
	AUTO(close_fd) int fd = name ? open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	char text[DIGEST_MAX];
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

	text[n > 0 ? n : 0] = '\0';
	digest_of(out, text);
}

/* Tell each piece from the file's offset on. */
static int read_file(struct fetch *f, int fd, const volatile int *cancel,
        int (*take)(void *arg, const void *data, size_t n, struct err *e), void *arg, struct err *e)
{
	AUTO(free) char *buf = malloc(PIECE);
	ssize_t n;

	if (!buf)
		return err_nomem(e);
	while ((n = read(fd, buf, PIECE)) != 0) {
		if (cancel_is_set(cancel))
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read it");
		*f->bytes += (uint64_t)n;
		if (take(arg, buf, (size_t)n, e) < 0)
			return -1;
	}
	return 0;
}

static int take_digest(void *arg, const void *data, size_t n, struct err *e UNUSED)
{
	sha256_add(arg, data, n);
	return 0;
}

static int take_intake(void *arg, const void *data, size_t n, struct err *e)
{
	return intake_add(arg, data, n, e);
}

static int check_digest(
        struct fetch *f, int fd, const char *digest, const volatile int *cancel, struct err *e)
{
	struct sha256 *s = sha256_new();
	char hex[SHA256_HEX_SIZE];
	int rc;

	if (!s)
		return err_nomem(e);
	rc = read_file(f, fd, cancel, take_digest, s, e);
	if (rc == 0 && strcasecmp(sha256_end(s, hex), digest) != 0)
		rc = err_set(e, ERR_PROTOCOL, "its SHA-256 is %s and should be %s", hex, digest);
	sha256_free(s);
	return rc;
}

static int unpack_file(struct fetch *f, int fd, const char *name, const char *digest,
        const volatile int *cancel, struct err *e)
{
	AUTO(intake_free) struct intake *i = intake_open(f->dirfd, name, cancel, e);
	struct stat st;

	if (!i)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "look at it");
	if (intake_have(i) > (uint64_t)st.st_size && intake_restart(i, e) < 0)
		return -1;
	if (lseek(fd, (off_t)intake_have(i), SEEK_SET) < 0)
		return err_sys(e, errno, "read it");
	if (read_file(f, fd, cancel, take_intake, i, e) < 0)
		return -1;
	return intake_finish(i, digest, e);
}

/* 1: it is used where it lies; 0: it was unpacked into the cache. */
static int from_file(struct fetch *f, const char *path, const char *name,
        const volatile int *cancel, struct err *e)
{
	static const unsigned char magic[4] = { 0x28, 0xb5, 0x2f, 0xfd };
	AUTO(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char digest[SHA256_HEX_SIZE];
	unsigned char head[sizeof(magic)];
	struct stat st;

	if (fd < 0) {
		int why = errno;

		err_sys(e, why, "open '%s'", path);
		if (why == ENOENT)
			e->kind = ERR_NOT_FOUND;
		return -1;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, ERR_USAGE, "'%s' is not a regular file", path);
	snprintf(digest, sizeof(digest), "%s", f->sha256);
	if (!*digest)
		file_digest(digest, path);
	if (pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
	        memcmp(head, magic, sizeof(magic)) == 0)
		return unpack_file(f, fd, name, digest, cancel, e);
	if (*digest && check_digest(f, fd, digest, cancel, e) < 0)
		return -1;
	return 1;
}

/* --- a server --- */

struct transfer {
	struct fetch *f;
	struct intake *intake;
	struct http_reply reply;
	uint64_t from;            /* that was asked for */
	bool begun, is_elsewhere; /* what comes is not what was asked for */
	int rc;
	struct err *e;
};

static int on_bytes(void *arg, const void *data, size_t n)
{
	struct transfer *t = arg;

	/* 200 to a question for a range: the server does none, and sends it all. */
	if (!t->begun && t->from &&
	        (t->reply.status == 200 || t->reply.range_from != (int64_t)t->from)) {
		t->rc = intake_restart(t->intake, t->e);
		t->is_elsewhere = t->reply.status != 200;
	}
	t->begun = true;
	if (t->is_elsewhere)
		return -1;
	if (t->rc == 0)
		t->rc = intake_add(t->intake, data, n, t->e);
	*t->f->bytes += n;
	return t->rc;
}

static int status_error(long status, struct err *e)
{
	enum err_kind kind = ERR_PROTOCOL;

	if (status == 404 || status == 410)
		kind = ERR_NOT_FOUND;
	else if (status == 401 || status == 403)
		kind = ERR_DENIED;
	else if (status >= 500 || status == 429)
		kind = ERR_UNAVAILABLE;
	err_set(e, kind, "the server answers with status %ld", status);
	if (kind == ERR_DENIED)
		return err_hint(e,
		        "keys of S3 are read from AWS_ACCESS_KEY_ID and "
		        "AWS_SECRET_ACCESS_KEY");
	return -1;
}

/* 416: the server has no more than we.  All is here, or the part is of something else, which a
 * digest will tell. */
static int no_more(struct intake *i, const struct transfer *t, const char *digest, struct err *e)
{
	if (*digest || t->reply.range_total == (int64_t)t->from)
		return 0;
	if (intake_restart(i, e) < 0)
		return -1;
	err_set(e, ERR_UNAVAILABLE, "the part that is here is not of what the server has");
	return 1;
}

/* One exchange: 0 all has come; 1 it broke, *e says how, and another may go on. */
static int transfer(struct http_client *c, struct fetch *f, struct intake *i, const char *path,
        const char *digest, struct err *e)
{
	struct transfer t = { .f = f, .intake = i, .from = intake_have(i), .e = e };
	const struct http_request q = {
		.path = path,
		.sink = on_bytes,
		.sink_arg = &t,
		.timeout_ns = -1,
		.idle_ns = IDLE_NS,
		.from = t.from,
	};
	struct err why = ERR_INIT;
	long status;
	int rc = http_call(c, &q, &t.reply, &why);

	status = t.reply.status;
	http_reply_release(&t.reply);
	if (t.rc < 0)
		return -1;
	if (t.is_elsewhere) {
		err_set(e, ERR_UNAVAILABLE, "the server gives another range than it was asked for");
		return 1;
	}
	if (rc < 0) {
		*e = why;
		return why.kind == ERR_UNAVAILABLE || why.kind == ERR_TIMEOUT ||
		                (why.kind == ERR_PROTOCOL && t.begun)
		        ? 1
		        : -1;
	}
	if (status == 416 && t.from)
		return no_more(i, &t, digest, e);
	if (status != 200 && status != 206) {
		status_error(status, e);
		return e->kind == ERR_UNAVAILABLE ? 1 : -1;
	}
	return 0;
}

/* A transfer and its end: 0; 1 for another one; -1. */
static int try_transfer(struct http_client *c, struct fetch *f, struct intake *i, const char *path,
        const char *digest, struct err *e)
{
	int rc = transfer(c, f, i, path, digest, e);

	if (rc == 0 && intake_finish(i, digest, e) < 0)
		rc = e->kind == ERR_UNAVAILABLE ? 1 : -1;
	return rc;
}

static int transfer_all(struct http_client *c, struct fetch *f, const char *path, const char *name,
        const char *digest, const volatile int *cancel, struct err *e)
{
	AUTO(intake_free) struct intake *i = intake_open(f->dirfd, name, cancel, e);
	const int64_t first = f->wait_ns ? f->wait_ns : NS_PER_SEC;
	int64_t wait = first;
	int rc, left = TRIES_MAX, begun_anew = 0;

	if (!i)
		return -1;
	for (;;) {
		uint64_t had = intake_have(i);

		rc = try_transfer(c, f, i, path, digest, e);
		if (rc <= 0)
			break;
		if (intake_have(i) < had && ++begun_anew == TRIES_MAX)
			left = 1;
		if (intake_have(i) > had) {
			left = TRIES_MAX;
			wait = first;
		} else if (--left == 0) {
			/* What is there may be of something else. */
			intake_drop(i);
			return -1;
		}
		log_warn("the transfer of a snapshot broke", "bytes=%" PRIu64 " why=\"%s\"",
		        intake_have(i), e->msg);
		err_clear(e);
		if (sleep_ns(wait, cancel, e) < 0)
			return -1;
		wait *= 2;
	}
	if (rc < 0 && e->kind == ERR_PROTOCOL)
		intake_drop(i);
	return rc;
}

static void server_digest(char out[SHA256_HEX_SIZE], struct http_client *c, const char *path)
{
	AUTO(free) char *beside = str_fmt("%s.sha256", path);
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	struct err ignored = ERR_INIT;

	*out = '\0';
	/* With a query, what is beside it cannot be named. */
	if (!beside || strchr(path, '?'))
		return;
	if (http_call(c, &(struct http_request){ .path = beside, .max_reply = DIGEST_MAX }, &r,
	            &ignored) == 0 &&
	        r.status == 200)
		digest_of(out, r.body.data);
}

static int from_server(struct fetch *f, const struct snapshot_source *s, const char *name,
        const volatile int *cancel, struct err *e)
{
	AUTO(http_client_free)
	struct http_client *c = s->server ? http_client_new(s->server, NULL, e)
	                                  : s3_client_new(f->endpoint, f->region, e);
	char digest[SHA256_HEX_SIZE];

	if (!c)
		return -1;
	http_client_interrupt_on(c, cancel);
	snprintf(digest, sizeof(digest), "%s", f->sha256);
	if (!*digest)
		server_digest(digest, c, s->path);
	return transfer_all(c, f, s->path, name, digest, cancel, e);
}

/* --- both --- */

/* It is whole, and of the right block. */
static int check(const struct fetch *f, const char *path, struct err *e)
{
	AUTO(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct snapshot_facts facts;

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", path);
	if (nodeos_snapshot_read(&facts, fd, e) < 0)
		return -1;
	if (facts.head_block_num && facts.head_block_num != f->height)
		return err_set(e, ERR_PROTOCOL,
		        "it is of block %" PRIu32 ", and the slice starts at %" PRIu32,
		        facts.head_block_num, f->height);
	return 0;
}

/* Where it came from: the cache, or what there is. */
static int obtain(struct fetch *f, const char *name, const volatile int *cancel, struct err *e)
{
	AUTO(snapshot_source) struct snapshot_source s = { .file = NULL };
	int rc;

	if (snapshot_source_find(&s, f->base, f->storage_type, f->snapshot_path, e) < 0)
		return -1;
	/* Its time says what was not used for long (worker_room.c). */
	if (utimensat(f->dirfd, name, NULL, AT_SYMLINK_NOFOLLOW) == 0)
		rc = 0;
	else
		rc = s.file ? from_file(f, s.file, name, cancel, e)
		            : from_server(f, &s, name, cancel, e);
	if (rc < 0)
		return -1;
	f->file = rc > 0 ? realpath(s.file, NULL) : str_fmt("%s/%s", f->dir, name);
	return f->file ? 0 : err_nomem(e);
}

int fetch_snapshot(struct fetch *f, const volatile int *cancel, struct err *e)
{
	char name[FETCH_NAME_SIZE];

	f->file = NULL;
	fetch_name(name, f);
	if (obtain(f, name, cancel, e) < 0 || check(f, f->file, e) < 0) {
		/* A snapshot that nodeos would not take is worth no place, whatever its name. */
		if (f->file)
			(void)unlinkat(f->dirfd, name, 0);
		fetch_release(f);
		return err_wrap(e, "fetch snapshot '%s'", f->snapshot_path);
	}
	return 0;
}
