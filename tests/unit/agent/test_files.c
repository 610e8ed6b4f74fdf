#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/slots.h"
#include "base/token.h"
#include "base/fs.h"
#include "base/str.h"
#include "data/pool.h"
#include "data/record.h"
#include "data/slots.h"
#include "data/tail.h"

/* What the agent reads from files: the slot list, a log's end, the token. */
static char dir[] = "/tmp/test_agent_files.XXXXXX";
static int dirfd_;

static int setup(void **state)
{
	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dirfd_ < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	(void)close(dirfd_);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

static void put(const char *name, const char *text, size_t n)
{
	int fd = openat(dirfd_, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, text, n), 0);
	(void)close(fd);
}

/* --- slots -------------------------------------------------------------------------------- */

static void make_slot(const char *path)
{
	struct err e = ERR_INIT;
	int fd = fs_open_dir_at(dirfd_, path, true, 0755, &e);

	assert_true(fd >= 0);
	(void)close(fd);
}

static void lists_slots(void **state)
{
	struct pool p = { .fd = dirfd_, .path = dir };
	struct err e = ERR_INIT;
	struct slots s;

	(void)state;
	/* A new pool. */
	assert_int_equal(slots_list(&s, &p, &e), 0);
	assert_int_equal(s.n, 0);
	make_slot("services/b_x/10");
	make_slot("services/b_x/9");
	make_slot("services/a/1");
	make_slot("services/a/007");
	make_slot("services/a/0");
	make_slot("services/a/x");
	make_slot("services/a/1000001");
	make_slot("services/.tmp/1");
	put("services/file", "", 0);
	assert_int_equal(symlinkat("a", dirfd_, "services/link"), 0);
	if (slots_list(&s, &p, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(s.n, 3);
	assert_string_equal(s.v[0].service, "a");
	assert_int_equal(s.v[1].number, 9);
	assert_int_equal(s.v[2].number, 10);
	slots_release(&s);
}

static void many_slots_are_cut(void **state)
{
	struct pool p = { .fd = dirfd_, .path = dir };
	struct err e = ERR_INIT;
	struct slots s;
	char path[64];

	(void)state;
	for (int i = 1; i <= SLOTS_MAX + 5; i++) {
		(void)snprintf(path, sizeof(path), "services/a/%d", i);
		make_slot(path);
	}
	assert_int_equal(slots_list(&s, &p, &e), 0);
	assert_int_equal(s.n, SLOTS_MAX);
	assert_int_equal(s.left_out, 5);
	slots_release(&s);
}

static void says_who_holds_a_slot(void **state)
{
	struct pool p = { .fd = dirfd_, .path = dir };
	struct err e = ERR_INIT;
	struct record r = { .task = "t1", .service = "a", .slot = 1 };
	int fd, lock;
	json_t *j;

	(void)state;
	make_slot("services/a/1");
	make_slot("services/a/2");
	put("services/a/2/run.json", "{", 1);
	fd = fs_open_dir_at(dirfd_, "services/a/1", false, 0, &e);
	assert_int_equal(record_write_at(&r, fd, &e), 0);
	put("services/a/1/lock", "", 0);
	lock = openat(fd, "lock", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	j = slots_json(&p, &e);
	assert_int_equal(json_array_size(json_at(j, "slots")), 2);
	assert_true(json_bool(json_array_get(json_at(j, "slots"), 0), "is_locked", false));
	assert_string_equal(json_str(json_array_get(json_at(j, "slots"), 0), "task", "?"), "t1");
	assert_false(json_bool(json_array_get(json_at(j, "slots"), 1), "is_locked", true));
	assert_string_equal(json_str(json_array_get(json_at(j, "slots"), 1), "task", "?"), "");
	json_decref(j);
	(void)close(lock);
	j = slots_json(&p, &e);
	assert_false(json_bool(json_array_get(json_at(j, "slots"), 0), "is_locked", true));
	json_decref(j);
	/* What cannot be looked at is not free. */
	assert_int_equal(symlinkat("x", dirfd_, "services/a/2/lock"), 0);
	make_slot("services/a/3");
	assert_int_equal(unlinkat(dirfd_, "services/a/3", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("1", dirfd_, "services/a/3"), 0);
	j = slots_json(&p, &e);
	assert_int_equal(json_array_size(json_at(j, "slots")), 3);
	for (size_t i = 1; i < 3; i++)
		assert_true(json_is_null(
		        json_object_get(json_array_get(json_at(j, "slots"), i), "is_locked")));
	json_decref(j);
	(void)close(fd);
}

/* --- log ---------------------------------------------------------------------------------- */

static void ends_of_logs(void **state)
{
	static const struct {
		const char *name, *older, *log;
		unsigned lines;
		const char *want;
	} rows[] = {
		{ "none", NULL, NULL, 5, "" },
		{ "all", NULL, "a\nb\n", 5, "a\nb\n" },
		{ "exactly", NULL, "a\nb\n", 2, "a\nb\n" },
		{ "the last", NULL, "a\nb\nc\n", 1, "c\n" },
		{ "no line", NULL, "a\n", 0, "" },
		{ "an unfinished line", NULL, "a\nb", 1, "b" },
		{ "with the file before", "o1\no2\no3\n", "a\nb\n", 4, "o2\no3\na\nb\n" },
		{ "without the file before", "o1\n", "a\nb\n", 2, "a\nb\n" },
		{ "only the file before", "o1\no2\n", NULL, 1, "o2\n" },
		{ "an empty one", "o1\n", "", 3, "o1\n" },
		{ "empty lines", NULL, "\n\n\n", 2, "\n\n" },
		{ "control characters", NULL, "a\x1b[1m\tb\r\n\x80\xc3\xa4\n", 9,
		        "a?[1m\tb?\n?\xc3\xa4\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		char *text;

		(void)unlinkat(dirfd_, "nodeos.log", 0);
		(void)unlinkat(dirfd_, "nodeos.log.1", 0);
		if (rows[i].log)
			put("nodeos.log", rows[i].log, strlen(rows[i].log));
		if (rows[i].older)
			put("nodeos.log.1", rows[i].older, strlen(rows[i].older));
		text = tail_read(dirfd_, rows[i].lines, &e);
		if (!text || strcmp(text, rows[i].want) != 0)
			fail_msg("%s: '%s' %s", rows[i].name, text ? text : "(null)", e.msg);
		free(text);
	}
}

static void long_logs_are_cut(void **state)
{
	size_t n = 3 * TAIL_BYTES_MAX;
	char *big = malloc(n), *text;
	struct err e = ERR_INIT;

	(void)state;
	memset(big, 'x', n);
	for (size_t i = 99; i < n; i += 100)
		big[i] = '\n';
	put("nodeos.log", big, n);
	put("nodeos.log.1", "older\n", 6);
	text = tail_read(dirfd_, 1000000, &e);
	assert_true(strlen(text) <= TAIL_BYTES_MAX && strlen(text) > TAIL_BYTES_MAX - 100);
	assert_int_equal(strlen(text) % 100, n % 100);
	assert_true(str_starts(text, "xxx", NULL));
	assert_null(strstr(text, "older"));
	free(text);
	/* A NUL, and one line without an end. */
	memset(big, 'y', n);
	big[n - 5] = '\0';
	put("nodeos.log", big, n);
	text = tail_read(dirfd_, 10, &e);
	assert_int_equal(strlen(text), TAIL_BYTES_MAX);
	assert_string_equal(text + TAIL_BYTES_MAX - 6, "y?yyyy");
	free(text);
	free(big);
	/* Not through links. */
	assert_int_equal(unlinkat(dirfd_, "nodeos.log", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", dirfd_, "nodeos.log"), 0);
	assert_null(tail_read(dirfd_, 10, &e));
}

/* --- token -------------------------------------------------------------------------------- */

static void tokens(void **state)
{
#define T32 "0123456789abcdef0123456789abcdef"
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "good", T32, T32 },
		{ "with a newline", T32 "\r\n", T32 },
		{ "long", T32 T32 T32, T32 T32 T32 },
		{ "short", "0123456789abcdef0123456789abcde", "" },
		{ "short with newlines", "0123456789abcdef\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
		        "" },
		{ "two words", T32 " " T32, "" },
		{ "two lines", T32 "\n" T32, "" },
		{ "not printable", T32 "\x7f", "" },
		{ "empty", "", "" },
	};
	char path[64], huge[TOKEN_MAX + 2];
	struct token t;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/token", dir);
	token_init(&t, path);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		int rc;

		(void)unlink(path);
		put("token", rows[i].text, strlen(rows[i].text));
		rc = token_refresh(&t, &e);
		if (rc != (*rows[i].want ? 0 : -1) || strcmp(t.text, rows[i].want) != 0)
			fail_msg("%s: %d '%s' %s", rows[i].name, rc, t.text, e.msg);
		if (strlen(rows[i].text) > 8 && strstr(e.msg, "456789"))
			fail_msg("%s: the message tells it: %s", rows[i].name, e.msg);
		/* Not read, and not complained about, again. */
		err_clear(&e);
		assert_int_equal(token_refresh(&t, &e), 1);
		assert_string_equal(t.text, rows[i].want);
	}
	memset(huge, 'x', sizeof(huge));
	put("token", huge, sizeof(huge));
	assert_int_equal(token_refresh(&t, (&(struct err){ 0 })), -1);
	put("token", T32, 32);
	assert_int_equal(token_refresh(&t, (&(struct err){ 0 })), 0);
	(void)unlink(path);
	assert_int_equal(token_refresh(&t, (&(struct err){ 0 })), -1);
	assert_string_equal(t.text, "");
	assert_int_equal(token_refresh(&t, (&(struct err){ 0 })), 1);
	token_release(&t);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(lists_slots),
		T(many_slots_are_cut),
		T(says_who_holds_a_slot),
		T(ends_of_logs),
		T(long_logs_are_cut),
		T(tokens),
	};

	return cmocka_run_group_tests_name("agent/files", tests, NULL, NULL);
}
