/* Every complaint word for word: an operator has nothing else to go by. */

#include "unit/stack/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What most rows need around the line they are about. */
#define SVC "services:\n  a:\n    image: i\n"
#define DEP SVC "    deploy:\n"

struct row {
	const char *name, *text, *message;
	const char *hint; /* NULL: not looked at */
};

/* A hint that is the line points at the column of the message, as far as it is shown. */
static void check_point(const char *name, const struct err *e)
{
	unsigned line, column, n;
	char prefix[16];

	assert_int_equal(sscanf(e->msg, "s.yml:%u:%u:", &line, &column), 2);
	n = (unsigned)snprintf(prefix, sizeof(prefix), "%u | ", line);
	if (strncmp(e->hint, prefix, n) != 0)
		n = column = 0;
	else if (n + column > strlen(e->hint))
		return;
	if (e->point != n + column)
		fail_msg("%s: points at %u, not at %u", name, e->point, n + column);
}

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		AUTO(stack_free) struct stack *st = NULL;
		struct err e = ERR_INIT;

		if (model_load(&st, rows[i].text, &e) == 0)
			fail_msg("%s: was taken", rows[i].name);
		if (strcmp(e.msg, rows[i].message) != 0)
			fail_msg("%s:\n got  %s\n want %s", rows[i].name, e.msg, rows[i].message);
		if (rows[i].hint && strcmp(e.hint, rows[i].hint) != 0)
			fail_msg(
			        "%s: hint\n got  %s\n want %s", rows[i].name, e.hint, rows[i].hint);
		check_point(rows[i].name, &e);
		assert_int_equal(e.kind, ERR_USAGE);
		assert_null(st);
	}
}

static void yaml(void **state)
{
	static const struct row rows[] = {
		{ "empty", "", "s.yml:1:1: the file is empty", "" },
		{ "comment only", "# nothing\n", "s.yml:1:1: the file is empty", "1 | # nothing" },
		{ "not a map", "- a\n",
		        "s.yml:1:1: a stack file is a mapping with 'services' and the "
		        "like",
		        "1 | - a" },
		{ "text", "hello\n",
		        "s.yml:1:1: a stack file is a mapping with 'services' and the like", NULL },
		{ "bad indent", "a:\n  - b\n c: d\n",
		        "s.yml:3:2: not valid YAML: did not find expected key while parsing a "
		        "block "
		        "mapping",
		        "3 |  c: d" },
		{ "tab", "services:\n\ta: b\n",
		        "s.yml:2:1: not valid YAML: found character that cannot start any token "
		        "while "
		        "scanning for the next token",
		        NULL },
		{ "latin-1", "services:\n  a: {image: caf\xe9}\n",
		        "s.yml:2:1: not valid YAML: invalid trailing UTF-8 octet", NULL },
		{ "control", "services: \x01\n",
		        "s.yml:1:1: not valid YAML: control characters are "
		        "not allowed",
		        NULL },
		{ "two documents", SVC "---\nx: y\n",
		        "s.yml:4:1: a second YAML document in one file", "4 | ---" },
		{ "tag", "services: !!set {a}\n",
		        "s.yml:1:11: tag 'tag:yaml.org,2002:set' is not supported", NULL },
		{ "scalar tag", SVC "    user: !!int 7\n",
		        "s.yml:4:11: tag 'tag:yaml.org,2002:int' is not supported",
		        "4 |     user: !!int 7" },
		{ "no anchor", SVC "    user: *who\n",
		        "s.yml:4:11: alias '*who' has no complete anchor '&who' above it", NULL },
		{ "itself", "services: &s\n  a: *s\n",
		        "s.yml:2:6: alias '*s' has no complete anchor '&s' above it", NULL },
		{ "key twice", SVC "    user: a\n    user: b\n",
		        "s.yml:5:5: key 'user' is there twice; first in line 4",
		        "5 |     user: b" },
		{ "service twice", SVC "  a:\n    image: j\n",
		        "s.yml:4:3: key 'a' is there twice; first in line 2", NULL },
		{ "list as key", "? [a]\n: b\n", "s.yml:1:3: a key must be plain text", NULL },
		{ "merge of text", "services:\n  a:\n    <<: b\n",
		        "s.yml:3:5: '<<' merges mappings, and this is none", NULL },
		{ "NUL", SVC "    user: \"a\\0b\"\n", "s.yml:4:11: a NUL byte in a text", NULL },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows));
}

