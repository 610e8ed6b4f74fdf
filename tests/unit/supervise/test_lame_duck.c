#include "unit/test.h"

#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "supervise/supervise.h"

static void intervals(void **state)
{
	static const struct {
		const char *text;
		int64_t lame_ms; /* -1: refused */
	} rows[] = {
		{ "1s", 3000 },
		{ "250ms", 750 },
		{ "500ms", 1500 },
		{ "60s", 180000 },
		{ "2000ms", 6000 },
		{ "249ms", -1 },
		{ "0s", -1 },
		{ "61s", -1 },
		{ "99999999999999999999s", -1 },
		/* What only one of the two would read, or both differently. */
		{ "1", -1 },
		{ "1m", -1 },
		{ "1.5s", -1 },
		{ "1m30s", -1 },
		{ "1 s", -1 },
		{ "1S", -1 },
		{ "-1s", -1 },
		{ "s", -1 },
		{ "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		int64_t ns = -1;
		int rc = supervise_lame_duck(&ns, rows[i].text, &e);

		if (rows[i].lame_ms < 0) {
			if (rc == 0)
				fail_msg("'%s' was taken", rows[i].text);
			assert_int_equal(e.kind, ERR_USAGE);
			assert_int_equal(ns, -1);
		} else if (rc < 0 || ns != rows[i].lame_ms * NS_PER_MS) {
			fail_msg("'%s': %s %lld", rows[i].text, e.msg, (long long)ns);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(intervals) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
