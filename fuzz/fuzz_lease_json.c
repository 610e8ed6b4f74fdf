/* What stands between broker and client; two lines: what stands, and what is to follow it. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "lease/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_one(struct lease_record *ret, const char *text, size_t n)
{
	struct err e = ERR_INIT;
	json_t *o = json_parse_object(text, n, "lease", &e), *back;
	int rc = o ? lease_from_json(ret, o, &e) : -1;

	if (rc < 0 && e.kind != ERR_PROTOCOL)
		abort();
	json_decref(o);
	if (rc < 0)
		return -1;
	back = lease_to_json(ret);
	if (!back || lease_from_json(ret, back, &e) < 0)
		abort();
	json_decref(back);
	return 0;
}

/* Whatever may follow, these hold. */
static void try_follow(const struct lease_record *from, const struct lease_record *to)
{
	struct err e = ERR_INIT;

	if (lease_may_follow(from, to, &e) < 0) {
		if (e.kind != ERR_CONFLICT)
			abort();
		return;
	}
	if (to->epoch < from->epoch || to->floor < from->floor || to->ceiling < to->floor ||
	        to->order_id < from->order_id)
		abort();
	if (to->epoch != from->epoch && to->floor < from->ceiling)
		abort();
	if (to->epoch == from->epoch && to->floor != from->floor)
		abort();
	if (from->version && to->epoch > from->epoch + 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lease_record a, b;
	char *text = malloc(size ? size : 1);
	const char *end;

	if (!text)
		return 0;
	memcpy(text, data, size);
	end = memchr(text, '\n', size);
	if (!end) {
		(void)read_one(&a, text, size);
	} else if (read_one(&a, text, (size_t)(end - text)) == 0 &&
	        read_one(&b, end + 1, size - (size_t)(end - text) - 1) == 0) {
		try_follow(&a, &b);
	}
	free(text);
	return 0;
}