static void keys(void **state)
{
	static const struct row rows[] = {
		{ "top", "servces:\n  a: {image: i}\n",
		        "s.yml:1:1: unknown key 'servces' at top level; did you mean 'services'?",
		        "1 | servces:" },
		{ "service", "services:\n  readers:\n    imagee: x\n",
		        "s.yml:3:5: unknown key 'imagee' in service 'readers'; did you mean "
		        "'image'?",
		        "3 |     imagee: x" },
		{ "one level too high", SVC "    replicas: 3\n",
		        "s.yml:4:5: key 'replicas' in service 'a' cannot be used: it belongs below "
		        "'deploy'",
		        "4 |     replicas: 3" },
		{ "letters of two bytes before it",
		        SVC "    labels: {\"\303\244\": a, \"\303\266\": [b]}\n",
		        "s.yml:4:27: labels of service 'a': must be one value, not a list",
		        "4 |     labels: {\"\303\244\": a, \"\303\266\": [b]}" },
		{ "nothing near", SVC "    quux: 1\n",
		        "s.yml:4:5: unknown key 'quux' in service 'a'", "4 |     quux: 1" },
		{ "deploy", DEP "      replica: 1\n",
		        "s.yml:5:7: unknown key 'replica' in deploy of service 'a'; did you mean "
		        "'replicas'?",
		        NULL },
		{ "deeper", DEP "      update_config:\n        paralelism: 1\n",
		        "s.yml:6:9: unknown key 'paralelism' in deploy.update_config of service "
		        "'a'; did "
		        "you mean 'parallelism'?",
		        NULL },
		{ "network", SVC "networks:\n  n:\n    drivr: overlay\n",
		        "s.yml:6:5: unknown key 'drivr' in network 'n'; did you mean 'driver'?",
		        NULL },
		{ "mount", SVC "    volumes:\n      - type: bind\n        src: /a\n",
		        "s.yml:6:9: unknown key 'src' in volumes of service 'a'", NULL },
		{ "control characters", SVC "    \"\\e[2Jx\": 1\n",
		        "s.yml:4:5: unknown key '?[2Jx' in service 'a'", NULL },
		{ "no image", "services:\n  a:\n    user: x\n",
		        "s.yml:2:3: service 'a' has no 'image'", "2 |   a:" },
		{ "empty image", "services:\n  a:\n    image: \"\"\n",
		        "s.yml:2:3: service 'a' has no 'image'", NULL },
		{ "no services", "version: \"3.8\"\n", "s.yml:1:1: no services in this file",
		        NULL },
		{ "empty services", "services: {}\n", "s.yml:1:1: no services in this file", NULL },
		{ "bad name", "services:\n  a.b: {image: i}\n",
		        "s.yml:2:3: 'a.b' is not a service's name: letters and digits, inside "
		        "also - _, at most 63",
		        NULL },
		{ "name ends badly", SVC "networks:\n  n-:\n",
		        "s.yml:5:3: 'n-' is not a network's name: letters and digits, inside "
		        "also - _ ., at most 63",
		        NULL },
		{ "service is null", "services:\n  a:\n",
		        "s.yml:2:5: service 'a': must be a mapping, not empty", NULL },
		{ "section is null", SVC "networks:\n",
		        "s.yml:4:10: networks: must be a mapping, not "
		        "empty",
		        NULL },
		{ "version 2", "version: \"2.4\"\n" SVC,
		        "s.yml:1:10: version: '2.4' is not a version of format 3; write \"3.8\"",
		        NULL },
		{ "version number", "version: 3.8\n" SVC,
		        "s.yml:1:10: version: must be text, not a fraction; write it in quotes",
		        NULL },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows));
}

#define IGNORED(key, more)                                                                    \
	{                                                                                     \
		key, SVC "    " key ": x\n",                                                  \
		        "s.yml:4:5: key '" key "' in service 'a' cannot be used: " more, NULL \
	}
#define DOCKER "Docker would ignore it"

