#include "engine/container.h"

#include "engine/engine_priv.h"

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
