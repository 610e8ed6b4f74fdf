#include "load/worker_priv.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "load/target.h"

#include "unit/load/load_wraps.h"
#include "unit/test.h"

/* What of a thread can be asked without a server. */

static int connect_fails; /* with that errno */

int __real_connect(int fd, const struct sockaddr *sa, socklen_t n);
int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t n);
int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t n)
{
	if (!connect_fails)
		return __real_connect(fd, sa, n);
	errno = connect_fails;
	return -1;
}

static void intervals_end_so(void **state)
{
	static const struct {
		int64_t duration_ms, begin_ms, end_ms;
	} rows[] = {
		{ 10000, -3000, -2000 },
		{ 10000, -1000, 0 },
		{ 10000, -500, 0 },
		{ 10000, 0, 1000 },
		{ 10000, 8000, 9000 },
		{ 10000, 9000, 11000 },  /* what ends after the run is in its last second */
		{ 10000, 11000, 12000 }, /* unless it takes long */
		{ 2500, 1000, 2000 },
		{ 2500, 2000, 3500 },
		{ 300, 0, 1300 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct load_config c = { .duration_ns = rows[i].duration_ms * NS_PER_MS };
		int64_t end = load_interval_after(&c, rows[i].begin_ms * NS_PER_MS);

		if (end != rows[i].end_ms * NS_PER_MS)
			fail_msg("row %zu: %lld ms", i, (long long)(end / NS_PER_MS));
	}
}

static void errors_have_classes(void **state)
{
	(void)state;
	assert_int_equal(load_conn_class(EMFILE, LOAD_CONNECT), LOAD_LOCAL);
	assert_int_equal(load_conn_class(EADDRNOTAVAIL, LOAD_CONNECT), LOAD_LOCAL);
	assert_int_equal(load_conn_class(ETIMEDOUT, LOAD_CONNECT), LOAD_TIMEOUT);
	assert_int_equal(load_conn_class(ECONNREFUSED, LOAD_CONNECT), LOAD_CONNECT);
	assert_int_equal(load_conn_class(ECONNRESET, LOAD_SHORT), LOAD_SHORT);
}

/* With and without the system call: not early, and awake at once when there is an event. */
static void a_sleep_is_as_long_as_asked(void **state)
{
	struct epoll_event ev = { .events = EPOLLIN }, got[2];
	int epfd = epoll_create1(EPOLL_CLOEXEC), fd = eventfd(0, EFD_CLOEXEC);

	(void)state;
	assert_int_equal(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev), 0);
	for (int i = 0; i < 2; i++) {
		uint64_t one = 1;
		int64_t began = clock_mono_ns();

		has_no_pwait2 = i;
		assert_int_equal(load_worker_sleep(epfd, got, 2, 300000), 0);
		assert_true(clock_mono_ns() - began >= 300000);
		assert_int_equal(load_worker_sleep(epfd, got, 2, 0), 0);
		assert_int_equal(load_worker_sleep(epfd, got, 2, -5), 0);
		assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
		assert_int_equal(load_worker_sleep(epfd, got, 2, 60 * NS_PER_SEC), 1);
		assert_int_equal(read(fd, &one, sizeof(one)), sizeof(one));
	}
	(void)close(fd);
	(void)close(epfd);
}

/* --- the plan --------------------------------------------------------------------------------- */

static struct load_target target;
static struct load_config config;
static struct load_shared shared;
static struct load_worker worker;

static int set_up(void **state)
{
	(void)state;
	config = (struct load_config){
		.target = &target,
		.request = "x",
		.request_n = 1,
		.keep_alive = true,
		.threads = 3,
		.connections = 7,
		.pipeline = 2,
		.duration_ns = NS_PER_SEC,
		.timeout_ns = NS_PER_SEC,
	};
	shared = (struct load_shared){ .config = &config };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	load_worker_release(&worker);
	return 0;
}

static void init(unsigned index)
{
	struct err e = ERR_INIT;

	load_worker_release(&worker);
	assert_int_equal(load_worker_init(&worker, &shared, index, &e), 0);
}

