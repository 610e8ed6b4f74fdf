/*
 * Removing what nobody needs: a host lists what it has had no use for, the engine says what of that
 * is still somebody's.
 *
 * So each host is first asked what it would remove, by the age alone; then, to remove, the engine
 * is asked once more, and the host is told what may go and removes nothing else.  What begins to
 * run between the two holds its lock, and is passed by.
 */

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/table.h"
#include "cli/data_print.h"
#include "cli/output.h"
#include "cli/places.h"
#include "data/op.h"
#include "deploy/in_use.h"
#include "deploy/view.h"

/* Bytes of names that go into one request, AGENT_BODY_DATA_MAX. */
#define NAMES_MAX (40U * 1024)

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
	size_t n, removed, failed, n_moved, n_stopped, n_later;
	uint64_t bytes;
	char first[300]; /* failure */
};

/* --- what may go ---------------------------------------------------------------------------- */

/* A host's list without what stays. */
struct judged {
	json_t *slots, *quarantine; /* names */
	bool has_leftovers;
	size_t bytes; /* of both lists as texts */
};

static inline void auto_judged(struct judged *j)
{
	json_decref(j->slots);
	json_decref(j->quarantine);
}

/* What an agent is told has its limit; what is too much is for the next time. */
static int add_name(struct judged *j, json_t *list, json_t *name_take, struct sums *sums)
{
	size_t n = json_string_length(name_take) + 3;

	if (do_remove && (json_array_size(list) >= OP_SLOTS_MAX || j->bytes + n > NAMES_MAX)) {
		json_decref(name_take);
		sums->n_later++;
		return 0;
	}
	j->bytes += n;
	return json_array_append_new(list, name_take);
}

static int judge_slot(struct judged *j, const struct place *at, const struct in_use *u,
        const json_t *row, struct sums *sums)
{
	const char *service = json_str(row, "service", "");
	int64_t slot = json_int(row, "slot", 0);
	enum in_use_why why = in_use_of(u, service, (uint64_t)slot, at->node ? at->node->id : "");

	sums->n_moved += why == IN_USE_MOVED && !moved;
	sums->n_stopped += why == IN_USE_STOPPED;
	if (why != IN_USE_NOT && (why != IN_USE_MOVED || !moved))
		return 0;
	return add_name(j, j->slots, json_sprintf("%s.%lld", service, (long long)slot), sums);
}

static int judge(struct judged *j, const struct place *at, const struct in_use *u,
        struct sums *sums, struct err *e)
{
	const json_t *slots = json_object_get(at->body, "slots");
	const json_t *quarantine = json_object_get(at->body, "quarantine");
	int rc = 0;

	j->slots = json_array();
	j->quarantine = json_array();
	j->has_leftovers = json_array_size(json_object_get(at->body, "leftovers")) > 0;
	if (!j->slots || !j->quarantine)
		return err_nomem(e);
	for (size_t i = 0; rc == 0 && i < json_array_size(slots); i++)
		rc = judge_slot(j, at, u, json_array_get(slots, i), sums);
	for (size_t i = 0; rc == 0 && i < json_array_size(quarantine); i++)
		rc = add_name(j, j->quarantine,
		        json_string(json_str(json_array_get(quarantine, i), "name", "")), sums);
	return rc < 0 ? err_nomem(e) : 0;
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
	int64_t bytes = json_int(row, "bytes", 0), idle = json_int(row, "idle_seconds", -1);
	int64_t then = json_time(row, "at");
	bool removed = json_bool(row, "removed", false), failed = json_object_get(row, "error");
	char text[NUM_TEXT_MAX], why[DATA_TEXT_MAX];

	if (idle < 0 && then)
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

/* may_go: the slots; NULL: all that are there. */
static void add_place(
        struct table *t, const struct place *at, const json_t *may_go, struct sums *sums)
{
	const json_t *slots = json_object_get(at->body, "slots"),
	             *quarantine = json_object_get(at->body, "quarantine"),
	             *leftovers = json_object_get(at->body, "leftovers");
	char name[DATA_TEXT_MAX], service[DATA_TEXT_MAX];

