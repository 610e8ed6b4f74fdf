#include "replay/s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"
#include "replay/markup.h"

#define KEY_MAX    1024 /* bytes; S3's own limit */
#define BUCKET_MAX 255
#define PAGES_MAX  1000 /* of a list, 1000 objects each */

void s3_url_release(struct s3_url *u)
{
	free(u->bucket);
	free(u->key);
	*u = S3_URL_INIT;
}

int s3_url_parse(struct s3_url *ret, const char *text, struct err *e)
{
	AUTO(s3_url) struct s3_url u = S3_URL_INIT;
	const char *rest;
	size_t n;

	if (!str_starts(text, "s3://", &rest))
		return err_set(e, ERR_USAGE, "'%s' does not begin with s3://", text);
	n = strcspn(rest, "/");
	u.bucket = strndup(rest, n);
	u.key = strdup(rest[n] == '/' ? rest + n + 1 : "");
	if (!u.bucket || !u.key)
		return err_nomem(e);
	if (!str_is_name(u.bucket, BUCKET_MAX))
		return err_set(
		        e, ERR_USAGE, "'%s' names no bucket, expected s3://BUCKET/KEY", text);
	if (strlen(u.key) > KEY_MAX)
		return err_set(e, ERR_USAGE, "'%s': a key of more than %d bytes", text, KEY_MAX);
	*ret = u;
	u = S3_URL_INIT;
	return 0;
}

/* --- client ----------------------------------------------------------------------------------- */

static const char *from_env(const char *name)
{
	const char *s = getenv(name);

	return s && *s ? s : NULL;
}

static const char *region_or_default(const char *region)
{
	if (!region)
		region = from_env("AWS_REGION");
	if (!region)
		region = from_env("AWS_DEFAULT_REGION");
	return region ? region : "us-east-1";
}

/* Without the '/' at its end: paths begin with one. */
static char *endpoint_url(const char *endpoint, const char *region)
{
	char *url;

	if (!endpoint)
		endpoint = from_env("AWS_ENDPOINT_URL");
	url = endpoint ? strdup(endpoint) : str_fmt("https://s3.%s.amazonaws.com", region);
	for (size_t n = url ? strlen(url) : 0; n > 0 && url[n - 1] == '/'; n--)
		url[n - 1] = '\0';
	return url;
}

struct http_client *s3_client_new(const char *endpoint, const char *region, struct err *e)
{
	const char *id = from_env("AWS_ACCESS_KEY_ID"), *key = from_env("AWS_SECRET_ACCESS_KEY");
	AUTO(http_client_free) struct http_client *c = NULL;
	AUTO(free) char *url = NULL;

