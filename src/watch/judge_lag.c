#include "watch/watch_priv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"

/*
 * Who is behind whom, and what does not move
 *
 * Blocks behind is the measure that always works: a node is asked a moment before another, and in
 * that moment the chain may make a block or two, which the limit bears.  Seconds behind (between
 * the times of two head blocks) see a node that is behind a slow chain by few blocks; but after a
 * pause of the chain every node is, while the first new block travels, so they count only when
 * they stay.
 *
 * That something does not move is known by watching it for long enough.  In the first rounds the
 * age of the head, by the clock of who asked, has to do: it proves nothing when a head is seen to
 * move, for then it is a clock that is wrong, or all of us are catching up.
 */

#define STAYS_NS (2 * NS_PER_SEC) /* longer than a block travels */

static double seconds_since(const struct watch *w, int64_t then_ns)
{
	return (double)(w->now_ns - then_ns) / (double)NS_PER_SEC;
}

static const char *seconds_text(char out[NUM_TEXT_MAX], double seconds)
{
	return num_duration_text(out, (int64_t)(seconds * (double)NS_PER_SEC));
}

/* A node whose answer is late still has the head that it had a moment ago. */
static bool is_present(const struct watch *w, const struct watch_node *n)
{
	return watch_counts(w, n) ||
	        (watch_is_waited_for(n) && strcmp(n->chain_id, w->chain_id) == 0 &&
	                w->now_ns - n->lost_since_ns < STAYS_NS);
}

/* --- majorities ------------------------------------------------------------------------------- */

static int falling(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x < y) - (x > y);
}

struct heads {
	uint32_t head,
	        lib;     /* the highest that at least half of the nodes have reached; 0: no node */
	int64_t time_ns; /* of the block at that head; 0 */
};

static struct heads majority(const struct watch *w, enum watch_kind kind)
{
	uint32_t heads[WATCH_NODES_MAX], libs[WATCH_NODES_MAX];
	struct heads m = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < w->n_order; i++) {
		const struct watch_node *o = &w->nodes[w->order[i]];

		if (o->kind != kind || !is_present(w, o))
			continue;
		heads[n] = o->tip;
		libs[n++] = o->lib;
	}
	if (n == 0)
		return m;
	qsort(heads, n, sizeof(heads[0]), falling);
	qsort(libs, n, sizeof(libs[0]), falling);
	m.head = heads[(n - 1) / 2];
	m.lib = libs[(n - 1) / 2];
	for (size_t i = 0; i < w->n_order; i++) {
		const struct watch_node *o = &w->nodes[w->order[i]];

		if (o->kind == kind && is_present(w, o) && o->tip == m.head && o->tip_time_ns)
			m.time_ns = o->tip_time_ns;
	}
	return m;
}

/* --- lags ------------------------------------------------------------------------------------- */

/* What somebody is compared with, and by how much it is behind that. */
struct lag {
	const char *whom;
	uint32_t head;
	int64_t blocks; /* below 0: ahead */
	double seconds; /* NAN: not known */
};

static struct lag lag_of(
        const char *whom, uint32_t head, int64_t time_ns, uint32_t own_head, int64_t own_time_ns)
{
	struct lag l = { whom, head, (int64_t)head - own_head, (double)NAN };

	if (time_ns > 0 && own_time_ns > 0)
		l.seconds = (double)(time_ns - own_time_ns) / (double)NS_PER_SEC;
	return l;
}

/* is_late and late_since_ns are kept from round to round. */
static bool is_too_far(struct watch *w, const struct lag *l, bool *is_late, int64_t *late_since_ns)
{
	bool is_late_now = l->blocks > 0 && l->seconds > watch_limit(w, WATCH_T_LAG_SECONDS);

	if (is_late_now && !*is_late)
		*late_since_ns = w->now_ns;
	*is_late = is_late_now;
	if ((double)l->blocks > watch_limit(w, WATCH_T_LAG_BLOCKS))
		return true;
	if (is_late_now && w->now_ns - *late_since_ns >= STAYS_NS)
		return true;
	w->is_unsure = w->is_unsure || is_late_now;
	return false;
}

