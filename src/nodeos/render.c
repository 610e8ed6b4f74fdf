/*
 * The template is read into a list of entries, checked as a whole, completed, and written:
 * first the plugins, one a line, then the template's own entries in their order, then what was
 * added.  Values that are nodeos's defaults anyway are not added, because nodeos prints six
 * lines of warning for them at every start.
 */

#include "nodeos/render.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"
#include "nodeos/config.h"
#include "nodeos/peers.h"

#define MIB (UINT64_C(1024) * 1024)
#define GIB (1024 * MIB)

/* nodeos's defaults. */
#define STATE_MB_DEFAULT  1024
#define GUARD_MB_DEFAULT  128
#define THRESHOLD_DEFAULT 90

/* An empty chain's state has 5.3 MiB; with 1 nodeos ends with "bad alloc". */
#define STATE_MB_MIN 8

#define AGENT_NAME_MAX 383
#define PORTS_MAX      16

struct render {
	const struct render_input *in;
	struct render_info info;
	struct config_ini ini;
	struct strvec plugins;
	struct port {
		const char *key;
		uint16_t port;
	} ports[PORTS_MAX];
	size_t nports;
};

static void auto_render(struct render *r)
{
	config_ini_release(&r->ini);
	strvec_release(&r->plugins);
}

/* "NAME:LINE: " in front of the message. */
static int at_line(const struct render *r, const struct config_entry *x, struct err *e)
{
	return x->line ? err_wrap(e, "%s:%u", r->in->name, x->line)
	               : err_wrap(e, "%s", r->in->name);
}

#define REFUSE(r, x, e, ...) (err_set((e), ERR_USAGE, __VA_ARGS__), at_line((r), (x), (e)))

/* The key's last entry, the one that counts, or NULL. */
static const struct config_entry *last(const struct render *r, const char *key)
{
	const struct config_entry *found = NULL;

	for (const struct config_entry *x = NULL; (x = config_ini_each(&r->ini, key, x));)
		found = x;
	return found;
}

static int check_keys(const struct render *r, struct err *e)
{
	for (const struct config_entry *x = NULL; (x = config_ini_each(&r->ini, NULL, x));) {
		const struct nodeos_option_rule *rule =
		        nodeos_option_refused(x->key, NODEOS_OPTION_FILE);
		const struct config_entry *first = config_ini_each(&r->ini, x->key, NULL);
		bool on = true;

		if (rule && !(rule->false_is_ok && config_ini_bool(&on, x->value) == 0 && !on))
			return REFUSE(r, x, e, "'%s' is refused: %s", x->key, rule->reason);
		if (first != x && !nodeos_option_is_list(x->key))
			return REFUSE(r, x, e,
			        "'%s' stands in line %u already, and nodeos takes it once only",
			        x->key, first->line);
	}
	return 0;
}

/* A number at key, or the default. */
static int number(const struct render *r, uint64_t *ret, const char *key, uint64_t otherwise,
        uint64_t min, uint64_t max, struct err *e)
{
	const struct config_entry *x = last(r, key);

	*ret = otherwise;
	if (!x || num_uint(ret, x->value, min, max, e) == 0)
		return 0;
	err_wrap(e, "'%s'", key);
	return at_line(r, x, e);
}

/*
 * Where nodeos writes must be below the slot's data-dir: what is outside is shared by slots,
 * or lost with the container.  The state and the blocks must be where the verdict looks.
 */
