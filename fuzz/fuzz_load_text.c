/* What --fail-if and --rate are given. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "load/limit.h"
#include "load/schedule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void limit(const char *text)
{
	struct load_limit l, again;
	struct err e = ERR_INIT;
	char why[160];

	if (load_limit_parse(&l, text, &e) < 0) {
		if (e.kind != ERR_USAGE || !e.msg[0])
			abort();
		return;
	}
	/* Its text means the same. */
	if (load_limit_parse(&again, l.text, &e) < 0 || again.metric != l.metric ||
	        again.op != l.op || again.value != l.value || again.percentile != l.percentile)
		abort();
	(void)load_limit_why(&l, l.value * 1.0001 + 1, why, sizeof(why));
	(void)load_limit_why(&l, (double)__builtin_nan(""), why, sizeof(why));
	(void)load_limit_why(&l, -l.value, why, 8);
}

static void plan(const char *text)
{
	static const uint64_t ks[] = { 1, 2, 1000, 123456789, UINT64_C(1) << 40 };
	struct load_schedule s;
	struct err e = ERR_INIT;
	int64_t last = 0;

	if (load_schedule_parse(&s, text, &e) < 0) {
		if (e.kind != ERR_USAGE || !e.msg[0])
			abort();
		return;
	}
	if (s.from < LOAD_RATE_MIN || s.to < LOAD_RATE_MIN || s.from > LOAD_RATE_MAX ||
	        s.to > LOAD_RATE_MAX)
		abort();
	s.duration_ns = INT64_C(10000000000);
	for (size_t i = 0; i < ARRAY_LEN(ks); i++) {
		int64_t at = load_schedule_at(&s, ks[i]);

		if (at < last || (at == last && at < INT64_MAX))
			abort();
		if (at < INT64_MAX && load_schedule_count(&s, at) != ks[i])
			abort();
		last = at;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	limit(text);
	plan(text);
	free(text);
	return 0;
}
