#include "fake/agent.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/engine.h"

#define NODES_MAX 64

struct answer {
	char node[64], path[128];
	char *fields, *then;
};

struct fake_agent {
	struct fake_engine *server;
	char pool[64], socket[96], json[96];
	pthread_mutex_t lock;
	struct answer answers[NODES_MAX];
	size_t n;
	char *raw;
	int raw_status;
	char self[64];
	size_t gathers;
	fake_agent_fn *fn;
	void *arg;
};

static const char no_answer[] =
        "\"error\":{\"kind\":\"timeout\",\"message\":\"no answer within 1.3s\",\"hint\":\"\"}";

static void must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

static struct answer *find(struct fake_agent *f, const char *node, const char *path)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->answers[i].node, node) == 0 && strcmp(f->answers[i].path, path) == 0)
			return &f->answers[i];
	return NULL;
}

static void print_fields(struct fake_agent *f, const char *node, const char *path, FILE *out)
{
	struct answer *a = find(f, node, path);

	fputs(a ? a->fields : no_answer, out);
	if (!a || !a->then)
		return;
	free(a->fields);
	a->fields = a->then;
	a->then = NULL;
}

static char *gather(struct fake_agent *f, const json_t *q)
{
	const json_t *targets = json_object_get(q, "targets");
	const char *path = json_string_value(json_object_get(q, "path"));
	const char *body = json_string_value(json_object_get(q, "body"));
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	must(out != NULL, "open_memstream");
	fputs("{\"format\":1,\"replies\":[", out);
	for (size_t i = 0; i < json_array_size(targets); i++) {
		const json_t *t = json_array_get(targets, i);
		const char *id = json_string_value(json_object_get(t, "id"));
		char *own;

		fprintf(out, "%s{\"id\":\"%s\",\"address\":\"\",", i ? "," : "", id);
		own = f->fn ? f->fn(f->arg, id, path ? path : "", body ? body : "") : NULL;
		if (own)
			fputs(own, out);
		else
			print_fields(f, id, path ? path : "", out);
		free(own);
		fputs("}", out);
	}
	fputs("]}", out);
	fclose(out);
	return text;
}

static char *answer(void *arg, const struct fake_request *q, int *status)
{
	struct fake_agent *f = arg;
	char *text;
	json_t *j;

	pthread_mutex_lock(&f->lock);
	f->gathers += strcmp(q->path, "/v1/gather") == 0;
	if (strcmp(q->path, "/v1/slots") == 0) {
		must(asprintf(&text, "{\"format\":1,\"node\":{\"id\":\"%s\"},\"slots\":[]}",
		             f->self) > 0,
		        "asprintf");
	} else if (f->raw) {
		*status = f->raw_status;
		text = strdup(f->raw);
	} else {
		j = json_loads(q->body, 0, NULL);
		must(j != NULL && strcmp(q->path, "/v1/gather") == 0, "a gather");
		text = gather(f, j);
		json_decref(j);
	}
	pthread_mutex_unlock(&f->lock);
	return text;
}

struct fake_agent *fake_agent_start(void)
{
	struct fake_agent *f = calloc(1, sizeof(*f));
	FILE *json;

	must(f != NULL, "calloc");
	pthread_mutex_init(&f->lock, NULL);
	snprintf(f->self, sizeof(f->self), "n1");
	snprintf(f->pool, sizeof(f->pool), "/tmp/fake-agent-XXXXXX");
	must(mkdtemp(f->pool) != NULL, "mkdtemp");
	snprintf(f->socket, sizeof(f->socket), "%s/agent.sock", f->pool);
	snprintf(f->json, sizeof(f->json), "%s/pool.json", f->pool);
	json = fopen(f->json, "we");
	must(json != NULL, "pool.json");
	fputs("{\"format\":1,\"id\":\"0b9c8f44-5a0c-4c57-9d3e-0f3f6a1b2c3d\",\"method\":\"copy\"}"
	      "\n",
	        json);
	fclose(json);
	f->server = fake_engine_start();
	fake_engine_handler(f->server, answer, f);
	must(symlink(fake_engine_socket(f->server), f->socket) == 0, "symlink");
	return f;
}

void fake_agent_stop(struct fake_agent *f)
{
	if (!f)
		return;
	fake_engine_stop(f->server);
	unlink(f->socket);
	unlink(f->json);
	rmdir(f->pool);
	for (size_t i = 0; i < f->n; i++) {
		free(f->answers[i].fields);
		free(f->answers[i].then);
	}
	free(f->raw);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

const char *fake_agent_pool(const struct fake_agent *f)
{
	return f->pool;
}

static void set(struct fake_agent *f, const char *node_id, const char *path, const char *fields,
        int is_then)
{
	struct answer *a;
	char **to;

	pthread_mutex_lock(&f->lock);
	a = find(f, node_id, path);
	if (!a) {
		must(f->n < NODES_MAX && !is_then, "fake_agent_node");
		a = &f->answers[f->n++];
		snprintf(a->node, sizeof(a->node), "%s", node_id);
		snprintf(a->path, sizeof(a->path), "%s", path);
	}
	to = is_then ? &a->then : &a->fields;
	free(*to);
	*to = strdup(fields);
	must(*to != NULL, "strdup");
	pthread_mutex_unlock(&f->lock);
}

void fake_agent_node(
        struct fake_agent *f, const char *node_id, const char *path, const char *fields)
{
	set(f, node_id, path, fields, 0);
}

void fake_agent_then(
        struct fake_agent *f, const char *node_id, const char *path, const char *fields)
{
	set(f, node_id, path, fields, 1);
}

void fake_agent_handler(struct fake_agent *f, fake_agent_fn *fn, void *arg)
{
	pthread_mutex_lock(&f->lock);
	f->fn = fn;
	f->arg = arg;
	pthread_mutex_unlock(&f->lock);
}

void fake_agent_raw(struct fake_agent *f, int status, const char *body)
{
	pthread_mutex_lock(&f->lock);
	free(f->raw);
	f->raw = body ? strdup(body) : NULL;
	f->raw_status = status;
	pthread_mutex_unlock(&f->lock);
}

void fake_agent_is(struct fake_agent *f, const char *node_id)
{
	pthread_mutex_lock(&f->lock);
	snprintf(f->self, sizeof(f->self), "%s", node_id);
	pthread_mutex_unlock(&f->lock);
}

size_t fake_agent_count(struct fake_agent *f)
{
	size_t n;

	pthread_mutex_lock(&f->lock);
	n = f->gathers;
	pthread_mutex_unlock(&f->lock);
	return n;
}

const char *fake_agent_last(struct fake_agent *f)
{
	return fake_engine_last(f->server)->body;
}
