#include "unit/test.h"

#include <string.h>

#include "base/compiler.h"
#include "replay/node_seen.h"

#define FRAME "info  2026-11-20T10:25:39.401 nodeos    "
#define HASH  "f112b106397279866ba949d4630657325c20ff30c90cdd898ac3838dfc4550ac"

/* As recorded of v4.0.6, and as the source of Leap 5 and Spring 1 has them. */
static void each_line(void **state)
{
	static const struct {
		const char *name, *line;
		bool moves;
		struct node_seen want;
	} t[] = {
		{ "version", FRAME "main.cpp:140 main ] nodeos version v4.0.6 v4.0.6-01dab51ac0",
		        true, { .version = "v4.0.6-01dab51ac0" } },
		{ "one version", FRAME "main.cpp:140 main ] nodeos version v1.8.14", true,
		        { .version = "v1.8.14" } },
		{ "snapshot", FRAME "controller.cpp:600 startup ] Snapshot loaded, lib: 73", true,
		        { .block = 73 } },
		{ "snapshot, Spring 1.1",
		        FRAME "controller.cpp:1975 startup ] Snapshot loaded, head: 73 : "
		              "00000049c9c5f5a8",
		        true, { .block = 73 } },
		{ "start hash",
		        FRAME "controller.cpp:735 init ] chain database started with hash: " HASH,
		        true, { .start_hash = HASH } },
		{ "replay", FRAME "controller.cpp:520 replay ] 500 of 2000000", true,
		        { .block = 500 } },
		{ "replay of another file", FRAME "net_plugin.cpp:520 replay ] 500 of 2000000",
		        false, { .block = 0 } },
		{ "more behind it", FRAME "controller.cpp:520 replay ] 500 of 2000000 blocks",
		        false, { .block = 0 } },
		{ "started",
		        FRAME
		        "chain_plugin.cpp:1113 plugin_startup ] Blockchain started; head block is "
		        "#73, genesis timestamp is 2026-11-20T00:00:00.000",
		        true, { .block = 73, .started = 73 } },
		{ "received",
		        FRAME "producer_plugin.cpp:740 on_incoming_block ] Received block "
		              "224387b3291a4e36... #61 @ 2026-11-20T10:23:48.000 signed by eosio "
		              "[trxs: 0, lib: 60]",
		        true, { .block = 61 } },
		{ "received nothing",
		        FRAME "producer_plugin.cpp:740 on_incoming_block ] Received block ", false,
		        { .block = 0 } },
		{ "reached",
		        FRAME "producer_plugin.cpp:1947 start_block ] Reached configured maximum "
		              "block 92; terminating",
		        false, { .reached = 92 } },
		{ "reached, Spring",
		        FRAME "controller.cpp:3890 should_terminate ] Block 93 reached configured "
		              "maximum block 92; terminating",
		        true, { .block = 93, .reached = 92, .head = 93 } },
		{ "stop hash",
		        FRAME "controller.cpp:768 ~controller_impl ] chain database stopped with "
		              "hash: " HASH,
		        true, { .stop_hash = HASH } },
		{ "half a hash",
		        FRAME "controller.cpp:768 ~controller_impl ] chain database stopped with "
		              "hash: f112b1",
		        false, { .block = 0 } },
		{ "too large", FRAME "controller.cpp:520 replay ] 4294967296 of 4294967297", false,
		        { .block = 0 } },
		{ "no frame", "Reached configured maximum block 92; terminating", false,
		        { .block = 0 } },
		{ "empty", "", false, { .block = 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct node_seen s = { .block = 0 };
		bool moved = node_seen_line(&s, t[i].line);

		if (moved != t[i].moves || memcmp(&s, &t[i].want, sizeof(s)) != 0)
			fail_msg("%s: moved %d block %u started %u reached %u head %u start '%s' "
			         "stop "
			         "'%s' version '%s'",
			        t[i].name, moved, s.block, s.started, s.reached, s.head,
			        s.start_hash, s.stop_hash, s.version);
	}
}

static void blocks_only_rise(void **state)
{
	struct node_seen s = { .block = 0 };

	(void)state;
	assert_true(node_seen_line(&s, FRAME "controller.cpp:520 replay ] 1500 of 2000"));
	assert_false(node_seen_line(&s, FRAME "controller.cpp:520 replay ] 1000 of 2000"));
	assert_false(node_seen_line(&s, FRAME "controller.cpp:520 replay ] 1500 of 2000"));
	assert_int_equal(s.block, 1500);
}

/* replay-terminate-at-block of a real v4.0.6 whose block log goes on behind the end. */
static void ends_in_a_replay(void **state)
{
	struct node_seen s = { .block = 0 };

	(void)state;
	(void)node_seen_line(&s,
	        FRAME "controller.cpp:2287 replay_push_block ] Reached configured "
	              "maximum block 240; terminating");
	assert_int_equal(s.head, 0);
	(void)node_seen_line(&s,
	        FRAME "chain_plugin.cpp:1117 plugin_startup ] Blockchain started; "
	              "head block is #240");
	assert_int_equal(s.head, 240);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_line),
		cmocka_unit_test(blocks_only_rise),
		cmocka_unit_test(ends_in_a_replay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
