#include "replay/node_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/spawn.h"
#include "base/str.h"
#include "nodeos/logline.h"
#include "replay/node_env.h"

/* Of one turn of the loop: what else is there must have its turn too. */
#define READS_MAX 16

static void remember(struct node_run *r, const char *line)
{
	size_t n = strlen(line) + 1;
	char *nl;

	while (r->tail.len + n >= JOB_LOG_MAX && (nl = memchr(r->tail.data, '\n', r->tail.len)))
		buf_consume(&r->tail, (size_t)(nl + 1 - r->tail.data));
	if (buf_add_fmt(&r->tail, "%s\n", line) < 0)
		buf_clear(&r->tail);
}

static void keep(struct node_run *r, const char *line)
{
	size_t n = strlen(line);

	if (r->log_fd < 0 || r->logged + (int64_t)n + 1 > NODE_RUN_LOG_MAX)
		return;
	r->logged += (int64_t)n + 1;
	/* It is for people, and a full disk is nodeos's own trouble first. */
	(void)!write(r->log_fd, line, n);
	(void)!write(r->log_fd, "\n", 1);
}

static void take_line(struct node_run *r)
{
	char *line = r->line.data;

	if (!r->line.len)
		return;
	(void)nodeos_redact(line);
	str_printable(line);
	if (node_seen_line(&r->seen, line))
		r->moved_ns = clock_mono_ns();
	remember(r, line);
	keep(r, line);
	buf_clear(&r->line);
}

static void take(struct node_run *r, const char *p, size_t n)
{
	while (n) {
		const char *nl = memchr(p, '\n', n);
		size_t len = nl ? (size_t)(nl - p) : n;
		size_t room = r->line.max - r->line.len, part = len < room ? len : room;

		/* What is beyond the limit of a line is dropped. */
		if (part && buf_add(&r->line, p, part) < 0)
			buf_clear(&r->line);
		if (nl)
			take_line(r);
		p += nl ? len + 1 : len;
		n -= nl ? len + 1 : len;
	}
}

/* false: there is no more, now or ever. */
static bool receive(struct node_run *r)
{
	char chunk[16384];
	ssize_t n = read(r->fd, chunk, sizeof(chunk));

	if (n > 0)
		take(r, chunk, (size_t)n);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		loop_io_remove(r->loop, &r->io);
	return n > 0;
}

static void on_readable(struct loop_io *io UNUSED, unsigned events UNUSED, void *arg)
{
	struct node_run *r = arg;

	for (int i = 0; i < READS_MAX && receive(r); i++)
		;
}

/* What a process of nodeos's leaves open is not waited for: there are none of worth. */
static void on_end(struct loop_child *c UNUSED, int status, void *arg)
{
	struct node_run *r = arg;

	while (receive(r))
		;
	take_line(r);
	r->status = status;
	r->has_ended = true;
	loop_timer_remove(r->loop, &r->timer);
}

static void on_timer(struct loop_timer *t, void *arg)
{
	struct node_run *r = arg;
	int64_t due = r->moved_ns + r->stall_ns;

	if (clock_mono_ns() < due) {
		loop_timer_set(r->loop, t, due, on_timer, r);
		return;
	}
	r->has_stalled = true;
	node_run_kill(r);
}

int node_run_start(struct node_run *r, char *const *argv, struct err *e)
{
	AUTO(close_fd) int out = -1;
	AUTO(free) char **envp = node_env();
	pid_t pid;
	int p[2];

	buf_init(&r->tail, JOB_LOG_MAX);
	buf_init(&r->line, NODE_RUN_LINE_MAX);
	r->fd = -1;
	if (!envp)
		return err_nomem(e);
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	r->fd = p[0];
	out = p[1];
	if (fcntl(r->fd, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(e, errno, "set up a pipe");
	if (loop_io_add(r->loop, &r->io, r->fd, LOOP_READ, on_readable, r, e) < 0)
		return -1;
	if (spawn_start(&(struct spawn){ .argv = argv,
	                        .envp = envp,
	                        .out_fd = out,
	                        .err_fd = out,
	                        .keep_fd = r->lock_fd,
	                        .dies_with_us = true },
	            &pid, e) < 0)
		return -1;
	if (loop_child_add(r->loop, &r->child, pid, on_end, r, e) < 0) {
		(void)kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return -1;
	}
	r->is_started = true;
	r->moved_ns = clock_mono_ns();
	loop_timer_set(r->loop, &r->timer, r->moved_ns + r->stall_ns, on_timer, r);
	return 0;
}

void node_run_moved(struct node_run *r)
{
	r->moved_ns = clock_mono_ns();
}

static void send_signal(struct node_run *r, int signo)
{
	if (r->is_started && !r->has_ended)
		(void)kill(r->child.pid, signo);
}

void node_run_stop(struct node_run *r)
{
	send_signal(r, SIGTERM);
}

void node_run_kill(struct node_run *r)
{
	send_signal(r, SIGKILL);
}

void node_run_release(struct node_run *r)
{
	if (!r->line.max)
		return; /* it was never started */
	if (r->is_started && !r->has_ended) {
		node_run_kill(r);
		loop_child_remove(r->loop, &r->child);
		while (waitpid(r->child.pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	loop_timer_remove(r->loop, &r->timer);
	loop_io_remove(r->loop, &r->io);
	auto_close_fd(&r->fd);
	r->fd = -1;
	buf_release(&r->tail);
	buf_release(&r->line);
	r->line.max = 0;
	r->is_started = false;
}
