#include "watch/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fake/fork_chain.h"
#include "unit/test.h"

/*
 * Forks that come and go by chance, and nodes that are asked one after the other meanwhile
 *
 * The chain moves on by milliseconds.  Each new block reaches each node a while later.  Every few
 * seconds some nodes go on from another block than the rest, for a moment or for long, and then all
 * switch to the longer chain.  What is found is compared with what was true of the nodes at every
 * moment.
 */

#define NODES   8
#define LOOK_MS 1000

static struct {
	int64_t ms;
	int tip[2]; /* of both sides; [1] -1: all are on one */
	int64_t began_ms, ends_ms;
	int side[NODES], target[NODES];
	int64_t due_ms[NODES];
	/* True of the nodes' heads: three blocks or more on both sides. */
	int64_t deep_since_ms, deep_last_ms; /* -1: not now; never */
	size_t forks, deep_forks;
} sim;

static uint32_t seed;

static int chance(int n)
{
	seed = seed * 1664525 + 1013904223;
	return (int)((seed >> 8) % (uint32_t)n);
}

static uint32_t depth_of(int a, int b)
{
	const struct fork_block *v = world.chain.v;
	uint32_t low = v[a].num < v[b].num ? v[a].num : v[b].num;
	int x = a, y = b;

	while (v[x].num > low)
		x = v[x].parent;
	while (v[y].num > low)
		y = v[y].parent;
	while (x != y) {
		x = v[x].parent;
		y = v[y].parent;
	}
	return low - v[x].num;
}

static uint32_t true_depth(void)
{
	uint32_t depth = 0;

	for (size_t i = 0; i < NODES; i++)
		for (size_t j = 0; j < i; j++) {
			uint32_t d = depth_of(world.peers[i].head, world.peers[j].head);

			depth = d > depth ? d : depth;
		}
	return depth;
}

static void send(int side)
{
	for (size_t i = 0; i < NODES; i++)
		if (sim.side[i] == side) {
			sim.target[i] = sim.tip[side];
			sim.due_ms[i] = sim.ms + chance(300);
		}
}

static void begin_fork(void)
{
	static const int lasts_ms[] = { 400, 900, 1300, 2000, 3000, 6000, 16000 };

	sim.tip[1] = world.chain.v[sim.tip[0]].parent;
	sim.began_ms = sim.ms;
	sim.ends_ms = sim.ms + lasts_ms[chance(ARRAY_LEN(lasts_ms))] + chance(500);
	for (size_t i = 0; i < NODES; i++)
		sim.side[i] = chance(3) == 0;
	sim.side[chance(NODES)] = 1;
	sim.forks++;
}

static void end_fork(void)
{
	const struct fork_block *v = world.chain.v;

	if (v[sim.tip[1]].num > v[sim.tip[0]].num)
		sim.tip[0] = sim.tip[1];
	sim.tip[1] = -1;
	memset(sim.side, 0, sizeof(sim.side));
	sim.ends_ms = sim.ms + 1000 + chance(8000);
}

static void step(void)
{
	bool has_new = false;

	sim.ms++;
	if (sim.ms % 500 == 0) {
		for (int side = 0; side < 2; side++) {
			const char *producer = side ? "b" : "a";

			if (sim.tip[side] < 0 || chance(10) == 0)
				continue;
			sim.tip[side] = fork_chain_add(&world.chain, sim.tip[side], producer, NULL);
			world.chain.v[sim.tip[side]].time_ns =
			        NODEOS_SLOT_EPOCH_NS + sim.ms * NS_PER_MS;
			send(side);
		}
	}
	if (sim.ms >= sim.ends_ms && sim.tip[1] < 0)
		begin_fork();
	else if (sim.ms >= sim.ends_ms) {
		end_fork();
		send(0);
	}
	for (size_t i = 0; i < NODES; i++)
		if (sim.due_ms[i] == sim.ms && world.peers[i].head != sim.target[i]) {
			world.peers[i].head = sim.target[i];
			has_new = true;
		}
	if (has_new) {
		bool is_deep = true_depth() >= 3;

		if (is_deep && sim.deep_since_ms < 0)
			sim.deep_forks++;
		if (!is_deep)
			sim.deep_since_ms = -1;
		else if (sim.deep_since_ms < 0)
			sim.deep_since_ms = sim.ms;
	}
	if (sim.deep_since_ms >= 0)
		sim.deep_last_ms = sim.ms;
}

