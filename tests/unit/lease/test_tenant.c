/* One tenant and what it is told, step by step; test_lease_model.c has many of them. */

#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "lease/tenant.h"

#define MS    NS_PER_MS
#define TERM  (4 * NS_PER_SEC)
#define REAL  (1760000000LL * NS_PER_SEC)
#define START (100 * NS_PER_SEC)

struct scene {
	struct tenant t;
	int64_t now;
	struct lease_record w; /* what it has asked to write last */
	int64_t at;
	uint64_t version;
};

static struct tenant_config config(void)
{
	struct tenant_config cfg = { .name = "producer", .term_ns = TERM };

	snprintf(cfg.holder, sizeof(cfg.holder), "a.1");
	snprintf(cfg.place, sizeof(cfg.place), "here");
	snprintf(cfg.nonce, sizeof(cfg.nonce), "%032x", 1);
	return cfg;
}

static void begin(struct scene *s, bool wants)
{
	const struct tenant_config cfg = config();

	memset(s, 0, sizeof(*s));
	s->now = START;
	s->version = 10;
	tenant_init(&s->t, &cfg, s->now);
	tenant_want(&s->t, wants, "it is wanted");
}

static enum tenant_do next(struct scene *s)
{
	return tenant_next(&s->t, s->now, REAL + s->now, &s->w, &s->at);
}

/* Go on until it asks for something, at most so long. */
static enum tenant_do until_asked(struct scene *s, int64_t limit)
{
	int64_t end = s->now + limit;

	for (;;) {
		enum tenant_do what = next(s);

		if (what != TENANT_WAIT)
			return what;
		assert_true(s->at > s->now);
		if (s->at > end) {
			s->now = end;
			return TENANT_WAIT;
		}
		s->now = s->at;
	}
}

static struct lease_record held_by(const char *who, uint64_t epoch, uint64_t count)
{
	struct lease_record r;

	lease_record_init(&r, "producer");
	r.epoch = epoch;
	r.count = count;
	r.term_ns = TERM;
	snprintf(r.holder, sizeof(r.holder), "%s", who);
	snprintf(r.place, sizeof(r.place), "at %s", who);
	snprintf(r.nonce, sizeof(r.nonce), "%032x", 2);
	r.floor = 100;
	r.ceiling = 200;
	return r;
}

static struct lease_record none(void)
{
	struct lease_record r;

	lease_record_init(&r, "producer");
	return r;
}

static void answer(struct scene *s, int64_t after, enum tenant_reply reply, struct lease_record r)
{
	s->now += after;
	if (r.holder[0] || r.epoch || r.order_id)
		r.version = r.version ? r.version : ++s->version;
	tenant_answer(&s->t, s->now, reply, &r);
}

static void unknown(struct scene *s, int64_t after)
{
	s->now += after;
	tenant_answer(&s->t, s->now, TENANT_UNKNOWN, NULL);
}

/* What it wrote stands. */
static void done(struct scene *s, int64_t after)
{
	struct lease_record r = s->w;

	r.version = 0;
	answer(s, after, TENANT_DONE, r);
}

static uint64_t right(const struct scene *s, int64_t *until)
{
	uint32_t floor, ceiling;

	return tenant_right(&s->t, s->now, until, &floor, &ceiling);
}

/* To where it holds: it has read that it is free, has asked at START, and was answered 100 ms
 * later. */
static void hold(struct scene *s)
{
	struct lease_record r = held_by("", 5, 0);

	begin(s, true);
	assert_int_equal(until_asked(s, 0), TENANT_READ);
	r.place[0] = r.nonce[0] = '\0';
	answer(s, 0, TENANT_DONE, r);
	assert_int_equal(next(s), TENANT_WRITE);
	assert_int_equal(s->now, START);
	done(s, 100 * MS);
}

