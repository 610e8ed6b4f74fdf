#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"
#include "fake/s3.h"
#include "replay/s3.h"
#include "replay/upload.h"

static struct fake_s3 bucket;
static struct raw_server web;
static char dir[32];

static void set_keys(const char *id, const char *secret)
{
	(void)(id ? setenv("AWS_ACCESS_KEY_ID", id, 1) : unsetenv("AWS_ACCESS_KEY_ID"));
	(void)(secret ? setenv("AWS_SECRET_ACCESS_KEY", secret, 1)
	              : unsetenv("AWS_SECRET_ACCESS_KEY"));
}

static int setup(void **state)
{
	(void)state;
	unsetenv("AWS_REGION");
	unsetenv("AWS_DEFAULT_REGION");
	unsetenv("AWS_ENDPOINT_URL");
	unsetenv("AWS_SESSION_TOKEN");
	set_keys("AKID", "se/cret+:");
	memset(&web, 0, sizeof(web));
	(void)snprintf(dir, sizeof(dir), "/tmp/test_s3-XXXXXX");
	if (!mkdtemp(dir) || fake_s3_start(&bucket, "snaps", "AKID", "se/cret+:") < 0)
		return -1;
	return setenv("TMPDIR", dir, 1);
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	fake_s3_stop(&bucket);
	if (web.fn)
		raw_server_stop(&web);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

static struct http_client *client(void)
{
	struct err e = ERR_INIT;
	struct http_client *c = s3_client_new(bucket.server.url, NULL, &e);

	if (!c)
		fail_msg("%s", e.msg);
	return c;
}

/* --- names ------------------------------------------------------------------------------------ */

static void urls(void **state)
{
	static const struct {
		const char *text, *bucket, *key;
	} rows[] = {
		{ "s3://b", "b", "" },
		{ "s3://b/", "b", "" },
		{ "s3://my.bucket-1/a//b c/", "my.bucket-1", "a//b c/" },
		{ "s3://", NULL, NULL },
		{ "s3:///k", NULL, NULL },
		{ "s3://b?x/k", NULL, NULL },
		{ "S3://b/k", NULL, NULL },
		{ "b/k", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(s3_url) struct s3_url u = S3_URL_INIT;
		struct err e = ERR_INIT;
		int rc = s3_url_parse(&u, rows[i].text, &e);

		if (rc != (rows[i].bucket ? 0 : -1) || !str_eq(u.bucket, rows[i].bucket) ||
		        !str_eq(u.key, rows[i].key) || (rc < 0 && e.kind != ERR_USAGE))
			fail_msg("%s: %d '%s' '%s' %s", rows[i].text, rc, u.bucket, u.key, e.msg);
	}
}

static void paths(void **state)
{
	AUTO(free) char *path = s3_path("b", "a//b c+\xc3\xa9/~x_.-&=%2F/");

	(void)state;
	assert_string_equal(path, "/b/a//b%20c%2B%C3%A9/~x_.-%26%3D%252F/");
}

static void half_a_key_is_a_mistake(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	set_keys("AKID", NULL);
	assert_null(s3_client_new(NULL, NULL, &e));
	assert_int_equal(e.kind, ERR_USAGE);
	assert_non_null(strstr(e.msg, "AWS_SECRET_ACCESS_KEY is not"));
	err_clear(&e);
	set_keys("", "x");
	assert_null(s3_client_new(NULL, NULL, &e));
	assert_non_null(strstr(e.msg, "AWS_ACCESS_KEY_ID is not"));
	err_clear(&e);
	set_keys("a:b", "x");
	assert_null(s3_client_new(NULL, NULL, &e));
	assert_int_equal(e.kind, ERR_USAGE);
	err_clear(&e);
	set_keys(NULL, NULL);
	assert_null(s3_client_new(NULL, "a/b", &e));
	assert_int_equal(e.kind, ERR_USAGE);
}

/* --- signed requests -------------------------------------------------------------------------- */

/* Keys that have to be escaped in a path. */
static const char *const odd_keys[] = { "a/1.bin", "a/b c", "a/b&c<d>", "a/\xc3\xa9=+%20~",
	"a//x" };

struct listed {
	unsigned n;
	uint64_t bytes;
	char last[1025];
};

static int on_object(void *arg, const char *key, uint64_t size, struct err *e)
{
	struct listed *l = arg;

	(void)e;
	if (strcmp(l->last, key) >= 0)
		fail_msg("'%s' after '%s'", key, l->last);
	(void)snprintf(l->last, sizeof(l->last), "%s", key);
	l->n++;
	l->bytes += size;
	return 0;
}

static void lists_by_pages(void **state)
{
	AUTO(http_client_free) struct http_client *c = client();
	struct listed l = { .n = 0 };
	struct err e = ERR_INIT;
	char key[64];

	(void)state;
	for (unsigned i = 0; i < 2500; i++) {
		(void)snprintf(key, sizeof(key), "p+q/%05u", i);
		fake_s3_put(&bucket, key, "12345", 5);
	}
	fake_s3_put(&bucket, "o", "x", 1);
	fake_s3_put(&bucket, "q", "x", 1);
	if (s3_list(c, "snaps", "p+q/", on_object, &l, &e) < 0)
		fail_msg("%s (%s)", e.msg, bucket.why);
	assert_int_equal(l.n, 2500);
	assert_int_equal(l.bytes, 12500);
	assert_int_equal(bucket.lists, 3);
	l = (struct listed){ .n = 0 };
	if (s3_list(c, "snaps", "nothing", on_object, &l, &e) < 0)
		fail_msg("%s (%s)", e.msg, bucket.why);
	assert_int_equal(l.n, 0);
}

static void objects_come_and_go(void **state)
{
	AUTO(http_client_free) struct http_client *c = client();
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	struct listed l = { .n = 0 };
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd_keys); i++) {
		AUTO(free) char *path = s3_path("snaps", odd_keys[i]);
		struct http_request q = { .path = path, .method = "PUT", .body = "0123456789" };

		if (http_call(c, &q, &r, &e) < 0 || r.status != 200)
			fail_msg("PUT '%s': %ld %s (%s)", path, r.status, e.msg, bucket.why);
		q = (struct http_request){ .path = path };
		if (http_call(c, &q, &r, &e) < 0 || r.status != 200)
			fail_msg("GET '%s': %ld %s (%s)", path, r.status, e.msg, bucket.why);
		assert_string_equal(r.body.data, "0123456789");
		q.from = 4;
		assert_int_equal(http_call(c, &q, &r, &e), 0);
		if (r.status != 206)
			fail_msg("from 4 '%s': %ld (%s)", path, r.status, bucket.why);
		assert_string_equal(r.body.data, "456789");
		assert_int_equal(r.length, 6);
		q.from = 10;
		assert_int_equal(http_call(c, &q, &r, &e), 0);
		assert_int_equal(r.status, 416);
		q = (struct http_request){ .path = path, .method = "HEAD" };
		assert_int_equal(http_call(c, &q, &r, &e), 0);
		if (r.status != 200 || r.length != 10)
			fail_msg("HEAD '%s': %ld, %lld (%s)", path, r.status, (long long)r.length,
			        bucket.why);
	}
	if (s3_list(c, "snaps", "a/", on_object, &l, &e) < 0)
		fail_msg("%s (%s)", e.msg, bucket.why);
	assert_int_equal(l.n, ARRAY_LEN(odd_keys));
	assert_int_equal(bucket.refused, 0);
}

