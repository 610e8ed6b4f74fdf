#include "engine/network.h"

#include <stdlib.h>

#include "base/json.h"
#include "engine/engine_priv.h"

json_t *engine_network_list(struct engine *eng, const struct engine_filter *filters, struct err *e)
{
	return engine_list(eng, "networks", "/networks", NULL, filters, e);
}

int engine_network_create(
        struct engine *eng, const json_t *spec, char ret_id[ENGINE_ID_SIZE], struct err *e)
{
	AUTO(json) json_t *checked = json_copy((json_t *)(uintptr_t)spec);
	AUTO(free) char *body = NULL;

	/* Before 1.44 the engine refuses a second network of the name only when told to. */
	if (!checked || json_object_set_new(checked, "CheckDuplicate", json_true()) < 0)
		return err_nomem(e);
	body = json_text(checked, false);
	return engine_create(eng, "network", "/networks/create", json_str(spec, "Name", ""), body,
	        "Id", ret_id, e);
}

int engine_network_remove(struct engine *eng, const char *id, struct err *e)
{
	return engine_remove(eng, "network", "/networks", id, e);
}
