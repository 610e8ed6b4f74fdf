/* data archive, data restore: what a slot's supervisor does with its data-dir. */

#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "cli/data_print.h"
#include "cli/output.h"
#include "cli/places.h"
#include "cli/wait.h"
#include "data/generation.h"
#include "deploy/agent_reply.h"
#include "deploy/archive.h"

static int64_t wait_ns = WAIT_FOREVER;
static bool no_promote, integrity;
static const char *keep, *generation;

static const struct opt archive_opts[] = {
	{ "no-promote", 0, NULL, "leave 'current' as it is", .flag = &no_promote },
	{ "keep", 0, "RULE", "afterwards remove what the rule does not keep, as 'data prune' does",
	        .string = &keep },
	{ "integrity-hash", 0, NULL, "have nodeos tell the hash of its state, which takes longer",
	        .flag = &integrity },
	OPT_WAIT(wait_ns),
	{ NULL },
};

static const struct opt restore_opts[] = {
	{ "generation", 0, "NAME", "which one", .value = GENERATION_CURRENT,
	        .string = &generation },
	OPT_WAIT(wait_ns),
	{ NULL },
};

/* --- what came of it ------------------------------------------------------------------------ */

static void print_seconds(struct context *ctx, const struct agent_work *k)
{
	char down[NUM_TEXT_MAX], took[NUM_TEXT_MAX];

	if (k->down_seconds >= 0 && k->down_seconds < 1e9 && k->took_seconds >= 0 &&
	        k->took_seconds < 1e9)
		output_line(ctx, "  nodeos was down for %s; %s in all",
		        num_duration_text(down, (int64_t)(k->down_seconds * 1e9)),
		        num_duration_text(took, (int64_t)(k->took_seconds * 1e9)));
}

/* The generation as its host lists it; a new reference, or NULL: it is no failure not to know. */
static json_t *describe(struct context *ctx, const struct slot_order *w, const char *name)
{
	AUTO(places) struct places p = PLACES_INIT;
	AUTO(json) json_t *args = json_object();
	AUTO(json) json_t *list = NULL;
	struct err why = ERR_INIT;
	const json_t *rows;

	if (places_one(&p, ctx, *w->host ? w->host : NULL, &why) == 0)
		list = places_do(&p, &p.v[0], "ls", args, &why);
	if (why.kind != ERR_NONE)
		output_detail(ctx, "what is in %s: %s", name, why.msg);
	rows = json_object_get(list, "generations");
	for (size_t i = 0; i < json_array_size(rows); i++)
		if (strcmp(json_str(json_array_get(rows, i), "name", ""), name) == 0)
			return json_incref(json_array_get(rows, i));
	return NULL;
}

static int print_archive(
        struct context *ctx, const struct slot_order *w, const struct agent_work *k, struct err *e)
{
	AUTO(json) json_t *m = *k->generation ? describe(ctx, w, k->generation) : NULL;
	char text[DATA_TEXT_MAX];

	output_line(ctx, "%s%s%s is archived as %s", w->name, *w->host ? " on host " : "", w->host,
	        k->generation);
	if (m)
		output_line(ctx, "  %s", data_manifest_text(text, m));
	output_line(ctx, "  %s", data_clone_text(text, k->clone));
	print_seconds(ctx, k);
	return output_value(ctx, "generation", m ? json_incref(m) : json_null(), e);
}

static int print_restore(struct context *ctx, const struct slot_order *w,
        const struct agent_work *k, struct err *e UNUSED)
{
	char text[DATA_TEXT_MAX];

	output_line(ctx, "%s%s%s has the data-dir of %s", w->name, *w->host ? " on host " : "",
	        w->host, *k->generation ? k->generation : "the generation");
	output_line(ctx, "  %s", data_clone_text(text, k->clone));
	if (*k->quarantined)
		output_line(
		        ctx, "  its old data-dir is in the pool: quarantine/%s", k->quarantined);
	else
		output_line(ctx, "  it had nothing to be kept");
	print_seconds(ctx, k);
	return 0;
}

typedef int print_fn(
        struct context *, const struct slot_order *, const struct agent_work *, struct err *);

static int print_work(
        struct context *ctx, const struct slot_order *w, print_fn *print, struct err *e)
{
	AUTO(json) json_t *status = json_pack("{s:O?}", "work", w->work);
	struct agent_work k;
	int rc = agent_work_parse(&k, status, AGENT_WORK, e);

