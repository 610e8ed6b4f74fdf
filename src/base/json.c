#include "base/json.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define JSON_DEPTH_MAX 64

/* jansson's own limit is 2048 levels; ours is for whoever walks the value recursively. */
static bool too_deep(const char *text, size_t n)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > JSON_DEPTH_MAX)
				return true;
		} else if ((c == '}' || c == ']') && depth) {
			depth--;
		}
	}
	return false;
}

json_t *json_parse(const char *text, size_t n, const char *what, struct err *e)
{
	json_error_t je;
	json_t *j;

	if (too_deep(text, n)) {
		err_set(e, ERR_PROTOCOL, "%s: JSON nested more than %d deep", what, JSON_DEPTH_MAX);
		return NULL;
	}
	j = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
	if (!j)
		err_set(e, ERR_PROTOCOL, "%s: line %d, column %d: %s", what, je.line, je.column,
		        je.text);
	return j;
}

json_t *json_parse_object(const char *text, size_t n, const char *what, struct err *e)
{
	json_t *j = json_parse(text, n, what, e);

	if (j && !json_is_object(j)) {
		json_decref(j);
		err_set(e, ERR_PROTOCOL, "%s: not a JSON object", what);
		return NULL;
	}
	return j;
}

json_t *json_at(const json_t *j, const char *path)
{
	json_t *at = NULL;

	while (j) {
		const char *dot = strchrnul(path, '.');
		char key[128];
		size_t n = (size_t)(dot - path);

		if (n >= sizeof(key))
			return NULL;
		memcpy(key, path, n);
		key[n] = '\0';
		at = json_object_get(j, key);
		if (!*dot)
			return at;
		j = at;
		path = dot + 1;
	}
	return NULL;
}

const char *json_str(const json_t *j, const char *path, const char *otherwise)
{
	const char *s = json_string_value(json_at(j, path));

	return s ? s : otherwise;
}

int64_t json_int(const json_t *j, const char *path, int64_t otherwise)
{
	const json_t *v = json_at(j, path);

	return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

bool json_bool(const json_t *j, const char *path, bool otherwise)
{
	const json_t *v = json_at(j, path);

	return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

int64_t json_time(const json_t *j, const char *path)
{
	int64_t ns;

	return clock_parse(&ns, json_str(j, path, "")) == 0 ? ns : 0;
}

json_t *json_or_null(const char *s)
{
	return s && *s ? json_string(s) : json_null();
}

json_t *json_time_or_null(int64_t real_ns)
{
	char text[CLOCK_TEXT_MAX];

	return real_ns > 0 ? json_string(clock_text(text, real_ns)) : json_null();
}

json_t *json_of_err(const struct err *why)
{
	return json_pack("{s:s, s:s, s:s}", "kind", err_kind_name(why->kind), "message", why->msg,
	        "hint", why->hint);
}

int json_to_err(struct err *e, const json_t *error)
{
	for (int k = ERR_USAGE; k <= ERR_UNHEALTHY; k++)
		if (strcmp(err_kind_name((enum err_kind)k), json_str(error, "kind", "")) == 0)
			err_set(e, (enum err_kind)k, "%s",
			        json_str(error, "message", "no message"));
	if (e->kind == ERR_NONE)
		err_set(e, ERR_PROTOCOL, "%s",
		        json_str(error, "message", "an error without a kind"));
	if (*json_str(error, "hint", ""))
		err_hint(e, "%s", json_str(error, "hint", ""));
	return -1;
}

char *json_text(const json_t *j, bool indent)
{
	/* 17 digits would print 0.1 as 0.10000000000000001. */
	size_t flags = JSON_ENCODE_ANY | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15);

	return json_dumps(j, flags | (indent ? JSON_INDENT(2) : JSON_COMPACT));
}

static bool differs(char *where, size_t size, const char *key)
{
	if (where && size) {
		char rest[256];

		snprintf(rest, sizeof(rest), "%s", where);
		snprintf(where, size, "%s%s%s", key, *rest && *key ? "." : "", rest);
	}
	return false;
}

static bool covers(const json_t *actual, const json_t *wanted, char *where, size_t size)
{
	if (json_is_object(wanted)) {
		const char *key;
		json_t *v;

		if (!json_is_object(actual))
			return differs(where, size, "");
		json_object_foreach((json_t *)(uintptr_t)wanted, key, v)
		{
			if (!covers(json_object_get(actual, key), v, where, size))
				return differs(where, size, key);
		}
		return true;
	}
	if (json_is_array(wanted)) {
		if (json_array_size(actual) != json_array_size(wanted))
			return differs(where, size, "");
		for (size_t i = 0; i < json_array_size(wanted); i++)
			if (!covers(json_array_get(actual, i), json_array_get(wanted, i), where,
			            size))
				return differs(where, size, "[]");
		return true;
	}
	/* Nanoseconds and bytes need all 64 bits, so whole numbers do not go through a double. */
	if (json_is_integer(wanted) && json_is_integer(actual))
		return json_integer_value(wanted) == json_integer_value(actual)
		        ? true
		        : differs(where, size, "");
	if (json_is_number(wanted) && json_is_number(actual))
		return json_number_value(wanted) == json_number_value(actual)
		        ? true
		        : differs(where, size, "");
	return json_equal(actual, wanted) ? true : differs(where, size, "");
}

bool json_covers(const json_t *actual, const json_t *wanted, char *where, size_t size)
{
	if (where && size)
		*where = '\0';
	return covers(actual, wanted, where, size);
}
