#include "unit/test.h"

#include "base/compiler.h"
#include "base/str.h"
#include "base/suggest.h"

static void suggestions(void **state)
{
	static const char *const words[] = { "up", "status", "scale", "stop", "down", "version" };
	static const struct {
		const char *word, *want;
	} rows[] = {
		{ "statsu", "status" },
		{ "stat", "status" },
		{ "scael", "scale" },
		{ "pu", NULL },
		{ "u", "up" },
		{ "xyz", NULL },
		{ "", NULL },
		{ "stp", "stop" },
		{ "versionn", "version" },
		{ "VERSION", NULL },
		{ "dwon", "down" },
		{ "st", "status" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct suggest s;

		suggest_start(&s, rows[i].word);
		for (size_t k = 0; k < ARRAY_LEN(words); k++)
			suggest_offer(&s, words[k]);
		if (!str_eq(s.best, rows[i].want))
			fail_msg("'%s' suggests '%s', want '%s'", rows[i].word,
			        s.best ? s.best : "(nothing)",
			        rows[i].want ? rows[i].want : "(nothing)");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(suggestions),
	};

	return cmocka_run_group_tests_name("base/suggest", tests, NULL, NULL);
}
