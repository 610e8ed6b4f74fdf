#include "cli/check_junit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/json.h"

#define SUITE "nodeswarm check"

/* --- cases ------------------------------------------------------------------------------------ */

/* What a rule is about. */
enum about { ABOUT_NODE, ABOUT_REFERENCE, ABOUT_ALL, ABOUT_PRODUCER };

static enum about about_of(enum watch_rule_id rule)
{
	switch (rule) {
	case WATCH_WRONG_CHAIN:
	case WATCH_UNREACHABLE:
	case WATCH_NOT_SERVING:
	case WATCH_CRASH_LOOP:
	case WATCH_LAGGING:
	case WATCH_NODE_STALLED:
	case WATCH_FEW_PEERS:
	case WATCH_DATABASE_FULL:
	case WATCH_SLOW_ANSWERS:
		return ABOUT_NODE;
	case WATCH_REFERENCE_LAGGING:
		return ABOUT_REFERENCE;
	case WATCH_MISSED_SLOTS:
	case WATCH_MISSED_ROUNDS:
	case WATCH_DOUBLE_PRODUCTION:
		return ABOUT_PRODUCER;
	case WATCH_ALL_LAGGING:
	case WATCH_RESTARTS:
	case WATCH_HEAD_STALLED:
	case WATCH_LIB_STALLED:
	case WATCH_FORK:
	case WATCH_LONG_FORK:
	case WATCH_SPLIT:
	case WATCH_LOW_TPS:
	case WATCH_RULES:
		break;
	}
	return ABOUT_ALL;
}

struct report {
	const struct watch *w;
	const struct findings *found;
	bool *is_told; /* of each finding */
	enum watch_criticality fail_on;
	struct buf cases;
	size_t n, failed;
	bool is_full;
};

PRINTF(2, 3)
static void add(struct report *r, const char *fmt, ...)
{
	AUTO(free) char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!text || buf_add_str(&r->cases, text) < 0)
		r->is_full = true;
}

static void add_escaped(struct report *r, const char *text)
{
	if (escape_value(&r->cases, text) < 0)
		r->is_full = true;
}

static void add_body(struct report *r, const struct finding *f)
{
	const struct watch_rule *rule = &watch_rules[f->rule];
	bool is_failure = rule->criticality >= r->fail_on;

	if (is_failure) {
		r->failed++;
		add(r, "      <failure type=\"%s\" message=\"",
		        watch_criticality_name(rule->criticality));
		add_escaped(r, f->text);
		add(r, "\">");
	} else {
		add(r, "      <system-out>%s: ", watch_criticality_name(rule->criticality));
		add_escaped(r, f->text);
		add(r, "\n");
	}
	for (size_t i = 0; i < f->evidence.n; i++) {
		add_escaped(r, f->evidence.v[i]);
		add(r, "\n");
	}
	if (rule->hint && *rule->hint) {
		add(r, "hint: ");
		add_escaped(r, rule->hint);
	}
	add(r, is_failure ? "</failure>\n" : "</system-out>\n");
}

static void add_case(
        struct report *r, enum watch_rule_id rule, const char *subject, const struct finding *f)
{
	r->n++;
	add(r, "    <testcase classname=\"nodeswarm.check.%s\" name=\"%s%s", watch_rules[rule].name,
	        watch_rules[rule].name, *subject ? " " : "");
	add_escaped(r, subject);
	if (!f) {
		add(r, "\"/>\n");
		return;
	}
	add(r, "\">\n");
	add_body(r, f);
	add(r, "    </testcase>\n");
}

/* A rule and what it is about, with its finding if there is one. */
static void add_subject(struct report *r, enum watch_rule_id rule, const char *subject)
{
	const struct finding *found = NULL;

	for (size_t i = 0; i < r->found->n; i++) {
		const struct finding *f = &r->found->v[i];

		if (f->rule != rule || strcmp(f->subject, subject) != 0 || r->is_told[i])
			continue;
		r->is_told[i] = true;
		found = f;
		break;
	}
	add_case(r, rule, subject, found);
}

