#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/table.h"
#include "cli/data_print.h"
#include "cli/output.h"
#include "cli/places.h"
#include "data/generation.h"
#include "data/op.h"
#include "data/slot.h"

static const char *on, *slots_text, *from;

static const struct opt opts[] = {
	OPT_ON(on),
	{ "slots", 0, "LIST", "these slots and no others, like 1,3,5-8", .string = &slots_text },
	{ "from", 0, "NAME", "which generation", .value = GENERATION_CURRENT, .string = &from },
	{ NULL },
};

static int add_range(json_t *list, uint64_t first, uint64_t last, struct err *e)
{
	for (uint64_t i = first; i <= last; i++) {
		if (json_array_size(list) >= OP_SLOTS_MAX)
			return err_set(e, ERR_USAGE, "more than %d slots at a time", OP_SLOTS_MAX);
		if (json_array_append_new(list, json_integer((json_int_t)i)) < 0)
			return err_nomem(e);
	}
	return 0;
}

/* "7" or "5-8" */
static int add_part(json_t *list, char *part, struct err *e)
{
	char *dash = strchr(part, '-');
	uint64_t first, last;

	if (dash)
		*dash++ = '\0';
	if (num_uint(&first, part, 1, SLOT_NUMBER_MAX, e) < 0)
		return -1;
	last = first;
	if (dash && num_uint(&last, dash, first, SLOT_NUMBER_MAX, e) < 0)
		return -1;
	return add_range(list, first, last, e);
}

static json_t *parse_slots(const char *text, struct err *e)
{
	AUTO(free) char *copy = strdup(text);
	AUTO(json) json_t *list = json_array();
	char *rest = copy, *part;

	if (!copy || !list) {
		err_nomem(e);
		return NULL;
	}
	while ((part = strsep(&rest, ",")))
		if (add_part(list, part, e) < 0) {
			err_wrap(e, "slots '%s'", text);
			return NULL;
		}
	return TAKE(list);
}

static json_t *first_slots(const char *count, struct err *e)
{
	AUTO(json) json_t *list = json_array();
	uint64_t n;

	if (num_uint(&n, count, 1, OP_SLOTS_MAX, e) < 0) {
		err_wrap(e, "number of slots");
		return NULL;
	}
	return add_range(list, 1, n, e) < 0 ? NULL : TAKE(list);
}

static int print_slots(struct context *ctx, const char *service, const json_t *rows, struct err *e)
{
	static const struct table_column cols[] = {
		{ "SLOT", "name", TABLE_TEXT },
		{ "STATE", "state", TABLE_TEXT },
		{ "TOOK", "took", TABLE_TEXT },
		{ "HOW", "how", TABLE_WIDE },
	};
	AUTO(table_free) struct table *t = table_new(cols, ARRAY_LEN(cols));
	char text[DATA_TEXT_MAX], took[NUM_TEXT_MAX];

	if (!t)
		return err_nomem(e);
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		double seconds = json_number_value(json_object_get(row, "took_seconds"));

		snprintf(text, sizeof(text), "%s.%lld", service,
		        (long long)json_int(row, "slot", 0));
		table_row(t);
		table_set(t, 0, json_string(text));
		table_set(t, 1, data_cell_text(row, "state"));
		if (seconds > 0 && seconds < 1e9)
			table_set(t, 2,
			        json_string(num_duration_text(took, (int64_t)(seconds * 1e9))));
		if (json_object_get(row, "clone"))
			table_set(t, 3,
			        json_string(data_clone_text(text, json_object_get(row, "clone"))));
		else
			table_set(t, 3, data_cell_text(row, "error.message"));
	}
	return json_array_size(rows) ? table_print(t, ctx->out, e) : 0;
}

/* A slot that could not be made is a failure; one that has data or a container is none. */
static int check(const json_t *rows, struct err *e)
{
	size_t failed = 0, n = json_array_size(rows);
	const json_t *first = NULL;
	char why[DATA_TEXT_MAX];

	for (size_t i = 0; i < n; i++) {
		const json_t *row = json_array_get(rows, i);

		if (strcmp(json_str(row, "state", ""), "failed") == 0 && failed++ == 0)
			first = row;
	}
	if (!failed)
		return 0;
	err_set(e, ERR_UNHEALTHY, "%zu of %zu slots could not be prepared; slot %lld: %.300s",
	        failed, n, (long long)json_int(first, "slot", 0),
	        data_text(why, first, "error.message"));
	return err_hint(e, "%.300s", data_text(why, first, "error.hint"));
}

static int run(struct context *ctx, int argc, char **argv, struct err *e)
{
	AUTO(places) struct places p = PLACES_INIT;
	AUTO(json) json_t *slots = NULL;
	AUTO(json) json_t *args = NULL;
	AUTO(json) json_t *j = NULL;
	const json_t *rows;
	char full[160];

	if ((argc > 1) == (slots_text != NULL))
		return command_usage(ctx, e, "give the number of slots, or --slots LIST");
	if (data_service_name(full, ctx, argv[0], e) < 0 || data_generation_name(ctx, from, e) < 0)
		return -1;
	slots = slots_text ? parse_slots(slots_text, e) : first_slots(argv[1], e);
	if (!slots)
		return -1;
	args = json_pack("{s:s, s:O, s:s}", "service", full, "slots", slots, "generation", from);
	if (!args)
		return err_nomem(e);
	if (places_one(&p, ctx, on, e) < 0)
		return -1;
	j = places_do(&p, &p.v[0], "prepare", args, e);
	if (!j || data_output(ctx, j, e) < 0 ||
	        output_value(ctx, "host", json_string(p.v[0].host), e) < 0)
		return -1;
	rows = json_object_get(j, "slots");
	if (!ctx->json) {
		char name[DATA_TEXT_MAX];

		output_line(
		        ctx, "from %s on host %s", data_text(name, j, "generation"), p.v[0].host);
		if (print_slots(ctx, argv[0], rows, e) < 0)
			return -1;
	}
	return check(rows, e);
}

const struct command cmd_data_prepare = {
	.name = "data prepare",
	.group = "Data",
	.args = "SERVICE [N]",
	.summary = "clone data-dirs for slots before they start",
	.description =
	        "Gives slots 1 to N of a service, or those of --slots, a clone of a generation, so "
	        "that their containers find it when they come. A slot that has data or a container "
	        "is left as it is. New slots take 'current' by themselves, too; this is for a "
	        "pool that copies, and for another generation.",
	.examples = (const char *const[]){ "nodeswarm data prepare readers 8",
	        "nodeswarm data prepare readers --slots 1,3,5 --from g000042-0349798134", NULL },
	.min_args = 1,
	.max_args = 2,
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
