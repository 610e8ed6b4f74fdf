#include "agent/pull.h"

#include <stdlib.h>
#include <string.h>

#include "agent/address.h"
#include "agent/agent.h"
#include "agent/pull_priv.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "control/control.h"
#include "data/generation.h"
#include "data/pool.h"
#include "data/usage.h"

#define MANIFEST_NS (120 * NS_PER_SEC)
/* Bytes of a reply that says why not; a piece may be smaller. */
#define REFUSAL_MAX 4096U

static bool is_chain_id(const char *s)
{
	return hex_is(s, 64);
}

int pull_check(const json_t *args, struct err *e)
{
	const char *name = json_str(args, "name", ""), *address = json_str(args, "address", "");
	const char *chain_id = json_str(args, "chain_id", ""), *key;
	json_t *v;
	bool is_v6;

	json_object_foreach((json_t *)(uintptr_t)args, key, v)
	{
		if (strcmp(key, "format") == 0 && json_integer_value(v) == AGENT_FORMAT)
			continue;
		if (strcmp(key, "promote") == 0 && json_is_boolean(v))
			continue;
		if (strcmp(key, "name") != 0 && strcmp(key, "address") != 0 &&
		        strcmp(key, "chain_id") != 0)
			return err_set(e, ERR_USAGE,
			        "'pull' has no argument '%s', or none like that", key);
	}
	if (!generation_name_is(name, NULL) && strcmp(name, GENERATION_CURRENT) != 0)
		return err_set(e, ERR_USAGE, "'%s' is not the name of a generation", name);
	if (!address_is_ip(address, &is_v6))
		return err_set(e, ERR_USAGE, "'%s' is not an IP address", address);
	if (json_at(args, "chain_id") && !is_chain_id(chain_id))
		return err_set(e, ERR_USAGE, "'%.80s' is not a chain's id", chain_id);
	return 0;
}

/* --- asking --------------------------------------------------------------------------------- */

struct http_client *pull_client(struct pull *p, const volatile int *interrupt, struct err *e)
{
	struct http_client *c = http_client_new(p->url, NULL, e);

	if (c && interrupt)
		http_client_interrupt_on(c, interrupt);
	return c;
}

/* What the other agent says instead of what was asked for. */
static int refused(const struct pull *p, const struct http_reply *r, struct err *e)
{
	struct err ignored = ERR_INIT;
	AUTO(json)
	json_t *j =
	        json_parse_object(r->body.data, r->body.len, "the other agent's reply", &ignored);

	if (r->status == 401) {
		err_set(e, ERR_DENIED, "the agent at %s refuses our token", p->address);
		return err_hint(e, "both hosts need the same secret: see stacks/agent.yml");
	}
	if (j && json_at(j, "error"))
		(void)json_to_err(e, json_at(j, "error"));
	else
		err_set(e, r->status >= 500 ? ERR_UNAVAILABLE : ERR_PROTOCOL,
		        "it answers with status %ld", r->status);
	return err_wrap(e, "the agent at %s", p->address);
}

int pull_get(struct pull *p, struct http_client *client, const char *path, size_t max,
        int64_t timeout_ns, struct http_reply *reply, struct err *e)
{
	const struct http_request q = {
		.path = path,
		.bearer = p->cfg->token,
		.timeout_ns = timeout_ns,
		.max_reply = max > REFUSAL_MAX ? max : REFUSAL_MAX,
	};

	if (http_call(client, &q, reply, e) < 0)
		return -1;
	if (reply->status != 200)
		return refused(p, reply, e);
	if (reply->body.len > max)
		return err_set(e, ERR_PROTOCOL, "%s sent more than was asked for", p->address);
	return 0;
}

static int get_manifest(struct pull *p, const char *name, struct err *e)
{
	AUTO(http_client_free) struct http_client *client = pull_client(p, p->c->cancel, e);
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	AUTO(free) char *path = str_fmt("/v1/generations/%s", name);

	if (!client)
		return -1;
	if (!path)
		return err_nomem(e);
	if (pull_get(p, client, path, GENERATION_TEXT_MAX, MANIFEST_NS, &r, e) < 0 ||
	        pull_manifest_parse(&p->m, r.body.data, r.body.len, e) < 0)
		return err_wrap(e, "generation '%s' of %s", name, p->address);
	if (strcmp(name, GENERATION_CURRENT) != 0 && strcmp(name, p->m.name) != 0)
		return err_set(e, ERR_PROTOCOL, "asked for generation '%s', %s sent '%s'", name,
		        p->address, p->m.name);
	return 0;
}

