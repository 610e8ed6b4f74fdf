#include "unit/test.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "supervise/tenure_plan.h"
#include "unit/supervise/tenure_scene.h"

#define OPEN    TENURE_DO_GATE_OPEN
#define CLOSE   TENURE_DO_GATE_CLOSE
#define PAUSE   TENURE_DO_PAUSE
#define RESUME  TENURE_DO_RESUME
#define COMPARE TENURE_DO_COMPARE
#define TERMIN  TENURE_DO_TERM
#define KILL    TENURE_DO_KILL

/* --- what a row changes ---------------------------------------------------------------------- */

static void nothing(struct scene *s)
{
	(void)s;
}

static void nodeos_gone(struct scene *s)
{
	s->f.nodeos_runs = s->f.nodeos_answers = false;
	s->f.pause = TENURE_PAUSE_UNKNOWN;
}

static void no_answer(struct scene *s)
{
	s->f.nodeos_answers = false;
}

static void silent(struct scene *s)
{
	s->f.nodeos_answers = false;
	s->t.silent_ns = NOW - TENURE_SILENT_NS;
}

static void silent_a_moment(struct scene *s)
{
	s->f.nodeos_answers = false;
	s->t.silent_ns = NOW - TENURE_SILENT_NS + 1;
}

static void silent_but_signs(struct scene *s)
{
	silent(s);
	s->f.last_signed++;
}

static void stopping(struct scene *s)
{
	s->f.is_stopping = true;
}

static void unfit(struct scene *s)
{
	s->f.is_fit = false;
}

static void pause_unknown(struct scene *s)
{
	s->f.pause = TENURE_PAUSE_UNKNOWN;
}

static void pause_too_old(struct scene *s)
{
	s->t.doubt_ns = NOW - S;
	s->f.pause = TENURE_PAUSED;
	s->f.pause_ns = NOW - S - 1;
}

static void resumed(struct scene *s)
{
	s->f.pause = TENURE_RESUMED;
	s->f.pause_ns = NOW - 1;
}

static void resumed_before(struct scene *s)
{
	s->f.pause = TENURE_RESUMED;
	s->f.pause_ns = s->t.state_since_ns - 1;
	s->f.last_signed = 100; /* that is the floor */
}

static void paused_by_hand(struct scene *s)
{
	s->f.pause = TENURE_PAUSED;
	s->f.pause_ns = NOW - 1;
}

static void tenant_takes(struct scene *s)
{
	s->t.tenant.state = TENANT_TAKING;
}

/* A right that came and ended between two looks. */
static void spent(struct scene *s)
{
	hold(s, 8);
	s->t.tenant.epoch = 0;
	s->t.tenant.until_ns = 0;
	s->t.tenant.state = TENANT_WATCHING;
}

static void takes_unfit(struct scene *s)
{
	tenant_takes(s);
	unfit(s);
}

static void not_got(struct scene *s)
{
	s->t.tenant.state = TENANT_WATCHING;
}

static void held(struct scene *s)
{
	hold(s, 7);
}

static void held_unfit(struct scene *s)
{
	held(s);
	unfit(s);
}

static void held_stopping(struct scene *s)
{
	held(s);
	stopping(s);
}

static void held_in_a_closed_epoch(struct scene *s)
{
	held(s);
	s->t.closed_epoch = 7;
}

static void held_but_over(struct scene *s)
{
	held(s);
	s->t.tenant.until_ns = NOW;
}

static void right_over(struct scene *s)
{
	s->t.tenant.until_ns = NOW;
}

static void right_lost(struct scene *s)
{
	s->t.tenant.epoch = 0;
	s->t.tenant.until_ns = 0;
	s->t.tenant.state = TENANT_WATCHING;
	snprintf(s->t.tenant.seen.holder, sizeof(s->t.tenant.seen.holder), "producer.2");
	snprintf(s->t.tenant.seen.place, sizeof(s->t.tenant.seen.place), "theirs");
	snprintf(s->t.tenant.seen.nonce, sizeof(s->t.tenant.seen.nonce), "theirs");
}

