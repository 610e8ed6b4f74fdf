/* How a tenure begins: when the lease is asked for, when nodeos is resumed, and when it is not. */

#include "unit/test.h"

#include "unit/supervise/tenure_world.h"

static void it_takes_and_produces(void **state)
{
	struct world *w = *state;
	struct lease_record place;
	struct stat st;
	char why[200], inode[64];
	json_t *j;

	start(w);
	assert_string_not_equal(tenure_signature_provider(w->t), "");
	assert_non_null(strstr(tenure_signature_provider(w->t), KEY "=KEOSD:http://127.0.0.1:"));
	assert_true(is_state(w, "down"));
	nodeos_start(w, false);
	/* Not fit: it is not even asked for. */
	(void)until_state(w, "standby", 3000);
	sleep_ms(300);
	assert_int_equal(lease(w).epoch, 5);
	assert_int_equal(ask_gate(w, 101, '0'), 0);
	tenure_fit(w->t, true, "");
	assert_true(until_state(w, "producing", 3000) < 3 * NS_PER_SEC);
	assert_int_equal(lease(w).epoch, 6);
	assert_string_equal(lease(w).holder, "producer.1");
	/* Its place is the directory whose lock was taken, wherever that is now. */
	assert_int_equal(fstat(w->dirfd, &st), 0);
	(void)snprintf(inode, sizeof(inode), "/producer.1/%llx.%llx/",
	        (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	place = lease(w);
	assert_non_null(strstr(place.place, inode));
	assert_int_equal(w->resumes, 1);
	assert_true(w->notified > 0);
	/* The first is refused, and not the second. */
	fresh_slot();
	assert_int_equal(ask_gate(w, 101, '1'), 500);
	assert_int_equal(ask_gate(w, 101, '1'), 200);
	sleep_ms(300);
	j = tenure_json(w->t);
	assert_true(json_bool(j, "holds", false) && json_bool(j, "gate_open", false));
	assert_int_equal(json_int(j, "signed", 0), 1);
	assert_int_equal(json_int(j, "refusals.first", 0), 1);
	assert_int_equal(json_int(j, "epoch", 0), 6);
	assert_string_equal(json_str(j, "lease", ""), NAME);
	assert_string_equal(json_str(j, "public_key", ""), KEY);
	assert_string_equal(json_str(j, "order", ""), "none");
	assert_false(json_bool(j, "paused", true));
	assert_true(json_number_value(json_object_get(j, "right_seconds")) > 0.5);
	json_decref(j);
	/* It is renewed, and goes on. */
	sleep_ms(2500);
	assert_true(is_state(w, "producing"));
	assert_int_equal(lease(w).epoch, 6);
	assert_true(lease(w).count >= 2);
	assert_false(tenure_asks_restart(w->t, why, sizeof(why)));
	assert_int_equal(w->resumes, 1);
}

/* nodeos asks at once; what it asks first is refused, and that it is refused tells that the gate is
 * open. */
static void the_gate_is_open_before_nodeos_is_resumed(void **state)
{
	struct world *w = *state;

	w->looks_at_gate = true;
	produce(w, false);
	assert_int_equal(w->gate_status, 500);
}

static void one_that_is_behind_does_not_produce(void **state)
{
	struct world *w = *state;
	char text[200];
	json_t *j;

	w->peer_head = 105;
	start(w);
	nodeos_start(w, false);
	tenure_fit(w->t, true, "");
	(void)until_state(w, "standby", 3000);
	sleep_ms(2500);
	assert_true(is_state(w, "standby"));
	assert_int_equal(w->resumes, 0);
	j = tenure_json(w->t);
	(void)snprintf(text, sizeof(text), "%s", json_str(j, "why", ""));
	json_decref(j);
	assert_non_null(strstr(text, "behind"));
	(void)pthread_mutex_lock(&w->lock);
	w->head = 105;
	(void)pthread_mutex_unlock(&w->lock);
	(void)until_state(w, "producing", 4000);
}

static void nor_one_on_another_chain_or_alone(void **state)
{
	struct world *w = *state;

	w->peer_fork = 'b';
	w->peer_head = 98;
	start(w);
	nodeos_start(w, false);
	tenure_fit(w->t, true, "");
	(void)until_state(w, "standby", 3000);
	sleep_ms(1500);
	(void)pthread_mutex_lock(&w->lock);
	w->peer_is_silent = true;
	(void)pthread_mutex_unlock(&w->lock);
	sleep_ms(2000);
	assert_true(is_state(w, "standby"));
	assert_int_equal(w->resumes, 0);
	assert_int_equal(lease(w).epoch, 5);
	(void)pthread_mutex_lock(&w->lock);
	w->peer_is_silent = false;
	w->peer_fork = 'a';
	(void)pthread_mutex_unlock(&w->lock);
	(void)until_state(w, "producing", 4000);
}

/* With instant finality a digest is a block id, and its number has to rise. */
static void heights_are_told_to_the_gate(void **state)
{
	struct world *w = *state;
	json_t *j;

	w->is_savanna = true;
	produce(w, false);
	fresh_slot();
	assert_int_equal(ask_gate(w, 101, '1'), 500);
	assert_int_equal(ask_gate(w, 101, '1'), 200);
	fresh_slot();
	assert_int_equal(ask_gate(w, 101, '2'), 0);
	sleep_ms(300);
	j = tenure_json(w->t);
	assert_int_equal(json_int(j, "refusals.height", 0), 1);
	json_decref(j);
}

/* Two of them at one broker: the second goes on above the last slot of the first. */
static void a_failover_hands_over(void **state)
{
	struct world *w = *state, *standby;
	uint32_t last;
	int64_t began, took;
	void *second;

	assert_int_equal(setup(&second), 0);
	standby = second;
	standby->holder = "producer-standby.1";
	standby->pool_id = "another";
	standby->other = w;
	produce(w, false);
	start(standby);
	nodeos_start(standby, false);
	tenure_fit(standby->t, true, "");
	(void)until_state(standby, "standby", 3000);
	fresh_slot();
	assert_int_equal(ask_gate(w, 101, '1'), 500);
	last = lease_slot_at(clock_real_ns());
	assert_int_equal(ask_gate(w, 101, '1'), 200);
	(void)pthread_mutex_lock(&w->lock);
	w->lease.order = LEASE_ORDER_FAILOVER;
	w->lease.order_id++;
	w->lease.version++;
	(void)pthread_mutex_unlock(&w->lock);
	/* It waits for the next signature, which does not come. */
	(void)until_state(w, "standby", 4000);
	began = clock_mono_ns();
	(void)until_state(standby, "producing", 3000);
	took = clock_mono_ns() - began;
	print_message("%.3f s from one to the other\n", (double)took / 1e9);
	assert_true(took < NS_PER_SEC);
	assert_string_equal(lease(w).holder, "producer-standby.1");
	assert_int_equal(lease(w).epoch, 7);
	assert_int_equal(lease(w).floor, last);
	assert_true(w->is_paused);
	assert_int_equal(ask_gate(w, 102, '2'), 0);
	fresh_slot();
	assert_int_equal(ask_gate(standby, 102, '3'), 500);
	assert_int_equal(ask_gate(standby, 102, '3'), 200);
	/* It gives way for a while. */
	sleep_ms(1000);
	assert_true(is_state(w, "standby"));
	(void)teardown(&second);
}

static void what_cannot_be(void **state)
{
	struct world *w = *state;
	struct tenure_config cfg = { .brokers = "127.0.0.1:1",
		.token_path = "token",
		.lease_name = NAME,
		.term_ns = TERM,
		.compare = "",
		.holder = "producer.1",
		.pool_id = "p",
		.slot_fd = w->dirfd };
	char key[64];
	struct err e = ERR_INIT;

	assert_null(tenure_start(&w->loop, &cfg, on_notify, w, &e));
	(void)snprintf(key, sizeof(key), "%s/key", w->dir);
	cfg.key_path = key;
	cfg.term_ns = NS_PER_SEC;
	err_clear(&e);
	assert_null(tenure_start(&w->loop, &cfg, on_notify, w, &e));
	assert_int_equal(e.kind, ERR_USAGE);
	cfg.term_ns = TERM;
	cfg.compare = "tasks.readers:99999";
	err_clear(&e);
	assert_null(tenure_start(&w->loop, &cfg, on_notify, w, &e));
	assert_int_equal(e.kind, ERR_USAGE);
	cfg.compare = "";
	cfg.lease_name = "Not A Name";
	err_clear(&e);
	assert_null(tenure_start(&w->loop, &cfg, on_notify, w, &e));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(it_takes_and_produces),
		T(the_gate_is_open_before_nodeos_is_resumed),
		T(one_that_is_behind_does_not_produce),
		T(nor_one_on_another_chain_or_alone),
		T(heights_are_told_to_the_gate),
		T(a_failover_hands_over),
		T(what_cannot_be),
	};

	if (!world_is_possible())
		return 0;
	return cmocka_run_group_tests_name("tenure_thread", tests, NULL, NULL);
}
