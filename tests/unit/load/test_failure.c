#include "unit/test.h"

#include "load/failure.h"

#include <ctype.h>
#include <string.h>

static void names_and_texts(void **state)
{
	(void)state;
	for (enum load_class c = 0; c < LOAD_CLASSES; c++) {
		const char *name = load_class_name(c);

		assert_true(strlen(name) >= 2 && strlen(name) <= 12);
		for (const char *p = name; *p; p++)
			assert_true(islower((unsigned char)*p) || *p == '-');
		assert_true(strlen(load_class_text(c)) >= 10 && strlen(load_class_text(c)) <= 70);
		for (enum load_class d = 0; d < c; d++)
			assert_string_not_equal(name, load_class_name(d));
	}
	assert_string_equal(load_class_name(LOAD_OK), "ok");
	assert_string_equal(load_class_name(LOAD_HEAD_BACK), "head-back");
	assert_string_equal(load_class_name(LOAD_LOCAL), "local");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
