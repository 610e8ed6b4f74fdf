/* What is killed, or fails, at each call that changes something, is settled by who comes next. */

#include "unit/test.h"

#include "unit/data/restore_scene.h"

enum what {
	WHAT_RESTORE,
	WHAT_FRESH, /* into a slot without data-dir */
	WHAT_SNAPSHOT,
	WHAT_FROM_SNAPSHOT, /* of a generation, where a snapshot had been */
	WHAT_BOUND,
	WHAT_COUNT,
};

static const char *const what_names[] = { "restore", "fresh restore", "restore of a snapshot",
	"restore after a snapshot", "bound" };

static void prepare(enum what what)
{
	char name[256];

	trip_set(0, 0);
	teardown(NULL);
	assert_int_equal(setup(NULL), 0);
	make_snapshot("s.bin");
	if (what == WHAT_BOUND)
		for (int i = 0; i < 3; i++) {
			put(slot.fd, "data/x", "x");
			put_away("why", name);
		}
	if (what != WHAT_FRESH) {
		put_old();
		put(slot.fd, SLOT_GENERATION, "{\"generation\":\"" OLD "\"}");
	}
	if (what == WHAT_FROM_SNAPSHOT)
		ok(restore("g000002-0000000002", NULL));
}

static int run(enum what what)
{
	struct quarantine_limit l = { .per_slot = 1 };

	e = ERR_INIT;
	switch (what) {
	case WHAT_RESTORE:
	case WHAT_FRESH:
	case WHAT_FROM_SNAPSHOT:
		return restore("current", NULL);
	case WHAT_SNAPSHOT:
		return restore("g000002-0000000002", NULL);
	case WHAT_BOUND:
		return quarantine_bound(&pool, &l, NULL, NULL, &e);
	case WHAT_COUNT:
		break;
	}
	return -1;
}

/* The one entry with the old data-dir is there, whole, or nothing is. */
static bool is_kept(const char *file, const char *text)
{
	AUTO(quarantine) struct quarantine q = { 0 };
	char path[512];

	ok(quarantine_list(&q, &pool, &e));
	for (size_t i = 0; i < q.n; i++) {
		snprintf(path, sizeof(path), "quarantine/%s/data/%s", q.v[i].name, file);
		if (strcmp(text_of(pool.fd, path), text) == 0)
			return true;
	}
	return false;
}

static const char *expected_generation(enum what what, const char *got)
{
	if (strcmp(got, "old") == 0)
		return OLD;
	if (strcmp(got, "snapshot") == 0)
		return "g000002-0000000002";
	/* The fresh one has nothing of its own node's, and is "broken" for that. */
	if (strcmp(got, "new") == 0 || (what == WHAT_FRESH && strcmp(got, "none") != 0))
		return "g000001-0000000001";
	return "none";
}

/* As whoever takes the lock next finds it. */
static void expect_settled(enum what what, int at, bool is_done)
{
	const char *got;
	bool has_marker;

	e = ERR_INIT;
	if (slot_settle(&slot, &e) < 0)
		fail_msg("%s, call %d: %s", what_names[what], at, e.msg);
	got = which_data();
	has_marker = is_path(slot.fd, SLOT_FROM_SNAPSHOT);
	if (has_marker != (strcmp(got, "snapshot") == 0))
		fail_msg("%s, call %d: '%s', with %s", what_names[what], at, got,
		        text_of(slot.fd, SLOT_FROM_SNAPSHOT));
	if (strcmp(generation_of(), expected_generation(what, got)) != 0)
		fail_msg("%s, call %d: '%s', said to be of '%s'", what_names[what], at, got,
		        generation_of());
	switch (what) {
	case WHAT_RESTORE:
	case WHAT_SNAPSHOT:
		if (strcmp(got, "old") == 0
		                ? is_done
		                : strcmp(got, what == WHAT_RESTORE ? "new" : "snapshot") != 0 ||
		                        !is_kept("blocks/blocks.log", "blocks/blocks.log at 0"))
			fail_msg("%s, call %d: '%s'", what_names[what], at, got);
		break;
	case WHAT_FRESH: {
		const char *log = text_of(slot.fd, "data/blocks/blocks.log");

		if (strcmp(got, "none") == 0 ? is_done
		                             : strcmp(log, "blocks/blocks.log at 1") != 0 ||
		                        !is_path(slot.fd, "data/state/shared_memory.bin"))
			fail_msg("%s, call %d: '%s'", what_names[what], at, got);
		break;
	}
	case WHAT_FROM_SNAPSHOT:
		if (strcmp(got, "snapshot") == 0 ? is_done : strcmp(got, "new") != 0)
			fail_msg("%s, call %d: '%s'", what_names[what], at, got);
		break;
	case WHAT_BOUND:
		if (strcmp(got, "old") != 0 || !is_kept("x", "x"))
			fail_msg("%s, call %d: '%s'", what_names[what], at, got);
		break;
	case WHAT_COUNT:
		break;
	}
}

