#include "watch/watch_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"

/*
 * What can be said of a node by itself: whether it answers, which chain it is of, how it does
 *
 * Of a reference, which is not ours to look after, only the first two count.
 */

#define FIRST_SECONDS 3 /* that a node is given to be seen with peers */

static double seconds_since(const struct watch *w, int64_t then_ns)
{
	return (double)(w->now_ns - then_ns) / (double)NS_PER_SEC;
}

static bool is_silent(const struct watch_node *n)
{
	return n->is_lost || n->s.state != SAMPLE_ANSWERS;
}

static const char *or_unknown(const char *why)
{
	return why[0] ? why : "it is not known why";
}

/* What a supervisor says of its state, and why; some reasons name the state already. */
static const char *down_text(const struct sample *s, char *out, size_t size)
{
	if (!s->slot_state[0] || strncmp(s->why, s->slot_state, strlen(s->slot_state)) == 0)
		snprintf(out, size, "%s", or_unknown(s->why));
	else if (!s->why[0])
		snprintf(out, size, "%s", s->slot_state);
	else
		snprintf(out, size, "%s: %s", s->slot_state, s->why);
	return out;
}

/* A single answer may be late or lost on its way, so a node that has answered is waited for first;
 * one that never has is not. */
static void judge_silence(struct watch *w, const struct watch_node *n)
{
	double lost = seconds_since(w, n->lost_since_ns),
	       limit = watch_limit(w, WATCH_T_LOST_SECONDS);
	char text[sizeof(n->s.why) + sizeof(n->s.slot_state) + 2];

	if (n->kind == WATCH_REFERENCE)
		findings_add(&w->findings, WATCH_REFERENCE_LAGGING, n->name, lost, limit,
		        "does not answer: %s", or_unknown(n->is_lost ? n->why : n->s.why));
	else if (n->is_lost || n->s.state == SAMPLE_SILENT)
		findings_add(&w->findings, WATCH_UNREACHABLE, n->name, lost, limit,
		        "does not answer: %s", or_unknown(n->is_lost ? n->why : n->s.why));
	else
		findings_add(&w->findings, WATCH_NOT_SERVING, n->name, lost, limit,
		        "nodeos does not run: %s", down_text(&n->s, text, sizeof(text)));
}

static void judge_chain(struct watch *w, const struct watch_node *n)
{
	size_t like_it = 0, all = 0;
	struct finding *f;

	if (strcmp(n->chain_id, w->chain_id) == 0)
		return;
	f = findings_add(&w->findings, WATCH_WRONG_CHAIN, n->name, (double)NAN, (double)NAN,
	        "of chain %.12s..., expected is %.12s...", n->chain_id, w->chain_id);
	finding_evidence(f, "its chain id: %s", n->chain_id);
	if (w->settings.chain_id[0]) {
		finding_evidence(f, "expected:     %s", w->chain_id);
		return;
	}
	for (size_t i = 0; i < w->n_order; i++) {
		const struct watch_node *o = &w->nodes[w->order[i]];

		if (o->kind != WATCH_OWN || !o->chain_id[0])
			continue;
		all++;
		like_it += strcmp(o->chain_id, w->chain_id) == 0;
	}
	finding_evidence(f, "expected:     %s, of %zu of our %zu nodes", w->chain_id, like_it, all);
}

static void judge_crashes(struct watch *w, const struct watch_node *n)
{
	const struct sample *s = &n->s;
	double limit = watch_limit(w, WATCH_T_CRASHES);
	struct finding *f;

	if (s->crashes < limit)
		return;
	f = findings_add(&w->findings, WATCH_CRASH_LOOP, n->name, s->crashes, limit,
	        "nodeos has ended %u times within ten minutes without being asked to", s->crashes);
	if (s->last_crash[0])
		finding_evidence(f, "the last time: %s", s->last_crash);
	for (size_t i = 0; i < s->tail.n; i++)
		finding_evidence(f, "%s", s->tail.v[i]);
}

/* Whether there is anybody whom it could have for a peer, as far as we know. */
static bool has_company(const struct watch *w, const struct watch_node *n)
{
	return w->n_order > 1 || n->s.peers_configured > 0;
}

/* nodeos looks for peers one after the other when it starts, and they come and go; it needs them
 * only when it is without for some time.  One that was not seen with any may have begun to look
 * for them just now, unless it is known to run for long. */
