#include "cli/global.h"

#include <stdlib.h>

#include "base/str.h"
#include "engine/engine.h"

/* A stack's name is the front part of service names, which DNS limits to 63 bytes. */
#define STACK_NAME_MAX 40

static struct {
	bool json, quiet, verbose, help, version;
	const char *host, *context, *stack, *pool;
} g;

const struct opt global_opts[] = {
	{ "host", 'H', "URL",
	        "talk to the Docker Engine at URL (unix://, tcp://, https://); without it the one "
	        "that the docker command would take",
	        .exclusive = 'h', .string = &g.host },
	{ "context", 0, "NAME", "talk to the Docker Engine of that docker context",
	        .exclusive = 'h', .string = &g.context },
	{ "stack", 0, "NAME", "the stack to work on", .value = "nodeswarm",
	        .env = "NODESWARM_STACK", .string = &g.stack },
	{ "pool", 0, "DIR", "the directory that holds the data of a host's chain nodes",
	        .value = "/var/lib/nodeswarm", .env = "NODESWARM_POOL", .string = &g.pool },
	{ "json", 0, NULL, "print the result as one JSON object", .flag = &g.json },
	{ "quiet", 'q', NULL, "print no progress and no notes", .exclusive = 'q',
	        .flag = &g.quiet },
	{ "verbose", 'v', NULL, "say more on standard error", .exclusive = 'q',
	        .flag = &g.verbose },
	{ "help", 'h', NULL, "print the help of the command", .flag = &g.help },
	{ "version", 0, NULL, "print the version", .flag = &g.version },
	{ NULL },
};

/* A context is one more way to name an engine. */
static int apply_engine(struct context *ctx, struct err *e)
{
	static char *named;

	ctx->host = g.host;
	if (!g.context)
		return 0;
	free(named);
	named = str_fmt(ENGINE_CONTEXT_PREFIX "%s", g.context);
	ctx->host = named;
	return named ? 0 : err_nomem(e);
}

int global_apply(struct context *ctx, struct global_wants *ret, struct err *e)
{
	if (!str_is_name(g.stack, STACK_NAME_MAX))
		return err_set(e, ERR_USAGE,
		        "'%s' is not a stack name: up to %d letters, digits, '_', '.' and '-'",
		        g.stack, STACK_NAME_MAX);
	if (g.pool[0] != '/')
		return err_set(e, ERR_USAGE, "the pool '%s' is not an absolute path", g.pool);
	ctx->json = g.json;
	ctx->level = g.quiet ? -1 : g.verbose ? 1 : 0;
	if (apply_engine(ctx, e) < 0)
		return -1;
	ctx->stack = g.stack;
	ctx->pool = g.pool;
	ret->help = g.help;
	ret->version = g.version;
	return 0;
}