static int check_paths(const struct render *r, struct err *e)
{
	static const struct {
		const char *key, *fixed;
		bool may_be_empty;
	} paths[] = {
		{ "blocks-dir", "/blocks/", false },
		{ "state-dir", "/state/", false },
		{ "blocks-retained-dir", NULL, false },
		{ "blocks-archive-dir", NULL, true }, /* "": older blocks are deleted */
		{ "snapshots-dir", NULL, false },
		{ "finalizers-dir", NULL, false },
		{ "trace-dir", NULL, false },
		{ "state-history-dir", NULL, false },
		{ "state-history-retained-dir", NULL, false },
		{ "state-history-archive-dir", NULL, true },
		{ "unix-socket-path", NULL, true },
		{ "state-history-unix-socket-path", NULL, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		const struct config_entry *x = last(r, paths[i].key);
		char path[CONFIG_INI_VALUE_MAX + 3];
		size_t n;

		if (!x)
			continue;
		/* boost reads a path in quotes as what is in them. */
		n = strlen(x->value);
		if (n >= 2 && x->value[0] == '"' && x->value[n - 1] == '"')
			snprintf(path, sizeof(path), "/%.*s/", (int)n - 2, x->value + 1);
		else if (n == 0 && strcmp(paths[i].key, "blocks-archive-dir") == 0)
			return REFUSE(r, x, e, "'%s' is empty; write \"\" to delete older blocks",
			        x->key);
		else
			snprintf(path, sizeof(path), "/%s/", x->value);
		if (paths[i].fixed && strcmp(path, paths[i].fixed) != 0)
			return REFUSE(r, x, e,
			        "'%s' is refused: the supervisor looks where nodeos has it by "
			        "default",
			        x->key);
		if (path[1] == '/' && !(path[2] == '\0' && paths[i].may_be_empty))
			return REFUSE(r, x, e,
			        "'%s' must be a relative path, so that it is below the slot's "
			        "data-dir",
			        x->key);
		if (strstr(path, "/../"))
			return REFUSE(r, x, e, "'%s' leads out of the slot's data-dir", x->key);
	}
	return 0;
}

static int take_port(struct render *r, const struct config_entry *x, const char *key, uint16_t port,
        struct err *e)
{
	for (size_t i = 0; i < r->nports; i++) {
		if (r->ports[i].port != port)
			continue;
		err_set(e, ERR_USAGE,
		        "port %u of '%s' is that of %s, and nodeos would run on without it",
		        (unsigned)port, key, r->ports[i].key);
		return x ? at_line(r, x, e) : err_wrap(e, "%s", r->in->name);
	}
	if (r->nports == PORTS_MAX)
		return REFUSE(r, x, e, "more than %d addresses to listen on", PORTS_MAX - 1);
	r->ports[r->nports++] = (struct port){ key, port };
	return 0;
}

/* "host:port", or what Leap 5 adds behind it.  nodeos takes a port modulo 65536, and a missing
 * one ends it with "basic_string::substr: __pos ...". */
static int parse_address(const struct render *r, const struct config_entry *x, char *host,
        size_t size, uint16_t *ret_port, struct err *e)
{
	const char *colon = x->value[0] == '[' ? strstr(x->value, "]:") : strchr(x->value, ':');
	char port[8] = "";
	struct err unused = ERR_INIT;
	uint64_t v;
	size_t n;

	if (colon && *colon == ']')
		colon++;
	if (!colon || colon == x->value)
		return REFUSE(r, x, e, "'%s' is not host:port, but '%.80s'", x->key, x->value);
	n = strcspn(colon + 1, ":");
	if (n < sizeof(port))
		memcpy(port, colon + 1, n);
	if (num_uint(&v, port, 1, UINT16_MAX, &unused) < 0)
		return REFUSE(
		        r, x, e, "'%s' has no port from 1 to 65535: '%.80s'", x->key, x->value);
	snprintf(host, size, "%.*s", (int)(colon - x->value), x->value);
	*ret_port = (uint16_t)v;
	return 0;
}

static bool has_gate(const struct render *r)
{
	return r->in->signature_provider && *r->in->signature_provider;
}

static int check_http_address(struct render *r, struct err *e)
{
	static const char key[] = "http-server-address";
	const struct config_entry *x = last(r, key);
	struct in_addr address;

	if (!x &&
	        config_ini_set(&r->ini, key, has_gate(r) ? "127.0.0.1:8888" : "0.0.0.0:8888", e) <
	                0)
		return -1;
	x = last(r, key);
	if (!*x->value || strcmp(x->value, "http-category-address") == 0)
		return REFUSE(
		        r, x, e, "'%s' is refused: the supervisor asks nodeos over HTTP", key);
	if (parse_address(
	            r, x, r->info.http_host, sizeof(r->info.http_host), &r->info.http_port, e) < 0)
		return -1;
	if (strcmp(r->info.http_host, "localhost") == 0)
		snprintf(r->info.http_host, sizeof(r->info.http_host), "127.0.0.1");
	/* With a name that it cannot resolve nodeos runs on without HTTP; Leap 3 and 4 do so with
	 * any IPv6 address too. */
	if (inet_pton(AF_INET, r->info.http_host, &address) != 1 ||
	        strchr(strchr(x->value, ':') + 1, ':'))
		return REFUSE(r, x, e, "'%s' is not an IPv4 address and port, but '%.80s'", key,
		        x->value);
	if (has_gate(r) && ntohl(address.s_addr) >> IN_CLASSA_NSHIFT != IN_LOOPBACKNET)
		return REFUSE(r, x, e,
		        "'%s' must be on 127.0.0.1 where there is a signing gate: whoever reaches "
		        "it can pause and resume the producer",
		        key);
	if (address.s_addr == INADDR_ANY)
		snprintf(r->info.http_host, sizeof(r->info.http_host), "127.0.0.1");
	return take_port(r, x, key, r->info.http_port, e);
}

static bool has_plugin(const struct render *r, const char *name)
{
	for (size_t i = 0; i < r->plugins.n; i++)
		if (strcmp(r->plugins.v[i], name) == 0)
			return true;
	return false;
}

/* The first one of the first row of listeners. */
static void note_p2p_port(struct render *r, size_t row, uint16_t port)
{
	if (row == 0 && !r->info.p2p_port)
		r->info.p2p_port = port;
}

/* Two listeners on one port: nodeos ends with 0, runs without one, or fills the log. */
static int check_ports(struct render *r, struct err *e)
{
	static const struct {
		const char *key;
		uint16_t otherwise;
		const char *plugin;
	} listeners[] = {
		{ "p2p-listen-endpoint", 9876, NULL },
		{ "prometheus-exporter-address", 9101, "eosio::prometheus_plugin" },
		{ "state-history-endpoint", 8080, "eosio::state_history_plugin" },
	};
	char host[CONFIG_INI_VALUE_MAX + 1];
	uint16_t port;

	r->ports[r->nports++] = (struct port){ "the supervisor", NODEOS_SUPERVISOR_PORT };
	if (check_http_address(r, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(listeners); i++) {
		const char *key = listeners[i].key;
		const struct config_entry *x = NULL;

		if (listeners[i].plugin && !has_plugin(r, listeners[i].plugin))
			continue;
		if (!config_ini_get(&r->ini, key)) {
			if (take_port(r, NULL, key, listeners[i].otherwise, e) < 0)
				return -1;
			note_p2p_port(r, i, listeners[i].otherwise);
		}
		while ((x = config_ini_each(&r->ini, key, x))) {
			if (!*x->value)
				continue;
			if (parse_address(r, x, host, sizeof(host), &port, e) < 0 ||
			        take_port(r, x, key, port, e) < 0)
				return -1;
			note_p2p_port(r, i, port);
		}
	}
	return 0;
}

static int check_sizes(struct render *r, struct err *e)
{
	const struct config_entry *x = last(r, "chain-state-db-size-mb");
	uint64_t state, guard, threshold, gib;

	if (number(r, &state, "chain-state-db-size-mb", STATE_MB_DEFAULT, STATE_MB_MIN, 1 << 24,
	            e) < 0 ||
	        number(r, &guard, "chain-state-db-guard-size-mb", GUARD_MB_DEFAULT, 0, 1 << 24, e) <
	                0 ||
	        number(r, &threshold, "resource-monitor-space-threshold", THRESHOLD_DEFAULT, 6, 99,
	                e) < 0 ||
	        number(r, &gib, "resource-monitor-space-absolute-gb", 0, 1, 1 << 20, e) < 0)
		return -1;
	if (state <= guard) {
		err_set(e, ERR_USAGE,
		        "'chain-state-db-size-mb' is %llu, but nodeos stops itself (with status 0) "
		        "as "
		        "soon as less than 'chain-state-db-guard-size-mb' = %llu are free",
		        (unsigned long long)state, (unsigned long long)guard);
		return x ? at_line(r, x, e) : err_wrap(e, "%s", r->in->name);
	}
	r->info.state_db_bytes = state * MIB;
	r->info.state_db_guard_bytes = guard * MIB;
	r->info.disk_threshold_bytes = gib * GIB;
	r->info.disk_threshold_percent = gib ? 0 : (unsigned)threshold;
	return 0;
}

/* With validation nodeos answers 400 to every Host but its own address, and clients of the
 * front have another. */
static int check_validate_host(struct render *r, struct err *e)
{
	static const char key[] = "http-validate-host";
	const struct config_entry *x = last(r, key);
	bool on;

	if (!x)
		return config_ini_add(&r->ini, key, "false", e);
	if (config_ini_bool(&on, x->value) < 0)
		return REFUSE(r, x, e, "'%s' is neither true nor false", key);
	if (on && !config_ini_get(&r->ini, "http-alias"))
		return REFUSE(r, x, e,
		        "'%s' without an http-alias for each name and port: nodeos would answer "
		        "every "
		        "request through the front with 400",
		        key);
	return 0;
}

/* The hash is of all of the state, so a stop takes longer by the time to read it. */
static int check_integrity_hash(struct render *r, struct err *e)
{
	static const char key[] = "integrity-hash-on-stop";
	const struct config_entry *x = last(r, key);

	if (x && config_ini_bool(&r->info.has_integrity_hash, x->value) < 0)
		return REFUSE(r, x, e, "'%s' is neither true nor false", key);
	if (!r->in->integrity_hash || r->info.has_integrity_hash)
		return 0;
	r->info.has_integrity_hash = true;
	config_ini_remove(&r->ini, key);
	return config_ini_add(&r->ini, key, "true", e);
}

static int add_start_hash(struct render *r, struct err *e)
{
	static const char key[] = "integrity-hash-on-start";

	if (!r->in->start_hash)
		return 0;
	config_ini_remove(&r->ini, key);
	return config_ini_add(&r->ini, key, "true", e);
}

static int check_http_values(const struct render *r, struct err *e)
{
	const struct config_entry *x = last(r, "http-max-response-time-ms");
	uint64_t threads;
	int64_t ms;

	if (number(r, &threads, "http-threads", 1, 1, UINT16_MAX, e) < 0)
		return -1;
	if (!x)
		return 0;
	if (num_int(&ms, x->value, -1, INT64_MAX, e) < 0) {
		err_wrap(e, "'%s'", x->key);
		return at_line(r, x, e);
	}
	if (ms == 0)
		return REFUSE(
		        r, x, e, "'%s' is 0: nodeos would answer every request with 500", x->key);
	return 0;
}

/* nodeos only logs a signature provider that it cannot read, and then produces nothing. */
static int check_producer(struct render *r, struct err *e)
{
	const struct config_entry *producer = last(r, "producer-name"), *x = NULL;
	const char *mode = config_ini_get(&r->ini, "read-mode");

	r->info.is_producer = producer != NULL;
	if (producer && str_eq(mode, "irreversible"))
		return REFUSE(r, producer, e, "a producer cannot have 'read-mode = irreversible'");
	while ((x = config_ini_each(&r->ini, "signature-provider", x))) {
		const char *eq = strchr(x->value, '='), *colon = eq ? strchr(eq, ':') : NULL;

		/* The value is a secret: it is not shown. */
		if (!eq || eq == x->value || !colon || colon == eq + 1 || !colon[1])
			return REFUSE(r, x, e,
			        "'%s' is not PUBLIC-KEY=KEY:PRIVATE-KEY or PUBLIC-KEY=KEOSD:URL",
			        x->key);
	}
	return 0;
}

/* Keys that nodeos has are keys that it signs with, whatever the gate says. */
static int refuse_keys(const struct render *r, struct err *e)
{
	const struct config_entry *x = NULL;

	while ((x = config_ini_each(&r->ini, "signature-provider", x)))
		if (!str_starts(x->value, "PUB_BLS_", NULL))
			return REFUSE(r, x, e,
			        "'%s' is refused: blocks are signed by the slot's signing gate "
			        "alone, which has the key; take this line out",
			        x->key);
	x = last(r, "private-key");
	if (x)
		return REFUSE(r, x, e,
		        "'%s' is refused: blocks are signed by the slot's signing gate alone, "
		        "which has the key; take this line out",
		        x->key);
	return 0;
}

/* A switch in other words, or a number with zeros in front, is the same. */
static bool is_same_value(const char *a, const char *b)
{
	struct err unused = ERR_INIT;
	bool x, y;
	uint64_t m, n;

	if (num_uint(&m, a, 0, UINT32_MAX, &unused) == 0 &&
	        num_uint(&n, b, 0, UINT32_MAX, &unused) == 0)
		return m == n;
	return config_ini_bool(&x, a) == 0 && config_ini_bool(&y, b) == 0 && x == y;
}

static int add_gate(struct render *r, struct err *e)
{
	char timeout[16];
	const struct {
		const char *key, *value, *reason;
	} fixed[] = {
		{ "keosd-provider-timeout", timeout, "the signing gate is made for it" },
		{ "pause-on-startup", "true",
		        "a producer starts paused and is resumed with the "
		        "lease" },
		{ "enable-stale-production", "true",
		        "a producer that takes over while no blocks come would never begin" },
		{ "connection-cleanup-period", "5",
		        "peers are to be found again within seconds of a take-over" },
	};

	if (!has_gate(r))
		return 0;
	if (!r->info.is_producer)
		return err_set(e, ERR_USAGE,
		        "%s: there is a signing key, and no 'producer-name' that it would be of",
		        r->in->name);
	if (refuse_keys(r, e) < 0)
		return -1;
	snprintf(timeout, sizeof(timeout), "%u", r->in->provider_timeout_ms);
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
		const struct config_entry *x = last(r, fixed[i].key);

		if (x && !is_same_value(x->value, fixed[i].value))
			return REFUSE(r, x, e,
			        "'%s' is '%.40s', but with a signing gate it must be %s: %s",
			        x->key, x->value, fixed[i].value, fixed[i].reason);
		if (config_ini_set(&r->ini, fixed[i].key, fixed[i].value, e) < 0)
			return -1;
	}
	return config_ini_add(&r->ini, "signature-provider", r->in->signature_provider, e);
}

/* What boost makes of a path: without quotes; and without a slash at the end. */
static void find_retained_dir(struct render *r)
{
	const struct config_entry *x = last(r, "blocks-retained-dir");
	const char *v = x ? x->value : "";
	size_t n = strlen(v);
	char *to = r->info.retained_dir;

	if (n >= 2 && v[0] == '"' && v[n - 1] == '"') {
		v++;
		n -= 2;
	}
	while (n > 0 && v[n - 1] == '/')
		n--;
	if (snprintf(to, sizeof(r->info.retained_dir), "blocks%s%.*s", n ? "/" : "", (int)n, v) >=
	        (int)sizeof(r->info.retained_dir))
		*to = '\0';
}

static int check_block_log(struct render *r, struct err *e)
{
	static const char *const parts[] = { "blocks-log-stride", "max-retained-block-files",
		"blocks-retained-dir", "blocks-archive-dir" };
	const struct config_entry *x = last(r, "block-log-retain-blocks");

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (!config_ini_get(&r->ini, parts[i]))
			continue;
		if (x)
			return REFUSE(
			        r, x, e, "'%s' and '%s' exclude each other", x->key, parts[i]);
		/* Each of them makes nodeos split its log. */
		find_retained_dir(r);
	}
	return 0;
}