static void a_quota_is_shared_out(void **state)
{
	uint64_t sum = 0;

	(void)state;
	config.requests = 11;
	for (unsigned i = 0; i < 3; i++) {
		init(i);
		assert_int_equal(worker.quota, i < 2 ? 4 : 3);
		assert_int_equal(worker.n_conns, i < 1 ? 3 : 2);
		sum += worker.quota;
		worker.now = -1;
		assert_int_equal(load_plan_may(&worker, 60), 60); /* the warm-up takes none */
		load_plan_took(&worker, 60, -1);
		worker.now = 5;
		assert_int_equal(load_plan_may(&worker, 60), worker.quota);
		load_plan_took(&worker, 3, 5);
		load_plan_gave_back(&worker, 1, 5);
		assert_int_equal(load_plan_may(&worker, 60), i < 2 ? 2 : 1);
		worker.now = config.duration_ns;
		assert_int_equal(load_plan_may(&worker, 60), 0);
	}
	assert_int_equal(sum, 11);
}

static void threads_share_a_plan(void **state)
{
	unsigned long long seen = 0;

	(void)state;
	config.scheduled = true;
	config.schedule = (struct load_schedule){ 40, 40, 0 };
	config.warmup_ns = 100 * NS_PER_MS;
	for (unsigned i = 0; i < 3; i++) {
		init(i);
		/* Four of the warm-up: 0, 3 - 1 - 2. */
		for (unsigned k = i; k < 4; k += 3) {
			assert_int_equal(worker.due_ns, (int)k * 25 * NS_PER_MS - 100 * NS_PER_MS);
			load_plan_advance(&worker);
		}
		assert_int_equal(load_plan_backlog(&worker, NS_PER_SEC), (40 - i + 2) / 3);
		for (unsigned k = i; k < 40; k += 3) {
			assert_int_equal(worker.due_ns, k * 25 * NS_PER_MS);
			seen |= 1ULL << k;
			assert_false(load_plan_is_done(&worker));
			load_plan_advance(&worker);
		}
		assert_int_equal(worker.due_ns, INT64_MAX);
		assert_int_equal(load_plan_backlog(&worker, NS_PER_SEC), 0);
	}
	assert_int_equal(seen, (1ULL << 40) - 1);
}

static void the_backlog_of_the_warm_up_is_forgotten(void **state)
{
	(void)state;
	config.scheduled = true;
	config.schedule = (struct load_schedule){ 40, 40, 0 };
	config.warmup_ns = NS_PER_SEC;
	init(2);
	load_plan_advance(&worker);
	worker.now = 30 * NS_PER_MS;
	assert_in_range(load_plan_backlog(&worker, worker.now), 12, 14);
	load_worker_begin(&worker);
	assert_int_equal(worker.due_ns, 50 * NS_PER_MS);
	assert_int_equal(load_plan_backlog(&worker, worker.now), 0);
	load_plan_advance(&worker);
	load_worker_begin(&worker);
	assert_int_equal(worker.due_ns, 125 * NS_PER_MS);
}

static void what_was_due_at_the_end_is_unsent(void **state)
{
	(void)state;
	config.scheduled = true;
	config.schedule = (struct load_schedule){ 30, 30, 0 };
	config.requests = 20;
	init(1);
	worker.now = NS_PER_SEC / 2;
	load_plan_advance(&worker);
	/* 1 has left, and of 4, 7, 10, 13 and 16 all but the last are before 15. */
	assert_int_equal(load_plan_backlog(&worker, worker.now), 4);
	worker.end_ns = worker.now;
	load_plan_stop(&worker);
	assert_int_equal(worker.tally->classes[LOAD_UNSENT], 4);
	assert_int_equal(worker.planned, 5);
	assert_int_equal(
	        worker.tally->planned->max, worker.now - load_schedule_at(&config.schedule, 4));
	assert_int_equal(worker.tally->sent->total, 0);
	assert_int_equal(load_plan_may(&worker, 1), 0);
}

/* --- two tallies ------------------------------------------------------------------------------ */

static void count_one(int64_t planned_ns)
{
	struct load_request q = { .planned_ns = planned_ns, .sent_ns = planned_ns };

	load_count(&worker, &q, LOAD_OK);
}

static void tallies_take_turns(void **state)
{
	(void)state;
	init(0);
	worker.now = 1;
	count_one(0);
	assert_false(load_worker_is_handed(&worker));
	load_worker_hand_over(&worker, NS_PER_SEC);
	assert_true(load_worker_is_handed(&worker));
	assert_int_equal(worker.handed.end_ns, NS_PER_SEC);
	count_one(0);
	count_one(0);
	/* The collector is late: it stays where it is. */
	load_worker_hand_over(&worker, 2 * NS_PER_SEC);
	assert_int_equal(worker.handed.end_ns, NS_PER_SEC);
	assert_int_equal(worker.tally->classes[LOAD_OK], 2);
	assert_int_equal(worker.tallies[worker.handed.turn]->classes[LOAD_OK], 1);
	load_worker_taken(&worker);
	load_worker_hand_over(&worker, 3 * NS_PER_SEC);
	assert_int_equal(worker.tallies[worker.handed.turn]->classes[LOAD_OK], 2);
	assert_int_equal(worker.tally->classes[LOAD_OK], 0);
}

