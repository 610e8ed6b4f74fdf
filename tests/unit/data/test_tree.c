#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "data/clone.h"
#include "data/tree.h"

static char dir[] = "/tmp/test_tree-XXXXXX";
static int dfd = -1;

static void in_dir(const char *cmd)
{
	AUTO(free) char *all = str_fmt("cd %s && { %s; }", dir, cmd);
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execlp("sh", "sh", "-c", all, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fail_msg("'%s' ended with %d", all, status);
}

static int setup(void **state)
{
	(void)state;
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	if (!mkdtemp(dir))
		return -1;
	dfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dfd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)close(dfd);
	in_dir("rm -rf ./* ./.??*");
	return rmdir(dir);
}

static void expect_digests(struct tree *t)
{
	struct err e = ERR_INIT;

	if (tree_read(t, dfd, &e) < 0 || tree_digest(t, dfd, 0, NULL, NULL, &e) < 0)
		fail_msg("%s", e.msg);
}

/* --- what a digest is, said once more and as simply as it goes ------------------------- */

static void expected(char out[TREE_DIGEST_SIZE], const char *data, size_t size)
{
	AUTO(free) char *all = malloc(8 + size + (size / TREE_PIECE + 1) * 8);
	XXH128_hash_t h;
	size_t n = 0;

	assert_non_null(all);
	for (int b = 0; b < 8; b++)
		all[n++] = (char)((uint64_t)size >> 8 * b);
	for (size_t at = 0; at < size; at += TREE_PIECE) {
		size_t len = size - at < TREE_PIECE ? size - at : TREE_PIECE;
		bool zero = true;

		for (size_t i = 0; i < len; i++)
			zero = zero && data[at + i] == 0;
		if (zero)
			continue;
		for (int b = 0; b < 8; b++)
			all[n++] = (char)((uint64_t)(at / TREE_PIECE) >> 8 * b);
		memcpy(all + n, data + at, len);
		n += len;
	}
	h = XXH3_128bits(all, n);
	(void)snprintf(out, TREE_DIGEST_SIZE, "%016llx%016llx", (unsigned long long)h.high64,
	        (unsigned long long)h.low64);
}

