#include "cli/firewall_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/table.h"
#include "cli/command.h"
#include "cli/output.h"
#include "deploy/agents.h"
#include "deploy/firewall.h"
#include "engine/engine.h"

enum { COL_HOST, COL_FIREWALL, COL_BACKEND, COL_REASON, COL_NODE, COL_HINT };

static const struct table_column cols[] = {
	[COL_HOST] = { "HOST", "host", TABLE_TEXT },
	[COL_FIREWALL] = { "FIREWALL", "firewall", TABLE_TEXT },
	[COL_BACKEND] = { "BACKEND", "backend", TABLE_TEXT },
	[COL_REASON] = { "REASON", "reason", TABLE_WIDE },
	[COL_NODE] = { "", "node_id", TABLE_JSON },
	[COL_HINT] = { "", "hint", TABLE_JSON },
};

struct all {
	struct context *ctx;
	struct engine *engine;
	struct agents *agents;
	struct firewall_swarm swarm;
	struct table *table;
	const char *hint; /* of the last row that has one */
	char failed[256]; /* the hosts that are not as they ought to be */
	size_t n_failed;
};

static void close_all(struct all *a)
{
	firewall_swarm_release(&a->swarm);
	agents_free(a->agents);
	engine_free(a->engine);
	table_free(a->table);
}

static int open_all(struct all *a, struct context *ctx, struct err *e)
{
	*a = (struct all){ .ctx = ctx, .swarm = FIREWALL_SWARM_INIT };
	a->engine = command_engine(ctx, e);
	if (!a->engine)
		return -1;
	a->agents = agents_new(a->engine, ctx->stack, ctx->pool, &ctx->interrupted, e);
	a->table = table_new(cols, ARRAY_LEN(cols));
	if (!a->agents || !a->table)
		return err_nomem(e);
	return firewall_swarm_open(&a->swarm, a->engine, a->agents, e);
}

/* --- rows ----------------------------------------------------------------------------------- */

static void name_failed(struct all *a, const char *name)
{
	size_t n = strlen(a->failed);

	a->n_failed++;
	if (n + strlen(name) + sizeof(", ...") < sizeof(a->failed))
		(void)snprintf(a->failed + n, sizeof(a->failed) - n, "%s%s", n ? ", " : "", name);
	else if (n < 4 || !str_ends(a->failed, "..."))
		(void)snprintf(a->failed + n, sizeof(a->failed) - n, "%s", "...");
}

static void add_row(struct all *a, const struct firewall_site *at, const char *what,
        const char *backend, const char *reason, const char *hint)
{
	AUTO(free) char *text = strdup(reason);

	if (text)
		str_printable(text);
	table_row(a->table);
	table_set(a->table, COL_HOST, json_string(at->node->hostname));
	table_set(a->table, COL_FIREWALL, json_string(what));
	table_set(a->table, COL_BACKEND, *backend ? json_string(backend) : NULL);
	table_set(a->table, COL_REASON, text && *text ? json_string(text) : NULL);
	table_set(a->table, COL_NODE, json_string(at->node->id));
	table_set(a->table, COL_HINT, *hint ? json_string(hint) : NULL);
	if (*hint)
		a->hint = hint;
}

/* One that was not asked, did not answer, or refused. */
static void add_failure(struct all *a, const struct firewall_site *at)
{
	const char *what = at->is_down       ? "down"
	        : firewall_is_mute(&at->err) ? "unknown"
	                                     : "refused";

	add_row(a, at, what, "", at->err.msg, at->err.hint);
	name_failed(a, at->node->hostname);
}

static int finish(struct all *a, const char *what, struct err *e)
{
	if (a->ctx->interrupted)
		return err_set(e, ERR_INTERRUPTED, "interrupted: agents that were asked go on");
	if (output_table(a->ctx, "hosts", a->table, e) < 0)
		return -1;
	if (a->n_failed == 0)
		return 0;
	err_set(e, ERR_UNHEALTHY, "%s %zu host%s: %s", what, a->n_failed,
	        a->n_failed == 1 ? "" : "s", a->failed);
	return a->hint ? err_hint(e, "%s", a->hint) : -1;
}

/* --- apply ---------------------------------------------------------------------------------- */

static int prepare(struct all *a, struct firewall_model *m, struct err *e)
{
	const struct engine_node *unknown;

	if (firewall_swarm_nodes(m, &a->swarm.nodes, &unknown, e) < 0)
		return -1;
	if (unknown) {
		err_set(e, ERR_UNAVAILABLE, "the engine does not know the address of node '%s'",
		        unknown->hostname);
		return err_hint(e,
		        "wait until it has spoken to the managers again; remove it with 'docker "
		        "node "
		        "rm' if it is gone");
	}
	return firewall_swarm_check_engine(&a->swarm, m, e);
}