	region = region_or_default(region);
	if (!str_is_name(region, 64)) {
		err_set(e, ERR_USAGE, "'%s' is not the name of an S3 region", region);
		return NULL;
	}
	if (!id != !key) {
		err_set(e, ERR_USAGE, "%s is set, and %s is not",
		        id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
		        id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
		err_hint(e, "set both, or none for a public bucket");
		return NULL;
	}
	url = endpoint_url(endpoint, region);
	if (!url) {
		err_nomem(e);
		return NULL;
	}
	c = http_client_new(url, NULL, e);
	if (!c) {
		err_wrap(e, "the S3 endpoint");
		return NULL;
	}
	if (id && http_client_sign_s3(c, region, id, key, e) < 0)
		return NULL;
	return TAKE(c);
}

/* --- requests --------------------------------------------------------------------------------- */

char *s3_path(const char *bucket, const char *key)
{
	AUTO(buf) struct buf path = BUF_INIT(BUCKET_MAX + 3 * KEY_MAX + 3);
	AUTO(free) char *copy = strdup(key);

	if (!copy || buf_add_fmt(&path, "/%s/", bucket) < 0)
		return NULL;
	/* Every '/' of a key is one in the path, also of "a//b". */
	for (char *part = copy, *next; part; part = next) {
		AUTO(free) char *escaped = NULL;

		next = strchr(part, '/');
		if (next)
			*next++ = '\0';
		escaped = http_escape(part);
		if (!escaped || buf_add_str(&path, escaped) < 0 ||
		        (next && buf_add_str(&path, "/") < 0))
			return NULL;
	}
	return buf_take(&path);
}

/* What stands in the body of an error: "<Code>AccessDenied</Code><Message>...". */
static void error_text(const struct http_reply *r, char *out, size_t size)
{
	const char *at = r->body.data ? r->body.data : "", *end = at + r->body.len, *again = at;
	AUTO(free) char *code = NULL;
	AUTO(free) char *message = NULL;

	out[0] = '\0';
	if (markup_element(&code, &at, end, "Code") != 0)
		return;
	if (markup_element(&message, &again, end, "Message") != 0)
		message = NULL;
	(void)snprintf(
	        out, size, ", %.80s%s%.200s", code, message ? ": " : "", message ? message : "");
}

int s3_error(const struct http_reply *r, const char *bucket, const char *key, struct err *e)
{
	enum err_kind kind = r->status == 404          ? ERR_NOT_FOUND
	        : r->status == 401 || r->status == 403 ? ERR_DENIED
	        : r->status >= 500                     ? ERR_UNAVAILABLE
	                                               : ERR_PROTOCOL;
	char text[320];

	error_text(r, text, sizeof(text));
	err_set(e, kind, "'s3://%s/%s': HTTP %ld%s", bucket, key, r->status, text);
	if (kind == ERR_DENIED && !from_env("AWS_ACCESS_KEY_ID"))
		return err_hint(e, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
	if (kind == ERR_DENIED && from_env("AWS_SESSION_TOKEN"))
		return err_hint(e, "AWS_SESSION_TOKEN is not used: take keys that need no session");
	if (r->status == 301 || r->status == 307 || r->status == 400)
		return err_hint(e, "is it the right endpoint and region of the bucket?");
	return -1;
}

/* The arguments sorted by name, as the signature wants them. */
static char *list_path(const char *bucket, const char *prefix, const char *token)
{
	AUTO(free) char *escaped = http_escape(prefix);
	AUTO(free) char *mark = token ? http_escape(token) : strdup("");

	if (!escaped || !mark)
		return NULL;
	return str_fmt("/%s/?%s%s%slist-type=2&max-keys=1000&prefix=%s", bucket,
	        token ? "continuation-token=" : "", mark, token ? "&" : "", escaped);
}

static int read_objects(const struct http_reply *r, s3_object_fn *fn, void *arg, struct err *e)
{
	const char *at = r->body.data, *end = at + r->body.len;
	static const char open[] = "<Contents>", close[] = "</Contents>";

	for (;;) {
		AUTO(free) char *key = NULL;
		AUTO(free) char *size = NULL;
		const char *object = memmem(at, (size_t)(end - at), open, sizeof(open) - 1), *to;
		const char *again = object;
		uint64_t bytes = 0;
		int rc;

		if (!object)
			return 0;
		to = memmem(object, (size_t)(end - object), close, sizeof(close) - 1);
		if (!to)
			return err_set(e, ERR_PROTOCOL, "a list of objects that breaks off");
		at = to;
		rc = markup_element(&key, &object, to, "Key");
		if (rc == 0)
			rc = markup_element(&size, &again, to, "Size");
		if (rc < 0)
			return err_nomem(e);
		if (rc > 0)
			return err_set(e, ERR_PROTOCOL, "an object without <Key> or <Size>");
		if (num_uint(&bytes, size, 0, INT64_MAX, e) < 0) {
			e->kind = ERR_PROTOCOL;
			return err_wrap(e, "the size of '%.200s'", key);
		}
		rc = fn(arg, key, bytes, e);
		if (rc < 0)
			return rc;
	}
}

/* The next page's token; *ret stays NULL after the last page. */
static int read_token(char **ret, const struct http_reply *r, struct err *e)
{
	const char *at = r->body.data, *again = at, *end = at + r->body.len;
	AUTO(free) char *more = NULL;
	int rc = markup_element(&more, &at, end, "IsTruncated");

	if (rc < 0)
		return err_nomem(e);
	if (rc > 0 || strcmp(more, "true") != 0)
		return 0;
	rc = markup_element(ret, &again, end, "NextContinuationToken");
	if (rc < 0)
		return err_nomem(e);
	return rc > 0 ? err_set(e, ERR_PROTOCOL, "a list that goes on, and does not say where") : 0;
}

int s3_list(struct http_client *c, const char *bucket, const char *prefix, s3_object_fn *fn,
        void *arg, struct err *e)
{
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	AUTO(free) char *token = NULL;

	for (int page = 0; page < PAGES_MAX; page++) {
		AUTO(free) char *path = list_path(bucket, prefix, token);

		if (!path)
			return err_nomem(e);
		if (http_call(c, &(struct http_request){ .path = path }, &r, e) < 0)
			return err_wrap(e, "list 's3://%s/%s'", bucket, prefix);
		if (r.status != 200) {
			s3_error(&r, bucket, prefix, e);
			return err_wrap(e, "list a bucket");
		}
		free(token);
		token = NULL;
		if (read_objects(&r, fn, arg, e) < 0 || read_token(&token, &r, e) < 0)
			return err_wrap(e, "list 's3://%s/%s'", bucket, prefix);
		if (!token)
			return 0;
	}
	return err_set(e, ERR_PROTOCOL, "list 's3://%s/%s': more than %d pages", bucket, prefix,
	        PAGES_MAX);
}
