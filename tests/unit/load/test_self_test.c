#include "unit/test.h"

#include "load/self_test.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "load/load.h"

/* What the run under test makes of its counts before it hands them out. */
static struct {
	enum load_class from, to; /* one of the one is counted as the other; equal: exact */
	bool drops, adds;         /* one fewer, one more of `from` */
	bool wrong_status;
} lie;

int __real_load_run(const struct load_config *c, struct load_result **ret, struct err *e);
int __wrap_load_run(const struct load_config *c, struct load_result **ret, struct err *e);

int __wrap_load_run(const struct load_config *c, struct load_result **ret, struct err *e)
{
	uint64_t *n;

	if (__real_load_run(c, ret, e) < 0)
		return -1;
	n = (*ret)->total->classes;
	if (lie.wrong_status && (*ret)->total->statuses[503]) {
		(*ret)->total->statuses[503]--;
		(*ret)->total->statuses[502]++;
	}
	if (!n[lie.from])
		return 0;
	n[lie.from] = n[lie.from] + lie.adds - lie.drops;
	if (lie.from != lie.to) {
		n[lie.from]--;
		n[lie.to]++;
	}
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	memset(&lie, 0, sizeof(lie));
	return 0;
}

struct seen {
	unsigned n, wrong;
	unsigned ends_at; /* the row with which it is interrupted, 0: none */
	volatile int interrupted;
	bool classes[LOAD_CLASSES];
};

static void see(void *arg, const struct load_self_test_row *r)
{
	struct seen *s = arg;

	if (++s->n == s->ends_at)
		cancel_set(&s->interrupted);
	s->wrong += !r->ok;
	s->classes[r->expected] = true;
	if (!r->ok)
		print_message("wrong: %s: %s: %llu of %llu, counted %llu\n", r->what,
		        load_class_name(r->expected), (unsigned long long)r->made,
		        (unsigned long long)r->requests, (unsigned long long)r->counted);
}

static unsigned open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void short_form(void **state)
{
	int64_t begin, best = INT64_MAX;
	unsigned fds = open_fds();

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct seen s = { .n = 0 };
		struct err e = ERR_INIT;

		begin = clock_mono_ns();
		if (load_self_test(false, see, &s, NULL, &e) != 0)
			fail_msg("%s", e.msg);
		if (clock_mono_ns() - begin < best)
			best = clock_mono_ns() - begin;
		assert_int_equal(s.wrong, 0);
		for (enum load_class c = 0; c < LOAD_CLASSES; c++)
			assert_int_equal(s.classes[c],
			        c != LOAD_LOST && c != LOAD_UNSENT && c != LOAD_LOCAL);
	}
	assert_int_equal(open_fds(), fds);
	print_message("short form: %lld ms\n", (long long)(best / NS_PER_MS));
	/* 100 ms are promised for a quiet machine; sanitizers and CI are not. */
	assert_true(best < NS_PER_SEC);
}

static void full_form(void **state)
{
	struct err e = ERR_INIT;
	struct seen s = { .n = 0 };
	unsigned fds = open_fds();
	int64_t begin = clock_mono_ns();
	int rc = load_self_test(true, see, &s, NULL, &e);

	(void)state;
	if (rc != 0)
		fail_msg("%d: %s", rc, e.msg);
	print_message("full form: %u cases in %lld ms\n", s.n,
	        (long long)((clock_mono_ns() - begin) / NS_PER_MS));
	assert_int_equal(s.wrong, 0);
	for (enum load_class c = 0; c < LOAD_CLASSES; c++)
		assert_int_equal(s.classes[c], c != LOAD_LOST && c != LOAD_LOCAL);
	assert_int_equal(open_fds(), fds);
}

static void expect_seen(const char *says)
{
	struct seen s = { .n = 0 };
	struct err e = ERR_INIT;

	assert_int_equal(load_self_test(false, see, &s, NULL, &e), 1);
	assert_int_equal(e.kind, ERR_UNHEALTHY);
	assert_true(s.wrong >= 1);
	if (!strstr(e.msg, says))
		fail_msg("'%s' is not in '%s'", says, e.msg);
}

/* A generator that takes one class for another. */
static void each_class_miscounted(void **state)
{
	static const struct {
		enum load_class from;
		const char *says;
	} t[] = {
		{ LOAD_CONNECT, "1 ok instead of 0, 1 connect instead of 2" },
		{ LOAD_RESET, "2 ok instead of 1, 0 reset instead of 1" },
		{ LOAD_TIMEOUT, "2 ok instead of 1, 0 timeout instead of 1" },
		{ LOAD_SHORT, "2 ok instead of 1, 0 short instead of 1" },
		{ LOAD_STATUS, "2 ok instead of 1, 0 status instead of 1" },
		{ LOAD_NOT_HTTP, "2 ok instead of 1, 0 not-http instead of 1" },
		{ LOAD_TOO_LARGE, "2 ok instead of 1, 0 too-large instead of 1" },
		{ LOAD_NOT_JSON, "2 ok instead of 1, 0 not-json instead of 1" },
		{ LOAD_NOT_INFO, "2 ok instead of 1, 0 not-info instead of 1" },
		{ LOAD_WRONG_CHAIN, "2 ok instead of 1, 0 wrong-chain instead of 1" },
		{ LOAD_HEAD_BACK, "2 ok instead of 1, 0 head-back instead of 1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		lie.from = t[i].from;
		lie.to = LOAD_OK;
		expect_seen(t[i].says);
	}
}

static void other_lies(void **state)
{
	(void)state;
	lie.from = LOAD_OK;
	lie.to = LOAD_LOCAL;
	expect_seen("'nothing fails' was counted wrongly: 1 ok instead of 2, 1 local instead of 0");
	lie.to = LOAD_OK;
	lie.drops = true;
	expect_seen("'nothing fails' was counted wrongly: 1 ok instead of 2");
	lie.drops = false;
	lie.adds = true;
	expect_seen("'nothing fails' was counted wrongly: 3 ok instead of 2");
	/* One that is not there in the short form, and another that is. */
	lie.from = LOAD_TIMEOUT;
	lie.to = LOAD_TIMEOUT;
	expect_seen("'no reply' was counted wrongly: 2 timeout instead of 1");
	lie.adds = false;
	lie.wrong_status = true;
	expect_seen("'status 503' was counted wrongly: 0 of them as status 503");
}

/* From the third case on: a row for each that was whole. */
static void interrupted(void **state)
{
	struct seen s = { .n = 0, .ends_at = 3 };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(load_self_test(true, see, &s, &s.interrupted, &e), -1);
	assert_int_equal(e.kind, ERR_INTERRUPTED);
	assert_int_equal(s.n, 3);
	assert_int_equal(s.wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(short_form, set_up),
		cmocka_unit_test_setup(full_form, set_up),
		cmocka_unit_test_setup(each_class_miscounted, set_up),
		cmocka_unit_test_setup(other_lies, set_up),
		cmocka_unit_test_setup(interrupted, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
