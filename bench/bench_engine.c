/*
 * How long `status` spends on the engine's task list: from the bytes of the reply to structs.
 *
 * usage: bench_engine; prints the median of 51 runs, exits 1 when 100 tasks take over 20 ms or 500
 * over 100 ms.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "engine/task.h"

#define RECORDED "tests/data/engine/tasks.json"
#define RUNS     51

/* The recorded tasks over and over, each under an id of its own. */
static char *reply_of(size_t n)
{
	AUTO(json) json_t *recorded = json_load_file(RECORDED, 0, NULL);
	AUTO(json) json_t *list = json_array();

	if (!json_array_size(recorded)) {
		fprintf(stderr, "bench_engine: cannot read '%s'\n", RECORDED);
		exit(1);
	}
	for (size_t i = 0; i < n; i++) {
		json_t *task =
		        json_deep_copy(json_array_get(recorded, i % json_array_size(recorded)));
		char id[26];

		snprintf(id, sizeof(id), "%025zu", i);
		json_object_set_new(task, "ID", json_string(id));
		json_array_append_new(list, task);
	}
	return json_text(list, false);
}

static int compare(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int measure(size_t n, int64_t limit_ns)
{
	AUTO(free) char *reply = reply_of(n);
	int64_t took[RUNS];

	for (size_t i = 0; i < RUNS; i++) {
		AUTO(engine_tasks) struct engine_tasks tasks = ENGINE_TASKS_INIT;
		AUTO(json) json_t *j = NULL;
		struct err e = ERR_INIT;
		int64_t start = clock_mono_ns();

		j = json_parse(reply, strlen(reply), "reply", &e);
		if (!j || engine_tasks_parse(j, &tasks, &e) < 0 || tasks.n != n) {
			fprintf(stderr, "bench_engine: %s\n", e.msg);
			return 1;
		}
		took[i] = clock_mono_ns() - start;
	}
	qsort(took, RUNS, sizeof(took[0]), compare);
	printf("engine: parse %zu tasks (%zu bytes): %" PRId64 " us, limit %" PRId64 " us\n", n,
	        strlen(reply), took[RUNS / 2] / 1000, limit_ns / 1000);
	return took[RUNS / 2] > limit_ns;
}

int main(void)
{
	int failed = measure(100, 20 * NS_PER_MS);

	failed |= measure(500, 100 * NS_PER_MS);
	return failed;
}