static void right_of_another_epoch(struct scene *s)
{
	s->t.tenant.epoch = 8;
}

static void order_pause(struct scene *s)
{
	s->t.tenant.seen.order = LEASE_ORDER_PAUSE;
	s->t.tenant.seen.order_id = 1;
}

static void order_failover(struct scene *s)
{
	s->t.tenant.seen.order = LEASE_ORDER_FAILOVER;
	s->t.tenant.seen.order_id = 1;
}

static void failover_and_a_signature(struct scene *s)
{
	order_failover(s);
	s->t.order_ns = NOW - 300 * MS;
	s->t.order_signed = s->f.last_signed - 1;
}

static void failover_and_none(struct scene *s)
{
	order_failover(s);
	s->t.order_ns = NOW - TENURE_NEXT_NS + 1;
	s->t.order_signed = s->f.last_signed;
}

static void failover_and_none_for_long(struct scene *s)
{
	failover_and_none(s);
	s->t.order_ns--;
}

static void level_now(struct scene *s)
{
	s->f.heads_ns = NOW - S;
}

static void level_before_the_freeze(struct scene *s)
{
	level_now(s);
	s->f.frozen_ns = NOW - S + 1;
}

static void behind(struct scene *s)
{
	s->f.heads = TENURE_HEADS_BEHIND;
	s->f.heads_ns = NOW - 50 * MS;
	s->t.level_ns = 0;
}

static void behind_for_long(struct scene *s)
{
	behind(s);
	s->t.state_since_ns = NOW - TENURE_PATIENCE_NS;
}

static void forked(struct scene *s)
{
	behind(s);
	s->f.heads = TENURE_HEADS_FORKED;
}

static void forked_since(struct scene *s, int64_t ns)
{
	forked(s);
	s->t.state_since_ns = NOW - 60 * S;
	s->t.forked_ns = NOW - ns;
	s->f.is_outvoted = true;
}

static void on_a_fork(struct scene *s)
{
	forked_since(s, TENURE_FORKED_NS);
}

static void on_a_fork_a_moment(struct scene *s)
{
	forked_since(s, TENURE_FORKED_NS - 1);
}

static void forked_when_it_was_opened(struct scene *s)
{
	on_a_fork(s);
	s->t.state_since_ns = NOW - 1;
}

static void one_alone_differs(struct scene *s)
{
	forked_since(s, TENURE_FORKED_NS);
	s->f.is_outvoted = false;
}

static void forked_after_level(struct scene *s)
{
	forked(s);
	s->t.level_ns = NOW - S;
}

static void behind_after_level(struct scene *s)
{
	behind(s);
	s->t.level_ns = NOW - S;
}

static void nobody(struct scene *s)
{
	behind(s);
	s->f.heads = TENURE_HEADS_NOBODY;
}

static void level_long_ago(struct scene *s)
{
	s->t.level_ns = s->f.heads_ns = NOW - TENURE_LEVEL_NS;
}

static void compare_due(struct scene *s)
{
	s->f.heads_ns = NOW - TENURE_COMPARE_NS;
	s->t.level_ns = s->f.heads_ns;
}

static void not_following(struct scene *s)
{
	behind(s);
	s->t.has_produced = true;
	s->t.behind_ns = NOW - TENURE_FOLLOW_NS;
}

static void not_following_yet(struct scene *s)
{
	not_following(s);
	s->t.behind_ns++;
}

static void behind_but_never_produced(struct scene *s)
{
	not_following(s);
	s->t.has_produced = false;
}

static void unconfirmed(struct scene *s)
{
	s->f.pause = TENURE_RESUMED;
	s->f.pause_ns = NOW - 2 * S;
	s->t.fence_from_ns = s->t.doubt_ns = NOW - S + 3;
}

static void unconfirmed_third(struct scene *s)
{
	unconfirmed(s);
	s->t.fence_from_ns = NOW - S;
}

static void unconfirmed_two_thirds(struct scene *s)
{
	unconfirmed(s);
	s->t.fence_from_ns = NOW - 2 * S;
	s->t.fence_end_ns = NOW + S;
	s->t.is_terminated = true;
}