static void add_lag(
        struct watch *w, enum watch_rule_id rule, const char *subject, const struct lag *l)
{
	bool is_by_blocks = (double)l->blocks > watch_limit(w, WATCH_T_LAG_BLOCKS);
	double limit = watch_limit(w, is_by_blocks ? WATCH_T_LAG_BLOCKS : WATCH_T_LAG_SECONDS);
	double value = is_by_blocks ? (double)l->blocks : l->seconds;
	char seconds[NUM_TEXT_MAX + 4] = "", text[NUM_TEXT_MAX];

	if (l->seconds >= 0)
		snprintf(seconds, sizeof(seconds), " (%s)", seconds_text(text, l->seconds));
	findings_add(&w->findings, rule, subject, value, limit,
	        "%lld block%s%s behind %s, at %lld of %u", (long long)l->blocks,
	        l->blocks == 1 ? "" : "s", seconds, l->whom, (long long)l->head - l->blocks,
	        l->head);
}

static void judge_own(struct watch *w, struct watch_node *n)
{
	bool is_by_references = w->reference_head > w->own_head;
	struct lag l = lag_of(is_by_references ? "the references" : "most of our nodes",
	        is_by_references ? w->reference_head : w->own_head,
	        is_by_references ? w->reference_time_ns : w->own_time_ns, n->tip, n->tip_time_ns);

	n->lag_blocks = l.blocks;
	n->lag_seconds = l.seconds;
	n->is_behind = is_too_far(w, &l, &n->is_late, &n->late_since_ns);
	if (n->is_behind)
		add_lag(w, WATCH_LAGGING, n->name, &l);
}

static void judge_reference(struct watch *w, struct watch_node *n)
{
	struct lag l = lag_of("our nodes", w->own_head, w->own_time_ns, n->tip, n->tip_time_ns);

	/* None of ours to compare it with. */
	if (w->own_head == 0)
		return;
	n->lag_blocks = l.blocks;
	n->lag_seconds = l.seconds;
	n->is_behind = is_too_far(w, &l, &n->is_late, &n->late_since_ns);
	if (n->is_behind)
		add_lag(w, WATCH_REFERENCE_LAGGING, n->name, &l);
}

static void judge_lags(struct watch *w)
{
	for (size_t i = 0; i < w->n_order; i++) {
		struct watch_node *n = &w->nodes[w->order[i]];
		/* A head of a moment ago cannot be found to be behind now, only still. */
		bool is_known = watch_counts(w, n) || (is_present(w, n) && n->is_behind);

		n->is_behind = false;
		n->lag_blocks = 0;
		n->lag_seconds = (double)NAN;
		if (is_known && n->kind == WATCH_OWN)
			judge_own(w, n);
		else if (is_known)
			judge_reference(w, n);
		else if (!is_present(w, n))
			n->is_late = false;
	}
}

static void judge_all(struct watch *w)
{
	struct lag l = lag_of("the references", w->reference_head, w->reference_time_ns,
	        w->own_head, w->own_time_ns);

	if (w->own_head == 0 || w->reference_head == 0) {
		w->is_late = false;
		return;
	}
	if (is_too_far(w, &l, &w->is_late, &w->late_since_ns))
		add_lag(w, WATCH_ALL_LAGGING, "", &l);
}

/* --- what does not move ----------------------------------------------------------------------- */

/* The highest head of those that were seen to move lately; 0: none. */
static uint32_t moving_head(const struct watch *w, double limit)
{
	uint32_t head = 0;

	for (size_t i = 0; i < w->n_order; i++) {
		const struct watch_node *n = &w->nodes[w->order[i]];

		if (is_present(w, n) && n->tip_moved_ns && n->tip > head &&
		        seconds_since(w, n->tip_moved_ns) < limit)
			head = n->tip;
	}
	return head;
}

