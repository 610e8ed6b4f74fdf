#include "supervise/tenure_plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

/*
 * Each state has a function that may go to another one; they are asked until nothing changes, so
 * that one call goes as far as the facts allow.  All that lasts more than an instant has its time
 * in struct tenure, and nothing is concluded from how often the plan is asked.
 *
 * The one rule that everything here serves: the lease is not given back, nor is it outlived, by a
 * nodeos that may still have a signature which it has not published.  A pause that nodeos confirms
 * proves that it has not, because nodeos does one thing after the other: an answer that waited in
 * its socket was taken before, or belongs to an attempt that it has given up.  Its death proves it
 * too.  Nothing else does.
 */

struct plan {
	struct tenure *t;
	const struct tenure_facts *f;
	int64_t at;
	unsigned todo;
};

/* Not before `at`, but then. */
static void wake(struct plan *p, int64_t at)
{
	if (at > p->f->now && at < p->at)
		p->at = at;
}

PRINTF(3, 4)
static void go(struct plan *p, enum tenure_state to, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(p->t->why, sizeof(p->t->why), fmt, ap);
	va_end(ap);
	str_printable(p->t->why);
	p->t->state = to;
	p->t->state_since_ns = p->f->now;
}

/* The sentence of a state that lasts. */
static void say(struct plan *p, const char *why)
{
	if (why != p->t->why)
		snprintf(p->t->why, sizeof(p->t->why), "%s", why);
}

/* There is a right, or there was one a moment ago.  The tenant's own state is told by its next
 * question only. */
static bool holds(const struct tenure *t)
{
	return t->tenant.epoch != 0;
}

/* Nobody else can have it, as far as we know: it is there to be given back. */
static bool is_ours(const struct tenure *t)
{
	const struct tenant *n = &t->tenant;

	return holds(t) || (n->has_seen && lease_is_held_by(&n->seen, n->cfg.place, n->cfg.nonce));
}

/* Somebody else has had it since we did. */
static bool is_anothers(const struct tenure *t)
{
	return t->tenant.seen.epoch > t->closed_epoch && !is_ours(t);
}

static bool is_giving_up(const struct tenure *t)
{
	return t->tenant.gives_up || t->tenant.state == TENANT_RELEASING;
}

/* A right that came and ended between two looks: the tenant leaves its record alone until it is
 * told that nodeos is quiet. */
static bool is_spent(const struct tenure *t)
{
	const struct tenant *n = &t->tenant;

	return is_ours(t) && !holds(t) && !n->gives_up && n->seen.epoch <= n->had_epoch;
}

static uint64_t right_now(const struct plan *p, int64_t *ret_until)
{
	uint32_t floor, ceiling;

	*ret_until = 0;
	return tenant_right(&p->t->tenant, p->f->now, ret_until, &floor, &ceiling);
}

static bool is_paused(const struct plan *p)
{
	return p->f->pause == TENURE_PAUSED && p->f->pause_ns >= p->t->doubt_ns;
}

static void want(struct plan *p, bool wants, const char *why)
{
	if (p->t->tenant.wants != wants)
		tenant_want(&p->t->tenant, wants, why);
}

/* What the gate signed last, if that was in the epoch which is held: slots up to the floor were
 * signed by others, or by us in another one. */
static uint32_t last_signed(const struct plan *p)
{
	return p->f->last_signed > p->t->tenant.floor ? p->f->last_signed : 0;
}

/* --- going from one to the other -------------------------------------------------------------- */

static void open_gate(struct plan *p, uint64_t epoch)
{
	struct tenure *t = p->t;

	go(p, TENURE_OPENING, "level with the others; the gate is open, nodeos is resumed");
	t->epoch = epoch;
	t->moved_ns = p->f->now;
	t->must_restart = false;
	t->has_produced = true;
	t->silent_ns = t->order_ns = t->forked_ns = t->split_ns = 0;
	t->wants_heal = false;
	p->todo |= TENURE_DO_GATE_OPEN | TENURE_DO_RESUME;
}

/* What was paused before may have been resumed since. */
static void close_gate(struct plan *p)
{
	struct tenure *t = p->t;

	if (t->epoch > t->closed_epoch)
		t->closed_epoch = t->epoch;
	t->epoch = 0;
	t->doubt_ns = p->f->now;
	t->behind_ns = 0;
	t->level_ns = 0;
	p->todo |= TENURE_DO_GATE_CLOSE;
}

