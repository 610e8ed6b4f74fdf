#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "replay/slices.h"

#define HASH     "6785307acd1ad9c927c46ee8f76ff3dfd6b6d71e9b3148d48c5312212fdbfcfa"
#define CAPITALS "6785307ACD1AD9C927C46EE8F76FF3DFD6B6D71E9B3148D48C5312212FDBFCFA"

static void parse(struct slices *s, const char *text)
{
	struct err e = ERR_INIT;

	if (slices_parse(s, text, strlen(text), "m.json", &e) < 0)
		fail_msg("%s", e.msg);
}

static void text_is(const struct slices *s, const char *wanted)
{
	AUTO(buf) struct buf text = BUF_INIT(SLICES_TEXT_MAX);
	struct err e = ERR_INIT;

	if (slices_text(s, &text, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(text.data, wanted);
}

/* --- form ------------------------------------------------------------------------------------- */

/* test-tiny-job.json of replay-test, and how its orchestrator writes it (json.dumps, indent 4). */
static void the_public_form(void **state)
{
	static const char text[] = "[\n"
	                           "    {\n"
	                           "        \"start_block_id\": 8918217,\n"
	                           "        \"end_block_id\": 8918220,\n"
	                           "        \"snapshot_path\": \"s3://chicken-dance/test/snapshots/"
	                           "snapshot-2018-08-01-16-eos-v6-0008918217.bin.zst\",\n"
	                           "        \"storage_type\": \"s3\",\n"
	                           "        \"expected_integrity_hash\": \"" HASH "\",\n"
	                           "        \"leap_version\": \"5.0.2\"\n"
	                           "    },\n"
	                           "    {\n"
	                           "        \"start_block_id\": 8918220,\n"
	                           "        \"end_block_id\": 4294967295,\n"
	                           "        \"snapshot_path\": \"/snapshots/\\u00e9.bin\",\n"
	                           "        \"storage_type\": \"fs\",\n"
	                           "        \"expected_integrity_hash\": \"\",\n"
	                           "        \"spring_version\": \"1.0.3\"\n"
	                           "    }\n"
	                           "]";
	AUTO(slices) struct slices s = SLICES_INIT;

	(void)state;
	parse(&s, text);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.v[0].start, 8918217);
	assert_int_equal(s.v[0].end, 8918220);
	assert_string_equal(s.v[0].expected_hash, HASH);
	assert_string_equal(s.v[0].version, "5.0.2");
	assert_false(s.v[0].is_spring);
	assert_null(s.v[0].more);
	assert_int_equal(s.v[1].end, UINT32_MAX);
	assert_string_equal(s.v[1].snapshot_path, "/snapshots/\xc3\xa9.bin");
	assert_string_equal(s.v[1].storage_type, "fs");
	assert_string_equal(s.v[1].version, "1.0.3");
	assert_true(s.v[1].is_spring);
	/* jansson writes the digits of \u00e9 in capitals, Python does not; to JSON
	 * they are one. */
	s.v[1].snapshot_path[11] = '\0';
	{
		AUTO(free) char *wanted = strdup(text);
		char *odd = strstr(wanted, "\\u00e9.bin");

		memmove(odd, odd + 10, strlen(odd + 10) + 1);
		text_is(&s, wanted);
	}
}

static void forms_that_are_forgiven(void **state)
{
	AUTO(slices) struct slices s = SLICES_INIT;

	(void)state;
	parse(&s,
	        " [{\"end_block_id\":\"0008918220\",\"start_block_id\":\"0\","
	        "\"expected_integrity_hash\":\"" CAPITALS "\",\"note\":{\"a\":[1,2.5]},"
	        "\"snapshot_path\":null,\"leap_version\":\"1\",\"spring_version\":\"2\"}]\n");
	assert_int_equal(s.v[0].start, 0);
	assert_int_equal(s.v[0].end, 8918220);
	text_is(&s,
	        "[\n    {\n        \"start_block_id\": 0,\n        \"end_block_id\": 8918220,\n"
	        "        \"snapshot_path\": \"\",\n        \"storage_type\": \"\",\n"
	        "        \"expected_integrity_hash\": \"" HASH "\",\n"
	        "        \"spring_version\": \"2\",\n"
	        "        \"note\": {\n            \"a\": [\n                1,\n"
	        "                2.5\n            ]\n        },\n"
	        "        \"leap_version\": \"1\"\n    }\n]");
}

static void nothing_is_a_manifest_too(void **state)
{
	AUTO(slices) struct slices s = SLICES_INIT;

	(void)state;
	parse(&s, "[]");
	assert_int_equal(s.n, 0);
	text_is(&s, "[]");
}

static void forms_that_are_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "", "m.json: line 1" },
		{ "{}", "a manifest is a JSON array" },
		{ "[1]", "record 1: it is not a JSON object" },
		{ "[{\"end_block_id\":5}]", "record 1: start_block_id is missing" },
		{ "[{\"start_block_id\":1,\"end_block_id\":2},{\"start_block_id\":5}]",
		        "record 2: end_block_id is missing" },
		{ "[{\"start_block_id\":-1,\"end_block_id\":5}]", "start_block_id is not a block" },
		{ "[{\"start_block_id\":1,\"end_block_id\":4294967296}]",
		        "end_block_id is not a block" },
		{ "[{\"start_block_id\":1.0,\"end_block_id\":2}]",
		        "start_block_id is not a block" },
		{ "[{\"start_block_id\":null,\"end_block_id\":2}]",
		        "start_block_id is not a block" },
		{ "[{\"start_block_id\":\"1x\",\"end_block_id\":2}]",
		        "start_block_id is not a block" },
		{ "[{\"start_block_id\":\"\",\"end_block_id\":2}]",
		        "start_block_id is not a block" },
		{ "[{\"start_block_id\":1,\"end_block_id\":2,\"leap_version\":5}]",
		        "leap_version is not a string" },
		{ "[{\"start_block_id\":1,\"end_block_id\":2,\"snapshot_path\":[]}]",
		        "snapshot_path is not a string" },
		{ "[{\"start_block_id\":1,\"end_block_id\":2,\"expected_integrity_hash\":\"" HASH
		  "0\"}]",
		        "record 1: expected_integrity_hash is not 64 hex digits" },
		{ "[{\"start_block_id\":1,\"end_block_id\":2,\"expected_integrity_hash\":\"zz\"}]",
		        "record 1: expected_integrity_hash is not 64 hex digits" },
		{ "[{\"start_block_id\":1,\"start_block_id\":2}]", "duplicate" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slices s = SLICES_INIT;
		struct err e = ERR_INIT;

		if (slices_parse(&s, rows[i].text, strlen(rows[i].text), "m.json", &e) == 0)
			fail_msg("'%s' was taken", rows[i].text);
		if (e.kind != ERR_PROTOCOL || !strstr(e.msg, rows[i].says) ||
		        !strstr(e.msg, "m.json"))
			fail_msg("'%s': %s", rows[i].text, e.msg);
		assert_null(s.v);
	}
}

