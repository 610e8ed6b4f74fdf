#include "fake/producers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define REAL_BASE    (1790000000LL * SEC)
#define READER_HEALS 12 /* blocks that the others are ahead */

/* --- chance ---------------------------------------------------------------------------------- */

/* splitmix64 */
uint64_t model_random(struct model *m, uint64_t below)
{
	uint64_t x = m->random += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	x ^= x >> 31;
	return below ? x % below : x;
}

int64_t model_between(struct model *m, int64_t least, int64_t most)
{
	return least + (int64_t)model_random(m, (uint64_t)(most - least) + 1);
}

bool model_chance(struct model *m, unsigned percent)
{
	return model_random(m, 100) < percent;
}

/* --- time ------------------------------------------------------------------------------------ */

static bool is_before(const struct event *a, const struct event *b)
{
	return a->at < b->at || (a->at == b->at && a->seq < b->seq);
}

static void push(struct model *m, const struct event *ev)
{
	int i = m->nqueue++;

	assert(m->nqueue <= MODEL_EVENTS);
	while (i > 0 && is_before(ev, &m->queue[(i - 1) / 2])) {
		m->queue[i] = m->queue[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	m->queue[i] = *ev;
}

static struct event pop(struct model *m)
{
	struct event first = m->queue[0], last = m->queue[--m->nqueue];
	int i = 0;

	for (;;) {
		int child = 2 * i + 1;

		if (child >= m->nqueue)
			break;
		if (child + 1 < m->nqueue && is_before(&m->queue[child + 1], &m->queue[child]))
			child++;
		if (!is_before(&m->queue[child], &last))
			break;
		m->queue[i] = m->queue[child];
		i = child;
	}
	m->queue[i] = last;
	return first;
}

static bool is_of_node(enum event_kind kind)
{
	return kind >= EV_NODE_READY && kind <= EV_NODE_TERM;
}

static bool is_of_sup(enum event_kind kind)
{
	return kind <= EV_SUP_GIVE_UP;
}

void model_at(struct model *m, int64_t at, enum event_kind kind, int who, int a, int64_t b)
{
	struct event ev = {
		.at = at > m->now ? at : m->now,
		.seq = m->seq++,
		.kind = kind,
		.who = who,
		.a = a,
		.b = b,
	};

	if (is_of_sup(kind))
		ev.gen = m->cand[who].gen;
	else if (is_of_node(kind))
		ev.gen = m->cand[who].node.gen;
	push(m, &ev);
}

int64_t model_boot(const struct model *m, int host)
{
	const struct host *h = &m->host[host];

	return h->boot_base + (int64_t)((double)(m->now - h->true_base) * h->rate);
}

int64_t model_real(const struct model *m, int host)
{
	return REAL_BASE + m->now + m->host[host].real_offset;
}

int64_t model_true_of_real(const struct model *m, int host, int64_t real)
{
	return real - REAL_BASE - m->host[host].real_offset;
}

int64_t model_true_of_boot(const struct model *m, int host, int64_t boot)
{
	const struct host *h = &m->host[host];

	return h->true_base + (int64_t)((double)(boot - h->boot_base) / h->rate);
}

/* --- the store ------------------------------------------------------------------------------- */

void model_ask(struct model *m, int who, const struct lease_record *write)
{
	struct cand *c = &m->cand[who];
	int i = m->nmsg++ % MODEL_MSGS;

	m->msg[i] = (struct msg){ .is_read = !write, .from = who, .id = ++c->ask_id };
	if (write)
		m->msg[i].record = *write;
	c->is_asked = true;
	model_at(m, m->now + SEC, EV_SUP_NO_REPLY, who, (int)c->ask_id, 0);
	if (m->host[c->host].is_cut_broker)
		return;
	if (m->now < m->brokers_back_at) {
		/* Refused at once by all of them. */
		m->msg[i].reply = TENANT_UNKNOWN;
		model_at(m, m->now + 2 * MS, EV_SUP_REPLY, who, i, 0);
		return;
	}
	model_at(m, m->now + model_between(m, 1, 30) * MS, EV_STORE, who, i, 0);
}

static void stands(struct model *m, const struct lease_record *r)
{
	uint64_t version = m->record.version + 1;

	m->before = m->record;
	m->record = *r;
	m->record.version = version;
	m->changed_at = m->now;
	if (m->record.epoch < m->before.epoch)
		m->v.epochs_back++;
	if (m->record.epoch > m->before.epoch)
		m->v.changes++;
}

static void store_write(struct model *m, struct msg *msg)
{
	struct err e = ERR_INIT;

	msg->reply = TENANT_CONFLICT;
	if (m->broken == BROKEN_CAS ||
	        (msg->record.version == m->record.version &&
	                lease_may_follow(&m->record, &msg->record, &e) == 0)) {
		stands(m, &msg->record);
		msg->reply = TENANT_DONE;
	} else if (msg->record.version == m->record.version && !*m->trace)
		snprintf(m->trace, sizeof(m->trace), "refused: %.180s", e.msg);
}

static void on_store(struct model *m, int i)
{
	struct msg *msg = &m->msg[i];
	struct host *h = &m->host[m->cand[msg->from].host];

	if (m->now < m->leader_back_at && !(msg->is_read && model_chance(m, 30))) {
		/* Hangs; when there is a leader again it may happen, with nobody to hear of it. */
		if (model_chance(m, 50))
			model_at(m, m->leader_back_at + model_between(m, 0, 2000) * MS, EV_STORE,
			        msg->from, i, 0);
		return;
	}
	if (msg->is_read) {
		msg->reply = TENANT_DONE;
		/* Another manager may be behind. */
		msg->record =
		        m->before.version && m->now - m->changed_at < SEC && model_chance(m, 5)
		        ? m->before
		        : m->record;
	} else {
		store_write(m, msg);
		msg->record = m->record;
	}
	if (h->is_cut_broker || (m->loses_answers && model_chance(m, 20)))
		return;
	/* To break on what is counted from an answer it has to be slow. */
	model_at(m,
	        m->now +
	                (m->broken == BROKEN_BEGIN ? model_between(m, 300, 900)
	                                           : model_between(m, 1, 30)) *
	                        MS,
	        EV_SUP_REPLY, msg->from, i, 0);
}

void model_order(struct model *m, enum lease_order order, const char *to)
{
	struct lease_record r = m->record;

	r.order = order;
	r.order_id++;
	snprintf(r.order_to, sizeof(r.order_to), "%s", to);
	snprintf(r.order_reason, sizeof(r.order_reason), "a trial");
	stands(m, &r);
}

/* --- the chain ------------------------------------------------------------------------------- */

bool model_is_ancestor(const struct model *m, int a, int b)
{
	while (m->block[b].height > m->block[a].height)
		b = m->block[b].parent;
	return a == b;
}

int model_add_block(struct model *m, const struct block *b)
{
	assert(m->nblock < MODEL_BLOCKS);
	m->block[m->nblock] = *b;
	m->v.blocks++;
	return m->nblock++;
}

bool model_reaches(const struct model *m, int a, int b)
{
	return a == b || (!m->host[a].is_cut_peers && !m->host[b].is_cut_peers);
}

void model_publish(struct model *m, int who, int block)
{
	int from = m->cand[who].host, holder = model_cand_holder(m);

	if (holder != who && !m->cand[who].is_frozen && m->now - m->cand[who].thawed_at > 10 * MS &&
	        !m->v.unfenced++)
		snprintf(m->trace, sizeof(m->trace), "%.3f s: block %u by %d, but %d has it",
		        (double)m->now / 1e9, m->block[block].height, who, holder);

	for (int i = 0; i < m->ncand; i++)
		if (i != who && m->cand[i].node.runs && model_reaches(m, from, m->cand[i].host))
			model_at(m, m->now + model_between(m, 1, 5) * MS, EV_NODE_BLOCK, i, block,
			        0);
	if (!m->host[from].is_cut_peers)
		model_at(m, m->now + model_between(m, 1, 5) * MS, EV_READER_BLOCK, -1, block, 0);
}

void model_resync(struct model *m, int who)
{
	struct cand *c = &m->cand[who];
	int64_t at = m->now + model_between(m, 50, 2000) * MS;

	if (!c->node.runs || m->host[c->host].is_cut_peers)
		return;
	model_at(m, at, EV_NODE_BLOCK, who, m->reader_head, 1);
	model_at(m, at, EV_READER_BLOCK, -1, c->node.head, 1);
}

static void reader_adopt(struct model *m, int i)
{
	m->reader_head = i;
	m->v.last_block_at = m->now;
	m->v.last_slot = m->block[i].slot;
	for (; i && !m->block[i].seen_at; i = m->block[i].parent)
		m->block[i].seen_at = m->now;
}

static void forked(struct model *m, int i, int common, bool is_late)
{
	const struct block *b = &m->block[i];

	reader_adopt(m, i);
	if (is_late) {
		m->v.late_forks++;
		return;
	}
	m->v.forks++;
	snprintf(m->trace, sizeof(m->trace), "%.3f s: fork at %u, block %u by %d",
	        (double)m->now / 1e9, m->block[common].height, b->height, b->by);
}

/* The third node: it follows, always runs, and is reached by everybody who is not cut off. */
static void on_reader_block(struct model *m, int i)
{
	const struct block *b = &m->block[i], *head = &m->block[m->reader_head];
	bool is_late = m->now - b->signed_at > 400 * MS;
	int common = i;

	if (model_is_ancestor(m, i, m->reader_head))
		return;
	if (model_is_ancestor(m, m->reader_head, i)) {
		if (m->now - m->v.last_block_at > m->v.longest_gap)
			m->v.longest_gap = m->now - m->v.last_block_at;
		reader_adopt(m, i);
		return;
	}
	while (!model_is_ancestor(m, common, m->reader_head))
		common = m->block[common].parent;
	/* Its supervisor finds that all others are on another fork, and brings a good data-dir. */
	if (b->height > head->height + READER_HEALS) {
		m->v.reader_heals++;
		reader_adopt(m, i);
		return;
	}
	/* What it has instead may be what came late. */
	for (int x = m->reader_head; x != common; x = m->block[x].parent)
		is_late |= m->block[x].seen_at - m->block[x].signed_at > 400 * MS;
	/* One producer: what is one below the head is irreversible. */
	if (b->height <= head->height || head->height - m->block[common].height > 1) {
		m->v.other++;
		m->v.late += is_late;
		m->v.orphans += !is_late && !m->v.late_forks;
		return;
	}
	for (int x = i; x != common; x = m->block[x].parent)
		is_late |= m->now - m->block[x].signed_at > SEC;
	forked(m, i, common, is_late);
}

/* --- the oracle ------------------------------------------------------------------------------ */

void model_note_right(struct model *m, int who, int64_t until)
{
	m->cand[who].right_until = until;
	if (until <= m->now)
		return;
	for (int i = 0; i < m->ncand; i++)
		if (i != who && m->cand[i].exists && m->cand[i].right_until > m->now) {
			if (!m->v.overlaps++)
				snprintf(m->trace, sizeof(m->trace),
				        "%.3f s: %d has a right, %d still for %.3f s",
				        (double)m->now / 1e9, who, i,
				        (double)(m->cand[i].right_until - m->now) / 1e9);
		}
}

void model_note_signature(struct model *m, int who, const struct gate_ask *q)
{
	int holder = model_cand_holder(m);

	if (holder != who && !m->v.strangers++)
		snprintf(m->trace, sizeof(m->trace), "%.3f s: %d signs, but %d has it",
		        (double)m->now / 1e9, who, holder);
	for (int i = m->nsigned - 1; i >= 0; i--) {
		const struct signature *s = &m->signed_[i];

		if (s->slot != q->slot)
			continue;
		if (memcmp(s->digest, q->digest, GATE_DIGEST_LEN) == 0 && s->by == who)
			return;
		if (!m->v.twice++)
			snprintf(m->trace, sizeof(m->trace), "%.3f s: slot %u signed by %d and %d",
			        (double)m->now / 1e9, q->slot, s->by, who);
	}
	assert(m->nsigned < MODEL_SIGNED);
	m->signed_[m->nsigned] = (struct signature){
		.slot = q->slot,
		.by = who,
		.epoch = q->epoch,
		.at = m->now,
	};
	memcpy(m->signed_[m->nsigned++].digest, q->digest, GATE_DIGEST_LEN);
}

/* What was deferred while somebody was frozen. */
void model_thaw(struct model *m, struct event *deferred, int *n)
{
	/* Requests that wait in several sockets are read in any order. */
	for (int i = 0; i + 1 < *n; i++)
		for (int j = i + 1; j < *n && deferred[i].kind == EV_NODE_HTTP; j++)
			if (deferred[j].kind == EV_NODE_HTTP && model_chance(m, 50)) {
				struct event ev = deferred[i];

				deferred[i] = deferred[j];
				deferred[j] = ev;
			}
	for (int i = 0; i < *n; i++) {
		deferred[i].at = m->now;
		deferred[i].seq = m->seq++;
		push(m, &deferred[i]);
	}
	*n = 0;
}

/* --- the whole ------------------------------------------------------------------------------- */

struct model *model_new(uint64_t seed, enum breakage broken)
{
	struct model *m = calloc(1, sizeof(*m));

	assert(m);
	m->random = seed * 0x2545f4914f6cdd1d + 1;
	m->broken = broken;
	lease_record_init(&m->record, "producer");
	for (int i = 0; i < MODEL_HOSTS; i++) {
		struct host *h = &m->host[i];

		h->boot_base = model_between(m, 100, 1000000) * SEC;
		h->rate = 1 + (double)model_between(m, -1000, 1000) / 1e6;
		h->real_offset = model_between(m, -20, 20) * MS;
	}
	/* The genesis. */
	m->block[m->nblock++] = (struct block){ .by = -1, .slot = lease_slot_at(REAL_BASE) - 10 };
	return m;
}

void model_free(struct model *m)
{
	for (int i = 0; i < m->ncand; i++)
		lease_right_release(&m->cand[i].right);
	free(m);
}

/* What happens to a process that is frozen happens when it thaws. */
static bool is_deferred(struct model *m, const struct event *ev)
{
	struct cand *c = &m->cand[ev->who];

	if (is_of_sup(ev->kind) && c->is_frozen) {
		assert(c->ndeferred < MODEL_DEFER);
		c->deferred[c->ndeferred++] = *ev;
		return true;
	}
	if (is_of_node(ev->kind) && c->node.is_frozen) {
		assert(c->node.ndeferred < MODEL_DEFER);
		c->node.deferred[c->node.ndeferred++] = *ev;
		return true;
	}
	return false;
}

static void dispatch(struct model *m, const struct event *ev)
{
	if (ev->kind == EV_STORE) {
		on_store(m, ev->a);
		return;
	}
	if (ev->kind == EV_READER_BLOCK) {
		on_reader_block(m, ev->a);
		return;
	}
	if (ev->kind == EV_FAULT) {
		m->on_fault(m, ev->a, ev->b);
		return;
	}
	if (is_of_sup(ev->kind) ? ev->gen != m->cand[ev->who].gen
	                        : ev->gen != m->cand[ev->who].node.gen)
		return;
	if (is_deferred(m, ev))
		return;
	if (is_of_sup(ev->kind))
		model_cand_event(m, ev);
	else
		model_node_event(m, ev);
}

void model_run(struct model *m, int64_t until)
{
	while (m->nqueue && m->queue[0].at <= until) {
		struct event ev = pop(m);

		m->now = ev.at;
		dispatch(m, &ev);
	}
	m->now = until;
}
