/*
 * The hosts of a view: all agents are asked in one question, and without agents the pool of the
 * engine's own host.  What cannot be asked is unknown, and why is kept beside it.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"
#include "data/pool.h"
#include "data/slot.h"
#include "deploy/agents.h"
#include "deploy/view_priv.h"
#include "engine/system.h"

#define AGENT_HINT "start one on every host: nodeswarm up -f stacks/agent.yml"

const struct view_host *view_host_find(const struct view *v, const char *node_id)
{
	for (size_t i = 0; i < v->nodes.n; i++)
		if (strcmp(v->hosts[i].node->id, node_id) == 0)
			return &v->hosts[i];
	return NULL;
}

const char *view_host_state_name(enum view_host_state state)
{
	static const char *const names[] = {
		[VIEW_HOST_UNASKED] = "",
		[VIEW_HOST_OK] = "ok",
		[VIEW_HOST_DIRECT] = "direct",
		[VIEW_HOST_NO_AGENT] = "none",
		[VIEW_HOST_UNREACHABLE] = "unreachable",
		[VIEW_HOST_DOWN] = "down",
	};

	return names[state];
}

bool view_host_is_known(const struct view_host *h)
{
	return h->state == VIEW_HOST_OK || h->state == VIEW_HOST_DIRECT;
}

/* --- asking ------------------------------------------------------------------------------ */

static void cannot(struct view_host *h, const struct err *why)
{
	h->state = h->is_agent_wanted ? VIEW_HOST_UNREACHABLE : VIEW_HOST_NO_AGENT;
	snprintf(h->why, sizeof(h->why), "%s",
	        h->is_agent_wanted ? why->msg : "no agent runs there");
	snprintf(h->hint, sizeof(h->hint), "%s", h->is_agent_wanted ? why->hint : AGENT_HINT);
}

static void take_status(struct view_host *h, struct agent_ask *ask)
{
	struct err *e = &ask->err;

	if (e->kind == ERR_NONE && !ask->body)
		err_set(e, ERR_PROTOCOL, "its agent's reply is no JSON");
	if (e->kind == ERR_NONE && agent_slots_parse(&h->slots, ask->body, h->node->id, e) == 0)
		h->state = VIEW_HOST_OK;
	else
		cannot(h, e);
}

static bool has_slots(const struct view *v, const struct view_host *h)
{
	for (size_t i = 0; i < v->n_tasks; i++)
		if (v->tasks[i].on == h && view_task_has_slot(&v->tasks[i]))
			return true;
	return false;
}

static int ask_agents(
        struct view *v, struct agents *agents, const struct view_question *q, struct err *e)
{
	AUTO(free) struct agent_ask *asks = calloc(v->nodes.n ? v->nodes.n : 1, sizeof(*asks));
	AUTO(free) size_t *of = calloc(v->nodes.n ? v->nodes.n : 1, sizeof(*of));
	size_t n = 0;

	if (!asks || !of)
		return err_nomem(e);
	for (size_t i = 0; i < v->nodes.n; i++) {
		if (v->hosts[i].state == VIEW_HOST_DOWN ||
		        (q->only_with_slots && !has_slots(v, &v->hosts[i])))
			continue;
		asks[n].node_id = v->nodes.v[i].id;
		asks[n].address = v->nodes.v[i].addr;
		of[n++] = i;
	}
	agents_ask(agents, q->body ? "POST" : "GET", q->path, q->body, asks, n, q->timeout_ns);
	for (size_t i = 0; i < n; i++) {
		if (asks[i].err.kind == ERR_INTERRUPTED && e->kind == ERR_NONE)
			*e = asks[i].err;
		take_status(&v->hosts[of[i]], &asks[i]);
	}
	agent_asks_release(asks, n);
	return e->kind == ERR_NONE ? 0 : -1;
}

int view_local_node(struct engine *eng, const struct engine_nodes *nodes, char ret[ENGINE_ID_SIZE],
        struct err *e)
{
	const struct engine_node *manager = NULL;
	AUTO(json) json_t *info = NULL;
	size_t managers = 0;

	/* Only a manager has the list.  GET /info costs more than all our other calls together. */
	for (size_t i = 0; i < nodes->n; i++)
		if (nodes->v[i].is_manager) {
			manager = &nodes->v[i];
			managers++;
		}
	if (managers == 1) {
		snprintf(ret, ENGINE_ID_SIZE, "%s", manager->id);
		return 0;
	}
	info = engine_info(eng, e);
	if (!info)
		return -1;
	snprintf(ret, ENGINE_ID_SIZE, "%.*s", ENGINE_ID_SIZE - 1,
	        json_str(info, "Swarm.NodeID", ""));
	return 0;
}

