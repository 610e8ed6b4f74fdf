#include "unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "deploy/view.h"

#define HOSTS 4

/* What each host's agent says of its firewall, and what becomes of it. */
static void what_is_said(void **state)
{
#define OK    "{\"is_saved\":true,\"digest\":\"11\",\"n_differs\":0,\"error\":null}"
#define OTHER "{\"is_saved\":true,\"digest\":\"22\",\"n_differs\":0,\"error\":null}"
#define BAD   "{\"is_saved\":true,\"digest\":\"11\",\"n_differs\":2,\"error\":null}"
#define NONE  "{\"is_saved\":false}"
#define BLIND \
	"{\"is_saved\":true,\"digest\":\"11\",\"n_differs\":0,\"error\":{\"kind\":\"denied\"}}"
	static const struct {
		const char *says[HOSTS]; /* NULL: the host was not asked */
		const char *is[HOSTS];
	} rows[] = {
		{ { NONE, NONE, NONE, NULL }, { "", "", "", "" } },
		{ { "null", "7", NONE, NULL }, { "", "", "", "" } },
		{ { OK, OK, OK, OK }, { "ok", "ok", "ok", "ok" } },
		{ { OK, NONE, BAD, NULL }, { "ok", "missing", "differs", "" } },
		{ { OTHER, OK, NULL, NULL }, { "ok", "differs", "", "" } },
		{ { OTHER, OK, OK, OK }, { "differs", "ok", "ok", "ok" } },
		{ { OK, "null", BLIND, "[]" }, { "ok", "unknown", "unknown", "unknown" } },
		{ { NONE, NONE, NONE, OK }, { "missing", "missing", "missing", "ok" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct view_host hosts[HOSTS] = { 0 };
		struct view v = { .nodes = { .n = HOSTS }, .hosts = hosts };

		for (unsigned k = 0; k < HOSTS; k++) {
			if (!rows[i].says[k])
				continue;
			hosts[k].state = VIEW_HOST_OK;
			hosts[k].slots.body = json_pack("{s:o}", "firewall",
			        json_loads(rows[i].says[k], JSON_DECODE_ANY, NULL));
		}
		for (unsigned k = 0; k < HOSTS; k++)
			if (strcmp(view_host_firewall(&v, &hosts[k]), rows[i].is[k]) != 0)
				fail_msg("row %zu, host %u: '%s'", i, k,
				        view_host_firewall(&v, &hosts[k]));
		for (unsigned k = 0; k < HOSTS; k++)
			json_decref(hosts[k].slots.body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
