/* What a fresh chain node is made of: the stack's genesis, its readers' image, its front's port. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "deploy/external.h"
#include "deploy/view.h"
#include "engine/config.h"
#include "nodeos/config.h"
#include "nodeos/peers.h"
#include "nodeos/render.h"

#define GENESIS_PATH "/etc/nodeswarm/genesis.json"
#define CONFIG_PATH  "/etc/nodeswarm/config.ini"

/* They travel as variables of its environment, of which Linux takes 128 KiB each. */
#define VARIABLE_MAX (100U * 1024)

void external_plan_release(struct external_plan *p)
{
	strvec_release(&p->peers);
	buf_release(&p->genesis);
	buf_release(&p->config);
}

/* --- the front ------------------------------------------------------------------------------- */

/* Where a service publishes that port of its containers; 0: it does not. */
static uint16_t published(const struct view_service *s, uint16_t target, bool *ret_everywhere)
{
	const json_t *ports = json_at(s->e.spec, "EndpointSpec.Ports");

	for (size_t i = 0; i < json_array_size(ports); i++) {
		const json_t *p = json_array_get(ports, i);
		int64_t port = json_int(p, "PublishedPort", 0);

		if (json_int(p, "TargetPort", 0) != target || port < 1 || port > UINT16_MAX ||
		        !str_eq(json_str(p, "Protocol", "tcp"), "tcp"))
			continue;
		/* Swarm's mesh: on every host, whether a task runs there or not. */
		*ret_everywhere = !str_eq(json_str(p, "PublishMode", "ingress"), "host");
		return (uint16_t)port;
	}
	return 0;
}

static bool runs_on(const struct view *v, const struct view_service *s, const char *node_id)
{
	for (size_t i = 0; i < v->n_tasks; i++) {
		const struct view_task *t = &v->tasks[i];

		if (t->service == s && t->t.state == ENGINE_TASK_RUNNING &&
		        strcmp(t->t.node_id, node_id) == 0)
			return true;
	}
	return false;
}

int external_front_peers(struct strvec *ret, const struct view *v, struct err *e)
{
	size_t before = ret->n;

	for (size_t i = 0; i < v->n_services; i++) {
		const struct view_service *s = &v->services[i];
		bool everywhere = false;
		uint16_t port = 0;

		if (view_service_env(s, "NODESWARM_FRONT_SERVICE"))
			port = published(s, EXTERNAL_P2P_PORT, &everywhere);
		for (size_t k = 0; port && k < v->nodes.n; k++) {
			const struct engine_node *n = &v->nodes.v[k];
			bool is_v6 = strchr(n->addr, ':') != NULL;

			if (!*n->addr || strcmp(n->state, "ready") != 0 ||
			        (!everywhere && !runs_on(v, s, n->id)) ||
			        ret->n - before == EXTERNAL_PEERS)
				continue;
			if (strvec_add_fmt(ret, "%s%s%s:%u", is_v6 ? "[" : "", n->addr,
			            is_v6 ? "]" : "", port) < 0)
				return err_nomem(e);
		}
	}
	return ret->n == before;
}

/* --- its files ------------------------------------------------------------------------------- */

/* Which of the readers' options are of the chain, or of the machine. */
static bool is_kept(const char *key)
{
	static const char *const keys[] = { "chain-state-db-size-mb",
		"chain-state-db-guard-size-mb", "chain-threads", "database-map-mode",
		"eos-vm-oc-cache-size-mb", "eos-vm-oc-compile-threads", "eos-vm-oc-enable",
		"net-threads", "p2p-accept-transactions", "resource-monitor-space-threshold",
		"resource-monitor-space-absolute-gb", "sync-fetch-span", "vote-threads",
		"wasm-runtime" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (strcmp(key, keys[i]) == 0)
			return true;
	return false;
}

int external_config(
        struct buf *ret, const char *text, size_t n, const struct strvec *peers, struct err *e)
{
	AUTO(config_ini) struct config_ini theirs = CONFIG_INI_INIT, ini = CONFIG_INI_INIT;
	AUTO(buf) struct buf kept = BUF_INIT(CONFIG_INI_TEXT_MAX);
	struct render_info info;

	if (config_ini_parse(&theirs, "the readers' config.ini", text, n, e) < 0)
		return -1;
	for (const struct config_entry *x = NULL; (x = config_ini_each(&theirs, NULL, x));)
		if (is_kept(x->key) && config_ini_add(&ini, x->key, x->value, e) < 0)
			return -1;
	/* Nobody but `nodeswarm fresh ask` beside it is to ask it, and nobody to connect to it. */
	if (config_ini_set(&ini, "http-server-address", "127.0.0.1:8888", e) < 0 ||
	        config_ini_set(&ini, "p2p-listen-endpoint", "127.0.0.1:9876", e) < 0 ||
	        config_ini_text(&ini, &kept, e) < 0)
		return -1;
	if (nodeos_render(ret, &info,
	            &(struct render_input){ .name = "the readers' config.ini",
	                    .text = kept.data,
	                    .len = kept.len,
	                    .slot = "fresh",
	                    .peers = peers },
	            e) < 0)
		return -1;
	/* It goes through JSON on its way. */
	return str_is_utf8(ret->data)
	        ? 0
	        : err_set(e, ERR_USAGE, "the readers' config.ini is not UTF-8");
}

/* The id of the swarm config that the service's containers see at path; "" for none. */
static const char *config_at(const struct view_service *s, const char *path)
{
	const json_t *list = json_at(s->e.spec, "TaskTemplate.ContainerSpec.Configs");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);

		if (str_eq(json_str(c, "File.Name", NULL), path))
			return json_str(c, "ConfigID", "");
	}
	return "";
}

