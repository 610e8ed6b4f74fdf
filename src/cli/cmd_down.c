#include <stdlib.h>

#include "cli/wait.h"

static int64_t wait_ns = WAIT_FOREVER;
static bool purge;

static const struct opt opts[] = {
	{ "purge", 0, NULL, "remove the stack's secrets and images too", .flag = &purge },
	OPT_WAIT(wait_ns),
	{ NULL },
};

static int run(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	AUTO(slot_ends) struct slot_ends ends = { 0 };
	struct deploy d;
	int rc;

	if (wait_ns == 0)
		return command_usage(
		        ctx, e, "'--wait 0': networks and configs can go only after the tasks");
	if (wait_open(ctx, &d, wait_ns, e) < 0)
		return -1;
	rc = deploy_down(&d, purge, &ends, e);
	wait_close(&d);
	return wait_finish(ctx, rc, &ends, e);
}

const struct command cmd_down = {
	.name = "down",
	.group = "Cluster",
	.args = "",
	.summary = "remove the stack's services, networks and configs",
	.description = "Stops every service as 'nodeswarm stop' does, then removes what 'nodeswarm "
	               "up' has "
	               "made. Data-dirs are never removed.",
	.examples = (const char *const[]){ "nodeswarm down", "nodeswarm down --purge", NULL },
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
