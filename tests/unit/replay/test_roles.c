#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "replay/roles.h"

#define T1 "11111111111111111111111111111111"
#define T2 "22222222222222222222222222222222"
#define T3 "33333333333333333333333333333333"

static char dir[] = "/tmp/test_roles.XXXXXX";
static char path[64];
static struct roles *roles;
static struct err e;

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/test_roles.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/tokens", dir);
	roles = NULL;
	e = ERR_INIT;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	roles_free(roles);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

static void write_file(const char *text, size_t n)
{
	assert_int_equal(fs_write_at(AT_FDCWD, path, text, n, 0600, &e), 0);
}

static void open_text(const char *text)
{
	write_file(text, strlen(text));
	roles = roles_open(path, &e);
}

static void each_role(void **state)
{
	(void)state;
	open_text("# tokens\n\nread " T1 "\n  work\t" T2 "  \ncontrol " T3 "\r\nwork " T1);
	if (!roles)
		fail_msg("%s", e.msg);
	/* Of the same token in two lines it has both. */
	assert_int_equal(roles_of(roles, T1), ROLE_READ | ROLE_WORK);
	assert_int_equal(roles_of(roles, T2), ROLE_READ | ROLE_WORK);
	assert_int_equal(roles_of(roles, T3), ROLE_READ | ROLE_CONTROL);
	assert_int_equal(roles_of(roles, ""), ROLE_NONE);
	assert_int_equal(roles_of(roles, "1"), ROLE_NONE);
	assert_int_equal(roles_of(roles, T1 "1"), ROLE_NONE);
	assert_int_equal(roles_of(roles, "#"), ROLE_NONE);
}

static void files_that_are_none(void **state)
{
	static const struct {
		const char *text, *part;
	} rows[] = {
		{ "", "there is no token" },
		{ "# nothing\n", "there is no token" },
		{ "read " T1 "\nroot " T2 "\n", "line 2: it does not begin with" },
		{ "Read " T1 "\n", "line 1: it does not begin with" },
		{ "read\n", "line 1: a token has" },
		{ "\nread short\n", "line 2: a token has" },
		{ "read " T1 " " T2 "\n", "line 1: a token is one word" },
		{ "read \xc3\xa4" T1 "\n", "line 1: a token is one word" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		e = ERR_INIT;
		open_text(rows[i].text);
		assert_null(roles);
		if (e.kind != ERR_USAGE || !strstr(e.msg, rows[i].part))
			fail_msg("row %zu: %s", i, e.msg);
		/* A token's text is in no message. */
		assert_null(strstr(e.msg, "1111"));
		assert_null(strstr(e.msg, "short"));
	}
	e = ERR_INIT;
	write_file("read " T1 "\0\n", 39);
	assert_null(roles_open(path, &e));
	assert_int_equal(e.kind, ERR_USAGE);
	e = ERR_INIT;
	assert_int_equal(unlink(path), 0);
	assert_null(roles_open(path, &e));
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static void too_many(void **state)
{
	static char text[300 * 40];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 257; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "read " T1 "\n");
	open_text(text);
	assert_null(roles);
	assert_non_null(strstr(e.msg, "line 257: more than 256 tokens"));
}

static void a_file_that_changes(void **state)
{
	(void)state;
	open_text("read " T1 "\n");
	assert_non_null(roles);
	assert_int_equal(roles_refresh(roles, &e), 1);
	write_file("work " T2 "\n", 38);
	assert_int_equal(roles_refresh(roles, &e), 0);
	assert_int_equal(roles_of(roles, T1), ROLE_NONE);
	assert_int_equal(roles_of(roles, T2), ROLE_READ | ROLE_WORK);
	/* Told once; nobody has a role until it is right again. */
	write_file("work\n", 5);
	assert_int_equal(roles_refresh(roles, &e), -1);
	e = ERR_INIT;
	assert_int_equal(roles_refresh(roles, &e), 1);
	assert_int_equal(roles_of(roles, T2), ROLE_NONE);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(roles_refresh(roles, &e), -1);
	e = ERR_INIT;
	assert_int_equal(roles_refresh(roles, &e), 1);
	write_file("read " T1 "\n", 38);
	assert_int_equal(roles_refresh(roles, &e), 0);
	assert_int_equal(roles_of(roles, T1), ROLE_READ);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(each_role),
		CASE(files_that_are_none),
		CASE(too_many),
		CASE(a_file_that_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
