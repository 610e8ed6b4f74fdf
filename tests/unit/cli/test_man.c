/*
 * The pages in man/ against the tables of commands and options: this is also `make lint-man`.
 *
 * What stands in both is compared: each command has a page that names it in its synopsis, each
 * option a tagged paragraph with its letter, its argument's name, its default and its variable, and
 * nothing that a page calls an option is missing in the tables.  Under a heading that is the name
 * of a command ("data ls"), or of several with commas between them, are the options of these alone.
 */

#include "unit/test.h"

#include <ctype.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/global.h"

#define PAGES_MAX 64
#define LINES_MAX 4096

enum line_kind {
	LINE_TEXT,
	LINE_HEAD,    /* .SH */
	LINE_SUBHEAD, /* .SS */
	LINE_TAG,     /* what follows .TP */
	LINE_BREAK,   /* .PP: the text behind it is no tag's */
	LINE_EXAMPLE, /* between .EX and .EE */
	LINE_USAGE,   /* .SY and what belongs to it */
};

struct line {
	enum line_kind kind;
	char *text; /* as a reader sees it */
};

struct page {
	char name[64];  /* "nodeswarm-data.1" */
	char alias[64]; /* of a page that only sends to another: its name */
	struct line lines[LINES_MAX];
	size_t n;
};

static struct page *pages[PAGES_MAX];
static size_t npages;
static unsigned bad;

PRINTF(2, 3)
static void complain(const struct page *p, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	print_error("man/%s: %s\n", p->name, text);
	bad++;
}

/* --- reading roff, as far as we write it ------------------------------------------ */

/* What stands for the escape at s, whose length goes to *used. */
static const char *escape(const char *s, size_t *used)
{
	static const struct {
		const char *from, *to;
	} names[] = { { "\\fB", "" }, { "\\fI", "" }, { "\\fR", "" }, { "\\fP", "" },
		{ "\\(aq", "'" }, { "\\(dq", "\"" }, { "\\(lq", "\"" }, { "\\(rq", "\"" },
		{ "\\(ti", "~" }, { "\\(ha", "^" }, { "\\-", "-" }, { "\\ ", " " }, { "\\&", "" },
		{ "\\|", "" }, { "\\e", "\\" }, { "\\:", "" }, { "\\c", "" }, { NULL, NULL } };

	for (size_t i = 0; names[i].from; i++) {
		if (str_starts(s, names[i].from, NULL)) {
			*used = strlen(names[i].from);
			return names[i].to;
		}
	}
	*used = 1;
	return "\\";
}

/* The text without escapes, and for a macro of two fonts without the blanks between its words. */
static char *plain(const char *s, bool is_macro, bool joins)
{
	struct buf b = BUF_INIT(8192);
	bool quoted = false;
	int rc = buf_add_str(&b, "");

	while (*s && rc == 0) {
		size_t used = 1;

		if (*s == '\\') {
			rc = buf_add_str(&b, escape(s, &used));
		} else if (is_macro && *s == '"') {
			quoted = !quoted;
		} else if (!joins || quoted || *s != ' ') {
			rc = buf_add(&b, s, 1);
		}
		s += used;
	}
	assert_int_equal(rc, 0);
	return buf_take(&b);
}

static void add_line(struct page *p, enum line_kind kind, char *text)
{
	assert_non_null(text);
	assert_true(p->n < LINES_MAX);
	p->lines[p->n++] = (struct line){ kind, text };
}

static char *macro_text(const char *line, char macro[4])
{
	size_t n = strcspn(line + 1, " ");
	const char *rest = line + 1 + n;

	(void)snprintf(macro, 4, "%.*s", (int)(n > 3 ? 3 : n), line + 1);
	while (*rest == ' ')
		rest++;
	return plain(rest, true, strlen(macro) == 2 && strspn(macro, "BIR") == 2);
}

