/* One service: the keys of the compose format 3.8, and why the others are not for Swarm. */

#include <arpa/inet.h>
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"
#include "stack/front_priv.h"
#include "stack/service_priv.h"

/* What is read, and what is only needed while reading. */
struct draft {
	struct stack_service svc;
	struct stack_kvs env_file, environment;
	struct own own;
};

/* --- single values ---------------------------------------------------------------------------- */

static int read_image(struct reader *r, const struct node *n, void *dst)
{
	const char **ret = dst;

	if (read_text(r, n, ret) < 0)
		return -1;
	if (*ret && strpbrk(*ret, " \t\r\n"))
		return fail_value(r, n, "'%.100s' is not the name of an image", *ret);
	return 0;
}

static int read_working_dir(struct reader *r, const struct node *n, void *dst)
{
	const char **ret = dst;

	if (read_text(r, n, ret) < 0)
		return -1;
	if (*ret && **ret != '/')
		return fail_value(r, n, "'%.100s' is not an absolute path", *ret);
	return 0;
}

static int read_stop_signal(struct reader *r, const struct node *n, void *dst)
{
	const char **ret = dst, *name;
	uint64_t number;

	if (read_text(r, n, ret) < 0)
		return -1;
	if (!*ret)
		return 0;
	if (isdigit((unsigned char)**ret))
		return num_uint(&number, *ret, 1, 64, r->e) < 0 ? fail_because(r, n) : 0;
	name = *ret;
	str_starts(name, "SIG", &name);
	for (int sig = 1; sig < 32; sig++)
		if (str_eq(sigabbrev_np(sig), name))
			return 0;
	return fail_value(r, n, "'%.60s' is not a signal like SIGTERM", *ret);
}

static bool is_address(const char *s)
{
	unsigned char raw[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, s, raw) == 1 || inet_pton(AF_INET6, s, raw) == 1;
}

static int read_dns(struct reader *r, const struct node *n, void *dst)
{
	struct stack_strs *ret = dst;

	if (read_text_or_list(r, n, ret) < 0)
		return -1;
	for (size_t i = 0; i < ret->n; i++)
		if (!is_address(ret->v[i]))
			return fail_value(r, n->kind == NODE_LIST ? n->items[i] : n,
			        "'%.60s' is not an IP address", ret->v[i]);
	return 0;
}

static int check_host(struct reader *r, const struct node *n, const char *s)
{
	const char *colon = strchr(s, ':');

	if (!colon || colon == s || !is_address(colon + 1))
		return fail_value(r, n, "'%.100s' is not NAME:ADDRESS", s);
	return 0;
}

static int read_extra_hosts(struct reader *r, const struct node *n, void *dst)
{
	struct stack_strs *ret = dst;
	struct stack_kvs kvs;
	const char **v;

	if (n->kind != NODE_MAP) {
		if (read_texts(r, n, ret) < 0)
			return -1;
		for (size_t i = 0; i < ret->n; i++)
			if (check_host(r, n->items[i], ret->v[i]) < 0)
				return -1;
		return 0;
	}
	if (read_kvs(r, n, false, &kvs) < 0)
		return -1;
	v = arena_alloc(r->arena, kvs.n, sizeof(*v));
	if (!v)
		return fail_nomem(r);
	for (size_t i = 0; i < kvs.n; i++) {
		v[i] = arena_fmt(
		        r->arena, "%s:%s", kvs.v[i].key, kvs.v[i].value ? kvs.v[i].value : "");
		if (!v[i])
			return fail_nomem(r);
		if (check_host(r, n, v[i]) < 0)
			return -1;
	}
	*ret = (struct stack_strs){ v, kvs.n, true };
	return 0;
}

