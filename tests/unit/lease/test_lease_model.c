/*
 * Tenants against a simulated Raft store
 *
 * A handful of places, each with a machine's clocks (an offset and a rate of its own, a wall clock
 * that is wrong and steps), a process that is killed, restarted and frozen, and a way to the store
 * that loses questions and answers, delivers writes seconds after their asker has given up, and
 * reads what is old.  Beside each process stands its gate: the real lease_right, and a wall clock.
 *
 * What is judged is judged from outside, in true time: no two rights at one time, no slot that two
 * processes could sign, each epoch one process's, epochs that rise; and when the faults end,
 * somebody holds it within two terms.
 */

#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "lease/right.h"
#include "lease/tenant.h"

#define PLACES      4
#define PAST        32
#define SLOTS       8192
#define FAULTS_END  (40 * NS_PER_SEC)
#define LATEST      (12 * NS_PER_SEC) /* that a write lands after it was asked for */
#define LIMIT       (1500 * NS_PER_MS)
#define REAL_BEGIN  (1760000000LL * NS_PER_SEC)
#define NEVER       INT64_MAX
#define PROCESS_MAX 512

struct ask {
	bool is_open, is_write, answers;
	int64_t lands_at, answered_at, limit_at; /* true; lands NEVER: lost */
	struct lease_record w, reply;
	bool has_reply;
	enum tenant_reply kind;
};

/* A write that its asker does not wait for any more. */
struct late {
	int64_t at;
	struct lease_record w;
};

struct place {
	/* The machine. */
	int64_t boot_off, real_off, ppm;
	char boot[16];
	uint32_t written; /* slot */
	/* The process. */
	bool is_alive;
	unsigned id;
	int64_t frozen_until, cut_until, starts_at, next_at;
	struct tenant t;
	struct lease_right right;
	uint64_t right_epoch;
	int64_t right_until; /* true */
	uint32_t signed_slot;
	struct ask ask;
};

struct world {
	uint64_t seed, rnd;
	int64_t now; /* true */
	bool calm;
	/* Answers come at once, and everybody looks every few milliseconds: then a taker's term
	 * begins hardly later than the holder's, and nothing but the guard keeps them apart. */
	bool tight;
	unsigned loss, lateness, old_reads; /* percent */
	int64_t term[PLACES];
	struct lease_record past[PAST]; /* [0] stands */
	size_t npast;
	uint64_t version;
	int64_t order_at;
	struct place p[PLACES];
	struct late late[64];
	size_t nlate;
	unsigned processes;
	uint32_t slot0;
	unsigned short signer[SLOTS]; /* process, 0: nobody */
	unsigned epoch_of[4096];
	uint64_t epoch_max;
	/* What was found. */
	unsigned overlaps, twice, epochs_shared, epochs_back, signatures, changes, held_late;
	char first[200];
};

static uint64_t rnd(struct world *w, uint64_t n)
{
	w->rnd ^= w->rnd << 13;
	w->rnd ^= w->rnd >> 7;
	w->rnd ^= w->rnd << 17;
	return w->rnd % n;
}

static bool chance(struct world *w, unsigned percent)
{
	return rnd(w, 100) < percent;
}

static int64_t boot_at(const struct place *p, int64_t now)
{
	return p->boot_off + now + now / 1000000 * p->ppm;
}

/* The true time of a boot time, the later one where it is between two. */
static int64_t true_at(const struct place *p, int64_t boot)
{
	int64_t at = (boot - p->boot_off) / (1000000 + p->ppm) * 1000000;

	while (boot_at(p, at) < boot)
		at += 1000;
	return at;
}

static int64_t real_at(const struct place *p, int64_t now)
{
	return REAL_BEGIN + p->real_off + now;
}

static void found(struct world *w, unsigned *count, const char *what, unsigned a, unsigned b)
{
	(*count)++;
	if (!w->first[0])
		snprintf(w->first, sizeof(w->first), "seed %llu at %.3f s: %s, %u and %u",
		        (unsigned long long)w->seed, (double)w->now / 1e9, what, a, b);
}

