#include "deploy/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"
#include "control/client.h"
#include "data/pool.h"
#include "data/slot.h"
#include "deploy/spec.h"
#include "deploy/view_priv.h"

#define ASK_NS    (1 * NS_PER_SEC)
#define GATHER_NS (1300 * NS_PER_MS) /* a supervisor that hangs costs its agent a second */

void view_free(struct view *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n_tasks; i++) {
		json_decref(v->tasks[i].status);
		free(v->tasks[i].record);
	}
	for (size_t i = 0; v->hosts && i < v->nodes.n; i++)
		agent_slots_release(&v->hosts[i].slots);
	free(v->tasks);
	free(v->hosts);
	free(v->services);
	engine_nodes_release(&v->nodes);
	json_decref(v->services_json);
	free(v);
}

/* --- services ----------------------------------------------------------------------- */

/* The value of NAME=value in the container's environment, or NULL. */
static const char *env_of(const json_t *spec, const char *name)
{
	const json_t *env = json_at(spec, "TaskTemplate.ContainerSpec.Env");
	size_t n = strlen(name);

	for (size_t i = 0; i < json_array_size(env); i++) {
		const char *s = json_string_value(json_array_get(env, i));

		if (s && strncmp(s, name, n) == 0 && s[n] == '=')
			return s + n + 1;
	}
	return NULL;
}

static const char *label_or(const struct view_service *s, const char *key, const char *otherwise)
{
	const char *value = engine_service_label(&s->e, key);

	return value ? value : otherwise;
}

static int add_service(struct view *v, const json_t *j, const struct view_query *q, struct err *e)
{
	struct view_service *s = &v->services[v->n_services];
	const char *prefix, *former;
	size_t n = strlen(q->stack);
	int64_t number;

	if (engine_service_view(j, &s->e, e) < 0)
		return -1;
	prefix = s->e.name;
	s->name = strncmp(prefix, q->stack, n) == 0 && prefix[n] == '_' ? prefix + n + 1 : prefix;
	s->is_supervised = env_of(s->e.spec, "NODESWARM_SLOT") != NULL;
	s->pool = env_of(s->e.spec, "NODESWARM_POOL");
	if (!s->pool)
		s->pool = q->pool;
	s->former = -1;
	if (clock_parse(&s->stopped_ns, label_or(s, SPEC_LABEL_STOPPED_AT, "")) < 0)
		s->stopped_ns = 0;
	former = engine_service_label(&s->e, SPEC_LABEL_STOPPED);
	if (former) {
		struct err ignored = ERR_INIT;

		if (num_int(&number, former, 0, SLOT_NUMBER_MAX, &ignored) == 0)
			s->former = number;
	}
	v->n_services++;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct view_service *x = a, *y = b;

	return strcmp(x->e.name, y->e.name);
}

static void mark_fronted(struct view *v)
{
	for (size_t i = 0; i < v->n_services; i++) {
		const char *name = env_of(v->services[i].e.spec, "NODESWARM_FRONT_SERVICE");

		for (size_t k = 0; name && k < v->n_services; k++)
			if (strcmp(v->services[k].name, name) == 0)
				v->services[k].is_fronted = true;
	}
}

static int load_services(
        struct view *v, struct engine *eng, const struct view_query *q, struct err *e)
{
	AUTO(free) char *label = str_fmt(SPEC_LABEL_STACK "=%s", q->stack);
	size_t n;

	if (!label)
		return err_nomem(e);
	v->services_json = engine_service_list(eng, ENGINE_FILTERS({ "label", label }), e);
	if (!v->services_json)
		return -1;
	n = json_array_size(v->services_json);
	v->services = calloc(n ? n : 1, sizeof(*v->services));
	if (!v->services)
		return err_nomem(e);
	for (size_t i = 0; i < n; i++)
		if (add_service(v, json_array_get(v->services_json, i), q, e) < 0)
			return -1;
	qsort(v->services, v->n_services, sizeof(*v->services), by_name);
	mark_fronted(v);
	return 0;
}

const char *view_service_env(const struct view_service *s, const char *name)
{
	return env_of(s->e.spec, name);
}

const struct view_service *view_find(const struct view *v, const char *name)
{
	for (size_t i = 0; i < v->n_services; i++)
		if (strcmp(v->services[i].name, name) == 0 ||
		        strcmp(v->services[i].e.name, name) == 0)
			return &v->services[i];
	return NULL;
}

