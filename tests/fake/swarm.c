#include "fake/swarm.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "fake/engine.h"

enum kind { SERVICES, NETWORKS, CONFIGS, SECRETS, KINDS };

static const char *const bases[KINDS] = {
	[SERVICES] = "/services",
	[NETWORKS] = "/networks",
	[CONFIGS] = "/configs",
	[SECRETS] = "/secrets",
};

struct fake_swarm {
	struct fake_engine *engine;
	pthread_mutex_t lock;
	json_t *objects[KINDS]; /* {id: object as the API shows it} */
	json_t *tasks;          /* array */
	size_t calls, first, count;
	enum fake_failure how;
	char failed[256];
	unsigned made; /* tasks */
};

/* --- how it fails ----------------------------------------------------------------------------- */

#define GRPC(code, text) "{\"message\":\"rpc error: code = " code " desc = " text "\"}"

static const struct {
	const char *name, *body;
	int status;
	int is_done;
} failures[FAKE_FAILURES] = {
	[FAKE_NO_LEADER] = { "no leader",
	        GRPC("Unknown",
	                "The swarm does not have a leader. It's possible that too few "
	                "managers are online."),
	        500, 0 },
	[FAKE_DEADLINE_DONE] = { "deadline, done",
	        GRPC("DeadlineExceeded", "context deadline exceeded"), 500, 1 },
	[FAKE_TIMEOUT] = { "time", "{\"message\":\"time\"}", 504, 0 },
	[FAKE_TIMEOUT_DONE] = { "time, done", "{\"message\":\"time\"}", 504, 1 },
	[FAKE_BROKEN] = { "broken", NULL, 0, 0 },
	[FAKE_BROKEN_DONE] = { "broken, done", NULL, 0, 1 },
};

const char *fake_failure_name(enum fake_failure how)
{
	return failures[how].name;
}

/* --- objects ---------------------------------------------------------------------------------- */

PRINTF(3, 4) static char *message(int *status, int number, const char *fmt, ...)
{
	char text[512], line[600];
	va_list ap;

	*status = number;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		abort();
	va_end(ap);
	snprintf(line, sizeof(line), "{\"message\":\"%s\"}", text);
	return strdup(line);
}

static char *dump_take(json_t *j)
{
	char *text = json_dumps(j, JSON_SORT_KEYS | JSON_ENCODE_ANY);

	json_decref(j);
	return text;
}

static char *list(const json_t *objects)
{
	json_t *all = json_array(), *object;
	const char *id;

	json_object_foreach((json_t *)(uintptr_t)objects, id, object)
	        json_array_append(all, object);
	return dump_take(all);
}

/* "services-nodeswarm_web": no id that the engine would make, but one that is valid. */
static void make_id(char *id, size_t size, enum kind kind, const char *name)
{
	snprintf(id, size, "%s-%.60s", bases[kind] + 1, name);
}

static json_t *find(struct fake_swarm *s, enum kind kind, const char *name)
{
	char id[100];

	make_id(id, sizeof(id), kind, name);
	return json_object_get(s->objects[kind], id) ? json_object_get(s->objects[kind], id)
	                                             : json_object_get(s->objects[kind], name);
}

static char *create(struct fake_swarm *s, enum kind kind, const char *body, int *status)
{
	json_t *spec = json_loads(body, 0, NULL), *object;
	const char *name = json_string_value(json_object_get(spec, "Name"));
	char id[100];

	if (!name) {
		json_decref(spec);
		return message(status, 400, "bad body");
	}
	if (find(s, kind, name)) {
		char *text = message(status, 409,
		        "rpc error: code = AlreadyExists desc = name conflicts with an existing "
		        "object: %s already exists",
		        name);

		json_decref(spec);
		return text;
	}
	make_id(id, sizeof(id), kind, name);
	if (kind == NETWORKS) {
		object = json_deep_copy(spec);
		json_object_del(object, "CheckDuplicate");
		json_object_set_new(object, "Id", json_string(id));
		json_object_set_new(object, "Scope", json_string("swarm"));
	} else {
		object = json_pack(
		        "{s:s, s:{s:i}, s:O}", "ID", id, "Version", "Index", 10, "Spec", spec);
		if (kind == SECRETS)
			json_object_del(json_object_get(object, "Spec"), "Data");
	}
	json_object_set_new(s->objects[kind], id, object);
	json_decref(spec);
	*status = 201;
	return dump_take(json_pack("{s:s}", kind == NETWORKS ? "Id" : "ID", id));
}

static char *update(json_t *service, const char *query, const char *body, int *status)
{
	json_t *spec = json_loads(body, 0, NULL);
	json_t *index = json_object_get(json_object_get(service, "Version"), "Index");
	uint64_t version = 0;

	sscanf(query, "version=%" SCNu64, &version);
	if ((json_int_t)version != json_integer_value(index)) {
		json_decref(spec);
		return message(
		        status, 500, "rpc error: code = Unknown desc = update out of sequence");
	}
	json_integer_set(index, json_integer_value(index) + 1);
	json_object_set_new(service, "Spec", spec);
	*status = 200;
	return strdup("{\"Warnings\":null}");
}

