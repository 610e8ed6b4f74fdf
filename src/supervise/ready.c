#include "supervise/ready.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"

/* A head younger than this is live, whatever its pace says: the rounding of half a second to
 * the second of a sample would make a false catch-up out of it. */
#define LIVE_AGE_NS (15 * NS_PER_SEC)

/* Above this the head's time outruns the clock: the node is catching up. */
#define CATCH_UP_PERCENT 150

PRINTF(2, 3)
static void say(struct ready_result *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
}

/*
 * A peer can claim any head; none can have more blocks than there was time for since ours.
 * Two minutes are allowed for clocks that differ.
 */
static uint32_t believable_head(const struct ready_facts *f)
{
	int64_t slots = (f->real_ns - f->head_time_ns) / BLOCK_INTERVAL_NS + 240;
	uint64_t most = f->head_block_num + (uint64_t)(slots > 0 ? slots : 0);

	return f->best_head > most ? (uint32_t)most : f->best_head;
}

void ready_decide(
        struct ready_result *r, const struct ready_facts *f, const struct ready_limits *limits)
{
	int64_t silent = f->now_ns - f->answered_ns, age = f->real_ns - f->head_time_ns;
	char text[NUM_TEXT_MAX];
	uint32_t best;

	memset(r, 0, sizeof(*r));
	if (!f->answered_ns) {
		say(r, "nodeos does not answer yet");
		return;
	}
	if (f->expected_chain_id && strcmp(f->expected_chain_id, f->chain_id) != 0) {
		say(r, "serves chain %.16s..., not %.16s...", f->chain_id, f->expected_chain_id);
		return;
	}
	best = believable_head(f);
	r->lag_blocks = best > f->head_block_num ? best - f->head_block_num : 0;
	if (silent > limits->answer_ns) {
		say(r, "nodeos has not answered for %s", num_duration_text(text, silent));
		return;
	}
	if (r->lag_blocks > limits->max_lag_blocks) {
		say(r, "%u blocks behind the best known head %u", r->lag_blocks, best);
		return;
	}
	if (age > LIVE_AGE_NS && f->pace_percent > CATCH_UP_PERCENT) {
		say(r, "catching up, its head is %s old", num_duration_text(text, age));
		return;
	}
	if (f->has_peers && !f->best_head && !f->was_ready) {
		if (f->started_empty) {
			say(r, "no peer has answered, and there is no chain here yet%s",
			        f->is_producer ? "; the first of a new chain needs "
			                         "NODESWARM_BOOTSTRAP=1"
			                       : "");
			return;
		}
		if (f->now_ns - f->started_ns < limits->peer_wait_ns) {
			say(r, "no peer has answered yet");
			return;
		}
		say(r, "no peer answers, so the best head is not known");
	}
	/* Its pace must be known once, or a node that just began to catch up would pass. */
	if (!f->was_ready && age > LIVE_AGE_NS && f->pace_percent < 0) {
		say(r, "its head is %s old; looking whether it catches up",
		        num_duration_text(text, age));
		return;
	}
	r->ready = true;
}

void ready_pace_add(struct ready_pace *p, int64_t now_ns, int64_t head_time_ns)
{
	p->at[p->next].now_ns = now_ns;
	p->at[p->next].head_time_ns = head_time_ns;
	p->next = (p->next + 1) % READY_PACE_SAMPLES;
	if (p->n < READY_PACE_SAMPLES)
		p->n++;
}

int ready_pace_percent(const struct ready_pace *p)
{
	unsigned last, first;
	int64_t clock, head, percent;

	if (p->n < 2)
		return -1;
	last = (p->next + READY_PACE_SAMPLES - 1) % READY_PACE_SAMPLES;
	/* The newest sample that is at least two seconds old, else the oldest. */
	first = (p->next + READY_PACE_SAMPLES - p->n) % READY_PACE_SAMPLES;
	for (unsigned i = 1; i + 1 < p->n; i++) {
		unsigned k = (first + 1) % READY_PACE_SAMPLES;

		if (p->at[last].now_ns - p->at[k].now_ns < 2 * NS_PER_SEC)
			break;
		first = k;
	}
	clock = p->at[last].now_ns - p->at[first].now_ns;
	head = p->at[last].head_time_ns - p->at[first].head_time_ns;
	if (clock < NS_PER_SEC)
		return -1;
	percent = head / (clock / 100);
	return percent < 0 ? 0 : percent > 100000 ? 100000 : (int)percent;
}
