#pragma once

/* What reading and judging a manifest share. */

#include "replay/slices.h"

/* One record.  ERR_PROTOCOL names the key, and not the record.  *ret is released by the caller,
 * also after a failure. */
int slice_from_json(struct slice *ret, const json_t *j, struct err *e) NODISCARD;
void slice_release(struct slice *s);

static inline void auto_slice(struct slice *s)
{
	slice_release(s);
}

/* Append *one itself, which is empty afterwards. */
int slices_add_take(struct slices *s, struct slice *one, struct err *e) NODISCARD;

/* The JSON array of a manifest's text; a new reference. */
json_t *slices_array(const char *text, size_t n, const char *what, struct err *e) NODISCARD;
