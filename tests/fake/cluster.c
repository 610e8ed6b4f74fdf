#include "fake/cluster.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake/engine.h"

static void print_node(const struct fake_cluster *c, size_t i, FILE *out)
{
	const struct fake_cluster_node *n = &c->nodes[i];

	fprintf(out,
	        "{\"ID\":\"%s\",\"Description\":{\"Hostname\":\"%s%s\"},"
	        "\"Spec\":{\"Availability\":\"%s\",\"Role\":\"%s\"},"
	        "\"Status\":{\"State\":\"%s\",\"Addr\":\"10.0.0.%zu\"}}",
	        n->id, n->hostname ? "" : "host-", n->hostname ? n->hostname : n->id,
	        n->is_drained ? "drain" : "active", n->is_manager ? "manager" : "worker", n->state,
	        i + 1);
}

static void print_nodes(const struct fake_cluster *c, FILE *out)
{
	for (size_t i = 0; i < FAKE_CLUSTER_MAX && c->nodes[i].id; i++) {
		fputs(i ? "," : "", out);
		print_node(c, i, out);
	}
}

static char *one_node(const struct fake_cluster *c, const char *id, int *status)
{
	char *text = NULL;
	size_t n;
	FILE *out;

	*status = 404;
	out = open_memstream(&text, &n);
	for (size_t i = 0; i < FAKE_CLUSTER_MAX && c->nodes[i].id; i++)
		if (strcmp(c->nodes[i].id, id) == 0) {
			*status = 200;
			print_node(c, i, out);
		}
	if (*status == 404)
		fputs("{\"message\":\"node not found\"}", out);
	fclose(out);
	return text;
}

static void print_service(const struct fake_cluster_service *s, FILE *out)
{
	fprintf(out,
	        "{\"ID\":\"id-%s\",\"Version\":{\"Index\":7},\"Spec\":{\"Name\":\"s_%s\","
	        "\"Labels\":{\"com.docker.stack.namespace\":\"s\"%s},",
	        s->name, s->name, s->labels);
	if (s->is_global)
		fputs("\"Mode\":{\"Global\":{}},", out);
	else
		fprintf(out, "\"Mode\":{\"Replicated\":{\"Replicas\":%d}},", s->replicas);
	fprintf(out, "\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"i:1\"");
	if (s->pool)
		fprintf(out, ",\"Env\":[\"NODESWARM_SLOT={{.Task.Slot}}\",\"NODESWARM_POOL=%s\"%s]",
		        s->pool, s->env ? s->env : "");
	fputs("}}}}", out);
}

static void print_services(const struct fake_cluster *c, FILE *out)
{
	for (size_t i = 0; i < FAKE_CLUSTER_MAX && c->services[i].name; i++) {
		fputs(i ? "," : "", out);
		print_service(&c->services[i], out);
	}
}

static struct fake_cluster_service *service_of(struct fake_cluster *c, const char *name)
{
	for (size_t i = 0; i < FAKE_CLUSTER_MAX && c->services[i].name; i++)
		if (strcmp(c->services[i].name, name) == 0)
			return &c->services[i];
	return NULL;
}

static void print_tasks(struct fake_cluster *c, FILE *out)
{
	const char *comma = "";

	for (size_t i = 0; i < FAKE_CLUSTER_MAX && c->tasks[i].id; i++) {
		const struct fake_cluster_task *t = &c->tasks[i];
		const struct fake_cluster_service *s = service_of(c, t->service);
		bool leaves = !s || (!s->is_global && s->replicas == 0);

		if (leaves && c->looks_left <= 0 && strcmp(t->state, "pending") != 0)
			continue;
		fprintf(out,
		        "%s{\"ID\":\"%s\",\"Version\":{\"Index\":1},\"ServiceID\":\"id-%s\","
		        "\"NodeID\":\"%s\",\"Slot\":%d,\"DesiredState\":\"%s\","
		        "\"CreatedAt\":\"2026-11-21T02:00:%02zuZ\",\"Status\":{\"State\":\"%s\"}}",
		        comma, t->id, t->service, t->node, t->slot, leaves ? "remove" : t->desired,
		        i, t->state);
		comma = ",";
	}
	if (c->looks_left > 0)
		c->looks_left--;
}

