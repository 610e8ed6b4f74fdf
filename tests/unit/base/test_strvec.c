#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strvec.h"

static void always_ready_for_exec(void **state)
{
	struct strvec sv = STRVEC_INIT;
	char want[16];

	(void)state;
	assert_null(sv.v);
	for (int i = 0; i < 300; i++) {
		int rc = i % 3 == 0 ? strvec_add_fmt(&sv, "s%d", i)
		        : i % 3 == 1
		        ? strvec_add(&sv, (snprintf(want, sizeof(want), "s%d", i), want))
		        : strvec_add_take(&sv, strdup("taken"));

		assert_int_equal(rc, 0);
		assert_int_equal(sv.n, i + 1);
		assert_null(sv.v[sv.n]);
	}
	assert_string_equal(sv.v[0], "s0");
	assert_string_equal(sv.v[298], "s298");
	assert_string_equal(sv.v[299], "taken");
	strvec_release(&sv);
	assert_int_equal(sv.n, 0);
	assert_null(sv.v);
	strvec_release(&sv);
}

static void a_missing_string_is_an_error(void **state)
{
	struct strvec sv = STRVEC_INIT;

	(void)state;
	assert_int_equal(strvec_add_take(&sv, NULL), -1);
	assert_int_equal(strvec_add(&sv, "a"), 0);
	assert_int_equal(strvec_add_take(&sv, NULL), -1);
	assert_int_equal(sv.n, 1);
	strvec_release(&sv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(always_ready_for_exec),
		cmocka_unit_test(a_missing_string_is_an_error),
	};

	return cmocka_run_group_tests_name("base/strvec", tests, NULL, NULL);
}
