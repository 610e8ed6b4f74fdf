#include "load_run.h"

/* Runs against bad_server, which knows what it did. */

/* --- every class is counted exactly ----------------------------------------------------------- */

enum way { KEPT, CLOSED, PIPELINED, WAYS };

struct class_row {
	const char *name;
	enum bad_server_mode mode;
	enum load_class class;
	unsigned ways; /* bits */
	int64_t timeout_ms;
	bool chunked, dribble;
};

#define ALL_WAYS (1U << KEPT | 1U << CLOSED | 1U << PIPELINED)

static const struct class_row class_rows[] = {
	{ "good", BAD_SERVER_GOOD, LOAD_OK, ALL_WAYS, 0, false, false },
	{ "chunked", BAD_SERVER_GOOD, LOAD_OK, ALL_WAYS, 0, true, false },
	{ "dribbled", BAD_SERVER_GOOD, LOAD_OK, ALL_WAYS, 0, false, true },
	{ "dribbled chunks", BAD_SERVER_GOOD, LOAD_OK, ALL_WAYS, 0, true, true },
	{ "reset", BAD_SERVER_RESET, LOAD_RESET, ALL_WAYS, 0, false, false },
	{ "close", BAD_SERVER_CLOSE, LOAD_RESET, ALL_WAYS, 0, false, false },
	{ "silent", BAD_SERVER_SILENT, LOAD_TIMEOUT, ALL_WAYS, 150, false, false },
	{ "slow body", BAD_SERVER_SLOW_BODY, LOAD_TIMEOUT, ALL_WAYS, 150, false, false },
	{ "short", BAD_SERVER_SHORT, LOAD_SHORT, ALL_WAYS, 0, false, false },
	{ "short chunk", BAD_SERVER_SHORT_CHUNK, LOAD_SHORT, ALL_WAYS, 0, true, false },
	{ "status", BAD_SERVER_STATUS, LOAD_STATUS, ALL_WAYS, 0, false, false },
	{ "not http", BAD_SERVER_NOT_HTTP, LOAD_NOT_HTTP, ALL_WAYS, 0, false, false },
	{ "extra", BAD_SERVER_EXTRA, LOAD_NOT_HTTP, ALL_WAYS, 0, false, false },
	{ "too large", BAD_SERVER_TOO_LARGE, LOAD_TOO_LARGE, ALL_WAYS, 0, false, false },
	{ "not json", BAD_SERVER_NOT_JSON, LOAD_NOT_JSON, ALL_WAYS, 0, true, false },
	{ "not info", BAD_SERVER_NOT_INFO, LOAD_NOT_INFO, ALL_WAYS, 0, false, true },
	{ "wrong chain", BAD_SERVER_WRONG_CHAIN, LOAD_WRONG_CHAIN, ALL_WAYS, 0, false, false },
	{ "head back", BAD_SERVER_HEAD_BACK, LOAD_HEAD_BACK, 1U << KEPT | 1U << PIPELINED, 0, false,
	        false },
};

static void class_row(const struct class_row *row, enum way way)
{
	static const char *const names[] = { "kept", "closed", "pipelined" };
	const unsigned every = 50;
	uint64_t requests, bad, lost;
	struct bad_server_config c = {
		.mode = row->mode,
		.every = every,
		.chunked = row->chunked,
		.dribble = row->dribble,
		.listen = "127.0.0.1",
	};

	/* The last one of them is a bad one. */
	start_server(&c, way == CLOSED ? 2 * every : 4 * every, way != CLOSED);
	if (way == PIPELINED)
		config.pipeline = 8;
	if (row->timeout_ms)
		config.timeout_ns = row->timeout_ms * NS_PER_MS;
	run();
	bad_server_counts(server, &requests, &bad);
	lost = of(LOAD_LOST);
	if (row->class == LOAD_OK)
		bad = of(LOAD_OK);
	/* Those that were sent together with the silent one are overdue with it. */
	if (row->class == LOAD_TIMEOUT && way == PIPELINED)
		bad = of(LOAD_TIMEOUT) < bad ? bad : of(LOAD_TIMEOUT);
	if (of(row->class) != bad || !bad || (lost && way != PIPELINED) ||
	        (row->class != LOAD_OK && of(LOAD_OK) + bad + lost != config.requests))
		fail_msg("%s, %s: %llu of %llu bad ones, %llu ok, %llu lost", row->name, names[way],
		        (unsigned long long)of(row->class), (unsigned long long)bad,
		        (unsigned long long)of(LOAD_OK), (unsigned long long)lost);
	if (row->class == LOAD_STATUS)
		assert_int_equal(result->total->statuses[503], bad);
	forget();
}

