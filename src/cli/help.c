#include "cli/help.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "cli/command.h"
#include "cli/global.h"

/* Where the second column of a list begins; a longer first column gets a line of its own. */
#define SECOND_COLUMN 26

void help_wrap(FILE *out, const char *text, size_t at, size_t indent)
{
	bool first = true;

	while (*text) {
		size_t n = strcspn(text, " \n");

		if (text[0] == '\n' && text[1] == '\n') {
			fprintf(out, "\n\n%*s", (int)indent, "");
			at = indent;
			first = true;
			text += 2;
			continue;
		}
		if (n == 0) {
			text++;
			continue;
		}
		if (!first && at + 1 + n > HELP_COLUMNS) {
			fprintf(out, "\n%*s", (int)indent, "");
			at = indent;
			first = true;
		}
		at += (size_t)fprintf(out, "%s%.*s", first ? "" : " ", (int)n, text);
		first = false;
		text += n;
	}
	fputc('\n', out);
}

static void list_row(FILE *out, const char *left, const char *right)
{
	size_t at = (size_t)fprintf(out, "  %s", left);

	if (at + 2 > SECOND_COLUMN) {
		fputc('\n', out);
		at = 0;
	}
	fprintf(out, "%*s", (int)(SECOND_COLUMN - at), "");
	help_wrap(out, right, SECOND_COLUMN, SECOND_COLUMN);
}

static void list_option(FILE *out, const struct opt *o)
{
	char left[64], right[512];
	const char *open = o->value || o->env ? " (default: " : "";

	(void)snprintf(left, sizeof(left), "%c%c%s --%s%s%s", o->letter ? '-' : ' ',
	        o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name, o->arg ? " " : "",
	        o->arg ? o->arg : "");
	(void)snprintf(right, sizeof(right), "%s%s%s%s%s%s%s%s", o->help,
	        o->strings ? " (may be repeated)" : "", open, o->env ? "$" : "",
	        o->env ? o->env : "", o->env && o->value ? " or " : "", o->value ? o->value : "",
	        *open ? ")" : "");
	list_row(out, left, right);
}

static void list_options(FILE *out, const char *title, const struct opt *opts)
{
	if (!opts || !opts->name)
		return;
	fprintf(out, "\n%s:\n", title);
	for (const struct opt *o = opts; o->name; o++)
		if (!o->is_hidden)
			list_option(out, o);
}

static bool group_is_new(const struct command *const *at)
{
	for (const struct command *const *c = commands; c < at; c++)
		if (strcmp((*c)->group, (*at)->group) == 0)
			return false;
	return true;
}

void help_overview(FILE *out)
{
	fputs("Usage: nodeswarm [GLOBAL OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]\n\n", out);
	help_wrap(out, "Runs clusters of blockchain nodes on Docker Swarm.", 0, 0);
	for (const struct command *const *c = commands; *c; c++) {
		if (!group_is_new(c))
			continue;
		fprintf(out, "\n%s:\n", (*c)->group);
		for (const struct command *const *d = c; *d; d++)
			if (strcmp((*d)->group, (*c)->group) == 0)
				list_row(out, (*d)->name, (*d)->summary);
	}
	list_options(out, "Global options", global_opts);
	fputs("\nExit status:\n", out);
	list_row(out, "0", "done");
	list_row(out, "1", "failed, or the answer is no");
	list_row(out, "2", "wrong usage");
	fputs("\nSee 'nodeswarm help COMMAND' for what a command does.\n", out);
}

void help_family(FILE *out, const struct command_family *f)
{
	AUTO(buf) struct buf usage = BUF_INIT(1024);
	static const char head[] = "Usage: ";

	if (buf_add_fmt(&usage, "nodeswarm [GLOBAL OPTIONS] %s COMMAND [OPTIONS] [ARGUMENTS]",
	            f->word) < 0)
		return;
	fputs(head, out);
	help_wrap(out, usage.data, strlen(head), 8);
	fputc('\n', out);
	help_wrap(out, f->description, 0, 0);
	fputs("\nCommands:\n", out);
	for (const struct command *const *c = commands; *c; c++)
		if (command_second_word(*c, f))
			list_row(out, (*c)->name, (*c)->summary);
	fprintf(out, "\nSee 'nodeswarm help %s COMMAND' for what a command does.\n", f->word);
}

void help_command(FILE *out, const struct command *c)
{
	AUTO(buf) struct buf usage = BUF_INIT(1024);
	bool has_options = c->opts && c->opts->name;
	static const char head[] = "Usage: ";

	if (buf_add_fmt(&usage, "nodeswarm [GLOBAL OPTIONS] %s%s%s", c->name,
	            has_options ? " [OPTIONS]" : "", *c->args ? " " : "") < 0 ||
	        buf_add_str(&usage, c->args) < 0)
		return;
	fputs(head, out);
	help_wrap(out, usage.data, strlen(head), 8);
	fputc('\n', out);
	help_wrap(out, c->description, 0, 0);
	list_options(out, "Options", c->opts);
	fprintf(out, "\nExample%s:\n", c->examples[1] ? "s" : "");
	for (const char *const *x = c->examples; *x; x++)
		fprintf(out, "  %s\n", *x);
	fputs("\nSee 'nodeswarm help' for the global options.\n", out);
}

/* --- JSON ----------------------------------------------------------------------- */

static const char *type_name(const struct opt *o)
{
	return o->flag        ? "flag"
	        : o->number   ? "number"
	        : o->duration ? "duration"
	        : o->size     ? "size"
	                      : "string";
}

static json_t *options_json(const struct opt *opts)
{
	AUTO(json) json_t *list = json_array();

	for (const struct opt *o = opts; o && o->name; o++) {
		char letter[] = { o->letter, '\0' };
		json_t *row;

		if (o->is_hidden)
			continue;
		row = json_pack("{s:s,s:o,s:s,s:s*,s:s,s:s*,s:s*,s:b}", "name", o->name, "letter",
		        o->letter ? json_string(letter) : json_null(), "type", type_name(o), "arg",
		        o->arg, "help", o->help, "default", o->value, "env", o->env, "repeatable",
		        o->strings != NULL);

		if (json_array_append_new(list, row) < 0)
			return NULL;
	}
	return TAKE(list);
}

json_t *help_global_json(void)
{
	return options_json(global_opts);
}

json_t *help_command_json(const struct command *c)
{
	AUTO(json) json_t *examples = json_array();
	AUTO(json) json_t *options = options_json(c->opts);

	for (const char *const *x = c->examples; *x; x++)
		if (json_array_append_new(examples, json_string(*x)) < 0)
			return NULL;
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:O,s:O,s:b}", "name", c->name, "group", c->group,
	        "args", c->args, "summary", c->summary, "description", c->description, "examples",
	        examples, "options", options, "json", c->flags & COMMAND_HAS_JSON);
}
