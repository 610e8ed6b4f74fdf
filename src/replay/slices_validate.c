/*
 * A manifest is sound when the slices, by height, meet end to start: each expected hash is then the
 * next one's start hash, and the whole range is proved.  The order in the file does not matter, and
 * a record that is no range by itself is left out where ranges are compared, or one mistake would
 * be told of twice.
 */

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "replay/slices_priv.h"

struct check {
	const struct slices *s;
	const uint32_t *number; /* the record of each slice; NULL: they are all there */
	slice_fault_fn *fn;
	void *arg;
	int n;
};

const char *slice_fault_name(enum slice_fault f)
{
	static const char *const names[] = {
		[SLICE_FORM] = "form",
		[SLICE_NEGATIVE] = "negative",
		[SLICE_DUPLICATE] = "duplicate",
		[SLICE_OVERLAP] = "overlap",
		[SLICE_GAP] = "gap",
		[SLICE_NO_SNAPSHOT] = "no_snapshot",
		[SLICE_STORAGE] = "storage",
		[SLICE_VERSION] = "version",
	};

	return names[f];
}

static size_t record(const struct check *c, const struct slice *s)
{
	size_t i = (size_t)(s - c->s->v);

	return c->number ? c->number[i] : i + 1;
}

PRINTF(5, 6)
static void tell(struct check *c, enum slice_fault f, const struct slice *s,
        const struct slice *other, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	str_printable(text); /* it was perhaps cut in the middle of a character */
	c->n++;
	c->fn(c->arg, f, record(c, s), other ? record(c, other) : 0, text);
}

/* --- records by themselves -------------------------------------------------------------------- */

static bool is_known_storage(const struct slice *s)
{
	static const char *const known[] = { "s3", "filesystem", "fs", "http" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(s->storage_type, known[i]) == 0)
			return true;
	/* From the genesis nothing is fetched. */
	return s->start == 0 && !*s->storage_type;
}

static const char *version_key(const struct slice *s)
{
	return s->is_spring ? "spring_version" : "leap_version";
}

static bool is_same_version(const struct slice *a, const struct slice *b)
{
	return a->is_spring == b->is_spring && strcmp(a->version, b->version) == 0;
}

/* A slice with the version that most have, if most have one: the vote of Boyer and Moore. */
static const struct slice *usual_version(const struct slices *s)
{
	const struct slice *chosen = NULL;
	size_t votes = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (!*s->v[i].version)
			continue;
		if (votes == 0)
			chosen = &s->v[i];
		votes += votes == 0 || is_same_version(chosen, &s->v[i]) ? 1 : (size_t)-1;
	}
	return chosen;
}

static void check_version(struct check *c, const struct slice *s, const struct slice *usual)
{
	if (!*s->version)
		tell(c, SLICE_VERSION, s, NULL, "it has no leap_version or spring_version");
	else if (!is_same_version(s, usual))
		tell(c, SLICE_VERSION, s, usual, "its %s is '%.40s', that of record %zu %s '%.40s'",
		        version_key(s), s->version, record(c, usual),
		        s->is_spring == usual->is_spring ? "is" : version_key(usual),
		        usual->version);
}

static void check_record(struct check *c, const struct slice *s, const struct slice *usual)
{
	if (s->end <= s->start)
		tell(c, SLICE_NEGATIVE, s, NULL, "it ends at %u, which is not behind its start, %u",
		        s->end, s->start);
	if (s->start && !*s->snapshot_path)
		tell(c, SLICE_NO_SNAPSHOT, s, NULL, "it starts at %u and has no snapshot_path",
		        s->start);
	if (!is_known_storage(s))
		tell(c, SLICE_STORAGE, s, NULL, "its storage_type %s%.40s%s",
		        *s->storage_type ? "'" : "", s->storage_type,
		        *s->storage_type ? "' is none of s3, http, filesystem and fs"
		                         : "is missing");
	check_version(c, s, usual);
}

/* --- ranges ----------------------------------------------------------------------------------- */

/* By start, then end; of the same range the file's order. */
static int by_height(const void *a, const void *b)
{
	const struct slice *x = *(const struct slice *const *)a;
	const struct slice *y = *(const struct slice *const *)b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* last: the one before it by height; reach: the one before it that ends last. */
static void check_range(
        struct check *c, const struct slice *s, const struct slice *last, const struct slice *reach)
{
	if (last->start == s->start && last->end == s->end)
		tell(c, SLICE_DUPLICATE, s, last, "it goes from %u to %u, as record %zu does",
		        s->start, s->end, record(c, last));
	else if (s->start < reach->end)
		tell(c, SLICE_OVERLAP, s, reach, "it starts at %u, before record %zu ends, at %u",
		        s->start, record(c, reach), reach->end);
	else if (s->start > reach->end)
		tell(c, SLICE_GAP, s, reach,
		        "it starts at %u, and record %zu before it ends at %u: %u blocks are in "
		        "no slice",
		        s->start, record(c, reach), reach->end, s->start - reach->end);
}

static int check_ranges(struct check *c, struct err *e)
{
	AUTO(free) const struct slice **sorted = calloc(c->s->n + 1, sizeof(*sorted));
	const struct slice *reach = NULL;
	size_t n = 0;

	if (!sorted)
		return err_nomem(e);
	for (size_t i = 0; i < c->s->n; i++)
		if (c->s->v[i].end > c->s->v[i].start)
			sorted[n++] = &c->s->v[i];
	qsort(sorted, n, sizeof(*sorted), by_height);
	for (size_t i = 0; i < n; i++) {
		if (reach)
			check_range(c, sorted[i], sorted[i - 1], reach);
		if (!reach || sorted[i]->end > reach->end)
			reach = sorted[i];
	}
	return 0;
}

static int check_all(struct check *c, struct err *e)
{
	const struct slice *usual = usual_version(c->s);

	for (size_t i = 0; i < c->s->n; i++)
		check_record(c, &c->s->v[i], usual);
	return check_ranges(c, e) < 0 ? -1 : c->n;
}

int slices_validate(const struct slices *s, slice_fault_fn *fn, void *arg, struct err *e)
{
	struct check c = { .s = s, .fn = fn, .arg = arg };

	return check_all(&c, e);
}

int slices_examine(struct slices *ret, const char *text, size_t n, const char *what,
        slice_fault_fn *fn, void *arg, struct err *e)
{
	AUTO(json) json_t *j = slices_array(text, n, what, e);
	AUTO(slices) struct slices s = SLICES_INIT;
	AUTO(free) uint32_t *number = NULL;
	struct check c = { .s = &s, .fn = fn, .arg = arg };
	size_t count;

	if (!j)
		return -1;
	count = json_array_size(j);
	number = calloc(count + 1, sizeof(*number));
	if (!number)
		return err_nomem(e);
	for (size_t i = 0; i < count; i++) {
		AUTO(slice) struct slice one = { .start = 0 };
		struct err why = ERR_INIT;

		if (slice_from_json(&one, json_array_get(j, i), &why) == 0) {
			number[s.n] = (uint32_t)i + 1;
			if (slices_add_take(&s, &one, e) < 0)
				return -1;
			continue;
		}
		if (why.kind != ERR_PROTOCOL) {
			*e = why;
			return -1;
		}
		c.n++;
		fn(arg, SLICE_FORM, i + 1, 0, why.msg);
	}
	c.number = number;
	if (check_all(&c, e) < 0)
		return -1;
	*ret = s;
	s = SLICES_INIT;
	return c.n;
}