	for (size_t i = 0; i < json_array_size(slots); i++) {
		const json_t *row = json_array_get(slots, i);

		snprintf(name, sizeof(name), "%.400s.%lld", data_text(service, row, "service"),
		        (long long)json_int(row, "slot", 0));
		if (!may_go || has(may_go, name))
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

static json_t *look_args(void)
{
	return json_pack("{s:I}", "age_seconds", (json_int_t)(older_ns / NS_PER_SEC));
}

static void remove_at(struct places *p, struct place *at, const struct judged *j)
{
	AUTO(json)
	json_t *args = json_pack("{s:I, s:b, s:O, s:O, s:b}", "age_seconds",
	        (json_int_t)(older_ns / NS_PER_SEC), "remove", true, "slots", j->slots,
	        "quarantine", j->quarantine, "leftovers", j->has_leftovers);

	json_decref(at->body);
	at->body = args ? places_do(p, at, "gc", args, &at->err) : NULL;
	if (!args)
		err_nomem(&at->err);
}

/* u: what the engine said after all hosts had listed. */
static int sweep_one(struct context *ctx, struct places *p, struct place *at,
        const struct in_use *u, struct table *t, struct sums *sums, struct err *e)
{
	AUTO(in_use) struct in_use now = IN_USE_INIT;
	AUTO(judged) struct judged j = { 0 };

	/* Other hosts may have taken hours. */
	if (do_remove && in_use_load(&now, p->engine, e) < 0)
		return -1;
	if (judge(&j, at, do_remove ? &now : u, sums, e) < 0)
		return -1;
	if (do_remove &&
	        (json_array_size(j.slots) || json_array_size(j.quarantine) || j.has_leftovers))
		remove_at(p, at, &j);
	if (ctx->interrupted)
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	if (at->body)
		add_place(t, at, j.slots, sums);
	return 0;
}

static int sweep(struct context *ctx, struct places *p, const struct in_use *u, struct table *t,
        struct sums *sums, struct err *e)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].body && sweep_one(ctx, p, &p->v[i], u, t, sums, e) < 0)
			return -1;
	return 0;
}

static void print_skipped(struct context *ctx, const struct places *p)
{
	char name[DATA_TEXT_MAX], why[DATA_TEXT_MAX];

	for (size_t i = 0; i < p->n; i++) {
		const json_t *list = json_object_get(p->v[i].body, "skipped");

		for (size_t k = 0; k < json_array_size(list); k++)
			output_line(ctx, "kept, because it cannot be judged: %s on host %s: %s",
			        data_text(name, json_array_get(list, k), "name"), p->v[i].host,
			        data_text(why, json_array_get(list, k), "error.message"));
	}
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
	if (sums->n_later)
		output_line(
		        ctx, "too many for one time: %zu; give the command again", sums->n_later);
	if (sums->n_stopped)
		output_line(ctx, "kept, because their services are stopped: %zu", sums->n_stopped);
	if (sums->n_moved)
		output_line(ctx,
		        "kept, because they run on another host now: %zu; with --moved they go",
		        sums->n_moved);
}

/* Who asks for a removal has to hear of what could not be looked at.  A host that is away has been
 * named, and is no failure, as for every command about all hosts. */
static int check_all(const struct places *p, struct err *e)
{
	for (size_t i = 0; do_remove && i < p->n; i++) {
		if (p->v[i].err.kind != ERR_NONE && p->v[i].err.kind != ERR_UNAVAILABLE) {
			*e = p->v[i].err;
			return err_wrap(e, "nothing was removed on host %s", p->v[i].host);
		}
		if (json_array_size(json_object_get(p->v[i].body, "skipped")))
			return err_set(e, ERR_UNHEALTHY,
			        "some could not be judged and were kept, on host %s", p->v[i].host);
	}
	return 0;
}

static int run(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	AUTO(table_free) struct table *t = table_new(cols, ARRAY_LEN(cols));
	AUTO(json) json_t *args = look_args();
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
	print_skipped(ctx, &p);
	if (places_note_mute(&p, "slots", e) < 0 || check_all(&p, e) < 0)
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