static void refused_keys_say_why(void **state)
{
	static const struct row rows[] = {
		IGNORED("build", DOCKER "; build the image first and name it with 'image'"),
		IGNORED("container_name", DOCKER "; Swarm names a container after its task"),
		IGNORED("depends_on", DOCKER "; Swarm starts services in no order"),
		IGNORED("devices", DOCKER "; Swarm services cannot have it"),
		IGNORED("expose", DOCKER "; every port is open to services of the same network"),
		IGNORED("links", DOCKER "; services of one network find each other by name"),
		IGNORED("mem_limit", "use deploy.resources"),
		IGNORED("network_mode", DOCKER "; use 'networks', with an external network 'host'"),
		IGNORED("privileged", DOCKER "; Swarm services cannot have it; see cap_add"),
		IGNORED("profiles", "it is not part of format 3.8; give fewer files"),
		IGNORED("restart", DOCKER "; use deploy.restart_policy"),
		IGNORED("security_opt", DOCKER "; Swarm services cannot have it"),
		IGNORED("shm_size", DOCKER "; mount a tmpfs at /dev/shm under 'volumes'"),
		IGNORED("tmpfs", DOCKER "; use 'volumes' with 'type: tmpfs'"),
		IGNORED("isolation", "it is for Windows"),
		{ "name", "name: x\n" SVC,
		        "s.yml:1:1: key 'name' at top level cannot be used: Docker refuses it; the "
		        "stack's name is given on the command line",
		        "1 | name: x" },
		{ "address", SVC "    networks:\n      n: {ipv4_address: 10.0.0.1}\n",
		        "s.yml:5:11: key 'ipv4_address' in networks of service 'a' cannot be used: "
		        "Docker "
		        "would ignore it; Swarm chooses each task's address",
		        NULL },
		{ "consistency",
		        SVC "    volumes: [{type: volume, target: /a, consistency: cached}]\n",
		        "s.yml:4:42: key 'consistency' in volumes of service 'a' cannot be used: "
		        "it does "
		        "nothing on Linux",
		        NULL },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows));
}