/* --- tasks -------------------------------------------------------------------------- */

static const struct view_service *service_of(const struct view *v, const char *id)
{
	for (size_t i = 0; i < v->n_services; i++)
		if (strcmp(v->services[i].e.id, id) == 0)
			return &v->services[i];
	return NULL;
}

/* In each slot: one that ought to run before one that ought not, then the newest first. */
static int by_slot(const void *a, const void *b)
{
	const struct view_task *x = a, *y = b;
	int rc = strcmp(x->service->e.name, y->service->e.name);

	if (rc == 0 && x->t.slot != y->t.slot)
		rc = x->t.slot < y->t.slot ? -1 : 1;
	if (rc == 0 && x->t.slot == 0)
		rc = strcmp(x->t.node_id, y->t.node_id);
	if (rc == 0)
		rc = view_task_is_wanted(y) - view_task_is_wanted(x);
	if (rc == 0 && x->t.created_ns != y->t.created_ns)
		rc = x->t.created_ns > y->t.created_ns ? -1 : 1;
	return rc;
}

static bool same_slot(const struct view_task *a, const struct view_task *b)
{
	return a->service == b->service && a->t.slot == b->t.slot &&
	        (a->t.slot != 0 || strcmp(a->t.node_id, b->t.node_id) == 0);
}

bool view_task_is_wanted(const struct view_task *t)
{
	return t->t.desired_state < ENGINE_TASK_COMPLETE;
}

static void count_failure(struct view_task *of, const struct engine_task *t, int64_t since_ns)
{
	if ((t->state != ENGINE_TASK_REJECTED && t->state != ENGINE_TASK_FAILED) ||
	        t->created_ns < since_ns)
		return;
	if (of->failures++ == 0)
		snprintf(of->last_failure, sizeof(of->last_failure), "%.255s", t->err);
}

/* Ended, or never to begin: Swarm leaves a task that it could not place "pending" for ever once
 * another has taken its place. */
static bool is_over(const struct view_task *t)
{
	return engine_task_has_ended(&t->t) || (!*t->t.node_id && !view_task_is_wanted(t));
}

/* Keep the first of each slot if it is wanted or not over, and others only if not over. */
static void keep_what_counts(struct view *v, int64_t since_ns)
{
	struct view_task *current = NULL;
	size_t kept = 0;

	for (size_t i = 0; i < v->n_tasks; i++) {
		struct view_task t = v->tasks[i];

		t.is_current = !current || !same_slot(&t, current);
		if (current && !t.is_current)
			count_failure(current, &t.t, since_ns);
		if (is_over(&t) && !(t.is_current && view_task_is_wanted(&t)))
			continue;
		v->tasks[kept] = t;
		if (t.is_current) {
			current = &v->tasks[kept];
			count_failure(current, &t.t, since_ns);
		}
		kept++;
	}
	v->n_tasks = kept;
}

static int load_tasks(struct view *v, struct engine *eng, const struct view_query *q, struct err *e)
{
	AUTO(engine_tasks) struct engine_tasks all = ENGINE_TASKS_INIT;
	AUTO(free) char *label = str_fmt(SPEC_LABEL_STACK "=%s", q->stack);

	if (!label)
		return err_nomem(e);
	if (engine_task_list(eng, ENGINE_FILTERS({ "label", label }), &all, e) < 0)
		return -1;
	v->tasks = calloc(all.n ? all.n : 1, sizeof(*v->tasks));
	if (!v->tasks)
		return err_nomem(e);
	for (size_t i = 0; i < all.n; i++) {
		struct view_task *t = &v->tasks[v->n_tasks];

		/* A task whose service was removed meanwhile is of no service here. */
		t->service = service_of(v, all.v[i].service_id);
		if (!t->service)
			continue;
		t->t = all.v[i];
		t->on = view_host_find(v, t->t.node_id);
		if (t->t.slot)
			snprintf(t->name, sizeof(t->name), "%s.%lld", t->service->name,
			        (long long)t->t.slot);
		else
			snprintf(t->name, sizeof(t->name), "%s.%s", t->service->name,
			        engine_nodes_hostname(&v->nodes, t->t.node_id));
		v->n_tasks++;
	}
	qsort(v->tasks, v->n_tasks, sizeof(*v->tasks), by_slot);
	keep_what_counts(v, q->since_ns);
	/* Of a host that is not known it is the task's own id, so not before the tasks stay where
	 * they are. */
	for (size_t i = 0; i < v->n_tasks; i++)
		v->tasks[i].host = engine_nodes_hostname(&v->nodes, v->tasks[i].t.node_id);
	return 0;
}

