#include "engine/system.h"

#include <stdlib.h>

#include "base/json.h"
#include "engine/engine_priv.h"

static json_t *get_object(struct engine *eng, const char *kind, const char *path, struct err *e)
{
	return engine_inspect(eng, kind, engine_path(path, NULL, NULL, NULL, NULL),
	        engine_host(eng), NULL, NULL, e);
}

json_t *engine_version(struct engine *eng, struct err *e)
{
	return get_object(eng, "engine", "/version", e);
}

json_t *engine_info(struct engine *eng, struct err *e)
{
	return get_object(eng, "engine", "/info", e);
}

int engine_ping(struct engine *eng, struct err *e)
{
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;

	return engine_call(eng,
	        &(struct engine_call){ .verb = "ping",
	                .kind = "engine",
	                .name = engine_host(eng),
	                .path_take = engine_path("/_ping", NULL, NULL, NULL, NULL) },
	        &r, e);
}
