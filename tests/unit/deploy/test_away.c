#include "unit/test.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "deploy/deploy.h"
#include "deploy/plan.h"
#include "engine/engine.h"
#include "fake/swarm.h"
#include "stack/stack.h"

/*
 * Each command against a fake swarm of which one call fails, for each call and in each way.  Time
 * passes only where somebody waits for it, and there forty times as fast.
 */

static int64_t waited_ns;

int __real_poll(struct pollfd *fds, nfds_t n, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms);
int64_t __real_clock_mono_ns(void);
int64_t __wrap_clock_mono_ns(void);

int __wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
	if (n)
		return __real_poll(fds, n, ms);
	waited_ns += 40 * ms * NS_PER_MS;
	return 0;
}

int64_t __wrap_clock_mono_ns(void)
{
	return __real_clock_mono_ns() + waited_ns;
}

static char dir[64];
static struct fake_swarm *swarm;
static struct stack *first_stack, *second_stack;
static char seen[4096]; /* progress and notes, the last ones */
static volatile int interrupted;
static struct fake_swarm *prepared[16];
static size_t n_prepared;

static void write_stack(const char *name, const char *text, const char *config)
{
	AUTO(free) char *path = str_fmt("%s/%s", dir, name);
	AUTO(free) char *c = str_fmt("%s/c", dir);
	AUTO(free) char *f = str_fmt("%s/f", dir);
	struct err e = ERR_INIT;

	assert_int_equal(fs_write_at(AT_FDCWD, f, "fixed", 5, 0644, &e), 0);
	assert_int_equal(fs_write_at(AT_FDCWD, path, text, strlen(text), 0644, &e), 0);
	assert_int_equal(fs_write_at(AT_FDCWD, c, config, strlen(config), 0644, &e), 0);
}

static struct stack *load(const char *name)
{
	AUTO(free) char *path = str_fmt("%s/%s", dir, name);
	struct err e = ERR_INIT;
	struct stack *st = NULL;

	if (stack_load(&st, (const char *const[]){ path }, 1, NULL, &e) < 0 ||
	        stack_set_name(st, "s", &e) < 0)
		fail_msg("%s", e.msg);
	return st;
}

#define STACK(command)                                                                       \
	"services:\n"                                                                        \
	"  web:\n"                                                                           \
	"    image: i:1\n"                                                                   \
	"    command: [" command "]\n"                                                       \
	"    networks: [n]\n"                                                                \
	"    configs: [c, f]\n"                                                              \
	"    secrets: [k]\n"                                                                 \
	"    deploy: {replicas: 2, endpoint_mode: dnsrr}\n"                                  \
	"  db:\n"                                                                            \
	"    image: i:1\n"                                                                   \
	"    networks: [n]\n"                                                                \
	"networks: {n: {driver: overlay}}\n"                                                 \
	"configs: {c: {file: ./c}, f: {file: ./f, name: fixed, labels: {l: " command "}}}\n" \
	"secrets: {k: {file: ./c}}\n"

/* Under a TEST_WRAPPER, which is valgrind, not every call: it would take ten minutes. */
static size_t step = 1;

