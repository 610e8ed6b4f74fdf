#pragma once

/* What the files of the view share. */

#include "deploy/view.h"

/* Ask every host of the view for its slots, all at once, and note what each is: its agent
 * answered, it can be asked through the sockets, or why it cannot be asked.  -1 only without
 * memory and when the operator has interrupted it. */
int view_ask_hosts(
        struct view *v, struct engine *eng, const struct view_query *q, struct err *e) NODISCARD;
