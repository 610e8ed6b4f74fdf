#pragma once

/* plan_same.c: whether what is there under a name is what the files say.  Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct stack;
struct stack_network;
struct stack_file;

/* have: one of GET /networks.  0: it is; 1: it is not, and where has the key of the file; -1. */
int plan_same_network(const struct stack *st, const struct stack_network *n, const json_t *have,
        char *where, size_t size, struct err *e) NODISCARD;

enum { PLAN_SAME, PLAN_OTHER_LABELS, PLAN_OTHER_CONTENT };

/* have: one of GET /configs or GET /secrets.  One of the above, or -1. */
int plan_same_file(const struct stack *st, const struct stack_file *f, bool is_secret,
        const json_t *have, struct err *e) NODISCARD;
