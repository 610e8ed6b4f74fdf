#include "producer/order.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"
#include "engine/engine.h"
#include "producer/candidate.h"
#include "producer/lease_object.h"

#define TURN_MS 100
#define AWAY_MS 500
/* With no limit of the user's: an election takes 10 to 20 s. */
#define AWAY_MAX_NS (90 * NS_PER_SEC)
/* The holder renews once a second or so and each renewal is a conflict for us; so many in a row are
 * none of its. */
#define CONFLICTS_MAX 200
/* For the first slot that is signed after a failover, when all else is done. */
#define FIRST_SLOT_NS (15 * NS_PER_SEC)

struct job {
	struct deploy *d;
	struct producer_order *o;
	int64_t began_ns, at_ns; /* CLOCK_MONOTONIC; at < 0: no limit */
	int64_t away_ns;         /* since when the engine is away; 0: it is there */
	char still[300];         /* what is waited for */
	struct lease_record now; /* as it was read last */
};

static void begin(struct job *j, struct deploy *d, struct producer_order *o)
{
	*j = (struct job){ .d = d, .o = o, .began_ns = clock_mono_ns() };
	j->at_ns = d->wait_ns < 0 ? -1 : j->began_ns + d->wait_ns;
}

PRINTF(2, 3) static void still(struct job *j, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(j->still, sizeof(j->still), fmt, ap) < 0)
		j->still[0] = '\0';
	va_end(ap);
	str_printable(j->still);
}

static int stands_hint(const struct job *j, struct err *e)
{
	if (!j->o->order_id)
		return -1;
	return err_hint(e,
	        "order %" PRIu64 " stands: 'nodeswarm producer status' shows what comes of it, "
	        "'resume' takes it back",
	        j->o->order_id);
}

/* Wait a turn.  0, or -1 when there is no time left. */
static int turn(struct job *j, int ms, struct err *e)
{
	char text[NUM_TEXT_MAX];

	if (j->d->progress)
		j->d->progress(j->d->arg, j->still);
	(void)poll(NULL, 0, ms);
	if (j->d->interrupted && *j->d->interrupted) {
		err_set(e, ERR_INTERRUPTED, "no longer waiting: %s", j->still);
		return stands_hint(j, e);
	}
	if (j->at_ns >= 0 && clock_mono_ns() >= j->at_ns) {
		err_set(e, ERR_TIMEOUT, "after %s: %s", num_duration_text(text, j->d->wait_ns),
		        j->still);
		return stands_hint(j, e);
	}
	return 0;
}

/* The engine has failed: wait for it, if that may help.  0 to try again; -1 with *e. */
static int away(struct job *j, struct err *e)
{
	int64_t now = clock_mono_ns();

	/* One that has never answered is rather the wrong one. */
	if ((e->kind != ERR_UNAVAILABLE && e->kind != ERR_TIMEOUT) ||
	        !engine_answered_ns(j->d->engine))
		return -1;
	if (!j->away_ns)
		j->away_ns = now;
	if (now - j->away_ns > AWAY_MAX_NS)
		return stands_hint(j, e);
	still(j, "waiting for the swarm: %.200s", e->msg);
	err_clear(e);
	return turn(j, AWAY_MS, e);
}

/* --- the lease ------------------------------------------------------------------------------ */

/* As lease_object_read(), waiting for an engine that is away. */
static int read_object(struct job *j, struct lease_object *ret, struct err *e)
{
	int rc;

	do
		rc = lease_object_read(ret, j->d->engine, j->o->lease, e);
	while (rc < 0 && away(j, e) == 0);
	if (rc < 0)
		return -1;
	j->away_ns = 0;
	j->now = ret->lease;
	return rc;
}

static int read_lease(struct job *j, struct err *e)
{
	AUTO(lease_object) struct lease_object object = LEASE_OBJECT_INIT;

	return read_object(j, &object, e) < 0 ? -1 : 0;
}

static void fill(struct lease_record *r, enum lease_order order, const char *to, const char *reason)
{
	r->order = order;
	snprintf(r->order_to, sizeof(r->order_to), "%s", to);
	snprintf(r->order_reason, sizeof(r->order_reason), "%s", reason);
	str_printable(r->order_reason);
}

