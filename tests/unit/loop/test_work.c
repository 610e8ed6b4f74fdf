#include "unit/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "loop/loop.h"
#include "loop/work.h"

static struct loop loop;

struct job {
	atomic_int begun;
	bool waits;
	int rc; /* what it is to return when it does not wait */
	int told, told_rc;
	struct err told_err;
	bool signals_blocked;
};

static int do_job(void *arg, const volatile int *cancel, struct err *e)
{
	struct job *j = arg;
	sigset_t now;

	(void)pthread_sigmask(SIG_SETMASK, NULL, &now);
	j->signals_blocked = sigismember(&now, SIGTERM) == 1;
	j->begun = 1;
	while (j->waits && !cancel_is_set(cancel))
		(void)nanosleep(&(struct timespec){ .tv_nsec = NS_PER_MS }, NULL);
	if (j->waits)
		return err_set(e, ERR_INTERRUPTED, "cancelled");
	return j->rc < 0 ? err_set(e, ERR_SYSTEM, "it broke") : j->rc;
}

static void on_done(void *arg, int rc, const struct err *why)
{
	struct job *j = arg;

	j->told++;
	j->told_rc = rc;
	j->told_err = *why;
}

static void turn(const struct job *j)
{
	int64_t end = clock_mono_ns() + 5 * NS_PER_SEC;
	struct err e = ERR_INIT;

	while (!j->told && clock_mono_ns() < end)
		assert_true(loop_once(&loop, 100, &e) >= 0);
}

static int set_up(void **state UNUSED)
{
	struct err e = ERR_INIT;

	return loop_init(&loop, &e);
}

static int tear_down(void **state UNUSED)
{
	loop_release(&loop);
	return 0;
}

static void the_end_is_told_once(void **state UNUSED)
{
	static const int rcs[] = { 0, 1, -1 };

	for (size_t i = 0; i < 3; i++) {
		struct job j = { .rc = rcs[i] };
		struct err e = ERR_INIT;

		assert_non_null(work_start(&loop, do_job, on_done, &j, &e));
		assert_int_equal(j.told, 0);
		turn(&j);
		assert_int_equal(j.told, 1);
		assert_int_equal(j.told_rc, rcs[i]);
		assert_int_equal(j.told_err.kind, rcs[i] < 0 ? ERR_SYSTEM : ERR_NONE);
		assert_true(j.signals_blocked);
	}
}

static void a_cancelled_one_is_told(void **state UNUSED)
{
	struct job j = { .waits = true };
	struct err e = ERR_INIT;
	struct work *w = work_start(&loop, do_job, on_done, &j, &e);

	assert_non_null(w);
	work_cancel(w);
	turn(&j);
	assert_int_equal(j.told, 1);
	assert_int_equal(j.told_err.kind, ERR_INTERRUPTED);
}

static void a_freed_one_is_not(void **state UNUSED)
{
	struct job j = { .waits = true };
	struct err e = ERR_INIT;
	struct work *w = work_start(&loop, do_job, on_done, &j, &e);

	assert_non_null(w);
	work_free(w);
	assert_int_equal(j.begun, 1);
	assert_true(loop_once(&loop, 0, &e) >= 0);
	assert_int_equal(j.told, 0);
	work_free(NULL);
	work_cancel(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_end_is_told_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_cancelled_one_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_freed_one_is_not, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
