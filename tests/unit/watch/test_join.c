#include "unit/test.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "watch/join.h"

/* A round a second.  Ids are of a height and a branch: "0000002a" "aa...". */

static const struct join_settings settings = {
	.timeout_ns = 600 * NS_PER_SEC,
	.no_peer_ns = 60 * NS_PER_SEC,
	.wrong_chain_ns = 10 * NS_PER_SEC,
	.fork_ns = 10 * NS_PER_SEC,
	.lag_blocks = 20,
};

static struct join j;
static int64_t now;

static int set_up(void **state)
{
	(void)state;
	now = 1000 * NS_PER_SEC;
	join_init(&j, &settings, now);
	return 0;
}

static const char *id_of(char out[NODEOS_ID_HEX_SIZE], uint32_t num, char branch)
{
	snprintf(out, NODEOS_ID_HEX_SIZE, "%08x", num);
	memset(out + 8, branch, NODEOS_ID_HEX_SIZE - 9);
	out[NODEOS_ID_HEX_SIZE - 1] = '\0';
	return out;
}

/* What the fresh node would answer: its blocks are of a branch from a height on, else 'a'. */
struct fresh {
	uint32_t head, lib;
	int peers;
	uint32_t fork; /* its blocks from there on are 'b'; 0: none are */
};

static void fresh_says(const struct fresh *f)
{
	struct sample s = SAMPLE_INIT;
	struct sample_id ids[SAMPLE_HEIGHTS_MAX];
	struct sample_request q;

	join_ask(&j, &q);
	s.state = SAMPLE_ANSWERS;
	s.peers_connected = f->peers;
	s.info.head_block_num = f->head;
	s.info.last_irreversible_block_num = f->lib;
	(void)id_of(s.info.head_block_id, f->head, f->fork && f->head >= f->fork ? 'b' : 'a');
	s.ids = ids;
	for (size_t i = 0; i < q.n_heights; i++) {
		uint32_t num = q.heights[i];

		if (i && num <= q.heights[i - 1])
			fail_msg("heights do not rise: %u %u", q.heights[i - 1], num);
		ids[s.n_ids] = (struct sample_id){ .num = num };
		if (num <= f->head)
			(void)id_of(ids[s.n_ids].id, num, f->fork && num >= f->fork ? 'b' : 'a');
		s.n_ids++;
	}
	join_see(&j, &s, now);
}

struct node {
	enum watch_kind kind;
	const char *name;
	uint32_t head, lib;
	const char *why;
	uint32_t fork; /* as above */
};

static void nodes_say(const struct node *v, size_t n)
{
	uint32_t height = join_height(&j);
	char id[NODEOS_ID_HEX_SIZE];

	join_begin(&j);
	for (size_t i = 0; i < n; i++) {
		struct canary_word w = { .kind = v[i].kind,
			.name = v[i].name,
			.host = "",
			.why = v[i].why,
			.head = v[i].head,
			.lib = v[i].lib,
			.id = "" };

		if (height <= v[i].head)
			w.id = id_of(id, height, v[i].fork && height >= v[i].fork ? 'b' : 'a');
		join_hear(&j, &w);
	}
	join_judge(&j, now);
	now += NS_PER_SEC;
}

static void three(uint32_t head, uint32_t lib)
{
	const struct node v[] = { { WATCH_OWN, "readers.1", head, lib, NULL, 0 },
		{ WATCH_OWN, "readers.2", head, lib, NULL, 0 },
		{ WATCH_OWN, "readers.3", head, lib, NULL, 0 } };

	nodes_say(v, ARRAY_LEN(v));
}

static void round_of(uint32_t fresh_head, uint32_t head)
{
	fresh_says(&(struct fresh){ .head = fresh_head, .lib = fresh_head - 1, .peers = 1 });
	three(head, head - 1);
}

static void is(enum join_state state, const char *part)
{
	char text[400];

	if (j.state != state)
		fail_msg("%s and not %s: %s", join_state_name(j.state), join_state_name(state),
		        join_verdict(&j, text, sizeof(text)));
	if (part && !strstr(join_verdict(&j, text, sizeof(text)), part))
		fail_msg("'%s' without '%s'", text, part);
}

/* --- well ------------------------------------------------------------------------------------- */