static void each_class_is_counted_exactly(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(class_rows); i++)
		for (enum way way = 0; way < WAYS; way++)
			if (class_rows[i].ways & 1U << way)
				class_row(&class_rows[i], way);
}

static void each_family_is_reached(void **state)
{
	const char *const listen_on[] = { "127.0.0.1", "::1", unix_path };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(listen_on); i++)
		for (int keep = 0; keep < 2; keep++) {
			struct bad_server_config c = { .listen = listen_on[i] };

			start_server(&c, 60, keep);
			run();
			assert_int_equal(of(LOAD_OK), 60);
			forget();
			(void)unlink(unix_path);
		}
}

/* The server ends the connection after each reply and says so: nothing has failed. */
static void a_server_may_close(void **state)
{
	struct bad_server_config c = { .listen = "127.0.0.1", .no_keep_alive = true };

	(void)state;
	start_server(&c, 50, true);
	run();
	assert_int_equal(of(LOAD_OK), 50);
	assert_int_equal(result->total->connects, 50);
}

/* --- how many --------------------------------------------------------------------------------- */

static void n_requests_are_n(void **state)
{
	static const uint64_t ns[] = { 1, 2, 3, 10, 777 };
	struct bad_server_config c = { .listen = "127.0.0.1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ns) * 2; i++) {
		uint64_t requests, bad;

		start_server(&c, ns[i / 2], true);
		config.threads = 3;
		config.connections = 7;
		config.pipeline = i % 2 ? 5 : 1;
		run();
		assert_int_equal(of(LOAD_OK), ns[i / 2]);
		bad_server_counts(server, &requests, &bad);
		assert_int_equal(requests, ns[i / 2]);
		forget();
	}
}

static void the_warm_up_is_not_counted(void **state)
{
	struct bad_server_config c = { .listen = "127.0.0.1" };
	uint64_t requests, bad;

	(void)state;
	start_server(&c, 100, true);
	config.warmup_ns = 100 * NS_PER_MS;
	run();
	assert_int_equal(of(LOAD_OK), 100);
	bad_server_counts(server, &requests, &bad);
	assert_in_range(requests, 101, 1000000);
	assert_int_equal(n_intervals, 2);
}

static void a_closed_port_fails_n_times(void **state)
{
	struct bad_server_config c = { .listen = "127.0.0.1" };
	struct err e = ERR_INIT;

	(void)state;
	for (int keep = 0; keep < 2; keep++) {
		char url[128];

		server = bad_server_start(&c, &e);
		assert_non_null(server);
		snprintf(url, sizeof(url), "%s", bad_server_url(server));
		bad_server_stop(TAKE(server));
		configure(url, NULL, 21, keep);
		run();
		assert_int_equal(of(LOAD_CONNECT), 21);
		assert_int_equal(result->total->connects, 0);
		forget();
	}
}

static void a_dead_server_times_out(void **state)
{
	struct bad_server_config c = {
		.mode = BAD_SERVER_SILENT,
		.every = 1,
		.listen = "127.0.0.1",
	};
	int64_t began = clock_mono_ns();

	(void)state;
	start_server(&c, 0, true);
	config.duration_ns = 250 * NS_PER_MS;
	config.timeout_ns = 100 * NS_PER_MS;
	run();
	assert_true(clock_mono_ns() - began < 5 * NS_PER_SEC);
	assert_true(of(LOAD_TIMEOUT) >= 4);
	assert_int_equal(of(LOAD_TIMEOUT), load_tally_total(result->total));
	assert_true(result->total->sent->min >= config.timeout_ns);
}