/*
 * to: CLOSING or FENCING, which differ only in who ended it.  After the term's end, when all of us
 * was frozen, a kill in haste protects nobody any more and costs the database: it gets time to
 * pause.  But others may have produced, and nodeos has thrown their blocks away.
 */
static void stop_signing(struct plan *p, enum tenure_state to, const char *why)
{
	struct tenure *t = p->t;

	go(p, to, "%s", why);
	close_gate(p);
	t->fence_from_ns = p->f->now;
	t->fence_end_ns = tenant_term_end_ns(&t->tenant);
	if (t->fence_end_ns > p->f->now + TENURE_FENCE_NS)
		t->fence_end_ns = p->f->now + TENURE_FENCE_NS;
	if (t->fence_end_ns <= p->f->now) {
		t->fence_end_ns = p->f->now + tenant_guard_ns(t->tenant.cfg.term_ns);
		t->must_restart = true;
	}
}

/* "paused by order 4: kernel update": what the operator said goes into the history. */
static const char *by_order(const struct plan *p, const char *what, char out[LEASE_REASON_SIZE])
{
	const struct lease_record *r = &p->t->tenant.seen;

	(void)snprintf(out, LEASE_REASON_SIZE, "%s by order %llu%s%.150s", what,
	        (unsigned long long)r->order_id, r->order_reason[0] ? ": " : "", r->order_reason);
	return out;
}

static void terminate(struct plan *p)
{
	p->t->is_terminated = true;
	p->todo |= TENURE_DO_TERM;
}

static void release(struct plan *p, const char *why)
{
	struct tenure *t = p->t;
	char reason[LEASE_REASON_SIZE];

	/* why may be the state's own sentence, which go() writes. */
	snprintf(reason, sizeof(reason), "%s", why);
	/* Not wanted first: a release is not to be followed by a taking in the same breath. */
	want(p, false, reason);
	tenant_release(&t->tenant, last_signed(p), reason);
	go(p, TENURE_RELEASING, "%s", reason);
}

/* nodeos cannot sign: give back what is held, then wait.  A record of ours in which the right has
 * ended, too: it says up to which slot we could have signed, and now it is known what we did. */
static void settle(struct plan *p, const char *why)
{
	if (is_ours(p->t))
		release(p, why);
	else
		go(p, p->f->nodeos_runs ? TENURE_STANDBY : TENURE_DOWN, "%s", why);
}

/* --- the states ------------------------------------------------------------------------------- */

static void down(struct plan *p)
{
	const struct tenure_facts *f = p->f;

	want(p, false, "nodeos does not answer");
	/* It can be held only by an answer that came late: the gate was not opened since. */
	if (holds(p->t) || is_spent(p->t)) {
		release(p, "nodeos does not answer");
		return;
	}
	if (!f->nodeos_runs)
		say(p, "nodeos does not run");
	else if (p->t->is_terminated)
		say(p, "nodeos is being stopped");
	else if (!f->nodeos_answers)
		say(p, "nodeos does not answer yet");
	else if (is_paused(p))
		go(p, TENURE_STANDBY, "nodeos is paused");
	else {
		say(p, "nodeos is not known to be paused");
		p->todo |= TENURE_DO_PAUSE;
	}
}

/*
 * A chain is begun by one who has nobody to compare with, and gone on with by who signed last of
 * all.  Left on, the permission must not let one that is cut off from the others, or has just been
 * made, go on with what it happens to have.
 */
static bool may_begin(const struct plan *p)
{
	return p->f->bootstrap && p->t->is_last;
}

/* Why it is not to be taken now; NULL: it is. */
static const char *unwanted(const struct plan *p)
{
	const struct tenure_facts *f = p->f;
	bool is_level = p->t->level_ns && f->now - p->t->level_ns < TENURE_LEVEL_NS;

	if (f->is_stopping)
		return "the supervisor stops nodeos";
	if (p->t->is_terminated)
		return "nodeos is being stopped";
	if (!is_paused(p))
		return "nodeos is not known to be paused";
	if (!f->is_fit)
		return "this slot is not ready";
	if (is_level || (f->heads == TENURE_HEADS_NOBODY && may_begin(p)))
		return NULL;
	switch (f->heads) {
	case TENURE_HEADS_BEHIND:
		return "nodeos is behind the others";
	case TENURE_HEADS_FORKED:
		return f->is_split ? "nodeos has other irreversible blocks than the others"
		                   : "nodeos has other blocks than the others";
	case TENURE_HEADS_NOBODY:
		return f->bootstrap ? "nobody to compare nodeos with answers, and another one may "
		                      "have signed last: bootstrap does not count"
		                    : "nobody to compare nodeos with answers";
	case TENURE_HEADS_UNKNOWN:
	case TENURE_HEADS_LEVEL:
		break;
	}
	return "nodeos was not compared with the others yet";
}

