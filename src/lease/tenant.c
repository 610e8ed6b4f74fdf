#include "lease/tenant.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"

/*
 * What keeps two rights apart in time, and why it does not matter what is lost or late:
 *
 *	holder   asked ------ right ------ until (asked + term - guard)
 *	swarm        | lands
 *	taker            | seen ---------- its own whole term ----------| may ask
 *
 * A write lands after it was asked for, and is seen after it has landed.  So the taker's term
 * begins later than the holder's, on whatever clock, and the guard is there for clocks that run at
 * different rates.  A write that lands when its asker no longer counts on it makes others wait, and
 * nothing else; and the taker's own write fails if anything has landed that it did not see.
 *
 * A right whose end was reached does not come back in its epoch, even if a late answer tells that
 * it was longer: gate and nodeos have been told by then.  The lease is then taken anew.
 */

#define POLL_NS          (250 * NS_PER_MS)
#define POLL_HOLDING_NS  (500 * NS_PER_MS) /* for orders */
#define POLL_IDLE_NS     NS_PER_SEC        /* it is not wanted */
#define POLL_FAILOVER_NS (50 * NS_PER_MS)
#define RETRY_NS         (50 * NS_PER_MS)
#define RETRY_SHIFT_MAX  3
#define GIVE_WAY_NS      (10 * NS_PER_SEC)

int64_t tenant_guard_ns(int64_t term_ns)
{
	int64_t guard = term_ns / 16;

	return guard < NS_PER_SEC ? NS_PER_SEC : guard;
}

void tenant_init(struct tenant *t, const struct tenant_config *cfg, int64_t now)
{
	*t = (struct tenant){ .cfg = *cfg, .state = TENANT_BLIND, .next_ns = now };
	if (!t->cfg.poll_ns)
		t->cfg.poll_ns = POLL_NS;
	t->gone_term_ns =
	        t->cfg.first_wait_ns > t->cfg.term_ns ? t->cfg.first_wait_ns : t->cfg.term_ns;
	lease_record_init(&t->seen, cfg->name);
}

PRINTF(2, 3)
static void say(char out[LEASE_REASON_SIZE], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(out, LEASE_REASON_SIZE, fmt, ap);
	va_end(ap);
	/* A character that was cut in two would be no JSON. */
	str_printable(out);
}

void tenant_want(struct tenant *t, bool wants, const char *why)
{
	if (t->wants == wants)
		return;
	t->wants = wants;
	t->next_ns = 0;
	say(t->reason, "%s", why);
}

void tenant_release(struct tenant *t, uint32_t last_slot, const char *why)
{
	/* Who has heard nothing yet has asked for nothing either. */
	t->gives_up = t->has_seen;
	t->last_slot = last_slot;
	t->last_epoch = t->had_epoch;
	t->epoch = 0;
	t->until_ns = 0;
	t->next_ns = 0;
	say(t->release_reason, "%s", why);
}

/* --- what is so ------------------------------------------------------------------------------ */

static bool is_ours(const struct tenant *t)
{
	return lease_is_held_by(&t->seen, t->cfg.place, t->cfg.nonce);
}

/* Ours, or of a process that is dead: whoever asks holds the lock of the place. */
static bool is_of_our_place(const struct tenant *t)
{
	return t->seen.holder[0] && strcmp(t->seen.place, t->cfg.place) == 0;
}

/* A record of ours that was a right.  Whoever had it gives it up when nodeos can publish nothing
 * more: nothing is done with it before, whatever is wanted or ordered. */
static bool is_spent(const struct tenant *t)
{
	return is_ours(t) && !t->epoch && !t->gives_up && t->seen.epoch <= t->had_epoch;
}

/* A record of ours that was never a right, and cannot be one any more. */
static bool is_unused(const struct tenant *t)
{
	return is_ours(t) && !t->epoch && t->seen.epoch > t->had_epoch;
}

static bool is_order_for_others(const struct tenant *t)
{
	return t->seen.order == LEASE_ORDER_FAILOVER && t->seen.order_id > t->done_order &&
	        strcmp(t->seen.order_to, t->cfg.holder) != 0;
}

static void expire(struct tenant *t, int64_t now)
{
	if (t->epoch && now >= t->until_ns) {
		t->epoch = 0;
		t->until_ns = 0;
		t->next_ns = 0;
	}
}