static void takes(void **state)
{
	struct scene s;
	int64_t until;

	(void)state;
	hold(&s);
	assert_int_equal(s.w.epoch, 6);
	assert_int_equal(s.w.count, 0);
	assert_int_equal(s.w.floor, 200);
	assert_int_equal(s.w.ceiling, lease_slot_at(REAL + START + TERM));
	assert_string_equal(s.w.holder, "a.1");
	assert_int_equal(s.w.nhistory, 1);
	assert_string_equal(s.w.history[0].reason, "it is wanted");
	/* From when it was asked for, not from the answer. */
	assert_int_equal(right(&s, &until), 6);
	assert_int_equal(until, START + TERM - NS_PER_SEC);
	assert_int_equal(tenant_term_end_ns(&s.t), START + TERM);
	next(&s);
	assert_int_equal(s.t.state, TENANT_HOLDING);
	s.now = until;
	assert_int_equal(right(&s, &until), 0);
}

static void renews(void **state)
{
	struct scene s;
	int64_t until;
	struct lease_record stands;

	(void)state;
	hold(&s);
	stands = s.w;
	/* It looks for orders meanwhile. */
	assert_int_equal(until_asked(&s, NS_PER_SEC), TENANT_READ);
	assert_int_equal(s.now, START + 500 * MS);
	stands.version = s.version;
	answer(&s, 10 * MS, TENANT_DONE, stands);
	assert_int_equal(until_asked(&s, NS_PER_SEC), TENANT_WRITE);
	assert_int_equal(s.now, START + NS_PER_SEC);
	assert_int_equal(s.w.count, 1);
	assert_int_equal(s.w.floor, 200);
	assert_int_equal(s.w.ceiling, stands.ceiling + 2);
	/* No answer, and again: the right begins when it was asked for first. */
	unknown(&s, 700 * MS);
	assert_int_equal(until_asked(&s, NS_PER_SEC), TENANT_WRITE);
	assert_int_equal(s.now, START + 1750 * MS);
	assert_int_equal(s.w.count, 1);
	done(&s, 100 * MS);
	assert_int_equal(right(&s, &until), 6);
	assert_int_equal(until, START + NS_PER_SEC + TERM - NS_PER_SEC);
	/* The next counts from its own time. */
	assert_int_equal(until_asked(&s, NS_PER_SEC), TENANT_WRITE);
	assert_int_equal(s.w.count, 2);
	done(&s, 10 * MS);
	assert_int_equal(right(&s, &until), 6);
	assert_true(until > START + 4 * NS_PER_SEC);
}

/* A wall clock that was set back does not take slots away that were allowed. */
static void clock_set_back(void **state)
{
	struct scene s;
	uint32_t ceiling;

	(void)state;
	hold(&s);
	ceiling = s.w.ceiling;
	for (s.now = START + NS_PER_SEC;;) {
		if (tenant_next(&s.t, s.now, REAL - 60 * NS_PER_SEC, &s.w, &s.at) == TENANT_WRITE)
			break;
		answer(&s, 0, TENANT_DONE, s.t.seen);
	}
	assert_int_equal(s.w.count, 1);
	assert_int_equal(s.w.ceiling, ceiling);
}

/* Whoever had the right has closed everything and says so: it is released, then taken anew. */
static void given_up(struct scene *s, uint64_t epoch)
{
	tenant_release(&s->t, 0, "its time was over");
	assert_int_equal(until_asked(s, NS_PER_SEC), TENANT_WRITE);
	assert_string_equal(s->w.holder, "");
	assert_int_equal(s->w.epoch, epoch);
	done(s, 10 * MS);
	assert_int_equal(until_asked(s, NS_PER_SEC), TENANT_WRITE);
	assert_int_equal(s->w.epoch, epoch + 1);
}

/* Nothing is asked for but what stands. */
static void only_reads(struct scene *s, int64_t limit)
{
	int64_t end = s->now + limit;

	while (s->now < end) {
		enum tenant_do what = until_asked(s, end - s->now);

		assert_int_not_equal(what, TENANT_WRITE);
		if (what == TENANT_READ)
			answer(s, 10 * MS, TENANT_DONE, s->t.seen);
	}
}