/* Its queue is full: connections wait, and time out. */
static void nobody_accepts(void **state)
{
	(void)state;
	assert_int_equal(listen_on_unix(0), 0);
	configure("http://localhost/", unix_path, 12, true);
	config.timeout_ns = 50 * NS_PER_MS;
	run();
	assert_int_equal(of(LOAD_TIMEOUT), 12);
	assert_true(result->total->sent->min >= config.timeout_ns);
}

static void our_own_limits_are_local(void **state)
{
	struct bad_server_config c = { .listen = "127.0.0.1" };
	struct err e = ERR_INIT;

	(void)state;
	start_server(&c, 40, false);
	socket_fails = 4;
	run();
	socket_fails = 0;
	assert_int_equal(of(LOAD_LOCAL), 10);
	assert_int_equal(of(LOAD_OK), 30);
	rlimit_is = 20;
	assert_int_equal(load_run(&config, &result, &e), -1);
	assert_int_equal(e.kind, ERR_SYSTEM);
	assert_non_null(strstr(e.msg, "the limit is 20"));
	assert_non_null(strstr(e.hint, "ulimit"));
}

static void what_cannot_be_run(void **state)
{
	static const struct {
		const char *name;
		unsigned threads, connections, pipeline;
		bool close;
		int64_t duration_ns, timeout_ns;
	} rows[] = {
		{ "no thread", 0, 1, 1, false, 1, 1 },
		{ "a thread without connection", 2, 1, 1, false, 1, 1 },
		{ "no pipeline", 1, 1, 0, false, 1, 1 },
		{ "long pipeline", 1, 1, 65, false, 1, 1 },
		{ "pipeline and close", 1, 1, 2, true, 1, 1 },
		{ "no duration", 1, 1, 1, false, 0, 1 },
		{ "no timeout", 1, 1, 1, false, 1, 0 },
	};

	(void)state;
	configure("http://127.0.0.1:1/", NULL, 1, true);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;

		config.threads = rows[i].threads;
		config.connections = rows[i].connections;
		config.pipeline = rows[i].pipeline;
		config.keep_alive = !rows[i].close;
		config.duration_ns = rows[i].duration_ns;
		config.timeout_ns = rows[i].timeout_ns;
		if (load_run(&config, &result, &e) != -1 || e.kind != ERR_USAGE)
			fail_msg("%s: %s", rows[i].name, e.msg);
	}
}

static void interrupt(void *arg, const struct load_interval *i)
{
	on_interval(arg, i);
	cancel_set(&interrupted);
}

static void ctrl_c_ends_in_a_result(void **state)
{
	struct bad_server_config c = { .listen = "127.0.0.1" };

	(void)state;
	for (int scheduled = 0; scheduled < 2; scheduled++) {
		start_server(&c, 0, true);
		interrupted = 0;
		config.on_interval = interrupt;
		config.scheduled = scheduled;
		config.schedule.from = config.schedule.to = 500;
		run();
		assert_true(result->was_interrupted);
		assert_true(of(LOAD_OK) > 0);
		assert_true(result->elapsed_ns < 10 * NS_PER_SEC);
		forget();
	}
}

static void *interrupt_soon(void *unused)
{
	(void)unused;
	short_sleep(100);
	cancel_set(&interrupted);
	return NULL;
}

static void run_interrupted(void)
{
	pthread_t t;

	interrupted = 0;
	assert_int_equal(pthread_create(&t, NULL, interrupt_soon, NULL), 0);
	run();
	(void)pthread_join(t, NULL);
	assert_true(result->was_interrupted);
	assert_true(result->elapsed_ns < 10 * NS_PER_SEC);
}