/* A write whose answer was lost may have been done. */
static bool is_done(const struct lease_record *now, const struct lease_record *wanted)
{
	return wanted->order_id && now->order_id == wanted->order_id &&
	        now->order == wanted->order && str_eq(now->order_to, wanted->order_to) &&
	        str_eq(now->order_reason, wanted->order_reason);
}

/*
 * Write the order.  Only with `from` as its holder, unless that is NULL: what was found out about
 * the holder holds for no other.  ERR_CONFLICT when it is another now.
 */
static int give(
        struct job *j, enum lease_order order, const char *to, const char *from, struct err *e)
{
	AUTO(lease_object) struct lease_object object = LEASE_OBJECT_INIT;
	struct lease_record wanted = { .order_id = 0 };

	for (unsigned tries = 0;; tries++) {
		if (read_object(j, &object, e) < 0)
			return -1;
		if (is_done(&object.lease, &wanted))
			break;
		if (from && !str_eq(object.lease.holder, from)) {
			err_set(e, ERR_CONFLICT, "the lease has changed hands meanwhile");
			return err_hint(e, "look again: nodeswarm producer status");
		}
		wanted = object.lease;
		wanted.order_id++;
		fill(&wanted, order, to, j->o->reason);
		if (lease_object_write(j->d->engine, &object, &wanted, e) == 0)
			break;
		if (e->kind == ERR_CONFLICT && tries < CONFLICTS_MAX) {
			err_clear(e);
			if (j->d->interrupted && *j->d->interrupted)
				return err_set(e, ERR_INTERRUPTED, "the order was not given");
		} else if (away(j, e) < 0) {
			return -1;
		}
	}
	j->o->order_id = wanted.order_id;
	j->now = wanted;
	return 0;
}

static struct producer_view *look(struct job *j, struct err *e)
{
	const struct producer_query q = { .stack = j->d->stack,
		.pool = j->d->pool,
		.lease = j->o->lease,
		.agents = j->d->agents,
		.interrupted = j->d->interrupted };
	struct producer_view *p = NULL;
	int rc;

	do
		rc = producer_look(&p, j->d->engine, &q, e);
	while (rc < 0 && away(j, e) == 0);
	if (rc < 0)
		return NULL;
	j->away_ns = 0;
	return p;
}

static int finish(struct job *j)
{
	j->o->epoch = j->now.epoch;
	j->o->took_ns = clock_mono_ns() - j->began_ns;
	return 0;
}

/* --- failover ------------------------------------------------------------------------------- */

static int unknown_target(const struct producer_view *p, const char *to, struct err *e)
{
	char known[256] = "";

	for (size_t i = 0; i < p->n; i++) {
		size_t n = strlen(known);

		snprintf(
		        known + n, sizeof(known) - n, "%s%.60s", i ? ", " : "", p->v[i].task->name);
	}
	err_set(e, ERR_NOT_FOUND, "there is no producer '%.100s'", to);
	return *known ? err_hint(e, "there are %s", known) : -1;
}

static int refuse_unfit(
        const struct producer_view *p, const struct producer_candidate *to, struct err *e)
{
	if (to)
		err_set(e, ERR_UNHEALTHY, "'%s' is not ready to take over: it is %s%s%s",
		        to->task->name, producer_state(to), *to->why ? ": " : "", to->why);
	else if (p->n <= 1)
		err_set(e, ERR_UNHEALTHY, "there is no standby that could take over");
	else
		err_set(e, ERR_UNHEALTHY, "no standby is ready to take over");
	return err_hint(e,
	        "see 'nodeswarm producer status'; with --force nobody signs until somebody "
	        "can");
}

