#include "cli/data_print.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "cli/output.h"
#include "data/generation.h"
#include "data/slot.h"

const char *data_text(char out[DATA_TEXT_MAX], const json_t *j, const char *path)
{
	snprintf(out, DATA_TEXT_MAX, "%s", json_str(j, path, ""));
	str_printable(out);
	return out;
}

const char *data_size(char out[DATA_TEXT_MAX], const json_t *j, const char *path)
{
	int64_t n = json_int(j, path, -1);
	char text[NUM_TEXT_MAX];

	snprintf(out, DATA_TEXT_MAX, "%s", n < 0 ? "?" : num_size_text(text, (uint64_t)n));
	return out;
}

json_t *data_cell_text(const json_t *j, const char *path)
{
	char text[DATA_TEXT_MAX];

	return *data_text(text, j, path) ? json_string(text) : NULL;
}

json_t *data_cell_number(const json_t *j, const char *path)
{
	const json_t *v = json_at(j, path);

	return json_is_number(v) ? json_deep_copy(v) : NULL;
}

json_t *data_cell_block(const json_t *j, const char *path)
{
	return json_int(j, path, 0) > 0 ? json_integer(json_int(j, path, 0)) : NULL;
}

const char *data_manifest_text(char out[DATA_TEXT_MAX], const json_t *m)
{
	long long head = (long long)json_int(m, "head_block_num", 0),
	          lib = (long long)json_int(m, "lib_block_num", 0);
	char size[DATA_TEXT_MAX], data[DATA_TEXT_MAX];
	size_t n = 0;

	if (head > 0)
		n += (size_t)snprintf(out, DATA_TEXT_MAX, "blocks to %lld, ", head);
	if (lib > 0)
		n += (size_t)snprintf(out + n, DATA_TEXT_MAX - n, "irreversible to %lld; ", lib);
	snprintf(out + n, DATA_TEXT_MAX - n, "%.40s in %lld files, %.40s of data",
	        data_size(size, m, "size_bytes"), (long long)json_int(m, "file_count", 0),
	        data_size(data, m, "data_bytes"));
	return out;
}

const char *data_clone_text(char out[DATA_TEXT_MAX], const json_t *clone)
{
	static const struct {
		const char *key, *word;
	} how[] = {
		{ "reflink", "reflinked" },
		{ "link", "hard-linked" },
		{ "range", "copied" },
		{ "write", "copied by writing" },
	};
	size_t n = 0;

	*out = '\0';
	for (size_t i = 0; i < ARRAY_LEN(how); i++) {
		const json_t *j = json_object_get(clone, how[i].key);
		int64_t bytes = json_int(j, "bytes", 0), files = json_int(j, "files", 0);
		char text[NUM_TEXT_MAX];

		if (files <= 0 || bytes < 0)
			continue;
		n += (size_t)snprintf(out + n, DATA_TEXT_MAX - n, "%s%s %s in %lld files",
		        n ? ", " : "", how[i].word, num_size_text(text, (uint64_t)bytes),
		        (long long)files);
	}
	if (!n)
		snprintf(out, DATA_TEXT_MAX, "nothing cloned");
	return out;
}

int data_output(struct context *ctx, const json_t *result, struct err *e)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)result, key, v) if (strcmp(key, "format") != 0 &&
	        output_value(ctx, key, json_incref(v), e) < 0) return -1;
	return 0;
}

int data_generation_name(const struct context *ctx, const char *name, struct err *e)
{
	if (generation_name_is(name, NULL) || strcmp(name, GENERATION_CURRENT) == 0)
		return 0;
	return command_usage(
	        ctx, e, "'%.80s' is not the name of a generation, like g000042-0349798134", name);
}

int data_service_name(char out[160], const struct context *ctx, const char *name, struct err *e)
{
	char prefix[160];

	snprintf(prefix, sizeof(prefix), "%.150s_", ctx->stack);
	if ((size_t)snprintf(
	            out, 160, "%s%s", str_starts(name, prefix, NULL) ? "" : prefix, name) >= 160 ||
	        !str_is_name(out, SLOT_SERVICE_MAX))
		return command_usage(ctx, e, "'%s' is not a service name", name);
	return 0;
}
