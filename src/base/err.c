#include "base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

PRINTF(4, 0)
static void set_v(struct err *e, enum err_kind kind, int errnum, const char *fmt, va_list ap)
{
	int n;

	assert(e->kind == ERR_NONE);
	assert(kind != ERR_NONE);

	e->kind = kind;
	e->sys_errno = errnum;
	n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	if (n < 0)
		e->msg[0] = '\0';
	str_printable(e->msg);
}

int err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_v(e, kind, 0, fmt, ap);
	va_end(ap);
	return -1;
}

int err_sys(struct err *e, int errnum, const char *fmt, ...)
{
	const char *cause = strerror(errnum);
	size_t len, most = sizeof(e->msg) - 1 - strlen(": ") - strlen(cause);
	va_list ap;

	va_start(ap, fmt);
	set_v(e, ERR_SYSTEM, errnum, fmt, ap);
	va_end(ap);

	/* The cause is what must not be cut off. */
	len = strlen(e->msg);
	if (len > most)
		len = most;
	(void)snprintf(e->msg + len, sizeof(e->msg) - len, ": %s", cause);
	str_printable(e->msg);
	return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	const char *sep = ": ";
	char ctx[ERR_MSG_MAX];
	size_t nctx, nsep, ncause, keep;
	va_list ap;

	assert(e->kind != ERR_NONE);

	va_start(ap, fmt);
	if (vsnprintf(ctx, sizeof(ctx), fmt, ap) < 0)
		ctx[0] = '\0';
	va_end(ap);

	nctx = strlen(ctx);
	keep = ncause = strlen(e->msg);
	if (nctx + strlen(sep) + ncause >= sizeof(e->msg)) {
		/* The context gives way first, then the head of the cause. */
		sep = "... ";
		if (keep > sizeof(e->msg) - 1 - strlen(sep))
			keep = sizeof(e->msg) - 1 - strlen(sep);
		nctx = sizeof(e->msg) - 1 - strlen(sep) - keep;
	}
	nsep = strlen(sep);

	memmove(e->msg + nctx + nsep, e->msg + (ncause - keep), keep + 1);
	memcpy(e->msg, ctx, nctx);
	memcpy(e->msg + nctx, sep, nsep);
	str_printable(e->msg);
	return -1;
}

int err_nomem(struct err *e)
{
	return err_set(e, ERR_SYSTEM, "out of memory");
}

int err_hint(struct err *e, const char *fmt, ...)
{
	va_list ap;

	assert(e->kind != ERR_NONE);
	if (e->hint[0])
		return -1;
	va_start(ap, fmt);
	if (vsnprintf(e->hint, sizeof(e->hint), fmt, ap) < 0)
		e->hint[0] = '\0';
	va_end(ap);
	str_printable(e->hint);
	return -1;
}

void err_point(struct err *e, unsigned character)
{
	unsigned n = 0;

	/* A byte that does not go on with a character begins one. */
	for (const char *p = e->hint; *p; p++)
		n += ((unsigned char)*p & 0xc0) != 0x80;
	e->point = character <= n ? character : 0;
}

void err_clear(struct err *e)
{
	*e = ERR_INIT;
}

const char *err_kind_name(enum err_kind kind)
{
	switch (kind) {
	case ERR_NONE:
		return "none";
	case ERR_USAGE:
		return "usage";
	case ERR_NOT_FOUND:
		return "not_found";
	case ERR_CONFLICT:
		return "conflict";
	case ERR_DENIED:
		return "denied";
	case ERR_TIMEOUT:
		return "timeout";
	case ERR_UNAVAILABLE:
		return "unavailable";
	case ERR_PROTOCOL:
		return "protocol";
	case ERR_SYSTEM:
		return "system";
	case ERR_INTERRUPTED:
		return "interrupted";
	case ERR_UNHEALTHY:
		return "unhealthy";
	}
	return "unknown";
}

int err_exit_status(const struct err *e)
{
	if (e->kind == ERR_NONE)
		return 0;
	return e->kind == ERR_USAGE ? 2 : 1;
}
