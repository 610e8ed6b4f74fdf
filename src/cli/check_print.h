#pragma once

/*
 * What `nodeswarm check` shows of the model: a table of nodes, findings, production, the verdict
 *
 * Each function prints its part or, with --json, puts it into the object, under the keys "nodes",
 * "findings", "over", "production", "summary", and "healthy" with "verdict".
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "watch/watch.h"

struct context;

#define CHECK_TEXT_MAX   32
#define CHECK_WINDOW_MAX 64

/* "0.4s", "12s", "2m30s", "-0.3s"; "-" for NAN.  Returns out. */
const char *check_seconds_text(char out[CHECK_TEXT_MAX], double seconds);

/* "critical  fork  readers.3: two blocks at ...", on one line, without the evidence.  Returns
 * out. */
const char *check_finding_text(const struct finding *f, char *out, size_t size);

/* Findings that came and went while a check lasted; told after those that are. */
struct check_over {
	json_t *list; /* of finding_json(), with "lasted_seconds"; NULL: none yet */
	struct strvec lines;
	size_t n;
};

void check_over_add(struct check_over *o, const struct findings *f, int64_t now_ns);
void check_over_release(struct check_over *o);

static inline void auto_check_over(struct check_over *o)
{
	check_over_release(o);
}

/* worst_first: not in the order in which they were added; at most max rows as text. */
int check_print_nodes(struct context *ctx, const struct watch *w, bool worst_first, size_t max,
        struct err *e) NODISCARD;

int check_print_findings(
        struct context *ctx, const struct watch *w, int64_t now_ns, struct err *e) NODISCARD;
int check_print_over(struct context *ctx, struct check_over *o, struct err *e) NODISCARD;

/* "36 s of 252 s" of the production window, for who has not seen all of it; "" for who has. Returns
 * out. */
const char *check_window_text(char out[CHECK_WINDOW_MAX], const struct watch_summary *s);

/* Blocks and missed slots by producer, transactions per second; and the summary. */
int check_print_production(struct context *ctx, const struct watch *w, struct err *e) NODISCARD;

/* The rules and thresholds as tables: "rules", "thresholds". */
int check_print_rules(struct context *ctx, const struct watch_settings *s, struct err *e) NODISCARD;
