#pragma once

/*
 * Typed reading of nodes, with messages that say where and of what
 *
 * A mapping with fixed keys is described by a table of fields; read_map() calls each field's
 * reader with the address of the member it fills.  Readers return 0 or -1 with the error set, so
 * that "FILE:LINE:COLUMN: deploy.replicas of service 'readers': ..." is written in one place.
 *
 * What is a number or a boolean follows YAML 1.2's core schema.  Text that came out of a
 * variable may become any type, as Docker has it; other text may not.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/suggest.h"
#include "stack/arena_priv.h"
#include "stack/node_priv.h"
#include "stack/stack.h"

struct reader {
	struct arena *arena;
	const struct stack_vars *vars;
	size_t text_left; /* of STACK_TEXT_MAX */
	struct err *e;
	const char *dir;  /* the absolute directory of the file being read */
	const char *item; /* "service 'readers'", NULL at top level */
	const char
	        *path; /* of the mapping being read in the item: "deploy.update_config", or NULL */
	const char *key; /* being read */
};

typedef int read_fn(struct reader *r, const struct node *n, void *dst);

struct field {
	const char *key;
	read_fn *read; /* NULL: refused */
	size_t at;     /* offset of the member in the object that read_map() fills */
	const char *refused;
};

/* clang-format off */
#define FIELD(T, member, fn) { .key = #member, .read = (fn), .at = offsetof(T, member) }
#define REFUSED(name, why)   { .key = (name), .refused = (why) }
#define FIELDS_END           { .key = NULL }
/* clang-format on */

#define REFUSED_IGNORED "Docker would ignore it"

/* Fill *dst from a mapping.  Keys that begin with x- are skipped, unless fields has them. */
int read_map(struct reader *r, const struct node *n, const struct field *fields, void *dst);

/* The same for a mapping below the current key: its path grows by the key. */
int read_submap(struct reader *r, const struct node *n, const struct field *fields, void *dst);

/* --- values; dst is a pointer to what the comment names --------------------------------------- */

read_fn read_text;         /* const char *; NULL for an empty text */
read_fn read_bool;         /* bool */
read_fn read_opt_bool;     /* struct stack_int */
read_fn read_count;        /* struct stack_int, 0 to INT32_MAX */
read_fn read_duration;     /* struct stack_int, ns */
read_fn read_size;         /* struct stack_int, bytes, written as text */
read_fn read_bytes;        /* struct stack_int, bytes, written as number */
read_fn read_cpus;         /* struct stack_int, 1e-9 CPUs, written as text */
read_fn read_ratio;        /* double, 0 to 1 */
read_fn read_texts;        /* struct stack_strs, a list */
read_fn read_text_or_list; /* struct stack_strs */
read_fn read_command;      /* struct stack_strs, a list or one string as a shell has it */
read_fn read_labels;       /* struct stack_kvs, a map or a list of KEY=VALUE; no value is "" */
read_fn read_options;      /* struct stack_kvs, a map */

/* Whole numbers from min to max. */
int read_int(struct reader *r, const struct node *n, int64_t min, int64_t max, int64_t *ret);

/* One of names, which ends with NULL; *ret is its index. */
int read_enum(struct reader *r, const struct node *n, const char *const *names, int *ret);

/* A map or a list of KEY=VALUE; values that are not given stay NULL.
 * Sorted, without duplicates. */
int read_kvs(struct reader *r, const struct node *n, bool list_too, struct stack_kvs *ret);

/* Sort; a key that is there twice is an error. */
int sort_kvs(struct reader *r, const struct node *n, struct stack_kv *v, size_t len);

/* A scalar of any type as text with its variables replaced; NULL for YAML's null. */
int read_scalar_text(struct reader *r, const struct node *n, const char **ret);

/* Text or a number as text, as a short form may be ("8888"). */
int read_short(struct reader *r, const struct node *n, const char **ret);

/* --- messages --------------------------------------------------------------------------------- */

/* Always return -1.  fail_at() says only what fmt says; fail_value() puts in front what is being
 * read; fail_because() does so with the error that is set already and has no position. */
int fail_at(struct reader *r, const struct node *n, const char *fmt, ...) PRINTF(3, 4);
int fail_value(struct reader *r, const struct node *n, const char *fmt, ...) PRINTF(3, 4);
int fail_because(struct reader *r, const struct node *n);
int fail_nomem(struct reader *r);

int want_map(struct reader *r, const struct node *n);
int want_list(struct reader *r, const struct node *n);

/* A list of at most STACK_ITEMS_MAX. */
int want_items(struct reader *r, const struct node *n);

struct stack_pos pos_of(const struct node *n);
