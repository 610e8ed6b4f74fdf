/* status: one look at the stack (deploy/view.h) as a table, and a verdict (watch/from_view.h). */

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/table.h"
#include "cli/output.h"
#include "cli/repeat.h"
#include "deploy/agents.h"
#include "deploy/view.h"
#include "watch/from_view.h"
#include "watch/watch.h"

static bool watch;
static int64_t every_ns;

static const struct opt opts[] = {
	OPT_REPEAT(watch, every_ns),
	{ NULL },
};

enum {
	COL_NAME,
	COL_HOST,
	COL_TASK_STATE,
	COL_STATE,
	COL_READY,
	COL_HEAD,
	COL_LIB,
	COL_LAG,
	COL_RESTARTS,
	COL_VERDICT,
	COL_LAST_STOP,
	COL_REASON,
	COL_SERVICE,
	COL_SLOT,
	COL_HEAD_ID,
	COL_HEAD_AGE,
	COL_CHAIN,
	COL_TASK,
	COL_PEERS,
	COL_WARNINGS,
	COL_HEAL,
	COL_PRODUCER,
};

static const struct table_column cols[] = {
	[COL_NAME] = { "NAME", "name", TABLE_TEXT },
	[COL_HOST] = { "HOST", "host", TABLE_TEXT },
	[COL_TASK_STATE] = { "TASK", "task_state", TABLE_TEXT },
	[COL_STATE] = { "STATE", "state", TABLE_TEXT },
	[COL_READY] = { "READY", "ready", TABLE_TEXT },
	[COL_HEAD] = { "HEAD", "head_block_num", TABLE_NUMBER },
	[COL_LIB] = { "LIB", "last_irreversible_block_num", TABLE_NUMBER },
	[COL_LAG] = { "LAG", "lag_blocks", TABLE_NUMBER },
	[COL_RESTARTS] = { "RESTARTS", "restarts", TABLE_NUMBER },
	[COL_VERDICT] = { "VERDICT", "verdict", TABLE_TEXT },
	[COL_LAST_STOP] = { "LAST STOP", "last_stop", TABLE_TEXT },
	[COL_REASON] = { "REASON", "reason", TABLE_WIDE },
	[COL_SERVICE] = { "", "service", TABLE_JSON },
	[COL_SLOT] = { "", "slot", TABLE_JSON },
	[COL_HEAD_ID] = { "", "head_block_id", TABLE_JSON },
	[COL_HEAD_AGE] = { "", "head_age_seconds", TABLE_JSON },
	[COL_CHAIN] = { "", "chain_id", TABLE_JSON },
	[COL_TASK] = { "", "task_id", TABLE_JSON },
	[COL_PEERS] = { "", "peers_connected", TABLE_JSON },
	[COL_WARNINGS] = { "", "warnings", TABLE_JSON },
	[COL_HEAL] = { "", "heal", TABLE_JSON },
	[COL_PRODUCER] = { "", "producer", TABLE_JSON },
};

/* The columns that are taken from the supervisor's own status, under its own keys. */
static const int from_status[] = {
	COL_STATE,
	COL_HEAD,
	COL_LIB,
	COL_LAG,
	COL_RESTARTS,
	COL_VERDICT,
	COL_LAST_STOP,
	COL_HEAD_ID,
	COL_HEAD_AGE,
	COL_CHAIN,
	COL_PEERS,
	COL_WARNINGS,
	COL_PRODUCER,
};

static json_t *text_or_null(const char *s)
{
	return s && *s ? json_string(s) : NULL;
}

static const char *text_or_none(const char *s)
{
	return *s ? s : NULL;
}

/* Its reason, and what is done about its data-dir; of a producer without another, why it does not
 * produce. */
static json_t *reason_cell(const struct view_task *v, const json_t *heal)
{
	char buf[400], text[200], both[sizeof(buf) + sizeof(text) + 2];
	const char *why = view_task_reason(v, buf, sizeof(buf)), *role = view_task_role(v);

	if (!*why && *role && strcmp(role, "producing") != 0)
		why = json_str(v->status, "producer.why", "");
	if (!*view_heal_text(heal, text, sizeof(text)))
		return text_or_null(why);
	snprintf(both, sizeof(both), "%.399s%s%s", why, *why ? "; " : "", text);
	return json_string(both);
}

/* Of one on probation nodeos runs as of any other; a person has to see the difference. */
static bool is_on_probation(const struct view_task *v, const json_t *heal)
{
	return v->status && strcmp(json_str(heal, "stage", ""), "probation") == 0 &&
	        strcmp(json_str(v->status, "state", ""), slot_state_name(SLOT_RUNNING)) == 0;
}