static int add_plugin(struct render *r, const char *name, struct err *e)
{
	if (has_plugin(r, name))
		return 0;
	return strvec_add(&r->plugins, name) < 0 ? err_nomem(e) : 0;
}

static bool is_plugin(const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
	size_t n = strspn(s, letters);

	return n > 0 && str_starts(s + n, "::", NULL) && s[n + 2] &&
	        !s[n + 2 + strspn(s + n + 2, letters)];
}

/* One `plugin` may name several, and several may name the same one. */
static int collect_plugins(struct render *r, struct err *e)
{
	static const char *const needed[] = { "eosio::chain_plugin", "eosio::chain_api_plugin",
		"eosio::http_plugin", "eosio::net_plugin", "eosio::net_api_plugin",
		"eosio::db_size_api_plugin" };
	const struct config_entry *x = NULL;

	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		if (add_plugin(r, needed[i], e) < 0)
			return -1;
	if (config_ini_get(&r->ini, "producer-name") &&
	        add_plugin(r, "eosio::producer_plugin", e) < 0)
		return -1;
	/* Which pauses and resumes it. */
	if (has_gate(r) && add_plugin(r, "eosio::producer_api_plugin", e) < 0)
		return -1;
	while ((x = config_ini_each(&r->ini, "plugin", x))) {
		AUTO(free) char *copy = strdup(x->value);
		char *save = NULL;

		if (!copy)
			return err_nomem(e);
		for (char *p = strtok_r(copy, " \t,", &save); p;
		        p = strtok_r(NULL, " \t,", &save)) {
			if (!is_plugin(p))
				return REFUSE(r, x, e, "'%.80s' is not a plugin's name", p);
			if (add_plugin(r, p, e) < 0)
				return -1;
		}
	}
	config_ini_remove(&r->ini, "plugin");
	return 0;
}

