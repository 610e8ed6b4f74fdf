#include "engine/swarm.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/str.h"
#include "engine/engine_priv.h"

json_t *engine_swarm_inspect(struct engine *eng, struct err *e)
{
	AUTO(json)
	json_t *j = engine_call_json(eng,
	        &(struct engine_call){ .verb = "inspect",
	                .kind = "swarm",
	                .path_take = engine_path("/swarm", NULL, NULL, NULL, NULL) },
	        e);

	if (j && !json_is_object(j)) {
		err_set(e, ERR_PROTOCOL, "inspect swarm: the reply is not an object");
		return NULL;
	}
	return TAKE(j);
}

static char *init_body(const char *listen, const char *advertise)
{
	AUTO(json) json_t *j = json_pack("{s:s}", "ListenAddr", listen ? listen : "0.0.0.0:2377");

	if (!j ||
	        (advertise && json_object_set_new(j, "AdvertiseAddr", json_string(advertise)) < 0))
		return NULL;
	return json_text(j, false);
}

int engine_swarm_init(struct engine *eng, const char *listen, const char *advertise,
        char ret_node_id[ENGINE_ID_SIZE], struct err *e)
{
	AUTO(free) char *body = init_body(listen, advertise);
	AUTO(json) json_t *j = NULL;
	const char *id;

	if (!body)
		return err_nomem(e);
	j = engine_call_json(eng,
	        &(struct engine_call){ .verb = "init",
	                .kind = "swarm",
	                .path_take = engine_path("/swarm/init", NULL, NULL, NULL, NULL),
	                .body = body },
	        e);
	if (!j)
		return -1;
	id = json_string_value(j);
	if (!id || !str_is_name(id, ENGINE_ID_SIZE - 1))
		return err_set(e, ERR_PROTOCOL, "init swarm: the reply is not a node's id");
	if (ret_node_id)
		(void)snprintf(ret_node_id, ENGINE_ID_SIZE, "%s", id);
	return 0;
}