/* A nodeos that has thrown blocks away while it produced does not ask for them again. */
static void watch_following(struct plan *p)
{
	struct tenure *t = p->t;
	const struct tenure_facts *f = p->f;

	/* It has done so for certain, and is paused. */
	if (t->must_restart && !t->is_terminated && is_paused(p) && is_anothers(t)) {
		terminate(p);
		return;
	}
	if (f->heads != TENURE_HEADS_BEHIND && f->heads != TENURE_HEADS_FORKED) {
		t->behind_ns = 0;
		return;
	}
	if (f->heads_ns < t->doubt_ns || !t->has_produced || t->is_terminated)
		return;
	if (!t->behind_ns)
		t->behind_ns = f->now;
	if (f->now - t->behind_ns < TENURE_FOLLOW_NS) {
		wake(p, t->behind_ns + TENURE_FOLLOW_NS);
		return;
	}
	terminate(p);
}

/* With the gate closed and without the lease: of a holder it is the others that may be wrong. */
static void watch_split(struct plan *p)
{
	struct tenure *t = p->t;
	const struct tenure_facts *f = p->f;

	if (!f->is_split || f->heads_ns < t->doubt_ns || is_ours(t)) {
		t->split_ns = 0;
		t->wants_heal = false;
		return;
	}
	if (!t->split_ns)
		t->split_ns = f->now;
	t->wants_heal = f->now - t->split_ns >= TENURE_SPLIT_NS;
	wake(p, t->split_ns + TENURE_SPLIT_NS);
}

static void compare_every(struct plan *p, int64_t interval)
{
	const struct tenure_facts *f = p->f;

	if (!f->heads_ns || f->now - f->heads_ns >= interval)
		p->todo |= TENURE_DO_COMPARE;
	else
		wake(p, f->heads_ns + interval);
}

static void standby(struct plan *p)
{
	struct tenure *t = p->t;
	const struct tenure_facts *f = p->f;
	const char *why;
	int64_t until;
	char text[LEASE_REASON_SIZE];

	if (!f->nodeos_runs || !f->nodeos_answers) {
		go(p, TENURE_DOWN, "nodeos does not answer");
		return;
	}
	/* Somebody has resumed it, or our own resume has overtaken our pause. */
	if (f->pause == TENURE_RESUMED && f->pause_ns >= t->doubt_ns) {
		t->doubt_ns = f->now;
		t->has_produced = true;
	}
	if (!is_paused(p))
		p->todo |= TENURE_DO_PAUSE;
	watch_following(p);
	watch_split(p);
	compare_every(p, TENURE_COMPARE_NS);
	why = unwanted(p);
	if (is_spent(t)) {
		release(p, "the right has ended before");
		return;
	}
	if (holds(t)) {
		uint64_t epoch = right_now(p, &until);

		if (epoch <= t->closed_epoch)
			release(p, "the right has ended before");
		else if (f->is_stopping || !f->is_fit || t->is_terminated || !is_paused(p))
			release(p, why ? why : "not wanted any more");
		else
			go(p, TENURE_COMPARING, "the lease is held; comparing heads");
		return;
	}
	want(p, !why, why ? why : "ready, and level with the others");
	if (!why && t->tenant.state == TENANT_TAKING)
		go(p, TENURE_TAKING, "asking for the lease");
	else
		say(p, why ? why : tenant_why(&t->tenant, f->now, text, sizeof(text)));
}

static void taking(struct plan *p)
{
	struct tenure *t = p->t;
	const struct tenure_facts *f = p->f;
	const char *why = unwanted(p);

	if (t->tenant.state == TENANT_TAKING && !holds(t) && !why && f->nodeos_runs &&
	        f->nodeos_answers)
		return;
	/* What is under way may come yet; standby knows what to do with it. */
	if (!holds(t) && why)
		want(p, false, why);
	go(p, TENURE_STANDBY, "%s", holds(t) ? "the lease is held" : "the lease was not got");
}

