#include "base/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit/test.h"

#define SH(text)                                                              \
	((char *const[]){ (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", \
	        (char *)(uintptr_t)(text), NULL })

static void test_output(void **state)
{
	AUTO(buf) struct buf out = BUF_INIT(1024 * 1024);
	struct err e = ERR_INIT;
	int status = 7;

	(void)state;
	assert_int_equal(buf_add_str(&out, "before "), 0);
	assert_int_equal(
	        run_output(SH("echo out; echo err >&2"), -1, NS_PER_SEC * 10, &out, &status, &e),
	        0);
	assert_string_equal(out.data, "before out\n");
	assert_int_equal(status, -1);
	buf_clear(&out);
	assert_int_equal(run_output(SH("head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2"),
	                         -1, NS_PER_SEC * 10, &out, NULL, &e),
	        0);
	assert_int_equal(out.len, 300000);
	assert_int_equal(
	        run_output(SH("echo nobody wants it"), -1, NS_PER_SEC * 10, NULL, NULL, &e), 0);
}

static void test_keep_fd(void **state)
{
	AUTO(buf) struct buf out = BUF_INIT(1024);
	AUTO(close_fd) int fd = memfd_create("text", MFD_CLOEXEC);
	struct err e = ERR_INIT;
	char text[64];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "kept", 4), 4);
	snprintf(text, sizeof(text), "cat /proc/self/fd/%d", fd);
	assert_int_equal(run_output(SH(text), fd, NS_PER_SEC * 10, &out, NULL, &e), 0);
	assert_string_equal(out.data, "kept");
}

static void test_failures(void **state)
{
	static const struct {
		const char *program, *message;
		enum err_kind kind;
		int status;
	} rows[] = {
		{ "echo no >&2; echo luck >&2; exit 4", "sh: luck", ERR_SYSTEM, 4 },
		{ "exit 3", "sh failed with exit status 3", ERR_SYSTEM, 3 },
		{ "kill -9 $$", "sh was ended by signal 9", ERR_SYSTEM, -1 },
		{ "head -c 2000 /dev/zero", "sh: prints more than 1024 bytes", ERR_PROTOCOL, -1 },
		{ "while :; do echo x; done", "sh: prints more than 1024 bytes", ERR_PROTOCOL, -1 },
		{ "sleep 100", "sh does not end", ERR_TIMEOUT, -1 },
		{ "exec >&- 2>&-; sleep 100", "sh does not end", ERR_TIMEOUT, -1 },
		/* A child that keeps the pipe. */
		{ "sleep 100 & exit 0", "sh does not end", ERR_TIMEOUT, -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf) struct buf out = BUF_INIT(1024);
		struct err e = ERR_INIT;
		int64_t start = clock_mono_ns();
		int status;

		if (run_output(SH(rows[i].program), -1, 300 * NS_PER_MS, &out, &status, &e) == 0 ||
		        e.kind != rows[i].kind || !strstr(e.msg, rows[i].message) ||
		        status != rows[i].status)
			fail_msg("'%s': %s, status %d", rows[i].program, e.msg, status);
		assert_true(clock_mono_ns() - start < 10 * NS_PER_SEC);
	}
}

/* Nothing of a program that was given up lives on. */
static void test_children_die(void **state)
{
	AUTO(buf) struct buf out = BUF_INIT(1024);
	struct err e = ERR_INIT;
	int64_t deadline = clock_mono_ns() + 10 * NS_PER_SEC;
	const struct timespec tick = { .tv_nsec = 10 * NS_PER_MS };
	pid_t pid;

	(void)state;
	assert_int_equal(
	        run_output(SH("sleep 100 & echo $!"), -1, 300 * NS_PER_MS, &out, NULL, &e), -1);
	pid = (pid_t)strtol(out.data, NULL, 10);
	assert_true(pid > 1);
	while (kill(pid, 0) == 0 && clock_mono_ns() < deadline)
		(void)nanosleep(&tick, NULL);
	assert_int_equal(kill(pid, 0), -1);
}

static void test_missing(void **state)
{
	char *const argv[] = { (char *)(uintptr_t) "no-such-program", NULL };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(run_output(argv, -1, NS_PER_SEC, NULL, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static void test_path(void **state)
{
	char *const argv[] = { (char *)(uintptr_t) "/bin/true", NULL };
	char *const missing[] = { (char *)(uintptr_t) "/no/such/true", NULL };
	struct err e = ERR_INIT;

	(void)state;
	if (run_output(argv, -1, 60 * NS_PER_SEC, NULL, NULL, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(run_output(missing, -1, NS_PER_SEC, NULL, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_keep_fd),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_children_die),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
