#pragma once

/*
 * One table, printed as text or as JSON
 *
 * A command fills cells once; table_print() writes aligned columns for people (libsmartcols),
 * table_json() the same cells as a list of objects for programs.  So the two cannot differ.
 *
 *	static const struct table_column cols[] = {
 *		{ "NAME", "name", TABLE_TEXT },
 *		{ "LAG", "lag_blocks", TABLE_NUMBER },
 *	};
 *	struct table *t = table_new(cols, ARRAY_LEN(cols));
 *	table_row(t);
 *	table_set(t, 0, json_string("readers.1"));
 *	table_set(t, 1, json_integer(3));
 *
 * Cells that were not set print as "-" and are null in JSON.
 */

#include <stdio.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

enum table_kind {
	TABLE_TEXT,   /* left */
	TABLE_NUMBER, /* right */
	TABLE_SIZE,   /* bytes: "1.5 GiB" in text, the number in JSON */
	TABLE_JSON,   /* in JSON only */
	TABLE_WIDE,   /* text that may be cut on a narrow terminal; give it the last column */
};

struct table_column {
	const char *title; /* upper case */
	const char *key;   /* the JSON key, snake_case with its unit */
	enum table_kind kind;
};

struct table;

/* cols must outlive the table.  NULL when memory is short. */
struct table *table_new(const struct table_column *cols, size_t n);
void table_free(struct table *t);
DEFINE_AUTO(struct table, table_free)

/* Start a row. */
void table_row(struct table *t);

/* Set a cell of the last row; the value is taken over (NULL means null).  A failed allocation
 * is remembered and reported by the printers. */
void table_set(struct table *t, size_t col, json_t *take);

/* Sort rows by a column: empty cells, no and yes, numbers by value, text with its digits by value
 * ("r.2" before "r.10"). */
void table_sort(struct table *t, size_t col);

int table_print(const struct table *t, FILE *out, struct err *e) NODISCARD;

/* The rows as a JSON list; a new reference, or NULL. */
json_t *table_json(const struct table *t, struct err *e) NODISCARD;