/* --- supervisors --------------------------------------------------------------------- */

/* What is opened to ask all slots of this host's pool at once. */
struct asking {
	struct control_ask *asks;
	struct view_task **of;
	struct slot *slots;
	size_t n;
	struct pool pool; /* the one opened last; services share one, as a rule */
};

static void open_slot(struct asking *a, struct view_task *t)
{
	struct err ignored = ERR_INIT;

	if (a->pool.fd < 0 || strcmp(a->pool.path, t->service->pool) != 0) {
		pool_release(&a->pool);
		if (pool_open(&a->pool, t->service->pool, &ignored) < 0)
			return;
	}
	if (slot_open(&a->slots[a->n], &a->pool, t->service->e.name, (uint64_t)t->t.slot, false,
	            &ignored) < 0)
		return;
	a->asks[a->n].dirfd = a->slots[a->n].fd;
	a->of[a->n++] = t;
}

static void take_answer(struct asking *a, size_t i)
{
	struct view_task *t = a->of[i];
	struct err ignored = ERR_INIT;

	/* The slot's socket may be another task's: an earlier container that still stops. */
	if (a->asks[i].reply && strcmp(json_str(a->asks[i].reply, "task", ""), t->t.id) == 0)
		t->status = a->asks[i].reply;
	else
		json_decref(a->asks[i].reply);
	t->is_denied = !a->asks[i].reply && a->asks[i].err.kind == ERR_DENIED;
	/* The record says no more than a supervisor that answers. */
	if (!t->status)
		t->record = malloc(sizeof(*t->record));
	t->has_record = t->record && record_read_at(t->record, a->slots[i].fd, &ignored) == 0;
	slot_release(&a->slots[i]);
}

bool view_task_has_slot(const struct view_task *t)
{
	return t->service->is_supervised && t->t.slot >= 1 && t->on;
}

static int ask_sockets(struct view *v, const struct view_query *q, struct err *e)
{
	size_t n = v->n_tasks ? v->n_tasks : 1;
	struct asking a = {
		.asks = calloc(n, sizeof(*a.asks)),
		.of = calloc(n, sizeof(struct view_task *)),
		.slots = calloc(n, sizeof(*a.slots)),
		.pool = POOL_INIT,
	};
	int rc = 0;

	if (!a.asks || !a.of || !a.slots) {
		rc = err_nomem(e);
	} else {
		for (size_t i = 0; i < v->n_tasks; i++)
			if (view_task_has_slot(&v->tasks[i]) &&
			        v->tasks[i].on->state == VIEW_HOST_DIRECT)
				open_slot(&a, &v->tasks[i]);
		control_ask_all(a.asks, a.n, "status", ASK_NS, q->interrupted);
		for (size_t i = 0; i < a.n; i++)
			take_answer(&a, i);
	}
	pool_release(&a.pool);
	free(a.asks);
	free(a.of);
	free(a.slots);
	return rc;
}

/* Find the task's slot in what its host's agent has told. */
static void join_agent(struct view_task *t)
{
	const struct agent_slots *all = &t->on->slots;
	struct err ignored = ERR_INIT;
	const struct agent_slot *s;

	if (strcmp(all->pool, t->service->pool) != 0)
		return;
	s = agent_slots_find(all, t->service->e.name, (uint64_t)t->t.slot);
	if (s && s->status && strcmp(json_str(s->status, "task", ""), t->t.id) == 0) {
		t->status = json_deep_copy(s->status);
		return;
	}
	t->record = malloc(sizeof(*t->record));
	t->has_record = t->record &&
	        view_record(t->on, t->service->pool, t->service->e.name, (uint64_t)t->t.slot,
	                t->record, &ignored) == 0;
}

static int ask_supervisors(
        struct view *v, struct engine *eng, const struct view_query *q, struct err *e)
{
	static const struct view_question status = { .path = "/v1/status",
		.timeout_ns = GATHER_NS };
	bool direct = false;

