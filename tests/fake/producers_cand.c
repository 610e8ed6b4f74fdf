#include "fake/producers.h"

#include <stdio.h>
#include <string.h>

#define PROBE_NS       (250 * MS)
#define PROBE_LIMIT_NS (700 * MS)
#define HEAL_NS        (5 * SEC)
#define HTTP_LIMIT_NS  SEC

static struct cand *cand_of(struct model *m, int who)
{
	return &m->cand[who];
}

static int64_t boot_of(const struct model *m, int who)
{
	return model_boot(m, m->cand[who].host);
}

/* --- nodeos's API ---------------------------------------------------------------------------- */

static void http(struct model *m, int who, enum http what)
{
	struct cand *c = cand_of(m, who);
	int64_t now = boot_of(m, who);

	if (c->is_http[what] && now - c->http_sent[what] < HTTP_LIMIT_NS)
		return;
	c->is_http[what] = true;
	c->http_sent[what] = now;
	model_node_http(m, who, what, ++c->http_id[what]);
}

static void on_http(struct model *m, int who, const struct event *ev)
{
	struct cand *c = cand_of(m, who);
	struct tenure_facts *f = &c->facts;

	if (c->http_id[ev->a] != (uint32_t)(ev->b >> 1) || !c->node.runs)
		return;
	c->is_http[ev->a] = false;
	f->nodeos_answers = true;
	f->head = (uint32_t)c->node.head + 1;
	if (f->pause != TENURE_PAUSE_UNKNOWN && c->http_sent[ev->a] < f->pause_ns)
		return;
	f->pause = ev->b & 1 ? TENURE_PAUSED : TENURE_RESUMED;
	f->pause_ns = c->http_sent[ev->a];
}

/* The supervisor's own: a data-dir whose blocks are not those of the others is repaired. */
static void heal(struct model *m, int who)
{
	struct cand *c = cand_of(m, who);

	if (!c->node.is_forked || c->tenure.state != TENURE_STANDBY)
		c->forked_at = m->now;
	else if (m->now - c->forked_at > HEAL_NS)
		model_node_kill(m, who);
}

static void on_probe(struct model *m, int who)
{
	struct cand *c = cand_of(m, who);

	heal(m, who);
	model_at(m, m->now + PROBE_NS, EV_SUP_PROBE, who, 0, 0);
	if (c->is_http[HTTP_PROBE] &&
	        boot_of(m, who) - c->http_sent[HTTP_PROBE] >= PROBE_LIMIT_NS) {
		c->facts.nodeos_answers = false;
		c->is_http[HTTP_PROBE] = false;
	}
	if (c->node.runs)
		http(m, who, HTTP_PROBE);
}

void model_cand_reap(struct model *m, int who, int64_t restart_after)
{
	struct cand *c = cand_of(m, who);

	c->facts.nodeos_runs = c->facts.nodeos_answers = false;
	c->facts.pause = TENURE_PAUSE_UNKNOWN;
	c->facts.heads = TENURE_HEADS_UNKNOWN;
	memset(c->is_http, 0, sizeof(c->is_http));
	if (!c->exists)
		return;
	model_cand_wake(m, who);
	model_at(m, m->now + restart_after, EV_SUP_RESTART, who, 0, 0);
}

/* --- heads ----------------------------------------------------------------------------------- */

struct votes {
	int same, ahead, differ;
};

static void vote(const struct model *m, struct votes *v, int ours, int theirs, int n)
{
	if (model_is_ancestor(m, theirs, ours))
		v->same += n;
	else if (model_is_ancestor(m, ours, theirs))
		v->ahead += n;
	else
		v->differ += n;
}

/* As tenure_heads.c does.  The third node stands for two readers. */
static enum tenure_heads judge(const struct model *m, int who, bool *ret_is_outvoted)
{
	const struct cand *c = &m->cand[who];
	struct votes v = { 0 };

	if (!m->host[c->host].is_cut_peers)
		vote(m, &v, c->node.head, m->reader_head, 2);
	for (int i = 0; i < m->ncand; i++) {
		const struct cand *o = &m->cand[i];

		if (i != who && o->exists && !o->is_frozen && o->node.is_ready &&
		        model_reaches(m, c->host, o->host))
			vote(m, &v, c->node.head, o->node.head, 1);
	}
	*ret_is_outvoted = v.differ >= 2 && v.differ > v.same + v.ahead;
	if (v.differ && v.differ >= v.same + v.ahead)
		return TENURE_HEADS_FORKED;
	if (v.ahead)
		return TENURE_HEADS_BEHIND;
	return v.same ? TENURE_HEADS_LEVEL : TENURE_HEADS_NOBODY;
}

