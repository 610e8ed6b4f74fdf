#include "engine/config.h"

#include "engine/engine_priv.h"

json_t *engine_config_list(struct engine *eng, const struct engine_filter *filters, struct err *e)
{
	return engine_list(eng, "configs", "/configs", NULL, filters, e);
}

json_t *engine_config_inspect(struct engine *eng, const char *id, struct err *e)
{
	return engine_inspect(eng, "config", engine_path("/configs", id, NULL, NULL, NULL), id,
	        "ID", "Spec.Name", e);
}

int engine_config_create(struct engine *eng, const char *name, const void *data, size_t n,
        const json_t *labels, char ret_id[ENGINE_ID_SIZE], struct err *e)
{
	return engine_create_payload(eng, "config", "/configs/create", ENGINE_CONFIG_MAX, name,
	        data, n, labels, ret_id, e);
}

int engine_config_relabel(struct engine *eng, const json_t *it, const json_t *labels, struct err *e)
{
	return engine_relabel_payload(eng, "config", "/configs", it, labels, e);
}

int engine_config_remove(struct engine *eng, const char *id, struct err *e)
{
	return engine_remove(eng, "config", "/configs", id, e);
}
