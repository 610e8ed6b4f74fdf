/* A standby that is on another chain for good: supervise/tenure_plan, watch_split(). */

#include "unit/test.h"

#include <string.h>

#include "base/compiler.h"
#include "supervise/tenure_plan.h"
#include "unit/supervise/tenure_scene.h"

static void nothing(struct scene *s UNUSED)
{
}

static void forked(struct scene *s)
{
	s->f.heads = TENURE_HEADS_FORKED;
	s->f.heads_ns = NOW - 50 * MS;
	s->t.level_ns = 0;
}

static void split(struct scene *s)
{
	forked(s);
	s->f.is_split = true;
}

static void split_since(struct scene *s, int64_t ns)
{
	split(s);
	s->t.split_ns = NOW - ns;
}

static void split_a_moment(struct scene *s)
{
	split_since(s, TENURE_SPLIT_NS - 1);
}

static void split_long(struct scene *s)
{
	split_since(s, TENURE_SPLIT_NS);
}

static void split_before_the_gate_was_closed(struct scene *s)
{
	split_long(s);
	s->t.doubt_ns = s->f.heads_ns + 1;
	s->f.pause_ns = s->t.doubt_ns;
}

static void split_and_the_lease_is_ours(struct scene *s)
{
	split_long(s);
	hold(s, 7);
}

static void split_no_more(struct scene *s)
{
	split_long(s);
	s->f.is_split = false;
}

static void split_and_nodeos_ends(struct scene *s)
{
	split_long(s);
	s->t.wants_heal = true;
	s->f.nodeos_runs = s->f.nodeos_answers = false;
}

/* Only a standby that has been so for long, and is, is to be healed. */
static void forked_for_good(void **state)
{
	static const struct {
		enum tenure_state from;
		const char *name;
		void (*change)(struct scene *s);
		bool heals, counts;
	} t[] = {
		{ TENURE_STANDBY, "level", nothing, false, false },
		{ TENURE_STANDBY, "forked", forked, false, false },
		{ TENURE_STANDBY, "for good", split, false, true },
		{ TENURE_STANDBY, "for good, not long", split_a_moment, false, true },
		{ TENURE_STANDBY, "for good, and long", split_long, true, true },
		{ TENURE_STANDBY, "as seen before the gate was closed",
		        split_before_the_gate_was_closed, false, false },
		{ TENURE_STANDBY, "the lease is ours", split_and_the_lease_is_ours, false, false },
		{ TENURE_STANDBY, "no more", split_no_more, false, false },
		{ TENURE_STANDBY, "nodeos ends", split_and_nodeos_ends, false, false },
		{ TENURE_PRODUCING, "a holder", split, false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct scene s = in_state(t[i].from);
		int64_t at;

		t[i].change(&s);
		(void)tenure_plan(&s.t, &s.f, &at);
		if (s.t.wants_heal != t[i].heals || (s.t.split_ns != 0) != t[i].counts)
			fail_msg("%s: heals %d, since %lld", t[i].name, s.t.wants_heal,
			        (long long)s.t.split_ns);
		if (t[i].counts && !strstr(s.t.why, "other irreversible blocks"))
			fail_msg("%s: says '%s'", t[i].name, s.t.why);
	}
}

static void it_is_asked_again_in_time(void **state)
{
	struct scene s = in_state(TENURE_STANDBY);
	int64_t at;

	(void)state;
	split_a_moment(&s);
	(void)tenure_plan(&s.t, &s.f, &at);
	assert_int_equal(at, NOW + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forked_for_good),
		cmocka_unit_test(it_is_asked_again_in_time),
	};

	return cmocka_run_group_tests_name("supervise/tenure_split", tests, NULL, NULL);
}
