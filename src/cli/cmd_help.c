#include "cli/command.h"
#include "cli/help.h"
#include "cli/output.h"

static int print_json(struct context *ctx, const struct command *only, struct err *e)
{
	AUTO(json) json_t *list = json_array();

	for (const struct command *const *c = commands; *c; c++)
		if ((!only || only == *c) && json_array_append_new(list, help_command_json(*c)) < 0)
			return err_nomem(e);
	if (output_value(ctx, "commands", TAKE(list), e) < 0)
		return -1;
	return output_value(ctx, "global_options", help_global_json(), e);
}

static int run(struct context *ctx, int argc UNUSED, char **argv, struct err *e)
{
	const struct command *c = argv[0] ? command_find(argv[0]) : NULL;

	if (argv[0] && !c)
		return command_unknown(argv[0], e);
	if (ctx->json)
		return print_json(ctx, c, e);
	if (c)
		help_command(ctx->out, c);
	else
		help_overview(ctx->out);
	return 0;
}

const struct command cmd_help = {
	.name = "help",
	.group = "General",
	.args = "[COMMAND]",
	.summary = "list the commands, or explain one",
	.description = "Without COMMAND, lists all commands and the global options. With COMMAND, "
	               "explains "
	               "it: its options, their defaults, and examples. 'nodeswarm COMMAND -h' is "
	               "the same. "
	               "With --json the same facts come as data, for shell completion and editors.",
	.examples = (const char *const[]){ "nodeswarm help version", NULL },
	.max_args = 1,
	.flags = COMMAND_HAS_JSON,
	.run = run,
};