/* Why what is held has to be given back before the gate was opened; NULL: nothing. */
static const char *spoilt(const struct plan *p, char text[LEASE_REASON_SIZE])
{
	const struct tenure_facts *f = p->f;
	int64_t until;

	if (!f->nodeos_runs || !f->nodeos_answers)
		return "nodeos does not answer";
	if (f->is_stopping)
		return "the supervisor stops nodeos";
	if (!is_paused(p))
		return "nodeos is not known to be paused";
	if (!f->is_fit)
		return "this slot is not ready";
	if (!right_now(p, &until))
		return "the right has ended before heads were level";
	switch (tenant_order(&p->t->tenant)) {
	case LEASE_ORDER_PAUSE:
		return by_order(p, "paused", text);
	case LEASE_ORDER_FAILOVER:
		return by_order(p, "failover", text);
	case LEASE_ORDER_NONE:
		break;
	}
	return NULL;
}

static void comparing(struct plan *p)
{
	struct tenure *t = p->t;
	const struct tenure_facts *f = p->f;
	/* What was heard before the lease was held does not tell of the former holder's last
	 * block, and in what was heard before we were frozen anything may have happened. */
	int64_t since = t->state_since_ns > f->frozen_ns ? t->state_since_ns : f->frozen_ns;
	enum tenure_heads heads = f->heads_ns >= since ? f->heads : TENURE_HEADS_UNKNOWN;
	char text[LEASE_REASON_SIZE];
	const char *why = spoilt(p, text);
	int64_t until;

	if (why) {
		settle(p, why);
		return;
	}
	if (heads == TENURE_HEADS_LEVEL || (heads == TENURE_HEADS_NOBODY && may_begin(p))) {
		open_gate(p, right_now(p, &until));
		return;
	}
	(void)right_now(p, &until);
	wake(p, until);
	if (heads == TENURE_HEADS_FORKED || f->now - t->state_since_ns >= TENURE_PATIENCE_NS) {
		t->level_ns = 0;
		release(p,
		        heads == TENURE_HEADS_FORKED            ? "other blocks than the others"
		                : heads == TENURE_HEADS_BEHIND  ? "behind the others"
		                : heads == TENURE_HEADS_UNKNOWN ? "heads could not be compared"
		                                                : "nobody to compare heads with");
		return;
	}
	wake(p, t->state_since_ns + TENURE_PATIENCE_NS);
	if (heads == TENURE_HEADS_UNKNOWN)
		p->todo |= TENURE_DO_COMPARE;
	else
		compare_every(p, TENURE_COMPARE_NOW_NS);
}

/* A failover waits for a signature: after it there is a whole slot for the other one to begin. */
static bool is_over_next(struct plan *p)
{
	struct tenure *t = p->t;

	if (t->state == TENURE_OPENING)
		return true;
	if (!t->order_ns) {
		t->order_ns = p->f->now;
		t->order_signed = p->f->last_signed;
	}
	if (p->f->last_signed != t->order_signed || p->f->now - t->order_ns >= TENURE_NEXT_NS)
		return true;
	wake(p, t->order_ns + TENURE_NEXT_NS);
	wake(p, p->f->now + 20 * NS_PER_MS);
	return false;
}

static bool is_silent(struct plan *p)
{
	struct tenure *t = p->t;

	if (!t->silent_ns)
		return false;
	if (p->f->now - t->silent_ns >= TENURE_SILENT_NS)
		return true;
	wake(p, t->silent_ns + TENURE_SILENT_NS);
	return false;
}

/*
 * It answers, and there is no new block: the gate refuses for a reason that lasts, or nodeos does
 * not produce.  By the head, because other producers may have their turns meanwhile.
 */
static bool is_stuck(struct plan *p)
{
	int64_t since = p->t->moved_ns;

	if (since < p->f->frozen_ns)
		since = p->f->frozen_ns;
	wake(p, since + TENURE_STUCK_NS);
	return p->f->head && p->f->now - since >= TENURE_STUCK_NS;
}

