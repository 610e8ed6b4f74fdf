#include "watch/finding.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

static void row_release(struct finding *f)
{
	strvec_release(&f->evidence);
	*f = (struct finding){ 0 };
}

static void rows_free(struct finding *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		strvec_release(&v[i].evidence);
	free(v);
}

void findings_release(struct findings *f)
{
	rows_free(f->v, f->n);
	rows_free(f->over, f->n_over);
	rows_free(f->next, f->n_next);
	row_release(&f->spare);
	*f = (struct findings){ 0 };
}

void findings_begin(struct findings *f)
{
	for (size_t i = 0; i < f->n_next; i++)
		row_release(&f->next[i]);
	f->n_next = 0;
	f->is_cut = false;
}

/* --- rows ------------------------------------------------------------------------------------- */

static enum watch_criticality criticality_of(const struct finding *f)
{
	return watch_rules[f->rule].criticality;
}

/* The order in which they are shown; of numbered nodes the second comes before the tenth. */
static int row_order(const struct finding *a, const struct finding *b)
{
	if (criticality_of(a) != criticality_of(b))
		return criticality_of(a) > criticality_of(b) ? -1 : 1;
	if (a->rule != b->rule)
		return a->rule < b->rule ? -1 : 1;
	return strverscmp(a->subject, b->subject);
}

static int by_order(const void *a, const void *b)
{
	return row_order(a, b);
}

static struct finding *row_of(struct findings *f, enum watch_rule_id rule, const char *subject)
{
	for (size_t i = 0; i < f->n_next; i++)
		if (f->next[i].rule == rule && strcmp(f->next[i].subject, subject) == 0)
			return &f->next[i];
	return NULL;
}

/* In place of the mildest one when there are too many, which must not hide what is worse. */
static struct finding *row_instead(struct findings *f, enum watch_rule_id rule)
{
	struct finding *mildest = &f->next[0];

	for (size_t i = 1; i < f->n_next; i++)
		if (criticality_of(&f->next[i]) < criticality_of(mildest))
			mildest = &f->next[i];
	if (watch_rules[rule].criticality <= criticality_of(mildest))
		return &f->spare;
	row_release(mildest);
	return mildest;
}

static struct finding *row_new(struct findings *f, enum watch_rule_id rule)
{
	size_t max = f->max_next ? f->max_next * 2 : 16;
	struct finding *v;

	if (f->n_next == FINDINGS_MAX) {
		f->is_cut = true;
		return row_instead(f, rule);
	}
	if (f->n_next == f->max_next) {
		v = reallocarray(f->next, max, sizeof(*v));
		if (!v) {
			f->is_cut = true;
			return f->n_next ? row_instead(f, rule) : &f->spare;
		}
		f->next = v;
		f->max_next = max;
	}
	f->next[f->n_next] = (struct finding){ 0 };
	return &f->next[f->n_next++];
}

struct finding *findings_add(struct findings *f, enum watch_rule_id rule, const char *subject,
        double value, double limit, const char *fmt, ...)
{
	char text[FINDING_TEXT_MAX], name[FINDING_SUBJECT_SIZE];
	struct finding *row;
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	str_printable(text);
	snprintf(name, sizeof(name), "%s", subject);
	str_printable(name);
	row = row_of(f, rule, name);
	if (row) {
		finding_evidence(row, "%s", text);
		return row;
	}
	row = row_new(f, rule);
	strvec_release(&row->evidence);
	row->rule = rule;
	row->value = value;
	row->limit = limit;
	snprintf(row->subject, sizeof(row->subject), "%s", name);
	snprintf(row->text, sizeof(row->text), "%s", text);
	return row;
}

void finding_evidence(struct finding *f, const char *fmt, ...)
{
	char line[FINDING_TEXT_MAX];
	va_list ap;

	if (f->evidence.n == FINDING_EVIDENCE_MAX)
		return;
	va_start(ap, fmt);
	if (vsnprintf(line, sizeof(line), fmt, ap) < 0)
		line[0] = '\0';
	va_end(ap);
	str_printable(line);
	if (strvec_add(&f->evidence, line) < 0)
		return; /* Without memory: the finding still stands, only less well explained. */
}

/* --- rounds ----------------------------------------------------------------------------------- */

/* What begins now, what goes on, and what is over: both lists are in order.  Nothing is left in
 * f->v. */
static void part(struct findings *f, int64_t now_ns)
{
	struct finding *over = NULL;
	size_t n_over = 0, k = 0;

	if (f->n)
		over = calloc(f->n, sizeof(*over));
	for (size_t i = 0; i < f->n_next; i++) {
		f->next[i].since_ns = now_ns;
		f->next[i].is_new = true;
	}
	for (size_t i = 0; i < f->n; i++) {
		while (k < f->n_next && row_order(&f->next[k], &f->v[i]) < 0)
			k++;
		if (k < f->n_next && row_order(&f->next[k], &f->v[i]) == 0) {
			f->next[k].since_ns = f->v[i].since_ns;
			f->next[k].is_new = false;
			row_release(&f->v[i]);
		} else if (over) {
			over[n_over++] = f->v[i];
			f->v[i] = (struct finding){ 0 };
		} else {
			row_release(&f->v[i]);
		}
	}
	rows_free(f->over, f->n_over);
	f->over = over;
	f->n_over = n_over;
}

void findings_end(struct findings *f, int64_t now_ns)
{
	if (f->n_next)
		qsort(f->next, f->n_next, sizeof(*f->next), by_order);
	part(f, now_ns);
	free(f->v);
	f->v = f->next;
	f->n = f->n_next;
	f->next = NULL;
	f->n_next = f->max_next = 0;
	row_release(&f->spare);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

json_t *finding_json(const struct finding *f, int64_t now_ns)
{
	const struct watch_rule *rule = &watch_rules[f->rule];
	json_t *evidence = json_array();

	for (size_t i = 0; evidence && i < f->evidence.n; i++)
		if (json_array_append_new(evidence, json_string(f->evidence.v[i])) < 0) {
			json_decref(evidence);
			evidence = NULL;
		}
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:s}", "rule", rule->name,
	        "criticality", watch_criticality_name(rule->criticality), "subject", f->subject,
	        "text", f->text, "value", number(f->value), "limit", number(f->limit),
	        "since_seconds", number((double)(now_ns - f->since_ns) / (double)NS_PER_SEC),
	        "evidence", evidence, "hint", rule->hint);
}
