#include "unit/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/fs.h"
#include "base/str.h"
#include "deploy/doctor.h"

/*
 * A healthy swarm of three hosts, two of which have an agent's facts, and what each single change
 * of it makes the rules say.
 */

#define FILE_NAME "tests/data/deploy/doctor-facts.json"

static json_t *healthy;

static int setup(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(64 * 1024);
	struct err e = ERR_INIT;

	(void)state;
	if (fs_read_at(AT_FDCWD, FILE_NAME, &b, &e) == 0)
		healthy = json_parse_object(b.data, b.len, FILE_NAME, &e);
	if (!healthy)
		print_error("%s\n", e.msg);
	return healthy ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	json_decref(healthy);
	return 0;
}

/* Set what is at "nodes/0/Status/State" to a JSON value; "-" removes it. */
static void patch(json_t *doc, const char *path, const char *value)
{
	AUTO(free) char *copy = strdup(path);
	char *save = NULL, *key = strtok_r(copy, "/", &save), *next;
	json_t *v = json_loads(value, JSON_DECODE_ANY, NULL);

	for (; (next = strtok_r(NULL, "/", &save)); key = next)
		doc = json_is_array(doc) ? json_array_get(doc, strtoul(key, NULL, 10))
		                         : json_object_get(doc, key);
	if (!doc)
		fail_msg("no '%s' in the facts", path);
	if (strcmp(value, "-") == 0)
		assert_int_equal(json_is_array(doc) ? json_array_remove(doc, strtoul(key, NULL, 10))
		                                    : json_object_del(doc, key),
		        0);
	else if (!v)
		fail_msg("%s: '%s' is no JSON", path, value);
	else if (json_is_array(doc))
		assert_int_equal(json_array_set_new(doc, strtoul(key, NULL, 10), v), 0);
	else
		assert_int_equal(json_object_set_new(doc, key, v), 0);
}

/* The worst line of a check, for a host if given. */
static const struct doctor_line *worst(
        const struct doctor_report *r, const char *check, const char *host)
{
	const struct doctor_line *found = NULL;

	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->v[i].check, check) == 0 &&
		        (!host || strcmp(r->v[i].host, host) == 0) &&
		        (!found || r->v[i].level > found->level))
			found = &r->v[i];
	return found;
}

static void a_healthy_swarm(void **state)
{
	AUTO(doctor_report) struct doctor_report r = DOCTOR_REPORT_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(doctor_judge(&r, healthy, &e), 0);
	for (size_t i = 0; i < r.n; i++)
		if (r.v[i].level != DOCTOR_OK)
			fail_msg("%s (%s): %s", r.v[i].check, r.v[i].host, r.v[i].found);
	assert_int_equal(r.count[DOCTOR_OK], r.n);
	assert_true(r.n > 15);
}

