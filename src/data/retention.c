#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "data/generation.h"

#define ORIGIN_ARCHIVE "archive"

static int set_limit(struct retention *r, const char *key, const char *value, struct err *e)
{
	int64_t age = 0;

	if (strcmp(key, "count") == 0)
		return num_uint(&r->count, value, 1, GENERATIONS_MAX, e);
	if (strcmp(key, "min") == 0)
		return num_uint(&r->min, value, 1, GENERATIONS_MAX, e);
	if (strcmp(key, "bytes") == 0) {
		if (num_size(&r->bytes, value, e) < 0)
			return -1;
		return r->bytes ? 0 : err_set(e, ERR_USAGE, "'%s' is no limit", value);
	}
	if (strcmp(key, "age") == 0) {
		if (num_duration(&age, value, e) < 0)
			return -1;
		r->age_ns = age;
		return age > 0 ? 0 : err_set(e, ERR_USAGE, "'%s' is no age", value);
	}
	return err_set(e, ERR_USAGE, "no such limit");
}

int retention_parse(struct retention *ret, const char *text, struct err *e)
{
	AUTO(free) char *copy = strdup(text);
	struct retention r = { 0 };
	char *rest = copy, *key;
	uint64_t seen = 0;

	if (!copy)
		return err_nomem(e);
	while (*text && (key = strsep(&rest, ","))) {
		char *value = strchr(key, '=');
		uint64_t bit = 1ULL << ((unsigned char)key[0] & 63);

		if (!value) {
			err_set(e, ERR_USAGE, "'%s' in '%s' is not KEY=VALUE", key, text);
			goto hint;
		}
		*value++ = '\0';
		if (set_limit(&r, key, value, e) < 0) {
			err_wrap(e, "'%s' in '%s'", key, text);
			goto hint;
		}
		/* The four keys begin with four letters. */
		if (seen & bit) {
			err_set(e, ERR_USAGE, "'%s' is there twice in '%s'", key, text);
			goto hint;
		}
		seen |= bit;
	}
	*ret = r;
	return 0;
hint:
	return err_hint(e, "as in count=3,age=7d,bytes=500G,min=2");
}

/* What was imported or fetched is not the archivist's, whatever source its manifest has. */
static bool is_subject(const struct retention *r, const struct manifest *m)
{
	return !r->source ||
	        (strcmp(m->source, r->source) == 0 && strcmp(m->origin, ORIGIN_ARCHIVE) == 0);
}

void retention_plan(
        bool *remove, const struct generations *g, const struct retention *r, int64_t now_ns)
{
	uint64_t rank = 0, bytes = 0, min = r->min ? r->min : 1;

	for (size_t i = g->n; i-- > 0;) {
		const struct generation *x = &g->v[i];
		bool is_over;

		remove[i] = false;
		if (x->err.kind != ERR_NONE || !is_subject(r, &x->m))
			continue;
		rank++;
		if (__builtin_add_overflow(bytes, x->data_bytes, &bytes))
			bytes = UINT64_MAX;
		is_over = (r->count && rank > r->count) || (r->bytes && bytes > r->bytes) ||
		        (r->age_ns && now_ns - x->m.created_ns > r->age_ns);
		remove[i] = is_over && rank > min && !x->is_current && !x->is_in_use;
	}
}
