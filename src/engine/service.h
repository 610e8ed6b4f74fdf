#pragma once

/*
 * Engine API: service (/services)
 *
 * Read, change, write: engine_service_inspect(), a copy of its "Spec" changed, then
 * engine_service_update() with the version that was read.  ERR_CONFLICT means that somebody was
 * faster.  The engine finds a service by its id, else its name, else a prefix of its id; inspect
 * refuses that last guess, the writing calls should be given an id.
 */

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

enum engine_service_mode {
	ENGINE_REPLICATED,
	ENGINE_GLOBAL,
	ENGINE_REPLICATED_JOB,
	ENGINE_GLOBAL_JOB,
};

/* What is asked for most, read out of a service's JSON; the strings are borrowed from it. */
struct engine_service {
	const char *id, *name;
	const char *image; /* Spec.TaskTemplate.ContainerSpec.Image, "" without */
	uint64_t version;  /* Version.Index, for engine_service_update() */
	enum engine_service_mode mode;
	int64_t replicas;           /* asked for; -1 unless replicated */
	int64_t running;            /* ServiceStatus, only in a list; else -1 */
	int64_t desired;            /* same */
	uint64_t force_update;      /* Spec.TaskTemplate.ForceUpdate */
	const char *update_state;   /* UpdateStatus.State, "" without */
	const char *update_message; /* UpdateStatus.Message, "" without */
	const json_t *labels;       /* Spec.Labels; NULL: none */
	const json_t *spec;
};

/* Fill *ret from one service's JSON.  ERR_PROTOCOL when id, name or version are not there. */
int engine_service_view(const json_t *svc, struct engine_service *ret, struct err *e) NODISCARD;

/* A label's value, or NULL. */
const char *engine_service_label(const struct engine_service *s, const char *key);

/* GET /services?status=true: an array.  filters: id, label, mode, name. */
json_t *engine_service_list(
        struct engine *eng, const struct engine_filter *filters, struct err *e) NODISCARD;

/* GET /services/{id or name}.  Exactly that one, not a prefix. */
json_t *engine_service_inspect(struct engine *eng, const char *id, struct err *e) NODISCARD;

/* POST /services/create with a ServiceSpec.  ret_id may be NULL. */
int engine_service_create(struct engine *eng, const json_t *spec, char ret_id[ENGINE_ID_SIZE],
        struct err *e) NODISCARD;

/* POST /services/{id}/update: the whole new spec. */
int engine_service_update(struct engine *eng, const char *id, uint64_t version, const json_t *spec,
        struct err *e) NODISCARD;

/* DELETE /services/{id}.  0 accepted (its tasks stop afterwards), 1 there was none. */
int engine_service_remove(struct engine *eng, const char *id, struct err *e) NODISCARD;
