#pragma once

/*
 * Log lines as nodeos writes them, to stderr
 *
 *	nlog(NLOG_INFO, "chain_plugin.cpp:470", "plugin_initialize", "initializing chain plugin");
 *	  -> info  2026-11-20T10:21:08.753 nodeos    chain_plugin.cpp:470          plugin_initialize
 *] initializing chain plugin
 *
 * The place (file:line) and the function are those of the recorded nodeos v4.0.6, because
 * whoever reads such a log matches on them.  A text may have several lines.
 *
 * When the reader of stderr is gone, nodeos keeps running and dies of SIGPIPE at its very end;
 * nlog_reader_gone() says that this is due.
 */

#include <stdbool.h>

#include "base/compiler.h"

enum nlog_level { NLOG_INFO, NLOG_WARN, NLOG_ERROR };

/* From the main thread, which nodeos calls "nodeos". */
void nlog(enum nlog_level level, const char *place, const char *method, const char *fmt, ...)
        PRINTF(4, 5);

/* With the name of the thread that does this in nodeos ("net-0", "resmon-0"). */
void nlog_from(enum nlog_level level, const char *thread, const char *place, const char *method,
        const char *fmt, ...) PRINTF(5, 6);

/* Text that nodeos writes to stderr without the prefix. */
void nlog_plain(const char *fmt, ...) PRINTF(1, 2);

bool nlog_reader_gone(void);
