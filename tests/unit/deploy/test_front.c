/* When a front is refused, and when its list of servers is nearly full. */

#include "unit/test.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "deploy/front.h"

/* --- the limit --------------------------------------------------------------------------- */

static json_t *service(const char *name, json_t *mode, const char *env, int desired)
{
	json_t *j = json_pack("{s:s, s:{s:i}, s:{s:s, s:o, s:{s:{s:[s,s]}}}, s:{s:i, s:i}}", "ID",
	        name, "Version", "Index", 1, "Spec", "Name", name, "Mode", mode, "TaskTemplate",
	        "ContainerSpec", "Env", "A=b", env, "ServiceStatus", "RunningTasks", 0,
	        "DesiredTasks", desired);

	if (!j)
		fail_msg("json_pack");
	return j;
}

static json_t *replicated(int n)
{
	return json_pack("{s:{s:i}}", "Replicated", "Replicas", n);
}

static json_t *global(void)
{
	return json_pack("{s:{}}", "Global");
}

static void the_limit(void **state)
{
	static const struct {
		const char *name, *front_env, *readers;
		int replicas;     /* -1: a global service of 256 nodes */
		const char *part; /* of the warning; NULL: none */
	} rows[] = {
		{ "few", "NODESWARM_FRONT_SERVICE=readers", "s_readers", 4, NULL },
		{ "below 80 %", "NODESWARM_FRONT_SERVICE=readers", "s_readers", 203, NULL },
		{ "80 %", "NODESWARM_FRONT_SERVICE=readers", "s_readers", 204,
		        "warning: 'readers' has 204 slots, which is near the 256" },
		{ "full", "NODESWARM_FRONT_SERVICE=readers", "s_readers", 256,
		        "warning: 'readers' has 256 slots" },
		{ "one too many", "NODESWARM_FRONT_SERVICE=readers", "s_readers", 257,
		        "WARNING: 'readers' has 257 slots, and the front 's_front' can use 256: 1 "
		        "of them" },
		{ "many too many", "NODESWARM_FRONT_SERVICE=readers", "s_readers", 2000,
		        "1744 of them get no request" },
		{ "no front", "B=c", "s_readers", 300, NULL },
		{ "another's readers", "NODESWARM_FRONT_SERVICE=readers", "other_readers", 300,
		        NULL },
		{ "a longer name", "NODESWARM_FRONT_SERVICE=readers", "s_readers2", 300, NULL },
		{ "a front of another service", "NODESWARM_FRONT_SERVICE=archive", "s_readers", 300,
		        NULL },
		{ "global", "NODESWARM_FRONT_SERVICE=readers", "s_readers", -1, "near" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(json) json_t *list = json_array();
		char text[FRONT_TEXT_MAX] = "";
		int n = rows[i].replicas, rc;

		(void)json_array_append_new(
		        list, service("s_front", global(), rows[i].front_env, 3));
		(void)json_array_append_new(list,
		        service(rows[i].readers, n < 0 ? global() : replicated(n), "C=d",
		                n < 0 ? 256 : n));
		rc = front_limit(text, list, "s");
		if (rc != (rows[i].part != NULL) || (rows[i].part && !strstr(text, rows[i].part)))
			fail_msg("%s: %d '%s'", rows[i].name, rc, text);
	}
}

/* --- ingress ----------------------------------------------------------------------------- */

static void ingress(void **state)
{
	static const struct {
		const char *name, *hosts;
		enum err_kind kind;
		const char *part;
	} rows[] = {
		{ "one that has it", "[{'name':'a','state':'ready','facts':{'has_ipvs':true}}]",
		        ERR_NONE, "" },
		{ "one that has not", "[{'name':'a','state':'ready','facts':{'has_ipvs':false}}]",
		        ERR_UNHEALTHY, "the kernel of host 'a' has no IPVS" },
		{ "no list of nodes: the engine's host alone",
		        "[{'name':'a','state':null,'facts':{'has_ipvs':false}}]", ERR_UNHEALTHY,
		        "'a'" },
		{ "unknown", "[{'name':'a','state':'ready','facts':{'has_ipvs':null}}]",
		        ERR_UNAVAILABLE, "whether the kernel of host 'a' has IPVS is not known" },
		{ "no facts", "[{'name':'a','state':'ready','facts':null}]", ERR_UNAVAILABLE,
		        "'a'" },
		{ "one of three",
		        "[{'name':'a','state':'ready','facts':{'has_ipvs':true}},"
		        "{'name':'b','state':'ready','facts':null},"
		        "{'name':'c','state':'ready','facts':{'has_ipvs':false}}]",
		        ERR_UNHEALTHY, "'c'" },
		{ "a host that is down is not asked",
		        "[{'name':'a','state':'ready','facts':{'has_ipvs':true}},"
		        "{'name':'b','state':'down','facts':null}]",
		        ERR_NONE, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		AUTO(free) char *text = strdup(rows[i].hosts);
		AUTO(json) json_t *hosts = NULL;
		int rc;

		for (char *p = text; *p; p++)
			if (*p == '\'')
				*p = '"';
		hosts = json_loads(text, 0, NULL);
		if (!hosts)
			fail_msg("%s: not JSON", rows[i].name);
		rc = front_judge_ingress(hosts, "front", &e);
		if (e.kind != rows[i].kind || (rc == 0) != (rows[i].kind == ERR_NONE) ||
		        !strstr(e.msg, rows[i].part))
			fail_msg("%s: %d '%s'", rows[i].name, rc, e.msg);
		if (rc < 0)
			assert_non_null(strstr(e.hint, "x-nodeswarm.front"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_limit),
		cmocka_unit_test(ingress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
