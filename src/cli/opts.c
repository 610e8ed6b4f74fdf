#include "cli/opts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "base/suggest.h"
#include "cli/command.h"

/* --- values --------------------------------------------------------------------- */

static int too_small(const char *value, const char *least, struct err *e)
{
	return err_set(e, ERR_USAGE, "'%s' is less than %s", value, least);
}

static int store_number(const struct opt *o, const char *value, struct err *e)
{
	bool bounded = o->min || o->max;

	return num_int(o->number, value, o->min, bounded ? o->max : INT64_MAX, e);
}

static int store_duration(const struct opt *o, const char *value, struct err *e)
{
	char least[NUM_TEXT_MAX];
	int64_t ns;

	if (num_duration(&ns, value, e) < 0)
		return -1;
	if (ns < o->min)
		return too_small(value, num_duration_text(least, o->min), e);
	*o->duration = ns;
	return 0;
}

static int store_size(const struct opt *o, const char *value, struct err *e)
{
	char least[NUM_TEXT_MAX];
	uint64_t bytes;

	if (num_size(&bytes, value, e) < 0)
		return -1;
	if (bytes < (uint64_t)o->min)
		return too_small(value, num_size_text(least, (uint64_t)o->min), e);
	*o->size = bytes;
	return 0;
}

static int store(const struct opt *o, const char *value, struct err *e)
{
	if (!*value)
		return err_set(e, ERR_USAGE, "an empty value");
	if (o->check && o->check(value, e) < 0)
		return -1;
	if (o->number)
		return store_number(o, value, e);
	if (o->duration)
		return store_duration(o, value, e);
	if (o->size)
		return store_size(o, value, e);
	if (o->strings)
		return strvec_add(o->strings, value) < 0 ? err_nomem(e) : 0;
	assert(o->string);
	*o->string = value;
	return 0;
}

int opts_defaults(const struct opt *table, struct err *e)
{
	for (const struct opt *o = table; o && o->name; o++) {
		const char *env = o->env ? getenv(o->env) : NULL;

		if (env && *env) {
			if (store(o, env, e) < 0)
				return err_wrap(e, "environment variable %s", o->env);
		} else if (o->value && store(o, o->value, e) < 0) {
			return err_wrap(e, "default of --%s", o->name);
		}
	}
	return 0;
}

/* --- options -------------------------------------------------------------------- */

static const struct opt *find_name(const struct opts *p, const char *name, size_t n)
{
	for (const struct opt *const *t = p->tables; *t; t++)
		for (const struct opt *o = *t; o->name; o++)
			if (strlen(o->name) == n && memcmp(o->name, name, n) == 0)
				return o;
	return NULL;
}

static const struct opt *find_letter(const struct opts *p, char letter)
{
	for (const struct opt *const *t = p->tables; *t; t++)
		for (const struct opt *o = *t; o->name; o++)
			if (o->letter && o->letter == letter)
				return o;
	return NULL;
}

static int unknown_name(const struct opts *p, const char *name, size_t n, struct err *e)
{
	AUTO(free) char *typed = strndup(name, n);
	struct suggest s;

	if (!typed)
		return err_nomem(e);
	suggest_start(&s, typed);
	for (const struct opt *const *t = p->tables; *t; t++)
		for (const struct opt *o = *t; o->name; o++)
			suggest_offer(&s, o->name);
	if (s.best)
		return err_set(
		        e, ERR_USAGE, "unknown option '--%s', did you mean '--%s'?", typed, s.best);
	return err_set(e, ERR_USAGE, "unknown option '--%s'", typed);
}

/* Remember it, if others cannot be given with it or have to be. */
static int note_given(struct opts *p, const struct opt *o, struct err *e)
{
	if (!o->exclusive && !o->needs)
		return 0;
	for (size_t i = 0; i < p->ngiven; i++) {
		if (p->given[i] == o)
			return 0;
		if (o->exclusive && p->given[i]->exclusive == o->exclusive)
			return err_set(e, ERR_USAGE,
			        "options '--%s' and '--%s' cannot be given together",
			        p->given[i]->name, o->name);
	}
	assert(p->ngiven < OPTS_GIVEN_MAX);
	p->given[p->ngiven++] = o;
	return 0;
}

