#pragma once

/*
 * The event log of a service: one key=value line per event on stderr.
 *
 *	log_info("nodeos started", "pid=%d uid=%u", pid, uid);
 *	  -> 2026-11-20T10:18:43.500Z info event="nodeos started" pid=7 uid=7888
 *
 * Only services log (supervise, nodesim ...); libraries return errors, commands print.
 * Control characters are replaced, a line ends after 2 KiB, errno survives.  Not for secrets.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level max);
bool log_enabled(enum log_level level);

/* fields is a format for the rest of the line, "" for none.  Quote text with "%s" in quotes. */
void log_event(enum log_level level, const char *event, const char *fields, ...) PRINTF(3, 4);

/*
 * What can happen as often as somebody else likes: counted each time, and told at most every ten
 * seconds, with "count=" at the line's end.  Zero to begin with; of one thread.
 */
struct log_seldom {
	uint64_t count;
	int64_t told_ns;
};

void log_seldom(struct log_seldom *s, enum log_level level, const char *event, const char *fields,
        ...) PRINTF(4, 5);

#define log_error(...) log_event(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_event(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_event(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_event(LOG_DEBUG, __VA_ARGS__)
