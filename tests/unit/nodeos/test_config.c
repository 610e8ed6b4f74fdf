#include "unit/test.h"

#include "nodeos/config.h"

#include <stdlib.h>
#include <string.h>

#include "unit/nodeos/data.h"

static void parse_ok(struct config_ini *c, const char *text)
{
	struct err e = ERR_INIT;

	if (config_ini_parse(c, "config.ini", text, strlen(text), &e) < 0)
		fail_msg("%s", e.msg);
}

static void assert_text_of(const char *what, const struct config_ini *c, const char *wanted)
{
	AUTO(buf) struct buf b = BUF_INIT(65536);
	struct err e = ERR_INIT;

	assert_int_equal(config_ini_text(c, &b, &e), 0);
	if (strcmp(b.len ? b.data : "", wanted) != 0)
		fail_msg("%s: '%s', not '%s'", what, b.data, wanted);
}

static void assert_text(const struct config_ini *c, const char *wanted)
{
	assert_text_of("text", c, wanted);
}

static void reads_as_boost_does(void **state)
{
	static const struct {
		const char *name, *text, *wanted;
	} t[] = {
		{ "nothing", "", "" },
		{ "blank lines and comments", "\n  \n# a = b\n\t#\n", "" },
		{ "plain", "a = b\n", "a = b\n" },
		{ "no line end", "a=b", "a = b\n" },
		{ "blanks", " \t a\t=  b c \t\r\n", "a = b c\n" },
		{ "comment behind", "a = b # c\n", "a = b\n" },
		{ "comment in a value", "url = http://x/#frag\n", "url = http://x/\n" },
		{ "quotes are kept", "agent-name = \"my # node\"\nd = \"\"\n",
		        "agent-name = \"my\nd = \"\"\n" },
		{ "empty value", "p2p-listen-endpoint =\n", "p2p-listen-endpoint =\n" },
		{ "'=' in a value", "signature-provider = EOS1=KEY:x=y\n",
		        "signature-provider = EOS1=KEY:x=y\n" },
		{ "repeated and in order", "p = 1\nq = 2\np = 3\n", "p = 1\nq = 2\np = 3\n" },
		{ "brackets in a value", "peer-private-key = [\"a\",\"b\"]\n",
		        "peer-private-key = [\"a\",\"b\"]\n" },
		{ "case matters", "A = 1\na = 2\n", "A = 1\na = 2\n" },
		{ "tab inside", "a = b\tc\n", "a = b\tc\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(config_ini) struct config_ini c = CONFIG_INI_INIT;
		AUTO(config_ini) struct config_ini again = CONFIG_INI_INIT;

		parse_ok(&c, t[i].text);
		assert_text_of(t[i].name, &c, t[i].wanted);
		parse_ok(&again, t[i].wanted);
		assert_text_of(t[i].name, &again, t[i].wanted);
	}
}

static void refuses_with_its_place(void **state)
{
	static const struct {
		const char *name, *text, *says;
	} t[] = {
		{ "no '='", "a = b\nenable-stale-production\n",
		        "x.ini:2: no '=' in 'enable-stale-production'" },
		{ "a line is not said with its secret",
		        "signature-provider 5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3\n",
		        "x.ini:1: no '=' in 'signature-provider "
		        "**************************************..."
		        "'" },
		{ "section", "\n\n[net]\n",
		        "x.ini:3: nodeos has no options in sections, but this "
		        "is one: '[net]'" },
		{ "no key", " = b\n", "x.ini:1: '' is not an option's name" },
		{ "blank in the key", "http server = b\n",
		        "x.ini:1: 'http server' is not an option's name" },
		{ "byte-order mark",
		        "\xef\xbb\xbf"
		        "a = b\n",
		        "x.ini:1: '\xef\xbb\xbf"
		        "a' is not an option's name" },
		{ "control character", "a = b\x1b[31m\n",
		        "x.ini:1: the value of 'a' has a control character" },
		{ "delete", "a = b\x7f\n", "x.ini:1: the value of 'a' has a control character" },
		{ "half of windows", "a = b\rc = d\n",
		        "x.ini:1: the value of 'a' has a control character" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(config_ini) struct config_ini c = CONFIG_INI_INIT;
		struct err e = ERR_INIT;

		if (config_ini_parse(&c, "x.ini", t[i].text, strlen(t[i].text), &e) != -1)
			fail_msg("%s: accepted", t[i].name);
		if (strcmp(e.msg, t[i].says) != 0)
			fail_msg("%s: '%s', not '%s'", t[i].name, e.msg, t[i].says);
		assert_int_equal(e.kind, ERR_USAGE);
	}
}

static char *repeat(const char *what, size_t times, const char *then)
{
	size_t n = strlen(what);
	char *s = malloc(n * times + strlen(then) + 1), *p = s;

	assert_non_null(s);
	for (size_t i = 0; i < times; i++)
		p = (char *)mempcpy(p, what, n);
	memcpy(p, then, strlen(then) + 1);
	return s;
}

static void limits(void **state)
{
	static const struct {
		const char *name, *what;
		size_t times;
		const char *then, *says; /* NULL: accepted */
	} t[] = {
		{ "lines", "a=b\n", CONFIG_INI_LINES_MAX, "", NULL },
		{ "one line more", "a=b\n", CONFIG_INI_LINES_MAX, "#", "x: more than 10000 lines" },
		{ "bytes", "#", CONFIG_INI_TEXT_MAX, "", NULL },
		{ "one byte more", "#", CONFIG_INI_TEXT_MAX, "#", "x: more than 1048576 bytes" },
		{ "key", "k", CONFIG_INI_KEY_MAX, " = v", NULL },
		{ "longer key", "k", CONFIG_INI_KEY_MAX + 1, " = v",
		        "x:1: 'kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk...' is "
		        "not "
		        "an option's name" },
		{ "value", "v=v", 1, "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(config_ini) struct config_ini c = CONFIG_INI_INIT;
		AUTO(free) char *text = repeat(t[i].what, t[i].times, t[i].then);
		struct err e = ERR_INIT;
		int rc = config_ini_parse(&c, "x", text, strlen(text), &e);

		if (rc != (t[i].says ? -1 : 0) || (t[i].says && strcmp(e.msg, t[i].says) != 0))
			fail_msg("%s: %d '%s'", t[i].name, rc, e.msg);
	}
}

static void value_limit(void **state)
{
	(void)state;
	for (int more = 0; more < 2; more++) {
		AUTO(config_ini) struct config_ini c = CONFIG_INI_INIT;
		AUTO(free) char *value = repeat("v", CONFIG_INI_VALUE_MAX + (size_t)more, "");
		AUTO(free) char *line = repeat("a=", 1, value);
		struct err e = ERR_INIT;

		assert_int_equal(config_ini_parse(&c, "x", line, strlen(line), &e), -more);
		if (more)
			assert_string_equal(
			        e.msg, "x:1: the value of 'a' has more than 4096 bytes");
		err_clear(&e);
		assert_int_equal(config_ini_set(&c, "b", value, &e), -more);
	}
}

static void a_zero_byte_is_no_text(void **state)
{
	AUTO(config_ini) struct config_ini c = CONFIG_INI_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(config_ini_parse(&c, "x", "a=b\0c", 5, &e), -1);
	assert_string_equal(e.msg, "x: a zero byte; this is no text");
}

static size_t count(const struct config_ini *c, const char *key)
{
	size_t n = 0;

	for (const struct config_entry *x = NULL; (x = config_ini_each(c, key, x));)
		n++;
	return n;
}

static void get_and_each(void **state)
{
	AUTO(config_ini) struct config_ini c = CONFIG_INI_INIT;
	const struct config_entry *x;

	(void)state;
	parse_ok(&c, "p = 1\n\nq = 2\np = 3\n");
	assert_string_equal(config_ini_get(&c, "p"), "3");
	assert_null(config_ini_get(&c, "r"));
	assert_int_equal(count(&c, "p"), 2);
	assert_int_equal(count(&c, NULL), 3);
	x = config_ini_each(&c, "p", NULL);
	assert_int_equal(x->line, 1);
	x = config_ini_each(&c, "p", x);
	assert_int_equal(x->line, 4);
	assert_null(config_ini_each(&c, "p", x));
	assert_null(config_ini_each(&(struct config_ini){ 0 }, NULL, NULL));
}

static void changes(void **state)
{
	AUTO(config_ini) struct config_ini c = CONFIG_INI_INIT;
	struct err e = ERR_INIT;

	(void)state;
	parse_ok(&c, "p = 1\nq = 2\np = 3\nr = 4\np = 5\n");
	assert_int_equal(config_ini_set(&c, "p", "6", &e), 0);
	assert_text(&c, "p = 6\nq = 2\nr = 4\n");
	assert_int_equal(config_ini_each(&c, "p", NULL)->line, 0);
	assert_int_equal(config_ini_each(&c, "q", NULL)->line, 2);
	assert_int_equal(config_ini_set(&c, "s", "", &e), 0);
	assert_int_equal(config_ini_set_default(&c, "s", "x", &e), 0);
	assert_int_equal(config_ini_set_default(&c, "t", "y", &e), 0);
	assert_int_equal(config_ini_add(&c, "q", "7", &e), 0);
	assert_text(&c, "p = 6\nq = 2\nr = 4\ns =\nt = y\nq = 7\n");
	assert_int_equal(config_ini_remove(&c, "q"), 2);
	assert_int_equal(config_ini_remove(&c, "q"), 0);
	assert_text(&c, "p = 6\nr = 4\ns =\nt = y\n");
	for (int i = 0; i < 100; i++)
		assert_int_equal(config_ini_add(&c, "n", "x", &e), 0);
	assert_int_equal(count(&c, "n"), 100);
}

static void never_writes_what_reads_back_otherwise(void **state)
{
	static const char *const bad[] = { "a\nb = c", "a\rb", "a # b", "#", " a", "a ", "\ta",
		"a\t", "a\x01", "a\x7f" };
	AUTO(config_ini) struct config_ini c = CONFIG_INI_INIT;
	struct err e = ERR_INIT;

	(void)state;
	parse_ok(&c, "k = v\n");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		err_clear(&e);
		if (config_ini_set(&c, "k", bad[i], &e) != -1)
			fail_msg("set '%s'", bad[i]);
		err_clear(&e);
		if (config_ini_add(&c, "k", bad[i], &e) != -1)
			fail_msg("add '%s'", bad[i]);
	}
	err_clear(&e);
	assert_int_equal(config_ini_add(&c, "k = x", "v", &e), -1);
	/* The value may be a secret. */
	err_clear(&e);
	assert_int_equal(config_ini_add(&c, "signature-provider", "5KQw\n", &e), -1);
	assert_null(strstr(e.msg, "5KQw"));
	assert_text(&c, "k = v\n");
}

static void text_keeps_to_the_limit(void **state)
{
	AUTO(config_ini) struct config_ini c = CONFIG_INI_INIT;
	AUTO(buf) struct buf b = BUF_INIT(5);
	struct err e = ERR_INIT;

	(void)state;
	parse_ok(&c, "a = bc\n");
	assert_int_equal(config_ini_text(&c, &b, &e), -1);
	assert_string_equal(e.msg, "config.ini would have more than 5 bytes");
}

static void booleans(void **state)
{
	static const struct {
		const char *text;
		int value; /* -1: none */
	} t[] = {
		{ "true", 1 },
		{ "TRUE", 1 },
		{ "on", 1 },
		{ "yes", 1 },
		{ "1", 1 },
		{ "", 1 },
		{ "false", 0 },
		{ "False", 0 },
		{ "off", 0 },
		{ "no", 0 },
		{ "0", 0 },
		{ "2", -1 },
		{ "y", -1 },
		{ "true ", -1 },
		{ "\"true\"", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		bool v = t[i].value != 1;
		int rc = config_ini_bool(&v, t[i].text);

		if (rc != (t[i].value < 0 ? -1 : 0) || (rc == 0 && v != t[i].value))
			fail_msg("'%s': %d %d", t[i].text, rc, v);
	}
}

static void real_ones(void **state)
{
	AUTO(config_ini) struct config_ini c = CONFIG_INI_INIT;
	AUTO(buf) struct buf b = BUF_INIT(CONFIG_INI_TEXT_MAX);

	(void)state;
	data_load(&b, "config-producer-A.ini");
	parse_ok(&c, b.data);
	assert_int_equal(c.n, 18);
	assert_int_equal(count(&c, "plugin"), 9);
	assert_text(&c, b.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_as_boost_does),
		cmocka_unit_test(refuses_with_its_place),
		cmocka_unit_test(limits),
		cmocka_unit_test(value_limit),
		cmocka_unit_test(a_zero_byte_is_no_text),
		cmocka_unit_test(get_and_each),
		cmocka_unit_test(changes),
		cmocka_unit_test(never_writes_what_reads_back_otherwise),
		cmocka_unit_test(text_keeps_to_the_limit),
		cmocka_unit_test(booleans),
		cmocka_unit_test(real_ones),
	};

	return cmocka_run_group_tests_name("nodeos/config", tests, NULL, NULL);
}
