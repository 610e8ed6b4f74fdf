/* What stands in the swarm after a write, whatever happens to any of its calls. */

#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/config.h"
#include "fake/swarm.h"
#include "lease/store_priv.h"

static struct fake_swarm *swarm;

static struct engine *new_engine(void)
{
	struct err e = ERR_INIT;
	struct engine *eng = engine_new(fake_swarm_host(swarm), &e);

	assert_non_null(eng);
	return eng;
}

static int run(struct engine *eng, const struct lease_record *write, struct lease_record *stands,
        bool *has_stands, struct err *e)
{
	struct store_request q = { .name = "producer", .is_write = write != NULL };

	if (write)
		q.write = *write;
	q.end_ns = clock_mono_ns() + 5 * NS_PER_SEC;
	return lease_store_run(eng, &q, stands, has_stands, e);
}

static struct lease_record taken(const struct lease_record *from, const char *who)
{
	struct lease_record r = *from;

	r.epoch++;
	r.count = 0;
	r.term_ns = LEASE_TERM_SHORT_NS;
	snprintf(r.holder, sizeof(r.holder), "%s", who);
	snprintf(r.place, sizeof(r.place), "at %s", who);
	r.floor = r.ceiling;
	r.ceiling += 8;
	lease_note_change(&r, 5, "test");
	return r;
}

static struct lease_record look(struct engine *eng)
{
	struct lease_record r;
	struct err e = ERR_INIT;
	bool has;

	if (run(eng, NULL, &r, &has, &e) < 0)
		fail_msg("%s", e.msg);
	assert_true(has);
	return r;
}

static int setup(void **state)
{
	(void)state;
	swarm = fake_swarm_start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_swarm_stop(swarm);
	return 0;
}

static void swaps(void **state)
{
	struct engine *eng = new_engine();
	struct lease_record none = look(eng), a = taken(&none, "a.1"), b = taken(&none, "b.1"), r;
	struct err e = ERR_INIT;
	bool has;

	(void)state;
	assert_int_equal(none.version, 0);
	assert_int_equal(run(eng, &a, &r, &has, &e), 0);
	assert_true(has);
	assert_string_equal(r.holder, "a.1");
	assert_true(r.version > 0);
	/* The other one was there a moment too late. */
	assert_int_equal(run(eng, &b, &r, &has, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_true(has);
	assert_string_equal(r.holder, "a.1");
	err_clear(&e);
	b = taken(&r, "b.1");
	b.epoch++;
	assert_int_equal(run(eng, &b, &r, &has, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_true(has);
	err_clear(&e);
	b = taken(&r, "b.1");
	assert_int_equal(run(eng, &b, &r, &has, &e), 0);
	assert_string_equal(r.holder, "b.1");
	assert_int_equal(r.epoch, 2);
	engine_free(eng);
}

/* Each call fails in each way: what is said to be done is, what is said not to be is not. */
static void failures(void **state)
{
	(void)state;
	for (int how = 0; how < FAKE_FAILURES; how++)
		for (size_t call = 0; call < 4; call++)
			for (int made = 0; made < 2; made++) {
				struct engine *eng;
				struct lease_record from, to, r, after;
				struct err e = ERR_INIT;
				bool has, done;
				int rc;

				fake_swarm_stop(swarm);
				swarm = fake_swarm_start();
				eng = new_engine();
				from = look(eng);
				if (made) {
					to = taken(&from, "a.1");
					assert_int_equal(run(eng, &to, &from, &has, &e), 0);
				}
				to = taken(&from, "b.1");
				fake_swarm_count_anew(swarm);
				fake_swarm_fail(swarm, call,
				        how == FAKE_BROKEN || how == FAKE_BROKEN_DONE ? 2 : 1,
				        (enum fake_failure)how);
				rc = run(eng, &to, &r, &has, &e);
				fake_swarm_fail(swarm, 0, 0, (enum fake_failure)how);
				after = look(eng);
				done = strcmp(after.holder, "b.1") == 0;
				if (rc == 0 && (!done || !has || strcmp(r.holder, "b.1") != 0))
					fail_msg("%s, call %zu: said to be done",
					        fake_failure_name((enum fake_failure)how), call);
				/* A conflict that names our own record says that it was done. */
				if (rc < 0 && e.kind == ERR_CONFLICT &&
				        (!has || done != (strcmp(r.holder, "b.1") == 0)))
					fail_msg("%s, call %zu: a wrong conflict",
					        fake_failure_name((enum fake_failure)how), call);
				if (rc < 0 && e.kind == ERR_USAGE)
					fail_msg("%s, call %zu: %s",
					        fake_failure_name((enum fake_failure)how), call,
					        e.msg);
				engine_free(eng);
			}
}

static void others_labels(void **state)
{
	struct lease_record r;
	json_t *old = json_pack("{s:s, s:s, s:s}", "colour", "blue", "nodeswarm.lease.history.7",
	        "x", "nodeswarm.lease.epoch", "9");
	json_t *labels;

	(void)state;
	lease_record_init(&r, "producer");
	labels = store_labels(old, &r);
	assert_string_equal(json_string_value(json_object_get(labels, "colour")), "blue");
	assert_null(json_object_get(labels, "nodeswarm.lease.history.7"));
	assert_string_equal(
	        json_string_value(json_object_get(labels, "nodeswarm.lease.epoch")), "0");
	json_decref(old);
	json_decref(labels);
}

/* Somebody made the object by hand, or it is of a later version. */
static void no_lease(void **state)
{
	struct engine *eng = new_engine();
	json_t *labels = json_pack("{s:s}", "nodeswarm.lease.format", "2");
	struct lease_record r;
	struct err e = ERR_INIT;
	bool has;

	(void)state;
	assert_int_equal(
	        engine_config_create(eng, LEASE_CONFIG "producer", "x", 1, labels, NULL, &e), 0);
	assert_int_equal(run(eng, NULL, &r, &has, &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	assert_false(has);
	json_decref(labels);
	engine_free(eng);
}

static void ceilings(void **state)
{
	static const struct {
		const char *name;
		int64_t ahead_s; /* of the clock of who asks */
		bool is_held, is_same, ok;
	} t[] = {
		{ "the same clock", 0, true, false, true },
		{ "an hour behind", -3600, true, false, true },
		{ "ahead as far as readers bear it", 6, true, false, true },
		{ "more than that", 9, true, false, false },
		{ "more, but it stood before", 3600, true, true, true },
		{ "a release", 3600, false, false, true },
	};
	const int64_t now = 1760000000LL * NS_PER_SEC;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct lease_record from, to;
		struct err e = ERR_INIT;

		lease_record_init(&from, "producer");
		to = from;
		to.term_ns = LEASE_TERM_SHORT_NS;
		to.ceiling = lease_slot_at(now + t[i].ahead_s * NS_PER_SEC + to.term_ns);
		snprintf(to.holder, sizeof(to.holder), "%s", t[i].is_held ? "a.1" : "");
		from.ceiling = t[i].is_same ? to.ceiling : 5;
		if ((store_check_ceiling(&from, &to, now, &e) == 0) != t[i].ok)
			fail_msg("%s: %s", t[i].name, e.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(swaps, setup, teardown),
		cmocka_unit_test_setup_teardown(failures, setup, teardown),
		cmocka_unit_test(others_labels),
		cmocka_unit_test_setup_teardown(no_lease, setup, teardown),
		cmocka_unit_test(ceilings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