/* One look may be at a block that is about to lose; the others must insist. */
static bool is_on_a_fork(struct plan *p)
{
	struct tenure *t = p->t;
	const struct tenure_facts *f = p->f;

	if (f->heads != TENURE_HEADS_FORKED || !f->is_outvoted || f->heads_ns < t->state_since_ns) {
		t->forked_ns = 0;
		return false;
	}
	if (!t->forked_ns)
		t->forked_ns = f->now;
	wake(p, t->forked_ns + TENURE_FORKED_NS);
	return f->now - t->forked_ns >= TENURE_FORKED_NS;
}

/* The gate is open.  Returns false after it was closed. */
static bool may_sign_on(struct plan *p)
{
	struct tenure *t = p->t;
	enum lease_order order = tenant_order(&t->tenant);
	int64_t until;
	uint64_t epoch = right_now(p, &until);
	char text[LEASE_REASON_SIZE];

	if (order != LEASE_ORDER_FAILOVER)
		t->order_ns = 0;
	if (!p->f->nodeos_runs) {
		close_gate(p);
		settle(p, "nodeos has ended");
	} else if (epoch != t->epoch)
		stop_signing(p, TENURE_FENCING,
		        epoch ? "the lease was lost" : "the right to sign has ended");
	else if (p->f->is_stopping)
		stop_signing(p, TENURE_CLOSING, "the supervisor stops nodeos");
	else if (order == LEASE_ORDER_PAUSE)
		stop_signing(p, TENURE_CLOSING, by_order(p, "paused", text));
	else if (order == LEASE_ORDER_FAILOVER && is_over_next(p))
		stop_signing(p, TENURE_CLOSING, by_order(p, "failover", text));
	else if (is_silent(p))
		stop_signing(p, TENURE_CLOSING, "nodeos does not answer");
	else if (is_on_a_fork(p))
		stop_signing(p, TENURE_CLOSING, "nodeos has other blocks than the others");
	else if (is_stuck(p)) {
		stop_signing(p, TENURE_CLOSING, "no block for 10 s");
		t->tenant.no_take_until_ns = p->f->now + TENURE_STUCK_NS;
	} else {
		wake(p, until);
		return true;
	}
	return false;
}

static void opening(struct plan *p)
{
	if (!may_sign_on(p))
		return;
	if (last_signed(p) ||
	        (p->f->pause == TENURE_RESUMED && p->f->pause_ns >= p->t->state_since_ns))
		go(p, TENURE_PRODUCING, "nodeos produces");
	else
		p->todo |= TENURE_DO_RESUME;
}

static void producing(struct plan *p)
{
	if (!may_sign_on(p))
		return;
	compare_every(p, TENURE_COMPARE_NS);
	/* By a hand that knows nothing of the lease: who wants a pause, orders it. */
	if (p->f->pause == TENURE_PAUSED && p->f->pause_ns > p->t->state_since_ns)
		p->todo |= TENURE_DO_RESUME;
}

/* CLOSING and FENCING: until nodeos is paused or dead. */
static void fence(struct plan *p)
{
	struct tenure *t = p->t;
	const struct tenure_facts *f = p->f;
	int64_t left = t->fence_end_ns - t->fence_from_ns, term, kill;
	char why[LEASE_REASON_SIZE];

	snprintf(why, sizeof(why), "%s", t->why);
	if (!f->nodeos_runs || (is_paused(p) && !t->is_terminated)) {
		settle(p, why);
		return;
	}
	term = t->fence_from_ns + left / 3;
	kill = t->fence_from_ns + left / 3 * 2;
	p->todo |= TENURE_DO_PAUSE;
	if (f->now >= term && !t->is_terminated)
		terminate(p);
	if (f->now >= kill) {
		p->todo |= TENURE_DO_KILL;
		wake(p, f->now + 100 * NS_PER_MS);
	}
	wake(p, term);
	wake(p, kill);
}

static void releasing(struct plan *p)
{
	struct tenure *t = p->t;
	const struct tenure_facts *f = p->f;

	if (holds(t) || is_giving_up(t)) {
		if (f->nodeos_answers && !is_paused(p))
			p->todo |= TENURE_DO_PAUSE;
		return;
	}
	/* The reason stands until standby or down has one of its own. */
	t->state = f->nodeos_runs ? TENURE_STANDBY : TENURE_DOWN;
	t->state_since_ns = f->now;
}

/* --- the whole -------------------------------------------------------------------------------- */

