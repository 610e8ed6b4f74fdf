#include "cli/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/terminal.h"

/* \r goes to the first column, CSI K erases to the end of the line (ECMA-48, 8.3.41). */
static void draw(struct context *ctx)
{
	struct progress *p = &ctx->progress;

	(void)fprintf(ctx->err, "\r\033[K%.*s", terminal_fit(p->text, terminal_columns(ctx->err)),
	        p->text);
	(void)fflush(ctx->err);
	p->drawn = true;
	p->pending = false;
}

static void print_plain(struct context *ctx, int64_t now)
{
	struct progress *p = &ctx->progress;

	(void)fprintf(ctx->err, "nodeswarm: %s\n", p->text);
	(void)fflush(ctx->err);
	p->last_ns = now;
	p->pending = false;
}

void progress_set(struct context *ctx, const char *fmt, ...)
{
	struct progress *p = &ctx->progress;
	char text[PROGRESS_TEXT_MAX];
	int64_t now;
	va_list ap;

	if (ctx->level < 0)
		return;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	str_printable(text);
	if (strcmp(text, p->text) != 0) {
		memcpy(p->text, text, sizeof(text));
		p->pending = true;
	}
	if (ctx->err_tty) {
		if (p->pending || !p->drawn)
			draw(ctx);
		return;
	}
	now = clock_mono_ns();
	if (p->pending && (!p->last_ns || now - p->last_ns >= NS_PER_SEC))
		print_plain(ctx, now);
}

void progress_hide(struct context *ctx)
{
	struct progress *p = &ctx->progress;

	if (!p->drawn)
		return;
	(void)fputs("\r\033[K", ctx->err);
	(void)fflush(ctx->err);
	p->drawn = false;
}

void progress_end(struct context *ctx)
{
	struct progress *p = &ctx->progress;

	progress_hide(ctx);
	if (p->pending && !ctx->err_tty)
		print_plain(ctx, clock_mono_ns());
	*p = (struct progress){ .last_ns = p->last_ns };
}
