/* How a tenure ends: given up, lost, by an order, with a nodeos that does not obey or has died. */

#include "unit/test.h"

#include "unit/supervise/tenure_world.h"

static void giving_up_pauses_and_releases(void **state)
{
	struct world *w = *state;
	uint32_t slot;

	produce(w, false);
	fresh_slot();
	slot = lease_slot_at(clock_real_ns());
	assert_int_equal(ask_gate(w, 101, '1'), 500);
	assert_int_equal(ask_gate(w, 101, '1'), 200);
	assert_false(tenure_is_idle(w->t));
	tenure_give_up(w->t, "the slot is archived");
	/* Not before the letter was read. */
	assert_false(tenure_is_idle(w->t));
	until_idle(w, 1500);
	assert_string_equal(lease(w).holder, "");
	assert_int_equal(lease(w).ceiling, slot);
	assert_true(w->is_paused);
	assert_int_equal(ask_gate(w, 102, '2'), 0);
	sleep_ms(400);
	assert_string_equal(lease(w).holder, "");
	tenure_take_up(w->t);
	(void)until_state(w, "producing", 3000);
	assert_int_equal(lease(w).epoch, 7);
	assert_int_equal(lease(w).floor, slot);
}

/* The right is still there, and nodeos has not paused; the gate is closed all the same. */
static void the_gate_is_closed_at_once(void **state)
{
	struct world *w = *state;

	produce(w, true);
	fresh_slot();
	assert_int_equal(ask_gate(w, 101, '1'), 500);
	assert_int_equal(ask_gate(w, 101, '1'), 200);
	(void)pthread_mutex_lock(&w->lock);
	w->pause_hangs = true;
	(void)pthread_mutex_unlock(&w->lock);
	tenure_give_up(w->t, "the slot is archived");
	(void)until_state(w, "closing", 1000);
	fresh_slot();
	assert_int_equal(ask_gate(w, 102, '2'), 0);
	assert_true(is_state(w, "closing"));
	assert_string_not_equal(lease(w).holder, "");
	assert_false(tenure_is_idle(w->t));
}

static void an_order_to_pause_is_obeyed(void **state)
{
	struct world *w = *state;

	produce(w, false);
	(void)pthread_mutex_lock(&w->lock);
	w->lease.order = LEASE_ORDER_PAUSE;
	w->lease.order_id++;
	w->lease.version++;
	(void)pthread_mutex_unlock(&w->lock);
	(void)until_state(w, "standby", 3000);
	assert_string_equal(lease(w).holder, "");
	assert_true(w->is_paused);
	(void)pthread_mutex_lock(&w->lock);
	w->lease.order = LEASE_ORDER_NONE;
	w->lease.order_id++;
	w->lease.version++;
	(void)pthread_mutex_unlock(&w->lock);
	(void)until_state(w, "producing", 4000);
}

/* Somebody has put another holder there. */
static void a_lost_lease_closes_the_gate(void **state)
{
	struct world *w = *state;
	char why[200];

	produce(w, false);
	(void)pthread_mutex_lock(&w->lock);
	w->lease.version++;
	w->lease.epoch++;
	(void)snprintf(w->lease.holder, sizeof(w->lease.holder), "producer.2");
	(void)snprintf(w->lease.place, sizeof(w->lease.place), "elsewhere");
	(void)pthread_mutex_unlock(&w->lock);
	(void)until_state(w, "standby", 3000);
	assert_true(w->is_paused);
	assert_int_equal(ask_gate(w, 101, '1'), 0);
	assert_string_equal(lease(w).holder, "producer.2");
	/* It has confirmed the pause: it is not stopped. */
	assert_false(tenure_asks_restart(w->t, why, sizeof(why)));
	assert_int_equal(kill(w->child, 0), 0);
}

static void without_brokers_it_ends_in_time(void **state)
{
	struct world *w = *state;
	int64_t took;

	produce(w, false);
	set(w, BROKER_BUSY);
	took = until_state(w, "releasing", 4000);
	/* Two seconds of right, renewed every three quarters of a second. */
	assert_true(took > 900 * NS_PER_MS && took < 2500 * NS_PER_MS);
	assert_true(w->is_paused);
	assert_int_equal(ask_gate(w, 101, '1'), 0);
	set(w, BROKER_WORKS);
	(void)until_state(w, "producing", 5000);
	assert_int_equal(lease(w).epoch > 6, 1);
}

/* TERM, then KILL, before the term ends; and all of that while the supervisor's
 * loop stands still. */