static const struct row {
	const char *path, *value;
	const char *check, *host; /* host "": the swarm as a whole; NULL: any */
	enum doctor_level level;
	const char *word; /* in what was found */
} rows[] = {
	{ "engine/error", "{\"kind\":\"unavailable\",\"message\":\"no socket\",\"hint\":\"start\"}",
	        "engine", "", DOCTOR_PROBLEM, "no socket" },
	{ "engine/info/LiveRestoreEnabled", "true", "live-restore", "", DOCTOR_PROBLEM,
	        "not start again" },
	{ "engine/info/Swarm/LocalNodeState", "\"inactive\"", "swarm", "", DOCTOR_PROBLEM,
	        "no swarm" },
	{ "engine/info/Swarm/LocalNodeState", "\"locked\"", "swarm", "", DOCTOR_PROBLEM, "locked" },
	{ "engine/info/Swarm/LocalNodeState", "\"pending\"", "swarm", "", DOCTOR_PROBLEM,
	        "waits for the managers" },
	{ "engine/info/Swarm/LocalNodeState", "\"error\"", "swarm", "", DOCTOR_PROBLEM, "error" },
	{ "engine/info/Swarm/ControlAvailable", "false", "swarm", "", DOCTOR_WARNING, "worker" },
	{ "nodes/2/ManagerStatus/Reachability", "\"unreachable\"", "quorum", "", DOCTOR_PROBLEM,
	        "2 of 3 managers are reachable; not: n3" },
	{ "nodes/2", "-", "quorum", "", DOCTOR_WARNING, "2 managers: both" },
	{ "nodes/2/Spec/Role", "\"worker\"", "quorum", "", DOCTOR_WARNING, "2 managers" },
	{ "nodes",
	        "[{\"ID\":\"id1\",\"Spec\":{\"Role\":\"manager\"},\"Status\":{\"State\":\"ready\"},"
	        "\"ManagerStatus\":{\"Reachability\":\"reachable\"}}]",
	        "quorum", "", DOCTOR_WARNING, "1 manager" },
	{ "nodes",
	        "[{\"ID\":\"id1\",\"Spec\":{\"Role\":\"manager\"},\"Status\":{\"State\":\"ready\"},"
	        "\"ManagerStatus\":{\"Reachability\":\"reachable\"}},"
	        "{\"ID\":\"id2\",\"Spec\":{\"Role\":\"manager\"},"
	        "\"ManagerStatus\":{\"Reachability\":\"unreachable\"}},"
	        "{\"ID\":\"id3\",\"Spec\":{\"Role\":\"manager\"},"
	        "\"ManagerStatus\":{\"Reachability\":\"unreachable\"}}]",
	        "quorum", "", DOCTOR_PROBLEM, "1 of 3 managers are reachable, 2 are needed" },
	/* What 'docker swarm init --force-new-cluster' leaves of two that were lost. */
	{ "nodes",
	        "[{\"ID\":\"id1\",\"Spec\":{\"Role\":\"manager\"},\"Status\":{\"State\":\"ready\"},"
	        "\"ManagerStatus\":{\"Reachability\":\"reachable\"}},"
	        "{\"ID\":\"id2\",\"Spec\":{\"Role\":\"manager\"},\"Status\":{\"State\":\"down\"},"
	        "\"Description\":{\"Hostname\":\"n2\"}}]",
	        "quorum", "", DOCTOR_PROBLEM, "begun anew without: n2" },
	/* One that has just been promoted; the other two are what is judged. */
	{ "nodes/2/ManagerStatus", "-", "quorum", "", DOCTOR_WARNING,
	        "2 managers: both are needed" },
	{ "nodes_error", "{\"message\":\"no leader\"}", "quorum", "", DOCTOR_PROBLEM, "no leader" },
	{ "nodes/1/Status/State", "\"down\"", "hosts", "n2", DOCTOR_PROBLEM, "down" },
	{ "nodes/1/Spec/Availability", "\"drain\"", "hosts", "n2", DOCTOR_WARNING, "drain" },
	{ "nodes/1/Spec/Availability", "\"pause\"", "hosts", "n2", DOCTOR_WARNING, "pause" },
	{ "nodes/1/Description/Hostname", "\"n1\"", "hosts", "n1", DOCTOR_WARNING, "two hosts" },
	{ "nodes/1/Description/Engine/EngineVersion", "\"24.0.1\"", "engine-versions", "",
	        DOCTOR_WARNING, "n2 has 24.0.1" },
	{ "agents/has_service", "false", "agents", "", DOCTOR_WARNING, "only this host" },
	{ "hosts/1/source", "null", "agents", "n2", DOCTOR_PROBLEM, "did not answer" },
	{ "images/nodeswarm~front:latest", "null", "images", "", DOCTOR_WARNING, "front:latest" },
	{ "hosts/1/facts/programs/1/sha256", "\"cc\"", "image-content", "", DOCTOR_PROBLEM,
	        "n2 has cc" },
	{ "hosts/1/facts/is_complete", "false", "image-content", "n2", DOCTOR_NOTE, "again" },
	{ "services/0/Spec/TaskTemplate/LogDriver/Options/max-size", "-", "logs", "",
	        DOCTOR_WARNING, "nodeswarm_readers" },
	{ "services/0/Spec/TaskTemplate/LogDriver", "-", "logs", "", DOCTOR_WARNING,
	        "nodeswarm_readers" },
	{ "engine/info/LoggingDriver", "\"syslog\"", "logs", "", DOCTOR_NOTE, "syslog" },
	{ "engine/info/MemoryLimit", "false", "cgroups", "", DOCTOR_WARNING, "memory" },
	{ "engine/info/Warnings", "[\"WARNING: No swap limit support\"]", "cgroups", "",
	        DOCTOR_NOTE, "No swap limit support" },
	{ "networks/3/IPAM/Config/0/Subnet", "\"192.168.5.0/24\"", "subnets", "n2", DOCTOR_PROBLEM,
	        "192.168.5.2" },
	{ "networks/3/IPAM/Config/0/Subnet", "\"172.17.5.0/24\"", "subnets", "", DOCTOR_PROBLEM,
	        "bridge" },
	{ "swarm/DefaultAddrPool/0", "\"192.0.0.0/8\"", "subnets", "n1", DOCTOR_WARNING,
	        "pool 192.0.0.0/8" },
	{ "hosts/1/facts/swarm_address", "\"10.9.9.9\"", "address", "n2", DOCTOR_WARNING,
	        "10.9.9.9" },
	{ "hosts/0/facts/ports/4/program", "\"nginx\"", "ports", "n1", DOCTOR_PROBLEM, "nginx" },
	{ "services/2/Spec/EndpointSpec/Ports", "[]", "ports", "n1", DOCTOR_WARNING, "8888/tcp" },
	{ "hosts/0/facts/ports/1/program", "\"flanneld\"", "ports", "n1", DOCTOR_PROBLEM,
	        "4789/udp" },
	{ "hosts/0/facts/has_ipvs", "false", "ipvs", "n1", DOCTOR_NOTE, "dnsrr" },
	{ "hosts/0/facts/has_vxlan", "false", "vxlan", "n1", DOCTOR_PROBLEM, "no VXLAN" },
	{ "hosts/0/facts/has_vxlan", "null", "vxlan", "n1", DOCTOR_NOTE, "cannot be seen" },
	{ "hosts/1/facts/pool/exists", "false", "pool", "n2", DOCTOR_PROBLEM, "no directory" },
	{ "hosts/1/facts/pool/is_unmounted", "true", "pool", "n2", DOCTOR_PROBLEM, "not mounted" },
	{ "hosts/1/facts/pool/is_pool", "false", "pool", "n2", DOCTOR_PROBLEM, "no pool" },
	{ "hosts/1/facts/pool/is_read_only", "true", "pool", "n2", DOCTOR_PROBLEM, "read-only" },
	{ "hosts/1/facts/pool/is_mount_expected", "true", "pool", "n2", DOCTOR_PROBLEM,
	        "prepared as a mount" },
	{ "hosts/1/facts/pool/id", "\"11111111-aaaa\"", "pool-ids", "", DOCTOR_PROBLEM,
	        "n1 and n2 have the same pool" },
	{ "hosts/0/facts/pool/used_percent", "81.5", "pool-space", "n1", DOCTOR_WARNING, "81.5 %" },
	{ "hosts/0/facts/pool/used_percent", "88.0", "pool-space", "n1", DOCTOR_PROBLEM, "88 %" },
	{ "hosts/0/facts/pool/method_now", "\"copy\"", "pool-clones", "n1", DOCTOR_WARNING,
	        "cannot: clones are whole copies" },
	{ "hosts/0/facts/pool/image",
	        "{\"path\":\"/p.img\",\"size_bytes\":107374182400,\"allocated_bytes\":10737418240,"
	        "\"disk_free_bytes\":64424509440}",
	        "pool-image", "n1", DOCTOR_WARNING, "grow by 90.0 GiB and its disk has 60.0 GiB" },
	{ "hosts/0/facts/pool/image",
	        "{\"path\":\"/p.img\",\"size_bytes\":107374182400,\"allocated_bytes\":10737418240,"
	        "\"disk_free_bytes\":1000}",
	        "pool-image", "n1", DOCTOR_PROBLEM, "I/O errors" },
	{ "hosts/0/facts/pool/quarantine",
	        "{\"entries\":3,\"allocated_bytes\":250000000000,\"is_complete\":false}",
	        "pool-quarantine", "n1", DOCTOR_WARNING,
	        "3 entries in the quarantine take more than 232.8 GiB, 25 % of the pool" },
	{ "hosts/0/facts/pool/quarantine",
	        "{\"entries\":1,\"allocated_bytes\":1000,\"is_complete\":true}", "pool-quarantine",
	        "n1", DOCTOR_OK, "1 entries" },
	{ "hosts/0/facts/pool/healing",
	        "[{\"name\":\"s_readers.3\",\"stage\":\"gave-up\",\"verdict\":\"damaged\","
	        "\"repair\":\"replay\",\"tries\":3,\"proof\":\"nothing is "
	        "left\",\"is_served\":true}]",
	        "healing", "n1", DOCTOR_PROBLEM,
	        "s_readers.3 was damaged and is given up after 3 tries: nothing is left" },
	{ "hosts/0/facts/pool/healing",
	        "[{\"name\":\"s_readers.3\",\"stage\":\"gave-up\",\"verdict\":\"damaged\","
	        "\"tries\":1,\"is_served\":false}]",
	        "healing", "n1", DOCTOR_NOTE, "given up after 1 try" },
	{ "hosts/0/facts/pool/healing",
	        "[{\"name\":\"s_readers.3\",\"stage\":\"probation\",\"verdict\":\"dirty\","
	        "\"repair\":\"replay\",\"tries\":1,\"is_served\":true}]",
	        "healing", "n1", DOCTOR_NOTE, "is mended: it was dirty; replay, probation" },
	{ "hosts/0/facts/pool/healing", "[]", "healing", "n1", DOCTOR_OK, "no slot" },
	{ "hosts/0/facts/pool/free_inodes", "40000", "pool-space", "n1", DOCTOR_WARNING, "inodes" },
	{ "hosts/0/facts/pool/free_inodes", "4", "pool-space", "n1", DOCTOR_PROBLEM, "inodes" },
	{ "hosts/1/facts/firewall/is_saved", "false", "firewall", "n2", DOCTOR_PROBLEM,
	        "no firewall, and n1 has one" },
	{ "hosts/1/facts/firewall/n_differs", "3", "firewall", "n2", DOCTOR_PROBLEM,
	        "3 differences" },
	{ "hosts/1/facts/firewall/error", "{\"message\":\"no program\",\"hint\":\"install it\"}",
	        "firewall", "n2", DOCTOR_WARNING, "no program" },
	{ "hosts/1/facts/firewall/digest", "\"11\"", "firewall", "n2", DOCTOR_PROBLEM,
	        "another firewall was applied than on n1" },
	{ "hosts/0/facts/firewall/saved_ns", "1", "firewall", "n2", DOCTOR_OK, "as applied, nft" },
	{ "hosts/0/facts/firewall/model/added_nodes", "[]", "firewall", "n1", DOCTOR_PROBLEM,
	        "not let in as nodes: n3" },
	{ "hosts/0/facts/firewall/model", "null", "firewall", "n1", DOCTOR_PROBLEM, "n1, n2, n3" },
	{ "hosts/0/facts/system_disk/used_percent", "90", "system-disk", "n1", DOCTOR_WARNING,
	        "90.0 %" },
	{ "hosts/0/facts/system_disk/used_percent", "96", "system-disk", "n1", DOCTOR_PROBLEM,
	        "96.0 %" },
	{ "hosts/0/facts/is_ntp_synchronised", "false", "clock", "n1", DOCTOR_WARNING, "NTP" },
	{ "hosts/0/facts/time_unix_ns", "1700000000700000000", "clock", "n1", DOCTOR_WARNING,
	        "before ours" },
	{ "hosts/0/facts/time_unix_ns", "1699999990000000000", "clock", "n1", DOCTOR_PROBLEM,
	        "behind ours" },
	/* A round trip of 20 s: the difference may be none. */
	{ "hosts/0/answered_unix_ns", "1700000020000000000", "clock", "n1", DOCTOR_OK, "" },
	{ "hosts/0/facts/sysctls/vm.max_map_count", "1000", "limits", "n1", DOCTOR_WARNING,
	        "vm.max_map_count is 1000" },
	{ "hosts/0/facts/sysctls/vm.overcommit_memory", "2", "limits", "n1", DOCTOR_WARNING,
	        "overcommit" },
	{ "hosts/0/facts/sysctls/net.ipv4.ip_forward", "0", "limits", "n1", DOCTOR_PROBLEM,
	        "ip_forward" },
	{ "hosts/0/facts/sysctls/net.core.somaxconn", "128", "limits", "n1", DOCTOR_WARNING,
	        "somaxconn" },
	{ "hosts/0/facts/open_files_soft", "1024", "limits", "n1", DOCTOR_WARNING, "open files" },
	{ "hosts/0/facts/sysctls/net.netfilter.nf_conntrack_count", "200000", "limits", "n1",
	        DOCTOR_WARNING, "tracked" },
	{ "hosts/0/facts/sysctls/net.netfilter.nf_conntrack_count", "262000", "limits", "n1",
	        DOCTOR_PROBLEM, "tracked" },
	/* What is no matter. */
	{ "engine/info/CgroupVersion", "\"1\"", "cgroups", "", DOCTOR_OK, "version 1" },
	{ "hosts/0/facts/has_ipvs", "null", "ipvs", "n2", DOCTOR_OK, "" },
	{ "hosts/1/facts/pool/method_now", "\"copy\"", "pool-clones", "n2", DOCTOR_NOTE,
	        "whole copies on ext4" },
	{ "hosts/1/facts/pool",
	        "{\"exists\":true,\"is_pool\":true,\"method\":\"copy\",\"method_now\":\"copy\","
	        "\"file_system\":"
	        "\"xfs\"}",
	        "pool-clones", "n2", DOCTOR_WARNING, "without reflink" },
	{ "hosts/0/facts/pool/image",
	        "{\"path\":\"/p.img\",\"size_bytes\":1000,\"allocated_bytes\":1024,"
	        "\"disk_free_bytes\":0}",
	        "pool-image", "n1", DOCTOR_OK, "reserved" },
	{ "hosts/0/facts/pool/image",
	        "{\"path\":\"/p.img\",\"size_bytes\":1000,\"allocated_bytes\":0,"
	        "\"disk_free_bytes\":5000}",
	        "pool-image", "n1", DOCTOR_OK, "can grow" },
	{ "hosts/0/facts/pool/is_own_mount", "null", "pool", "n1", DOCTOR_OK, "" },
	{ "hosts/0/facts/pool/total_inodes", "0", "pool-space", "n1", DOCTOR_OK, "" },
	{ "hosts/0/facts/pool/used_percent", "79.9", "pool-space", "n1", DOCTOR_OK, "" },
	{ "services/3/Spec/TaskTemplate/LogDriver", "{\"Name\":\"json-file\"}", "logs", "",
	        DOCTOR_OK, "limited" },
};

