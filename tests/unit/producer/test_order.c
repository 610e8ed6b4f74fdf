#include "unit/test.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "deploy/agents.h"
#include "engine/engine.h"
#include "fake/engine.h"
#include "fake/producer_stack.h"
#include "producer/order.h"

static struct fake_producer_stack *f;
static struct engine *eng;
static struct agents *agents;
static struct err e;
static struct deploy d;
static struct producer_order o;
static char told[4096];

static void on_progress(void *arg, const char *text)
{
	size_t n = strlen(told);

	(void)arg;
	if (!strstr(told, text))
		snprintf(told + n, sizeof(told) - n, "%s\n", text);
}

static int set_up(void **state)
{
	(void)state;
	err_clear(&e);
	told[0] = '\0';
	f = fake_producer_stack_start();
	eng = engine_new(fake_producer_stack_host(f), &e);
	agents = eng ? agents_new(eng, "s", fake_producer_stack_pool(f), NULL, &e) : NULL;
	d = (struct deploy){ .engine = eng,
		.agents = agents,
		.stack = "s",
		.pool = fake_producer_stack_pool(f),
		.wait_ns = 20 * NS_PER_SEC,
		.progress = on_progress };
	o = (struct producer_order){ .lease = "producer", .reason = "a test" };
	return agents ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	agents_free(agents);
	engine_free(eng);
	fake_producer_stack_stop(f);
	return 0;
}

static void must(int rc)
{
	if (rc < 0)
		fail_msg("%s", e.msg);
}

static void must_fail(int rc, enum err_kind kind, const char *says)
{
	if (rc >= 0)
		fail_msg("it did not fail with '%s'", says);
	if (e.kind != kind || !strstr(e.msg, says))
		fail_msg("%s: '%s', not '%s'", err_kind_name(e.kind), e.msg, says);
	err_clear(&e);
}

static void hands_over(void **state)
{
	(void)state;
	must(producer_failover(&d, &o, &e));
	assert_string_equal(o.from, "producer.1");
	assert_string_equal(o.now, "producer-standby.1");
	assert_int_equal(o.epoch, 8);
	assert_int_equal(o.order_id, 4);
	assert_int_equal(f->writes, 1);
	/* One slot with our look, and then none any more. */
	assert_int_equal(o.last_slot, FAKE_SLOT + 1);
	assert_int_equal(o.first_slot, FAKE_SLOT + 2);
	assert_int_equal(producer_slots_lost(&o), 0);
	assert_non_null(strstr(told, "producer-standby.1 has the lease; waiting for its first"));
}

static void tells_what_was_lost(void **state)
{
	(void)state;
	f->lost = 3;
	f->release_looks = 3;
	f->take_looks = 3;
	must(producer_failover(&d, &o, &e));
	assert_int_equal(producer_slots_lost(&o), 3);
	assert_non_null(strstr(told, "producer.1 signs once more and releases the lease"));
	assert_non_null(strstr(told, "the lease is free; waiting for a standby to take it"));
}

/* What was lost cannot be told from a ceiling that nobody released. */
static void lost_is_not_known(void **state)
{
	(void)state;
	o.first_slot = 12;
	assert_int_equal(producer_slots_lost(&o), -1);
	o.last_slot = 12;
	assert_int_equal(producer_slots_lost(&o), -1);
	o.last_slot = 11;
	assert_int_equal(producer_slots_lost(&o), 0);
}

/* By any of its names; leases have the full one. */
static void hands_over_to_one(void **state)
{
	static const char *const names[] = { "producer-standby.1", "s_producer-standby.1",
		"producer-standby", "s_producer-standby" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (i) {
			tear_down(state);
			set_up(state);
		}
		o.to = names[i];
		d.wait_ns = 0;
		f->release_looks = 100;
		must(producer_failover(&d, &o, &e));
		assert_string_equal(f->lease.order_to, "s_producer-standby.1");
		assert_string_equal(f->lease.order_reason, "a test");
		assert_int_equal(f->lease.order, LEASE_ORDER_FAILOVER);
		assert_string_equal(o.now, "");
	}
}