/* Who says Ctrl-C does not wait for the timeout of a server that is silent. */
static void ctrl_c_drops_what_is_under_way(void **state)
{
	static const struct {
		bool scheduled, keep;
		unsigned pipeline;
		int64_t timeout_ms;
		bool is_timeout; /* before the second is over */
	} rows[] = {
		{ false, true, 1, 60000, false },
		{ false, true, 4, 60000, false },
		{ false, false, 1, 60000, false },
		{ true, true, 1, 60000, false },
		{ true, false, 1, 60000, false },
		{ false, true, 1, 500, true },
	};
	struct bad_server_config c = {
		.mode = BAD_SERVER_SILENT,
		.every = 1,
		.listen = "127.0.0.1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t n = 4 * rows[i].pipeline;

		start_server(&c, 0, rows[i].keep);
		config.scheduled = rows[i].scheduled;
		config.schedule.from = config.schedule.to = 500;
		config.timeout_ns = rows[i].timeout_ms * NS_PER_MS;
		config.pipeline = rows[i].pipeline;
		run_interrupted();
		assert_int_equal(of(LOAD_OK), 0);
		assert_int_equal(result->abandoned, rows[i].is_timeout ? 0 : n);
		assert_int_equal(of(LOAD_TIMEOUT), rows[i].is_timeout ? n : 0);
		assert_int_equal(
		        load_tally_total(result->total), of(LOAD_TIMEOUT) + of(LOAD_UNSENT));
		forget();
	}
}

static void ctrl_c_drops_attempts_to_connect(void **state)
{
	(void)state;
	for (int scheduled = 0; scheduled < 2; scheduled++) {
		assert_int_equal(listen_on_unix(0), 0);
		configure("http://localhost/", unix_path, 0, true);
		config.scheduled = scheduled;
		config.schedule.from = config.schedule.to = 500;
		run_interrupted();
		/* One connection is in the queue, and its request was sent. */
		assert_int_equal(result->abandoned, scheduled ? 1 : 4);
		assert_int_equal(of(LOAD_CONNECT) + of(LOAD_TIMEOUT), 0);
		(void)tear_down(NULL);
	}
}

/* --- what is told ----------------------------------------------------------------------------- */

static void backends_are_told_apart(void **state)
{
	struct bad_server_config c = {
		.mode = BAD_SERVER_STATUS,
		.every = 10,
		.listen = "127.0.0.1",
		.served_by = true,
	};
	uint64_t ok = 0, failed = 0;

	(void)state;
	start_server(&c, 400, true);
	run();
	for (unsigned i = 0; i < result->total->n_backends; i++) {
		const struct load_backend *b = &result->total->backends[i];

		ok += b->ok;
		failed += b->failed;
		if (!b->name[0])
			continue; /* bad ones do not say */
		assert_in_range(b->ok, 50, 400);
		assert_int_equal(b->latency->total, b->ok);
		assert_true(b->head > 0);
	}
	assert_in_range(result->total->n_backends, 4, 5);
	assert_int_equal(ok, of(LOAD_OK));
	assert_int_equal(failed, of(LOAD_STATUS));
	assert_true(result->total->head > 0);
}

static void the_chain_is_learned(void **state)
{
	struct bad_server_config c = {
		.mode = BAD_SERVER_WRONG_CHAIN,
		.every = 20,
		.listen = "127.0.0.1",
	};

	(void)state;
	start_server(&c, 100, true);
	memset(config.chain_id, 0, sizeof(config.chain_id));
	run();
	assert_int_equal(of(LOAD_WRONG_CHAIN), 5);
	assert_string_equal(result->chain_id, bad_server_chain_id);
}

static void be_slow(void *arg, const struct load_interval *i)
{
	struct timespec t = { .tv_nsec = 999999999 };

	on_interval(arg, i);
	if (n_intervals == 1)
		(void)nanosleep(&t, NULL);
}

/* The caller is late by an interval: nothing is lost. */
static void a_slow_caller_misses_nothing(void **state)
{
	struct bad_server_config c = { .listen = "127.0.0.1" };
	uint64_t requests, bad;

	(void)state;
	start_server(&c, 0, true);
	config.duration_ns = 2300 * NS_PER_MS;
	config.on_interval = be_slow;
	run();
	bad_server_counts(server, &requests, &bad);
	assert_int_equal(of(LOAD_OK), requests);
}

