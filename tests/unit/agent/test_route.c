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
		{ "POST", "/v1/sample", ROUTE_SAMPLE, "", 0, 100 },
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
		{ "POST", "/v1/slots/a/2/archive", ROUTE_ARCHIVE, "a", 2, 100 },
		{ "POST", "/v1/slots/a/2/restore", ROUTE_RESTORE, "a", 2, 100 },
		{ "GET", "/v1/data", ROUTE_DATA, "", 0, 100 },
		{ "GET", "/v1/firewall", ROUTE_FIREWALL, "", 0, 100 },
		{ "POST", "/v1/firewall/apply", ROUTE_FIREWALL_APPLY, "", 0, 100 },
		{ "POST", "/v1/firewall/remove", ROUTE_FIREWALL_REMOVE, "", 0, 100 },
		{ "POST", "/v1/firewall/probe", ROUTE_FIREWALL_PROBE, "", 0, 100 },
		{ "GET", "/v1/generations", ROUTE_GENERATIONS, "", 0, 100 },
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

static void generations_and_operations(void **state)
{
	static const struct {
		const char *method, *target;
		enum route_kind kind;
		const char *name; /* or verb */
		size_t file;
		uint64_t offset;
		uint32_t length;
	} rows[] = {
		{ "POST", "/v1/data/verify", ROUTE_VERB, "verify", 0, 0, 0 },
		{ "GET", "/v1/generations/current", ROUTE_GENERATION, "current", 0, 0, 0 },
		{ "GET", "/v1/generations/g000001-0000000002", ROUTE_GENERATION,
		        "g000001-0000000002", 0, 0, 0 },
		{ "GET", "/v1/generations/g1/files/0", ROUTE_FILE, "g1", 0, 0, ROUTE_LENGTH_MAX },
		{ "GET", "/v1/generations/g1/files/99999?length=1&offset=9223372036854775807",
		        ROUTE_FILE, "g1", 99999, INT64_MAX, 1 },
		{ "GET", "/v1/generations/g1/files/7?offset=5&length=4194304", ROUTE_FILE, "g1", 7,
		        5, ROUTE_LENGTH_MAX },
		{ "GET", "/v1/generations/g1/files/7/map", ROUTE_MAP, "g1", 7, 0, 0 },
		{ "GET", "/v1/generations/g1/files/7/map?offset=8", ROUTE_MAP, "g1", 7, 8, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct route r;

		if (route_parse_target(&r, rows[i].method, rows[i].target, &e) < 0)
			fail_msg("%s: %s", rows[i].target, e.msg);
		if (r.kind != rows[i].kind ||
		        strcmp(r.kind == ROUTE_VERB ? r.verb : r.name, rows[i].name) != 0 ||
		        r.file != rows[i].file || r.offset != rows[i].offset ||
		        r.length != rows[i].length)
			fail_msg("%s: kind %d name '%s' file %zu", rows[i].target, r.kind, r.name,
			        r.file);
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
		{ "GET", "/v1/sample", 405 },
		{ "POST", "/v1/sample/x", 404 },
		{ "POST", "/v1/sample?tail=1", 400 },
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
		{ "POST", "/v1/firewall", 405 },
		{ "GET", "/v1/firewall/apply", 405 },
		{ "HEAD", "/v1/firewall/remove", 405 },
		{ "GET", "/v1/firewall/probe", 405 },
		{ "POST", "/v1/firewall/other", 404 },
		{ "GET", "/v1/firewall/", 404 },
		{ "POST", "/v1/data", 405 },
		{ "GET", "/v1/data/verify", 405 },
		{ "POST", "/v1/data/", 404 },
		{ "POST", "/v1/data/../x", 404 },
		{ "POST", "/v1/data/aaaaaaaaaaaaaaaaa", 404 },
		{ "POST", "/v1/data/a/b", 404 },
		{ "POST", "/v1/generations", 405 },
		{ "GET", "/v1/generations/", 404 },
		{ "GET", "/v1/generations/..", 404 },
		{ "GET", "/v1/generations/../../etc", 404 },
		{ "GET", "/v1/generations/.tmp-0", 404 },
		{ "GET", "/v1/generations/" LONG64, 404 },
		{ "POST", "/v1/generations/g1", 405 },
		{ "GET", "/v1/generations/g1/", 404 },
		{ "GET", "/v1/generations/g1/files", 404 },
		{ "GET", "/v1/generations/g1/files/", 404 },
		{ "GET", "/v1/generations/g1/files/-1", 404 },
		{ "GET", "/v1/generations/g1/files/100000", 404 },
		{ "GET", "/v1/generations/g1/files/18446744073709551616", 404 },
		{ "GET", "/v1/generations/g1/files/1/", 404 },
		{ "GET", "/v1/generations/g1/files/1/map/", 404 },
		{ "GET", "/v1/generations/g1/files/1/map/x", 404 },
		{ "GET", "/v1/generations/g1/manifest.json", 404 },
		{ "POST", "/v1/generations/g1/files/1", 405 },
		{ "GET", "/v1/generations/g1?offset=1", 400 },
		{ "GET", "/v1/generations/g1/files/1?tail=1", 400 },
		{ "GET", "/v1/generations/g1/files/1?offset=", 400 },
		{ "GET", "/v1/generations/g1/files/1?offset=-1", 400 },
		{ "GET", "/v1/generations/g1/files/1?offset=9223372036854775808", 400 },
		{ "GET", "/v1/generations/g1/files/1?length=0", 400 },
		{ "GET", "/v1/generations/g1/files/1?length=4194305", 400 },
		{ "GET", "/v1/generations/g1/files/1?offset=1&offset=2", 400 },
		{ "GET", "/v1/generations/g1/files/1?offset=1&", 400 },
		{ "GET", "/v1/generations/g1/files/1/map?length=1", 400 },
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
		cmocka_unit_test(generations_and_operations),
		cmocka_unit_test(what_there_is_not),
	};

	return cmocka_run_group_tests_name("agent/route", tests, NULL, NULL);
}
