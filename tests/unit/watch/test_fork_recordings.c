#include "watch/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fake/fork_chain.h"
#include "unit/test.h"

/*
 * The logs of real nodes, told as the samples that these nodes would have answered
 *
 * A log line has characters 8 to 23 of a block's id, so ids are those 16 behind the number, filled
 * up with zeros.  Blocks from before a log begins are made up; each test says which.
 */

#define EVENTS_MAX 512

/* At that moment a node has a new head. */
struct event {
	int64_t at_ns;
	size_t peer;
	int head;
	uint32_t lib;
};

static struct event events[EVENTS_MAX];
static size_t n_events;

static int setup(void **state)
{
	static const char *const settings[] = { "double-seconds=60", NULL };

	(void)state;
	world_start(settings);
	n_events = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end();
	return 0;
}

static int64_t time_of(const char *text)
{
	int64_t ns = 0;

	assert_int_equal(clock_parse(&ns, text), 0);
	return ns;
}

static void event(int64_t at_ns, size_t peer, int head, uint32_t lib)
{
	assert_true(n_events < EVENTS_MAX);
	events[n_events++] = (struct event){ at_ns, peer, head, lib };
}

static int block_of(const char *middle, uint32_t num)
{
	char id[25];

	snprintf(id, sizeof(id), "%08x%.16s", num, middle);
	for (size_t i = 0; i < world.chain.n; i++)
		if (strncmp(world.chain.v[i].id, id, 24) == 0)
			return (int)i;
	return -1;
}

static int block_add(int parent, const char *middle, const char *producer, int64_t time_ns)
{
	uint32_t num = parent < 0 ? 1 : world.chain.v[parent].num + 1;
	char id[NODEOS_ID_HEX_SIZE];
	int at;

	snprintf(id, sizeof(id), "%08x%.16s%040d", num, middle, 0);
	at = fork_chain_add(&world.chain, parent, producer, id);
	world.chain.v[at].time_ns = time_ns;
	return at;
}

/* --- log lines ------------------------------------------------------------------------------ */

struct line {
	int64_t at_ns;       /* when it was printed */
	bool is_block;       /* produced or received */
	bool is_produced;    /* by that node */
	bool is_not_applied; /* the one received before */
	bool is_dropped;     /* num and id only */
	char id[24], producer[16];
	uint32_t num, lib;
	int64_t time_ns;
};

/* false: it says nothing of blocks. */
static bool line_parse(struct line *l, const char *text)
{
	char at[32], time[32];
	const char *p;

	memset(l, 0, sizeof(*l));
	if (sscanf(text, "%*s %31s", at) != 1 || clock_parse(&l->at_ns, at) < 0)
		return false;
	l->is_not_applied = strstr(text, "Block not applied to head") != NULL;
	if (l->is_not_applied)
		return true;
	p = strstr(text, "dropped incoming block #");
	if (p) {
		l->is_dropped = true;
		return sscanf(p, "dropped incoming block #%u id: %*8c%16s", &l->num, l->id) == 2;
	}
	l->is_produced = strstr(text, "Produced block ") != NULL;
	p = strstr(text, l->is_produced ? "Produced block " : "Received block ");
	if (!p ||
	        sscanf(p, "%*s block %16[0-9a-f]... #%u @ %31s signed by %15s [trxs: %*d, lib: %u,",
	                l->id, &l->num, time, l->producer, &l->lib) != 5)
		return false;
	l->is_block = true;
	l->time_ns = time_of(time);
	return true;
}

typedef void line_fn(size_t peer, const struct line *l);

/* Lines of blocks; one that is not applied is said to be so by the line after it. */
static void log_read(const char *name, size_t peer, line_fn *fn)
{
	char path[128], text[1024];
	struct line l, before = { .num = 0 };
	FILE *f;

	snprintf(path, sizeof(path), "tests/data/watch/%s.log", name);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(text, sizeof(text), f)) {
		if (!line_parse(&l, text))
			continue;
		if (l.is_not_applied) {
			before.is_not_applied = true;
			continue;
		}
		if (before.num)
			fn(peer, &before);
		before = l;
	}
	if (before.num)
		fn(peer, &before);
	fclose(f);
}

/* --- time passes ---------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	return x->at_ns < y->at_ns ? -1 : x->at_ns > y->at_ns;
}

/* One look at the chain at that moment, as `check --watch` takes one each second: rounds follow at
 * once, each after 5 ms, while more is to be learned from them. */
static void look(int64_t at_ns)
{
	for (int i = 0; i < 10; i++, at_ns += 5 * NS_PER_MS) {
		for (size_t k = 0; k < n_events && events[k].at_ns <= at_ns; k++) {
			world.peers[events[k].peer].head = events[k].head;
			world.peers[events[k].peer].lib = events[k].lib;
		}
		fork_chain_round(world.w, &world.chain, world.peers, world.n, at_ns);
		if (watch_is_settled(world.w))
			return;
	}
}

