#pragma once

/*
 * `nodeswarm check --connect-external`: its options, its run, what it prints
 *
 * Does somebody who knows only the genesis and our public p2p address get our chain?  A fresh chain
 * node is started for that (deploy/external.h) and watched until it has what our nodes have
 * (watch/join.h), or it is clear that it will not.
 *
 * For cli/cmd_check.c, which owns the command and the nodes: check_external_new(), the plan first
 * of all, the rounds, then the run; the report is part of the verdict.
 *
 * ask is the same function that the canary asks all nodes with (watch/canary.h).
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/strvec.h"
#include "watch/canary.h"
#include "watch/rule.h"

struct check_external;
struct context;
struct engine;

struct check_external_options {
	bool is_wanted;
	struct strvec peers; /* none: where the stack's front publishes p2p */
	const char *image;   /* NULL: that of the stack's readers */
	const char *network; /* NULL: the engine's bridge */
	int64_t timeout_ns;  /* 0: not said */
};

#define CHECK_EXTERNAL_TIMEOUT "10m"

/* Rows for the option table. */
/* clang-format off */
#define CHECK_EXTERNAL_OPTS(o)                                                                    \
	{ "connect-external", 0, NULL,                                                            \
	        "also start a fresh chain node from the genesis and see that it gets the whole "  \
	        "chain from outside; for chains short enough to be synced so",                    \
	        .flag = &(o).is_wanted },                                                         \
	{ "external-peer", 0, "HOST:PORT",                                                        \
	        "its p2p peer; the p2p ports of the stack's front unless said",                   \
	        .needs = "connect-external", .check = check_external_peer,                        \
	        .strings = &(o).peers },                                                          \
	{ "external-timeout", 0, "TIME",                                                          \
	        "how long it may take; " CHECK_EXTERNAL_TIMEOUT " unless said",                   \
	        .min = NS_PER_SEC, .needs = "connect-external", .duration = &(o).timeout_ns },    \
	{ "external-image", 0, "IMAGE",                                                           \
	        "its image, with nodeswarm and nodeos; the readers' unless said",                 \
	        .needs = "connect-external", .string = &(o).image },                              \
	{ "external-network", 0, "NETWORK",                                                       \
	        "the engine's network that it runs in; 'bridge' unless said",                     \
	        .needs = "connect-external", .string = &(o).network }
/* clang-format on */

int check_external_peer(const char *value, struct err *e);

/* How it went. */
struct check_external_report {
	bool is_good;   /* it has our chain, up to our head */
	char text[400]; /* one line: the verdict */
	double seconds; /* all of it, from the container's start on */
};

/* Check the options; asks nobody.  What is passed must outlive the object.  ERR_USAGE. */
struct check_external *check_external_new(
        struct context *ctx, const struct check_external_options *o, struct err *e) NODISCARD;
void check_external_free(struct check_external *x);
DEFINE_AUTO(struct check_external, check_external_free)

/* What to run, by what the engine has of the stack, which is ctx->stack; starts nothing.
 * ERR_USAGE: nothing says where the peers are, or the genesis is of another chain; ERR_NOT_FOUND.
 */
int check_external_plan(struct check_external *x, struct engine *eng,
        const struct watch_settings *settings, struct err *e) NODISCARD;

/*
 * Start the fresh node that was planned, watch it, remove it; shows progress.  ask: see
 * canary_ask_fn; it is called about once a second.  0: it was tried, see the report.  -1: it could
 * not be (ERR_NOT_FOUND: no such image here ...), or ERR_INTERRUPTED; the report says so, too.  In
 * any case nothing is left of it.
 */
int check_external_run(struct check_external *x, struct engine *eng,
        const struct watch_settings *settings, canary_ask_fn *ask, void *arg,
        struct err *e) NODISCARD;

/* Not good, and a text that says it was not tried, before a run. */
const struct check_external_report *check_external_report(const struct check_external *x);

/* A line of verdict and what the fresh node said where it is bad; with --json the value "external"
 * of the result. */
int check_external_print(struct check_external *x, struct err *e) NODISCARD;
