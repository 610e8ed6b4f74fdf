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
