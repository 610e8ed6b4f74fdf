#pragma once

/*
 * Log lines of nodeos
 *
 *	info  2026-11-20T10:18:40.114 nodeos    main.cpp:139  main  ] nodeos version v4.0.6
 *	level time (UTC)              thread    file:line     method   message
 *
 * Also what nodeos prints without that frame (boost's errors, chainbase, the lines of an
 * exception's stack) comes through here.  Source: recordings of nodeos v4.0.6.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

enum nodeos_log_level {
	NODEOS_LOG_NONE, /* the line has no frame */
	NODEOS_LOG_DEBUG,
	NODEOS_LOG_INFO,
	NODEOS_LOG_WARN,
	NODEOS_LOG_ERROR,
};

struct nodeos_logline {
	enum nodeos_log_level level;
	int64_t time_ns; /* since 1970 UTC; 0 without a frame */
	char thread[32]; /* "" without a frame, as the next two; cut to fit */
	char where[64];  /* "controller.cpp:2346"; nodeos itself cuts long file names */
	char method[64];
	const char *message; /* within the line; the whole of it without a frame */
};

/* Take a line apart (a string without its line end).  Returns 0, or 1 for a line without a
 * frame; *l is filled in both cases and valid as long as the line. */
int nodeos_logline_parse(struct nodeos_logline *l, const char *line);

/* "chain database started with hash: <64 hex digits>", which nodeos says with
 * integrity-hash-on-start before it goes on from there.  Whether line is that; then out has the
 * hash. */
bool nodeos_logline_start_hash(char out[65], const char *line);

/* The same of "chain database stopped with hash: ", which is its last word with
 * integrity-hash-on-stop. */
bool nodeos_logline_stop_hash(char out[65], const char *line);

/*
 * Overwrite private keys with asterisks, in place: WIF ("5[HJK]..."), "PVT_..." and whatever
 * follows "=KEY:" in a signature provider.  Public keys and signatures stay.  Returns how many
 * there were.
 */
unsigned nodeos_redact(char *text);
