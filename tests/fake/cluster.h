#pragma once

/*
 * A swarm as its manager shows it: a fake engine with nodes, services and tasks
 *
 * The stack is "s".  A service named with a pool has supervisors.  Setting a service to 0
 * replicas makes its tasks unwanted; each list of tasks from then on takes one look off
 * `looks_left`, and at 0 they are gone.
 */

#include <stdbool.h>
#include <stddef.h>

struct fake_engine;
struct fake_request;

struct fake_cluster_node {
	const char *id, *state; /* "ready", "down"; the host name is "host-ID" */
	bool is_manager;
	bool is_drained;
	const char *hostname; /* NULL: "host-ID" */
};

struct fake_cluster_service {
	const char *name, *pool; /* "readers"; NULL: without supervisors */
	bool is_global;
	int replicas;
	char labels[256]; /* more of them, as JSON with a comma in front; or "" */
	const char *env;  /* the same of the environment: ",\"NAME=value\""; or NULL */
};

struct fake_cluster_task {
	const char *id, *service, *node;
	int slot;
	const char *state, *desired;
};

#define FAKE_CLUSTER_MAX 16

struct fake_cluster {
	struct fake_cluster_node nodes[FAKE_CLUSTER_MAX];
	struct fake_cluster_service services[FAKE_CLUSTER_MAX];
	struct fake_cluster_task tasks[FAKE_CLUSTER_MAX];
	int looks_left;
	int lost_after;    /* n: the second node is down from the nth list of nodes on; 0: never */
	char updates[512]; /* names of the services that were changed, in order, and removed ("-x")
	                    */
	char spec[4096];   /* the last spec that was sent */
	/* Asked first, if set: as fake_engine_handler() has it. */
	char *(*first)(void *arg, const struct fake_request *q, int *status);
	void *first_arg;
};

/* Answer as that swarm does from now on; c must live as long as f. */
void fake_cluster_serve(struct fake_engine *f, struct fake_cluster *c);

/* Two hosts, n1 a manager: an agent on each, readers.1 and .2, a front on n1; four looks until all
 * is as it was asked for.  pool is the readers'. */
struct fake_cluster fake_cluster_of_two(const char *pool);