/* Whom to hand over to: 0 and the name that leases have for it, or "". */
static int choose(const struct producer_view *p, const struct producer_order *o,
        char ret[LEASE_HOLDER_SIZE], struct err *e)
{
	const struct lease_record *r = &p->object.lease;
	const struct producer_candidate *to = NULL;

	*ret = '\0';
	if (!p->object.config) {
		err_set(e, ERR_NOT_FOUND, "there is no lease '%s' yet: nobody has produced",
		        r->name);
		return err_hint(e, "'nodeswarm producer status' says what is there");
	}
	if (r->order == LEASE_ORDER_PAUSE) {
		err_set(e, ERR_CONFLICT, "production is paused");
		return err_hint(e, "'nodeswarm producer resume' ends that");
	}
	if (!*r->holder) {
		err_set(e, ERR_CONFLICT, "nobody holds the lease '%s'", r->name);
		return err_hint(e, "'nodeswarm producer status' says why");
	}
	if (o->to) {
		to = producer_find(p, o->to);
		if (!to)
			return unknown_target(p, o->to, e);
		if (to->holds)
			return err_set(e, ERR_CONFLICT, "'%s' produces already", to->task->name);
		snprintf(ret, LEASE_HOLDER_SIZE, "%s", to->id);
	}
	if (!o->is_forced && !(to ? to->is_fit : producer_count_fit(p) > 0))
		return refuse_unfit(p, to, e);
	return 0;
}

/* Wait until another epoch has a holder. */
static int wait_taken(struct job *j, const struct producer_view *p, uint64_t epoch, struct err *e)
{
	while (j->now.epoch == epoch || !*j->now.holder) {
		if (j->now.epoch == epoch && *j->now.holder)
			still(j, "%s signs once more and releases the lease", j->o->from);
		else
			still(j, "the lease is free; waiting for a standby to take it");
		if (turn(j, TURN_MS, e) < 0 || read_lease(j, e) < 0)
			return -1;
	}
	snprintf(j->o->now, sizeof(j->o->now), "%s", producer_name(p, j->now.holder));
	return 0;
}

/* Whether the holder of that epoch gave it back; then the lease says what it signed last. */
static bool was_released(const struct lease_record *r, uint64_t epoch)
{
	for (size_t i = 0; i < r->nhistory; i++)
		if (r->history[i].epoch == epoch && !*r->history[i].holder)
			return true;
	return false;
}

static int64_t signed_of(const struct producer_view *p, const char *id)
{
	const struct producer_candidate *c = producer_find(p, id);

	return c ? json_int(c->status, "signed", 0) : 0;
}

/*
 * The first slot that the new holder has signed: it counts what it signs and says the last slot, so
 * what it has signed since `before` is counted back from there.  A look comes after a slot or two,
 * in which it has hardly left one out (that would make it too late) or signed one twice (too
 * early).
 */
static uint32_t first_slot_of(
        const struct producer_view *p, const char *id, int64_t before, uint32_t floor)
{
	const struct producer_candidate *c = producer_find(p, id);
	int64_t n = c ? json_int(c->status, "signed", 0) : 0;
	int64_t last = c ? json_int(c->status, "last_signed_slot", 0) : 0;

	/* Started again since then. */
	if (n < before)
		before = 0;
	if (n == before || last <= floor || last > UINT32_MAX || last - (n - before) < floor)
		return 0;
	return (uint32_t)(last - (n - before) + 1);
}

/* It has the lease and has not signed: nobody makes blocks, which is no success. */
static int not_signed(struct job *j, const char *why, struct err *e)
{
	err_set(e, ERR_UNHEALTHY, "%s has taken the lease, and %s", j->o->now, why);
	return err_hint(e, "'nodeswarm producer status' says what it does");
}

/* Until the new holder has signed. */
static int wait_signed(struct job *j, int64_t before, struct err *e)
{
	int64_t until = clock_mono_ns() + FIRST_SLOT_NS;
	char id[LEASE_HOLDER_SIZE];

	snprintf(id, sizeof(id), "%s", j->now.holder);
	for (;;) {
		AUTO(producer_view_free) struct producer_view *p = NULL;

		still(j, "%s has the lease; waiting for its first block", j->o->now);
		if (turn(j, TURN_MS, e) < 0)
			return -1;
		p = look(j, e);
		if (!p)
			return -1;
		j->o->first_slot = first_slot_of(p, id, before, j->now.floor);
		if (j->o->first_slot)
			return 0;
		if (!str_eq(p->object.lease.holder, id))
			return not_signed(j, "has lost it before it signed", e);
		if (clock_mono_ns() >= until)
			return not_signed(j, "has signed nothing for 15 s", e);
	}
}

