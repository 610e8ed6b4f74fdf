#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "cli/local.h"
#include "cli/output.h"
#include "cli/wait.h"
#include "deploy/quiesce.h"

static int64_t wait_ns = WAIT_FOREVER;

static bool local, all;

static const struct opt opts[] = {
	{ "local", 0, NULL, "only through this host's pool; needs no engine", .flag = &local },
	{ "all", 0, NULL, "with --local: every slot of this host, of all stacks", .flag = &all },
	{ "wait", 0, "TIME", "wait at most TIME for the answer", .duration = &wait_ns },
	{ NULL },
};

/* The supervisor's own object plus who it is; with "error" when it failed. */
static int print_slots(struct context *ctx, const struct quiesce_slot *v, size_t n, struct err *e)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *o = v[i].status ? json_deep_copy(v[i].status) : json_object();

		if (v[i].status && v[i].err.kind == ERR_NONE)
			output_line(
			        ctx, "%s is %s", v[i].name, json_str(v[i].status, "state", "?"));
		else if (v[i].err.kind != ERR_NONE)
			output_line(ctx, "%s: %s", v[i].name, v[i].err.msg);
		if (json_object_set_new(o, "name", json_string(v[i].name)) < 0 ||
		        (*v[i].host &&
		                json_object_set_new(o, "host", json_string(v[i].host)) < 0) ||
		        (v[i].err.kind != ERR_NONE &&
		                json_object_set_new(o, "error", json_of_err(&v[i].err)) < 0) ||
		        json_array_append(list, o) < 0) {
			json_decref(o);
			json_decref(list);
			return err_nomem(e);
		}
		json_decref(o);
	}
	return output_value(ctx, "slots", list, e);
}

typedef int order_fn(struct deploy *, struct quiesce_slot *, size_t, struct err *);

static int ask_each(struct context *ctx, order_fn *order, int argc, char **argv, struct err *e)
{
	AUTO(free) struct quiesce_slot *v = calloc((size_t)argc, sizeof(*v));
	struct err print = ERR_INIT;
	struct deploy d;
	size_t n = 0;
	int rc;

	if (!v)
		return err_nomem(e);
	for (; n < (size_t)argc; n++)
		if ((size_t)snprintf(v[n].name, sizeof(v[n].name), "%s", argv[n]) >=
		        sizeof(v[n].name))
			return command_usage(ctx, e, "'%.40s...' is not SERVICE.SLOT", argv[n]);
	if (wait_open(ctx, &d, wait_ns, e) < 0)
		return -1;
	rc = order(&d, v, n, e);
	wait_close(&d);
	if (rc == 0 || (e->kind != ERR_USAGE && e->kind != ERR_INTERRUPTED))
		if (print_slots(ctx, v, n, rc < 0 ? &print : e) < 0)
			rc = -1;
	quiesce_slots_release(v, n);
	return rc;
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
	if (local)
		return local_quiesce(ctx, argv, wait_ns, e);
	return ask_each(ctx, deploy_quiesce, argc, argv, e);
}

static int run_resume(struct context *ctx, int argc, char **argv, struct err *e)
{
	if (check_args(ctx, argc, e) < 0)
		return -1;
	if (local)
		return local_resume(ctx, argv, wait_ns, e);
	return ask_each(ctx, deploy_resume, argc, argv, e);
}

const struct command cmd_quiesce = {
	.name = "quiesce",
	.group = "Host",
	.args = "[SERVICE.SLOT...]",
	.summary = "stop a slot's chain node while its container stays",
	.description = "Asks the supervisor of each slot, on whatever host, to stop nodeos and "
	               "record how it was left. Returns when all have stopped, however long that "
	               "takes, and exits 1 if one was not left clean. Who stops waiting stops "
	               "nothing. 'nodeswarm resume' starts them again."
	               "\n\n"
	               "With --local only the control sockets in this host's pool are asked; with "
	               "--local --all every slot of the host, whatever its stack: for a host that "
	               "goes down, before docker, which gives containers 10 seconds.",
	.examples = (const char *const[]){ "nodeswarm quiesce readers.3",
	        "nodeswarm quiesce readers.1 readers.2 --wait 10m",
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
	               "'held') after its cause was removed. Of a slot that was given up after "
	               "repairs that did not help, it forgets what was tried and begins anew. "
	               "With --local --all every slot of this host that is "
	               "quiesced, by whomever; held ones must be named.",
	.examples = (const char *const[]){ "nodeswarm resume readers.3",
	        "nodeswarm resume --local --all", NULL },
	.max_args = -1,
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run_resume,
};
