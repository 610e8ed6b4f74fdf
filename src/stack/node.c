/*
 * libyaml's event API gives a flat stream; compose() turns it into nodes with one frame a level,
 * held in an array: STACK_DEPTH_MAX bounds it, so nothing here recurses over input.
 *
 * An alias shares the node it names.  That costs nothing here, but whoever walks the tree sees
 * it expanded ("billion laughs"), so each node knows its expanded weight and an alias is paid
 * for with the weight of what it stands for.  An anchor exists only once its node is complete,
 * so a node cannot contain itself.
 */

#include "stack/node_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "stack/stack.h"

#define ANCHORS_MAX    200
#define FILE_SHOWN_MAX 160
#define HINT_LINE_MAX  160
#define STR_TAG        "tag:yaml.org,2002:str"
#define MAP_TAG        "tag:yaml.org,2002:map"
#define LIST_TAG       "tag:yaml.org,2002:seq"

struct anchor {
	const char *name;
	struct node *node;
};

/* One open collection. */
struct frame {
	struct node *node;
	const char *anchor;
	struct node *key; /* map: waits for its value */
};

struct composer {
	struct arena *arena;
	const struct source *src;
	size_t *nodes_left;
	struct err *e;
	struct frame stack[STACK_DEPTH_MAX];
	size_t depth;
	struct anchor *anchors;
	size_t n_anchors;
	struct node *root;
	bool second;
};

/* --- messages ------------------------------------------------------------------------------- */