static int setup_all(void **state)
{
	const char *wrapper = getenv("TEST_WRAPPER");

	(void)state;
	if (wrapper && *wrapper)
		step = 5;
	snprintf(dir, sizeof(dir), "/tmp/test-away-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	write_stack("1.yml", STACK("a"), "one");
	first_stack = load("1.yml");
	write_stack("2.yml", STACK("b"), "two");
	second_stack = load("2.yml");
	return 0;
}

static int teardown_all(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	while (n_prepared)
		fake_swarm_stop(prepared[--n_prepared]);
	stack_free(first_stack);
	stack_free(second_stack);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

/* --- commands --------------------------------------------------------------------------------- */

static void on_text(void *arg, const char *text)
{
	size_t n = strlen(seen);

	(void)arg;
	snprintf(seen + n, sizeof(seen) - n, "%s\n", text);
}

enum command { UP, UP_CHANGED, SCALE_UP, SCALE_DOWN, STOP, UP_AFTER_STOP, DOWN, COMMANDS };

static const char *const names[COMMANDS] = { "up", "up, changed", "scale up", "scale down", "stop",
	"up after stop", "down --purge" };

static int run(enum command c, int64_t wait_ns, struct err *e)
{
	AUTO(slot_ends) struct slot_ends ends = { 0 };
	AUTO(plan_free) struct plan *plan = NULL;
	AUTO(engine_free) struct engine *eng = engine_new(fake_swarm_host(swarm), e);
	struct deploy d = { .engine = eng,
		.stack = "s",
		.pool = "/nonexistent",
		.wait_ns = wait_ns,
		.interrupted = &interrupted,
		.progress = on_text,
		.note = on_text };

	assert_non_null(eng);
	*seen = '\0';
	switch (c) {
	case UP:
	case UP_AFTER_STOP:
		return deploy_up(&d, first_stack, false, &plan, e);
	case UP_CHANGED:
		return deploy_up(&d, second_stack, false, &plan, e);
	case SCALE_UP:
	case SCALE_DOWN:
		return deploy_scale(&d,
		        (const struct scale[]){ { "web", c == SCALE_UP ? 5 : 1 }, { "db", 3 } }, 2,
		        &ends, e);
	case STOP:
		return deploy_stop(&d, NULL, 0, &ends, e);
	case DOWN:
		return deploy_down(&d, true, &ends, e);
	case COMMANDS:
		break;
	}
	return -1;
}

/* A swarm on which the command has something to do. */
static void prepare(enum command c)
{
	static struct fake_swarm *of[COMMANDS];
	struct err e = ERR_INIT;

	fake_swarm_stop(swarm);
	if (!of[c]) {
		of[c] = swarm = fake_swarm_start();
		if (c != UP && run(UP, -1, &e) < 0)
			fail_msg("prepare: %s", e.msg);
		if (c == UP_AFTER_STOP && run(STOP, -1, &e) < 0)
			fail_msg("prepare: %s", e.msg);
		prepared[n_prepared++] = of[c];
	}
	swarm = fake_swarm_copy(of[c]);
}

static int teardown(void **state)
{
	(void)state;
	fake_swarm_stop(swarm);
	swarm = NULL;
	interrupted = 0;
	return 0;
}

/* What the swarm has when nothing fails, and how many calls that takes.  `stopped_at` is a time. */
static char *expected(enum command c, size_t *ret_calls)
{
	struct err e = ERR_INIT;

	prepare(c);
	if (run(c, -1, &e) < 0)
		fail_msg("%s: %s", names[c], e.msg);
	*ret_calls = fake_swarm_calls(swarm);
	return fake_swarm_dump(swarm);
}

/* Times are replaced by zeros. */
static void without_times(char *text)
{
	for (char *p = text; (p = strstr(p, "20")) != NULL; p++)
		if (strspn(p, "0123456789-T:.") > 15)
			for (size_t n = strspn(p, "0123456789-T:."); n--;)
				p[n] = '0';
}

static void expect_state(const char *wants, const char *what)
{
	AUTO(free) char *got = fake_swarm_dump(swarm);
	AUTO(free) char *want = strdup(wants);

	without_times(got);
	without_times(want);
	if (strcmp(got, want) != 0)
		fail_msg("%s:\n  has   %s\n  wants %s\n  after %s", what, got, want, seen);
}

/* libcurl repeats by itself what fails on a connection that was used before. */
static size_t count_of(enum fake_failure how)
{
	return how == FAKE_BROKEN || how == FAKE_BROKEN_DONE ? 2 : 1;
}

static void any_call_fails_in_any_way(void **state)
{
	(void)state;
	for (int c = 0; c < COMMANDS; c++) {
		size_t calls;
		AUTO(free) char *wants = expected((enum command)c, &calls);

		assert_in_range(calls, 4, 200);
		for (size_t n = 0; n < calls; n += step)
			for (int how = 0; how < FAKE_FAILURES; how++) {
				struct err e = ERR_INIT;
				char what[300];
				int rc;

				prepare((enum command)c);
				fake_swarm_fail(swarm, n, count_of((enum fake_failure)how),
				        (enum fake_failure)how);
				rc = run((enum command)c, -1, &e);
				snprintf(what, sizeof(what), "%s, call %zu (%s), %s", names[c], n,
				        fake_swarm_failed(swarm),
				        fake_failure_name((enum fake_failure)how));
				if (rc < 0)
					fail_msg("%s: '%s' (%s)\n%s", what, e.msg, e.hint, seen);
				expect_state(wants, what);
			}
	}
}

/* An election: everything fails for a while, from any call on. */
static void an_election_from_any_call_on(void **state)
{
	(void)state;
	for (int c = 0; c < COMMANDS; c++) {
		size_t calls;
		AUTO(free) char *wants = expected((enum command)c, &calls);

		for (size_t n = 0; n < calls; n += step) {
			struct err e = ERR_INIT;
			char what[300];
			int rc;

			prepare((enum command)c);
			fake_swarm_fail(swarm, n, 3, FAKE_NO_LEADER);
			rc = run((enum command)c, -1, &e);
			snprintf(what, sizeof(what), "%s, from call %zu (%s)", names[c], n,
			        fake_swarm_failed(swarm));
			if (rc < 0)
				fail_msg("%s: '%s' (%s)\n%s", what, e.msg, e.hint, seen);
			if (!strstr(seen, "the swarm has no leader; waiting"))
				fail_msg("%s: was not told: %s", what, seen);
			expect_state(wants, what);
		}
	}
}

/* It does not come back: say so, and finish when the same command is run again. */
static void lost_from_any_call_on(enum fake_failure how, const char *message)
{
	for (int c = 0; c < COMMANDS; c++) {
		size_t calls;
		AUTO(free) char *wants = expected((enum command)c, &calls);

		for (size_t n = 0; n < calls; n += step) {
			struct err e = ERR_INIT;
			int64_t start;
			char what[300];
			int rc;

			prepare((enum command)c);
			fake_swarm_fail(swarm, n, SIZE_MAX, how);
			start = __wrap_clock_mono_ns();
			rc = run((enum command)c, -1, &e);
			snprintf(what, sizeof(what), "%s, from call %zu (%s)", names[c], n,
			        fake_swarm_failed(swarm));
			if (rc == 0 || (e.kind != ERR_UNAVAILABLE && e.kind != ERR_TIMEOUT) ||
			        !strstr(e.msg, message) || !strstr(e.hint, "the same command"))
				fail_msg("%s: %d '%s' (%s)", what, rc, e.msg, e.hint);
			assert_in_range(
			        __wrap_clock_mono_ns() - start, 50 * NS_PER_SEC, 130 * NS_PER_SEC);
			err_clear(&e);
			fake_swarm_fail(swarm, 0, 0, how);
			if (run((enum command)c, -1, &e) < 0)
				fail_msg("%s, again: '%s'", what, e.msg);
			if (c == DOWN && strstr(seen, "removed image"))
				continue;
			expect_state(wants, what);
		}
	}
}

static void quorum_lost_from_any_call_on(void **state)
{
	(void)state;
	lost_from_any_call_on(FAKE_NO_LEADER, "the swarm has had no leader for 1m");
}

static void silence_from_any_call_on(void **state)
{
	(void)state;
	lost_from_any_call_on(FAKE_TIMEOUT, "has not answered");
}

static void engine_gone_from_any_call_on(void **state)
{
	(void)state;
	lost_from_any_call_on(FAKE_BROKEN_DONE, "has not answered for 1m");
}

/* The first look is the last that tells who the managers are; nothing listens on their ports. */
static void names_the_managers(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	prepare(SCALE_UP);
	fake_swarm_fail(swarm, 4, SIZE_MAX, FAKE_NO_LEADER);
	assert_int_equal(run(SCALE_UP, -1, &e), -1);
	if (!strstr(e.msg,
	            "none of the managers can be reached from here: n1 (127.0.0.1), n2 "
	            "(127.0.0.2)") ||
	        !strstr(e.hint, "(2 of 2)"))
		fail_msg("'%s' (%s)", e.msg, e.hint);
	err_clear(&e);

	/* Not even one look: the engine's own memory. */
	prepare(SCALE_UP);
	fake_swarm_fail(swarm, 0, SIZE_MAX, FAKE_NO_LEADER);
	assert_int_equal(run(SCALE_UP, -1, &e), -1);
	assert_non_null(strstr(e.msg, "the swarm has had no leader for"));
}

static void the_limit_of_the_user_counts(void **state)
{
	static const struct {
		int64_t wait_ns, min_ns, max_ns;
	} rows[] = {
		{ 0, 0, 5 * NS_PER_SEC },
		{ 10 * NS_PER_SEC, 10 * NS_PER_SEC, 35 * NS_PER_SEC },
		{ 300 * NS_PER_SEC, 300 * NS_PER_SEC, 325 * NS_PER_SEC },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		int64_t start = __wrap_clock_mono_ns();

		prepare(STOP);
		fake_swarm_fail(swarm, 2, SIZE_MAX, FAKE_NO_LEADER);
		assert_int_equal(run(STOP, rows[i].wait_ns, &e), -1);
		assert_int_equal(e.kind, ERR_UNAVAILABLE);
		assert_in_range(__wrap_clock_mono_ns() - start, rows[i].min_ns, rows[i].max_ns);
		assert_non_null(strstr(e.hint, i ? "the same command" : "more than half"));
	}
}

/* No engine at all is said at once. */
static void an_engine_that_was_never_there(void **state)
{
	struct err e = ERR_INIT;
	AUTO(engine_free) struct engine *eng = engine_new("unix:///nonexistent/s", &e);
	AUTO(slot_ends) struct slot_ends ends = { 0 };
	struct deploy d = { .engine = eng, .stack = "s", .pool = "/nonexistent", .wait_ns = -1 };
	int64_t start = __wrap_clock_mono_ns();

	(void)state;
	assert_int_equal(deploy_stop(&d, NULL, 0, &ends, &e), -1);
	assert_int_equal(e.kind, ERR_UNAVAILABLE);
	assert_true(__wrap_clock_mono_ns() - start < NS_PER_SEC);
}

static void ctrl_c_ends_the_wait(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	prepare(SCALE_UP);
	fake_swarm_fail(swarm, 4, SIZE_MAX, FAKE_NO_LEADER);
	interrupted = 1;
	assert_int_equal(run(SCALE_UP, -1, &e), -1);
	assert_int_equal(e.kind, ERR_INTERRUPTED);
	assert_non_null(strstr(e.hint, "the same command"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(any_call_fails_in_any_way, teardown),
		cmocka_unit_test_teardown(an_election_from_any_call_on, teardown),
		cmocka_unit_test_teardown(quorum_lost_from_any_call_on, teardown),
		cmocka_unit_test_teardown(silence_from_any_call_on, teardown),
		cmocka_unit_test_teardown(engine_gone_from_any_call_on, teardown),
		cmocka_unit_test_teardown(names_the_managers, teardown),
		cmocka_unit_test_teardown(the_limit_of_the_user_counts, teardown),
		cmocka_unit_test_teardown(an_engine_that_was_never_there, teardown),
		cmocka_unit_test_teardown(ctrl_c_ends_the_wait, teardown),
	};

	return cmocka_run_group_tests_name("deploy/away", tests, setup_all, teardown_all);
}
