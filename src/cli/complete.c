#include "cli/complete.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/str.h"
#include "cli/command.h"
#include "cli/global.h"

#define GIVEN_MAX 64

struct complete {
	FILE *out;
	const struct complete_source *src;
	struct complete_names names;

	const char *typed;  /* the word of which this is the beginning */
	const char *prefix; /* what of it stays before each candidate: "--name=" */
	size_t prefix_len;

	const struct command *command;
	const struct command_family *family; /* its name was typed, and no command's behind it */
	const struct opt *pending;           /* the last word but one wants a value */
	const struct opt *given[GIVEN_MAX];
	size_t ngiven;
	int args;          /* arguments of the command before the typed word */
	bool is_unknown;   /* a command that there is not */
	bool is_only_args; /* behind "--", or behind the first argument where options end there */
	const struct command_family *help; /* of the command help: the family that its words name */
	bool help_is_over;
};

void complete_add(struct complete *c, const char *word, const char *suffix, const char *about)
{
	const char *typed = c->typed + c->prefix_len;

	if (!str_starts(word, typed, NULL))
		return;
	fprintf(c->out, "%.*s%s%s", (int)c->prefix_len, c->prefix, word, suffix);
	if (about)
		fprintf(c->out, "\t%s", about);
	fputc('\n', c->out);
}

/* --- values --------------------------------------------------------------------- */

static bool is_one_of(const char *word, const char *const *list)
{
	for (; *list; list++)
		if (str_eq(word, *list))
			return true;
	return false;
}

static void add_names(struct complete *c, enum complete_kind kind, const char *suffix)
{
	if (c->src)
		c->src->names(c->src->arg, kind, &c->names, c, suffix);
}

/* A NAME is that of many things; in the commands of this family it is a generation's. */
static void add_generations(struct complete *c)
{
	if (!c->command || !str_starts(c->command->name, "data ", NULL))
		return;
	add_names(c, COMPLETE_GENERATIONS, "");
	if (str_eq(c->command->name, "data rm"))
		add_names(c, COMPLETE_QUARANTINE, "");
}

/* One word of what the tables call a value. */
static void add_value(struct complete *c, const char *what)
{
	static const char *const files[] = { "FILE", "PATH", "MANIFEST", "SOURCE", "PROGRAM", "A",
		"B", NULL };
	static const char *const dirs[] = { "DIR", "FROM", "TO", "PLACE", NULL };

	if (islower((unsigned char)*what) || isdigit((unsigned char)*what))
		complete_add(c, what, "", NULL);
	else if (str_eq(what, "TO") && c->command && str_eq(c->command->name, "producer failover"))
		return;
	else if (is_one_of(what, files))
		fputs(":files\n", c->out);
	else if (is_one_of(what, dirs))
		fputs(":directories\n", c->out);
	else if (str_eq(what, "SERVICE.SLOT"))
		add_names(c, COMPLETE_SLOTS, "");
	else if (str_eq(what, "SERVICE"))
		add_names(c, COMPLETE_SERVICES, "");
	else if (str_eq(what, "SERVICE=N"))
		add_names(c, COMPLETE_SERVICES, "=");
	else if (str_eq(what, "NAME"))
		add_generations(c);
}

/* "FILE|URL", "[SERVICE.SLOT...]", "SERVICE[.SLOT]", "auto|never". */
static void add_values(struct complete *c, const char *spec, size_t n)
{
	char word[80];
	size_t len = 0;

	for (size_t i = 0; i <= n; i++) {
		if (i == n || spec[i] == '|') {
			word[len] = '\0';
			if (str_ends(word, "..."))
				word[len - 3] = '\0';
			if (*word)
				add_value(c, word);
			len = 0;
		} else if (spec[i] != '[' && spec[i] != ']' && len + 1 < sizeof(word)) {
			word[len++] = spec[i];
		}
	}
}

/* --- options, commands, arguments ------------------------------------------------- */

static bool is_given(const struct complete *c, const struct opt *o)
{
	for (size_t i = 0; i < c->ngiven; i++)
		if ((c->given[i] == o && !o->strings) ||
		        (o->exclusive && c->given[i] != o &&
		                c->given[i]->exclusive == o->exclusive))
			return true;
	return false;
}

static void add_options(struct complete *c, const struct opt *table)
{
	char word[80];

	for (const struct opt *o = table; o && o->name; o++) {
		if (o->is_hidden || is_given(c, o))
			continue;
		(void)snprintf(word, sizeof(word), "--%s", o->name);
		complete_add(c, word, "", o->help);
	}
}

/* The next words of commands, those of the family or the first ones. */
static void add_commands(struct complete *c, const struct command_family *f)
{
	for (const struct command *const *o = commands; *o; o++) {
		const char *word = f ? command_second_word(*o, f) : (*o)->name;

		if (word && !strchr(word, ' '))
			complete_add(c, word, "", (*o)->summary);
	}
	for (const struct command_family *o = command_families; o->word; o++) {
		char about[80];
		const char *word = o->word;

		if (f && (!str_starts(word, f->word, &word) || *word++ != ' '))
			continue;
		if (strchr(word, ' '))
			continue;
		(void)snprintf(about, sizeof(about), "commands of 'nodeswarm %s'", o->word);
		complete_add(c, word, "", about);
	}
}