static void types(void **state)
{
	static const struct row rows[] = {
		{ "text from number", SVC "    user: 1000\n",
		        "s.yml:4:11: user of service 'a': must be text, not a number; write it in "
		        "quotes",
		        "4 |     user: 1000" },
		{ "text from boolean", SVC "    hostname: true\n",
		        "s.yml:4:15: hostname of service 'a': must be text, not a boolean; write "
		        "it in "
		        "quotes",
		        NULL },
		{ "text from null", SVC "    hostname:\n",
		        "s.yml:4:14: hostname of service 'a': must be text, not empty", NULL },
		{ "text from list", SVC "    hostname: [a]\n",
		        "s.yml:4:15: hostname of service 'a': must be one value, not a list",
		        NULL },
		{ "number in quotes", DEP "      replicas: \"3\"\n",
		        "s.yml:5:17: deploy.replicas of service 'a': must be a whole number, not "
		        "text",
		        NULL },
		{ "fraction", DEP "      replicas: 1.5\n",
		        "s.yml:5:17: deploy.replicas of service 'a': must be a whole number, not a "
		        "fraction",
		        NULL },
		{ "negative", DEP "      replicas: -1\n",
		        "s.yml:5:17: deploy.replicas of service 'a': '-1' is not a whole number "
		        "from 0 to "
		        "2147483647",
		        NULL },
		{ "leading zero", DEP "      replicas: 010\n",
		        "s.yml:5:17: deploy.replicas of service 'a': '010' has a leading 0, which "
		        "is octal "
		        "for some and decimal for others",
		        NULL },
		{ "hexadecimal", DEP "      replicas: 0x10\n",
		        "s.yml:5:17: deploy.replicas of service 'a': '0x10' has a leading 0, which "
		        "is "
		        "octal for some and decimal for others",
		        NULL },
		{ "bad variable", DEP "      replicas: ${SET}\n",
		        "s.yml:5:17: deploy.replicas of service 'a': 'value' is not a whole number "
		        "from 0 "
		        "to 2147483647",
		        NULL },
		{ "boolean from text", SVC "    tty: yes\n",
		        "s.yml:4:10: tty of service 'a': must be true or false, not text", NULL },
		{ "boolean from variable", SVC "    tty: ${SET}\n",
		        "s.yml:4:10: tty of service 'a': 'value' is not true or false", NULL },
		{ "duration from number", SVC "    stop_grace_period: 90\n",
		        "s.yml:4:24: stop_grace_period of service 'a': must be a duration like "
		        "90s, 2m30s "
		        "or 1h, not a number",
		        NULL },
		{ "duration without unit", SVC "    stop_grace_period: \"90\"\n",
		        "s.yml:4:24: stop_grace_period of service 'a': '90' is not a duration like "
		        "90s, "
		        "2m30s or 1h (units h m s ms us ns)",
		        NULL },
		{ "duration in days", SVC "    stop_grace_period: 1d\n",
		        "s.yml:4:24: stop_grace_period of service 'a': '1d' is not a duration like "
		        "90s, "
		        "2m30s or 1h (units h m s ms us ns)",
		        NULL },
		{ "duration of nonsense", SVC "    stop_grace_period: soon\n",
		        "s.yml:4:24: stop_grace_period of service 'a': 'soon' is not a duration "
		        "like 90s, "
		        "2m30s or 500ms",
		        NULL },
		{ "size", DEP "      resources: {limits: {memory: lots}}\n",
		        "s.yml:5:36: deploy.resources.limits.memory of service 'a': 'lots' is not "
		        "a size "
		        "like 512M or 1.5G",
		        NULL },
		{ "size from number", DEP "      resources: {limits: {memory: 1024}}\n",
		        "s.yml:5:36: deploy.resources.limits.memory of service 'a': must be text "
		        "like 512M "
		        "or \"1073741824\", not a number",
		        NULL },
		{ "cpus from number", DEP "      resources: {limits: {cpus: 0.5}}\n",
		        "s.yml:5:34: deploy.resources.limits.cpus of service 'a': must be text "
		        "like "
		        "\"0.5\", not a fraction",
		        NULL },
		{ "ratio", DEP "      update_config: {max_failure_ratio: 2}\n",
		        "s.yml:5:42: deploy.update_config.max_failure_ratio of service 'a': '2' is "
		        "not a "
		        "number from 0 to 1",
		        NULL },
		{ "map", SVC "    deploy: [a]\n",
		        "s.yml:4:13: deploy of service 'a': must be a mapping, not a list", NULL },
		{ "list", SVC "    cap_add: CHOWN\n",
		        "s.yml:4:14: cap_add of service 'a': must be a list, not one value", NULL },
		{ "labels", SVC "    labels: x\n",
		        "s.yml:4:13: labels of service 'a': must be a mapping or a list, not one "
		        "value",
		        NULL },
		{ "label value", SVC "    labels: {x: true}\n",
		        "s.yml:4:17: labels of service 'a': must be text, not a boolean; write it "
		        "in "
		        "quotes",
		        NULL },
		{ "label twice", SVC "    labels: [x=1, y=2, x=3]\n",
		        "s.yml:4:24: labels of service 'a': 'x' is there twice; first in line 4",
		        NULL },
		{ "label without name", SVC "    labels: [=1]\n",
		        "s.yml:4:14: labels of service 'a': '' is not a name", NULL },
		{ "command of numbers", SVC "    command: [sleep, 10]\n",
		        "s.yml:4:22: command of service 'a': must be text, not a number; write it "
		        "in "
		        "quotes",
		        NULL },
		{ "open quote", SVC "    command: sh -c \"echo\n",
		        "s.yml:4:14: command of service 'a': a double quote is not closed", NULL },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows));
}