static void note(struct fake_cluster *c, const char *sign, const char *name)
{
	size_t n = strlen(c->updates);

	snprintf(c->updates + n, sizeof(c->updates) - n, "%s%s%s", n ? " " : "", sign, name);
}

static void update(struct fake_cluster *c, struct fake_cluster_service *s, const char *body)
{
	json_t *j = json_loads(body, 0, NULL), *labels = json_object_get(j, "Labels"), *value;
	json_t *mode = json_object_get(json_object_get(j, "Mode"), "Replicated");
	const char *key;
	size_t n = 0;

	s->replicas = (int)json_integer_value(json_object_get(mode, "Replicas"));
	s->labels[0] = '\0';
	json_object_foreach(labels, key, value) if (strncmp(key, "nodeswarm.", 10) == 0) n +=
	        (size_t)snprintf(s->labels + n, sizeof(s->labels) - n, ",\"%s\":\"%s\"", key,
	                json_string_value(value));
	json_decref(j);
	snprintf(c->spec, sizeof(c->spec), "%s", body);
	note(c, "", s->name);
}

static char *one_service(struct fake_cluster *c, const struct fake_request *q, int *status)
{
	char name[64] = "", action[16] = "", *text = NULL;
	struct fake_cluster_service *s;
	size_t n;
	FILE *out;

	if (sscanf(q->path, "/services/id-%63[^/]/%15s", name, action) < 1 &&
	        sscanf(q->path, "/services/s_%63[^/]/%15s", name, action) < 1)
		return NULL;
	s = service_of(c, name);
	if (!s)
		return NULL;
	if (strcmp(q->method, "DELETE") == 0) {
		note(c, "-", name);
		s->is_global = false;
		s->replicas = 0;
		return strdup("");
	}
	if (strcmp(action, "update") == 0) {
		update(c, s, q->body);
		return strdup("{}");
	}
	*status = 200;
	out = open_memstream(&text, &n);
	print_service(s, out);
	fclose(out);
	return text;
}

static char *answer(void *arg, const struct fake_request *q, int *status)
{
	struct fake_cluster *c = arg;
	char *text = NULL;
	size_t n;
	FILE *out;

	if (strcmp(q->path, "/version") == 0)
		return NULL;
	text = c->first ? c->first(c->first_arg, q, status) : NULL;
	if (text)
		return text;
	if (strcmp(q->path, "/info") == 0)
		return strdup("{\"Swarm\":{\"NodeID\":\"n1\"}}");
	if (strncmp(q->path, "/services/", 10) == 0)
		return one_service(c, q, status);
	if (strncmp(q->path, "/nodes/", 7) == 0)
		return one_node(c, q->path + 7, status);
	out = open_memstream(&text, &n);
	fputs("[", out);
	if (strcmp(q->path, "/nodes") == 0 && c->lost_after && --c->lost_after == 0)
		c->nodes[1].state = "down";
	if (strcmp(q->path, "/nodes") == 0)
		print_nodes(c, out);
	else if (strcmp(q->path, "/services") == 0)
		print_services(c, out);
	else if (strcmp(q->path, "/tasks") == 0)
		print_tasks(c, out);
	fputs("]", out);
	fclose(out);
	return text;
}

void fake_cluster_serve(struct fake_engine *f, struct fake_cluster *c)
{
	fake_engine_handler(f, answer, c);
}

struct fake_cluster fake_cluster_of_two(const char *pool)
{
	return (struct fake_cluster){
		.nodes = { { "n1", "ready", true }, { "n2", "ready", false } },
		.services = { { .name = "agent", .is_global = true },
		        { .name = "readers", .pool = pool, .replicas = 2 },
		        { .name = "front", .replicas = 1 } },
		.tasks = { { "t1", "readers", "n1", 1, "running", "running" },
		        { "t2", "readers", "n2", 2, "running", "running" },
		        { "f1", "front", "n1", 1, "running", "running" },
		        { "a1", "agent", "n1", 0, "running", "running" },
		        { "a2", "agent", "n2", 0, "running", "running" } },
		.looks_left = 4,
	};
}
