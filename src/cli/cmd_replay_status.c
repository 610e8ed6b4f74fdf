#include <inttypes.h>

#include "base/json.h"
#include "cli/output.h"
#include "cli/replay_print.h"
#include "cli/replay_swarm.h"
#include "cli/replay_text.h"
#include "cli/wait.h"

static const char *keep, *url;

static const struct opt opts[] = {
	OPT_REPLAY_KEEP(keep),
	OPT_REPLAY_URL(url),
	{ NULL },
};

static int print_services(struct replay_swarm *s, struct err *e)
{
	output_line(s->ctx, "run %s, orchestrator %s%s, %" PRId64 " of %" PRId64 " workers run",
	        *s->run ? s->run : "-",
	        *s->host                   ? "on "
	                : s->orchestrators ? "on no host"
	                                   : "stopped",
	        s->host, s->working, s->workers < 0 ? 0 : s->workers);
	return output_value(s->ctx, "run_id", json_or_null(s->run), e) < 0 ||
	                output_value(s->ctx, "orchestrator",
	                        json_pack("{s:b, s:o, s:o}", "running", *s->host != '\0', "host",
	                                json_or_null(s->host), "url", json_or_null(s->url)),
	                        e) < 0 ||
	                output_value(s->ctx, "workers",
	                        json_pack("{s:I, s:I}", "wanted",
	                                (json_int_t)(s->workers < 0 ? 0 : s->workers), "running",
	                                (json_int_t)s->working),
	                        e) < 0
	        ? -1
	        : 0;
}

static int show(struct replay_swarm *s, struct err *e)
{
	AUTO(json) json_t *run = NULL;
	char text[REPLAY_TEXT_MAX];

	if (replay_swarm_look(s, e) < 0 || replay_swarm_need(s, e) < 0 || print_services(s, e) < 0)
		return -1;
	run = replay_swarm_ask(s, "GET", "/v1/run", NULL, e);
	if (!run)
		return -1;
	if (!replay_is_done(run))
		output_line(s->ctx, "%s", replay_text_progress(text, run));
	return replay_print(s, run, e);
}

static int run(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	struct replay_swarm s;
	int rc;

	if (replay_swarm_open(&s, ctx, keep, url, WAIT_FOREVER, e) < 0)
		return -1;
	rc = show(&s, e);
	replay_swarm_close(&s);
	return rc;
}

const struct command cmd_replay_status = {
	.name = "replay status",
	.group = "Replay",
	.args = "",
	.summary = "show how far the replay is, and what failed",
	.description =
	        "What runs is the engine's word, what the run is like the orchestrator's, which is "
	        "asked on the port that its host publishes. Exit status 1 when a slice has failed "
	        "for good or has another hash than expected, and when the orchestrator does not "
	        "answer.",
	.examples = (const char *const[]){ "nodeswarm replay status",
	        "nodeswarm replay status --json | jq '.failed_slices'", NULL },
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
