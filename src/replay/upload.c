/*
 * What the bucket has is asked once, by its list: a PUT either made the whole object or none, so an
 * object of the same name and size is the snapshot.  S3 wants to know an object's size before its
 * first byte, which is why a snapshot from a web server becomes a file first.
 */

#include "replay/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"
#include "http/client.h"
#include "replay/s3.h"

struct object {
	char *key;
	uint64_t size;
};

struct run {
	const struct upload *u;
	struct http_client *s3;
	struct s3_url to; /* the key is the prefix, with a '/' at its end if there is one */
	struct object *v; /* what the bucket has, by key */
	size_t n;
};

static void run_release(struct run *r)
{
	http_client_free(r->s3);
	s3_url_release(&r->to);
	for (size_t i = 0; i < r->n; i++)
		free(r->v[i].key);
	free(r->v);
}

static inline void auto_run(struct run *r)
{
	run_release(r);
}

/* --- what is there ---------------------------------------------------------------------------- */

static int on_object(void *arg, const char *key, uint64_t size, struct err *e)
{
	struct run *r = arg;
	struct object *more = r->v;

	/* Full at each power of two. */
	if ((r->n & (r->n - 1)) == 0)
		more = reallocarray(r->v, r->n ? 2 * r->n : 1, sizeof(*more));
	if (!more)
		return err_nomem(e);
	r->v = more;
	r->v[r->n] = (struct object){ .key = strdup(key), .size = size };
	if (!r->v[r->n].key)
		return err_nomem(e);
	r->n++;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct object *)a)->key, ((const struct object *)b)->key);
}

static bool has_object(const struct run *r, char *key, uint64_t size)
{
	const struct object wanted = { .key = key }, *found;

	found = r->n ? bsearch(&wanted, r->v, r->n, sizeof(*r->v), by_key) : NULL;
	return found && found->size == size;
}

static int look(struct run *r, struct err *e)
{
	char *prefix;

	if (s3_url_parse(&r->to, r->u->bucket, e) < 0)
		return -1;
	if (*r->to.key && !str_ends(r->to.key, "/")) {
		prefix = str_fmt("%s/", r->to.key);
		if (!prefix)
			return err_nomem(e);
		free(r->to.key);
		r->to.key = prefix;
	}
	r->s3 = s3_client_new(r->u->endpoint, r->u->region, e);
	if (!r->s3)
		return -1;
	http_client_interrupt_on(r->s3, r->u->interrupt);
	if (s3_list(r->s3, r->to.bucket, r->to.key, on_object, r, e) < 0)
		return -1;
	if (r->n)
		qsort(r->v, r->n, sizeof(*r->v), by_key);
	return 0;
}

/* --- one snapshot ----------------------------------------------------------------------------- */

struct file {
	int fd, sys_errno;
	uint64_t done;
};

static ssize_t give(void *arg, void *data, size_t n)
{
	struct file *f = arg;
	ssize_t got = pread(f->fd, data, n, (off_t)f->done);

	if (got < 0)
		f->sys_errno = errno;
	else
		f->done += (uint64_t)got;
	return got;
}

static int put(struct run *r, const char *key, int fd, uint64_t size, struct err *e)
{
	AUTO(http_reply) struct http_reply reply = HTTP_REPLY_INIT;
	AUTO(free) char *path = s3_path(r->to.bucket, key);
	struct file f = { .fd = fd };
	const struct http_request q = {
		.method = "PUT",
		.path = path,
		.content_type = "application/octet-stream",
		.source = give,
		.source_arg = &f,
		.source_size = size,
		.timeout_ns = -1,
	};

	if (!path)
		return err_nomem(e);
	if (size == 0 || size > UPLOAD_SIZE_MAX)
		return err_set(e, ERR_USAGE, "it has %llu bytes, and 1 to %lld can be uploaded",
		        (unsigned long long)size, (long long)UPLOAD_SIZE_MAX);
	if (http_call(r->s3, &q, &reply, e) < 0) {
		if (!f.sys_errno)
			return -1;
		err_clear(e);
		return err_sys(e, f.sys_errno, "read it");
	}
	return reply.status == 200 ? 0 : s3_error(&reply, r->to.bucket, key, e);
}

