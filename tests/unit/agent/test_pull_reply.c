#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/pull.h"
#include "agent/pull_reply.h"
#include "base/json.h"

#define SIZE (1024ULL * 1024)

static void maps(void **state)
{
	static const struct {
		const char *name, *text;
		uint64_t offset;
		int n; /* of ranges; -1: refused */
		uint64_t next;
	} rows[] = {
		{ "nothing", "{\"format\":1,\"size\":1048576,\"ranges\":[],\"next\":null}", 0, 0,
		        SIZE },
		{ "all", "{\"format\":1,\"size\":1048576,\"ranges\":[[0,1048576]],\"next\":null}",
		        0, 1, SIZE },
		{ "two",
		        "{\"format\":1,\"size\":1048576,\"ranges\":[[0,1],[65537,5]],\"next\":"
		        "null}",
		        0, 2, SIZE },
		{ "more", "{\"format\":1,\"size\":1048576,\"ranges\":[[70000,1]],\"next\":135537}",
		        70000, 1, 135537 },
		{ "no JSON", "ranges", 0, -1, 0 },
		{ "no object", "[]", 0, -1, 0 },
		{ "no format", "{\"size\":1048576,\"ranges\":[],\"next\":null}", 0, -1, 0 },
		{ "another size", "{\"format\":1,\"size\":1048577,\"ranges\":[],\"next\":null}", 0,
		        -1, 0 },
		{ "negative size", "{\"format\":1,\"size\":-1,\"ranges\":[],\"next\":null}", 0, -1,
		        0 },
		{ "no ranges", "{\"format\":1,\"size\":1048576,\"next\":null}", 0, -1, 0 },
		{ "no next", "{\"format\":1,\"size\":1048576,\"ranges\":[]}", 0, -1, 0 },
		{ "before the offset",
		        "{\"format\":1,\"size\":1048576,\"ranges\":[[5,1]],\"next\":null}", 6, -1,
		        0 },
		{ "out of order",
		        "{\"format\":1,\"size\":1048576,\"ranges\":[[200000,1],[0,1]],\"next\":"
		        "null}",
		        0, -1, 0 },
		{ "too near",
		        "{\"format\":1,\"size\":1048576,\"ranges\":[[0,1],[65536,1]],\"next\":"
		        "null}",
		        0, -1, 0 },
		{ "beyond the end",
		        "{\"format\":1,\"size\":1048576,\"ranges\":[[1048575,2]],\"next\":null}", 0,
		        -1, 0 },
		{ "overflow",
		        "{\"format\":1,\"size\":1048576,\"ranges\":[[1,9223372036854775807]],"
		        "\"next\":null}",
		        0, -1, 0 },
		{ "empty range", "{\"format\":1,\"size\":1048576,\"ranges\":[[0,0]],\"next\":null}",
		        0, -1, 0 },
		{ "negative", "{\"format\":1,\"size\":1048576,\"ranges\":[[-1,5]],\"next\":null}",
		        0, -1, 0 },
		{ "three numbers",
		        "{\"format\":1,\"size\":1048576,\"ranges\":[[0,1,2]],\"next\":null}", 0, -1,
		        0 },
		{ "texts",
		        "{\"format\":1,\"size\":1048576,\"ranges\":[[\"0\",\"1\"]],\"next\":null}",
		        0, -1, 0 },
		{ "next leads back",
		        "{\"format\":1,\"size\":1048576,\"ranges\":[[70000,1]],\"next\":70001}", 0,
		        -1, 0 },
		{ "next without a range",
		        "{\"format\":1,\"size\":1048576,\"ranges\":[],\"next\":65536}", 0, -1, 0 },
		{ "next beyond the end",
		        "{\"format\":1,\"size\":1048576,\"ranges\":[[0,1]],\"next\":1048576}", 0,
		        -1, 0 },
	};
	static struct pull_map m;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		int rc = pull_map_parse(
		        &m, rows[i].text, strlen(rows[i].text), rows[i].offset, SIZE, &e);

		if (rows[i].n < 0 ? rc == 0 || e.kind != ERR_PROTOCOL
		                  : rc < 0 || (int)m.n != rows[i].n || m.next != rows[i].next)
			fail_msg("%s: %d '%s'", rows[i].name, rc, e.msg);
	}
}