/* A network and a config that a service names stay, as the engine has it. */
static char *remove_one(struct fake_swarm *s, enum kind kind, const char *id, int *status)
{
	json_t *service;
	const char *key;

	if (kind != SERVICES)
		json_object_foreach(s->objects[SERVICES], key, service)
		{
			char *text = json_dumps(service, 0);
			int used = strstr(text, id) != NULL;

			free(text);
			if (used)
				return message(status, 400,
				        "rpc error: code = InvalidArgument desc = '%s' is in use "
				        "by "
				        "the following service",
				        id);
		}
	json_object_del(s->objects[kind], id);
	*status = kind == SERVICES ? 200 : 204;
	return strdup("");
}

/* --- tasks ------------------------------------------------------------------------------------ */

/* A task of a former template stays for two more looks. */
#define LOOKS 2

static json_t *take_task(
        json_t *tasks, const char *service, json_int_t slot, const json_t *template)
{
	size_t i;
	json_t *t;

	json_array_foreach(tasks, i, t)
	{
		json_int_t looks = json_integer_value(json_object_get(t, "Looks"));

		if (strcmp(json_string_value(json_object_get(t, "ServiceID")), service) != 0 ||
		        json_integer_value(json_object_get(t, "Slot")) != slot)
			continue;
		if (json_equal(json_object_get(t, "Spec"), template))
			return json_incref(t);
		json_object_set_new(t, "Looks", json_integer(looks + 1));
		return looks < LOOKS ? json_incref(t) : NULL;
	}
	return NULL;
}

static void run_tasks(struct fake_swarm *s)
{
	json_t *now = json_array(), *service;
	const char *id;

	json_object_foreach(s->objects[SERVICES], id, service)
	{
		json_t *spec = json_object_get(service, "Spec");
		json_t *template = json_object_get(spec, "TaskTemplate");
		json_int_t n = json_integer_value(json_object_get(
		        json_object_get(json_object_get(spec, "Mode"), "Replicated"), "Replicas"));

		for (json_int_t slot = 1; slot <= n; slot++) {
			json_t *t = take_task(s->tasks, id, slot, template);
			char name[64];

			snprintf(name, sizeof(name), "task%u", ++s->made);
			if (!t)
				t = json_pack("{s:s, s:s, s:I, s:s, s:{s:i}, s:s, s:{s:s}, s:O}",
				        "ID", name, "ServiceID", id, "Slot", slot, "NodeID",
				        "node1", "Version", "Index", 1, "DesiredState", "running",
				        "Status", "State", "running", "Spec", template);
			json_array_append_new(now, t);
		}
	}
	json_decref(s->tasks);
	s->tasks = now;
}

static char *show_tasks(struct fake_swarm *s, const char *path, int *status)
{
	size_t i;
	json_t *t;

	run_tasks(s);
	if (!*path)
		return json_dumps(s->tasks, 0);
	json_array_foreach(s->tasks, i, t) if (strcmp(json_string_value(json_object_get(t, "ID")),
	                                               path + 1) == 0) return json_dumps(t, 0);
	return message(status, 404, "task %s not found", path + 1);
}

/* --- calls ------------------------------------------------------------------------------------ */

static const char nodes[] =
        "[{\"ID\":\"node1\",\"Spec\":{\"Role\":\"manager\",\"Availability\":\"active\"},"
        "\"Description\":{\"Hostname\":\"n1\"},\"Status\":{\"State\":\"ready\",\"Addr\":"
        "\"127.0.0.1\"},\"ManagerStatus\":{\"Leader\":true,\"Addr\":\"127.0.0.1:1\"}},"
        "{\"ID\":\"node2\",\"Spec\":{\"Role\":\"manager\",\"Availability\":\"active\"},"
        "\"Description\":{\"Hostname\":\"n2\"},\"Status\":{\"State\":\"ready\",\"Addr\":"
        "\"127.0.0.2\"},\"ManagerStatus\":{\"Addr\":\"127.0.0.2:1\"}}]";

static const char info[] = "{\"Swarm\":{\"NodeID\":\"node1\",\"LocalNodeState\":\"active\","
                           "\"ControlAvailable\":true,\"RemoteManagers\":[{\"NodeID\":\"node1\","
                           "\"Addr\":\"127.0.0.1:1\"}]}}";

static char *on_object(struct fake_swarm *s, enum kind kind, const struct fake_request *q,
        const char *rest, int *status)
{
	char name[256];
	json_t *object;
	const char *id;

	if (!*rest)
		return list(s->objects[kind]);
	if (strcmp(rest, "/create") == 0)
		return create(s, kind, q->body, status);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(rest + 1, "/"), rest + 1);
	object = find(s, kind, name);
	if (!object)
		return message(status, 404, "%s not found", name);
	id = json_string_value(json_object_get(object, kind == NETWORKS ? "Id" : "ID"));
	if (strcmp(q->method, "DELETE") == 0)
		return remove_one(s, kind, id, status);
	if (strcmp(rest + 1 + strlen(name), "/update") == 0)
		return update(object, q->query, q->body, status);
	return json_dumps(object, 0);
}

