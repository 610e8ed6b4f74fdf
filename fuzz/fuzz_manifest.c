#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "data/generation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read can be written, and read again as the same. */
static void check(const struct manifest *m)
{
	AUTO(manifest) struct manifest back = MANIFEST_INIT;
	AUTO(json) json_t *j = manifest_json(m, m->files.n > 0);
	struct err e = ERR_INIT;

	if (!j || manifest_from_json(&back, j, &e) < 0 || back.files.n != m->files.n ||
	        back.created_ns != m->created_ns / 1000000 * 1000000 ||
	        strcmp(back.name, m->name) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(manifest) struct manifest m = MANIFEST_INIT;
	AUTO(json) json_t *j = NULL;
	struct err e = ERR_INIT;
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data, size);
	j = json_parse_object(text, size, "manifest.json", &e);
	if (j && manifest_from_json(&m, j, &e) == 0)
		check(&m);
	else if (e.kind != ERR_PROTOCOL)
		abort();
	free(text);
	return 0;
}