/* --- open loop -------------------------------------------------------------------------------- */

static void the_plan_is_kept(void **state)
{
	struct bad_server_config c = { .listen = "127.0.0.1" };

	(void)state;
	for (int i = 0; i < 4; i++) {
		start_server(&c, 0, i != 1);
		config.scheduled = true;
		config.schedule =
		        (struct load_schedule){ 1000, i == 2 ? 500 : 1000, 300 * NS_PER_MS };
		config.duration_ns = 300 * NS_PER_MS;
		config.warmup_ns = 50 * NS_PER_MS;
		config.pipeline = i == 3 ? 4 : 1;
		has_no_pwait2 = i == 3;
		run();
		assert_int_equal(result->planned, i == 2 ? 225 : 300);
		/* On a busy machine the last ones may find no connection. */
		assert_int_equal(of(LOAD_OK) + of(LOAD_UNSENT), result->planned);
		assert_in_range(of(LOAD_OK), result->planned / 2, result->planned);
		assert_true(result->total->late->total > 0);
		assert_int_equal(result->sending_ns, config.duration_ns);
		forget();
	}
}

static void what_finds_no_connection_is_unsent(void **state)
{
	struct bad_server_config c = {
		.mode = BAD_SERVER_SILENT,
		.every = 1,
		.listen = "127.0.0.1",
	};

	(void)state;
	for (int keep = 0; keep < 2; keep++) {
		start_server(&c, 0, keep);
		config.threads = config.connections = 1;
		config.scheduled = true;
		config.schedule.from = config.schedule.to = 100;
		config.duration_ns = 250 * NS_PER_MS;
		config.timeout_ns = 100 * NS_PER_MS;
		run();
		assert_int_equal(result->planned, 25);
		assert_in_range(of(LOAD_TIMEOUT), 2, 3);
		assert_int_equal(of(LOAD_UNSENT) + of(LOAD_TIMEOUT), 25);
		/* The second waited for the first: its latency is longer than the timeout. */
		assert_true(result->total->planned->max > 150 * NS_PER_MS);
		forget();
	}
}

static void a_plan_against_a_closed_port(void **state)
{
	(void)state;
	configure("http://127.0.0.1:1/", NULL, 0, true);
	config.scheduled = true;
	config.schedule.from = config.schedule.to = 200;
	config.duration_ns = 200 * NS_PER_MS;
	run();
	assert_int_equal(result->planned, 40);
	assert_true(of(LOAD_CONNECT) > 0);
	assert_int_equal(of(LOAD_CONNECT) + of(LOAD_UNSENT), 40);
}

static void *ask_for_priority(void *arg)
{
	struct sched_param p = { .sched_priority = 1 };

	*(bool *)arg = sched_setscheduler(0, SCHED_FIFO, &p) == 0;
	return NULL;
}

/* A thread that is busy with its plan would starve a server on its processor. */
static void a_plan_has_priority_while_it_is_light(void **state)
{
	static const struct {
		bool scheduled;
		int64_t send_ms;
		enum load_scheduling scheduling;
	} rows[] = {
		{ false, 0, LOAD_ORDINARY },
		{ true, 0, LOAD_REAL_TIME },
		{ true, 12, LOAD_WAS_REAL_TIME },
	};
	struct bad_server_config c = { .listen = "127.0.0.1" };
	bool has_right = false;
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, ask_for_priority, &has_right), 0);
	(void)pthread_join(t, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		start_server(&c, 0, true);
		config.threads = 1;
		config.connections = 40; /* whatever the server does */
		config.scheduled = rows[i].scheduled;
		config.schedule.from = config.schedule.to = 100;
		config.duration_ns = 250 * NS_PER_MS;
		send_ns = rows[i].send_ms * NS_PER_MS;
		run();
		send_ns = 0;
		assert_int_equal(
		        result->scheduling, has_right ? rows[i].scheduling : LOAD_ORDINARY);
		forget();
	}
}

