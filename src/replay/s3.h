#pragma once

/*
 * Buckets of Amazon S3, and of what speaks as it does (MinIO, Ceph, R2 ...)
 *
 * Objects are addressed by path (https://endpoint/bucket/key), which all of them know.  Keys come
 * from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY and never from anywhere else; without them
 * requests are not signed, which public buckets allow.
 *
 *	AUTO(s3_url) struct s3_url u = S3_URL_INIT;
 *	AUTO(http_client_free) struct http_client *c = NULL;
 *
 *	if (s3_url_parse(&u, "s3://bucket/a/key.bin", e) < 0 ||
 *	        !(c = s3_client_new(NULL, NULL, e)) || !(path = s3_path(u.bucket, u.key)))
 *		...
 *	http_call(c, &(struct http_request){ .path = path, .from = 100 }, &reply, e)
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "http/client.h"

struct s3_url {
	char *bucket, *key; /* the key without a '/' before it; may be "" */
};

#define S3_URL_INIT ((struct s3_url){ .bucket = NULL })

/* "s3://bucket" or "s3://bucket/key"; ERR_USAGE. */
int s3_url_parse(struct s3_url *ret, const char *text, struct err *e) NODISCARD;
void s3_url_release(struct s3_url *u);

static inline void auto_s3_url(struct s3_url *u)
{
	s3_url_release(u);
}

/*
 * endpoint: NULL: AWS_ENDPOINT_URL, else Amazon's of the region.  region: NULL: AWS_REGION, else
 * AWS_DEFAULT_REGION, else us-east-1.
 */
struct http_client *s3_client_new(
        const char *endpoint, const char *region, struct err *e) NODISCARD;

/* The request's path for an object, escaped; the caller frees it.  NULL without memory. */
char *s3_path(const char *bucket, const char *key) NODISCARD;

/* An answer with that status as an error, with what the server says in its body: ERR_NOT_FOUND,
 * ERR_DENIED, ERR_UNAVAILABLE (5xx), ERR_PROTOCOL.  Always -1. */
int s3_error(const struct http_reply *r, const char *bucket, const char *key, struct err *e);

/* Each object whose key begins with prefix, in the order of the keys. */
typedef int s3_object_fn(void *arg, const char *key, uint64_t size, struct err *e);
int s3_list(struct http_client *c, const char *bucket, const char *prefix, s3_object_fn *fn,
        void *arg, struct err *e) NODISCARD;