static int from_file(struct run *r, const char *path, char *key, uint64_t *ret_size,
        bool *ret_there, struct err *e)
{
	AUTO(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open it");
	*ret_size = (uint64_t)st.st_size;
	*ret_there = has_object(r, key, *ret_size);
	return *ret_there ? 0 : put(r, key, fd, *ret_size, e);
}

static int take(void *arg, const void *data, size_t n)
{
	struct file *f = arg;

	if (fs_write_all(f->fd, data, n) == 0) {
		f->done += n;
		return 0;
	}
	f->sys_errno = errno;
	return -1;
}

static int download(struct http_client *c, const char *path, struct file *f, struct err *e)
{
	AUTO(http_reply) struct http_reply reply = HTTP_REPLY_INIT;
	const char *dir = getenv("TMPDIR");
	const struct http_request q = {
		.path = path,
		.sink = take,
		.sink_arg = f,
		.timeout_ns = -1,
	};

	if (!dir || *dir != '/')
		dir = "/var/tmp";
	f->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (f->fd < 0)
		return err_sys(e, errno, "make a file in '%s'", dir);
	if (http_call(c, &q, &reply, e) < 0)
		return -1;
	if (f->sys_errno) {
		err_sys(e, f->sys_errno, "write a file in '%s'", dir);
		return err_hint(e, "TMPDIR may name a directory with more room");
	}
	return reply.status == 200
	        ? 0
	        : err_set(e, ERR_UNAVAILABLE, "its server says HTTP %ld", reply.status);
}

static int from_url(struct run *r, const char *url, char *key, uint64_t *ret_size, bool *ret_there,
        struct err *e)
{
	const char *rest = strstr(url, "://") + 3, *path = rest + strcspn(rest, "/");
	AUTO(free) char *base = strndup(url, (size_t)(path - url));
	AUTO(http_client_free) struct http_client *c = base ? http_client_new(base, NULL, e) : NULL;
	AUTO(http_reply) struct http_reply reply = HTTP_REPLY_INIT;
	const struct http_request head = { .method = "HEAD", .path = path };
	struct file f = { .fd = -1 };
	int rc;

	if (!base)
		return err_nomem(e);
	if (!c)
		return -1;
	http_client_interrupt_on(c, r->u->interrupt);
	if (http_call(c, &head, &reply, e) < 0)
		return -1;
	*ret_size = (uint64_t)reply.length;
	*ret_there = reply.status == 200 && reply.length > 0 && has_object(r, key, *ret_size);
	if (*ret_there)
		return 0;
	rc = download(c, path, &f, e);
	if (rc == 0) {
		*ret_size = f.done;
		rc = put(r, key, f.fd, f.done, e);
	}
	if (f.fd >= 0)
		(void)close(f.fd);
	return rc;
}

/* The file's name; a URL's without its query. */
static char *key_of(const struct run *r, const char *path)
{
	size_t end = strstr(path, "://") ? strcspn(path, "?#") : strlen(path), from = end;

	while (from > 0 && path[from - 1] != '/')
		from--;
	return str_fmt("%s%.*s", r->to.key, (int)(end - from), path + from);
}

static int upload_one(struct run *r, struct slice *s, struct err *e)
{
	const char *path = s->snapshot_path;
	AUTO(free) char *key = key_of(r, path);
	AUTO(free) char *url = key ? str_fmt("s3://%s/%s", r->to.bucket, key) : NULL;
	AUTO(free) char *storage = strdup("s3");
	uint64_t size = 0;
	bool was_there = false;
	int rc;

	if (!url || !storage)
		return err_nomem(e);
	if (str_starts(path, "s3://", NULL))
		return err_set(e, ERR_USAGE, "it is in a bucket already");
	if (str_starts(path, "http://", NULL) || str_starts(path, "https://", NULL))
		rc = from_url(r, path, key, &size, &was_there, e);
	else
		rc = from_file(r, path, key, &size, &was_there, e);
	if (rc < 0)
		return -1;
	r->u->fn(r->u->arg, url, size, was_there);
	free(s->snapshot_path);
	free(s->storage_type);
	s->snapshot_path = TAKE(url);
	s->storage_type = TAKE(storage);
	return 0;
}

int upload_snapshots(struct slices *s, const struct upload *u, struct err *e)
{
	AUTO(run) struct run r = { .u = u };

	if (look(&r, e) < 0)
		return err_wrap(e, "upload snapshots");
	for (size_t i = 0; i < s->n; i++)
		if (*s->v[i].snapshot_path && upload_one(&r, &s->v[i], e) < 0)
			return err_wrap(e, "upload '%s'", s->v[i].snapshot_path);
	return 0;
}
