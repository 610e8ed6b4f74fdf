#include "unit/load/golden.h"

static void series_is_as_kept(void **state)
{
	static const enum sample_kind kinds[] = { SAMPLE_STALL, SAMPLE_FAILED, SAMPLE_ONE,
		SAMPLE_SLOTS };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		golden(kinds[i], "csv", load_report_csv);
}

static size_t fields(const char *line, size_t n)
{
	size_t commas = 0;

	for (size_t i = 0; i < n; i++)
		commas += line[i] == ',';
	return commas + 1;
}

static void lines_have_equal_fields(void **state)
{
	(void)state;
	for (enum sample_kind kind = 0; kind < SAMPLE_DAY; kind++) {
		struct sample *s = sample_new(kind, false);
		size_t n, lines = 0, want = 0;
		char *text = written(&s->report, load_report_csv, &n);

		for (const char *at = text; *at; lines++) {
			const char *end = strstr(at, "\r\n");

			assert_non_null(end);
			if (!want)
				want = fields(at, (size_t)(end - at));
			assert_int_equal(fields(at, (size_t)(end - at)), want);
			at = end + 2;
		}
		assert_int_equal(lines, s->report.n_points + 1);
		free(text);
		sample_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(series_is_as_kept),
		cmocka_unit_test(lines_have_equal_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
