#include "engine/image.h"

#include "engine/engine_priv.h"

json_t *engine_image_inspect(struct engine *eng, const char *name, struct err *e)
{
	return engine_inspect(eng, "image", engine_path("/images", name, "/json", NULL, NULL), name,
	        NULL, NULL, e);
}

int engine_image_remove(struct engine *eng, const char *name, struct err *e)
{
	return engine_remove(eng, "image", "/images", name, e);
}