static void too_many_ranges(void **state)
{
	AUTO(json) json_t *list = json_array();
	AUTO(json) json_t *j = NULL;
	AUTO(free) char *text = NULL;
	static struct pull_map m;
	struct err e = ERR_INIT;

	(void)state;
	for (json_int_t i = 0; i <= PULL_MAP_RANGES; i++)
		(void)json_array_append_new(list, json_pack("[I, I]", i * 1000000, (json_int_t)1));
	j = json_pack("{s:i, s:I, s:O, s:n}", "format", 1, "size", (json_int_t)1 << 40, "ranges",
	        list, "next");
	text = json_text(j, false);
	assert_int_equal(pull_map_parse(&m, text, strlen(text), 0, UINT64_C(1) << 40, &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
}

static void manifests(void **state)
{
	static const char *const refused[] = {
		"",
		"{}",
		"{\"generation\":null}",
		"{\"generation\":[]}",
		"{\"generation\":{\"format\":1}}",
		"{\"generation\":{\"format\":1,\"name\":\"g000001-0000000001\",\"number\":1,"
		"\"kind\":"
		"\"data\",\"created\":\"2026-01-01T00:00:00Z\"}}",
	};
	struct tree_file file = { .path = (char[]){ "blocks/blocks.log" },
		.size = 3,
		.mode = 0644,
		.digest = "00112233445566778899aabbccddeeff" };
	struct manifest m = { .name = "g000007-0000000009",
		.number = 7,
		.created_ns = 1700000000000000000LL,
		.files = { .v = &file, .n = 1, .size_bytes = 3 } };
	AUTO(json) json_t *j = json_pack("{s:o}", "generation", manifest_json(&m, true));
	AUTO(free) char *text = json_text(j, false);
	AUTO(manifest) struct manifest back = MANIFEST_INIT;
	struct err e = ERR_INIT;

	(void)state;
	if (pull_manifest_parse(&back, text, strlen(text), &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(back.files.v[0].path, "blocks/blocks.log");
	/* Whatever an operator of another host may write. */
	memcpy(strstr(text, "blocks/blocks.log"), "../../../etc/pass", 17);
	manifest_release(&back);
	assert_int_equal(pull_manifest_parse(&back, text, strlen(text), &e), -1);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		e = ERR_INIT;
		if (pull_manifest_parse(&back, refused[i], strlen(refused[i]), &e) == 0 ||
		        e.kind != ERR_PROTOCOL)
			fail_msg("'%s': '%s'", refused[i], e.msg);
	}
}

static void arguments(void **state)
{
	static const struct {
		const char *text;
		int rc;
	} rows[] = {
		{ "{\"name\":\"current\",\"address\":\"10.0.0.2\"}", 0 },
		{ "{\"name\":\"g000001-0000000002\",\"address\":\"fd00::2\",\"format\":1}", 0 },
		{ "{}", -1 },
		{ "{\"name\":\"current\"}", -1 },
		{ "{\"address\":\"10.0.0.2\"}", -1 },
		{ "{\"name\":\"current\",\"address\":\"host2\"}", -1 },
		{ "{\"name\":\"current\",\"address\":\"10.0.0.2:80/x?\"}", -1 },
		{ "{\"name\":\"../x\",\"address\":\"10.0.0.2\"}", -1 },
		{ "{\"name\":\"current\",\"address\":\"10.0.0.2\",\"port\":1}", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(json) json_t *j = json_loads(rows[i].text, 0, NULL);
		struct err e = ERR_INIT;

		if (pull_check(j, &e) != rows[i].rc || (rows[i].rc < 0 && e.kind != ERR_USAGE))
			fail_msg("%s: '%s'", rows[i].text, e.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps),
		cmocka_unit_test(too_many_ranges),
		cmocka_unit_test(manifests),
		cmocka_unit_test(arguments),
	};

	return cmocka_run_group_tests_name("agent/pull_reply", tests, NULL, NULL);
}
