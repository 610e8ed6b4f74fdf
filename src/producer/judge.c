#include "producer/judge.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

static const char *order_text(const struct lease_record *r, char *out, size_t size)
{
	if (r->order == LEASE_ORDER_NONE)
		*out = '\0';
	else
		snprintf(out, size, "; order %" PRIu64 " stands: %s%s%s%s%s", r->order_id,
		        lease_order_name(r->order), *r->order_to ? " to " : "", r->order_to,
		        *r->order_reason ? ": " : "", r->order_reason);
	return out;
}

const char *producer_lease_text(const struct producer_view *p, char *out, size_t size)
{
	const struct lease_record *r = &p->object.lease;
	char order[LEASE_HOLDER_SIZE + LEASE_REASON_SIZE + 64], term[NUM_TEXT_MAX];

	order_text(r, order, sizeof(order));
	if (!p->object.config)
		snprintf(out, size, "nobody has made it yet");
	else if (*r->holder)
		snprintf(out, size,
		        "held by %s, epoch %" PRIu64 ", term %s, renewed %" PRIu64 " times%s",
		        producer_name(p, r->holder), r->epoch, num_duration_text(term, r->term_ns),
		        r->count, order);
	else
		snprintf(out, size, "free, epoch %" PRIu64 "%s", r->epoch, order);
	str_printable(out);
	return out;
}

/* --- warnings ------------------------------------------------------------------------------ */

struct warner {
	producer_warn_fn *fn;
	void *arg;
};

PRINTF(3, 4) static void warn(const struct warner *w, const char *rule, const char *fmt, ...)
{
	char text[2 * PRODUCER_TEXT_SIZE];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	str_printable(text);
	w->fn(w->arg, rule, text);
}

static void warn_free(const struct warner *w, const struct producer_view *p)
{
	const struct lease_record *r = &p->object.lease;

	if (r->order == LEASE_ORDER_PAUSE)
		warn(w, "paused",
		        "nobody signs: order %" PRIu64 " is to pause%s%s; "
		        "'nodeswarm producer resume' ends it",
		        r->order_id, *r->order_reason ? ": " : "", r->order_reason);
	else if (producer_count_fit(p))
		warn(w, "nobody-signs", "nobody holds the lease, and %zu could take it",
		        producer_count_fit(p));
	else
		warn(w, "nobody-signs", "nobody holds the lease, and nobody is ready to take it%s",
		        r->epoch ? "" : "; the first of a new chain needs NODESWARM_BOOTSTRAP=1");
}

/* It holds the lease and does not sign. */
static void warn_holder(const struct warner *w, const struct producer_view *p)
{
	const struct producer_candidate *c = producer_holder(p);
	const char *state;

	if (!c) {
		warn(w, "holder-unknown",
		        "the lease is held by %s, which is no slot of this stack that can be seen",
		        p->object.lease.holder);
		return;
	}
	state = producer_state(c);
	if (!c->status)
		warn(w, "holder-unknown", "%s holds the lease, and what it does is not known: %s",
		        c->task->name, c->why);
	else if (strcmp(state, "producing") != 0)
		warn(w, "not-producing", "%s holds the lease and is %s%s%s", c->task->name, state,
		        *c->why ? ": " : "", c->why);
}

static size_t count_standbys(const struct producer_view *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += !p->v[i].holds && view_task_is_wanted(p->v[i].task);
	return n;
}

/* All who could take over are on the holder's host, and the swarm has others. */
static bool is_one_host(const struct producer_view *p, const struct producer_candidate *holder)
{
	if (!holder || p->view->nodes.n < 2 || !producer_count_fit(p))
		return false;
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].is_fit && strcmp(p->v[i].task->host, holder->task->host) != 0)
			return false;
	return true;
}

/* Chain nodes beside the producers, which these could compare their heads with. */
static bool has_others(const struct producer_view *p)
{
	for (size_t i = 0; i < p->view->n_services; i++) {
		const struct view_service *s = &p->view->services[i];
		const char *key = view_service_env(s, "NODESWARM_SIGN_KEY");

		if (s->is_supervised && s->e.replicas && !(key && *key))
			return true;
	}
	return false;
}

/* Where only two are, the one that is left after a death has nobody to compare its head with. */
static void warn_alone(const struct warner *w, const struct producer_view *p)
{
	if (count_standbys(p) == 1 && *p->object.lease.holder && !has_others(p))
		warn(w, "no-readers",
		        "a producer and one standby, and no reader: when one dies nobody answers "
		        "the other, which then does not know whether its head is the chain's and "
		        "does not sign; run readers, or a second standby");
}

static void warn_bootstrap(const struct warner *w, const struct producer_view *p)
{
	const char *seen = "";

	for (size_t i = 0; i < p->n && p->object.lease.epoch; i++) {
		const struct view_service *s = p->v[i].task->service;
		const char *env = view_service_env(s, "NODESWARM_BOOTSTRAP");

		if (!env || strcmp(env, "1") != 0 || strcmp(s->name, seen) == 0)
			continue;
		seen = s->name;
		warn(w, "bootstrap-left-on",
		        "'%s' still has NODESWARM_BOOTSTRAP=1, although the chain has begun: it "
		        "may "
		        "sign without a peer to compare its head with; run 'up' without it",
		        s->name);
	}
}

static void warn_standbys(const struct warner *w, const struct producer_view *p)
{
	const struct producer_candidate *holder = producer_holder(p);

	if (!count_standbys(p) && p->nidle)
		warn(w, "no-standby",
		        "there is no standby: '%s' has no replicas; 'nodeswarm scale %s=1' makes "
		        "one",
		        p->idle[0]->name, p->idle[0]->name);
	else if (!count_standbys(p))
		warn(w, "no-standby",
		        "there is no standby: when the producer's host dies, nobody signs until "
		        "Swarm has started it elsewhere, which takes half a minute and longer");
	for (size_t i = 0; i < p->n; i++) {
		const struct producer_candidate *c = &p->v[i];

		if (!c->holds && !c->is_fit && view_task_is_wanted(c->task))
			warn(w, "standby-not-fit", "%s could not take over: it is %s%s%s",
			        c->task->name, producer_state(c), *c->why ? ": " : "", c->why);
	}
	if (is_one_host(p, holder))
		warn(w, "one-host", "every standby that is ready is on the host of %s, %s",
		        holder->task->name, holder->task->host);
}

void producer_warnings(const struct producer_view *p, producer_warn_fn *fn, void *arg)
{
	const struct lease_record *r = &p->object.lease;
	const struct warner w = { fn, arg };

	if (!p->n && !p->nidle) {
		warn(&w, "no-producer", "the stack has no producer with this lease");
		return;
	}
	if (*r->holder)
		warn_holder(&w, p);
	else
		warn_free(&w, p);
	warn_standbys(&w, p);
	warn_alone(&w, p);
	warn_bootstrap(&w, p);
}