/* noise: of ten answers so many come too late, in parts or not at all. */
static void ask_all(int noise, int apart_ms)
{
	for (size_t i = 0; i < NODES; i++) {
		struct fork_peer *p = &world.peers[i];
		struct sample s = SAMPLE_INIT;

		for (int k = chance(apart_ms + 1); k > 0; k--)
			step();
		p->is_silent = chance(10) < noise && chance(2);
		p->is_cut = chance(10) < noise;
		watch_ask(world.w, p->node, &p->asked);
		if (p->is_silent) {
			watch_lose(world.w, p->node, "timeout", sim.ms * NS_PER_MS);
			continue;
		}
		fork_chain_answer(&world.chain, p, &p->asked, &s);
		watch_see(world.w, p->node, &s, sim.ms * NS_PER_MS);
	}
	watch_judge(world.w, sim.ms * NS_PER_MS);
}

static void begin(uint32_t s)
{
	int at;

	seed = s;
	world_start(NULL);
	at = fork_chain_grow(&world.chain, -1, "a", 50);
	memset(&sim, 0, sizeof(sim));
	sim.ms = 10000;
	sim.tip[0] = at;
	sim.tip[1] = -1;
	sim.ends_ms = sim.ms + 5000;
	sim.deep_since_ms = -1;
	for (size_t i = 0; i < NODES; i++) {
		world_peer(i < 6 ? WATCH_OWN : WATCH_REFERENCE, at);
		sim.target[i] = at;
		world.peers[i].lib = 30;
	}
}

/* Without noise what is true is found within the next look, and nothing else is. */
static void run(uint32_t s, int noise, int apart_ms, size_t *forks, size_t *deep)
{
	int64_t lasts_ms = noise ? 4500 : LOOK_MS + 300, allowed_ms = noise ? 3500 : 100;

	begin(s);
	while (sim.ms < 300 * 1000) {
		int64_t look_ms = sim.ms;
		bool is_long, is_told;

		for (int i = 0; i < 10; i++) {
			ask_all(noise, apart_ms);
			if (watch_is_settled(world.w))
				break;
			step();
		}
		is_told = world_found(WATCH_FORK, "") != NULL;
		is_long = sim.tip[1] >= 0 && sim.ms - sim.began_ms >= 10000;
		if (is_told && !is_long && sim.deep_last_ms < look_ms - allowed_ms)
			fail_msg("seed %u at %lld: false: %s", s, (long long)sim.ms,
			        world_found(WATCH_FORK, "")->text);
		if (!is_told && sim.deep_since_ms >= 0 && sim.ms - sim.deep_since_ms >= lasts_ms)
			fail_msg("seed %u at %lld: missed for %lld ms", s, (long long)sim.ms,
			        (long long)(sim.ms - sim.deep_since_ms));
		assert_null(world_found(WATCH_SPLIT, ""));
		assert_null(world_found(WATCH_DOUBLE_PRODUCTION, "a"));
		assert_null(world_found(WATCH_DOUBLE_PRODUCTION, "b"));
		while (sim.ms < look_ms + LOOK_MS)
			step();
	}
	*forks += sim.forks;
	*deep += sim.deep_forks;
}

static void test_chance(void **state)
{
	size_t forks = 0, deep = 0;

	(void)state;
	for (uint32_t s = 0; s < 20; s++)
		run(s, 0, (int)s % 4 * 5, &forks, &deep);
	print_message("%zu forks, %zu of three blocks or more\n", forks, deep);
	assert_true(deep > 200 && forks - deep > 150);
}

static void test_chance_with_noise(void **state)
{
	size_t forks = 0, deep = 0;

	(void)state;
	for (uint32_t s = 100; s < 110; s++)
		run(s, 3, 10, &forks, &deep);
	assert_true(deep > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chance),
		cmocka_unit_test(test_chance_with_noise),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