static void values(void **state)
{
	static const struct row rows[] = {
		{ "enum", DEP "      mode: replicate\n",
		        "s.yml:5:13: deploy.mode of service 'a': 'replicate' is none of: "
		        "replicated, "
		        "global, replicated-job, global-job",
		        NULL },
		{ "order", DEP "      update_config: {order: first}\n",
		        "s.yml:5:30: deploy.update_config.order of service 'a': 'first' is none "
		        "of: "
		        "stop-first, start-first",
		        NULL },
		{ "global with replicas", DEP "      mode: global\n      replicas: 2\n",
		        "s.yml:5:7: deploy of service 'a': a global service has no replicas, it "
		        "runs once "
		        "on each node",
		        NULL },
		{ "job with update", DEP "      mode: global-job\n      update_config: {}\n",
		        "s.yml:5:7: deploy of service 'a': a job cannot have an update_config or "
		        "rollback_config",
		        NULL },
		{ "constraint", DEP "      placement: {constraints: [node.role=manager]}\n",
		        "s.yml:5:33: deploy.placement.constraints of service 'a': "
		        "'node.role=manager' is "
		        "not a constraint like node.labels.disk==ssd or node.role!=manager",
		        NULL },
		{ "image", "services:\n  a:\n    image: a b\n",
		        "s.yml:3:12: image of service 'a': 'a b' is not the name of an image",
		        NULL },
		{ "signal", SVC "    stop_signal: SIGTREM\n",
		        "s.yml:4:18: stop_signal of service 'a': 'SIGTREM' is not a signal like "
		        "SIGTERM",
		        NULL },
		{ "working_dir", SVC "    working_dir: tmp\n",
		        "s.yml:4:18: working_dir of service 'a': 'tmp' is not an absolute path",
		        NULL },
		{ "capability", SVC "    cap_add: [CHOWN, SETUDI]\n",
		        "s.yml:4:22: cap_add of service 'a': 'SETUDI' is not a capability; did you "
		        "mean "
		        "'SETUID'?",
		        NULL },
		{ "dns", SVC "    dns: [1.2.3]\n",
		        "s.yml:4:11: dns of service 'a': '1.2.3' is not an IP address", NULL },
		{ "host", SVC "    extra_hosts: [\"a\"]\n",
		        "s.yml:4:19: extra_hosts of service 'a': 'a' is not NAME:ADDRESS", NULL },
		{ "test", SVC "    healthcheck: {test: [\"curl\", \"x\"]}\n",
		        "s.yml:4:25: healthcheck.test of service 'a': must be [\"CMD\", PROGRAM, "
		        "ARGUMENT...], [\"CMD-SHELL\", COMMAND] or [\"NONE\"]",
		        NULL },
		{ "disable", SVC "    healthcheck: {test: x, disable: true}\n",
		        "s.yml:4:18: healthcheck of service 'a': has both 'test' and 'disable: "
		        "true'",
		        NULL },
		{ "short interval", SVC "    healthcheck: {interval: 10us}\n",
		        "s.yml:4:29: healthcheck.interval of service 'a': the engine takes no less "
		        "than "
		        "1ms",
		        NULL },
		{ "start_interval", SVC "    healthcheck: {start_interval: 1s}\n",
		        "s.yml:4:19: key 'start_interval' in healthcheck of service 'a' cannot be "
		        "used: it "
		        "needs engine API 1.44 and is not part of format 3.8",
		        NULL },
		{ "ulimit", SVC "    ulimits: {nofiles: 1}\n",
		        "s.yml:4:15: ulimits of service 'a': 'nofiles' is not a limit; did you "
		        "mean "
		        "'nofile'?",
		        NULL },
		{ "half a ulimit", SVC "    ulimits: {nofile: {soft: 1}}\n",
		        "s.yml:4:23: ulimits of service 'a': 'nofile' needs both 'soft' and 'hard'",
		        NULL },
		{ "ulimit upside down", SVC "    ulimits: {nofile: {soft: 2, hard: 1}}\n",
		        "s.yml:4:23: ulimits of service 'a': 'nofile' is softer than its hard "
		        "limit",
		        NULL },
		{ "decimal mode", SVC "    configs: [{source: c, mode: 440}]\n",
		        "s.yml:4:33: configs.mode of service 'a': '440' is not an octal mode like "
		        "0440",
		        NULL },
		{ "mode too large", SVC "    configs: [{source: c, mode: 01777}]\n",
		        "s.yml:4:33: configs.mode of service 'a': '01777' is more than 0777",
		        NULL },
		{ "target twice", SVC "    configs: [c, {source: d, target: c}]\n",
		        "s.yml:4:18: configs of service 'a': 'c' is the target twice; first in "
		        "line 4",
		        NULL },
		{ "network twice", SVC "    networks: [n, n]\n",
		        "s.yml:4:19: networks of service 'a': 'n' is there twice", NULL },
		{ "subnet", SVC "networks:\n  n: {ipam: {config: [{subnet: 10}]}}\n",
		        "s.yml:5:32: ipam.config.subnet of network 'n': must be text, not a "
		        "number; write "
		        "it in quotes",
		        NULL },
		{ "external and more", SVC "networks:\n  n: {external: true, driver: overlay}\n",
		        "s.yml:5:6: network 'n' is external: it can have a 'name' and nothing else",
		        NULL },
		{ "generate what is not external",
		        SVC "secrets:\n  n: {file: /dev/null, x-nodeswarm: {generate: 32}}\n",
		        "s.yml:5:48: secret 'n': only an external secret can be generated", NULL },
		{ "generate a config",
		        SVC "configs:\n  n: {external: true, x-nodeswarm: {generate: 32}}\n",
		        "s.yml:5:47: config 'n': only an external secret can be generated", NULL },
		{ "generate too little",
		        SVC "secrets:\n  n: {external: true, x-nodeswarm: {generate: 8}}\n",
		        "s.yml:5:47: x-nodeswarm.generate of secret 'n': '8' is not a whole number "
		        "from 16 to 1024",
		        NULL },
		{ "another key of ours",
		        SVC "secrets:\n  n: {external: true, x-nodeswarm: {make: 32}}\n",
		        "s.yml:5:37: unknown key 'make' in x-nodeswarm of secret 'n'", NULL },
		{ "two names", SVC "networks:\n  n: {external: {name: x}, name: y}\n",
		        "s.yml:5:6: network 'n' has 'name' and 'external.name'; keep 'name'",
		        NULL },
		{ "no file", SVC "configs:\n  c: {labels: [a=b]}\n",
		        "s.yml:5:6: config 'c' needs a 'file' or 'external: true'", NULL },
		{ "template", SVC "configs:\n  c:\n    template_driver: golang\n",
		        "s.yml:6:5: key 'template_driver' in config 'c' cannot be used: nodeswarm "
		        "gives the bytes of 'file' to the engine as they are",
		        NULL },
		{ "missing file", SVC "configs:\n  c:\n    file: /no/such/file\n",
		        "s.yml:6:11: file of config 'c': there is no file '/no/such/file'",
		        "6 |     file: /no/such/file" },
		{ "not a file", SVC "secrets:\n  c:\n    file: /dev\n",
		        "s.yml:6:11: file of secret 'c': '/dev' is not a regular file", NULL },
		{ "missing env_file", SVC "    env_file: /no/such/file\n",
		        "s.yml:4:15: env_file of service 'a': there is no file '/no/such/file'",
		        NULL },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows));
}