/* --- the store ------------------------------------------------------------------------------- */

static void note_epoch(struct world *w, const struct lease_record *r)
{
	if (r->epoch < w->epoch_max)
		found(w, &w->epochs_back, "an epoch went back", (unsigned)r->epoch,
		        (unsigned)w->epoch_max);
	if (r->epoch > w->epoch_max)
		w->changes++;
	w->epoch_max = r->epoch;
}

/* Compare and swap, as the broker does it. */
static bool store_put(struct world *w, const struct lease_record *rec)
{
	struct err e = ERR_INIT;

	if (rec->version != w->past[0].version || lease_may_follow(&w->past[0], rec, &e) < 0)
		return false;
	memmove(w->past + 1, w->past, sizeof(w->past[0]) * (PAST - 1));
	if (w->npast < PAST)
		w->npast++;
	w->past[0] = *rec;
	w->past[0].version = ++w->version;
	note_epoch(w, rec);
	return true;
}

static void late_add(struct world *w, int64_t at, const struct lease_record *rec)
{
	if (w->nlate < sizeof(w->late) / sizeof(w->late[0]))
		w->late[w->nlate++] = (struct late){ at, *rec };
}

static void late_run(struct world *w)
{
	for (size_t i = 0; i < w->nlate;) {
		if (w->late[i].at > w->now) {
			i++;
			continue;
		}
		(void)store_put(w, &w->late[i].w);
		w->late[i] = w->late[--w->nlate];
	}
}

/* An order by hand, at once. */
static void order(struct world *w)
{
	struct lease_record r = w->past[0];
	unsigned to = (unsigned)rnd(w, PLACES + 1);

	if (!r.version)
		return;
	r.order_id++;
	r.order = w->calm ? LEASE_ORDER_NONE : (enum lease_order)rnd(w, 3);
	r.order_to[0] = '\0';
	if (r.order == LEASE_ORDER_FAILOVER && to < PLACES)
		snprintf(r.order_to, sizeof(r.order_to), "p.%u", to);
	(void)store_put(w, &r);
}

/* --- a process ------------------------------------------------------------------------------- */

static void process_start(struct world *w, unsigned i)
{
	struct place *p = &w->p[i];
	struct tenant_config cfg = { .name = "producer", .term_ns = w->term[i] };

	p->id = ++w->processes;
	p->is_alive = true;
	p->frozen_until = 0;
	snprintf(cfg.holder, sizeof(cfg.holder), "p.%u", i);
	snprintf(cfg.place, sizeof(cfg.place), "pool/p/%u/%s", i, p->boot);
	snprintf(cfg.nonce, sizeof(cfg.nonce), "%032x", p->id);
	cfg.last_slot = chance(w, 50) ? p->written : 0;
	cfg.poll_ns = w->tight ? 10 * NS_PER_MS : 0;
	tenant_init(&p->t, &cfg, boot_at(p, w->now));
	tenant_want(&p->t, true, "test");
	lease_right_init(&p->right);
	p->right_epoch = 0;
	p->right_until = 0;
	p->signed_slot = 0;
	p->ask = (struct ask){ 0 };
	p->next_at = w->now;
}

static void process_end(struct world *w, unsigned i)
{
	struct place *p = &w->p[i];

	/* What it has asked for may happen yet. */
	if (p->ask.is_open && p->ask.is_write && p->ask.lands_at != NEVER &&
	        p->ask.lands_at > w->now)
		late_add(w, p->ask.lands_at, &p->ask.w);
	p->ask.is_open = false;
	p->is_alive = false;
	p->right_until = 0;
	p->right_epoch = 0;
	lease_right_release(&p->right);
	p->starts_at = w->now + (int64_t)rnd(w, 6) * NS_PER_SEC;
	if (chance(w, 30))
		snprintf(p->boot, sizeof(p->boot), "boot%u", p->id);
}

