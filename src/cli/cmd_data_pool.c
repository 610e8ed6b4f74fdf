/* data verify, promote, rm, prune, import, pull: what is done to the generations of one host. */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/pull.h"
#include "base/str.h"
#include "base/table.h"
#include "cli/data_print.h"
#include "cli/output.h"
#include "cli/places.h"
#include "data/generation.h"

static const char *on, *keep, *chain_id, *version, *from;
static bool dry_run, promote, no_promote, force_chain;

static const struct opt on_opts[] = { OPT_ON(on), { NULL } };

static const struct opt prune_opts[] = {
	OPT_ON(on),
	{ "keep", 0, "RULE", "what is kept", .string = &keep },
	{ "dry-run", 'n', NULL, "only say what would be removed", .flag = &dry_run },
	{ NULL },
};

static const struct opt import_opts[] = {
	OPT_ON(on),
	{ "promote", 0, NULL, "make it 'current'", .flag = &promote },
	{ "chain-id", 0, "ID", "what it must be of; needed where it does not tell",
	        .string = &chain_id },
	{ "nodeos-version", 0, "VERSION", "the nodeos that wrote it, 'v4.0.6'; for people",
	        .string = &version },
	{ "force-chain", 0, NULL, "with --promote, also if 'current' is of another chain",
	        .flag = &force_chain },
	{ NULL },
};

static const struct opt promote_opts[] = {
	OPT_ON(on),
	{ "force-chain", 0, NULL, "also if 'current' is of another chain", .flag = &force_chain },
	{ NULL },
};

static const struct opt pull_opts[] = {
	OPT_ON(on),
	{ "from", 0, "HOST", "the host that has it", .string = &from },
	{ "promote", 0, NULL, "make it 'current', also if that is of a later block",
	        .flag = &promote },
	{ "no-promote", 0, NULL, "leave 'current' as it is", .flag = &no_promote },
	{ "chain-id", 0, "ID", "what it must be of", .string = &chain_id },
	{ NULL },
};

/* Do it, put the result and the host into the JSON.  NULL and *e. */
static json_t *carry_out(
        struct context *ctx, const char *verb, json_t *args_take, char host[256], struct err *e)
{
	AUTO(places) struct places p = PLACES_INIT;
	AUTO(json) json_t *args = args_take;
	AUTO(json) json_t *j = NULL;

	if (!args) {
		err_nomem(e);
		return NULL;
	}
	if (places_one(&p, ctx, on, e) < 0)
		return NULL;
	j = places_do(&p, &p.v[0], verb, args, e);
	if (!j || data_output(ctx, j, e) < 0 ||
	        output_value(ctx, "host", json_string(p.v[0].host), e) < 0)
		return NULL;
	snprintf(host, 256, "%s", p.v[0].host);
	return TAKE(j);
}

/* --- verify --------------------------------------------------------------------------------- */

static int run_verify(struct context *ctx, int argc UNUSED, char **argv, struct err *e)
{
	char host[256], name[DATA_TEXT_MAX], size[DATA_TEXT_MAX], path[DATA_TEXT_MAX],
	        what[DATA_TEXT_MAX];
	AUTO(json) json_t *j = NULL;
	const json_t *list, *first;
	long long n;

	if (data_generation_name(ctx, argv[0], e) < 0)
		return -1;
	j = carry_out(ctx, "verify", json_pack("{s:s}", "name", argv[0]), host, e);
	if (!j)
		return -1;
	list = json_object_get(j, "differences");
	first = json_array_get(list, 0);
	n = (long long)json_int(j, "different", (int64_t)json_array_size(list));
	data_text(name, j, "name");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *d = json_array_get(list, i);

		output_line(ctx, "%s: %s", data_text(path, d, "path"), data_text(what, d, "what"));
	}
	if (!n) {
		output_line(ctx, "%s on host %s is whole: %lld files, %s", name, host,
		        (long long)json_int(j, "files", 0), data_size(size, j, "bytes"));
		return 0;
	}
	err_set(e, ERR_UNHEALTHY,
	        "%.60s on host %.60s is not what it was: %lld of %lld files differ, first %.200s "
	        "(%.40s)",
	        name, host, n, (long long)json_int(j, "files", 0), data_text(path, first, "path"),
	        data_text(what, first, "what"));
	return err_hint(e,
	        "promote another one, then remove it: nodeswarm data promote NAME, "
	        "nodeswarm data rm %.60s",
	        name);
}

