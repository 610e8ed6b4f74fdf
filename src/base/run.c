#include "base/run.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/spawn.h"
#include "base/str.h"

#define OUTPUT_MAX 4096
#define SBIN       ":/usr/sbin:/sbin"

/* The path of an executable into out, which is "" without one. */
static void find(char out[PATH_MAX], const char *name)
{
	const char *path = getenv("PATH");
	AUTO(free) char *dirs = str_fmt("%s" SBIN, path ? path : "/usr/bin:/bin");
	char *save = NULL;

	out[0] = '\0';
	if (!dirs)
		return;
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

int run_program(char *const *argv, int keep_fd, struct err *e)
{
	AUTO(close_fd) int out = memfd_create("output", MFD_CLOEXEC);
	char path[PATH_MAX];
	char *args[32];
	struct spawn sp = { .argv = args, .out_fd = out, .err_fd = out, .keep_fd = keep_fd };
	size_t n = 0;
	int status;
	pid_t pid;

	if (out < 0)
		return err_sys(e, errno, "memfd_create");
	find(path, argv[0]);
	if (!*path)
		return err_set(e, ERR_NOT_FOUND, "no program '%s' here", argv[0]);
	for (args[n++] = path; argv[n]; n++) {
		if (n + 1 == ARRAY_LEN(args))
			return err_set(e, ERR_USAGE, "too many arguments for '%s'", argv[0]);
		args[n] = argv[n];
	}
	args[n] = NULL;
	if (spawn_start(&sp, &pid, e) < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "wait for '%s'", argv[0]);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : failed(argv[0], status, out, e);
}