/*
 * Whether nobody can have signed since this place did, as it was before it took the lease: slots of
 * two holders are disjoint, so one of ours above the floor is in the last epoch, and one at the
 * ceiling of a free record is the last of all.
 */
static void note_last(struct plan *p)
{
	struct tenure *t = p->t;
	const struct tenant *n = &t->tenant;
	const struct lease_record *r = &n->seen;

	if (!n->has_seen || lease_is_held_by(r, n->cfg.place, n->cfg.nonce))
		return;
	if (r->epoch == 0)
		/* Not one that is gone. */
		t->is_last = n->highest_epoch == 0;
	else if (r->holder[0])
		t->is_last = strcmp(r->place, n->cfg.place) == 0 || p->f->last_signed > r->floor;
	else
		t->is_last = p->f->last_signed > r->floor || p->f->last_signed >= r->ceiling;
}

/* What the facts tell whatever the state is. */
static void note(struct plan *p)
{
	struct tenure *t = p->t;
	const struct tenure_facts *f = p->f;

	if (!f->nodeos_runs) {
		/* The next one starts paused, but is to say so itself. */
		t->doubt_ns = f->now;
		t->behind_ns = t->level_ns = 0;
		t->split_ns = 0;
		t->wants_heal = false;
		t->must_restart = t->has_produced = t->is_terminated = false;
	}
	note_last(p);
	if (f->head != t->head)
		t->moved_ns = f->now;
	t->head = f->head;
	if (f->heads == TENURE_HEADS_LEVEL && f->heads_ns >= t->doubt_ns) {
		t->level_ns = f->heads_ns;
		/* It has followed after all. */
		if (!t->epoch && f->heads_ns > t->doubt_ns && is_anothers(t))
			t->must_restart = false;
	} else if (f->heads == TENURE_HEADS_FORKED)
		t->level_ns = 0;
	if (f->nodeos_answers || f->last_signed != t->last_signed)
		t->silent_ns = 0;
	else if (!t->silent_ns)
		t->silent_ns = f->now;
	t->last_signed = f->last_signed;
}

static void step(struct plan *p)
{
	switch (p->t->state) {
	case TENURE_DOWN:
		down(p);
		break;
	case TENURE_STANDBY:
		standby(p);
		break;
	case TENURE_TAKING:
		taking(p);
		break;
	case TENURE_COMPARING:
		comparing(p);
		break;
	case TENURE_OPENING:
		opening(p);
		break;
	case TENURE_PRODUCING:
		producing(p);
		break;
	case TENURE_CLOSING:
	case TENURE_FENCING:
		fence(p);
		break;
	case TENURE_RELEASING:
		releasing(p);
		break;
	}
}

void tenure_init(struct tenure *t, const struct tenant_config *cfg, int64_t now)
{
	memset(t, 0, sizeof(*t));
	tenant_init(&t->tenant, cfg, now);
	t->state = TENURE_DOWN;
	t->state_since_ns = t->doubt_ns = now;
	snprintf(t->why, sizeof(t->why), "nodeos does not run");
}

unsigned tenure_plan(struct tenure *t, const struct tenure_facts *f, int64_t *ret_at)
{
	struct plan p = { .t = t, .f = f, .at = f->now + NS_PER_SEC };
	enum tenure_state before;
	/* No way through the states is longer; a circle, which there is none, would end here. */
	int left = 8;

	note(&p);
	do {
		before = t->state;
		step(&p);
	} while (t->state != before && --left > 0);
	*ret_at = left ? p.at : f->now + NS_PER_MS;
	return p.todo;
}

bool tenure_is_quiet(const struct tenure *t)
{
	return (t->state == TENURE_DOWN || t->state == TENURE_STANDBY) && !is_ours(t) &&
	        !is_giving_up(t) && t->tenant.state != TENANT_TAKING;
}

const char *tenure_state_name(enum tenure_state s)
{
	static const char *const name[] = {
		[TENURE_DOWN] = "down",
		[TENURE_STANDBY] = "standby",
		[TENURE_TAKING] = "taking",
		[TENURE_COMPARING] = "comparing",
		[TENURE_OPENING] = "opening",
		[TENURE_PRODUCING] = "producing",
		[TENURE_CLOSING] = "closing",
		[TENURE_RELEASING] = "releasing",
		[TENURE_FENCING] = "fencing",
	};

	return name[s];
}