static void assert_text(const struct finding *f, const char *begin)
{
	if (!f)
		fail_msg("missed: '%s'", begin);
	if (strncmp(f->text, begin, strlen(begin)) != 0)
		fail_msg("'%s' does not begin with '%s'", f->text, begin);
}

static bool has_line(const struct finding *f, const char *a, const char *b)
{
	for (size_t i = 0; i < f->evidence.n; i++)
		if (strstr(f->evidence.v[i], a) && strstr(f->evidence.v[i], b))
			return true;
	return false;
}

/* --- a fork switch -------------------------------------------------------------------------- */

enum { X, Y, Z };

/* X's blocks 55 to 82 are in Y's log, which received them all at once; X had each when it was made,
 * 100 ms before its time.  Y's and Z's own 55 to 66 are those that X dropped: a turn of twelve of
 * prodc's, whose last one Y's log names with its time. */
static void blocks_of_y(size_t peer, const struct line *l)
{
	int at;

	(void)peer;
	if (!l->is_block || l->num > 82)
		return;
	at = block_add((int)world.chain.n - 1, l->id, l->producer, l->time_ns);
	event(l->time_ns - 100 * NS_PER_MS, X, at, l->lib);
}

static void dropped_of_x(size_t peer, const struct line *l)
{
	int64_t time_ns = time_of("2026-11-20T10:26:59.500") -
	        ((int64_t)66 - (int64_t)l->num) * NODEOS_SLOT_NS;
	int parent, at;

	(void)peer;
	if (!l->is_dropped)
		return;
	parent = l->num == 55 ? 53 : (int)world.chain.n - 1;
	at = block_add(parent, l->id, "prodc", time_ns);
	event(time_ns - 100 * NS_PER_MS, Y, at, 15);
	event(time_ns - 100 * NS_PER_MS, Z, at, 15);
}

static int tip_of_x;

static void own_of_x(size_t peer, const struct line *l)
{
	if (!l->is_block)
		return;
	assert_int_equal(world.chain.v[tip_of_x].num + 1, l->num);
	tip_of_x = block_add(tip_of_x, l->id, l->producer, l->time_ns);
	event(l->at_ns, peer, tip_of_x, l->lib);
	/* The logs of Y and Z are cut here; they received each of these a millisecond later. */
	event(l->at_ns + NS_PER_MS, Y, tip_of_x, l->lib);
	event(l->at_ns + NS_PER_MS, Z, tip_of_x, l->lib);
}

/* What Y and Z received became their head, unless it was not applied. */
static void heads_of(size_t peer, const struct line *l)
{
	int at = l->is_block ? block_of(l->id, l->num) : -1;

	if (at >= 0 && !l->is_not_applied)
		event(l->at_ns, peer, at, l->lib);
}

/* Blocks 1 to 54 are made up: no log has them. */
static void read_switch(void)
{
	int64_t begin_ns = time_of("2026-11-20T10:26:20.500");
	int at = -1;

	for (uint32_t num = 1; num <= 54; num++) {
		at = fork_chain_add(&world.chain, at, "proda", NULL);
		world.chain.v[at].time_ns = begin_ns + num * NODEOS_SLOT_NS;
	}
	for (int i = 0; i < 3; i++) {
		struct fork_peer *p = world_peer(WATCH_OWN, at);

		p->lib = 15;
	}
	log_read("fork-switch-Y", Y, blocks_of_y);
	assert_int_equal(world.chain.v[world.chain.n - 1].num, 82);
	tip_of_x = (int)world.chain.n - 1;
	log_read("fork-switch-X", X, dropped_of_x);
	assert_int_equal(world.chain.n, 54 + 28 + 12);
}

static void test_fork_switch(void **state)
{
	int64_t deep_ns = time_of("2026-11-20T10:26:55.000"); /* Y's third block is there */
	int64_t healed_ns = time_of("2026-11-20T10:27:07.790");
	int64_t end_ns = time_of("2026-11-20T10:27:18.500");
	size_t looks_found = 0;

	(void)state;
	read_switch();
	log_read("fork-switch-X", X, own_of_x);
	log_read("fork-switch-Y", Y, heads_of);
	log_read("fork-switch-Z", Z, heads_of);
	qsort(events, n_events, sizeof(events[0]), by_time);
	for (int64_t at = time_of("2026-11-20T10:26:47.300"); at < end_ns; at += NS_PER_SEC) {
		const struct finding *f;

		look(at);
		f = world_found(WATCH_FORK, "");
		assert_null(world_found(WATCH_LONG_FORK, ""));
		assert_null(world_found(WATCH_SPLIT, ""));
		assert_null(world_found(WATCH_DOUBLE_PRODUCTION, "proda"));
		assert_null(world_found(WATCH_DOUBLE_PRODUCTION, "prodb"));
		assert_null(world_found(WATCH_DOUBLE_PRODUCTION, "prodc"));
		if (at < deep_ns - 200 * NS_PER_MS || at > healed_ns) {
			assert_null(f);
			continue;
		}
		if (at < deep_ns + NS_PER_SEC && !f)
			continue;
		looks_found++;
		assert_text(f, "forked at 55: ");
		assert_int_equal(world_side(&world.peers[Y]), 0);
		assert_int_equal(world_side(&world.peers[Z]), 0);
		assert_int_equal(world_side(&world.peers[X]), 1);
		assert_true(has_line(f, "54  00000036", "of all"));
		assert_true(has_line(f,
		        "|-- 55  0000003751cf12803eae...  prodb 2026-11-20T10:26:48.000Z",
		        "1 node: n0"));
		assert_true(has_line(f,
		        "`-- 55  00000037fed987d46119...  prodc 2026-11-20T10:26:54.000Z",
		        "2 nodes: n1 n2"));
	}
	/* From the look within a second after the third block until they switched. */
	assert_in_range(looks_found, 12, 13);
	/* All the way to the last block of the log. */
	assert_int_equal(world.chain.v[world.peers[Y].head].num, 102);
	assert_int_equal(world.peers[Y].lib, 42);
}

