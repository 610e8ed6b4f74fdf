#pragma once

/*
 * Subcommands
 *
 * A subcommand is one file, cli/cmd_NAME.c, that exports one `const struct command` and nothing
 * else.  Its help text, its entry in the overview, `help --json` and the parser all come from
 * that one table.  To add one:
 *
 *   1. write cli/cmd_NAME.c: options, an example, a run function;
 *   2. declare it at the end of this file and list it in cli/commands.c, in the order in which
 *      the overview shows it;
 *   3. add its help and its usage errors to tests/cli/run.sh (make lint checks the table).
 *
 *	static int64_t wait_ns;
 *	static struct strvec files;
 *
 *	static const struct opt opts[] = {
 *		{ "file", 'f', "FILE", "read the stack from FILE", .strings = &files },
 *		{ "wait", 0, "TIME", "wait at most TIME", .value = "10m", .duration = &wait_ns },
 *		{ NULL },
 *	};
 *
 *	static int run(struct context *ctx, int argc, char **argv, struct err *e)
 *	{
 *		...
 *		return output_table(ctx, "slots", table, e);
 *	}
 *
 *	const struct command cmd_up = {
 *		.name = "up",
 *		.group = "Cluster",
 *		.args = "[SERVICE...]",
 *		.summary = "bring the services of a stack up",
 *		.description = "Compares ...",
 *		.examples = (const char *const[]){ "nodeswarm up -f stacks/readers.yml", NULL },
 *		.max_args = -1,
 *		.flags = COMMAND_HAS_JSON,
 *		.opts = opts,
 *		.run = run,
 *	};
 *
 * A name may be two words ("data archive"); the first is then that of a family, which has a row in
 * cli/commands.c and is no command itself: `nodeswarm data` lists its commands.  The file of
 * "data archive" is cli/cmd_data_archive.c; several that are alike may share one.  A family's name
 * may be two words as well ("replay manifest", within "replay"), for commands of three.
 *
 * Rules: results go to ctx->out through cli/output.h, what is going on to ctx->err through
 * cli/progress.h; a command prints no error, it returns it.  A command never calls exit().
 * Memory of option values lives as long as the process.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "base/strvec.h"
#include "cli/progress.h"

struct engine;

enum command_flags {
	COMMAND_HAS_JSON = 1 << 0, /* prints a result; without it --json is a usage error */
	/* The options end at the first argument: for commands that run another program. */
	COMMAND_OPTIONS_FIRST = 1 << 1,
};

/*
 * An option.  Exactly one of the pointers at the end is set; it says where the value goes, and
 * so what type the option has.
 */
struct opt {
	const char *name;  /* without the dashes; NULL ends the table */
	char letter;       /* 0: none */
	const char *arg;   /* what the help calls the value ("FILE"); NULL for a flag */
	const char *help;  /* no capital, no full stop; the default is added to it */
	const char *value; /* the default as one would type it, stored before parsing; or NULL */
	const char *env;   /* a variable that replaces the default, if set and not empty; or NULL */
	char exclusive;    /* options with the same mark (not 0) cannot be given together */
	int64_t min, max;  /* of a number; both 0: 0 to INT64_MAX.  Of a duration and a size: min
	                    * only, in ns and in bytes */
	bool is_hidden;    /* not in the help: for tests */
	bool shadows;      /* means something else than the global option of its name */
	/* The name of an option without which it cannot be given, a flag or a text without default;
	 * or NULL. */
	const char *needs;
	/* Whether a value, beyond its type, can be meant: 0, or -1 with ERR_USAGE; or NULL. */
	int (*check)(const char *value, struct err *e);

	bool *flag;             /* set to true */
	int64_t *number;        /* decimal */
	const char **string;    /* not empty; points into argv or the environment */
	struct strvec *strings; /* may be given several times; each is added */
	int64_t *duration;      /* "90s", "2m30s", "500ms"; nanoseconds */
	uint64_t *size;         /* "512M", "1.5G"; bytes */
};

/* What main() has set up.  One object per process. */
struct context {
	FILE *out, *err;       /* the result; everything else */
	bool out_tty, err_tty; /* whether a person looks at it */
	bool json;             /* --json */
	int level;             /* -1 with -q, 1 with -v, else 0 */
	const char *host;      /* for command_engine(), which knows --host and --context */
	const char *stack;     /* --stack; a valid name */
	const char *pool;      /* --pool; an absolute path */
	const struct command *command;

	/*
	 * Not 0 after the first Ctrl-C or SIGTERM; a second one ends the process with status
	 * 130.  Whoever waits looks at it (http_client_interrupt_on(c, &ctx->interrupted)) and
	 * returns ERR_INTERRUPTED with a message that says what was left running.  A service that
	 * takes its signals through the loop never sees it set.
	 */
	volatile int interrupted;

