#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"
#include "fake/raw_server.h"
#include "fake/s3.h"
#include "replay/generate.h"

#define ID "0000004b224387b3291a4e36c8f2e1d0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4"

/* --- names ------------------------------------------------------------------------------------ */

static void heights(void **state)
{
	static const struct {
		const char *name;
		uint32_t height; /* 0: none */
	} rows[] = {
		{ "snapshot-2018-08-01-16-eos-v6-0008918217.bin.zst", 8918217 },
		{ "snapshot-2018-06-18-20-eos-v6-1415312.bin.zst", 1415312 },
		{ "snapshot-2018-08-01-16-eos-v6-0008918217.bin", 8918217 },
		{ "s3://b/x-y.z/snapshot-1-v6-4294967295.bin.zst", UINT32_MAX },
		{ "https://h/a%20b/snapshot-2018-v6-12.bin", 12 },
		{ "snapshot-" ID ".bin", 75 },
		{ "/srv/snapshot-" ID ".bin.zst", 75 },
		{ "0008918217.bin.zst", 8918217 },
		{ "", 0 },
		{ "snapshot.bin", 0 },
		{ "snapshot-.bin", 0 },
		{ ".bin", 0 },
		{ "-.bin", 0 },
		{ "snapshot-5.bin.zst.part", 0 },
		{ "snapshot-5.bin.zst.sha256", 0 },
		{ "snapshot-5.bin.gz", 0 },
		{ "snapshot-5", 0 },
		{ "snapshot-5-x.bin", 0 },
		{ "snapshot-+5.bin", 0 },
		{ "snapshot-5 .bin", 0 },
		{ "snapshot-0x5.bin", 0 },
		{ "snapshot-4294967296.bin", 0 },
		{ "snapshot-99999999999999999999999.bin", 0 },
		/* There is no snapshot of block 0; the public tool makes up one. */
		{ "snapshot-2018-06-10-01-eos-v6-0000000000.bin.zst", 0 },
		/* What nodeos is still writing. */
		{ ".pending-snapshot-" ID ".bin", 0 },
		{ "/srv/.incomplete-snapshot-5.bin", 0 },
		/* An id with a digit more, with one less, with one that is none. */
		{ "snapshot-" ID "0.bin", 0 },
		{ "snapshot-0000004b224387b3291a4e36c8f2e1d0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d.bin",
		        0 },
		{ "snapshot-g000004b224387b3291a4e36c8f2e1d0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4.bin",
		        0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t height = 0;
		int rc = snapshot_height(rows[i].name, &height);

		if (rc != (rows[i].height == 0) || (rc == 0 && height != rows[i].height))
			fail_msg("%s: %d, %u", rows[i].name, rc, height);
	}
}

/* --- spacing ---------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint32_t v[8]; /* ended by 0 */
	uint32_t spacing, min, max;
	bool from_genesis;
	const char *wanted;
} spacings[] = {
	/* What the public generator makes of these two is 0-4000 4000-12000 12000-16000 and
	 * 0-15819 15819-21000 21000-30000. */
	{ "even", { 4000, 8000, 12000, 16000 }, 5000, 0, 0, true, "0-8000 8000-16000" },
	{ "uneven", { 15819, 20000, 21000, 30000 }, 5000, 0, 0, true,
	        "0-15819 15819-21000 21000-30000" },
	{ "none", { 1, 2, 3 }, 0, 0, 0, false, "1-2 2-3" },
	{ "one", { 1, 2, 3 }, 1, 0, 0, false, "1-2 2-3" },
	{ "exact", { 10, 20, 30 }, 10, 0, 0, false, "10-20 20-30" },
	{ "one short", { 10, 20, 30 }, 11, 0, 0, false, "10-30" },
	{ "a rest is added", { 10, 20, 30, 35, 39 }, 10, 0, 0, false, "10-20 20-39" },
	{ "too short for one", { 10, 12, 15 }, 10, 0, 0, false, "10-15" },
	{ "limits are left out", { 10, 20, 30, 40, 50 }, 1, 10, 50, false, "20-30 30-40" },
	{ "just within", { 10, 20, 30, 40, 50 }, 1, 9, 51, false, "10-20 20-30 30-40 40-50" },
	{ "from genesis within limits", { 10, 20, 30 }, 1, 0, 30, true, "0-10 10-20" },
	{ "from genesis alone", { 10 }, 5000, 0, 0, true, "0-10" },
	{ "far up", { 1, 4294967294, 4294967295 }, 4294967294, 0, 0, false, "1-4294967295" },
	{ "one snapshot", { 10 }, 1, 0, 0, false, NULL },
	{ "no snapshot", { 0 }, 1, 0, 0, true, NULL },
	{ "no snapshot within", { 10, 20, 30 }, 1, 15, 25, false, NULL },
};

