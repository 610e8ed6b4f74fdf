#include "fake/producers.h"

#include <string.h>

#define SLOT_NS     (500 * MS)
#define SLOTS_BEGIN (946684800LL * SEC)
#define EARLY_NS    (100 * MS) /* a block is made so long before its time */

/* --- to run and to end ----------------------------------------------------------------------- */

void model_node_start(struct model *m, int who)
{
	struct node *n = &m->cand[who].node;
	struct tenure_facts *f = &m->cand[who].facts;

	if (n->is_forked) {
		n->head = m->reader_head;
		m->v.heals++;
	}
	n->gen++;
	n->runs = true;
	n->is_paused = true;
	n->is_ready = n->is_frozen = n->has_dropped = n->is_forked = n->is_asking = false;
	n->ndeferred = 0;
	f->nodeos_runs = true;
	f->nodeos_answers = false;
	f->pause = TENURE_PAUSE_UNKNOWN;
	f->heads = TENURE_HEADS_UNKNOWN;
	model_at(m, m->now + model_between(m, 300, 800) * MS, EV_NODE_READY, who, 0, 0);
}

static void end(struct model *m, int who, int64_t restart_after)
{
	struct node *n = &m->cand[who].node;

	if (!n->runs)
		return;
	n->gen++;
	n->runs = n->is_ready = n->is_frozen = n->is_asking = false;
	n->ndeferred = 0;
	model_cand_reap(m, who, restart_after);
}

void model_node_kill(struct model *m, int who)
{
	end(m, who, model_between(m, 1000, 4000) * MS);
}

void model_node_freeze(struct model *m, int who, bool freeze)
{
	struct node *n = &m->cand[who].node;

	if (!n->runs || n->is_frozen == freeze)
		return;
	n->is_frozen = freeze;
	if (!freeze)
		model_thaw(m, n->deferred, &n->ndeferred);
}

/* --- blocks ---------------------------------------------------------------------------------- */

static void follow(struct model *m, struct node *n, int i)
{
	int common = i;

	if (model_is_ancestor(m, i, n->head))
		return;
	if (model_is_ancestor(m, n->head, i)) {
		n->head = i;
		return;
	}
	if (m->block[i].height <= m->block[n->head].height)
		return;
	while (!model_is_ancestor(m, common, n->head))
		common = m->block[common].parent;
	/* One producer: what is one below the head is irreversible. */
	if (m->block[n->head].height - m->block[common].height > 1)
		n->is_forked = true;
	else
		n->head = i;
}

static void on_block(struct model *m, int who, int i)
{
	struct node *n = &m->cand[who].node;
	int64_t time = SLOTS_BEGIN + m->block[i].slot * SLOT_NS;

	if (!n->is_ready || time > model_real(m, m->cand[who].host) + 7 * SEC)
		return;
	if (!n->is_paused) {
		n->has_dropped |= !model_is_ancestor(m, i, n->head);
		return;
	}
	if (!n->has_dropped)
		follow(m, n, i);
}

static void produce(struct model *m, int who, uint32_t slot)
{
	struct node *n = &m->cand[who].node;

	if (n->is_paused || n->is_asking || slot <= m->block[n->head].slot)
		return;
	n->draft = (struct block){
		.parent = n->head,
		.height = m->block[n->head].height + 1,
		.slot = slot,
		.by = who,
	};
	n->is_asking = true;
	n->attempt++;
	model_at(m, m->now + MS / 5, EV_SUP_ASKED, who, (int)n->attempt,
	        (int64_t)n->head << 32 | slot);
	model_at(m, m->now + GATE_PROVIDER_TIMEOUT_MS * MS, EV_NODE_GAVE_UP, who, (int)n->attempt,
	        0);
}

static void next_slot(struct model *m, int who)
{
	int host = m->cand[who].host;
	uint32_t slot = lease_slot_at(model_real(m, host) + EARLY_NS) + 1;

	model_at(m, model_true_of_real(m, host, SLOTS_BEGIN + slot * SLOT_NS - EARLY_NS) + MS / 10,
	        EV_NODE_SLOT, who, 0, slot);
}

static void on_answer(struct model *m, int who, const struct event *ev)
{
	struct node *n = &m->cand[who].node;
	int i;

	/* However late: what waits in the socket is read before the clock is looked at. */
	if (!n->is_asking || n->attempt != (uint32_t)ev->a)
		return;
	n->is_asking = false;
	n->draft.signed_at = ev->b;
	i = model_add_block(m, &n->draft);
	n->head = i;
	model_publish(m, who, i);
}

static void on_refused(struct model *m, int who, const struct event *ev)
{
	struct node *n = &m->cand[who].node;

	if (!n->is_asking || n->attempt != (uint32_t)ev->a)
		return;
	n->is_asking = false;
	/* Once more in the same slot; what is over is given up. */
	if (lease_slot_at(model_real(m, m->cand[who].host)) < n->draft.slot)
		produce(m, who, n->draft.slot);
}

/* --- HTTP ------------------------------------------------------------------------------------ */

void model_node_http(struct model *m, int who, enum http what, uint32_t id)
{
	if (m->cand[who].node.runs)
		model_at(m, m->now + MS / 2, EV_NODE_HTTP, who, what, id);
}

static void on_http(struct model *m, int who, const struct event *ev)
{
	struct node *n = &m->cand[who].node;

	if (!n->is_ready)
		return;
	/* The main thread waits for the gate. */
	if (n->is_asking) {
		model_at(m, m->now + 2 * MS, EV_NODE_HTTP, who, ev->a, ev->b);
		return;
	}
	if (ev->a == HTTP_PAUSE)
		n->is_paused = true;
	else if (ev->a == HTTP_RESUME)
		n->is_paused = false;
	model_at(m, m->now + MS / 2, EV_SUP_HTTP, who, ev->a, ev->b << 1 | n->is_paused);
}

void model_node_event(struct model *m, const struct event *ev)
{
	struct node *n = &m->cand[ev->who].node;

	if (ev->kind == EV_NODE_READY) {
		n->is_ready = true;
		model_resync(m, ev->who);
		next_slot(m, ev->who);
	} else if (ev->kind == EV_NODE_SLOT) {
		next_slot(m, ev->who);
		produce(m, ev->who, (uint32_t)ev->b);
	} else if (ev->kind == EV_NODE_HTTP) {
		on_http(m, ev->who, ev);
	} else if (ev->kind == EV_NODE_ANSWER) {
		on_answer(m, ev->who, ev);
	} else if (ev->kind == EV_NODE_REFUSED) {
		on_refused(m, ev->who, ev);
	} else if (ev->kind == EV_NODE_GAVE_UP) {
		if (n->attempt == (uint32_t)ev->a)
			n->is_asking = false;
	} else if (ev->kind == EV_NODE_BLOCK) {
		on_block(m, ev->who, ev->a);
	} else if (ev->kind == EV_NODE_TERM) {
		end(m, ev->who, model_between(m, 300, 800) * MS);
	}
}