/* The gate: signs whatever it may, at every event of the world. */
static void process_sign(struct world *w, unsigned i)
{
	struct place *p = &w->p[i];
	uint32_t slot = lease_slot_at(real_at(p, w->now));
	size_t at = slot - w->slot0;

	if (!p->is_alive || p->frozen_until > w->now || !p->right_epoch || slot <= p->signed_slot ||
	        at >= SLOTS)
		return;
	if (lease_right_refuses(&p->right, p->right_epoch, boot_at(p, w->now), slot))
		return;
	if (w->now > p->right_until)
		found(w, &w->overlaps, "signed after its time", p->id, slot);
	if (w->signer[at] && w->signer[at] != p->id)
		found(w, &w->twice, "a slot signed twice", w->signer[at], p->id);
	w->signer[at] = (unsigned short)p->id;
	p->signed_slot = p->written = slot;
	w->signatures++;
}

static void right_changed(struct world *w, unsigned i, uint64_t epoch, int64_t until)
{
	struct place *p = &w->p[i];

	if (w->epoch_of[epoch % 4096] && w->epoch_of[epoch % 4096] != p->id)
		found(w, &w->epochs_shared, "an epoch of two", w->epoch_of[epoch % 4096], p->id);
	w->epoch_of[epoch % 4096] = p->id;
	p->right_epoch = epoch;
	p->right_until = true_at(p, until);
	for (unsigned k = 0; k < PLACES; k++)
		if (k != i && w->p[k].is_alive && w->p[k].right_epoch &&
		        w->p[k].right_until > w->now && p->right_until > w->now)
			found(w, &w->overlaps, "two rights", w->p[k].id, p->id);
}

/* What tenure does: right and gate follow the tenant, orders are obeyed. */
static void process_follow(struct world *w, unsigned i)
{
	struct place *p = &w->p[i];
	int64_t until, now = boot_at(p, w->now);
	uint32_t floor, ceiling;
	uint64_t epoch = tenant_right(&p->t, now, &until, &floor, &ceiling);

	if (epoch) {
		if (epoch != p->right_epoch)
			p->signed_slot = 0;
		right_changed(w, i, epoch, until);
		lease_right_set(&p->right, epoch, until, floor, ceiling);
	} else if (p->right_epoch) {
		/* nodeos would have to be quiet before this; here there is none. */
		lease_right_drop(&p->right);
		p->right_epoch = 0;
		p->right_until = 0;
		tenant_release(&p->t, p->signed_slot, "its time was over");
	}
	if (tenant_order(&p->t) != LEASE_ORDER_NONE ||
	        (!w->calm && !w->tight && p->right_epoch && rnd(w, 400) == 0)) {
		lease_right_drop(&p->right);
		p->right_epoch = 0;
		p->right_until = 0;
		tenant_release(&p->t, p->signed_slot, "test");
	}
}

static int64_t some_ms(struct world *w, unsigned max)
{
	return (int64_t)rnd(w, max * 1000) * 1000;
}

static void ask_open(struct world *w, struct place *p, enum tenant_do what)
{
	struct ask *a = &p->ask;
	int64_t way = w->calm ? 5 : w->tight ? 1 : 300;

	*a = (struct ask){ .is_open = true, .is_write = what == TENANT_WRITE, .w = a->w };
	a->limit_at = true_at(p, boot_at(p, w->now) + LIMIT);
	a->lands_at = w->now + some_ms(w, (unsigned)way);
	a->answers = true;
	if (!w->calm && chance(w, w->loss)) {
		a->answers = false;
		if (chance(w, 50))
			a->lands_at = NEVER;
	}
	if (!w->calm && p->cut_until > w->now) {
		a->answers = false;
		a->lands_at = NEVER;
	} else if (!w->calm && chance(w, w->lateness))
		a->lands_at = w->now + some_ms(w, (unsigned)(LATEST / NS_PER_MS));
	a->answered_at = a->lands_at == NEVER ? NEVER : a->lands_at + some_ms(w, (unsigned)way);
}

