#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/table.h"
#include "cli/load_files.h"
#include "cli/load_test.h"
#include "cli/output.h"
#include "load/self_test.h"

enum { CSV, HDR, HTML, FILES };

struct files {
	struct load_file v[FILES];
};

static void files_release(struct files *f)
{
	for (int i = 0; i < FILES; i++)
		load_file_release(&f->v[i]);
}

static inline void auto_files(struct files *f)
{
	files_release(f);
}

static int open_files(struct files *f, const struct load_run_files *wanted, struct err *e)
{
	const char *const paths[FILES] = { wanted->csv, wanted->hdr, wanted->html };
	static const char *const options[FILES] = { "--csv", "--hdr", "--html" };

	for (int i = 0; i < FILES; i++) {
		if (load_file_open(&f->v[i], options[i], paths[i], e) < 0)
			return -1;
		for (int k = 0; paths[i] && k < i; k++)
			if (f->v[k].path && strcmp(f->v[i].path, f->v[k].path) == 0)
				return err_set(e, ERR_USAGE, "%s and %s name the same file '%s'",
				        options[k], options[i], paths[i]);
	}
	return 0;
}

typedef int write_fn(const struct load_report *r, FILE *out, struct err *e);

/* By way of memory, so that what is wrong with the file is told by the call that found it. */
static int write_file(
        struct load_file *f, write_fn *writer, const struct load_report *r, struct err *e)
{
	AUTO(free) char *text = NULL;
	size_t n = 0;
	FILE *out = f->path ? open_memstream(&text, &n) : NULL;
	int rc;

	if (!f->path)
		return 0;
	if (!out)
		return err_nomem(e);
	rc = writer(r, out, e);
	if (fclose(out) != 0 && rc == 0)
		rc = err_nomem(e);
	return rc < 0 ? err_wrap(e, "%s", f->option) : load_file_commit(f, text, n, e);
}

static int write_files(struct files *f, const struct load_report *r, struct err *e)
{
	static write_fn *const writers[FILES] = { load_report_csv, load_report_hdr,
		load_report_html };

	for (int i = 0; i < FILES; i++)
		if (write_file(&f->v[i], writers[i], r, e) < 0)
			return -1;
	return 0;
}

static json_t *limits_json(const struct load_limits *ls, const struct load_outcome *o)
{
	AUTO(json) json_t *list = json_array();

	for (size_t i = 0; i < ls->n; i++)
		if (json_array_append_new(list,
		            json_pack("{s:s,s:o,s:b}", "fail_if", ls->limits[i].text, "actual",
		                    load_number_json(o->actual[i]), "holds", !o->is_broken[i])) < 0)
			return NULL;
	return TAKE(list);
}

/* The report's keys are those of the whole object. */
static int print_json(struct load_test *t, const struct load_outcome *o, struct err *e)
{
	AUTO(json) json_t *j = load_report_json(&o->report, e);
	const char *key;
	json_t *value;

	if (!j)
		return -1;
	json_object_foreach(
	        j, key, value) if (output_value(t->ctx, key, json_incref(value), e) < 0) return -1;
	return output_value(t->ctx, "limits", limits_json(&t->limits, o), e);
}

int load_cmd_run(
        struct load_test *t, const char *url, const struct load_run_files *wanted, struct err *e)
{
	AUTO(files) struct files files = { { LOAD_FILE_INIT, LOAD_FILE_INIT, LOAD_FILE_INIT } };
	AUTO(load_side) struct load_side side = { .config = { .target = NULL } };
	AUTO(load_outcome) struct load_outcome o = { .result = NULL };

	if (open_files(&files, wanted, e) < 0 || load_side_init(&side, t, url, e) < 0 ||
	        load_test_run(t, &side, side.target.url, NULL, wanted->hdr != NULL, &o, e) < 0)
		return -1;
	progress_hide(t->ctx);
	if (t->ctx->json ? print_json(t, &o, e) < 0
	                 : load_report_text(&o.report, t->ctx->out, e) < 0)
		return -1;
	if (write_files(&files, &o.report, e) < 0)
		return -1;
	return load_test_verdict(t, &o.broken, e);
}

/* --- the generator by itself ----------------------------------------------------------- */

struct rows {
	struct context *ctx;
	struct table *table;
	unsigned n, wrong;
};

static void add_row(void *arg, const struct load_self_test_row *row)
{
	struct rows *r = arg;

	if (r->ctx->err_tty)
		progress_set(r->ctx, "self-test: %s", row->what);
	r->n++;
	r->wrong += !row->ok;
	table_row(r->table);
	table_set(r->table, 0, json_string(row->ok ? "ok" : "WRONG"));
	table_set(r->table, 1, json_string(load_class_name(row->expected)));
	table_set(r->table, 2, json_integer((json_int_t)row->requests));
	table_set(r->table, 3, json_integer((json_int_t)row->counted));
	table_set(r->table, 4, json_string(row->what));
}

int load_cmd_self_test(struct context *ctx, struct err *e)
{
	static const struct table_column cols[] = {
		{ "RESULT", "result", TABLE_TEXT },
		{ "CLASS", "class", TABLE_TEXT },
		{ "REQUESTS", "requests", TABLE_NUMBER },
		{ "COUNTED", "counted", TABLE_NUMBER },
		{ "CASE", "case", TABLE_WIDE },
	};
	AUTO(table_free) struct table *table = table_new(cols, ARRAY_LEN(cols));
	struct rows rows = { ctx, table, 0, 0 };
	struct err why = ERR_INIT, shown = ERR_INIT;
	int rc;

	if (!table)
		return err_nomem(e);
	rc = load_self_test(true, add_row, &rows, &ctx->interrupted, &why);
	progress_end(ctx);
	if (output_table(ctx, "cases", table, &shown) < 0 && rc == 0)
		return *e = shown, -1;
	output_line(ctx, "\n%u cases, %u counted wrongly", rows.n, rows.wrong);
	if (rc == 0)
		return 0;
	return err_set(e, rc > 0 ? ERR_UNHEALTHY : why.kind, "self-test: %s", why.msg);
}
