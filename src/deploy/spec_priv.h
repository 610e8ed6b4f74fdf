#pragma once

/*
 * Writing the Engine API's types, for deploy/spec*.c
 *
 * Go's encoding of the types decides what is written: a field that is `omitempty` there is left
 * out here when it is empty (the opt_ functions), any other is always written.  Building does not
 * stop at a failed allocation; each put remembers it and the end reports it once.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "deploy/spec.h"
#include "stack/stack.h"

struct spec {
	const struct stack *st;
	bool failed; /* memory was short */
};

/* Takes v; NULL is a failed allocation. */
static inline void put(struct spec *s, json_t *o, const char *key, json_t *v)
{
	if (json_object_set_new(o, key, v) < 0)
		s->failed = true;
}

static inline void append(struct spec *s, json_t *list, json_t *v)
{
	if (json_array_append_new(list, v) < 0)
		s->failed = true;
}

static inline void put_str(struct spec *s, json_t *o, const char *key, const char *v)
{
	put(s, o, key, json_string(v ? v : ""));
}

static inline void put_int(struct spec *s, json_t *o, const char *key, int64_t v)
{
	put(s, o, key, json_integer(v));
}

static inline void opt_str(struct spec *s, json_t *o, const char *key, const char *v)
{
	if (v && *v)
		put_str(s, o, key, v);
}

static inline void opt_int(struct spec *s, json_t *o, const char *key, int64_t v)
{
	if (v)
		put_int(s, o, key, v);
}

static inline void opt_bool(struct spec *s, json_t *o, const char *key, bool v)
{
	if (v)
		put(s, o, key, json_true());
}

/* A pointer in Go: 0 is written if it was said. */
static inline void opt_set(struct spec *s, json_t *o, const char *key, const struct stack_int *v)
{
	if (v->set)
		put_int(s, o, key, v->v);
}

/* An empty list or map is left out; v is taken in any case. */
static inline void opt_new(struct spec *s, json_t *o, const char *key, json_t *v)
{
	if (v && json_array_size(v) == 0 && json_object_size(v) == 0) {
		json_decref(v);
		return;
	}
	put(s, o, key, v);
}

static inline json_t *from_strs(struct spec *s, const struct stack_strs *strs)
{
	json_t *list = json_array();

	for (size_t i = 0; i < strs->n; i++)
		append(s, list, json_string(strs->v[i]));
	return list;
}

static inline json_t *from_kvs(struct spec *s, const struct stack_kvs *kvs)
{
	json_t *o = json_object();

	for (size_t i = 0; i < kvs->n; i++)
		put_str(s, o, kvs->v[i].key, kvs->v[i].value);
	return o;
}

/* Labels always have the stack's own. */
static inline json_t *labels(struct spec *s, const struct stack_kvs *kvs)
{
	json_t *o = from_kvs(s, kvs);

	put_str(s, o, SPEC_LABEL_STACK, s->st->name);
	return o;
}

/* {"Name": ..., "Options": {...}}, as drivers of all kinds are written. */
static inline json_t *driver(struct spec *s, const char *name, const struct stack_kvs *options)
{
	json_t *o = json_object();

	opt_str(s, o, "Name", name);
	if (options)
		opt_new(s, o, "Options", from_kvs(s, options));
	return o;
}

/* The ContainerSpec; NULL with *e set, or without when memory is short. */
json_t *spec_container(struct spec *s, const struct stack_service *svc,
        const struct spec_refs *refs, struct err *e);

/* The list of network attachments. */
json_t *spec_attachments(
        struct spec *s, const struct stack_service *svc, const struct spec_refs *refs);
