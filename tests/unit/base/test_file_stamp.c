#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file_stamp.h"
#include "base/fs.h"

static char dir[] = "/tmp/test_file_stamp.XXXXXX";
static char path[64];

static int setup(void **state)
{
	(void)state;
	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/f", dir);
	return 0;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

static void put(const char *text)
{
	struct err e = ERR_INIT;

	assert_int_equal(fs_write_at(AT_FDCWD, path, text, strlen(text), 0644, &e), 0);
}

static void the_first_look_is_a_change(void **state)
{
	struct file_stamp s = { .is_known = false };

	(void)state;
	put("a");
	assert_true(file_stamp_look(&s, path));
	assert_false(file_stamp_look(&s, path));
	assert_false(file_stamp_look(&s, path));
}

static void it_comes_and_goes(void **state)
{
	struct file_stamp s = { .is_known = false };

	(void)state;
	assert_true(file_stamp_look(&s, path));
	assert_false(file_stamp_look(&s, path));
	put("a");
	assert_true(file_stamp_look(&s, path));
	assert_int_equal(unlink(path), 0);
	assert_true(file_stamp_look(&s, path));
	assert_false(file_stamp_look(&s, path));
}

/* Of the same length, and with its time set back. */
static void it_is_written_over(void **state)
{
	static const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	struct file_stamp s = { .is_known = false };
	int fd;

	(void)state;
	put("a");
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_true(file_stamp_look(&s, path));
	(void)usleep(20000); /* the kernel's clock of files has ticks */
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, "b", 1), 1);
	assert_int_equal(futimens(fd, old), 0);
	(void)close(fd);
	assert_true(file_stamp_look(&s, path));
	assert_false(file_stamp_look(&s, path));
}

/* As the configs of a service are in some versions of the engine. */
static void a_link_leads_elsewhere(void **state)
{
	struct file_stamp s = { .is_known = false };
	char link[80];

	(void)state;
	(void)snprintf(link, sizeof(link), "%s/link", dir);
	put("a");
	assert_int_equal(symlink("f", link), 0);
	assert_true(file_stamp_look(&s, link));
	put("b");
	assert_true(file_stamp_look(&s, link));
	assert_false(file_stamp_look(&s, link));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_first_look_is_a_change),
		TEST(it_comes_and_goes),
		TEST(it_is_written_over),
		TEST(a_link_leads_elsewhere),
	};

	return cmocka_run_group_tests_name("base/file_stamp", tests, NULL, NULL);
}
