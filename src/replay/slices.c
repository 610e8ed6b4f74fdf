/*
 * Reading is generous where the public tools are, and nowhere else: heights may be digit strings, a
 * text may be missing.  What it would have to guess at is an error with the record's number, since
 * that number is the slice's name from then on.
 *
 * The text is made a record at a time, so that a large manifest is never a second time in memory
 * as a tree.
 */

#include "replay/slices.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/num.h"
#include "base/str.h"
#include "replay/slices_priv.h"

#define KEY_START   "start_block_id"
#define KEY_END     "end_block_id"
#define KEY_PATH    "snapshot_path"
#define KEY_STORAGE "storage_type"
#define KEY_HASH    "expected_integrity_hash"
#define KEY_LEAP    "leap_version"
#define KEY_SPRING  "spring_version"

void slice_release(struct slice *s)
{
	free(s->snapshot_path);
	free(s->storage_type);
	free(s->version);
	json_decref(s->more);
	*s = (struct slice){ .start = 0 };
}

void slices_release(struct slices *s)
{
	for (size_t i = 0; i < s->n; i++)
		slice_release(&s->v[i]);
	free(s->v);
	*s = SLICES_INIT;
}

/* --- a list that grows ------------------------------------------------------------------------ */

int slices_add_take(struct slices *s, struct slice *one, struct err *e)
{
	struct slice *more = s->v;

	if (s->n >= SLICES_MAX)
		return err_set(e, ERR_USAGE, "more than %d slices", SLICES_MAX);
	/* Full at each power of two. */
	if ((s->n & (s->n - 1)) == 0)
		more = reallocarray(s->v, s->n ? 2 * s->n : 1, sizeof(*more));
	if (!more)
		return err_nomem(e);
	s->v = more;
	s->v[s->n++] = *one;
	*one = (struct slice){ .start = 0 };
	return 0;
}

int slices_add(struct slices *s, const struct slice *one, struct err *e)
{
	AUTO(slice)
	struct slice copy = {
		.start = one->start,
		.end = one->end,
		.snapshot_path = strdup(one->snapshot_path ? one->snapshot_path : ""),
		.storage_type = strdup(one->storage_type ? one->storage_type : ""),
		.version = strdup(one->version ? one->version : ""),
		.is_spring = one->is_spring,
		.more = one->more ? json_deep_copy(one->more) : NULL,
	};

	memcpy(copy.expected_hash, one->expected_hash, sizeof(copy.expected_hash));
	if (!copy.snapshot_path || !copy.storage_type || !copy.version || !copy.more != !one->more)
		return err_nomem(e);
	return slices_add_take(s, &copy, e);
}

/* --- reading ---------------------------------------------------------------------------------- */

static int read_height(uint32_t *ret, const json_t *j, const char *key, struct err *e)
{
	const json_t *v = json_object_get(j, key);
	struct err ignored = ERR_INIT;
	uint64_t n = UINT64_MAX;

	if (!v)
		return err_set(e, ERR_PROTOCOL, "%s is missing", key);
	if (json_is_integer(v))
		n = (uint64_t)json_integer_value(v); /* below 0 becomes very large */
	else if (json_is_string(v) &&
	        num_uint(&n, json_string_value(v), 0, UINT32_MAX, &ignored) < 0)
		n = UINT64_MAX;
	if (n > UINT32_MAX)
		return err_set(e, ERR_PROTOCOL,
		        "%s is not a block's height, a whole number from 0 to %u", key, UINT32_MAX);
	*ret = (uint32_t)n;
	return 0;
}

/* Missing and null are "". */
static int read_text(const char **ret, const json_t *j, const char *key, struct err *e)
{
	const json_t *v = json_object_get(j, key);

	if (v && !json_is_string(v) && !json_is_null(v))
		return err_set(e, ERR_PROTOCOL, "%s is not a string", key);
	*ret = json_is_string(v) ? json_string_value(v) : "";
	return 0;
}

static int read_copy(char **ret, const json_t *j, const char *key, struct err *e)
{
	const char *text;

	if (read_text(&text, j, key, e) < 0)
		return -1;
	*ret = strdup(text);
	return *ret ? 0 : err_nomem(e);
}

bool slice_is_hash(const char *text)
{
	unsigned char hash[SHA256_LEN];

	return hex_decode(hash, sizeof(hash), text) == 0;
}

static int read_hash(char out[SLICE_HASH_SIZE], const json_t *j, struct err *e)
{
	const char *text;

	if (read_text(&text, j, KEY_HASH, e) < 0)
		return -1;
	if (*text && !slice_is_hash(text))
		return err_set(
		        e, ERR_PROTOCOL, "%s is not %d hex digits", KEY_HASH, SLICE_HASH_SIZE - 1);
	for (; *text; text++)
		*out++ = (char)tolower((unsigned char)*text);
	*out = '\0';
	return 0;
}

static int read_more(struct slice *s, const json_t *j, struct err *e)
{
	const char *const known[] = { KEY_START, KEY_END, KEY_PATH, KEY_STORAGE, KEY_HASH,
		s->is_spring ? KEY_SPRING : KEY_LEAP };
	size_t there = 0;

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		there += json_object_get(j, known[i]) != NULL;
	if (json_object_size(j) == there)
		return 0;
	s->more = json_copy((json_t *)(uintptr_t)j);
	if (!s->more)
		return err_nomem(e);
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		(void)json_object_del(s->more, known[i]);
	return 0;
}