	if (view_ask_hosts(v, eng, q, &status, e) < 0)
		return -1;
	for (size_t i = 0; i < v->nodes.n; i++)
		direct |= v->hosts[i].state == VIEW_HOST_DIRECT;
	if (direct && ask_sockets(v, q, e) < 0)
		return -1;
	for (size_t i = 0; i < v->n_tasks; i++)
		if (view_task_has_slot(&v->tasks[i]) && v->tasks[i].on->state == VIEW_HOST_OK)
			join_agent(&v->tasks[i]);
	return 0;
}

int view_load(struct view **ret, struct engine *eng, const struct view_query *q, struct err *e)
{
	AUTO(view_free) struct view *v = calloc(1, sizeof(*v));

	if (!v)
		return err_nomem(e);
	if (load_services(v, eng, q, e) < 0 || engine_node_list(eng, NULL, &v->nodes, e) < 0)
		return -1;
	v->hosts = calloc(v->nodes.n ? v->nodes.n : 1, sizeof(*v->hosts));
	if (!v->hosts)
		return err_nomem(e);
	for (size_t i = 0; i < v->nodes.n; i++)
		v->hosts[i].node = &v->nodes.v[i];
	if (load_tasks(v, eng, q, e) < 0 || (!q->no_status && ask_supervisors(v, eng, q, e) < 0))
		return -1;
	*ret = TAKE(v);
	return 0;
}

bool view_task_is_known(const struct view_task *t)
{
	if (!t->service->is_supervised || !*t->t.node_id || engine_task_has_ended(&t->t) ||
	        t->t.state < ENGINE_TASK_STARTING)
		return true;
	return t->on && view_host_is_known(t->on) &&
	        (t->on->state != VIEW_HOST_OK || strcmp(t->on->slots.pool, t->service->pool) == 0);
}

bool view_task_serves(const struct view_task *t)
{
	/* An agent that has answered needs no health check to tell. */
	if (t->t.state == ENGINE_TASK_STARTING && t->on && t->on->state == VIEW_HOST_OK &&
	        strcmp(t->service->name, VIEW_AGENT) == 0)
		return true;
	if (!t->service->is_supervised || !view_task_is_known(t))
		return t->t.state == ENGINE_TASK_RUNNING;
	return !engine_task_has_ended(&t->t) && json_bool(t->status, "ready", false);
}

const char *view_task_role(const struct view_task *t)
{
	const char *role = json_str(t->status, "producer.state", "");

	if (str_eq(role, "down") ||
	        !str_eq(json_str(t->status, "state", ""), slot_state_name(SLOT_RUNNING)))
		return "";
	return role;
}

static void unknown_reason(const struct view_task *t, char *buf, size_t size)
{
	const struct view_host *h = t->on;

	if (!h)
		snprintf(buf, size, "its host was taken out of the swarm");
	else if (h->state == VIEW_HOST_DOWN)
		snprintf(buf, size, "unknown: host %s is down", t->host);
	else if (h->state == VIEW_HOST_OK)
		snprintf(buf, size, "unknown: the agent of host %s serves the pool %s", t->host,
		        h->slots.pool);
	else if (*h->why)
		snprintf(buf, size, "unknown: host %s: %s", t->host, h->why);
	else
		snprintf(buf, size, "unknown: host %s was not asked", t->host);
}

const char *view_task_reason(const struct view_task *t, char *buf, size_t size)
{
	if (t->status) {
		snprintf(buf, size, "%s", json_str(t->status, "reason", ""));
		return buf;
	}
	if (t->is_denied)
		return "we may not ask its supervisor: run this as root";
	if (*t->t.err) {
		snprintf(buf, size, "%s: %s", engine_task_state_name(t->t.state), t->t.err);
		return buf;
	}
	if (t->t.state < ENGINE_TASK_STARTING || engine_task_has_ended(&t->t)) {
		snprintf(buf, size, "%s%s%s", engine_task_state_name(t->t.state),
		        *t->t.message ? ": " : "", t->t.message);
		return buf;
	}
	if (!view_task_is_known(t)) {
		unknown_reason(t, buf, size);
		return buf;
	}
	/* Its container runs, and the slot's socket is not its own. */
	if (t->has_record && strcmp(t->record->task, t->t.id) != 0 &&
	        t->record->state != SLOT_STOPPED) {
		snprintf(buf, size, "waits for an earlier container of its slot, which is %s",
		        slot_state_name(t->record->state));
		return buf;
	}
	if (t->service->is_supervised) {
		snprintf(buf, size, "its supervisor does not answer");
		return buf;
	}
	return "";
}