static void refusals_say_what_to_do(void **state)
{
	AUTO(http_client_free) struct http_client *c = NULL;
	struct listed l = { .n = 0 };
	struct err e = ERR_INIT;

	(void)state;
	set_keys("AKID", "wrong");
	c = client();
	assert_int_equal(s3_list(c, "snaps", "", on_object, &l, &e), -1);
	assert_int_equal(e.kind, ERR_DENIED);
	assert_non_null(strstr(e.msg, "AccessDenied: it is \"AccessDenied\""));
	assert_non_null(strstr(bucket.why, "SignatureDoesNotMatch"));
	assert_false(*e.hint);
	err_clear(&e);
	http_client_free(c);
	setenv("AWS_SESSION_TOKEN", "x", 1);
	c = client();
	assert_int_equal(s3_list(c, "snaps", "", on_object, &l, &e), -1);
	assert_non_null(strstr(e.hint, "AWS_SESSION_TOKEN"));
	err_clear(&e);
	http_client_free(c);
	set_keys(NULL, NULL);
	c = client();
	assert_int_equal(s3_list(c, "snaps", "", on_object, &l, &e), -1);
	assert_non_null(strstr(e.hint, "AWS_ACCESS_KEY_ID"));
	err_clear(&e);
	http_client_free(c);
	set_keys("AKID", "se/cret+:");
	c = client();
	assert_int_equal(s3_list(c, "other", "", on_object, &l, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static void public_buckets_need_no_key(void **state)
{
	AUTO(http_client_free) struct http_client *c = NULL;
	struct listed l = { .n = 0 };
	struct err e = ERR_INIT;

	(void)state;
	bucket.key_id = NULL;
	set_keys(NULL, NULL);
	fake_s3_put(&bucket, "x", "y", 1);
	c = client();
	assert_int_equal(s3_list(c, "snaps", "", on_object, &l, &e), 0);
	assert_int_equal(l.n, 1);
}

static void the_environment_names_the_server(void **state)
{
	AUTO(http_client_free) struct http_client *c = NULL;
	struct listed l = { .n = 0 };
	struct err e = ERR_INIT;
	char url[80];

	(void)state;
	(void)snprintf(url, sizeof(url), "%s//", bucket.server.url);
	setenv("AWS_ENDPOINT_URL", url, 1);
	setenv("AWS_DEFAULT_REGION", "eu-west-3", 1);
	bucket.region = "eu-west-3";
	c = s3_client_new(NULL, NULL, &e);
	if (s3_list(c, "snaps", "", on_object, &l, &e) < 0)
		fail_msg("%s (%s)", e.msg, bucket.why);
	http_client_free(c);
	setenv("AWS_REGION", "eu-west-1", 1);
	bucket.region = "eu-west-1";
	c = s3_client_new(NULL, NULL, &e);
	if (s3_list(c, "snaps", "", on_object, &l, &e) < 0)
		fail_msg("%s (%s)", e.msg, bucket.why);
}

/* --- lists that are none ---------------------------------------------------------------------- */

static const char *said;

static void say(struct raw_server *s, int fd, int n)
{
	char head[128];

	(void)n;
	while (raw_read(s, fd) == 0) {
		(void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
		        strlen(said));
		raw_say(fd, head);
		raw_say(fd, said);
	}
}

static void broken_lists(void **state)
{
	static const struct {
		const char *body, *says;
	} rows[] = {
		{ "<Contents><Key>a</Key><Size>1</Size>", "breaks off" },
		{ "<Contents><Size>1</Size></Contents>", "without <Key>" },
		{ "<Contents><Key>a</Key></Contents><Key>b</Key><Size>2</Size>", "without <Key>" },
		{ "<Contents><Key>a</Key><Size>-1</Size></Contents>", "size of 'a'" },
		{ "<Contents><Key>a</Key><Size>99999999999999999999</Size></Contents>",
		        "size of 'a'" },
		{ "<IsTruncated>true</IsTruncated>", "does not say where" },
		/* The same page again and again. */
		{ "<IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>",
		        "pages" },
	};

	(void)state;
	assert_int_equal(raw_server_start(&web, NULL, say), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(http_client_free) struct http_client *c = NULL;
		struct listed l = { .n = 0 };
		struct err e = ERR_INIT;

		said = rows[i].body;
		c = s3_client_new(web.url, NULL, &e);
		if (s3_list(c, "b", "", on_object, &l, &e) == 0 || e.kind != ERR_PROTOCOL ||
		        !strstr(e.msg, rows[i].says))
			fail_msg("%s: %s", rows[i].body, e.msg);
		http_client_free(TAKE(c));
		raw_server_stop(&web);
		assert_int_equal(raw_server_start(&web, NULL, say), 0);
	}
}

/* --- upload ----------------------------------------------------------------------------------- */

struct told {
	unsigned copied, there;
	uint64_t bytes;
};

static void on_upload(void *arg, const char *url, uint64_t size, bool was_there)
{
	struct told *t = arg;

	assert_true(str_starts(url, "s3://snaps/", NULL));
	*(was_there ? &t->there : &t->copied) += 1;
	t->bytes += size;
}

static void add(struct slices *s, uint32_t start, const char *path, const char *storage)
{
	struct err e = ERR_INIT;
	struct slice one = { .start = start,
		.end = start + 10,
		.snapshot_path = (char *)(uintptr_t)path,
		.storage_type = (char *)(uintptr_t)storage };

	assert_int_equal(slices_add(s, &one, &e), 0);
}

static void put_file(char *path, size_t size, const char *name, const char *text)
{
	struct err e = ERR_INIT;

	(void)snprintf(path, size, "%s/%s", dir, name);
	assert_int_equal(fs_write_at(AT_FDCWD, path, text, strlen(text), 0600, &e), 0);
}

static void object_is(const char *key, const char *text)
{
	const struct fake_s3_object *o = fake_s3_find(&bucket, key);

	if (!o)
		fail_msg("no object '%s'", key);
	assert_int_equal(o->n, strlen(text));
	assert_memory_equal(o->data, text, o->n);
}

static void files_are_uploaded_once(void **state)
{
	struct told t = { 0 };
	struct upload u = { .bucket = "s3://snaps/main net",
		.endpoint = bucket.server.url,
		.fn = on_upload,
		.arg = &t };
	AUTO(slices) struct slices s = SLICES_INIT;
	char a[128], b[128];
	struct err e = ERR_INIT;

	(void)state;
	put_file(a, sizeof(a), "snapshot-10.bin", "ten");
	put_file(b, sizeof(b), "snapshot-20.bin", "twenty");
	/* Of an earlier time: another size. */
	fake_s3_put(&bucket, "main net/snapshot-20.bin", "old", 3);
	add(&s, 0, "", "filesystem");
	add(&s, 10, a, "filesystem");
	add(&s, 20, b, "filesystem");
	if (upload_snapshots(&s, &u, &e) < 0)
		fail_msg("%s (%s)", e.msg, bucket.why);
	object_is("main net/snapshot-10.bin", "ten");
	object_is("main net/snapshot-20.bin", "twenty");
	assert_int_equal(bucket.n, 2);
	assert_int_equal(t.copied, 2);
	assert_int_equal(t.bytes, 9);
	assert_string_equal(s.v[0].snapshot_path, "");
	assert_string_equal(s.v[1].snapshot_path, "s3://snaps/main net/snapshot-10.bin");
	assert_string_equal(s.v[1].storage_type, "s3");
	slices_release(&s);
	add(&s, 10, a, "filesystem");
	assert_int_equal(upload_snapshots(&s, &u, &e), 0);
	assert_int_equal(t.there, 1);
	assert_int_equal(bucket.puts, 2);
	assert_string_equal(s.v[0].snapshot_path, "s3://snaps/main net/snapshot-10.bin");
	/* What is there already. */
	assert_int_equal(upload_snapshots(&s, &u, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_non_null(strstr(e.msg, "in a bucket already"));
}

static void what_cannot_be_uploaded(void **state)
{
	struct told t = { 0 };
	struct upload u = {
		.bucket = "s3://snaps", .endpoint = bucket.server.url, .fn = on_upload, .arg = &t
	};
	AUTO(slices) struct slices s = SLICES_INIT;
	char a[128], b[128];
	struct err e = ERR_INIT;

	(void)state;
	put_file(a, sizeof(a), "snapshot-10.bin", "ten");
	put_file(b, sizeof(b), "snapshot-20.bin", "");
	add(&s, 10, a, "filesystem");
	add(&s, 20, b, "filesystem");
	assert_int_equal(upload_snapshots(&s, &u, &e), -1);
	assert_non_null(strstr(e.msg, b));
	assert_non_null(strstr(e.msg, "0 bytes"));
	/* The first one is where it says. */
	assert_string_equal(s.v[0].snapshot_path, "s3://snaps/snapshot-10.bin");
	assert_string_equal(s.v[1].snapshot_path, b);
	err_clear(&e);
	slices_release(&s);
	add(&s, 10, "/nowhere/snapshot-10.bin", "filesystem");
	assert_int_equal(upload_snapshots(&s, &u, &e), -1);
	assert_non_null(strstr(e.msg, "/nowhere/snapshot-10.bin"));
	assert_int_equal(t.copied, 1);
}

static void say_snapshot(struct raw_server *s, int fd, int n)
{
	(void)n;
	while (raw_read(s, fd) == 0) {
		int is_head = str_starts(s->request, "HEAD ", NULL);

		if (!strstr(s->request, " /d/snapshot-10.bin.zst?x=1 ")) {
			raw_say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
			continue;
		}
		raw_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
		if (!is_head)
			raw_say(fd, "ten");
	}
}

static void pages_are_uploaded(void **state)
{
	struct told t = { 0 };
	struct upload u = {
		.bucket = "s3://snaps/", .endpoint = bucket.server.url, .fn = on_upload, .arg = &t
	};
	AUTO(slices) struct slices s = SLICES_INIT;
	struct err e = ERR_INIT;
	char url[128];

	(void)state;
	assert_int_equal(raw_server_start(&web, NULL, say_snapshot), 0);
	(void)snprintf(url, sizeof(url), "%s/d/snapshot-10.bin.zst?x=1", web.url);
	add(&s, 10, url, "http");
	if (upload_snapshots(&s, &u, &e) < 0)
		fail_msg("%s (%s)", e.msg, bucket.why);
	object_is("snapshot-10.bin.zst", "ten");
	assert_string_equal(s.v[0].snapshot_path, "s3://snaps/snapshot-10.bin.zst");
	slices_release(&s);
	add(&s, 10, url, "http");
	assert_int_equal(upload_snapshots(&s, &u, &e), 0);
	assert_int_equal(t.copied, 1);
	assert_int_equal(t.there, 1);
	slices_release(&s);
	(void)snprintf(url, sizeof(url), "%s/d/snapshot-11.bin.zst", web.url);
	add(&s, 11, url, "http");
	assert_int_equal(upload_snapshots(&s, &u, &e), -1);
	assert_non_null(strstr(e.msg, "HTTP 404"));
	assert_null(fake_s3_find(&bucket, "snapshot-11.bin.zst"));
}

int main(void)
{
#define with_bucket(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls),
		cmocka_unit_test(paths),
		with_bucket(half_a_key_is_a_mistake),
		with_bucket(lists_by_pages),
		with_bucket(objects_come_and_go),
		with_bucket(refusals_say_what_to_do),
		with_bucket(public_buckets_need_no_key),
		with_bucket(the_environment_names_the_server),
		with_bucket(broken_lists),
		with_bucket(files_are_uploaded_once),
		with_bucket(what_cannot_be_uploaded),
		with_bucket(pages_are_uploaded),
	};

	return cmocka_run_group_tests_name("replay/s3", tests, NULL, NULL);
}