static void it_joins(void **state)
{
	(void)state;
	three(1000, 999);
	is(JOIN_STARTING, "its nodeos starts");
	fresh_says(&(struct fresh){ .head = 1, .lib = 1, .peers = 0 });
	three(1002, 1001);
	is(JOIN_WAITING, "no peer yet");
	fresh_says(&(struct fresh){ .head = 1, .lib = 1, .peers = 2 });
	three(1004, 1003);
	is(JOIN_WAITING, "no block yet, from 2 peers");
	round_of(301, 1006);
	is(JOIN_SYNCING, "block 301 of 1006, 150 blocks/s, left: 4.0s");
	round_of(601, 1008);
	is(JOIN_SYNCING, NULL);
	round_of(1000, 1010);
	is(JOIN_NEAR, NULL);
	assert_false(join_is_over(&j));
	round_of(1012, 1012);
	is(JOIN_JOINED,
	        "joined in 6.0s: 1012 blocks at 202 blocks/s, the first after 3.0s; block 1010 is "
	        "the "
	        "same on 3 of 3 nodes, 0 blocks behind");
	assert_true(join_is_over(&j));
}

/* In the first round it has none of their heights to compare, later what they all have by now. */
static void which_height(void **state)
{
	struct sample_request q;

	(void)state;
	assert_int_equal(join_height(&j), 1);
	join_ask(&j, &q);
	assert_int_equal(q.n_heights, 0);
	fresh_says(&(struct fresh){ .head = 500, .lib = 499, .peers = 1 });
	assert_int_equal(join_height(&j), 500);
	three(1000, 999);
	join_ask(&j, &q);
	assert_int_equal(q.n_heights, 1);
	assert_int_equal(q.heights[0], 1000);
	/* It does not have that one yet. */
	fresh_says(&(struct fresh){ .head = 900, .lib = 899, .peers = 1 });
	assert_int_equal(join_height(&j), 900);
	three(1004, 1003);
	is(JOIN_SYNCING, NULL);
	join_ask(&j, &q);
	assert_int_equal(q.n_heights, 1);
	assert_int_equal(q.heights[0], 1004);
	fresh_says(&(struct fresh){ .head = 1007, .lib = 1006, .peers = 1 });
	assert_int_equal(join_height(&j), 1004);
	three(1006, 1005);
	is(JOIN_NEAR, NULL);
}

static void near_is_so_many_blocks(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		round_of(979, 1000);
	is(JOIN_SYNCING, NULL);
	round_of(980, 1000);
	is(JOIN_NEAR, NULL);
	round_of(979, 1000);
	is(JOIN_SYNCING, NULL);
	round_of(980, 1000);
	round_of(980, 1000);
	is(JOIN_JOINED, "20 blocks behind");
}

static void a_chain_that_has_just_begun(void **state)
{
	(void)state;
	round_of(1, 1);
	is(JOIN_NEAR, NULL);
	round_of(1, 1);
	is(JOIN_JOINED, "the first after never; block 1 is the same on 3 of 3 nodes");
}

/* Of every chain of that genesis, and of nobody's. */
static void the_first_block_proves_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		round_of(1, 15);
	is(JOIN_WAITING, "");
	for (int i = 0; i < 5; i++)
		round_of(2, 16);
	is(JOIN_JOINED, "");
}

