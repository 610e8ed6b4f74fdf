#include "unit/test.h"

#include <string.h>

#include "base/clock.h"
#include "supervise/ready.h"

#define CHAIN "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c"
#define OTHER "aca376f206b8fc25a6ed44dbdc66547c36c6c33e3a119ffbeaef943642f0e906"

static const struct ready_limits limits = {
	.max_lag_blocks = 30,
	.answer_ns = 4 * NS_PER_SEC,
	.peer_wait_ns = 60 * NS_PER_SEC,
};

/* A reader in the middle of a quiet day: block 1000, 300 ms old, its peers at 1000. */
static struct ready_facts quiet_day(void)
{
	int64_t real = 1700000000 * NS_PER_SEC;

	return (struct ready_facts){
		.now_ns = 1000 * NS_PER_SEC,
		.started_ns = 10 * NS_PER_SEC,
		.answered_ns = 1000 * NS_PER_SEC - 500 * NS_PER_MS,
		.real_ns = real,
		.expected_chain_id = CHAIN,
		.chain_id = CHAIN,
		.head_block_num = 1000,
		.head_time_ns = real - 300 * NS_PER_MS,
		.best_head = 1000,
		.has_peers = true,
		.was_ready = true,
		.pace_percent = 100,
	};
}

static void quiet(struct ready_facts *f)
{
	(void)f;
}
static void never_answered(struct ready_facts *f)
{
	f->answered_ns = 0;
}
static void silent(struct ready_facts *f)
{
	f->answered_ns = f->now_ns - 5 * NS_PER_SEC;
}
static void wrong_chain(struct ready_facts *f)
{
	f->chain_id = OTHER;
}
static void any_chain(struct ready_facts *f)
{
	f->expected_chain_id = NULL;
	f->chain_id = OTHER;
}
static void at_the_limit(struct ready_facts *f)
{
	f->best_head = 1030;
}
static void one_past_the_limit(struct ready_facts *f)
{
	f->best_head = 1031;
}
/* The chain stands still for ten minutes: every reader is old and right. */
static void paused(struct ready_facts *f)
{
	f->head_time_ns = f->real_ns - 600 * NS_PER_SEC;
	f->pace_percent = 0;
}
static void catching_up(struct ready_facts *f)
{
	f->head_time_ns = f->real_ns - 600 * NS_PER_SEC;
	f->pace_percent = 2000;
}
/* Two blocks within one sample look like double speed. */
static void fast_but_live(struct ready_facts *f)
{
	f->pace_percent = 200;
}
/* Syncing when the peer went away: the head stands, the handshake knows better. */
static void stuck_behind(struct ready_facts *f)
{
	f->head_time_ns = f->real_ns - 600 * NS_PER_SEC;
	f->pace_percent = 0;
	f->best_head = 2000;
}
static void first_without_peer(struct ready_facts *f)
{
	f->was_ready = false;
	f->best_head = 0;
	f->started_ns = f->now_ns - 59 * NS_PER_SEC;
}
static void long_without_peer(struct ready_facts *f)
{
	first_without_peer(f);
	f->started_ns = f->now_ns - 61 * NS_PER_SEC;
}
static void empty_without_peer(struct ready_facts *f)
{
	long_without_peer(f);
	f->started_empty = true;
}
static void producer_without_chain(struct ready_facts *f)
{
	empty_without_peer(f);
	f->is_producer = true;
}
static void lost_all_peers(struct ready_facts *f)
{
	f->best_head = 0;
}
static void needs_no_peers(struct ready_facts *f)
{
	first_without_peer(f);
	f->has_peers = false;
}
static void old_head_pace_unknown(struct ready_facts *f)
{
	f->was_ready = false;
	f->head_time_ns = f->real_ns - 600 * NS_PER_SEC;
	f->pace_percent = -1;
}
/* A peer that lies about four billion blocks must not take a live reader out. */
static void lying_peer_on_live_chain(struct ready_facts *f)
{
	f->best_head = UINT32_MAX;
}

static const struct {
	const char *name;
	void (*change)(struct ready_facts *f);
	bool ready;
	uint32_t lag;
	const char *why;
} rows[] = {
	{ "quiet day", quiet, true, 0, "" },
	{ "never answered", never_answered, false, 0, "nodeos does not answer yet" },
	{ "silent", silent, false, 0, "has not answered for 5.0s" },
	{ "wrong chain", wrong_chain, false, 0, "serves chain aca376f206b8fc25" },
	{ "any chain will do", any_chain, true, 0, "" },
	{ "lag at the limit", at_the_limit, true, 30, "" },
	{ "lag one past the limit", one_past_the_limit, false, 31, "31 blocks behind" },
	{ "chain paused", paused, true, 0, "" },
	{ "catching up", catching_up, false, 0, "catching up, its head is 10m00s old" },
	{ "fast but live", fast_but_live, true, 0, "" },
	{ "stuck behind", stuck_behind, false, 1000, "1000 blocks behind" },
	{ "no peer yet", first_without_peer, false, 0, "no peer has answered yet" },
	{ "no peer for long", long_without_peer, true, 0, "the best head is not known" },
	{ "no peer and no chain", empty_without_peer, false, 0, "there is no chain here yet" },
	{ "a producer without a chain", producer_without_chain, false, 0,
	        "yet; the first of a new chain needs NODESWARM_BOOTSTRAP=1" },
	{ "lost all peers later", lost_all_peers, true, 0, "" },
	{ "needs no peers", needs_no_peers, true, 0, "" },
	{ "old head, pace unknown", old_head_pace_unknown, false, 0, "looking whether" },
	{ "lying peer", lying_peer_on_live_chain, false, 240, "behind the best known head 1240" },
};

static void each_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ready_facts f = quiet_day();
		struct ready_result r;

		rows[i].change(&f);
		ready_decide(&r, &f, &limits);
		if (r.ready != rows[i].ready || r.lag_blocks != rows[i].lag ||
		        !strstr(r.why, rows[i].why) || (!*rows[i].why && *r.why))
			fail_msg("%s: got %d, lag %u, '%s'", rows[i].name, r.ready, r.lag_blocks,
			        r.why);
	}
}

static void pace_of(void **state)
{
	struct ready_pace p = { .n = 0 };

	(void)state;
	assert_int_equal(ready_pace_percent(&p), -1);
	/* Four samples a second, head at real time. */
	for (int i = 0; i < 3; i++)
		ready_pace_add(&p, i * 250 * NS_PER_MS, i * 250 * NS_PER_MS);
	assert_int_equal(ready_pace_percent(&p), -1);
	for (int i = 3; i < 40; i++)
		ready_pace_add(&p, i * 250 * NS_PER_MS, i * 250 * NS_PER_MS);
	assert_int_equal(ready_pace_percent(&p), 100);
	/* The head stops: after the window has passed, 0. */
	for (int i = 40; i < 60; i++)
		ready_pace_add(&p, i * 250 * NS_PER_MS, 39 * 250 * NS_PER_MS);
	assert_int_equal(ready_pace_percent(&p), 0);
	/* And races: a hundred times real time. */
	for (int i = 60; i < 80; i++)
		ready_pace_add(&p, i * 250 * NS_PER_MS, i * 25000 * NS_PER_MS);
	assert_int_equal(ready_pace_percent(&p), 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule),
		cmocka_unit_test(pace_of),
	};

	return cmocka_run_group_tests_name("supervise/ready", tests, NULL, NULL);
}
