#pragma once

/*
 * What the ways of `nodeswarm load` share: a URL made ready, one run of it, what is wrong with it
 *
 * cmd_load.c reads the options into a struct load_test; cmd_load_run.c, _compare.c and _knee.c each
 * do one thing with it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/strvec.h"
#include "cli/command.h"
#include "cli/load_live.h"
#include "load/limit.h"
#include "load/load.h"
#include "load/report.h"
#include "load/target.h"

struct engine;
struct served;

/* What the options ask for. */
struct load_test {
	struct context *ctx;
	struct load_config config; /* of every run; without target and request */
	unsigned threads;          /* that were asked for; 0: one for each processor */
	const char *method, *body; /* body: or NULL */
	const struct strvec *headers;
	const char *unix_socket; /* or NULL */
	bool owns_it;
	bool has_live;
	struct load_limits limits;

	/* who answers */
	struct engine *eng; /* NULL: none, or not asked yet */
	struct served *served;
	bool engine_tried;
};

void load_test_release(struct load_test *t);

/* A URL made ready. */
struct load_side {
	struct load_target target;
	struct buf request;
	struct load_config config;
	struct strvec notes; /* for the report */
};

/*
 * Resolve, build the request, ask once for the chain's id where none was given, and for who has the
 * addresses that answer.  A server that does not answer is no error here: the run will say so.
 */
int load_side_init(
        struct load_side *s, struct load_test *t, const char *url, struct err *e) NODISCARD;
void load_side_release(struct load_side *s);

/* One run. */
struct load_outcome {
	struct load_config config;
	struct load_result *result;
	struct load_report report;
	struct load_live live;
	bool has_live;
	struct strvec notes, limits;    /* told with the report; limits: those that are broken */
	struct strvec broken;           /* all that keeps it from holding, a line each */
	double actual[LOAD_LIMITS_MAX]; /* of load_test.limits */
	bool is_broken[LOAD_LIMITS_MAX];
	struct buf held; /* the limits that hold, for the report */
};

/*
 * Run and judge.  title: of the live view.  schedule: instead of the options', or NULL.  0 also
 * when it was interrupted or its limits are broken: see outcome->broken.  *o is released by the
 * caller, also after a failure.
 */
int load_test_run(struct load_test *t, struct load_side *s, const char *title,
        const struct load_schedule *schedule, bool wants_hdr, struct load_outcome *o,
        struct err *e) NODISCARD;
void load_outcome_release(struct load_outcome *o);

static inline void auto_load_side(struct load_side *s)
{
	load_side_release(s);
}

static inline void auto_load_outcome(struct load_outcome *o)
{
	load_outcome_release(o);
}

/* The run is not what was asked for, or does not hold: -1 with *e from broken; else 0. */
int load_test_verdict(
        const struct load_test *t, const struct strvec *broken, struct err *e) NODISCARD;

/* A list of strings as JSON; NULL without memory. */
json_t *load_strings_json(const struct strvec *sv);

/* A number, or null for what is none. */
json_t *load_number_json(double v);

/* --- the ways ---------------------------------------------------------------------------- */

struct load_run_files {
	const char *csv, *hdr, *html; /* or NULL */
};
int load_cmd_run(struct load_test *t, const char *url, const struct load_run_files *files,
        struct err *e) NODISCARD;

/* In turn A, B, B, A, ...: one run of each in a round. */
int load_cmd_compare(struct load_test *t, const char *a, const char *b, unsigned rounds,
        struct err *e) NODISCARD;

int load_cmd_knee(
        struct load_test *t, const char *url, double from, double to, struct err *e) NODISCARD;

/* The table of what the generator tells apart. */
int load_cmd_self_test(struct context *ctx, struct err *e) NODISCARD;