static void unconfirmed_almost_two_thirds(struct scene *s)
{
	unconfirmed_two_thirds(s);
	s->t.fence_from_ns++;
	s->t.fence_end_ns++;
}

static void term_is_over(struct scene *s)
{
	unconfirmed(s);
	s->t.fence_from_ns = NOW;
	s->t.fence_end_ns = NOW - S;
}

static void paused_after_term(struct scene *s)
{
	s->t.is_terminated = true;
}

static void released(struct scene *s)
{
	s->t.tenant.gives_up = false;
	s->t.tenant.state = TENANT_WATCHING;
	s->t.tenant.seen.holder[0] = s->t.tenant.seen.nonce[0] = '\0';
}

static void lost_and_paused(struct scene *s)
{
	right_lost(s);
}

static void released_and_gone(struct scene *s)
{
	released(s);
	nodeos_gone(s);
}

static void paused_at_last(struct scene *s)
{
	s->f.pause_ns = NOW - 1;
}

/* --- rows ------------------------------------------------------------------------------------ */

#define NEVER (-1)
#define W     1 /* it is wanted */
#define G     2 /* it is being given up */

static void transitions(void **state)
{
	static const struct {
		enum tenure_state from;
		const char *name;
		void (*change)(struct scene *s);
		enum tenure_state to;
		unsigned todo;
		int wants;       /* W, G */
		const char *why; /* a part of it */
	} t[] = {
		{ TENURE_DOWN, "answers, paused", nothing, TENURE_STANDBY, 0, W, "producer.2" },
		{ TENURE_DOWN, "does not run", nodeos_gone, TENURE_DOWN, 0, 0, "does not run" },
		{ TENURE_DOWN, "no answer", no_answer, TENURE_DOWN, 0, 0, "does not answer yet" },
		{ TENURE_DOWN, "not known to be paused", pause_unknown, TENURE_DOWN, PAUSE, 0,
		        "not known to be paused" },
		{ TENURE_DOWN, "paused, but before", pause_too_old, TENURE_DOWN, PAUSE, 0,
		        "not known to be paused" },
		{ TENURE_DOWN, "resumed", resumed, TENURE_DOWN, PAUSE, 0, "not known" },
		{ TENURE_DOWN, "terminated", paused_after_term, TENURE_DOWN, 0, 0,
		        "being stopped" },
		{ TENURE_DOWN, "had it for a moment", spent, TENURE_RELEASING, 0, G,
		        "does not answer" },
		{ TENURE_DOWN, "got it late", held, TENURE_RELEASING, 0, G, "does not answer" },

		{ TENURE_STANDBY, "nothing", nothing, TENURE_STANDBY, 0, W, "producer.2" },
		{ TENURE_STANDBY, "compares again", compare_due, TENURE_STANDBY, COMPARE, W, "" },
		{ TENURE_STANDBY, "nodeos ends", nodeos_gone, TENURE_DOWN, 0, 0, "does not run" },
		{ TENURE_STANDBY, "no answer", no_answer, TENURE_DOWN, 0, 0, "does not answer" },
		{ TENURE_STANDBY, "stops", stopping, TENURE_STANDBY, 0, 0, "supervisor stops" },
		{ TENURE_STANDBY, "unfit", unfit, TENURE_STANDBY, 0, 0, "not ready" },
		{ TENURE_STANDBY, "resumed by a hand", resumed, TENURE_STANDBY, PAUSE, 0,
		        "not known to be paused" },
		{ TENURE_STANDBY, "pause not known", pause_unknown, TENURE_STANDBY, PAUSE, 0,
		        "not known to be paused" },
		{ TENURE_STANDBY, "behind", behind, TENURE_STANDBY, 0, 0, "behind" },
		{ TENURE_STANDBY, "behind for a moment", behind_after_level, TENURE_STANDBY, 0, W,
		        "producer.2" },
		{ TENURE_STANDBY, "forked", forked, TENURE_STANDBY, 0, 0, "other blocks" },
		{ TENURE_STANDBY, "forked a moment after", forked_after_level, TENURE_STANDBY, 0, 0,
		        "other blocks" },
		{ TENURE_STANDBY, "nobody", nobody, TENURE_STANDBY, 0, 0, "nobody" },
		{ TENURE_STANDBY, "level long ago", level_long_ago, TENURE_STANDBY, COMPARE, 0,
		        "not compared" },
		{ TENURE_STANDBY, "does not follow", not_following, TENURE_STANDBY, TERMIN, 0,
		        "being stopped" },
		{ TENURE_STANDBY, "may follow yet", not_following_yet, TENURE_STANDBY, 0, 0,
		        "behind" },
		{ TENURE_STANDBY, "behind, new", behind_but_never_produced, TENURE_STANDBY, 0, 0,
		        "behind" },
		{ TENURE_STANDBY, "asks", tenant_takes, TENURE_TAKING, 0, W, "asking" },
		{ TENURE_STANDBY, "asks, unfit", takes_unfit, TENURE_STANDBY, 0, 0, "not ready" },
		{ TENURE_STANDBY, "had it for a moment", spent, TENURE_RELEASING, 0, G,
		        "ended before" },
		{ TENURE_STANDBY, "has it", held, TENURE_COMPARING, COMPARE, W, "comparing" },
		{ TENURE_STANDBY, "has it, unfit", held_unfit, TENURE_RELEASING, 0, G,
		        "not ready" },
		{ TENURE_STANDBY, "has it, stops", held_stopping, TENURE_RELEASING, 0, G, "stops" },
		{ TENURE_STANDBY, "has it in an epoch that was closed", held_in_a_closed_epoch,
		        TENURE_RELEASING, 0, G, "ended before" },
		{ TENURE_STANDBY, "has it no more", held_but_over, TENURE_RELEASING, 0, G,
		        "ended before" },

		{ TENURE_TAKING, "waits", nothing, TENURE_TAKING, 0, W, "" },
		{ TENURE_TAKING, "not got", not_got, TENURE_STANDBY, 0, W, "producer.2" },
		{ TENURE_TAKING, "got", held, TENURE_COMPARING, COMPARE, W, "comparing" },
		{ TENURE_TAKING, "unfit", unfit, TENURE_STANDBY, 0, 0, "not ready" },
		{ TENURE_TAKING, "stops", stopping, TENURE_STANDBY, 0, 0, "stops" },
		{ TENURE_TAKING, "nodeos ends", nodeos_gone, TENURE_DOWN, 0, 0, "not run" },
		{ TENURE_TAKING, "no answer", no_answer, TENURE_DOWN, 0, 0, "does not answer" },
		{ TENURE_TAKING, "got, nodeos ends", held_stopping, TENURE_RELEASING, 0, G,
		        "stops" },

		{ TENURE_COMPARING, "level before it was held", compare_due, TENURE_OPENING,
		        OPEN | RESUME, W, "gate is open" },
		{ TENURE_COMPARING, "level since", level_now, TENURE_OPENING, OPEN | RESUME, W,
		        "gate is open" },
		{ TENURE_COMPARING, "level before the freeze", level_before_the_freeze,
		        TENURE_COMPARING, COMPARE, W, "" },
		{ TENURE_COMPARING, "behind", behind, TENURE_COMPARING, 0, W, "" },
		{ TENURE_COMPARING, "behind for long", behind_for_long, TENURE_RELEASING, 0, G,
		        "behind" },
		{ TENURE_COMPARING, "forked", forked, TENURE_RELEASING, 0, G, "other blocks" },
		{ TENURE_COMPARING, "nobody", nobody, TENURE_COMPARING, 0, W, "" },
		{ TENURE_COMPARING, "right over", right_over, TENURE_RELEASING, 0, G, "ended" },
		{ TENURE_COMPARING, "lost", right_lost, TENURE_STANDBY, 0, W, "producer.2 has it" },
		{ TENURE_COMPARING, "order pause", order_pause, TENURE_RELEASING, 0, G, "order" },
		{ TENURE_COMPARING, "order failover", order_failover, TENURE_RELEASING, 0, G,
		        "order" },
		{ TENURE_COMPARING, "stops", stopping, TENURE_RELEASING, 0, G, "stops" },
		{ TENURE_COMPARING, "unfit", unfit, TENURE_RELEASING, 0, G, "not ready" },
		{ TENURE_COMPARING, "resumed", resumed, TENURE_RELEASING, PAUSE, G, "paused" },
		{ TENURE_COMPARING, "no answer", no_answer, TENURE_RELEASING, 0, G, "not answer" },
		{ TENURE_COMPARING, "nodeos ends", nodeos_gone, TENURE_RELEASING, 0, G,
		        "not answer" },

		{ TENURE_OPENING, "resumed", resumed, TENURE_PRODUCING, 0, W, "produces" },
		{ TENURE_OPENING, "resumed before", resumed_before, TENURE_OPENING, RESUME, W, "" },
		{ TENURE_OPENING, "signs", nothing, TENURE_PRODUCING, 0, W, "produces" },
		{ TENURE_OPENING, "right over", right_over, TENURE_FENCING, CLOSE | PAUSE, W,
		        "ended" },
		{ TENURE_OPENING, "failover", order_failover, TENURE_CLOSING, CLOSE | PAUSE, W,
		        "failover" },
		{ TENURE_OPENING, "silent", silent, TENURE_CLOSING, CLOSE | PAUSE, W,
		        "not answer" },
		{ TENURE_OPENING, "nodeos ends", nodeos_gone, TENURE_RELEASING, CLOSE, G, "ended" },

		{ TENURE_PRODUCING, "nothing", nothing, TENURE_PRODUCING, 0, W, "" },
		{ TENURE_PRODUCING, "unfit", unfit, TENURE_PRODUCING, 0, W, "" },
		{ TENURE_PRODUCING, "behind", behind, TENURE_PRODUCING, 0, W, "" },
		{ TENURE_PRODUCING, "compares", compare_due, TENURE_PRODUCING, COMPARE, W, "" },
		{ TENURE_PRODUCING, "forked", on_a_fork, TENURE_CLOSING, CLOSE | PAUSE, W,
		        "other blocks" },
		{ TENURE_PRODUCING, "one alone differs", one_alone_differs, TENURE_PRODUCING, 0, W,
		        "" },
		{ TENURE_PRODUCING, "forked a moment", on_a_fork_a_moment, TENURE_PRODUCING, 0, W,
		        "" },
		{ TENURE_PRODUCING, "forked before", forked_when_it_was_opened, TENURE_PRODUCING, 0,
		        W, "" },
		{ TENURE_PRODUCING, "paused by a hand", paused_by_hand, TENURE_PRODUCING, RESUME, W,
		        "" },
		{ TENURE_PRODUCING, "silent a moment", silent_a_moment, TENURE_PRODUCING, 0, W,
		        "" },
		{ TENURE_PRODUCING, "silent", silent, TENURE_CLOSING, CLOSE | PAUSE, W,
		        "not answer" },
		{ TENURE_PRODUCING, "silent, but signs", silent_but_signs, TENURE_PRODUCING, 0, W,
		        "" },
		{ TENURE_PRODUCING, "right over", right_over, TENURE_FENCING, CLOSE | PAUSE, W,
		        "right to sign has ended" },
		{ TENURE_PRODUCING, "lost", right_lost, TENURE_FENCING, CLOSE | PAUSE, W, "ended" },
		{ TENURE_PRODUCING, "another epoch", right_of_another_epoch, TENURE_FENCING,
		        CLOSE | PAUSE, W, "lost" },
		{ TENURE_PRODUCING, "stops", stopping, TENURE_CLOSING, CLOSE | PAUSE, W, "stops" },
		{ TENURE_PRODUCING, "order pause", order_pause, TENURE_CLOSING, CLOSE | PAUSE, W,
		        "paused by order" },
		{ TENURE_PRODUCING, "order failover", order_failover, TENURE_PRODUCING, 0, W, "" },
		{ TENURE_PRODUCING, "failover, signed", failover_and_a_signature, TENURE_CLOSING,
		        CLOSE | PAUSE, W, "failover" },
		{ TENURE_PRODUCING, "failover, none signed", failover_and_none, TENURE_PRODUCING, 0,
		        W, "" },
		{ TENURE_PRODUCING, "failover, none for long", failover_and_none_for_long,
		        TENURE_CLOSING, CLOSE | PAUSE, W, "failover" },
		{ TENURE_PRODUCING, "nodeos ends", nodeos_gone, TENURE_RELEASING, CLOSE, G,
		        "nodeos has ended" },

		{ TENURE_CLOSING, "paused", nothing, TENURE_RELEASING, 0, G, "some reason" },
		{ TENURE_CLOSING, "not yet", unconfirmed, TENURE_CLOSING, PAUSE, W, "" },
		{ TENURE_CLOSING, "a third", unconfirmed_third, TENURE_CLOSING, PAUSE | TERMIN, W,
		        "" },
		{ TENURE_CLOSING, "almost two thirds", unconfirmed_almost_two_thirds,
		        TENURE_CLOSING, PAUSE, W, "" },
		{ TENURE_CLOSING, "two thirds", unconfirmed_two_thirds, TENURE_CLOSING,
		        PAUSE | KILL, W, "" },
		{ TENURE_CLOSING, "ended", nodeos_gone, TENURE_RELEASING, 0, G, "some reason" },
		{ TENURE_CLOSING, "paused, but told to end", paused_after_term, TENURE_CLOSING,
		        PAUSE, W, "" },
		{ TENURE_CLOSING, "lost, paused", lost_and_paused, TENURE_STANDBY, 0, W,
		        "producer.2 has it" },

		{ TENURE_FENCING, "paused", nothing, TENURE_RELEASING, 0, G, "some reason" },
		{ TENURE_FENCING, "lost, paused", lost_and_paused, TENURE_STANDBY, 0, W,
		        "producer.2 has it" },
		{ TENURE_FENCING, "a third", unconfirmed_third, TENURE_FENCING, PAUSE | TERMIN, W,
		        "" },
		{ TENURE_FENCING, "two thirds", unconfirmed_two_thirds, TENURE_FENCING,
		        PAUSE | KILL, W, "" },
		{ TENURE_FENCING, "the term is over", term_is_over, TENURE_FENCING,
		        PAUSE | TERMIN | KILL, W, "" },
		{ TENURE_FENCING, "ended", nodeos_gone, TENURE_RELEASING, 0, G, "some reason" },

		{ TENURE_RELEASING, "not yet", nothing, TENURE_RELEASING, 0, G, "" },
		{ TENURE_RELEASING, "nodeos ends", nodeos_gone, TENURE_RELEASING, 0, G, "" },
		{ TENURE_RELEASING, "released", released, TENURE_STANDBY, 0, W, "it is free" },
		{ TENURE_RELEASING, "released, nodeos has ended", released_and_gone, TENURE_DOWN, 0,
		        0, "not run" },
		{ TENURE_RELEASING, "paused later", paused_at_last, TENURE_RELEASING, 0, G, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct scene s = in_state(t[i].from);
		unsigned todo;
		int64_t at = NEVER;
		int wants;

		t[i].change(&s);
		todo = tenure_plan(&s.t, &s.f, &at);
		wants = (s.t.tenant.wants ? W : 0) | (s.t.tenant.gives_up ? G : 0);
		if (s.t.state != t[i].to || todo != t[i].todo || wants != t[i].wants ||
		        !strstr(s.t.why, t[i].why))
			fail_msg("%s, %s: %s, to do %#x, wants %d, '%s'; wanted %s, %#x, %d, '%s'",
			        tenure_state_name(t[i].from), t[i].name,
			        tenure_state_name(s.t.state), todo, wants, s.t.why,
			        tenure_state_name(t[i].to), t[i].todo, t[i].wants, t[i].why);
		if (at <= NOW || at > NOW + S)
			fail_msg("%s, %s: to be asked again at %+lld ns",
			        tenure_state_name(t[i].from), t[i].name, (long long)(at - NOW));
	}
}

/* When it wants to be asked again. */
static void alarms(void **state)
{
	static const struct {
		enum tenure_state from;
		const char *name;
		void (*change)(struct scene *s);
		int64_t after;
	} t[] = {
		{ TENURE_STANDBY, "the next comparison", nothing, S / 2 },
		{ TENURE_COMPARING, "heads again", behind, 50 * MS },
		{ TENURE_PRODUCING, "silence", silent_a_moment, 1 },
		{ TENURE_PRODUCING, "a fork", on_a_fork_a_moment, 1 },
		{ TENURE_PRODUCING, "the next comparison", nothing, S / 2 },
		{ TENURE_PRODUCING, "the next signature", order_failover, 20 * MS },
		{ TENURE_CLOSING, "SIGTERM", unconfirmed, 1 },
		{ TENURE_CLOSING, "SIGKILL", unconfirmed_almost_two_thirds, 1 },
		{ TENURE_CLOSING, "SIGKILL again", unconfirmed_two_thirds, 100 * MS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct scene s = in_state(t[i].from);
		int64_t at = NEVER;

		t[i].change(&s);
		(void)tenure_plan(&s.t, &s.f, &at);
		/* A third of an odd number of ns is rounded down. */
		if (at - NOW > t[i].after + 2 || at - NOW < t[i].after - 2)
			fail_msg("%s: in %lld ns, not %lld", t[i].name, (long long)(at - NOW),
			        (long long)t[i].after);
	}
}

static void a_right_that_is_about_to_end_wakes(void **state)
{
	struct scene s = in_state(TENURE_PRODUCING);
	int64_t at;

	(void)state;
	s.t.tenant.until_ns = NOW + 30 * MS;
	(void)tenure_plan(&s.t, &s.f, &at);
	assert_int_equal(at, NOW + 30 * MS);
}

/* The record says up to which slot was signed: never less than what was. */
static void a_release_tells_the_last_slot(void **state)
{
	static const struct {
		uint32_t last, told;
	} t[] = { { 150, 150 }, { 101, 101 }, { 100, 0 }, { 90, 0 }, { 0, 0 } };
	int64_t at;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct scene s = in_state(TENURE_CLOSING);

		s.f.last_signed = t[i].last;
		(void)tenure_plan(&s.t, &s.f, &at);
		assert_int_equal(s.t.state, TENURE_RELEASING);
		assert_int_equal(s.t.tenant.last_slot, t[i].told);
		assert_string_equal(s.t.tenant.release_reason, "some reason");
	}
}

/* The fence of a long term does not last a long term, and that of a short one ends before it. */
static void a_fence_ends_before_the_term(void **state)
{
	static const struct {
		int64_t term_end, end;
	} t[] = {
		{ NOW + 3 * S, NOW + 3 * S },
		{ NOW + 100 * S, NOW + TENURE_FENCE_NS },
		/* It is over: there is nothing to hurry for. */
		{ NOW, NOW + S },
		{ NOW - 100 * S, NOW + S },
	};
	int64_t at;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct scene s = in_state(TENURE_PRODUCING);

		s.t.tenant.term_end_ns = t[i].term_end;
		s.f.is_stopping = true;
		(void)tenure_plan(&s.t, &s.f, &at);
		assert_int_equal(s.t.state, TENURE_CLOSING);
		assert_int_equal(s.t.fence_from_ns, NOW);
		assert_int_equal(s.t.fence_end_ns, t[i].end);
		assert_int_equal(s.t.closed_epoch, 7);
		assert_int_equal(s.t.doubt_ns, NOW);
		assert_int_equal(s.t.epoch, 0);
		assert_int_equal(s.t.must_restart, t[i].term_end <= NOW);
	}
}

