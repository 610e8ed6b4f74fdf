#include "unit/test.h"

#include "nodeos/options.h"

#include <stdio.h>
#include <string.h>

static void args(void **state)
{
	static const struct {
		const char *args[6];
		const char *says; /* NULL: fine */
	} t[] = {
		{ { NULL }, NULL },
		{ { "--force-all-checks" }, NULL },
		{ { "--plugin", "eosio::trace_api_plugin", "--trace-no-abis" }, NULL },
		{ { "--agent-name=x", "--max-clients", "100" }, NULL },
		{ { "--max-irreversible-block-age", "-1" }, NULL },
		{ { "-e" }, NULL },
		{ { "-ex" }, NULL },
		{ { "-l", "logging.json" }, NULL },
		{ { "-ldir/replay.json" }, NULL },
		{ { "--disable-replay-opts" }, NULL },
		{ { "--snapshots" }, "can stand for '--snapshots-dir'" },
		{ { "--replay-blockchain" }, "'--replay-blockchain' is refused: it deletes" },
		{ { "-e", "--replay-blockchain" }, "'--replay-blockchain' is refused" },
		{ { "--hard-replay-blockchain" }, "leaves a copy of all blocks" },
		{ { "--replay" }, "'--replay' is refused: it can stand for '--replay-blockchain'" },
		{ { "--tru=5" }, "'--tru' is refused: it can stand for '--truncate-at-block'" },
		{ { "--" }, "behind '--'" },
		{ { "--=x" }, "'--' is refused: it can stand for" },
		{ { "--snapshot", "x.bin" }, "'--snapshot' is refused: nodeos takes it" },
		{ { "--snapshot=x.bin" }, "'--snapshot' is refused: nodeos takes it" },
		{ { "--agent-name", "--snapshot" }, "'--snapshot' is refused" },
		{ { "--genesis-json", "g.json" }, "'--genesis-json' is refused" },
		{ { "--delete-all-blocks" }, "it deletes the chain" },
		{ { "--terminate-at-block", "5" }, "'--terminate-at-block' is refused" },
		{ { "--data-dir", "/x" }, "'--data-dir' is refused" },
		{ { "-d", "/x" }, "'-d' (--data-dir) is refused" },
		{ { "-d/x" }, "'-d' (--data-dir) is refused" },
		{ { "-exd/x" }, "'-d' (--data-dir) is refused" },
		{ { "-c", "x" }, "'-c' (--config) is refused" },
		{ { "-p", "eosio" }, "'-p' (--producer-name) is refused" },
		{ { "-h" }, "'-h' (--help) is refused: nodeos would print" },
		{ { "-v" }, "'-v' (--version) is refused" },
		{ { "-z" }, "no option '-z'" },
		{ { "--version" }, "'--version' is refused: nodeos would print" },
		{ { "--print-genesis-json" }, "nodeos would print something and end" },
		{ { "--extract-build-info", "x" }, "nodeos would print something and end" },
		{ { "--signature-provider=EOS=KEY:5K" }, "can read a command line" },
		{ { "--http-server-address", "x" }, "belongs in config.ini, where it is checked" },
		{ { "--deep-mind" }, "limits the rate" },
		{ { "nodeos" }, "first argument of nodeos is no option" },
		{ { "-" }, "first argument of nodeos is no option" },
		{ { "" }, "first argument of nodeos is no option" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char *argv[8] = { (char[]){ "nodeos" } }, copy[6][64];
		struct err e = ERR_INIT;
		int rc;

		for (size_t k = 0; k < 6 && t[i].args[k]; k++) {
			snprintf(copy[k], sizeof(copy[k]), "%s", t[i].args[k]);
			argv[k + 1] = copy[k];
		}
		rc = nodeos_args_check(argv, &e);
		if (rc != (t[i].says ? -1 : 0) || (t[i].says && !strstr(e.msg, t[i].says)))
			fail_msg("%s: %d '%s'", t[i].args[0], rc, e.msg);
		if (rc < 0)
			assert_int_equal(e.kind, ERR_USAGE);
		/* The value of a secret option is nowhere. */
		assert_null(strstr(e.msg, "5K"));
	}
	assert_int_equal(nodeos_args_check((char *[]){ NULL }, &(struct err){ 0 }), 0);
}

static void each_rule_has_its_reason(void **state)
{
	(void)state;
	for (const struct nodeos_option_rule *r = nodeos_option_rules; r->key; r++) {
		if (!r->refused || !r->reason || !*r->reason)
			fail_msg("%s has no reason", r->key);
		for (const struct nodeos_option_rule *s = r + 1; s->key; s++)
			if (strcmp(r->key, s->key) == 0)
				fail_msg("%s stands twice", r->key);
		assert_true(nodeos_option_refused(r->key, r->refused) == r);
	}
}

static void places(void **state)
{
	(void)state;
	assert_non_null(nodeos_option_refused("snapshot", NODEOS_OPTION_FILE));
	assert_non_null(nodeos_option_refused("snapshot", NODEOS_OPTION_ARGS));
	assert_null(nodeos_option_refused("http-server-address", NODEOS_OPTION_FILE));
	assert_non_null(nodeos_option_refused("http-server-address", NODEOS_OPTION_ARGS));
	assert_non_null(nodeos_option_refused("force-all-checks", NODEOS_OPTION_FILE));
	assert_null(nodeos_option_refused("force-all-checks", NODEOS_OPTION_ARGS));
	assert_null(nodeos_option_refused("max-clients", NODEOS_OPTION_NOWHERE));
	assert_true(nodeos_option_is_list("p2p-peer-address"));
	assert_false(nodeos_option_is_list("http-server-address"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(args),
		cmocka_unit_test(each_rule_has_its_reason),
		cmocka_unit_test(places),
	};

	return cmocka_run_group_tests_name("nodeos/options", tests, NULL, NULL);
}