static void ask_land(struct world *w, struct ask *a)
{
	size_t old = 0;

	a->kind = TENANT_DONE;
	if (a->is_write && !store_put(w, &a->w))
		a->kind = TENANT_CONFLICT;
	if ((!a->is_write || a->kind == TENANT_CONFLICT) && !w->calm && chance(w, w->old_reads))
		old = rnd(w, w->npast + 1);
	a->reply = w->past[old < PAST ? old : 0];
	a->has_reply = true;
	a->lands_at = NEVER;
}

/* Land it, answer it, or give it up. */
static void ask_run(struct world *w, unsigned i)
{
	struct place *p = &w->p[i];
	struct ask *a = &p->ask;

	if (!a->is_open)
		return;
	if (a->lands_at <= w->now)
		ask_land(w, a);
	if (p->frozen_until > w->now)
		return;
	if (a->has_reply && a->answers && a->answered_at <= w->now) {
		a->is_open = false;
		tenant_answer(&p->t, boot_at(p, w->now), a->kind, &a->reply);
		p->next_at = w->now;
	} else if (a->limit_at <= w->now) {
		if (a->is_write && a->lands_at != NEVER)
			late_add(w, a->lands_at, &a->w);
		a->is_open = false;
		tenant_answer(&p->t, boot_at(p, w->now), TENANT_UNKNOWN, NULL);
		p->next_at = w->now;
	}
}

static void process_run(struct world *w, unsigned i)
{
	struct place *p = &w->p[i];
	enum tenant_do what;
	int64_t at;

	ask_run(w, i);
	if (p->frozen_until > w->now)
		return;
	process_follow(w, i);
	if (p->next_at > w->now || p->ask.is_open)
		return;
	what = tenant_next(&p->t, boot_at(p, w->now), real_at(p, w->now), &p->ask.w, &at);
	process_follow(w, i);
	p->next_at = true_at(p, at);
	if (p->next_at <= w->now)
		p->next_at = w->now + NS_PER_MS;
	if (what != TENANT_WAIT)
		ask_open(w, p, what);
}

/* --- the world ------------------------------------------------------------------------------- */

static int holder_of(const struct world *w)
{
	for (unsigned i = 0; i < PLACES; i++)
		if (w->p[i].is_alive && w->p[i].right_epoch && w->p[i].right_until > w->now)
			return (int)i;
	return -1;
}

static void faults(struct world *w)
{
	unsigned i = (unsigned)rnd(w, PLACES);
	struct place *p = &w->p[i];

	if (!p->is_alive)
		return;
	/* The holder is cut off from the brokers, for longer than its term. */
	if (w->tight) {
		if (holder_of(w) == (int)i && chance(w, 20))
			p->cut_until = w->now + 18 * NS_PER_SEC;
		return;
	}
	switch (rnd(w, 12)) {
	case 0:
		process_end(w, i);
		break;
	case 1:
	case 2:
		p->frozen_until = w->now + some_ms(w, 9000);
		break;
	case 3:
		p->real_off += ((int64_t)rnd(w, 8001) - 4000) * NS_PER_MS;
		break;
	case 4:
		tenant_want(&p->t, !p->t.wants, "test");
		break;
	case 5:
		order(w);
		break;
	default:
		break;
	}
}

static void earlier(int64_t *at, int64_t than)
{
	if (than < *at)
		*at = than;
}

static int64_t next_event(const struct world *w)
{
	int64_t at = w->now + 250 * NS_PER_MS;

	for (unsigned i = 0; i < PLACES; i++) {
		const struct place *p = &w->p[i];

		if (!p->is_alive) {
			earlier(&at, p->starts_at);
			continue;
		}
		if (p->ask.is_open)
			earlier(&at, p->ask.lands_at);
		/* The last moment of a right is the one that matters. */
		if (p->right_until > w->now + 1000)
			earlier(&at, p->right_until - 1000);
		if (p->frozen_until > w->now) {
			earlier(&at, p->frozen_until);
			continue;
		}
		if (!p->ask.is_open) {
			earlier(&at, p->next_at);
			continue;
		}
		if (p->ask.answers)
			earlier(&at, p->ask.answered_at);
		earlier(&at, p->ask.limit_at);
	}
	for (size_t i = 0; i < w->nlate; i++)
		earlier(&at, w->late[i].at);
	return at > w->now ? at : w->now + 1000;
}