	if (rc < 0 || output_value(ctx, "name", json_string(w->name), e) < 0 ||
	        output_value(ctx, "host", *w->host ? json_string(w->host) : json_null(), e) < 0 ||
	        output_value(ctx, "joined", json_boolean(w->is_joined), e) < 0 ||
	        output_value(ctx, "work", w->work ? json_incref(w->work) : json_null(), e) < 0)
		return -1;
	if (rc == 0 && k.is_over && k.err.kind == ERR_NONE)
		return print(ctx, w, &k, e);
	if (rc > 0 || !k.is_over)
		output_line(ctx, "%s of %s is ordered and goes on", w->kind, w->name);
	return 0;
}

static int carry_out(struct context *ctx, const char *name, const char *kind, const json_t *args,
        print_fn *print, struct err *e)
{
	struct slot_order w = { .kind = kind, .args = args };
	struct err ignored = ERR_INIT;
	struct deploy d;
	int rc;

	if ((size_t)snprintf(w.name, sizeof(w.name), "%s", name) >= sizeof(w.name))
		return command_usage(ctx, e, "'%.40s...' is not SERVICE.SLOT", name);
	if (wait_open(ctx, &d, wait_ns, e) < 0)
		return -1;
	rc = deploy_slot_order(&d, &w, e);
	wait_close(&d);
	progress_end(ctx);
	if (rc == 0 || (w.work && ctx->json))
		if (print_work(ctx, &w, print, rc < 0 ? &ignored : e) < 0)
			rc = -1;
	slot_order_release(&w);
	return rc;
}

/* --- the commands --------------------------------------------------------------------------- */

static int run_archive(struct context *ctx, int argc UNUSED, char **argv, struct err *e)
{
	AUTO(json)
	json_t *args = json_pack("{s:b, s:b}", "promote", !no_promote, "integrity", integrity);
	struct retention rule;

	if (keep && retention_parse(&rule, keep, e) < 0)
		return err_wrap(e, "option '--keep'");
	if (!args || (keep && json_object_set_new(args, "keep", json_string(keep)) < 0))
		return err_nomem(e);
	return carry_out(ctx, argv[0], SLOT_ORDER_ARCHIVE, args, print_archive, e);
}

static int run_restore(struct context *ctx, int argc UNUSED, char **argv, struct err *e)
{
	AUTO(json) json_t *args = json_pack("{s:s}", "generation", generation);

	if (data_generation_name(ctx, generation, e) < 0)
		return -1;
	if (!args)
		return err_nomem(e);
	if (carry_out(ctx, argv[0], SLOT_ORDER_RESTORE, args, print_restore, e) == 0)
		return 0;
	if (e->kind == ERR_NOT_FOUND && !*e->hint && strstr(e->msg, "generation"))
		err_hint(e, "'nodeswarm data ls' shows which there are on its host");
	return -1;
}

const struct command cmd_data_archive = {
	.name = "data archive",
	.group = "Data",
	.args = "SERVICE.SLOT",
	.summary = "make a generation of a running slot",
	.description =
	        "The slot's supervisor, on whatever host, stops nodeos, clones its data-dir into "
	        "the host's pool, starts nodeos again, and then takes digests of the copy; when "
	        "all of it is on disk it gets its name and becomes 'current'. If anything fails, "
	        "'current' stays what it was and nodeos is started as before."
	        "\n\n"
	        "Who stops waiting (Ctrl-C, --wait) stops nothing; the same command watches what "
	        "is under way. A RULE says what to keep: 'count=3', 'age=7d', 'bytes=500G', or "
	        "several with commas.",
	.examples = (const char *const[]){ "nodeswarm data archive readers.3",
	        "nodeswarm data archive archivist.1 --keep count=3,age=30d", NULL },
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_HAS_JSON,
	.opts = archive_opts,
	.run = run_archive,
};

const struct command cmd_data_restore = {
	.name = "data restore",
	.group = "Data",
	.args = "SERVICE.SLOT",
	.summary = "give a slot the data-dir of a generation",
	.description =
	        "The slot's supervisor, on whatever host, stops nodeos, moves the data-dir to the "
	        "pool's quarantine, puts a clone of the generation in its place and starts nodeos "
	        "again. Nothing is asked: the old data-dir stays in the quarantine, which keeps "
	        "the last two of a slot, until 'nodeswarm data rm' or 'nodeswarm data gc' "
	        "removes it; where it went is told."
	        "\n\n"
	        "Who stops waiting (Ctrl-C, --wait) stops nothing; the same command watches what "
	        "is under way.",
	.examples = (const char *const[]){ "nodeswarm data restore readers.3",
	        "nodeswarm data restore readers.3 --generation g000042-0349798134", NULL },
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_HAS_JSON,
	.opts = restore_opts,
	.run = run_restore,
};
