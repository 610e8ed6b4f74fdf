/* `replay scale` and `replay stop`: how many workers. */

#include <inttypes.h>

#include "base/num.h"
#include "cli/output.h"
#include "cli/replay_swarm.h"
#include "cli/wait.h"

static int64_t wait_ns = WAIT_FOREVER;
static bool dry_run;

static const struct opt scale_opts[] = {
	OPT_WAIT(wait_ns),
	{ NULL },
};

static const struct opt stop_opts[] = {
	{ "dry-run", 0, NULL, "say what would be stopped, and do nothing", .flag = &dry_run },
	OPT_WAIT(wait_ns),
	{ NULL },
};

static int run_scale(struct context *ctx, int argc UNUSED, char **argv, struct err *e)
{
	AUTO(slot_ends) struct slot_ends ends = { 0 };
	struct scale scale = { .service = REPLAY_WORKER };
	struct deploy d;
	int rc;

	if (num_int(&scale.replicas, argv[0], 0, 10000, e) < 0 ||
	        wait_open(ctx, &d, wait_ns, e) < 0)
		return -1;
	rc = deploy_scale(&d, &scale, 1, &ends, e);
	wait_close(&d);
	return rc;
}

/* The workers first: they give their slices back, and somebody has to take them. */
static int stop_all(struct deploy *d, struct err *e)
{
	char worker[] = REPLAY_WORKER, orchestrator[] = REPLAY_ORCHESTRATOR;
	char *const names[] = { worker, orchestrator };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO(slot_ends) struct slot_ends ends = { 0 };

		if (deploy_stop(d, &names[i], 1, &ends, e) < 0)
			return -1;
	}
	return 0;
}

static int stop(struct replay_swarm *s, struct err *e)
{
	if (replay_swarm_look(s, e) < 0 || replay_swarm_need(s, e) < 0)
		return -1;
	if (dry_run) {
		output_line(s->ctx, "would stop %" PRId64 " workers and %" PRId64 " orchestrator",
		        s->workers < 0 ? 0 : s->workers, s->orchestrators);
		return 0;
	}
	if (stop_all(&s->d, e) < 0)
		return -1;
	output_note(
	        s->ctx, "stopped; what is known of the run stays in the volume of its state host");
	return 0;
}

static int run_stop(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	struct replay_swarm s;
	int rc;

	if (replay_swarm_open(&s, ctx, NULL, NULL, wait_ns, e) < 0)
		return -1;
	rc = stop(&s, e);
	replay_swarm_close(&s);
	return rc;
}

const struct command cmd_replay_scale = {
	.name = "replay scale",
	.group = "Replay",
	.args = "N",
	.summary = "give the replay another number of workers",
	.description =
	        "Workers that go give their slices back at once, and others begin those anew.",
	.examples = (const char *const[]){ "nodeswarm replay scale 20", NULL },
	.min_args = 1,
	.max_args = 1,
	.opts = scale_opts,
	.run = run_scale,
};

const struct command cmd_replay_stop = {
	.name = "replay stop",
	.group = "Replay",
	.args = "",
	.summary = "stop the workers, then the orchestrator",
	.description =
	        "Nothing that was proved is lost: 'nodeswarm replay run' with the same manifest "
	        "goes on. 'nodeswarm down' removes the services with the rest of the stack; the "
	        "volume stays then, too.",
	.examples = (const char *const[]){ "nodeswarm replay stop", NULL },
	.opts = stop_opts,
	.run = run_stop,
};
