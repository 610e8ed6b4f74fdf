#include "unit/load/golden.h"

/*
 * HDR=DIR keeps the logs there, NAME.hlog: HistogramLogProcessor of Debian's libhdrhistogram-java
 * reads them.
 */

static void keep(const char *name, const char *text, size_t n)
{
	const char *dir = getenv("HDR");
	char path[256];
	FILE *f;

	if (!dir)
		return;
	snprintf(path, sizeof(path), "%s/%s.hlog", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* Lines in order, without gaps and without the warm-up; returns how many. */
static size_t check_lines(const char *text, double end)
{
	const char *at = strstr(text, "\"Interval_Compressed_Histogram\"\n");
	double reached = 0;
	size_t lines = 0;

	assert_non_null(at);
	for (at = strchr(at, '\n') + 1; *at; at = strchr(at, '\n') + 1, lines++) {
		double begin, length, max;
		int n = 0;

		assert_int_equal(
		        sscanf(at, "%lf,%lf,%lf,HISTFAAA%n", &begin, &length, &max, &n), 3);
		assert_true(n > 0);
		assert_float_equal(begin, reached, 0.002);
		reached = begin + length;
	}
	assert_float_equal(reached, end, 0.002);
	return lines;
}

static void log_covers_the_measured_part(void **state)
{
	static const struct {
		enum sample_kind kind;
		size_t lines;
		double end;
	} rows[] = {
		{ SAMPLE_HEALTHY, 60, 60 },
		{ SAMPLE_STALL, 30, 30 },
		{ SAMPLE_FAILED, 3, 3 },
		{ SAMPLE_ONE, 1, 0.0105 },
		{ SAMPLE_DAY, 3600 + 3600 + 468, 86400 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sample *s = sample_new(rows[i].kind, true);
		size_t n;
		char *text = written(&s->report, load_report_hdr, &n);

		keep(sample_name(rows[i].kind), text, n);
		assert_int_equal(strncmp(text, "#[nodeswarm load: latency from ", 31), 0);
		assert_non_null(strstr(text,
		        "#[StartTime: 1795256343.500 (seconds since epoch), "
		        "2026-11-21T10:19:03.500Z]\n"));
		assert_int_equal(check_lines(text, rows[i].end), rows[i].lines);
		free(text);
		sample_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_covers_the_measured_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