int slice_from_json(struct slice *ret, const json_t *j, struct err *e)
{
	*ret = (struct slice){ .start = 0 };
	if (!json_is_object(j))
		return err_set(e, ERR_PROTOCOL, "it is not a JSON object");
	ret->is_spring = json_object_get(j, KEY_SPRING) != NULL;
	if (read_height(&ret->start, j, KEY_START, e) < 0 ||
	        read_height(&ret->end, j, KEY_END, e) < 0 ||
	        read_copy(&ret->snapshot_path, j, KEY_PATH, e) < 0 ||
	        read_copy(&ret->storage_type, j, KEY_STORAGE, e) < 0 ||
	        read_hash(ret->expected_hash, j, e) < 0 ||
	        read_copy(&ret->version, j, ret->is_spring ? KEY_SPRING : KEY_LEAP, e) < 0)
		return -1;
	return read_more(ret, j, e);
}

json_t *slices_array(const char *text, size_t n, const char *what, struct err *e)
{
	json_t *j = NULL;

	if (n > SLICES_TEXT_MAX)
		err_set(e, ERR_PROTOCOL, "%s: more than %u bytes", what, SLICES_TEXT_MAX);
	else
		j = json_parse(text, n, what, e);
	if (!j)
		return NULL;
	if (!json_is_array(j))
		err_set(e, ERR_PROTOCOL, "%s: a manifest is a JSON array, this is not", what);
	else if (json_array_size(j) > SLICES_MAX)
		err_set(e, ERR_PROTOCOL, "%s: more than %d records", what, SLICES_MAX);
	else
		return j;
	json_decref(j);
	return NULL;
}

int slices_parse(struct slices *ret, const char *text, size_t n, const char *what, struct err *e)
{
	AUTO(json) json_t *j = slices_array(text, n, what, e);
	AUTO(slices) struct slices s = SLICES_INIT;

	if (!j)
		return -1;
	for (size_t i = 0; i < json_array_size(j); i++) {
		AUTO(slice) struct slice one = { .start = 0 };

		if (slice_from_json(&one, json_array_get(j, i), e) < 0 ||
		        slices_add_take(&s, &one, e) < 0)
			return err_wrap(e, "%s: record %zu", what, i + 1);
	}
	*ret = s;
	s = SLICES_INIT;
	return 0;
}

int slices_read(struct slices *ret, const char *path, struct err *e)
{
	AUTO(buf) struct buf text = BUF_INIT(SLICES_TEXT_MAX);
	int rc = fs_read_at(AT_FDCWD, path, &text, e);

	if (rc < 0)
		return err_wrap(e, "read the manifest");
	if (rc > 0) {
		err_set(e, ERR_NOT_FOUND, "there is no manifest '%s'", path);
		return err_hint(e, "'nodeswarm replay manifest generate' makes one");
	}
	return slices_parse(ret, text.data, text.len, path, e);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Every key of the public format, also those that were missing: its readers want them all. */
static json_t *slice_json(const struct slice *s)
{
	AUTO(json)
	json_t *j = json_pack("{s:I,s:I,s:s,s:s,s:s,s:s}", KEY_START, (json_int_t)s->start, KEY_END,
	        (json_int_t)s->end, KEY_PATH, s->snapshot_path, KEY_STORAGE, s->storage_type,
	        KEY_HASH, s->expected_hash, s->is_spring ? KEY_SPRING : KEY_LEAP, s->version);

	if (!j || (s->more && json_object_update(j, s->more) < 0))
		return NULL;
	return TAKE(j);
}

static int add_record(struct buf *out, const struct slice *s, bool is_first, struct err *e)
{
	AUTO(json) json_t *list = json_array();
	AUTO(free) char *text = NULL;
	size_t n;

	if (!list)
		return err_nomem(e);
	if (!str_is_utf8(s->snapshot_path) || !str_is_utf8(s->storage_type) ||
	        !str_is_utf8(s->version))
		return err_set(e, ERR_USAGE, "a text that is not UTF-8");
	if (json_array_append_new(list, slice_json(s)) < 0)
		return err_nomem(e);
	text = json_dumps(list, JSON_INDENT(4) | JSON_ENSURE_ASCII);
	if (!text)
		return err_nomem(e);
	/* Without the array around it: "[\n" and "\n]". */
	n = strlen(text) - 4;
	if (buf_add_str(out, is_first ? "[\n" : ",\n") < 0 || buf_add(out, text + 2, n) < 0)
		return errno == E2BIG
		        ? err_set(e, ERR_USAGE, "a manifest of more than %zu bytes", out->max)
		        : err_nomem(e);
	return 0;
}

int slices_text(const struct slices *s, struct buf *ret, struct err *e)
{
	buf_clear(ret);
	for (size_t i = 0; i < s->n; i++)
		if (add_record(ret, &s->v[i], i == 0, e) < 0)
			return err_wrap(e, "write record %zu", i + 1);
	if (buf_add_str(ret, s->n ? "\n]" : "[]") < 0)
		return err_nomem(e);
	return 0;
}

int slices_write(const struct slices *s, const char *path, struct err *e)
{
	AUTO(buf) struct buf text = BUF_INIT(SLICES_TEXT_MAX);

	if (slices_text(s, &text, e) < 0 ||
	        fs_write_at(AT_FDCWD, path, text.data, text.len, 0644, e) < 0)
		return err_wrap(e, "write the manifest '%s'", path);
	return 0;
}
