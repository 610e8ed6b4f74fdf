/*
 * What comes to the signing gate: only "POST ..." with a length, an array of 64 hex digits and a
 * short text, is a request to sign; nothing is read behind the bytes, or taken for more than there
 * is, and a request is the same however it was cut.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "gate/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct gate_request *q, const char *text, size_t n)
{
	const char *end = memmem(text, n, "\r\n\r\n", 4);
	size_t body;

	if (!end || q->len > n || q->len > GATE_REQUEST_MAX || memcmp(text, "POST ", 5) != 0)
		abort();
	body = q->len - (size_t)(end + 4 - text);
	if (q->is_signing &&
	        (body < 69 || !memchr(end + 4, '"', body) ||
	                strnlen(q->key, sizeof(q->key)) == sizeof(q->key)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(free) char *text = malloc(size ? size : 1);
	struct gate_request q, again;
	unsigned status = 0, other = 0;
	int rc;

	if (!text || size > GATE_REQUEST_MAX)
		return 0;
	memcpy(text, data, size);
	rc = gate_request_parse(&q, &status, text, size);
	if (rc < 0 && (status < 400 || status > 599))
		abort();
	if (rc != 0)
		return 0;
	check(&q, text, size);
	if (gate_request_parse(&again, &other, text, q.len) != 0 || again.len != q.len ||
	        again.keeps != q.keeps || again.is_signing != q.is_signing ||
	        memcmp(again.digest, q.digest, sizeof(q.digest)) != 0 ||
	        memcmp(again.key, q.key, sizeof(q.key)) != 0)
		abort();
	if (q.len && gate_request_parse(&again, &other, text, q.len - 1) == 0)
		abort();
	return 0;
}
