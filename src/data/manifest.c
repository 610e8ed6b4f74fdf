#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/str.h"
#include "data/generation.h"

#define PATH_MAX_BYTES 1024
#define NUMBER_MAX     999999999999ULL

void manifest_release(struct manifest *m)
{
	tree_release(&m->files);
	json_decref(m->clone);
	*m = MANIFEST_INIT;
}

bool generation_name_is(const char *name, uint64_t *ret_number)
{
	uint64_t number = 0;
	size_t digits = 0;
	const char *c = name;

	if (*c++ != 'g')
		return false;
	for (; *c >= '0' && *c <= '9'; c++, digits++) {
		if (digits == 12)
			return false;
		number = number * 10 + (uint64_t)(*c - '0');
	}
	/* One number has one spelling. */
	if (digits < 6 || (digits > 6 && name[1] == '0') || *c++ != '-')
		return false;
	if (strlen(c) != 10 || strspn(c, "0123456789") != 10)
		return false;
	if (ret_number)
		*ret_number = number;
	return true;
}

static const char *kind_name(enum generation_kind k)
{
	return k == GENERATION_SNAPSHOT ? "snapshot" : "data";
}

static json_t *files_json(const struct tree *t)
{
	AUTO(json) json_t *a = json_array();

	if (!a)
		return NULL;
	for (size_t i = 0; i < t->n; i++) {
		const struct tree_file *f = &t->v[i];
		char mode[8];

		(void)snprintf(mode, sizeof(mode), "%04o", (unsigned)(f->mode & 07777));
		if (json_array_append_new(a,
		            json_pack("{s:s, s:I, s:I, s:s, s:s}", "path", f->path, "size_bytes",
		                    (json_int_t)f->size, "data_bytes", (json_int_t)f->data_bytes,
		                    "mode", mode, "digest", f->digest)) < 0)
			return NULL;
	}
	return TAKE(a);
}

json_t *manifest_json(const struct manifest *m, bool with_files)
{
	char created[CLOCK_TEXT_MAX], sum[TREE_DIGEST_SIZE];
	AUTO(json) json_t *j = NULL;

	j = json_pack("{s:i, s:s, s:I, s:s, s:s, s:I, s:s, s:I, s:s, s:I, s:s, s:s, s:s, s:s, s:s, "
	              "s:s, s:s, s:I, s:I, s:I}",
	        "format", GENERATION_FORMAT, "name", m->name, "number", (json_int_t)m->number,
	        "kind", kind_name(m->kind), "chain_id", m->chain_id, "head_block_num",
	        (json_int_t)m->head_block_num, "head_block_id", m->head_block_id, "lib_block_num",
	        (json_int_t)m->lib_block_num, "lib_block_id", m->lib_block_id, "first_block_num",
	        (json_int_t)m->first_block_num, "nodeos_version", m->nodeos_version,
	        "database_format", m->database_format, "integrity_hash", m->integrity_hash,
	        "source", m->source, "host", m->host, "origin", m->origin, "created",
	        clock_text(created, m->created_ns), "file_count", (json_int_t)m->files.n,
	        "size_bytes", (json_int_t)m->files.size_bytes, "data_bytes",
	        (json_int_t)m->files.data_bytes);
	if (!j || (m->clone && json_object_set(j, "clone", m->clone) < 0))
		return NULL;
	if (with_files &&
	        (json_object_set_new(j, "digest", json_string(tree_sum(sum, &m->files))) < 0 ||
	                json_object_set_new(j, "files", files_json(&m->files)) < 0))
		return NULL;
	return TAKE(j);
}

/* --- reading it --- */

static int bad(struct err *e, const char *key, const char *what)
{
	return err_set(e, ERR_PROTOCOL, "manifest: '%s' %s", key, what);
}

/* Absent is "": what is new in a later version may be missing in an older one. */
static int get_text(char *out, size_t size, const json_t *j, const char *key, struct err *e)
{
	const json_t *v = json_object_get(j, key);
	const char *s = json_string_value(v);

	if (v && !s)
		return bad(e, key, "is not a text");
	if (!s)
		s = "";
	if (strlen(s) >= size)
		return bad(e, key, "is too long");
	memcpy(out, s, strlen(s) + 1);
	str_printable(out);
	return 0;
}