/* Take one option; value is NULL for a flag.  shown is how the user wrote the option. */
static int take(
        struct opts *p, const struct opt *o, const char *value, const char *shown, struct err *e)
{
	if (note_given(p, o, e) < 0)
		return -1;
	if (o->flag) {
		*o->flag = true;
		return 0;
	}
	if (!value)
		return err_set(e, ERR_USAGE, "option '%s' needs a value: %s", shown, o->arg);
	return store(o, value, e) < 0 ? err_wrap(e, "option '%s'", shown) : 0;
}

/* "--name", "--name=value", "--name" "value".  Returns how many words of argv were used, or -1. */
static int parse_long(struct opts *p, char **argv, struct err *e)
{
	const char *name = argv[0] + 2, *value = strchr(name, '=');
	size_t n = value ? (size_t)(value - name) : strlen(name);
	const struct opt *o = find_name(p, name, n);
	char shown[80];
	int used = 1;

	if (!o)
		return unknown_name(p, name, n, e);
	(void)snprintf(shown, sizeof(shown), "--%s", o->name);
	if (value && o->flag)
		return err_set(e, ERR_USAGE, "option '%s' takes no value", shown);
	if (value) {
		value++;
	} else if (!o->flag) {
		value = argv[1];
		used = value ? 2 : 1;
	}
	return take(p, o, value, shown, e) < 0 ? -1 : used;
}

static int unknown_letter(const struct opts *p, const char *word, char letter, struct err *e)
{
	bool ascii = letter > ' ' && letter < 0x7f;

	/* "-wait" for "--wait". */
	if (find_name(p, word + 1, strcspn(word + 1, "=")))
		return err_set(
		        e, ERR_USAGE, "unknown option '%s', did you mean '-%s'?", word, word);
	if (word[2] && ascii)
		return err_set(e, ERR_USAGE, "unknown option '-%c' in '%s'", letter, word);
	return err_set(e, ERR_USAGE, "unknown option '%s'", word);
}

/* "-q", "-qv", "-fFILE", "-f" "FILE".  Returns how many words of argv were used, or -1. */
static int parse_short(struct opts *p, char **argv, struct err *e)
{
	for (const char *s = argv[0] + 1; *s; s++) {
		const struct opt *o = find_letter(p, *s);
		char shown[] = { '-', *s, '\0' };

		if (!o)
			return unknown_letter(p, argv[0], *s, e);
		if (!o->flag) {
			bool attached = s[1] != '\0';

			if (take(p, o, attached ? s + 1 : argv[1], shown, e) < 0)
				return -1;
			return attached ? 1 : 2;
		}
		if (take(p, o, NULL, shown, e) < 0)
			return -1;
	}
	return 1;
}

static int check_needs(const struct opts *p, struct err *e)
{
	for (size_t i = 0; i < p->ngiven; i++) {
		const char *needs = p->given[i]->needs;
		const struct opt *o = needs ? find_name(p, needs, strlen(needs)) : NULL;

		assert(!needs || (o && (o->flag || (o->string && !o->value && !o->env))));
		if (o && !(o->flag ? *o->flag : *o->string != NULL))
			return err_set(e, ERR_USAGE, "option '--%s' is for '--%s' only",
			        p->given[i]->name, needs);
	}
	return 0;
}

int opts_parse(struct opts *p, int argc, char **argv, bool options_first, char **args, int *nargs,
        struct err *e)
{
	int n = 0, i = 0;

	while (i < argc) {
		int used;

		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (argv[i][0] != '-' || !argv[i][1]) {
			if (options_first)
				break;
			args[n++] = argv[i++];
			continue;
		}
		used = argv[i][1] == '-' ? parse_long(p, argv + i, e) : parse_short(p, argv + i, e);
		if (used < 0)
			return -1;
		i += used;
	}
	while (i < argc)
		args[n++] = argv[i++];
	args[n] = NULL;
	*nargs = n;
	return check_needs(p, e);
}