static void each_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(doctor_report) struct doctor_report r = DOCTOR_REPORT_INIT;
		AUTO(json) json_t *facts = json_deep_copy(healthy);
		const struct row *row = &rows[i];
		const struct doctor_line *l;
		struct err e = ERR_INIT;

		/* Names of images have slashes of their own. */
		if (strncmp(row->path, "images/", 7) == 0)
			assert_int_equal(json_object_set_new(json_object_get(facts, "images"),
			                         "nodeswarm/front:latest", json_null()),
			        0);
		else
			patch(facts, row->path, row->value);
		assert_int_equal(doctor_judge(&r, facts, &e), 0);
		l = worst(&r, row->check, row->host);
		if (!l)
			fail_msg("%s = %s: no line of '%s'", row->path, row->value, row->check);
		if (l->level != row->level || !strstr(l->found, row->word))
			fail_msg("%s = %s: %s %s: %s", row->path, row->value,
			        doctor_level_name(l->level), l->check, l->found);
		if (l->level >= DOCTOR_WARNING && !*l->advice)
			fail_msg("%s = %s: no advice", row->path, row->value);
		/* Nothing else is upset by it. */
		for (size_t k = 0; k < r.n; k++)
			if (r.v[k].level == DOCTOR_PROBLEM && row->level < DOCTOR_PROBLEM)
				fail_msg("%s = %s: %s: %s", row->path, row->value, r.v[k].check,
				        r.v[k].found);
	}
}