static int read_config(struct engine *eng, const char *id, struct buf *ret, struct err *e)
{
	AUTO(json) json_t *j = engine_config_inspect(eng, id, e);

	if (!j)
		return -1;
	if (base64_decode(ret, json_str(j, "Spec.Data", "")) == 0)
		return 0;
	return errno == ENOMEM
	        ? err_nomem(e)
	        : err_set(e, ERR_PROTOCOL, "config '%s': %s", json_str(j, "Spec.Name", id),
	                  errno == E2BIG ? "it is too large" : "its content is not base64");
}

static int read_genesis(
        struct external_plan *p, struct engine *eng, const struct view_service *s, struct err *e)
{
	struct genesis g;

	buf_init(&p->genesis, GENESIS_TEXT_MAX);
	if (read_config(eng, config_at(s, GENESIS_PATH), &p->genesis, e) < 0 ||
	        genesis_parse(&g, p->genesis.data ? p->genesis.data : "", p->genesis.len, e) < 0)
		return err_wrap(e, "the genesis of '%s'", s->name);
	memcpy(p->chain_id, g.chain_id, sizeof(p->chain_id));
	return 0;
}

static int make_config(
        struct external_plan *p, struct engine *eng, const struct view_service *s, struct err *e)
{
	AUTO(buf) struct buf theirs = BUF_INIT(CONFIG_INI_TEXT_MAX);
	const char *id = config_at(s, CONFIG_PATH);

	buf_init(&p->config, VARIABLE_MAX);
	if (*id && read_config(eng, id, &theirs, e) < 0)
		return err_wrap(e, "the config.ini of '%s'", s->name);
	return external_config(
	        &p->config, theirs.data ? theirs.data : "", theirs.len, &p->peers, e);
}

/* --- all of it ------------------------------------------------------------------------------- */

/* The chain nodes that it is to be like: those behind the front, else any that have a genesis. */
static const struct view_service *find_readers(const struct view *v)
{
	const struct view_service *found = NULL;

	for (size_t i = 0; i < v->n_services; i++) {
		const struct view_service *s = &v->services[i];
		bool is_better = !found || (s->is_fronted && !found->is_fronted) ||
		        (!found->is_fronted && str_eq(s->name, "readers"));

		if (s->is_supervised && *config_at(s, GENESIS_PATH) && is_better)
			found = s;
	}
	return found;
}

/*
 * The program that the supervisor runs: `supervise [OPTION...] -- NODEOS [ARG...]`.  Its arguments
 * are that slot's matter, as what is left out of config.ini is.
 */
static const char *program_of(const struct view_service *s)
{
	const json_t *args = json_at(s->e.spec, "TaskTemplate.ContainerSpec.Args");

	for (size_t i = 0; i + 1 < json_array_size(args); i++)
		if (str_eq(json_string_value(json_array_get(args, i)), "--")) {
			const char *word = json_string_value(json_array_get(args, i + 1));

			return word ? word : "nodeos";
		}
	return "nodeos";
}

static int find_peers(
        struct external_plan *p, const struct view *v, const struct external_wish *w, struct err *e)
{
	int rc;

