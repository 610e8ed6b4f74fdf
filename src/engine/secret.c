#include "engine/secret.h"

#include "engine/engine_priv.h"

json_t *engine_secret_list(struct engine *eng, const struct engine_filter *filters, struct err *e)
{
	return engine_list(eng, "secrets", "/secrets", NULL, filters, e);
}

json_t *engine_secret_inspect(struct engine *eng, const char *id, struct err *e)
{
	return engine_inspect(eng, "secret", engine_path("/secrets", id, NULL, NULL, NULL), id,
	        "ID", "Spec.Name", e);
}

int engine_secret_create(struct engine *eng, const char *name, const void *data, size_t n,
        const json_t *labels, char ret_id[ENGINE_ID_SIZE], struct err *e)
{
	return engine_create_payload(eng, "secret", "/secrets/create", ENGINE_SECRET_MAX, name,
	        data, n, labels, ret_id, e);
}

int engine_secret_relabel(struct engine *eng, const json_t *it, const json_t *labels, struct err *e)
{
	return engine_relabel_payload(eng, "secret", "/secrets", it, labels, e);
}

int engine_secret_remove(struct engine *eng, const char *id, struct err *e)
{
	return engine_remove(eng, "secret", "/secrets", id, e);
}
