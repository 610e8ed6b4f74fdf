#include "cli/repeat.h"

#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "cli/output.h"

static int show_again(struct context *ctx, struct engine *eng, struct agents *agents,
        repeat_fn *show, int64_t every_ns, struct err *e)
{
	while (!ctx->interrupted) {
		/* Home and clear: as watch(1) does, without the flicker of clearing first. */
		if (ctx->out_tty && !ctx->json)
			fputs("\033[H\033[2J", ctx->out);
		if (show(ctx, eng, agents, e) < 0) {
			if (e->kind == ERR_INTERRUPTED)
				break;
			if (e->kind != ERR_UNAVAILABLE && e->kind != ERR_TIMEOUT)
				return -1;
			output_warn(ctx, "%s", e->msg);
			err_clear(e);
		}
		if (output_flush(ctx, e) < 0)
			return -1;
		(void)poll(NULL, 0, (int)(every_ns / NS_PER_MS));
	}
	err_clear(e);
	return 0;
}

int repeat_show(
        struct context *ctx, repeat_fn *show, bool is_watch, int64_t every_ns, struct err *e)
{
	AUTO(engine_free) struct engine *eng = command_engine(ctx, e);
	AUTO(agents_free) struct agents *agents = NULL;

	if (!eng)
		return -1;
	agents = agents_new(eng, ctx->stack, ctx->pool, &ctx->interrupted, e);
	if (!agents)
		return -1;
	return is_watch ? show_again(ctx, eng, agents, show, every_ns, e)
	                : show(ctx, eng, agents, e);
}
