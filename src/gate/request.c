#include "gate/request.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/digest.h"
#include "base/json.h"

struct head {
	bool has_length, keeps;
	size_t length;
};

static bool is_name(const char *name, const char *s, size_t n)
{
	return strlen(name) == n && strncasecmp(name, s, n) == 0;
}

/* Digits only; more of them than a body may have bytes are too many. */
static int read_length(struct head *h, const char *s, size_t n)
{
	size_t v = 0;

	if (h->has_length || n == 0)
		return 400;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return 400;
		v = v * 10 + (size_t)(s[i] - '0');
		if (v > GATE_REQUEST_MAX)
			return 413;
	}
	h->has_length = true;
	h->length = v;
	return 0;
}

/* A line without its end; returns 0 or a status. */
static int read_field(struct head *h, const char *line, size_t n)
{
	const char *colon = memchr(line, ':', n), *value, *end = line + n;
	size_t name;

	if (!colon || colon == line || line[0] == ' ' || line[0] == '\t' || colon[-1] == ' ')
		return 400;
	name = (size_t)(colon - line);
	for (value = colon + 1; value < end && (*value == ' ' || *value == '\t');)
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	n = (size_t)(end - value);
	if (is_name("Content-Length", line, name))
		return read_length(h, value, n);
	if (is_name("Transfer-Encoding", line, name) || is_name("Expect", line, name))
		return 501;
	if (is_name("Connection", line, name) && is_name("close", value, n))
		h->keeps = false;
	return 0;
}

/* "POST /any HTTP/1.1"; returns 0 or a status. */
static int read_first_line(struct head *h, const char *line, size_t n)
{
	const char *target = memchr(line, ' ', n), *version, *end = line + n;

	version = target ? memchr(target + 1, ' ', (size_t)(end - target - 1)) : NULL;
	if (!version || version == target + 1)
		return 400;
	if (is_name(" HTTP/1.1", version, (size_t)(end - version)))
		h->keeps = true;
	else if (!is_name(" HTTP/1.0", version, (size_t)(end - version)))
		return 400;
	return target - line == 4 && memcmp(line, "POST", 4) == 0 ? 0 : 405;
}

/* Of n bytes with the empty line at their end. */
static int read_head(struct head *h, const char *data, size_t n)
{
	const char *line = data, *end = data + n - 2;
	bool is_first = true;
	int status = 0;

	if (memchr(data, '\0', n))
		return 400;
	while (line < end && status == 0) {
		const char *eol = memmem(line, (size_t)(data + n - line), "\r\n", 2);
		size_t len = (size_t)(eol - line);

		status = is_first ? read_first_line(h, line, len) : read_field(h, line, len);
		is_first = false;
		line = eol + 2;
	}
	return status == 0 && !h->has_length ? 411 : status;
}

static void read_body(struct gate_request *r, const char *body, size_t n)
{
	struct err ignored = ERR_INIT;
	AUTO(json) json_t *j = json_parse(body, n, "the request", &ignored);
	const char *digest = json_string_value(json_array_get(j, 0));
	const json_t *key = json_array_get(j, 1);

	if (json_array_size(j) != 2 || !digest || !json_is_string(key) ||
	        json_string_length(key) >= sizeof(r->key) ||
	        strlen(digest) != json_string_length(json_array_get(j, 0)) ||
	        hex_decode(r->digest, sizeof(r->digest), digest) < 0)
		return;
	memcpy(r->key, json_string_value(key), json_string_length(key) + 1);
	r->is_signing = true;
}

int gate_request_parse(struct gate_request *ret, unsigned *ret_status, const char *data, size_t n)
{
	const char *end = memmem(data, n, "\r\n\r\n", 4);
	struct head h = { 0 };
	size_t head;
	int status;

	if (!end && n < GATE_REQUEST_MAX)
		return 1;
	if (!end) {
		*ret_status = 431;
		return -1;
	}
	head = (size_t)(end - data) + 4;
	status = read_head(&h, data, head);
	if (status == 0 && head + h.length > GATE_REQUEST_MAX)
		status = 413;
	if (status) {
		*ret_status = (unsigned)status;
		return -1;
	}
	if (n < head + h.length)
		return 1;
	*ret = (struct gate_request){ .len = head + h.length, .keeps = h.keeps };
	read_body(ret, data + head, h.length);
	return 0;
}
