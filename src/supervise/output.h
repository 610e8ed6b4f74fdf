#pragma once

/*
 * What the chain node prints
 *
 * Line by line to our own stderr (docker's log), to a rotated file in the slot, and into a
 * short memory that explains an exit.  A flood is cut by a rate limit and counted: a real
 * nodeos was seen writing 82,000 lines a second.  Private keys are replaced by asterisks.
 *
 * Neither a full disk nor a log reader that hangs may stop the supervisor: pipes are written
 * without blocking, and what cannot be written is dropped and counted.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "data/slot.h"
#include "loop/loop.h"

#define OUTPUT_LINE_MAX   4000 /* below PIPE_BUF, so that a line goes out whole or not at all */
#define OUTPUT_TAIL_LINES 40
#define OUTPUT_FILE       SLOT_LOG
#define OUTPUT_FILE_MAX   (10U * 1024 * 1024)
#define OUTPUT_FILES      3    /* nodeos.log, .1, .2 */
#define OUTPUT_RATE       500  /* lines a second ... */
#define OUTPUT_BURST      5000 /* ... after this many at once */

struct output {
	struct loop *loop;
	struct loop_io io; /* the read end of the child's pipe */
	struct loop_timer report;
	int dirfd, file;
	off_t file_size;
	struct buf line;
	char *tail[OUTPUT_TAIL_LINES];
	size_t next_tail;
	double tokens;
	int64_t filled_ns;
	uint64_t lines, suppressed, reported;
	void (*watch)(void *arg, const char *line);
	void *watch_arg;
};

/* dirfd: the slot's directory, the caller's.  Cannot fail: a log file that cannot be opened
 * is done without. */
void output_init(struct output *o, struct loop *l, int dirfd);
void output_release(struct output *o);

/* Make the pipe of a new child: *ret_fd is the write end for spawn, which the caller closes
 * after it. */
int output_open(struct output *o, int *ret_fd, struct err *e) NODISCARD;

/* Have each line shown to fn, printable and without secrets, also what the rate limit drops.  NULL
 * ends that. */
void output_watch(struct output *o, void (*fn)(void *arg, const char *line), void *arg);

/* Read what is in the pipe now, for whoever waits for the child without the loop. */
void output_pump(struct output *o);

/* Read what the dead child has left in the pipe, and close it. */
void output_drain(struct output *o);

/* The last lines, oldest first, one string; the caller frees it.  NULL without memory. */
char *output_tail(const struct output *o) NODISCARD;

/* Re-open our own stdout and stderr without blocking, where they are pipes. */
void output_unblock_stdio(void);
