#include "unit/test.h"

#include <string.h>

#include "base/json.h"
#include "data/generation.h"

#define HASH   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIGEST "00112233445566778899aabbccddeeff"

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static struct tree_file files[] = {
	{ .path = (char[]){ "blocks/blocks.log" },
	        .size = 8589934592,
	        .data_bytes = 2147483648,
	        .mode = 0644,
	        .digest = DIGEST },
	{ .path = (char[]){ "state/shared_memory.bin" },
	        .size = 100,
	        .data_bytes = 7,
	        .mode = 0600,
	        .digest = DIGEST },
};

static struct manifest full(void)
{
	struct manifest m = {
		.name = "g000042-0349798134",
		.number = 42,
		.kind = GENERATION_DATA,
		.chain_id = HASH,
		.head_block_num = 349798500,
		.head_block_id = HASH,
		.lib_block_num = 349798134,
		.lib_block_id = HASH,
		.first_block_num = 1,
		.nodeos_version = "v4.0.6",
		.database_format = "EOSIODB2",
		.integrity_hash = HASH,
		.source = "nodeswarm_readers.3",
		.host = "alpha",
		.origin = "archive",
		.created_ns = 1700000000123000000,
		.files = { .v = files, .n = 2, .size_bytes = 8589934692, .data_bytes = 2147483655 },
	};

	return m;
}

static void what_is_written_is_read(void **state)
{
	AUTO(manifest) struct manifest back = MANIFEST_INIT;
	struct manifest m = full();
	AUTO(json) json_t *clone = json_pack("{s:i}", "files", 2);
	AUTO(json) json_t *j = NULL;
	AUTO(free) char *once = NULL;
	AUTO(free) char *twice = NULL;
	AUTO(json) json_t *again = NULL;
	struct err e = ERR_INIT;

	(void)state;
	m.clone = clone;
	j = manifest_json(&m, true);
	assert_non_null(j);
	assert_int_equal(json_int(j, "format", 0), 1);
	if (manifest_from_json(&back, j, &e) < 0)
		fail_msg("%s", e.msg);
	again = manifest_json(&back, true);
	once = json_text(j, false);
	twice = json_text(again, false);
	assert_string_equal(once, twice);
	assert_int_equal(back.created_ns, m.created_ns);
	assert_int_equal(back.files.v[1].mode, 0600);
}

static void without_files_the_sizes_stay(void **state)
{
	AUTO(manifest) struct manifest back = MANIFEST_INIT;
	struct manifest m = full();
	AUTO(json) json_t *j = manifest_json(&m, false);
	struct err e = ERR_INIT;

	(void)state;
	assert_null(json_object_get(j, "files"));
	assert_int_equal(json_int(j, "file_count", 0), 2);
	assert_int_equal(manifest_from_json(&back, j, &e), 0);
	assert_int_equal(back.files.n, 0);
	assert_int_equal(back.files.size_bytes, 8589934692);
	assert_int_equal(back.files.data_bytes, 2147483655);
}

/* What others, or a later version, have written. */
static void gaps_and_extras_are_tolerated(void **state)
{
	static const char *const cases[] = {
		"{\"format\":1,\"kind\":\"data\",\"created\":\"2026-11-21T08:15:00Z\"}",
		"{\"format\":1,\"kind\":\"snapshot\",\"created\":\"2026-11-21T08:15:00Z\","
		"\"new\":{\"x\":[1]},\"clone\":7}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(manifest) struct manifest m = MANIFEST_INIT;
		struct err e = ERR_INIT;
		AUTO(json) json_t *j = json_parse(cases[i], strlen(cases[i]), "text", &e);

		if (!j || manifest_from_json(&m, j, &e) < 0)
			fail_msg("%s", e.msg);
	}
}