/* --- what is here --------------------------------------------------------------------------- */

/* Whether g has the same content: 1, 0, -1. */
static int is_same(const struct pull *p, const struct generation *g, struct err *e)
{
	AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;
	char ours[TREE_DIGEST_SIZE], theirs[TREE_DIGEST_SIZE];

	if (g->err.kind != ERR_NONE || g->files != p->m.files.n ||
	        g->size_bytes != p->m.files.size_bytes || g->m.kind != p->m.kind)
		return 0;
	if (generation_hold(&h, p->c->pool, g->m.name, NULL, e) < 0) {
		/* Removed since, or broken: then it is not here. */
		if (e->kind == ERR_SYSTEM)
			return -1;
		err_clear(e);
		return 0;
	}
	return strcmp(tree_sum(ours, &h.m.files), tree_sum(theirs, &p->m.files)) == 0;
}

static int another_chain(const struct pull *p, const char *whose, const char *id, struct err *e)
{
	return err_set(e, ERR_CONFLICT, "'%s' of %s is of chain %.16s..., and %s of %.16s...",
	        p->m.name, p->address, *p->m.chain_id ? p->m.chain_id : "(unknown)", whose, id);
}

/* current: NULL without. */
static int check_chain(const struct pull *p, const struct generation *current, struct err *e)
{
	const char *ours = current ? current->m.chain_id : "", *theirs = p->m.chain_id;

	if (*p->chain_id && strcmp(p->chain_id, theirs) != 0)
		return another_chain(p, "what is wanted", p->chain_id, e);
	if (*ours && *theirs && strcmp(ours, theirs) != 0) {
		another_chain(p, "this pool's 'current'", ours, e);
		return err_hint(e, "one pool serves one chain");
	}
	if (!p->cfg->is_chain_needed || *p->chain_id || (*ours && *theirs))
		return 0;
	err_set(e, ERR_CONFLICT, "of which chain '%s' of %s must be is not known here", p->m.name,
	        p->address);
	return err_hint(e, "say it: --chain-id; or give the command on the host itself");
}

static bool is_to_promote(const struct pull *p, const struct generation *current)
{
	if (p->is_promote_given)
		return p->promotes;
	return !current || current->m.lib_block_num < p->m.lib_block_num;
}

/* Returns 1 when there is nothing to fetch, and *ret is its manifest; it is current then if it is
 * to be. */
static int look_here(struct pull *p, json_t **ret, struct err *e)
{
	AUTO(generations) struct generations g = { 0 };
	const struct generation *same = NULL, *current = NULL;
	int rc;

	if (generations_list(&g, p->c->pool, e) < 0)
		return -1;
	for (size_t i = 0; i < g.n; i++)
		if (g.v[i].is_current)
			current = &g.v[i];
	if (check_chain(p, current, e) < 0)
		return -1;
	for (size_t i = 0; i < g.n; i++) {
		rc = is_same(p, &g.v[i], e);
		if (rc < 0)
			return -1;
		if (rc > 0 && (!same || g.v[i].is_current))
			same = &g.v[i];
	}
	p->promotes = is_to_promote(p, current);
	if (!same)
		return 0;
	p->is_current = same->is_current || p->promotes;
	if (!same->is_current && p->promotes &&
	        generation_promote(p->c->pool, same->m.name, false, e) < 0)
		return -1;
	/* A kill between commit and the removal of its notes. */
	incoming_discard(p->c->pool, p->m.name);
	*ret = manifest_json(&same->m, false);
	return *ret ? 1 : err_nomem(e);
}

int pull_room(uint64_t *ret, const struct pull *p, struct err *e)
{
	struct pool_space s = { 0 };
	uint64_t limit, used;

	if (pool_space_at(&s, p->c->pool->fd, e) < 0)
		return -1;
	limit = (uint64_t)((double)s.total_bytes * POOL_STOP_PERCENT / 100);
	used = s.total_bytes - s.free_bytes;
	*ret = limit > used ? limit - used : 0;
	return 0;
}

