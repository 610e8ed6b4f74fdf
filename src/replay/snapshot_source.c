#include "replay/snapshot_source.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "http/client.h"
#include "replay/s3.h"

#define PATH_MAX_ 4096

void snapshot_source_release(struct snapshot_source *s)
{
	free(s->file);
	free(s->server);
	free(s->path);
	*s = (struct snapshot_source){ .file = NULL };
}

static bool is_url(const char *s)
{
	return str_starts(s, "http://", NULL) || str_starts(s, "https://", NULL);
}

/* "a b/c" as "/a%20b/c". */
static char *escape_path(const char *path)
{
	AUTO(buf) struct buf b = BUF_INIT(4 * PATH_MAX_);
	AUTO(free) char *copy = strdup(path);
	char *save = NULL;

	if (!copy)
		return NULL;
	for (char *part = strtok_r(copy, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		AUTO(free) char *escaped = http_escape(part);

		if (!escaped || buf_add_fmt(&b, "/%s", escaped) < 0)
			return NULL;
	}
	return b.len ? buf_take(&b) : strdup("/");
}

/* A URL as it stands, in its two parts. */
static int from_url(struct snapshot_source *ret, const char *url, struct err *e)
{
	const char *host = strstr(url, "://") + 3;
	const char *slash = strchr(host, '/');

	if (slash == host || !*host)
		return err_set(e, ERR_USAGE, "'%s' names no host", url);
	ret->server = slash ? strndup(url, (size_t)(slash - url)) : strdup(url);
	ret->path = strdup(slash ? slash : "/");
	return ret->server && ret->path ? 0 : err_nomem(e);
}

static int from_bucket(struct snapshot_source *ret, const char *path, struct err *e)
{
	AUTO(s3_url) struct s3_url u = S3_URL_INIT;
	AUTO(free)
	char *url = str_starts(path, "s3://", NULL) ? strdup(path) : str_fmt("s3://%s", path);

	if (!url)
		return err_nomem(e);
	if (s3_url_parse(&u, url, e) < 0)
		return -1;
	if (!*u.key)
		return err_set(e, ERR_USAGE, "'%s' is not s3://BUCKET/KEY", path);
	ret->path = s3_path(u.bucket, u.key);
	return ret->path ? 0 : err_nomem(e);
}

/* Below the base, which may be a URL with a path of its own. */
static int from_base(struct snapshot_source *ret, const char *base, const char *path, struct err *e)
{
	const char *name = *path == '/' ? strrchr(path, '/') + 1 : path;
	AUTO(free) char *escaped = NULL;
	AUTO(free) char *url = NULL;
	size_t n = strlen(base);

	while (n > 1 && base[n - 1] == '/')
		n--;
	if (!*name || strstr(name, ".."))
		return err_set(e, ERR_USAGE, "'%s' is no path below '%s'", path, base);
	if (!is_url(base)) {
		ret->file = str_fmt("%.*s/%s", (int)n, base, name);
		return ret->file ? 0 : err_nomem(e);
	}
	escaped = escape_path(name);
	url = escaped ? str_fmt("%.*s%s", (int)n, base, escaped) : NULL;
	return url ? from_url(ret, url, e) : err_nomem(e);
}

int snapshot_source_find(struct snapshot_source *ret, const char *base, const char *storage_type,
        const char *snapshot_path, struct err *e)
{
	const char *path = snapshot_path;

	*ret = (struct snapshot_source){ .file = NULL };
	if (!*path || strlen(path) > PATH_MAX_)
		return err_set(e, ERR_USAGE, "the slice names no snapshot");
	if (str_starts(path, "s3://", NULL) || str_eq(storage_type, "s3"))
		return from_bucket(ret, path, e);
	if (is_url(path))
		return from_url(ret, path, e);
	if (!str_eq(storage_type, "filesystem") && !str_eq(storage_type, "fs") &&
	        !str_eq(storage_type, "http"))
		return err_set(e, ERR_USAGE,
		        "the storage type '%s' is none of s3, http, filesystem, fs", storage_type);
	(void)str_starts(path, "file://", &path);
	if (base)
		return from_base(ret, base, path, e);
	if (*path != '/') {
		err_set(e, ERR_USAGE, "its path is relative, and this worker has no --snapshots");
		return err_hint(e, "give the worker --snapshots, a directory or a URL");
	}
	ret->file = strdup(path);
	return ret->file ? 0 : err_nomem(e);
}
