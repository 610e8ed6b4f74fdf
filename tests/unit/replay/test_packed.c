/* A manifest packed, unpacked, and put where the orchestrator may write it. */

#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"
#include "replay/packed.h"
#include "replay/slices.h"

static char dir[] = "/tmp/test_packed.XXXXXX";

static int set_up(void **state)
{
	(void)state;
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return chdir("/") == 0 && fs_remove_tree_at(AT_FDCWD, dir, &e) == 0 ? 0 : -1;
}

static void put(const char *path, const void *data, size_t n)
{
	struct err e = ERR_INIT;

	assert_int_equal(fs_write_at(AT_FDCWD, path, data, n, 0644, &e), 0);
}

static void packed(struct buf *b, const char *text, size_t n)
{
	struct err e = ERR_INIT;

	assert_int_equal(packed_add(b, text, n, &e), 0);
}

static void assert_text(const char *path, const char *want, size_t n)
{
	AUTO(buf) struct buf b = BUF_INIT(SLICES_TEXT_MAX);
	struct err e = ERR_INIT;

	if (packed_read(&b, path, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(b.len, n);
	assert_memory_equal(b.data, want, n);
}

static void plain(void **state)
{
	(void)state;
	put("m", "[{}]\n", 5);
	assert_text("m", "[{}]\n", 5);
}

/* More than a chunk, and more than a block of zstd's. */
static void there_and_back(void **state)
{
	enum { N = 1000 * 1000 };
	AUTO(free) char *text = malloc(N);
	AUTO(buf) struct buf b = BUF_INIT(SLICES_TEXT_MAX);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < N; i++)
		text[i] = (char)('a' + (i * i / 7) % 26);
	packed(&b, text, N);
	assert_true(b.len < N);
	put("m.zst", b.data, b.len);
	assert_text("m.zst", text, N);
}

/* 20,000 slices whose hashes nobody can pack fit into a Config. */
static void the_promise(void **state)
{
	AUTO(buf) struct buf text = BUF_INIT(SLICES_TEXT_MAX), b = BUF_INIT(SLICES_TEXT_MAX);
	unsigned x = 1;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		char hash[65];

		for (size_t k = 0; k < 64; k++) {
			x = x * 1103515245 + 12345;
			hash[k] = "0123456789abcdef"[x >> 28];
		}
		hash[64] = '\0';
		assert_int_equal(
		        buf_add_fmt(&text,
		                "    {\n        \"start_block_id\": %u,\n        \"end_block_id\": "
		                "%u,\n        \"snapshot_path\": "
		                "\"s3://bucket/mainnet/snapshot-2023-01-01-16-eos-v6-%010u.bin."
		                "zst\",\n        \"storage_type\": \"s3\",\n        "
		                "\"expected_integrity_hash\": \"%s\",\n        \"leap_version\": "
		                "\"5.0.2\"\n    },\n",
		                i * 30011, (i + 1) * 30011, i * 30011, hash),
		        0);
	}
	packed(&b, text.data, text.len);
	if (b.len >= 500000)
		fail_msg("10,000 slices are %zu bytes", b.len);
}

static void damaged(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(SLICES_TEXT_MAX);
	char text[5000];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + (i * i / 7) % 26);
	packed(&b, text, sizeof(text));
	for (size_t n = 4; n < b.len; n++) {
		AUTO(buf) struct buf out = BUF_INIT(SLICES_TEXT_MAX);
		struct err e = ERR_INIT;

		put("cut", b.data, n);
		if (packed_read(&out, "cut", &e) != -1 || e.kind != ERR_PROTOCOL)
			fail_msg("%zu of %zu bytes: %s", n, b.len, e.msg);
	}
}

static void too_much(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(SLICES_TEXT_MAX), out = BUF_INIT(999);
	static const char text[1000];
	struct err e = ERR_INIT;

	(void)state;
	packed(&b, text, sizeof(text));
	put("m", b.data, b.len);
	assert_int_equal(packed_read(&out, "m", &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	assert_non_null(strstr(e.msg, "999"));
}

static void missing(void **state)
{
	AUTO(buf) struct buf out = BUF_INIT(999);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(packed_read(&out, "nothing", &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static void seed(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(SLICES_TEXT_MAX);
	AUTO(free) char *path = str_fmt("%s/state/run/manifest.json", dir);
	struct err e = ERR_INIT;
	struct stat st;

	(void)state;
	packed(&b, "[1]", 3);
	put("m", b.data, b.len);
	assert_int_equal(packed_seed(path, "m", &e), 0);
	assert_text(path, "[1]", 3);
	assert_int_equal(stat("state/run", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);

	/* What was learned since then stays, and the source is needed no more. */
	put(path, "[2]", 3);
	assert_int_equal(packed_seed(path, "m", &e), 1);
	assert_int_equal(packed_seed(path, "nothing", &e), 1);
	assert_text(path, "[2]", 3);
}

static void seed_of_nothing(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	put("m", "\x28\xb5\x2f\xfd", 4);
	assert_int_equal(packed_seed("made.json", "m", &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	assert_int_equal(access("made.json", F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(the_promise),
		cmocka_unit_test(damaged),
		cmocka_unit_test(too_much),
		cmocka_unit_test(missing),
		cmocka_unit_test(seed),
		cmocka_unit_test(seed_of_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