/* The first request of the measured part ends the warm-up, whenever the clock is looked at. */
static void the_warm_up_ends_by_the_plan(void **state)
{
	for (int late = 0; late < 2; late++) {
		(void)state;
		config.warmup_ns = NS_PER_SEC;
		init(0);
		worker.now = -5;
		count_one(-10);
		if (late)
			load_worker_hand_over(&worker, -1);
		count_one(-10);
		worker.now = 5;
		count_one(2);
		assert_false(worker.in_warmup);
		assert_true(worker.handed.is_warmup);
		count_one(-1); /* sent in the warm-up, and nobody's */
		assert_int_equal(worker.tally->classes[LOAD_OK], 1);
		assert_int_equal(
		        worker.tallies[worker.handed.turn]->classes[LOAD_OK], late ? 1 : 2);
	}
}

/* --- deadlines -------------------------------------------------------------------------------- */

static void those_behind_a_timeout(void **state)
{
	struct load_conn *c;

	(void)state;
	for (int gap = 0; gap < 2; gap++) {
		init(0);
		worker.is_over = true; /* not to connect again */
		c = load_worker_conn(&worker, 0);
		c->state = CONN_OPEN;
		worker.n_open = 1;
		c->first = 1; /* the ring goes round */
		for (unsigned i = 0; i < 2; i++) {
			struct load_request *q = load_conn_request(&worker, c, i);

			q->sent_ns = i ? 10 * gap : 0;
			load_list_append(&worker.under_way, &q->link);
			c->n++;
			worker.n_under_way++;
		}
		worker.now = config.timeout_ns - 1;
		load_conn_expire(&worker);
		assert_int_equal(c->n, 2);
		worker.now++;
		load_conn_expire(&worker);
		assert_int_equal(worker.tally->classes[LOAD_TIMEOUT], gap ? 1 : 2);
		assert_int_equal(worker.tally->classes[LOAD_LOST], gap);
		assert_int_equal(worker.n_under_way, 0);
		assert_int_equal(c->state, CONN_CLOSED);
		assert_int_equal(worker.n_open, 0);
		assert_true(load_list_is_empty(&worker.under_way));
	}
}

/* --- attempts to connect ---------------------------------------------------------------------- */

static void a_refusal_is_charged_to_who_waits(void **state)
{
	(void)state;
	for (unsigned n_free = 0; n_free < 2; n_free++) {
		struct load_conn *c;

		config.scheduled = true;
		config.schedule = (struct load_schedule){ 40, 40, 0 };
		init(0);
		c = load_worker_conn(&worker, 0);
		c->state = CONN_CONNECTING;
		load_list_append(&worker.under_way, &c->requests[0].link);
		worker.n_free = n_free;
		load_conn_event(&worker, c, true); /* it has no descriptor: that is an error */
		assert_int_equal(c->state, CONN_WAITING);
		assert_int_equal(worker.tally->classes[LOAD_CONNECT], !n_free);
		assert_int_equal(worker.k, n_free ? 0 : config.threads);
	}
}

/* It is one attempt all the time, once in the list of deadlines. */
static void a_full_queue_is_asked_again(void **state)
{
	struct load_conn *c;

	(void)state;
	target.addrs[0].sa.ss_family = AF_UNIX;
	target.addrs[0].n = sizeof(struct sockaddr_un);
	target.n_addrs = 1;
	config.scheduled = true;
	config.schedule = (struct load_schedule){ 40, 40, 0 };
	init(0);
	c = load_worker_conn(&worker, 0);
	connect_fails = EAGAIN;
	load_conn_start(&worker, c);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(c->state, CONN_WAITING);
		assert_ptr_equal(worker.under_way.next, &c->requests[0].link);
		assert_ptr_equal(worker.under_way.prev, &c->requests[0].link);
		worker.now = c->resume_ns;
		load_conn_resume(&worker);
	}
	connect_fails = 0;
	memset(&target, 0, sizeof(target));
}

/* --- priority --------------------------------------------------------------------------------- */

static int policy_of_thread(void)
{
	return sched_getscheduler(0);
}

