/*
 * Rules of supervise/tenure_plan: who may begin a chain, who gives way without a block, what comes
 * of a nodeos that was frozen past its term, and what is told of an order.
 */

#include "unit/test.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "supervise/tenure_plan.h"
#include "unit/supervise/tenure_scene.h"

#define OPEN   TENURE_DO_GATE_OPEN
#define CLOSE  TENURE_DO_GATE_CLOSE
#define PAUSE  TENURE_DO_PAUSE
#define RESUME TENURE_DO_RESUME
#define TERMIN TENURE_DO_TERM
#define KILL   TENURE_DO_KILL
#define W      true

static void nobody_bootstrap(struct scene *s)
{
	s->f.heads = TENURE_HEADS_NOBODY;
	s->f.heads_ns = NOW - 50 * MS;
	s->t.level_ns = 0;
	s->f.bootstrap = true;
	s->t.tenant.seen.floor = 90;
	s->t.tenant.seen.ceiling = 200;
}

/* The lease that was never held, and in which we take part as the first. */
static void never_held(struct scene *s)
{
	s->t.tenant.seen.epoch = s->t.tenant.highest_epoch = 0;
	s->t.tenant.seen.holder[0] = '\0';
}

static void bootstrap_never_held(struct scene *s)
{
	nobody_bootstrap(s);
	never_held(s);
}

static void bootstrap_released(struct scene *s, uint32_t floor, uint32_t ceiling)
{
	nobody_bootstrap(s);
	s->t.tenant.seen.holder[0] = s->t.tenant.seen.place[0] = '\0';
	s->t.tenant.seen.floor = floor;
	s->t.tenant.seen.ceiling = ceiling;
}

static void bootstrap_we_signed_last(struct scene *s)
{
	bootstrap_released(s, 80, 90);
}

static void bootstrap_none_signed_since(struct scene *s)
{
	bootstrap_released(s, 90, 90);
}

static void bootstrap_another_signed_since(struct scene *s)
{
	bootstrap_released(s, 90, 91);
}

static void bootstrap_nothing_was_ever_signed(struct scene *s)
{
	bootstrap_released(s, 0, 0);
	s->f.last_signed = 0;
}

static void bootstrap_before_the_host_began_anew(struct scene *s)
{
	nobody_bootstrap(s);
	s->t.tenant.seen.floor = 80;
	s->t.tenant.seen.ceiling = 200;
}

static void bootstrap_after_another(struct scene *s)
{
	bootstrap_before_the_host_began_anew(s);
	s->t.tenant.seen.floor = 90;
}

static void bootstrap_object_gone(struct scene *s)
{
	bootstrap_never_held(s);
	s->t.tenant.seen.version = 0;
	s->t.tenant.highest_epoch = 6;
}

static void bootstrap_first_to_take(struct scene *s)
{
	nobody_bootstrap(s);
	s->t.is_last = true;
}

static void stuck_for(struct scene *s, int64_t ns)
{
	s->f.head = s->t.head = 500;
	s->t.moved_ns = NOW - ns;
}

static void stuck(struct scene *s)
{
	stuck_for(s, TENURE_STUCK_NS);
}

static void stuck_before(struct scene *s)
{
	stuck(s);
	s->f.pause_ns = s->t.state_since_ns - 1;
	s->f.last_signed = 100;
}

static void stuck_not_yet(struct scene *s)
{
	stuck_for(s, TENURE_STUCK_NS - 1);
}

static void stuck_but_moves(struct scene *s)
{
	stuck(s);
	s->f.head++;
}

static void stuck_while_frozen(struct scene *s)
{
	stuck(s);
	s->f.frozen_ns = NOW;
}

static void late(struct scene *s)
{
	s->t.must_restart = true;
	s->t.closed_epoch = 5;
}

static void late_but_nobody_took_it(struct scene *s)
{
	late(s);
	s->t.closed_epoch = 6;
}

static void late_but_level(struct scene *s)
{
	late(s);
	s->t.doubt_ns = s->f.heads_ns - 1;
	s->f.pause_ns = NOW;
}

