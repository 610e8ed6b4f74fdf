#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/boot_id.h"

/* What is opened in its place; NULL: itself, "": nothing. */
static const char *instead;

int __real_openat64(int dirfd, const char *path, int flags, ...);
int __wrap_openat64(int dirfd, const char *path, int flags, ...);

int __wrap_openat64(int dirfd, const char *path, int flags, ...)
{
	int fd;

	if (!instead || !strstr(path, "boot_id"))
		return __real_openat64(dirfd, path, flags, 0600);
	if (!*instead) {
		errno = EACCES;
		return -1;
	}
	fd = __real_openat64(AT_FDCWD, "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, instead, strlen(instead)), (ssize_t)strlen(instead));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void it_is_a_uuid(void **state)
{
	char id[BOOT_ID_SIZE], again[BOOT_ID_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	instead = NULL;
	assert_int_equal(boot_id(id, &e), 0);
	assert_int_equal(strlen(id), 36);
	assert_int_equal(strspn(id, "0123456789abcdef-"), 36);
	assert_int_equal(boot_id(again, &e), 0);
	assert_string_equal(again, id);
}

static void without_one_it_is_empty(void **state)
{
	static const struct {
		const char *text;
		enum err_kind kind;
	} rows[] = {
		{ "", ERR_SYSTEM },
		{ "\n", ERR_PROTOCOL },
		{ "0b4c2c07-6f3f-4c0e-9df2-1d1b6e2f6d4\n", ERR_PROTOCOL },
		{ "0b4c2c07-6f3f-4c0e-9df2-1d1b6e2f6d4a5\n", ERR_PROTOCOL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char id[BOOT_ID_SIZE] = "x";
		struct err e = ERR_INIT;

		instead = rows[i].text;
		if (boot_id(id, &e) != -1 || e.kind != rows[i].kind || *id)
			fail_msg("'%s': '%s', %s", rows[i].text, id, e.msg);
	}
	instead = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_a_uuid),
		cmocka_unit_test(without_one_it_is_empty),
	};

	return cmocka_run_group_tests_name("base/boot_id", tests, NULL, NULL);
}