/* capabilities(7) of Linux 6.1; the engine refuses a name it does not know when a task starts. */
static const char *const capabilities[] = {
	"ALL",
	"AUDIT_CONTROL",
	"AUDIT_READ",
	"AUDIT_WRITE",
	"BLOCK_SUSPEND",
	"BPF",
	"CHECKPOINT_RESTORE",
	"CHOWN",
	"DAC_OVERRIDE",
	"DAC_READ_SEARCH",
	"FOWNER",
	"FSETID",
	"IPC_LOCK",
	"IPC_OWNER",
	"KILL",
	"LEASE",
	"LINUX_IMMUTABLE",
	"MAC_ADMIN",
	"MAC_OVERRIDE",
	"MKNOD",
	"NET_ADMIN",
	"NET_BIND_SERVICE",
	"NET_BROADCAST",
	"NET_RAW",
	"PERFMON",
	"SETFCAP",
	"SETGID",
	"SETPCAP",
	"SETUID",
	"SYSLOG",
	"SYS_ADMIN",
	"SYS_BOOT",
	"SYS_CHROOT",
	"SYS_MODULE",
	"SYS_NICE",
	"SYS_PACCT",
	"SYS_PTRACE",
	"SYS_RAWIO",
	"SYS_RESOURCE",
	"SYS_TIME",
	"SYS_TTY_CONFIG",
	"WAKE_ALARM",
};

static int check_capability(struct reader *r, const struct node *n, const char *text)
{
	struct suggest s;
	char up[64];

	(void)snprintf(up, sizeof(up), "%s", text);
	for (char *p = up; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	text = up;
	str_starts(text, "CAP_", &text);
	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++)
		if (strcmp(capabilities[i], text) == 0)
			return 0;
	suggest_start(&s, text);
	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++)
		suggest_offer(&s, capabilities[i]);
	return fail_value(r, n, "'%.60s' is not a capability%s", up, suggest_text(&s));
}

static int read_caps(struct reader *r, const struct node *n, void *dst)
{
	struct stack_strs *ret = dst;

	if (want_items(r, n) < 0 || read_texts(r, n, ret) < 0)
		return -1;
	for (size_t i = 0; i < ret->n; i++)
		if (check_capability(r, n->items[i], ret->v[i]) < 0)
			return -1;
	return 0;
}

/* --- healthcheck, logging --------------------------------------------------------------------- */

static int read_test(struct reader *r, const struct node *n, void *dst)
{
	struct stack_strs *ret = dst;
	const char **v;

	if (n->kind == NODE_SCALAR) {
		v = arena_alloc(r->arena, 2, sizeof(*v));
		if (!v)
			return fail_nomem(r);
		v[0] = "CMD-SHELL";
		if (read_text(r, n, &v[1]) < 0)
			return -1;
		if (!v[1])
			return fail_value(r, n, "an empty command");
		*ret = (struct stack_strs){ v, 2, true };
		return 0;
	}
	if (read_texts(r, n, ret) < 0)
		return -1;
	/* The engine takes anything here and then, for another word, never probes. */
	if (ret->n == 1 && strcmp(ret->v[0], "NONE") == 0)
		return 0;
	if (ret->n >= 2 && strcmp(ret->v[0], "CMD") == 0)
		return 0;
	if (ret->n == 2 && strcmp(ret->v[0], "CMD-SHELL") == 0)
		return 0;
	return fail_value(r, n,
	        "must be [\"CMD\", PROGRAM, ARGUMENT...], [\"CMD-SHELL\", COMMAND] or [\"NONE\"]");
}

static int read_health_duration(struct reader *r, const struct node *n, void *dst)
{
	struct stack_int *ret = dst;

	if (read_duration(r, n, ret) < 0)
		return -1;
	if (ret->v && ret->v < NS_PER_MS)
		return fail_value(r, n, "the engine takes no less than 1ms");
	return 0;
}

