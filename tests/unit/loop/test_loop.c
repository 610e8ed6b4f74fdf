#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "loop/loop.h"

static struct loop loop;

/* What the callbacks did, in order: a letter each. */
static char journal[256];

/* What the loop asked epoll to wait. */
static int last_timeout;
static bool no_wait;

int __real_epoll_wait(int, struct epoll_event *, int, int);
int __wrap_epoll_wait(int, struct epoll_event *, int, int);
int __wrap_epoll_wait(int fd, struct epoll_event *ev, int n, int timeout)
{
	last_timeout = timeout;
	return __real_epoll_wait(fd, ev, n, no_wait ? 0 : timeout);
}

static void note(char c)
{
	size_t n = strlen(journal);

	if (n < sizeof(journal) - 1) {
		journal[n] = c;
		journal[n + 1] = '\0';
	}
}

static int setup(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	journal[0] = '\0';
	return loop_init(&loop, &e);
}

static int teardown(void **state)
{
	(void)state;
	loop_release(&loop);
	return 0;
}

static void once(int limit_ms)
{
	struct err e = ERR_INIT;

	if (loop_once(&loop, limit_ms, &e) < 0)
		fail_msg("%s", e.msg);
}

static void run_loop(void)
{
	struct err e = ERR_INIT;

	if (loop_run(&loop, &e) < 0)
		fail_msg("%s", e.msg);
}

/* --- timers ------------------------------------------------------------------------ */

struct named {
	struct loop_timer t;
	char name;
	struct named *kills, *sets;
	int64_t again_ns;
	bool stops, dies;
};

static void on_named(struct loop_timer *t, void *arg)
{
	struct named *n = arg;

	assert_ptr_equal(t, &n->t);
	assert_false(t->set);
	assert_true(clock_mono_ns() >= t->at_ns);
	note(n->name);
	if (n->kills)
		loop_timer_remove(&loop, &n->kills->t);
	if (n->sets)
		loop_timer_set(&loop, &n->sets->t, t->at_ns, on_named, n->sets);
	if (n->again_ns)
		loop_timer_set(&loop, t, t->at_ns + n->again_ns, on_named, n);
	if (n->stops)
		loop_stop(&loop);
	if (n->dies)
		free(n);
}

static void arm(struct named *n, char name, int64_t at_ns)
{
	n->name = name;
	loop_timer_set(&loop, &n->t, at_ns, on_named, n);
}

static void timers_fire_in_order_and_never_early(void **state)
{
	int64_t now = clock_mono_ns();
	struct named a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 }, past = { 0 };

	(void)state;
	arm(&c, 'c', now + 20 * NS_PER_MS);
	arm(&a, 'a', now + 3 * NS_PER_MS + 1);
	arm(&d, 'd', now + 20 * NS_PER_MS); /* same time as c, later set */
	arm(&b, 'b', now + 10 * NS_PER_MS + 999999);
	arm(&past, 'p', now - NS_PER_SEC);
	d.stops = true;
	run_loop();
	assert_string_equal(journal, "pabcd");
	assert_null(loop.timers);
	assert_true(clock_mono_ns() - now >= 20 * NS_PER_MS);
}

static void timers_move_and_vanish(void **state)
{
	int64_t now = clock_mono_ns();
	struct named a = { 0 }, b = { 0 }, c = { 0 }, never = { 0 };

	(void)state;
	arm(&a, 'a', now + NS_PER_MS);
	arm(&b, 'b', now + 2 * NS_PER_MS);
	arm(&c, 'c', now + 3 * NS_PER_MS);
	arm(&a, 'A', now + 4 * NS_PER_MS); /* moved behind c */
	loop_timer_remove(&loop, &b.t);
	loop_timer_remove(&loop, &b.t);
	loop_timer_remove(&loop, &never.t);
	a.stops = true;
	run_loop();
	assert_string_equal(journal, "cA");
}

static void a_timer_removes_and_sets_others(void **state)
{
	int64_t now = clock_mono_ns();
	struct named a = { 0 }, b = { 0 }, c = { 0 }, end = { 0 };
	struct named *heap = calloc(1, sizeof(*heap));

	(void)state;
	assert_non_null(heap);
	arm(&a, 'a', now - 4);
	arm(&b, 'b', now - 3); /* due in the same round, removed by a */
	a.kills = &b;
	a.sets = &c;
	c.name = 'c'; /* set to a's time, which is past: runs before what is later */
	arm(heap, 'h', now - 2);
	heap->dies = true;
	arm(&end, 'e', now - 1);
	end.stops = true;
	run_loop();
	assert_string_equal(journal, "ache");
}