/* Whether a service's pool is here, so that its supervisors have their sockets here too. */
static bool has_pool(const struct view *v)
{
	for (size_t i = 0; i < v->n_services; i++) {
		AUTO(pool) struct pool p = POOL_INIT;
		struct err ignored = ERR_INIT;

		if (v->services[i].is_supervised &&
		        pool_open(&p, v->services[i].pool, &ignored) == 0)
			return true;
	}
	return false;
}

/* The engine's own host needs no agent. */
static int ask_directly(struct view *v, struct engine *eng, struct err *e)
{
	char id[ENGINE_ID_SIZE];

	if (!engine_is_unix(eng) || !has_pool(v))
		return 0;
	if (view_local_node(eng, &v->nodes, id, e) < 0)
		return -1;
	for (size_t i = 0; i < v->nodes.n; i++) {
		struct view_host *h = &v->hosts[i];

		if (strcmp(h->node->id, id) != 0 || h->state == VIEW_HOST_OK ||
		        !engine_is_here(eng, h->node->hostname))
			continue;
		h->state = VIEW_HOST_DIRECT;
		*h->why = *h->hint = '\0';
	}
	return 0;
}

static void note_agents(struct view *v)
{
	for (size_t i = 0; i < v->n_tasks; i++)
		for (size_t k = 0; k < v->nodes.n; k++)
			if (v->tasks[i].on == &v->hosts[k] &&
			        strcmp(v->tasks[i].service->name, VIEW_AGENT) == 0 &&
			        view_task_is_wanted(&v->tasks[i]))
				v->hosts[k].is_agent_wanted = true;
}

static bool is_worth_asking(const struct view *v)
{
	for (size_t i = 0; i < v->n_services; i++)
		if (v->services[i].is_supervised || strcmp(v->services[i].name, VIEW_AGENT) == 0)
			return true;
	return false;
}

/* What hosts have told before is forgotten. */
static void forget_answers(struct view *v)
{
	for (size_t i = 0; i < v->nodes.n; i++) {
		struct view_host *h = &v->hosts[i];

		agent_slots_release(&h->slots);
		h->state = VIEW_HOST_UNASKED;
		h->is_agent_wanted = false;
		*h->why = *h->hint = '\0';
	}
}

int view_ask_hosts(struct view *v, struct engine *eng, const struct view_query *q,
        const struct view_question *ask, struct err *e)
{
	struct err why = ERR_INIT;
	bool all = true;

	forget_answers(v);
	if (!is_worth_asking(v))
		return 0;
	note_agents(v);
	for (size_t i = 0; i < v->nodes.n; i++)
		/* "unknown" is what a new leader says of all of them for a while. */
		if (strcmp(v->nodes.v[i].state, "down") == 0 ||
		        strcmp(v->nodes.v[i].state, "disconnected") == 0) {
			v->hosts[i].state = VIEW_HOST_DOWN;
			snprintf(v->hosts[i].why, sizeof(v->hosts[i].why), "the swarm has lost it");
		}
	if (!q->agents) {
		err_set(&why, ERR_UNAVAILABLE, "cannot be asked from here");
	} else if (agents_open(q->agents, &why) == 0) {
		if (ask_agents(v, q->agents, ask, e) < 0)
			return -1;
	} else if (why.kind == ERR_INTERRUPTED) {
		*e = why;
		return -1;
	} else {
		err_wrap(&why, "it is asked through another agent");
	}
	for (size_t i = 0; i < v->nodes.n; i++) {
		struct view_host *h = &v->hosts[i];

		if (ask->only_with_slots && !has_slots(v, h))
			continue;
		if (h->state == VIEW_HOST_UNASKED)
			cannot(h, &why);
		all &= h->state == VIEW_HOST_OK || h->state == VIEW_HOST_DOWN;
	}
	return all ? 0 : ask_directly(v, eng, e);
}

/* --- records ----------------------------------------------------------------------------- */

static int record_here(
        const char *pool, const char *service, uint64_t slot, struct record *ret, struct err *e)
{
	AUTO(pool) struct pool p = POOL_INIT;
	AUTO(slot) struct slot s = SLOT_INIT;

	if (pool_open(&p, pool, e) < 0)
		return -1;
	if (slot_open(&s, &p, service, slot, false, e) == 0)
		return record_read_at(ret, s.fd, e);
	if (e->kind != ERR_NOT_FOUND)
		return -1;
	err_clear(e);
	return 1;
}