#define BUSY_N  3
#define BUSY_NS (2 * NS_PER_SEC)

/* Replies that lie unread make no connection free, and then nothing that leaves is late: only the
 * wait for a processor shows it. */
static void the_wait_for_a_processor_is_seen(void **state)
{
	struct bad_server_config c = { .listen = "127.0.0.1" };
	cpu_set_t before, one;
	pid_t busy[BUSY_N];

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	for (int scheduled = 0; scheduled < 2; scheduled++) {
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
		for (unsigned i = 0; i < BUSY_N; i++) {
			busy[i] = fork();
			if (!busy[i]) {
				burn(BUSY_NS); /* or until it is killed */
				_exit(0);
			}
			assert_true(busy[i] > 0);
		}
		start_server(&c, 0, true);
		config.threads = 1;
		config.scheduled = scheduled;
		config.schedule.from = config.schedule.to = 20000;
		config.duration_ns = 300 * NS_PER_MS;
		has_no_right = true;
		run();
		for (unsigned i = 0; i < BUSY_N; i++) {
			(void)kill(busy[i], SIGKILL);
			(void)waitpid(busy[i], NULL, 0);
		}
		assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
		assert_int_equal(result->scheduling, LOAD_ORDINARY);
		if (access("/proc/thread-self/schedstat", R_OK) != 0)
			skip();
		if (!(result->starved > 0.2 && result->starved <= 1))
			fail_msg("waited for %g %%", 100 * result->starved);
		assert_int_equal(result->was_starved, scheduled);
		assert_true(result->was_late || !scheduled);
		forget();
	}
}

/* Whether a connection was free or not: 200 ms, less the 50 ms of a wait that was asked for. */
static void a_stall_of_our_own_is_ours(void **state)
{
	struct bad_server_config c = { .listen = "127.0.0.1" };

	(void)state;
	for (int scheduled = 0; scheduled < 2; scheduled++) {
		start_server(&c, 0, true);
		/* As many threads as processors sleep in each wait: it is there that one stalls. */
		config.threads = scheduled ? 1 : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
		config.connections = config.threads;
		config.duration_ns = 600 * NS_PER_MS;
		config.scheduled = scheduled;
		config.schedule.from = config.schedule.to = 200;
		stall_after = 30;
		run();
		assert_int_equal(stall_after, 0);
		assert_in_range(result->longest_gap_ns / NS_PER_MS, 140, 10000);
		if (scheduled) {
			const struct load_hist *h = result->total->late;
			double ours = 100 - load_hist_percent_below(h, LOAD_LATE_NS);

			/* 30 to 40 of 120 fell due in it, and each is there once. */
			assert_true(ours * (double)h->total / 100 >= 29);
			assert_true(h->total <= result->planned);
			assert_true(result->left_late);
		}
		forget();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: once epoll_pwait2() has failed it is never called again. */
		TEST(a_stall_of_our_own_is_ours),
		TEST(each_class_is_counted_exactly),
		TEST(each_family_is_reached),
		TEST(a_server_may_close),
		TEST(n_requests_are_n),
		TEST(the_warm_up_is_not_counted),
		TEST(a_closed_port_fails_n_times),
		TEST(a_dead_server_times_out),
		TEST(nobody_accepts),
		TEST(our_own_limits_are_local),
		TEST(what_cannot_be_run),
		TEST(ctrl_c_ends_in_a_result),
		TEST(ctrl_c_drops_what_is_under_way),
		TEST(ctrl_c_drops_attempts_to_connect),
		TEST(backends_are_told_apart),
		TEST(the_chain_is_learned),
		TEST(a_slow_caller_misses_nothing),
		TEST(the_plan_is_kept),
		TEST(what_finds_no_connection_is_unsent),
		TEST(a_plan_against_a_closed_port),
		TEST(a_plan_has_priority_while_it_is_light),
		TEST(the_wait_for_a_processor_is_seen),
	};

	return cmocka_run_group_tests(tests, set_up_dir, remove_dir);
}
