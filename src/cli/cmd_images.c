#include <string.h>

#include "base/table.h"
#include "cli/command.h"
#include "cli/output.h"
#include "stack/stack.h"

/* For swarm/save-images.sh: the names as the stack files have them, after interpolation. */

static struct strvec files;

static const struct opt opts[] = {
	{ "file", 'f', "FILE", "a stack file; may be given several times", .strings = &files },
	{ NULL },
};

static bool is_first(const struct stack *st, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(st->services[k].image, st->services[i].image) == 0)
			return false;
	return true;
}

static int run(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	AUTO(stack_free) struct stack *st = NULL;
	AUTO(json) json_t *list = json_array();

	if (!files.n)
		return command_usage(ctx, e, "no stack file: give -f FILE");
	if (stack_load(&st, (const char *const *)files.v, files.n, NULL, e) < 0)
		return -1;
	for (size_t i = 0; i < st->n_services; i++) {
		if (!is_first(st, i))
			continue;
		output_line(ctx, "%s", st->services[i].image);
		if (json_array_append_new(list, json_string(st->services[i].image)) < 0)
			return err_nomem(e);
	}
	return output_value(ctx, "images", TAKE(list), e);
}

const struct command cmd_images = {
	.name = "images",
	.group = "Host",
	.args = "",
	.summary = "print the images that stack files name",
	.description =
	        "One a line, each once; needs no engine. swarm/save-images.sh saves them for "
	        "hosts that have no registry.",
	.examples = (const char *const[]){ "nodeswarm images -f stacks/readers.yml", NULL },
	.max_args = 0,
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
