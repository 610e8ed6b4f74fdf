#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "cli/command.h"
#include "cli/output.h"
#include "control/client.h"
#include "data/pool.h"
#include "data/slot.h"

/*
 * Asked by docker every few seconds, so it must be cheap: one unix socket, no libcurl.
 *
 * The socket lies in the slot's directory, which a new container shares with the one that
 * still stops; the answer counts only if it comes from this container's own supervisor.
 */

static const char *service, *task;
static int64_t slot;

static const struct opt opts[] = {
	{ "service", 0, "NAME", "the service's full name", .env = "NODESWARM_SERVICE",
	        .string = &service },
	{ "slot", 0, "N", "the task's slot", .env = "NODESWARM_SLOT", .min = 1,
	        .max = SLOT_NUMBER_MAX, .number = &slot },
	{ "task", 0, "ID", "the task's id", .value = "none", .env = "NODESWARM_TASK",
	        .string = &task },
	{ NULL },
};

static int run(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	AUTO(pool) struct pool p = POOL_INIT;
	AUTO(slot) struct slot s = SLOT_INIT;
	AUTO(json) json_t *j = NULL;

	if (!service || !slot)
		return command_usage(ctx, e,
		        "a service and a slot are needed (NODESWARM_SERVICE, NODESWARM_SLOT)");
	if (pool_open(&p, ctx->pool, e) < 0 ||
	        slot_open(&s, &p, service, (uint64_t)slot, false, e) < 0)
		return -1;
	j = control_ask_one(s.fd, "health", NULL, 3 * NS_PER_SEC, &ctx->interrupted, e);
	if (!j)
		return -1;
	if (strcmp(json_str(j, "task", ""), task) != 0)
		return err_set(e, ERR_UNHEALTHY, "an earlier container still has this slot");
	if (!json_bool(j, "healthy", false))
		return err_set(e, ERR_UNHEALTHY, "not ready yet: %s", json_str(j, "reason", ""));
	output_line(ctx, "ok");
	return 0;
}

const struct command cmd_health = {
	.name = "health",
	.group = "Inside a container",
	.args = "",
	.summary = "docker's HEALTHCHECK of a chain node's container",
	.description =
	        "Fails until the chain node was ready once, then only if its supervisor is gone. "
	        "So a "
	        "new task is not sent traffic before it serves, and none is killed because it "
	        "replays, flushes or lags.",
	.examples = (const char *const[]){ "nodeswarm health", NULL },
	.opts = opts,
	.run = run,
};
