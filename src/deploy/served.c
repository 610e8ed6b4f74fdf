#include "deploy/served.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "deploy/spec.h"
#include "engine/engine.h"
#include "engine/service.h"

#define ADDRESSES_MAX 100000

struct owner {
	char address[48];
	char name[160];
};

struct served {
	struct owner *v;
	size_t n, room;
};

struct served *served_new(void)
{
	return calloc(1, sizeof(struct served));
}

void served_free(struct served *s)
{
	if (!s)
		return;
	free(s->v);
	free(s);
}

static int add(struct served *s, const char *address, const char *name, struct err *e)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].address, address) == 0 && strcmp(s->v[i].name, name) == 0)
			return 0;
	if (s->n == ADDRESSES_MAX)
		return err_set(e, ERR_PROTOCOL, "more than %d addresses of tasks", ADDRESSES_MAX);
	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		struct owner *v = realloc(s->v, room * sizeof(*v));

		if (!v)
			return err_nomem(e);
		s->v = v;
		s->room = room;
	}
	(void)snprintf(s->v[s->n].address, sizeof(s->v[s->n].address), "%s", address);
	(void)snprintf(s->v[s->n].name, sizeof(s->v[s->n].name), "%s", name);
	s->n++;
	return 0;
}

/* The service's name without the stack's prefix, NULL if it is not in the list. */
static const char *service_name(const json_t *services, const char *id, const char *stack)
{
	size_t n = strlen(stack);

	for (size_t i = 0; i < json_array_size(services); i++) {
		struct err ignored = ERR_INIT;
		struct engine_service s;

		if (engine_service_view(json_array_get(services, i), &s, &ignored) < 0 ||
		        strcmp(s.id, id) != 0)
			continue;
		return strncmp(s.name, stack, n) == 0 && s.name[n] == '_' ? s.name + n + 1 : s.name;
	}
	return NULL;
}

/* An ended task's address may be another's by now. */
static bool may_answer(const struct engine_task *t)
{
	return t->state >= ENGINE_TASK_STARTING && !engine_task_has_ended(t);
}

int served_add(struct served *s, const char *stack, const json_t *services,
        const struct engine_nodes *nodes, const struct engine_tasks *tasks, struct err *e)
{
	for (size_t i = 0; i < tasks->n; i++) {
		const struct engine_task *t = &tasks->v[i];
		const char *service = service_name(services, t->service_id, stack);
		const char *host = engine_nodes_hostname(nodes, t->node_id);
		char name[160], slot[24] = "";

		if (!service || !may_answer(t))
			continue;
		if (t->slot)
			(void)snprintf(slot, sizeof(slot), ".%lld", (long long)t->slot);
		(void)snprintf(name, sizeof(name), "%.63s%s@%.63s", service, slot, host);
		str_printable(name);
		for (unsigned k = 0; k < t->n_addresses; k++)
			if (add(s, t->addresses[k], name, e) < 0)
				return -1;
	}
	return 0;
}

int served_ask(struct served *s, struct engine *eng, const char *stack, struct err *e)
{
	AUTO(engine_tasks) struct engine_tasks tasks = ENGINE_TASKS_INIT;
	AUTO(engine_nodes) struct engine_nodes nodes = ENGINE_NODES_INIT;
	AUTO(free) char *label = str_fmt(SPEC_LABEL_STACK "=%s", stack);
	AUTO(json) json_t *services = NULL;

	if (!label)
		return err_nomem(e);
	services = engine_service_list(eng, ENGINE_FILTERS({ "label", label }), e);
	if (!services || engine_node_list(eng, NULL, &nodes, e) < 0 ||
	        engine_task_list(eng, ENGINE_FILTERS({ "label", label }), &tasks, e) < 0)
		return -1;
	return served_add(s, stack, services, &nodes, &tasks, e);
}

static bool is_address(const char *of, const char *address, size_t n)
{
	return strlen(of) == n && memcmp(of, address, n) == 0;
}

/* HAProxy's %si:%sp writes IPv6 without brackets, so that only the tasks' addresses tell whether a
 * last group is the port: it is tried both ways. */
static bool has_address(const struct owner *o, const char *address)
{
	const char *colon = strrchr(address, ':');
	size_t n = strlen(address);

	if (*address == '[') {
		address++;
		n = strcspn(address, "]");
		return is_address(o->address, address, n);
	}
	return is_address(o->address, address, n) ||
	        (colon && is_address(o->address, address, (size_t)(colon - address)));
}

bool served_name(void *arg, const char *address, char *out, size_t size)
{
	const struct served *s = arg;
	size_t used = 0;

	for (size_t i = 0; i < s->n && used < size; i++)
		if (has_address(&s->v[i], address))
			used += (size_t)snprintf(
			        out + used, size - used, "%s%s", used ? ", " : "", s->v[i].name);
	return used > 0;
}