static void compare(struct model *m, int who)
{
	struct cand *c = cand_of(m, who);

	if (c->is_comparing && c->compare_begun >= c->tenure.state_since_ns &&
	        boot_of(m, who) - c->compare_begun < SEC)
		return;
	c->is_comparing = true;
	c->compare_begun = boot_of(m, who);
	model_at(m, m->now + model_between(m, 3, 15) * MS, EV_SUP_COMPARED, who,
	        (int)++c->compare_id, 0);
}

static void on_compared(struct model *m, int who, const struct event *ev)
{
	struct cand *c = cand_of(m, who);

	if (c->compare_id != (uint32_t)ev->a)
		return;
	c->is_comparing = false;
	if (!c->node.is_ready || c->node.is_frozen)
		return;
	c->facts.heads = judge(m, who, &c->facts.is_outvoted);
	c->facts.heads_ns = c->compare_begun;
}

/* --- the gate -------------------------------------------------------------------------------- */

static void set_right(struct model *m, int who)
{
	struct cand *c = cand_of(m, who);
	int64_t until = 0;
	uint32_t floor, ceiling;
	uint64_t epoch = tenant_right(&c->tenure.tenant, boot_of(m, who), &until, &floor, &ceiling);

	if (!c->tenure.epoch || epoch != c->tenure.epoch)
		return;
	if (m->broken == BROKEN_FLOOR) {
		floor = 0;
		ceiling = UINT32_MAX;
	}
	lease_right_set(&c->right, epoch, until, floor, ceiling);
	model_note_right(m, who, model_true_of_boot(m, c->host, c->right.until_ns));
}

static void on_asked(struct model *m, int who, const struct event *ev)
{
	struct cand *c = cand_of(m, who);
	struct gate_ask q = { .boot_ns = boot_of(m, who), .real_ns = model_real(m, c->host) };
	enum gate_refusal why;

	memcpy(q.digest, &ev->b, sizeof(ev->b));
	why = gate_decide(&c->gate, &c->right, &q);
	if (m->broken == BROKEN_GATE && (why == GATE_CLOSED || why == GATE_NO_RIGHT))
		why = GATE_SIGNED;
	if (why == GATE_FIRST)
		model_at(m, m->now + MS / 4, EV_NODE_REFUSED, who, ev->a, 0);
	if (why != GATE_SIGNED)
		return;
	gate_note_signed(&c->gate, &q);
	c->disk_slot = q.slot;
	memcpy(c->disk_digest, q.digest, sizeof(q.digest));
	model_note_signature(m, who, &q);
	c->gate_ask = q;
	model_at(m, m->now + MS / 4, EV_SUP_GIVE, who, ev->a, m->now);
}

static void on_give(struct model *m, int who, const struct event *ev)
{
	struct cand *c = cand_of(m, who);

	if (gate_may_give(&c->gate, &c->right, &c->gate_ask, boot_of(m, who)) == GATE_SIGNED ||
	        m->broken == BROKEN_GATE) {
		model_at(m, m->now + MS / 5, EV_NODE_ANSWER, who, ev->a, ev->b);
		if (c->trap)
			m->on_fault(m, c->trap, who);
	}
}

/* --- the owner's part ------------------------------------------------------------------------- */

static void act(struct model *m, int who, unsigned todo)
{
	struct cand *c = cand_of(m, who);

	if (todo & TENURE_DO_GATE_OPEN) {
		set_right(m, who);
		gate_mind_open(&c->gate, c->tenure.epoch);
	}
	if (todo & TENURE_DO_GATE_CLOSE) {
		gate_mind_close(&c->gate);
		lease_right_drop(&c->right);
		model_note_right(m, who, 0);
	}
	if (todo & TENURE_DO_PAUSE)
		http(m, who, HTTP_PAUSE);
	if (todo & TENURE_DO_RESUME)
		http(m, who, HTTP_RESUME);
	if (todo & TENURE_DO_COMPARE)
		compare(m, who);
	if (todo & TENURE_DO_TERM) {
		m->v.terms++;
		model_at(m, m->now + model_between(m, 50, 300) * MS, EV_NODE_TERM, who, 0, 0);
	}
	if (todo & TENURE_DO_KILL) {
		m->v.kills += c->node.runs;
		model_node_kill(m, who);
	}
}

