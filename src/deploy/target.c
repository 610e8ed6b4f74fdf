#include "deploy/target_priv.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"
#include "control/client.h"
#include "data/generation.h"
#include "data/pool.h"
#include "data/slot.h"
#include "deploy/agents.h"
#include "deploy/deploy_priv.h"

#define CURRENT_NS (10 * NS_PER_SEC)

int target_parse(struct slot_target *t, const char *stack, const char *name, struct err *e)
{
	const char *dot = strrchr(name, '.');
	char prefix[160];
	size_t n = dot ? (size_t)(dot - name) : 0;
	bool is_full;

	if (!n)
		return err_set(e, ERR_USAGE, "'%s' is not SERVICE.SLOT", name);
	if (num_uint(&t->slot, dot + 1, 1, SLOT_NUMBER_MAX, e) < 0)
		return err_wrap(e, "'%s'", name);
	snprintf(prefix, sizeof(prefix), "%.150s_", stack);
	is_full = str_starts(name, prefix, NULL);
	if ((size_t)snprintf(t->full, sizeof(t->full), "%s%.*s", is_full ? "" : prefix, (int)n,
	            name) >= sizeof(t->full) ||
	        !str_is_name(t->full, SLOT_SERVICE_MAX))
		return err_set(e, ERR_USAGE, "'%s' is not SERVICE.SLOT", name);
	return 0;
}

const struct view_task *target_task(const struct view *v, const struct slot_target *t)
{
	const struct view_task *best = NULL;

	for (size_t i = 0; i < v->n_tasks; i++) {
		const struct view_task *k = &v->tasks[i];

		if ((uint64_t)k->t.slot != t->slot || strcmp(k->service->e.name, t->full) != 0 ||
		        engine_task_has_ended(&k->t) || (*t->task && strcmp(t->task, k->t.id) != 0))
			continue;
		if (!best || (!best->status && k->status))
			best = k;
	}
	return best;
}

int target_locate(
        struct slot_target *t, const struct view *v, const struct view_task **ret, struct err *e)
{
	const struct view_task *k = target_task(v, t);
	char buf[ERR_MSG_MAX];

	if (!k) {
		err_set(e, ERR_NOT_FOUND, "no such slot runs");
		return err_hint(e, "'nodeswarm status' shows those that do");
	}
	snprintf(t->host, sizeof(t->host), "%.255s", k->host);
	if (!k->service->is_supervised)
		return err_set(
		        e, ERR_USAGE, "the service '%s' has no supervisors", k->service->name);
	if (!k->status || !k->on) {
		err_set(e, k->is_denied ? ERR_DENIED : ERR_UNAVAILABLE, "%s",
		        view_task_reason(k, buf, sizeof(buf)));
		if (k->on && *k->on->hint)
			err_hint(e, "%s", k->on->hint);
		return -1;
	}
	snprintf(t->task, sizeof(t->task), "%s", k->t.id);
	snprintf(t->node_id, sizeof(t->node_id), "%s", k->t.node_id);
	snprintf(t->address, sizeof(t->address), "%s", k->on->node->addr);
	snprintf(t->pool, sizeof(t->pool), "%.255s", k->service->pool);
	t->is_direct = k->on->state == VIEW_HOST_DIRECT;
	*ret = k;
	return 0;
}

int target_here(struct slot_target *t, const char *pool, struct err *e)
{
	AUTO(pool) struct pool p = POOL_INIT;
	AUTO(slot) struct slot s = SLOT_INIT;

	if (pool_open(&p, pool, e) < 0 || slot_open(&s, &p, t->full, t->slot, false, e) < 0)
		return -1;
	snprintf(t->pool, sizeof(t->pool), "%.255s", pool);
	t->is_direct = true;
	return 0;
}

static json_t *order_here(const struct slot_target *t, const char *request, const json_t *args,
        int64_t timeout_ns, const volatile int *interrupted, struct err *e)
{
	AUTO(pool) struct pool p = POOL_INIT;
	AUTO(slot) struct slot s = SLOT_INIT;

	if (pool_open(&p, t->pool, e) < 0 || slot_open(&s, &p, t->full, t->slot, false, e) < 0)
		return NULL;
	return control_ask_one(s.fd, request, args, timeout_ns, interrupted, e);
}

static json_t *order_there(struct deploy *d, const struct slot_target *t, const char *request,
        const json_t *args, int64_t timeout_ns, struct err *e)
{
	AUTO(free)
	char *path = str_fmt("/v1/slots/%s/%llu/%s", t->full, (unsigned long long)t->slot, request);
	AUTO(free) char *body = args ? json_text(args, false) : NULL;
	struct agent_ask ask = { .node_id = t->node_id, .address = t->address };

	if (!path || (args && !body)) {
		err_nomem(e);
		return NULL;
	}
	agents_ask(d->agents, "POST", path, body, &ask, 1, timeout_ns);
	if (ask.err.kind != ERR_NONE)
		*e = ask.err;
	else if (!json_is_object(ask.body))
		err_set(e, ERR_PROTOCOL, "its agent's reply is no JSON object");
	if (e->kind == ERR_NONE)
		return ask.body;
	agent_asks_release(&ask, 1);
	return NULL;
}

json_t *target_order(struct deploy *d, const struct slot_target *t, const char *request,
        const json_t *args, int64_t timeout_ns, struct err *e)
{
	return t->is_direct ? order_here(t, request, args, timeout_ns, d->interrupted, e)
	                    : order_there(d, t, request, args, timeout_ns, e);
}

static void current_here(const struct slot_target *t, char out[GENERATION_NAME_SIZE])
{
	AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;
	AUTO(pool) struct pool p = POOL_INIT;
	struct err ignored = ERR_INIT;

	if (pool_open(&p, t->pool, &ignored) == 0 &&
	        generation_hold(&h, &p, GENERATION_CURRENT, NULL, &ignored) == 0)
		snprintf(out, GENERATION_NAME_SIZE, "%s", h.m.name);
}

void target_current(struct deploy *d, const struct slot_target *t, char out[GENERATION_NAME_SIZE])
{
	struct agent_ask ask = { .node_id = t->node_id, .address = t->address };
	const json_t *list;

	*out = '\0';
	if (t->is_direct) {
		current_here(t, out);
		return;
	}
	agents_ask(d->agents, "GET", "/v1/generations", NULL, &ask, 1, CURRENT_NS);
	list = json_object_get(ask.body, "generations");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *g = json_array_get(list, i);
		const char *name = json_str(g, "name", "");

		if (json_bool(g, "current", false) && generation_name_is(name, NULL))
			snprintf(out, GENERATION_NAME_SIZE, "%s", name);
	}
	agent_asks_release(&ask, 1);
}

int target_is_mute(struct slot_target *t, const struct view_task *k, const char *of, struct err *e)
{
	const struct view_host *h = k->on;
	bool is_lost = !h || h->state == VIEW_HOST_DOWN;

	if (is_patient(&t->mute_ns, !is_lost && !view_host_is_known(h)) ||
	        (!is_lost && view_host_is_known(h)))
		return 0;
	err_set(e, ERR_UNAVAILABLE, "%s is unknown: %s", of,
	        !h ? "its host was taken out of the swarm" : h->why);
	if (h && *h->hint)
		err_hint(e, "%s", h->hint);
	return -1;
}
