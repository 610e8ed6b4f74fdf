#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake/load_sample.h"
#include "unit/load/golden.h"

static void text_is_as_kept(void **state)
{
	static const enum sample_kind kinds[] = { SAMPLE_HEALTHY, SAMPLE_STALL, SAMPLE_FAILED,
		SAMPLE_ONE, SAMPLE_SLOTS };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		golden(kinds[i], "txt", load_report_text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_as_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
