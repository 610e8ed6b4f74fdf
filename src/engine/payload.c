/* What configs and secrets have in common: a name, labels and some bytes, sent once. */

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/engine_priv.h"

#define NAME_MAX_LEN 64

static int add_base64(struct buf *b, const unsigned char *p, size_t n)
{
	static const char digits[] =
	        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		unsigned v = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) |
		        (left > 2 ? p[i + 2] : 0);
		const char quad[4] = {
			digits[v >> 18],
			digits[v >> 12 & 63],
			left > 1 ? digits[v >> 6 & 63] : '=',
			left > 2 ? digits[v & 63] : '=',
		};

		if (buf_add(b, quad, sizeof(quad)) < 0)
			return -1;
	}
	return 0;
}

/* Reserved as a whole first: a buffer that grows would leave copies of a secret on the heap. */
static int fill(struct buf *b, const char *name, const void *data, size_t n, const char *labels)
{
	static const char zeros[4096];

	while (b->len < b->max)
		if (buf_add(b, zeros,
		            b->max - b->len < sizeof(zeros) ? b->max - b->len : sizeof(zeros)) < 0)
			return -1;
	buf_clear(b);
	if (buf_add_fmt(b, "{\"Name\":\"%s\",\"Labels\":%s,\"Data\":\"", name, labels) < 0 ||
	        add_base64(b, data, n) < 0 || buf_add_str(b, "\"}") < 0)
		return -1;
	return 0;
}

int engine_create_payload(struct engine *eng, const char *kind, const char *base, size_t limit,
        const char *name, const void *data, size_t n, const json_t *labels,
        char ret_id[ENGINE_ID_SIZE], struct err *e)
{
	AUTO(buf) struct buf body = BUF_INIT(0);
	AUTO(free) char *text = NULL;
	int rc;

	if (!str_is_name(name, NAME_MAX_LEN)) {
		err_set(e, ERR_USAGE, "%s name '%.100s' is not valid", kind, name);
		return err_hint(e,
		        "1 to %d of the characters A-Z a-z 0-9 _ . -, a letter or digit "
		        "first",
		        NAME_MAX_LEN);
	}
	if (n == 0 || n >= limit)
		return err_set(e, ERR_USAGE, "%s '%s' has %zu bytes: the engine takes 1 to %zu",
		        kind, name, n, limit - 1);
	text = labels ? json_text(labels, false) : strdup("{}");
	if (!text)
		return err_nomem(e);
	body.max = strlen(text) + n / 3 * 4 + 256;
	rc = fill(&body, name, data, n, text) < 0
	        ? err_nomem(e)
	        : engine_create(eng, kind, base, name, body.data, "ID", ret_id, e);
	if (body.data)
		explicit_bzero(body.data, body.cap);
	return rc;
}

int engine_relabel_payload(struct engine *eng, const char *kind, const char *base, const json_t *it,
        const json_t *labels, struct err *e)
{
	AUTO(json) json_t *spec = json_copy(json_at(it, "Spec"));
	AUTO(free) char *body = NULL;
	int64_t version = json_int(it, "Version.Index", -1);
	char id[ENGINE_ID_SIZE];

	if (engine_copy_id(id, it, "ID", e) < 0)
		return -1;
	if (!*id || !spec || version < 0)
		return err_set(e, ERR_PROTOCOL, "a %s without id, version or spec", kind);
	if (json_object_set(spec, "Labels", (json_t *)(uintptr_t)labels) < 0)
		return err_nomem(e);
	body = json_text(spec, false);
	return engine_update(
	        eng, kind, base, id, (uint64_t)version, json_str(spec, "Name", id), body, e);
}