static void collect(struct model *m, int who)
{
	struct cand *c = cand_of(m, who);
	struct tenure_facts *f = &c->facts;
	struct tenant *t = &c->tenure.tenant;

	f->now = boot_of(m, who);
	f->is_stopping = c->is_stopping;
	f->is_fit = c->node.is_ready && !c->node.is_forked;
	f->last_signed = c->gate.has_signed ? c->gate.slot : 0;
	if (m->broken == BROKEN_COMPARE) {
		f->heads = TENURE_HEADS_LEVEL;
		f->heads_ns = f->now;
	}
	if (m->broken == BROKEN_PAUSE && c->tenure.state == TENURE_CLOSING) {
		f->pause = TENURE_PAUSED;
		f->pause_ns = f->now;
	}
	if (m->broken == BROKEN_WAIT && t->seen.holder[0])
		t->changed_ns = f->now - LEASE_TERM_LONG_NS;
}

static void run(struct model *m, int who)
{
	struct cand *c = cand_of(m, who);
	struct tenant *t = &c->tenure.tenant;
	struct lease_record write;
	int64_t at, tenant_at;

	for (;;) {
		enum tenant_state before;
		enum tenant_do what;

		collect(m, who);
		act(m, who, tenure_plan(&c->tenure, &c->facts, &at));
		set_right(m, who);
		before = t->state;
		what = tenant_next(t, c->facts.now, model_real(m, c->host), &write, &tenant_at);
		if (what != TENANT_WAIT)
			model_ask(m, who, what == TENANT_WRITE ? &write : NULL);
		else if (t->state == before)
			break;
	}
	if (c->is_stopping && tenure_is_quiet(&c->tenure)) {
		model_cand_kill(m, who);
		return;
	}
	if (tenant_at < at)
		at = tenant_at;
	at = model_true_of_boot(m, c->host, at);
	model_at(
	        m, at > m->now ? at + 1000 : m->now + 1000, EV_SUP_WAKE, who, (int)++c->wake_id, 0);
}

static void on_reply(struct model *m, int who, const struct event *ev)
{
	struct cand *c = cand_of(m, who);
	struct tenant *t = &c->tenure.tenant;
	const struct msg *msg = ev->kind == EV_SUP_REPLY ? &m->msg[ev->a] : NULL;
	int64_t now = boot_of(m, who), until = t->until_ns;

	if (!c->is_asked || c->ask_id != (msg ? msg->id : (uint32_t)ev->a))
		return;
	c->is_asked = false;
	if (!msg || msg->reply == TENANT_UNKNOWN)
		tenant_answer(t, now, TENANT_UNKNOWN, NULL);
	else
		tenant_answer(t, now, msg->reply, &msg->record);
	if (m->broken == BROKEN_GUARD && t->until_ns > until)
		t->until_ns += 2 * tenant_guard_ns(MODEL_TERM);
	if (m->broken == BROKEN_BEGIN && msg && !msg->is_read && msg->reply == TENANT_DONE &&
	        msg->record.holder[0]) {
		t->epoch = t->had_epoch = msg->record.epoch;
		t->floor = msg->record.floor;
		t->ceiling = msg->record.ceiling;
		t->until_ns = now + MODEL_TERM - tenant_guard_ns(MODEL_TERM);
	}
}

void model_cand_event(struct model *m, const struct event *ev)
{
	struct cand *c = cand_of(m, ev->who);

	if (ev->kind == EV_SUP_WAKE) {
		if (ev->a != (int)c->wake_id)
			return;
	} else if (ev->kind == EV_SUP_PROBE) {
		on_probe(m, ev->who);
	} else if (ev->kind == EV_SUP_REPLY || ev->kind == EV_SUP_NO_REPLY) {
		on_reply(m, ev->who, ev);
	} else if (ev->kind == EV_SUP_HTTP) {
		on_http(m, ev->who, ev);
	} else if (ev->kind == EV_SUP_COMPARED) {
		on_compared(m, ev->who, ev);
	} else if (ev->kind == EV_SUP_ASKED) {
		on_asked(m, ev->who, ev);
		return;
	} else if (ev->kind == EV_SUP_GIVE) {
		on_give(m, ev->who, ev);
	} else if (ev->kind == EV_SUP_RESTART) {
		if (!c->node.runs && !c->is_stopping)
			model_node_start(m, ev->who);
	} else if (ev->kind == EV_SUP_GIVE_UP) {
		model_cand_kill(m, ev->who);
		return;
	}
	run(m, ev->who);
}