/* When a taker may ask: the time is over, if nothing else forbids it. */
static int64_t free_at(const struct tenant *t)
{
	const struct lease_record *r = &t->seen;

	if (!r->version)
		return t->changed_ns + t->gone_term_ns;
	if (!r->holder[0] || is_of_our_place(t))
		return 0;
	return t->changed_ns + r->term_ns;
}

/* Until when an order keeps this one from taking what it may take otherwise. */
static int64_t kept_until(const struct tenant *t)
{
	const struct lease_record *r = &t->seen;
	int64_t at = t->no_take_until_ns, since = t->order_ns;

	if (r->order != LEASE_ORDER_FAILOVER || !r->order_to[0] ||
	        strcmp(r->order_to, t->cfg.holder) == 0)
		return at;
	if (!r->holder[0] && t->changed_ns > since)
		since = t->changed_ns;
	return since + GIVE_WAY_NS > at ? since + GIVE_WAY_NS : at;
}

static uint32_t next_floor(const struct tenant *t)
{
	return t->seen.version ? t->seen.ceiling : t->gone_ceiling;
}

uint64_t tenant_right(const struct tenant *t, int64_t now, int64_t *ret_until_ns,
        uint32_t *ret_floor, uint32_t *ret_ceiling)
{
	if (!t->epoch || now >= t->until_ns)
		return 0;
	*ret_until_ns = t->until_ns;
	*ret_floor = t->floor;
	*ret_ceiling = t->ceiling;
	return t->epoch;
}

int64_t tenant_term_end_ns(const struct tenant *t)
{
	return t->term_end_ns;
}

enum lease_order tenant_order(const struct tenant *t)
{
	if (!t->epoch)
		return LEASE_ORDER_NONE;
	if (t->seen.order == LEASE_ORDER_PAUSE || is_order_for_others(t))
		return t->seen.order;
	return LEASE_ORDER_NONE;
}

/* --- what is heard --------------------------------------------------------------------------- */

static bool is_other(const struct lease_record *a, const struct lease_record *b)
{
	return !a->version != !b->version || a->epoch != b->epoch || a->count != b->count ||
	        strcmp(a->holder, b->holder) != 0 || strcmp(a->place, b->place) != 0 ||
	        strcmp(a->nonce, b->nonce) != 0;
}

/* Ours stands: the right counts from when it was asked for, if it was not over meanwhile. */
static void count_right(struct tenant *t, int64_t now)
{
	const struct lease_record *r = &t->seen;
	int64_t end = t->first_ns + t->cfg.term_ns, until = end - tenant_guard_ns(t->cfg.term_ns);

	if (r->epoch != t->first_epoch || r->count != t->first_count || t->gives_up)
		return;
	/* A right that has ended does not come back; a new one must be a new epoch. */
	if (t->epoch != r->epoch && r->epoch <= t->had_epoch)
		return;
	/* It may stand too late to be one, but what is over the first time stays over. */
	if (until <= now)
		return;
	if (t->epoch == r->epoch && until < t->until_ns)
		until = t->until_ns;
	t->epoch = t->had_epoch = r->epoch;
	t->until_ns = until;
	t->floor = r->floor;
	t->ceiling = r->ceiling;
	if (end > t->term_end_ns)
		t->term_end_ns = end;
}

/* Renewed further than we ever asked for, in our name: a machine that was copied while it ran, and
 * each of both believes to be the one.  From here on that record is a stranger's, whose place is
 * not ours either, and this one takes no part: it cannot know which of both goes on. */
static void drop_if_doubled(struct tenant *t, const struct lease_record *r)
{
	if (!lease_is_held_by(r, t->cfg.place, t->cfg.nonce) || r->epoch < t->most_epoch ||
	        (r->epoch == t->most_epoch && r->count <= t->most_count))
		return;
	t->is_doubled = true;
	t->cfg.place[0] = t->cfg.nonce[0] = '\0';
}

static void hear(struct tenant *t, int64_t now, const struct lease_record *stands)
{
	drop_if_doubled(t, stands);
	t->is_gone = false;
	if (stands->version)
		t->max_version = stands->version;
	if (!t->has_seen || is_other(&t->seen, stands))
		t->changed_ns = now;
	if (!t->has_seen || stands->order_id != t->seen.order_id)
		t->order_ns = now;
	if (stands->version) {
		t->gone_term_ns =
		        stands->term_ns > t->cfg.term_ns ? stands->term_ns : t->cfg.term_ns;
		t->gone_ceiling = stands->ceiling;
	}
	if (stands->epoch > t->highest_epoch)
		t->highest_epoch = stands->epoch;
	t->seen = *stands;
	t->has_seen = true;
	t->seen_ns = now;
	if (is_ours(t)) {
		count_right(t, now);
		return;
	}
	t->epoch = 0;
	t->until_ns = 0;
	if (is_of_our_place(t))
		return;
	t->gives_up = false;
	/* Somebody else has had it since we gave way. */
	if (t->seen.holder[0])
		t->no_take_until_ns = 0;
}

