#include "engine/container.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/str.h"
#include "engine/engine_priv.h"
#include "engine/frame.h"

json_t *engine_container_list(
        struct engine *eng, const struct engine_filter *filters, struct err *e)
{
	return engine_list(eng, "containers", "/containers/json", "all=1", filters, e);
}

json_t *engine_container_inspect(struct engine *eng, const char *id, struct err *e)
{
	return engine_inspect(eng, "container", engine_path("/containers", id, "/json", NULL, NULL),
	        id, NULL, NULL, e);
}

int engine_container_create(struct engine *eng, const char *name, const json_t *body,
        char ret_id[ENGINE_ID_SIZE], struct err *e)
{
	AUTO(free) char *path = str_fmt("/containers/create?name=%s", name);
	AUTO(free) char *text = json_text(body, false);

	/* Nothing in a name has to be escaped then. */
	if (!str_is_name(name, ENGINE_NAME_SIZE - 1))
		return err_set(e, ERR_USAGE, "'%s' is not a container's name", name);
	if (!path)
		return err_nomem(e);
	return engine_create(eng, "container", path, name, text, "Id", ret_id, e);
}

int engine_container_start(struct engine *eng, const char *id, struct err *e)
{
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;

	return engine_call(eng,
	        &(struct engine_call){ .verb = "start",
	                .kind = "container",
	                .name = id,
	                .method = "POST",
	                .path_take = engine_path("/containers", id, "/start", NULL, NULL) },
	        &r, e);
}

int engine_container_remove(struct engine *eng, const char *id, struct err *e)
{
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;

	if (engine_call(eng,
	            &(struct engine_call){ .verb = "remove",
	                    .kind = "container",
	                    .name = id,
	                    .method = "DELETE",
	                    .path_take =
	                            engine_path("/containers", id, NULL, "force=1&v=1", NULL) },
	            &r, e) == 0)
		return 0;
	if (e->kind != ERR_NOT_FOUND)
		return -1;
	err_clear(e);
	return 1;
}

static int on_frame(void *arg, int stream UNUSED, char *payload, size_t n)
{
	/* Full, or no memory: what came until then is the answer. */
	return buf_add(arg, payload, n) < 0;
}

static int on_data(void *arg, const void *data, size_t n)
{
	struct err ignored = ERR_INIT;

	return frame_feed(arg, data, n, &ignored) != 0;
}

int engine_container_tail(
        struct engine *eng, const char *id, unsigned lines, struct buf *out, struct err *e)
{
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	AUTO(buf) struct buf text = BUF_INIT(ENGINE_TAIL_BYTES);
	AUTO(free) char *query = str_fmt("stdout=1&stderr=1&tail=%u", lines);
	struct frame_decoder frames = FRAME_DECODER_INIT(on_frame, &text);
	int rc;

	if (!query)
		return err_nomem(e);
	rc = engine_call(eng,
	        &(struct engine_call){ .verb = "read logs of",
	                .kind = "container",
	                .name = id,
	                .path_take = engine_path("/containers", id, "/logs", query, NULL),
	                .sink = on_data,
	                .sink_arg = &frames },
	        &r, e);
	frame_decoder_release(&frames);
	if (rc < 0)
		return -1;
	return text.len && buf_add(out, text.data, text.len) < 0 ? err_nomem(e) : 0;
}
