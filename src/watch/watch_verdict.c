/*
 * What a watch knows, for people: a row for each node, a summary, the verdict
 *
 * All of it is of the last round that was judged.  A node has one word: the worst that is found of
 * itself, or of a fork or a lag that it has part in.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "watch/watch_priv.h"

/* --- a node ----------------------------------------------------------------------------------- */

static double seconds_of(int64_t ns)
{
	return (double)ns / (double)NS_PER_SEC;
}

/* The worst finding of a fork or of all of us, as the word on a node that has none of its own;
 * NULL: none applies to it. */
static const struct finding *shared_finding(const struct watch *w, const struct watch_node *n)
{
	for (size_t i = 0; i < w->findings.n; i++) {
		const struct finding *f = &w->findings.v[i];
		bool is_fork = f->rule == WATCH_FORK || f->rule == WATCH_LONG_FORK ||
		        f->rule == WATCH_SPLIT;

		/* With references each node is compared with them, and has its own finding. */
		bool is_late = f->rule == WATCH_ALL_LAGGING && w->reference_head == 0;

		if ((is_fork && n->side > 0) || (is_late && n->kind == WATCH_OWN))
			return f;
	}
	return NULL;
}

static bool is_in_sync(const struct watch *w, const struct watch_node *n)
{
	return watch_counts(w, n) && !n->is_behind && !n->is_stalled && !shared_finding(w, n);
}

/* Than what is found of itself. */
static bool is_worse(const struct finding *shared, const struct watch_node *n)
{
	return watch_rules[shared->rule].criticality > watch_rules[n->worst].criticality;
}

static const char *verdict_of(const struct watch *w, const struct watch_node *n)
{
	const struct finding *f;

	if (w->rounds == 0 || !n->was_seen)
		return "";
	f = watch_answers(n) ? shared_finding(w, n) : NULL;
	if (n->has_finding && !(f && is_worse(f, n)))
		return watch_rules[n->worst].name;
	if (!watch_answers(n))
		return "no answer";
	return f ? watch_rules[f->rule].name : "in sync";
}

bool watch_row(const struct watch *w, size_t i, struct watch_row *ret)
{
	const double unknown = (double)NAN;
	const struct watch_node *n;
	const struct nodeos_info *info;
	struct watch_row row;
	bool answers;

	if (i >= w->n_order)
		return false;
	n = &w->nodes[w->order[i]];
	info = &n->s.info;
	answers = watch_answers(n);
	row = (struct watch_row){
		.kind = n->kind,
		.name = n->name,
		.host = n->host,
		.answers = answers,
		.why = answers || !n->was_seen ? ""
		        : n->is_lost           ? n->why
		                               : n->s.why,
		.slot_state = n->is_lost ? "" : n->s.slot_state,
		.head = answers ? n->head : 0,
		.lib = answers ? n->lib : 0,
		.producer = answers ? info->head_block_producer : "",
		.lag_blocks = answers ? n->lag_blocks : 0,
		.lag_seconds = answers ? n->lag_seconds : unknown,
		.head_age_seconds = answers && n->s.real_ns > 0 && n->tip_time_ns > 0
		        ? seconds_of(n->s.real_ns - n->tip_time_ns)
		        : unknown,
		.answer_seconds = answers ? seconds_of(n->s.answer_ns) : unknown,
		.peers = answers ? n->s.peers_connected : -1,
		.has_restarts = n->has_starts,
		.restarts = n->s.restarts,
		.db_used_percent = answers ? n->s.db_used_percent : -1,
		.side = n->side,
		.verdict = verdict_of(w, n),
		.version = answers ? info->server_version_string : "",
	};
	if (answers)
		memcpy(row.head_id, info->head_block_id, sizeof(row.head_id));
	*ret = row;
	return true;
}

/* --- all of them ------------------------------------------------------------------------------ */

void watch_summary(const struct watch *w, struct watch_summary *ret)
{
	*ret = (struct watch_summary){
		.head = w->own_head ? w->own_head : w->reference_head,
		.lib = w->own_lib,
		.compared = fork_compared(w),
		.tps = (double)NAN,
		.tps_max = (double)NAN,
	};
	memcpy(ret->chain_id, w->chain_id, sizeof(ret->chain_id));
	for (size_t i = 0; i < w->n_order; i++) {
		const struct watch_node *n = &w->nodes[w->order[i]];

		if (n->kind == WATCH_OWN) {
			ret->own++;
			ret->own_in_sync += is_in_sync(w, n);
		} else {
			ret->references++;
			ret->references_in_sync += is_in_sync(w, n);
		}
	}
	production_summary(w, ret);
}

json_t *watch_production_json(const struct watch *w)
{
	return production_json(w);
}

/* --- the verdict ------------------------------------------------------------------------------ */

static bool has_own_answer(const struct watch *w)
{
	for (size_t i = 0; i < w->n_order; i++)
		if (w->nodes[w->order[i]].kind == WATCH_OWN &&
		        watch_counts(w, &w->nodes[w->order[i]]))
			return true;
	return false;
}

static size_t count_from(const struct watch *w, enum watch_criticality fail_on)
{
	size_t n = 0;

	while (n < w->findings.n && watch_rules[w->findings.v[n].rule].criticality >= fail_on)
		n++;
	return n;
}

bool watch_is_healthy(const struct watch *w, enum watch_criticality fail_on)
{
	return w->rounds > 0 && !w->findings.is_cut && has_own_answer(w) &&
	        count_from(w, fail_on) == 0;
}

/* Of n findings the worst.  What is cut when there is no room is its text. */
static const char *unhealthy_text(const struct watch *w, size_t n, char *out, size_t size)
{
	const struct finding *f = &w->findings.v[0];
	const char *rule = watch_rules[f->rule].name;
	char head[FINDING_SUBJECT_SIZE + 64], more[48] = "";
	size_t used;

	if (!f->subject[0] && str_starts(f->text, rule, NULL))
		snprintf(head, sizeof(head), "unhealthy: ");
	else
		snprintf(head, sizeof(head), "unhealthy: %s%s%s: ", rule, f->subject[0] ? " " : "",
		        f->subject);
	if (n > 1)
		snprintf(more, sizeof(more), " (and %zu more)", n - 1);
	used = strlen(head) + strlen(more) + 1;
	snprintf(out, size, "%s%.*s%s", head, used < size ? (int)(size - used) : 0, f->text, more);
	return out;
}

const char *watch_verdict_text(
        const struct watch *w, enum watch_criticality fail_on, char *out, size_t size)
{
	size_t n = count_from(w, fail_on), milder = w->findings.n - n;
	struct watch_summary sum;
	char more[64] = "";

	if (w->rounds == 0) {
		snprintf(out, size, "not known: no node was asked yet");
	} else if (n > 0) {
		return unhealthy_text(w, n, out, size);
	} else if (w->findings.is_cut) {
		snprintf(out, size, "unhealthy: there is not enough memory for the findings");
	} else if (!has_own_answer(w)) {
		snprintf(out, size, "unhealthy: none of our nodes answers");
	} else {
		watch_summary(w, &sum);
		if (milder)
			snprintf(more, sizeof(more), " (and %zu finding%s below %s)", milder,
			        milder == 1 ? "" : "s", watch_criticality_name(fail_on));
		snprintf(out, size, "healthy: %zu of %zu node%s in sync at %u%s", sum.own_in_sync,
		        sum.own, sum.own == 1 ? "" : "s", sum.head, more);
	}
	return out;
}
