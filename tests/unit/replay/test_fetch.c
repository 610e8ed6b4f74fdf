/* The snapshot is a recorded one, of block 13, as the server's function of each test gives it. */
#include "unit/test.h"

#include "replay/fetch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/str.h"
#include "fake/raw_server.h"
#include "unit/nodeos/data.h"

#define HEIGHT 13

static char top[64];
static int top_fd, cache;
static struct buf real, packed;
static struct raw_server server;
static _Atomic uint64_t bytes;

/* What the server has and how it gives it; its thread reads what the test writes. */
static struct {
	const struct buf *_Atomic body;
	_Atomic size_t break_after; /* of a reply; 0: whole */
	atomic_bool has_ranges;
	atomic_int shift;           /* of the range that it gives */
	const char *_Atomic digest; /* beside it; "": none */
	atomic_int gets, ranges;
	atomic_int status; /* instead; 0 */
} has;

static size_t range_of(const char *request)
{
	const char *at = strcasestr(request, "\r\nrange: bytes=");

	return at ? strtoul(at + 15, NULL, 10) : 0;
}

static void say_bytes(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t w = send(fd, data, n, MSG_NOSIGNAL);

		if (w <= 0)
			return;
		data += w;
		n -= (size_t)w;
	}
}

static void serve(struct raw_server *s, int fd, int count)
{
	const struct buf *body = has.body;
	char head[256];
	size_t from, n;

	(void)count;
	if (raw_read(s, fd) < 0)
		return;
	if (strstr(s->request, ".sha256 ")) {
		snprintf(head, sizeof(head),
		        *has.digest ? "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: "
		                      "68\r\n\r\n%s  x\n"
		                    : "HTTP/1.1 404 No\r\nConnection: close\r\nContent-Length: "
		                      "0\r\n\r\n%s",
		        has.digest);
		raw_say(fd, head);
		return;
	}
	has.gets++;
	if (has.status) {
		snprintf(head, sizeof(head),
		        "HTTP/1.1 %d No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		        has.status);
		raw_say(fd, head);
		return;
	}
	from = has.has_ranges ? range_of(s->request) : 0;
	has.ranges += from > 0;
	if (from >= body->len) {
		snprintf(head, sizeof(head),
		        "HTTP/1.1 416 No\r\nConnection: close\r\nContent-Length: 0\r\n"
		        "Content-Range: bytes */%zu\r\n\r\n",
		        body->len);
		raw_say(fd, head);
		return;
	}
	if (from)
		from += (size_t)has.shift;
	n = body->len - from;
	snprintf(head, sizeof(head),
	        "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %zu\r\n"
	        "content-range: bytes %zu-%zu/%zu\r\n\r\n",
	        from ? "206 Partial Content" : "200 OK", n, from, body->len - 1, body->len);
	raw_say(fd, head);
	if (has.break_after && n > has.break_after)
		n = has.break_after;
	say_bytes(fd, body->data + from, n);
}

static int setup_group(void **state)
{
	size_t n;

	(void)state;
	buf_init(&real, 1 << 23);
	buf_init(&packed, 1 << 23);
	data_load(&real, "snapshot-v6.bin");
	n = ZSTD_compressBound(real.len);
	packed.data = malloc(n);
	packed.cap = n;
	packed.len = ZSTD_compress(packed.data, n, real.data, real.len, 1);
	return ZSTD_isError(packed.len);
}

static int teardown_group(void **state)
{
	(void)state;
	buf_release(&real);
	buf_release(&packed);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	has.body = &packed;
	has.break_after = 0;
	has.digest = "";
	has.gets = has.ranges = has.status = has.shift = 0;
	has.has_ranges = true;
	strcpy(top, "/tmp/test_fetch.XXXXXX");
	if (!mkdtemp(top))
		return -1;
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(top_fd, "cache", 0700) < 0)
		return -1;
	cache = openat(top_fd, "cache", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return raw_server_start(&server, NULL, serve);
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	raw_server_stop(&server);
	(void)close(cache);
	(void)close(top_fd);
	return fs_remove_tree_at(AT_FDCWD, top, &e);
}

static int fetch_it(
        char **ret_file, const char *storage, const char *path, const char *sha256, struct err *e)
{
	AUTO(free) char *dir = str_fmt("%s/cache", top);
	struct fetch f = {
		.storage_type = storage,
		.snapshot_path = path,
		.sha256 = sha256,
		.endpoint = server.url,
		.dirfd = cache,
		.dir = dir,
		.height = HEIGHT,
		.wait_ns = NS_PER_MS,
		.bytes = &bytes,
	};
	int rc = fetch_snapshot(&f, NULL, e);

	if (rc == 0 && ret_file)
		*ret_file = TAKE(f.file);
	fetch_release(&f);
	return rc;
}

static void assert_snapshot(const char *file)
{
	AUTO(buf) struct buf got = BUF_INIT(1 << 23);
	struct err e = ERR_INIT;

	assert_int_equal(fs_read_at(AT_FDCWD, file, &got, &e), 0);
	assert_int_equal(got.len, real.len);
	assert_memory_equal(got.data, real.data, real.len);
}

static int cache_files(void)
{
	DIR *d = fdopendir(openat(cache, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *x;
	int n = 0;

	assert_non_null(d);
	while ((x = readdir(d)))
		n += x->d_name[0] != '.';
	(void)closedir(d);
	return n;
}

/* "NAME.part" of what from_server() fetches. */
static void put_part(const void *data, size_t n)
{
	AUTO(free) char *url = str_fmt("%s/x.bin.zst", server.url);
	const struct fetch f = {
		.storage_type = "http", .snapshot_path = url, .sha256 = "", .endpoint = server.url
	};
	char name[FETCH_NAME_SIZE], part[FETCH_NAME_SIZE + 8];
	struct err e = ERR_INIT;

	snprintf(part, sizeof(part), "%s.part", fetch_name(name, &f));
	assert_int_equal(fs_write_at(cache, part, data, n, 0600, &e), 0);
}

static int from_server(char **ret_file, const char *sha256, struct err *e)
{
	AUTO(free) char *url = str_fmt("%s/x.bin.zst", server.url);

	return fetch_it(ret_file, "http", url, sha256, e);
}

static void whole_and_from_the_cache(void **state)
{
	AUTO(free) char *file = NULL;
	AUTO(free) char *again = NULL;
	struct err e = ERR_INIT;

	(void)state;
	if (from_server(&file, "", &e) < 0)
		fail_msg("%s", e.msg);
	assert_snapshot(file);
	assert_int_equal(from_server(&again, "", &e), 0);
	assert_string_equal(file, again);
	assert_int_equal(has.gets, 1);
	assert_int_equal(cache_files(), 1);
}

static void of_a_bucket(void **state)
{
	AUTO(free) char *file = NULL;
	struct err e = ERR_INIT;

	(void)state;
	if (fetch_it(&file, "s3", "s3://bucket/a/x.bin.zst", "", &e) < 0)
		fail_msg("%s", e.msg);
	assert_snapshot(file);
	assert_non_null(strstr(server.request, "GET /bucket/a/x.bin.zst "));
}

static void goes_on_after_breaks(void **state)
{
	AUTO(free) char *file = NULL;
	struct err e = ERR_INIT;

	(void)state;
	has.break_after = packed.len / 5 + 1;
	if (from_server(&file, "", &e) < 0)
		fail_msg("%s", e.msg);
	assert_snapshot(file);
	assert_int_equal(has.gets, 5);
	assert_int_equal(has.ranges, 4);
}

static void begins_anew_without_ranges(void **state)
{
	AUTO(free) char *file = NULL;
	struct err e = ERR_INIT;

	(void)state;
	/* Of another transfer; to be forgotten when the server gives all of it. */
	put_part(packed.data, 1000);
	has.has_ranges = false;
	if (from_server(&file, "", &e) < 0)
		fail_msg("%s", e.msg);
	assert_snapshot(file);
	assert_int_equal(has.gets, 1);
}

static void goes_on_with_the_part_of_a_killed_process(void **state)
{
	AUTO(free) char *file = NULL;
	struct err e = ERR_INIT;

	(void)state;
	put_part(packed.data, packed.len / 2);
	if (from_server(&file, "", &e) < 0)
		fail_msg("%s", e.msg);
	assert_snapshot(file);
	assert_int_equal(has.gets, 1);
	assert_int_equal(has.ranges, 1);
}

static void a_part_that_is_all_of_it(void **state)
{
	AUTO(free) char *file = NULL;
	struct err e = ERR_INIT;

	(void)state;
	put_part(packed.data, packed.len);
	if (from_server(&file, "", &e) < 0)
		fail_msg("%s", e.msg);
	assert_snapshot(file);
}

static void parts_of_something_else(void **state)
{
	AUTO(free) char *longer = calloc(1, real.len + 1000);
	AUTO(free) char *file = NULL;
	AUTO(free) char *again = NULL;
	struct err e = ERR_INIT;

	(void)state;
	/* It is longer than what there is: the server has nothing behind it. */
	assert_non_null(longer);
	has.body = &real;
	memcpy(longer, real.data, real.len);
	put_part(longer, real.len + 1000);
	if (from_server(&file, "", &e) < 0)
		fail_msg("%s", e.msg);
	assert_snapshot(file);
	assert_int_equal(has.gets, 2);
	assert_int_equal(unlink(file), 0);
	/* A server that does not give what it was asked for. */
	put_part(real.data, 1000);
	has.shift = 1;
	if (from_server(&again, "", &e) < 0)
		fail_msg("%s", e.msg);
	assert_snapshot(again);
	assert_int_equal(has.gets, 4);
}

static void digests(void **state)
{
	static char right[SHA256_HEX_SIZE], wrong[SHA256_HEX_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	sha256_hex(right, packed.data, packed.len);
	sha256_hex(wrong, "", 0);
	/* The job's counts more than the one beside it. */
	has.digest = right;
	assert_int_equal(from_server(NULL, wrong, &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	assert_int_equal(cache_files(), 0);
	err_clear(&e);
	has.digest = wrong;
	assert_int_equal(from_server(NULL, "", &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	err_clear(&e);
	has.digest = right;
	assert_int_equal(from_server(NULL, "", &e), 0);
}

static void refusals(void **state)
{
	static const struct {
		int status;
		enum err_kind kind;
		int gets;
	} t[] = {
		{ 404, ERR_NOT_FOUND, 1 },
		{ 403, ERR_DENIED, 1 },
		{ 400, ERR_PROTOCOL, 1 },
		{ 503, ERR_UNAVAILABLE, 6 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct err e = ERR_INIT;

		has.status = t[i].status;
		has.gets = 0;
		assert_int_equal(from_server(NULL, "", &e), -1);
		if (e.kind != t[i].kind || has.gets != t[i].gets)
			fail_msg("%d: %s, %d requests: %s", t[i].status, err_kind_name(e.kind),
			        has.gets, e.msg);
	}
}

static void what_is_no_snapshot(void **state)
{
	static char text[] = "<html>please log in</html>";
	static struct buf page = { .data = text, .len = 26 };
	struct err e = ERR_INIT;

	(void)state;
	has.body = &page;
	assert_int_equal(from_server(NULL, "", &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	assert_int_equal(cache_files(), 0);
}

static void of_another_height(void **state)
{
	AUTO(free) char *dir = str_fmt("%s/cache", top);
	AUTO(free) char *url = str_fmt("%s/x.bin.zst", server.url);
	struct fetch f = {
		.storage_type = "http",
		.snapshot_path = url,
		.sha256 = "",
		.dirfd = cache,
		.dir = dir,
		.height = HEIGHT + 1,
		.bytes = &bytes,
	};
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(fetch_snapshot(&f, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	assert_non_null(strstr(e.msg, "it is of block 13, and the slice starts at 14"));
	assert_int_equal(cache_files(), 0);
}

/* The directory outlives runs: each of these is another snapshot. */
static void names(void **state)
{
	static const struct fetch t[] = {
		{ .storage_type = "fs", .snapshot_path = "x.bin", .sha256 = "" },
		{ .base = "/a", .storage_type = "fs", .snapshot_path = "x.bin", .sha256 = "" },
		{ .base = "/b", .storage_type = "fs", .snapshot_path = "x.bin", .sha256 = "" },
		{ .storage_type = "s3", .snapshot_path = "x.bin", .sha256 = "" },
		{ .storage_type = "s3", .snapshot_path = "x.bin", .sha256 = "", .endpoint = "/a" },
		{ .storage_type = "fs", .snapshot_path = "x.bin", .sha256 = "/a" },
		{ .storage_type = "fs", .snapshot_path = "y.bin", .sha256 = "" },
		{ .storage_type = "fsx", .snapshot_path = ".bin", .sha256 = "" },
	};
	char a[FETCH_NAME_SIZE], b[FETCH_NAME_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		for (size_t j = 0; j < ARRAY_LEN(t); j++)
			if (str_eq(fetch_name(a, &t[i]), fetch_name(b, &t[j])) != (i == j))
				fail_msg("%zu and %zu", i, j);
	/* The same endpoint, whoever says it. */
	setenv("AWS_ENDPOINT_URL", "/a", 1);
	fetch_name(a, &t[3]);
	unsetenv("AWS_ENDPOINT_URL");
	assert_string_equal(a, fetch_name(b, &t[4]));
}

/* A digest that is new in the manifest is not skipped by a file that came before it. */
static void a_digest_that_comes_later(void **state)
{
	char wrong[SHA256_HEX_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(from_server(NULL, "", &e), 0);
	assert_int_equal(from_server(NULL, sha256_hex(wrong, "", 0), &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
}

/* --- files of this host --- */

static char *write_file(const char *name, const struct buf *b)
{
	struct err e = ERR_INIT;

	assert_int_equal(fs_write_at(top_fd, name, b->data, b->len, 0600, &e), 0);
	return str_fmt("%s/%s", top, name);
}

static void files(void **state)
{
	AUTO(free) char *plain = write_file("plain.bin", &real);
	AUTO(free) char *zst = write_file("packed.bin.zst", &packed);
	AUTO(free) char *file = NULL;
	AUTO(free) char *unpacked = NULL;
	struct err e = ERR_INIT;

	(void)state;
	if (fetch_it(&file, "filesystem", plain, "", &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(file, plain);
	if (fetch_it(&unpacked, "fs", zst, "", &e) < 0)
		fail_msg("%s", e.msg);
	assert_snapshot(unpacked);
	assert_true(str_starts(unpacked, top, NULL));
	assert_int_equal(fetch_it(NULL, "fs", "/no/such/x.bin", "", &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static void files_with_digests(void **state)
{
	AUTO(free) char *plain = write_file("plain.bin", &real);
	AUTO(free) char *zst = write_file("packed.bin.zst", &packed);
	char hex[SHA256_HEX_SIZE + 8];
	struct err e = ERR_INIT;

	(void)state;
	sha256_hex(hex, "", 0);
	assert_int_equal(fs_write_at(top_fd, "plain.bin.sha256", hex, 64, 0600, &e), 0);
	assert_int_equal(fs_write_at(top_fd, "packed.bin.zst.sha256", hex, 64, 0600, &e), 0);
	assert_int_equal(fetch_it(NULL, "fs", plain, "", &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	/* What is another's stays. */
	assert_int_equal(access(plain, F_OK), 0);
	err_clear(&e);
	assert_int_equal(fetch_it(NULL, "fs", zst, "", &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	err_clear(&e);
	sha256_hex(hex, packed.data, packed.len);
	assert_int_equal(fetch_it(NULL, "fs", zst, hex, &e), 0);
}

static void cancelled(void **state)
{
	AUTO(free) char *zst = write_file("packed.bin.zst", &packed);
	volatile int cancel = 1;
	struct fetch f = {
		.storage_type = "fs",
		.snapshot_path = zst,
		.sha256 = "",
		.dirfd = cache,
		.dir = top,
		.height = HEIGHT,
		.bytes = &bytes,
	};
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(fetch_snapshot(&f, &cancel, &e), -1);
	assert_int_equal(e.kind, ERR_INTERRUPTED);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(whole_and_from_the_cache),
		TEST(of_a_bucket),
		TEST(goes_on_after_breaks),
		TEST(begins_anew_without_ranges),
		TEST(goes_on_with_the_part_of_a_killed_process),
		TEST(a_part_that_is_all_of_it),
		TEST(parts_of_something_else),
		TEST(digests),
		TEST(refusals),
		TEST(what_is_no_snapshot),
		TEST(of_another_height),
		cmocka_unit_test(names),
		TEST(a_digest_that_comes_later),
		TEST(files),
		TEST(files_with_digests),
		TEST(cancelled),
	};

	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	unsetenv("AWS_ENDPOINT_URL");
	return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
