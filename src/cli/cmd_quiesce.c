#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "cli/local.h"
#include "cli/output.h"
#include "cli/wait.h"
#include "control/client.h"
#include "data/pool.h"
#include "data/slot.h"

/*
 * quiesce and resume speak to the supervisor's control socket in this host's pool; they need no
 * engine.
 */

static int64_t wait_ns = WAIT_FOREVER;
static bool local, all;

static const struct opt opts[] = {
	{ "local", 0, NULL, "only through this host's pool; needs no engine", .flag = &local },
	{ "all", 0, NULL, "with --local: every slot of this host, of all stacks", .flag = &all },
	{ "wait", 0, "TIME", "wait at most TIME for the answer", .duration = &wait_ns },
	{ NULL },
};

/* "readers.3" or "nodeswarm_readers.3" -> the slot's directory. */
static int open_named(struct context *ctx, struct slot *s, const char *name, struct err *e)
{
	AUTO(pool) struct pool p = POOL_INIT;
	AUTO(free) char *service = strdup(name);
	AUTO(free) char *prefix = str_fmt("%s_", ctx->stack);
	AUTO(free) char *full = NULL;
	char *dot = service ? strrchr(service, '.') : NULL;
	uint64_t number;

	if (!service || !prefix)
		return err_nomem(e);
	if (!dot || dot == service)
		return command_usage(ctx, e, "'%s' is not SERVICE.SLOT", name);
	*dot = '\0';
	if (num_uint(&number, dot + 1, 1, SLOT_NUMBER_MAX, e) < 0)
		return err_wrap(e, "'%s'", name);
	full = str_starts(service, prefix, NULL) ? strdup(service)
	                                         : str_fmt("%s%s", prefix, service);
	if (!full)
		return err_nomem(e);
	if (pool_open(&p, ctx->pool, e) < 0)
		return -1;
	return slot_open(s, &p, full, number, false, e);
}

/* A slot that stopped and was not left clean is a negative verdict. */
static int check_verdict(const char *name, const json_t *reply, struct err *e)
{
	const char *verdict = json_str(reply, "verdict", "");

	if (strcmp(json_str(reply, "state", ""), "quiesced") != 0 ||
	        strcmp(verdict, "clean") == 0 || strcmp(verdict, "empty") == 0)
		return 0;
	return err_set(e, ERR_UNHEALTHY, "%s was not left clean: %s, %s", name, verdict,
	        json_str(reply, "verdict_why", ""));
}

static int ask_each(struct context *ctx, const char *request, int argc, char **argv, struct err *e)
{
	AUTO(json) json_t *list = json_array();

	for (int i = 0; i < argc; i++) {
		AUTO(slot) struct slot s = SLOT_INIT;
		json_t *j;

		if (open_named(ctx, &s, argv[i], e) < 0)
			return -1;
		progress_set(ctx, "%s: waiting for its supervisor", argv[i]);
		j = control_ask_one(s.fd, request, wait_ns, &ctx->interrupted, e);
		if (!j)
			return err_wrap(e, "%s", argv[i]);
		output_line(ctx, "%s is %s", argv[i], json_str(j, "state", "?"));
		if (json_array_append_new(list, j) < 0)
			return err_nomem(e);
		if (check_verdict(argv[i], j, e) < 0)
			return -1;
	}
	return output_value(ctx, "slots", TAKE(list), e);
}

/* --all is about this host alone: `stop` is for a whole stack. */
static int check_args(struct context *ctx, int argc, struct err *e)
{
	if (all && !local)
		return command_usage(ctx, e, "--all needs --local");
	if (all && argc)
		return command_usage(ctx, e, "--all takes no slots");
	if (!all && !argc)
		return command_usage(ctx, e, "name slots, or give --local --all");
	return 0;
}

static int run_quiesce(struct context *ctx, int argc, char **argv, struct err *e)
{
	if (check_args(ctx, argc, e) < 0)
		return -1;
	if (all)
		return local_quiesce_all(ctx, wait_ns, e);
	return ask_each(ctx, "quiesce", argc, argv, e);
}

static int run_resume(struct context *ctx, int argc, char **argv, struct err *e)
{
	if (check_args(ctx, argc, e) < 0)
		return -1;
	if (all)
		return local_resume_all(ctx, wait_ns, e);
	return ask_each(ctx, "resume", argc, argv, e);
}

const struct command cmd_quiesce = {
	.name = "quiesce",
	.group = "Host",
	.args = "[SERVICE.SLOT...]",
	.summary = "stop a slot's chain node while its container stays",
	.description = "Asks the supervisor of a slot on this host to stop nodeos and record how "
	               "it was left. "
	               "Returns when it has stopped. 'nodeswarm resume' starts it again."
	               "\n\n"
	               "With --local --all every slot of this host is stopped, whatever its stack, "
	               "through the control sockets in the pool: for a host that goes down, before "
	               "docker, which gives containers 10 seconds.",
	.examples = (const char *const[]){ "nodeswarm quiesce readers.3",
	        "nodeswarm quiesce --local --all", NULL },
	.max_args = -1,
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run_quiesce,
};

const struct command cmd_resume = {
	.name = "resume",
	.group = "Host",
	.args = "[SERVICE.SLOT...]",
	.summary = "start a slot's chain node again",
	.description = "Starts what was quiesced, and tries again what could not start (state "
	               "'held') after "
	               "its cause was removed. With --local --all every slot of this host that is "
	               "quiesced, by whomever; held ones must be named.",
	.examples = (const char *const[]){ "nodeswarm resume readers.3",
	        "nodeswarm resume --local --all", NULL },
	.max_args = -1,
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run_resume,
};