static int record_there(
        const struct view_host *h, const struct agent_slot *s, struct record *ret, struct err *e)
{
	/* A supervisor's status has its record's keys; it is the newer of the two. */
	const json_t *j = s->status ? s->status : s->record;

	if (!j && !s->error)
		return 1;
	if (!j)
		return err_set(e, ERR_PROTOCOL, "host %s: %s", h->node->hostname,
		        json_str(s->error, "message", "no reason given"));
	if (json_int(j, "format", 0) != RECORD_FORMAT)
		return err_set(e, ERR_PROTOCOL, "host %s: its record has format %lld",
		        h->node->hostname, (long long)json_int(j, "format", 0));
	record_from_json(ret, j);
	return 0;
}

static int check_asked(const struct view_host *h, struct err *e)
{
	if (h->state == VIEW_HOST_OK)
		return 0;
	return err_set(e, ERR_UNAVAILABLE, "host %s: %s", h->node->hostname,
	        *h->why ? h->why : "was not asked");
}

static int check_pool(const struct view_host *h, const char *pool, struct err *e)
{
	if (strcmp(h->slots.pool, pool) == 0)
		return 0;
	return err_set(e, ERR_UNAVAILABLE, "the agent of host %s serves the pool '%s', not '%s'",
	        h->node->hostname, h->slots.pool, pool);
}

int view_record(const struct view_host *h, const char *pool, const char *service, uint64_t slot,
        struct record *ret, struct err *e)
{
	const struct agent_slot *s;

	if (h->state == VIEW_HOST_DIRECT)
		return record_here(pool, service, slot, ret, e);
	if (check_asked(h, e) < 0 || check_pool(h, pool, e) < 0)
		return -1;
	s = agent_slots_find(&h->slots, service, slot);
	if (s)
		return record_there(h, s, ret, e);
	if (h->slots.left_out)
		return err_set(e, ERR_UNAVAILABLE,
		        "host %s: it is among %zu slots that its agent has left out",
		        h->node->hostname, h->slots.left_out);
	return 1;
}

/* Keeps the first error. */
static void keep(struct err *e, const struct err *why)
{
	if (e->kind == ERR_NONE)
		*e = *why;
}

static int each_here(
        const char *pool, const char *service, view_slot_fn *fn, void *arg, struct err *e)
{
	AUTO(pool) struct pool p = POOL_INIT;
	AUTO(free) char *rel = str_fmt("services/%s", service);
	struct dirent *entry;
	DIR *dir;
	int fd;

	if (!rel)
		return err_nomem(e);
	if (!str_is_name(service, SLOT_SERVICE_MAX))
		return 0;
	if (pool_open(&p, pool, e) < 0) {
		if (e->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(e);
		return 0;
	}
	fd = openat(p.fd, rel, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		err_sys(e, errno, "list the slots of '%s'", service);
		auto_close_fd(&fd);
		return -1;
	}
	while ((entry = readdir(dir))) {
		struct err why = ERR_INIT, ignored = ERR_INIT;
		struct record r;
		uint64_t slot;
		int rc;

		if (num_uint(&slot, entry->d_name, 1, SLOT_NUMBER_MAX, &ignored) < 0)
			continue;
		rc = record_here(pool, service, slot, &r, &why);
		if (rc == 0)
			fn(arg, slot, &r);
		else if (rc < 0)
			keep(e, &why);
	}
	(void)closedir(dir);
	return e->kind == ERR_NONE ? 0 : -1;
}

int view_records(const struct view_host *h, const char *pool, const char *service, view_slot_fn *fn,
        void *arg, struct err *e)
{
	if (h->state == VIEW_HOST_DIRECT)
		return each_here(pool, service, fn, arg, e);
	if (check_asked(h, e) < 0 || check_pool(h, pool, e) < 0)
		return -1;
	for (size_t i = 0; i < h->slots.n; i++) {
		const struct agent_slot *s = &h->slots.v[i];
		struct err why = ERR_INIT;
		struct record r;
		int rc;

		if (strcmp(s->service, service) != 0)
			continue;
		rc = record_there(h, s, &r, &why);
		if (rc == 0)
			fn(arg, s->slot, &r);
		else if (rc < 0)
			keep(e, &why);
	}
	if (h->slots.left_out && e->kind == ERR_NONE)
		err_set(e, ERR_UNAVAILABLE, "host %s: its agent has left out %zu slots",
		        h->node->hostname, h->slots.left_out);
	return e->kind == ERR_NONE ? 0 : -1;
}
