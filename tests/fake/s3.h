#pragma once

/*
 * A bucket that speaks S3, on loopback
 *
 * ListObjectsV2 by pages, GET (with Range), HEAD and PUT of objects, by path.  With key_id each
 * request must be signed as AWS Signature Version 4 has it; the signature is computed here from the
 * bytes that came, not with libcurl.
 */

#include <stdatomic.h>
#include <stddef.h>

#include "fake/raw_server.h"

#define FAKE_S3_OBJECTS 4096

struct fake_s3_object {
	char *key, *data;
	size_t n;
};

struct fake_s3 {
	struct raw_server server; /* first; its url is the endpoint */
	const char *bucket, *region, *key_id, *secret;
	size_t page; /* objects of one page of a list */
	struct fake_s3_object objects[FAKE_S3_OBJECTS];
	size_t n;
	atomic_uint lists, gets, puts, heads, refused;
	char why[256]; /* the last request was refused */
};

/* key_id NULL: nothing is signed, and a request that is gets refused.  0 or -1. */
int fake_s3_start(struct fake_s3 *s, const char *bucket, const char *key_id, const char *secret);
void fake_s3_stop(struct fake_s3 *s);

/* Before it is asked, or between requests. */
void fake_s3_put(struct fake_s3 *s, const char *key, const void *data, size_t n);
const struct fake_s3_object *fake_s3_find(const struct fake_s3 *s, const char *key);
