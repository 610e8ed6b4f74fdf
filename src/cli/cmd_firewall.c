/* firewall plan, apply, verify, remove. */

#include <stdlib.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/firewall_all.h"
#include "cli/firewall_local.h"
#include "cli/output.h"

static const char *file;
static bool all, saved, dry_run, no_traffic;

#define OPT_ALL                                                                             \
	{                                                                                   \
		"all", 0, NULL, "every host of the swarm, through the agents", .flag = &all \
	}
#define OPT_FILE                                                                        \
	{                                                                               \
		"file", 'f', "FILE",                                                    \
		        "own additions (default: " FIREWALL_FILE_DEFAULT ", if there)", \
		        .exclusive = 's', .string = &file                               \
	}
#define OPT_SAVED                                                                                  \
	{                                                                                          \
		"saved", 0, NULL, "what was applied here last; needs no engine", .exclusive = 's', \
		                                                                 .flag = &saved    \
	}

/* The rules, and without --all the nodes too. */
static struct firewall_model *model(struct context *ctx, struct err *e)
{
	AUTO(free) struct firewall_model *m = malloc(sizeof(*m));
	int rc;

	if (!m) {
		err_nomem(e);
		return NULL;
	}
	if (all && saved) {
		command_usage(ctx, e, "--saved is of this host, and --all of every host");
		return NULL;
	}
	if (saved)
		rc = firewall_local_saved(ctx, m, e);
	else
		rc = firewall_local_rules(ctx, m, file, e);
	if (rc == 0 && !saved && !all)
		rc = firewall_local_nodes(ctx, m, e);
	return rc == 0 ? TAKE(m) : NULL;
}

/* --- plan ----------------------------------------------------------------------------------- */

static const struct opt plan_opts[] = { OPT_ALL, OPT_FILE, OPT_SAVED, { NULL } };

static int run_plan(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	AUTO(free) struct firewall_model *m = model(ctx, e);

	if (!m)
		return -1;
	return all ? firewall_all_apply(ctx, m, true, e) : firewall_local_plan(ctx, m, false, e);
}

const struct command cmd_firewall_plan = {
	.name = "firewall plan",
	.group = "Host",
	.args = "",
	.summary = "show which ports who may reach, and what apply would change",
	.description =
	        "The built-in rules and the own additions as a table, the nodes of the swarm, and "
	        "whether this host has them. With -v also the exact text that iptables-restore "
	        "would be given. Nothing is changed.\n\n"
	        "A file of additions has one rule a line: 'open tcp 8080', 'nodes tcp 9100-9110', "
	        "'closed tcp 15432', 'from tcp 9100 10.20.0.0/16', 'node 10.0.0.9' (a host that is "
	        "about to join).",
	.examples = (const char *const[]){ "nodeswarm firewall plan -v",
	        "nodeswarm firewall plan --file own.conf", NULL },
	.flags = COMMAND_HAS_JSON,
	.opts = plan_opts,
	.run = run_plan,
};

/* --- apply ---------------------------------------------------------------------------------- */

static const struct opt apply_opts[] = {
	OPT_ALL,
	OPT_FILE,
	OPT_SAVED,
	{ "dry-run", 'n', NULL, "show the exact rules, change nothing", .flag = &dry_run },
	{ NULL },
};

static int run_apply(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	AUTO(free) struct firewall_model *m = model(ctx, e);

	if (!m)
		return -1;
	if (all)
		return firewall_all_apply(ctx, m, dry_run, e);
	if (dry_run)
		return firewall_local_plan(ctx, m, true, e);
	return firewall_local_apply(ctx, m, !saved, e);
}

const struct command cmd_firewall_apply = {
	.name = "firewall apply",
	.group = "Host",
	.args = "",
	.summary = "make this host, or every host, have the firewall",
	.description =
	        "In chains of our own, jumped to first from INPUT and DOCKER-USER, in IPv4 and "
	        "IPv6: one atomic iptables-restore a family, nothing if it is there already, the "
	        "former rules if one fails. Loopback, connections that exist, and ports that no "
	        "rule names are not touched; ssh cannot be closed by it.\n\n"
	        "What was applied is kept in the pool; nodeswarm-firewall.service applies it again "
	        "at boot, before docker starts, and where the follower runs it brings what was "
	        "applied last on any host to all of them.\n\n"
	        "The addresses of the nodes come from the engine, which has to be a manager. Two "
	        "it does not know and need a line 'node ADDRESS' first: of a host that is about to "
	        "join, and of a data path of its own (docker swarm init --data-path-addr).",
	.examples = (const char *const[]){ "nodeswarm firewall apply --all",
	        "nodeswarm firewall apply --dry-run", "nodeswarm firewall apply --saved", NULL },
	.flags = COMMAND_HAS_JSON,
	.opts = apply_opts,
	.run = run_apply,
};

/* --- verify --------------------------------------------------------------------------------- */

static const struct opt verify_opts[] = {
	OPT_ALL,
	{ "no-traffic", 0, NULL, "only read the rules back", .flag = &no_traffic },
	{ NULL },
};

static int run_verify(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	if (all && no_traffic)
		return command_usage(ctx, e, "--no-traffic is for this host, without --all");
	return all ? firewall_all_verify(ctx, e) : firewall_local_verify(ctx, !no_traffic, e);
}

const struct command cmd_firewall_verify = {
	.name = "firewall verify",
	.group = "Host",
	.args = "",
	.summary = "compare the rules with what was applied, and prove them by traffic",
	.description =
	        "Reads the rules of both families back, and then opens real connections: from a "
	        "network namespace with an address that nobody knows, and from this host itself. "
	        "UDP is proved by the counters of the rules. What cannot be proved is said and not "
	        "counted as proved. Any difference makes the exit status 1.",
	.examples = (const char *const[]){ "nodeswarm firewall verify",
	        "nodeswarm firewall verify --all --json", NULL },
	.flags = COMMAND_HAS_JSON,
	.opts = verify_opts,
	.run = run_verify,
};

/* --- remove --------------------------------------------------------------------------------- */

static const struct opt remove_opts[] = {
	OPT_ALL,
	{ "dry-run", 'n', NULL, "show what would be removed, change nothing", .flag = &dry_run },
	{ NULL },
};

static int run_remove(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	return all ? firewall_all_remove(ctx, dry_run, e) : firewall_local_remove(ctx, dry_run, e);
}

const struct command cmd_firewall_remove = {
	.name = "firewall remove",
	.group = "Host",
	.args = "",
	.summary = "take the firewall away again",
	.description =
	        "Removes the jumps and the chains that are ours, in both families and both "
	        "backends, and forgets what was applied. Nothing else is touched. No engine "
	        "is needed without --all. From one host of several the follower brings it back "
	        "within a minute: --all removes it from every host.",
	.examples = (const char *const[]){ "nodeswarm firewall remove",
	        "nodeswarm firewall remove --all", NULL },
	.flags = COMMAND_HAS_JSON,
	.opts = remove_opts,
	.run = run_remove,
};