/* A right that has ended does not come back; the lease is taken again, as a new epoch. */
static void lapses(void **state)
{
	struct scene s;
	struct lease_record late;
	int64_t until;

	(void)state;
	hold(&s);
	while (s.now < START + 3 * NS_PER_SEC)
		if (until_asked(&s, START + 3 * NS_PER_SEC - s.now) != TENANT_WAIT) {
			if (s.w.epoch == 6)
				late = s.w;
			unknown(&s, 10 * MS);
		}
	assert_int_equal(right(&s, &until), 0);
	assert_int_equal(until_asked(&s, NS_PER_SEC), TENANT_READ);
	/* The renewal has landed meanwhile, and would have been for longer than now. */
	assert_int_equal(late.epoch, 6);
	assert_int_equal(late.count, 1);
	late.version = 0;
	answer(&s, 10 * MS, TENANT_DONE, late);
	assert_int_equal(right(&s, &until), 0);
	only_reads(&s, 10 * NS_PER_SEC);
	given_up(&s, 6);
	assert_int_equal(s.w.floor, 200);
	done(&s, 10 * MS);
	assert_int_equal(right(&s, &until), 7);
}

/* Neither by an answer that was under way when it ended. */
static void lapses_while_asking(void **state)
{
	struct scene s;
	int64_t until;

	(void)state;
	hold(&s);
	while (until_asked(&s, 2 * NS_PER_SEC) == TENANT_READ)
		answer(&s, 10 * MS, TENANT_DONE, s.t.seen);
	assert_int_equal(s.w.count, 1);
	assert_int_equal(s.now, START + NS_PER_SEC);
	done(&s, 2010 * MS);
	assert_int_equal(right(&s, &until), 0);
	only_reads(&s, 10 * NS_PER_SEC);
	given_up(&s, 6);
}

/* Brokers were away when the right ended.  nodeos may be neither paused nor dead yet: whatever is
 * ordered or wanted, the record is the others' only when the owner says so. */