static bool may_find_peers(struct watch *w, struct watch_node *n)
{
	double limit = watch_limit(w, WATCH_T_PEERS_SECONDS);
	double lonely = seconds_since(w, n->lonely_ns);

	if (n->had_peers)
		return lonely < limit;
	n->is_friendless = n->is_friendless || lonely >= fmin(limit, FIRST_SECONDS) ||
	        (n->s.run_ns > 0 && (double)n->s.run_ns >= limit * (double)NS_PER_SEC);
	w->is_unsure = w->is_unsure || !n->is_friendless;
	return !n->is_friendless;
}

static void judge_peers(struct watch *w, struct watch_node *n)
{
	double limit = watch_limit(w, WATCH_T_MIN_PEERS);
	int peers = n->s.peers_connected;

	if (peers < 0)
		return;
	if (peers >= limit) {
		n->had_peers = true;
		n->is_lonely = n->is_friendless = false;
		return;
	}
	if (!n->is_lonely)
		n->lonely_ns = w->now_ns;
	n->is_lonely = true;
	if (!has_company(w, n) || may_find_peers(w, n))
		return;
	if (n->s.peers_configured >= 0)
		findings_add(&w->findings, WATCH_FEW_PEERS, n->name, peers, limit,
		        "connected to %d peer%s; it is told to connect to %d", peers,
		        peers == 1 ? "" : "s", n->s.peers_configured);
	else
		findings_add(&w->findings, WATCH_FEW_PEERS, n->name, peers, limit,
		        "connected to %d peer%s", peers, peers == 1 ? "" : "s");
}

static void judge_load(struct watch *w, const struct watch_node *n)
{
	double used = n->s.db_used_percent, used_limit = watch_limit(w, WATCH_T_DB_USED_PERCENT);
	double ms = (double)n->s.answer_ns / (double)NS_PER_MS;
	double ms_limit = watch_limit(w, WATCH_T_ANSWER_MS);

	if (used >= 0 && used >= used_limit)
		findings_add(&w->findings, WATCH_DATABASE_FULL, n->name, used, used_limit,
		        "%.1f %% of the state database is used", used);
	if (ms > ms_limit)
		findings_add(&w->findings, WATCH_SLOW_ANSWERS, n->name, ms, ms_limit,
		        "get_info took %.0f ms", ms);
}

/* --- all of them ------------------------------------------------------------------------------ */

static bool is_restarted(const struct watch *w, const struct watch_node *n)
{
	return n->kind == WATCH_OWN && n->restarted_ns &&
	        seconds_since(w, n->restarted_ns) <= watch_limit(w, WATCH_T_RESTART_SECONDS);
}

static void judge_restarts(struct watch *w)
{
	double limit = watch_limit(w, WATCH_T_RESTARTED_NODES);
	char within[NUM_TEXT_MAX], ago[NUM_TEXT_MAX];
	struct finding *f;
	size_t n = 0;

	for (size_t i = 0; i < w->n_order; i++)
		n += is_restarted(w, &w->nodes[w->order[i]]);
	if ((double)n <= limit)
		return;
	num_duration_text(
	        within, (int64_t)(watch_limit(w, WATCH_T_RESTART_SECONDS) * (double)NS_PER_SEC));
	f = findings_add(&w->findings, WATCH_RESTARTS, "", (double)n, limit,
	        "%zu nodes were started again within %s", n, within);
	for (size_t i = 0; i < w->n_order; i++) {
		const struct watch_node *o = &w->nodes[w->order[i]];

		if (is_restarted(w, o))
			finding_evidence(f, "%s: %s ago, its start %llu", o->name,
			        num_duration_text(ago, w->now_ns - o->restarted_ns),
			        (unsigned long long)o->starts);
	}
}

void watch_judge_nodes(struct watch *w)
{
	for (size_t i = 0; i < w->n_order; i++) {
		struct watch_node *n = &w->nodes[w->order[i]];
		bool is_waited_for;

		if (!n->was_seen)
			continue;
		is_waited_for = watch_is_waited_for(n);
		w->is_unsure = w->is_unsure || is_waited_for;
		if (is_silent(n) && !is_waited_for)
			judge_silence(w, n);
		else
			judge_chain(w, n);
		if (n->kind != WATCH_OWN || (n->is_lost && !is_waited_for))
			continue;
		judge_crashes(w, n);
		if (is_silent(n) && !is_waited_for)
			continue;
		judge_peers(w, n);
		judge_load(w, n);
	}
	judge_restarts(w);
}