const struct command cmd_data_verify = {
	.name = "data verify",
	.group = "Data",
	.args = "NAME|current",
	.summary = "read a generation again and compare its digests",
	.description = "Reads every file and compares it with the manifest. Exits 1 and names what "
	               "is missing, too many or different.",
	.examples = (const char *const[]){ "nodeswarm data verify current",
	        "nodeswarm data verify g000042-0349798134 --on node2", NULL },
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_HAS_JSON,
	.opts = on_opts,
	.run = run_verify,
};

/* --- promote, rm ---------------------------------------------------------------------------- */

static int run_promote(struct context *ctx, int argc UNUSED, char **argv, struct err *e)
{
	char host[256], name[DATA_TEXT_MAX];
	AUTO(json) json_t *j = NULL;

	if (data_generation_name(ctx, argv[0], e) < 0)
		return -1;
	j = carry_out(ctx, "promote",
	        force_chain ? json_pack("{s:s, s:b}", "name", argv[0], "force_chain", true)
	                    : json_pack("{s:s}", "name", argv[0]),
	        host, e);

	if (!j)
		return -1;
	output_line(ctx, "%s is current on host %s", data_text(name, j, "name"), host);
	return 0;
}

const struct command cmd_data_promote = {
	.name = "data promote",
	.group = "Data",
	.args = "NAME",
	.summary = "make a generation the one that slots start from",
	.description =
	        "Switches 'current' of one host, also to one of an earlier block. Slots that "
	        "run keep what they have.",
	.examples = (const char *const[]){ "nodeswarm data promote g000041-0349790000", NULL },
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_HAS_JSON,
	.opts = promote_opts,
	.run = run_promote,
};

static int run_rm(struct context *ctx, int argc UNUSED, char **argv, struct err *e)
{
	char host[256], name[DATA_TEXT_MAX], kind[DATA_TEXT_MAX];
	AUTO(json) json_t *j = NULL;

	/* Names in the quarantine have a dot. */
	if (!strchr(argv[0], '.') && data_generation_name(ctx, argv[0], e) < 0)
		return -1;
	j = carry_out(ctx, "rm", json_pack("{s:s}", "name", argv[0]), host, e);
	if (!j)
		return -1;
	output_line(ctx, "removed %s %s on host %s", data_text(kind, j, "kind"),
	        data_text(name, j, "name"), host);
	return 0;
}

const struct command cmd_data_rm = {
	.name = "data rm",
	.group = "Data",
	.args = "NAME",
	.summary = "remove a generation, or what lies in the quarantine",
	.description =
	        "NAME is a generation's, or that of an entry of the quarantine, as 'nodeswarm "
	        "data gc' lists them. Never removed are 'current' and what is being cloned, "
	        "verified or sent.",
	.examples = (const char *const[]){ "nodeswarm data rm g000040-0349780000",
	        "nodeswarm data rm nodeswarm_readers.3-20261121T081500Z", NULL },
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_HAS_JSON,
	.opts = on_opts,
	.run = run_rm,
};

/* --- prune ---------------------------------------------------------------------------------- */

static int print_kept(struct context *ctx, const json_t *kept, struct err *e)
{
	char name[DATA_TEXT_MAX], why[DATA_TEXT_MAX];
	struct err first = ERR_INIT;
	size_t failed = 0;

	for (size_t i = 0; i < json_array_size(kept); i++) {
		const json_t *k = json_array_get(kept, i);

		data_text(name, k, "name");
		data_text(why, k, "error.message");
		output_line(ctx, "kept %s: %s", name, why);
		/* In use is what the rule could not know. */
		if (strcmp(json_str(k, "error.kind", ""), "conflict") == 0)
			continue;
		if (failed++ == 0)
			err_set(&first, ERR_UNHEALTHY, "%.60s could not be removed: %.300s", name,
			        why);
	}
	if (!failed)
		return 0;
	*e = first;
	return -1;
}

