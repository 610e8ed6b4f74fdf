#include "base/run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/spawn.h"
#include "base/str.h"

#define ARGS_MAX   32
#define OUTPUT_MAX 4096
#define SAID_MAX   (64 * 1024)
#define SBIN       ":/usr/sbin:/sbin"
#define LOOK_NS    (100 * NS_PER_MS) /* between looks at the cancel flag */

/* The path of an executable into out, which is "" without one. */
static void find(char out[PATH_MAX], const char *name)
{
	const char *path = getenv("PATH");
	AUTO(free) char *dirs = str_fmt("%s" SBIN, path ? path : "/usr/bin:/bin");
	char *save = NULL;

	out[0] = '\0';
	if (!dirs)
		return;
	if (strchr(name, '/')) {
		int n = access(name, X_OK) == 0 ? snprintf(out, PATH_MAX, "%s", name) : 0;

		if (n >= PATH_MAX)
			out[0] = '\0';
		return;
	}
	for (char *d = strtok_r(dirs, ":", &save); d; d = strtok_r(NULL, ":", &save)) {
		int n = snprintf(out, PATH_MAX, "%s/%s", d, name);

		if (n > 0 && n < PATH_MAX && access(out, X_OK) == 0)
			return;
	}
	out[0] = '\0';
}

bool run_has_program(const char *name)
{
	char path[PATH_MAX];

	find(path, name);
	return path[0] != '\0';
}

/* The last line that is not empty; text is changed. */
static const char *last_line(char *text)
{
	char *line;

	for (;;) {
		size_t n = strlen(text);

		while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
			text[--n] = '\0';
		line = strrchr(text, '\n');
		if (!line)
			return text;
		if (line[1])
			return line + 1;
		*line = '\0';
	}
}

static int failed(const char *name, int status, int out_fd, struct err *e)
{
	char text[OUTPUT_MAX + 1];
	off_t size = lseek(out_fd, 0, SEEK_END);
	ssize_t n = pread(out_fd, text, OUTPUT_MAX, size > OUTPUT_MAX ? size - OUTPUT_MAX : 0);
	const char *said;

	text[n < 0 ? 0 : n] = '\0';
	said = last_line(text);
	if (WIFSIGNALED(status))
		return err_set(e, ERR_SYSTEM, "%s was ended by signal %d", name, WTERMSIG(status));
	if (!*said)
		return err_set(
		        e, ERR_SYSTEM, "%s failed with exit status %d", name, WEXITSTATUS(status));
	return err_set(e, ERR_SYSTEM, "%s: %s", name, said);
}

/* argv with the program's path instead of its name. */
static int find_args(char *args[ARGS_MAX], char path[PATH_MAX], char *const *argv, struct err *e)
{
	size_t n = 0;

	find(path, argv[0]);
	if (!*path)
		return err_set(e, ERR_NOT_FOUND, "no program '%s' here", argv[0]);
	for (args[n++] = path; argv[n]; n++) {
		if (n + 1 == ARGS_MAX)
			return err_set(e, ERR_USAGE, "too many arguments for '%s'", argv[0]);
		args[n] = argv[n];
	}
	args[n] = NULL;
	return 0;
}

