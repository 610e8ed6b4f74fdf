#include "cli/command.h"
#include "cli/lint_print.h"
#include "cli/output.h"
#include "stack/stack.h"

static struct strvec files, allow;
static bool strict, rules;

static const struct opt opts[] = {
	{ "file", 'f', "FILE", "a stack file, as one can also be given without -f",
	        .strings = &files },
	{ "strict", 0, NULL, "fail for warnings, too", .flag = &strict },
	{ "allow", 0, "RULE", "take that rule as allowed", .strings = &allow },
	{ "rules", 0, NULL, "show the rules with their reasons, and look at no file",
	        .flag = &rules },
	{ NULL },
};

#define DEFAULT_FILE "stacks/readers.yml"

static int judge(struct context *ctx, const struct stack *st, struct err *e)
{
	AUTO(lint_findings) struct lint_findings f = LINT_FINDINGS_INIT;
	size_t bad;

	if (lint_ask(&f, st, &allow, e) < 0 || lint_print(ctx, &f, e) < 0)
		return -1;
	bad = f.errors + (strict ? f.warnings : 0);
	if (!bad)
		return 0;
	return err_set(e, ERR_UNHEALTHY, "%zu finding%s", bad, bad == 1 ? "" : "s");
}

static int run(struct context *ctx, int argc, char **argv, struct err *e)
{
	AUTO(stack_free) struct stack *st = NULL;

	if (rules) {
		if (argc || files.n || allow.n || strict)
			return command_usage(ctx, e, "--rules is given alone");
		return lint_print_rules(ctx, e);
	}
	for (int i = 0; i < argc; i++)
		if (strvec_add(&files, argv[i]) < 0)
			return err_nomem(e);
	if (!files.n && strvec_add(&files, DEFAULT_FILE) < 0)
		return err_nomem(e);
	if (stack_load(&st, (const char *const *)files.v, files.n, NULL, e) < 0 ||
	        stack_set_name(st, ctx->stack, e) < 0)
		return -1;
	return judge(ctx, st, e);
}

const struct command cmd_lint = {
	.name = "lint",
	.group = "Cluster",
	.args = "[FILE...]",
	.summary = "look for traps in stack files",
	.description =
	        "Judges the files together, as 'nodeswarm up' would deploy them, and the "
	        "config.ini and peerlist.ini that they name: what Swarm takes without a word and "
	        "what then costs blocks, data or a night. Without a file it reads "
	        "stacks/readers.yml. It needs no engine; what depends on the hosts is a warning "
	        "that says on what, and 'nodeswarm doctor' looks at them."
	        "\n\n"
	        "A file can break a rule on purpose, of one service or at its top: x-nodeswarm: "
	        "{allow: {RULE: \"the reason\"}}. With -v those are shown, too."
	        "\n\n"
	        "Exits with 1 when there is an error, with --strict also for a warning, and with 2 "
	        "for a file that is no stack.",
	.examples = (const char *const[]){ "nodeswarm lint stacks/readers.yml",
	        "nodeswarm lint --strict -f stacks/readers.yml -f stacks/front.yml",
	        "nodeswarm lint --json my.yml | jq '.findings[] | .rule'", "nodeswarm lint --rules",
	        NULL },
	.max_args = -1,
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
