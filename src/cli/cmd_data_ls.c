/* data ls, data show: what generations there are. */

#include <stdio.h>
#include <string.h>

#include "base/table.h"
#include "cli/data_print.h"
#include "cli/output.h"
#include "cli/places.h"

#define ROWS_MAX 1000 /* of one host; data/generation.h has the same bound */

static const char *on;
static bool is_wide, with_files, local;

static const struct opt ls_opts[] = {
	{ "on", 0, "HOST", "only those of that host", .exclusive = 'l', .string = &on },
	{ "local", 0, NULL, "only this host's pool; needs no engine", .exclusive = 'l',
	        .flag = &local },
	{ "wide", 'w', NULL, "also chain, database format and integrity hash", .flag = &is_wide },
	{ NULL },
};

static const struct opt show_opts[] = {
	OPT_ON(on),
	{ "files", 0, NULL, "list its files and their digests", .flag = &with_files },
	{ NULL },
};

/* --- ls ------------------------------------------------------------------------------------- */

enum {
	COL_NAME,
	COL_HOST,
	COL_CURRENT,
	COL_HEAD,
	COL_LIB,
	COL_CREATED,
	COL_SIZE,
	COL_DATA,
	COL_KIND,
	COL_SOURCE,
	COL_VERSION,
	COL_CHAIN,
	COL_FORMAT,
	COL_HASH,
	COL_ERROR,
	COL_IN_USE,
	COL_ORIGIN,
	COL_MADE_ON,
	COL_COUNT,
};

/* Those from COL_CHAIN to COL_HASH are for people only with --wide. */
static const struct table_column cols[COL_COUNT] = {
	[COL_NAME] = { "NAME", "name", TABLE_TEXT },
	[COL_HOST] = { "HOST", "host", TABLE_TEXT },
	[COL_CURRENT] = { "CURRENT", "current", TABLE_TEXT },
	[COL_HEAD] = { "HEAD", "head_block_num", TABLE_NUMBER },
	[COL_LIB] = { "LIB", "lib_block_num", TABLE_NUMBER },
	[COL_CREATED] = { "CREATED", "created", TABLE_TEXT },
	[COL_SIZE] = { "SIZE", "size_bytes", TABLE_SIZE },
	[COL_DATA] = { "DATA", "data_bytes", TABLE_SIZE },
	[COL_KIND] = { "KIND", "kind", TABLE_TEXT },
	[COL_SOURCE] = { "SOURCE", "source", TABLE_TEXT },
	[COL_VERSION] = { "VERSION", "nodeos_version", TABLE_TEXT },
	[COL_CHAIN] = { "CHAIN", "chain_id", TABLE_TEXT },
	[COL_FORMAT] = { "FORMAT", "database_format", TABLE_TEXT },
	[COL_HASH] = { "INTEGRITY HASH", "integrity_hash", TABLE_TEXT },
	[COL_ERROR] = { "", "error", TABLE_JSON },
	[COL_IN_USE] = { "", "in_use", TABLE_JSON },
	[COL_ORIGIN] = { "", "origin", TABLE_JSON },
	[COL_MADE_ON] = { "", "made_on", TABLE_JSON },
};

static void add_row(struct table *t, const struct place *at, const json_t *m)
{
	table_row(t);
	for (int i = 0; i < COL_COUNT; i++)
		switch (cols[i].kind) {
		case TABLE_NUMBER:
		case TABLE_SIZE:
			table_set(t, (size_t)i, data_cell_number(m, cols[i].key));
			break;
		case TABLE_TEXT:
		case TABLE_WIDE:
		case TABLE_JSON:
			table_set(t, (size_t)i, data_cell_text(m, cols[i].key));
			break;
		}
	table_set(t, COL_HOST, json_string(at->host));
	table_set(t, COL_HEAD, data_cell_block(m, "head_block_num"));
	table_set(t, COL_LIB, data_cell_block(m, "lib_block_num"));
	table_set(t, COL_CURRENT, json_boolean(json_bool(m, "current", false)));
	table_set(t, COL_IN_USE, json_boolean(json_bool(m, "in_use", false)));
	table_set(t, COL_MADE_ON, data_cell_text(m, "host"));
	table_set(t, COL_ERROR, data_cell_text(m, "error.message"));
}

static int add_place(struct context *ctx, struct table *t, struct place *at)
{
	const json_t *list = json_object_get(at->body, "generations");
	size_t n = json_array_size(list);
	char name[DATA_TEXT_MAX], why[DATA_TEXT_MAX];

	if (!at->body)
		return 0;
	if (!json_is_array(list) || n > ROWS_MAX) {
		json_decref(at->body);
		at->body = NULL;
		return err_set(&at->err, ERR_PROTOCOL, "its reply has no list of generations");
	}
	for (size_t i = 0; i < n; i++) {
		const json_t *m = json_array_get(list, i);

		if (!*json_str(m, "name", ""))
			continue;
		add_row(t, at, m);
		if (json_object_get(m, "error"))
			output_warn(ctx, "%s on host %s cannot be read: %s",
			        data_text(name, m, "name"), at->host,
			        data_text(why, m, "error.message"));
	}
	return (int)n;
}