/* Periodic without drift, and one that is always due cannot keep the descriptors out. */
static void a_hungry_timer_does_not_starve(void **state)
{
	struct named hungry = { 0 };

	(void)state;
	arm(&hungry, '.', clock_mono_ns() - NS_PER_SEC);
	hungry.again_ns = 1; /* due for the next 10^9 rounds */
	once(0);
	assert_true(hungry.t.set);
	loop_timer_remove(&loop, &hungry.t);
	assert_null(loop.timers);
}

static void the_limit_of_one_round(void **state)
{
	int64_t start = clock_mono_ns();
	struct named far = { 0 };

	(void)state;
	once(0);
	once(20);
	assert_true(clock_mono_ns() - start >= 20 * NS_PER_MS);
	/* Farther away than epoll can count. */
	arm(&far, 'f', clock_mono_ns() + 400LL * 86400 * NS_PER_SEC);
	start = clock_mono_ns();
	once(5);
	assert_true(clock_mono_ns() - start < NS_PER_SEC);
	/* 2^32 ms, which would be 0 in 32 bits. */
	arm(&far, 'f', clock_mono_ns() + (1LL << 32) * NS_PER_MS);
	no_wait = true;
	once(-1);
	assert_true(last_timeout > 86400000);
	no_wait = false;
	assert_string_equal(journal, "");
	loop_timer_remove(&loop, &far.t);
}

static void a_stop_before_the_run_counts(void **state)
{
	struct named a = { 0 };

	(void)state;
	arm(&a, 'a', 0);
	loop_stop(&loop);
	run_loop();
	assert_string_equal(journal, "");
	a.stops = true;
	run_loop();
	assert_string_equal(journal, "a");
	once(0);
}

/* --- descriptors ---------------------------------------------------------------------- */

struct end {
	struct loop_io io;
	int fd, peer;
	char name;
	struct end *removes; /* and closes, and opens again as reopens */
	struct end *reopens;
	unsigned seen;
};

static void on_end(struct loop_io *io, unsigned events, void *arg);

static void open_end(struct end *d, char name, unsigned events)
{
	struct err e = ERR_INIT;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	d->fd = sv[0];
	d->peer = sv[1];
	d->name = name;
	assert_int_equal(loop_io_add(&loop, &d->io, d->fd, events, on_end, d, &e), 0);
}

static void close_end(struct end *d)
{
	loop_io_remove(&loop, &d->io);
	if (d->fd >= 0)
		(void)close(d->fd);
	if (d->peer >= 0)
		(void)close(d->peer);
	d->fd = d->peer = -1;
}

static void on_end(struct loop_io *io, unsigned events, void *arg)
{
	struct end *d = arg;
	char c;

	assert_ptr_equal(io, &d->io);
	note(d->name);
	d->seen = events;
	if (events & LOOP_READ && read(d->fd, &c, 1) == 1)
		note(c);
	if (d->removes) {
		close_end(d->removes);
		if (d->reopens) {
			open_end(d->reopens, 'n', LOOP_READ);
			d->reopens = NULL;
		}
		d->removes = NULL;
	}
}

static void poke(struct end *d, char c)
{
	assert_int_equal(write(d->peer, &c, 1), 1);
}

static void level_triggered_events(void **state)
{
	struct end a = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	open_end(&a, 'a', LOOP_READ);
	once(0);
	assert_string_equal(journal, "");
	poke(&a, '1');
	poke(&a, '2');
	once(0);
	once(0);
	once(0);
	assert_string_equal(journal, "a1a2");
	assert_int_equal(a.seen, LOOP_READ);
	assert_int_equal(loop_io_change(&loop, &a.io, LOOP_READ | LOOP_WRITE, &e), 0);
	once(0);
	assert_int_equal(a.seen, LOOP_WRITE);
	assert_int_equal(loop_io_change(&loop, &a.io, 0, &e), 0);
	poke(&a, '3');
	journal[0] = '\0';
	once(0);
	assert_string_equal(journal, "");
	/* The other side is gone: reported though nothing was asked for. */
	(void)close(a.peer);
	a.peer = -1;
	once(0);
	assert_true(a.seen & LOOP_HANGUP);
	close_end(&a);
	close_end(&a);
	once(0);
}

