#pragma once

/*
 * One run of nodeos, watched on the loop
 *
 * Its output is read line by line (node_seen.h), kept in a file up to a limit, and its end for
 * reports.  It dies with us, and it holds the descriptor of the directory's lock until it is dead
 * (base/lockfile.h), so whoever gets the lock is alone.
 *
 *	struct node_run r = { .loop = l, .lock_fd = fd, .log_fd = fd, .stall_ns = ns };
 *
 *	if (node_run_start(&r, argv, e) == 0)
 *		while (!r.has_ended) loop_once(l, -1, e);
 *	node_run_release(&r);
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "loop/loop.h"
#include "replay/node_seen.h"

#define NODE_RUN_LINE_MAX 4096
#define NODE_RUN_LOG_MAX  (64 * 1024 * 1024)

struct node_run {
	/* Given. */
	struct loop *loop;
	int lock_fd;      /* -1: none */
	int log_fd;       /* gets what nodeos says; -1: none */
	int64_t stall_ns; /* without a new block it is killed */

	/* To be read. */
	struct node_seen seen;
	_Atomic bool has_ended; /* also read in the thread that asks it something */
	bool has_stalled;
	int status;      /* waitpid()'s */
	struct buf tail; /* whole lines, secrets redacted, JOB_LOG_MAX at most */

	/* Its own. */
	struct loop_child child;
	struct loop_io io;
	struct loop_timer timer;
	struct buf line;
	int fd; /* of the pipe */
	int64_t moved_ns;
	int64_t logged;
	bool is_started;
};

/* Errors of spawn_start(). */
int node_run_start(struct node_run *r, char *const *argv, struct err *e) NODISCARD;

/* There is a new block that it did not tell of. */
void node_run_moved(struct node_run *r);

/* SIGTERM: what it leaves is used again. */
void node_run_stop(struct node_run *r);

/* SIGKILL: its data-dir is worth nothing without its end. */
void node_run_kill(struct node_run *r);

/* Kills it and waits, if it has not ended. */
void node_run_release(struct node_run *r);
