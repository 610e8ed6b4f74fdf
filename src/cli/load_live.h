#pragma once

/*
 * What a load test does just now, on a terminal
 *
 * A few lines on stderr that are redrawn with every interval and taken away before the report.
 * They are made of what the interval holds anyway, in the thread that waits for the end, so that
 * looking changes no result.
 *
 *	struct load_live live;
 *
 *	load_live_init(&live, stderr, &config, "round 2 of 6, A", served_name, served);
 *	... load_live_interval(&live, i) ...
 *	load_live_erase(&live);
 */

#include <stdio.h>

#include "base/buf.h"
#include "load/load.h"
#include "load/report.h"

#define LOAD_LIVE_LINES 64

struct load_live {
	FILE *out;
	const struct load_config *config;
	const char *title;    /* what is loaded, or which run of several it is */
	load_namer_fn *namer; /* or NULL */
	void *namer_arg;
	uint64_t total;                 /* requests of the measured part */
	uint64_t classes[LOAD_CLASSES]; /* of it */
	size_t widths[LOAD_LIVE_LINES]; /* of the lines that stand on the terminal */
	unsigned n_lines;
};

/* The pointers must outlive it. */
void load_live_init(struct load_live *l, FILE *out, const struct load_config *c, const char *title,
        load_namer_fn *namer, void *namer_arg);

/* Count the interval and draw. */
void load_live_interval(struct load_live *l, const struct load_interval *i);

/* Take the lines off the terminal. */
void load_live_erase(struct load_live *l);

/* The pure half: count the interval, and the lines for it, each with a newline, no wider than cols,
 * no more than rows. */
void load_live_text(struct load_live *l, const struct load_interval *i, size_t cols, size_t rows,
        struct buf *out);
