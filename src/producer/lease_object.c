#include "producer/lease_object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "engine/config.h"
#include "lease/object.h"

#define CONFIG_NAME_SIZE (sizeof(LEASE_CONFIG) + LEASE_NAME_SIZE)

void lease_object_release(struct lease_object *o)
{
	json_decref(o->config);
	o->config = NULL;
}

static int record_of(
        struct lease_record *ret, const json_t *config, const char *name, struct err *e)
{
	int64_t version = json_int(config, "Version.Index", 0);

	if (version <= 0)
		return err_set(e, ERR_PROTOCOL, "lease '%s': the config has no version", name);
	if (lease_from_labels(ret, name, (uint64_t)version, json_at(config, "Spec.Labels"), e) < 0)
		return err_wrap(e, "lease '%s'", name);
	return 0;
}

int lease_object_read(struct lease_object *ret, struct engine *eng, const char *name, struct err *e)
{
	char config[CONFIG_NAME_SIZE];

	lease_object_release(ret);
	if (lease_name_check(name, e) < 0)
		return -1;
	snprintf(config, sizeof(config), LEASE_CONFIG "%s", name);
	ret->config = engine_config_inspect(eng, config, e);
	if (ret->config)
		return record_of(&ret->lease, ret->config, name, e);
	if (e->kind != ERR_NOT_FOUND)
		return -1;
	err_clear(e);
	lease_record_init(&ret->lease, name);
	return 1;
}

int lease_object_write(struct engine *eng, const struct lease_object *o,
        const struct lease_record *to, struct err *e)
{
	AUTO(json) json_t *labels = NULL;
	char config[CONFIG_NAME_SIZE];

	if (lease_may_follow(&o->lease, to, e) < 0)
		return err_wrap(e, "lease '%s'", to->name);
	labels = store_labels(json_at(o->config, "Spec.Labels"), to);
	if (!labels)
		return err_nomem(e);
	if (o->config)
		return engine_config_relabel(eng, o->config, labels, e);
	snprintf(config, sizeof(config), LEASE_CONFIG "%s", to->name);
	return engine_config_create(
	        eng, config, LEASE_OBJECT_TEXT, sizeof(LEASE_OBJECT_TEXT) - 1, labels, NULL, e);
}

/* --- claims ------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	const struct lease_record *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int lease_object_claims(struct lease_record **ret, size_t *ret_n, size_t *ret_bad,
        struct engine *eng, struct err *e)
{
	AUTO(json)
	json_t *all = engine_config_list(eng, ENGINE_FILTERS({ "name", LEASE_CONFIG }), e);
	AUTO(free) struct lease_record *v = NULL;
	size_t n = 0, bad = 0;

	if (!all)
		return -1;
	v = calloc(json_array_size(all) ? json_array_size(all) : 1, sizeof(*v));
	if (!v)
		return err_nomem(e);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *config = json_array_get(all, i);
		struct err ignored = ERR_INIT;
		const char *name;

		if (!str_starts(json_str(config, "Spec.Name", ""), LEASE_CONFIG, &name))
			continue;
		if (lease_name_check(name, &ignored) < 0 ||
		        record_of(&v[n], config, name, &ignored) < 0)
			bad++;
		else
			n += v[n].is_claim;
	}
	qsort(v, n, sizeof(*v), by_name);
	*ret = TAKE(v);
	*ret_n = n;
	*ret_bad = bad;
	return 0;
}
