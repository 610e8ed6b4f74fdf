#include "cli/command.h"

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "base/suggest.h"
#include "cli/opts.h"
#include "cli/output.h"
#include "engine/engine.h"

/* The groups stand in the overview in the order of their first command here. */
const struct command *const commands[] = {
	&cmd_up,
	&cmd_status,
	&cmd_scale,
	&cmd_stop,
	&cmd_down,
	&cmd_logs,
	&cmd_doctor,
	&cmd_pool,
	&cmd_images,
	&cmd_quiesce,
	&cmd_resume,
	&cmd_supervise,
	&cmd_health,
	&cmd_agent,
	&cmd_relay,
	&cmd_help,
	&cmd_version,
	NULL,
};

const struct command *command_find(const char *name)
{
	for (const struct command *const *c = commands; *c; c++)
		if (strcmp((*c)->name, name) == 0)
			return *c;
	return NULL;
}

int command_unknown(const char *name, struct err *e)
{
	struct suggest s;

	suggest_start(&s, name);
	for (const struct command *const *c = commands; *c; c++)
		suggest_offer(&s, (*c)->name);
	if (s.best)
		err_set(e, ERR_USAGE, "unknown command '%s', did you mean '%s'?", name, s.best);
	else
		err_set(e, ERR_USAGE, "unknown command '%s'", name);
	return err_hint(e, "see 'nodeswarm help'");
}

int command_usage(const struct context *ctx, struct err *e, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	err_set(e, ERR_USAGE, "%s", text);
	return err_hint(e, "see 'nodeswarm help %s'", ctx->command->name);
}

struct engine *command_engine(struct context *ctx, struct err *e)
{
	static bool warned;
	struct engine *eng = engine_new(ctx->host, e);

	if (!eng)
		return NULL;
	engine_interrupt_on(eng, &ctx->interrupted);
	if (engine_is_exposed(eng) && !warned) {
		output_warn(ctx,
		        "'%s' is spoken to without TLS: whoever can reach it is root on its host, "
		        "and secrets are sent in the clear",
		        engine_host(eng));
		warned = true;
	}
	return eng;
}