static void slices_are_spaced(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(spacings); i++) {
		struct snapshot_ref v[8];
		struct snapshot_refs refs = { .v = v };
		struct generate g = { .source = "/s",
			.version = "5.0.2",
			.spacing = spacings[i].spacing,
			.min = spacings[i].min,
			.max = spacings[i].max,
			.from_genesis = spacings[i].from_genesis };
		AUTO(slices) struct slices s = SLICES_INIT;
		struct err e = ERR_INIT;
		char text[256] = "", path[] = "x";
		int rc;

		for (; spacings[i].v[refs.n]; refs.n++)
			v[refs.n] = (struct snapshot_ref){ spacings[i].v[refs.n], path };
		rc = generate_slices(&s, &refs, &g, &e);
		for (size_t k = 0; k < s.n; k++)
			(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%u-%u",
			        k ? " " : "", s.v[k].start, s.v[k].end);
		if (!spacings[i].wanted && (rc != -1 || e.kind != ERR_NOT_FOUND || !*e.hint))
			fail_msg("%s: %s", spacings[i].name, text);
		if (spacings[i].wanted && (rc != 0 || strcmp(text, spacings[i].wanted) != 0))
			fail_msg("%s: %s %s", spacings[i].name, text, e.msg);
	}
}

static void no_fault(void *arg, enum slice_fault f, size_t record, size_t other, const char *text)
{
	(void)arg, (void)other;
	fail_msg("%s: record %zu: %s", slice_fault_name(f), record, text);
}

static void what_is_made_is_sound(void **state)
{
	char a[] = "s3://b/snapshot-10.bin.zst", b[] = "s3://b/snapshot-20.bin.zst";
	struct snapshot_ref v[] = { { 10, a }, { 20, b } };
	struct snapshot_refs refs = { .v = v, .n = 2 };
	struct generate g = {
		.source = "s3://b/", .version = "1.0.3", .is_spring = true, .from_genesis = true
	};
	AUTO(slices) struct slices s = SLICES_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(generate_slices(&s, &refs, &g, &e), 0);
	assert_int_equal(slices_validate(&s, no_fault, NULL, &e), 0);
	assert_int_equal(s.n, 2);
	assert_string_equal(s.v[0].snapshot_path, "");
	assert_string_equal(s.v[1].snapshot_path, a);
	assert_string_equal(s.v[1].storage_type, "s3");
	assert_string_equal(s.v[1].version, "1.0.3");
	assert_true(s.v[1].is_spring);
}

/* --- where they are found --------------------------------------------------------------------- */

static char dir[32];
static struct raw_server page;
static struct fake_s3 bucket;
static struct snapshot_refs refs;
static struct strvec left_out;

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/test_generate-XXXXXX");
	refs = (struct snapshot_refs){ .v = NULL };
	left_out = STRVEC_INIT;
	memset(&page, 0, sizeof(page));
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	snapshot_refs_release(&refs);
	strvec_release(&left_out);
	if (page.fn)
		raw_server_stop(&page);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

/* "10 path; 20 path; " */
static void list_is(const struct generate *g, const char *wanted)
{
	struct err e = ERR_INIT;
	char text[4096] = "";

	snapshot_refs_release(&refs);
	strvec_release(&left_out);
	left_out = STRVEC_INIT;
	if (snapshot_refs_list(&refs, g, &left_out, &e) < 0)
		fail_msg("%s", e.msg);
	for (size_t i = 0; i < refs.n; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%u %s; ",
		        refs.v[i].height, refs.v[i].path);
	assert_string_equal(text, wanted);
}

static void list_fails(const struct generate *g, enum err_kind kind, const char *says)
{
	struct err e = ERR_INIT;

	snapshot_refs_release(&refs);
	assert_int_equal(snapshot_refs_list(&refs, g, NULL, &e), -1);
	if (e.kind != kind || !strstr(e.msg, says))
		fail_msg("%s: %s", err_kind_name(e.kind), e.msg);
	assert_null(refs.v);
}

static bool is_left_out(const char *name, const char *why)
{
	for (size_t i = 0; i < left_out.n; i++)
		if (strstr(left_out.v[i], name) && strstr(left_out.v[i], why))
			return true;
	return false;
}

static void touch(const char *name)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	(void)close(fd);
}

