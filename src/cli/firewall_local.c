#include "cli/firewall_local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/num.h"
#include "base/table.h"
#include "cli/command.h"
#include "cli/output.h"
#include "data/pool.h"
#include "deploy/firewall.h"
#include "engine/engine.h"
#include "firewall/host.h"

#define TEXT_MAX (1024 * 1024)

/* --- the model ------------------------------------------------------------------------------ */

/* sshd(8): "client-ip client-port server-ip server-port". */
static size_t ssh_port(uint16_t *ret)
{
	const char *text = getenv("SSH_CONNECTION");
	const char *last = text ? strrchr(text, ' ') : NULL;
	struct err ignored = ERR_INIT;
	uint64_t port;

	if (!last || num_uint(&port, last + 1, 1, UINT16_MAX, &ignored) < 0)
		return 0;
	*ret = (uint16_t)port;
	return 1;
}

/* The agents may be elsewhere: the same variable as in stacks/agent.yml. */
static int agent_port(struct firewall_model *m, struct err *e)
{
	const char *text = getenv("NODESWARM_AGENT_PORT");
	uint64_t port;

	if (!text || !*text)
		return 0;
	if (num_uint(&port, text, 1, UINT16_MAX, e) < 0)
		return err_wrap(e, "NODESWARM_AGENT_PORT");
	return firewall_model_set_agent_port(m, (uint16_t)port, e);
}

int firewall_local_rules(
        struct context *ctx, struct firewall_model *m, const char *file, struct err *e)
{
	AUTO(buf) struct buf text = BUF_INIT(FIREWALL_FILE_MAX);
	const char *name = file ? file : FIREWALL_FILE_DEFAULT;
	uint16_t port = 0;
	size_t n_ports = ssh_port(&port);
	int rc = fs_read_at(AT_FDCWD, name, &text, e);

	firewall_model_init(m);
	if (rc < 0 || agent_port(m, e) < 0)
		return -1;
	if (rc == 1)
		return file ? err_set(e, ERR_NOT_FOUND, "no file '%s'", file) : 0;
	output_detail(ctx, "additions are read from '%s'", name);
	return firewall_model_add(m, text.data ? text.data : "", text.len, name, &port, n_ports, e);
}

static int engine_nodes(struct context *ctx, struct firewall_model *m, struct err *e)
{
	AUTO(engine_free) struct engine *eng = command_engine(ctx, e);
	AUTO(engine_nodes) struct engine_nodes nodes = ENGINE_NODES_INIT;
	const struct engine_node *unknown;

	if (!eng || engine_node_list(eng, NULL, &nodes, e) < 0 ||
	        firewall_swarm_nodes(m, &nodes, &unknown, e) < 0)
		return -1;
	if (unknown)
		output_warn(ctx,
		        "the engine does not know the address of node '%s': it is not let in",
		        unknown->hostname);
	return 0;
}

int firewall_local_nodes(struct context *ctx, struct firewall_model *m, struct err *e)
{
	unsigned own = m->n_nodes;

	if (engine_nodes(ctx, m, e) == 0)
		return 0;
	if (e->kind == ERR_USAGE || e->kind == ERR_INTERRUPTED)
		return -1;
	if (own) {
		output_warn(ctx, "only the nodes of the additions are let in: %s", e->msg);
		err_clear(e);
		return 0;
	}
	err_wrap(e, "find the addresses of the swarm's nodes");
	e->hint[0] = '\0';
	return err_hint(e,
	        "a manager knows them ('firewall apply --all' there does every host); or add "
	        "lines 'node ADDRESS' to the additions, or use --saved");
}

/* The directory of the pool, if it is one. */
static int open_pool(struct context *ctx, struct pool *p, struct err *e)
{
	return pool_open(p, ctx->pool, e);
}

int firewall_local_saved(struct context *ctx, struct firewall_model *m, struct err *e)
{
	struct pool p = POOL_INIT;
	int rc;

	if (open_pool(ctx, &p, e) < 0)
		return err_wrap(e, "read which firewall was applied");
	rc = firewall_saved_read(p.fd, m, e);
	pool_release(&p);
	return rc;
}

/* --- plan ----------------------------------------------------------------------------------- */

