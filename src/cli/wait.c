#include "cli/wait.h"

#include <stdio.h>
#include <string.h>

#include "agent/host.h"
#include "base/num.h"
#include "base/table.h"
#include "cli/output.h"

#define REPLICAS_MAX 10000

static void on_progress(void *arg, const char *text)
{
	progress_set(arg, "%s", text);
}

static void on_note(void *arg, const char *text)
{
	output_note(arg, "%s", text);
}

int wait_open(struct context *ctx, struct deploy *d, int64_t wait_ns, struct err *e)
{
	*d = (struct deploy){
		.engine = command_engine(ctx, e),
		.stack = ctx->stack,
		.pool = ctx->pool,
		.wait_ns = wait_ns,
		.interrupted = &ctx->interrupted,
		.local_facts = host_facts,
		.progress = on_progress,
		.note = on_note,
		.arg = ctx,
	};
	if (!d->engine)
		return -1;
	d->agents = agents_new(d->engine, ctx->stack, ctx->pool, &ctx->interrupted, e);
	if (!d->agents) {
		engine_free(d->engine);
		return -1;
	}
	return 0;
}

void wait_close(struct deploy *d)
{
	agents_free(d->agents);
	engine_free(d->engine);
}

int wait_scale_parse(struct context *ctx, struct scale *ret, char *word, struct err *e)
{
	char *eq = strchr(word, '=');
	int64_t n;

	if (!eq || eq == word)
		return command_usage(ctx, e, "'%s' is not SERVICE=N", word);
	if (num_int(&n, eq + 1, 0, REPLICAS_MAX, e) < 0)
		return err_wrap(e, "'%s'", word);
	*eq = '\0';
	*ret = (struct scale){ .service = word, .replicas = n };
	return 0;
}

int wait_finish(struct context *ctx, int rc, const struct slot_ends *ends, struct err *e)
{
	static const struct table_column cols[] = {
		{ "NAME", "name", TABLE_TEXT },
		{ "HOST", "host", TABLE_TEXT },
		{ "CLEAN", "clean", TABLE_TEXT },
		{ "WHY", "why", TABLE_WIDE },
	};
	AUTO(table_free) struct table *t = table_new(cols, ARRAY_LEN(cols));
	size_t unclean = 0;
	char names[400] = "";

	if (!t)
		return rc < 0 ? -1 : err_nomem(e);
	for (size_t i = 0; i < ends->n; i++) {
		const struct slot_end *s = &ends->v[i];
		size_t n = strlen(names);

		table_row(t);
		table_set(t, 0, json_string(s->name));
		table_set(t, 1, json_string(s->host));
		table_set(t, 2, s->is_known ? json_boolean(s->is_clean) : NULL);
		table_set(t, 3, *s->why ? json_string(s->why) : NULL);
		if (s->is_known && s->is_clean)
			continue;
		snprintf(names + n, sizeof(names) - n, "%s%.60s", unclean ? ", " : "", s->name);
		unclean++;
	}
	table_sort(t, 0);
	if (ends->n || (ctx->json && rc == 0)) {
		struct err print = ERR_INIT;

		if (output_table(ctx, "stopped", t, rc < 0 ? &print : e) < 0 && rc == 0)
			return -1;
	}
	if (rc < 0 || !unclean)
		return rc;
	err_set(e, ERR_UNHEALTHY, "%zu of %zu slots were not left clean, or it is not known: %s",
	        unclean, ends->n, names);
	return err_hint(e, "their data-dirs need a look before they start again");
}
