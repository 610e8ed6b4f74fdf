#pragma once

/*
 * Which slots the engine has a use for, of all stacks
 *
 * For who removes directories of slots: a pool holds those of every stack of its host, and what is
 * stopped comes back.
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "engine/task.h"

struct engine;

struct in_use {
	json_t *services;
	struct engine_tasks tasks;
};

#define IN_USE_INIT ((struct in_use){ .services = NULL })

/* Ask the engine, which has to be a manager. */
int in_use_load(struct in_use *ret, struct engine *eng, struct err *e) NODISCARD;
void in_use_release(struct in_use *u);

static inline void auto_in_use(struct in_use *u)
{
	in_use_release(u);
}

enum in_use_why {
	IN_USE_NOT,
	IN_USE_TASK,    /* it has a task, there or not yet on any host */
	IN_USE_MOVED,   /* it has a task, on another host */
	IN_USE_STOPPED, /* its service was stopped and can be brought back */
};

/* Of one slot's directory on a host; service: the full name.  Pure. */
enum in_use_why in_use_of(
        const struct in_use *u, const char *service, uint64_t slot, const char *node_id);