enum {
	COL_PORT,
	COL_PROTOCOL,
	COL_WHO,
	COL_V4,
	COL_V6,
	COL_WHY,
};

static const struct table_column cols[] = {
	[COL_PORT] = { "PORT", "port", TABLE_TEXT },
	[COL_PROTOCOL] = { "PROTOCOL", "protocol", TABLE_TEXT },
	[COL_WHO] = { "WHO MAY", "who", TABLE_TEXT },
	[COL_V4] = { "RULES IPV4", "rules_ipv4", TABLE_NUMBER },
	[COL_V6] = { "IPV6", "rules_ipv6", TABLE_NUMBER },
	[COL_WHY] = { "WHY", "why", TABLE_WIDE },
};

char *firewall_who_text(const struct firewall_model *m, unsigned first, unsigned end)
{
	static const char *const words[] = {
		[FIREWALL_OPEN] = "anybody",
		[FIREWALL_NODES] = "nodes",
		[FIREWALL_CLOSED] = "nobody",
		[FIREWALL_FROM] = NULL,
	};
	AUTO(buf) struct buf b = BUF_INIT(FIREWALL_RULES_MAX * FIREWALL_NET_SIZE);

	for (unsigned i = first; i < end; i++) {
		const struct firewall_rule *r = &m->rules[i];
		char net[FIREWALL_NET_SIZE];

		if (buf_add_fmt(&b, "%s%s", i > first ? ", " : "",
		            words[r->who] ? words[r->who] : firewall_net_text(net, &r->from)) < 0)
			return NULL;
	}
	return buf_take(&b);
}

static int show_model(struct context *ctx, const struct firewall_model *m, struct err *e)
{
	AUTO(table_free) struct table *t = table_new(cols, ARRAY_LEN(cols));

	if (!t)
		return err_nomem(e);
	for (unsigned i = 0, end; i < m->n_rules; i = end) {
		AUTO(free) char *who = NULL;
		char ports[FIREWALL_PORTS_SIZE];
		unsigned v4 = 0, v6 = 0;

		end = firewall_block_end(m, i);
		who = firewall_who_text(m, i, end);
		if (!who)
			return err_nomem(e);
		for (unsigned k = i; k < end; k++) {
			v4 += firewall_rule_count(m, k, AF_INET);
			v6 += firewall_rule_count(m, k, AF_INET6);
		}
		table_row(t);
		table_set(t, COL_PORT, json_string(firewall_ports_text(ports, &m->rules[i], '-')));
		table_set(t, COL_PROTOCOL, json_string(m->rules[i].is_udp ? "udp" : "tcp"));
		table_set(t, COL_WHO, json_string(who));
		table_set(t, COL_V4, json_integer(v4));
		table_set(t, COL_V6, json_integer(v6));
		table_set(t, COL_WHY, json_string(m->rules[i].why));
	}
	return output_table(ctx, "rules", t, e);
}

static int show_nodes(struct context *ctx, const struct firewall_model *m, struct err *e)
{
	AUTO(buf) struct buf b = BUF_INIT(FIREWALL_NODES_MAX * (FIREWALL_NET_SIZE + 10));
	json_t *list = json_array();

	for (unsigned i = 0; i < m->n_nodes; i++) {
		const struct firewall_net *n = &m->nodes[i];
		char text[FIREWALL_NET_SIZE];

		firewall_net_text(text, n);
		if (json_array_append_new(list,
		            json_pack("{s:s, s:b}", "address", text, "is_added", (int)n->is_own)) <
		                0 ||
		        buf_add_fmt(&b, "%s%s%s", i ? ", " : "", text,
		                n->is_own ? " (added)" : "") < 0) {
			json_decref(list);
			return err_nomem(e);
		}
	}
	output_line(ctx, "nodes: %s", b.len ? b.data : "none");
	return output_value(ctx, "nodes", list, e);
}

/* The texts line by line, or in JSON as they are. */
static int show_text(struct context *ctx, const char *title, const char *key,
        const struct buf *text, bool print, struct err *e)
{
	if (print && text->len)
		output_line(ctx, "# %s\n%.*s", title, (int)text->len - 1, text->data);
	return output_value(ctx, key, json_stringn(text->data ? text->data : "", text->len), e);
}

