#pragma once

/*
 * `nodeswarm check --canary`: its options, its run, what it prints
 *
 * For cli/cmd_check.c, which owns the command and the nodes: check_canary_new() first of all, the
 * rounds, then the run; the report is part of the verdict.
 *
 * The key is read and checked before anything is asked, so that a wrong option is a usage error and
 * not half a check.  It is in no message, no result and no child process.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/err.h"
#include "watch/canary.h"

struct context;
struct strvec;
struct check_canary;

struct check_canary_options {
	const char *key_file; /* NULL: no canary */
	const char *from, *to, *contract, *quantity, *memo, *via;
	bool wants_irreversible;
	int64_t timeout_ns; /* 0: not said */
};

/* Rows for the option table. */
/* clang-format off */
#define CHECK_CANARY_OPTS(o)                                                                      \
	{ "canary", 0, "FILE",                                                                    \
	        "also send a signed transfer and wait for it in a block of every node; the "      \
	        "private key is in FILE, which only its owner may read",                          \
	        .string = &(o).key_file },                                                        \
	{ "canary-from", 0, "ACCOUNT[@PERMISSION]",                                               \
	        "who pays and signs; the permission is 'active' unless said",                     \
	        .needs = "canary", .check = check_canary_from, .string = &(o).from },             \
	{ "canary-to", 0, "ACCOUNT", "who is paid",                                               \
	        .needs = "canary", .check = check_canary_account, .string = &(o).to },            \
	{ "canary-quantity", 0, "AMOUNT", "how much, with all its decimals",                      \
	        .value = "0.0001 EOS",                                                            \
	        .needs = "canary", .check = check_canary_quantity, .string = &(o).quantity },     \
	{ "canary-contract", 0, "ACCOUNT", "the token's contract", .value = "eosio.token",        \
	        .needs = "canary", .check = check_canary_account, .string = &(o).contract },      \
	{ "canary-memo", 0, "TEXT", "its memo; 'nodeswarm canary' and the time unless said",      \
	        .needs = "canary", .check = check_canary_memo, .string = &(o).memo },             \
	{ "canary-via", 0, "URL",                                                                 \
	        "the nodeos or front it is sent to; the first URL or reference unless said",      \
	        .needs = "canary", .string = &(o).via },                                          \
	{ "canary-irreversible", 0, NULL, "wait until it is irreversible on every node",          \
	        .needs = "canary", .flag = &(o).wants_irreversible },                             \
	{ "canary-timeout", 0, "TIME",                                                            \
	        "how long all of it may take; 1m unless said, 5m with --canary-irreversible",     \
	        .min = NS_PER_SEC, .needs = "canary", .duration = &(o).timeout_ns }
/* clang-format on */

int check_canary_from(const char *value, struct err *e);
int check_canary_account(const char *value, struct err *e);
int check_canary_quantity(const char *value, struct err *e);
int check_canary_memo(const char *value, struct err *e);

/*
 * Check the options and read the key.  nodes, references: URLs that were given, of which the first
 * is the way in unless there is --canary-via; may be empty or NULL.  All that is passed must
 * outlive the object.  ERR_USAGE, ERR_DENIED for a key that others may read, ERR_NOT_FOUND.
 */
struct check_canary *check_canary_new(struct context *ctx, const struct check_canary_options *o,
        const struct strvec *nodes, const struct strvec *references, struct err *e) NODISCARD;
void check_canary_free(struct check_canary *c);
DEFINE_AUTO(struct check_canary, check_canary_free)

/* Send and follow it; see canary_run() and canary_ask_fn.  chain_id: of the nodes, or "" when that
 * is not known, and then nothing is sent, as to another chain.  Shows progress.  -1: the report
 * says why, and what was known by then. */
int check_canary_run(struct check_canary *c, const char *chain_id, canary_ask_fn *ask, void *arg,
        struct err *e) NODISCARD;

const struct canary_report *check_canary_report(const struct check_canary *c);

/* A line of verdict and one for each node that does not have it, with -v for each; with --json the
 * value "canary" of the result. */
int check_canary_print(struct check_canary *c, struct err *e) NODISCARD;
