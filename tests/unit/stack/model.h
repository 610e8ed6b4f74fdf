#pragma once

/* Load a text as the file s.yml, with a few variables. */

#include "unit/test.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "stack/stack.h"

static inline const char *model_get(void *arg UNUSED, const char *name)
{
	static const char *const vars[][2] = {
		{ "SET", "value" },
		{ "EMPTY", "" },
		{ "NUMBER", "7" },
		{ "YES", "yes" },
		{ "DOLLAR", "$SET" },
		{ "LATIN1", "caf\xe9" },
		{ "HOME", "/home/me" },
		{ "INJECT", "a: [b, c]" },
	};

	static char longer[1024];

	if (strcmp(name, "LONG") == 0)
		return memset(longer, 'l', sizeof(longer) - 1);
	for (size_t i = 0; i < ARRAY_LEN(vars); i++)
		if (strcmp(vars[i][0], name) == 0)
			return vars[i][1];
	return NULL;
}

static const struct stack_vars model_vars = { .get = model_get };

static inline int model_load(struct stack **ret, const char *text, struct err *e)
{
	return stack_load_text(ret, "s.yml", text, strlen(text), &model_vars, e);
}

/* A text that must be right. */
static inline struct stack *model(const char *text)
{
	struct err e = ERR_INIT;
	struct stack *st = NULL;

	if (model_load(&st, text, &e) < 0)
		fail_msg("%s", e.msg);
	return st;
}
