#include <stdlib.h>
#include <string.h>

#include "cli/lint_print.h"
#include "cli/output.h"
#include "cli/plan_print.h"
#include "cli/wait.h"
#include "deploy/plan.h"
#include "stack/stack.h"

static struct strvec files, allow;
static int64_t wait_ns = WAIT_FOREVER;
static bool plan_only;

static const struct opt opts[] = {
	{ "file", 'f', "FILE", "a stack file; without it stacks/readers.yml", .strings = &files },
	{ "plan", 0, NULL, "show what would be done, and do nothing", .flag = &plan_only },
	{ "allow", 0, "RULE", "go on although the files break that rule of 'nodeswarm lint'",
	        .strings = &allow },
	OPT_WAIT(wait_ns),
	{ NULL },
};

#define DEFAULT_FILE "stacks/readers.yml"

static int run(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	AUTO(stack_free) struct stack *st = NULL;
	AUTO(plan_free) struct plan *p = NULL;
	struct deploy d;
	int rc;

	if (!files.n && strvec_add(&files, DEFAULT_FILE) < 0)
		return err_nomem(e);
	if (stack_load(&st, (const char *const *)files.v, files.n, NULL, e) < 0 ||
	        stack_set_name(st, ctx->stack, e) < 0 || lint_gate(ctx, st, &allow, e) < 0)
		return -1;
	if (wait_open(ctx, &d, wait_ns, e) < 0)
		return -1;
	rc = deploy_up(&d, st, plan_only, &p, e);
	wait_close(&d);
	if (rc < 0)
		return -1;
	if (plan_only || ctx->json)
		return plan_print(ctx, p, e);
	if (!plan_changes(p))
		output_note(ctx, "nothing to change");
	return 0;
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