static int read_healthcheck(struct reader *r, const struct node *n, void *dst)
{
	static const struct field fields[] = {
		FIELD(struct stack_healthcheck, test, read_test),
		FIELD(struct stack_healthcheck, interval, read_health_duration),
		FIELD(struct stack_healthcheck, timeout, read_health_duration),
		FIELD(struct stack_healthcheck, start_period, read_health_duration),
		FIELD(struct stack_healthcheck, retries, read_count),
		FIELD(struct stack_healthcheck, disable, read_bool),
		REFUSED("start_interval", "it needs engine API 1.44 and is not part of format 3.8"),
		FIELDS_END,
	};
	struct stack_healthcheck *h = dst;

	h->set = true;
	h->at = pos_of(n);
	if (read_submap(r, n, fields, h) < 0)
		return -1;
	if (h->disable && h->test.set)
		return fail_value(r, n, "has both 'test' and 'disable: true'");
	return 0;
}

static int read_logging(struct reader *r, const struct node *n, void *dst)
{
	static const struct field fields[] = {
		FIELD(struct stack_logging, driver, read_text),
		FIELD(struct stack_logging, options, read_options),
		FIELDS_END,
	};
	struct stack_logging *l = dst;

	l->set = true;
	l->at = pos_of(n);
	return read_submap(r, n, fields, l);
}

/* --- ulimits ---------------------------------------------------------------------------------- */

static int read_limit(struct reader *r, const struct node *n, void *dst)
{
	struct stack_int *ret = dst;

	if (read_int(r, n, -1, INT64_MAX, &ret->v) < 0)
		return -1;
	ret->set = true;
	return 0;
}

static int read_ulimit(struct reader *r, const struct pair *p, struct stack_ulimit *u)
{
	static const char *const names[] = { "core", "cpu", "data", "fsize", "locks", "memlock",
		"msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending",
		"stack" };
	static const struct field fields[] = {
		{ "soft", read_limit, 0, NULL },
		{ "hard", read_limit, sizeof(struct stack_int), NULL },
		FIELDS_END,
	};
	struct stack_int limit[2] = { { 0 } };
	struct suggest s;
	bool known = false;

	u->at = pos_of(p->key);
	u->name = p->key->text;
	suggest_start(&s, u->name);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		known = known || strcmp(names[i], u->name) == 0;
		suggest_offer(&s, names[i]);
	}
	if (!known)
		return fail_value(r, p->key, "'%.60s' is not a limit%s", u->name, suggest_text(&s));
	if (p->value->kind != NODE_MAP) {
		if (read_limit(r, p->value, &limit[0]) < 0)
			return -1;
		limit[1] = limit[0];
	} else if (read_submap(r, p->value, fields, limit) < 0) {
		return -1;
	}
	if (!limit[0].set || !limit[1].set)
		return fail_value(r, p->value, "'%s' needs both 'soft' and 'hard'", u->name);
	u->soft = limit[0].v;
	u->hard = limit[1].v;
	if (u->hard != -1 && (u->soft == -1 || u->soft > u->hard))
		return fail_value(r, p->value, "'%s' is softer than its hard limit", u->name);
	return 0;
}

static int read_ulimits(struct reader *r, const struct node *n, void *dst)
{
	struct stack_service *svc = dst;
	struct stack_ulimit *v;

	if (want_map(r, n) < 0)
		return -1;
	v = arena_alloc(r->arena, n->n, sizeof(*v));
	if (!v)
		return fail_nomem(r);
	for (size_t i = 0; i < n->n; i++)
		if (read_ulimit(r, &n->pairs[i], &v[i]) < 0)
			return -1;
	svc->ulimits = v;
	svc->n_ulimits = n->n;
	return 0;
}

/* --- networks, configs, secrets --------------------------------------------------------------- */

static int network_options(
        struct reader *r, const struct node *n, struct stack_service_network *net)
{
	static const struct field fields[] = {
		FIELD(struct stack_service_network, aliases, read_texts),
		REFUSED("ipv4_address", REFUSED_IGNORED "; Swarm chooses each task's address"),
		REFUSED("ipv6_address", REFUSED_IGNORED "; Swarm chooses each task's address"),
		FIELDS_END,
	};