static int run_prune(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	char host[256], name[DATA_TEXT_MAX], data[DATA_TEXT_MAX];
	AUTO(json) json_t *j = NULL;
	struct retention rule;
	const json_t *removed;

	if (!keep)
		return command_usage(ctx, e, "say what to keep: --keep count=3");
	if (retention_parse(&rule, keep, e) < 0)
		return err_wrap(e, "option '--keep'");
	j = carry_out(
	        ctx, "prune", json_pack("{s:s, s:b}", "keep", keep, "dry_run", dry_run), host, e);
	if (!j)
		return -1;
	removed = json_object_get(j, "removed");
	for (size_t i = 0; i < json_array_size(removed); i++) {
		const json_t *m = json_array_get(removed, i);

		output_line(ctx, "%s %s on host %s, %s of data",
		        dry_run ? "would remove" : "removed", data_text(name, m, "name"), host,
		        data_size(data, m, "data_bytes"));
	}
	if (!json_array_size(removed) && !ctx->json)
		output_note(ctx, "the rule keeps all generations of host %s", host);
	return print_kept(ctx, json_object_get(j, "kept"), e);
}

const struct command cmd_data_prune = {
	.name = "data prune",
	.group = "Data",
	.args = "",
	.summary = "remove generations that a rule does not keep",
	.description =
	        "RULE is 'count=N' (the newest N), 'age=TIME' (not older), 'bytes=SIZE' (of data, "
	        "added up from the newest on), or several with commas: what one of them does not "
	        "keep goes. 'current' and what is in use always stay.",
	.examples = (const char *const[]){ "nodeswarm data prune --keep count=3",
	        "nodeswarm data prune --keep age=30d,bytes=500G --dry-run", NULL },
	.flags = COMMAND_HAS_JSON,
	.opts = prune_opts,
	.run = run_prune,
};

/* --- import, pull --------------------------------------------------------------------------- */

static int print_made(struct context *ctx, const json_t *j, const char *verb, const char *host)
{
	const json_t *m = json_object_get(j, "generation");
	char text[DATA_TEXT_MAX];

	output_line(ctx, "%s %s on host %s%s", verb, data_text(text, m, "name"), host,
	        promote ? ", and it is current" : "");
	output_line(ctx, "  %s", data_manifest_text(text, m));
	if (json_is_object(json_object_get(m, "clone")))
		output_line(ctx, "  %s", data_clone_text(text, json_object_get(m, "clone")));
	return 0;
}

static int run_import(struct context *ctx, int argc UNUSED, char **argv, struct err *e)
{
	AUTO(free) char *cwd = argv[0][0] == '/' ? NULL : getcwd(NULL, 0);
	AUTO(free) char *path = cwd ? str_fmt("%s/%s", cwd, argv[0]) : strdup(argv[0]);
	AUTO(json) json_t *args = json_pack("{s:b}", "promote", promote);
	AUTO(json) json_t *j = NULL;
	char host[256];

	if (!path)
		return err_nomem(e);
	if (*argv[0] != '/' && on)
		return command_usage(
		        ctx, e, "'%s' is another host's: say an absolute path", argv[0]);
	/* What is here need not be there.  Links are left to whoever opens it. */
	if (!on && access(path, F_OK) < 0 && errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "'%s' is not there", argv[0]);
	if (json_object_set_new(args, "path", json_string(path)) < 0 ||
	        (chain_id && json_object_set_new(args, "chain_id", json_string(chain_id)) < 0) ||
	        (version && json_object_set_new(args, "version", json_string(version)) < 0) ||
	        (force_chain && json_object_set_new(args, "force_chain", json_true()) < 0))
		return err_nomem(e);
	j = carry_out(ctx, "import", TAKE(args), host, e);
	if (!j && e->kind == ERR_NOT_FOUND && on)
		err_hint(e, "a host's agent sees its pool and no other directory");
	return j ? print_made(ctx, j, "imported", host) : -1;
}