/* Half of our nodes have to have got there; one that is far ahead, or behind, does not count. */
static void the_majority(void **state)
{
	static const struct {
		uint32_t heads[4];
		uint32_t target;
	} rows[] = {
		{ { 100, 0, 0, 0 }, 100 },
		{ { 100, 90, 0, 0 }, 100 },
		{ { 90, 100, 5000, 0 }, 100 },
		{ { 90, 5000, 100, 7 }, 100 },
		{ { 90, 5000, 100, 6000 }, 5000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct node v[5] = { { WATCH_REFERENCE, "r", 9000, 9000, NULL, 0 } };
		size_t n = 1;

		for (size_t k = 0; k < 4 && rows[i].heads[k]; k++)
			v[n++] = (struct node){ WATCH_OWN, "n", rows[i].heads[k], 1, NULL, 0 };
		set_up(NULL);
		nodes_say(v, n);
		if (j.target != rows[i].target)
			fail_msg("row %zu: %u", i, j.target);
	}
}

static void references_count_when_none_of_ours_answers(void **state)
{
	const struct node v[] = { { WATCH_OWN, "readers.1", 0, 0, "no answer", 0 },
		{ WATCH_REFERENCE, "http://a", 100, 99, NULL, 0 } };

	(void)state;
	for (int i = 0; i < 2; i++) {
		fresh_says(&(struct fresh){ .head = 100, .lib = 99, .peers = 1 });
		nodes_say(v, ARRAY_LEN(v));
	}
	is(JOIN_JOINED, "on 1 of 1 nodes");
}

/* --- not -------------------------------------------------------------------------------------- */

static void its_nodeos_ends(void **state)
{
	struct sample s = SAMPLE_INIT;

	(void)state;
	s.state = SAMPLE_DOWN;
	join_see(&j, &s, now);
	three(100, 99);
	is(JOIN_ENDED, "its nodeos has ended");
	/* It stays so. */
	round_of(100, 100);
	is(JOIN_ENDED, NULL);
}

static void a_silent_one_is_late(void **state)
{
	struct sample s = SAMPLE_INIT;

	(void)state;
	s.state = SAMPLE_SILENT;
	for (int i = 0; i < 600; i++) {
		join_see(&j, &s, now);
		three(100, 99);
	}
	is(JOIN_STARTING, NULL);
	join_see(&j, &s, now);
	three(100, 99);
	is(JOIN_LATE, "nodeos does not answer within 10m00s");
}

static void a_slow_one_is_late(void **state)
{
	(void)state;
	for (uint32_t i = 0; i <= 600; i++)
		round_of(2 + i, 4201);
	is(JOIN_LATE,
	        "within 10m00s: it has block 602 of 4201, at 1.0 blocks/s, the rest would take "
	        "59m");
}

static void one_without_blocks_is_late(void **state)
{
	static const struct {
		int peers;
		const char *part;
	} rows[] = {
		{ 0, "gets no block within 6.0s: no peer answers it" },
		{ 1, "gets no block within 6.0s" },
		{ -1, "gets no block within 6.0s" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		set_up(NULL);
		j.settings.timeout_ns = 6 * NS_PER_SEC;
		for (int k = 0; k <= 6; k++) {
			is(k ? JOIN_WAITING : JOIN_STARTING, NULL);
			fresh_says(&(struct fresh){ .head = 1, .lib = 1, .peers = rows[i].peers });
			three(100, 99);
		}
		is(JOIN_LATE, rows[i].part);
	}
}

static void without_nodes_nothing_can_be_said(void **state)
{
	const struct node v[] = { { WATCH_OWN, "readers.1", 0, 0, "no answer", 0 } };

	(void)state;
	for (int i = 0; i <= 600; i++) {
		fresh_says(&(struct fresh){ .head = 100, .lib = 99, .peers = 1 });
		nodes_say(v, ARRAY_LEN(v));
	}
	is(JOIN_LATE, "none of our nodes answers");
}

/* They are asked, and never have the height that it has: it is ahead of all of them for ever. */
static void who_is_never_comparable_is_late(void **state)
{
	const struct node v[] = { { WATCH_OWN, "readers.1", 100, 99, NULL, 0 } };

	(void)state;
	for (int i = 0; i <= 600; i++) {
		struct sample s = SAMPLE_INIT;

		s.state = SAMPLE_ANSWERS;
		s.info.head_block_num = 200;
		(void)id_of(s.info.head_block_id, 200, 'a');
		join_see(&j, &s, now);
		nodes_say(v, ARRAY_LEN(v));
	}
	is(JOIN_LATE, "no node has told its block of the same height");
}

static void alone(void **state)
{
	(void)state;
	for (int i = 0; i < 60; i++) {
		fresh_says(&(struct fresh){ .head = 1, .lib = 1, .peers = 0 });
		three(100, 99);
		is(JOIN_WAITING, NULL);
	}
	fresh_says(&(struct fresh){ .head = 1, .lib = 1, .peers = 0 });
	three(100, 99);
	is(JOIN_NO_PEER, "no peer answers it for 1m00s");
}

/* A peer, a block, or not knowing of any: each is a reason to wait. */
static void not_alone(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++) {
		fresh_says(&(struct fresh){
		        .head = i < 150 ? 1 : 2, .lib = 1, .peers = i % 50 == 49 ? 1 : 0 });
		three(100, 99);
		is(i < 150 ? JOIN_WAITING : JOIN_SYNCING, NULL);
	}
	for (uint32_t i = 0; i < 300; i++) {
		fresh_says(&(struct fresh){ .head = 2 + i / 50, .lib = 1, .peers = 0 });
		three(100, 99);
		is(JOIN_SYNCING, NULL);
	}
	set_up(NULL);
	for (int i = 0; i < 300; i++) {
		fresh_says(&(struct fresh){ .head = 1, .lib = 1, .peers = -1 });
		three(100, 99);
		is(JOIN_WAITING, NULL);
	}
}

static void peers_of_another_chain(void **state)
{
	/* Recorded of nodeos v4.0.6: who is connected to, and who connects. */
	static const char *const lines[] = {
		"error 2026-11-20T10:37:29.447 net-3     net_plugin.cpp:2940           "
		"handle_message       ] [\"127.0.0.1:19903 - 2442df5\" - 1 127.0.0.1:48686] Peer "
		"on a "
		"different chain. Closing connection",
		"warn  2026-11-20T10:37:29.447 net-0     net_plugin.cpp:3005           "
		"handle_message       ] [\"127.0.0.1:19901\" - 2 127.0.0.1:19901] received "
		"go_away_message, reason = wrong chain",
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(lines); k++) {
		set_up(NULL);
		for (int i = 0; i < 11; i++) {
			fresh_says(&(struct fresh){ .head = 1, .lib = 1, .peers = 0 });
			if (i < 5)
				assert_true(join_log(&j, lines[k], now));
			assert_false(join_log(&j, "info  net_plugin.cpp:1 closing", now));
			three(100, 99);
			is(i < 10 ? JOIN_WAITING : JOIN_WRONG_CHAIN, NULL);
		}
		is(JOIN_WRONG_CHAIN, "its peer is of another chain");
	}
}

/* One of two peers is of another chain, the other one only takes its time. */
static void another_peer_may_be_right(void **state)
{
	(void)state;
	fresh_says(&(struct fresh){ .head = 1, .lib = 1, .peers = 0 });
	assert_true(join_log(&j, "received go_away_message, reason = wrong chain", now));
	three(100, 99);
	for (int i = 0; i < 30; i++) {
		fresh_says(&(struct fresh){ .head = 1, .lib = 1, .peers = 1 });
		three(100, 99);
	}
	is(JOIN_WAITING, NULL);
	round_of(100, 100);
	round_of(100, 100);
	is(JOIN_JOINED, NULL);
}

/* --- other blocks ----------------------------------------------------------------------------- */

static void a_fork_switch_is_waited_for(void **state)
{
	(void)state;
	fresh_says(&(struct fresh){ .head = 100, .lib = 90, .peers = 1, .fork = 99 });
	three(100, 90);
	is(JOIN_SYNCING, "block 100 is another one than ours");
	for (int i = 0; i < 8; i++) {
		fresh_says(&(struct fresh){ .head = 101, .lib = 90, .peers = 1, .fork = 99 });
		assert_int_equal(join_height(&j), 100);
		three(102, 90);
		is(JOIN_SYNCING, NULL);
	}
	fresh_says(&(struct fresh){ .head = 103, .lib = 90, .peers = 1 });
	three(103, 90);
	is(JOIN_NEAR, NULL);
	assert_int_equal(j.conflict, 0);
	fresh_says(&(struct fresh){ .head = 103, .lib = 90, .peers = 1 });
	three(103, 90);
	is(JOIN_JOINED, NULL);
}

static void a_block_that_it_drops_is_forgotten(void **state)
{
	(void)state;
	fresh_says(&(struct fresh){ .head = 100, .lib = 90, .peers = 1, .fork = 99 });
	three(100, 90);
	fresh_says(&(struct fresh){ .head = 98, .lib = 90, .peers = 1 });
	assert_int_equal(join_height(&j), 98);
	three(102, 90);
	is(JOIN_NEAR, NULL);
}

static void it_stays_on_its_side(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 11; i++) {
		is(i ? JOIN_SYNCING : JOIN_STARTING, NULL);
		fresh_says(&(struct fresh){ .head = 100 + i, .lib = 90, .peers = 1, .fork = 99 });
		three(100 + i, 90);
	}
	is(JOIN_FORKED,
	        "its block 100 is 00000064bbbbbbbb..., that of readers.1, readers.2, readers.3 is "
	        "00000064aaaaaaaa..., for 10.0s");
}