/* Both are ready in one epoll_wait; whichever runs first removes the other. */
static void a_removed_descriptor_is_silent_in_its_batch(void **state)
{
	struct end a = { 0 }, b = { 0 };

	(void)state;
	open_end(&a, 'a', LOOP_READ);
	open_end(&b, 'b', LOOP_READ);
	a.removes = &b;
	b.removes = &a;
	poke(&a, '1');
	poke(&b, '2');
	once(0);
	once(0);
	assert_true(strcmp(journal, "a1") == 0 || strcmp(journal, "b2") == 0);
	close_end(&a);
	close_end(&b);
}

/*
 * The removed one's descriptor is closed and its number used again at once, by an object in the
 * same memory: the stale event of the batch must not reach it.
 */
static void a_reused_descriptor_gets_no_stale_event(void **state)
{
	struct end a = { 0 }, b = { 0 };
	int was;

	(void)state;
	open_end(&a, 'a', LOOP_READ);
	open_end(&b, 'b', LOOP_READ);
	was = b.fd;
	a.removes = &b;
	a.reopens = &b;
	b.removes = &a;
	b.reopens = &a;
	poke(&a, '1');
	poke(&b, '2');
	once(0);
	assert_int_equal(strlen(journal), 2);
	once(0);
	assert_int_equal(strlen(journal), 2);
	assert_true(b.fd == was || a.fd >= 0);
	close_end(&a);
	close_end(&b);
}

static void on_self(struct loop_io *io, unsigned events UNUSED, void *arg)
{
	int *fd = arg;

	note('s');
	loop_io_remove(&loop, io);
	(void)close(*fd);
	free(io);
}

static void a_descriptor_may_free_itself(void **state)
{
	struct loop_io *io = calloc(1, sizeof(*io));
	struct err e = ERR_INIT;
	int p[2];

	(void)state;
	assert_non_null(io);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(loop_io_add(&loop, io, p[0], LOOP_READ, on_self, &p[0], &e), 0);
	once(0);
	once(0);
	assert_string_equal(journal, "s");
	(void)close(p[1]);
}

/* More than one batch are ready: all get their turn. */
static void more_ready_than_a_batch(void **state)
{
	static struct end many[LOOP_BATCH + 10];

	(void)state;
	memset(many, 0, sizeof(many));
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		open_end(&many[i], 'm', LOOP_READ);
		poke(&many[i], '.');
	}
	once(0);
	assert_int_equal(strlen(journal), (size_t)2 * LOOP_BATCH);
	once(0);
	assert_int_equal(strlen(journal), 2 * ARRAY_LEN(many));
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		close_end(&many[i]);
}

static void what_cannot_be_watched(void **state)
{
	struct loop_io io = { 0 };
	struct err e = ERR_INIT;
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(loop_io_add(&loop, &io, fd, LOOP_READ, on_end, NULL, &e), -1);
	assert_int_equal(e.sys_errno, EPERM);
	(void)close(fd);
	err_clear(&e);
	assert_int_equal(loop_io_add(&loop, &io, fd, LOOP_READ, on_end, NULL, &e), -1);
	assert_int_equal(e.sys_errno, EBADF);
	assert_false(io.added);
	loop_io_remove(&loop, &io);
}

static void on_nested(struct loop_io *io UNUSED, unsigned events UNUSED, void *arg)
{
	struct end *inner = arg;

	note('o');
	loop_io_remove(&loop, &inner[0].io);
	poke(&inner[1], '2');
	once(0);
	note('O');
}

/* A callback that runs the loop itself (a blocking wait): nothing is run twice or lost. */
static void a_round_inside_a_round(void **state)
{
	struct end d[2] = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	open_end(&d[0], 'x', LOOP_READ);
	open_end(&d[1], 'i', LOOP_READ);
	loop_io_remove(&loop, &d[0].io);
	assert_int_equal(loop_io_add(&loop, &d[0].io, d[0].fd, LOOP_READ, on_nested, d, &e), 0);
	poke(&d[0], '1');
	once(0);
	once(0);
	assert_string_equal(journal, "oi2O");
	close_end(&d[0]);
	close_end(&d[1]);
}

/* --- signals ------------------------------------------------------------------------- */

static void on_signal(struct loop_signal *s, int signo, void *arg)
{
	bool *last = arg;

	note(signo == SIGUSR1 ? '1' : signo == SIGUSR2 ? '2' : '?');
	if (*last)
		loop_signal_remove(&loop, s);
}