	if (n->kind == NODE_SCALAR && n->plain && !*n->text)
		return 0;
	return read_submap(r, n, fields, net);
}

static int read_networks(struct reader *r, const struct node *n, void *dst)
{
	struct stack_service *svc = dst;
	struct stack_service_network *v;

	if (n->kind == NODE_SCALAR)
		return fail_value(r, n, "must be a list or a mapping");
	if (n->n > STACK_ITEMS_MAX)
		return fail_value(r, n, "more than %d entries", STACK_ITEMS_MAX);
	v = arena_alloc(r->arena, n->n, sizeof(*v));
	if (!v)
		return fail_nomem(r);
	for (size_t i = 0; i < n->n; i++) {
		const struct node *at = n->kind == NODE_LIST ? n->items[i] : n->pairs[i].key;

		v[i].at = pos_of(at);
		v[i].name = at->text;
		if (n->kind == NODE_LIST && read_text(r, at, &v[i].name) < 0)
			return -1;
		if (!v[i].name || !*v[i].name)
			return fail_value(r, at, "an empty name");
		for (size_t j = 0; j < i; j++)
			if (strcmp(v[i].name, v[j].name) == 0)
				return fail_value(r, at, "'%.60s' is there twice", v[i].name);
		if (n->kind == NODE_MAP && network_options(r, n->pairs[i].value, &v[i]) < 0)
			return -1;
	}
	svc->networks = v;
	svc->n_networks = n->n;
	return 0;
}

static int read_mode(struct reader *r, const struct node *n, void *dst)
{
	unsigned *ret = dst;
	const char *s, *octal;
	size_t digits;

	if (read_short(r, n, &s) < 0)
		return -1;
	/* Without a leading 0 Docker takes it as decimal: 440 would be rw-rwx---. */
	if (!str_starts(s, "0o", &octal) && !str_starts(s, "0", &octal))
		octal = "";
	digits = strspn(octal, "01234567");
	if (!digits || octal[digits] || digits > 4)
		return fail_value(r, n, "'%.60s' is not an octal mode like 0440", s);
	*ret = (unsigned)strtoul(octal, NULL, 8);
	return *ret <= 0777 ? 0 : fail_value(r, n, "'%.60s' is more than 0777", s);
}

static int read_file_ref(struct reader *r, const struct node *n, struct stack_file_ref *ref)
{
	static const struct field fields[] = {
		FIELD(struct stack_file_ref, source, read_text),
		FIELD(struct stack_file_ref, target, read_text),
		FIELD(struct stack_file_ref, uid, read_text),
		FIELD(struct stack_file_ref, gid, read_text),
		FIELD(struct stack_file_ref, mode, read_mode),
		FIELDS_END,
	};

	*ref = (struct stack_file_ref){ .at = pos_of(n), .mode = 0444 };
	if ((n->kind == NODE_MAP ? read_submap(r, n, fields, ref) : read_text(r, n, &ref->source)) <
	        0)
		return -1;
	if (!ref->source)
		return fail_value(r, n, "needs a 'source'");
	if (!ref->target)
		ref->target = ref->source;
	if (!ref->uid)
		ref->uid = "0";
	if (!ref->gid)
		ref->gid = "0";
	return 0;
}

static int read_file_refs(
        struct reader *r, const struct node *n, const struct stack_file_ref **ret, size_t *ret_n)
{
	struct stack_file_ref *v;

	if (want_items(r, n) < 0)
		return -1;
	v = arena_alloc(r->arena, n->n, sizeof(*v));
	if (!v)
		return fail_nomem(r);
	for (size_t i = 0; i < n->n; i++) {
		if (read_file_ref(r, n->items[i], &v[i]) < 0)
			return -1;
		for (size_t j = 0; j < i; j++)
			if (strcmp(v[i].target, v[j].target) == 0)
				return fail_value(r, n->items[i],
				        "'%.100s' is the target twice; first in line %u",
				        v[i].target, v[j].at.line);
	}
	*ret = v;
	*ret_n = n->n;
	return 0;
}