/* Those that would not take it; hosts that are only silent are not in anybody's way. */
static int refuse(struct all *a, struct err *e)
{
	bool is_refused = false;

	for (size_t i = 0; i < a->swarm.n; i++)
		is_refused |= !a->swarm.v[i].body && !firewall_is_mute(&a->swarm.v[i].err);
	if (!is_refused)
		return 0;
	for (size_t i = 0; i < a->swarm.n; i++) {
		if (a->swarm.v[i].body)
			add_row(a, &a->swarm.v[i], "untouched", "", "", "");
		else
			add_failure(a, &a->swarm.v[i]);
	}
	(void)finish(a, "nothing was changed: refused by", e);
	return -1;
}

static void add_applied(struct all *a)
{
	for (size_t i = 0; i < a->swarm.n; i++) {
		const struct firewall_site *at = &a->swarm.v[i];

		if (at->body)
			add_row(a, at,
			        json_bool(at->body, "changed", false) ? "changed" : "as it was",
			        json_str(at->body, "backend", ""), "", "");
		else
			add_failure(a, at);
	}
}

/* By what they have now. */
static int add_planned(struct all *a, const struct firewall_model *m, struct err *e)
{
	char reason[128];

	firewall_swarm_look(&a->swarm);
	for (size_t i = 0; i < a->swarm.n; i++) {
		const struct firewall_site *at = &a->swarm.v[i];
		AUTO(strvec) struct strvec lines = STRVEC_INIT;

		if (!at->body) {
			add_failure(a, at);
			continue;
		}
		if (firewall_site_differs(&lines, at, &a->swarm, m, e) < 0)
			return -1;
		*reason = '\0';
		if (lines.n == 1)
			(void)snprintf(reason, sizeof(reason), "%s", lines.v[0]);
		else if (lines.n)
			(void)snprintf(
			        reason, sizeof(reason), "%s; %zu more", lines.v[0], lines.n - 1);
		add_row(a, at, lines.n ? "would change" : "as it was", at->view.backend, reason,
		        "");
	}
	return finish(a, "cannot say it of", e);
}

static int apply(struct all *a, struct firewall_model *m, bool is_dry, struct err *e)
{
	if (prepare(a, m, e) < 0)
		return -1;
	progress_set(a->ctx, "asking %zu hosts whether they would take it", a->swarm.n);
	if (firewall_swarm_apply(&a->swarm, m, true, e) < 0 || refuse(a, e) < 0)
		return -1;
	for (size_t i = 0; i < a->swarm.n; i++)
		a->swarm.v[i].is_left_out = !a->swarm.v[i].body;
	if (is_dry)
		return add_planned(a, m, e);
	progress_set(a->ctx, "applying it on %zu hosts", a->swarm.n);
	if (firewall_swarm_apply(&a->swarm, m, false, e) < 0)
		return -1;
	add_applied(a);
	return finish(a, "not applied on", e);
}

int firewall_all_apply(struct context *ctx, struct firewall_model *m, bool is_dry, struct err *e)
{
	struct all a;
	int rc = open_all(&a, ctx, e);

	if (rc == 0)
		rc = apply(&a, m, is_dry, e);
	progress_end(ctx);
	close_all(&a);
	return rc;
}

/* --- remove --------------------------------------------------------------------------------- */

static int plan_removal(struct all *a, struct err *e)
{
	firewall_swarm_look(&a->swarm);
	for (size_t i = 0; i < a->swarm.n; i++) {
		const struct firewall_site *at = &a->swarm.v[i];

		if (at->body)
			add_row(a, at,
			        at->view.is_saved || at->view.is_present ? "would be removed"
			                                                 : "none",
			        at->view.backend, "", "");
		else
			add_failure(a, at);
	}
	return finish(a, "cannot say it of", e);
}

static int remove_all(struct all *a, struct err *e)
{
	firewall_swarm_remove(&a->swarm);
	for (size_t i = 0; i < a->swarm.n; i++) {
		const struct firewall_site *at = &a->swarm.v[i];

		if (at->body)
			add_row(a, at, json_bool(at->body, "changed", false) ? "removed" : "none",
			        "", "", "");
		else
			add_failure(a, at);
	}
	return finish(a, "not removed from", e);
}

int firewall_all_remove(struct context *ctx, bool is_dry, struct err *e)
{
	struct all a;
	int rc = open_all(&a, ctx, e);

	if (rc == 0)
		rc = is_dry ? plan_removal(&a, e) : remove_all(&a, e);
	close_all(&a);
	return rc;
}

