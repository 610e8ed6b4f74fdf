#include "unit/test.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "deploy/agents.h"
#include "engine/engine.h"
#include "fake/engine.h"
#include "fake/producer_stack.h"
#include "lease/term.h"
#include "producer/judge.h"

static struct fake_producer_stack *f;
static struct engine *eng;
static struct agents *agents;
static struct producer_view *p;
static struct err e;
static char warned[4096];

static int set_up(void **state)
{
	(void)state;
	err_clear(&e);
	p = NULL;
	f = fake_producer_stack_start();
	/* Nothing changes while it is looked at. */
	f->release_looks = f->take_looks = 1000;
	eng = engine_new(fake_producer_stack_host(f), &e);
	agents = eng ? agents_new(eng, "s", fake_producer_stack_pool(f), NULL, &e) : NULL;
	return agents ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	producer_view_free(p);
	agents_free(agents);
	engine_free(eng);
	fake_producer_stack_stop(f);
	return 0;
}

static void on_warning(void *arg, const char *rule, const char *text)
{
	size_t n = strlen(warned);

	(void)arg;
	snprintf(warned + n, sizeof(warned) - n, "%s: %s\n", rule, text);
}

static void look(void)
{
	const struct producer_query q = { .stack = "s",
		.pool = fake_producer_stack_pool(f),
		.lease = "producer",
		.agents = agents };

	producer_view_free(p);
	p = NULL;
	if (producer_look(&p, eng, &q, &e) < 0)
		fail_msg("%s", e.msg);
	warned[0] = '\0';
	producer_warnings(p, on_warning, NULL);
}

static void has(const char *text)
{
	if (!strstr(warned, text))
		fail_msg("'%s' is not in\n%s", text, warned);
}

static void has_not(const char *text)
{
	if (strstr(warned, text))
		fail_msg("'%s' is in\n%s", text, warned);
}

static void all_is_well(void **state)
{
	(void)state;
	look();
	assert_int_equal(p->n, 2);
	assert_string_equal(p->v[0].id, "s_producer.1");
	assert_true(p->v[0].holds);
	assert_false(p->v[0].is_fit);
	assert_true(p->v[1].is_fit);
	assert_int_equal(producer_count_fit(p), 1);
	assert_string_equal(warned, "");
	assert_ptr_equal(producer_holder(p), &p->v[0]);
	assert_string_equal(producer_name(p, "s_producer-standby.1"), "producer-standby.1");
	assert_string_equal(producer_name(p, "other.1"), "other.1");
}

/* A name of a service is good for its only slot. */
static void found_by_name(void **state)
{
	(void)state;
	f->v[2] = f->v[0];
	f->v[2].task = "t3";
	f->v[2].slot = 2;
	f->v[2].state = "standby";
	f->n = 3;
	fake_producer_stack_place(f);
	look();
	assert_null(producer_find(p, "producer"));
	assert_null(producer_find(p, "readers"));
	assert_non_null(producer_find(p, "producer.2"));
	assert_ptr_equal(
	        producer_find(p, "producer-standby"), producer_find(p, "s_producer-standby.1"));
}

