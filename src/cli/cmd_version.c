#include "base/version.h"
#include "cli/command.h"
#include "cli/output.h"
#include "engine/engine.h"

static int add_api(struct context *ctx, const char *key, int minor, struct err *e)
{
	return output_value(ctx, key, json_sprintf("1.%d", minor), e);
}

static int run(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	output_line(ctx, "nodeswarm %s", nodeswarm_version);
	output_line(
	        ctx, "Docker Engine API 1.%d to 1.%d", ENGINE_API_MIN_MINOR, ENGINE_API_MAX_MINOR);
	if (output_value(ctx, "version", json_string(nodeswarm_version), e) < 0 ||
	        add_api(ctx, "engine_api_min", ENGINE_API_MIN_MINOR, e) < 0)
		return -1;
	return add_api(ctx, "engine_api_max", ENGINE_API_MAX_MINOR, e);
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
