#include "engine/node.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "engine/engine_priv.h"

#define NODES_MAX 10000

void engine_nodes_release(struct engine_nodes *nodes)
{
	for (size_t i = 0; i < nodes->n; i++)
		json_decref(nodes->v[i].labels);
	free(nodes->v);
	*nodes = ENGINE_NODES_INIT;
}

static bool is_wildcard(const char *addr)
{
	return !*addr || strcmp(addr, "0.0.0.0") == 0 || strcmp(addr, "::") == 0;
}

void engine_node_addr(char *out, size_t size, const json_t *node)
{
	const char *s = json_str(node, "Status.Addr", "");
	const char *port;
	size_t n;

	engine_copy_text(out, size, s);
	if (!is_wildcard(s))
		return;
	*out = '\0';
	s = json_str(node, "ManagerStatus.Addr", "");
	port = strrchr(s, ':');
	if (!port)
		return;
	n = (size_t)(port - s);
	/* "[fd00::1]:2377" */
	if (n >= 2 && *s == '[' && s[n - 1] == ']') {
		s++;
		n -= 2;
	} else if (memchr(s, ':', n)) {
		return;
	}
	if (n >= size)
		return;
	memcpy(out, s, n);
	out[n] = '\0';
	if (is_wildcard(out))
		*out = '\0';
}

/* A node that has just joined has no description yet. */
static int parse_one(const json_t *j, struct engine_node *n, struct err *e)
{
	json_t *labels = json_at(j, "Spec.Labels");

	if (engine_copy_id(n->id, j, "ID", e) < 0)
		return -1;
	if (!*n->id)
		return err_set(e, ERR_PROTOCOL, "a node without ID");
	engine_copy_text(n->hostname, sizeof(n->hostname), json_str(j, "Description.Hostname", ""));
	engine_node_addr(n->addr, sizeof(n->addr), j);
	engine_copy_text(n->state, sizeof(n->state), json_str(j, "Status.State", "unknown"));
	engine_copy_text(n->availability, sizeof(n->availability),
	        json_str(j, "Spec.Availability", "active"));
	n->is_manager = str_eq(json_str(j, "Spec.Role", NULL), "manager");
	engine_copy_text(
	        n->manager_addr, sizeof(n->manager_addr), json_str(j, "ManagerStatus.Addr", ""));
	n->is_leader = json_bool(j, "ManagerStatus.Leader", false);
	if (json_is_object(labels) && json_object_size(labels))
		n->labels = json_incref(labels);
	return 0;
}

int engine_nodes_parse(const json_t *list, struct engine_nodes *ret, struct err *e)
{
	AUTO(engine_nodes) struct engine_nodes nodes = ENGINE_NODES_INIT;
	size_t n = json_array_size(list);

	if (!json_is_array(list))
		return err_set(e, ERR_PROTOCOL, "nodes: not an array");
	if (n > NODES_MAX)
		return err_set(e, ERR_PROTOCOL, "nodes: more than %d", NODES_MAX);
	if (n && !(nodes.v = calloc(n, sizeof(*nodes.v))))
		return err_nomem(e);
	for (; nodes.n < n; nodes.n++)
		if (parse_one(json_array_get(list, nodes.n), &nodes.v[nodes.n], e) < 0)
			return err_wrap(e, "node %zu of the list", nodes.n);
	engine_nodes_release(ret);
	*ret = nodes;
	nodes = ENGINE_NODES_INIT;
	return 0;
}

json_t *engine_node_list_json(
        struct engine *eng, const struct engine_filter *filters, struct err *e)
{
	return engine_list(eng, "nodes", "/nodes", NULL, filters, e);
}

json_t *engine_node_inspect(struct engine *eng, const char *id, struct err *e)
{
	return engine_inspect(
	        eng, "node", engine_path("/nodes", id, NULL, NULL, NULL), id, "ID", "ID", e);
}

int engine_node_list(struct engine *eng, const struct engine_filter *filters,
        struct engine_nodes *ret, struct err *e)
{
	AUTO(json) json_t *j = engine_node_list_json(eng, filters, e);

	if (!j)
		return -1;
	return engine_nodes_parse(j, ret, e) < 0 ? err_wrap(e, "list nodes") : 0;
}

const struct engine_node *engine_nodes_find(const struct engine_nodes *nodes, const char *id)
{
	for (size_t i = 0; i < nodes->n; i++)
		if (strcmp(nodes->v[i].id, id) == 0)
			return &nodes->v[i];
	return NULL;
}

const char *engine_nodes_hostname(const struct engine_nodes *nodes, const char *id)
{
	const struct engine_node *n = engine_nodes_find(nodes, id);

	return n && *n->hostname ? n->hostname : id;
}
