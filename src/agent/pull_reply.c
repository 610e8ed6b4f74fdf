#include "agent/pull_reply.h"

#include "base/json.h"

int pull_manifest_parse(struct manifest *ret, const char *text, size_t n, struct err *e)
{
	AUTO(json) json_t *j = json_parse_object(text, n, "the other agent's manifest", e);
	AUTO(manifest) struct manifest m = MANIFEST_INIT;

	if (!j)
		return -1;
	if (manifest_from_json(&m, json_object_get(j, "generation"), e) < 0)
		return err_wrap(e, "the other agent's manifest");
	if (!m.files.n || !generation_name_is(m.name, NULL))
		return err_set(e, ERR_PROTOCOL, "the other agent's manifest has no %s",
		        m.files.n ? "name" : "files");
	*ret = m;
	m = MANIFEST_INIT;
	return 0;
}

static int bad_map(struct err *e, const char *what)
{
	return err_set(e, ERR_PROTOCOL, "the other agent's map of a file %s", what);
}

/* at: where the range may begin. */
static int get_range(
        struct pull_range *r, const json_t *j, uint64_t at, uint64_t size, struct err *e)
{
	const json_t *offset = json_array_get(j, 0), *bytes = json_array_get(j, 1);
	json_int_t o = json_integer_value(offset), b = json_integer_value(bytes);

	if (json_array_size(j) != 2 || !json_is_integer(offset) || !json_is_integer(bytes))
		return bad_map(e, "has something that is not [offset, bytes]");
	if (o < 0 || (uint64_t)o < at || b <= 0 || (uint64_t)o > size ||
	        (uint64_t)b > size - (uint64_t)o)
		return bad_map(e, "has a range that cannot be");
	r->begin = (uint64_t)o;
	r->end = (uint64_t)o + (uint64_t)b;
	return 0;
}

static int get_next(struct pull_map *m, const json_t *v, uint64_t size, struct err *e)
{
	if (json_is_null(v)) {
		m->is_last = true;
		m->next = size;
		return 0;
	}
	/* Each step has to lead on, or there would be no end of them. */
	if (!json_is_integer(v) || !m->n || json_integer_value(v) < 0 ||
	        (uint64_t)json_integer_value(v) < m->v[m->n - 1].end + TREE_PIECE ||
	        (uint64_t)json_integer_value(v) >= size)
		return bad_map(e, "goes on where it cannot");
	m->next = (uint64_t)json_integer_value(v);
	return 0;
}

int pull_map_parse(struct pull_map *ret, const char *text, size_t n, uint64_t offset, uint64_t size,
        struct err *e)
{
	AUTO(json) json_t *j = json_parse_object(text, n, "the other agent's map of a file", e);
	const json_t *list = j ? json_object_get(j, "ranges") : NULL;

	if (!j)
		return -1;
	if (json_int(j, "format", 0) != 1)
		return bad_map(e, "is of another format");
	if (json_int(j, "size", -1) < 0 || (uint64_t)json_int(j, "size", -1) != size)
		return bad_map(e, "is of another size than the manifest says");
	if (!json_is_array(list) || json_array_size(list) > PULL_MAP_RANGES)
		return bad_map(e, "has no list of ranges, or too long a one");
	*ret = (struct pull_map){ .n = 0 };
	for (size_t i = 0; i < json_array_size(list); i++) {
		uint64_t at = i ? ret->v[i - 1].end + TREE_PIECE : offset;

		if (get_range(&ret->v[i], json_array_get(list, i), at, size, e) < 0)
			return -1;
		ret->n++;
	}
	return get_next(ret, json_object_get(j, "next"), size, e);
}
