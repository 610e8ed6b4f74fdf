#pragma once

/*
 * The model, fed with what a view of the stack knows anyhow
 *
 * For commands that have asked every supervisor for its status: each status is one sample
 * (sample/status.h), and nothing more is asked.  That is one round without ids at a common height,
 * so lags, silence and crashes are found, and forks are not; `nodeswarm check` finds those.
 */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "deploy/view.h"
#include "watch/watch.h"

/* Adds the slots that the stack is to have and judges them.  now_ns, real_ns: when the view was
 * loaded. */
int watch_feed_view(struct watch *w, const struct view *v, int64_t now_ns, int64_t real_ns,
        struct err *e) NODISCARD;

/* Whether the task is a chain node that the stack is to have: one of the model's own nodes. */
bool watch_is_wanted(const struct view_task *t);
