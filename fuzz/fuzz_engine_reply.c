/*
 * Replies of the Docker Engine: whatever the bytes are, every reader of lists, objects, errors and
 * versions takes or refuses them, and what it takes keeps its promises.
 */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "engine/engine_priv.h"
#include "engine/lines.h"
#include "engine/node.h"
#include "engine/service.h"
#include "engine/task.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_line(const char *s, size_t max)
{
	assert(strlen(s) < max);
	for (; *s; s++)
		assert((unsigned char)*s >= ' ' && *s != 0x7f);
}

static void try_tasks(const json_t *j)
{
	AUTO(engine_tasks) struct engine_tasks tasks = ENGINE_TASKS_INIT;
	struct err e = ERR_INIT;

	if (engine_tasks_parse(j, &tasks, &e) < 0)
		assert(!tasks.v && *e.msg);
	for (size_t i = 0; i < tasks.n; i++) {
		const struct engine_task *t = &tasks.v[i];

		assert(*t->id && t->slot >= 0 && t->exit_code >= -1);
		is_line(t->err, sizeof(t->err));
		is_line(t->message, sizeof(t->message));
		assert(*engine_task_state_name(t->state));
	}
}

static void try_nodes(const json_t *j)
{
	AUTO(engine_nodes) struct engine_nodes nodes = ENGINE_NODES_INIT;
	struct err e = ERR_INIT;

	if (engine_nodes_parse(j, &nodes, &e) < 0)
		assert(!nodes.v && *e.msg);
	for (size_t i = 0; i < nodes.n; i++) {
		is_line(nodes.v[i].hostname, sizeof(nodes.v[i].hostname));
		is_line(nodes.v[i].state, sizeof(nodes.v[i].state));
		assert(engine_nodes_find(&nodes, nodes.v[i].id));
	}
}

static void try_services(const json_t *j)
{
	for (size_t i = 0; i <= json_array_size(j); i++) {
		const json_t *one = i < json_array_size(j) ? json_array_get(j, i) : j;
		struct engine_service s;
		struct err e = ERR_INIT;

		if (engine_service_view(one, &s, &e) == 0) {
			assert(*s.id && *s.name && s.image && s.update_state && s.update_message);
			(void)engine_service_label(&s, "com.docker.stack.namespace");
		}
	}
}

static void try_version(const json_t *j)
{
	struct err e = ERR_INIT;
	int minor;

	if (engine_negotiate(&minor, json_str(j, "MinAPIVersion", ""),
	            json_str(j, "ApiVersion", ""), &e) == 0)
		assert(minor >= ENGINE_API_MIN_MINOR && minor <= ENGINE_API_MAX_MINOR);
}

static int ignore(void *arg, const json_t *value)
{
	(void)arg;
	assert(value);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT, failure = ERR_INIT, stream = ERR_INIT;
	struct json_lines lines = JSON_LINES_INIT(1024, ignore, NULL);
	char *copy = malloc(size), *text = malloc(size + 1);
	json_t *j;

	assert((copy || !size) && text);
	if (size) {
		memcpy(copy, data, size);
		memcpy(text, data, size);
	}
	text[size] = '\0'; /* as every reply of http_call() is */
	j = json_parse(copy, size, "reply", &e);
	if (j) {
		try_tasks(j);
		try_nodes(j);
		try_services(j);
		try_version(j);
	}
	json_decref(j);
	engine_status_error(size ? 400 + data[0] : 500, text, size, &failure);
	is_line(failure.msg, sizeof(failure.msg));
	(void)!json_lines_feed(&lines, copy, size, &stream);
	json_lines_release(&lines);
	free(copy);
	free(text);
	return 0;
}