static void mounts_and_ports(void **state)
{
#define VOL(x)  SVC "    volumes: [" x "]\n"
#define PORT(x) SVC "    ports: [" x "]\n"
	static const struct row rows[] = {
		{ "empty part", VOL("\"/a::ro\""),
		        "s.yml:4:15: volumes of service 'a': '/a::ro' has an empty part", NULL },
		{ "too many parts", VOL("\"/a:/b:ro:z\""),
		        "s.yml:4:15: volumes of service 'a': '/a:/b:ro:z' has more than "
		        "SOURCE:TARGET:OPTIONS",
		        NULL },
		{ "option", VOL("\"/a:/b:z\""),
		        "s.yml:4:15: volumes of service 'a': option 'z' is none of ro, rw, "
		        "rprivate, "
		        "private, rshared, shared, rslave, slave",
		        NULL },
		{ "volume option", VOL("\"a:/b:rslave\""),
		        "s.yml:4:15: volumes of service 'a': option 'rslave' is none of ro, rw, "
		        "nocopy",
		        NULL },
		{ "relative target", VOL("\"/a:b\""),
		        "s.yml:4:15: volumes of service 'a': the target 'b' is not an absolute "
		        "path",
		        NULL },
		{ "no type", VOL("{target: /a}"),
		        "s.yml:4:15: volumes of service 'a': needs a 'type': bind, volume or tmpfs",
		        NULL },
		{ "type", VOL("{type: npipe, target: /a}"),
		        "s.yml:4:22: volumes.type of service 'a': 'npipe' is none of: bind, "
		        "volume, tmpfs",
		        NULL },
		{ "no source", VOL("{type: bind, target: /a}"),
		        "s.yml:4:15: volumes of service 'a': a bind mount needs a 'source'", NULL },
		{ "tmpfs source", VOL("{type: tmpfs, source: x, target: /a}"),
		        "s.yml:4:15: volumes of service 'a': a tmpfs has no 'source'", NULL },
		{ "other's options", VOL("{type: tmpfs, target: /a, bind: {propagation: slave}}"),
		        "s.yml:4:15: volumes of service 'a': has options of another type of mount",
		        NULL },
		{ "mounted twice", VOL("\"/a:/x\", \"/b:/x\""),
		        "s.yml:4:24: volumes of service 'a': '/x' is mounted twice; first in line "
		        "4",
		        NULL },
		{ "another's home", VOL("\"~you/a:/x\""),
		        "s.yml:4:15: volumes of service 'a': '~you/a': cannot tell whose home '~' "
		        "is",
		        NULL },
		{ "port 0", PORT("0"),
		        "s.yml:4:13: ports of service 'a': '0' is not a whole number from 1 to "
		        "65535",
		        NULL },
		{ "port too large", PORT("\"8080:65536\""),
		        "s.yml:4:13: ports of service 'a': '65536' is not a whole number from 1 to "
		        "65535",
		        NULL },
		{ "address", PORT("\"127.0.0.1:80:80\""),
		        "s.yml:4:13: ports of service 'a': '127.0.0.1:80:80' has an address, and "
		        "Swarm "
		        "publishes on all",
		        NULL },
		{ "protocol", PORT("\"80/icmp\""),
		        "s.yml:4:13: ports of service 'a': 'icmp' is none of: tcp, udp, sctp",
		        NULL },
		{ "ranges", PORT("\"80-82:90-91\""),
		        "s.yml:4:13: ports of service 'a': the ranges of '80-82:90-91' differ in "
		        "length",
		        NULL },
		{ "downwards", PORT("\"82-80\""),
		        "s.yml:4:13: ports of service 'a': the range 82-80 goes down", NULL },
		{ "too many", PORT("\"1-2000\""),
		        "s.yml:4:13: ports of service 'a': more than 1000 ports", NULL },
		{ "no target", PORT("{published: 80}"),
		        "s.yml:4:13: ports of service 'a': needs a 'target', the port in the "
		        "container",
		        NULL },
		{ "quoted", PORT("{target: 80, published: \"80\"}"),
		        "s.yml:4:37: ports.published of service 'a': must be a whole number, not "
		        "text",
		        NULL },
		{ "ingress and dnsrr", SVC "    ports: [80]\n    deploy: {endpoint_mode: dnsrr}\n",
		        "s.yml:4:13: service 'a' publishes a port in ingress mode, which needs "
		        "endpoint_mode vip; use 'mode: host'",
		        "4 |     ports: [80]" },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows));
}

