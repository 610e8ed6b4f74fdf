/* The shapes that most calls have: list, inspect, create, remove. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "engine/engine_priv.h"

/* {"label":["a=b","c=d"]} */
static char *filters_text(const struct engine_filter *f)
{
	AUTO(json) json_t *j = json_object();
	AUTO(free) char *text = NULL;

	for (; f->key; f++) {
		json_t *values = json_object_get(j, f->key);

		if (!values &&
		        (json_object_set_new(j, f->key, json_array()) < 0 ||
		                !(values = json_object_get(j, f->key))))
			return NULL;
		if (json_array_append_new(values, json_string(f->value)) < 0)
			return NULL;
	}
	text = json_text(j, false);
	return text ? http_escape(text) : NULL;
}

char *engine_path(const char *base, const char *id, const char *suffix, const char *query,
        const struct engine_filter *filters)
{
	AUTO(free) char *escaped = NULL;
	AUTO(free) char *f = NULL;
	const char *sep = query && filters ? "&" : "";

	if ((id && !(escaped = http_escape(id))) || (filters && !(f = filters_text(filters))))
		return NULL;
	return str_fmt("%s%s%s%s%s%s%s%s%s", base, id ? "/" : "", id ? escaped : "",
	        suffix ? suffix : "", query || filters ? "?" : "", query ? query : "", sep,
	        filters ? "filters=" : "", filters ? f : "");
}

json_t *engine_list(struct engine *eng, const char *kind, const char *base, const char *query,
        const struct engine_filter *filters, struct err *e)
{
	json_t *j = engine_call_json(eng,
	        &(struct engine_call){
	                .verb = "list",
	                .kind = kind,
	                .path_take = engine_path(base, NULL, NULL, query, filters),
	        },
	        e);

	if (!j || json_is_array(j))
		return j;
	/* No entries are null for some kinds in some versions. */
	if (json_is_null(j)) {
		json_decref(j);
		j = json_array();
		if (!j)
			err_nomem(e);
		return j;
	}
	json_decref(j);
	err_set(e, ERR_PROTOCOL, "list %s: the reply is not an array", kind);
	return NULL;
}

/* An empty id would ask for the whole list, and a dot would be cut off as a path's part. */
static bool is_askable(const char *id)
{
	return *id && strcmp(id, ".") != 0 && strcmp(id, "..") != 0;
}

json_t *engine_inspect(struct engine *eng, const char *kind, char *path_take, const char *id,
        const char *id_key, const char *name_path, struct err *e)
{
	AUTO(json) json_t *j = NULL;

	if (!is_askable(id)) {
		free(path_take);
		err_set(e, ERR_NOT_FOUND, "inspect %s '%s': no such name", kind, id);
		return NULL;
	}
	j = engine_call_json(eng,
	        &(struct engine_call){
	                .verb = "inspect", .kind = kind, .name = id, .path_take = path_take },
	        e);
	if (!j)
		return NULL;
	if (!json_is_object(j)) {
		err_set(e, ERR_PROTOCOL, "inspect %s '%s': the reply is not an object", kind, id);
		return NULL;
	}
	if (name_path && !str_eq(json_str(j, id_key, NULL), id) &&
	        !str_eq(json_str(j, name_path, NULL), id)) {
		err_set(e, ERR_NOT_FOUND, "inspect %s '%s': %s %s not found", kind, id, kind, id);
		return NULL;
	}
	return TAKE(j);
}

int engine_create(struct engine *eng, const char *kind, const char *path, const char *name,
        const char *body, const char *id_key, char ret_id[ENGINE_ID_SIZE], struct err *e)
{
	AUTO(json) json_t *j = NULL;
	char id[ENGINE_ID_SIZE];

	if (!body)
		return err_nomem(e);
	j = engine_call_json(eng,
	        &(struct engine_call){ .verb = "create",
	                .kind = kind,
	                .name = name,
	                .path_take = engine_path(path, NULL, NULL, NULL, NULL),
	                .body = body },
	        e);
	if (!j)
		return -1;
	if (engine_copy_id(id, j, id_key, e) < 0 ||
	        (!*id && err_set(e, ERR_PROTOCOL, "the reply has no %s", id_key)))
		return err_wrap(e, "create %s '%s'", kind, name);
	if (ret_id)
		memcpy(ret_id, id, sizeof(id));
	return 0;
}

int engine_update(struct engine *eng, const char *kind, const char *base, const char *id,
        uint64_t version, const char *name, const char *body, struct err *e)
{
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	AUTO(free) char *suffix = str_fmt("/update?version=%" PRIu64, version);

	if (!body || !suffix)
		return err_nomem(e);
	return engine_call(eng,
	        &(struct engine_call){ .verb = "update",
	                .kind = kind,
	                .name = name,
	                .path_take = engine_path(base, id, suffix, NULL, NULL),
	                .body = body },
	        &r, e);
}

int engine_remove(
        struct engine *eng, const char *kind, const char *base, const char *id, struct err *e)
{
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;

	if (!is_askable(id))
		return 1;
	if (engine_call(eng,
	            &(struct engine_call){ .verb = "remove",
	                    .kind = kind,
	                    .name = id,
	                    .method = "DELETE",
	                    .path_take = engine_path(base, id, NULL, NULL, NULL) },
	            &r, e) == 0)
		return 0;
	if (e->kind != ERR_NOT_FOUND)
		return -1;
	err_clear(e);
	return 1;
}

void engine_copy_text(char *dst, size_t size, const char *src)
{
	size_t n = strnlen(src, size);

	if (n == size) {
		n--;
		while (n && ((unsigned char)src[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(dst, src, n);
	dst[n] = '\0';
	str_printable(dst);
}

int engine_copy_id(char dst[ENGINE_ID_SIZE], const json_t *j, const char *path, struct err *e)
{
	const json_t *v = json_at(j, path);
	const char *s = json_string_value(v);

	if (!v || json_is_null(v) || (s && !*s)) {
		*dst = '\0';
		return 0;
	}
	if (!s || !str_is_name(s, ENGINE_ID_SIZE - 1))
		return err_set(e, ERR_PROTOCOL, "%s '%.100s' is not an id", path, s ? s : "");
	(void)snprintf(dst, ENGINE_ID_SIZE, "%s", s);
	return 0;
}
