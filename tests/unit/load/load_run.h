#pragma once

/*
 * A run of load_run() within a test: its set-up, what is replaced, and what always has to hold
 *
 * For one source of a program, whose wraps_NAME in the Makefile names the calls below.  Each test
 * has TEST() around it; configure() or start_server() first, then what is special, then run().
 */

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

#include "unit/load/load_wraps.h"
#include "unit/test.h"

/* --- replaced calls --------------------------------------------------------------------------- */

static size_t send_max;       /* bytes that a send takes; 0: all */
static int64_t send_ns;       /* of a processor that a send takes */
static unsigned socket_fails; /* every nth socket() is out of descriptors; 0: none */
static unsigned n_sockets;
static rlim_t rlimit_is;  /* 0: as it is */
static bool has_no_right; /* to a priority */

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

static inline int set_up_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_load.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(unix_path, sizeof(unix_path), "%s/socket", dir);
	return 0;
}

static inline int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static inline int set_up(void **state)
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

static inline void forget(void)
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

static inline int tear_down(void **state)
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

static inline void on_interval(void *arg, const struct load_interval *i)
{
	(void)arg;
	assert_true(i->end_ns > i->begin_ns);
	n_intervals++;
	if (!i->is_warmup)
		assert_int_equal(load_tally_add(sum, i->tally), 0);
}

/* A run of n requests, closed loop, no warm-up; what is special is changed by the test. */
static inline void configure(const char *url, const char *socket_path, uint64_t n, bool keep_alive)
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

static inline void start_server(const struct bad_server_config *c, uint64_t n, bool keep_alive)
{
	struct err e = ERR_INIT;
	bool is_unix = c->listen[0] == '/';

	server = bad_server_start(c, &e);
	assert_non_null(server);
	configure(bad_server_url(server), is_unix ? c->listen : NULL, n, keep_alive);
}

static inline uint64_t of(enum load_class c)
{
	return result->total->classes[c];
}

/* Whatever happens, these hold. */
static inline void run(void)
{
	struct err e = ERR_INIT;

	sum = load_tally_new(config.scheduled);
	assert_non_null(sum);
	if (load_run(&config, &result, &e) < 0)
		fail_msg("%s", e.msg);
	if (config.requests && !cancel_is_set(&interrupted) &&
	        config.duration_ns >= 60 * NS_PER_SEC)
		assert_int_equal(load_tally_total(result->total), config.requests);
	if (!cancel_is_set(&interrupted))
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

static inline int listen_on_unix(int backlog)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	memcpy(sa.sun_path, unix_path, strlen(unix_path) + 1);
	own_listen = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(own_listen >= 0);
	assert_int_equal(bind(own_listen, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return listen(own_listen, backlog);
}

static inline void short_sleep(int ms)
{
	struct timespec t = { .tv_nsec = ms * NS_PER_MS };

	(void)nanosleep(&t, NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
