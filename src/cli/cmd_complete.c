#include <dirent.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/complete.h"
#include "data/generation.h"
#include "data/pool.h"
#include "data/quarantine.h"
#include "data/slots.h"

/* Names of the pool's slots, without their stack's: "readers" and "readers.3". */
static void add_slots(const struct pool *p, enum complete_kind kind, const char *stack,
        struct complete *c, const char *suffix)
{
	AUTO(slots) struct slots s = { 0 };
	char start[256], name[256];
	const char *last = "";
	struct err e = ERR_INIT;

	(void)snprintf(start, sizeof(start), "%s_", stack);
	if (slots_list(&s, p, &e) < 0)
		return;
	for (size_t i = 0; i < s.n; i++) {
		const char *service;

		if (!str_starts(s.v[i].service, start, &service))
			continue;
		if (kind == COMPLETE_SLOTS) {
			(void)snprintf(name, sizeof(name), "%s.%llu", service,
			        (unsigned long long)s.v[i].number);
			complete_add(c, name, suffix, NULL);
		} else if (!str_eq(last, service)) {
			complete_add(c, service, suffix, NULL);
		}
		last = service;
	}
}

/* What is in a directory of the pool: no manifest is read and nothing is locked. */
static void add_entries(
        const char *pool, const char *dir, char first, struct complete *c, const char *suffix)
{
	AUTO(free) char *path = str_fmt("%s/%s", pool, dir);
	const struct dirent *d;
	DIR *list = path ? opendir(path) : NULL;

	if (!list)
		return;
	while ((d = readdir(list)))
		if (d->d_type == DT_DIR && d->d_name[0] != '.' && (!first || d->d_name[0] == first))
			complete_add(c, d->d_name, suffix, NULL);
	(void)closedir(list);
}

/*
 * Names are those of this host's pool, which costs a look into a directory.  The engine and other
 * hosts would know more and may take seconds to say so.
 */
static void names(void *arg, enum complete_kind kind, const struct complete_names *n,
        struct complete *c, const char *suffix)
{
	const struct context *ctx = arg;
	const char *pool = n->pool ? n->pool : ctx->pool;
	AUTO(pool) struct pool p = POOL_INIT;
	struct err e = ERR_INIT;

	if (kind == COMPLETE_GENERATIONS)
		add_entries(pool, GENERATION_DIR, 'g', c, suffix);
	else if (kind == COMPLETE_QUARANTINE)
		add_entries(pool, QUARANTINE_DIR, 0, c, suffix);
	else if (pool_open(&p, pool, &e) == 0)
		add_slots(&p, kind, n->stack ? n->stack : ctx->stack, c, suffix);
}

static int run(struct context *ctx, int argc, char **argv, struct err *e UNUSED)
{
	const struct complete_source src = { .names = names, .arg = ctx };

	complete_print(ctx->out, argv, argc, &src);
	return 0;
}

const struct command cmd_complete = {
	.name = "complete",
	.group = "General",
	.args = "-- WORD...",
	.summary = "print what a command line can go on with, for shells",
	.description =
	        "Prints what the last WORD can become, a line each, with a tab and what it is "
	        "about "
	        "behind it; ':files' or ':directories' where the shell knows that better. The "
	        "WORDs "
	        "are those behind 'nodeswarm' up to the one that is being typed, which may be "
	        "empty. "
	        "The completions of bash and zsh ask it, so they know what this program knows. "
	        "Names "
	        "of slots and generations are those of this host's pool; no engine is asked.",
	.examples = (const char *const[]){ "nodeswarm complete -- data ar",
	        "nodeswarm complete -- check --fail-on ''", NULL },
	.min_args = 1,
	.max_args = -1,
	.flags = COMMAND_OPTIONS_FIRST,
	.run = run,
};