static void who_was_resumed_is_remembered(void **state)
{
	struct scene s = in_state(TENURE_COMPARING);
	int64_t at;

	(void)state;
	level_now(&s);
	(void)tenure_plan(&s.t, &s.f, &at);
	assert_int_equal(s.t.epoch, 7);
	assert_true(s.t.has_produced && !s.t.must_restart);
	/* By a hand: what it said of its pause before does not count any more. */
	s = in_state(TENURE_STANDBY);
	resumed(&s);
	(void)tenure_plan(&s.t, &s.f, &at);
	assert_true(s.t.has_produced);
	s.f.pause = TENURE_PAUSED;
	assert_int_equal(tenure_plan(&s.t, &s.f, &at) & PAUSE, PAUSE);
	s.f.pause_ns = NOW;
	assert_int_equal(tenure_plan(&s.t, &s.f, &at) & PAUSE, 0);
}

/* What nodeos was, and was told, is not the next one's. */
static void a_new_nodeos_begins_anew(void **state)
{
	struct scene s = in_state(TENURE_CLOSING);
	int64_t at;

	(void)state;
	s.t.is_terminated = true;
	nodeos_gone(&s);
	(void)tenure_plan(&s.t, &s.f, &at);
	assert_false(s.t.must_restart || s.t.is_terminated || s.t.has_produced);
	assert_int_equal(s.t.doubt_ns, NOW);
	assert_false(tenure_is_quiet(&s.t));
	released_and_gone(&s);
	(void)tenure_plan(&s.t, &s.f, &at);
	assert_int_equal(s.t.state, TENURE_DOWN);
	assert_true(tenure_is_quiet(&s.t));
	/* It runs, and what the last one said of its pause does not count. */
	s.f.nodeos_runs = s.f.nodeos_answers = true;
	s.f.pause = TENURE_PAUSED;
	s.f.pause_ns = NOW - 1;
	assert_int_equal(tenure_plan(&s.t, &s.f, &at), PAUSE);
	s.f.pause_ns = NOW;
	(void)tenure_plan(&s.t, &s.f, &at);
	assert_int_equal(s.t.state, TENURE_STANDBY);
}

