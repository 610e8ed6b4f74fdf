#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "replay/certificate.h"
#include "replay/simulate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is told can be printed and be JSON. */
static void hear(void *arg, int64_t slice, const char *text)
{
	int *n = arg;

	(void)slice;
	if (!str_is_utf8(text))
		abort();
	(*n)++;
}

/* As what slices took, by their ranges or as a log. */
static void take_times(const char *text, size_t size)
{
	struct slice v[4] = { { .start = 0, .end = 100 }, { .start = 100, .end = 200 },
		{ .start = 200, .end = 300 }, { .start = 300, .end = 400 } };
	struct slices s = { .v = v, .n = 4 };
	struct err e = ERR_INIT;
	double seconds[4];
	int64_t known = simulate_times(seconds, &s, text, size, "times", &e);

	if (known == 0 || known > 4 || (known < 0 && e.kind != ERR_PROTOCOL))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(json) json_t *c = NULL;
	struct err e = ERR_INIT;
	char *text;
	int told = 0, rc;

	if (size == 0)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data, size);
	take_times(text, size);
	c = json_parse_object(text, size, "certificate", &e);
	rc = c ? certificate_verify(c, hear, &told, &e) : -1;
	/* What can be read can be compared, and is like itself. */
	if (rc >= 0 && (rc != told || certificate_diff(c, c, hear, &told, &e) != 0))
		abort();
	if (rc < 0 && e.kind != ERR_PROTOCOL)
		abort();
	free(text);
	return 0;
}
