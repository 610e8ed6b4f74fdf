#include "load/worker_priv.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "unit/test.h"

/* When a thread looks out for events instead of sleeping: spun_ns says how long it did. */

static struct load_config config;
static struct load_worker worker;
static int event = -1;

static int set_up(void **state)
{
	struct epoll_event ev = { .events = EPOLLIN };

	(void)state;
	config = (struct load_config){ .threads = 1, .connections = 1 };
	worker = (struct load_worker){ .config = &config, .may_spin = true };
	worker.epfd = epoll_create1(EPOLL_CLOEXEC);
	event = eventfd(0, EFD_CLOEXEC);
	return epoll_ctl(worker.epfd, EPOLL_CTL_ADD, event, &ev);
}

static int tear_down(void **state)
{
	(void)state;
	(void)close(event);
	return close(worker.epfd);
}

static void set_event(bool is_there)
{
	uint64_t one = 1;

	if (is_there)
		assert_int_equal(write(event, &one, sizeof(one)), sizeof(one));
	else
		assert_int_equal(read(event, &one, sizeof(one)), sizeof(one));
}

/* Waits that long; returns how much of it was spun. */
static int64_t spun(int64_t ns, int events)
{
	int64_t before = worker.spun_ns;
	struct epoll_event got[2];

	assert_int_equal(load_worker_wait(&worker, got, 2, ns), events);
	return worker.spun_ns - before;
}

static void a_reply_that_comes_soon_is_looked_for(void **state)
{
	(void)state;
	set_event(true);
	for (int i = 0; i < 1000; i++)
		assert_true(spun(NS_PER_SEC, 1) > 0);
	worker.may_spin = false;
	assert_int_equal(spun(NS_PER_SEC, 1), 0);
}

/* Eight looks in vain, then none for 500 waits, then one; an answer makes up for all. */
static void looks_in_vain_end(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++)
		assert_true(spun(60 * NS_PER_US, 0) >= 50 * NS_PER_US);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 500; i++)
			assert_int_equal(spun(1, 0), 0);
		assert_true(spun(60 * NS_PER_US, 0) >= 50 * NS_PER_US);
	}
	for (int i = 0; i < 500; i++)
		assert_int_equal(spun(1, 0), 0);
	set_event(true);
	assert_true(spun(NS_PER_SEC, 1) > 0);
	set_event(false);
	for (int i = 0; i < 8; i++)
		assert_true(spun(60 * NS_PER_US, 0) > 0);
	assert_int_equal(spun(1, 0), 0);
}

static void what_need_not_wait_is_not_looked_for(void **state)
{
	(void)state;
	for (int64_t ns = -1; ns <= 0; ns++) {
		assert_int_equal(spun(ns, 0), 0);
		config.scheduled = true;
	}
}

/* The whole wait is as long as asked, with a look in front. */
static void a_look_shortens_no_wait(void **state)
{
	int64_t began = clock_mono_ns();

	(void)state;
	assert_true(spun(5 * NS_PER_MS, 0) < 5 * NS_PER_MS);
	assert_true(clock_mono_ns() - began >= 5 * NS_PER_MS);
}

static void a_near_date_is_looked_for(void **state)
{
	static const struct {
		enum load_scheduling scheduling;
		int64_t ns;
		bool is_spun;
	} rows[] = {
		{ LOAD_ORDINARY, 19 * NS_PER_US, true },
		{ LOAD_WAS_REAL_TIME, 20 * NS_PER_US, true },
		{ LOAD_ORDINARY, 21 * NS_PER_US, false },
		{ LOAD_ORDINARY, 2 * NS_PER_MS, false },
	};

	(void)state;
	config.scheduled = true;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t began = clock_mono_ns(), took;

		worker.scheduling = rows[i].scheduling;
		took = spun(rows[i].ns, 0);
		assert_true((took > 0) == rows[i].is_spun);
		assert_true(clock_mono_ns() - began >= rows[i].ns);
	}
}