/* "LINE | TEXT", pointing at the column. */
static void hint_line(const struct source *src, unsigned line, unsigned column, struct err *e)
{
	char number[16];
	const char *p = src->text, *end = src->text + src->len;
	const char *nl;
	size_t n;

	for (unsigned i = 1; i < line && p; i++) {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : NULL;
	}
	if (!p || p >= end)
		return;
	nl = memchr(p, '\n', (size_t)(end - p));
	n = (size_t)((nl ? nl : end) - p);
	while (n && (p[n - 1] == '\r' || p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	if (!n)
		return;
	err_hint(e, "%u | %.*s%s", line, (int)(n > HINT_LINE_MAX ? HINT_LINE_MAX : n), p,
	        n > HINT_LINE_MAX ? "..." : "");
	err_point(e, (unsigned)snprintf(number, sizeof(number), "%u | ", line) + column);
}

int source_fail(const struct source *src, unsigned line, unsigned column, struct err *e,
        const char *fmt, ...)
{
	size_t n = strlen(src->file);
	char msg[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	/* Of a very long path the end tells more, and the message must not be crowded out. */
	err_set(e, ERR_USAGE, "%s%s:%u:%u: %s", n > FILE_SHOWN_MAX ? "..." : "",
	        n > FILE_SHOWN_MAX ? src->file + n - FILE_SHOWN_MAX : src->file, line, column, msg);
	hint_line(src, line, column, e);
	return -1;
}

static unsigned mark_line(const yaml_mark_t *m)
{
	return (unsigned)m->line + 1;
}

static unsigned mark_column(const yaml_mark_t *m)
{
	return (unsigned)m->column + 1;
}

#define FAIL(c, m, ...) source_fail((c)->src, mark_line(m), mark_column(m), (c)->e, __VA_ARGS__)

#define FAIL_AT(c, node, ...) \
	source_fail((c)->src, (node)->line, (node)->column, (c)->e, __VA_ARGS__)

static int parser_failed(struct composer *c, const yaml_parser_t *p)
{
	const char *why = p->problem ? p->problem : "unknown error";
	unsigned line = 1;

	if (p->error == YAML_MEMORY_ERROR)
		return err_nomem(c->e);
	if (p->error == YAML_READER_ERROR) {
		/* libyaml gives an offset only, and counts it in what it could decode. */
		for (size_t i = 0; i < c->src->len && i < p->problem_offset; i++)
			line += c->src->text[i] == '\n';
		return source_fail(c->src, line, 1, c->e, "not valid YAML: %s", why);
	}
	return FAIL(c, &p->problem_mark, "not valid YAML: %s%s%s", why, p->context ? " " : "",
	        p->context ? p->context : "");
}

/* --- maps ------------------------------------------------------------------------------------ */

static int by_key(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int rc = strcmp(x->key->text, y->key->text);

	return rc ? rc : x->order < y->order ? -1 : x->order > y->order;
}

static int by_order(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	return x->order < y->order ? -1 : x->order > y->order;
}

static bool is_merge_key(const struct node *key)
{
	return key->plain && strcmp(key->text, "<<") == 0;
}

static int spend(struct composer *c, const struct node *at, size_t weight)
{
	if (weight > *c->nodes_left)
		return FAIL_AT(c, at, "more than %d YAML nodes, aliases expanded", STACK_NODES_MAX);
	*c->nodes_left -= weight;
	return 0;
}

static int add_pair(struct composer *c, struct node *map, const struct node *key,
        struct node *value, bool merged)
{
	struct pair *v = arena_room(c->arena, map->pairs, map->n, sizeof(*v));

	if (!v)
		return err_nomem(c->e);
	map->pairs = v;
	v[map->n] = (struct pair){ key, value, map->n, merged };
	map->n++;
	map->weight += key->weight + value->weight;
	return 0;
}

static int merge_map(
        struct composer *c, struct node *map, const struct node *key, const struct node *from)
{
	if (from->kind != NODE_MAP)
		return FAIL_AT(c, key, "'<<' merges mappings, and this is none");
	if (spend(c, key, from->weight) < 0)
		return -1;
	for (size_t i = 0; i < from->n; i++)
		if (add_pair(c, map, from->pairs[i].key, from->pairs[i].value, true) < 0)
			return -1;
	return 0;
}

static int merge(
        struct composer *c, struct node *map, const struct node *key, const struct node *value)
{
	if (value->kind != NODE_LIST)
		return merge_map(c, map, key, value);
	for (size_t i = 0; i < value->n; i++)
		if (merge_map(c, map, key, value->items[i]) < 0)
			return -1;
	return 0;
}

/*
 * Put the pairs in order and settle keys that are there twice: what the map itself says beats
 * what is merged, the first merged beats the later ones, and twice in the map is an error.
 */
static int finish_map(struct composer *c, struct node *map)
{
	size_t kept = 0;

	if (map->n < 2)
		return 0;
	/* The map's own pairs come first, wherever `<<` stands. */
	for (size_t i = 0; i < map->n; i++)
		map->pairs[i].order += map->pairs[i].merged ? map->n : 0;
	qsort(map->pairs, map->n, sizeof(*map->pairs), by_key);
	for (size_t i = 0; i < map->n; i++) {
		const struct pair *p = &map->pairs[i];

		if (kept && strcmp(map->pairs[kept - 1].key->text, p->key->text) == 0) {
			if (p->merged)
				continue;
			return FAIL_AT(c, p->key, "key '%s' is there twice; first in line %u",
			        p->key->text, map->pairs[kept - 1].key->line);
		}
		map->pairs[kept++] = *p;
	}
	map->n = kept;
	qsort(map->pairs, map->n, sizeof(*map->pairs), by_order);
	return 0;
}

/* --- events ----------------------------------------------------------------------------------- */

/* Put a complete node where it belongs. */
static int place(struct composer *c, struct node *n)
{
	struct frame *f;

	if (!c->depth) {
		c->root = n;
		return 0;
	}
	f = &c->stack[c->depth - 1];
	if (f->node->kind == NODE_LIST) {
		struct node **v =
		        arena_room(c->arena, f->node->items, f->node->n, sizeof(struct node *));

		if (!v)
			return err_nomem(c->e);
		f->node->items = v;
		v[f->node->n++] = n;
		f->node->weight += n->weight;
		return 0;
	}
	if (!f->key) {
		if (n->kind != NODE_SCALAR)
			return FAIL_AT(c, n, "a key must be plain text");
		f->key = n;
		return 0;
	}
	{
		const struct node *key = TAKE(f->key);

		return is_merge_key(key) ? merge(c, f->node, key, n)
		                         : add_pair(c, f->node, key, n, false);
	}
}

static int set_anchor(struct composer *c, const char *name, struct node *n)
{
	struct anchor *v;

	if (!name)
		return 0;
	if (c->n_anchors >= ANCHORS_MAX)
		return FAIL_AT(c, n, "more than %d anchors", ANCHORS_MAX);
	v = arena_room(c->arena, c->anchors, c->n_anchors, sizeof(*v));
	if (!v)
		return err_nomem(c->e);
	c->anchors = v;
	v[c->n_anchors++] = (struct anchor){ name, n };
	return 0;
}

static struct node *new_node(struct composer *c, enum node_kind kind, const yaml_mark_t *m)
{
	struct node *n = arena_alloc(c->arena, 1, sizeof(*n));

	if (!n) {
		err_nomem(c->e);
		return NULL;
	}
	*n = (struct node){
		.kind = kind,
		.src = c->src,
		.line = mark_line(m),
		.column = mark_column(m),
		.text = "",
		.weight = 1,
	};
	return spend(c, n, 1) < 0 ? NULL : n;
}

static int copy_name(struct composer *c, const char **ret, const yaml_char_t *name)
{
	*ret = NULL;
	if (!name)
		return 0;
	*ret = arena_strdup(c->arena, (const char *)name);
	return *ret ? 0 : err_nomem(c->e);
}

/* libyaml gives "!" for a tag that says no more than "not plain". */
static int check_tag(
        struct composer *c, const struct node *n, const yaml_char_t *tag, const char *allowed)
{
	const char *t = (const char *)tag;

	if (!t || strcmp(t, "!") == 0 || strcmp(t, allowed) == 0)
		return 0;
	return FAIL_AT(c, n, "tag '%s' is not supported", t);
}

static int on_scalar(struct composer *c, const yaml_event_t *ev)
{
	const char *text = (const char *)ev->data.scalar.value;
	size_t len = ev->data.scalar.length;
	struct node *n = new_node(c, NODE_SCALAR, &ev->start_mark);
	const char *anchor;

	if (!n || copy_name(c, &anchor, ev->data.scalar.anchor) < 0)
		return -1;
	if (memchr(text, '\0', len))
		return FAIL_AT(c, n, "a NUL byte in a text");
	if (check_tag(c, n, ev->data.scalar.tag, STR_TAG) < 0)
		return -1;
	n->text = arena_strndup(c->arena, text, len);
	if (!n->text)
		return err_nomem(c->e);
	n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !ev->data.scalar.tag;
	if (set_anchor(c, anchor, n) < 0)
		return -1;
	return place(c, n);
}

static int on_start(struct composer *c, enum node_kind kind, const yaml_event_t *ev)
{
	bool map = kind == NODE_MAP;
	const yaml_char_t *anchor =
	        map ? ev->data.mapping_start.anchor : ev->data.sequence_start.anchor;
	const yaml_char_t *tag = map ? ev->data.mapping_start.tag : ev->data.sequence_start.tag;
	struct node *n = new_node(c, kind, &ev->start_mark);
	struct frame *f;

	if (!n || check_tag(c, n, tag, map ? MAP_TAG : LIST_TAG) < 0)
		return -1;
	if (c->depth >= STACK_DEPTH_MAX)
		return FAIL_AT(c, n, "nested more than %d deep", STACK_DEPTH_MAX);
	f = &c->stack[c->depth++];
	*f = (struct frame){ .node = n };
	return copy_name(c, &f->anchor, anchor);
}

static int on_end(struct composer *c)
{
	struct frame f;

	assert(c->depth);
	f = c->stack[--c->depth];
	if (f.node->kind == NODE_MAP && finish_map(c, f.node) < 0)
		return -1;
	if (set_anchor(c, f.anchor, f.node) < 0)
		return -1;
	return place(c, f.node);
}

static int on_alias(struct composer *c, const yaml_event_t *ev)
{
	const char *name = (const char *)ev->data.alias.anchor;
	const struct node here = { .line = mark_line(&ev->start_mark),
		.column = mark_column(&ev->start_mark) };

	for (size_t i = c->n_anchors; i > 0; i--) {
		struct node *n = c->anchors[i - 1].node;

		if (strcmp(c->anchors[i - 1].name, name) != 0)
			continue;
		return spend(c, &here, n->weight) < 0 ? -1 : place(c, n);
	}
	return FAIL_AT(c, &here, "alias '*%s' has no complete anchor '&%s' above it", name, name);
}

/* Returns 1 at the end of the stream. */
static int on_event(struct composer *c, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return 0;
	case YAML_DOCUMENT_START_EVENT:
		if (c->second)
			return FAIL(c, &ev->start_mark, "a second YAML document in one file");
		c->second = true;
		return 0;
	case YAML_STREAM_END_EVENT:
		return 1;
	case YAML_ALIAS_EVENT:
		return on_alias(c, ev);
	case YAML_SCALAR_EVENT:
		return on_scalar(c, ev);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(c, NODE_LIST, ev);
	case YAML_MAPPING_START_EVENT:
		return on_start(c, NODE_MAP, ev);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(c);
	}
	return 0;
}

static int compose(struct composer *c, yaml_parser_t *parser)
{
	int rc = 0;

	while (rc == 0) {
		yaml_event_t ev;

		if (!yaml_parser_parse(parser, &ev))
			return parser_failed(c, parser);
		rc = on_event(c, &ev);
		yaml_event_delete(&ev);
	}
	return rc < 0 ? -1 : 0;
}

int node_parse(struct node **ret, struct arena *a, const struct source *src, size_t *nodes_left,
        struct err *e)
{
	struct composer c = { .arena = a, .src = src, .nodes_left = nodes_left, .e = e };
	yaml_parser_t parser;
	int rc;

	if (!yaml_parser_initialize(&parser))
		return err_nomem(e);
	yaml_parser_set_input_string(&parser, (const unsigned char *)src->text, src->len);
	rc = compose(&c, &parser);
	yaml_parser_delete(&parser);
	if (rc < 0)
		return -1;
	if (!c.root)
		return source_fail(src, 1, 1, e, "the file is empty");
	*ret = c.root;
	return 0;
}