/* The bytes [at, at+n) of `size` are not zero; lay: where blocks lie, in units of 4096. */
static void put(const char *path, size_t size, size_t at, size_t n, bool dense, char *copy)
{
	AUTO(close_fd) int fd = openat(dfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	memset(copy, 0, size);
	for (size_t i = 0; i < n; i++)
		copy[at + i] = (char)(1 + i % 253);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	if (dense)
		assert_int_equal(pwrite(fd, copy, size, 0), size);
	else if (n)
		assert_int_equal(pwrite(fd, copy + at, n, (off_t)at), n);
}

static void digests_are_of_the_content(void **state)
{
	static const struct {
		size_t size, at, n;
	} rows[] = {
		{ 0, 0, 0 },
		{ 1, 0, 0 },
		{ 1, 0, 1 },
		{ TREE_PIECE, 0, TREE_PIECE },
		{ TREE_PIECE, 100, 1 },
		{ TREE_PIECE + 1, TREE_PIECE, 1 },
		{ TREE_PIECE + 1, 0, 1 },
		{ 3000000, 0, 3000000 },
		{ 3000000, 0, 5 },
		{ 3000000, 2999990, 10 },
		{ 3000000, 1500000, 4096 },
		{ 3000000, TREE_PIECE - 1, 2 },
		{ 3000000, 1u << 20, TREE_PIECE },
		{ 3000000, (1u << 20) - 4096, 2 * TREE_PIECE },
		{ 3000000, 0, 0 },
	};
	AUTO(free) char *copy = malloc(3000000);

	(void)state;
	assert_non_null(copy);
	for (size_t i = 0; i < ARRAY_LEN(rows) * 2; i++) {
		AUTO(tree) struct tree t = TREE_INIT;
		char want[TREE_DIGEST_SIZE];

		put("f", rows[i / 2].size, rows[i / 2].at, rows[i / 2].n, i & 1, copy);
		expected(want, copy, rows[i / 2].size);
		expect_digests(&t);
		assert_int_equal(t.n, 1);
		assert_int_equal(t.v[0].size, rows[i / 2].size);
		if (strcmp(t.v[0].digest, want) != 0)
			fail_msg("row %zu, %s: %s, wanted %s", i / 2, i & 1 ? "dense" : "sparse",
			        t.v[0].digest, want);
	}
}

/* The format is in manifests: it never changes. */
static void digests_are_fixed(void **state)
{
	AUTO(tree) struct tree t = TREE_INIT;
	char sum[TREE_DIGEST_SIZE];

	(void)state;
	in_dir("mkdir blocks; printf hello >blocks/blocks.log; truncate -s 1G z");
	expect_digests(&t);
	assert_string_equal(t.v[0].digest, "3b67408d8d463cb35d4813e00315f8c0");
	assert_string_equal(t.v[1].digest, "0425036b67dcbc50b6d6b5bdd84402c1");
	assert_string_equal(tree_sum(sum, &t), "07f4d3fe93ba2a35fd5980cfdf1082cc");
	assert_int_equal(t.size_bytes, 1073741829);
	assert_true(t.data_bytes <= 4096);
	assert_int_equal(t.v[0].mode, 0644);
}

static void files_only_and_sorted(void **state)
{
	AUTO(tree) struct tree t = TREE_INIT;
	static const char *const want[] = { "a", "a-b", "a.d/x", "b/c/d", "b/c0" };

	(void)state;
	in_dir("mkdir -p b/c a.d e; touch b/c/d b/c0 a a-b a.d/x; ln -s a l; mkfifo p");
	expect_digests(&t);
	assert_int_equal(t.n, ARRAY_LEN(want));
	for (size_t i = 0; i < t.n; i++)
		assert_string_equal(t.v[i].path, want[i]);
}

static void many_files_by_threads(void **state)
{
	AUTO(tree) struct tree one = TREE_INIT, eight = TREE_INIT;
	struct clone_progress p = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	in_dir("mkdir d; for i in $(seq 1 200); do echo $i >$i; echo $i $i >d/$i; done; "
	       "head -c 3000000 /dev/urandom >big");
	assert_int_equal(tree_read(&one, dfd, &e), 0);
	assert_int_equal(tree_read(&eight, dfd, &e), 0);
	assert_int_equal(tree_digest(&one, dfd, 1, NULL, NULL, &e), 0);
	assert_int_equal(tree_digest(&eight, dfd, 8, &p, NULL, &e), 0);
	assert_int_equal(tree_compare(&one, &eight, NULL, NULL), 0);
	assert_int_equal(p.files_done, 401);
	assert_int_equal(p.files_total, 401);
	assert_int_equal(p.bytes_total, p.bytes_done);
	for (size_t i = 0; i < one.n; i++)
		assert_string_equal(one.v[i].digest, eight.v[i].digest);
}

static void refused(void **state)
{
	static const struct {
		const char *name, *cmd;
		enum err_kind kind;
	} rows[] = {
		{ "grown", "echo >>d/f", ERR_CONFLICT },
		{ "shorter", ": >d/f", ERR_CONFLICT },
		{ "a link", "rm d/f; ln -s ../other d/f", ERR_SYSTEM },
		{ "a pipe", "rm d/f; mkfifo d/f", ERR_CONFLICT },
		{ "a directory", "rm d/f; mkdir d/f", ERR_CONFLICT },
		{ "gone", "rm d/f", ERR_SYSTEM },
		{ "below a link", "mv d e; ln -s e d", ERR_SYSTEM },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(tree) struct tree t = TREE_INIT;
		struct err e = ERR_INIT;

		in_dir("rm -rf d e; mkdir d; echo text >d/f; echo text >other");
		assert_int_equal(tree_read(&t, dfd, &e), 0);
		in_dir(rows[i].cmd);
		if (tree_digest(&t, dfd, 2, NULL, NULL, &e) != -1 || e.kind != rows[i].kind)
			fail_msg("%s: %s %s", rows[i].name, err_kind_name(e.kind), e.msg);
	}
}

/* A manifest may come from another host. */
static void paths_that_lead_out_are_refused(void **state)
{
	static const char *const paths[] = { "/etc/passwd", "../x", "a/../../x", "a/..", "..", "" };

	(void)state;
	in_dir("mkdir a");
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		AUTO(free) char *path = strdup(paths[i]);
		struct tree_file f = { .path = path };
		struct tree t = { .v = &f, .n = 1 };
		struct err e = ERR_INIT;

		if (tree_digest(&t, dfd, 1, NULL, NULL, &e) != -1)
			fail_msg("'%s' was read", paths[i]);
	}
}