/* Of our nodes that are just at the majority's head or last irreversible block: since when. */
struct holders {
	bool is_any, has_moved; /* one of them was seen to move */
	bool has_answer;        /* one of them answers */
	int64_t since_ns;       /* the longest */
};

static struct holders holders_of(const struct watch *w, bool is_lib)
{
	int64_t changed_ns = is_lib ? w->own_lib_since_ns : w->own_head_since_ns;
	struct holders h = { 0 };

	for (size_t i = 0; i < w->n_order; i++) {
		const struct watch_node *n = &w->nodes[w->order[i]];
		int64_t since = is_lib ? n->lib_since_ns : n->tip_since_ns;

		if (n->kind != WATCH_OWN || !is_present(w, n) ||
		        (is_lib ? n->lib != w->own_lib : n->tip != w->own_head))
			continue;
		h.has_answer = h.has_answer || watch_counts(w, n);
		h.has_moved = h.has_moved || (is_lib ? n->lib_moved_ns : n->tip_moved_ns) != 0;
		if (!h.is_any || since < h.since_ns)
			h.since_ns = since;
		h.is_any = true;
	}
	/* One that stands there for long proves nothing when the majority just passes it. */
	if (h.since_ns < changed_ns)
		h.since_ns = changed_ns;
	return h;
}

