#include <stdlib.h>

#include "cli/wait.h"

static int64_t wait_ns = WAIT_FOREVER;

static const struct opt opts[] = {
	OPT_WAIT(wait_ns),
	{ NULL },
};

static int run(struct context *ctx, int argc, char **argv, struct err *e)
{
	AUTO(slot_ends) struct slot_ends ends = { 0 };
	struct deploy d;
	int rc;

	if (wait_open(ctx, &d, wait_ns, e) < 0)
		return -1;
	rc = deploy_stop(&d, argv, (size_t)argc, &ends, e);
	wait_close(&d);
	return wait_finish(ctx, rc, &ends, e);
}

const struct command cmd_stop = {
	.name = "stop",
	.group = "Cluster",
	.args = "[SERVICE...]",
	.summary = "stop services and keep everything of theirs",
	.description =
	        "Scales the services (all of the stack without an argument) to nothing and "
	        "remembers "
	        "their size; 'nodeswarm up' brings them back. Chain nodes get all the time they "
	        "need. "
	        "Returns when each process is gone and each record read, and exits 1 if a slot was "
	        "not left clean.",
	.examples = (const char *const[]){ "nodeswarm stop readers", NULL },
	.max_args = -1,
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