/* Lower-case hex of exactly `digits`, or, unless it must be there, "". */
static bool is_hex(const char *s, size_t digits, bool must)
{
	return hex_is(s, digits) || (!*s && !must);
}

static int get_hex(char out[65], const json_t *j, const char *key, struct err *e)
{
	if (get_text(out, 65, j, key, e) < 0)
		return -1;
	return is_hex(out, 64, false) ? 0 : bad(e, key, "is not 64 hex digits");
}

static int get_number(uint64_t *ret, const json_t *j, const char *key, uint64_t max, struct err *e)
{
	const json_t *v = json_object_get(j, key);
	json_int_t n = json_integer_value(v);

	if (v && !json_is_integer(v))
		return bad(e, key, "is not a number");
	if (n < 0 || (uint64_t)n > max)
		return bad(e, key, "is out of range");
	*ret = (uint64_t)n;
	return 0;
}

static int get_block(uint32_t *ret, const json_t *j, const char *key, struct err *e)
{
	uint64_t n = 0;

	if (get_number(&n, j, key, UINT32_MAX, e) < 0)
		return -1;
	*ret = (uint32_t)n;
	return 0;
}

/* A path that stays below the directory it is taken from. */
static bool is_path(const char *path)
{
	size_t len = strlen(path);
	const char *c = path;

	if (len == 0 || len > PATH_MAX_BYTES)
		return false;
	for (;;) {
		size_t n = strcspn(c, "/");

		if (n == 0 || n > 255 || (n == 1 && c[0] == '.') ||
		        (n == 2 && c[0] == '.' && c[1] == '.'))
			return false;
		if (!c[n])
			return true;
		c += n + 1;
	}
}

static int get_file(struct tree_file *f, const json_t *j, struct err *e)
{
	const char *path = json_string_value(json_object_get(j, "path"));
	char mode[8];

	if (!path || !is_path(path))
		return bad(e, "files", "has a path that cannot be");
	if (get_number(&f->size, j, "size_bytes", INT64_MAX, e) < 0 ||
	        get_number(&f->data_bytes, j, "data_bytes", INT64_MAX, e) < 0 ||
	        get_text(mode, sizeof(mode), j, "mode", e) < 0 ||
	        get_text(f->digest, sizeof(f->digest), j, "digest", e) < 0)
		return -1;
	if (strlen(mode) != 4 || strspn(mode, "01234567") != 4)
		return bad(e, "mode", "is not four octal digits");
	if (!is_hex(f->digest, TREE_DIGEST_SIZE - 1, true))
		return bad(e, "digest", "of a file is not 32 hex digits");
	f->mode = (mode_t)strtoul(mode, NULL, 8);
	f->path = strdup(path);
	return f->path ? 0 : err_nomem(e);
}

