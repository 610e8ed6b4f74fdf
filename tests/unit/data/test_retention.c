#include "unit/test.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "data/generation.h"

#define DAY (24 * 3600 * NS_PER_SEC)
#define GIB (1ULL << 30)

static void limits_are_parsed(void **state)
{
	static const struct {
		const char *text;
		struct retention want;
	} cases[] = {
		{ "", { 0 } },
		{ "count=3", { .count = 3 } },
		{ "age=7d", { .age_ns = 7 * DAY } },
		{ "age=36h", { .age_ns = 36 * 3600 * NS_PER_SEC } },
		{ "bytes=500G", { .bytes = 500 * GIB } },
		{ "min=2", { .min = 2 } },
		{ "count=3,age=7d,bytes=500G,min=2",
		        { .count = 3, .age_ns = 7 * DAY, .bytes = 500 * GIB, .min = 2 } },
		{ "bytes=1,count=1000", { .count = 1000, .bytes = 1 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct retention r = { .count = 77 };
		struct err e = ERR_INIT;
		const struct retention *w = &cases[i].want;

		if (retention_parse(&r, cases[i].text, &e) < 0)
			fail_msg("'%s': %s", cases[i].text, e.msg);
		if (r.count != w->count || r.age_ns != w->age_ns || r.bytes != w->bytes ||
		        r.min != w->min)
			fail_msg("'%s'", cases[i].text);
	}
}

static void nonsense_is_refused(void **state)
{
	static const char *const cases[] = { "count", "count=", "=3", ",", "count=3,", ",count=3",
		"count=0", "count=-1", "count=1001", "count=3,count=4", "age=0", "age=0s", "age=x",
		"bytes=0", "bytes=1x", "min=0", "keep=3", "count =3", "count=3 ", "Count=3",
		"age=7d,,bytes=1", "count=3;age=7d" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct retention r = { .count = 77 };
		struct err e = ERR_INIT;

		if (retention_parse(&r, cases[i], &e) != -1 || e.kind != ERR_USAGE || !e.hint[0] ||
		        !strstr(e.msg, cases[i]))
			fail_msg("'%s': %s", cases[i], e.msg);
		assert_int_equal(r.count, 77);
	}
}

/* Oldest first: '.' one that is like the others, 'c' current, 'u' in use, '?' unreadable.  The
 * newest is a day old and has 10 bytes, the one before it two days ... */
static void plans(void **state)
{
	static const struct {
		const char *what, *list;
		struct retention r;
		const char *want; /* 'x' goes */
	} cases[] = {
		{ "none", "", { .count = 1 }, "" },
		{ "no limit", ".....", { 0 }, "-----" },
		{ "count", ".....", { .count = 3 }, "xx---" },
		{ "count is enough", "...", { .count = 3 }, "---" },
		{ "current counts where it is", "....c", { .count = 2 }, "xxx--" },
		{ "current in the middle", "..c..", { .count = 2 }, "xx---" },
		{ "current in the middle, one", "..c..", { .count = 1 }, "xx-x-" },
		{ "current is the oldest", "c....", { .count = 1 }, "-xxx-" },
		{ "in use", "u.u..", { .count = 1 }, "-x-x-" },
		{ "unreadable", "?.?.?", { .count = 1 }, "-x---" },
		{ "unreadable do not count", "...??", { .count = 2 }, "x----" },
		{ "only unreadable", "???", { .count = 1, .age_ns = 1, .bytes = 1 }, "---" },
		{ "age", ".....", { .age_ns = 3 * DAY }, "xx---" },
		{ "age and current", ".c...", { .age_ns = 2 * DAY }, "x-x--" },
		{ "the newest is kept", ".....", { .age_ns = 1 }, "xxxx-" },
		{ "the newest that can be read", "...??", { .age_ns = 1 }, "xx---" },
		{ "min", ".....", { .age_ns = 1, .min = 3 }, "xx---" },
		{ "bytes", ".....", { .bytes = 35 }, "xx---" },
		{ "bytes, to the byte", ".....", { .bytes = 30 }, "xx---" },
		{ "bytes, one less", ".....", { .bytes = 29 }, "xxx--" },
		{ "bytes less than one", ".....", { .bytes = 1 }, "xxxx-" },
		{ "bytes and in use", "u....", { .bytes = 20 }, "-xx--" },
		{ "the strictest says it", ".....", { .count = 4, .age_ns = 3 * DAY, .bytes = 20 },
		        "xxx--" },
		{ "min against all", ".....", { .count = 1, .age_ns = 1, .bytes = 1, .min = 2 },
		        "xxx--" },
	};
	const int64_t now = 1700000000 * NS_PER_SEC;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct generation v[8] = { 0 };
		struct generations g = { .v = v, .n = strlen(cases[i].list) };
		bool gone[8];
		char got[9] = "";

		for (size_t k = 0; k < g.n; k++) {
			v[k].m.created_ns = now - (int64_t)(g.n - k) * DAY;
			v[k].data_bytes = 10;
			v[k].is_current = cases[i].list[k] == 'c';
			v[k].is_in_use = cases[i].list[k] == 'u';
			if (cases[i].list[k] == '?')
				(void)err_set(&v[k].err, ERR_PROTOCOL, "broken");
		}
		retention_plan(gone, &g, &cases[i].r, now);
		for (size_t k = 0; k < g.n; k++)
			got[k] = gone[k] ? 'x' : '-';
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s: %s, not %s", cases[i].what, got, cases[i].want);
	}
}

/* The newest of the source count, and nothing else of anybody's goes. */
static void only_of_one_source(void **state)
{
	static const struct {
		const char *source, *origin;
		bool goes;
	} rows[] = {
		{ "s_archivist.1", "archive", true },
		{ "s_archivist.1", "pull", false },
		{ "/root/data", "import", false },
		{ "s_archivist.10", "archive", false },
		{ "s_readers.1", "archive", false },
		{ "s_archivist.1", "archive", true },
		{ "s_archivist.1", "archive", false },
		{ "s_readers.1", "archive", false },
		{ "", "archive", false },
	};
	struct generation v[ARRAY_LEN(rows)] = { 0 };
	struct generations g = { .v = v, .n = ARRAY_LEN(rows) };
	struct retention r = { .count = 1, .source = "s_archivist.1" };
	bool gone[ARRAY_LEN(rows)];

	(void)state;
	for (size_t i = 0; i < g.n; i++) {
		(void)snprintf(v[i].m.source, sizeof(v[i].m.source), "%s", rows[i].source);
		(void)snprintf(v[i].m.origin, sizeof(v[i].m.origin), "%s", rows[i].origin);
	}
	retention_plan(gone, &g, &r, 0);
	for (size_t i = 0; i < g.n; i++)
		if (gone[i] != rows[i].goes)
			fail_msg("%zu: %s of '%s'", i, rows[i].origin, rows[i].source);
}

static void sums_do_not_overflow(void **state)
{
	struct generation v[3] = { { .data_bytes = UINT64_MAX }, { .data_bytes = UINT64_MAX },
		{ .data_bytes = 5 } };
	struct generations g = { .v = v, .n = 3 };
	struct retention r = { .bytes = 10 };
	bool gone[3];

	(void)state;
	retention_plan(gone, &g, &r, 0);
	assert_true(gone[0] && gone[1] && !gone[2]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_are_parsed),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(plans),
		cmocka_unit_test(only_of_one_source),
		cmocka_unit_test(sums_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
