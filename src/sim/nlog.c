#include "sim/nlog.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"

#define LINE_SIZE 1024

static bool reader_gone;

bool nlog_reader_gone(void)
{
	return reader_gone;
}

/*
 * One write() for a line, so that lines of several processes on one pipe do not mix.  SIGPIPE
 * is blocked and read through a signalfd, where one sent by a person means "stop"; the one
 * that our own write just raised is taken back here.
 */
static void put(const char *text, size_t n)
{
	static const struct timespec now;
	sigset_t set;

	if (fs_write_all(STDERR_FILENO, text, n) == 0 || errno != EPIPE)
		return;
	reader_gone = true;
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	(void)sigtimedwait(&set, NULL, &now);
}

static void put_line(const char *prefix, const char *fmt, va_list ap) PRINTF(2, 0);

static void put_line(const char *prefix, const char *fmt, va_list ap)
{
	char line[LINE_SIZE], *text = line;
	size_t at = strlen(prefix);
	va_list again;
	int n;

	va_copy(again, ap);
	memcpy(line, prefix, at);
	n = vsnprintf(line + at, sizeof(line) - at - 1, fmt, ap);
	if (n < 0)
		n = 0;
	if (at + (size_t)n + 2 > sizeof(line)) {
		text = malloc(at + (size_t)n + 2);
		if (text) {
			memcpy(text, prefix, at);
			(void)vsnprintf(text + at, (size_t)n + 1, fmt, again);
		} else {
			text = line;
			n = (int)strlen(line + at);
		}
	}
	va_end(again);
	text[at + (size_t)n] = '\n';
	put(text, at + (size_t)n + 1);
	if (text != line)
		free(text);
}

static void put_prefixed(enum nlog_level level, const char *thread, const char *place,
        const char *method, const char *fmt, va_list ap) PRINTF(5, 0);

static void put_prefixed(enum nlog_level level, const char *thread, const char *place,
        const char *method, const char *fmt, va_list ap)
{
	static const char *const name[] = { "info", "warn", "error" };
	char prefix[128], when[CLOCK_TEXT_MAX], at[64];
	const char *colon = strchr(place, ':');
	int file = colon ? (int)(colon - place) : (int)strlen(place);

	clock_text(when, clock_real_ns());
	/* Names of files are cut at 22 bytes, those of functions at 20. */
	snprintf(at, sizeof(at), "%.*s%s", file > 22 ? 22 : file, place, colon ? colon : "");
	snprintf(prefix, sizeof(prefix), "%-5s %.23s %-9s %-29s %-20.20s ] ", name[level], when,
	        thread, at, method);
	put_line(prefix, fmt, ap);
}

void nlog(enum nlog_level level, const char *place, const char *method, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_prefixed(level, "nodeos", place, method, fmt, ap);
	va_end(ap);
}

void nlog_from(enum nlog_level level, const char *thread, const char *place, const char *method,
        const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_prefixed(level, thread, place, method, fmt, ap);
	va_end(ap);
}

void nlog_plain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line("", fmt, ap);
	va_end(ap);
}
