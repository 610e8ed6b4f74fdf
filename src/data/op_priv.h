#pragma once

/* The operations themselves; their arguments were checked by op.c. */

#include "base/json.h"
#include "data/op.h"

typedef json_t *op_fn(const struct op_context *c, const json_t *args, struct err *e);

op_fn op_ls, op_show, op_verify, op_promote, op_rm, op_prune, op_import; /* op_generation.c */
op_fn op_prepare, op_usage, op_verdict;                                  /* op_slot.c */
op_fn op_gc;                                                             /* op_gc.c */

/* j, or NULL with "out of memory" in *e if there is none. */
json_t *op_result(json_t *take, struct err *e) NODISCARD;
