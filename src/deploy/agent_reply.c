#include "deploy/agent_reply.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "control/control.h"
#include "data/quarantine.h"
#include "data/slot.h"
#include "deploy/agents.h"

/* --- errors --------------------------------------------------------------------------- */

static enum err_kind kind_of_status(long status)
{
	return status == 401 || status == 403   ? ERR_DENIED
	        : status == 404                 ? ERR_NOT_FOUND
	        : status == 409                 ? ERR_CONFLICT
	        : status >= 400 && status < 500 ? ERR_PROTOCOL
	                                        : ERR_UNAVAILABLE;
}

static int status_error(long status, const json_t *body, struct err *e)
{
	const json_t *error = json_object_get(body, "error");

	if (json_is_object(error))
		json_to_err(e, error);
	else
		err_set(e, kind_of_status(status), "it answers with HTTP status %ld", status);
	/* Those two would be taken for the operator's doing. */
	if (e->kind == ERR_INTERRUPTED)
		e->kind = ERR_UNAVAILABLE;
	else if (e->kind == ERR_USAGE)
		e->kind = ERR_PROTOCOL;
	return -1;
}

int agent_error_parse(long status, const char *text, size_t n, struct err *e)
{
	struct err ignored = ERR_INIT;
	AUTO(json) json_t *j = json_parse_object(text, n, "reply", &ignored);

	return status_error(status, j, e);
}

static int check_format(const json_t *j, struct err *e)
{
	json_int_t format = json_is_object(j) ? json_int(j, "format", 0) : 0;

	if (format == AGENT_FORMAT)
		return 0;
	err_set(e, ERR_PROTOCOL, "its reply has format %lld; this program reads %d",
	        (long long)format, AGENT_FORMAT);
	return err_hint(e, "the hosts' agents and this program should be of one version");
}

/* --- slots ------------------------------------------------------------------------------ */

void agent_slots_release(struct agent_slots *s)
{
	free(s->v);
	json_decref(s->body);
	*s = AGENT_SLOTS_INIT;
}

static const json_t *object_at(const json_t *j, const char *key)
{
	const json_t *v = json_object_get(j, key);

	return json_is_object(v) ? v : NULL;
}

/* Returns whether it is one. */
static bool slot_of(struct agent_slot *s, const json_t *j)
{
	int64_t number = json_int(j, "slot", 0);
	const json_t *lock = json_object_get(j, "is_locked");

	*s = (struct agent_slot){
		.service = json_str(j, "service", ""),
		.slot = (uint64_t)number,
		.task = json_str(j, "task", ""),
		.is_alive = json_bool(j, "is_alive", false),
		.is_locked = json_is_true(lock),
		.is_lock_known = json_is_boolean(lock),
		.record = object_at(j, "record"),
		.sample = object_at(j, "sample"),
		.error = object_at(j, "error"),
	};
	if (s->is_alive)
		s->status = object_at(j, "status");
	return *s->service && number >= 1 && number <= SLOT_NUMBER_MAX;
}

static int check_node(const json_t *body, const char *node_id, struct err *e)
{
	const char *is = json_str(body, "node.id", "");

	if (strcmp(is, node_id) == 0)
		return 0;
	err_set(e, ERR_PROTOCOL, "its agent says that it is node '%.40s', and not '%.40s'", is,
	        node_id);
	return err_hint(e, "does an agent of another swarm, or an old one, run on that host?");
}

int agent_slots_parse(struct agent_slots *ret, json_t *body, const char *node_id, struct err *e)
{
	AUTO(agent_slots) struct agent_slots s = AGENT_SLOTS_INIT;
	const json_t *list;
	int64_t left_out;
	size_t n;

	if (check_format(body, e) < 0 || (node_id && check_node(body, node_id, e) < 0))
		return -1;
	list = json_object_get(body, "slots");
	n = json_array_size(list);
	if (!json_is_array(list))
		return err_set(e, ERR_PROTOCOL, "its reply has no list of slots");
	if (n > AGENT_SLOTS_MAX)
		return err_set(e, ERR_PROTOCOL, "its reply has %zu slots, more than %d", n,
		        AGENT_SLOTS_MAX);
	s.v = calloc(n ? n : 1, sizeof(*s.v));
	if (!s.v)
		return err_nomem(e);
	for (size_t i = 0; i < n; i++)
		s.n += slot_of(&s.v[s.n], json_array_get(list, i));
	left_out = json_int(body, "left_out", 0);
	s.left_out = left_out > 0 ? (size_t)left_out : 0;
	s.hostname = json_str(body, "node.hostname", "");
	s.version = json_str(body, "node.version", "");
	s.pool = json_str(body, "node.pool", "");
	s.pool_id = json_str(body, "node.pool_id", "");
	s.body = json_incref(body);
	*ret = s;
	s = AGENT_SLOTS_INIT;
	return 0;
}