static void a_directory(void **state)
{
	struct generate g = { .source = dir };
	char path[256], wanted[1024], with_slash[64];

	(void)state;
	touch("snapshot-2018-eos-v6-0000000020.bin.zst");
	touch("snapshot-2018-eos-v6-0000000020.bin");
	touch("snapshot-2018-eos-v5-30.bin.zst");
	touch("snapshot-" ID ".bin");
	touch(".pending-snapshot-" ID ".bin");
	touch("notes.txt");
	touch("bad-\xff-40.bin");
	(void)snprintf(path, sizeof(path), "%s/dir-50.bin", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/link-60.bin", dir);
	assert_int_equal(symlink("notes.txt", path), 0);
	(void)snprintf(path, sizeof(path), "%s/broken-70.bin", dir);
	assert_int_equal(symlink("nowhere", path), 0);
	(void)snprintf(wanted, sizeof(wanted),
	        "20 %s/snapshot-2018-eos-v6-0000000020.bin; 30 %s/snapshot-2018-eos-v5-30.bin.zst; "
	        "60 %s/link-60.bin; 75 %s/snapshot-" ID ".bin; ",
	        dir, dir, dir, dir);
	list_is(&g, wanted);
	assert_int_equal(left_out.n, 6);
	assert_true(is_left_out("0020.bin.zst: ", "its height"));
	assert_true(is_left_out(".pending", "height"));
	assert_true(is_left_out("notes.txt", "height"));
	assert_true(is_left_out("-40.bin", "UTF-8"));
	assert_true(is_left_out("dir-50.bin", "regular"));
	assert_true(is_left_out("broken-70.bin", "regular"));
	/* Nobody who listens. */
	snapshot_refs_release(&refs);
	assert_int_equal(snapshot_refs_list(&refs, &g, NULL, &(struct err){ 0 }), 0);

	g.snapshot_version = "V5";
	(void)snprintf(with_slash, sizeof(with_slash), "%s//", dir);
	g.source = with_slash;
	(void)snprintf(wanted, sizeof(wanted), "30 %s/snapshot-2018-eos-v5-30.bin.zst; ", dir);
	list_is(&g, wanted);
	assert_true(is_left_out("0020.bin", "snapshot version"));
	g.net = "telos";
	list_is(&g, "");
	assert_true(is_left_out("-30.bin", "network"));
}

/* Workers are elsewhere: a relative name is written as the real one. */
static void a_relative_directory(void **state)
{
	struct generate g = { .source = "." };
	char wanted[256];

	(void)state;
	touch("snapshot-20.bin");
	(void)snprintf(wanted, sizeof(wanted), "20 %s/snapshot-20.bin; ", dir);
	assert_int_equal(chdir(dir), 0);
	list_is(&g, wanted);
	g.source = "../";
	assert_int_equal(mkdir("below", 0755), 0);
	assert_int_equal(chdir("below"), 0);
	list_is(&g, wanted);
	assert_int_equal(chdir("/"), 0);
}

static void no_directory(void **state)
{
	char path[64];

	(void)state;
	touch("file");
	(void)snprintf(path, sizeof(path), "%s/nowhere", dir);
	list_fails(&(struct generate){ .source = path }, ERR_NOT_FOUND, path);
	(void)snprintf(path, sizeof(path), "%s/file", dir);
	list_fails(&(struct generate){ .source = path }, ERR_NOT_FOUND, path);
}

/* As EOS Nation's page is read by the public tool: cards with a title, and lists of links. */
static const char cards[] =
        "<!doctype html><html><head><title>Snapshots</title></head><body>\n"
        "<a href=\"/about\">About</a><a href=\"mailto:x@y\">Mail</a>\n"
        "<div class=\"card\"><header class=\"card-header\"><p class=\"card-header-title\">\n"
        "  EOS Mainnet - v6</p></header><div class=\"card-content\"><ul>\n"
        "<li><a href=\"https://ops.example/eos-snapshots/"
        "snapshot-2023-11-30-10-eos-v6-0344295749.bin.zst\">a</a></li>\n"
        "<li><a href='//ops.example/snapshot-2023-11-30-07-eos-v6-0344274149.bin.zst'>b</a>\n"
        "</ul></div></div>\n"
        "<header><p>Jungle 4 Testnet - v6</p></header>\n"
        "<a href=snapshot-2023-jungle4-v6-0000000100.bin.zst>c</a>\n"
        "<header><p>EOS Mainnet - v4</p></header>\n"
        "<a href=\"../old/snapshot-2018-eos-v4-0000000200.bin.zst?a=1&amp;b=2#top\">d</a>\n"
        "<a href=\"a%20b/snapshot-2018-eos-v4-0000000300.bin.zst\">e</a>\n"
        "</body></html>\n";

static void say_page(struct raw_server *s, int fd, int n)
{
	char head[256];

	(void)n;
	while (raw_read(s, fd) == 0) {
		if (str_starts(s->request, "GET /snapshots/ ", NULL)) {
			(void)snprintf(head, sizeof(head),
			        "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", strlen(cards));
			raw_say(fd, head);
			raw_say(fd, cards);
		} else if (str_starts(s->request, "GET /snapshots ", NULL)) {
			raw_say(fd,
			        "HTTP/1.1 301 Moved\r\nLocation: /snapshots/\r\n"
			        "Content-Length: 0\r\n\r\n");
		} else {
			raw_say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
		}
	}
}

static void a_page(void **state)
{
	struct generate g = { .net = "mainnet", .snapshot_version = "v6" };
	char url[128], wanted[1024];

	(void)state;
	assert_int_equal(raw_server_start(&page, NULL, say_page), 0);
	(void)snprintf(url, sizeof(url), "%s/snapshots/", page.url);
	g.source = url;
	list_is(&g,
	        "344274149 http://ops.example/snapshot-2023-11-30-07-eos-v6-0344274149.bin.zst; "
	        "344295749 https://ops.example/eos-snapshots/"
	        "snapshot-2023-11-30-10-eos-v6-0344295749.bin.zst; ");
	g.net = "jungle";
	(void)snprintf(
	        wanted, sizeof(wanted), "100 %ssnapshot-2023-jungle4-v6-0000000100.bin.zst; ", url);
	list_is(&g, wanted);
	g.net = NULL;
	g.snapshot_version = "v4";
	(void)snprintf(wanted, sizeof(wanted),
	        "300 %sa%%20b/snapshot-2018-eos-v4-0000000300.bin.zst; ", url);
	list_is(&g, wanted);
	/* A name with a query would be no file's; nothing is guessed. */
	assert_true(is_left_out("/old/", "height"));
	/* A path's words count as a heading's do. */
	g.net = "jungle4";
	g.snapshot_version = NULL;
	(void)snprintf(
	        wanted, sizeof(wanted), "100 %ssnapshot-2023-jungle4-v6-0000000100.bin.zst; ", url);
	list_is(&g, wanted);
}

static void no_page(void **state)
{
	char url[128];

	(void)state;
	assert_int_equal(raw_server_start(&page, NULL, say_page), 0);
	(void)snprintf(url, sizeof(url), "%s/snapshots", page.url);
	list_fails(&(struct generate){ .source = url }, ERR_PROTOCOL, "HTTP 301");
	(void)snprintf(url, sizeof(url), "%s/x/", page.url);
	list_fails(&(struct generate){ .source = url }, ERR_NOT_FOUND, "HTTP 404");
	list_fails(&(struct generate){ .source = page.url }, ERR_NOT_FOUND, "HTTP 404");
	(void)snprintf(url, sizeof(url), "%s?x", page.url);
	list_fails(&(struct generate){ .source = url }, ERR_USAGE, "no path");
	(void)snprintf(url, sizeof(url), "%s/#x", page.url);
	list_fails(&(struct generate){ .source = url }, ERR_USAGE, "fragment");
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", raw_free_port());
	list_fails(&(struct generate){ .source = url }, ERR_UNAVAILABLE, "refused");
}

static void a_bucket(void **state)
{
	struct generate g = { .source = "s3://snaps/mainnet/", .snapshot_version = "v6" };

	(void)state;
	assert_int_equal(fake_s3_start(&bucket, "snaps", NULL, NULL), 0);
	fake_s3_put(&bucket, "mainnet/snapshot-eos-v6-20.bin.zst", "x", 1);
	fake_s3_put(&bucket, "mainnet/snapshot-eos-v6-20.bin", "x", 1);
	fake_s3_put(&bucket, "mainnet/snapshot-eos-v6-10.bin.zst", "x", 1);
	fake_s3_put(&bucket, "mainnet/snapshot-eos-v5-15.bin.zst", "x", 1);
	fake_s3_put(&bucket, "jungle/snapshot-eos-v6-5.bin.zst", "x", 1);
	g.endpoint = bucket.server.url;
	list_is(&g,
	        "10 s3://snaps/mainnet/snapshot-eos-v6-10.bin.zst; "
	        "20 s3://snaps/mainnet/snapshot-eos-v6-20.bin.zst; ");
	assert_true(is_left_out("v6-20.bin: ", "its height"));
	assert_true(is_left_out("v5-15", "version"));
	g.source = "s3://snaps";
	g.net = "jungle";
	list_is(&g, "5 s3://snaps/jungle/snapshot-eos-v6-5.bin.zst; ");
	g.source = "s3://other/";
	list_fails(&g, ERR_NOT_FOUND, "NoSuchBucket");
	g.source = "s3:///x";
	list_fails(&g, ERR_USAGE, "no bucket");
	fake_s3_stop(&bucket);
}

int main(void)
{
#define found(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heights),
		cmocka_unit_test(slices_are_spaced),
		cmocka_unit_test(what_is_made_is_sound),
		found(a_directory),
		found(a_relative_directory),
		found(no_directory),
		found(a_page),
		found(no_page),
		found(a_bucket),
	};

	return cmocka_run_group_tests_name("replay/generate", tests, NULL, NULL);
}
