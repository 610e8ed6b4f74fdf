#pragma once

/*
 * Who has a data-dir open, told without touching a lock
 *
 * flock() cannot be asked whether a lock is held: whoever tries has it for a moment, and a
 * supervisor that starts in that moment has to wait.  So it is not tried.  fcntl() can be asked
 * (F_GETLK), and a real nodeos has such a lock on its state.  /proc has the processes that have
 * state, log or index open for writing, and in fdinfo those that hold the flock() of a slot.  A
 * supervisor in another container is not in our /proc, but it listens on its control socket as long
 * as it has the slot; connecting to that disturbs nobody.
 *
 * All processes are seen by root on the host only.  Who is not seen is not there, for this.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/compiler.h"

struct data_opener {
	pid_t pid;           /* in our pid namespace; 0: in another one */
	char name[32];       /* of its program; "" */
	bool has_data;       /* state or blocks are open, not only the slot locked */
	bool has_slot;       /* the slot that the data-dir is of is held */
	bool has_supervisor; /* ... by a supervisor, which holds it also while nothing runs */
	char label[120];     /* of its holder, by the slot's lock: "task t1 in container c1"; "" */
};

enum {
	OPENER_WITHOUT_SLOT = 1, /* the caller holds the slot's lock himself */
};

/* Whether there is one. */
bool data_opener_find(struct data_opener *ret, int data_dirfd, unsigned flags);

#define OPENER_TEXT_MAX 200

/* For people: "nodeos (process 12, task t1 in container c1)".  Returns out. */
const char *data_opener_text(char out[OPENER_TEXT_MAX], const struct data_opener *o);

/*
 * The directory of the slot that a data-dir is of: its parent, if a slot has been run there or it
 * lies where slots lie.  What an operator has named `lock` beside another data-dir is nobody's
 * lock.  -1: it is of none.
 */
int data_opener_slot(int data_dirfd);

/* Whether a supervisor has the slot now: it listens on its control socket.  Nothing is said, and
 * nobody waits. */
bool slot_has_supervisor(int slot_fd);