static void world_step(struct world *w)
{
	w->now = next_event(w);
	late_run(w);
	for (unsigned i = 0; i < PLACES; i++) {
		struct place *p = &w->p[i];

		/* Before and after: what is signed is signed with what is known. */
		process_sign(w, i);
		if (p->is_alive)
			process_run(w, i);
		else if (p->starts_at <= w->now)
			process_start(w, i);
		process_sign(w, i);
	}
	if (!w->calm && chance(w, 3))
		faults(w);
}

static void world_init(struct world *w, uint64_t seed, bool calm)
{
	static const int64_t terms[] = { 3, 4, 4, 4, 5, 16 };

	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->rnd = seed * 0x9e3779b97f4a7c15ULL + 12345;
	w->calm = calm;
	w->version = 10;
	w->slot0 = lease_slot_at(REAL_BEGIN - 600 * NS_PER_SEC);
	w->npast = 1;
	lease_record_init(&w->past[0], "producer");
	w->loss = (unsigned)rnd(w, 40);
	w->lateness = (unsigned)rnd(w, 20);
	w->old_reads = (unsigned)rnd(w, 30);
	w->tight = !calm && seed % 40 == 0;
	if (w->tight)
		w->loss = w->lateness = w->old_reads = 0;
	for (unsigned i = 0; i < PLACES; i++) {
		struct place *p = &w->p[i];

		w->term[i] = calm ? 4 * NS_PER_SEC : terms[rnd(w, 6)] * NS_PER_SEC;
		p->boot_off = (int64_t)rnd(w, 1000000) * NS_PER_SEC;
		p->real_off = ((int64_t)rnd(w, 2001) - 1000) * NS_PER_MS;
		p->ppm = (int64_t)rnd(w, 2001) - 1000;
		snprintf(p->boot, sizeof(p->boot), "boot");
		if (w->tight) {
			/* The first to hold has the slowest clock. */
			w->term[i] = 16 * NS_PER_SEC;
			p->ppm = i ? 1000 : -1000;
			p->starts_at = i ? 2 * NS_PER_SEC : 0;
		} else {
			process_start(w, i);
		}
	}
}

static void world_release(struct world *w)
{
	for (unsigned i = 0; i < PLACES; i++)
		if (w->p[i].is_alive)
			lease_right_release(&w->p[i].right);
}

/* The faults end: what is late lands, who is frozen thaws, and an operator ends all orders. */
static void world_calm(struct world *w)
{
	w->calm = true;
	for (unsigned i = 0; i < PLACES; i++) {
		w->p[i].frozen_until = 0;
		if (w->p[i].is_alive)
			tenant_want(&w->p[i].t, true, "test");
	}
	order(w);
}

static void run_seed(struct world *w, uint64_t seed)
{
	int64_t calm_at, limit;

	world_init(w, seed, false);
	while (w->now < FAULTS_END)
		world_step(w);
	world_calm(w);
	for (calm_at = w->now; w->now < calm_at + LATEST;)
		world_step(w);
	world_calm(w);
	/* Two of the longest terms, and the ten seconds that one who gave way keeps off. */
	limit = w->now + 2 * 16 * NS_PER_SEC + 10 * NS_PER_SEC;
	while (holder_of(w) < 0 && w->now < limit)
		world_step(w);
	w->held_late = holder_of(w) < 0;
	/* And whoever has it keeps it. */
	for (calm_at = w->now; w->now < calm_at + 5 * NS_PER_SEC;)
		world_step(w);
	w->held_late += holder_of(w) < 0;
	world_release(w);
}

