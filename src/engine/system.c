#include "engine/system.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "engine/engine_priv.h"

json_t *engine_info(struct engine *eng, struct err *e)
{
	json_t *info = engine_inspect(eng, "engine", engine_path("/info", NULL, NULL, NULL, NULL),
	        engine_host(eng), NULL, NULL, e);
	struct engine_self *self = engine_self(eng);

	self->is_asked = true;
	if (info) {
		engine_copy_text(self->name, sizeof(self->name), json_str(info, "Name", ""));
		engine_copy_text(
		        self->node_id, sizeof(self->node_id), json_str(info, "Swarm.NodeID", ""));
	}
	return info;
}

bool engine_is_here(struct engine *eng, const char *name)
{
	const struct engine_self *self = engine_self(eng);
	char ours[HOST_NAME_MAX + 1] = "";

	if (!engine_is_unix(eng))
		return false;
	if ((!name || !*name) && !self->is_asked) {
		struct err ignored = ERR_INIT;

		json_decref(engine_info(eng, &ignored));
	}
	if (!name || !*name)
		name = self->name;
	if (!*name)
		return strcmp(engine_host(eng), ENGINE_DEFAULT_HOST) == 0;
	return gethostname(ours, sizeof(ours) - 1) == 0 && strcmp(ours, name) == 0;
}

const char *engine_known_node_id(struct engine *eng)
{
	return engine_self(eng)->node_id;
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
