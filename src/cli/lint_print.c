#include "cli/lint_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"
#include "base/strvec.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/output.h"

/* A path of the model, "FILE:LINE:COLUMN", a finding's line without its end. */
#define PLACE_SIZE 4160
#define LINE_SIZE  (PLACE_SIZE + LINT_TEXT_MAX + 256)

/* --- asking ----------------------------------------------------------------------------------- */

int lint_ask(struct lint_findings *ret, const struct stack *st, const struct strvec *allow,
        struct err *e)
{
	for (size_t i = 0; i < allow->n; i++)
		if (lint_rule_check(allow->v[i], e) < 0)
			return -1;
	if (lint_stack(ret, st, e) < 0)
		return -1;
	for (size_t i = 0; i < allow->n; i++)
		lint_findings_allow(ret, lint_rule_find(allow->v[i]), "--allow");
	return 0;
}

/* --- a line ----------------------------------------------------------------------------------- */

/* The files of configs are known by their absolute paths: seen from here, where that is shorter. */
static const char *from_here(const char *path)
{
	AUTO(free) char *cwd = *path == '/' ? getcwd(NULL, 0) : NULL;
	const char *rest;

	return cwd && str_starts(path, cwd, &rest) && *rest == '/' && rest[1] ? rest + 1 : path;
}

static const char *place(char out[PLACE_SIZE], const struct stack_pos *at)
{
	const char *file = from_here(at->file);

	if (at->column)
		snprintf(out, PLACE_SIZE, "%s:%u:%u", file, at->line, at->column);
	else if (at->line)
		snprintf(out, PLACE_SIZE, "%s:%u", file, at->line);
	else
		snprintf(out, PLACE_SIZE, "%s", file);
	str_printable(out);
	return out;
}

/* "FILE:LINE:COLUMN: [warning: ]service 'x': text [rule]" */
static const char *line(char out[LINE_SIZE], const struct lint_finding *f, const char *severity)
{
	char where[PLACE_SIZE];

	snprintf(out, LINE_SIZE, "%s: %s%s%s%s%s%s [%s]", place(where, &f->at), severity,
	        *severity ? ": " : "", f->service ? "service '" : "", f->service ? f->service : "",
	        f->service ? "': " : "", f->text, lint_rules[f->rule].name);
	return out;
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* --- nodeswarm lint --------------------------------------------------------------------------- */

static json_t *number_or_null(unsigned n)
{
	return n ? json_integer(n) : json_null();
}

static json_t *finding_json(const struct lint_finding *f)
{
	const struct lint_rule *r = &lint_rules[f->rule];

	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:s, s:o}", "rule", r->name,
	        "severity", lint_severity_name(r->severity), "file", from_here(f->at.file), "line",
	        number_or_null(f->at.line), "column", number_or_null(f->at.column), "service",
	        f->service ? json_string(f->service) : json_null(), "text", f->text, "hint",
	        r->hint, "allowed", f->allowed ? json_string(f->allowed) : json_null());
}

static void print_finding(struct context *ctx, const struct lint_finding *f, bool *is_said)
{
	const struct lint_rule *r = &lint_rules[f->rule];
	char text[LINE_SIZE];

	if (f->allowed) {
		if (ctx->level > 0)
			output_line(ctx, "%s\n  allowed: %s", line(text, f, "allowed"), f->allowed);
		return;
	}
	output_line(ctx, "%s", line(text, f, lint_severity_name(r->severity)));
	if (!*is_said)
		output_line(ctx, "  hint: %s", r->hint);
	*is_said = true;
}

int lint_print(struct context *ctx, const struct lint_findings *f, struct err *e)
{
	AUTO(json) json_t *findings = json_array(), *silent = json_array();
	bool is_said[LINT_RULES] = { false };

	for (size_t i = 0; i < f->n; i++) {
		print_finding(ctx, &f->v[i], &is_said[f->v[i].rule]);
		if (ctx->json &&
		        json_array_append_new(
		                f->v[i].allowed ? silent : findings, finding_json(&f->v[i])) < 0)
			return err_nomem(e);
	}
	if (f->is_cut)
		output_line(ctx, "... and more: only the first %d are shown", LINT_FINDINGS_MAX);
	output_line(ctx, "%zu error%s, %zu warning%s, %zu allowed", f->errors, plural(f->errors),
	        f->warnings, plural(f->warnings), f->allowed);
	if (output_value(ctx, "findings", TAKE(findings), e) < 0 ||
	        output_value(ctx, "allowed", TAKE(silent), e) < 0 ||
	        output_value(ctx, "errors", json_integer((json_int_t)f->errors), e) < 0 ||
	        output_value(ctx, "warnings", json_integer((json_int_t)f->warnings), e) < 0)
		return -1;
	return output_value(ctx, "is_cut", json_boolean(f->is_cut), e);
}

/* --- rules ------------------------------------------------------------------------------------ */

static void print_rule(struct context *ctx, const struct lint_rule *r)
{
	const struct {
		const char *title, *text;
	} rows[] = { { "why", r->why }, { "do", r->hint }, { "from", r->source } };

	if (ctx->json)
		return;
	output_line(ctx, "%s (%s)", r->name, lint_severity_name(r->severity));
	fputs("  ", ctx->out);
	help_wrap(ctx->out, r->summary, 2, 2);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fprintf(ctx->out, "  %-5s ", rows[i].title);
		help_wrap(ctx->out, rows[i].text, 8, 8);
	}
}

int lint_print_rules(struct context *ctx, struct err *e)
{
	AUTO(json) json_t *list = json_array();

	for (size_t i = 0; i < LINT_RULES; i++) {
		const struct lint_rule *r = &lint_rules[i];

		print_rule(ctx, r);
		if (json_array_append_new(list,
		            json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "rule", r->name, "severity",
		                    lint_severity_name(r->severity), "summary", r->summary, "why",
		                    r->why, "hint", r->hint, "source", r->source)) < 0)
			return err_nomem(e);
	}
	return output_value(ctx, "rules", TAKE(list), e);
}

/* --- nodeswarm up ----------------------------------------------------------------------------- */

int lint_gate(
        struct context *ctx, const struct stack *st, const struct strvec *allow, struct err *e)
{
	AUTO(lint_findings) struct lint_findings f = LINT_FINDINGS_INIT;
	const struct lint_finding *first = NULL;
	char text[LINE_SIZE];

	if (lint_ask(&f, st, allow, e) < 0)
		return -1;
	for (size_t i = 0; i < f.n; i++) {
		if (f.v[i].allowed)
			output_detail(
			        ctx, "%s: allowed: %s", line(text, &f.v[i], ""), f.v[i].allowed);
		else if (lint_rules[f.v[i].rule].severity == LINT_WARNING)
			output_warn(ctx, "%s", line(text, &f.v[i], ""));
		else if (!first)
			first = &f.v[i];
	}
	if (!first)
		return 0;
	err_set(e, ERR_USAGE, "%s", line(text, first, ""));
	return err_hint(e, "%s; 'nodeswarm lint' shows %s, and --allow %s goes on",
	        lint_rules[first->rule].hint, f.errors == 1 ? "why" : "all errors",
	        lint_rules[first->rule].name);
}