void tenant_answer(
        struct tenant *t, int64_t now, enum tenant_reply reply, const struct lease_record *stands)
{
	unsigned shift = t->failures < RETRY_SHIFT_MAX ? t->failures : RETRY_SHIFT_MAX;

	expire(t, now);
	t->asked = TENANT_WAIT;
	if (reply == TENANT_UNKNOWN || !stands) {
		t->failures++;
		t->next_ns = now + (RETRY_NS << shift);
		return;
	}
	/* Another manager may be behind; what it tells is not what stands. */
	if (stands->version && stands->version < t->max_version) {
		t->failures = 0;
		t->next_ns = now + RETRY_NS;
		return;
	}
	/* That it is gone, or this broker is one of another swarm: a second answer tells. */
	if (!stands->version && t->epoch && !t->is_gone) {
		t->is_gone = true;
		t->failures = 0;
		t->next_ns = now + RETRY_NS;
		return;
	}
	t->failures = 0;
	t->next_ns = reply == TENANT_CONFLICT ? now + RETRY_NS : 0;
	hear(t, now, stands);
}

/* --- what to do next ------------------------------------------------------------------------- */

static void end_order(struct lease_record *w)
{
	w->order = LEASE_ORDER_NONE;
	w->order_to[0] = w->order_reason[0] = '\0';
}

static uint32_t ceiling_at(const struct tenant *t, int64_t real_now)
{
	return lease_slot_at(real_now + t->cfg.term_ns);
}

/* The slots that could have been signed in the record that is given up. */
static uint32_t ceiling_of_release(const struct tenant *t)
{
	const struct lease_record *r = &t->seen;
	uint32_t last = r->ceiling;

	if (is_ours(t) && r->epoch > t->had_epoch)
		last = 0; /* there never was a right */
	else if (is_ours(t) && r->epoch == t->last_epoch)
		last = t->last_slot;
	else if (!is_ours(t) && t->cfg.last_slot)
		last = t->cfg.last_slot;
	return last < r->floor ? r->floor : last > r->ceiling ? r->ceiling : last;
}

static const char *reason_of_release(const struct tenant *t)
{
	if (!is_ours(t))
		return "the process that had it there has ended";
	if (t->gives_up && t->release_reason[0])
		return t->release_reason;
	return t->wants ? "it was got too late to be used" : "it is not wanted any more";
}

static enum tenant_do write_release(struct tenant *t, int64_t now, int64_t real_now)
{
	struct lease_record *w = &t->wanted;

	*w = t->seen;
	w->holder[0] = w->place[0] = w->nonce[0] = '\0';
	w->ceiling = ceiling_of_release(t);
	lease_note_change(w, real_now, reason_of_release(t));
	if (is_order_for_others(t)) {
		t->done_order = t->seen.order_id;
		t->no_take_until_ns = now + GIVE_WAY_NS;
	}
	/* Until it is seen to be gone, whatever is wanted meanwhile. */
	t->gives_up = true;
	return TENANT_WRITE;
}

static enum tenant_do write_renewal(struct tenant *t, int64_t real_now)
{
	struct lease_record *w = &t->wanted;
	uint32_t ceiling = ceiling_at(t, real_now);

	*w = t->seen;
	w->count++;
	if (ceiling > w->ceiling)
		w->ceiling = ceiling;
	/* An order to fail over to whom it has already, or that was obeyed. */
	if (w->order == LEASE_ORDER_FAILOVER && !is_order_for_others(t))
		end_order(w);
	return TENANT_WRITE;
}

static void note_taking(
        const struct tenant *t, struct lease_record *w, int64_t now, int64_t real_now)
{
	const struct lease_record *r = &t->seen;
	char silent[NUM_TEXT_MAX], why[LEASE_REASON_SIZE];

	if (r->version && r->holder[0] && !is_of_our_place(t))
		say(why, "%.80s did not renew it for %s: %s", r->holder,
		        num_duration_text(silent, now - t->changed_ns), t->reason);
	else
		say(why, "%s", t->reason);
	lease_note_change(w, real_now, why);
}