static void copies_are_apart(void **state)
{
	AUTO(slices) struct slices s = SLICES_INIT;
	AUTO(slices) struct slices t = SLICES_INIT;
	struct slice empty = { .start = 1, .end = 2 };
	struct err e = ERR_INIT;

	(void)state;
	parse(&s, "[{\"start_block_id\":1,\"end_block_id\":2,\"x\":[1],\"leap_version\":\"5\"}]");
	for (int i = 0; i < 5; i++)
		assert_int_equal(slices_add(&t, &s.v[0], &e), 0);
	assert_int_equal(slices_add(&t, &empty, &e), 0);
	assert_int_equal(json_array_append_new(json_object_get(s.v[0].more, "x"), json_null()), 0);
	s.v[0].version[0] = '6';
	assert_int_equal(t.n, 6);
	assert_string_equal(t.v[4].version, "5");
	assert_int_equal(json_array_size(json_object_get(t.v[4].more, "x")), 1);
	assert_string_equal(t.v[5].version, "");
	assert_string_equal(t.v[5].snapshot_path, "");
}

static void what_is_no_utf8_is_not_written(void **state)
{
	AUTO(slices) struct slices s = SLICES_INIT;
	AUTO(buf) struct buf text = BUF_INIT(SLICES_TEXT_MAX);
	char path[] = "a\xff.bin";
	struct slice one = { .start = 1, .end = 2, .snapshot_path = path };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(slices_add(&s, &one, &e), 0);
	assert_int_equal(slices_text(&s, &text, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_non_null(strstr(e.msg, "record 1"));
}

static void files(void **state)
{
	AUTO(slices) struct slices s = SLICES_INIT;
	AUTO(slices) struct slices back = SLICES_INIT;
	char dir[] = "/tmp/test_slices-XXXXXX", path[64];
	struct err e = ERR_INIT;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/m.json", dir);
	assert_int_equal(slices_read(&back, path, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_true(*e.hint);
	parse(&s, "[{\"start_block_id\":\"1\",\"end_block_id\":2,\"x\":1}]");
	err_clear(&e);
	for (int i = 0; i < 2; i++)
		if (slices_write(&s, path, &e) < 0)
			fail_msg("%s", e.msg);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	if (slices_read(&back, path, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(back.n, 1);
	assert_int_equal(json_int(back.v[0].more, "x", 0), 1);
	assert_int_equal(unlink(path), 0);
	/* Nothing else was left there. */
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(slices_write(&s, path, &e), -1);
	assert_non_null(strstr(e.msg, path));
}

/* --- what is wrong ---------------------------------------------------------------------------- */

struct told {
	char text[4096];
	const char *of;
};

/* "gap 3 1; " */
static void tell(void *arg, enum slice_fault f, size_t record, size_t other, const char *text)
{
	struct told *t = arg;
	size_t n = strlen(t->text);

	(void)snprintf(t->text + n, sizeof(t->text) - n, "%s %zu %zu; ", slice_fault_name(f),
	        record, other);
	if (strlen(text) < 10 || str_ends(text, ".") || !str_is_utf8(text))
		fail_msg("%s: '%s'", t->of, text);
}

#define R(a, b) "{\"start_block_id\":" #a ",\"end_block_id\":" #b "," REST "}"
#define REST    "\"snapshot_path\":\"x\",\"storage_type\":\"s3\",\"leap_version\":\"5\""
#define RANGE   "\"start_block_id\":1,\"end_block_id\":2"

static const struct {
	const char *name, *text, *wanted;
} faults[] = {
	{ "one", "[" R(5, 9) "]", "" },
	{ "in order", "[" R(0, 5) "," R(5, 9) "," R(9, 10) "]", "" },
	{ "in another order", "[" R(5, 9) "," R(9, 10) "," R(0, 5) "]", "" },
	{ "gap", "[" R(9, 10) "," R(0, 5) "," R(6, 9) "]", "gap 3 2; " },
	{ "overlap", "[" R(0, 5) "," R(4, 9) "]", "overlap 2 1; " },
	{ "within", "[" R(0, 50) "," R(4, 9) "," R(50, 60) "]", "overlap 2 1; " },
	{ "behind one within", "[" R(0, 50) "," R(4, 9) "," R(60, 70) "]",
	        "overlap 2 1; gap 3 1; " },
	{ "same start", "[" R(0, 50) "," R(0, 9) "]", "overlap 1 2; " },
	{ "twice", "[" R(0, 5) "," R(5, 9) "," R(0, 5) "]", "duplicate 3 1; " },
	{ "three times", "[" R(0, 5) "," R(0, 5) "," R(0, 5) "]",
	        "duplicate 2 1; duplicate 3 2; " },
	{ "negative", "[" R(0, 5) "," R(7, 5) "," R(5, 9) "]", "negative 2 0; " },
	{ "empty", "[" R(0, 5) "," R(5, 5) "," R(5, 9) "]", "negative 2 0; " },
	{ "negative gap", "[" R(0, 5) "," R(7, 6) "," R(6, 9) "]", "negative 2 0; gap 3 1; " },
	{ "last block", "[" R(0, 4294967294) "," R(4294967294, 4294967295) "]", "" },
	{ "no snapshot", "[{" RANGE ",\"storage_type\":\"s3\",\"leap_version\":\"5\"}]",
	        "no_snapshot 1 0; " },
	{ "genesis", "[{\"start_block_id\":0,\"end_block_id\":5,\"leap_version\":\"5\"}]", "" },
	{ "storage",
	        "[{" RANGE ",\"snapshot_path\":\"x\",\"storage_type\":\"\xc3\xa9\xc3\xa9\xc3\xa9"
	        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xc3\xa9\",\"leap_version\":\"5\"}]",
	        "storage 1 0; " },
	{ "no storage", "[{" RANGE ",\"snapshot_path\":\"x\",\"leap_version\":\"5\"}]",
	        "storage 1 0; " },
	{ "known storage",
	        "[{\"start_block_id\":1,\"end_block_id\":2,\"snapshot_path\":\"x\",\"storage_"
	        "type\":"
	        "\"fs\",\"leap_version\":\"5\"},"
	        "{\"start_block_id\":2,\"end_block_id\":3,\"snapshot_path\":\"x\",\"storage_type\":"
	        "\"filesystem\",\"leap_version\":\"5\"},"
	        "{\"start_block_id\":3,\"end_block_id\":4,\"snapshot_path\":\"x\",\"storage_type\":"
	        "\"http\",\"leap_version\":\"5\"}]",
	        "" },
	{ "no version", "[{" RANGE ",\"snapshot_path\":\"x\",\"storage_type\":\"s3\"}]",
	        "version 1 0; " },
	{ "another version, first",
	        "[{\"start_block_id\":0,\"end_block_id\":1,\"leap_version\":\"4\"}," R(1, 2) "," R(
	                2, 3) "]",
	        "version 1 3; " },
	{ "another kind of version",
	        "[" R(2, 3) "," R(3, 4) ",{" RANGE
	                                ",\"snapshot_path\":\"x\",\"storage_type\":\"s3\","
	                                "\"spring_version\":\"5\"}]",
	        "version 3 1; " },
	{ "no hash",
	        "[{\"expected_integrity_hash\":\"x\"," RANGE "," REST
	        "},{\"expected_integrity_hash\":\"" HASH
	        "\",\"start_block_id\":2,\"end_block_id\":3," REST "}]",
	        "form 1 0; " },
	{ "all at once", "[{\"start_block_id\":9,\"end_block_id\":1}]",
	        "negative 1 0; no_snapshot 1 0; storage 1 0; version 1 0; " },
	/* Of replay-test; its own validator finds only that a key is missing.  Its
	 * hashes are none. */
	{ "test-001-jobs.json",
	        "[{\"start_block_id\":1,\"end_block_id\":100," REST
	        ",\"expected_integrity_hash\":\"ABCD1234EFGH5678IJKL9012MNOP3456\"},"
	        "{\"start_block_id\":101,\"end_block_id\":200," REST
	        ",\"expected_integrity_hash\":\"QRST5678UVWX9012CDEF1234GHIJ3456\"},"
	        "{\"end_block_id\":300}]",
	        "form 1 0; form 2 0; form 3 0; " },
	{ "forms", "[1," R(5, 9) ",{}," R(7, 11) ",[]]",
	        "form 1 0; form 3 0; form 5 0; overlap 4 2; " },
};

static void every_fault_with_its_record(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		AUTO(slices) struct slices s = SLICES_INIT;
		struct told t = { .of = faults[i].name };
		struct err e = ERR_INIT;
		int n = slices_examine(
		        &s, faults[i].text, strlen(faults[i].text), "m.json", tell, &t, &e);
		size_t wanted = 0;

		for (const char *c = faults[i].wanted; *c; c++)
			wanted += *c == ';';
		if (strcmp(t.text, faults[i].wanted) != 0 || n != (int)wanted)
			fail_msg("%s: %d '%s' %s", faults[i].name, n, t.text, e.msg);
		if (strstr(faults[i].wanted, "form"))
			continue;
		t.text[0] = '\0';
		assert_int_equal(slices_validate(&s, tell, &t, &e), n);
		assert_string_equal(t.text, faults[i].wanted);
	}
}

static void no_array_cannot_be_examined(void **state)
{
	struct slices s = SLICES_INIT;
	struct told t = { .of = "none" };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(slices_examine(&s, "{}", 2, "m.json", tell, &t, &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
}

/* A hundred thousand, the last first; one more is refused. */
static void as_large_as_can_be(void **state)
{
	AUTO(slices) struct slices s = SLICES_INIT;
	char path[] = "s3://bucket/snapshot.bin.zst", storage[] = "s3", version[] = "5";
	struct told t = { .of = "large" };
	struct err e = ERR_INIT;

	(void)state;
	for (uint32_t i = SLICES_MAX; i > 0; i--) {
		struct slice one = { .start = 10 * i,
			.end = 10 * i + 10,
			.snapshot_path = path,
			.storage_type = storage,
			.version = version };

		assert_int_equal(slices_add(&s, &one, &e), 0);
	}
	assert_int_equal(slices_validate(&s, tell, &t, &e), 0);
	assert_int_equal(slices_add(&s, &(struct slice){ .end = 1 }, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	s.v[SLICES_MAX / 2].end--;
	assert_int_equal(slices_validate(&s, tell, &t, &e), 1);
	assert_string_equal(t.text, "gap 50000 50001; ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_public_form),
		cmocka_unit_test(forms_that_are_forgiven),
		cmocka_unit_test(nothing_is_a_manifest_too),
		cmocka_unit_test(forms_that_are_refused),
		cmocka_unit_test(copies_are_apart),
		cmocka_unit_test(what_is_no_utf8_is_not_written),
		cmocka_unit_test(files),
		cmocka_unit_test(every_fault_with_its_record),
		cmocka_unit_test(no_array_cannot_be_examined),
		cmocka_unit_test(as_large_as_can_be),
	};

	return cmocka_run_group_tests_name("replay/slices", tests, NULL, NULL);
}