const struct command cmd_data_import = {
	.name = "data import",
	.group = "Data",
	.args = "PATH",
	.summary = "make a generation of a data-dir or a snapshot",
	.description =
	        "PATH is the data-dir of a nodeos that was stopped cleanly, or a portable snapshot "
	        "(.bin, .bin.zst). It is cloned, or copied where it lies on another file system, "
	        "and stays as it is. A data-dir that is open or was not left clean is refused. "
	        "With --on the path is the other host's, below its pool.",
	.examples = (const char *const[]){ "nodeswarm data import /srv/nodeos/data --promote",
	        "nodeswarm data import snapshot-2026-11-21.bin.zst --chain-id aca3...", NULL },
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_HAS_JSON,
	.opts = import_opts,
	.run = run_import,
};

static void print_pulled(struct context *ctx, const json_t *j, const char *host)
{
	char name[DATA_TEXT_MAX], there[DATA_TEXT_MAX], text[DATA_TEXT_MAX], kept[DATA_TEXT_MAX];

	output_line(ctx, "%s of host %s is %s on host %s%s, and it is %scurrent",
	        data_text(there, j, "name"), from, data_text(name, j, "generation.name"), host,
	        json_bool(j, "is_new", true) ? "" : ", which had it already",
	        json_bool(j, "current", true) ? "" : "not ");
	output_line(ctx, "  %s", data_manifest_text(text, json_object_get(j, "generation")));
	output_line(ctx, "  fetched %s; %s had come before", data_size(text, j, "bytes_fetched"),
	        data_size(kept, j, "bytes_resumed"));
}

static int run_pull(struct context *ctx, int argc UNUSED, char **argv, struct err *e)
{
	AUTO(places) struct places p = PLACES_INIT;
	const struct engine_node *node;
	AUTO(json) json_t *args = NULL;
	AUTO(json) json_t *j = NULL;

	if (!from)
		return command_usage(ctx, e, "say which host has it: --from HOST");
	if (data_generation_name(ctx, argv[0], e) < 0)
		return -1;
	if (promote && no_promote)
		return command_usage(ctx, e, "either --promote or --no-promote");
	if (places_agent(&p, ctx, on, e) < 0 || places_node(&p, from, &node, e) < 0)
		return -1;
	if (node == p.v[0].node)
		return command_usage(ctx, e, "it would be pulled from '%s' to itself", from);
	args = json_pack("{s:s, s:s}", "name", argv[0], "address", node->addr);
	if (!args ||
	        ((promote || no_promote) &&
	                json_object_set_new(args, "promote", json_boolean(promote)) < 0) ||
	        (chain_id && json_object_set_new(args, "chain_id", json_string(chain_id)) < 0))
		return err_nomem(e);
	j = places_do(&p, &p.v[0], PULL_VERB, args, e);
	if (!j || data_output(ctx, j, e) < 0 ||
	        output_value(ctx, "host", json_string(p.v[0].host), e) < 0)
		return -1;
	print_pulled(ctx, j, p.v[0].host);
	return 0;
}

const struct command cmd_data_pull = {
	.name = "data pull",
	.group = "Data",
	.args = "NAME",
	.summary = "fetch a generation from another host",
	.description =
	        "This host's agent (or that of --on) asks the other one for the files, checks "
	        "every "
	        "digest, and gives the generation its name when all of it is there. It becomes "
	        "'current' if there is none, or one of an earlier block. Interrupted, it goes on "
	        "where it was when it is given again."
	        "\n\n"
	        "Of another chain than 'current' nothing is fetched. With --on, a host without "
	        "'current' must be told the chain (--chain-id).",
	.examples = (const char *const[]){ "nodeswarm data pull current --from node1",
	        "nodeswarm data pull g000042-0349798134 --from node1 --on node2", NULL },
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_HAS_JSON,
	.opts = pull_opts,
	.run = run_pull,
};