static int read_configs(struct reader *r, const struct node *n, void *dst)
{
	struct stack_service *svc = dst;

	return read_file_refs(r, n, &svc->configs, &svc->n_configs);
}

static int read_secrets(struct reader *r, const struct node *n, void *dst)
{
	struct stack_service *svc = dst;

	return read_file_refs(r, n, &svc->secrets, &svc->n_secrets);
}

/* --- the service ------------------------------------------------------------------------------ */

#define BY_RESOURCES "use deploy.resources"
#define NOT_IN_38    "it is not part of format 3.8"
#define NOT_IN_SWARM REFUSED_IGNORED "; Swarm services cannot have it"
#define BELOW_DEPLOY "it belongs below 'deploy'"
#define ONLY_WINDOWS "it is for Windows"
#define FIND_BY_NAME REFUSED_IGNORED "; services of one network find each other by name"
#define SVC(m, fn)   FIELD(struct stack_service, m, fn)
#define WHOLE(k, fn)                              \
	{                                         \
		.key = (k), .read = (fn), .at = 0 \
	}

static const struct field service_fields[] = {
	SVC(image, read_image),
	SVC(command, read_command),
	SVC(entrypoint, read_command),
	FIELD(struct draft, environment, read_env_kvs),
	FIELD(struct draft, env_file, read_env_file),
	SVC(hostname, read_text),
	SVC(user, read_text),
	SVC(working_dir, read_working_dir),
	SVC(labels, read_labels),
	WHOLE("networks", read_networks),
	WHOLE("volumes", read_mounts),
	WHOLE("ports", read_ports),
	WHOLE("configs", read_configs),
	WHOLE("secrets", read_secrets),
	SVC(healthcheck, read_healthcheck),
	SVC(stop_grace_period, read_duration),
	SVC(stop_signal, read_stop_signal),
	SVC(logging, read_logging),
	SVC(cap_add, read_caps),
	SVC(cap_drop, read_caps),
	WHOLE("ulimits", read_ulimits),
	SVC(init, read_opt_bool),
	SVC(read_only, read_bool),
	SVC(tty, read_bool),
	SVC(stdin_open, read_bool),
	SVC(sysctls, read_labels),
	SVC(dns, read_dns),
	SVC(dns_search, read_text_or_list),
	SVC(extra_hosts, read_extra_hosts),
	SVC(deploy, read_deploy),
	{ "x-nodeswarm", read_service_own, offsetof(struct draft, own), NULL },
	REFUSED("build", REFUSED_IGNORED "; build the image first and name it with 'image'"),
	REFUSED("cgroup_parent", NOT_IN_SWARM),
	REFUSED("cgroupns_mode", NOT_IN_SWARM),
	REFUSED("container_name", REFUSED_IGNORED "; Swarm names a container after its task"),
	REFUSED("cpu_quota", BY_RESOURCES),
	REFUSED("cpu_shares", BY_RESOURCES),
	REFUSED("cpus", BY_RESOURCES),
	REFUSED("cpuset", BY_RESOURCES),
	REFUSED("credential_spec", ONLY_WINDOWS),
	REFUSED("depends_on", REFUSED_IGNORED "; Swarm starts services in no order"),
	REFUSED("devices", NOT_IN_SWARM),
	REFUSED("domainname", NOT_IN_SWARM),
	REFUSED("expose", REFUSED_IGNORED "; every port is open to services of the same network"),
	REFUSED("extends", "Docker refuses it; use a YAML anchor"),
	REFUSED("external_links", FIND_BY_NAME),
	REFUSED("gpus", NOT_IN_38),
	REFUSED("group_add", NOT_IN_38),
	REFUSED("ipc", NOT_IN_SWARM),
	REFUSED("isolation", ONLY_WINDOWS),
	REFUSED("links", FIND_BY_NAME),
	REFUSED("mac_address", NOT_IN_SWARM),
	REFUSED("mem_limit", BY_RESOURCES),
	REFUSED("mem_reservation", BY_RESOURCES),
	REFUSED("memswap_limit", BY_RESOURCES),
	REFUSED("network_mode",
	        REFUSED_IGNORED "; use 'networks', with an external network 'host'"),
	REFUSED("oom_score_adj", NOT_IN_38),
	REFUSED("pid", NOT_IN_SWARM),
	REFUSED("pids_limit", BY_RESOURCES),
	REFUSED("platform", NOT_IN_38 "; use deploy.placement"),
	REFUSED("privileged", NOT_IN_SWARM "; see cap_add"),
	REFUSED("profiles", NOT_IN_38 "; give fewer files"),
	REFUSED("pull_policy", NOT_IN_38),
	REFUSED("restart", REFUSED_IGNORED "; use deploy.restart_policy"),
	REFUSED("runtime", NOT_IN_38),
	REFUSED("scale", NOT_IN_38 "; use deploy.replicas"),
	REFUSED("security_opt", NOT_IN_SWARM),
	REFUSED("shm_size", REFUSED_IGNORED "; mount a tmpfs at /dev/shm under 'volumes'"),
	REFUSED("tmpfs", REFUSED_IGNORED "; use 'volumes' with 'type: tmpfs'"),
	REFUSED("userns_mode", NOT_IN_SWARM),
	REFUSED("volume_driver", "Docker refuses it; set 'driver' of the volume"),
	REFUSED("volumes_from", "Docker refuses it; name the volume in each service"),
	/* Keys that are written one level too high. */
	REFUSED("constraints", "it belongs below 'deploy.placement'"),
	REFUSED("endpoint_mode", BELOW_DEPLOY),
	REFUSED("placement", BELOW_DEPLOY),
	REFUSED("replicas", BELOW_DEPLOY),
	REFUSED("resources", BELOW_DEPLOY),
	REFUSED("restart_policy", BELOW_DEPLOY),
	REFUSED("rollback_config", BELOW_DEPLOY),
	REFUSED("update_config", BELOW_DEPLOY),
	FIELDS_END,
};

