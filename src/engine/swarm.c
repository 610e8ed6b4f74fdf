#include "engine/swarm.h"

#include "base/json.h"
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
