/*
 * The style of every command's table, and what is printed from it: this is also `make lint-help`.
 */

#include "unit/test.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/global.h"
#include "cli/help.h"
#include "cli/opts.h"

static unsigned bad;

PRINTF(3, 4)
static void expect(bool ok, const char *of, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (ok)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	print_error("%s: %s\n", of, text);
	bad++;
}

/* "JSON object" may start with capitals; "Print a table" and "a table." may not be. */
static bool is_phrase(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && s[n - 1] != '.' && !isspace((unsigned char)s[n - 1]) &&
	        !(isupper((unsigned char)s[0]) && islower((unsigned char)s[1]));
}

static bool is_word(const char *s)
{
	for (size_t i = 0; s[i]; i++)
		if (!islower((unsigned char)s[i]) && !isdigit((unsigned char)s[i]) && s[i] != '-')
			return false;
	return s[0] && s[0] != '-';
}

/* "data", or "replay manifest" where "replay" is a family too. */
static bool is_family_name(const char *s)
{
	const char *space = strchr(s, ' ');
	char first[32];

	if (!space)
		return is_word(s);
	snprintf(first, sizeof(first), "%.*s", (int)(space - s), s);
	return is_word(first) && is_word(space + 1) && command_family_find(first) &&
	        command_family_in(command_family_find(first), space + 1) == command_family_find(s);
}

/* "up", or "data archive" with a family of what is before the last word. */
static bool is_command_name(const struct command *c)
{
	const char *second = command_second_word(c, NULL);
	char first[32];

	if (!second)
		return is_word(c->name) && !command_family_find(c->name);
	snprintf(first, sizeof(first), "%.*s", (int)(second - c->name - 1), c->name);
	return is_family_name(first) && is_word(second) && command_family_find(first) &&
	        command_find_in(command_family_find(first), second) == c &&
	        !command_family_find(c->name);
}

static unsigned targets(const struct opt *o)
{
	return !!o->flag + !!o->number + !!o->string + !!o->strings + !!o->duration + !!o->size;
}

static void check_opt(const char *of, const struct opt *table, const struct opt *o)
{
	expect(is_word(o->name), of, "option '--%s': not a lower-case word", o->name);
	expect(o->help && is_phrase(o->help), of,
	        "option '--%s': help with a capital or a full stop, or none", o->name);
	expect(targets(o) == 1, of, "option '--%s': %u pointers", o->name, targets(o));
	expect(!o->flag == !!o->arg, of, "option '--%s': a flag has no arg, others have", o->name);
	expect(!o->flag || (!o->value && !o->env), of, "option '--%s': a flag with a default",
	        o->name);
	expect(!o->strings || (!o->value && !o->env), of, "option '--%s': a list with a default",
	        o->name);
	for (const struct opt *p = table; p->name; p++) {
		if (p == o)
			continue;
		expect(strcmp(p->name, o->name) != 0 || (o->shadows && table == global_opts), of,
		        "option '--%s' twice", o->name);
		expect(!o->letter || p->letter != o->letter, of, "option '-%c' twice", o->letter);
	}
}

static void check_opts(const char *of, const struct opt *opts)
{
	struct err e = ERR_INIT;

	for (const struct opt *o = opts; o && o->name; o++) {
		check_opt(of, opts, o);
		if (opts != global_opts)
			check_opt(of, global_opts, o);
	}
	expect(opts_defaults(opts, &e) == 0, of, "%s", e.msg);
}

static void check_output(
        const char *of, void (*print)(FILE *, const struct command *), const struct command *c)
{
	AUTO(free) char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	char *save = NULL;

	assert_non_null(f);
	print(f, c);
	assert_int_equal(fclose(f), 0);
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		expect(strlen(l) <= HELP_COLUMNS, of, "more than %d columns: %s", HELP_COLUMNS, l);
		expect(!isspace((unsigned char)l[strlen(l) - 1]), of, "blank at the end: %s", l);
	}
}

static void print_overview(FILE *f, const struct command *c UNUSED)
{
	help_overview(f);
}

static void print_family(FILE *f, const struct command *c)
{
	for (const struct command_family *o = command_families; o->word; o++)
		if (command_second_word(c, o))
			help_family(f, o);
}

static void check_family(const struct command_family *f)
{
	const struct command *any = NULL;
	unsigned n = 0;

	expect(is_family_name(f->word), f->word,
	        "neither a lower-case word nor a family's name and another");
	expect(isupper((unsigned char)f->description[0]) && str_ends(f->description, "."), f->word,
	        "description is no whole sentence");
	for (const struct command *const *c = commands; *c; c++) {
		if (!command_second_word(*c, f))
			continue;
		expect(!any || strcmp(any->group, (*c)->group) == 0, (*c)->name,
		        "in another group than '%s'", any ? any->name : "");
		any = *c;
		n++;
	}
	expect(n > 1, f->word, "a family of %u commands", n);
	if (any)
		check_output(f->word, print_family, any);
}

static void check_command(const struct command *c)
{
	AUTO(json) json_t *j = help_command_json(c);
	char start[64];

	expect(is_command_name(c), c->name,
	        "neither a lower-case word nor a family's name and another");
	expect(command_find(c->name) == c, c->name, "another command has this name");
	expect(c->group && isupper((unsigned char)c->group[0]), c->name, "no group");
	expect(c->summary && is_phrase(c->summary), c->name, "summary has a capital or full stop");
	expect(c->description && isupper((unsigned char)c->description[0]) &&
	                str_ends(c->description, "."),
	        c->name, "description is no whole sentence");
	expect(c->args != NULL, c->name, "no args");
	expect(c->max_args < 0 || c->max_args >= c->min_args, c->name, "max_args < min_args");
	expect(!*c->args == (c->max_args == 0), c->name, "args and max_args differ");
	expect(c->run != NULL, c->name, "no run");
	(void)snprintf(start, sizeof(start), "nodeswarm %s", c->name);
	for (const char *const *x = c->examples; x && *x; x++)
		expect(strstr(*x, start) != NULL, c->name, "example does not run it: %s", *x);
	expect(c->examples && c->examples[0], c->name, "no example");
	expect(j != NULL, c->name, "no JSON");
	check_opts(c->name, c->opts);
	if (!bad)
		check_output(c->name, help_command, c);
}

static void tables_are_right(void **state)
{
	(void)state;
	for (const struct command *const *c = commands; *c; c++)
		check_command(*c);
	for (const struct command_family *f = command_families; f->word; f++)
		check_family(f);
	check_opts("global options", global_opts);
	check_output("overview", print_overview, NULL);
	assert_int_equal(bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_right),
	};

	return cmocka_run_group_tests_name("cli/commands", tests, NULL, NULL);
}
