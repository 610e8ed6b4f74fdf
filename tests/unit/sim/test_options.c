#include "unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "sim/options.h"

#define FILE_NAME "/c/config.ini"

struct row {
	const char *name;
	const char *args[8];        /* after argv[0] */
	const char *file;           /* or NULL */
	const char *failure;        /* its last line, or NULL for success */
	const char *option, *value; /* what is to be found then */
};

#define WHAT "std::exception::what: "

static const struct row rows[] = {
	{ "separate value", { "--data-dir", "/x" }, NULL, NULL, "data-dir", "/x" },
	{ "joined value", { "--data-dir=/x" }, NULL, NULL, "data-dir", "/x" },
	{ "joined empty value", { "--p2p-listen-endpoint=" }, NULL, NULL, "p2p-listen-endpoint",
	        "" },
	{ "letter", { "-d", "/x" }, NULL, NULL, "data-dir", "/x" },
	{ "letter, joined", { "-d/x" }, NULL, NULL, "data-dir", "/x" },
	{ "switch", { "-e" }, NULL, NULL, "enable-stale-production", "true" },
	{ "many for one", { "--producer-name", "a", "b", "-e" }, NULL, NULL, "producer-name", "a" },
	{ "file", { 0 }, "max-clients = 7\n", NULL, "max-clients", "7" },
	{ "comment and blanks", { 0 }, "# x\n\n  max-clients=7   # y\n", NULL, "max-clients", "7" },
	{ "command line wins", { "--max-clients", "3" }, "max-clients = 7\n", NULL, "max-clients",
	        "3" },
	{ "default", { 0 }, NULL, NULL, "max-clients", "25" },
	{ "unknown argument", { "--no-such-option" }, NULL,
	        WHAT "Unknown option '--no-such-option' passed as command line argument" },
	{ "unknown argument with value", { "--nope=3" }, NULL,
	        WHAT "Unknown option '--nope' passed as command line argument" },
	{ "stray word", { "word" }, NULL,
	        WHAT "Unknown option 'word' passed as command line argument" },
	{ "unknown key", { 0 }, "no-such-option = 1\n",
	        WHAT "Unknown option 'no-such-option' inside the config file " FILE_NAME },
	{ "command line only", { 0 }, "replay-blockchain = true\n",
	        WHAT "Unknown option 'replay-blockchain' inside the config file " FILE_NAME },
	{ "key in a section", { 0 }, "[net]\nmax-clients = 1\n",
	        WHAT "Unknown option 'net.max-clients' inside the config file " FILE_NAME },
	{ "bad value", { 0 }, "max-clients = many\n",
	        WHAT "the argument ('many') for option 'max-clients' is invalid" },
	{ "bad value, command line", { "--max-clients=many" }, NULL,
	        WHAT "the argument ('many') for option '--max-clients' is invalid" },
	{ "too large", { 0 }, "net-threads = 65536\n",
	        WHAT "the argument ('65536') for option 'net-threads' is invalid" },
	{ "bad choice", { 0 }, "read-mode = sideways\n",
	        WHAT "the argument ('sideways') for option 'read-mode' is invalid" },
	{ "choice", { 0 }, "read-mode = irreversible\n", NULL, "read-mode", "irreversible" },
	{ "empty path", { 0 }, "blocks-archive-dir =\n",
	        WHAT "the argument for option 'blocks-archive-dir' is invalid" },
	{ "twice", { 0 }, "max-clients = 1\nmax-clients = 1\n",
	        WHAT "option 'max-clients' cannot be specified more than once" },
	{ "twice, command line", { "-d", "a", "--data-dir=b" }, NULL,
	        WHAT "option '--data-dir' cannot be specified more than once" },
	{ "no value", { "--data-dir" }, NULL,
	        WHAT "the required argument for option '--data-dir' is missing" },
	{ "option as value", { "--data-dir", "--version" }, NULL,
	        WHAT "the required argument for option '--data-dir' is missing" },
	{ "switch with value", { "--version=1" }, NULL,
	        WHAT "option '--version' does not take any arguments" },
	{ "bad switch", { 0 }, "enable-stale-production = maybe\n",
	        WHAT
	        "the argument ('maybe') for option 'enable-stale-production' is invalid. Valid "
	        "choices are 'on|off', 'yes|no', '1|0' and 'true|false'" },
	{ "line without =", { 0 }, "hello\n",
	        WHAT "the options configuration file contains an invalid line 'hello'" },
	{ "file of the producer A", { 0 },
	        "plugin = eosio::chain_plugin\nplugin = eosio::http_plugin\n"
	        "http-max-response-time-ms = 500\nenable-stale-production = true\n"
	        "producer-name = eosio\n",
	        NULL, "http-max-response-time-ms", "500" },
};

