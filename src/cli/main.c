#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/global.h"
#include "cli/opts.h"
#include "cli/output.h"

static struct context ctx;

static void on_interrupt(int signo UNUSED)
{
	if (ctx.interrupted)
		_exit(130);
	cancel_set(&ctx.interrupted);
}

/*
 * A SIGINT that we were started to ignore, as a script's background jobs are, stays ignored.
 * SA_RESTART: a first Ctrl-C is seen where somebody waits and looks at the flag, not as EINTR
 * in the middle of a write.  SIGPIPE becomes EPIPE, which output_finish() handles, and which a
 * service's sockets need.
 */
static void set_signals(void)
{
	struct sigaction stop = { .sa_handler = on_interrupt, .sa_flags = SA_RESTART };
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old;

	sigemptyset(&stop.sa_mask);
	sigemptyset(&ignore.sa_mask);
	if (sigaction(SIGINT, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		(void)sigaction(SIGINT, &stop, NULL);
	(void)sigaction(SIGTERM, &stop, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
}

/*
 * A standard descriptor that is closed would be given to the next file that is opened, and what
 * is printed would go into that file.  It is opened the wrong way round, so that using it fails.
 */
static void fill_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

/* Whether an error in the options themselves is to be reported as JSON. */
static bool asks_for_json(char **argv)
{
	for (; *argv && strcmp(*argv, "--") != 0; argv++)
		if (strcmp(*argv, "--json") == 0)
			return true;
	return false;
}

static int check_args(int n, char **args, struct err *e)
{
	const struct command *c = ctx.command;

	if (n < c->min_args)
		return command_usage(&ctx, e, "arguments are missing, expected: %s", c->args);
	if (c->max_args >= 0 && n > c->max_args)
		return command_usage(&ctx, e, "unexpected argument '%s'", args[c->max_args]);
	if (ctx.json && !(c->flags & COMMAND_HAS_JSON))
		return command_usage(
		        &ctx, e, "'%s' prints no result that --json could format", c->name);
	return 0;
}

/* Parse what follows the command's name: its own options and the global ones. */
static int parse_command(
        struct opts *p, int argc, char **argv, char **args, int *nargs, struct err *e)
{
	static const struct opt none[] = { { NULL } };
	const struct opt *own = ctx.command->opts ? ctx.command->opts : none;
	bool first = ctx.command->flags & COMMAND_OPTIONS_FIRST;

	p->tables = (const struct opt *const[]){ own, global_opts, NULL };
	if (opts_defaults(own, e) < 0 || opts_parse(p, argc, argv, first, args, nargs, e) < 0)
		return err_hint(e, "see 'nodeswarm help %s'", ctx.command->name);
	return 0;
}

/*
 * Find the command that args, the tail of the whole argv, begins with.  Returns how many words of
 * argv were used, with ctx.command set; or with *ret_family alone, when only its name was given.
 */
static int find_command(struct opts *p, int argc, char **argv, char **args, int n,
        const struct command_family **ret_family, struct err *e)
{
	const struct command_family *f = command_family_find(args[0]), *inner;
	int used = argc - n + 1, rest;

	ctx.command = command_find(args[0]);
	if (ctx.command)
		return used;
	if (!f)
		return command_unknown(NULL, args[0], e);
	for (;; f = inner) {
		if (opts_parse(p, argc - used, argv + used, true, args, &rest, e) < 0)
			return err_hint(e, "see 'nodeswarm help %s'", f->word);
		if (!rest) {
			*ret_family = f;
			return argc;
		}
		used = argc - rest + 1;
		ctx.command = command_find_in(f, args[0]);
		if (ctx.command)
			return used;
		inner = command_family_in(f, args[0]);
		if (!inner)
			return command_unknown(f, args[0], e);
	}
}

/* Print help: of everything, of a family, of a command. */
static int run_help(const char *about, struct err *e)
{
	char *args[] = { (char *)(uintptr_t)about, NULL };

	ctx.command = &cmd_help;
	return cmd_help.run(&ctx, about != NULL, args, e);
}

static int dispatch(int argc, char **argv, struct err *e)
{
	struct opts p = { .tables = (const struct opt *const[]){ global_opts, NULL } };
	AUTO(free) char **args = calloc((size_t)argc + 2, sizeof(*args));
	const struct command_family *family = NULL;
	struct global_wants wants = { 0 };
	int n, used = 0;

	if (!args)
		return err_nomem(e);
	if (opts_defaults(global_opts, e) < 0 || opts_parse(&p, argc, argv, true, args, &n, e) < 0)
		return err_hint(e, "see 'nodeswarm help'");
	if (n) {
		used = find_command(&p, argc, argv, args, n, &family, e);
		if (used < 0 ||
		        (ctx.command &&
		                parse_command(&p, argc - used, argv + used, args, &n, e) < 0))
			return -1;
	}
	if (global_apply(&ctx, &wants, e) < 0)
		return err_hint(e, "see 'nodeswarm help'");
	log_set_level(ctx.level < 0 ? LOG_WARN : ctx.level > 0 ? LOG_DEBUG : LOG_INFO);
	if (wants.version) {
		ctx.command = &cmd_version;
		return ctx.command->run(&ctx, 0, (char *[]){ NULL }, e);
	}
	if (wants.help || !ctx.command)
		return run_help(ctx.command ? ctx.command->name : family ? family->word : NULL, e);
	if (check_args(n, args, e) < 0)
		return -1;
	return ctx.command->run(&ctx, n, args, e);
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	int rc;

	fill_standard_descriptors();
	/* Only the character set: numbers are read and written with a point everywhere. */
	(void)setlocale(LC_CTYPE, "");
	set_signals();
	ctx.out = stdout;
	ctx.err = stderr;
	ctx.out_tty = isatty(STDOUT_FILENO);
	ctx.err_tty = isatty(STDERR_FILENO);
	ctx.json = argc > 0 && asks_for_json(argv + 1);
	rc = argc > 0 ? dispatch(argc - 1, argv + 1, &e) : dispatch(0, argv, &e);
	return output_finish(&ctx, rc, &e);
}