/* Each row changes one thing of a healthy pair. */
static void one_thing_is_wrong(void **state)
{
	static const struct {
		const char *name;
		struct fake_producer standby;
		bool is_fit;
		const char *warning;
	} rows[] = {
		{ "ready", { .state = "standby", .is_ready = true }, true, "" },
		{ "behind", { .state = "standby" }, false,
		        "standby-not-fit: producer-standby.1 could not take over: it is standby: "
		        "not ready: catching up" },
		{ "down", { .state = "down", .why = "no nodeos runs", .is_ready = true }, false,
		        "it is down: no nodeos runs" },
		{ "fencing", { .state = "fencing", .is_ready = true }, false, "it is fencing" },
		{ "not paused", { .state = "standby", .is_ready = true, .is_resumed = true }, false,
		        "has not confirmed that it is paused" },
		{ "no gate", { .state = NULL, .is_ready = true }, false,
		        "it is unknown: it has no signing gate" },
		{ "mute", { .state = "standby", .is_mute = true }, false,
		        "it is unknown: its supervisor does not answer" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fake_producer *s = &f->v[1];

		tear_down(state);
		set_up(state);
		s = &f->v[1];
		s->state = rows[i].standby.state;
		s->why = rows[i].standby.why;
		s->is_ready = rows[i].standby.is_ready;
		s->is_resumed = rows[i].standby.is_resumed;
		s->is_mute = rows[i].standby.is_mute;
		look();
		if (p->n != 2 || p->v[1].is_fit != rows[i].is_fit)
			fail_msg("%s: fit %d", rows[i].name, p->v[1].is_fit);
		if (*rows[i].warning)
			has(rows[i].warning);
		else
			assert_string_equal(warned, "");
	}
}

static void no_standby(void **state)
{
	(void)state;
	f->n = 1;
	fake_producer_stack_place(f);
	look();
	assert_int_equal(p->nidle, 1);
	has("no-standby: there is no standby: 'producer-standby' has no replicas; 'nodeswarm scale "
	    "producer-standby=1' makes one");
}

static void nobody_at_all(void **state)
{
	(void)state;
	f->cluster.services[1] = (struct fake_cluster_service){ .name = "front" };
	memset(&f->cluster.services[2], 0, sizeof(f->cluster.services[2]));
	f->n = 0;
	look();
	assert_string_equal(warned, "no-producer: the stack has no producer with this lease\n");
}

/* Another lease is another chain's. */
static void of_another_lease(void **state)
{
	const struct producer_query q = { .stack = "s",
		.pool = fake_producer_stack_pool(f),
		.lease = "other",
		.agents = agents };

	(void)state;
	/* The fake has one object, whatever it is asked for. */
	f->has_lease = false;
	if (producer_look(&p, eng, &q, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(p->n, 0);
	assert_null(p->object.config);
	assert_string_equal(p->object.lease.name, "other");
}

static void nobody_holds_it(void **state)
{
	(void)state;
	f->lease.holder[0] = '\0';
	f->v[0].state = "standby";
	f->v[0].is_resumed = false;
	look();
	has("nobody-signs: nobody holds the lease, and 2 could take it");
	has_not("not-producing");
	f->lease.order = LEASE_ORDER_PAUSE;
	snprintf(f->lease.order_reason, sizeof(f->lease.order_reason), "new schedule");
	look();
	has("paused: nobody signs: order 3 is to pause: new schedule; 'nodeswarm producer resume'");
}

static void holder_does_not_sign(void **state)
{
	(void)state;
	f->v[0].state = "fencing";
	f->v[0].why = "the right has ended";
	look();
	has("not-producing: producer.1 holds the lease and is fencing: the right has ended");
	f->v[0].is_mute = true;
	look();
	has("holder-unknown: producer.1 holds the lease, and what it does is not known: its "
	    "supervisor does not answer");
	snprintf(f->lease.holder, sizeof(f->lease.holder), "gone_producer.1");
	look();
	has("holder-unknown: the lease is held by gone_producer.1, which is no slot");
}

static void on_one_host(void **state)
{
	(void)state;
	f->v[1].node = "n1";
	fake_producer_stack_place(f);
	look();
	has("one-host: every standby that is ready is on the host of producer.1, host-n1");
}

/* With one standby and no reader whoever is left has nobody to compare its head with. */
static void nobody_to_compare_with(void **state)
{
	(void)state;
	f->is_alone = true;
	fake_producer_stack_place(f);
	look();
	has("no-readers: a producer and one standby, and no reader: when one dies nobody answers");
	f->v[2] = f->v[1];
	f->v[2].task = "t3";
	f->v[2].slot = 2;
	f->n = 3;
	fake_producer_stack_place(f);
	look();
	assert_string_equal(warned, "");
	f->n = 1;
	fake_producer_stack_place(f);
	look();
	has_not("no-readers");
}

/* It is for the first start of a chain; before that it is no mistake, but what is needed. */
static void bootstrap_is_left_on(void **state)
{
	(void)state;
	f->is_bootstrap = true;
	fake_producer_stack_place(f);
	look();
	has("bootstrap-left-on: 'producer' still has NODESWARM_BOOTSTRAP=1");
	has("bootstrap-left-on: 'producer-standby' still has");
	f->lease.epoch = 0;
	f->lease.holder[0] = '\0';
	f->taker = -1;
	look();
	has_not("bootstrap-left-on");
	f->v[0].state = f->v[1].state = "down";
	look();
	has("nobody is ready to take it; the first of a new chain needs NODESWARM_BOOTSTRAP=1");
}

static void what_a_term_means(void **state)
{
	static const struct {
		int64_t term_s, bridge_ms;
		const char *says;
	} rows[] = {
		{ 3, 1250,
		        "within about 5.0s; but signing stops while the swarm has no leader for "
		        "more than 1.2s" },
		{ 4, 2000,
		        "within about 6.0s; but signing stops while the swarm has no leader for "
		        "more than 2.0s" },
		{ 16, 11000, "within about 18.0s; but" },
		{ 29, 19937, "within about 31.0s; but" },
		{ 30, 20625,
		        "which is longer than an election; but when its holder dies nobody "
		        "signs for about 32.0s" },
		{ 300, 206250, "for up to 3m26s, which is longer than an election" },
	};
	char text[LEASE_TERM_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		lease_term_text(rows[i].term_s * NS_PER_SEC, text, sizeof(text));
		if (!strstr(text, rows[i].says))
			fail_msg("%s", text);
		assert_int_equal(lease_bridge_ns(rows[i].term_s * NS_PER_SEC) / NS_PER_MS,
		        rows[i].bridge_ms);
	}
}

static void the_lease_in_words(void **state)
{
	char text[2 * PRODUCER_TEXT_SIZE];

	(void)state;
	look();
	assert_string_equal(producer_lease_text(p, text, sizeof(text)),
	        "held by producer.1, epoch 7, term 4.0s, renewed 12 times");
	f->lease.order = LEASE_ORDER_FAILOVER;
	snprintf(f->lease.order_to, sizeof(f->lease.order_to), "s_x.1");
	snprintf(f->lease.order_reason, sizeof(f->lease.order_reason), "why");
	look();
	assert_non_null(strstr(producer_lease_text(p, text, sizeof(text)),
	        "; order 3 stands: failover to s_x.1: why"));
	f->lease.order = LEASE_ORDER_NONE;
	f->lease.holder[0] = '\0';
	look();
	assert_string_equal(producer_lease_text(p, text, sizeof(text)), "free, epoch 7");
	f->has_lease = false;
	look();
	assert_string_equal(producer_lease_text(p, text, sizeof(text)), "nobody has made it yet");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_is_well, set_up, tear_down),
		cmocka_unit_test_setup_teardown(found_by_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_thing_is_wrong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_standby, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nobody_at_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_another_lease, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nobody_holds_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(holder_does_not_sign, set_up, tear_down),
		cmocka_unit_test_setup_teardown(on_one_host, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nobody_to_compare_with, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bootstrap_is_left_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_a_term_means, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_lease_in_words, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
