#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

#define SELDOM_NS (10 * NS_PER_SEC)

static enum log_level max_level = LOG_INFO;

void log_set_level(enum log_level max)
{
	max_level = max;
}

bool log_enabled(enum log_level level)
{
	return level <= max_level;
}

/* more goes behind the fields. */
PRINTF(4, 0)
static void write_line(
        enum log_level level, const char *event, const char *more, const char *fields, va_list ap)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	char line[2048], when[CLOCK_TEXT_MAX];
	int saved = errno;
	size_t n, room = sizeof(line) - 1 - strlen(more);

	n = (size_t)snprintf(line, room, "%s %s event=\"%s\" ", clock_text(when, clock_real_ns()),
	        names[level], event);
	if (n < room)
		(void)vsnprintf(line + n, room - n, fields, ap);
	n = strlen(line);
	while (n && line[n - 1] == ' ')
		n--;
	memcpy(line + n, more, strlen(more) + 1);
	str_printable(line);
	n = strlen(line);
	line[n++] = '\n';
	/* One write, so that lines of several processes on one pipe do not mix. */
	(void)!write(STDERR_FILENO, line, n);
	errno = saved;
}

void log_event(enum log_level level, const char *event, const char *fields, ...)
{
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fields);
	write_line(level, event, "", fields, ap);
	va_end(ap);
}

void log_seldom(
        struct log_seldom *s, enum log_level level, const char *event, const char *fields, ...)
{
	int64_t now = clock_mono_ns();
	char count[40];
	va_list ap;

	s->count++;
	if (s->told_ns && now - s->told_ns < SELDOM_NS)
		return;
	s->told_ns = now;
	if (!log_enabled(level))
		return;
	(void)snprintf(count, sizeof(count), " count=%" PRIu64, s->count);
	va_start(ap, fields);
	write_line(level, event, count, fields, ap);
	va_end(ap);
}
