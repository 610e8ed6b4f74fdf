#pragma once

/* Engine API: node (/nodes): the hosts of the swarm */

#include <stdbool.h>
#include <stddef.h>

#include "engine/engine.h"

struct engine_node {
	char id[ENGINE_ID_SIZE];
	char hostname[ENGINE_NAME_SIZE];
	char addr[64];         /* an IP address that others reach it at, "" when unknown */
	char state[16];        /* "ready" "down" "unknown" "disconnected" */
	char availability[16]; /* "active" "pause" "drain" */
	bool is_manager, is_leader;
	char manager_addr[80]; /* ManagerStatus.Addr, "10.0.0.1:2377"; "" of a worker */
	json_t *labels;        /* Spec.Labels, owned; NULL: none */
};

struct engine_nodes {
	struct engine_node *v;
	size_t n;
};

#define ENGINE_NODES_INIT ((struct engine_nodes){ .v = NULL })

void engine_nodes_release(struct engine_nodes *nodes);

static inline void auto_engine_nodes(struct engine_nodes *nodes)
{
	engine_nodes_release(nodes);
}

/* GET /nodes.  What *ret held is released.  filters: id, label, name, role, node.label,
 * membership. */
int engine_node_list(struct engine *eng, const struct engine_filter *filters,
        struct engine_nodes *ret, struct err *e) NODISCARD;

/* The same list as the engine sent it, with what the struct leaves out. */
json_t *engine_node_list_json(
        struct engine *eng, const struct engine_filter *filters, struct err *e) NODISCARD;

/* GET /nodes/{id}; ERR_NOT_FOUND when the swarm has no such node. */
json_t *engine_node_inspect(struct engine *eng, const char *id, struct err *e) NODISCARD;

/* The host with that id, or NULL. */
const struct engine_node *engine_nodes_find(const struct engine_nodes *nodes, const char *id);

/* Its host name; the id itself when it is not in the list, "" for "". */
const char *engine_nodes_hostname(const struct engine_nodes *nodes, const char *id);

/*
 * Where others reach a node: Status.Addr, or, where that is a wildcard, ManagerStatus.Addr without
 * its port.  Some versions report 0.0.0.0 for a manager that has no other managers.  "" when
 * unknown.
 */
void engine_node_addr(char *out, size_t size, const json_t *node);

/* The pure half: the JSON array of a reply. */
int engine_nodes_parse(const json_t *list, struct engine_nodes *ret, struct err *e) NODISCARD;
