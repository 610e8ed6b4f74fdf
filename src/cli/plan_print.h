#pragma once

#include "base/compiler.h"
#include "base/err.h"

struct context;
struct plan;

/* What `up` and its like would do, or have done: "changes" and the table "operations". */
int plan_print(struct context *ctx, const struct plan *p, struct err *e) NODISCARD;
