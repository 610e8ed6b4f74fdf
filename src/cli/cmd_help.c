#include "cli/command.h"
#include "cli/help.h"
#include "cli/output.h"

/* All commands; only one; or those of a family. */
static int print_json(struct context *ctx, const struct command *only,
        const struct command_family *f, struct err *e)
{
	AUTO(json) json_t *list = json_array();

	for (const struct command *const *c = commands; *c; c++) {
		if ((only && only != *c) || (!only && f && !command_second_word(*c, f)))
			continue;
		if (json_array_append_new(list, help_command_json(*c)) < 0)
			return err_nomem(e);
	}
	if (output_value(ctx, "commands", TAKE(list), e) < 0)
		return -1;
	return output_value(ctx, "global_options", help_global_json(), e);
}

/* "up", "data", "data" "archive"; main() gives the name of a command of several words as one. */
static int run(struct context *ctx, int argc, char **argv, struct err *e)
{
	const struct command *c = argc ? command_find(argv[0]) : NULL;
	const struct command_family *f = argc && !c ? command_family_find(argv[0]) : NULL, *inner;

	if (argc && !c && !f)
		return command_unknown(NULL, argv[0], e);
	for (int i = 1; i < argc; i++) {
		if (c)
			return command_usage(ctx, e, "unexpected argument '%s'", argv[i]);
		c = command_find_in(f, argv[i]);
		inner = command_family_in(f, argv[i]);
		if (!c && !inner)
			return command_unknown(f, argv[i], e);
		f = c ? f : inner;
	}
	if (ctx->json)
		return print_json(ctx, c, f, e);
	if (c)
		help_command(ctx->out, c);
	else if (f)
		help_family(ctx->out, f);
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
	.examples = (const char *const[]){ "nodeswarm help version", "nodeswarm help data archive",
	        NULL },
	.max_args = 3,
	.flags = COMMAND_HAS_JSON,
	.run = run,
};