static void references(void **state)
{
	static const struct row rows[] = {
		{ "network", SVC "    networks: [chian]\nnetworks:\n  chain:\n",
		        "s.yml:4:16: service 'a' uses network 'chian', which is not defined; did "
		        "you mean "
		        "'chain'?",
		        "4 |     networks: [chian]" },
		{ "network in a map", SVC "    networks:\n      other:\n",
		        "s.yml:5:7: service 'a' uses network 'other', which is not defined", NULL },
		{ "config", SVC "    configs: [cfg]\n",
		        "s.yml:4:15: service 'a' uses config 'cfg', which is not defined", NULL },
		{ "secret", SVC "    secrets: [key]\nsecrets:\n  keys: {external: true}\n",
		        "s.yml:4:15: service 'a' uses secret 'key', which is not defined; did you "
		        "mean "
		        "'keys'?",
		        NULL },
		{ "volume", SVC "    volumes: [\"data:/data\"]\n",
		        "s.yml:4:15: service 'a' uses volume 'data', which is not defined", NULL },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows));
}

static void own_keys(void **state)
{
	static const struct row rows[] = {
		{ "of a file", "x-nodeswarm: {fornt: ingress}\n" SVC,
		        "s.yml:1:15: unknown key 'fornt' in x-nodeswarm; did you mean 'front'?",
		        "1 | x-nodeswarm: {fornt: ingress}" },
		{ "of a service", SVC "    x-nodeswarm: {from: ingress}\n",
		        "s.yml:4:19: unknown key 'from' in x-nodeswarm of service 'a'; did you "
		        "mean 'front'?",
		        NULL },
		{ "value", SVC "    x-nodeswarm: {front: ingres}\n",
		        "s.yml:4:26: x-nodeswarm.front of service 'a': 'ingres' is none of: host, "
		        "ingress",
		        NULL },
		{ "empty", "x-nodeswarm: {front: \"\"}\n" SVC,
		        "s.yml:1:22: x-nodeswarm.front: is empty; write host or ingress", NULL },
		{ "no map", "x-nodeswarm: ingress\n" SVC,
		        "s.yml:1:14: x-nodeswarm: must be a mapping, not one value", NULL },
		{ "no front", "x-nodeswarm: {front: ingress}\n" SVC,
		        "s.yml:1:22: there is no service 'front' for this to be about; write it "
		        "below a service",
		        NULL },
		{ "an allowed rule without a reason",
		        SVC "    x-nodeswarm:\n      allow:\n        b: why\n        a:\n",
		        "s.yml:7:9: x-nodeswarm.allow of service 'a': 'a' is allowed without a "
		        "reason; write RULE: \"why\"",
		        "7 |         a:" },
		{ "an empty reason", "x-nodeswarm: {allow: {a: \"\"}}\n" SVC,
		        "s.yml:1:23: x-nodeswarm.allow: 'a' is allowed without a reason; write "
		        "RULE: \"why\"",
		        NULL },
		{ "a list of rules", "x-nodeswarm: {allow: [a]}\n" SVC,
		        "s.yml:1:22: x-nodeswarm.allow: must be a mapping, not a list", NULL },
		{ "no port", SVC "    x-nodeswarm: {front: ingress}\n",
		        "s.yml:4:26: service 'a' publishes no port, so it cannot be a front",
		        NULL },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows));
}

