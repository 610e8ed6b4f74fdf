/*
 * A compose file from anyone.  What is taken is written as request bodies and judged too, because
 * both walk the whole model.  The file stands in /dev, where relative paths find no regular file.
 */

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "deploy/spec.h"
#include "lint/lint.h"
#include "stack/stack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *get(void *arg, const char *name)
{
	(void)arg;
	if (strcmp(name, "SET") == 0)
		return "a value: [with, yaml]";
	return strcmp(name, "N") == 0 ? "3" : NULL;
}

static const struct stack_vars vars = { .get = get };

static void write_bodies(const struct stack *st)
{
	for (size_t i = 0; i < st->n_services; i++) {
		struct err e = ERR_INIT;
		json_t *body = spec_service(st, &st->services[i], NULL, &e);
		char digest[SHA256_HEX_SIZE];

		/* Whatever the loader takes can be written. */
		if (!body || spec_digest(digest, body, &e) < 0)
			abort();
		json_decref(body);
	}
	for (size_t i = 0; i < st->n_networks; i++) {
		struct err e = ERR_INIT;
		json_t *body = spec_network(st, &st->networks[i], &e);

		if (!body)
			abort();
		json_decref(body);
	}
}

/* Whatever the loader takes can be judged, and only for want of memory not. */
static void judge(const struct stack *st)
{
	AUTO(lint_findings) struct lint_findings f = LINT_FINDINGS_INIT;
	struct err e = ERR_INIT;

	if (lint_stack(&f, st, &e) < 0 || f.errors + f.warnings + f.allowed != f.n)
		abort();
	for (size_t i = 0; i < f.n; i++)
		if (!f.v[i].at.file || !f.v[i].text[0] || f.v[i].rule >= LINT_RULES)
			abort();
}

/* The copy has exactly `size` bytes, so that an over-read by one is seen. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1);
	struct stack *st = NULL;
	struct err e = ERR_INIT;

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	if (stack_load_text(&st, "/dev/fuzz.yml", copy, size, &vars, &e) == 0) {
		write_bodies(st);
		judge(st);
		stack_free(st);
	} else if (e.kind == ERR_NONE || !e.msg[0] || st) {
		abort();
	}
	free(copy);
	return 0;
}