/* The template's peers stay, the slot's are added; nodeos only logs one that it cannot read. */
static int add_peers(struct render *r, struct err *e)
{
	static const char key[] = "p2p-peer-address";
	AUTO(nodeos_peers) struct nodeos_peers have = NODEOS_PEERS_INIT;
	const struct config_entry *x = NULL;

	while ((x = config_ini_each(&r->ini, key, x))) {
		char peer[NODEOS_PEER_SIZE];

		if (nodeos_peer_check(peer, x->value, e) < 0 ||
		        nodeos_peers_add_words(&have, key, peer, e) < 0)
			return at_line(r, x, e);
	}
	for (size_t i = 0; r->in->peers && i < r->in->peers->n; i++) {
		size_t before = have.text.n;

		if (nodeos_peers_add_words(&have, "the slot's peers", r->in->peers->v[i], e) < 0)
			return -1;
		if (have.text.n > before &&
		        config_ini_add(&r->ini, key, have.text.v[before], e) < 0)
			return -1;
	}
	return 0;
}

static int add_defaults(struct render *r, struct err *e)
{
	static const struct {
		const char *key, *value;
	} defaults[] = {
		/* nodeos's 30 s make followers wait up to 28 s before they connect again. */
		{ "connection-cleanup-period", "5" },
		/* nodeos's 1 refuses, silently, the second slot behind one address. */
		{ "p2p-max-nodes-per-host", "100" },
		/* Its 25 are used up, as silently, by the slots of a cluster that just syncs. */
		{ "max-clients", "100" },
	};
	const struct config_entry *agent;

	if (r->in->advertise && *r->in->advertise &&
	        config_ini_set_default(&r->ini, "p2p-server-address", r->in->advertise, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
		if (config_ini_set_default(&r->ini, defaults[i].key, defaults[i].value, e) < 0)
			return -1;
	if (config_ini_set_default(&r->ini, "agent-name", r->in->slot, e) < 0)
		return -1;
	agent = last(r, "agent-name");
	if (strlen(agent->value) > AGENT_NAME_MAX)
		return REFUSE(r, agent, e, "'agent-name' has more than %d bytes", AGENT_NAME_MAX);
	return 0;
}

static int write_text(struct buf *out, const struct render *r, struct err *e)
{
	char from[80], slot[80];
	int rc;

	snprintf(from, sizeof(from), "%s", r->in->name);
	snprintf(slot, sizeof(slot), "%s", r->in->slot);
	str_printable(from);
	str_printable(slot);
	rc = buf_add_fmt(out,
	        "# Generated by nodeswarm for %s from %s and the list of peers.\n"
	        "# Changes made here are lost at the next start.\n",
	        slot, from);
	for (size_t i = 0; rc == 0 && i < r->plugins.n; i++)
		rc = buf_add_fmt(out, "plugin = %s\n", r->plugins.v[i]);
	if (rc < 0)
		return err_set(e, ERR_USAGE, "config.ini would have more than %zu bytes", out->max);
	return config_ini_text(&r->ini, out, e);
}

int nodeos_render(
        struct buf *out, struct render_info *info, const struct render_input *in, struct err *e)
{
	AUTO(render) struct render r = { .in = in };

	if (config_ini_parse(&r.ini, in->name, in->text, in->len, e) < 0 || check_keys(&r, e) < 0 ||
	        check_paths(&r, e) < 0 || check_sizes(&r, e) < 0 || check_producer(&r, e) < 0 ||
	        add_gate(&r, e) < 0 || check_block_log(&r, e) < 0 || collect_plugins(&r, e) < 0 ||
	        check_ports(&r, e) < 0 || check_validate_host(&r, e) < 0 ||
	        check_http_values(&r, e) < 0 || check_integrity_hash(&r, e) < 0 ||
	        add_start_hash(&r, e) < 0 || add_defaults(&r, e) < 0 || add_peers(&r, e) < 0 ||
	        write_text(out, &r, e) < 0)
		return -1;
	*info = r.info;
	return 0;
}
