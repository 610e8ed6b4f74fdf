#pragma once

/*
 * Start a child process
 *
 * The parent prepares everything, because after fork() only async-signal-safe calls are
 * allowed: the child moves descriptors, drops privileges, restores signals and execs.  If any
 * of that fails the parent gets the error (through a close-on-exec pipe), not a dead child.
 *
 * The child: its own session, stdin from /dev/null, stdout and stderr where asked, all signals
 * at their defaults and unblocked, every other descriptor closed by O_CLOEXEC except keep_fd.
 * With a uid: no groups but gid, no capabilities, no_new_privs, so that it can never gain any.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/err.h"

struct spawn {
	char *const *argv;   /* argv[0] is searched in PATH */
	char *const *envp;   /* NULL: ours */
	const char *workdir; /* NULL: ours */
	int out_fd, err_fd;  /* -1: ours */
	int keep_fd;         /* stays open in the child, -1: none */
	bool dies_with_us;   /* SIGKILL when the thread that starts it ends, however it does */
	bool drop;           /* become uid:gid and give up all privileges */
	uid_t uid;
	gid_t gid;
};

/*
 * Returns 0 and the pid; -1 with ERR_NOT_FOUND when there is no such program, ERR_DENIED when
 * it may not be executed, else ERR_SYSTEM.  The message names the step that failed.
 */
int spawn_start(const struct spawn *sp, pid_t *ret_pid, struct err *e) NODISCARD;