/* Each renewal of the holder is a conflict for us, and nothing of it may be lost. */
static void holder_renews_meanwhile(void **state)
{
	(void)state;
	f->faster = 7;
	f->release_looks = 100;
	d.wait_ns = 0;
	must(producer_failover(&d, &o, &e));
	assert_int_equal(f->writes, 1);
	assert_int_equal(f->lease.count, 12 + 7);
	assert_int_equal(f->lease.order_id, 4);
}

/* Another order has just been obeyed: ours was meant for the holder that was looked at. */
static void hands_change_meanwhile(void **state)
{
	(void)state;
	f->lease.order = LEASE_ORDER_FAILOVER;
	f->release_looks = 1;
	must_fail(producer_failover(&d, &o, &e), ERR_CONFLICT,
	        "the lease has changed hands meanwhile");
	assert_int_equal(f->writes, 0);
}

static void answer_is_lost(void **state)
{
	(void)state;
	f->lost_answers = 1;
	must(producer_failover(&d, &o, &e));
	assert_int_equal(f->writes, 1);
	assert_int_equal(o.order_id, 4);
	assert_string_equal(o.now, "producer-standby.1");
}

static void swarm_has_no_leader(void **state)
{
	(void)state;
	f->away = 2;
	must(producer_failover(&d, &o, &e));
	assert_string_equal(o.now, "producer-standby.1");
	assert_non_null(strstr(told, "waiting for the swarm: "));
}

static void refused(void **state)
{
	(void)state;
	o.to = "nobody.1";
	must_fail(producer_failover(&d, &o, &e), ERR_NOT_FOUND, "there is no producer 'nobody.1'");
	o.to = "producer.1";
	must_fail(producer_failover(&d, &o, &e), ERR_CONFLICT, "'producer.1' produces already");
	o.to = NULL;
	f->v[1].is_ready = false;
	must_fail(producer_failover(&d, &o, &e), ERR_UNHEALTHY, "no standby is ready");
	o.to = "producer-standby.1";
	must_fail(producer_failover(&d, &o, &e), ERR_UNHEALTHY,
	        "'producer-standby.1' is not ready to take over: it is standby: not ready: "
	        "catching "
	        "up");
	o.to = NULL;
	f->n = 1;
	fake_producer_stack_place(f);
	must_fail(producer_failover(&d, &o, &e), ERR_UNHEALTHY, "there is no standby");
	f->lease.order = LEASE_ORDER_PAUSE;
	f->release_looks = 100;
	must_fail(producer_failover(&d, &o, &e), ERR_CONFLICT, "production is paused");
	f->lease.order = LEASE_ORDER_NONE;
	f->lease.holder[0] = '\0';
	f->taker = -1;
	must_fail(producer_failover(&d, &o, &e), ERR_CONFLICT, "nobody holds the lease");
	f->has_lease = false;
	must_fail(producer_failover(&d, &o, &e), ERR_NOT_FOUND, "there is no lease 'producer' yet");
	assert_int_equal(f->writes, 0);
}

static void forced(void **state)
{
	(void)state;
	f->v[1].is_ready = false;
	o.is_forced = true;
	must(producer_failover(&d, &o, &e));
	assert_string_equal(o.now, "producer-standby.1");
}

/* Whoever took it has lost it again and nobody signs: that is no success, and the order is told. */
static void taker_does_not_sign(void **state)
{
	(void)state;
	f->loses = true;
	must_fail(producer_failover(&d, &o, &e), ERR_UNHEALTHY, "has lost it before it signed");
	assert_int_equal(o.order_id, 4);
	assert_int_equal(o.first_slot, 0);
}

/* What somebody else has written on the object stays. */
static void labels_of_others_stay(void **state)
{
	(void)state;
	f->has_note = true;
	d.wait_ns = 0;
	must(producer_failover(&d, &o, &e));
	assert_int_equal(f->writes, 1);
	assert_true(f->has_note);
}

/* Nobody else takes it, so the former holder does after a while. */
static void comes_back(void **state)
{
	(void)state;
	f->taker = 0;
	f->take_looks = 2;
	must_fail(producer_failover(&d, &o, &e), ERR_UNHEALTHY,
	        "nobody else took the lease, and 'producer.1' has it again");
	assert_int_equal(f->writes, 1);
}

