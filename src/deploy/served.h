#pragma once

/*
 * Who answered: from the address in X-Served-By to the slot that has it
 *
 * The front says which address answered; the engine knows whose it is, in its tasks' network
 * addresses.  A task that is replaced during a load test gets another address, and its old one may
 * go to another task, so the engine is asked before and after: what either answer names is named,
 * and an address that was two slots' is named after both.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "engine/node.h"
#include "engine/task.h"

struct engine;
struct served;

/* Knows nothing yet.  NULL without memory. */
struct served *served_new(void) NODISCARD;
void served_free(struct served *s);
DEFINE_AUTO(struct served, served_free)

/* Ask for the addresses of the stack's tasks that may answer now, and add them.  -1 leaves what was
 * known. */
int served_ask(struct served *s, struct engine *eng, const char *stack, struct err *e) NODISCARD;

/* The pure half.  services: the reply of GET /services. */
int served_add(struct served *s, const char *stack, const json_t *services,
        const struct engine_nodes *nodes, const struct engine_tasks *tasks,
        struct err *e) NODISCARD;

/*
 * "10.200.1.7:8888" or "[fd00::7]:8888" as "readers.3@node2"; a load_namer_fn (load/report.h) with
 * arg the served.  false, and nothing written, when no task has the address.
 */
bool served_name(void *arg, const char *address, char *out, size_t size);