/* Silence is counted from when it was noticed. */
static void silence_is_noticed_first(void **state)
{
	struct scene s = in_state(TENURE_PRODUCING);
	int64_t at;

	(void)state;
	/* As if it had never been asked about it. */
	s.t.silent_ns = 0;
	no_answer(&s);
	(void)tenure_plan(&s.t, &s.f, &at);
	assert_int_equal(s.t.state, TENURE_PRODUCING);
	assert_int_equal(s.t.silent_ns, NOW);
	s.f.now += TENURE_SILENT_NS / 2;
	s.f.last_signed++;
	(void)tenure_plan(&s.t, &s.f, &at);
	assert_int_equal(s.t.silent_ns, 0);
	s.f.now += TENURE_SILENT_NS / 4;
	(void)tenure_plan(&s.t, &s.f, &at);
	assert_int_equal(s.t.silent_ns, s.f.now);
	s.f.nodeos_answers = true;
	(void)tenure_plan(&s.t, &s.f, &at);
	assert_int_equal(s.t.silent_ns, 0);
}

static void quiet(void **state)
{
	static const bool is_quiet[] = {
		[TENURE_DOWN] = true,
		[TENURE_STANDBY] = true,
		[TENURE_FENCING] = false,
	};

	(void)state;
	for (enum tenure_state i = TENURE_DOWN; i <= TENURE_FENCING; i++) {
		struct scene s = in_state(i);

		assert_int_equal(tenure_is_quiet(&s.t), is_quiet[i]);
		held(&s);
		assert_false(tenure_is_quiet(&s.t));
		s = in_state(i);
		tenant_takes(&s);
		assert_false(tenure_is_quiet(&s.t));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transitions),
		cmocka_unit_test(alarms),
		cmocka_unit_test(a_right_that_is_about_to_end_wakes),
		cmocka_unit_test(a_release_tells_the_last_slot),
		cmocka_unit_test(a_fence_ends_before_the_term),
		cmocka_unit_test(who_was_resumed_is_remembered),
		cmocka_unit_test(a_new_nodeos_begins_anew),
		cmocka_unit_test(silence_is_noticed_first),
		cmocka_unit_test(quiet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