static void signals_come_through_the_loop(void **state)
{
	struct loop_signal s = { 0 };
	struct err e = ERR_INIT;
	bool last = false;
	sigset_t set, before, after;

	(void)state;
	assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &before), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	assert_int_equal(loop_signal_add(&loop, &s, &set, on_signal, &last, &e), 0);
	assert_int_equal(fcntl(s.io.fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(raise(SIGUSR2), 0);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_string_equal(journal, "");
	once(0);
	once(0);
	once(0);
	assert_string_equal(journal, "12");
	last = true;
	assert_int_equal(raise(SIGUSR1), 0);
	once(0);
	assert_string_equal(journal, "121");
	assert_false(s.io.added);
	loop_signal_remove(&loop, &s);
	assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &after), 0);
	assert_int_equal(sigismember(&after, SIGUSR1), sigismember(&before, SIGUSR1));
}

/* --- children ------------------------------------------------------------------------- */

static int last_status;

static void on_child(struct loop_child *c, int status, void *arg)
{
	note(*(const char *)arg);
	last_status = status;
	assert_false(c->io.added);
	assert_int_equal(waitpid(c->pid, NULL, WNOHANG), -1);
	loop_stop(&loop);
}

static pid_t child(unsigned delay_ms, int status)
{
	pid_t pid;
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0 && errno == ENOSYS) {
		print_message("skipped: no pidfd_open() here (valgrind 3.19)\n");
		skip();
	}
	(void)close(fd);
	pid = fork();

	if (pid == 0) {
		(void)usleep(delay_ms * 1000);
		if (status < 0)
			(void)raise(-status);
		_exit(status);
	}
	assert_true(pid > 0);
	return pid;
}

static void children_are_reaped(void **state)
{
	static const struct {
		unsigned delay_ms;
		int status;
	} rows[] = { { 0, 0 }, { 20, 0 }, { 0, 3 }, { 20, 255 }, { 10, -SIGKILL },
		{ 0, -SIGTERM } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct loop_child c = { 0 };
		struct err e = ERR_INIT;
		char name = 'c';
		pid_t pid = child(rows[i].delay_ms, rows[i].status);

		/* Dead or not yet: both must work. */
		if (!rows[i].delay_ms)
			(void)usleep(5000);
		assert_int_equal(loop_child_add(&loop, &c, pid, on_child, &name, &e), 0);
		run_loop();
		if (rows[i].status < 0) {
			assert_true(WIFSIGNALED(last_status));
			assert_int_equal(WTERMSIG(last_status), -rows[i].status);
		} else {
			assert_true(WIFEXITED(last_status));
			assert_int_equal(WEXITSTATUS(last_status), rows[i].status);
		}
	}
	assert_string_equal(journal, "cccccc");
}

static void a_removed_child_is_left_alone(void **state)
{
	struct loop_child c = { 0 };
	struct err e = ERR_INIT;
	char name = 'c';
	pid_t pid = child(0, 7);
	int status;

	(void)state;
	loop_child_remove(&loop, &c);
	assert_int_equal(loop_child_add(&loop, &c, pid, on_child, &name, &e), 0);
	(void)usleep(5000);
	loop_child_remove(&loop, &c);
	loop_child_remove(&loop, &c);
	once(0);
	assert_string_equal(journal, "");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_int_equal(loop_child_add(&loop, &c, pid, on_child, &name, &e), -1);
	assert_int_equal(e.sys_errno, ESRCH);
}

static void on_lost(struct loop_child *c UNUSED, int status, void *arg UNUSED)
{
	note('l');
	last_status = status;
}

/* Reaped behind our back: how it ended is not known, and must not look like success. */
static void a_stolen_child_did_not_exit_cleanly(void **state)
{
	struct loop_child c = { 0 };
	struct err e = ERR_INIT;
	pid_t pid = child(0, 0);

	(void)state;
	assert_int_equal(loop_child_add(&loop, &c, pid, on_lost, NULL, &e), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	once(100);
	assert_string_equal(journal, "l");
	assert_int_equal(last_status, LOOP_CHILD_LOST);
	assert_true(WIFEXITED(last_status) && WEXITSTATUS(last_status) == 255);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(timers_fire_in_order_and_never_early),
		T(timers_move_and_vanish),
		T(a_timer_removes_and_sets_others),
		T(a_hungry_timer_does_not_starve),
		T(the_limit_of_one_round),
		T(a_stop_before_the_run_counts),
		T(level_triggered_events),
		T(a_removed_descriptor_is_silent_in_its_batch),
		T(a_reused_descriptor_gets_no_stale_event),
		T(a_descriptor_may_free_itself),
		T(more_ready_than_a_batch),
		T(what_cannot_be_watched),
		T(a_round_inside_a_round),
		T(signals_come_through_the_loop),
		T(children_are_reaped),
		T(a_removed_child_is_left_alone),
		T(a_stolen_child_did_not_exit_cleanly),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
