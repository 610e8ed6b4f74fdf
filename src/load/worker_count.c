#include "load/worker_priv.h"

#include <string.h>

#include "load/info.h"

/* The measured part may begin between two looks at the clock: a request that was sent in it is
 * what says so.  What was sent before and ends in it is nobody's. */
static inline bool is_counted(struct load_worker *w, int64_t planned_ns)
{
	if (__builtin_expect((planned_ns < 0) == w->in_warmup, 1))
		return true;
	if (planned_ns < 0)
		return false;
	load_worker_begin(w);
	return true;
}

static inline void count(struct load_worker *w, const struct load_request *q, enum load_class class)
{
	struct load_tally *t = w->tally;

	t->classes[class]++;
	if (class == LOAD_OK || class == LOAD_TIMEOUT) {
		load_hist_record(t->sent, w->now - q->sent_ns);
		if (t->planned)
			load_hist_record(t->planned, w->now - q->planned_ns);
	}
	if (class == LOAD_OK)
		w->last_ok_ns = w->now;
	w->last_ns = w->now;
}

void load_count(struct load_worker *w, const struct load_request *q, enum load_class class)
{
	if (is_counted(w, q->planned_ns))
		count(w, q, class);
}

void load_count_abandoned(struct load_worker *w, const struct load_request *q)
{
	w->abandoned += q->planned_ns >= 0;
}

void load_count_unsent(struct load_worker *w, int64_t planned_ns, int64_t ns)
{
	if (!is_counted(w, planned_ns))
		return;
	w->tally->classes[LOAD_UNSENT]++;
	load_hist_record(w->tally->planned, ns - planned_ns);
}

void load_count_late(struct load_worker *w, int64_t planned_ns, int64_t late_ns)
{
	if (is_counted(w, planned_ns))
		load_hist_record(w->tally->late, late_ns);
}

/* The first good body of all threads decides, once. */
static void learn_chain(struct load_worker *w, const char *id)
{
	struct load_shared *s = w->shared;

	pthread_mutex_lock(&s->lock);
	if (!s->chain_id[0])
		memcpy(s->chain_id, id, 64);
	memcpy(w->chain_id, s->chain_id, sizeof(w->chain_id));
	pthread_mutex_unlock(&s->lock);
	w->knows_chain = true;
}

static enum load_class judge_info(
        struct load_worker *w, struct load_conn *c, const struct load_reply *r, struct load_info *i)
{
	switch (load_info_scan(i, r->body, r->body_n)) {
	case LOAD_INFO_NOT_JSON:
		return LOAD_NOT_JSON;
	case LOAD_INFO_NOT_INFO:
		return LOAD_NOT_INFO;
	case LOAD_INFO_OK:
	default:
		break;
	}
	if (__builtin_expect(!w->knows_chain, 0))
		learn_chain(w, i->chain_id);
	if (memcmp(w->chain_id, i->chain_id, 64) != 0)
		return LOAD_WRONG_CHAIN;
	if ((uint64_t)i->head_block_num + w->config->fork_depth < c->head)
		return LOAD_HEAD_BACK;
	if (i->head_block_num > c->head)
		c->head = i->head_block_num;
	return LOAD_OK;
}

/* Nearly always the one of the last reply.  The index is compared by name, because the other tally
 * may have met the backends in another order. */
static struct load_backend *backend_of(
        struct load_worker *w, struct load_conn *c, const struct load_reply *r)
{
	struct load_tally *t = w->tally;
	const char *name = r->served_by ? r->served_by : "";
	size_t n = r->served_by ? r->served_by_n : 0;
	int i;

	if (c->backend < t->n_backends) {
		struct load_backend *b = &t->backends[c->backend];

		if (n < sizeof(b->name) && memcmp(b->name, name, n) == 0 && !b->name[n])
			return b;
	}
	i = load_tally_backend(t, name, n);
	if (i < 0) {
		w->is_failed = true;
		return NULL;
	}
	c->backend = (unsigned)i;
	return &t->backends[i];
}

/* A get_info is answered by 200 alone.  The producer and net APIs answer 201, push_transaction 202
 * (observed of nodeos v4.0.6). */
static bool is_good_status(enum load_check check, unsigned status)
{
	return check == LOAD_CHECK_ANY ? status / 100 == 2 : status == 200;
}

void load_count_reply(struct load_worker *w, struct load_conn *c, const struct load_reply *r,
        bool is_followed, bool is_early)
{
	const struct load_request *q = &c->requests[c->first];
	enum load_class class = LOAD_OK;
	struct load_info info = { 0 };
	struct load_backend *b;
	int64_t age;

	if (is_followed)
		class = LOAD_NOT_HTTP;
	else if (!is_good_status(w->config->check, r->status))
		class = LOAD_STATUS;
	else if (__builtin_expect(is_early, 0))
		class = LOAD_NOT_HTTP;
	else if (w->config->check == LOAD_CHECK_INFO)
		class = judge_info(w, c, r, &info);
	if (!is_counted(w, q->planned_ns))
		return;
	count(w, q, class);
	b = backend_of(w, c, r);
	if (!b)
		return;
	if (class != LOAD_OK) {
		b->failed++;
		if (class == LOAD_STATUS)
			w->tally->statuses[r->status]++;
		return;
	}
	b->ok++;
	load_hist_record(b->latency, w->now - q->sent_ns);
	if (!info.head_block_num || info.head_block_num < b->head)
		return;
	if (info.head_block_num > w->tally->head)
		w->tally->head = info.head_block_num;
	age = info.head_time_ns ? w->shared->start_real_ns + w->now - info.head_time_ns : INT64_MIN;
	if (info.head_block_num > b->head || age > b->head_age_ns)
		b->head_age_ns = age;
	b->head = info.head_block_num;
}
