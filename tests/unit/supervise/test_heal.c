#include "unit/test.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "data/record.h"
#include "nodeos/exit.h"
#include "supervise/heal.h"
#include "supervise/supervise_priv.h"

/* A supervisor that owns no slot, so that nothing is written, and is to stop, so that nothing is
 * started. */
static struct supervise_config cfg;
static struct supervisor s;

static int setup(void **state)
{
	(void)state;
	cfg = (struct supervise_config){ .may_heal = true };
	memset(&s, 0, sizeof(s));
	s.cfg = &cfg;
	s.lock_fd = -1;
	s.stop_asked = true;
	return 0;
}

static struct heal_facts facts(void)
{
	struct heal_facts f = { 0 };

	heal_facts_begin(&s, &f);
	return f;
}

static struct record_heal *h(void)
{
	return &s.record.heal;
}

static void an_incident_goes_its_way(void **state)
{
	(void)state;
	heal_begin(&s, "dirty", "it was killed");
	assert_true(heal_open_since(&s) == 0);
	heal_try(&s, REPAIR_GENERATION);
	assert_true(heal_open_since(&s) == h()->begun_ns / NS_PER_SEC * NS_PER_SEC);
	assert_int_equal(h()->stage, HEAL_STAGE_REPAIRING);
	assert_string_equal(h()->repair, "restore-generation");
	assert_true(h()->begun_ns && h()->last_ns && h()->heals_ns[0]);
	assert_true(facts().tried == REPAIR_BIT(REPAIR_GENERATION) && facts().tries == 1);
	assert_int_equal(facts().recent, 1);
	heal_repaired(&s, "t_s.1-x");
	assert_string_equal(h()->quarantined, "t_s.1-x");
	assert_false(heal_is_on_probation(&s));
	assert_true(heal_is_unproven(&s));
	heal_answered(&s);
	assert_true(heal_is_on_probation(&s) && heal_is_unproven(&s));
	heal_answered(&s);
	assert_true(heal_is_on_probation(&s));
	/* The next one does not begin anew. */
	heal_begin(&s, "damaged", "something else");
	assert_string_equal(h()->verdict, "dirty");
	heal_try(&s, REPAIR_REPLAY);
	assert_true(h()->tries == 2);
	assert_true(h()->tried == (REPAIR_BIT(REPAIR_GENERATION) | REPAIR_BIT(REPAIR_REPLAY)));
	h()->stage = HEAL_STAGE_HEALED;
	assert_false(heal_is_unproven(&s));
	/* Still the same: it was not ready long enough. */
	assert_true(facts().tries == 2);
	heal_forget(&s, false);
	assert_true(facts().tries == 0 && facts().tried == 0 && facts().recent == 2);
	assert_true(heal_open_since(&s) == 0);
	heal_begin(&s, "damaged", "something else");
	assert_string_equal(h()->verdict, "damaged");
	assert_int_equal(facts().recent, 2);
	heal_forget(&s, true);
	assert_int_equal(facts().recent, 0);
}

static void what_was_long_ago_does_not_count(void **state)
{
	int64_t now = clock_real_ns();

	(void)state;
	h()->heals_ns[0] = now - HEAL_WINDOW_NS / 2;
	h()->heals_ns[1] = now - HEAL_WINDOW_NS - NS_PER_SEC;
	assert_int_equal(facts().recent, 1);
	for (int i = 0; i < 2 * RECORD_HEALS_MAX; i++)
		heal_try(&s, REPAIR_INDEX);
	assert_int_equal(facts().recent, RECORD_HEALS_MAX);
}

