#include "cli/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "base/table.h"
#include "cli/command.h"

/* The object that is being gathered; NULL without memory. */
static json_t *result(struct context *ctx)
{
	if (!ctx->result) {
		ctx->result = json_object();
		if (json_object_set_new(ctx->result, "format", json_integer(1)) < 0)
			json_decref(TAKE(ctx->result));
	}
	return ctx->result;
}

int output_value(struct context *ctx, const char *key, json_t *value, struct err *e)
{
	if (!ctx->json) {
		json_decref(value);
		return 0;
	}
	if (!value || json_object_set_new(result(ctx), key, value) < 0)
		return err_nomem(e);
	return 0;
}

int output_table(struct context *ctx, const char *plural, const struct table *t, struct err *e)
{
	json_t *rows;

	if (!ctx->json) {
		progress_hide(ctx);
		return table_print(t, ctx->out, e);
	}
	rows = table_json(t, e);
	return rows ? output_value(ctx, plural, rows, e) : -1;
}

void output_line(struct context *ctx, const char *fmt, ...)
{
	va_list ap;

	if (ctx->json)
		return;
	progress_hide(ctx);
	va_start(ap, fmt);
	(void)vfprintf(ctx->out, fmt, ap);
	va_end(ap);
	(void)fputc('\n', ctx->out);
}

PRINTF(3, 0)
static void say(struct context *ctx, const char *prefix, const char *fmt, va_list ap)
{
	char text[1024];

	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		return;
	/* Much of what is said was read from outside. */
	str_printable(text);
	progress_hide(ctx);
	(void)fprintf(ctx->err, "nodeswarm: %s%s\n", prefix, text);
}

void output_note(struct context *ctx, const char *fmt, ...)
{
	va_list ap;

	if (ctx->level < 0)
		return;
	va_start(ap, fmt);
	say(ctx, "", fmt, ap);
	va_end(ap);
}

void output_warn(struct context *ctx, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(ctx, "warning: ", fmt, ap);
	va_end(ap);
}

void output_detail(struct context *ctx, const char *fmt, ...)
{
	va_list ap;

	if (ctx->level < 1)
		return;
	va_start(ap, fmt);
	say(ctx, "", fmt, ap);
	va_end(ap);
}

static int print_object(struct context *ctx, const json_t *o, bool indent)
{
	AUTO(free) char *text = json_text(o, indent);

	return text && fprintf(ctx->out, "%s\n", text) > 0 ? 0 : -1;
}

/*
 * 0, or -1 and errno.  A write error that happened before this flush has set the stream's error
 * flag, but its errno is lost; EIO stands for it.
 */
static int flush(struct context *ctx)
{
	errno = 0;
	if (fflush(ctx->out) == 0 && !ferror(ctx->out))
		return 0;
	if (!errno)
		errno = EIO;
	return -1;
}

int output_flush(struct context *ctx, struct err *e)
{
	AUTO(json) json_t *o = TAKE(ctx->result);

	progress_hide(ctx);
	if ((o && print_object(ctx, o, false) < 0) || flush(ctx) < 0)
		return err_sys(e, errno, "write to standard output");
	return 0;
}

static void add_error(struct context *ctx, const struct err *e)
{
	(void)json_object_set_new(result(ctx), "error", json_of_err(e));
}

static void print_error(struct context *ctx, const struct err *e)
{
	(void)fprintf(ctx->err, "nodeswarm: %s\n", e->msg);
	if (e->hint[0])
		(void)fprintf(ctx->err, "  hint: %s\n", e->hint);
	if (e->hint[0] && e->point)
		(void)fprintf(ctx->err, "%*s\n", (int)(strlen("  hint: ") + e->point), "^");
}

int output_finish(struct context *ctx, int rc, struct err *e)
{
	int status = rc < 0 ? err_exit_status(e) : 0;
	bool printed = true;

	progress_end(ctx);
	if (rc < 0 && ctx->json)
		add_error(ctx, e);
	else if (rc < 0)
		print_error(ctx, e);
	if (ctx->result)
		printed = print_object(ctx, ctx->result, ctx->out_tty) == 0;
	json_decref(TAKE(ctx->result));
	if (flush(ctx) == 0 && printed)
		return status;
	/* A reader that has seen enough ("| head") is told nothing. */
	if (errno != EPIPE) {
		struct err w = ERR_INIT;

		err_sys(&w, errno, "write to standard output");
		if (rc < 0 && ctx->json)
			print_error(ctx, e);
		print_error(ctx, &w);
	}
	return status ? status : 1;
}
