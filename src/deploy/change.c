#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "deploy/deploy_priv.h"
#include "deploy/spec.h"

/* An engine that is busy with its own updates answers "update out of sequence" a few times. */
#define CONFLICTS_MAX 50
#define CONFLICT_MS   40

int change_service(struct deploy *d, struct deadline *dl, const char *id, change_fn *fn, void *arg,
        struct err *e)
{
	for (unsigned tries = 0;; tries++) {
		AUTO(json) json_t *j = NULL;
		AUTO(json) json_t *spec = NULL;
		struct engine_service s;
		int rc;

		do
			j = engine_service_inspect(d->engine, id, e);
		while (!j && away_wait(d, dl, e) == 0);
		if (!j || engine_service_view(j, &s, e) < 0)
			return -1;
		spec = json_deep_copy(s.spec);
		if (!spec)
			return err_nomem(e);
		rc = fn(spec, arg, e);
		if (rc != 0)
			return rc;
		if (engine_service_update(d->engine, s.id, s.version, spec, e) == 0)
			return 0;
		if (tries >= CONFLICTS_MAX || (e->kind != ERR_CONFLICT && away_wait(d, dl, e) < 0))
			return -1;
		err_clear(e);
		(void)poll(NULL, 0, CONFLICT_MS);
		if (d->interrupted && *d->interrupted)
			return err_set(
			        e, ERR_INTERRUPTED, "interrupted while '%s' was changed", s.name);
	}
}

int spec_set_replicas(json_t *spec, int64_t n, struct err *e)
{
	json_t *mode = json_at(spec, "Mode.Replicated");

	if (!mode)
		return err_set(e, ERR_USAGE, "'%s' is not a replicated service",
		        json_str(spec, "Name", "?"));
	return json_object_set_new(mode, "Replicas", json_integer(n)) < 0 ? err_nomem(e) : 0;
}

int spec_set_label(json_t *spec, const char *key, const char *value, struct err *e)
{
	json_t *labels = json_object_get(spec, "Labels");

	if (!value) {
		(void)json_object_del(labels, key);
		return 0;
	}
	if (!json_is_object(labels)) {
		labels = json_object();
		if (json_object_set_new(spec, "Labels", labels) < 0)
			return err_nomem(e);
	}
	return json_object_set_new(labels, key, json_string(value)) < 0 ? err_nomem(e) : 0;
}
