/* Every call of a clone fails once, or is the last before a cancel. */

#include "unit/test.h"

#include "unit/data/clone_scene.h"

static void each_call(unsigned threads, bool independent, bool by_cancel)
{
	struct clone_options o = {
		.threads = threads,
		.no_reflink = independent,
		.no_link = independent,
		.verify = independent,
		.cancel = &cancel,
	};
	int done = 0, tolerated = 0;

	/* Where an fsync() costs nothing. */
	leave();
	enter(BASES[1]);
	make_source();
	cancels = by_cancel;
	fail_errno = EIO;
	for (fail_at = 1; !done; fail_at++) {
		struct clone_report r;
		struct err e = ERR_INIT;
		int before = open_fds(), rc;

		calls = 0;
		__atomic_store_n(&cancel, 0, __ATOMIC_RELAXED);
		rc = clone_tree(dfd, "src", dfd, "dst", &o, &r, &e);
		done = calls < fail_at;
		if (rc == 0) {
			tolerated += !done;
			in_dir("rm -r dst");
			continue;
		}
		if (e.kind != (by_cancel ? ERR_INTERRUPTED : ERR_SYSTEM) || !e.msg[0] ||
		        (!by_cancel && e.sys_errno != EIO))
			fail_msg("call %d: %s: %s", fail_at, err_kind_name(e.kind), e.msg);
		if (e.hint[0] || exists("dst"))
			fail_msg("call %d: left over: %s", fail_at, e.hint);
		assert_int_equal(open_fds(), before);
		if (fail_at > 5000)
			fail_msg("no end");
	}
	/* A cancel that comes after the last look, and a failure that we can do without. */
	assert_true(tolerated < (by_cancel ? fail_at / 3 : 6));
	assert_true(fail_at > 50);
}

static void each_failing_call_leaves_nothing(void **state)
{
	(void)state;
	each_call(1, false, false);
}
static void each_failing_call_of_a_copy_leaves_nothing(void **state)
{
	(void)state;
	each_call(1, true, false);
}
static void each_failing_call_of_threads_leaves_nothing(void **state)
{
	(void)state;
	each_call(4, true, false);
}
static void cancel_at_each_call_leaves_nothing(void **state)
{
	(void)state;
	each_call(4, true, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_failing_call_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
		        each_failing_call_of_a_copy_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
		        each_failing_call_of_threads_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
		        cancel_at_each_call_leaves_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
