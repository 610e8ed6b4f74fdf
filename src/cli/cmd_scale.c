#include "cli/wait.h"

static int64_t wait_ns = WAIT_FOREVER;

static const struct opt opts[] = {
	OPT_WAIT(wait_ns),
	{ NULL },
};

static int run(struct context *ctx, int argc, char **argv, struct err *e)
{
	AUTO(slot_ends) struct slot_ends ends = { 0 };
	struct scale scales[WAIT_SCALES_MAX];
	struct deploy d;
	int rc;

	if (argc > WAIT_SCALES_MAX)
		return command_usage(ctx, e, "more than %d services at once", WAIT_SCALES_MAX);
	for (int i = 0; i < argc; i++)
		if (wait_scale_parse(ctx, &scales[i], argv[i], e) < 0)
			return -1;
	if (wait_open(ctx, &d, wait_ns, e) < 0)
		return -1;
	rc = deploy_scale(&d, scales, (size_t)argc, &ends, e);
	wait_close(&d);
	return wait_finish(ctx, rc, &ends, e);
}

const struct command cmd_scale = {
	.name = "scale",
	.group = "Cluster",
	.args = "SERVICE=N...",
	.summary = "give services another number of slots",
	.description =
	        "Returns when every slot serves and every slot that had to go has stopped, naming "
	        "those that were not left clean. Which slots go is Swarm's choice, not the highest "
	        "numbers.\n\n"
	        "'docker service update --replicas N' does the same without the waiting.",
	.examples = (const char *const[]){ "nodeswarm scale readers=8", NULL },
	.min_args = 1,
	.max_args = -1,
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