/* The next one works, and then there is nothing that should not be. */
static void expect_next(enum what what, int at)
{
	struct quarantine_limit l = { .per_slot = 1000 };

	if (restore("current", NULL) < 0 || quarantine_bound(&pool, &l, NULL, NULL, &e) < 0)
		fail_msg("%s, call %d: the next: %s", what_names[what], at, e.msg);
	if (strcmp(names_in(slot.fd, "."), "data generation.json ") != 0)
		fail_msg("%s, call %d: left: %s", what_names[what], at, names_in(slot.fd, "."));
	if (strstr(names_in(pool.fd, "quarantine"), "tmp"))
		fail_msg("%s, call %d: left: %s", what_names[what], at,
		        names_in(pool.fd, "quarantine"));
	ok(generation_verify(&pool, "current", NULL, NULL, NULL, NULL, &e));
}

static void killed_at_each_call(void **state)
{
	(void)state;
	for (enum what what = 0; what < WHAT_COUNT; what++) {
		int status = TRIP_KILLED << 8;

		for (int at = 1; WEXITSTATUS(status) == TRIP_KILLED; at++) {
			pid_t pid;

			prepare(what);
			pid = fork();
			if (pid == 0) {
				trip_set(at, 0);
				_exit(run(what) < 0);
			}
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_true(WIFEXITED(status));
			expect_settled(what, at, WEXITSTATUS(status) == 0);
			expect_next(what, at);
			if (WEXITSTATUS(status) == 0)
				print_message("%s: %d calls\n", what_names[what], at - 1);
		}
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

static void failing_at_each_call(void **state)
{
	static const int errnos[] = { EIO, ENOSPC };

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(errnos); n++)
		for (enum what what = 0; what < WHAT_COUNT; what++) {
			bool was_reached = true;

			for (int at = 1; was_reached; at++) {
				struct err why;
				int rc;

				prepare(what);
				trip_set(at, errnos[n]);
				rc = run(what);
				why = e;
				e = ERR_INIT;
				was_reached = trip_was_reached();
				trip_set(0, 0);
				if (rc < 0 && !strstr(why.msg, strerror(errnos[n])))
					fail_msg("%s, call %d: '%s' does not say why",
					        what_names[what], at, why.msg);
				if (rc < 0 && strcmp(which_data(), "old") == 0 &&
				        strcmp(names_in(slot.fd, "."), "data generation.json ") !=
				                0)
					fail_msg("%s, call %d: %s: left %s", what_names[what], at,
					        why.msg, names_in(slot.fd, "."));
				if (rc < 0 && what != WHAT_BOUND &&
				        strcmp(which_data(), "old") == 0 &&
				        strstr(names_in(pool.fd, "quarantine"), "s_readers"))
					fail_msg("%s, call %d: %s: left %s", what_names[what], at,
					        why.msg, names_in(pool.fd, "quarantine"));
				expect_settled(what, at, rc >= 0);
				expect_next(what, at);
			}
		}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(killed_at_each_call),
		TEST(failing_at_each_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