static enum tenant_do write_taking(struct tenant *t, int64_t now, int64_t real_now)
{
	const struct lease_record *r = &t->seen;
	struct lease_record *w = &t->wanted;

	*w = *r;
	w->epoch = (r->version ? r->epoch : t->highest_epoch) + 1;
	w->count = 0;
	w->is_claim = false;
	w->term_ns = t->cfg.term_ns;
	snprintf(w->holder, sizeof(w->holder), "%s", t->cfg.holder);
	snprintf(w->place, sizeof(w->place), "%s", t->cfg.place);
	snprintf(w->nonce, sizeof(w->nonce), "%s", t->cfg.nonce);
	w->floor = next_floor(t);
	w->ceiling = ceiling_at(t, real_now);
	if (w->order == LEASE_ORDER_FAILOVER)
		end_order(w);
	note_taking(t, w, now, real_now);
	return TENANT_WRITE;
}

/* Whether a record of our place, in which there is no right, is to be given up. */
static bool has_to_free(const struct tenant *t, int64_t real_now)
{
	if (t->epoch || !is_of_our_place(t) || is_spent(t))
		return false;
	if (t->gives_up || !t->wants || t->seen.order == LEASE_ORDER_PAUSE ||
	        is_order_for_others(t))
		return true;
	/* Taking it as it is would mean to wait for its ceiling. */
	return (is_unused(t) || (!is_ours(t) && t->cfg.last_slot)) &&
	        ceiling_of_release(t) < t->seen.ceiling &&
	        t->seen.ceiling >= lease_slot_at(real_now);
}

static int64_t poll_ns(const struct tenant *t, int64_t now)
{
	int64_t poll = t->cfg.poll_ns;

	if (t->epoch)
		return poll < POLL_HOLDING_NS ? POLL_HOLDING_NS : poll;
	if (!t->wants)
		return poll < POLL_IDLE_NS ? POLL_IDLE_NS : poll;
	/* It will be given up in a moment, and this one may take it then. */
	if (t->seen.order == LEASE_ORDER_FAILOVER && now >= kept_until(t) &&
	        poll > POLL_FAILOVER_NS)
		return POLL_FAILOVER_NS;
	return poll;
}

static bool may_want(const struct tenant *t)
{
	return t->wants && !t->gives_up && !t->is_doubled && !is_spent(t) &&
	        t->seen.order != LEASE_ORDER_PAUSE && !t->seen.is_claim;
}

/* One who has no right: take it, or when to look again. */
static enum tenant_do next_of_taker(
        struct tenant *t, int64_t now, int64_t real_now, int64_t *ret_at)
{
	int64_t at = t->asked_ns + poll_ns(t, now), from = free_at(t), kept = kept_until(t);

	uint32_t ceiling = ceiling_at(t, real_now), floor = next_floor(t);

	t->blocked = ceiling > floor ? 0 : floor - ceiling + 1;
	if (kept > from)
		from = kept;
	if (may_want(t)) {
		if (now >= from && !t->blocked)
			return write_taking(t, now, real_now);
		if (from > now && from < at)
			at = from;
	}
	if (now >= at)
		return TENANT_READ;
	*ret_at = at;
	return TENANT_WAIT;
}

static enum tenant_do decide(struct tenant *t, int64_t now, int64_t real_now, int64_t *ret_at)
{
	int64_t renew_at, at;

	*ret_at = t->next_ns;
	if (now < t->next_ns)
		return TENANT_WAIT;
	if (!t->has_seen)
		return TENANT_READ;
	if (has_to_free(t, real_now))
		return write_release(t, now, real_now);
	if (!t->epoch)
		return next_of_taker(t, now, real_now, ret_at);
	renew_at = t->until_ns + tenant_guard_ns(t->cfg.term_ns) - t->cfg.term_ns * 3 / 4;
	if (now >= renew_at)
		return write_renewal(t, real_now);
	at = t->is_gone ? now : t->asked_ns + poll_ns(t, now);
	if (now >= at)
		return TENANT_READ;
	*ret_at = at < renew_at ? at : renew_at;
	return TENANT_WAIT;
}

