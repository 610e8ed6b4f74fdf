/*
 * Replies of agents, which come from other hosts: a gather, what it carries of each host, and the
 * records in that.  Whatever the bytes are, what is taken keeps its promises, and a host that was
 * asked gets either a reply or an error.
 */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "data/record.h"
#include "data/slot.h"
#include "deploy/agent_reply.h"
#include "deploy/agents.h"
#include "deploy/firewall.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_line(const char *s, size_t max)
{
	assert(strlen(s) < max);
	for (; *s; s++)
		assert((unsigned char)*s >= ' ' && *s != 0x7f);
}

static void try_record(const json_t *j)
{
	struct record *r = malloc(sizeof(*r));

	assert(r);
	record_from_json(r, j);
	assert(r->nends <= RECORD_ENDS_MAX && *slot_state_name(r->state));
	(void)record_last_stop(r);
	free(r);
}

static void is_name(const char *s, size_t max)
{
	assert(strlen(s) <= max && !strchr(s, '/') && *s != '.');
}

static void try_work(const json_t *status, const char *key)
{
	struct err e = ERR_INIT;
	struct agent_work k;
	int rc = agent_work_parse(&k, status, key, &e);

	assert((rc < 0) == (e.kind != ERR_NONE));
	if (rc != 0)
		return;
	assert(*k.kind && *k.stage);
	is_name(k.id, AGENT_WORK_ID_MAX);
	is_name(k.kind, 255);
	is_name(k.stage, 255);
	is_name(k.generation, 255);
	is_name(k.quarantined, 255);
	assert(!k.clone || json_is_object(k.clone));
	assert(k.err.kind != ERR_INTERRUPTED && k.err.kind != ERR_USAGE);
	assert(k.err.kind == ERR_NONE || k.is_over);
	is_line(k.err.msg, sizeof(k.err.msg));
}

static void try_slots(json_t *body, const char *node_id)
{
	AUTO(agent_slots) struct agent_slots s = AGENT_SLOTS_INIT;
	struct err e = ERR_INIT;

	if (agent_slots_parse(&s, body, node_id, &e) < 0) {
		assert(!s.v && !s.body && e.kind != ERR_NONE);
		is_line(e.msg, sizeof(e.msg));
		return;
	}
	assert(s.n <= AGENT_SLOTS_MAX && s.hostname && s.version && s.pool && s.pool_id);
	for (size_t i = 0; i < s.n; i++) {
		const struct agent_slot *k = &s.v[i];

		assert(*k->service && k->slot >= 1 && k->slot <= SLOT_NUMBER_MAX && k->task);
		assert(k->is_alive || !k->status);
		assert(!k->status || json_is_object(k->status));
		assert(!k->record || json_is_object(k->record));
		assert(agent_slots_find(&s, k->service, k->slot));
		if (k->status) {
			try_record(k->status);
			try_work(k->status, AGENT_WORK);
			try_work(k->status, AGENT_LAST_WORK);
		}
		if (k->record)
			try_record(k->record);
	}
}

/* What a host says of its firewall, and what it has found out about others'. */
static void try_firewall(json_t *body)
{
	static const uint16_t ports[] = { 2377, 3888 };
	struct engine_node nodes[] = { { .hostname = "n1", .addr = "10.0.0.1" },
		{ .hostname = "n2", .addr = "10.0.0.2" } };
	struct firewall_site sites[] = { { .node = &nodes[0], .body = body },
		{ .node = &nodes[1] } };
	struct firewall_swarm s = { .nodes = { .v = nodes, .n = 2 }, .v = sites, .n = 2 };
	struct firewall_model *m = calloc(1, sizeof(*m));
	AUTO(strvec) struct strvec lines = STRVEC_INIT;
	struct firewall_proof p = { 0 };
	enum firewall_follow what;
	struct err e = ERR_INIT;

	assert(m);
	firewall_model_init(m);
	if (firewall_view_parse(&sites[0].view, body, &e) == 0) {
		assert(sites[0].view.is_known &&
		        sites[0].view.n_differs >= sites[0].view.differs.n);
		assert(firewall_site_differs(&lines, &sites[0], &s, m, &e) == 0);
		assert(firewall_follow_decide(&what, &s, m, &e) == 0 || e.kind != ERR_NONE);
	} else {
		assert(e.kind != ERR_NONE && !sites[0].view.is_known);
		is_line(e.msg, sizeof(e.msg));
	}
	err_clear(&e);
	assert(firewall_proof_take(&p, &s, &sites[0], m, ports, 2, &e) == 0);
	assert(p.as_wanted + p.wrong + p.unproved == 2);
	firewall_proof_release(&p);
	firewall_view_release(&sites[0].view);
	free(m);
}

static void try_ask(const struct agent_ask *ask)
{
	bool failed = ask->err.kind != ERR_NONE;

	assert((ask->body || ask->text) == !failed);
	assert(!ask->body || !ask->text);
	assert(ask->err.kind != ERR_INTERRUPTED && ask->err.kind != ERR_USAGE);
	is_line(ask->err.msg, sizeof(ask->err.msg));
	is_line(ask->err.hint, sizeof(ask->err.hint));
	if (ask->body) {
		try_slots(ask->body, ask->node_id);
		try_slots(ask->body, NULL);
		try_firewall(ask->body);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct agent_ask asks[] = { { .node_id = "n1", .address = "10.0.0.1" },
		{ .node_id = "n2", .address = "" } };
	struct err e = ERR_INIT, failure = ERR_INIT;
	char *copy = malloc(size);

	assert(copy || !size);
	if (size)
		memcpy(copy, data, size);
	if (agent_gather_parse(copy, size, asks, 2, &e) == 0) {
		try_ask(&asks[0]);
		try_ask(&asks[1]);
	} else {
		assert(e.kind != ERR_NONE && !asks[0].body && !asks[1].text);
		is_line(e.msg, sizeof(e.msg));
	}
	agent_error_parse(size ? data[0] * 4 : 0, copy, size, &failure);
	assert(failure.kind != ERR_NONE && failure.kind != ERR_INTERRUPTED);
	is_line(failure.msg, sizeof(failure.msg));
	agent_asks_release(asks, 2);
	free(copy);
	return 0;
}
