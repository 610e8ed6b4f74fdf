#pragma once

/*
 * The linter's findings, for `nodeswarm lint` and `nodeswarm up`
 *
 * A finding is a line as compilers write it, "FILE:LINE:COLUMN: error: text [rule]", below it what
 * to do, once a rule.
 */

#include "base/compiler.h"
#include "base/err.h"
#include "lint/lint.h"

struct context;
struct strvec;

/* The stack's findings, those of the rules in allow taken out.  ERR_USAGE for a name that is no
 * rule. */
int lint_ask(struct lint_findings *ret, const struct stack *st, const struct strvec *allow,
        struct err *e) NODISCARD;

/* All of them, with findings[] and allowed[] in JSON, and the counts. */
int lint_print(struct context *ctx, const struct lint_findings *f, struct err *e) NODISCARD;

/* The rules, with their reasons. */
int lint_print_rules(struct context *ctx, struct err *e) NODISCARD;

/*
 * Before a deployment: warn of the warnings on stderr; ERR_USAGE with the first error, if there is
 * one.
 */
int lint_gate(struct context *ctx, const struct stack *st, const struct strvec *allow,
        struct err *e) NODISCARD;