static void seeds(void **state)
{
	struct world *w = *state;
	const char *text = getenv("LEASE_SEEDS"), *wrapper = getenv("TEST_WRAPPER");
	/* Under a TEST_WRAPPER, which is valgrind, not all of them: it would take minutes. */
	uint64_t n = text ? strtoull(text, NULL, 10) : wrapper && *wrapper ? 100 : 1000;
	uint64_t signatures = 0, changes = 0;

	for (uint64_t seed = 1; seed <= n; seed++) {
		run_seed(w, seed);
		signatures += w->signatures;
		changes += w->changes;
		if (w->overlaps || w->twice || w->epochs_shared || w->epochs_back)
			fail_msg("%s (%u overlaps, %u slots twice, %u epochs shared, %u back)",
			        w->first, w->overlaps, w->twice, w->epochs_shared, w->epochs_back);
		if (w->held_late)
			fail_msg("seed %llu: nobody holds it, or not for long",
			        (unsigned long long)seed);
	}
	/* The faults do not keep everybody from signing, or nothing would be shown. */
	print_message("%llu seeds: %llu signatures, %llu changes of hands\n", (unsigned long long)n,
	        (unsigned long long)signatures, (unsigned long long)changes);
	assert_true(signatures > 20 * n);
	assert_true(changes > 2 * n);
}

/* --- free of faults -------------------------------------------------------------------------- */

static void run_until_held(struct world *w, int64_t limit)
{
	int64_t end = w->now + limit;

	while (holder_of(w) < 0 && w->now < end)
		world_step(w);
	assert_true(holder_of(w) >= 0);
}

/* Who dies is followed when its term is over, and a little more. */
static void death(void **state)
{
	struct world *w = *state;

	for (uint64_t seed = 1; seed <= 100; seed++) {
		int64_t died;
		int who;

		world_init(w, seed, true);
		run_until_held(w, 5 * NS_PER_SEC);
		for (died = w->now + some_ms(w, 3000); w->now < died;)
			world_step(w);
		who = holder_of(w);
		process_end(w, (unsigned)who);
		w->p[who].starts_at = NEVER;
		died = w->now;
		run_until_held(w, 5 * NS_PER_SEC);
		/* The term, its rate, a poll that has seen the last renewal late. */
		assert_in_range(w->now - died, 2900 * NS_PER_MS, 4400 * NS_PER_MS);
		world_release(w);
	}
}

/* An order is obeyed within half a second, and another one has it at once. */
static void failover(void **state)
{
	struct world *w = *state;

	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct lease_record r;
		int64_t at;
		int who, lost = -1;

		world_init(w, seed, true);
		run_until_held(w, 5 * NS_PER_SEC);
		for (at = w->now + some_ms(w, 3000); w->now < at;)
			world_step(w);
		who = holder_of(w);
		r = w->past[0];
		r.order = LEASE_ORDER_FAILOVER;
		r.order_id++;
		assert_true(store_put(w, &r));
		for (at = w->now; holder_of(w) == who && w->now < at + NS_PER_SEC;)
			world_step(w);
		assert_int_equal(holder_of(w), lost);
		at = w->now;
		run_until_held(w, NS_PER_SEC);
		assert_int_not_equal(holder_of(w), who);
		assert_in_range(w->now - at, 0, 100 * NS_PER_MS);
		assert_int_equal(w->past[0].order, LEASE_ORDER_NONE);
		world_release(w);
	}
}

/* A process that is started again in its place has it as soon as a slot begins that the record
 * does not have yet. */
static void restart(void **state)
{
	struct world *w = *state;

	for (uint64_t seed = 1; seed <= 100; seed++) {
		int64_t died;
		int who;

		world_init(w, seed, true);
		run_until_held(w, 5 * NS_PER_SEC);
		who = holder_of(w);
		process_end(w, (unsigned)who);
		snprintf(w->p[who].boot, sizeof(w->p[who].boot), "boot");
		w->p[who].starts_at = w->now;
		died = w->now;
		run_until_held(w, NS_PER_SEC);
		assert_in_range(w->now - died, 0, 800 * NS_PER_MS);
		world_release(w);
	}
}

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct world));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(seeds, setup, teardown),
		cmocka_unit_test_setup_teardown(death, setup, teardown),
		cmocka_unit_test_setup_teardown(failover, setup, teardown),
		cmocka_unit_test_setup_teardown(restart, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
