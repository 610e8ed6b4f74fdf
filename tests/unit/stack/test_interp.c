#include "unit/stack/model.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/strvec.h"
#include "stack/interp_priv.h"
#include "stack/shell_priv.h"

static void variables(void **state)
{
	static const struct {
		const char *text, *want; /* want NULL: refused */
	} rows[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "$SET", "value" },
		{ "${SET}", "value" },
		{ "a${SET}b$SET-c",
		        "avalueb"
		        "value-c" },
		{ "$UNSET", "" },
		{ "[${UNSET}]", "[]" },
		{ "${UNSET:-d}", "d" },
		{ "${EMPTY:-d}", "d" },
		{ "${SET:-d}", "value" },
		{ "${UNSET-d}", "d" },
		{ "${EMPTY-d}", "" },
		{ "${SET-d}", "value" },
		{ "${UNSET:-}", "" },
		{ "${UNSET:-a:-b}", "a:-b" },
		{ "${UNSET:-a-b?c}", "a-b?c" },
		{ "${UNSET:-/a b/c.d}", "/a b/c.d" },
		{ "${SET:?gone}", "value" },
		{ "${SET?gone}", "value" },
		{ "${EMPTY?gone}", "" },
		{ "${EMPTY:?gone}", NULL },
		{ "${UNSET?gone}", NULL },
		{ "${UNSET:?has-a-dash}", NULL },
		{ "$$", "$" },
		{ "$$SET", "$SET" },
		{ "$$$SET", "$value" },
		{ "$${SET}", "${SET}" },
		{ "{{.Task.Slot}}", "{{.Task.Slot}}" },
		{ "{{.Task.Slot}}-${SET}", "{{.Task.Slot}}-value" },
		{ "${UNSET:-{{.Task.Slot}}}", "{{.Task.Slot}}" },
		{ "${SET:-{{.Task.Slot}}}", "value" },
		{ "${UNSET:-{a}}", "{a}" },
		/* What a variable holds is not looked at again. */
		{ "$DOLLAR", "$SET" },
		{ "${DOLLAR}", "$SET" },
		{ "$", NULL },
		{ "a$ b", NULL },
		{ "$1", NULL },
		{ "${", NULL },
		{ "${}", NULL },
		{ "${SET", NULL },
		{ "${SET:}", NULL },
		{ "${SET:+x}", NULL },
		{ "${SET+x}", NULL },
		{ "${SET:-", NULL },
		{ "${SET:-{{a}", NULL },
		{ "${SET x}", NULL },
		{ "${-x}", NULL },
		{ "${UNSET:-${SET}}", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf) struct buf out = BUF_INIT(1000);
		struct err e = ERR_INIT;
		bool changed;
		int rc = interp_expand(&out, rows[i].text, &model_vars, &changed, &e);

		if ((rc == 0) != (rows[i].want != NULL))
			fail_msg("%s: %s", rows[i].text, rc ? e.msg : "was taken");
		if (rc == 0 && strcmp(out.data, rows[i].want) != 0)
			fail_msg("%s: %s", rows[i].text, out.data);
		if (rc == 0 && changed != (strchr(rows[i].text, '$') != NULL))
			fail_msg("%s: changed %d", rows[i].text, changed);
	}
}

static void result_is_bounded(void **state)
{
	AUTO(buf) struct buf out = BUF_INIT(9);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(interp_expand(&out, "$SET$SET", &model_vars, NULL, &e), -1);
	assert_string_equal(e.msg, "more than 9 bytes after variables");
	assert_int_equal(e.kind, ERR_USAGE);
}

static void long_names_are_refused(void **state)
{
	AUTO(buf) struct buf out = BUF_INIT(1000);
	struct err e = ERR_INIT;
	char text[300];

	(void)state;
	memset(text, 'A', sizeof(text));
	text[0] = '$';
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(interp_expand(&out, text, &model_vars, NULL, &e), -1);
	assert_string_equal(
	        e.msg, "the name of variable 'AAAAAAAAAAAAAAAAAAAA...' is longer than 127");
}

static void words(void **state)
{
	static const struct {
		const char *text, *want; /* words joined by '|'; NULL: refused */
	} rows[] = {
		{ "", "" },
		{ "  \t\n", "" },
		{ "a", "a" },
		{ " a  b\tc\n", "a|b|c" },
		{ "'a b' c", "a b|c" },
		{ "\"a b\" c", "a b|c" },
		{ "a'b'\"c\"d", "abcd" },
		{ "''", "" },
		{ "a '' b", "a||b" },
		{ "'a\\b'", "a\\b" },
		{ "\"a\\\"b\\c\"", "a\"bc" },
		{ "a\\ b", "a b" },
		{ "\\'", "'" },
		{ "a#b", "a#b" },
		{ "a \\#b '#c'", "a|#b|#c" },
		{ "a | b > c; d & e", "a|||b|>|c;|d|&|e" },
		{ "a *", "a|*" },
		{ "'a", NULL },
		{ "\"a", NULL },
		{ "\"a\\", NULL },
		{ "a\\", NULL },
		{ "a # b", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(strvec) struct strvec v = STRVEC_INIT;
		struct err e = ERR_INIT;
		char got[200] = "";
		int rc = shell_split(&v, rows[i].text, &e);

		if ((rc == 0) != (rows[i].want != NULL))
			fail_msg("%s: %s", rows[i].text, rc ? e.msg : "was taken");
		for (size_t k = 0; k < v.n; k++) {
			size_t n = strlen(got);

			(void)snprintf(got + n, sizeof(got) - n, "%s%s", k ? "|" : "", v.v[k]);
		}
		if (rc == 0 && strcmp(got, rows[i].want) != 0)
			fail_msg("%s: %s", rows[i].text, got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(variables),
		cmocka_unit_test(result_is_bounded),
		cmocka_unit_test(long_names_are_refused),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests_name("stack/interp", tests, NULL, NULL);
}