static int run_ls(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	static struct table_column shown[COL_COUNT];
	AUTO(places) struct places p = PLACES_INIT;
	AUTO(table_free) struct table *t = NULL;
	int n = 0;

	memcpy(shown, cols, sizeof(shown));
	for (int i = COL_CHAIN; i <= COL_HASH && !is_wide; i++)
		shown[i].kind = TABLE_JSON;
	t = table_new(shown, COL_COUNT);
	if (!t)
		return err_nomem(e);
	if ((local ? places_here(&p, ctx, e) : places_all(&p, ctx, on, e)) < 0)
		return -1;
	places_do_all(&p, "ls", NULL);
	for (size_t i = 0; i < p.n; i++) {
		int found = add_place(ctx, t, &p.v[i]);

		n += found > 0 ? found : 0;
	}
	table_sort(t, COL_HOST);
	if ((n || ctx->json) && output_table(ctx, "generations", t, e) < 0)
		return -1;
	if (!n)
		output_note(ctx,
		        "there are no generations; 'nodeswarm data archive' and "
		        "'nodeswarm data import' make them");
	return places_note_mute(&p, "generations", e);
}

const struct command cmd_data_ls = {
	.name = "data ls",
	.group = "Data",
	.args = "",
	.summary = "list the generations of all hosts",
	.description =
	        "One row for each generation on each host, asked through the agents; hosts that "
	        "do not answer are named below the table, and 'hosts' in JSON says why. SIZE is "
	        "what its files are long, DATA what of that is not holes; how much of it is shared "
	        "with slots shows 'nodeswarm pool status'. Slots start from the one that is "
	        "CURRENT on their host.",
	.examples = (const char *const[]){ "nodeswarm data ls",
	        "nodeswarm data ls --on node2 --wide", NULL },
	.flags = COMMAND_HAS_JSON,
	.opts = ls_opts,
	.run = run_ls,
};

/* --- show ----------------------------------------------------------------------------------- */

static void print_line(struct context *ctx, const char *title, const json_t *m, const char *key)
{
	const json_t *v = json_at(m, key);
	char text[DATA_TEXT_MAX];

	if (json_is_integer(v) && json_integer_value(v))
		output_line(ctx, "%-16s %lld", title, (long long)json_integer_value(v));
	else if (*data_text(text, m, key))
		output_line(ctx, "%-16s %s", title, text);
}

static void print_manifest(struct context *ctx, const struct place *at, const json_t *m)
{
	static const struct {
		const char *title, *key;
	} lines[] = {
		{ "name", "name" },
		{ "kind", "kind" },
		{ "created", "created" },
		{ "made by", "origin" },
		{ "of", "source" },
		{ "on host", "host" },
		{ "chain", "chain_id" },
		{ "first block", "first_block_num" },
		{ "irreversible", "lib_block_num" },
		{ "its id", "lib_block_id" },
		{ "head", "head_block_num" },
		{ "its id", "head_block_id" },
		{ "nodeos", "nodeos_version" },
		{ "database format", "database_format" },
		{ "integrity hash", "integrity_hash" },
	};
	char size[DATA_TEXT_MAX], data[DATA_TEXT_MAX], clone[DATA_TEXT_MAX];

	output_line(ctx, "%-16s %s", "host", at->host);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		print_line(ctx, lines[i].title, m, lines[i].key);
	output_line(ctx, "%-16s %s, %s of data", "size", data_size(size, m, "size_bytes"),
	        data_size(data, m, "data_bytes"));
	if (json_is_object(json_object_get(m, "clone")))
		output_line(ctx, "%-16s %s", "its making",
		        data_clone_text(clone, json_object_get(m, "clone")));
}

static int print_files(struct context *ctx, const json_t *m, struct err *e)
{
	static const struct table_column file_cols[] = {
		{ "PATH", "path", TABLE_TEXT },
		{ "SIZE", "size_bytes", TABLE_SIZE },
		{ "DIGEST", "digest", TABLE_TEXT },
	};
	const json_t *list = json_object_get(m, "files");
	AUTO(table_free) struct table *t = table_new(file_cols, ARRAY_LEN(file_cols));

	if (!t)
		return err_nomem(e);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *f = json_array_get(list, i);

		table_row(t);
		table_set(t, 0, data_cell_text(f, "path"));
		table_set(t, 1, data_cell_number(f, "size_bytes"));
		table_set(t, 2, data_cell_text(f, "digest"));
	}
	return table_print(t, ctx->out, e);
}

static int run_show(struct context *ctx, int argc UNUSED, char **argv, struct err *e)
{
	AUTO(json) json_t *args = json_pack("{s:s}", "name", argv[0]);
	AUTO(places) struct places p = PLACES_INIT;
	AUTO(json) json_t *j = NULL;
	const json_t *m;

	if (!args)
		return err_nomem(e);
	if (data_generation_name(ctx, argv[0], e) < 0 || places_one(&p, ctx, on, e) < 0)
		return -1;
	j = places_do(&p, &p.v[0], "show", args, e);
	if (!j || data_output(ctx, j, e) < 0)
		return -1;
	if (ctx->json)
		return output_value(ctx, "host", json_string(p.v[0].host), e);
	m = json_object_get(j, "generation");
	print_manifest(ctx, &p.v[0], m);
	return with_files ? print_files(ctx, m, e) : 0;
}

const struct command cmd_data_show = {
	.name = "data show",
	.group = "Data",
	.args = "NAME",
	.summary = "show what is known of a generation",
	.description =
	        "Its manifest: chain and blocks, the nodeos that wrote it, where it comes from, "
	        "and "
	        "how it was cloned. 'current' is a name too. With --json all of it, with the "
	        "digests of its files.",
	.examples = (const char *const[]){ "nodeswarm data show current",
	        "nodeswarm data show g000042-0349798134 --on node2 --files", NULL },
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_HAS_JSON,
	.opts = show_opts,
	.run = run_show,
};
