#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

/* stderr goes into a pipe for the test. */
static int saved = -1, in = -1;

static int setup(void **state)
{
	int p[2];

	(void)state;
	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	saved = dup(STDERR_FILENO);
	in = p[0];
	if (saved < 0 || dup2(p[1], STDERR_FILENO) < 0)
		return -1;
	return close(p[1]);
}

static int teardown(void **state)
{
	(void)state;
	log_set_level(LOG_INFO);
	(void)dup2(saved, STDERR_FILENO);
	(void)close(saved);
	return close(in);
}

/* What one write brought, without the time. */
static void expect(const char *want)
{
	char got[4096];
	ssize_t n = read(in, got, sizeof(got) - 1);

	if (n < 0) {
		assert_string_equal("", want);
		return;
	}
	got[n] = '\0';
	assert_true(n > 25 && got[10] == 'T' && got[23] == 'Z' && got[24] == ' ');
	assert_string_equal(got + 25, want);
}

static void one_line_for_one_event(void **state)
{
	(void)state;
	log_info("nodeos started", "pid=%d uid=%u", 7, 7077U);
	expect("info event=\"nodeos started\" pid=7 uid=7077\n");
	log_error("x", "%s", "");
	expect("error event=\"x\"\n");
	log_warn("y", "text=\"%s\"", "a\nb\033[31m\xff");
	expect("warn event=\"y\" text=\"a?b?[31m?\"\n");
}

static void levels(void **state)
{
	(void)state;
	log_debug("x", "%s", "");
	expect("");
	log_set_level(LOG_DEBUG);
	log_debug("x", "%s", "");
	expect("debug event=\"x\"\n");
	log_set_level(LOG_ERROR);
	assert_false(log_enabled(LOG_WARN));
	log_warn("x", "%s", "");
	expect("");
	log_error("x", "%s", "");
	expect("error event=\"x\"\n");
}

static void a_long_line_is_cut_and_still_a_line(void **state)
{
	char wide[5000], got[5000];
	ssize_t n;

	(void)state;
	memset(wide, 'w', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = '\0';
	for (int i = 0; i < 2; i++) {
		log_info(i ? wide : "x", "a=%s", wide);
		n = read(in, got, sizeof(got));
		assert_true(n > 2000 && n <= 2048);
		assert_int_equal(got[n - 1], '\n');
		assert_ptr_equal(memchr(got, '\n', (size_t)n), got + n - 1);
	}
}

static void errno_survives(void **state)
{
	(void)state;
	(void)close(STDERR_FILENO);
	errno = ENOSPC;
	log_error("x", "%s", "");
	assert_int_equal(errno, ENOSPC);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static void told_once_in_a_while(void **state)
{
	struct log_seldom s = { .count = 0 };

	(void)state;
	for (int i = 0; i < 3; i++)
		log_seldom(&s, LOG_WARN, "refused", "%s", "");
	expect("warn event=\"refused\" count=1\n");
	expect("");
	assert_int_equal(s.count, 3);
	s.told_ns -= 10 * NS_PER_SEC;
	log_seldom(&s, LOG_ERROR, "failed", "why=\"%s\"", "a\nb");
	expect("error event=\"failed\" why=\"a?b\" count=4\n");
	log_seldom(&s, LOG_ERROR, "failed", "why=\"%s\"", "c");
	expect("");
	/* Counted all the same. */
	s.told_ns = 0;
	log_seldom(&s, LOG_DEBUG, "x", "%s", "");
	expect("");
	assert_int_equal(s.count, 6);
}

static void a_long_line_has_its_count(void **state)
{
	struct log_seldom s = { .count = 0 };
	char text[4000], got[4096];
	ssize_t n;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_seldom(&s, LOG_WARN, "y", "%s", text);
	n = read(in, got, sizeof(got) - 1);
	assert_true(n > 2000 && n <= 2048);
	got[n] = '\0';
	assert_true(str_ends(got, "xxx count=1\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_line_for_one_event),
		T(levels),
		T(a_long_line_is_cut_and_still_a_line),
		T(errno_survives),
		T(told_once_in_a_while),
		T(a_long_line_has_its_count),
	};

	return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