static char *work(struct fake_swarm *s, const struct fake_request *q, int *status)
{
	*status = 200;
	for (int kind = 0; kind < KINDS; kind++)
		if (strncmp(q->path, bases[kind], strlen(bases[kind])) == 0)
			return on_object(
			        s, (enum kind)kind, q, q->path + strlen(bases[kind]), status);
	if (strncmp(q->path, "/tasks", 6) == 0)
		return show_tasks(s, q->path + 6, status);
	if (strcmp(q->path, "/nodes") == 0)
		return strdup(nodes);
	if (strcmp(q->path, "/info") == 0)
		return strdup(info);
	if (strncmp(q->path, "/images/", 8) == 0)
		return strdup(strcmp(q->method, "DELETE") == 0 ? "[]" : "{\"Id\":\"sha256:1\"}");
	return message(status, 404, "%s: page not found", q->path);
}

static char *on_call(void *arg, const struct fake_request *q, int *status)
{
	struct fake_swarm *s = arg;
	char *body = NULL;
	size_t n;

	if (strcmp(q->path, "/version") == 0)
		return NULL;
	pthread_mutex_lock(&s->lock);
	n = s->calls++;
	if (n < s->first || n - s->first >= s->count) {
		body = work(s, q, status);
	} else {
		snprintf(s->failed, sizeof(s->failed), "%s %.200s", q->method, q->path);
		if (failures[s->how].is_done)
			free(work(s, q, status));
		*status = failures[s->how].status;
		if (failures[s->how].body)
			body = strdup(failures[s->how].body);
	}
	pthread_mutex_unlock(&s->lock);
	return body;
}

/* --- life ------------------------------------------------------------------------------------- */

struct fake_swarm *fake_swarm_start(void)
{
	struct fake_swarm *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	pthread_mutex_init(&s->lock, NULL);
	for (int i = 0; i < KINDS; i++)
		s->objects[i] = json_object();
	s->tasks = json_array();
	s->engine = fake_engine_start();
	fake_engine_handler(s->engine, on_call, s);
	return s;
}

struct fake_swarm *fake_swarm_copy(struct fake_swarm *s)
{
	struct fake_swarm *copy = fake_swarm_start();

	pthread_mutex_lock(&s->lock);
	for (int i = 0; i < KINDS; i++) {
		json_decref(copy->objects[i]);
		copy->objects[i] = json_deep_copy(s->objects[i]);
	}
	json_decref(copy->tasks);
	copy->tasks = json_deep_copy(s->tasks);
	copy->made = s->made;
	pthread_mutex_unlock(&s->lock);
	return copy;
}

void fake_swarm_stop(struct fake_swarm *s)
{
	if (!s)
		return;
	fake_engine_stop(s->engine);
	for (int i = 0; i < KINDS; i++)
		json_decref(s->objects[i]);
	json_decref(s->tasks);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

const char *fake_swarm_host(const struct fake_swarm *s)
{
	return fake_engine_host(s->engine);
}

void fake_swarm_fail(struct fake_swarm *s, size_t first, size_t count, enum fake_failure how)
{
	pthread_mutex_lock(&s->lock);
	s->first = first;
	s->count = count;
	s->how = how;
	*s->failed = '\0';
	pthread_mutex_unlock(&s->lock);
}

size_t fake_swarm_calls(struct fake_swarm *s)
{
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->calls;
	pthread_mutex_unlock(&s->lock);
	return n;
}

void fake_swarm_count_anew(struct fake_swarm *s)
{
	pthread_mutex_lock(&s->lock);
	s->calls = 0;
	pthread_mutex_unlock(&s->lock);
}

const char *fake_swarm_failed(struct fake_swarm *s)
{
	return s->failed;
}

/* Versions and tasks' ids are left out: how often something was tried is no part of the result. */
char *fake_swarm_dump(struct fake_swarm *s)
{
	json_t *all = json_object(), *object, *tasks = json_deep_copy(s->tasks);
	const char *id;
	void *tmp;
	size_t n;

	pthread_mutex_lock(&s->lock);
	for (int i = 0; i < KINDS; i++)
		json_object_set_new(all, bases[i], json_deep_copy(s->objects[i]));
	pthread_mutex_unlock(&s->lock);
	json_object_set_new(all, "tasks", tasks);
	json_object_foreach_safe(json_object_get(all, bases[SERVICES]), tmp, id, object)
	        json_object_del(object, "Version");
	json_array_foreach(tasks, n, object)
	{
		json_object_del(object, "ID");
		json_object_del(object, "Looks");
	}
	return dump_take(all);
}