static void ingress_without_ipvs(void **state)
{
	AUTO(doctor_report) struct doctor_report r = DOCTOR_REPORT_INIT;
	AUTO(json) json_t *facts = json_deep_copy(healthy);
	struct err e = ERR_INIT;

	(void)state;
	patch(facts, "hosts/0/facts/has_ipvs", "false");
	patch(facts, "services/2/Spec/EndpointSpec/Ports/0/PublishMode", "\"ingress\"");
	assert_int_equal(doctor_judge(&r, facts, &e), 0);
	assert_int_equal(worst(&r, "ipvs", "n1")->level, DOCTOR_PROBLEM);
	assert_non_null(strstr(worst(&r, "ipvs", "n1")->found, "nodeswarm_front"));
	assert_int_equal(worst(&r, "ipvs", "n2")->level, DOCTOR_OK);
}

/* Of a name that stands for a virtual address; nobody may use it, so it is no problem yet. */
static void names_without_ipvs(void **state)
{
	AUTO(doctor_report) struct doctor_report r = DOCTOR_REPORT_INIT;
	AUTO(json) json_t *facts = json_deep_copy(healthy);
	struct err e = ERR_INIT;

	(void)state;
	patch(facts, "hosts/0/facts/has_ipvs", "false");
	patch(facts, "services/1/Endpoint", "{\"VirtualIPs\": [{\"Addr\": \"10.0.1.2/24\"}]}");
	assert_int_equal(doctor_judge(&r, facts, &e), 0);
	assert_int_equal(worst(&r, "ipvs", "n1")->level, DOCTOR_WARNING);
	assert_non_null(strstr(worst(&r, "ipvs", "n1")->found, "virtual address"));
	assert_int_equal(worst(&r, "ipvs", "n2")->level, DOCTOR_OK);
}

