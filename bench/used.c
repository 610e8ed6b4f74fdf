/*
 * Run a command and say what it used
 *
 * usage: used FILE COMMAND [ARG...]
 *
 * Appends a line to FILE: seconds of wall time, of the user's and of the system's CPU time, and the
 * largest resident size in KiB.  Its exit status is the command's.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	const int64_t start = clock_mono_ns();
	struct rusage used;
	int status;
	FILE *out;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: used FILE COMMAND [ARG...]\n");
		return 2;
	}
	pid = fork();
	if (pid == 0) {
		(void)execvp(argv[2], argv + 2);
		fprintf(stderr, "used: run '%s': %s\n", argv[2], strerror(errno));
		_exit(127);
	}
	while (pid > 0 && wait4(pid, &status, 0, &used) < 0)
		if (errno != EINTR)
			pid = -1;
	out = pid > 0 ? fopen(argv[1], "ae") : NULL;
	if (!out) {
		fprintf(stderr, "used: '%s': %s\n", argv[1], strerror(errno));
		return 1;
	}
	fprintf(out, "%.3f %.3f %.3f %ld\n", (double)(clock_mono_ns() - start) / NS_PER_SEC,
	        seconds(used.ru_utime), seconds(used.ru_stime), used.ru_maxrss);
	if (fclose(out) != 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
