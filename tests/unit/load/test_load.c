#include "load/load.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "load/bad_server.h"
#include "load/target.h"

#include "../test.h"

/* Runs against bad_server, which knows what it did, and against small servers of the test's own
 * where bytes have to come in a certain order. */

/* --- replaced calls --------------------------------------------------------------------------- */

static size_t send_max;       /* bytes that a send takes; 0: all */
static int64_t send_ns;       /* of a processor that a send takes */
static unsigned socket_fails; /* every nth socket() is out of descriptors; 0: none */
static unsigned n_sockets;
static rlim_t rlimit_is; /* 0: as it is */
static bool has_no_pwait2;
static unsigned stall_after; /* so many waits the thread stands still for 200 ms; 0: never */
static bool has_no_right;    /* to a priority */

int __real_sched_setscheduler(pid_t pid, int policy, const struct sched_param *p);
int __wrap_sched_setscheduler(pid_t pid, int policy, const struct sched_param *p);
int __wrap_sched_setscheduler(pid_t pid, int policy, const struct sched_param *p)
{
	if (__atomic_load_n(&has_no_right, __ATOMIC_RELAXED)) {
		errno = EPERM;
		return -1;
	}
	return __real_sched_setscheduler(pid, policy, p);
}

static int64_t thread_cpu_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static void burn(int64_t ns)
{
	int64_t until = ns ? thread_cpu_ns() + ns : 0;

	while (ns && thread_cpu_ns() < until)
		;
}

ssize_t __real_send(int fd, const void *p, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags)
{
	size_t max = __atomic_load_n(&send_max, __ATOMIC_RELAXED);

	burn(__atomic_load_n(&send_ns, __ATOMIC_RELAXED));
	return __real_send(fd, p, max && n > max ? max : n, flags);
}

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol)
{
	unsigned every = __atomic_load_n(&socket_fails, __ATOMIC_RELAXED);

	if (every && __atomic_add_fetch(&n_sockets, 1, __ATOMIC_RELAXED) % every == 0) {
		errno = EMFILE;
		return -1;
	}
	return __real_socket(family, type, protocol);
}

int __real_getrlimit64(int what, struct rlimit *l);
int __wrap_getrlimit64(int what, struct rlimit *l);
int __wrap_getrlimit64(int what, struct rlimit *l)
{
	if (!rlimit_is)
		return __real_getrlimit64(what, l);
	*l = (struct rlimit){ rlimit_is, rlimit_is };
	return 0;
}

struct epoll_event;
int __real_epoll_pwait2(
        int fd, struct epoll_event *ev, int n, const struct timespec *t, const sigset_t *mask);
int __wrap_epoll_pwait2(
        int fd, struct epoll_event *ev, int n, const struct timespec *t, const sigset_t *mask);
int __wrap_epoll_pwait2(
        int fd, struct epoll_event *ev, int n, const struct timespec *t, const sigset_t *mask)
{
	if (__atomic_load_n(&has_no_pwait2, __ATOMIC_RELAXED)) {
		errno = ENOSYS;
		return -1;
	}
	n = __real_epoll_pwait2(fd, ev, n, t, mask);
	if (__atomic_load_n(&stall_after, __ATOMIC_RELAXED) &&
	        !__atomic_sub_fetch(&stall_after, 1, __ATOMIC_RELAXED))
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ 0, 200000000 }, NULL);
	return n;
}

/* --- set-up ----------------------------------------------------------------------------------- */

static char dir[64], unix_path[96];
static struct bad_server *server;
static struct load_target target;
static struct buf request;
static struct load_config config;
static struct load_result *result;
static struct load_tally *sum; /* of all intervals of the measured part */
static unsigned n_intervals;
static volatile int interrupted;
static int own_listen = -1;
static pthread_t own_thread;
static bool has_own_thread;