	json_t *result; /* cli/output.h */
	struct progress progress;
};

struct command {
	const char *name;            /* "up"; with its family "data archive" */
	const char *group;           /* the heading in the overview, see commands.c */
	const char *args;            /* synopsis after the options, "SERVICE=N..."; "" for none */
	const char *summary;         /* one line, no capital, no full stop */
	const char *description;     /* whole sentences; a blank line ("\n\n") starts a paragraph */
	const char *const *examples; /* command lines, NULL-terminated; at least one */
	int min_args, max_args;      /* after the options; max < 0: no limit */
	unsigned flags;
	const struct opt *opts; /* or NULL */
	/* argv: the arguments that are no options, NULL-terminated.  0, or -1 with *e. */
	int (*run)(struct context *ctx, int argc, char **argv, struct err *e);
};

extern const struct command *const commands[]; /* NULL-terminated */

/* What commands of several words begin with: all words but the last. */
struct command_family {
	const char *word;        /* "data", "replay manifest"; NULL ends the table */
	const char *description; /* whole sentences */
};

extern const struct command_family command_families[];

/* The family of that name, or NULL. */
const struct command_family *command_family_find(const char *word);

/* The family of that word within the family, or NULL. */
const struct command_family *command_family_in(const struct command_family *f, const char *word);

/* What follows the family's name in the command's ("archive"; of "replay": "manifest generate"), or
 * NULL if it is not of the family.  Without a family: the last of several words. */
const char *command_second_word(const struct command *c, const struct command_family *f);

/* The command of that name, or NULL. */
const struct command *command_find(const char *name);

/* The command of that second word in the family, or NULL. */
const struct command *command_find_in(const struct command_family *f, const char *second);

/* ERR_USAGE for a name that is no command, with the nearest one; f: it is a word behind that
 * family's name, or NULL.  Always returns -1. */
int command_unknown(const struct command_family *f, const char *name, struct err *e);

/*
 * The engine that the global options name.  Ctrl-C ends its calls; a connection that others could
 * read and use is warned of, once a process.  The caller frees it.
 */
struct engine *command_engine(struct context *ctx, struct err *e) NODISCARD;

/*
 * ERR_USAGE for what the command itself finds wrong with its options and arguments, with the
 * hint to read its help.  Always returns -1.
 */
int command_usage(const struct context *ctx, struct err *e, const char *fmt, ...) PRINTF(3, 4);

extern const struct command cmd_agent;
extern const struct command cmd_broker;
extern const struct command cmd_check;
extern const struct command cmd_complete;
extern const struct command cmd_data_archive;
extern const struct command cmd_data_clone;
extern const struct command cmd_data_gc;
extern const struct command cmd_data_import;
extern const struct command cmd_data_ls;
extern const struct command cmd_data_prepare;
extern const struct command cmd_data_promote;
extern const struct command cmd_data_prune;
extern const struct command cmd_data_pull;
extern const struct command cmd_data_restore;
extern const struct command cmd_data_rm;
extern const struct command cmd_data_show;
extern const struct command cmd_data_verdict;
extern const struct command cmd_data_verify;
extern const struct command cmd_doctor;
extern const struct command cmd_down;
extern const struct command cmd_firewall_apply;
extern const struct command cmd_firewall_follow;
extern const struct command cmd_firewall_plan;
extern const struct command cmd_firewall_remove;
extern const struct command cmd_firewall_verify;
extern const struct command cmd_fresh_ask;
extern const struct command cmd_fresh_run;
extern const struct command cmd_health;
extern const struct command cmd_help;
extern const struct command cmd_images;
extern const struct command cmd_lint;
extern const struct command cmd_load;
extern const struct command cmd_logs;
extern const struct command cmd_pool;
extern const struct command cmd_producer_failover;
extern const struct command cmd_producer_finalizer;
extern const struct command cmd_producer_pause;
extern const struct command cmd_producer_resume;
extern const struct command cmd_producer_status;
extern const struct command cmd_quiesce;
extern const struct command cmd_relay;
extern const struct command cmd_replay_certificate_diff;
extern const struct command cmd_replay_certificate_verify;
extern const struct command cmd_replay_manifest_generate;
extern const struct command cmd_replay_manifest_validate;
extern const struct command cmd_replay_run;
extern const struct command cmd_replay_scale;
extern const struct command cmd_replay_serve;
extern const struct command cmd_replay_simulate;
extern const struct command cmd_replay_status;
extern const struct command cmd_replay_stop;
extern const struct command cmd_replay_work;
extern const struct command cmd_resume;
extern const struct command cmd_scale;
extern const struct command cmd_status;
extern const struct command cmd_stop;
extern const struct command cmd_supervise;
extern const struct command cmd_up;
extern const struct command cmd_version;
