/* producer status: who signs and who could (producer/candidate.h), the lease, and what is odd. */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/table.h"
#include "cli/output.h"
#include "cli/repeat.h"
#include "deploy/agents.h"
#include "lease/term.h"
#include "producer/candidate.h"
#include "producer/judge.h"

static bool watch;
static int64_t every_ns;
static const char *lease;

static const struct opt opts[] = {
	{ "lease", 0, "NAME", "the lease that they share", .value = "producer",
	        .env = "NODESWARM_LEASE", .check = lease_name_check, .string = &lease },
	OPT_REPEAT(watch, every_ns),
	{ NULL },
};

/* --- candidates ---------------------------------------------------------------------------- */

enum {
	COL_NAME,
	COL_HOST,
	COL_STATE,
	COL_HEAD,
	COL_LIB,
	COL_LAG,
	COL_EPOCH,
	COL_SIGNED,
	COL_WHY,
	COL_ID,
	COL_HOLDS,
	COL_FIT,
	COL_READY,
	COL_PRODUCER,
};

static const struct table_column cols[] = {
	[COL_NAME] = { "NAME", "name", TABLE_TEXT },
	[COL_HOST] = { "HOST", "host", TABLE_TEXT },
	[COL_STATE] = { "STATE", "state", TABLE_TEXT },
	[COL_HEAD] = { "HEAD", "head_block_num", TABLE_NUMBER },
	[COL_LIB] = { "LIB", "last_irreversible_block_num", TABLE_NUMBER },
	[COL_LAG] = { "LAG", "lag_blocks", TABLE_NUMBER },
	[COL_EPOCH] = { "EPOCH", "epoch", TABLE_NUMBER },
	[COL_SIGNED] = { "SIGNED", "signed", TABLE_NUMBER },
	[COL_WHY] = { "WHY", "why", TABLE_WIDE },
	[COL_ID] = { "", "holder_id", TABLE_JSON },
	[COL_HOLDS] = { "", "holds", TABLE_JSON },
	[COL_FIT] = { "", "could_take_over", TABLE_JSON },
	[COL_READY] = { "", "ready", TABLE_JSON },
	[COL_PRODUCER] = { "", "producer", TABLE_JSON },
};

static json_t *key_of(const json_t *o, const char *key)
{
	return json_incref(json_object_get(o, key));
}

static void add_candidate(struct table *t, const struct producer_candidate *c)
{
	const json_t *status = c->task->status;

	table_row(t);
	table_set(t, COL_NAME, json_string(c->task->name));
	table_set(t, COL_HOST, *c->task->host ? json_string(c->task->host) : NULL);
	table_set(t, COL_STATE, json_string(producer_state(c)));
	table_set(t, COL_HEAD, key_of(status, "head_block_num"));
	table_set(t, COL_LIB, key_of(status, "last_irreversible_block_num"));
	table_set(t, COL_LAG, key_of(status, "lag_blocks"));
	/* What a standby says is the epoch that it has seen. */
	table_set(t, COL_EPOCH, c->holds ? key_of(c->status, "epoch") : NULL);
	table_set(t, COL_SIGNED, key_of(c->status, "signed"));
	table_set(t, COL_WHY, *c->why ? json_string(c->why) : NULL);
	table_set(t, COL_ID, json_string(c->id));
	table_set(t, COL_HOLDS, json_boolean(c->holds));
	table_set(t, COL_FIT, json_boolean(c->is_fit));
	table_set(t, COL_READY, key_of(status, "ready"));
	table_set(t, COL_PRODUCER, json_incref((json_t *)(uintptr_t)c->status));
}

static int show_candidates(struct context *ctx, const struct producer_view *p, struct err *e)
{
	AUTO(table_free) struct table *t = table_new(cols, ARRAY_LEN(cols));

	if (!t)
		return err_nomem(e);
	for (size_t i = 0; i < p->n; i++)
		add_candidate(t, &p->v[i]);
	return p->n || ctx->json ? output_table(ctx, "candidates", t, e) : 0;
}

/* --- the lease ------------------------------------------------------------------------------ */

static json_t *seconds(int64_t ns)
{
	return json_real((double)(ns / NS_PER_MS) / 1000.0);
}