static void run(const struct row *r)
{
	AUTO(options_free) struct options *o = options_new();
	char name[] = "nodesim", *argv[10] = { name };
	struct fail f = FAIL_INIT;
	int argc = 1, rc;

	for (size_t i = 0; i < 8 && r->args[i]; i++)
		argv[argc++] = strdup(r->args[i]);
	rc = options_parse_args(o, argc, argv, &f);
	if (rc == 0 && r->file)
		rc = options_read_config(o, r->file, FILE_NAME, &f);
	for (int i = 1; i < argc; i++)
		free(argv[i]);
	if (r->failure) {
		const char *last = strrchr(f.text, '\n');

		if (rc == 0 || !last || strcmp(last + 1, r->failure) != 0)
			fail_msg("row '%s': rc %d, '%s'", r->name, rc, f.text);
		assert_int_equal(f.status, 254);
		return;
	}
	if (rc < 0)
		fail_msg("row '%s': %s", r->name, f.text);
	if (strcmp(option_text(o, r->option), r->value) != 0)
		fail_msg("row '%s': '%s'", r->name, option_text(o, r->option));
}

static void options_are_read_as_nodeos_reads_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		run(&rows[i]);
}

static void lists_are_joined(void **state)
{
	AUTO(options_free) struct options *o = options_new();
	char a[] = "nodesim", b[] = "--p2p-peer-address=x:1", *argv[] = { a, b };
	struct fail f = FAIL_INIT;
	const struct strvec *list;

	(void)state;
	assert_int_equal(options_parse_args(o, 2, argv, &f), 0);
	assert_int_equal(options_read_config(o, "p2p-peer-address = y:2\np2p-peer-address = z:3\n",
	                         FILE_NAME, &f),
	        0);
	list = option_list(o, "p2p-peer-address");
	assert_int_equal(list->n, 3);
	assert_string_equal(list->v[0], "x:1");
	assert_string_equal(list->v[2], "z:3");
}

static void what_is_not_simulated_is_named(void **state)
{
	AUTO(options_free) struct options *o = options_new();
	struct fail f = FAIL_INIT;

	(void)state;
	assert_null(options_not_simulated(o));
	/* The default of unix-socket-path says nothing. */
	assert_int_equal(options_read_config(o, "unix-socket-path =\n", FILE_NAME, &f), 0);
	assert_null(options_not_simulated(o));
	assert_int_equal(options_read_config(o, "blocks-log-stride = 10\n", FILE_NAME, &f), 0);
	assert_string_equal(options_not_simulated(o), "blocks-log-stride");
}

static void the_template_holds_only_comments_and_no_key(void **state)
{
	AUTO(options_free) struct options *o = options_new();
	AUTO(free) char *text = options_template();
	struct fail f = FAIL_INIT;

	(void)state;
	assert_non_null(text);
	assert_non_null(strstr(text, "# p2p-peer-address ="));
	assert_null(strstr(text, "5KQ"));
	assert_null(strstr(text, "replay-blockchain"));
	assert_int_equal(options_read_config(o, text, FILE_NAME, &f), 0);
	for (size_t i = 0; i < option_table_size; i++)
		assert_false(option_given(o, option_table[i].name));
}

static void help_names_every_option_and_knob(void **state)
{
	AUTO(free) char *text = options_help();

	(void)state;
	for (size_t i = 0; i < option_table_size; i++)
		assert_non_null(strstr(text, option_table[i].name));
	assert_non_null(strstr(text, "NODESIM_SYNC_RATE"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_read_as_nodeos_reads_them),
		cmocka_unit_test(lists_are_joined),
		cmocka_unit_test(what_is_not_simulated_is_named),
		cmocka_unit_test(the_template_holds_only_comments_and_no_key),
		cmocka_unit_test(help_names_every_option_and_knob),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
