#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

static json_t *parsed(const char *text)
{
	struct err e = ERR_INIT;
	json_t *j = json_parse(text, strlen(text), "test", &e);

	if (!j)
		fail_msg("%s: %s", text, e.msg);
	return j;
}

static void nested(char *out, unsigned levels, char open, char close)
{
	memset(out, open, levels);
	memset(out + levels, close, levels);
	out[2 * levels] = '\0';
}

static void refuses_what_is_not_json_or_too_deep(void **state)
{
	static const char *const refused[] = { "", " ", "{", "{}x", "{\"a\":1,\"a\":2}",
		"\"\\u0000\"", "\"\xff\"", "[1,]", "nul", "{\"a\"}", "1e999",
		"99999999999999999999", "'a'", "\"\\" };
	struct err e = ERR_INIT;
	char deep[400];
	json_t *j;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		err_clear(&e);
		if (json_parse(refused[i], strlen(refused[i]), "test", &e))
			fail_msg("'%s' was taken", refused[i]);
		assert_int_equal(e.kind, ERR_PROTOCOL);
	}
	nested(deep, 64, '[', ']');
	json_decref(parsed(deep));
	nested(deep, 65, '[', ']');
	err_clear(&e);
	assert_null(json_parse(deep, strlen(deep), "test", &e));
	assert_string_equal(e.msg, "test: JSON nested more than 64 deep");
	/* Brackets in strings are no depth. */
	memset(deep, '[', sizeof(deep));
	memcpy(deep, "[\"\\\"", 4);
	memcpy(deep + 300, "\"]", 3);
	j = parsed(deep);
	json_decref(j);
}

static void an_object_is_an_object(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_null(json_parse_object("[1]", 3, "reply", &e));
	assert_string_equal(e.msg, "reply: not a JSON object");
	err_clear(&e);
	json_decref(json_parse_object("{}", 2, "reply", &e));
	assert_int_equal(e.kind, ERR_NONE);
}

static void getters_have_defaults(void **state)
{
	json_t *j =
	        parsed("{\"a\":{\"s\":\"x\",\"n\":7,\"t\":true,\"z\":null,\"l\":[1]},\"r\":1.5}");
	char longest[300];

	(void)state;
	memset(longest, 'k', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_string_equal(json_str(j, "a.s", "-"), "x");
	assert_string_equal(json_str(j, "a.n", "-"), "-");
	assert_string_equal(json_str(j, "a.s.x", "-"), "-");
	assert_string_equal(json_str(j, "b.s", "-"), "-");
	assert_string_equal(json_str(j, "", "-"), "-");
	assert_string_equal(json_str(j, ".", "-"), "-");
	assert_string_equal(json_str(j, longest, "-"), "-");
	assert_string_equal(json_str(NULL, "a", "-"), "-");
	assert_int_equal(json_int(j, "a.n", -1), 7);
	assert_int_equal(json_int(j, "r", -1), -1);
	assert_int_equal(json_int(j, "a.s", -1), -1);
	assert_true(json_bool(j, "a.t", false));
	assert_true(json_bool(j, "a.z", true));
	assert_true(json_is_array(json_at(j, "a.l")));
	json_decref(j);
}

static void covers(void **state)
{
	static const struct {
		const char *actual, *wanted, *where; /* NULL: covered */
	} rows[] = {
		{ "{}", "{}", NULL },
		{ "{\"a\":1,\"b\":2}", "{\"a\":1}", NULL },
		{ "{\"b\":2}", "{\"a\":1}", "a" },
		{ "{\"a\":{\"b\":{\"c\":1}}}", "{\"a\":{\"b\":{\"c\":2}}}", "a.b.c" },
		{ "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":{}}}", "a.b" },
		{ "{\"a\":null}", "{\"a\":null}", NULL },
		{ "{}", "{\"a\":null}", "a" },
		{ "{\"a\":[1,2]}", "{\"a\":[1,2]}", NULL },
		{ "{\"a\":[1,2]}", "{\"a\":[1]}", "a" },
		{ "{\"a\":[{\"x\":1,\"y\":2}]}", "{\"a\":[{\"x\":1}]}", NULL },
		{ "{\"a\":[{\"x\":1}]}", "{\"a\":[{\"x\":2}]}", "a.[].x" },
		{ "{\"a\":1}", "{\"a\":1.0}", NULL },
		{ "{\"a\":1}", "{\"a\":\"1\"}", "a" },
		{ "{\"a\":true}", "{\"a\":1}", "a" },
		{ "{\"a\":9007199254740993}", "{\"a\":9007199254740992}", "a" },
		{ "1", "2", "" },
	};
	char where[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *a = parsed(rows[i].actual), *w = parsed(rows[i].wanted);
		bool ok = json_covers(a, w, where, sizeof(where));

		if (ok != !rows[i].where || (!ok && strcmp(where, rows[i].where) != 0))
			fail_msg("row %zu: %s at '%s'", i, ok ? "covered" : "differs", where);
		assert_int_equal(json_covers(a, w, NULL, 0), ok);
		(void)json_covers(a, w, where, 3);
		json_decref(a);
		json_decref(w);
	}
	assert_false(json_covers(NULL, json_null(), NULL, 0));
}