static json_t *lease_json(const struct producer_view *p, const char *means)
{
	const struct lease_record *r = &p->object.lease;

	if (!p->object.config)
		return json_null();
	return json_pack("{s:s, s:s?, s:s?, s:I, s:I, s:o, s:s?, s:o, s:o, s:I, s:I,"
	                 " s:s, s:I, s:s?, s:s?}",
	        "name", r->name, "holder", *r->holder ? r->holder : NULL, "holder_name",
	        *r->holder ? producer_name(p, r->holder) : NULL, "epoch", (json_int_t)r->epoch,
	        "renewals", (json_int_t)r->count, "term_seconds",
	        r->term_ns ? seconds(r->term_ns) : json_null(), "term_means", *means ? means : NULL,
	        "takeover_seconds",
	        r->term_ns ? seconds(lease_takeover_ns(r->term_ns)) : json_null(), "bridge_seconds",
	        r->term_ns ? seconds(lease_bridge_ns(r->term_ns)) : json_null(), "floor_slot",
	        (json_int_t)r->floor, "ceiling_slot", (json_int_t)r->ceiling, "order",
	        lease_order_name(r->order), "order_id", (json_int_t)r->order_id, "order_to",
	        *r->order_to ? r->order_to : NULL, "order_reason",
	        *r->order_reason ? r->order_reason : NULL);
}

static int show_lease(struct context *ctx, const struct producer_view *p, struct err *e)
{
	const struct lease_record *r = &p->object.lease;
	char text[2 * PRODUCER_TEXT_SIZE], means[LEASE_TERM_TEXT_SIZE] = "";

	output_line(ctx, "lease %s: %s", r->name, producer_lease_text(p, text, sizeof(text)));
	if (r->term_ns)
		output_line(ctx, "term: %s", lease_term_text(r->term_ns, means, sizeof(means)));
	return output_value(ctx, "lease", lease_json(p, means), e);
}

static int show_changes(struct context *ctx, const struct producer_view *p, struct err *e)
{
	static const struct table_column columns[] = {
		{ "TIME", "time", TABLE_TEXT },
		{ "EPOCH", "epoch", TABLE_NUMBER },
		{ "HOLDER", "holder", TABLE_TEXT },
		{ "REASON", "reason", TABLE_WIDE },
	};
	const struct lease_record *r = &p->object.lease;
	AUTO(table_free) struct table *t = table_new(columns, ARRAY_LEN(columns));
	char at[CLOCK_TEXT_MAX];

	if (!t)
		return err_nomem(e);
	for (size_t i = 0; i < r->nhistory; i++) {
		const struct lease_change *c = &r->history[i];

		table_row(t);
		table_set(t, 0, json_string(clock_text(at, c->real_ns)));
		table_set(t, 1, json_integer((json_int_t)c->epoch));
		table_set(t, 2, *c->holder ? json_string(producer_name(p, c->holder)) : NULL);
		table_set(t, 3, json_string(c->reason));
	}
	return r->nhistory || ctx->json ? output_table(ctx, "changes", t, e) : 0;
}

/* --- all of it ------------------------------------------------------------------------------- */

struct warning_sink {
	struct context *ctx;
	json_t *list;
};

static void on_warning(void *arg, const char *rule, const char *text)
{
	struct warning_sink *s = arg;

	output_line(s->ctx, "warning: %s", text);
	(void)json_array_append_new(s->list, json_pack("{s:s, s:s}", "rule", rule, "text", text));
}

static int show(struct context *ctx, struct engine *eng, struct agents *agents, struct err *e)
{
	const struct producer_query q = { .stack = ctx->stack,
		.pool = ctx->pool,
		.lease = lease,
		.agents = agents,
		.interrupted = &ctx->interrupted };
	AUTO(producer_view_free) struct producer_view *p = NULL;
	struct warning_sink sink = { ctx, NULL };

	if (producer_look(&p, eng, &q, e) < 0)
		return -1;
	sink.list = json_array();
	if (show_candidates(ctx, p, e) < 0 || show_lease(ctx, p, e) < 0 ||
	        show_changes(ctx, p, e) < 0) {
		json_decref(sink.list);
		return -1;
	}
	producer_warnings(p, on_warning, &sink);
	return output_value(ctx, "warnings", sink.list, e);
}

static int run(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	return repeat_show(ctx, show, watch, every_ns, e);
}

const struct command cmd_producer_status = {
	.name = "producer status",
	.group = "Producer",
	.args = "",
	.summary = "show who signs blocks, who could take over, and why",
	.description =
	        "One row a slot that has a signing key and shares the lease. STATE is 'producing' "
	        "for the one that signs and 'standby' for those that follow the chain, paused; "
	        "WHY says what holds a slot back. SIGNED counts the blocks since its supervisor "
	        "has started.\n\n"
	        "Below it stands the lease, which says who may sign: its holder, its epoch (one "
	        "more with each holder), and its term with what it costs: how long nobody signs "
	        "after the holder's death, and whether signing outlasts an election among Swarm's "
	        "managers. Then the last changes with their reasons, by the clocks of those who "
	        "wrote them, and warnings: no standby, one that could not take over, nobody who "
	        "signs.",
	.examples = (const char *const[]){ "nodeswarm producer status",
	        "nodeswarm producer status --watch",
	        "nodeswarm producer status --json | jq '.candidates[] | select(.holds)'", NULL },
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