	for (size_t i = 0; w->peers && i < w->peers->n; i++)
		if (strvec_add(&p->peers, w->peers->v[i]) < 0)
			return err_nomem(e);
	if (p->peers.n)
		return 0;
	rc = external_front_peers(&p->peers, v, e);
	if (rc <= 0)
		return rc;
	err_set(e, ERR_USAGE, "the stack '%s' has no front that publishes p2p", w->stack);
	return err_hint(e,
	        "say where a fresh node gets the chain from: --external-peer HOST:PORT, and "
	        "--external-network if that is reached from one of the engine's networks only");
}

int external_plan(
        struct external_plan *ret, struct engine *eng, const struct external_wish *w, struct err *e)
{
	AUTO(external_plan) struct external_plan p = EXTERNAL_PLAN_INIT;
	AUTO(view_free) struct view *v = NULL;
	const struct view_service *s;

	if (view_load(&v, eng,
	            &(struct view_query){ .stack = w->stack, .pool = w->pool, .no_status = true },
	            e) < 0)
		return -1;
	s = find_readers(v);
	if (!s) {
		err_set(e, ERR_NOT_FOUND, "the stack '%s' has no chain nodes with a genesis",
		        w->stack);
		return err_hint(
		        e, "without one a fresh node cannot begin; is it the right --stack?");
	}
	snprintf(p.stack, sizeof(p.stack), "%.255s", w->stack);
	snprintf(p.service, sizeof(p.service), "%.255s", s->name);
	snprintf(p.image, sizeof(p.image), "%.255s", w->image ? w->image : s->e.image);
	snprintf(p.network, sizeof(p.network), "%.255s", w->network ? w->network : "bridge");
	snprintf(p.program, sizeof(p.program), "%.255s", program_of(s));
	p.memory_bytes = json_int(s->e.spec, "TaskTemplate.Resources.Limits.MemoryBytes", 0);
	p.limit_ns = w->limit_ns;
	if (find_peers(&p, v, w, e) < 0 || read_genesis(&p, eng, s, e) < 0 ||
	        make_config(&p, eng, s, e) < 0)
		return -1;
	external_plan_release(ret);
	*ret = p;
	p = EXTERNAL_PLAN_INIT;
	return 0;
}

/* --- the container ---------------------------------------------------------------------------- */

json_t *external_body(const struct external_plan *p, const char *owner, int64_t now_real_ns)
{
	AUTO(json) json_t *labels = NULL;
	AUTO(json) json_t *host = NULL;
	char until[CLOCK_TEXT_MAX], limit[NUM_TEXT_MAX];

	(void)clock_text(until, now_real_ns + p->limit_ns);
	snprintf(limit, sizeof(limit), "%llds",
	        (long long)((p->limit_ns + NS_PER_SEC - 1) / NS_PER_SEC));
	labels = json_pack("{s:s, s:s, s:s}", EXTERNAL_LABEL, p->stack, EXTERNAL_LABEL_OWNER, owner,
	        EXTERNAL_LABEL_UNTIL, until);
	/* What `fresh run` needs to give nodeos its directory and to become its user, as the
	 * supervisors have it; less, because there is no pool.  A long chain does not fit into
	 * memory, hence a volume: the engine removes it with the container. */
	host = json_pack("{s:b, s:s, s:b, s:[s], s:[s,s,s,s,s], s:[s], s:I,"
	                 " s:[{s:s, s:s}, {s:s, s:s}], s:{s:s, s:{s:s, s:s}}}",
	        "AutoRemove", 1, "NetworkMode", p->network, "ReadonlyRootfs", 1, "CapDrop", "ALL",
	        "CapAdd", "CAP_CHOWN", "CAP_KILL", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID",
	        "SecurityOpt", "no-new-privileges", "Memory", (json_int_t)p->memory_bytes, "Mounts",
	        "Type", "volume", "Target", EXTERNAL_DIR, "Type", "tmpfs", "Target", "/tmp",
	        "LogConfig", "Type", "json-file", "Config", "max-size", "5m", "max-file", "2");
	return json_pack("{s:s, s:[s], s:[s,s,s,s,s,s], s:[s+, s+], s:O, s:{s:[s]}, s:O}", "Image",
	        p->image, "Entrypoint", "/usr/bin/nodeswarm", "Cmd", "fresh", "run", "--limit",
	        limit, "--", p->program, "Env", "NODESWARM_FRESH_GENESIS=", p->genesis.data,
	        "NODESWARM_FRESH_CONFIG=", p->config.data, "Labels", labels, "Healthcheck", "Test",
	        "NONE", "HostConfig", host);
}