static int by_path(const void *a, const void *b)
{
	const struct tree_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

/* No path twice, and none that is a file and the directory of another. */
static int check_paths(const struct tree *t, struct err *e)
{
	for (size_t i = 0; i < t->n; i++) {
		char dir[PATH_MAX_BYTES + 1];

		if (i && strcmp(t->v[i - 1].path, t->v[i].path) == 0)
			return bad(e, "files", "has a path twice");
		memcpy(dir, t->v[i].path, strlen(t->v[i].path) + 1);
		for (char *c = dir + strlen(dir); c > dir; c--) {
			struct tree_file above = { .path = dir };

			if (*c != '/')
				continue;
			*c = '\0';
			if (bsearch(&above, t->v, t->n, sizeof(*t->v), by_path))
				return bad(e, "files", "has a path that is a file and a directory");
		}
	}
	return 0;
}

static int get_files(struct tree *t, const json_t *a, struct err *e)
{
	size_t n = json_array_size(a);

	if (!json_is_array(a))
		return bad(e, "files", "is not a list");
	if (n > TREE_FILES_MAX)
		return bad(e, "files", "is too long");
	t->v = calloc(n ? n : 1, sizeof(*t->v));
	if (!t->v)
		return err_nomem(e);
	for (; t->n < n; t->n++) {
		struct tree_file *f = &t->v[t->n];

		if (get_file(f, json_array_get(a, t->n), e) < 0)
			return -1;
		if (__builtin_add_overflow(t->size_bytes, f->size, &t->size_bytes) ||
		        __builtin_add_overflow(t->data_bytes, f->data_bytes, &t->data_bytes)) {
			free(TAKE(f->path));
			return bad(e, "files", "is larger than can be");
		}
	}
	if (t->n > 1)
		qsort(t->v, t->n, sizeof(*t->v), by_path);
	return check_paths(t, e);
}

static int get_tree(struct tree *t, const json_t *j, struct err *e)
{
	const json_t *files = json_object_get(j, "files");
	char sum[TREE_DIGEST_SIZE], said[TREE_DIGEST_SIZE];
	uint64_t n = 0, size = 0, data = 0;

	if (get_number(&n, j, "file_count", TREE_FILES_MAX, e) < 0 ||
	        get_number(&size, j, "size_bytes", INT64_MAX, e) < 0 ||
	        get_number(&data, j, "data_bytes", INT64_MAX, e) < 0)
		return -1;
	if (!files) {
		t->size_bytes = size;
		t->data_bytes = data;
		return 0;
	}
	if (get_files(t, files, e) < 0 || get_text(said, sizeof(said), j, "digest", e) < 0)
		return -1;
	if (t->n != n || t->size_bytes != size || t->data_bytes != data)
		return bad(e, "files", "is not what the sizes beside it say");
	if (strcmp(tree_sum(sum, t), said) != 0)
		return bad(e, "files", "is not what its digest says");
	return 0;
}

static int get_kind(struct manifest *m, const json_t *j, struct err *e)
{
	const char *kind = json_str(j, "kind", "");
	uint64_t number = 0;

	if (strcmp(kind, kind_name(GENERATION_SNAPSHOT)) == 0)
		m->kind = GENERATION_SNAPSHOT;
	else if (strcmp(kind, kind_name(GENERATION_DATA)) != 0)
		return bad(e, "kind", "is none that this program knows");
	if (get_text(m->name, sizeof(m->name), j, "name", e) < 0 ||
	        get_number(&m->number, j, "number", NUMBER_MAX, e) < 0)
		return -1;
	/* Before it is committed it has none. */
	if (m->name[0] ? !generation_name_is(m->name, &number) || number != m->number : m->number)
		return bad(e, "name", "is not that of a generation of this number");
	return 0;
}

static int get_all(struct manifest *m, const json_t *j, struct err *e)
{
	char created[CLOCK_TEXT_MAX];
	json_t *clone = json_object_get(j, "clone");

	if (json_int(j, "format", 0) != GENERATION_FORMAT)
		return err_set(e, ERR_PROTOCOL, "manifest has format %lld, this program reads %d",
		        (long long)json_int(j, "format", 0), GENERATION_FORMAT);
	if (get_kind(m, j, e) < 0 || get_hex(m->chain_id, j, "chain_id", e) < 0 ||
	        get_block(&m->head_block_num, j, "head_block_num", e) < 0 ||
	        get_hex(m->head_block_id, j, "head_block_id", e) < 0 ||
	        get_block(&m->lib_block_num, j, "lib_block_num", e) < 0 ||
	        get_hex(m->lib_block_id, j, "lib_block_id", e) < 0 ||
	        get_block(&m->first_block_num, j, "first_block_num", e) < 0 ||
	        get_text(m->nodeos_version, sizeof(m->nodeos_version), j, "nodeos_version", e) <
	                0 ||
	        get_text(m->database_format, sizeof(m->database_format), j, "database_format", e) <
	                0 ||
	        get_hex(m->integrity_hash, j, "integrity_hash", e) < 0 ||
	        get_text(m->source, sizeof(m->source), j, "source", e) < 0 ||
	        get_text(m->host, sizeof(m->host), j, "host", e) < 0 ||
	        get_text(m->origin, sizeof(m->origin), j, "origin", e) < 0 ||
	        get_text(created, sizeof(created), j, "created", e) < 0)
		return -1;
	if (clock_parse(&m->created_ns, created) < 0)
		return bad(e, "created", "is not a time");
	if (json_is_object(clone))
		m->clone = json_incref(clone);
	return get_tree(&m->files, j, e);
}

int manifest_from_json(struct manifest *ret, const json_t *j, struct err *e)
{
	struct manifest m = MANIFEST_INIT;

	if (get_all(&m, j, e) < 0) {
		manifest_release(&m);
		return -1;
	}
	*ret = m;
	return 0;
}
