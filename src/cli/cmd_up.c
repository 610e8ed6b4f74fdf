#include <stdlib.h>
#include <string.h>

#include "cli/lint_print.h"
#include "cli/output.h"
#include "cli/plan_print.h"
#include "cli/wait.h"
#include "deploy/plan.h"
#include "stack/stack.h"

static struct strvec files, allow, scale;
static int64_t wait_ns = WAIT_FOREVER;
static bool plan_only;

static const struct opt opts[] = {
	{ "file", 'f', "FILE", "a stack file; without it stacks/readers.yml", .strings = &files },
	{ "plan", 0, NULL, "show what would be done, and do nothing", .flag = &plan_only },
	{ "allow", 0, "RULE", "go on although the files break that rule of 'nodeswarm lint'",
	        .strings = &allow },
	{ "scale", 0, "SERVICE=N", "afterwards give it that number of slots, as 'nodeswarm scale'",
	        .strings = &scale },
	OPT_WAIT(wait_ns),
	{ NULL },
};

#define DEFAULT_FILE "stacks/readers.yml"

/* Sizes of services that the files have and that have a size, so that a wrong one changes nothing.
 */
static int parse_scales(
        struct context *ctx, struct scale *ret, const struct stack *st, struct err *e)
{
	for (size_t i = 0; i < scale.n; i++) {
		const struct stack_service *s;

		if (wait_scale_parse(ctx, &ret[i], scale.v[i], e) < 0)
			return -1;
		s = stack_find_service(st, ret[i].service);
		if (!s)
			return err_set(e, ERR_USAGE, "--scale: the files have no service '%s'",
			        ret[i].service);
		if (s->deploy.mode != STACK_REPLICATED)
			return err_set(e, ERR_USAGE,
			        "--scale: '%s' runs once on each host, so it has no number of "
			        "slots",
			        ret[i].service);
	}
	return 0;
}

/* Two steps, because the files' own numbers are what a later `up` compares with. */
static int up(struct deploy *d, const struct stack *st, const struct scale *scales,
        struct plan **ret, struct slot_ends *ends, struct err *e)
{
	if (deploy_up(d, st, plan_only, ret, e) < 0)
		return -1;
	return scale.n ? deploy_scale(d, scales, scale.n, ends, e) : 0;
}

static int run(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	AUTO(stack_free) struct stack *st = NULL;
	AUTO(slot_ends) struct slot_ends ends = { 0 };
	AUTO(plan_free) struct plan *p = NULL;
	struct scale scales[WAIT_SCALES_MAX];
	struct deploy d;
	int rc;

	if (scale.n > WAIT_SCALES_MAX)
		return command_usage(ctx, e, "more than %d services at once", WAIT_SCALES_MAX);
	if (scale.n && plan_only)
		return command_usage(ctx, e, "--plan shows nothing of --scale: leave one out");

	if (!files.n && strvec_add(&files, DEFAULT_FILE) < 0)
		return err_nomem(e);
	if (stack_load(&st, (const char *const *)files.v, files.n, NULL, e) < 0 ||
	        stack_set_name(st, ctx->stack, e) < 0 || parse_scales(ctx, scales, st, e) < 0 ||
	        lint_gate(ctx, st, &allow, e) < 0)
		return -1;
	if (wait_open(ctx, &d, wait_ns, e) < 0)
		return -1;
	rc = up(&d, st, scales, &p, &ends, e);
	wait_close(&d);
	/* What was done before --scale failed is told, too. */
	if (p && (plan_only || ctx->json)) {
		struct err print = ERR_INIT;

		if (plan_print(ctx, p, rc < 0 ? &print : e) < 0 && rc == 0)
			rc = -1;
		err_clear(&print);
	} else if (rc == 0 && !scale.n && !plan_changes(p)) {
		output_note(ctx, "nothing to change");
	}
	return scale.n ? wait_finish(ctx, rc, &ends, e) : rc;
}

const struct command cmd_up = {
	.name = "up",
	.group = "Cluster",
	.args = "",
	.summary = "make the cluster what the stack files say",
	.description =
	        "Compares the files with what the engine has, makes and updates networks, configs "
	        "and "
	        "services, and returns when every slot serves. Run again it changes nothing, or "
	        "finishes what was interrupted. A service that was scaled keeps its size until the "
	        "number in the file changes; one that was stopped gets its former size back."
	        "\n\n"
	        "Before that it looks for traps as 'nodeswarm lint' does: of a warning it warns, "
	        "and "
	        "for an error it refuses the files.",
	.examples = (const char *const[]){ "nodeswarm up -f stacks/readers.yml",
	        "nodeswarm up -f stacks/devchain.yml -f stacks/readers.yml --plan", NULL },
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