static int set_up_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_load.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(unix_path, sizeof(unix_path), "%s/socket", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static int set_up(void **state)
{
	(void)state;
	send_max = 0;
	send_ns = 0;
	socket_fails = n_sockets = 0;
	rlimit_is = 0;
	stall_after = 0;
	has_no_pwait2 = has_no_right = false;
	interrupted = 0;
	n_intervals = 0;
	buf_init(&request, 16 << 20);
	memset(&target, 0, sizeof(target));
	return 0;
}

static void forget(void)
{
	load_result_free(TAKE(result));
	load_tally_free(TAKE(sum));
	if (server)
		bad_server_stop(TAKE(server));
	buf_release(&request);
	buf_init(&request, 16 << 20);
	load_target_release(&target);
	memset(&target, 0, sizeof(target));
}

static int tear_down(void **state)
{
	(void)state;
	if (own_listen >= 0)
		(void)shutdown(own_listen, SHUT_RDWR);
	if (has_own_thread)
		(void)pthread_join(own_thread, NULL);
	has_own_thread = false;
	forget();
	if (own_listen >= 0)
		(void)close(own_listen);
	own_listen = -1;
	(void)unlink(unix_path);
	return 0;
}

static void on_interval(void *arg, const struct load_interval *i)
{
	(void)arg;
	assert_true(i->end_ns > i->begin_ns);
	n_intervals++;
	if (!i->is_warmup)
		assert_int_equal(load_tally_add(sum, i->tally), 0);
}

/* A run of n requests, closed loop, no warm-up; what is special is changed by the test. */
static void configure(const char *url, const char *socket_path, uint64_t n, bool keep_alive)
{
	struct err e = ERR_INIT;

	assert_int_equal(load_target_init(&target, url, socket_path, false, &e), 0);
	assert_int_equal(
	        load_request_build(&request, &target, "GET", NULL, NULL, keep_alive, &e), 0);
	config = (struct load_config){
		.target = &target,
		.request = request.data,
		.request_n = request.len,
		.keep_alive = keep_alive,
		.threads = 2,
		.connections = 4,
		.pipeline = 1,
		.duration_ns = 60 * NS_PER_SEC,
		.requests = n,
		.timeout_ns = 10 * NS_PER_SEC,
		.fork_depth = 330,
		.interrupted = &interrupted,
		.on_interval = on_interval,
	};
	memcpy(config.chain_id, bad_server_chain_id, 64);
}

static void start_server(const struct bad_server_config *c, uint64_t n, bool keep_alive)
{
	struct err e = ERR_INIT;
	bool is_unix = c->listen[0] == '/';

	server = bad_server_start(c, &e);
	assert_non_null(server);
	configure(bad_server_url(server), is_unix ? c->listen : NULL, n, keep_alive);
}

static uint64_t of(enum load_class c)
{
	return result->total->classes[c];
}

/* Whatever happens, these hold. */
static void run(void)
{
	struct err e = ERR_INIT;

	sum = load_tally_new(config.scheduled);
	assert_non_null(sum);
	if (load_run(&config, &result, &e) < 0)
		fail_msg("%s", e.msg);
	if (config.requests && !interrupted && config.duration_ns >= 60 * NS_PER_SEC)
		assert_int_equal(load_tally_total(result->total), config.requests);
	if (!interrupted)
		assert_int_equal(result->abandoned, 0);
	if (config.scheduled) {
		assert_int_equal(
		        load_tally_total(result->total) + result->abandoned, result->planned);
		assert_int_equal(result->total->planned->total,
		        of(LOAD_OK) + of(LOAD_TIMEOUT) + of(LOAD_UNSENT));
	}
	assert_int_equal(result->total->sent->total, of(LOAD_OK) + of(LOAD_TIMEOUT));
	assert_memory_equal(sum->classes, result->total->classes, sizeof(sum->classes));
	assert_int_equal(sum->bytes_in, result->total->bytes_in);
	assert_int_equal(sum->sent->total, result->total->sent->total);
	assert_true(result->elapsed_ns >= result->sending_ns);
}

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

static int listen_on_unix(int backlog)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	memcpy(sa.sun_path, unix_path, strlen(unix_path) + 1);
	own_listen = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(own_listen >= 0);
	assert_int_equal(bind(own_listen, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return listen(own_listen, backlog);
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

static void short_sleep(int ms)
{
	struct timespec t = { .tv_nsec = ms * NS_PER_MS };

	(void)nanosleep(&t, NULL);
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
		{ true, 8, LOAD_WAS_REAL_TIME },
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

/* --- servers of the test's own ---------------------------------------------------------------- */

static void *own_server(void *serve)
{
	void (*f)(int) = NULL;
	int fd;

	memcpy(&f, serve, sizeof(f));
	while ((fd = accept(own_listen, NULL, NULL)) >= 0) {
		f(fd);
		(void)close(fd);
	}
	return NULL;
}

static void (*serving)(int fd);

static void start_own_server(void (*serve)(int fd), uint64_t n)
{
	serving = serve;
	assert_int_equal(listen_on_unix(16), 0);
	assert_int_equal(pthread_create(&own_thread, NULL, own_server, &serving), 0);
	has_own_thread = true;
	configure("http://localhost/x", unix_path, n, true);
	config.threads = config.connections = 1;
	config.check = LOAD_CHECK_ANY;
}

static bool read_bytes(int fd, size_t n)
{
	char chunk[65536];

	while (n) {
		ssize_t r = recv(fd, chunk, n < sizeof(chunk) ? n : sizeof(chunk), 0);

		if (r <= 0)
			return false;
		n -= (size_t)r;
	}
	return true;
}

static bool say(int fd, const char *text)
{
	return __real_send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* Takes a request of 3 MB late. */
static void serve_slowly(int fd)
{
	short_sleep(30);
	while (read_bytes(fd, 3 << 20) && say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		short_sleep(10);
}

static void a_request_can_be_larger_than_a_socket(void **state)
{
	static char big[3 << 20];

	(void)state;
	for (int i = 0; i < 2; i++) {
		start_own_server(serve_slowly, 5);
		memset(big, 'x', sizeof(big));
		config.request = big;
		config.request_n = sizeof(big);
		config.pipeline = i ? 3 : 1;
		run();
		assert_int_equal(of(LOAD_OK), 5);
		assert_int_equal(result->total->bytes_out, 5 * sizeof(big));
		(void)tear_down(NULL);
	}
}

static void requests_can_leave_in_pieces(void **state)
{
	struct bad_server_config c = { .listen = "127.0.0.1" };

	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		start_server(&c, 30, true);
		config.pipeline = i;
		send_max = 7;
		run();
		assert_int_equal(of(LOAD_OK), 30);
		forget();
	}
}

static void serve_much(int fd)
{
	static char body[1 << 20];

	while (read_bytes(fd, request.len)) {
		if (!say(fd,
		            "HTTP/1.1 200 OK\r\nContent-Length: 20971520\r\nX-Served-By: "
		            "b\r\n\r\n"))
			return;
		for (int i = 0; i < 20; i++)
			if (write(fd, body, sizeof(body)) != sizeof(body))
				return;
	}
}

static void large_bodies_are_not_stored(void **state)
{
	(void)state;
	start_own_server(serve_much, 3);
	run();
	assert_int_equal(of(LOAD_OK), 3);
	assert_true(result->total->bytes_in > 3 * 20971520ULL);
	assert_int_equal(result->total->n_backends, 1);
	assert_string_equal(result->total->backends[0].name, "b");
}

static void serve_stray_bytes(int fd)
{
	while (read_bytes(fd, request.len)) {
		if (!say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
			return;
		short_sleep(5);
		if (!say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
			return;
	}
}

/* A reply that comes while nothing is asked must not answer the next request. */
static void bytes_that_nobody_asked_for(void **state)
{
	(void)state;
	start_own_server(serve_stray_bytes, 0);
	config.scheduled = true;
	config.schedule.from = config.schedule.to = 20;
	config.duration_ns = 400 * NS_PER_MS;
	run();
	assert_int_equal(result->planned, 8);
	assert_int_equal(of(LOAD_NOT_HTTP), 4);
	assert_int_equal(of(LOAD_OK), 4);
}

static void serve_statuses(int fd)
{
	static const char *const lines[] = { "200 OK", "201 Created", "202 Accepted", "299 Odd",
		"204 No Content", "301 Moved", "404 Not Found" };
	char text[1024];

	for (size_t i = 0; read_bytes(fd, request.len); i++) {
		bool is_empty = strncmp(lines[i % ARRAY_LEN(lines)], "204", 3) == 0;

		snprintf(text, sizeof(text),
		        "HTTP/1.1 %s\r\n%s%s{\"chain_id\":\"%s\",\"head_block_num\":7}",
		        lines[i % ARRAY_LEN(lines)], is_empty ? "" : "Content-Length: 98\r\n",
		        "\r\n", bad_server_chain_id);
		if (is_empty)
			*strchr(text, '{') = '\0';
		if (!say(fd, text))
			return;
	}
}

/* nodeos says 201 and 202 to some calls; get_info is a 200 alone. */
static void good_statuses_are_those_of_the_check(void **state)
{
	(void)state;
	for (int any = 0; any < 2; any++) {
		start_own_server(serve_statuses, 70);
		config.check = any ? LOAD_CHECK_ANY : LOAD_CHECK_INFO;
		run();
		assert_int_equal(of(LOAD_OK), any ? 50 : 10);
		assert_int_equal(of(LOAD_STATUS), any ? 20 : 60);
		assert_int_equal(result->total->statuses[202], any ? 0 : 10);
		assert_int_equal(result->total->statuses[301], 10);
		(void)tear_down(NULL);
	}
}

static void serve_one_and_close(int fd)
{
	(void)read_bytes(fd, request.len);
	(void)say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
}

/* What was asked behind the last reply is lost, though nothing failed. */
static void a_server_may_end_a_pipeline(void **state)
{
	(void)state;
	start_own_server(serve_one_and_close, 8);
	config.pipeline = 4;
	run();
	assert_int_equal(of(LOAD_OK), 2);
	assert_int_equal(of(LOAD_LOST), 6);
	assert_non_null(strstr(load_class_text(LOAD_LOST), "the end of its connection"));
}

static void serve_and_go(int fd)
{
	(void)read_bytes(fd, request.len);
	(void)say(fd, "HTTP/1.1 200 OK\r\n\r\nuntil the end");
}

static void a_body_can_end_with_the_connection(void **state)
{
	(void)state;
	start_own_server(serve_and_go, 5);
	run();
	assert_int_equal(of(LOAD_OK), 5);
}

/* Not read, the request makes the end of the connection a reset. */
static void serve_half(int fd)
{
	(void)say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
	short_sleep(5);
}

static void a_reset_within_a_reply_is_short(void **state)
{
	(void)state;
	for (int any = 0; any < 2; any++) {
		start_own_server(serve_half, 3);
		config.check = any ? LOAD_CHECK_ANY : LOAD_CHECK_INFO;
		run();
		assert_int_equal(of(LOAD_SHORT), 3);
		(void)tear_down(NULL);
	}
}

/* Says why, and does not read the request. */
static void serve_refusal(int fd)
{
	(void)say(fd, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	short_sleep(5);
}

static void a_refusal_is_heard_though_sending_fails(void **state)
{
	static char big[3 << 20];

	(void)state;
	start_own_server(serve_refusal, 3);
	memset(big, 'x', sizeof(big));
	config.request = big;
	config.request_n = sizeof(big);
	run();
	assert_int_equal(result->total->statuses[413], 3);
}

/* Takes a piece of the request, and thinks that it knows enough. */
static void serve_early(int fd)
{
	if (read_bytes(fd, 1000) && say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		short_sleep(30);
}

static void an_answer_to_a_part_is_none(void **state)
{
	static char big[3 << 20];

	(void)state;
	start_own_server(serve_early, 3);
	memset(big, 'x', sizeof(big));
	config.request = big;
	config.request_n = sizeof(big);
	run();
	assert_int_equal(of(LOAD_NOT_HTTP), 3);
	/* The connection is not used again. */
	assert_int_equal(result->total->connects, 3);
}

static void serve_nothing(int fd)
{
	(void)fd;
	short_sleep(50);
}

/* A full queue is asked again and again, and each time it is another attempt. */
static void a_plan_against_a_full_queue(void **state)
{
	(void)state;
	start_own_server(serve_nothing, 0);
	config.connections = 40;
	config.scheduled = true;
	config.schedule.from = config.schedule.to = 200;
	config.duration_ns = 400 * NS_PER_MS;
	config.timeout_ns = 100 * NS_PER_MS;
	run();
	assert_int_equal(result->planned, 80);
	assert_int_equal(of(LOAD_OK), 0);
}

static void the_warm_up_is_in_no_sum(void **state)
{
	struct bad_server_config c = { .listen = "127.0.0.1" };

	(void)state;
	for (int keep = 0; keep < 2; keep++) {
		start_server(&c, 7, keep);
		config.threads = config.connections = 4;
		config.warmup_ns = 100 * NS_PER_MS;
		run();
		assert_int_equal(of(LOAD_OK), 7);
		assert_int_equal(result->total->bytes_out, 7 * request.len);
		assert_int_equal(result->total->connects, keep ? 0 : 7);
		/* All replies are equally long, but for digits of the head. */
		assert_in_range(result->total->bytes_in, 7 * 500, 7 * 1500);
		forget();
	}
}

static void serve_one_late(int fd)
{
	if (!read_bytes(fd, request.len))
		return;
	short_sleep(120);
	(void)say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/* The third one is connected only after the end: it waited all the same. */
static void the_wait_for_a_connection_is_latency(void **state)
{
	(void)state;
	for (int keep = 0; keep < 2; keep++) {
		start_own_server(serve_one_late, 0);
		assert_int_equal(listen(own_listen, 0), 0);
		forget();
		configure("http://localhost/x", unix_path, 0, keep);
		config.check = LOAD_CHECK_ANY;
		config.threads = 1;
		config.connections = 3;
		config.duration_ns = 100 * NS_PER_MS;
		run();
		assert_int_equal(of(LOAD_OK), 3);
		assert_int_equal(load_tally_total(result->total), 3);
		assert_true(result->total->sent->max >= 350 * NS_PER_MS);
		(void)tear_down(NULL);
	}
}

/* Whether a connection was free or not. */
static void a_stall_of_our_own_is_ours(void **state)
{
	struct bad_server_config c = { .listen = "127.0.0.1" };

	(void)state;
	for (int scheduled = 0; scheduled < 2; scheduled++) {
		start_server(&c, 0, true);
		config.threads = config.connections = 1;
		config.duration_ns = 600 * NS_PER_MS;
		config.scheduled = scheduled;
		config.schedule.from = config.schedule.to = 200;
		stall_after = 30;
		run();
		assert_int_equal(stall_after, 0);
		assert_in_range(result->longest_gap_ns / NS_PER_MS, scheduled ? 190 : 140, 10000);
		if (scheduled) {
			const struct load_hist *h = result->total->late;
			double ours = 100 - load_hist_percent_below(h, LOAD_LATE_NS);

			/* 40 of 120 fell due in it, and each is there once. */
			assert_true(ours * (double)h->total / 100 >= 35);
			assert_true(h->total <= result->planned);
			assert_true(result->left_late);
		}
		forget();
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

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
		TEST(a_request_can_be_larger_than_a_socket),
		TEST(requests_can_leave_in_pieces),
		TEST(large_bodies_are_not_stored),
		TEST(bytes_that_nobody_asked_for),
		TEST(good_statuses_are_those_of_the_check),
		TEST(a_server_may_end_a_pipeline),
		TEST(a_body_can_end_with_the_connection),
		TEST(a_reset_within_a_reply_is_short),
		TEST(a_refusal_is_heard_though_sending_fails),
		TEST(an_answer_to_a_part_is_none),
		TEST(a_plan_against_a_full_queue),
		TEST(the_warm_up_is_in_no_sum),
		TEST(the_wait_for_a_connection_is_latency),
	};

	return cmocka_run_group_tests(tests, set_up_dir, remove_dir);
}