static void what_proves_nothing_is_not_tried(void **state)
{
	static const struct {
		const char *name;
		enum err_kind kind;
		int sys_errno;
		unsigned tried, tries;
		enum heal_stage stage;
		bool lacks_room;
	} rows[] = {
		{ "cut off", ERR_INTERRUPTED, 0, 0, 0, HEAL_STAGE_REPAIRING, false },
		{ "no room", ERR_UNAVAILABLE, 0, 0, 0, HEAL_STAGE_WAITING, true },
		{ "no space", ERR_SYSTEM, ENOSPC, 0, 0, HEAL_STAGE_WAITING, true },
		{ "failed", ERR_SYSTEM, EIO, REPAIR_BIT(REPAIR_GENERATION), 1, HEAL_STAGE_REPAIRING,
		        false },
		{ "refused", ERR_PROTOCOL, 0, REPAIR_BIT(REPAIR_GENERATION), 1,
		        HEAL_STAGE_REPAIRING, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err why = { .kind = rows[i].kind, .sys_errno = rows[i].sys_errno };

		(void)setup(state);
		heal_begin(&s, "dirty", "it was killed");
		heal_try(&s, REPAIR_GENERATION);
		heal_try_failed(&s, &why);
		if (h()->tried != rows[i].tried || h()->tries != rows[i].tries ||
		        h()->stage != rows[i].stage || s.lacks_room != rows[i].lacks_room ||
		        facts().lacks_room != rows[i].lacks_room ||
		        facts().recent != rows[i].tries || s.is_looked)
			fail_msg("%s: tried %#llx, tries %llu, stage %s", rows[i].name,
			        (unsigned long long)h()->tried, (unsigned long long)h()->tries,
			        heal_stage_name(h()->stage));
	}
}

static void ends_of_nodeos(void **state)
{
	static const struct {
		const char *name, *verdict;
		enum nodeos_exit_class class;
		bool heals, still_tried;
	} rows[] = {
		{ "killed", "dirty", NODEOS_EXIT_KILLED, true, false },
		{ "crashed", "dirty", NODEOS_EXIT_CRASHED, true, true },
		{ "crashed, and is sound", "clean", NODEOS_EXIT_CRASHED, false, true },
		{ "of its data", "clean", NODEOS_EXIT_DATA, true, true },
		{ "dirty", "dirty", NODEOS_EXIT_DIRTY, true, true },
		{ "it does not say why", "dirty", NODEOS_EXIT_OTHER, true, true },
		{ "it does not say why, and is sound", "clean", NODEOS_EXIT_OTHER, false, true },
		{ "full disk", "damaged", NODEOS_EXIT_DISK_FULL, true, false },
		{ "full disk, sound", "clean", NODEOS_EXIT_DISK_FULL, false, true },
		{ "full state", "dirty", NODEOS_EXIT_STATE_FULL, false, false },
		{ "options", "dirty", NODEOS_EXIT_CONFIG, false, false },
		{ "genesis", "dirty", NODEOS_EXIT_GENESIS, false, false },
		{ "another version", "dirty", NODEOS_EXIT_VERSION, false, false },
		{ "snapshot", "dirty", NODEOS_EXIT_SNAPSHOT, false, true },
		{ "port", "clean", NODEOS_EXIT_PORT, false, true },
		{ "the system", "dirty", NODEOS_EXIT_SYSTEM, false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct nodeos_exit x = { .class = rows[i].class,
			.repairs = rows[i].class == NODEOS_EXIT_DATA ||
			                rows[i].class == NODEOS_EXIT_DIRTY
			        ? REPAIR_BIT(REPAIR_REPLAY)
			        : 0,
			.why = "w" };
		bool heals;

		(void)setup(state);
		heal_begin(&s, "dirty", "it was killed");
		heal_try(&s, REPAIR_REPLAY);
		s.is_looked = true;
		strcpy(s.record.verdict, rows[i].verdict);
		heals = heal_after_end(&s, &x);
		if (heals != rows[i].heals || s.is_looked == rows[i].heals ||
		        (h()->tried != 0) != rows[i].still_tried)
			fail_msg("%s: heals %d, tried %#llx", rows[i].name, heals,
			        (unsigned long long)h()->tried);
	}
	(void)setup(state);
	cfg.may_heal = false;
	strcpy(s.record.verdict, "dirty");
	assert_false(heal_after_end(&s, &(struct nodeos_exit){ .class = NODEOS_EXIT_DIRTY }));
}

static void after_a_stop_it_goes_on(void **state)
{
	static const struct {
		enum heal_stage stage;
		bool was_killed;
		bool still_tried;
	} rows[] = {
		{ HEAL_STAGE_REPAIRING, true, false },
		{ HEAL_STAGE_REPAIRING, false, false },
		{ HEAL_STAGE_PROBATION, true, false },
		{ HEAL_STAGE_PROBATION, false, true },
		{ HEAL_STAGE_HEALED, true, false },
		{ HEAL_STAGE_HEALED, false, true },
		{ HEAL_STAGE_WAITING, true, true },
		{ HEAL_STAGE_GAVE_UP, true, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct record old = { .heal = { .stage = rows[i].stage,
			                      .repair = "replay",
			                      .tried = REPAIR_BIT(REPAIR_INDEX) |
			                              REPAIR_BIT(REPAIR_REPLAY),
			                      .tries = 2,
			                      .healed = 7 } };

		(void)setup(state);
		heal_adopt(&s, &old, rows[i].was_killed);
		if (((h()->tried & REPAIR_BIT(REPAIR_REPLAY)) != 0) != rows[i].still_tried)
			fail_msg("row %zu", i);
		/* What had failed before stays so, until the slot had the others' blocks. */
		assert_int_equal((h()->tried & REPAIR_BIT(REPAIR_INDEX)) != 0,
		        rows[i].stage != HEAL_STAGE_HEALED || !rows[i].was_killed);
		assert_true(h()->tries == 2 && h()->healed == 7);
	}
}

static void a_hard_replay_is_of_one_look(void **state)
{
	static const struct {
		const char *verdict;
		bool never, asked, replays;
	} rows[] = {
		{ "damaged", false, true, true },
		{ "dirty", false, true, true },
		{ "clean", false, true, true },
		{ "damaged", false, false, false },
		{ "damaged", true, true, false },
		{ "clean", true, true, false },
		{ "foreign", false, true, false },
		{ "in-use", false, true, false },
		{ "empty", false, true, false },
	};
	const struct record old = { .heal = { .stage = HEAL_STAGE_REPAIRING,
		                            .repair = "hard-replay",
		                            .second_copy = true } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)setup(state);
		cfg.may_heal = !rows[i].never;
		s.hard_replay = rows[i].asked;
		strcpy(s.record.verdict, rows[i].verdict);
		if (heal_replays_hard(&s) != rows[i].replays)
			fail_msg("row %zu", i);
	}
	/* The next supervisor decides anew, killed or not. */
	(void)setup(state);
	heal_adopt(&s, &old, true);
	assert_true(!s.hard_replay && h()->second_copy);
	heal_adopt(&s, &old, false);
	assert_true(!s.hard_replay && h()->second_copy);
}

static void another_data_dir_ends_it(void **state)
{
	(void)state;
	heal_begin(&s, "dirty", "it was killed");
	heal_try(&s, REPAIR_HARD_REPLAY);
	s.hard_replay = h()->second_copy = s.has_exit = true;
	heal_gave_up(&s, "nothing is left");
	assert_string_equal(h()->proof, "nothing is left");
	heal_replaced(&s);
	assert_int_equal(h()->stage, HEAL_STAGE_NONE);
	assert_true(!s.hard_replay && !h()->second_copy && !s.has_exit && !h()->tries);
	heal_answered(&s);
	assert_false(heal_is_on_probation(&s));
}

static void resume_during_a_look_is_not_lost(void **state)
{
	(void)state;
	heal_begin(&s, "dirty", "it was killed");
	heal_try(&s, REPAIR_REPLAY);
	heal_gave_up(&s, "nothing is left");
	s.record.state = SLOT_HELD;
	s.look = (struct work *)&s;
	supervisor_resume(&s);
	assert_true(s.look_again && !h()->tries && facts().recent == 0);
	s.look = NULL;
	supervisor_resume(&s);
	assert_false(s.look_again);
}

static void it_is_calm_from_when_nodeos_answers(void **state)
{
	(void)state;
	heal_begin(&s, "dirty", "it was killed");
	heal_try(&s, REPAIR_REPLAY);
	h()->stage = HEAL_STAGE_HEALED;
	s.calm_since_ns = 1; /* of the run before */
	heal_answered(&s);
	assert_true(s.calm_since_ns == 0);
	loop_timer_remove(&s.loop, &s.heal_timer);
}

static void an_answer_does_not_call_off_a_stop(void **state)
{
	(void)state;
	heal_begin(&s, "forked", "other irreversible blocks");
	h()->stage = HEAL_STAGE_WAITING;
	s.heal_stop_asked = true; /* as heal_forked() leaves it until nodeos has ended */
	heal_answered(&s);
	assert_int_equal(h()->stage, HEAL_STAGE_WAITING);
}

static void a_second_fork_is_no_failed_repair(void **state)
{
	static const struct {
		enum heal_stage stage;
		enum data_repair last;
		uint64_t still;
	} rows[] = {
		{ HEAL_STAGE_PROBATION, REPAIR_EMPTY,
		        REPAIR_BIT(REPAIR_REPLAY) | REPAIR_BIT(REPAIR_EMPTY) },
		{ HEAL_STAGE_HEALED, REPAIR_EMPTY, 0 },
		/* It may have been of that fork. */
		{ HEAL_STAGE_HEALED, REPAIR_GENERATION, REPAIR_BIT(REPAIR_GENERATION) },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)setup(state);
		heal_begin(&s, "dirty", "it was killed");
		heal_try(&s, REPAIR_REPLAY);
		heal_try(&s, rows[i].last);
		h()->stage = rows[i].stage;
		s.record.state = SLOT_RUNNING;
		s.stop_asked = false;
		heal_forked(&s, "other irreversible blocks");
		assert_true(s.heal_stop_asked && s.is_forked);
		assert_int_equal(h()->stage, HEAL_STAGE_WAITING);
		assert_true(h()->tried == rows[i].still);
		assert_int_equal(h()->tries, 2);
	}
}

static void what_would_end_so_again(void **state)
{
	static const struct {
		enum nodeos_exit_class class;
		const char *settings;
		bool again;
	} rows[] = {
		{ NODEOS_EXIT_STATE_FULL, "same", true },
		{ NODEOS_EXIT_CONFIG, "same", true },
		{ NODEOS_EXIT_GENESIS, "same", true },
		{ NODEOS_EXIT_VERSION, "same", true },
		{ NODEOS_EXIT_STATE_FULL, "other", false },
		{ NODEOS_EXIT_STATE_FULL, "", false },
		{ NODEOS_EXIT_PORT, "same", false },
		{ NODEOS_EXIT_SYSTEM, "same", false },
		{ NODEOS_EXIT_KILLED, "same", false },
		{ NODEOS_EXIT_DATA, "same", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct record_end end = { .exit_code = 1 };

		(void)setup(state);
		strcpy(s.record.settings, "same");
		assert_false(heal_would_end_so(&s, "same"));
		snprintf(end.class, sizeof(end.class), "%s", nodeos_exit_class_name(rows[i].class));
		record_add_end(&s.record, &end);
		if (heal_would_end_so(&s, rows[i].settings) != rows[i].again)
			fail_msg("row %zu", i);
		heal_forget(&s, true);
		assert_false(heal_would_end_so(&s, "same"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_incident_goes_its_way, setup),
		cmocka_unit_test_setup(what_was_long_ago_does_not_count, setup),
		cmocka_unit_test_setup(what_proves_nothing_is_not_tried, setup),
		cmocka_unit_test_setup(ends_of_nodeos, setup),
		cmocka_unit_test_setup(after_a_stop_it_goes_on, setup),
		cmocka_unit_test_setup(a_hard_replay_is_of_one_look, setup),
		cmocka_unit_test_setup(another_data_dir_ends_it, setup),
		cmocka_unit_test_setup(a_second_fork_is_no_failed_repair, setup),
		cmocka_unit_test_setup(what_would_end_so_again, setup),
		cmocka_unit_test_setup(resume_during_a_look_is_not_lost, setup),
		cmocka_unit_test_setup(an_answer_does_not_call_off_a_stop, setup),
		cmocka_unit_test_setup(it_is_calm_from_when_nodeos_answers, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