/* The order stands, and it is said how it is taken back. */
static void nobody_takes_it(void **state)
{
	(void)state;
	f->taker = -1;
	d.wait_ns = NS_PER_SEC;
	assert_int_equal(producer_failover(&d, &o, &e), -1);
	assert_int_equal(e.kind, ERR_TIMEOUT);
	assert_non_null(strstr(e.msg, "the lease is free; waiting for a standby"));
	assert_non_null(strstr(e.hint, "order 4 stands"));
	assert_int_equal(o.order_id, 4);
}

static void interrupted(void **state)
{
	static const volatile int flag = 1;

	(void)state;
	f->taker = -1;
	d.interrupted = &flag;
	assert_int_equal(producer_failover(&d, &o, &e), -1);
	assert_int_equal(e.kind, ERR_INTERRUPTED);
}

static void pauses_and_resumes(void **state)
{
	(void)state;
	f->release_looks = 2;
	must(producer_pause(&d, &o, &e));
	assert_string_equal(o.from, "producer.1");
	assert_string_equal(o.now, "");
	assert_int_equal(o.last_slot, FAKE_SLOT + 1);
	assert_int_equal(f->lease.order, LEASE_ORDER_PAUSE);
	assert_int_equal(f->lease.epoch, 7);

	o = (struct producer_order){ .lease = "producer", .reason = "again" };
	must(producer_pause(&d, &o, &e));
	assert_true(o.is_unchanged);
	assert_int_equal(o.order_id, 4);
	assert_int_equal(f->writes, 1);

	o = (struct producer_order){ .lease = "producer", .reason = "enough" };
	f->take_looks = 2;
	must(producer_resume(&d, &o, &e));
	assert_false(o.is_unchanged);
	assert_string_equal(o.now, "producer-standby.1");
	assert_int_equal(o.epoch, 8);
	assert_int_equal(f->lease.order, LEASE_ORDER_NONE);
	assert_int_equal(f->lease.order_id, 5);

	o = (struct producer_order){ .lease = "producer", .reason = "enough" };
	must(producer_resume(&d, &o, &e));
	assert_true(o.is_unchanged);
	assert_int_equal(f->writes, 2);
}

/* Before anybody has produced it makes the object, so that nobody begins. */
static void pauses_what_is_not_there(void **state)
{
	(void)state;
	f->has_lease = false;
	must(producer_pause(&d, &o, &e));
	assert_true(f->has_lease);
	assert_int_equal(f->lease.order, LEASE_ORDER_PAUSE);
	assert_int_equal(f->lease.epoch, 0);
	assert_string_equal(f->lease.holder, "");
}

static void resume_waits_for_nobody(void **state)
{
	(void)state;
	f->lease.order = LEASE_ORDER_PAUSE;
	f->lease.holder[0] = '\0';
	f->v[0].state = "down";
	f->v[1].is_ready = false;
	f->taker = -1;
	must(producer_resume(&d, &o, &e));
	assert_string_equal(o.now, "");
}

/* A pause that was taken back by another while we wait for it. */
static void pause_is_taken_back(void **state)
{
	(void)state;
	f->release_looks = 1000;
	f->lease.order = LEASE_ORDER_PAUSE;
	d.wait_ns = NS_PER_SEC;
	assert_int_equal(producer_pause(&d, &o, &e), -1);
	assert_int_equal(e.kind, ERR_TIMEOUT);
	assert_non_null(strstr(e.msg, "waiting for producer.1 to release the lease"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hands_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tells_what_was_lost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lost_is_not_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hands_over_to_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(holder_renews_meanwhile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hands_change_meanwhile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(answer_is_lost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(swarm_has_no_leader, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(forced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(taker_does_not_sign, set_up, tear_down),
		cmocka_unit_test_setup_teardown(labels_of_others_stay, set_up, tear_down),
		cmocka_unit_test_setup_teardown(comes_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nobody_takes_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(interrupted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pauses_and_resumes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pauses_what_is_not_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(resume_waits_for_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pause_is_taken_back, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