const struct agent_slot *agent_slots_find(
        const struct agent_slots *s, const char *service, uint64_t slot)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].slot == slot && strcmp(s->v[i].service, service) == 0)
			return &s->v[i];
	return NULL;
}

/* --- work ------------------------------------------------------------------------------- */

static double seconds_at(const json_t *j, const char *key)
{
	const json_t *v = json_object_get(j, key);

	return json_is_number(v) && json_number_value(v) >= 0 ? json_number_value(v) : -1;
}

static uint64_t bytes_at(const json_t *j, const char *key)
{
	int64_t n = json_int(j, key, 0);

	return n > 0 ? (uint64_t)n : 0;
}

/* "" for what cannot be one component of a path. */
static const char *name_at(const json_t *j, const char *key)
{
	const char *s = json_str(j, key, "");

	return str_is_name(s, 255) ? s : "";
}

int agent_work_parse(struct agent_work *ret, const json_t *status, const char *key, struct err *e)
{
	const json_t *j = json_object_get(status, key), *error = object_at(j, "error");
	const char *quarantined = json_str(j, "quarantined", "");
	struct agent_work w;

	if (!j || json_is_null(j))
		return 1;
	/* With its directory or without. */
	(void)str_starts(quarantined, QUARANTINE_DIR "/", &quarantined);
	w = (struct agent_work){
		.id = json_str(j, "id", "?"),
		.kind = name_at(j, "kind"),
		.stage = name_at(j, "stage"),
		.generation = name_at(j, "generation"),
		.quarantined = str_is_name(quarantined, 255) ? quarantined : "",
		.bytes_done = bytes_at(j, "bytes_done"),
		.bytes_total = bytes_at(j, "bytes_total"),
		.took_seconds = seconds_at(j, "took_seconds"),
		.down_seconds = seconds_at(j, "down_seconds"),
		.clone = object_at(j, "clone"),
		.started_ns = json_time(j, "started"),
	};
	if ((*w.id && !str_is_name(w.id, AGENT_WORK_ID_MAX)) || !*w.kind || !*w.stage)
		return err_set(e, ERR_PROTOCOL, "what its supervisor says of its work is no such");
	if (strcmp(w.stage, "failed") == 0) {
		if (error)
			status_error(0, j, &w.err);
		else
			err_set(&w.err, ERR_PROTOCOL, "it failed, and does not say why");
	}
	w.is_over = w.err.kind != ERR_NONE || strcmp(w.stage, "done") == 0;
	*ret = w;
	return 0;
}

/* --- gather ------------------------------------------------------------------------------ */

static const json_t *reply_of(const json_t *replies, size_t i, const char *node_id)
{
	const json_t *j = json_array_get(replies, i);

	if (strcmp(json_str(j, "id", ""), node_id) == 0)
		return j;
	for (size_t k = 0; k < json_array_size(replies); k++) {
		j = json_array_get(replies, k);
		if (strcmp(json_str(j, "id", ""), node_id) == 0)
			return j;
	}
	return NULL;
}

static void take_reply(struct agent_ask *ask, const json_t *j)
{
	json_t *body = json_object_get(j, "body");
	const char *text = json_str(j, "text", NULL);

	ask->status = (long)json_int(j, "status", 0);
	if (!j) {
		err_set(&ask->err, ERR_PROTOCOL,
		        "the agent that asked it has left it out of its reply");
	} else if (object_at(j, "error")) {
		status_error(ask->status, j, &ask->err);
	} else if (ask->status < 200 || ask->status > 299) {
		status_error(ask->status, body, &ask->err);
	} else if (body) {
		ask->body = json_incref(body);
	} else if (text) {
		ask->text = strdup(text);
		if (!ask->text)
			err_nomem(&ask->err);
	} else {
		err_set(&ask->err, ERR_PROTOCOL, "its reply is empty");
	}
}

int agent_gather_parse(
        const char *text, size_t n, struct agent_ask *asks, size_t nasks, struct err *e)
{
	AUTO(json) json_t *j = json_parse_object(text, n, "reply", e);
	const json_t *replies;

	if (!j)
		return -1;
	if (object_at(j, "error"))
		return status_error(0, j, e);
	if (check_format(j, e) < 0)
		return -1;
	replies = json_object_get(j, "replies");
	if (!json_is_array(replies))
		return err_set(e, ERR_PROTOCOL, "the agent's reply has no list of replies");
	for (size_t i = 0; i < nasks; i++)
		take_reply(&asks[i], reply_of(replies, i, asks[i].node_id));
	return 0;
}
