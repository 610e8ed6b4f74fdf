#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "gate/request.h"

#define HEX  "332c0cc83fdf81536748f66dfc588554ee6c9b654b43b733e116dcca741c58d6"
#define KEY  "EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV"
#define BODY "[\"" HEX "\",\"" KEY "\"]"
#define HEAD "POST /v1/wallet/sign_digest HTTP/1.1\r\n"
/* As nodeos v4.0.6 sends it, recorded. */
#define NODEOS                                                                        \
	HEAD "Host: 127.0.0.1:28080\r\nUser-Agent: Boost.Beast/300\r\nContent-Type: " \
	     "application/json\r\nContent-Length: 124\r\n\r\n" BODY

/* From a block of exactly its size, so that a sanitizer sees what reads beyond. */
static int parse(struct gate_request *q, unsigned *status, const char *text, size_t n)
{
	char *copy = malloc(n ? n : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, text, n);
	rc = gate_request_parse(q, status, copy, n);
	free(copy);
	return rc;
}

static void that_of_nodeos(void **state UNUSED)
{
	struct gate_request q;
	unsigned status;
	char hex[SHA256_HEX_SIZE];

	_Static_assert(sizeof(BODY) == 125, "as recorded");
	for (size_t n = 0; n < strlen(NODEOS); n++)
		if (parse(&q, &status, NODEOS, n) != 1)
			fail_msg("%zu bytes of it are not unfinished", n);
	assert_int_equal(parse(&q, &status, NODEOS NODEOS, 2 * strlen(NODEOS)), 0);
	assert_int_equal(q.len, strlen(NODEOS));
	assert_true(q.keeps && q.is_signing);
	hex_encode(hex, q.digest, sizeof(q.digest));
	assert_string_equal(hex, HEX);
	assert_string_equal(q.key, KEY);
}

static void others(void **state UNUSED)
{
	static const struct {
		const char *text;
		int status; /* 0: taken */
		bool keeps, is_signing;
	} t[] = {
		{ "POST / HTTP/1.1\r\nContent-Length: 124\r\n\r\n" BODY, 0, true, true },
		{ "POST / HTTP/1.1\r\ncontent-length:124 \r\n\r\n" BODY, 0, true, true },
		{ "POST / HTTP/1.1\r\nConnection: Close\r\nContent-Length: 124\r\n\r\n" BODY, 0,
		        false, true },
		{ "POST / HTTP/1.0\r\nContent-Length: 124\r\n\r\n" BODY, 0, false, true },
		{ "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 0, true, false },
		{ "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]", 0, true, false },
		{ "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n\"" HEX, 0, true, false },
		{ "POST / HTTP/1.1\r\nContent-Length: 68\r\n\r\n[\"" HEX "\"]", 0, true, false },
		{ "POST / HTTP/1.1\r\nContent-Length: 70\r\n\r\n[\"" HEX "\",1]", 0, true, false },
		{ "POST / HTTP/1.1\r\nContent-Length: 74\r\n\r\n[\"" HEX "\",\"E\",1]", 0, true,
		        false },
		{ "POST / HTTP/1.1\r\nContent-Length: 72\r\n\r\n[\"g" HEX "\",\"\"]", 0, true,
		        false },
		{ "POST / HTTP/1.1\r\nContent-Length: 73\r\n\r\n[\"" HEX "00\",\"\"]", 0, true,
		        false },
		{ "POST / HTTP/1.1\r\nContent-Length: 71\r\n\r\n[\"" HEX "\",\"\"]", 0, true,
		        true },
		{ "POST / HTTP/1.1\r\nContent-Length: 135\r\n\r\n[\"" HEX "\",\"" HEX "\"]", 0,
		        true, false },
		{ "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n{\"a\":\"b\"}\n", 0, true, false },
		{ "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 405 },
		{ "POSTS / HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]", 405 },
		{ "POST / HTTP/2\r\nContent-Length: 2\r\n\r\n[]", 400 },
		{ "POST /\r\nContent-Length: 2\r\n\r\n[]", 400 },
		{ "POST  HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]", 400 },
		{ "\r\n\r\n", 400 },
		{ "hello\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: x\r\n\r\n", 411 },
		{ "POST / HTTP/1.1\r\nno colon\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nA: b\r\n folded\r\nContent-Length: 2\r\n\r\n[]", 400 },
		{ "POST / HTTP/1.1\r\nContent-Length : 2\r\n\r\n[]", 400 },
		{ "POST / HTTP/1.1\r\n: 2\r\nContent-Length: 2\r\n\r\n[]", 400 },
		{ "POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n[]", 400 },
		{ "POST / HTTP/1.1\r\nContent-Length: \r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nContent-Length: -2\r\n\r\n[]", 400 },
		{ "POST / HTTP/1.1\r\nContent-Length: 0x2\r\n\r\n[]", 400 },
		{ "POST / HTTP/1.1\r\nContent-Length: 4097\r\n\r\n", 413 },
		{ "POST / HTTP/1.1\r\nContent-Length: 4090\r\n\r\n", 413 },
		{ "POST / HTTP/1.1\r\nContent-Length: 18446744073709551618\r\n\r\n[]", 413 },
		{ "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
		        501 },
		{ "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n[]", 501 },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct gate_request q = { 0 };
		unsigned status = 0;
		int rc = parse(&q, &status, t[i].text, strlen(t[i].text));

		if ((rc < 0) != (t[i].status > 0) || (int)status != t[i].status)
			fail_msg("'%s': %d, status %u", t[i].text, rc, status);
		if (rc == 0 && (q.keeps != t[i].keeps || q.is_signing != t[i].is_signing))
			fail_msg("'%s': keeps %d, is to sign %d", t[i].text, q.keeps, q.is_signing);
	}
}

static void too_much(void **state UNUSED)
{
	static const char nul[] = "POST / HTTP/1.1\r\nA: \0\r\nContent-Length: 2\r\n\r\n[]";
	static char text[GATE_REQUEST_MAX];
	struct gate_request q;
	unsigned status;

	memset(text, 'x', sizeof(text));
	memcpy(text, HEAD "A: ", strlen(HEAD "A: "));
	assert_int_equal(parse(&q, &status, text, sizeof(text) - 1), 1);
	assert_int_equal(parse(&q, &status, text, sizeof(text)), -1);
	assert_int_equal(status, 431);
	assert_int_equal(parse(&q, &status, nul, sizeof(nul) - 1), -1);
	assert_int_equal(status, 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(that_of_nodeos),
		cmocka_unit_test(others),
		cmocka_unit_test(too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