static void it_is_final_on_both_sides(void **state)
{
	(void)state;
	fresh_says(&(struct fresh){ .head = 100, .lib = 100, .peers = 1, .fork = 50 });
	three(100, 99);
	is(JOIN_SYNCING, NULL);
	fresh_says(&(struct fresh){ .head = 101, .lib = 99, .peers = 1, .fork = 50 });
	three(101, 101);
	is(JOIN_SYNCING, NULL);
	fresh_says(&(struct fresh){ .head = 102, .lib = 100, .peers = 1, .fork = 50 });
	three(102, 100);
	is(JOIN_FORKED, "irreversible on both sides");
}

/* That is then what `check` finds among our nodes, and not the fresh node's fault. */
static void most_of_ours_decide(void **state)
{
	static const struct {
		const char *name;
		uint32_t forks[3];
		enum join_state state;
	} rows[] = {
		{ "one of three differs", { 0, 0, 50 }, JOIN_JOINED },
		{ "two of three", { 0, 50, 50 }, JOIN_FORKED },
		{ "all", { 50, 50, 50 }, JOIN_FORKED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		set_up(NULL);
		for (int k = 0; k < 2 && !join_is_over(&j); k++) {
			struct node v[3];

			for (size_t n = 0; n < 3; n++)
				v[n] = (struct node){ WATCH_OWN, "n", 100, 100, NULL,
					rows[i].forks[n] };
			fresh_says(&(struct fresh){ .head = 100, .lib = 100, .peers = 1 });
			nodes_say(v, 3);
		}
		if (j.state != rows[i].state)
			fail_msg("%s: %s", rows[i].name, join_state_name(j.state));
	}
}

/* Hundreds of nodes that differ: their names are cut, their number is not. */
static void many_nodes(void **state)
{
	struct node v[300];
	char text[400];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		v[i] = (struct node){ WATCH_OWN, "a-service-with-a-long-name.1", 100, 100, NULL,
			50 };
	fresh_says(&(struct fresh){ .head = 100, .lib = 100, .peers = 1 });
	nodes_say(v, ARRAY_LEN(v));
	is(JOIN_FORKED, NULL);
	assert_int_equal(j.own.other, 300);
	assert_true(strlen(join_verdict(&j, text, sizeof(text))) < sizeof(text) - 1);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void as_json(void **state)
{
	AUTO(free) char *text = NULL;
	json_t *v;

	(void)state;
	v = join_json(&j);
	text = json_text(v, false);
	json_decref(v);
	assert_string_equal(text,
	        "{\"joined\":false,\"state\":\"starting\",\"seconds\":0.0,"
	        "\"first_block_seconds\":null,\"blocks_per_second\":null,\"head_block_num\":null,"
	        "\"majority_head_block_num\":null,\"lag_blocks\":null,\"compared_block_num\":null,"
	        "\"block_id\":null,\"same\":0,\"other\":0}");
	free(TAKE(text));
	round_of(41, 42);
	round_of(42, 43);
	v = join_json(&j);
	text = json_text(v, false);
	json_decref(v);
	assert_string_equal(text,
	        "{\"joined\":true,\"state\":\"joined\",\"seconds\":1.0,"
	        "\"first_block_seconds\":0.0,\"blocks_per_second\":41.0,\"head_block_num\":42,"
	        "\"majority_head_block_num\":43,\"lag_blocks\":1,\"compared_block_num\":42,"
	        "\"block_id\":"
	        "\"0000002aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\","
	        "\"same\":3,\"other\":0}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_joins, set_up),
		cmocka_unit_test_setup(which_height, set_up),
		cmocka_unit_test_setup(near_is_so_many_blocks, set_up),
		cmocka_unit_test_setup(a_chain_that_has_just_begun, set_up),
		cmocka_unit_test_setup(the_first_block_proves_nothing, set_up),
		cmocka_unit_test_setup(the_majority, set_up),
		cmocka_unit_test_setup(references_count_when_none_of_ours_answers, set_up),
		cmocka_unit_test_setup(its_nodeos_ends, set_up),
		cmocka_unit_test_setup(a_silent_one_is_late, set_up),
		cmocka_unit_test_setup(a_slow_one_is_late, set_up),
		cmocka_unit_test_setup(one_without_blocks_is_late, set_up),
		cmocka_unit_test_setup(without_nodes_nothing_can_be_said, set_up),
		cmocka_unit_test_setup(who_is_never_comparable_is_late, set_up),
		cmocka_unit_test_setup(alone, set_up),
		cmocka_unit_test_setup(not_alone, set_up),
		cmocka_unit_test_setup(peers_of_another_chain, set_up),
		cmocka_unit_test_setup(another_peer_may_be_right, set_up),
		cmocka_unit_test_setup(a_fork_switch_is_waited_for, set_up),
		cmocka_unit_test_setup(a_block_that_it_drops_is_forgotten, set_up),
		cmocka_unit_test_setup(it_stays_on_its_side, set_up),
		cmocka_unit_test_setup(it_is_final_on_both_sides, set_up),
		cmocka_unit_test_setup(most_of_ours_decide, set_up),
		cmocka_unit_test_setup(many_nodes, set_up),
		cmocka_unit_test_setup(as_json, set_up),
	};

	return cmocka_run_group_tests_name("watch/join", tests, NULL, NULL);
}
