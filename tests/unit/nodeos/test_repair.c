#include "unit/test.h"

#include "nodeos/repair.h"

#include <string.h>

static void names(void **state)
{
	(void)state;
	for (unsigned r = 0; r < REPAIR_N; r++)
		assert_int_equal(data_repair_from_name(data_repair_name((enum data_repair)r)), r);
	assert_int_equal(data_repair_from_name("pray"), REPAIR_N);
	assert_int_equal(data_repair_from_name(""), REPAIR_N);
	assert_string_equal(data_repair_name(REPAIR_N), "unknown");
	assert_string_equal(data_repair_name(REPAIR_HARD_REPLAY), "hard-replay");
}

static void the_cheapest_comes_first(void **state)
{
	static const struct {
		unsigned set;
		enum data_repair cheapest;
	} t[] = {
		{ 0, REPAIR_NONE },
		{ REPAIR_BIT(REPAIR_NONE), REPAIR_NONE },
		{ REPAIR_BIT(REPAIR_SNAPSHOT), REPAIR_SNAPSHOT },
		{ REPAIR_BIT(REPAIR_SNAPSHOT) | REPAIR_BIT(REPAIR_HARD_REPLAY),
		        REPAIR_HARD_REPLAY },
		{ REPAIR_BIT(REPAIR_REPLAY) | REPAIR_BIT(REPAIR_GENERATION), REPAIR_GENERATION },
		{ ~0U, REPAIR_INDEX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(data_repair_cheapest(t[i].set), t[i].cheapest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(the_cheapest_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
