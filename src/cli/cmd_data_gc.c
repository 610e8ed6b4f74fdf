/*
 * Removing what nobody needs: a host lists what it has had no use for, the engine says what of that
 * is still somebody's.
 *
 * What an agent is told has its limit, and a swarm has many slots.  So each host is first asked
 * what it would remove, by the age alone; then, to remove, it is told which of these stay.  What
 * begins to run between the two holds its lock, and is passed by.
 */

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/table.h"
#include "cli/data_print.h"
#include "cli/output.h"
#include "cli/places.h"
#include "deploy/in_use.h"
#include "deploy/view.h"

static const char *on;
static int64_t older_ns;
static bool do_remove, moved;

static const struct opt opts[] = {
	{ "on", 0, "HOST", "only on that host", .string = &on },
	{ "older", 0, "TIME", "what was not used for so long", .value = "7d",
	        .duration = &older_ns },
	{ "moved", 0, NULL, "also slots whose task is on another host now", .flag = &moved },
	{ "remove", 0, NULL, "remove what is listed", .flag = &do_remove },
	{ NULL },
};

enum {
	COL_KIND,
	COL_NAME,
	COL_HOST,
	COL_SIZE,
	COL_UNUSED,
	COL_REMOVED,
	COL_WHY,
	COL_SECONDS,
	COL_ERROR,
};

static const struct table_column cols[] = {
	[COL_KIND] = { "KIND", "kind", TABLE_TEXT },
	[COL_NAME] = { "NAME", "name", TABLE_TEXT },
	[COL_HOST] = { "HOST", "host", TABLE_TEXT },
	[COL_SIZE] = { "SIZE", "size_bytes", TABLE_SIZE },
	[COL_UNUSED] = { "UNUSED FOR", "unused_for", TABLE_TEXT },
	[COL_REMOVED] = { "REMOVED", "removed", TABLE_TEXT },
	[COL_WHY] = { "WHY", "why", TABLE_WIDE },
	[COL_SECONDS] = { "", "unused_seconds", TABLE_JSON },
	[COL_ERROR] = { "", "error", TABLE_JSON },
};

struct sums {
	size_t n, removed, failed, n_moved, n_stopped;
	uint64_t bytes;
	char first[300]; /* failure */
};

/* --- which stay ----------------------------------------------------------------------------- */

/* What stays of a host's list, as "service.slot"; a new reference, or NULL and *e. */
static json_t *stays(
        const struct place *at, const struct in_use *u, struct sums *sums, struct err *e)
{
	const char *node_id = at->node ? at->node->id : "";
	const json_t *rows = json_object_get(at->body, "slots");
	AUTO(json) json_t *list = json_array();

	for (size_t i = 0; list && i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *service = json_str(row, "service", "");
		int64_t slot = json_int(row, "slot", 0);
		enum in_use_why why = in_use_of(u, service, (uint64_t)slot, node_id);

		if (why == IN_USE_NOT || (why == IN_USE_MOVED && moved))
			continue;
		sums->n_moved += why == IN_USE_MOVED;
		sums->n_stopped += why == IN_USE_STOPPED;
		if (json_array_append_new(list, json_sprintf("%s.%lld", service, (long long)slot)) <
		        0)
			break;
	}
	if (!list || json_array_size(list) > json_array_size(rows)) {
		err_nomem(e);
		return NULL;
	}
	return TAKE(list);
}

static bool has(const json_t *names, const char *name)
{
	for (size_t i = 0; i < json_array_size(names); i++)
		if (strcmp(json_string_value(json_array_get(names, i)), name) == 0)
			return true;
	return false;
}

/* --- what is shown -------------------------------------------------------------------------- */

static void add_row(struct table *t, const struct place *at, const char *kind, const char *name,
        const json_t *row, struct sums *sums)
{
	int64_t bytes = json_int(row, "bytes", 0), idle = json_int(row, "idle_seconds", -1), then;
	bool removed = json_bool(row, "removed", false), failed = json_object_get(row, "error");
	char text[NUM_TEXT_MAX], why[DATA_TEXT_MAX];

	if (idle < 0 && clock_parse(&then, json_str(row, "at", "")) == 0)
		idle = (clock_real_ns() - then) / NS_PER_SEC;
	table_row(t);
	table_set(t, COL_KIND, json_string(kind));
	table_set(t, COL_NAME, json_string(name));
	table_set(t, COL_HOST, json_string(at->host));
	table_set(t, COL_SIZE, json_integer(bytes));
	if (idle >= 0 && idle < INT64_MAX / NS_PER_SEC) {
		table_set(t, COL_SECONDS, json_integer(idle));
		table_set(t, COL_UNUSED, json_string(num_duration_text(text, idle * NS_PER_SEC)));
	}
	if (do_remove)
		table_set(t, COL_REMOVED, json_boolean(removed));
	table_set(t, COL_ERROR, data_cell_text(row, "error.message"));
	table_set(t, COL_WHY, data_cell_text(row, failed ? "error.message" : "why"));
	sums->n++;
	sums->removed += removed;
	sums->bytes += bytes > 0 && (removed || !do_remove) ? (uint64_t)bytes : 0;
	if (failed && sums->failed++ == 0)
		snprintf(sums->first, sizeof(sums->first), "%.100s on host %.60s: %.120s", name,
		        at->host, data_text(why, row, "error.message"));
}