/* --- verify --------------------------------------------------------------------------------- */

static int add_lines(
        struct all *a, json_t *list, const char *host, const struct strvec *lines, struct err *e)
{
	for (size_t i = 0; i < lines->n; i++) {
		AUTO(free) char *text = strdup(lines->v[i]);

		if (!text)
			return err_nomem(e);
		str_printable(text);
		if (*host)
			output_line(a->ctx, "%s: %s", host, text);
		else
			output_line(a->ctx, "%s", text);
		if (json_array_append_new(list,
		            json_pack("{s:s?, s:s}", "host", *host ? host : NULL, "found", text)) <
		        0)
			return err_nomem(e);
	}
	return 0;
}

static int compare(struct all *a, const struct firewall_model *m, json_t *list, struct err *e)
{
	for (size_t i = 0; i < a->swarm.n; i++) {
		const struct firewall_site *at = &a->swarm.v[i];
		AUTO(strvec) struct strvec lines = STRVEC_INIT;

		if (!at->body) {
			add_failure(a, at);
			continue;
		}
		if (firewall_site_differs(&lines, at, &a->swarm, m, e) < 0 ||
		        add_lines(a, list, at->node->hostname, &lines, e) < 0)
			return -1;
		add_row(a, at,
		        !at->view.model   ? "missing"
		                : lines.n ? "differs"
		                          : "as applied",
		        at->view.backend, "", "");
		if (lines.n) {
			name_failed(a, at->node->hostname);
			a->hint = "'nodeswarm firewall apply --all' mends it";
		}
	}
	return 0;
}

static int prove(struct all *a, const struct firewall_model *m, json_t *list, struct err *e)
{
	struct firewall_proof p = { 0 };
	int rc;

	progress_set(a->ctx, "proving it by connections between %zu hosts", a->swarm.n);
	/* Those that gave no answer would give none now, and cost the whole time limit. */
	for (size_t i = 0; i < a->swarm.n; i++)
		a->swarm.v[i].is_left_out = !a->swarm.v[i].body;
	rc = firewall_swarm_prove(&a->swarm, m, &p, e);
	progress_end(a->ctx);
	if (rc == 0)
		rc = add_lines(a, list, "", &p.lines, e);
	if (rc == 0) {
		output_line(a->ctx,
		        "%zu connections between hosts went as they ought to, %zu did not, %zu "
		        "could "
		        "not be proved",
		        p.as_wanted, p.wrong, p.unproved);
		output_line(a->ctx,
		        "not proved from here: udp, and what strangers reach; 'nodeswarm firewall "
		        "verify' on each host proves that");
		rc = output_value(a->ctx, "connections",
		        json_pack("{s:I, s:I, s:I}", "as_wanted", (json_int_t)p.as_wanted, "wrong",
		                (json_int_t)p.wrong, "unproved", (json_int_t)p.unproved),
		        e);
	}
	if (rc == 0 && p.wrong && a->n_failed == 0) {
		(void)finish(a, "", e);
		err_clear(e);
		rc = err_set(
		        e, ERR_UNHEALTHY, "%zu connections did not go as they ought to", p.wrong);
	}
	firewall_proof_release(&p);
	return rc;
}

static int verify(struct all *a, struct err *e)
{
	AUTO(free) struct firewall_model *m = malloc(sizeof(*m));
	AUTO(json) json_t *list = json_array();
	const struct engine_node *unknown;
	const struct firewall_site *newest;

	if (!m || !list)
		return err_nomem(e);
	firewall_swarm_look(&a->swarm);
	newest = firewall_newest(&a->swarm);
	if (!newest) {
		for (size_t i = 0; i < a->swarm.n; i++)
			if (!a->swarm.v[i].body)
				output_line(a->ctx, "%s: %s", a->swarm.v[i].node->hostname,
				        a->swarm.v[i].err.msg);
		err_set(e, ERR_UNHEALTHY, "no host has a firewall of ours");
		return err_hint(e, "'nodeswarm firewall apply --all' makes it");
	}
	*m = *newest->view.model;
	if (firewall_swarm_nodes(m, &a->swarm.nodes, &unknown, e) < 0 ||
	        compare(a, m, list, e) < 0 || prove(a, m, list, e) < 0 ||
	        output_value(a->ctx, "differences", json_incref(list), e) < 0)
		return -1;
	return finish(a, "the firewall differs, or is not known, on", e);
}

int firewall_all_verify(struct context *ctx, struct err *e)
{
	struct all a;
	int rc = open_all(&a, ctx, e);

	if (rc == 0)
		rc = verify(&a, e);
	progress_end(ctx);
	close_all(&a);
	return rc;
}
