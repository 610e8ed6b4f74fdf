#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/output.h"
#include "base/table.h"
#include "data/pool.h"

static int show(struct context *ctx, const struct pool *p, struct err *e)
{
	static const struct table_column cols[] = {
		{ "PATH", "path", TABLE_TEXT },
		{ "ID", "id", TABLE_TEXT },
		{ "METHOD", "method", TABLE_TEXT },
		{ "SIZE", "size_bytes", TABLE_SIZE },
		{ "FREE", "free_bytes", TABLE_SIZE },
		{ "WHY", "why", TABLE_WIDE },
	};
	AUTO(table_free) struct table *t = table_new(cols, ARRAY_LEN(cols));
	struct pool_space space;
	char why[160];

	if (!t)
		return err_nomem(e);
	if (pool_space_at(&space, p->fd, e) < 0)
		return -1;
	(void)pool_probe_method(p->fd, why, sizeof(why));
	table_row(t);
	table_set(t, 0, json_string(p->path));
	table_set(t, 1, json_string(p->id));
	table_set(t, 2, json_string(pool_method_name(p->method)));
	table_set(t, 3, json_integer((json_int_t)space.total_bytes));
	table_set(t, 4, json_integer((json_int_t)space.free_bytes));
	table_set(t, 5, json_string(why));
	return output_table(ctx, "pools", t, e);
}

static int run(struct context *ctx, int argc, char **argv, struct err *e)
{
	const char *path = argc > 1 ? argv[1] : ctx->pool;
	AUTO(pool) struct pool p = POOL_INIT;

	if (strcmp(argv[0], "status") == 0) {
		if (pool_open(&p, path, e) < 0)
			return -1;
	} else if (strcmp(argv[0], "init") == 0) {
		int rc = pool_create(&p, path, e);

		if (rc < 0)
			return -1;
		output_note(ctx, rc ? "'%s' is a pool already" : "'%s' is a pool now", path);
	} else {
		return command_usage(ctx, e, "'%s' is neither 'init' nor 'status'", argv[0]);
	}
	return show(ctx, &p, e);
}

const struct command cmd_pool = {
	.name = "pool",
	.group = "Host",
	.args = "init|status [DIR]",
	.summary = "make or show this host's pool of data-dirs",
	.description =
	        "The pool is the one directory of a host in which everything lies: the slots' "
	        "data-dirs, their records and logs. 'init' makes an empty directory a pool (and "
	        "changes nothing if it is one); 'status' shows it. Without DIR the pool of --pool "
	        "is "
	        "meant.",
	.examples = (const char *const[]){ "nodeswarm pool init /srv/nodeswarm", NULL },
	.min_args = 1,
	.max_args = 2,
	.flags = COMMAND_HAS_JSON,
	.run = run,
};
