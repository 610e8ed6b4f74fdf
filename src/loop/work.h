#pragma once

/*
 * Work that takes long, beside the loop
 *
 * Copying a data-dir would stop a service's loop for minutes.  It runs in a thread of its own and
 * its end is told on the loop.
 *
 *	work = work_start(&loop, copy_it, on_copied, arg, &e);
 *	...                     copy_it(arg, &cancel, &e) in the thread; on_copied(arg, rc, &why) on
 *	                        the loop, once, then the work is gone
 *	work_cancel(work);      ask it to end soon; on_copied is called all the same
 *	work_free(work);        cancel, wait for its end, and be told nothing
 *
 * What both sides touch while it runs has to be atomic (struct clone_progress, the cancel flag);
 * the rest of arg is the thread's until the end was told.  Signals stay with the loop's thread.
 */

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"

struct loop;
struct work;

/* In the thread.  *cancel is not 0 when it should end with ERR_INTERRUPTED. */
typedef int work_fn(void *arg, const volatile int *cancel, struct err *e);

/* On the loop.  why is set when rc < 0; valid during the call. */
typedef void work_done_fn(void *arg, int rc, const struct err *why);

struct work *work_start(
        struct loop *l, work_fn *fn, work_done_fn *done, void *arg, struct err *e) NODISCARD;
void work_cancel(struct work *w);
void work_free(struct work *w);
DEFINE_AUTO(struct work, work_free)