static void add_place(
        struct table *t, const struct place *at, const json_t *keep, struct sums *sums)
{
	const json_t *slots = json_object_get(at->body, "slots"),
	             *quarantine = json_object_get(at->body, "quarantine"),
	             *leftovers = json_object_get(at->body, "leftovers");
	char name[DATA_TEXT_MAX], service[DATA_TEXT_MAX];

	for (size_t i = 0; i < json_array_size(slots); i++) {
		const json_t *row = json_array_get(slots, i);

		snprintf(name, sizeof(name), "%.400s.%lld", data_text(service, row, "service"),
		        (long long)json_int(row, "slot", 0));
		if (!has(keep, name))
			add_row(t, at, "slot", name, row, sums);
	}
	for (size_t i = 0; i < json_array_size(quarantine); i++) {
		const json_t *row = json_array_get(quarantine, i);

		add_row(t, at, "quarantine", data_text(name, row, "name"), row, sums);
	}
	for (size_t i = 0; i < json_array_size(leftovers); i++) {
		const json_t *row = json_array_get(leftovers, i);

		add_row(t, at, "leftover", data_text(name, row, "path"), row, sums);
	}
}

/* --- all of it ------------------------------------------------------------------------------ */

static json_t *gc_args(bool remove, const json_t *in_use)
{
	json_t *args = json_pack("{s:I}", "age_seconds", (json_int_t)(older_ns / NS_PER_SEC));

	if (remove &&
	        (json_object_set_new(args, "remove", json_true()) < 0 ||
	                json_object_set(args, "in_use", (json_t *)(uintptr_t)in_use) < 0)) {
		json_decref(args);
		return NULL;
	}
	return args;
}

static void remove_at(struct places *p, struct place *at, const json_t *keep)
{
	AUTO(json) json_t *args = gc_args(true, keep);
	json_t *j;

	j = args ? places_do(p, at, "gc", args, &at->err) : NULL;
	if (!args)
		err_nomem(&at->err);
	json_decref(at->body);
	at->body = j;
}

static int sweep(struct context *ctx, struct places *p, const struct in_use *u, struct table *t,
        struct sums *sums, struct err *e)
{
	for (size_t i = 0; i < p->n; i++) {
		struct place *at = &p->v[i];
		AUTO(json) json_t *keep = NULL;

		if (!at->body)
			continue;
		keep = stays(at, u, sums, e);
		if (!keep)
			return -1;
		if (do_remove)
			remove_at(p, at, keep);
		if (ctx->interrupted)
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		if (at->body)
			add_place(t, at, keep, sums);
	}
	return 0;
}

static void print_sums(struct context *ctx, const struct sums *sums)
{
	char text[NUM_TEXT_MAX];

	if (!sums->n)
		output_line(ctx, "nothing is to be removed");
	else if (do_remove)
		output_line(ctx, "removed %zu of %zu, %s", sums->removed, sums->n,
		        num_size_text(text, sums->bytes));
	else
		output_line(
		        ctx, "%s in all; with --remove they go", num_size_text(text, sums->bytes));
	if (sums->n_stopped)
		output_line(ctx, "kept, because their services are stopped: %zu", sums->n_stopped);
	if (sums->n_moved)
		output_line(ctx,
		        "kept, because they run on another host now: %zu; with --moved they go",
		        sums->n_moved);
}

static int run(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	AUTO(table_free) struct table *t = table_new(cols, ARRAY_LEN(cols));
	AUTO(json) json_t *args = gc_args(false, NULL);
	AUTO(places) struct places p = PLACES_INIT;
	AUTO(in_use) struct in_use u = IN_USE_INIT;
	struct sums sums = { 0 };

	if (!t || !args)
		return err_nomem(e);
	if (places_all(&p, ctx, on, e) < 0)
		return -1;
	places_do_all(&p, "gc", args);
	/* Afterwards, so that it knows of all that has begun to run meanwhile. */
	if (!p.engine || in_use_load(&u, p.engine, e) < 0)
		return err_wrap(e, "which slots have a task cannot be known");
	if (sweep(ctx, &p, &u, t, &sums, e) < 0)
		return -1;
	table_sort(t, COL_HOST);
	if ((sums.n || ctx->json) && output_table(ctx, "entries", t, e) < 0)
		return -1;
	print_sums(ctx, &sums);
	if (places_note_mute(&p, "slots", e) < 0)
		return -1;
	if (!sums.failed)
		return 0;
	return err_set(e, ERR_UNHEALTHY, "%zu could not be removed; %s", sums.failed, sums.first);
}

const struct command cmd_data_gc = {
	.name = "data gc",
	.group = "Data",
	.args = "",
	.summary = "list and remove what no slot uses any more",
	.description =
	        "On all hosts: directories of slots that have had no task for long, what was put "
	        "into quarantine, and what killed commands have left, with their sizes on disk. "
	        "The engine is asked for the tasks of all stacks: a slot that has one, whose "
	        "service is stopped, or whose lock is held is never listed. Without --remove "
	        "nothing is changed.",
	.examples = (const char *const[]){ "nodeswarm data gc",
	        "nodeswarm data gc --older 30d --remove", NULL },
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