static void is_left_alone(void **state)
{
	static const struct {
		const char *name;
		enum lease_order order;
		bool wants;
	} t[] = {
		{ "no order", LEASE_ORDER_NONE, true },
		{ "a failover", LEASE_ORDER_FAILOVER, true },
		{ "a pause", LEASE_ORDER_PAUSE, true },
		{ "not wanted", LEASE_ORDER_NONE, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct scene s;
		struct lease_record r;

		hold(&s);
		assert_int_equal(until_asked(&s, NS_PER_SEC), TENANT_READ);
		r = s.w;
		r.version = 0;
		r.order = t[i].order;
		r.order_id = 4;
		answer(&s, 0, TENANT_DONE, r);
		assert_int_not_equal(until_asked(&s, NS_PER_SEC), TENANT_WAIT);
		unknown(&s, 4 * NS_PER_SEC);
		tenant_want(&s.t, t[i].wants, "test");
		only_reads(&s, 10 * NS_PER_SEC);
		tenant_release(&s.t, 0, "nodeos is paused");
		if (until_asked(&s, NS_PER_SEC) != TENANT_WRITE || s.w.holder[0])
			fail_msg("%s: not released", t[i].name);
	}
}

/* A taking that stood too late: nobody has to wait for its slots. */
static void unused(void **state)
{
	struct lease_record r = held_by("", 5, 0), w;
	struct scene s;
	int64_t until;

	(void)state;
	begin(&s, true);
	assert_int_equal(next(&s), TENANT_READ);
	r.place[0] = r.nonce[0] = '\0';
	answer(&s, 0, TENANT_DONE, r);
	assert_int_equal(next(&s), TENANT_WRITE);
	w = s.w;
	unknown(&s, 1900 * MS);
	assert_int_equal(until_asked(&s, NS_PER_SEC), TENANT_WRITE);
	w.version = 0;
	answer(&s, 1900 * MS, TENANT_CONFLICT, w);
	assert_int_equal(right(&s, &until), 0);
	assert_int_equal(until_asked(&s, 100 * MS), TENANT_WRITE);
	assert_string_equal(s.w.holder, "");
	assert_int_equal(s.w.ceiling, 200);
	done(&s, 10 * MS);
	assert_int_equal(until_asked(&s, 100 * MS), TENANT_WRITE);
	assert_int_equal(s.w.epoch, 7);
	assert_int_equal(s.w.floor, 200);
	done(&s, 10 * MS);
	assert_int_equal(right(&s, &until), 7);
}

/* A machine that was copied while it ran: both have our name, place and nonce. */
static void doubled(void **state)
{
	struct scene s;
	struct lease_record r;
	char why[LEASE_REASON_SIZE];
	int64_t until;

	(void)state;
	hold(&s);
	assert_int_equal(until_asked(&s, NS_PER_SEC), TENANT_READ);
	r = s.w;
	r.version = 0;
	r.count = 1;
	answer(&s, 0, TENANT_DONE, r);
	assert_int_equal(right(&s, &until), 0);
	tenant_release(&s.t, 0, "the right has ended");
	only_reads(&s, 20 * NS_PER_SEC);
	tenant_why(&s.t, s.now, why, sizeof(why));
	assert_non_null(strstr(why, "copied while it ran"));
	/* Neither when it is free. */
	r = s.t.seen;
	r.version = 0;
	r.holder[0] = r.place[0] = r.nonce[0] = '\0';
	assert_int_equal(until_asked(&s, NS_PER_SEC), TENANT_READ);
	answer(&s, 0, TENANT_DONE, r);
	only_reads(&s, 20 * NS_PER_SEC);
}

/* One broker of another swarm knows of no lease: a second answer tells. */
static void gone(void **state)
{
	for (int is_true = 0; is_true < 2; is_true++) {
		struct scene s;
		struct lease_record r;
		int64_t until;

		(void)state;
		hold(&s);
		assert_int_equal(until_asked(&s, NS_PER_SEC), TENANT_READ);
		r = s.t.seen;
		answer(&s, 0, TENANT_DONE, none());
		assert_int_equal(right(&s, &until), 6);
		assert_int_equal(until_asked(&s, 100 * MS), TENANT_READ);
		answer(&s, 0, TENANT_DONE, is_true ? none() : r);
		assert_int_equal(right(&s, &until), is_true ? 0 : 6);
		if (is_true)
			continue;
		/* And the next one is a first one again. */
		assert_int_not_equal(until_asked(&s, NS_PER_SEC), TENANT_WAIT);
		answer(&s, 0, TENANT_DONE, none());
		assert_int_equal(right(&s, &until), 6);
	}
}

/* It may have stood until a moment ago, for a holder with a longer term than ours. */
static void first_wait(void **state)
{
	struct tenant_config cfg = config();
	struct scene s;
	enum tenant_do what;
	int64_t from;

	(void)state;
	begin(&s, true);
	cfg.first_wait_ns = 30 * NS_PER_SEC;
	tenant_init(&s.t, &cfg, s.now);
	tenant_want(&s.t, true, "it is wanted");
	from = s.now;
	while ((what = until_asked(&s, 60 * NS_PER_SEC)) == TENANT_READ)
		answer(&s, 0, TENANT_DONE, none());
	assert_int_equal(what, TENANT_WRITE);
	assert_int_equal(s.now - from, 30 * NS_PER_SEC);
}

static void waits(void **state)
{
	static const struct {
		const char *name;
		const char *holder; /* NULL: no object */
		const char *place;
		int64_t term, wait; /* from the answer; -1: not within a minute */
		enum lease_order order;
		const char *order_to;
	} t[] = {
		{ "somebody else", "b.1", "there", TERM, TERM, 0, "" },
		{ "somebody else with a longer term", "b.1", "there", 30 * NS_PER_SEC,
		        30 * NS_PER_SEC, 0, "" },
		{ "somebody else with a shorter term", "b.1", "there", 3 * NS_PER_SEC,
		        3 * NS_PER_SEC, 0, "" },
		{ "free", "", "", TERM, 0, 0, "" },
		{ "a former process of this place", "a.1", "here", 30 * NS_PER_SEC, 0, 0, "" },
		{ "our name elsewhere", "a.1", "there", TERM, TERM, 0, "" },
		{ "no object", NULL, "", 0, TERM, 0, "" },
		{ "paused", "", "", TERM, -1, LEASE_ORDER_PAUSE, "" },
		{ "paused, and its holder is dead", "b.1", "there", TERM, -1, LEASE_ORDER_PAUSE,
		        "" },
		{ "to us", "", "", TERM, 0, LEASE_ORDER_FAILOVER, "a.1" },
		{ "to anybody", "", "", TERM, 0, LEASE_ORDER_FAILOVER, "" },
		{ "to another one", "", "", TERM, 10 * NS_PER_SEC, LEASE_ORDER_FAILOVER, "c.1" },
		{ "to another one, and its holder is dead", "b.1", "there", TERM, 10 * NS_PER_SEC,
		        LEASE_ORDER_FAILOVER, "c.1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct scene s;
		struct lease_record r = t[i].holder ? held_by(t[i].holder, 5, 0) : none();
		int64_t from, got = -1;

		begin(&s, true);
		assert_int_equal(next(&s), TENANT_READ);
		r.term_ns = t[i].term;
		snprintf(r.place, sizeof(r.place), "%s", t[i].place);
		r.order = t[i].order;
		r.order_id = r.order ? 1 : 0;
		snprintf(r.order_to, sizeof(r.order_to), "%s", t[i].order_to);
		if (t[i].holder)
			r.version = 20;
		answer(&s, 7 * MS, TENANT_DONE, r);
		for (from = s.now; s.now < from + 60 * NS_PER_SEC;) {
			enum tenant_do what = until_asked(&s, 60 * NS_PER_SEC);

			if (what == TENANT_WRITE) {
				got = s.now - from;
				break;
			}
			answer(&s, 3 * MS, TENANT_DONE, r);
		}
		if (t[i].wait < 0 ? got >= 0 : got < t[i].wait || got > t[i].wait + 10 * MS)
			fail_msg("%s: after %lld ms", t[i].name, (long long)(got / MS));
		if (got >= 0 && (s.w.order != LEASE_ORDER_NONE || s.w.floor != r.ceiling))
			fail_msg("%s: order %d, floor %u", t[i].name, (int)s.w.order, s.w.floor);
	}
}

/* Each renewal that is seen is a new wait; an order is none. */
static void waits_anew(void **state)
{
	struct scene s;
	struct lease_record r = held_by("b.1", 5, 0);
	int64_t last = 0;
	enum tenant_do what;

	(void)state;
	begin(&s, true);
	assert_int_equal(next(&s), TENANT_READ);
	r.version = 20;
	answer(&s, 0, TENANT_DONE, r);
	while ((what = until_asked(&s, 60 * NS_PER_SEC)) == TENANT_READ) {
		if (r.count < 5 && s.now > START + (int64_t)r.count * NS_PER_SEC + NS_PER_SEC) {
			r.count++;
			r.version++;
			last = s.now;
		} else if (s.now > START + 7 * NS_PER_SEC && !r.order_id) {
			r.order_id = 3;
			r.version++;
		}
		answer(&s, 0, TENANT_DONE, r);
	}
	assert_int_equal(r.count, 5);
	assert_int_equal(r.order_id, 3);
	assert_int_equal(what, TENANT_WRITE);
	assert_int_equal(s.now, last + TERM);
	assert_non_null(strstr(s.w.history[0].reason, "b.1 did not renew it for 4.0s"));
	assert_int_equal(s.t.state, TENANT_TAKING);
	/* It was renewed just before. */
	r.count++;
	r.version++;
	answer(&s, 0, TENANT_CONFLICT, r);
	next(&s);
	assert_int_equal(s.t.state, TENANT_WATCHING);
	assert_int_equal(s.t.changed_ns, s.now);
}

/* What is old is not what stands. */
static void old_answers(void **state)
{
	struct scene s;
	struct lease_record r = held_by("b.1", 5, 0), old;
	int64_t until;

	(void)state;
	hold(&s);
	old = r;
	old.version = s.version - 1;
	assert_int_equal(until_asked(&s, NS_PER_SEC), TENANT_READ);
	answer(&s, 0, TENANT_DONE, old);
	assert_int_equal(right(&s, &until), 6);
	assert_string_equal(s.t.seen.holder, "a.1");
	/* What is new ends the right at once. */
	assert_int_equal(until_asked(&s, NS_PER_SEC), TENANT_WRITE);
	r.epoch = 7;
	answer(&s, 0, TENANT_CONFLICT, r);
	assert_int_equal(right(&s, &until), 0);
	assert_int_equal(s.t.highest_epoch, 7);
}

static void releases(void **state)
{
	struct scene s;
	int64_t until;
	uint32_t last = lease_slot_at(REAL + START + NS_PER_SEC);

	(void)state;
	hold(&s);
	tenant_want(&s.t, false, "to be stopped");
	tenant_release(&s.t, last, "stopped");
	assert_int_equal(right(&s, &until), 0);
	assert_int_equal(next(&s), TENANT_WRITE);
	assert_int_equal(s.t.state, TENANT_RELEASING);
	assert_string_equal(s.w.holder, "");
	assert_int_equal(s.w.epoch, 6);
	assert_int_equal(s.w.ceiling, last);
	assert_string_equal(s.w.history[0].reason, "stopped");
	/* Until it is known to stand it is not released. */
	unknown(&s, 10 * MS);
	assert_int_equal(until_asked(&s, NS_PER_SEC), TENANT_WRITE);
	assert_int_equal(s.t.state, TENANT_RELEASING);
	done(&s, 10 * MS);
	next(&s);
	assert_int_equal(s.t.state, TENANT_WATCHING);
	assert_int_equal(until_asked(&s, 500 * MS), TENANT_WAIT);
}

static void releases_unsigned(void **state)
{
	struct scene s;

	(void)state;
	hold(&s);
	tenant_release(&s.t, 0, "stopped");
	assert_int_equal(next(&s), TENANT_WRITE);
	assert_int_equal(s.w.ceiling, s.w.floor);
	/* More than it could sign, it did not. */
	hold(&s);
	tenant_release(&s.t, UINT32_MAX, "stopped");
	assert_int_equal(next(&s), TENANT_WRITE);
	assert_int_equal(s.w.ceiling, lease_slot_at(REAL + START + TERM));
}

/* A taking that lands after all, when it is not wanted any more: given up, nothing was signed. */
static void late_taking(void **state)
{
	struct scene s;
	struct lease_record r = held_by("", 5, 0), w;
	int64_t until;

	(void)state;
	begin(&s, true);
	assert_int_equal(next(&s), TENANT_READ);
	r.place[0] = r.nonce[0] = '\0';
	answer(&s, 0, TENANT_DONE, r);
	assert_int_equal(next(&s), TENANT_WRITE);
	w = s.w;
	tenant_want(&s.t, false, "not fit");
	unknown(&s, 700 * MS);
	assert_int_equal(until_asked(&s, 2 * NS_PER_SEC), TENANT_READ);
	w.version = 0;
	answer(&s, 3 * NS_PER_SEC, TENANT_DONE, w);
	assert_int_equal(right(&s, &until), 0);
	assert_int_equal(next(&s), TENANT_WRITE);
	assert_string_equal(s.w.holder, "");
	assert_int_equal(s.w.ceiling, s.w.floor);
}

static void obeys(void **state)
{
	static const struct {
		const char *name;
		enum lease_order order;
		const char *to;
		enum lease_order obeyed;
	} t[] = {
		{ "none", LEASE_ORDER_NONE, "", LEASE_ORDER_NONE },
		{ "pause", LEASE_ORDER_PAUSE, "", LEASE_ORDER_PAUSE },
		{ "failover", LEASE_ORDER_FAILOVER, "", LEASE_ORDER_FAILOVER },
		{ "failover to another", LEASE_ORDER_FAILOVER, "b.1", LEASE_ORDER_FAILOVER },
		{ "failover to who has it", LEASE_ORDER_FAILOVER, "a.1", LEASE_ORDER_NONE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct scene s;
		struct lease_record r;

		hold(&s);
		assert_int_equal(until_asked(&s, NS_PER_SEC), TENANT_READ);
		r = s.w;
		r.version = 0;
		r.order = t[i].order;
		r.order_id = 4;
		snprintf(r.order_to, sizeof(r.order_to), "%s", t[i].to);
		answer(&s, 0, TENANT_DONE, r);
		if (tenant_order(&s.t) != t[i].obeyed)
			fail_msg("%s: %d", t[i].name, (int)tenant_order(&s.t));
		/* Who has it already ends the order with the next renewal. */
		while (t[i].obeyed == LEASE_ORDER_NONE && s.w.count == 0)
			if (until_asked(&s, 2 * NS_PER_SEC) == TENANT_READ)
				answer(&s, 0, TENANT_DONE, s.t.seen);
		if (t[i].obeyed == LEASE_ORDER_NONE)
			assert_int_equal(s.w.order, LEASE_ORDER_NONE);
	}
}

/* It keeps off for ten seconds, or until somebody else has had it. */
static void gives_way(void **state)
{
	for (int other = 0; other < 2; other++) {
		struct scene s;
		struct lease_record r;
		int64_t from, got;

		(void)state;
		hold(&s);
		assert_int_equal(until_asked(&s, NS_PER_SEC), TENANT_READ);
		r = s.w;
		r.version = 0;
		r.order = LEASE_ORDER_FAILOVER;
		r.order_id = 4;
		answer(&s, 0, TENANT_DONE, r);
		tenant_release(&s.t, 0, "failover");
		from = s.now;
		assert_int_equal(next(&s), TENANT_WRITE);
		assert_string_equal(s.w.holder, "");
		assert_int_equal(s.w.order, LEASE_ORDER_FAILOVER);
		done(&s, 10 * MS);
		r = s.t.seen;
		while (until_asked(&s, 60 * NS_PER_SEC) == TENANT_READ) {
			/* Somebody takes it after two seconds, and gives it up at once. */
			if (other && s.now > from + 2 * NS_PER_SEC && r.epoch == 6) {
				r = held_by("b.1", 7, 0);
			} else if (r.epoch == 7 && r.holder[0]) {
				r.holder[0] = '\0';
				r.version = 0;
			}
			answer(&s, 0, TENANT_DONE, r);
			r.version = s.t.seen.version;
		}
		got = s.now - from;
		assert_int_equal(s.w.order, LEASE_ORDER_NONE);
		if (other)
			assert_in_range(got, 2 * NS_PER_SEC, 3 * NS_PER_SEC);
		else
			assert_in_range(got, 10 * NS_PER_SEC, 10300 * MS);
	}
}

/* A failover that is to come is looked for more often. */
static void polls(void **state)
{
	static const struct {
		const char *name;
		bool wants;
		enum lease_order order;
		int64_t poll;
	} t[] = {
		{ "wanted", true, LEASE_ORDER_NONE, 250 * MS },
		{ "not wanted", false, LEASE_ORDER_NONE, NS_PER_SEC },
		{ "a failover", true, LEASE_ORDER_FAILOVER, 50 * MS },
		{ "a failover, not wanted", false, LEASE_ORDER_FAILOVER, NS_PER_SEC },
		{ "paused", true, LEASE_ORDER_PAUSE, 250 * MS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct scene s;
		struct lease_record r = held_by("b.1", 5, 0);

		begin(&s, t[i].wants);
		assert_int_equal(next(&s), TENANT_READ);
		r.order = t[i].order;
		r.order_id = 1;
		answer(&s, 0, TENANT_DONE, r);
		assert_int_equal(until_asked(&s, 2 * NS_PER_SEC), TENANT_READ);
		if (s.now - START != t[i].poll)
			fail_msg("%s: %lld ms", t[i].name, (long long)((s.now - START) / MS));
	}
}

/* The former process of this place had a long term, but what it signed is written down. */
static void former_process(void **state)
{
	struct tenant_config cfg = config();
	uint32_t slot = lease_slot_at(REAL + START);
	struct lease_record r = held_by("a.1", 5, 0);
	struct scene s;

	(void)state;
	begin(&s, true);
	cfg.last_slot = slot - 2;
	tenant_init(&s.t, &cfg, s.now);
	tenant_want(&s.t, true, "it is wanted");
	assert_int_equal(next(&s), TENANT_READ);
	snprintf(r.place, sizeof(r.place), "here");
	r.ceiling = slot + 60;
	answer(&s, 0, TENANT_DONE, r);
	assert_int_equal(next(&s), TENANT_WRITE);
	assert_string_equal(s.w.holder, "");
	assert_int_equal(s.w.ceiling, slot - 2);
	done(&s, 0);
	assert_int_equal(next(&s), TENANT_WRITE);
	assert_int_equal(s.w.epoch, 6);
	assert_int_equal(s.w.floor, slot - 2);
}

/* Slots that the former holder could have signed are waited for. */
static void high_floor(void **state)
{
	struct lease_record r = held_by("", 5, 0);
	struct scene s;
	char why[LEASE_REASON_SIZE];

	(void)state;
	begin(&s, true);
	assert_int_equal(next(&s), TENANT_READ);
	r.place[0] = r.nonce[0] = '\0';
	r.ceiling = lease_slot_at(REAL + START + TERM) + 20;
	answer(&s, 0, TENANT_DONE, r);
	assert_int_equal(until_asked(&s, NS_PER_SEC), TENANT_READ);
	tenant_why(&s.t, s.now, why, sizeof(why));
	assert_non_null(strstr(why, "a clock was wrong"));
	answer(&s, 0, TENANT_DONE, s.t.seen);
	while (until_asked(&s, NS_PER_SEC) == TENANT_READ)
		answer(&s, 0, TENANT_DONE, s.t.seen);
	assert_in_range(s.now - START, 10 * NS_PER_SEC, 11 * NS_PER_SEC);
	assert_int_equal(s.w.floor, r.ceiling);
	assert_true(s.w.ceiling > s.w.floor);
}

/* An object that was deleted: its term is waited for, its slots and its epoch are remembered. */
static void deleted(void **state)
{
	struct lease_record r = held_by("b.1", 5, 0);
	struct scene s;
	int64_t gone = 0;

	(void)state;
	begin(&s, true);
	assert_int_equal(next(&s), TENANT_READ);
	r.term_ns = 30 * NS_PER_SEC;
	answer(&s, 0, TENANT_DONE, r);
	while (until_asked(&s, NS_PER_SEC) == TENANT_READ) {
		gone = gone ? gone : s.now;
		answer(&s, 0, TENANT_DONE, none());
	}
	assert_int_equal(s.now - gone, 30 * NS_PER_SEC);
	assert_int_equal(s.w.version, 0);
	assert_int_equal(s.w.epoch, 6);
	assert_int_equal(s.w.floor, 200);
}

static void sentences(void **state)
{
	struct scene s;
	char why[LEASE_REASON_SIZE];

	(void)state;
	begin(&s, true);
	next(&s);
	assert_string_equal(
	        tenant_why(&s.t, s.now, why, sizeof(why)), "no broker has answered yet");
	assert_int_equal(s.t.state, TENANT_BLIND);
	answer(&s, 0, TENANT_DONE, held_by("b.1", 5, 0));
	assert_string_equal(tenant_why(&s.t, s.now + NS_PER_SEC, why, sizeof(why)),
	        "b.1 has it, and would lose it in 3.0s");
	assert_string_equal(tenant_why(&s.t, s.now + 20 * NS_PER_SEC, why, sizeof(why)),
	        "no broker has answered for 20.0s");
	hold(&s);
	assert_string_equal(tenant_why(&s.t, s.now + 400 * MS, why, sizeof(why)),
	        "held in epoch 6, for another 2.5s");
	tenant_release(&s.t, 0, "to be stopped");
	assert_string_equal(
	        tenant_why(&s.t, s.now, why, sizeof(why)), "is being released: to be stopped");
	assert_int_equal(tenant_guard_ns(4 * NS_PER_SEC), NS_PER_SEC);
	assert_int_equal(tenant_guard_ns(160 * NS_PER_SEC), 10 * NS_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes),
		cmocka_unit_test(renews),
		cmocka_unit_test(clock_set_back),
		cmocka_unit_test(lapses),
		cmocka_unit_test(lapses_while_asking),
		cmocka_unit_test(is_left_alone),
		cmocka_unit_test(unused),
		cmocka_unit_test(doubled),
		cmocka_unit_test(gone),
		cmocka_unit_test(first_wait),
		cmocka_unit_test(waits),
		cmocka_unit_test(waits_anew),
		cmocka_unit_test(old_answers),
		cmocka_unit_test(releases),
		cmocka_unit_test(releases_unsigned),
		cmocka_unit_test(late_taking),
		cmocka_unit_test(obeys),
		cmocka_unit_test(gives_way),
		cmocka_unit_test(polls),
		cmocka_unit_test(former_process),
		cmocka_unit_test(high_floor),
		cmocka_unit_test(deleted),
		cmocka_unit_test(sentences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