static int check_space(const struct pull *p, struct err *e)
{
	char missing[NUM_TEXT_MAX], needed[NUM_TEXT_MAX];
	uint64_t need = p->m.files.data_bytes, room;
	struct usage there = { 0 };

	if (usage_add_tree(&there, p->in.fd, "data", e) < 0 || pull_room(&room, p, e) < 0)
		return -1;
	need -= there.allocated_bytes < need ? there.allocated_bytes : need;
	if (need <= room)
		return 0;
	err_set(e, ERR_CONFLICT,
	        "no space for generation '%s': %s are still to come, and %s are missing until the "
	        "disk would be %d %% full",
	        p->m.name, num_size_text(needed, need), num_size_text(missing, need - room),
	        (int)POOL_STOP_PERCENT);
	return err_hint(e, "make room: nodeswarm data prune, nodeswarm data gc --remove");
}

/* --- all of it ------------------------------------------------------------------------------ */

static json_t *result(
        const struct pull *p, json_t *take, bool is_new, int64_t since_ns, struct err *e)
{
	json_t *j = json_pack("{s:i, s:o, s:s, s:s, s:b, s:b, s:I, s:I, s:f}", "format",
	        AGENT_FORMAT, "generation", take, "from", p->address, "name", p->m.name, "is_new",
	        is_new, "current", p->is_current, "bytes_fetched", (json_int_t)p->fetched,
	        "bytes_resumed", (json_int_t)p->in.resumed_bytes, "took_seconds",
	        (double)(clock_mono_ns() - since_ns) / (double)NS_PER_SEC);

	if (!j)
		err_nomem(e);
	return j;
}

static void start_progress(const struct pull *p)
{
	struct clone_progress *c = p->c->progress;

	if (!c)
		return;
	c->files_total = p->m.files.n;
	c->bytes_total = p->m.files.data_bytes;
}

/* A commit alone takes `current` to no earlier block, which may be what is wanted. */
static int commit(struct pull *p, struct manifest *ours, struct err *e)
{
	if (incoming_commit(&p->in, p->c->pool, ours, p->promotes, e) < 0)
		return -1;
	p->is_current = p->promotes && !ours->is_behind;
	if (!ours->is_behind || !p->is_promote_given)
		return 0;
	p->is_current = true;
	return generation_promote(p->c->pool, ours->name, false, e);
}

static json_t *fetch(struct pull *p, struct err *e)
{
	AUTO(manifest) struct manifest ours = MANIFEST_INIT;
	json_t *j;

	if (incoming_begin(&p->in, p->c->pool, &p->m, p->address, p->c->cancel, e) < 0)
		return NULL;
	if (check_space(p, e) < 0)
		return NULL;
	start_progress(p);
	log_info("pull", "name=%s from=%s bytes=%llu resumed=%llu", p->m.name, p->address,
	        (unsigned long long)p->m.files.data_bytes, (unsigned long long)p->in.resumed_bytes);
	if (pull_files(p, e) < 0) {
		err_hint(e, "what has come is kept: the same command goes on from there");
		return NULL;
	}
	if (commit(p, &ours, e) < 0)
		return NULL;
	j = manifest_json(&ours, false);
	if (!j)
		err_nomem(e);
	return j;
}

static json_t *run(struct pull *p, const char *name, struct err *e)
{
	int64_t since = clock_mono_ns();
	json_t *m = NULL;
	int rc;

	if (get_manifest(p, name, e) < 0)
		return NULL;
	rc = look_here(p, &m, e);
	if (rc < 0)
		return NULL;
	if (rc == 0)
		m = fetch(p, e);
	return m ? result(p, m, rc == 0, since, e) : NULL;
}

json_t *pull_run(const struct op_context *c, const struct pull_config *cfg, const json_t *args,
        struct err *e)
{
	struct pull p = { .c = c, .cfg = cfg, .m = MANIFEST_INIT, .in = INCOMING_INIT };
	bool is_v6 = false;
	json_t *j = NULL;

	if (pull_check(args, e) < 0)
		return NULL;
	p.address = json_str(args, "address", "");
	p.chain_id = json_str(args, "chain_id", "");
	p.is_promote_given = json_at(args, "promote") != NULL;
	p.promotes = json_bool(args, "promote", false);
	(void)address_is_ip(p.address, &is_v6);
	p.url = str_fmt(is_v6 ? "http://[%s]:%u" : "http://%s:%u", p.address, cfg->port);
	if (p.url)
		j = run(&p, json_str(args, "name", ""), e);
	else
		err_nomem(e);
	incoming_release(&p.in);
	manifest_release(&p.m);
	free(p.url);
	return j;
}