/* --- a copied producer ---------------------------------------------------------------------- */

enum { P, Q };

static int head_of[2];

static void own_of_both(size_t peer, const struct line *l)
{
	if (!l->is_produced)
		return;
	assert_int_equal(world.chain.v[head_of[peer]].num + 1, l->num);
	head_of[peer] = block_add(head_of[peer], l->id, l->producer, l->time_ns);
	event(l->at_ns, peer, head_of[peer], l->num - 1);
}

/* A third node stayed at 64, which both had; 65 and 66 of P and 65 of Q are made up: no log has
 * them. */
static void read_copies(void)
{
	int64_t begin_ns = time_of("2026-11-20T10:37:22.000");
	int at = -1;

	for (uint32_t num = 1; num <= 64; num++) {
		at = fork_chain_add(&world.chain, at, "eosio", NULL);
		world.chain.v[at].time_ns = begin_ns + num * NODEOS_SLOT_NS;
	}
	head_of[P] = block_add(at, "1111111111111111", "eosio", begin_ns + 65 * NODEOS_SLOT_NS);
	head_of[P] =
	        block_add(head_of[P], "2222222222222222", "eosio", begin_ns + 66 * NODEOS_SLOT_NS);
	head_of[Q] = block_add(at, "3333333333333333", "eosio", begin_ns + 66 * NODEOS_SLOT_NS);
	world_peer(WATCH_OWN, head_of[P])->lib = 65;
	world_peer(WATCH_OWN, head_of[Q])->lib = 64;
	log_read("dup-producer-P", P, own_of_both);
	log_read("dup-producer-Q", Q, own_of_both);
	qsort(events, n_events, sizeof(events[0]), by_time);
}

static void test_copied_producer(void **state)
{
	const struct finding *split, *two;
	int64_t at;

	(void)state;
	read_copies();
	/* Q has no irreversible block of its own yet, P's block of that slot has another number. */
	look(time_of("2026-11-20T10:37:55.200"));
	assert_null(world_found(WATCH_SPLIT, ""));
	two = world_found(WATCH_DOUBLE_PRODUCTION, "eosio");
	assert_text(
	        two, "two different blocks, 1 time; last slot 2026-11-20T10:37:55.000Z: block ");
	for (at = time_of("2026-11-20T10:37:55.950"); at < time_of("2026-11-20T10:38:05.300");
	        at += NS_PER_SEC) {
		look(at);
		split = world_found(WATCH_SPLIT, "");
		assert_text(split, "split at 65: ");
		assert_true(has_line(split, "64  00000040", "of all"));
		assert_true(has_line(split, "65  00000041111111111111...", "1 node: n0"));
		assert_true(has_line(split, "65  00000041333333333333...", "1 node: n1"));
		assert_non_null(world_found(WATCH_DOUBLE_PRODUCTION, "eosio"));
	}
	look(time_of("2026-11-20T10:38:05.500"));
	assert_text(world_found(WATCH_LONG_FORK, ""), "long fork at 65: 22 blocks deep");
	two = world_found(WATCH_DOUBLE_PRODUCTION, "eosio");
	/* One for each slot from 55.000 to 05.500, with the numbers and ids of the logs. */
	assert_text(two, "two different blocks, 22 times; last slot 2026-11-20T10:38:05.500Z: ");
	assert_true(
	        has_line(two, "slot 2026-11-20T10:38:05.000Z", "block 86 000000566532807ee065"));
	assert_true(
	        has_line(two, "slot 2026-11-20T10:38:05.000Z", "block 85 00000055e6ae3153790d"));
	/* Both stop; it is told for a minute still, the split as long as it is there. */
	look(time_of("2026-11-20T10:39:05.000"));
	assert_non_null(world_found(WATCH_DOUBLE_PRODUCTION, "eosio"));
	look(time_of("2026-11-20T10:39:07.000"));
	assert_null(world_found(WATCH_DOUBLE_PRODUCTION, "eosio"));
	assert_non_null(world_found(WATCH_SPLIT, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fork_switch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copied_producer, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