int64_t producer_slots_lost(const struct producer_order *o)
{
	if (!o->last_slot || o->first_slot <= o->last_slot)
		return -1;
	return (int64_t)o->first_slot - o->last_slot - 1;
}

static int hand_over(struct job *j, const struct producer_view *p, const char *to, struct err *e)
{
	struct producer_order *o = j->o;
	uint64_t epoch;
	char id[LEASE_HOLDER_SIZE];

	memcpy(id, p->object.lease.holder, sizeof(id));
	snprintf(o->from, sizeof(o->from), "%s", producer_name(p, id));
	if (give(j, LEASE_ORDER_FAILOVER, to, id, e) < 0)
		return -1;
	epoch = j->now.epoch;
	if (j->d->wait_ns == 0)
		return finish(j);
	if (wait_taken(j, p, epoch, e) < 0)
		return -1;
	if (was_released(&j->now, epoch))
		o->last_slot = j->now.floor;
	if (str_eq(j->now.holder, id)) {
		err_set(e, ERR_UNHEALTHY, "nobody else took the lease, and '%s' has it again",
		        o->from);
		return err_hint(e, "'nodeswarm producer status' says why");
	}
	finish(j);
	return wait_signed(j, signed_of(p, j->now.holder), e);
}

int producer_failover(struct deploy *d, struct producer_order *o, struct err *e)
{
	AUTO(producer_view_free) struct producer_view *p = NULL;
	char to[LEASE_HOLDER_SIZE];
	struct job j;

	begin(&j, d, o);
	still(&j, "looking who could take over");
	p = look(&j, e);
	if (!p || choose(p, o, to, e) < 0)
		return -1;
	return hand_over(&j, p, to, e);
}

/* --- pause, resume --------------------------------------------------------------------------- */

int producer_pause(struct deploy *d, struct producer_order *o, struct err *e)
{
	AUTO(producer_view_free) struct producer_view *p = NULL;
	struct job j;

	begin(&j, d, o);
	still(&j, "looking who produces");
	p = look(&j, e);
	if (!p)
		return -1;
	snprintf(o->from, sizeof(o->from), "%s", producer_name(p, p->object.lease.holder));
	j.now = p->object.lease;
	if (j.now.order == LEASE_ORDER_PAUSE) {
		o->is_unchanged = true;
		o->order_id = j.now.order_id;
	} else if (give(&j, LEASE_ORDER_PAUSE, "", NULL, e) < 0) {
		return -1;
	}
	while (*j.now.holder && d->wait_ns != 0) {
		still(&j, "waiting for %s to release the lease", producer_name(p, j.now.holder));
		if (turn(&j, TURN_MS, e) < 0 || read_lease(&j, e) < 0)
			return -1;
		if (j.now.order != LEASE_ORDER_PAUSE)
			return err_set(e, ERR_CONFLICT, "somebody has taken the order back");
	}
	if (!*j.now.holder)
		o->last_slot = j.now.ceiling;
	snprintf(o->now, sizeof(o->now), "%s", producer_name(p, j.now.holder));
	return finish(&j);
}

int producer_resume(struct deploy *d, struct producer_order *o, struct err *e)
{
	AUTO(producer_view_free) struct producer_view *p = NULL;
	struct job j;

	begin(&j, d, o);
	still(&j, "looking who could produce");
	p = look(&j, e);
	if (!p)
		return -1;
	j.now = p->object.lease;
	if (j.now.order == LEASE_ORDER_NONE)
		o->is_unchanged = true;
	else if (give(&j, LEASE_ORDER_NONE, "", NULL, e) < 0)
		return -1;
	/* It is taken back; nothing stands that a hint could be about. */
	o->order_id = 0;
	while (!*j.now.holder && producer_count_fit(p) && d->wait_ns != 0) {
		still(&j, "waiting for a producer to take the lease");
		if (turn(&j, TURN_MS, e) < 0 || read_lease(&j, e) < 0)
			return -1;
	}
	snprintf(o->now, sizeof(o->now), "%s", producer_name(p, j.now.holder));
	return finish(&j);
}