/* A real-time thread has to sleep, or it loses that: what is due meanwhile leaves together. */
static void a_real_time_thread_sleeps(void **state)
{
	int64_t began;

	(void)state;
	config.scheduled = true;
	worker.scheduling = LOAD_REAL_TIME;
	worker.may_spin = false;
	assert_int_equal(spun(1, 0), 0);
	worker.sleep_min_ns = WORKER_SLEEP_MIN_NS;
	began = clock_mono_ns();
	for (int i = 0; i < 100; i++)
		assert_int_equal(spun(1, 0), 0);
	assert_true(clock_mono_ns() - began >= 100 * WORKER_SLEEP_MIN_NS);
	set_event(true);
	assert_int_equal(spun(NS_PER_SEC, 1), 0);
}

static void a_dense_plan_sleeps_longer_at_once(void **state)
{
	static const struct {
		double from, to;
		unsigned threads;
		bool scheduled, is_dense;
	} rows[] = {
		{ 39000, 39000, 1, true, false },
		{ 40000, 40000, 1, true, true },
		{ 40000, 40000, 1, false, false },
		{ 79000, 79000, 2, true, false },
		{ 100, 80000, 2, true, true },
		{ 80000, 100, 2, true, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		config.scheduled = rows[i].scheduled;
		config.threads = rows[i].threads;
		config.schedule.from = rows[i].from;
		config.schedule.to = rows[i].to;
		load_worker_watch_share(&worker);
		assert_true((worker.sleep_min_ns > 0) == rows[i].is_dense);
	}
}

/* --- who may ---------------------------------------------------------------------------------- */

/* As many threads as processors leave none for the server. */
static void who_leaves_no_processor_sleeps(void **state)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	(void)state;
	config.threads = (unsigned)cpus;
	load_worker_watch_share(&worker);
	assert_false(worker.may_spin);
	assert_int_equal(worker.share_due_ns, INT64_MAX);
	if (cpus < 2 || load_worker_waited() < 0)
		skip(); /* one processor, or a kernel that does not tell how long a thread waits */
	config.threads = (unsigned)cpus - 1;
	load_worker_watch_share(&worker);
	assert_true(worker.may_spin);
	assert_int_equal(worker.share_due_ns, 100 * NS_PER_MS);
}

/* Of 100 ms more than 15 were waited for a processor: not now, and then ever more seldom. */
static void who_has_company_sleeps(void **state)
{
	static const struct {
		int64_t waited_ms;
		bool may_spin;
	} rows[] = {
		{ 10, true },
		{ 20, false },
		{ 0, true }, /* 100 ms */
		{ 20, false },
		{ 0, false },
		{ 0, true }, /* 200 ms */
		{ 20, false },
		{ 20, false },
		{ 0, false },
		{ 0, false }, /* 400 ms of nobody */
		{ 10, false },
		{ 0, true },
		{ 0, true }, /* it went well: from the start */
		{ 20, false },
		{ 0, true },
	};

	(void)state;
	if (load_worker_waited() < 0)
		skip();
	worker.has_spare = true;
	/* What the thread really waits meanwhile is far less than the 5 ms between these. */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		worker.share_since_ns = worker.now;
		worker.now += 100 * NS_PER_MS;
		worker.share_waited_ns = load_worker_waited() - rows[i].waited_ms * NS_PER_MS;
		load_worker_check_share(&worker);
		if (worker.may_spin != rows[i].may_spin)
			fail_msg("row %zu: %d", i, worker.may_spin);
		assert_int_equal(worker.share_due_ns, worker.now + 100 * NS_PER_MS);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_reply_that_comes_soon_is_looked_for),
		TEST(looks_in_vain_end),
		TEST(what_need_not_wait_is_not_looked_for),
		TEST(a_look_shortens_no_wait),
		TEST(a_near_date_is_looked_for),
		TEST(a_real_time_thread_sleeps),
		TEST(a_dense_plan_sleeps_longer_at_once),
		TEST(who_leaves_no_processor_sleeps),
		TEST(who_has_company_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