static int rising(const void *a, const void *b)
{
	double x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

/* How old the majority's head was when it was asked for: of those of ours that have it the median,
 * each by the clock of who has asked, so that no single clock decides; NAN: not known. */
static double head_age(const struct watch *w)
{
	double ages[WATCH_NODES_MAX];
	size_t n_ages = 0;

	for (size_t i = 0; i < w->n_order; i++) {
		const struct watch_node *n = &w->nodes[w->order[i]];

		if (n->kind == WATCH_OWN && is_present(w, n) && n->tip == w->own_head &&
		        n->s.real_ns > 0 && n->tip_time_ns > 0)
			ages[n_ages++] =
			        (double)(n->s.real_ns - n->tip_time_ns) / (double)NS_PER_SEC;
	}
	if (n_ages == 0)
		return (double)NAN;
	qsort(ages, n_ages, sizeof(ages[0]), rising);
	/* Of an even number the younger one: a chain is not stopped by half of the clocks. */
	return ages[(n_ages - 1) / 2];
}

static void add_head_stalled(
        struct watch *w, const struct holders *h, double age, bool is_seen, double limit)
{
	double observed = seconds_since(w, h->since_ns);
	double seconds = age > observed ? age : observed;
	uint32_t moving = moving_head(w, limit);
	char text[NUM_TEXT_MAX];
	struct finding *f;

	f = findings_add(&w->findings, WATCH_HEAD_STALLED, "", seconds, limit,
	        "most of our nodes have no new block for %s, after %u", seconds_text(text, seconds),
	        w->own_head);
	if (moving > w->own_head)
		finding_evidence(f, "others go on, they are at %u", moving);
	if (is_seen)
		finding_evidence(
		        f, "the same head for %s as we watch", seconds_text(text, observed));
	if (age >= 0)
		finding_evidence(
		        f, "it is %s old by the clock of who asked", seconds_text(text, age));
}

static void judge_head(struct watch *w)
{
	double limit = watch_limit(w, WATCH_T_STALL_SECONDS), age = head_age(w);
	struct holders h = holders_of(w, false);
	bool was_stalled = w->is_head_stalled, is_seen, is_old;

	w->is_head_stalled = false;
	/* When all answers are late nothing is new. */
	if (!h.is_any || (!h.has_answer && !was_stalled))
		return;
	is_seen = seconds_since(w, h.since_ns) >= limit;
	/* Behind the references we are catching up, or cut off: that is another finding. */
	is_old = age >= limit && w->reference_head <= w->own_head;
	if (is_seen || (is_old && !h.has_moved)) {
		w->is_head_stalled = true;
		w->is_unsure = w->is_unsure || w->now_ns - h.since_ns < STAYS_NS;
		add_head_stalled(w, &h, age, is_seen, limit);
	} else if (is_old && w->reference_head == 0) {
		char text[NUM_TEXT_MAX];

		findings_add(&w->findings, WATCH_ALL_LAGGING, "", age, limit,
		        "heads move, and that of most of our nodes is %s old",
		        seconds_text(text, age));
	}
	if (was_stalled && !w->is_head_stalled) {
		w->has_resumed = true;
		w->resumed_ns = w->now_ns;
	}
}

static void judge_lib(struct watch *w)
{
	double limit = watch_limit(w, WATCH_T_LIB_STALL_SECONDS), seconds;
	double lag_limit = watch_limit(w, WATCH_T_LIB_LAG_BLOCKS);
	uint32_t lag = w->own_head > w->own_lib ? w->own_head - w->own_lib : 0;
	bool was_stalled = w->is_lib_stalled, is_stalled, is_far;
	struct holders h = holders_of(w, true);
	char text[NUM_TEXT_MAX];

	w->is_lib_stalled = false;
	if (!h.is_any || (!h.has_answer && !was_stalled))
		return;
	/* While there are no blocks there is nothing that could become irreversible. */
	if (w->has_resumed && h.since_ns < w->resumed_ns)
		h.since_ns = w->resumed_ns;
	seconds = seconds_since(w, h.since_ns);
	is_stalled = !w->is_head_stalled && seconds >= limit;
	is_far = (double)lag > lag_limit;
	if (is_stalled)
		findings_add(&w->findings, WATCH_LIB_STALLED, "", seconds, limit,
		        "%u is the last irreversible block for %s, the head is at %u", w->own_lib,
		        seconds_text(text, seconds), w->own_head);
	else if (is_far)
		findings_add(&w->findings, WATCH_LIB_STALLED, "", lag, lag_limit,
		        "the last irreversible block %u is %u blocks behind the head %u",
		        w->own_lib, lag, w->own_head);
	w->is_lib_stalled = is_stalled || is_far;
}

/* After a pause of the whole chain the heads are as old at all nodes; so it counts only from when
 * others have gone on. */
static void judge_stalls(struct watch *w)
{
	double limit = watch_limit(w, WATCH_T_STALL_SECONDS), seconds;
	uint32_t moving = moving_head(w, limit);
	char text[NUM_TEXT_MAX];

	for (size_t i = 0; i < w->n_order; i++) {
		struct watch_node *n = &w->nodes[w->order[i]];
		bool was_passed = n->is_passed, was_stalled = n->is_stalled;

		n->is_stalled = false;
		n->is_passed = n->kind == WATCH_OWN && is_present(w, n) && moving > n->tip;
		if (!n->is_passed)
			continue;
		if (!was_passed)
			n->passed_since_ns = w->now_ns;
		seconds = seconds_since(w,
		        n->tip_since_ns > n->passed_since_ns ? n->tip_since_ns
		                                             : n->passed_since_ns);
		n->is_stalled = seconds >= limit && (was_stalled || watch_counts(w, n));
		if (n->is_stalled)
			findings_add(&w->findings, WATCH_NODE_STALLED, n->name, seconds, limit,
			        "its head is at %u for %s, others are at %u", n->tip,
			        seconds_text(text, seconds), moving);
	}
}

void watch_judge_lag(struct watch *w)
{
	struct heads own = majority(w, WATCH_OWN), references = majority(w, WATCH_REFERENCE);

	if (w->own_head != own.head)
		w->own_head_since_ns = w->now_ns;
	if (w->own_lib != own.lib)
		w->own_lib_since_ns = w->now_ns;
	w->own_head = own.head;
	w->own_lib = own.lib;
	w->own_time_ns = own.time_ns;
	w->reference_head = references.head;
	w->reference_time_ns = references.time_ns;
	judge_lags(w);
	judge_all(w);
	judge_head(w);
	judge_lib(w);
	judge_stalls(w);
}