/* The word of "SERVICE [N]" that stands for the typed argument. */
static void add_arguments(struct complete *c)
{
	const char *spec = c->command->args, *at = spec;
	int i = 0;

	if (str_eq(c->command->name, "help")) {
		if (!c->help_is_over)
			add_commands(c, c->help);
		return;
	}
	if (c->command->flags & COMMAND_OPTIONS_FIRST) {
		fputs(":files\n", c->out);
		return;
	}
	while (*at) {
		size_t n = strcspn(at, " ");
		bool repeats = strstr(at, "...") && strstr(at, "...") < at + n;

		if (i == c->args || repeats) {
			add_values(c, at, n);
			return;
		}
		i++;
		at += n + strspn(at + n, " ");
	}
}

/* --- the words before the typed one ------------------------------------------------ */

static const struct opt *find_in(const struct opt *table, const char *name, size_t n, char letter)
{
	for (const struct opt *o = table; o && o->name; o++)
		if (letter ? o->letter == letter
		           : strlen(o->name) == n && !memcmp(o->name, name, n))
			return o;
	return NULL;
}

static const struct opt *find_option(
        const struct complete *c, const char *name, size_t n, char letter)
{
	const struct opt *o = c->command ? find_in(c->command->opts, name, n, letter) : NULL;

	return o ? o : find_in(global_opts, name, n, letter);
}

static void note_option(struct complete *c, const struct opt *o, const char *value)
{
	if (o && c->ngiven < GIVEN_MAX)
		c->given[c->ngiven++] = o;
	c->pending = o && o->arg && !value ? o : NULL;
}

/* The value of an option that was given before: two of them say where names are. */
static void note_value(struct complete *c, const struct opt *o, const char *value)
{
	if (o == find_in(global_opts, "pool", 4, 0))
		c->names.pool = value;
	else if (o == find_in(global_opts, "stack", 5, 0))
		c->names.stack = value;
}

static void pass_long(struct complete *c, const char *word)
{
	const char *value = strchr(word, '=');
	const struct opt *o =
	        find_option(c, word + 2, value ? (size_t)(value - word - 2) : strlen(word + 2), 0);

	note_option(c, o, value);
	if (o && value)
		note_value(c, o, value + 1);
}

/* "-qf": the last that has a value wants it in the next word; "-fFILE" has it. */
static void pass_short(struct complete *c, const char *word)
{
	for (const char *s = word + 1; *s; s++) {
		const struct opt *o = find_option(c, NULL, 0, *s);

		note_option(c, o, o && o->arg && s[1] ? s + 1 : NULL);
		if (o && o->arg)
			return;
	}
}

static void pass_command(struct complete *c, const char *word)
{
	const struct command_family *f = c->family;

	c->command = f ? command_find_in(f, word) : command_find(word);
	c->family = f ? command_family_in(f, word) : command_family_find(word);
	c->is_unknown = !c->command && !c->family;
}

static void pass_argument(struct complete *c, const char *word)
{
	const struct command_family *f;

	c->args++;
	if (c->command->flags & COMMAND_OPTIONS_FIRST)
		c->is_only_args = true;
	if (!str_eq(c->command->name, "help") || c->help_is_over)
		return;
	f = c->help ? command_family_in(c->help, word) : command_family_find(word);
	c->help_is_over = !f;
	c->help = f;
}

static void pass(struct complete *c, const char *word)
{
	const struct opt *o = c->pending;

	c->pending = NULL;
	if (o)
		note_value(c, o, word);
	else if (!c->is_only_args && str_eq(word, "--"))
		c->is_only_args = true;
	else if (!c->is_only_args && str_starts(word, "--", NULL))
		pass_long(c, word);
	else if (!c->is_only_args && word[0] == '-' && word[1])
		pass_short(c, word);
	else if (!c->command)
		pass_command(c, word);
	else
		pass_argument(c, word);
}

void complete_print(FILE *out, char *const *words, int n, const struct complete_source *src)
{
	struct complete c = { .out = out, .src = src, .typed = words[n - 1], .prefix = "" };
	const char *value;

	for (int i = 0; i < n - 1 && !c.is_unknown; i++)
		pass(&c, words[i]);
	value = str_starts(c.typed, "--", NULL) && !c.is_only_args ? strchr(c.typed, '=') : NULL;
	if (c.is_unknown)
		return;
	if (c.pending) {
		add_values(&c, c.pending->arg, strlen(c.pending->arg));
	} else if (value) {
		const struct opt *o =
		        find_option(&c, c.typed + 2, (size_t)(value - c.typed - 2), 0);

		c.prefix = c.typed;
		c.prefix_len = (size_t)(value + 1 - c.typed);
		if (o && o->arg)
			add_values(&c, o->arg, strlen(o->arg));
	} else if (c.typed[0] == '-' && !c.is_only_args) {
		if (c.command)
			add_options(&c, c.command->opts);
		add_options(&c, global_opts);
	} else if (!c.command) {
		add_commands(&c, c.family);
	} else {
		add_arguments(&c);
	}
}