static void what_does_not_pause_is_killed(void **state)
{
	struct world *w = *state;
	int64_t dead, written;
	char why[200];
	int status;

	produce(w, true);
	(void)pthread_mutex_lock(&w->lock);
	w->pause_hangs = true;
	w->broker = BROKER_HANGS;
	(void)pthread_mutex_unlock(&w->lock);
	dead = until_dead(w, 6000);
	(void)pthread_mutex_lock(&w->lock);
	written = w->written_ns;
	w->broker = BROKER_WORKS;
	(void)pthread_mutex_unlock(&w->lock);
	print_message("dead %.3f s after the last renewal landed\n",
	        (double)(dead - written) / (double)NS_PER_SEC);
	assert_true(dead - written < TERM);
	assert_true(dead - written > TERM - NS_PER_SEC);
	assert_true(tenure_asks_restart(w->t, why, sizeof(why)));
	assert_non_null(strstr(why, "killed"));
	status = reap(w);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	/* It is still known who ended it; not of the next one. */
	assert_true(tenure_asks_restart(w->t, why, sizeof(why)));
	w->pause_hangs = false;
	w->is_paused = true;
	/* At once, so that the plan may well be where the old one was to be killed. */
	nodeos_start(w, false);
	assert_false(tenure_asks_restart(w->t, why, sizeof(why)));
	(void)until_state(w, "producing", 6000);
	assert_int_equal(waitpid(w->child, &status, WNOHANG), 0);
}

static void what_does_not_pause_is_told_to_end(void **state)
{
	struct world *w = *state;
	int status;
	char why[200];

	produce(w, false);
	(void)pthread_mutex_lock(&w->lock);
	w->pause_hangs = true;
	w->broker = BROKER_BUSY;
	(void)pthread_mutex_unlock(&w->lock);
	assert_true(until_dead(w, 6000) - w->written_ns < TERM);
	assert_true(tenure_asks_restart(w->t, why, sizeof(why)));
	status = reap(w);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* The brokers work, so the lease could go on for ever. */
static void a_frozen_nodeos_is_killed_and_the_lease_released(void **state)
{
	struct world *w = *state;
	int64_t began = clock_boot_ns();

	produce(w, true);
	(void)pthread_mutex_lock(&w->lock);
	w->nodeos_hangs = true;
	(void)pthread_mutex_unlock(&w->lock);
	(void)until_dead(w, 9000);
	print_message("killed after %.3f s\n", (double)(clock_boot_ns() - began) / 1e9);
	(void)until_state(w, "down", 2000);
	for (int i = 0; i < 200 && lease(w).holder[0]; i++)
		sleep_ms(5);
	assert_string_equal(lease(w).holder, "");
	(void)reap(w);
}

/* The process is what counts, not what its supervisor has noticed of it. */
static void a_nodeos_that_dies_gives_it_back(void **state)
{
	struct world *w = *state;
	int64_t began;
	char why[200];

	produce(w, false);
	assert_int_equal(kill(w->child, SIGKILL), 0);
	began = clock_mono_ns();
	while (lease(w).holder[0]) {
		assert_true(clock_mono_ns() - began < 2 * NS_PER_SEC);
		sleep_ms(2);
	}
	assert_false(tenure_asks_restart(w->t, why, sizeof(why)));
	(void)reap(w);
}

static void stopping_releases(void **state)
{
	struct world *w = *state;
	int64_t began;

	produce(w, false);
	began = clock_mono_ns();
	tenure_stop(TAKE(w->t));
	assert_true(clock_mono_ns() - began < 2 * NS_PER_SEC);
	assert_string_equal(lease(w).holder, "");
	assert_true(w->is_paused);
	assert_int_equal(kill(w->child, 0), 0);
}

/* It is not given back by one whose nodeos may sign on. */
static void stopping_with_a_deaf_nodeos_ends(void **state)
{
	struct world *w = *state;
	int64_t began;

	produce(w, true);
	(void)pthread_mutex_lock(&w->lock);
	w->nodeos_hangs = true;
	(void)pthread_mutex_unlock(&w->lock);
	began = clock_mono_ns();
	tenure_stop(TAKE(w->t));
	assert_true(clock_mono_ns() - began < 3 * NS_PER_SEC);
	assert_true(lease(w).holder[0] || kill(w->child, 0) == 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(giving_up_pauses_and_releases),
		T(the_gate_is_closed_at_once),
		T(an_order_to_pause_is_obeyed),
		T(a_lost_lease_closes_the_gate),
		T(without_brokers_it_ends_in_time),
		T(what_does_not_pause_is_killed),
		T(what_does_not_pause_is_told_to_end),
		T(a_frozen_nodeos_is_killed_and_the_lease_released),
		T(a_nodeos_that_dies_gives_it_back),
		T(stopping_releases),
		T(stopping_with_a_deaf_nodeos_ends),
	};

	if (!world_is_possible())
		return 0;
	return cmocka_run_group_tests_name("tenure_end", tests, NULL, NULL);
}