static void late_and_not_paused(struct scene *s)
{
	late(s);
	s->f.pause = TENURE_PAUSE_UNKNOWN;
}

static void late_and_behind(struct scene *s)
{
	late(s);
	s->f.heads = TENURE_HEADS_BEHIND;
	s->f.heads_ns = NOW - 50 * MS;
}

static void rules(void **state)
{
	static const struct {
		enum tenure_state from;
		const char *name;
		void (*change)(struct scene *s);
		enum tenure_state to;
		unsigned todo;
		bool wants;
		const char *why; /* a part of it */
	} t[] = {
		{ TENURE_STANDBY, "nobody, bootstrap, another's lease", nobody_bootstrap,
		        TENURE_STANDBY, 0, 0, "bootstrap does not count" },
		{ TENURE_STANDBY, "nobody, bootstrap, the first", bootstrap_never_held,
		        TENURE_STANDBY, 0, W, "free" },
		{ TENURE_STANDBY, "nobody, bootstrap, nothing was ever signed",
		        bootstrap_nothing_was_ever_signed, TENURE_STANDBY, 0, W, "free" },
		{ TENURE_STANDBY, "nobody, bootstrap, we signed last", bootstrap_we_signed_last,
		        TENURE_STANDBY, 0, W, "free" },
		{ TENURE_STANDBY, "nobody, bootstrap, none signed since",
		        bootstrap_none_signed_since, TENURE_STANDBY, 0, W, "free" },
		{ TENURE_STANDBY, "nobody, bootstrap, another signed since",
		        bootstrap_another_signed_since, TENURE_STANDBY, 0, 0, "does not count" },
		{ TENURE_STANDBY, "nobody, bootstrap, ours before the host began anew",
		        bootstrap_before_the_host_began_anew, TENURE_STANDBY, 0, W, "producer.2" },
		{ TENURE_STANDBY, "nobody, bootstrap, after another", bootstrap_after_another,
		        TENURE_STANDBY, 0, 0, "does not count" },
		{ TENURE_STANDBY, "nobody, bootstrap, the object is gone", bootstrap_object_gone,
		        TENURE_STANDBY, 0, 0, "does not count" },
		{ TENURE_STANDBY, "late, another took it", late_and_behind, TENURE_STANDBY, TERMIN,
		        0, "being stopped" },
		{ TENURE_STANDBY, "late, not paused", late_and_not_paused, TENURE_STANDBY, PAUSE, 0,
		        "not known to be paused" },
		{ TENURE_STANDBY, "late, nobody took it", late_but_nobody_took_it, TENURE_STANDBY,
		        0, W, "producer.2" },
		{ TENURE_STANDBY, "late, but level since", late_but_level, TENURE_STANDBY, 0, W,
		        "producer.2" },
		{ TENURE_COMPARING, "nobody, bootstrap", nobody_bootstrap, TENURE_COMPARING, 0, W,
		        "" },
		{ TENURE_COMPARING, "nobody, bootstrap, none signed before",
		        bootstrap_first_to_take, TENURE_OPENING, OPEN | RESUME, W, "gate is open" },
		{ TENURE_OPENING, "no block", stuck_before, TENURE_CLOSING, CLOSE | PAUSE, W,
		        "no block" },
		{ TENURE_PRODUCING, "no block", stuck, TENURE_CLOSING, CLOSE | PAUSE, W,
		        "no block for 10 s" },
		{ TENURE_PRODUCING, "no block yet", stuck_not_yet, TENURE_PRODUCING, 0, W, "" },
		{ TENURE_PRODUCING, "a block", stuck_but_moves, TENURE_PRODUCING, 0, W, "" },
		{ TENURE_PRODUCING, "no block, we were frozen", stuck_while_frozen,
		        TENURE_PRODUCING, 0, W, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct scene s = in_state(t[i].from);
		unsigned todo;
		int64_t at;

		t[i].change(&s);
		todo = tenure_plan(&s.t, &s.f, &at);
		if (s.t.state != t[i].to || todo != t[i].todo || s.t.tenant.wants != t[i].wants ||
		        !strstr(s.t.why, t[i].why))
			fail_msg("%s, %s: %s, to do %#x, wants %d, '%s'; wanted %s, %#x, %d, '%s'",
			        tenure_state_name(t[i].from), t[i].name,
			        tenure_state_name(s.t.state), todo, s.t.tenant.wants, s.t.why,
			        tenure_state_name(t[i].to), t[i].todo, t[i].wants, t[i].why);
	}
}

/* Somebody else is to have a chance, and this one another. */
static void who_has_no_block_gives_way(void **state)
{
	struct scene s = in_state(TENURE_PRODUCING);
	int64_t at;

	(void)state;
	stuck(&s);
	(void)tenure_plan(&s.t, &s.f, &at);
	assert_int_equal(s.t.tenant.no_take_until_ns, NOW + TENURE_STUCK_NS);
	s = in_state(TENURE_PRODUCING);
	stuck_not_yet(&s);
	(void)tenure_plan(&s.t, &s.f, &at);
	assert_int_equal(at, NOW + 1);
}

/* Frozen until the term was over: paused first, killed only after a time for that. */
static void who_is_late_is_not_killed_at_once(void **state)
{
	struct scene s = in_state(TENURE_PRODUCING);
	int64_t at;

	(void)state;
	s.t.tenant.epoch = 0;
	s.t.tenant.until_ns = 0;
	s.t.tenant.seen.holder[0] = s.t.tenant.seen.nonce[0] = '\0';
	s.t.tenant.term_end_ns = NOW - S;
	s.f.frozen_ns = NOW;
	assert_int_equal(tenure_plan(&s.t, &s.f, &at), CLOSE | PAUSE);
	s.f.now += MS;
	s.f.pause = TENURE_PAUSED;
	s.f.pause_ns = NOW;
	s.t.tenant.seen.epoch++;
	assert_int_equal(tenure_plan(&s.t, &s.f, &at) & (TERMIN | KILL), TERMIN);
	assert_int_equal(s.t.state, TENURE_STANDBY);
	s.f.nodeos_runs = s.f.nodeos_answers = false;
	(void)tenure_plan(&s.t, &s.f, &at);
	assert_false(s.t.must_restart);
}

static void a_reason_of_an_order_is_told(void **state)
{
	static const struct {
		enum tenure_state from;
		enum lease_order order;
		const char *reason, *why;
	} t[] = {
		{ TENURE_PRODUCING, LEASE_ORDER_PAUSE, "", "paused by order 4" },
		{ TENURE_PRODUCING, LEASE_ORDER_PAUSE, "a test", "paused by order 4: a test" },
		{ TENURE_OPENING, LEASE_ORDER_FAILOVER, "a test", "failover by order 4: a test" },
		{ TENURE_COMPARING, LEASE_ORDER_PAUSE, "a test", "paused by order 4: a test" },
		{ TENURE_COMPARING, LEASE_ORDER_FAILOVER, "kernel", "failover by order 4: kernel" },
	};
	int64_t at;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct scene s = in_state(t[i].from);
		struct lease_record *r = &s.t.tenant.seen;

		r->order = t[i].order;
		r->order_id = 4;
		(void)snprintf(r->order_reason, sizeof(r->order_reason), "%s", t[i].reason);
		(void)tenure_plan(&s.t, &s.f, &at);
		assert_string_equal(s.t.why, t[i].why);
		s.f.pause = TENURE_PAUSED;
		s.f.pause_ns = s.f.now;
		(void)tenure_plan(&s.t, &s.f, &at);
		assert_int_equal(s.t.state, TENURE_RELEASING);
		assert_string_equal(s.t.tenant.release_reason, t[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules),
		cmocka_unit_test(who_has_no_block_gives_way),
		cmocka_unit_test(who_is_late_is_not_killed_at_once),
		cmocka_unit_test(a_reason_of_an_order_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
