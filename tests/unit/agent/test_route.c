#include "unit/test.h"

#include <string.h>

#include "agent/route.h"

#define LONG64  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG128 LONG64 LONG64
#define LONG512 LONG128 LONG128 LONG128 LONG128

static void what_there_is(void **state)
{
	static const struct {
		const char *method, *target;
		enum route_kind kind;
		const char *service;
		uint64_t slot;
		unsigned tail;
	} rows[] = {
		{ "GET", "/livez", ROUTE_LIVEZ, "", 0, 100 },
		{ "HEAD", "/livez", ROUTE_LIVEZ, "", 0, 100 },
		{ "GET", "/v1/status", ROUTE_STATUS, "", 0, 100 },
		{ "GET", "/v1/slots", ROUTE_SLOTS, "", 0, 100 },
		{ "GET", "/v1/host", ROUTE_HOST, "", 0, 100 },
		{ "POST", "/v1/gather", ROUTE_GATHER, "", 0, 100 },
		{ "POST", "/v1/slots/nodeswarm_readers/3/quiesce", ROUTE_QUIESCE,
		        "nodeswarm_readers", 3, 100 },
		{ "POST", "/v1/slots/a/1000000/resume", ROUTE_RESUME, "a", 1000000, 100 },
		{ "GET", "/v1/slots/a/1/log", ROUTE_LOG, "a", 1, 100 },
		{ "GET", "/v1/slots/a/1/log?tail=0", ROUTE_LOG, "a", 1, 0 },
		{ "GET", "/v1/slots/a/1/log?tail=10000", ROUTE_LOG, "a", 1, 10000 },
		{ "GET", "/v1/slots/" LONG128 "/1/log", ROUTE_LOG, LONG128, 1, 100 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct route r;

		if (route_parse_target(&r, rows[i].method, rows[i].target, &e) < 0)
			fail_msg("%s: %s", rows[i].target, e.msg);
		if (r.kind != rows[i].kind || strcmp(r.service, rows[i].service) != 0 ||
		        r.slot != rows[i].slot || r.tail != rows[i].tail)
			fail_msg("%s: kind %d service %s slot %u tail %u", rows[i].target, r.kind,
			        r.service, (unsigned)r.slot, r.tail);
	}
}

static void what_there_is_not(void **state)
{
	static const struct {
		const char *method, *target;
		unsigned status;
	} rows[] = {
		{ "GET", "", 404 },
		{ "GET", "/", 404 },
		{ "GET", "/v1", 404 },
		{ "GET", "/livez/", 404 },
		{ "GET", "//livez", 404 },
		{ "GET", "/v1/status/x", 404 },
		{ "GET", "/v1/../livez", 404 },
		{ "GET", "http://x/livez", 404 },
		{ "GET", "/" LONG512, 404 },
		{ "GET", "/v1/slots/" LONG512 "/1/log", 404 },
		{ "GET", "/v1/slots/" LONG128 "a/1/log", 404 },
		{ "GET", "/v1/slots/a/" LONG64 "/log", 404 },
		{ "GET", "/v1/slots/a/1/" LONG128, 404 },
		{ "GET", "/v1/slots/", 404 },
		{ "GET", "/v1/slots//1/log", 404 },
		{ "GET", "/v1/slots/a//log", 404 },
		{ "GET", "/v1/slots/a/1/", 404 },
		{ "GET", "/v1/slots/a/1", 404 },
		{ "GET", "/v1/slots/a/1/log/", 404 },
		{ "GET", "/v1/slots/../1/log", 404 },
		{ "GET", "/v1/slots/.hidden/1/log", 404 },
		{ "GET", "/v1/slots/a%2fb/1/log", 404 },
		{ "GET", "/v1/slots/..%2f..%2fetc/1/log", 404 },
		{ "GET", "/v1/slots/a%00/1/log", 404 },
		{ "GET", "/v1/slots/a/0/log", 404 },
		{ "GET", "/v1/slots/a/1000001/log", 404 },
		{ "GET", "/v1/slots/a/-1/log", 404 },
		{ "GET", "/v1/slots/a/+1/log", 404 },
		{ "GET", "/v1/slots/a/ 1/log", 404 },
		{ "GET", "/v1/slots/a/1x/log", 404 },
		{ "GET", "/v1/slots/a/18446744073709551617/log", 404 },
		{ "GET", "/v1/slots/a/../log", 404 },
		{ "POST", "/v1/status", 405 },
		{ "GET", "/v1/gather", 405 },
		{ "DELETE", "/v1/slots", 405 },
		{ "get", "/livez", 405 },
		{ "HEAD", "/v1/slots/a/1/quiesce", 405 },
		{ "GET", "/v1/slots/a/1/resume", 405 },
		{ "POST", "/v1/slots/a/1/log", 405 },
		{ "GET", "/v1/slots/a/1/log?tail=10001", 400 },
		{ "GET", "/v1/slots/a/1/log?tail=", 400 },
		{ "GET", "/v1/slots/a/1/log?tail=-1", 400 },
		{ "GET", "/v1/slots/a/1/log?tail=1&x=2", 400 },
		{ "GET", "/v1/slots/a/1/log?", 400 },
		{ "GET", "/v1/status?tail=1", 400 },
		{ "GET", "/v1/status?x=1", 400 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct route r;

		if (route_parse_target(&r, rows[i].method, rows[i].target, &e) != -1 ||
		        r.status != rows[i].status || e.kind == ERR_NONE)
			fail_msg("%s %s: status %u, '%s'", rows[i].method, rows[i].target, r.status,
			        e.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_there_is),
		cmocka_unit_test(what_there_is_not),
	};

	return cmocka_run_group_tests_name("agent/route", tests, NULL, NULL);
}
