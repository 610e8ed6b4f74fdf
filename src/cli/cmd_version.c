#include "base/version.h"
#include "cli/command.h"
#include "cli/output.h"

/* The oldest version of the Engine API that has all that we call; newer ones are negotiated. */
#define ENGINE_API_MIN "1.41"

static int run(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	output_line(ctx, "nodeswarm %s", nodeswarm_version);
	output_line(ctx, "Docker Engine API %s or later", ENGINE_API_MIN);
	if (output_value(ctx, "version", json_string(nodeswarm_version), e) < 0)
		return -1;
	return output_value(ctx, "engine_api_min", json_string(ENGINE_API_MIN), e);
}

const struct command cmd_version = {
	.name = "version",
	.group = "General",
	.args = "",
	.summary = "print the version",
	.description =
	        "Prints the version of this program and the versions of the Docker Engine API that "
	        "it speaks. 'nodeswarm --version' is the same.",
	.examples = (const char *const[]){ "nodeswarm version", "nodeswarm version --json", NULL },
	.flags = COMMAND_HAS_JSON,
	.run = run,
};
