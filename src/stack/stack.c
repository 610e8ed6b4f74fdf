#include "stack/stack.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "stack/arena_priv.h"

/* "-" and twelve hex digits of the content's digest, in the names of configs and secrets. */
#define DIGEST_SUFFIX_LEN 13

void stack_free(struct stack *st)
{
	/* The struct itself lies in its arena. */
	if (st)
		arena_free(st->arena);
}

static int check_lengths(const struct stack *st, const char *name, struct err *e)
{
	size_t n = strlen(name) + 1;

	for (size_t i = 0; i < st->n_services; i++)
		if (n + strlen(st->services[i].name) > STACK_NAME_MAX)
			return err_set(e, ERR_USAGE, "service name '%s_%s' is longer than %d", name,
			        st->services[i].name, STACK_NAME_MAX);
	for (size_t i = 0; i < st->n_configs + st->n_secrets; i++) {
		bool secret = i >= st->n_configs;
		const struct stack_file *f =
		        secret ? &st->secrets[i - st->n_configs] : &st->configs[i];

		if (!f->own_name && !f->external &&
		        n + strlen(f->name) + DIGEST_SUFFIX_LEN > STACK_FILE_NAME_MAX)
			return err_set(e, ERR_USAGE, "%s name '%s_%s' is longer than %d",
			        secret ? "secret" : "config", name, f->name,
			        STACK_FILE_NAME_MAX - DIGEST_SUFFIX_LEN);
	}
	return 0;
}

int stack_set_name(struct stack *st, const char *name, struct err *e)
{
	const char *copy;

	if (!isalnum((unsigned char)*name) || strlen(name) > STACK_NAME_MAX)
		goto bad;
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
			goto bad;
	if (check_lengths(st, name, e) < 0)
		return -1;
	copy = arena_strdup(st->arena, name);
	if (!copy)
		return err_nomem(e);
	st->name = copy;
	return 0;
bad:
	return err_set(e, ERR_USAGE,
	        "'%s' is not a stack's name: letters, digits, - and _, at most %d", name,
	        STACK_NAME_MAX);
}

/* Every item has its name where its type says; bsearch() compares through this. */
#define DEFINE_FIND(fn, T, list)                                                                 \
	static int fn##_cmp(const void *key, const void *item)                                   \
	{                                                                                        \
		return strcmp(key, ((const T *)item)->name);                                     \
	}                                                                                        \
	const T *fn(const struct stack *st, const char *name)                                    \
	{                                                                                        \
		return st->n_##list ? bsearch(name, st->list, st->n_##list, sizeof(T), fn##_cmp) \
		                    : NULL;                                                      \
	}

DEFINE_FIND(stack_find_service, struct stack_service, services)
DEFINE_FIND(stack_find_network, struct stack_network, networks)
DEFINE_FIND(stack_find_config, struct stack_file, configs)
DEFINE_FIND(stack_find_secret, struct stack_file, secrets)
DEFINE_FIND(stack_find_volume, struct stack_volume, volumes)