static void read_line(struct page *p, const char *line, enum line_kind *next, enum line_kind *text)
{
	char macro[4] = "";
	AUTO(free) char *s = NULL;

	if (str_starts(line, ".\\\"", NULL) || str_starts(line, ".TH ", NULL))
		return;
	if (str_starts(line, ".so man", NULL)) {
		(void)snprintf(p->alias, sizeof(p->alias), "%s", strrchr(line, '/') + 1);
		return;
	}
	if (line[0] != '.') {
		add_line(p, *next, plain(line, false, false));
		*next = *text;
		return;
	}
	s = macro_text(line, macro);
	if (str_eq(macro, "SH") || str_eq(macro, "SS")) {
		*text = LINE_TEXT;
		add_line(p, str_eq(macro, "SH") ? LINE_HEAD : LINE_SUBHEAD, TAKE(s));
	} else if (str_eq(macro, "SY")) {
		*text = LINE_USAGE;
		add_line(p, LINE_USAGE, TAKE(s));
	} else if (str_eq(macro, "EX")) {
		*text = LINE_EXAMPLE;
	} else if (str_eq(macro, "EE") || str_eq(macro, "YS")) {
		*text = LINE_TEXT;
	} else if (str_eq(macro, "PP")) {
		add_line(p, LINE_BREAK, TAKE(s));
	} else if (str_eq(macro, "TP") || str_eq(macro, "TQ")) {
		*next = LINE_TAG;
		return;
	} else if (*s) {
		add_line(p, *next, TAKE(s));
	}
	*next = *text;
}

static struct page *read_page(const char *path)
{
	AUTO(buf) struct buf b = BUF_INIT(256 * 1024);
	struct page *p = calloc(1, sizeof(*p));
	enum line_kind next = LINE_TEXT, text = LINE_TEXT;
	struct err e = ERR_INIT;
	char *save = NULL;