static void cancelled(void **state)
{
	AUTO(tree) struct tree t = TREE_INIT;
	struct err e = ERR_INIT;
	int cancel = 1;

	(void)state;
	in_dir(": >empty");
	assert_int_equal(tree_read(&t, dfd, &e), 0);
	assert_int_equal(tree_digest(&t, dfd, 0, NULL, &cancel, &e), -1);
	assert_int_equal(e.kind, ERR_INTERRUPTED);
	cancel = 0;
	err_clear(&e);
	assert_int_equal(tree_digest(&t, dfd, 0, NULL, &cancel, &e), 0);
}

static void paths_are_utf8(void **state)
{
	AUTO(tree) struct tree t = TREE_INIT;
	struct err e = ERR_INIT;

	(void)state;
	in_dir(": >\"$(printf 'a\\377')\"");
	assert_int_equal(tree_read(&t, dfd, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
}

/* --- comparison --------------------------------------------------------------------------- */

static void add_text(void *arg, const char *path, const char *what)
{
	char *out = arg;
	size_t n = strlen(out);

	(void)snprintf(out + n, 200 - n, "%s:%s ", path, what);
}

static void differences(void **state)
{
	char a[] = "a", b[] = "b", c[] = "c", d[] = "d", a2[] = "a", b2[] = "b", c2[] = "c",
	     x[] = "x";
	struct tree_file v[] = {
		{ .path = a, .size = 1, .digest = "11" },
		{ .path = b, .size = 2, .digest = "22" },
		{ .path = c, .size = 3, .digest = "33" },
		{ .path = d, .size = 4 },
	};
	struct tree_file w[] = {
		{ .path = a2, .size = 1, .digest = "1f" },
		{ .path = b2, .size = 5, .digest = "22" },
		{ .path = c2, .size = 3 },
		{ .path = x, .size = 1 },
	};
	const struct tree empty = TREE_INIT;
	struct tree t = { .v = v, .n = 4 }, u = { .v = w, .n = 4 };
	char out[200] = "";

	(void)state;
	assert_int_equal(tree_compare(&t, &t, add_text, out), 0);
	assert_int_equal(tree_compare(&t, &u, add_text, out), 4);
	assert_string_equal(out, "a:digest b:size d:missing x:unexpected ");
	out[0] = '\0';
	assert_int_equal(tree_compare(&empty, &u, add_text, out), 4);
	assert_string_equal(out, "a:unexpected b:unexpected c:unexpected x:unexpected ");
	assert_int_equal(tree_compare(&u, &empty, NULL, NULL), 4);
}

static void sums_tell_trees_apart(void **state)
{
	char a[] = "a", b[] = "b", ab[] = "ab";
	struct tree_file v[] = { { .path = a, .size = 1, .digest = "1" } };
	struct tree_file rows[] = {
		{ .path = b, .size = 1, .digest = "1" },
		{ .path = a, .size = 2, .digest = "1" },
		{ .path = a, .size = 1, .digest = "2" },
		{ .path = a, .size = 1 },
		{ .path = ab, .size = 1, .digest = "1" },
	};
	struct tree t = { .v = v, .n = 1 };
	char first[TREE_DIGEST_SIZE], other[TREE_DIGEST_SIZE];

	(void)state;
	(void)tree_sum(first, &t);
	assert_int_equal(strlen(first), TREE_DIGEST_SIZE - 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tree u = { .v = &rows[i], .n = 1 };

		assert_string_not_equal(tree_sum(other, &u), first);
	}
	v[0].data_bytes = 7;
	v[0].mode = 0600;
	assert_string_equal(tree_sum(other, &t), first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(digests_are_of_the_content, setup, teardown),
		cmocka_unit_test_setup_teardown(digests_are_fixed, setup, teardown),
		cmocka_unit_test_setup_teardown(files_only_and_sorted, setup, teardown),
		cmocka_unit_test_setup_teardown(many_files_by_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(refused, setup, teardown),
		cmocka_unit_test_setup_teardown(paths_that_lead_out_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(cancelled, setup, teardown),
		cmocka_unit_test_setup_teardown(paths_are_utf8, setup, teardown),
		cmocka_unit_test(differences),
		cmocka_unit_test(sums_tell_trees_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