static void add_task(struct table *t, const struct view_task *v, bool is_for_people)
{
	AUTO(json) json_t *heal = view_task_heal(v);
	const char *role = view_task_role(v);

	table_row(t);
	table_set(t, COL_NAME, json_string(v->name));
	table_set(t, COL_HOST, text_or_null(v->host));
	table_set(t, COL_TASK_STATE, json_string(engine_task_state_name(v->t.state)));
	if (view_task_is_known(v))
		table_set(
		        t, COL_READY, json_boolean(view_task_is_wanted(v) && view_task_serves(v)));
	else
		table_set(t, COL_STATE, json_string("unknown"));
	table_set(t, COL_REASON, reason_cell(v, heal));
	table_set(t, COL_HEAL, json_incref(heal));
	table_set(t, COL_SERVICE, json_string(v->service->name));
	table_set(t, COL_SLOT, v->t.slot ? json_integer(v->t.slot) : NULL);
	table_set(t, COL_TASK, json_string(v->t.id));
	/* What the slot's record knows, for a supervisor that does not answer. */
	if (v->has_record) {
		table_set(t, COL_STATE, json_string(slot_state_name(v->record->state)));
		table_set(t, COL_VERDICT, text_or_null(v->record->verdict));
		table_set(t, COL_RESTARTS, json_integer((json_int_t)v->record->restarts));
		table_set(t, COL_LAST_STOP, text_or_null(record_last_stop(v->record)));
	}
	for (size_t i = 0; v->status && i < ARRAY_LEN(from_status); i++)
		table_set(t, (size_t)from_status[i],
		        json_incref(json_object_get(v->status, cols[from_status[i]].key)));
	if (is_for_people && is_on_probation(v, heal))
		table_set(t, COL_STATE, json_string("on probation"));
	else if (is_for_people && *role)
		table_set(t, COL_STATE, json_string(role));
}

static int add_services(struct context *ctx, const struct view *v, struct err *e)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < v->n_services; i++) {
		const struct view_service *s = &v->services[i];

		(void)json_array_append_new(list,
		        json_pack("{s:s, s:s, s:o, s:o, s:s}", "name", s->name, "full_name",
		                s->e.name, "replicas",
		                s->e.replicas >= 0 ? json_integer(s->e.replicas) : json_null(),
		                "stopped_replicas",
		                s->former >= 0 ? json_integer(s->former) : json_null(), "image",
		                s->e.image));
	}
	return output_value(ctx, "services", list, e);
}

static int add_hosts(struct context *ctx, const struct view *v, struct err *e)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < v->nodes.n; i++) {
		const struct view_host *h = &v->hosts[i];
		json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s?, s:s?, s:s?, s:s?}", "host",
		        h->node->hostname, "node_id", h->node->id, "address", h->node->addr,
		        "state", h->node->state, "availability", h->node->availability, "agent",
		        text_or_none(view_host_state_name(h->state)), "agent_version",
		        h->slots.body ? h->slots.version : NULL, "why", text_or_none(h->why),
		        "firewall", text_or_none(view_host_firewall(v, h)));

		if (json_array_append_new(list, o) < 0)
			break;
	}
	return output_value(ctx, "hosts", list, e);
}

/* What a reader of the table has to know of hosts. */
static void note_hosts(struct context *ctx, const struct view *v)
{
	const char *hint = NULL;

	for (size_t i = 0; i < v->nodes.n; i++) {
		const struct view_host *h = &v->hosts[i];
		size_t unknown = 0;

		for (size_t k = 0; k < v->n_tasks; k++)
			unknown += v->tasks[k].on == h && !view_task_is_known(&v->tasks[k]);
		if (h->state == VIEW_HOST_DOWN) {
			output_line(ctx, "host %s is down; %zu slots there are unknown",
			        h->node->hostname, unknown);
		} else if (h->state == VIEW_HOST_UNREACHABLE || unknown) {
			output_line(ctx, "host %s does not answer; %zu slots there are unknown: %s",
			        h->node->hostname, unknown,
			        *h->why ? h->why : "its agent serves another pool");
			hint = *h->hint ? h->hint : hint;
		}
	}
	if (hint)
		output_line(ctx, "hint: %s", hint);
}

/* "firewall: differs on node2; missing on node3, node4", where one was ever applied. */
static void note_firewall(struct context *ctx, const struct view *v)
{
	static const char *const kinds[] = { "differs", "missing", "unknown" };
	AUTO(buf) struct buf line = BUF_INIT(4096);

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		const char *before = line.len ? "; " : "";
		bool is_first = true;

		for (size_t i = 0; i < v->nodes.n; i++) {
			const struct view_host *h = &v->hosts[i];

			if (strcmp(view_host_firewall(v, h), kinds[k]) != 0)
				continue;
			if (is_first ? buf_add_fmt(&line, "%s%s on %s", before, kinds[k],
			                       h->node->hostname) < 0
			             : buf_add_fmt(&line, ", %s", h->node->hostname) < 0)
				break;
			is_first = false;
		}
	}
	if (line.len)
		output_line(ctx,
		        "firewall: %s; 'nodeswarm firewall verify --all' says how, 'apply --all' "
		        "mends it",
		        line.data);
}