	assert_non_null(p);
	(void)snprintf(p->name, sizeof(p->name), "%s", strrchr(path, '/') + 1);
	if (fs_read_at(AT_FDCWD, path, &b, &e) < 0)
		fail_msg("%s", e.msg);
	for (char *l = strtok_r(b.data, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		read_line(p, l, &next, &text);
	return p;
}

static struct page *page_find(const char *name)
{
	for (size_t i = 0; i < npages; i++)
		if (str_eq(pages[i]->name, name))
			return *pages[i]->alias ? page_find(pages[i]->alias) : pages[i];
	return NULL;
}

static struct page *page_of(const struct command *c)
{
	char name[80];

	(void)snprintf(name, sizeof(name), "nodeswarm-%.*s.1", (int)strcspn(c->name, " "), c->name);
	return page_find(name);
}

static const char *page_text(const struct page *p)
{
	static struct buf b = BUF_INIT(1024 * 1024);

	buf_clear(&b);
	assert_int_equal(buf_add_str(&b, " "), 0);
	for (size_t i = 0; i < p->n; i++)
		assert_int_equal(buf_add_fmt(&b, "%s ", p->lines[i].text), 0);
	return b.data;
}

/* --- options in a text ---------------------------------------------------------------- */

struct mention {
	char letter;
	char name[64];
	char arg[64];
};

/* The next "-x, --name ARG" of *at, which is moved behind it; false when there is none. */
static bool next_mention(const char **at, struct mention *ret)
{
	const char *s = *at, *start = *at;

	while ((s = strstr(s, "--"))) {
		bool is_start = s == start || strchr(" ,|([\"'/", s[-1]);
		size_t n = strspn(s + 2, "abcdefghijklmnopqrstuvwxyz0123456789-");

		if (!is_start || !islower((unsigned char)s[2])) {
			s += 2;
			continue;
		}
		*ret = (struct mention){ 0 };
		if (s - start >= 4 && s[-1] == ' ' && s[-2] == ',' && s[-4] == '-')
			ret->letter = s[-3];
		(void)snprintf(ret->name, sizeof(ret->name), "%.*s", (int)n, s + 2);
		s += 2 + n;
		if (*s == ' ' && s[1] != '-')
			(void)snprintf(ret->arg, sizeof(ret->arg), "%.*s",
			        (int)strcspn(s + 1, ", "), s + 1);
		*at = s;
		return true;
	}
	return false;
}

static const struct opt *opt_named(const struct opt *table, const char *name)
{
	for (const struct opt *o = table; o && o->name; o++)
		if (str_eq(o->name, name))
			return o;
	return NULL;
}

static bool is_option_of_any(const char *name)
{
	for (const struct command *const *c = commands; *c; c++)
		if (opt_named((*c)->opts, name))
			return true;
	return opt_named(global_opts, name) != NULL;
}

static bool agrees(const struct mention *m, const struct opt *o)
{
	return o && m->letter == o->letter && str_eq(m->arg, o->arg ? o->arg : "");
}

/* --- headings ---------------------------------------------------------------------------- */

/* Whether a heading is a list of commands' names: what is below it is about these alone. */
static bool heading_is_commands(const char *text)
{
	char one[80];

	for (;;) {
		size_t n = strcspn(text, ",");

		(void)snprintf(one, sizeof(one), "%.*s", (int)n, text);
		if (!command_find(one))
			return false;
		if (!text[n])
			return true;
		text += n + 1;
		while (*text == ' ')
			text++;
	}
}

static bool heading_names(const char *text, const struct command *c)
{
	size_t n = strlen(c->name);

	for (const char *s = text; (s = strstr(s, c->name)); s++)
		if ((s == text || s[-1] == ' ') && (s == text || s[-2] == ',') &&
		        (!s[n] || s[n] == ','))
			return true;
	return false;
}

/* The commands' names below which line i stands, or NULL. */
static const char *scope_at(const struct page *p, size_t i)
{
	for (i++; i-- > 0;) {
		const struct line *l = &p->lines[i];

		if (l->kind != LINE_HEAD && l->kind != LINE_SUBHEAD)
			continue;
		if (heading_is_commands(l->text))
			return l->text;
		if (l->kind == LINE_HEAD)
			return NULL;
	}
	return NULL;
}

/* Whether what line i says of options is said of the command's. */
static bool is_about(const struct page *p, size_t i, const struct command *c)
{
	const char *scope = scope_at(p, i);

	return page_of(c) == p && (!scope || heading_names(scope, c));
}

/* --- what is checked ------------------------------------------------------------------ */

/* The paragraphs that line i is the tag of. */
static void tag_body(const struct page *p, size_t i, struct buf *body)
{
	int rc = buf_add_str(body, p->lines[i].text);

	while (rc == 0 && ++i < p->n && p->lines[i].kind == LINE_TEXT)
		rc = buf_add_fmt(body, " %s", p->lines[i].text);
	assert_int_equal(rc, 0);
}

/* What the paragraph does not say of the option, or NULL.  A default of 0 is mostly none. */
static const char *body_misses(const struct page *p, size_t i, const struct opt *o)
{
	AUTO(buf) struct buf body = BUF_INIT(16384);

	tag_body(p, i, &body);
	if (o->value && !str_eq(o->value, "0") && !strstr(body.data, o->value))
		return o->value;
	return o->env && !strstr(body.data, o->env) ? o->env : NULL;
}

/* One paragraph of the page, where it is about the command, has the option and all that is said of
 * it. */
static void check_option(const struct page *p, const struct command *c, const struct opt *o)
{
	const char *of = c ? c->name : "global", *misses = NULL;
	struct mention m;

	for (size_t i = 0; i < p->n; i++) {
		const char *at = p->lines[i].text;

		if (p->lines[i].kind != LINE_TAG || (c && !is_about(p, i, c)))
			continue;
		while (next_mention(&at, &m)) {
			if (!str_eq(m.name, o->name) || !agrees(&m, o))
				continue;
			misses = body_misses(p, i, o);
			if (!misses)
				return;
		}
	}
	if (misses)
		complain(p, "%s --%s: its paragraph does not say '%s'", of, o->name, misses);
	else
		complain(p, "%s: no paragraph with the tag '%c%c%s--%s%s%s'", of,
		        o->letter ? '-' : ' ', o->letter ? o->letter : ' ', o->letter ? ", " : "  ",
		        o->name, o->arg ? " " : "", o->arg ? o->arg : "");
}

static void check_options(const struct page *p, const struct command *c, const struct opt *table)
{
	for (const struct opt *o = table; o && o->name; o++)
		if (!o->is_hidden)
			check_option(p, c, o);
}

/* An option that a tag names is one of the page's commands, or of all that the heading names. */
static void check_tag(const struct page *p, size_t i, const struct mention *m)
{
	const char *scope = scope_at(p, i);
	unsigned yes = 0, no = 0;

	if (agrees(m, opt_named(global_opts, m->name)))
		return;
	for (const struct command *const *c = commands; *c; c++) {
		if (!is_about(p, i, *c))
			continue;
		if (agrees(m, opt_named((*c)->opts, m->name)))
			yes++;
		else
			no++;
	}
	if (!yes || (scope && no))
		complain(p, "%s: %s has no option '%c%c%s--%s%s%s'", p->lines[i].text,
		        scope ? scope : "no command of the page", m->letter ? '-' : ' ',
		        m->letter ? m->letter : ' ', m->letter ? ", " : "  ", m->name,
		        *m->arg ? " " : "", m->arg);
}

/* In running text it may be another command's, or another program's that the line names. */
static void check_text(const struct page *p, size_t i, const struct mention *m)
{
	static const char *const others[] = { "docker", "nodeos", "iptables", ".sh", "systemctl",
		"mkfs", "nft", NULL };

	if (is_option_of_any(m->name))
		return;
	for (const char *const *o = others; *o; o++)
		if (strstr(p->lines[i].text, *o))
			return;
	complain(p, "'--%s' is no option of any command: %s", m->name, p->lines[i].text);
}

static const struct command *longest_command(char **word, size_t n, size_t *ret_used)
{
	const struct command *c = NULL;
	char name[128] = "";

	for (size_t i = 0; i < n && i < 3; i++) {
		size_t at = strlen(name);

		(void)snprintf(name + at, sizeof(name) - at, "%s%s", at ? " " : "", word[i]);
		if (command_find(name)) {
			c = command_find(name);
			*ret_used = i + 1;
		}
	}
	return c;
}

/* A command line of an example: each option is the command's, or a global one. */
static void check_example(const struct page *p, const char *line)
{
	AUTO(free) char *copy = strdup(line + strcspn(line, " ") + 1);
	char *word[64], *save = NULL;
	const struct command *c;
	size_t n = 0, i = 0;

	assert_non_null(copy);
	copy[strcspn(copy, "|>;#")] = '\0';
	for (char *w = strtok_r(copy, " ", &save); w && n < 64; w = strtok_r(NULL, " ", &save))
		word[n++] = w;
	while (i < n && word[i][0] == '-') {
		const struct opt *o = opt_named(global_opts, word[i] + strspn(word[i], "-"));

		i += o && o->arg ? 2 : 1;
	}
	if (i >= n)
		return;
	c = longest_command(word + i, n - i, &n);
	if (!c && !command_family_find(word[i]))
		complain(p, "no such command: %s", line);
	for (const char *at = line; c && at;) {
		struct mention m;

		if (!next_mention(&at, &m))
			break;
		if (strstr(line, " -- ") && at > strstr(line, " -- "))
			break;
		if (!opt_named(c->opts, m.name) && !opt_named(global_opts, m.name))
			complain(p, "'%s' has no option --%s: %s", c->name, m.name, line);
	}
}

static void check_line(const struct page *p, size_t i)
{
	const struct line *l = &p->lines[i];
	const char *at = l->text;
	struct mention m;

	if (l->kind == LINE_EXAMPLE) {
		const char *run = strstr(l->text, "nodeswarm ");

		/* Variables may stand before it; scripts of ours and docker are not looked at. */
		if (run && (run == l->text || strchr(l->text, '=') < run) &&
		        !strstr(l->text, "docker ") &&
		        (run == l->text || (run[-1] == ' ' && strchr(l->text, '='))))
			check_example(p, run);
		return;
	}
	while (next_mention(&at, &m)) {
		/* "with --json" is no option's tag. */
		if (l->kind == LINE_TAG && str_ends(p->name, ".1") &&
		        !islower((unsigned char)*l->text))
			check_tag(p, i, &m);
		else
			check_text(p, i, &m);
	}
}

/* "nodeswarm-data (1)" in a text is a page that there is. */
static void check_references(const struct page *p)
{
	const char *text = page_text(p);

	for (const char *s = text; (s = strstr(s, "nodeswarm")); s++) {
		size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz-");
		char name[80];

		if (s[n] != '(' || !isdigit((unsigned char)s[n + 1]) || s[n + 2] != ')')
			continue;
		(void)snprintf(name, sizeof(name), "%.*s.%c", (int)n, s, s[n + 1]);
		if (!page_find(name))
			complain(p, "there is no page %s", name);
	}
}

static void check_head(const struct page *p)
{
	AUTO(free) char *bare = strdup(p->name);

	assert_non_null(bare);
	*strrchr(bare, '.') = '\0';
	if (p->n < 2 || !str_eq(p->lines[0].text, "NAME") ||
	        !str_starts(p->lines[1].text, bare, NULL) || !strstr(p->lines[1].text, " - "))
		complain(p, "does not begin with NAME and '%s - ...'", bare);
}

/* Each command stands in a synopsis of its page, and a page of one command has its summary. */
static void check_command(const struct command *c)
{
	const struct page *p = page_of(c);
	unsigned siblings = 0;
	char usage[96];

	if (!p) {
		print_error("man/nodeswarm-%.*s.1: missing\n", (int)strcspn(c->name, " "), c->name);
		bad++;
		return;
	}
	(void)snprintf(usage, sizeof(usage), "nodeswarm %s", c->name);
	for (size_t i = 0; i < p->n; i++) {
		const char *s =
		        p->lines[i].kind == LINE_USAGE ? strstr(p->lines[i].text, usage) : NULL;

		if (s && !islower((unsigned char)s[strlen(usage)])) {
			usage[0] = '\0';
			break;
		}
	}
	if (*usage)
		complain(p, "no synopsis with '%s'", usage);
	for (const struct command *const *o = commands; *o; o++)
		siblings += page_of(*o) == p;
	if (siblings == 1 && !strstr(p->lines[1].text, c->summary))
		complain(p, "NAME does not say '%s'", c->summary);
	check_options(p, c, c->opts);
}

/* The list of all commands in nodeswarm.1. */
static void check_overview(const struct page *p)
{
	check_options(p, NULL, global_opts);
	for (const struct command *const *c = commands; *c; c++) {
		size_t i = 0;

		while (i + 1 < p->n &&
		        !(p->lines[i].kind == LINE_TAG && str_eq(p->lines[i].text, (*c)->name)))
			i++;
		if (i + 1 >= p->n)
			complain(p, "the list of commands has no '%s'", (*c)->name);
		else if (!strstr(p->lines[i + 1].text, (*c)->summary))
			complain(p, "'%s' is not '%s' there", (*c)->name, (*c)->summary);
	}
}

/* What a stack file may set for the services that it runs. */
static void check_variables(const struct page *p)
{
	static const char *const services[] = { "supervise", "health", "agent", "broker",
		"replay serve", "replay work", NULL };

	for (const char *const *s = services; *s; s++) {
		const struct command *c = command_find(*s);

		for (const struct opt *o = c->opts; o->name; o++) {
			size_t i = 0;

			if (!o->env || o->is_hidden)
				continue;
			while (i < p->n &&
			        !(p->lines[i].kind == LINE_TAG && strstr(p->lines[i].text, o->env)))
				i++;
			if (i == p->n) {
				complain(p, "no paragraph for %s, option --%s of '%s'", o->env,
				        o->name, *s);
				continue;
			}
			if (body_misses(p, i, o))
				complain(p, "%s of '%s': its paragraph does not say '%s'", o->env,
				        *s, body_misses(p, i, o));
		}
	}
}

static void pages_are_right(void **state)
{
	glob_t g;

	(void)state;
	if (glob("man/*.[15]", 0, NULL, &g) != 0)
		fail_msg("no man/*.1 here: the tests run at the top of the tree");
	assert_in_range(g.gl_pathc, 1, PAGES_MAX);
	for (size_t i = 0; i < g.gl_pathc; i++)
		pages[npages++] = read_page(g.gl_pathv[i]);
	globfree(&g);
	for (const struct command *const *c = commands; *c; c++)
		check_command(*c);
	for (size_t i = 0; i < npages; i++) {
		if (*pages[i]->alias) {
			if (!page_find(pages[i]->alias))
				complain(pages[i], "there is no page %s", pages[i]->alias);
			continue;
		}
		check_head(pages[i]);
		check_references(pages[i]);
		for (size_t j = 0; j < pages[i]->n; j++)
			check_line(pages[i], j);
	}
	if (page_find("nodeswarm.1"))
		check_overview(page_find("nodeswarm.1"));
	else
		fail_msg("man/nodeswarm.1: missing");
	if (page_find("nodeswarm-stack.5"))
		check_variables(page_find("nodeswarm-stack.5"));
	else
		fail_msg("man/nodeswarm-stack.5: missing");
	assert_int_equal(bad, 0);
}

static int free_pages(void **state)
{
	(void)state;
	for (size_t i = 0; i < npages; i++) {
		for (size_t j = 0; j < pages[i]->n; j++)
			free(pages[i]->lines[j].text);
		free(pages[i]);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_right),
	};

	return cmocka_run_group_tests_name("cli/man", tests, NULL, free_pages);
}