static int check_service(struct reader *r, const struct node *key, const struct stack_service *svc)
{
	if (!svc->image)
		return fail_at(r, key, "%s has no 'image'", r->item);
	for (size_t i = 0; i < svc->n_ports; i++) {
		struct node at = *key;

		at.line = svc->ports[i].at.line;
		at.column = svc->ports[i].at.column;
		if (svc->deploy.endpoint_mode == STACK_ENDPOINT_DNSRR &&
		        svc->ports[i].mode != STACK_PORT_HOST)
			return fail_at(r, &at,
			        "%s publishes a port in ingress mode, which needs endpoint_mode "
			        "vip; "
			        "use 'mode: host'",
			        r->item);
	}
	return 0;
}

/* Where the value of a key of the service stands, or the service. */
static struct stack_pos value_at(const struct pair *p, const char *key)
{
	for (size_t i = 0; i < p->value->n; i++)
		if (strcmp(p->value->pairs[i].key->text, key) == 0)
			return pos_of(p->value->pairs[i].value);
	return pos_of(p->key);
}

int read_service(struct reader *r, const struct pair *p, struct stack_service *svc)
{
	struct draft d = { .svc = { .at = pos_of(p->key), .name = p->key->text } };

	if (read_map(r, p->value, service_fields, &d) < 0)
		return -1;
	d.svc.image_at = value_at(p, "image");
	d.svc.grace_at = value_at(p, "stop_grace_period");
	d.svc.command_at = value_at(p, d.svc.command.set ? "command" : "entrypoint");
	d.svc.front = d.own.front;
	d.svc.allow = d.own.allow;
	if (unite_environment(r, &d.env_file, &d.environment, &d.svc.environment) < 0)
		return -1;
	if (check_service(r, p->key, &d.svc) < 0)
		return -1;
	*svc = d.svc;
	return 0;
}