static void a_host_without_a_generation(void **state)
{
	static const struct {
		const char *a, *b;
		const char *host, *word; /* NULL: no line */
	} cases[] = {
		{ "\"\"", "\"\"", NULL, NULL },
		{ "\"g000009-0000000070\"", "\"\"", "n2", "n1 has g000009-0000000070" },
		{ "\"\"", "\"g000001-0000000007\"", "n1", "n2 has g000001-0000000007" },
		{ "\"g000009-0000000070\"", "\"g000001-0000000007\"", NULL, NULL },
		{ "\"g000009-0000000070\"", "null", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(doctor_report) struct doctor_report r = DOCTOR_REPORT_INIT;
		AUTO(json) json_t *facts = json_deep_copy(healthy);
		const struct doctor_line *l;
		struct err e = ERR_INIT;

		patch(facts, "hosts/0/facts/pool/generation", cases[i].a);
		patch(facts, "hosts/1/facts/pool/generation", cases[i].b);
		assert_int_equal(doctor_judge(&r, facts, &e), 0);
		l = worst(&r, "pool-generations", NULL);
		if (!l != !cases[i].host)
			fail_msg("case %zu: %s", i, l ? l->found : "no line");
		if (!l)
			continue;
		assert_string_equal(l->host, cases[i].host);
		assert_int_equal(l->level, DOCTOR_NOTE);
		assert_non_null(strstr(l->found, cases[i].word));
		assert_non_null(strstr(l->advice, "nodeswarm data pull current --from n"));
	}
}

/* Nothing known: no rule may crash, or call it healthy. */
static void nothing_known(void **state)
{
	static const char *const texts[] = {
		"{}",
		"{\"engine\":null,\"hosts\":null,\"nodes\":null}",
		"{\"engine\":{\"error\":{\"message\":\"x\"},\"info\":null},\"hosts\":[{\"facts\":"
		"null}]}",
		"{\"hosts\":[{\"name\":\"a\",\"facts\":{}},{\"name\":\"b\",\"facts\":{\"ports\":[1]"
		","
		"\"programs\":[null],\"pool\":7}}],\"nodes\":[null,1],\"services\":[{}],"
		"\"networks\":[[]],\"images\":[]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO(doctor_report) struct doctor_report r = DOCTOR_REPORT_INIT;
		struct err e = ERR_INIT;
		AUTO(json)
		json_t *facts = json_parse_object(texts[i], strlen(texts[i]), "facts", &e);

		assert_non_null(facts);
		assert_int_equal(doctor_judge(&r, facts, &e), 0);
		assert_null(worst(&r, "swarm", NULL));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_healthy_swarm),
		cmocka_unit_test(each_rule),
		cmocka_unit_test(ingress_without_ipvs),
		cmocka_unit_test(names_without_ipvs),
		cmocka_unit_test(a_host_without_a_generation),
		cmocka_unit_test(nothing_known),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
