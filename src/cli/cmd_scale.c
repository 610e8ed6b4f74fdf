#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "cli/wait.h"

#define SCALES_MAX   64
#define REPLICAS_MAX 10000

static int64_t wait_ns = WAIT_FOREVER;

static const struct opt opts[] = {
	OPT_WAIT(wait_ns),
	{ NULL },
};

static int run(struct context *ctx, int argc, char **argv, struct err *e)
{
	AUTO(slot_ends) struct slot_ends ends = { 0 };
	struct scale scales[SCALES_MAX];
	struct deploy d;
	int rc;

	if (argc > SCALES_MAX)
		return command_usage(ctx, e, "more than %d services at once", SCALES_MAX);
	for (int i = 0; i < argc; i++) {
		char *eq = strchr(argv[i], '=');

		if (!eq || eq == argv[i])
			return command_usage(ctx, e, "'%s' is not SERVICE=N", argv[i]);
		if (num_int(&scales[i].replicas, eq + 1, 0, REPLICAS_MAX, e) < 0)
			return err_wrap(e, "'%s'", argv[i]);
		*eq = '\0';
		scales[i].service = argv[i];
	}
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
