#pragma once

/*
 * YAML as a tree that knows where everything was written
 *
 * A YAML 1.2 scalar keeps its text; what it means is decided by who reads it (read_priv.h).
 * Aliases are resolved by sharing the node, merge keys (`<<`) are resolved here, duplicate keys
 * are refused here.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/err.h"
#include "stack/arena_priv.h"

/* One text that is read; outlives the nodes. */
struct source {
	const char *file; /* for messages and relative paths */
	const char *text;
	size_t len;
};

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
	enum node_kind kind;
	const struct source *src;
	unsigned line, column; /* from 1 */
	const char *text;      /* scalar; never NULL, without NUL bytes */
	bool plain;            /* scalar without quotes: may be a number, a boolean or null */
	struct node **items;   /* list */
	struct pair *pairs;    /* map, in the order of the text */
	size_t n;              /* of items or pairs */
	size_t weight;         /* nodes in it, aliases expanded */
};

struct pair {
	const struct node *key; /* a scalar */
	struct node *value;
	size_t order; /* private to node.c */
	bool merged;  /* came through `<<` */
};

/*
 * Parse one document.  *nodes_left is what is left of STACK_NODES_MAX and goes down.  Errors
 * are ERR_USAGE with the position.
 */
int node_parse(struct node **ret, struct arena *a, const struct source *src, size_t *nodes_left,
        struct err *e) NODISCARD;

/*
 * Set "FILE:LINE:COLUMN: message", with the line of text as hint.  Always returns -1.
 */
int source_fail(const struct source *src, unsigned line, unsigned column, struct err *e,
        const char *fmt, ...) PRINTF(5, 6);