static int add_findings(struct context *ctx, const struct watch *w, int64_t now_ns, struct err *e)
{
	const struct findings *f = watch_findings(w);
	json_t *list = json_array();

	for (size_t i = 0; list && i < f->n; i++)
		(void)json_array_append_new(list, finding_json(&f->v[i], now_ns));
	return output_value(ctx, "findings", list, e);
}

/* The last line: what 'check' would say of what was told here. */
static int judge(struct context *ctx, const struct view *v, struct err *e)
{
	AUTO(watch_free) struct watch *w = NULL;
	int64_t now = clock_mono_ns();
	struct watch_settings settings;
	struct watch_row unused;
	char verdict[512];

	watch_settings_init(&settings);
	w = watch_new(&settings, e);
	if (!w || watch_feed_view(w, v, now, clock_real_ns(), e) < 0)
		return -1;
	if (!watch_row(w, 0, &unused))
		return output_value(ctx, "verdict", json_null(), e) < 0
		        ? -1
		        : add_findings(ctx, w, now, e);
	watch_verdict_text(w, WATCH_MAJOR, verdict, sizeof(verdict));
	output_line(ctx, "%s", verdict);
	if (output_value(ctx, "verdict", json_string(verdict), e) < 0)
		return -1;
	return add_findings(ctx, w, now, e);
}

static int show(struct context *ctx, struct engine *eng, struct agents *agents, struct err *e)
{
	const struct view_query q = { .stack = ctx->stack,
		.pool = ctx->pool,
		.agents = agents,
		.interrupted = &ctx->interrupted };
	AUTO(table_free) struct table *t = table_new(cols, ARRAY_LEN(cols));
	AUTO(view_free) struct view *v = NULL;

	if (!t)
		return err_nomem(e);
	if (view_load(&v, eng, &q, e) < 0)
		return -1;
	for (size_t i = 0; i < v->n_tasks; i++)
		add_task(t, &v->tasks[i], !ctx->json);
	if (!v->n_services)
		output_note(ctx, "there is no stack '%s'; 'nodeswarm up' makes it", ctx->stack);
	if (output_value(ctx, "stack", json_string(ctx->stack), e) < 0 ||
	        add_services(ctx, v, e) < 0 || add_hosts(ctx, v, e) < 0)
		return -1;
	if ((v->n_tasks || ctx->json) && output_table(ctx, "slots", t, e) < 0)
		return -1;
	for (size_t i = 0; i < v->n_services; i++)
		if (v->services[i].e.replicas == 0)
			output_line(ctx, "%s is stopped%s", v->services[i].name,
			        v->services[i].former > 0 ? "; 'nodeswarm up' brings it back" : "");
	note_hosts(ctx, v);
	note_firewall(ctx, v);
	return judge(ctx, v, e);
}

static int run(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	return repeat_show(ctx, show, watch, every_ns, e);
}

const struct command cmd_status = {
	.name = "status",
	.group = "Cluster",
	.args = "",
	.summary = "show every slot of the stack",
	.description =
	        "One row a slot, and a row for each earlier container that still stops. TASK is "
	        "Swarm's word; the rest is the supervisor's own. READY means fit to be asked: "
	        "answering, on the right chain, and not behind the best known head.\n\n"
	        "A slot whose data-dir is being mended is 'repairing', and then 'on probation' "
	        "until "
	        "it has caught up and has the same blocks as others; REASON says what it was, the "
	        "repair and the try, and 'heal' in JSON all of it. One that was given up is "
	        "'held': "
	        "'nodeswarm resume' begins anew.\n\n"
	        "Of producers with a signing gate STATE is their part: 'producing', 'standby' or "
	        "what lies between, and REASON why ('producer' in JSON; 'nodeswarm producer "
	        "status' shows more).\n\n"
	        "Supervisors are asked through the agents of their hosts. A slot on a host that "
	        "cannot be asked has state 'unknown' and no READY (null in JSON); a line below the "
	        "table, and 'hosts' in JSON, says why: there 'agent' is 'ok', 'direct' (no agent, "
	        "asked through the pool), 'none', 'unreachable' or 'down'. Another line names "
	        "hosts "
	        "whose firewall is missing or differs, where one was ever applied ('firewall' in "
	        "JSON)."
	        "\n\n"
	        "The last line is the verdict on all of them ('verdict' and 'findings' in JSON), "
	        "by the rules of 'nodeswarm check', which looks closer: it compares blocks, so it "
	        "sees forks.",
	.examples = (const char *const[]){ "nodeswarm status", "nodeswarm status --watch",
	        "nodeswarm status --json | jq '.slots[] | select(.ready | not)'", NULL },
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
