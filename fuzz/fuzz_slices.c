#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "replay/slices.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_fault(void *arg, enum slice_fault f, size_t record, size_t other, const char *text)
{
	int *n = arg;

	if (record == 0 || other == record || !*slice_fault_name(f) || !*text || !str_is_utf8(text))
		abort();
	(*n)++;
}

/* What is read can be written, and read again as the same. */
static void check(const struct slices *s)
{
	AUTO(buf) struct buf text = BUF_INIT(SLICES_TEXT_MAX);
	AUTO(buf) struct buf again = BUF_INIT(SLICES_TEXT_MAX);
	AUTO(slices) struct slices back = SLICES_INIT;
	struct err e = ERR_INIT;
	int n = 0, m = 0;

	if (slices_text(s, &text, &e) < 0 ||
	        slices_parse(&back, text.data, text.len, "again", &e) < 0 ||
	        slices_text(&back, &again, &e) < 0 || strcmp(text.data, again.data) != 0)
		abort();
	if (slices_validate(s, on_fault, &n, &e) != n ||
	        slices_validate(&back, on_fault, &m, &e) != n || n != m)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(slices) struct slices s = SLICES_INIT;
	AUTO(slices) struct slices all = SLICES_INIT;
	struct err e = ERR_INIT, e2 = ERR_INIT;
	char *text = malloc(size ? size : 1);
	int n = 0, found;

	if (!text)
		return 0;
	memcpy(text, data, size);
	found = slices_examine(&s, text, size, "m.json", on_fault, &n, &e);
	if (found != (e.kind ? -1 : n))
		abort();
	if (slices_parse(&all, text, size, "m.json", &e2) == 0)
		check(&all);
	else if (e2.kind != ERR_PROTOCOL || (found == 0 && !e.kind))
		abort();
	free(text);
	return 0;
}