static void variables(void **state)
{
	static const struct row rows[] = {
		{ "lone dollar", SVC "    user: a$ b\n",
		        "s.yml:4:11: user of service 'a': a lone '$'; a plain dollar is $$",
		        "4 |     user: a$ b" },
		{ "open", SVC "    user: ${SET\n",
		        "s.yml:4:11: user of service 'a': '${SET' is not a variable like ${NAME}, "
		        "${NAME:-default} or ${NAME:?message}; a plain dollar is $$",
		        NULL },
		{ "open default", SVC "    user: ${SET:-x\n",
		        "s.yml:4:11: user of service 'a': '${SET' has no closing brace", NULL },
		{ "bad name", SVC "    user: ${1A}\n",
		        "s.yml:4:11: user of service 'a': '${1A' is not a variable like ${NAME}, "
		        "${NAME:-default} or ${NAME:?message}; a plain dollar is $$",
		        NULL },
		{ "required", SVC "    user: ${UNSET:?set it to your name}\n",
		        "s.yml:4:11: user of service 'a': variable 'UNSET' is not set: set it to "
		        "your "
		        "name",
		        NULL },
		{ "required and empty", SVC "    user: ${EMPTY:?not empty}\n",
		        "s.yml:4:11: user of service 'a': variable 'EMPTY' is empty: not empty",
		        NULL },
		{ "nested", SVC "    user: ${UNSET:-${SET}}\n",
		        "s.yml:4:11: user of service 'a': a variable inside the default of 'UNSET'",
		        NULL },
		{ "not UTF-8", SVC "    user: ${LATIN1}\n",
		        "s.yml:4:11: user of service 'a': a variable's value is not UTF-8", NULL },
		{ "injection", SVC "    labels: ${INJECT}\n",
		        "s.yml:4:13: labels of service 'a': must be a mapping or a list, not one "
		        "value",
		        NULL },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows));
}

/* Of a line that is cut its beginning is shown, and what lies behind is not pointed at. */
static void long_lines(void **state)
{
	AUTO(stack_free) struct stack *st = NULL;
	struct err e = ERR_INIT;
	char text[1024];

	(void)state;
	snprintf(text, sizeof(text), SVC "    labels: {%0500d: a, b: [c]}\n", 0);
	assert_int_equal(model_load(&st, text, &e), -1);
	assert_non_null(strstr(e.msg, "s.yml:4:522: labels of service 'a': must be one value"));
	assert_true(strlen(e.hint) < 180);
	assert_int_equal(e.point, 0);
}

static void long_paths_keep_the_message(void **state)
{
	AUTO(stack_free) struct stack *st = NULL;
	struct err e = ERR_INIT;
	char file[2001];

	(void)state;
	memset(file, 'd', sizeof(file) - 1);
	memcpy(file + sizeof(file) - 7, "/s.yml", 7);
	assert_int_equal(stack_load_text(&st, file, "x", 1, NULL, &e), -1);
	assert_non_null(strstr(e.msg, "/s.yml:1:1: a stack file is a mapping"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(yaml),
		cmocka_unit_test(keys),
		cmocka_unit_test(refused_keys_say_why),
		cmocka_unit_test(types),
		cmocka_unit_test(values),
		cmocka_unit_test(mounts_and_ports),
		cmocka_unit_test(references),
		cmocka_unit_test(own_keys),
		cmocka_unit_test(variables),
		cmocka_unit_test(long_lines),
		cmocka_unit_test(long_paths_keep_the_message),
	};

	return cmocka_run_group_tests_name("stack/errors", tests, NULL, NULL);
}