static int reap(pid_t pid, int *ret_status, const char *name, struct err *e)
{
	while (waitpid(pid, ret_status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "wait for '%s'", name);
	return 0;
}

int run_program(char *const *argv, int keep_fd, struct err *e)
{
	AUTO(close_fd) int out = memfd_create("output", MFD_CLOEXEC);
	char path[PATH_MAX];
	char *args[ARGS_MAX];
	struct spawn sp = { .argv = args, .out_fd = out, .err_fd = out, .keep_fd = keep_fd };
	int status;
	pid_t pid;

	if (out < 0)
		return err_sys(e, errno, "memfd_create");
	if (find_args(args, path, argv, e) < 0 || spawn_start(&sp, &pid, e) < 0 ||
	        reap(pid, &status, argv[0], e) < 0)
		return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : failed(argv[0], status, out, e);
}

/* --- with a limit of time and of output ---------------------------------------------------- */

struct capture {
	const char *name;
	struct buf *out;
	int said; /* a memfd: the end of stderr, for the message */
	off_t said_bytes;
	int64_t deadline;
	const volatile int *cancel;
	struct pollfd fds[2]; /* stdout, stderr */
};

/* What is there; 1 when the pipe is at its end. */
static int take(struct capture *c, size_t i, struct err *e)
{
	char piece[16384];
	ssize_t n = read(c->fds[i].fd, piece, sizeof(piece));

	if (n < 0)
		return errno == EINTR ? 0 : err_sys(e, errno, "read from '%s'", c->name);
	if (n == 0)
		return 1;
	if (i == 0) {
		if (!c->out || buf_add(c->out, piece, (size_t)n) == 0)
			return 0;
		return errno == ENOMEM ? err_nomem(e)
		                       : err_set(e, ERR_PROTOCOL, "%s: prints more than %zu bytes",
		                                 c->name, c->out->max);
	}
	if (c->said_bytes < SAID_MAX && pwrite(c->said, piece, (size_t)n, c->said_bytes) == n)
		c->said_bytes += n;
	return 0;
}

/* What is left of its time. */
static int time_left(const struct capture *c, int64_t *ret_ns, struct err *e)
{
	*ret_ns = c->deadline - clock_mono_ns();
	if (cancel_is_set(c->cancel))
		return err_set(e, ERR_INTERRUPTED, "%s: interrupted", c->name);
	if (*ret_ns <= 0)
		return err_set(e, ERR_TIMEOUT, "%s does not end", c->name);
	if (c->cancel && *ret_ns > LOOK_NS)
		*ret_ns = LOOK_NS;
	return 0;
}

static int capture_all(struct capture *c, struct err *e)
{
	while (c->fds[0].fd >= 0 || c->fds[1].fd >= 0) {
		int64_t left;
		int rc;

		if (time_left(c, &left, e) < 0)
			return -1;
		rc = poll(c->fds, ARRAY_LEN(c->fds), (int)(left / NS_PER_MS) + 1);
		if (rc < 0 && errno != EINTR)
			return err_sys(e, errno, "poll");
		for (size_t i = 0; rc > 0 && i < ARRAY_LEN(c->fds); i++) {
			int end = c->fds[i].revents ? take(c, i, e) : 0;

			if (end < 0)
				return -1;
			if (end == 1) {
				(void)close(c->fds[i].fd);
				c->fds[i].fd = -1;
			}
		}
	}
	return 0;
}

/* Its pipes are closed, so it is about to end; a program may close them and go on, though. */
static int reap_in_time(pid_t pid, int *ret_status, const struct capture *c, struct err *e)
{
	const struct timespec tick = { .tv_nsec = 2 * NS_PER_MS };

	for (;;) {
		pid_t got = waitpid(pid, ret_status, WNOHANG);
		int64_t left;

		if (got == pid)
			return 0;
		if (got < 0 && errno != EINTR)
			return err_sys(e, errno, "wait for '%s'", c->name);
		if (time_left(c, &left, e) < 0)
			return -1;
		(void)nanosleep(&tick, NULL);
	}
}

static void close_all(const struct capture *c)
{
	for (size_t i = 0; i < ARRAY_LEN(c->fds); i++)
		if (c->fds[i].fd >= 0)
			(void)close(c->fds[i].fd);
}

static int run_captured(struct capture *c, char *const *args, const struct run_how *how,
        int *ret_status, struct err *e)
{
	struct spawn sp = { .argv = args, .envp = how->envp, .keep_fd = how->keep_fd };
	int p[2][2], status;
	pid_t pid;

	if (pipe2(p[0], O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	c->fds[0] = (struct pollfd){ .fd = p[0][0], .events = POLLIN };
	if (pipe2(p[1], O_CLOEXEC) < 0) {
		(void)close(p[0][1]);
		return err_sys(e, errno, "pipe");
	}
	c->fds[1] = (struct pollfd){ .fd = p[1][0], .events = POLLIN };
	sp.out_fd = p[0][1];
	sp.err_fd = p[1][1];
	status = spawn_start(&sp, &pid, e);
	(void)close(p[0][1]);
	(void)close(p[1][1]);
	if (status < 0)
		return -1;
	if (capture_all(c, e) < 0 || reap_in_time(pid, &status, c, e) < 0) {
		/* It leads a session of its own, so this is it and its children. */
		(void)kill(-pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		return -1;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (ret_status && WIFEXITED(status))
		*ret_status = WEXITSTATUS(status);
	return failed(c->name, status, c->said, e);
}

int run_output(char *const *argv, int keep_fd, int64_t timeout_ns, struct buf *out, int *ret_status,
        struct err *e)
{
	const struct run_how how = { .keep_fd = keep_fd, .timeout_ns = timeout_ns };

	return run_output_how(argv, &how, out, ret_status, e);
}

int run_output_how(char *const *argv, const struct run_how *how, struct buf *out, int *ret_status,
        struct err *e)
{
	AUTO(close_fd) int said = memfd_create("stderr", MFD_CLOEXEC);
	struct capture c = {
		.name = argv[0],
		.out = out,
		.said = said,
		.deadline = clock_mono_ns() + how->timeout_ns,
		.cancel = how->cancel,
		.fds = { { .fd = -1 }, { .fd = -1 } },
	};
	char path[PATH_MAX];
	char *args[ARGS_MAX];
	int rc;

	if (ret_status)
		*ret_status = -1;
	if (said < 0)
		return err_sys(e, errno, "memfd_create");
	if (find_args(args, path, argv, e) < 0)
		return -1;
	rc = run_captured(&c, args, how, ret_status, e);
	close_all(&c);
	return rc;
}
