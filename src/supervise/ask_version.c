#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/spawn.h"
#include "base/str.h"
#include "supervise/look.h"

/*
 * nodeos --version, to know which database format it opens.  What stands in the stack file is a
 * program's name: it may be a script that does not know the option, and starts who knows what.  So
 * it gets a few seconds, its output is bounded, it has no data-dir, and what it says is used only
 * if that is a version.
 */

#define LIMIT_NS   (5 * NS_PER_SEC)
#define OUTPUT_MAX 256

#define VERSION_CHARS "0123456789abcdefghijklmnopqrstuvwxyz.-"

/* The first line, if it comes in time. */
static void read_line(int fd, char out[OUTPUT_MAX], const volatile int *cancel)
{
	int64_t end = clock_mono_ns() + LIMIT_NS;
	size_t n = 0;

	while (n < OUTPUT_MAX - 1 && !cancel_is_set(cancel)) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = end - clock_mono_ns();
		ssize_t got;

		if (left <= 0)
			break;
		if (poll(&p, 1, left < 100 * NS_PER_MS ? 1 : 100) <= 0)
			continue;
		got = read(fd, out + n, OUTPUT_MAX - 1 - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
		if (memchr(out, '\n', n))
			break;
	}
	out[n] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
}

static void end_it(int pidfd, pid_t pid)
{
	/* Whatever it is by now, it has nothing of ours.  The loop may have reaped it already. */
	if (pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void nodeos_ask_version(const struct supervisor *s, char ret[64], const volatile int *cancel)
{
	char option[] = "--version", line[OUTPUT_MAX];
	char *const argv[] = { s->cfg->argv[0], option, NULL };
	struct spawn sp = { .argv = argv,
		.keep_fd = -1,
		.drop = geteuid() == 0,
		.uid = s->cfg->uid,
		.gid = s->cfg->gid };
	AUTO(close_fd) int from = -1, to = -1, null = -1, pidfd = -1;
	struct err e = ERR_INIT;
	int p[2];
	pid_t pid;

	*ret = '\0';
	if (pipe2(p, O_CLOEXEC) < 0)
		return;
	from = p[0];
	to = p[1];
	sp.out_fd = to;
	/* Spring logs that it has started, whatever it was asked. */
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	sp.err_fd = null >= 0 ? null : to;
	if (spawn_start(&sp, &pid, &e) < 0) {
		log_warn("nodeos not asked for its version", "why=\"%s\"", e.msg);
		return;
	}
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	auto_close_fd(&to);
	to = -1;
	read_line(from, line, cancel);
	end_it(pidfd, pid);
	/* What else it may say is not repeated: it may be a key. */
	if (line[0] == 'v' && strlen(line) < 64 &&
	        strspn(line + 1, VERSION_CHARS) == strlen(line + 1))
		snprintf(ret, 64, "%.63s", line);
	else
		log_warn("nodeos does not tell its version, so that of its state is not compared",
		        "%s", "");
}
