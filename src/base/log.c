#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

static enum log_level max_level = LOG_INFO;

void log_set_level(enum log_level max)
{
	max_level = max;
}

bool log_enabled(enum log_level level)
{
	return level <= max_level;
}

void log_event(enum log_level level, const char *event, const char *fields, ...)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	char line[2048], when[CLOCK_TEXT_MAX];
	int saved = errno;
	size_t n;
	va_list ap;

	if (!log_enabled(level))
		return;
	n = (size_t)snprintf(line, sizeof(line) - 1, "%s %s event=\"%s\" ",
	        clock_text(when, clock_real_ns()), names[level], event);
	if (n < sizeof(line) - 1) {
		va_start(ap, fields);
		(void)vsnprintf(line + n, sizeof(line) - 1 - n, fields, ap);
		va_end(ap);
	}
	str_printable(line);
	n = strlen(line);
	while (n && line[n - 1] == ' ')
		n--;
	line[n++] = '\n';
	/* One write, so that lines of several processes on one pipe do not mix. */
	(void)!write(STDERR_FILENO, line, n);
	errno = saved;
}