static int show_texts(
        struct context *ctx, const struct firewall_model *m, bool print, struct err *e)
{
	AUTO(buf) struct buf v4 = BUF_INIT(TEXT_MAX), v6 = BUF_INIT(TEXT_MAX);

	if (firewall_host_plan(m, &v4, &v6, e) < 0)
		return -1;
	if (!v4.len && !v6.len)
		output_line(ctx, "this host: nothing to change");
	else
		output_line(ctx, "this host: %s%s%s would be changed", v4.len ? "IPv4" : "",
		        v4.len && v6.len ? " and " : "", v6.len ? "IPv6" : "");
	if (show_text(ctx, "iptables-restore --noflush", "restore_ipv4", &v4, print, e) < 0 ||
	        show_text(ctx, "ip6tables-restore --noflush", "restore_ipv6", &v6, print, e) < 0)
		return -1;
	return output_value(ctx, "changes", json_boolean(v4.len || v6.len), e);
}

static int show_digest(struct context *ctx, const struct firewall_model *m, struct err *e)
{
	char digest[FIREWALL_DIGEST_SIZE];

	firewall_model_digest(m, digest);
	return output_value(ctx, "model_digest", json_string(digest), e);
}

int firewall_local_plan(
        struct context *ctx, const struct firewall_model *m, bool with_texts, struct err *e)
{
	if (show_model(ctx, m, e) < 0 || show_nodes(ctx, m, e) < 0 || show_digest(ctx, m, e) < 0)
		return -1;
	if (show_texts(ctx, m, with_texts || ctx->level > 0, e) < 0)
		return -1;
	return firewall_spare_ssh(m, e);
}

/* --- apply, remove -------------------------------------------------------------------------- */

static int keep_model(struct context *ctx, const struct firewall_model *m, struct err *e)
{
	struct pool p = POOL_INIT;
	int rc;

	if (open_pool(ctx, &p, e) < 0) {
		/* A host without chain nodes has no pool, and can have a firewall. */
		if (e->kind != ERR_NOT_FOUND)
			return err_wrap(e, "applied, but not kept for the next boot");
		output_warn(ctx, "not kept for the next boot: %s", e->msg);
		err_clear(e);
		return 0;
	}
	rc = firewall_saved_write(p.fd, m, e);
	pool_release(&p);
	return rc < 0 ? err_wrap(e, "applied, but not kept for the next boot") : 0;
}

static int say_changed(struct context *ctx, bool changed, const char *what, struct err *e)
{
	output_line(ctx, "this host: %s", changed ? what : "nothing to change");
	return output_value(ctx, "changed", json_boolean(changed), e);
}

int firewall_local_apply(
        struct context *ctx, const struct firewall_model *m, bool keep, struct err *e)
{
	bool changed = false;

	if (firewall_host_apply(m, &changed, e) < 0 || (keep && keep_model(ctx, m, e) < 0) ||
	        show_digest(ctx, m, e) < 0)
		return -1;
	return say_changed(ctx, changed, "the firewall is applied", e);
}

/* *ret_was: it was kept. */
static int forget_model(struct context *ctx, bool *ret_was, struct err *e)
{
	AUTO(free) struct firewall_model *m = malloc(sizeof(*m));
	struct pool p = POOL_INIT;
	struct err ignored = ERR_INIT;
	int rc;

	if (!m)
		return err_nomem(e);
	if (open_pool(ctx, &p, e) < 0) {
		if (e->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(e);
		return 0;
	}
	*ret_was = firewall_saved_read(p.fd, m, &ignored) == 0 || ignored.kind != ERR_NOT_FOUND;
	rc = firewall_saved_remove(p.fd, e);
	pool_release(&p);
	return rc;
}

int firewall_local_remove(struct context *ctx, bool is_dry, struct err *e)
{
	bool changed = false, was_kept = false;

	if (is_dry)
		return show_texts(ctx, NULL, true, e);
	if (firewall_host_remove(&changed, e) < 0 || forget_model(ctx, &was_kept, e) < 0)
		return -1;
	return say_changed(ctx, changed || was_kept, "the firewall is removed", e);
}
