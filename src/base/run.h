#pragma once

/* Run a program of the host to its end, for what no system call does (mkfs, mount). */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"

/*
 * argv is NULL-terminated; argv[0], unless it is a path, is searched in PATH and, because the PATH
 * of a user has no sbin, in /usr/sbin and /sbin.  keep_fd stays open in the program (-1: none).  0;
 * -1 with ERR_NOT_FOUND when there is no such program, else with the last line that it wrote.
 * Signals do not end the wait: a half-made file system helps nobody.
 */
int run_program(char *const *argv, int keep_fd, struct err *e) NODISCARD;

/*
 * The same with a limit of time and with what it prints on stdout, which is added to out (NULL: it
 * is dropped); more than out takes is ERR_PROTOCOL.  After timeout_ns the program and its children
 * are killed and it is ERR_TIMEOUT.  What it says on stderr is only for the message.  *ret_status,
 * when given, is its exit status after an error that the program itself gave, else -1.
 */
int run_output(char *const *argv, int keep_fd, int64_t timeout_ns, struct buf *out, int *ret_status,
        struct err *e) NODISCARD;

/* The same for those who want more than a time. */
struct run_how {
	char *const *envp; /* NULL: ours */
	int keep_fd;       /* -1: none */
	int64_t timeout_ns;
	const volatile int
	        *cancel; /* NULL: none; once set it is as a timeout, but ERR_INTERRUPTED */
};

int run_output_how(char *const *argv, const struct run_how *how, struct buf *out, int *ret_status,
        struct err *e) NODISCARD;

/* Whether run_program() would find it. */
bool run_has_program(const char *name);