/* --- to run and to end ----------------------------------------------------------------------- */

void model_cand_wake(struct model *m, int who)
{
	model_at(m, m->now, EV_SUP_WAKE, who, (int)++m->cand[who].wake_id, 0);
}

int model_cand_add(struct model *m, int host, int number)
{
	int who = m->ncand++;
	struct cand *c = cand_of(m, who);

	*c = (struct cand){ .host = host, .number = number };
	lease_right_init(&c->right);
	return who;
}

void model_cand_start(struct model *m, int who)
{
	struct cand *c = cand_of(m, who);
	struct tenant_config cfg = { .term_ns = MODEL_TERM, .last_slot = c->disk_slot };

	snprintf(c->holder, sizeof(c->holder), "producer.%d", c->number);
	snprintf(cfg.name, sizeof(cfg.name), "producer");
	snprintf(cfg.holder, sizeof(cfg.holder), "%s", c->holder);
	snprintf(cfg.place, sizeof(cfg.place), "pool%d producer.%d boot%u", c->host, c->number,
	        m->host[c->host].boots);
	snprintf(cfg.nonce, sizeof(cfg.nonce), "%016llx%016llx",
	        (unsigned long long)model_random(m, 0), (unsigned long long)model_random(m, 0));
	c->gen++;
	c->exists = true;
	c->is_frozen = c->is_stopping = c->is_asked = c->is_comparing = false;
	c->ndeferred = 0;
	memset(c->is_http, 0, sizeof(c->is_http));
	memset(&c->facts, 0, sizeof(c->facts));
	lease_right_release(&c->right);
	lease_right_init(&c->right);
	gate_mind_init(&c->gate);
	if (c->disk_slot)
		gate_mind_load(&c->gate, c->disk_slot, c->disk_digest, 0);
	tenure_init(&c->tenure, &cfg, boot_of(m, who));
	model_node_start(m, who);
	model_cand_wake(m, who);
	model_at(m, m->now, EV_SUP_PROBE, who, 0, 0);
}

void model_cand_kill(struct model *m, int who)
{
	struct cand *c = cand_of(m, who);

	if (!c->exists)
		return;
	c->exists = c->is_frozen = false;
	c->gen++;
	c->right_until = 0;
	model_node_kill(m, who);
}

void model_cand_stop(struct model *m, int who)
{
	struct cand *c = cand_of(m, who);

	if (!c->exists || c->is_stopping)
		return;
	c->is_stopping = true;
	model_cand_wake(m, who);
	model_at(m, m->now + 8 * SEC, EV_SUP_GIVE_UP, who, 0, 0);
}

void model_cand_freeze(struct model *m, int who, bool freeze)
{
	struct cand *c = cand_of(m, who);

	if (!c->exists || c->is_frozen == freeze)
		return;
	c->is_frozen = freeze;
	if (freeze) {
		c->froze_at = m->now;
		return;
	}
	c->thawed_at = m->now;
	if (m->now - c->froze_at > 300 * MS)
		c->facts.frozen_ns = boot_of(m, who);
	model_thaw(m, c->deferred, &c->ndeferred);
}

int model_cand_holder(const struct model *m)
{
	for (int i = 0; i < m->ncand; i++)
		if (m->cand[i].exists && m->record.holder[0] &&
		        strcmp(m->cand[i].tenure.tenant.cfg.nonce, m->record.nonce) == 0)
			return i;
	return -1;
}

bool model_cand_is_ready(const struct model *m, int who)
{
	const struct cand *c = &m->cand[who];

	return c->exists && c->tenure.state == TENURE_STANDBY && c->tenure.tenant.wants &&
	        !c->is_frozen && !c->node.is_frozen;
}