/* One value of a good one is replaced; NULL removes it. */
static void bad_values_are_refused(void **state)
{
	static const struct {
		const char *key, *value;
	} cases[] = {
		{ "format", "2" },
		{ "format", "\"1\"" },
		{ "format", NULL },
		{ "kind", "\"other\"" },
		{ "kind", NULL },
		{ "created", NULL },
		{ "created", "\"yesterday\"" },
		{ "name", "\"g000041-0349798134\"" },
		{ "name", "\"../../etc\"" },
		{ "name", "\"\"" },
		{ "number", "43" },
		{ "number", "-1" },
		{ "number", "1000000000000" },
		{ "chain_id", "\"abc\"" },
		{ "chain_id",
		        "\"ZZaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"" },
		{ "chain_id", "5" },
		{ "integrity_hash", "\"x\"" },
		{ "lib_block_num", "4294967296" },
		{ "lib_block_num", "-1" },
		{ "lib_block_num", "1.5" },
		{ "lib_block_num", "\"1\"" },
		{ "database_format", "\"EOSIODB22\"" },
		{ "origin", "\"sixteen letters!\"" },
		{ "file_count", "3" },
		{ "file_count", NULL },
		{ "size_bytes", "1" },
		{ "data_bytes", "-1" },
		{ "digest", "\"00112233445566778899aabbccddeeff\"" },
		{ "digest", NULL },
		{ "files", "{}" },
		{ "files", "[]" },
		{ "files", "[1,2]" },
		{ "files", "null" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct manifest m = full(), back = MANIFEST_INIT;
		AUTO(json) json_t *j = manifest_json(&m, true);
		struct err e = ERR_INIT;

		if (cases[i].value)
			assert_int_equal(json_object_set_new(j, cases[i].key,
			                         json_parse(cases[i].value, strlen(cases[i].value),
			                                 "value", &e)),
			        0);
		else
			assert_int_equal(json_object_del(j, cases[i].key), 0);
		if (manifest_from_json(&back, j, &e) == 0 || e.kind != ERR_PROTOCOL)
			fail_msg("%s = %s: %s", cases[i].key,
			        cases[i].value ? cases[i].value : "(none)", e.msg);
	}
}

/* A manifest of these paths, everything else about it right. */
static json_t *of_paths(const char *const *paths, size_t n)
{
	struct tree_file v[4] = { { .path = NULL } };
	struct manifest m = full();

	m.files = (struct tree){ .v = v, .n = n };
	for (size_t i = 0; i < n; i++) {
		v[i].path = text(paths[i]);
		memcpy(v[i].digest, DIGEST, sizeof(DIGEST));
	}
	return manifest_json(&m, true);
}

static void paths_stay_inside(void **state)
{
	static const struct {
		const char *paths[4];
		bool is_good;
	} cases[] = {
		{ { "a" }, true },
		{ { "a", "b/c", "b/d", "b-" }, true },
		{ { "b/..c", "b/.d", "..." }, true },
		{ { "" }, false },
		{ { "/a" }, false },
		{ { "/" }, false },
		{ { "a/" }, false },
		{ { "a//b" }, false },
		{ { "." }, false },
		{ { ".." }, false },
		{ { "../a" }, false },
		{ { "a/../b" }, false },
		{ { "a/.." }, false },
		{ { "a/./b" }, false },
		{ { "a", "a" }, false },
		{ { "a", "a-b", "a/b" }, false },
		{ { "a/b/c", "a-", "a" }, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(manifest) struct manifest m = MANIFEST_INIT;
		AUTO(json) json_t *j = NULL;
		struct err e = ERR_INIT;
		size_t n = 0;
		int rc;

		while (n < 4 && cases[i].paths[n])
			n++;
		j = of_paths(cases[i].paths, n);
		/* The digest is of the list in order: what is refused is refused before it. */
		rc = manifest_from_json(&m, j, &e);
		if (cases[i].is_good && rc < 0 && strstr(e.msg, "digest says"))
			rc = 0;
		if ((rc == 0) != cases[i].is_good || (rc < 0 && strstr(e.msg, "digest says")))
			fail_msg("'%s' and %zu more: %s", cases[i].paths[0], n - 1, e.msg);
	}
}

static void long_paths_are_refused(void **state)
{
	char name[300], path[1400] = "";
	const char *paths[1];

	(void)state;
	memset(name, 'n', 256);
	name[256] = '\0';
	for (int i = 0; i < 5; i++)
		strncat(path, &("/" HASH HASH HASH HASH)[i == 0], sizeof(path) - strlen(path) - 1);
	for (int i = 0; i < 2; i++) {
		AUTO(json) json_t *j = NULL;
		struct manifest m = MANIFEST_INIT;
		struct err e = ERR_INIT;

		paths[0] = i ? path : name;
		j = of_paths(paths, 1);
		assert_int_equal(manifest_from_json(&m, j, &e), -1);
		assert_int_equal(e.kind, ERR_PROTOCOL);
	}
}

static void bad_files_are_refused(void **state)
{
	static const struct {
		const char *key, *value;
	} cases[] = {
		{ "path", "7" },
		{ "size_bytes", "-1" },
		{ "size_bytes", "\"1\"" },
		{ "size_bytes", "9223372036854775807" },
		{ "mode", "\"644\"" },
		{ "mode", "\"0888\"" },
		{ "mode", "\"104755\"" },
		{ "mode", "420" },
		{ "digest", "\"\"" },
		{ "digest", "\"0011\"" },
		{ "digest", "\"00112233445566778899AABBCCDDEEFF\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct manifest m = full(), back = MANIFEST_INIT;
		AUTO(json) json_t *j = manifest_json(&m, true);
		struct err e = ERR_INIT;

		assert_int_equal(
		        json_object_set_new(json_array_get(json_object_get(j, "files"), 1),
		                cases[i].key,
		                json_parse(cases[i].value, strlen(cases[i].value), "value", &e)),
		        0);
		if (manifest_from_json(&back, j, &e) == 0 || e.kind != ERR_PROTOCOL)
			fail_msg("%s = %s: %s", cases[i].key, cases[i].value, e.msg);
	}
}

static void names(void **state)
{
	static const struct {
		const char *name;
		uint64_t number; /* 0: none */
	} cases[] = {
		{ "g000001-0000000001", 1 },
		{ "g000042-0349798134", 42 },
		{ "g999999-4294967295", 999999 },
		{ "g1000000-0000000000", 1000000 },
		{ "g999999999999-0000000000", 999999999999 },
		{ "g1000000000000-0000000000", 0 },
		{ "g0000001-0000000001", 0 },
		{ "g00001-0000000001", 0 },
		{ "g000001-000000001", 0 },
		{ "g000001-00000000011", 0 },
		{ "g000001-000000000x", 0 },
		{ "g000001_0000000001", 0 },
		{ "g000001-0000000001/", 0 },
		{ "g-1", 0 },
		{ "G000001-0000000001", 0 },
		{ "current", 0 },
		{ ".tmp-0000000000000000", 0 },
		{ "", 0 },
		{ ".", 0 },
		{ "..", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t number = 0;

		if (generation_name_is(cases[i].name, &number) != (cases[i].number != 0) ||
		        number != cases[i].number)
			fail_msg("'%s': %llu", cases[i].name, (unsigned long long)number);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(without_files_the_sizes_stay),
		cmocka_unit_test(gaps_and_extras_are_tolerated),
		cmocka_unit_test(bad_values_are_refused),
		cmocka_unit_test(paths_stay_inside),
		cmocka_unit_test(long_paths_are_refused),
		cmocka_unit_test(bad_files_are_refused),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