struct priority_row {
	unsigned cpus; /* that they may use */
	unsigned threads;
	unsigned first, then; /* percent of the first 100 ms, and of each 100 ms after it */
	unsigned look;        /* that makes the thread ordinary; 0: none in two seconds */
	bool is_near;         /* sleeps longer meanwhile */
};

#define LOOKS 20

static unsigned ordinary_at; /* the look; 0: never */
static bool has_cpus;        /* this machine has as many as the row asks for */
static bool has_right;

/* Time and use of the processor are only what the thread is told: the test needs no second. */
static void *be_watched(void *arg)
{
	const struct priority_row *row = arg;
	cpu_set_t all, set;

	CPU_ZERO(&set);
	(void)sched_getaffinity(0, sizeof(all), &all);
	for (unsigned i = 0; i < CPU_SETSIZE && CPU_COUNT(&set) < (int)row->cpus; i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &set);
	has_cpus = CPU_COUNT(&set) == (int)row->cpus;
	if (!has_cpus)
		return NULL;
	(void)sched_setaffinity(0, sizeof(set), &set);
	load_worker_watch_share(&worker);
	has_right = policy_of_thread() == (SCHED_FIFO | SCHED_RESET_ON_FORK);
	for (unsigned i = 1; has_right && i <= LOOKS && !ordinary_at; i++) {
		assert_int_equal(worker.scheduling, LOAD_REAL_TIME);
		assert_false(worker.may_spin);
		worker.now = worker.share_due_ns;
		worker.share_ns -= (i == 1 ? row->first : row->then) * NS_PER_MS;
		load_worker_check_share(&worker);
		if (policy_of_thread() == (SCHED_OTHER | SCHED_RESET_ON_FORK))
			ordinary_at = i;
	}
	return NULL;
}

static bool has_spare(const struct priority_row *row)
{
	return row->cpus >= row->threads && sysconf(_SC_NPROCESSORS_ONLN) > (long)row->threads;
}

static void a_busy_thread_is_ordinary_for_good(void **state)
{
	static const struct priority_row rows[] = {
		{ 1, 1, 0, 0, 0, false },
		{ 1, 1, 45, 45, 0, false },
		{ 1, 1, 55, 55, 10, true },
		{ 1, 1, 100, 0, 1, false },
		{ 1, 1, 96, 40, 0, true }, /* the begin may be busy */
		{ 1, 1, 96, 48, 10, true },
		{ 1, 3, 15, 15, 0, false },
		{ 1, 3, 25, 25, 7, true },
		/* Half of two is one, but one that is busy all the time is too late anyway. */
		{ 2, 1, 85, 85, 0, false },
		{ 2, 1, 95, 95, 10, true },
		{ 2, 1, 100, 0, 1, false },
		{ 2, 2, 60, 60, 9, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct priority_row row = rows[i];
		pthread_t t;

		config.scheduled = true;
		config.schedule.from = config.schedule.to = 100;
		config.threads = row.threads;
		init(0);
		ordinary_at = 0;
		assert_int_equal(pthread_create(&t, NULL, be_watched, &row), 0);
		(void)pthread_join(t, NULL);
		if (!has_cpus)
			continue;
		if (!has_right)
			skip();
		if (ordinary_at != row.look)
			fail_msg("row %zu: ordinary at look %u, not %u", i, ordinary_at, row.look);
		assert_int_equal(worker.scheduling, row.look ? LOAD_WAS_REAL_TIME : LOAD_REAL_TIME);
		/* One that is ordinary is watched for company, if it may look out at all. */
		assert_true((worker.share_due_ns == INT64_MAX) == (row.look && !has_spare(&row)));
		assert_true(worker.may_spin == (row.look && has_spare(&row)));
		assert_true((worker.sleep_min_ns == WORKER_SLEEP_MIN_NS) == row.is_near);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(intervals_end_so),
		cmocka_unit_test(errors_have_classes),
		cmocka_unit_test(a_sleep_is_as_long_as_asked),
		TEST(a_quota_is_shared_out),
		TEST(threads_share_a_plan),
		TEST(the_backlog_of_the_warm_up_is_forgotten),
		TEST(what_was_due_at_the_end_is_unsent),
		TEST(tallies_take_turns),
		TEST(the_warm_up_ends_by_the_plan),
		TEST(those_behind_a_timeout),
		TEST(a_refusal_is_charged_to_who_waits),
		TEST(a_full_queue_is_asked_again),
		TEST(a_busy_thread_is_ordinary_for_good),
	};

	worker.epfd = -1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