static void add_nodes(struct report *r, enum watch_rule_id rule, enum watch_kind kind)
{
	struct watch_row row;

	for (size_t i = 0; watch_row(r->w, i, &row); i++)
		if (row.kind == kind)
			add_subject(r, rule, row.name);
}

static void add_producers(struct report *r, enum watch_rule_id rule, const json_t *production)
{
	for (size_t i = 0; i < json_array_size(production); i++)
		add_subject(r, rule, json_str(json_array_get(production, i), "producer", ""));
}

/* Findings about what was not thought of: a reference of another chain, a producer without a
 * schedule, several of one rule. */
static void add_others(struct report *r, enum watch_rule_id rule)
{
	for (size_t i = 0; i < r->found->n; i++) {
		if (r->is_told[i] || r->found->v[i].rule != rule)
			continue;
		r->is_told[i] = true;
		add_case(r, rule, r->found->v[i].subject, &r->found->v[i]);
	}
}

static void add_rule(struct report *r, enum watch_rule_id rule, const json_t *production)
{
	size_t before = r->n;

	switch (about_of(rule)) {
	case ABOUT_NODE:
		add_nodes(r, rule, WATCH_OWN);
		break;
	case ABOUT_REFERENCE:
		add_nodes(r, rule, WATCH_REFERENCE);
		break;
	case ABOUT_PRODUCER:
		add_producers(r, rule, production);
		break;
	case ABOUT_ALL:
		break;
	}
	add_others(r, rule);
	/* Of all of us, or there is nobody that it could be about. */
	if (r->n == before)
		add_case(r, rule, "", NULL);
}

static void add_verdict(struct report *r, const struct check_junit *how)
{
	r->n++;
	add(r, "    <testcase classname=\"nodeswarm.check\" name=\"verdict\">\n      <%s",
	        how->is_healthy ? "system-out>" : "failure message=\"");
	add_escaped(r, how->verdict);
	add(r, "%s\n    </testcase>\n", how->is_healthy ? "</system-out>" : "\"/>");
	r->failed += !how->is_healthy;
}

int check_junit(
        struct buf *out, const struct watch *w, const struct check_junit *how, struct err *e)
{
	AUTO(json) json_t *production = watch_production_json(w);
	struct report r = { .w = w,
		.found = watch_findings(w),
		.fail_on = how->fail_on,
		.cases = BUF_INIT(out->max) };
	double seconds = (double)how->took_ns / NS_PER_SEC;
	char at[CLOCK_TEXT_MAX];
	int rc = -1;

	r.is_told = calloc(r.found->n ? r.found->n : 1, sizeof(*r.is_told));
	if (!production || !r.is_told)
		goto out;
	add_verdict(&r, how);
	for (int i = 0; i < WATCH_RULES; i++)
		add_rule(&r, (enum watch_rule_id)i, production);
	clock_text(at, how->real_ns);
	if (r.is_full ||
	        buf_add_fmt(out,
	                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	                "<testsuites name=\"" SUITE "\" tests=\"%zu\" failures=\"%zu\" "
	                "errors=\"0\" time=\"%.3f\">\n"
	                "  <testsuite name=\"" SUITE "\" tests=\"%zu\" failures=\"%zu\" "
	                "errors=\"0\" skipped=\"0\" time=\"%.3f\" timestamp=\"%.19s\">\n",
	                r.n, r.failed, seconds, r.n, r.failed, seconds, at) < 0 ||
	        buf_add(out, r.cases.data, r.cases.len) < 0 ||
	        buf_add_str(out, "  </testsuite>\n</testsuites>\n") < 0)
		goto out;
	rc = 0;
out:
	buf_release(&r.cases);
	free(r.is_told);
	return rc == 0 ? 0 : err_nomem(e);
}
