#pragma once

/*
 * Why nodeos refuses to start, in nodeos's own words
 *
 * nodeos throws exceptions whose text has several lines: code and name, message, data as JSON
 * and the place, then one more frame for each level that passed it on.  struct err cannot hold
 * that (one line, 512 bytes), and what reads a log looks for these very lines.  So functions
 * on the way to a start take a struct fail as their last parameter, with the same contract as
 * struct err: 0 success, < 0 failure and *f is set.  FAIL_INIT on the caller's stack; it owns
 * nothing.
 */

#include <stddef.h>

#include "base/compiler.h"

enum {
	EXIT_BAD_ALLOC = 1,
	EXIT_DIRTY = 2,
	EXIT_MANAGEMENT = 5, /* asked for information only, and got it */
	EXIT_OTHER_FAIL = 254,
	EXIT_INITIALIZE_FAIL = 255,
};

enum fail_kind {
	FAIL_NONE,
	FAIL_FC,      /* an exception of nodeos's own library, with code and name */
	FAIL_STD,     /* any other, wrapped by that library: code 13 */
	FAIL_DIRTY,   /* the "dirty" flag: exit code and last line of its own */
	FAIL_OPTIONS, /* before any plugin: boost's text */
	FAIL_PLAIN,   /* printed as it is at the end */
	FAIL_QUIET,   /* all was said; only the exit status remains */
};

struct fail {
	enum fail_kind kind;
	int status; /* of the process */
	char text[6144];
};

#define FAIL_INIT ((struct fail){ .kind = FAIL_NONE })

/*
 * "<code> <name>: <what>", the message, the data (a JSON text) and the place ("file:line
 * function").  Always returns -1.
 */
int fail_fc(struct fail *f, int code, const char *name, const char *what, const char *place,
        const char *data, const char *fmt, ...) PRINTF(7, 8);

/* The commonest: 3110006 plugin_config_exception. */
int fail_config(struct fail *f, const char *place, const char *data, const char *fmt, ...)
        PRINTF(4, 5);

/* 3190000 block_log_exception. */
int fail_block_log(struct fail *f, const char *place, const char *data, const char *fmt, ...)
        PRINTF(4, 5);

/* A C++ exception of the mangled type, first seen at the place ("chain_plugin.cpp:1077
 * plugin_initialize").  Always returns -1. */
int fail_std(struct fail *f, const char *type, const char *place, const char *fmt, ...)
        PRINTF(4, 5);

#define FAIL_SHORT_READ_MAX 1024
/* What nodeos says of a read beyond the end of the file at path.  Returns out. */
const char *fail_short_read_text(
        char out[FAIL_SHORT_READ_MAX], const char *path, size_t wanted, size_t got);

/* A read beyond the end of the file at path.  Always returns -1. */
int fail_short_read(struct fail *f, const char *path, size_t wanted, size_t got);

/* boost::program_options and appbase.  Always returns -1. */
int fail_options(struct fail *f, const char *type, const char *fmt, ...) PRINTF(3, 4);

/* One line, exit status 254, for what nodeos has and nodesim does not.  Always returns -1. */
int fail_not_simulated(struct fail *f, const char *what);

/* Stop with a status when everything was printed already.  Always returns -1. */
int fail_quiet(struct fail *f, int status);

/* Add the frame of a level that passes the exception on. */
void fail_frame(struct fail *f, const char *message, const char *data, const char *place);

/* A plugin's plugin_initialize gave up: the warning that it logs, and its frame. */
void fail_log_initialize(struct fail *f, const char *place);

/* What nodeos's main() prints of it.  Returns the exit status. */
int fail_report(const struct fail *f);