static enum tenant_state judge_state(const struct tenant *t, int64_t now)
{
	if (t->epoch)
		return TENANT_HOLDING;
	if (t->asked == TENANT_WRITE)
		return t->wanted.holder[0] ? TENANT_TAKING : TENANT_RELEASING;
	if (t->gives_up)
		return TENANT_RELEASING;
	if (!t->has_seen || now - t->seen_ns > t->cfg.term_ns)
		return TENANT_BLIND;
	/* A holder that renews in time is watched; one that is late is waited for. */
	if (t->wants && (!t->seen.holder[0] || now - t->changed_ns > t->seen.term_ns / 2))
		return TENANT_WAITING;
	return TENANT_WATCHING;
}

static void ask(struct tenant *t, int64_t now, enum tenant_do what)
{
	const struct lease_record *w = &t->wanted;

	t->asked = what;
	t->asked_ns = now;
	if (what != TENANT_WRITE || !w->holder[0])
		return;
	if (w->epoch > t->most_epoch || (w->epoch == t->most_epoch && w->count > t->most_count)) {
		t->most_epoch = w->epoch;
		t->most_count = w->count;
	}
	if (w->epoch == t->first_epoch && w->count == t->first_count &&
	        t->first_version == t->max_version)
		return;
	t->first_epoch = w->epoch;
	t->first_count = w->count;
	t->first_version = t->max_version;
	t->first_ns = now;
}

enum tenant_do tenant_next(struct tenant *t, int64_t now, int64_t real_now,
        struct lease_record *ret_write, int64_t *ret_at)
{
	enum tenant_do what = TENANT_WAIT;

	expire(t, now);
	if (t->asked != TENANT_WAIT) {
		*ret_at = now + NS_PER_SEC;
	} else {
		what = decide(t, now, real_now, ret_at);
		if (what != TENANT_WAIT)
			ask(t, now, what);
		if (what == TENANT_WRITE)
			*ret_write = t->wanted;
	}
	if (t->epoch && *ret_at > t->until_ns)
		*ret_at = t->until_ns;
	t->state = judge_state(t, now);
	return what;
}

/* --- for people ------------------------------------------------------------------------------ */

static int say_taker(const struct tenant *t, int64_t now, char *out, size_t size)
{
	const struct lease_record *r = &t->seen;
	int64_t from = free_at(t), kept = kept_until(t);
	char text[NUM_TEXT_MAX];

	if (r->order == LEASE_ORDER_PAUSE)
		return snprintf(out, size, "an order keeps everybody from taking it: %s",
		        r->order_reason[0] ? r->order_reason : "pause");
	if (t->is_doubled)
		return snprintf(out, size,
		        "somebody else renews it in our name: this machine was copied while it "
		        "ran; it takes no part any more");
	if (from > now && r->holder[0] && t->wants)
		return snprintf(out, size, "%s has it, and would lose it in %s", r->holder,
		        num_duration_text(text, from - now));
	if (from > now && !r->version && t->wants)
		return snprintf(out, size, "there is no such lease; it is made in %s",
		        num_duration_text(text, from - now));
	if (r->holder[0] && from > 0)
		return snprintf(out, size, "%s has it", r->holder);
	if (kept > now)
		return snprintf(out, size, "another one may take it for %s%s%s",
		        num_duration_text(text, kept - now), r->order_to[0] ? ": " : "",
		        r->order_to);
	if (t->wants && is_spent(t))
		return snprintf(out, size, "our time is over; it is ours to be given up");
	if (t->wants && t->blocked)
		return snprintf(out, size,
		        "others may have signed blocks of %u s from now on: a clock was wrong, or "
		        "ours is",
		        t->blocked / 2 + (uint32_t)(t->cfg.term_ns / NS_PER_SEC));
	if (t->wants)
		return snprintf(out, size, "it is free, and is being taken");
	return snprintf(out, size, "it is %s, and not wanted: %s",
	        r->holder[0] ? "of a process that has ended" : "free", t->reason);
}

const char *tenant_why(const struct tenant *t, int64_t now, char *out, size_t size)
{
	char text[NUM_TEXT_MAX];

	if (t->epoch)
		snprintf(out, size, "held in epoch %llu, for another %s",
		        (unsigned long long)t->epoch, num_duration_text(text, t->until_ns - now));
	else if (t->gives_up)
		snprintf(out, size, "is being released: %s", t->release_reason);
	else if (!t->has_seen)
		snprintf(out, size, "no broker has answered yet");
	else if (now - t->seen_ns > t->cfg.term_ns)
		snprintf(out, size, "no broker has answered for %s",
		        num_duration_text(text, now - t->seen_ns));
	else
		say_taker(t, now, out, size);
	str_printable(out);
	return out;
}
