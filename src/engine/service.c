#include "engine/service.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "engine/engine_priv.h"

static enum engine_service_mode mode_of(const json_t *svc)
{
	const json_t *mode = json_at(svc, "Spec.Mode");

	if (json_object_get(mode, "Global"))
		return ENGINE_GLOBAL;
	if (json_object_get(mode, "ReplicatedJob"))
		return ENGINE_REPLICATED_JOB;
	if (json_object_get(mode, "GlobalJob"))
		return ENGINE_GLOBAL_JOB;
	return ENGINE_REPLICATED;
}

int engine_service_view(const json_t *svc, struct engine_service *ret, struct err *e)
{
	struct engine_service s = {
		.id = json_str(svc, "ID", ""),
		.name = json_str(svc, "Spec.Name", ""),
		.image = json_str(svc, "Spec.TaskTemplate.ContainerSpec.Image", ""),
		.mode = mode_of(svc),
		.replicas = -1,
		.running = json_int(svc, "ServiceStatus.RunningTasks", -1),
		.desired = json_int(svc, "ServiceStatus.DesiredTasks", -1),
		.force_update = (uint64_t)json_int(svc, "Spec.TaskTemplate.ForceUpdate", 0),
		.update_state = json_str(svc, "UpdateStatus.State", ""),
		.update_message = json_str(svc, "UpdateStatus.Message", ""),
		.labels = json_at(svc, "Spec.Labels"),
		.spec = json_at(svc, "Spec"),
	};
	int64_t version = json_int(svc, "Version.Index", -1);

	if (!str_is_name(s.id, ENGINE_ID_SIZE - 1))
		return err_set(e, ERR_PROTOCOL, "service without a valid ID");
	if (!str_is_name(s.name, ENGINE_NAME_SIZE - 1))
		return err_set(e, ERR_PROTOCOL, "service '%s' without a valid name", s.id);
	if (version < 0)
		return err_set(e, ERR_PROTOCOL, "service '%s' without a version", s.name);
	s.version = (uint64_t)version;
	if (!json_is_object(s.labels))
		s.labels = NULL;
	/* Absent means one: that is what the engine starts then. */
	if (s.mode == ENGINE_REPLICATED)
		s.replicas = json_int(svc, "Spec.Mode.Replicated.Replicas", 1);
	*ret = s;
	return 0;
}

const char *engine_service_label(const struct engine_service *s, const char *key)
{
	return json_string_value(json_object_get(s->labels, key));
}

json_t *engine_service_list(struct engine *eng, const struct engine_filter *filters, struct err *e)
{
	return engine_list(eng, "services", "/services", "status=true", filters, e);
}

json_t *engine_service_inspect(struct engine *eng, const char *id, struct err *e)
{
	return engine_inspect(eng, "service", engine_path("/services", id, NULL, NULL, NULL), id,
	        "ID", "Spec.Name", e);
}

int engine_service_create(
        struct engine *eng, const json_t *spec, char ret_id[ENGINE_ID_SIZE], struct err *e)
{
	AUTO(free) char *body = json_text(spec, false);

	return engine_create(eng, "service", "/services/create", json_str(spec, "Name", ""), body,
	        "ID", ret_id, e);
}

int engine_service_update(
        struct engine *eng, const char *id, uint64_t version, const json_t *spec, struct err *e)
{
	AUTO(free) char *body = json_text(spec, false);

	return engine_update(
	        eng, "service", "/services", id, version, json_str(spec, "Name", id), body, e);
}

int engine_service_remove(struct engine *eng, const char *id, struct err *e)
{
	return engine_remove(eng, "service", "/services", id, e);
}
