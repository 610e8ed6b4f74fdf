#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "data/pool.h"
#include "data/record.h"
#include "data/slot.h"
#include "nodeos/repair.h"

static char dir[] = "/tmp/test_record.XXXXXX";
static int dirfd_;

static int setup(void **state)
{
	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dirfd_ < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	close(dirfd_);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

static void write_text(const char *name, const char *text)
{
	struct err e = ERR_INIT;

	if (fs_write_at(dirfd_, name, text, strlen(text), 0644, &e) < 0)
		fail_msg("%s", e.msg);
}

static void comes_back_as_written(void **state)
{
	struct record r = { .state = SLOT_STOPPING, .reason = "r", .service = "s", .slot = 7 };
	struct record back;
	struct err e = ERR_INIT;

	(void)state;
	r.starts = 3;
	strcpy(r.settings, "0123");
	r.started_ns = 1700000000123000000;
	for (int i = 0; i < RECORD_ENDS_MAX + 5; i++) {
		struct record_end end = { .at_ns = 1700000000000000000, .exit_code = i };

		end.clean = i == RECORD_ENDS_MAX + 4;
		strcpy(end.class, "state_full");
		record_add_end(&r, &end);
	}
	assert_int_equal(record_read_at(&back, dirfd_, &e), 1);
	assert_int_equal(record_write_at(&r, dirfd_, &e), 0);
	assert_int_equal(record_read_at(&back, dirfd_, &e), 0);
	assert_int_equal(back.state, SLOT_STOPPING);
	assert_int_equal(back.slot, 7);
	assert_int_equal(back.starts, 3);
	assert_true(back.started_ns == r.started_ns);
	assert_int_equal(back.nends, RECORD_ENDS_MAX);
	/* Newest first, the oldest forgotten. */
	assert_int_equal(back.ends[0].exit_code, RECORD_ENDS_MAX + 4);
	assert_int_equal(back.ends[RECORD_ENDS_MAX - 1].exit_code, 5);
	assert_string_equal(record_last_stop(&back), "clean");
	assert_string_equal(back.ends[0].class, "state_full");
	assert_string_equal(back.settings, "0123");
}

/* To the millisecond, as all times in a record. */
static void healing_comes_back(void **state)
{
	struct record r = { .state = SLOT_REPAIRING }, back;
	struct record_heal *h = &r.heal;
	struct err e = ERR_INIT;

	(void)state;
	*h = (struct record_heal){ .stage = HEAL_STAGE_REPAIRING,
		.verdict = "dirty",
		.why = "it was \"killed\"",
		.repair = "hard-replay",
		.generation = "g000007-0000001200",
		.quarantined = "t_s.3-20261121T081500Z",
		.proof = "p",
		.tried = REPAIR_BIT(REPAIR_INDEX) | REPAIR_BIT(REPAIR_HARD_REPLAY),
		.tries = 3,
		.healed = 12,
		.begun_ns = 1790000000001000000,
		.ended_ns = 1790000000002000000,
		.last_ns = 1790000000003000000,
		.second_copy = true };
	for (int i = 0; i < RECORD_HEALS_MAX; i++)
		h->heals_ns[i] = 1790000000000000000 - i * 1000000000LL;
	assert_int_equal(record_write_at(&r, dirfd_, &e), 0);
	assert_int_equal(record_read_at(&back, dirfd_, &e), 0);
	assert_int_equal(back.state, SLOT_REPAIRING);
	assert_int_equal(back.heal.stage, h->stage);
	assert_string_equal(back.heal.verdict, h->verdict);
	assert_string_equal(back.heal.why, h->why);
	assert_string_equal(back.heal.repair, h->repair);
	assert_string_equal(back.heal.generation, h->generation);
	assert_string_equal(back.heal.quarantined, h->quarantined);
	assert_string_equal(back.heal.proof, h->proof);
	assert_true(back.heal.tried == h->tried);
	assert_true(back.heal.tries == 3 && back.heal.healed == 12);
	assert_true(back.heal.begun_ns == h->begun_ns && back.heal.ended_ns == h->ended_ns);
	assert_true(back.heal.last_ns == h->last_ns);
	assert_memory_equal(back.heal.heals_ns, h->heals_ns, sizeof(h->heals_ns));
	assert_true(back.heal.second_copy);
	/* A record from before there was healing. */
	write_text(RECORD_FILE, "{\"format\":1,\"state\":\"running\",\"ends\":[]}");
	assert_int_equal(record_read_at(&back, dirfd_, &e), 0);
	assert_int_equal(back.heal.stage, HEAL_STAGE_NONE);
	assert_true(back.heal.tried == 0 && back.heal.heals_ns[0] == 0);
	r.heal = back.heal;
	assert_int_equal(record_write_at(&r, dirfd_, &e), 0);
	assert_int_equal(record_read_at(&back, dirfd_, &e), 0);
	assert_int_equal(back.heal.stage, HEAL_STAGE_NONE);
}

static void odd_healing_is_read_as_nothing(void **state)
{
	struct err e = ERR_INIT;
	struct record r;

	(void)state;
	write_text(RECORD_FILE,
	        "{\"format\":1,\"heal\":{\"stage\":\"sleeping\",\"tries\":-1,\"tried\":[1,"
	        "\"none\",\"nonsense\",\"replay\"],\"begins\":[7,\"x\","
	        "\"2026-11-21T08:15:00.000Z\"],\"last\":{}}}");
	assert_int_equal(record_read_at(&r, dirfd_, &e), 0);
	assert_int_equal(r.heal.stage, HEAL_STAGE_NONE);
	assert_true(r.heal.tries == 0 && r.heal.last_ns == 0);
	assert_true(r.heal.tried == REPAIR_BIT(REPAIR_REPLAY));
	assert_true(r.heal.heals_ns[0] != 0 && r.heal.heals_ns[1] == 0);
	for (int i = HEAL_STAGE_NONE; i <= HEAL_STAGE_GAVE_UP; i++)
		assert_string_not_equal(heal_stage_name((enum heal_stage)i), "unknown");
}

static void what_is_not_ours_is_refused(void **state)
{
	static const struct {
		const char *name, *text, *why;
	} rows[] = {
		{ "empty", "", "run.json" },
		{ "not JSON", "{", "run.json" },
		{ "a list", "[]", "not a JSON object" },
		{ "newer format", "{\"format\":2}", "format 2" },
		{ "no format", "{}", "format 0" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct record r;

		write_text(RECORD_FILE, rows[i].text);
		if (record_read_at(&r, dirfd_, &e) != -1 || !strstr(e.msg, rows[i].why))
			fail_msg("%s: '%s'", rows[i].name, e.msg);
	}
}

static void odd_values_are_read_as_nothing(void **state)
{
	struct err e = ERR_INIT;
	struct record r;

	(void)state;
	write_text(
	        RECORD_FILE, "{\"format\":1,\"state\":7,\"slot\":\"x\",\"ends\":{},\"new\":[1]}");
	assert_int_equal(record_read_at(&r, dirfd_, &e), 0);
	assert_int_equal(r.nends, 0);
	assert_null(record_last_stop(&r));
}

static void pool_is_a_pool_only_by_its_json(void **state)
{
	struct pool p;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(pool_open(&p, dir, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(e.hint, "pool init"));
	err_clear(&e);
	assert_int_equal(pool_create(&p, dir, &e), 0);
	assert_int_equal(strlen(p.id), 36);
	pool_release(&p);
	assert_int_equal(pool_create(&p, dir, &e), 1);
	pool_release(&p);
	write_text("pool.json", "{\"format\":9,\"id\":\"x\"}");
	assert_int_equal(pool_open(&p, dir, &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
}

static void pool_is_not_made_over_other_files(void **state)
{
	struct pool p;
	struct err e = ERR_INIT;

	(void)state;
	write_text("precious", "x");
	assert_int_equal(pool_create(&p, dir, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_int_equal(faccessat(dirfd_, "pool.json", F_OK, 0), -1);
}

static void slot_names_cannot_leave_the_pool(void **state)
{
	static const char *const bad[] = { "", ".", "..", "../x", "a/b", "-x", ".hidden" };
	struct pool p;
	struct slot s;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(pool_create(&p, dir, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		err_clear(&e);
		if (slot_open(&s, &p, bad[i], 1, true, &e) != -1 || e.kind != ERR_USAGE)
			fail_msg("'%s' was accepted", bad[i]);
	}
	err_clear(&e);
	assert_int_equal(slot_open(&s, &p, "nodeswarm_readers", 0, true, &e), -1);
	err_clear(&e);
	assert_int_equal(slot_open(&s, &p, "nodeswarm_readers", 3, false, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	err_clear(&e);
	assert_int_equal(slot_open(&s, &p, "nodeswarm_readers", 3, true, &e), 0);
	slot_release(&s);
	/* A link in the way is not followed. */
	assert_int_equal(symlinkat("/tmp", p.fd, "services/evil"), 0);
	assert_int_equal(slot_open(&s, &p, "evil", 1, true, &e), -1);
	pool_release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(comes_back_as_written, setup, teardown),
		cmocka_unit_test_setup_teardown(healing_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(odd_healing_is_read_as_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_ours_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(odd_values_are_read_as_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(pool_is_a_pool_only_by_its_json, setup, teardown),
		cmocka_unit_test_setup_teardown(pool_is_not_made_over_other_files, setup, teardown),
		cmocka_unit_test_setup_teardown(slot_names_cannot_leave_the_pool, setup, teardown),
	};

	return cmocka_run_group_tests_name("data/record", tests, NULL, NULL);
}
