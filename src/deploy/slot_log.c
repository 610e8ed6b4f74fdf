#include "deploy/slot_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "data/slot.h"
#include "deploy/agent_reply.h"
#include "deploy/agents.h"
#include "engine/node.h"

#define SLOTS_NS (2 * NS_PER_SEC)
#define LOG_NS   (10 * NS_PER_SEC)

static void warn(const struct slot_log_query *q, const char *host, const struct err *why)
{
	char text[ERR_MSG_MAX + 300];

	snprintf(text, sizeof(text), "host %.255s: %s", host, why->msg);
	q->warn(q->arg, text);
}

static void read_one(struct agents *a, const struct engine_node *node,
        const struct slot_log_query *q, uint64_t slot)
{
	AUTO(free)
	char *path = str_fmt("/v1/slots/%s/%llu/log?tail=%lld", q->service,
	        (unsigned long long)slot, (long long)q->tail);
	struct agent_ask ask = { .node_id = node->id, .address = node->addr };

	if (path)
		agents_ask(a, "GET", path, NULL, &ask, 1, LOG_NS);
	else
		err_nomem(&ask.err);
	if (ask.err.kind == ERR_NONE && !ask.text)
		err_set(&ask.err, ERR_PROTOCOL, "its agent's reply is no text");
	if (ask.err.kind == ERR_NONE) {
		q->fn(q->arg, slot, node->hostname, ask.text);
	} else {
		err_wrap(&ask.err, "slot %llu", (unsigned long long)slot);
		warn(q, node->hostname, &ask.err);
	}
	agent_asks_release(&ask, 1);
}

/* Returns how many slots there were. */
static size_t read_host(struct agents *a, const struct engine_node *node, struct agent_ask *ask,
        const struct slot_log_query *q)
{
	AUTO(agent_slots) struct agent_slots slots = AGENT_SLOTS_INIT;
	size_t found = 0;

	if (ask->err.kind == ERR_NONE && !ask->body)
		err_set(&ask->err, ERR_PROTOCOL, "its agent's reply is no JSON");
	if (ask->err.kind != ERR_NONE ||
	        agent_slots_parse(&slots, ask->body, NULL, &ask->err) < 0) {
		warn(q, node->hostname, &ask->err);
		return 0;
	}
	for (size_t i = 0; i < slots.n; i++) {
		const struct agent_slot *s = &slots.v[i];

		if (strcmp(s->service, q->service) != 0 || (q->slot && s->slot != q->slot))
			continue;
		read_one(a, node, q, s->slot);
		found++;
	}
	return found;
}

int slot_logs(struct engine *eng, struct agents *a, const struct slot_log_query *q, struct err *e)
{
	AUTO(engine_nodes) struct engine_nodes nodes = ENGINE_NODES_INIT;
	AUTO(free) struct agent_ask *asks = NULL;
	AUTO(free) const struct engine_node **of = NULL;
	size_t n = 0, found = 0;

	if (!str_is_name(q->service, SLOT_SERVICE_MAX))
		return err_set(e, ERR_USAGE, "'%s' is not a service name", q->service);
	if (engine_node_list(eng, NULL, &nodes, e) < 0 || agents_open(a, e) < 0)
		return -1;
	asks = calloc(nodes.n ? nodes.n : 1, sizeof(*asks));
	of = calloc(nodes.n ? nodes.n : 1, sizeof(*of));
	if (!asks || !of)
		return err_nomem(e);
	for (size_t i = 0; i < nodes.n; i++) {
		if (strcmp(nodes.v[i].state, "down") == 0)
			continue;
		asks[n].node_id = nodes.v[i].id;
		asks[n].address = nodes.v[i].addr;
		of[n++] = &nodes.v[i];
	}
	agents_ask(a, "GET", "/v1/slots", NULL, asks, n, SLOTS_NS);
	for (size_t i = 0; i < n; i++)
		found += read_host(a, of[i], &asks[i], q);
	agent_asks_release(asks, n);
	if (found)
		return 0;
	err_set(e, ERR_NOT_FOUND, "no host that answers has a slot of that name");
	return err_hint(e, "'nodeswarm status' shows what there is");
}