static void text_keeps_the_order(void **state)
{
	json_t *j = parsed("{\"z\":1,\"a\":[true,null,\"\xc3\xa4\"]}");
	char *s = json_text(j, false);

	(void)state;
	assert_string_equal(s, "{\"z\":1,\"a\":[true,null,\"\xc3\xa4\"]}");
	free(s);
	json_decref(j);
	assert_null(json_text(NULL, false));
}

static void nothing_is_null(void **state)
{
	AUTO(json)
	json_t *all = json_pack("[o, o, o, o, o]", json_or_null(NULL), json_or_null(""),
	        json_or_null("x"), json_time_or_null(0), json_time_or_null(1500000000));
	AUTO(free) char *text = json_text(all, false);

	(void)state;
	assert_string_equal(text, "[null,null,\"x\",null,\"1970-01-01T00:00:01.500Z\"]");
}

static void times(void **state)
{
	AUTO(json)
	json_t *j = json_pack("{s:s, s:{s:s}, s:i}", "a", "1970-01-01T00:00:01.5Z", "b", "never",
	        "0001-01-01T00:00:00Z", "c", 7);

	(void)state;
	assert_int_equal(json_time(j, "a"), 1500000000);
	assert_int_equal(json_time(j, "b.never"), 0);
	assert_int_equal(json_time(j, "c"), 0);
	assert_int_equal(json_time(j, "d"), 0);
	assert_int_equal(json_time(NULL, "a"), 0);
}

static void errors_go_over_and_back(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	for (int k = ERR_USAGE; k <= ERR_UNHEALTHY; k++) {
		struct err why = ERR_INIT;
		json_t *j;

		err_set(&why, (enum err_kind)k, "no '%s'", "x");
		if (k == ERR_NOT_FOUND)
			err_hint(&why, "make it");
		j = json_of_err(&why);
		assert_non_null(j);
		err_clear(&e);
		assert_int_equal(json_to_err(&e, j), -1);
		assert_int_equal(e.kind, k);
		assert_string_equal(e.msg, "no 'x'");
		assert_string_equal(e.hint, k == ERR_NOT_FOUND ? "make it" : "");
		if (k == ERR_NOT_FOUND) {
			AUTO(free) char *text = json_text(j, false);

			assert_string_equal(text,
			        "{\"kind\":\"not_found\",\"message\":\"no 'x'\",\"hint\":\"make "
			        "it\"}");
		}
		json_decref(j);
	}
}

static void odd_errors_are_errors(void **state)
{
	static const struct {
		const char *json, *message;
		enum err_kind kind;
	} rows[] = {
		{ "{}", "an error without a kind", ERR_PROTOCOL },
		{ "[]", "an error without a kind", ERR_PROTOCOL },
		{ "{\"kind\":\"none\"}", "an error without a kind", ERR_PROTOCOL },
		{ "{\"kind\":\"new\",\"message\":\"a\"}", "a", ERR_PROTOCOL },
		{ "{\"kind\":\"denied\"}", "no message", ERR_DENIED },
		{ "{\"kind\":\"denied\",\"message\":7,\"hint\":7}", "no message", ERR_DENIED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *j = json_loads(rows[i].json, 0, NULL);
		struct err e = ERR_INIT;

		if (json_to_err(&e, j) != -1 || e.kind != rows[i].kind ||
		        strcmp(e.msg, rows[i].message) != 0 || *e.hint)
			fail_msg("%s: %s '%s'", rows[i].json, err_kind_name(e.kind), e.msg);
		json_decref(j);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_is_not_json_or_too_deep),
		cmocka_unit_test(an_object_is_an_object),
		cmocka_unit_test(getters_have_defaults),
		cmocka_unit_test(covers),
		cmocka_unit_test(text_keeps_the_order),
		cmocka_unit_test(nothing_is_null),
		cmocka_unit_test(times),
		cmocka_unit_test(errors_go_over_and_back),
		cmocka_unit_test(odd_errors_are_errors),
	};

	return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}
